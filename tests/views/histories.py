"""Random histories that keep to the facts about events, and what must be counted in them, by brute force."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from outdial.address import Address
from outdial.commands import OUTCOMES
from outdial.events import (
    DialClaimed,
    DialDeleted,
    DialingDraining,
    DialingFinished,
    DialingPaused,
    DialingResumed,
    DialingStarted,
    DialingStopped,
    ResultIgnored,
    TargetBlocked,
    TargetDeferred,
    TargetDeleted,
    TargetExhausted,
    TargetExpired,
    TargetFinished,
    TargetReopened,
    TargetRevived,
    TargetUnblocked,
)
from outdial.ids import attempt_id
from outdial.plan import Plan
from outdial.views.counts import RULES, Stats
from outdial.windows import Gate, Windows
from views.hand import MAIL, MINUTE, PHONE, SECOND, Log

HOURS = [
    {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "12:30"},
    {"days": ["fri"], "start": "15:00", "end": "01:00"},
]
PAUSES = (0, 0, 1, 999_999, SECOND, 2 * SECOND, MINUTE + 1, 15 * MINUTE, 300 * MINUTE)
SHAPES: tuple[tuple[Address | None, ...], ...] = ((PHONE,), (PHONE, MAIL), (None, PHONE), (MAIL,), (MAIL, None, PHONE))
PLANS: tuple[dict[str, Any], ...] = (
    {},
    {"max_try_count_0": 2},
    {"max_try_count_0": 1, "max_try_count_1": 2, "try_interval": 0},
    {"max_try_count_0": 9, "max_try_count_2": 9, "max_attempts": 2, "try_interval": 1_000},
    {"max_try_count_1": 1, "retry_mode": "result", "try_interval": 3_600_000},
    {"max_try_count_0": 3, "max_try_count_1": 1, "max_try_count_2": 1, "windows": Windows.model_validate({"hours": HOURS})},
    {"max_try_count_0": 3, "windows": Windows.model_validate({"hours": HOURS}), "time_zone": "Asia/Seoul"},
    {"max_try_count_0": 3, "windows": Windows.model_validate({"hours": HOURS, "time_zone": "Europe/London"}), "try_interval": 0},
)
ZONES: tuple[dict[str, Any], ...] = (
    {},
    {"zones": (("Europe/Berlin",), None, ("America/New_York", "America/Los_Angeles"))},
    {"zones": (None, ("Asia/Tokyo",))},
    {"time_zone": "Australia/Sydney"},
)
"""What may be known of where a target is."""
STEPS = st.lists(st.tuples(st.integers(0, 22), st.integers(0, 1_000_000)), max_size=120)


@dataclass(slots=True)
class Person:
    """A target as the generator knows it."""

    outdial: str
    id: str
    destinations: tuple[Address | None, ...]
    most: int | None
    lifecycle: str = "idle"
    deleted: bool = False
    tries: list[int] = field(default_factory=lambda: [0] * 5)
    since: int | None = None
    not_dialed: int = 0
    last: str = "never"
    ends: int = 0
    lost: bool = False
    """Whether nobody said how the last attempt ended."""
    open: int | None = None
    """Destination of the open attempt."""
    claimed: bool = False
    answered: bool = False
    zones: dict[str, Any] = field(default_factory=dict)
    """How it was added."""
    blocked: tuple[int, ...] = ()
    until: int | None = None
    """Until when a cap holds it."""

    @property
    def ordinal(self) -> int:
        return self.ends + (self.open is not None)

    @property
    def attempt(self) -> str:
        return attempt_id(self.outdial, self.id, self.ordinal)


@dataclass(slots=True)
class List:
    """An outdial as the generator knows it."""

    id: str
    plan: Plan | None = None
    calls_only: bool = False
    version: int = 0
    run: int = 0
    running: bool = False
    paused: bool = False
    draining: bool = False
    people: list[Person] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)


class History:
    """A log grown step by step; each step is one thing that may happen then, or nothing."""

    def __init__(self, steps: list[tuple[int, int]], lists: int = 2) -> None:
        self.log = Log()
        self.lists = [List(self.log.outdial()) for _ in range(lists)]
        for kind, choice in steps:
            self.log.after(PAUSES[choice % len(PAUSES)])
            self._step(kind, choice // len(PAUSES))

    def _step(self, kind: int, choice: int) -> None:
        found = self.lists[choice % len(self.lists)]
        choice //= len(self.lists)
        if kind < 4 or not found.people:
            self._join(found, choice)
        elif kind == 4:
            self._plan(found, choice)
        elif kind == 5:
            self._run(found, choice)
        else:
            person = found.people[choice % len(found.people)]
            self._meet(found, person, kind, choice // len(found.people))

    def _join(self, found: List, choice: int) -> None:
        shape, most = SHAPES[choice % len(SHAPES)], (None, None, 1, 3)[choice % 4]
        zones = ZONES[choice % len(ZONES)]
        target = self.log.target(found.id, *shape, try_count_max=most, name=f"Person {choice}", **zones)
        found.people.append(Person(found.id, target, shape, most, zones=zones))

    def _plan(self, found: List, choice: int) -> None:
        found.version += 1
        found.plan = self.log.plan(found.id, found.version, **PLANS[choice % len(PLANS)])

    def _run(self, found: List, choice: int) -> None:
        if choice % 6 == 0:
            self.log.add(found.id, DialingStopped(run=found.run, how="stopped", requests=choice))
            found.running = found.paused = found.draining = False
        elif choice % 6 == 1 and not found.attempts["open"]:
            self.log.add(found.id, DialingFinished(run=found.run, requests=choice))
            found.running = found.paused = found.draining = False
        elif choice % 6 == 2 and found.running:
            self.log.add(found.id, DialingResumed(run=found.run) if found.paused else DialingPaused(run=found.run))
            found.paused = not found.paused
        elif choice % 6 == 3 and found.running:
            self.log.add(found.id, DialingDraining(run=found.run))
            found.draining = True
        else:
            found.run += 1
            found.calls_only = choice % 2 == 0
            found.running, found.paused, found.draining = True, False, False
            self.log.add(found.id, DialingStarted(run=found.run, campaign_type="call" if found.calls_only else ""))

    def _meet(self, found: List, person: Person, kind: int, choice: int) -> None:
        if kind == 20 and not person.deleted:
            self._block(found, person, choice)
        elif person.open is not None:
            self._during(found, person, kind, choice)
        elif kind < 13 and not person.deleted and person.lifecycle in ("idle", "busy", "no_answer"):
            self._request(found, person, choice)
        else:
            self._between(found, person, kind, choice)

    def _block(self, found: List, person: Person, choice: int) -> None:
        person.blocked = tuple(index for index in range(len(person.destinations)) if choice >> index & 1)
        if person.blocked:
            entries = ("0" * 32,) * len(person.blocked)
            self.log.add(found.id, TargetBlocked(target_id=person.id, destinations=person.blocked, entries=entries))
        else:
            self.log.add(found.id, TargetUnblocked(target_id=person.id))

    def _request(self, found: List, person: Person, choice: int) -> None:
        places = [index for index, address in enumerate(person.destinations) if address is not None]
        person.open = places[choice % len(places)]
        person.tries[person.open] += 1
        person.lifecycle, person.claimed, person.answered = "dialing", False, False
        self.log.requested(
            found.id, person.id, person.ordinal, destination_index=person.open, try_count=person.tries[person.open], run=found.run
        )
        found.attempts.update(("requested", "open"))

    def _during(self, found: List, person: Person, kind: int, choice: int) -> None:
        if kind == 6:
            self.log.add(found.id, DialClaimed(attempt_id=person.attempt, target_id=person.id, worker="w"))
            found.attempts["claimed"] += not person.claimed
            person.claimed = True
        elif kind in (7, 8) and not person.answered:
            self.log.answered(found.id, person.id, person.ordinal)
            person.answered, person.lifecycle = True, "answered"
            found.attempts["answered"] += 1
        elif kind == 9 and not person.deleted:
            self.log.add(found.id, TargetDeleted(target_id=person.id))
            person.deleted = True
        else:
            self._end(found, person, choice)

    def _end(self, found: List, person: Person, choice: int) -> None:
        assert person.open is not None
        lost = choice % 3 == 0
        outcome = OUTCOMES[choice % len(OUTCOMES)]
        if lost:
            outcome = "answered" if person.answered else "no_answer"
        elif person.answered:
            outcome = "answered" if choice % 2 else "machine"
        given_back = outcome == "not_dialed"
        self.log.ended(
            found.id, person.id, outcome, person.ordinal, destination_index=person.open, lost=lost, given_back=given_back, call_id="c"
        )
        person.tries[person.open] -= given_back
        person.not_dialed = person.not_dialed + 1 if given_back else 0
        person.since, person.last, person.lost, person.until = self.log.clock, outcome, lost, None
        person.lifecycle = {"busy": "busy", "no_answer": "no_answer"}.get(outcome, "idle")
        person.open, person.ends = None, person.ends + 1
        found.attempts["open"] -= 1
        found.attempts["lost"] += lost
        found.attempts["given_back"] += given_back
        found.attempts["answered"] += outcome == "answered" and not person.answered
        found.ended[outcome] += 1
        if not person.deleted and outcome == "answered":
            self.log.add(found.id, TargetFinished(target_id=person.id, attempt_id=person.attempt))
            person.lifecycle = "finished"
        elif not person.deleted and choice % 5 == 0:
            self.log.add(found.id, TargetExhausted(target_id=person.id, plan_version=1))
            person.lifecycle = "failed"

    def _between(self, found: List, person: Person, kind: int, choice: int) -> None:
        if person.ends and kind == 14:
            self.log.add(found.id, DialDeleted(attempt_id=person.attempt, target_id=person.id))
        elif person.ends and kind == 15:
            self.log.add(found.id, ResultIgnored(attempt_id=person.attempt, target_id=person.id, outcome="busy", reason="closed"))
        elif person.deleted:
            return
        elif kind == 16:
            self.log.add(found.id, TargetDeleted(target_id=person.id))
            person.deleted = True
        elif kind == 17:
            self.log.add(found.id, TargetReopened(target_id=person.id))
            person.lifecycle, person.tries, person.since, person.not_dialed = "idle", [0] * 5, None, 0
            person.until = None
        elif kind == 21 and person.lifecycle in ("idle", "busy", "no_answer"):
            person.until = self.log.clock + choice % 90 * MINUTE
            self.log.add(found.id, TargetDeferred(target_id=person.id, until=person.until, reason="frequency_cap"))
        elif kind == 22 and person.lifecycle in ("idle", "busy", "no_answer", "failed"):
            self.log.add(found.id, TargetExpired(target_id=person.id))
            person.lifecycle = "expired"
        elif kind == 18 and person.lifecycle == "failed":
            self.log.add(found.id, TargetRevived(target_id=person.id))
            person.lifecycle = "idle"
        elif kind == 19 and person.lost and person.last == "no_answer" and person.lifecycle != "finished":
            self.log.add(found.id, TargetFinished(target_id=person.id, attempt_id=person.attempt, late=True))
            person.lifecycle, person.last = "finished", "answered"
            found.attempts["answered"] += 1


# --- by brute force -------------------------------------------------------------------------------------


def counted(found: List, now: int) -> Stats:
    """The numbers of an outdial, counted target by target."""
    alive = [person for person in found.people if not person.deleted]
    idle = [person for person in alive if person.lifecycle in ("idle", "busy", "no_answer")]
    lifecycle = Counter("failed" if person.lifecycle == "expired" else person.lifecycle for person in alive)
    standing = [_standing(person, found, now) for person in idle]
    held = "no_run" if not found.running else "plan_pending" if found.plan is None else "paused" if found.paused else ""
    blocked = Counter({held: len(idle)} if held else [rule for rule, _, _ in standing])
    blocked.update(
        expired=sum(person.lifecycle == "expired" for person in alive), tries_spent=sum(person.lifecycle == "failed" for person in alive)
    )
    lets_go: dict[str, int] = {}
    for rule, _, at in standing:
        if at is not None and at > now:
            lets_go[rule] = min(at, lets_go.get(rule, at))
    return Stats(
        total=len(alive),
        deleted=len(found.people) - len(alive),
        status={
            "idle": len(idle),
            "progressing": lifecycle["dialing"] + lifecycle["answered"],
            "done": lifecycle["finished"] + lifecycle["failed"],
        },
        lifecycle={word: lifecycle[word] for word in ("idle", "dialing", "answered", "busy", "no_answer", "finished", "failed")},
        outcome={word: sum(person.last == word for person in alive) for word in ("never", *OUTCOMES)},
        open_attempts=sum(person.open is not None for person in found.people),
        requested=found.attempts["requested"],
        claimed=found.attempts["claimed"],
        answered=found.attempts["answered"],
        lost=found.attempts["lost"],
        given_back=found.attempts["given_back"],
        ended={word: found.ended[word] for word in OUTCOMES},
        waiting=sum(waits for _, waits, _ in standing),
        no_tries=sum(not waits for _, waits, _ in standing),
        due_now=sum(rule == DUE for rule, _, _ in standing),
        due_outside=sum(
            rule == "outside_window" and _due_at(person, found.plan) <= now
            for person, (rule, _, _) in zip(idle, standing, strict=True)
            if found.plan
        ),
        next_due=min(lets_go.values(), default=None),
        blocked={rule: blocked[rule] for rule in RULES},
        lets_go={} if held else lets_go,
    )


DUE = "due"


def standings(found: List, now: int) -> dict[str, str]:
    """How each that is not deleted stands, by id."""
    words = {
        "dialing": "in_progress",
        "answered": "in_progress",
        "finished": "reached",
        "failed": "out_of_tries",
        "expired": "out_of_tries",
    }
    told = {}
    for person in found.people:
        if person.deleted:
            continue
        word = words.get(person.lifecycle)
        if word is None:
            rule, waits, _ = _standing(person, found, now)
            word = "no_tries" if not waits else "due_now" if rule == DUE else "due_later"
        told[person.id] = word
    return told


def _standing(person: Person, found: List, now: int) -> tuple[str, bool, int | None]:
    """What holds somebody who is idle, whether they are dialed when they are due, and when they can be."""
    plan = found.plan
    if plan is None:
        return "plan_pending", False, None
    if found.draining and not any(person.tries):
        return "draining", False, None
    anything = [index for index, address in enumerate(person.destinations) if address is not None]
    callable_ones = [index for index in anything if not found.calls_only or person.destinations[index].type in ("tel", "sip")]  # type: ignore[union-attr]
    tried = [index for index in callable_ones if _has_try(person, plan, index)]
    known = [index for index in tried if _clocks(person, plan, index) != []]
    free = [index for index in known if index not in person.blocked]
    if not free:
        if known:
            return "suppressed", False, None
        if any(_has_try(person, plan, index) and _clocks(person, plan, index) != [] for index in anything):
            return "type_not_dialable", False, None
        return ("zone_unknown" if tried else "no_tries_in_plan"), False, None
    due = _due_at(person, plan)
    clocks = _clocks(person, plan, free[0])
    if clocks is None:
        opens: int | None = max(due, now)
    else:
        assert plan.windows is not None
        opens = Gate(plan.windows, tuple(clocks)).opens_at(max(due, now))
    closed = clocks is not None and plan.windows is not None and not Gate(plan.windows, tuple(clocks)).is_open(now)
    if due <= now:
        return ("outside_window" if closed else DUE), True, opens
    if person.until is not None:
        return ("outside_window" if closed else "frequency_cap"), True, opens
    return "not_due", True, opens


def _clocks(person: Person, plan: Plan, index: int) -> list[str] | None:
    """The zones whose clocks count at a destination; None: no clock does, empty: nobody knows which."""
    if plan.windows is None:
        return None
    if plan.windows.time_zone != "recipient":
        return [plan.windows.time_zone]
    if "time_zone" in person.zones:
        return [person.zones["time_zone"]]
    known = person.zones.get("zones", ())
    own = known[index] if index < len(known) else None
    return list(own or ([plan.time_zone] if plan.time_zone else []))


def _has_try(person: Person, plan: Plan, index: int) -> bool:
    spent = sum(person.tries)
    if (person.most is not None and spent >= person.most) or (plan.max_attempts is not None and spent >= plan.max_attempts):
        return False
    return plan.retry_mode == "result" or person.tries[index] < plan.caps[index]


def _due_at(person: Person, plan: Plan) -> int:
    """The longer of the interval and what not_dialed in a row asks for, after the last end; at once when there was none."""
    if person.until is not None:
        return person.until
    if person.since is None:
        return 0
    wait = plan.try_interval * 1_000
    if person.not_dialed:
        wait = max(wait, min(2 ** (person.not_dialed - 1) * SECOND, 15 * MINUTE))
    return person.since + wait
