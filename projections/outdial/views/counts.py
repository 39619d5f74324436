"""Counts of an outdial: how far is it, and what is due? Kept as rows, never counted by scanning.

``tally`` counts targets by lifecycle and last outcome, attempts by what became of them, and as ``list`` the targets that were
``skipped``: left out as duplicates.
``waiting`` counts the idle targets by **profile** (all that decides whether a plan gives them another
try, how long they wait and by whose clock) and by the two seconds in which their waiting began. So a plan can change
at any time and nothing is counted anew; only the one slice the present cuts through is looked at row by row.

Those alike in the zones of their next destination have one window, looked at once. What a profile does not say is how often each
outcome came: where that decides which destination is next, the hours of all that may be must be open, and the waits of a
``result_policy`` are not looked at.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

from outdial.address import SLOTS
from outdial.commands import OUTCOMES
from outdial.plan import Plan, RetryMode
from outdial.scalars import MILLISECOND_US, SECOND_US
from outdial.views.rows import Write, writes
from outdial.windows import Gate
from outdial.wire import from_json

SLICE_US: Final = 2 * SECOND_US
AT_ONCE: Final = -1
"""The slice of targets that wait for nothing: never tried, or reopened."""
AT: Final = -1
"""In place of ``not_dialed`` in a row: the target waits for an instant of its own, which stands in place of the end of the attempt."""
CAPPED: Final = -2
"""The same less ``not_dialed`` in a row: until that instant its address was called as often as it may be."""
FIRST_BACKOFF_MS: Final = 1_000
LONGEST_BACKOFF_MS: Final = 900_000
NEVER: Final = "never"
"""The last outcome of a target that was never tried."""
STATUS_OF: Final = {
    "idle": "idle",
    "busy": "idle",
    "no_answer": "idle",
    "dialing": "progressing",
    "answered": "progressing",
    "finished": "done",
    "failed": "done",
}
"""Status of a target by its lifecycle (contract C3)."""
EXPIRED: Final = "expired"
"""The lifecycle ``failed`` of who was too late to dial, as it stands in the tables."""
GONE: Final = "outdial_deleted"
"""The rule that holds every target, whatever has become of it."""
OUTDIAL_RULES: Final = (GONE, "no_run", "plan_pending", "paused")
"""What holds every target that waits, in the order it is looked at."""
RULES: Final = (
    *(GONE, "expired", "tries_spent", *OUTDIAL_RULES[1:], "draining", "type_not_dialable", "zone_unknown", "no_tries_in_plan"),
    *("not_due", "outside_window", "suppressed", "frequency_cap"),
)
"""Words of :data:`outdial.why.REASONS` that targets are counted by, in the same order."""
STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "in_progress": ("dialing", "answered"),
    "reached": ("finished",),
    "out_of_tries": ("failed", EXPIRED),
}
"""Of those that are not idle: how they stand, in words of :data:`outdial.standing.STANDINGS`, and the lifecycles as in the tables."""
ALWAYS: Final = (AT_ONCE - 1, 2**62)
"""All instants a waiting can have begun, AT_ONCE among them."""

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS tally (
        outdial INTEGER,
        subject TEXT,       -- target, attempt
        state TEXT,         -- target: lifecycle, or deleted; attempt: requested, outside, claimed, answered, open, ended, lost, given_back
        outcome TEXT,       -- target: the last one; attempt: of those that ended
        n INTEGER NOT NULL,
        PRIMARY KEY (outdial, subject, state, outcome)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS waiting (
        outdial INTEGER,
        profile TEXT,       -- as in target.profile
        slice INTEGER,      -- target.since in two seconds, -1 = waits for nothing
        n INTEGER NOT NULL,
        PRIMARY KEY (outdial, profile, slice)
    ) WITHOUT ROWID
    """,
    # A count that has come down to 0 is no row: a rebuild, whose batches are others, may never have had it.
    """
    CREATE TRIGGER IF NOT EXISTS tally_empty AFTER UPDATE ON tally WHEN new.n = 0
    BEGIN DELETE FROM tally WHERE outdial = new.outdial AND subject = new.subject AND state = new.state AND outcome = new.outcome; END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS waiting_empty AFTER UPDATE ON waiting WHEN new.n = 0
    BEGIN DELETE FROM waiting WHERE outdial = new.outdial AND profile = new.profile AND slice = new.slice; END
    """,
)
TABLES: Final = ("tally", "waiting")
DIGEST: Final = """
    SELECT json_group_array(json_array(outdial, subject, state, outcome, n)), max(outdial)
    FROM (SELECT * FROM tally WHERE outdial = (SELECT min(outdial) FROM tally WHERE outdial > ?) ORDER BY subject, state, outcome)
"""
DIGEST_WAITING: Final = """
    SELECT json_group_array(json_array(outdial, profile, slice, n)), max(outdial)
    FROM (SELECT * FROM waiting WHERE outdial = (SELECT min(outdial) FROM waiting WHERE outdial > ?) ORDER BY profile, slice)
"""
_ADD_TALLY: Final = """
    INSERT INTO tally (outdial, subject, state, outcome, n) SELECT * FROM {rows} WHERE column1 IS NOT NULL
    ON CONFLICT (outdial, subject, state, outcome) DO UPDATE SET n = n + excluded.n
"""
_ADD_WAITING: Final = """
    INSERT INTO waiting (outdial, profile, slice, n) SELECT * FROM {rows} WHERE column1 IS NOT NULL
    ON CONFLICT (outdial, profile, slice) DO UPDATE SET n = n + excluded.n
"""
_TALLY: Final = "SELECT subject, state, outcome, n FROM tally WHERE outdial = ?"
_PROFILES: Final = "SELECT profile, sum(n) FROM waiting WHERE outdial = ? GROUP BY profile"
_BY_PROFILE: Final = """
    SELECT profile, coalesce(sum(n) FILTER (WHERE slice < :cut), 0), min(slice) FILTER (WHERE slice > :cut)
    FROM waiting WHERE outdial = :outdial GROUP BY profile
"""
_DUE_BY: Final = """
    SELECT max(0, (slice * :slice_us + :wait - :origin) / :step), sum(n) FROM waiting
    WHERE outdial = :outdial AND profile = :profile AND slice * :slice_us + :wait < :end GROUP BY 1
"""
_IN_SLICE: Final = """
    SELECT profile, count(*) FILTER (WHERE since <= :edge), min(since) FILTER (WHERE since > :edge)
    FROM target INDEXED BY target_waiting
    WHERE outdial = :outdial AND since >= :start AND since < :end
        AND lifecycle IN ('idle', 'busy', 'no_answer') AND tm_delete IS NULL
    GROUP BY profile
"""

# --- from rows to counts --------------------------------------------------------------------------------

Tally = Counter[tuple[int, str, str, str]]
"""(outdial, subject, state, outcome) -> how many more."""
Waiting = Counter[tuple[int, str, int]]
"""(outdial, profile, slice) -> how many more."""


def save(tally: Tally, waiting: Waiting) -> Iterator[Write]:
    """What adds what a batch changed."""
    yield from writes(_ADD_TALLY, 5, _changed(tally))
    yield from writes(_ADD_WAITING, 4, _changed(waiting))


def _changed(counts: Mapping[tuple[Any, ...], int]) -> list[tuple[Any, ...]]:
    return [(*key, more) for key, more in counts.items() if more]


def is_outside(plan: str, clock: str, index: int, at: int) -> bool:
    """Whether a call of a destination is outside the hours of a plan; looked at anew, whatever the ledger looked at. ``plan``: its JSON."""
    gate = _hours(plan, clock, index)
    return gate is not None and not gate.is_open(at)


@lru_cache(maxsize=4096)
def _hours(plan: str, clock: str, index: int) -> Gate | None:
    """The hours of a destination whose target has such zones; None: any."""
    if not plan:
        return None
    rules = Plan.model_validate_json(plan)
    return _gate(rules, rules.zones_for(_known(clock)[index]))


def _gate(plan: Plan, zones: tuple[str, ...] | None) -> Gate | None:
    """The hours of a plan, where they must be open in such zones; None: any."""
    return None if zones is None or plan.windows is None else Gate(plan.windows, zones)


# --- questions ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Stats:
    """The numbers of an outdial. Every key of every dict is there, 0 when there is none."""

    total: int
    """Targets that are not deleted; ``status``, ``lifecycle`` and ``outcome`` (the last one) each add up to it."""
    deleted: int
    status: dict[str, int]
    lifecycle: dict[str, int]
    outcome: dict[str, int]
    open_attempts: int
    requested: int
    claimed: int
    answered: int
    lost: int
    given_back: int
    ended: dict[str, int]
    """Attempts that are over, by outcome."""
    waiting: int
    """Idle targets that are dialed when they are due: the plan in force gives them a try, and no rule of their own takes it away."""
    no_tries: int
    """The other idle targets."""
    due_now: int
    """Of those waiting, those whose wait is over while their hours are open."""
    due_outside: int
    """Of those waiting, those whose wait is over while their hours are not open."""
    next_due: int | None
    """The first instant after now at which one more becomes due, hours included."""
    blocked: dict[str, int]
    """How many each of :data:`RULES` holds: of the rules that hold a target, the first. Who is in none was reached, is in progress, or is
    due."""
    lets_go: dict[str, int]
    """By rule, when time lets the first of those go that it holds; a rule that is missing: no time does."""
    skipped: int = field(default=0, compare=False)
    """Targets that commands brought and that were left out as duplicates."""
    outside: int = field(default=0, compare=False)
    """Calls that were requested outside their hours, by the clock of whom was called."""
    opens: "Opening | None" = field(default=None, compare=False)
    """When the hours of the first of ``due_outside`` open, and by which clocks; None: of nobody within a year."""


class Opening(NamedTuple):
    """When hours open, and where."""

    at: int
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InForce:
    """What an outdial goes by."""

    plan: Plan | None
    calls_only: bool = False
    """Whether it dials nothing but telephones."""
    draining: bool = False
    """Whether it begins with nobody new."""
    held: str = ""
    """The one of :data:`OUTDIAL_RULES` that holds every target; "": none does."""


@dataclass(slots=True)
class _Due:
    waiting: int = 0
    idle: int = 0
    now: int = 0
    outside: int = 0
    blocked: Counter[str] = field(default_factory=Counter)
    lets_go: dict[str, int] = field(default_factory=dict)
    opens: Opening | None = None

    def open_at(self, at: int | None, zones: tuple[str, ...]) -> None:
        """Note when hours open for which somebody who is due waits."""
        if at is not None:
            self.opens = min(Opening(at, zones), self.opens or Opening(at, zones))
            self.release("outside_window", at)

    def release(self, rule: str, at: int | None) -> None:
        """Note when a rule lets somebody go."""
        if at is not None:
            self.lets_go[rule] = min(at, self.lets_go.get(rule, at))


def stats(db: sqlite3.Connection, outdial: int, force: InForce, now: int) -> Stats:
    """The numbers of the outdial whose creating event stands at position ``outdial``."""
    targets: Counter[tuple[str, str]] = Counter()
    others: Counter[tuple[str, str]] = Counter()
    for subject, state, outcome, n in db.execute(_TALLY, (outdial,)).fetchall():
        (targets if subject == "target" else others)[state, outcome] = n
    due = _due(db, outdial, force, now)
    alive = {key: n for key, n in targets.items() if key[0] != "deleted"}
    states = _by((*STATUS_OF, EXPIRED), ((state, n) for (state, _), n in alive.items()))
    expired, exhausted = states.pop(EXPIRED), states["failed"]
    states["failed"] += expired
    total = sum(alive.values())
    return Stats(
        total=total,
        deleted=sum(n for (state, _), n in targets.items() if state == "deleted"),
        status=_by(("idle", "progressing", "done"), ((STATUS_OF[state], n) for state, n in states.items())),
        lifecycle=states,
        outcome=_by((NEVER, *OUTCOMES), ((outcome, n) for (_, outcome), n in alive.items())),
        open_attempts=others["open", ""],
        requested=others["requested", ""],
        claimed=others["claimed", ""],
        answered=others["answered", ""],
        lost=others["lost", ""],
        given_back=others["given_back", ""],
        ended=_by(OUTCOMES, ((outcome, n) for (state, outcome), n in others.items() if state == "ended")),
        waiting=due.waiting,
        no_tries=due.idle - due.waiting,
        due_now=due.now,
        due_outside=due.outside,
        next_due=min(due.lets_go.values(), default=None),
        blocked=_by(RULES, _held(due, force, total, expired, exhausted)),
        lets_go={} if force.held else due.lets_go,
        skipped=others["skipped", ""],
        outside=others["outside", ""],
        opens=due.opens,
    )


def _held(due: _Due, force: InForce, total: int, expired: int, exhausted: int) -> Iterable[tuple[str, int]]:
    """How many targets each rule holds."""
    if force.held == GONE:
        return [(GONE, total)]
    waiting = {force.held: due.idle} if force.held else due.blocked
    return [("expired", expired), ("tries_spent", exhausted), *waiting.items()]


def blocked(db: sqlite3.Connection, outdial: int, force: InForce, now: int) -> Mapping[str, int]:
    """How many of those that are idle each rule holds in an outdial that dials."""
    return _due(db, outdial, force, now).blocked


class Began(NamedTuple):
    """Idle targets of a profile whose waiting began after one instant and up to another; AT_ONCE is where that of the never tried did."""

    profile: str
    after: int
    up_to: int


def idle(db: sqlite3.Connection, outdial: int, force: InForce, now: int, standing: str) -> list[Began]:
    """Who ``due_now``, ``due_later`` or ``no_tries`` means at an instant: as many as :func:`stats` counts so.

    Who is due later is who waits and is not due now.
    """
    found, gates = [], dict[tuple[str, ...] | None, Gate | None]()
    for profile, _ in db.execute(_PROFILES, (outdial,)).fetchall():
        verdict = "plan_pending" if force.plan is None else judged(profile, force.plan, force)
        if force.plan is None or isinstance(verdict, str):
            if standing == "no_tries":
                found.append(Began(profile, *ALWAYS))
            continue
        edge = now - verdict.wait
        if verdict.zones not in gates:
            gates[verdict.zones] = _gate(force.plan, verdict.zones)
        gate = gates[verdict.zones]
        if gate is not None and not gate.is_open(now):
            edge = ALWAYS[0]
        if standing == "due_now" and edge > ALWAYS[0]:
            found.append(Began(profile, ALWAYS[0], edge))
        elif standing == "due_later":
            found.append(Began(profile, edge, ALWAYS[1]))
    return found


@dataclass(slots=True)
class Falling:
    """When targets fall due, to two seconds."""

    overdue: int
    """Due already."""
    steps: list[int]
    """How many fall due in each step from now on."""
    later: int
    """After the last step."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.overdue + sum(self.steps) + self.later

    def add(self, other: "Falling") -> None:
        """Count others too."""
        self.overdue += other.overdue
        self.steps = [mine + more for mine, more in zip(self.steps, other.steps, strict=True)]
        self.later += other.later


@dataclass(slots=True)
class Calendar(Falling):
    """When the targets of an outdial fall due: all of them, and by the time zones the next number of each may be in."""

    zones: dict[tuple[str, ...], Falling] = field(default_factory=dict)
    """Under no zone at all: those of whom none is known, where the plan names none for them."""


def calendar(db: sqlite3.Connection, outdial: int, force: InForce, now: int, step: int, steps: int) -> Calendar:
    """What the next steps of ``step`` microseconds bring, hours left out, if nothing changes until then."""
    found, plan = Calendar(0, [0] * steps, 0), force.plan
    if plan is None:
        return found
    for profile, waiting in db.execute(_PROFILES, (outdial,)).fetchall():
        verdict = judged(profile, plan, force)
        if isinstance(verdict, str):
            continue
        asked = {"slice_us": SLICE_US, "wait": verdict.wait, "origin": now - step, "step": step, "end": now + steps * step}
        alike = Falling(0, [0] * steps, waiting)
        for number, n in db.execute(_DUE_BY, {**asked, "outdial": outdial, "profile": profile}).fetchall():
            alike.later -= n
            if number:
                alike.steps[number - 1] += n
            else:
                alike.overdue += n
        found.add(alike)
        found.zones.setdefault(_clock_of(profile, plan, force), Falling(0, [0] * steps, 0)).add(alike)
    return found


def _clock_of(profile: str, plan: Plan, force: InForce) -> tuple[str, ...]:
    """The zones the next destination of a profile may be in; its own, whatever clock the hours of the plan go by."""
    found = parsed(profile)
    usable = found.dialable if force.calls_only else found.slots
    [next_one, *_] = _places(found, plan, usable & ~found.blocked)
    return found.zones[next_one] or (() if plan.time_zone is None else (plan.time_zone,))


def _by(words: Iterable[str], counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    found = dict.fromkeys(words, 0)
    for word, n in counts:
        found[word] += n
    return found


@dataclass(slots=True)
class _Alike:
    """Profiles whose targets wait equally long, and for the same window."""

    wait: int
    gate: Gate | None
    zones: tuple[str, ...]
    """Where its window must be open."""
    rule: str
    """What holds those that are not due."""
    profiles: list[str] = field(default_factory=list)


def _due(db: sqlite3.Connection, outdial: int, force: InForce, now: int) -> _Due:
    """What waits, what is due, what comes next, and what each rule holds."""
    profiles: dict[str, int] = dict(db.execute(_PROFILES, (outdial,)).fetchall())
    found = _Due(idle=sum(profiles.values()))
    if force.plan is None:
        return found
    groups: dict[tuple[int, tuple[str, ...] | None, str], _Alike] = {}
    for profile, n in profiles.items():
        verdict = judged(profile, force.plan, force)
        if isinstance(verdict, str):
            found.blocked[verdict] += n
            continue
        found.waiting += n
        if verdict not in groups:
            groups[verdict] = _Alike(verdict.wait, _gate(force.plan, verdict.zones), verdict.zones or (), verdict.rule)
        groups[verdict].profiles.append(profile)
    slices = _Slices(db, outdial)
    later = [one for group in groups.values() if (one := _look(found, group, slices, profiles, now)) is not None]
    for at, first, group in sorted(later, key=lambda one: one[0]):
        if at < found.lets_go.get(group.rule, at + 1):
            since = slices.first_since(first, now - group.wait, group.profiles)
            found.release(group.rule, _opens(group, since + group.wait))
    return found


def _look(found: _Due, group: _Alike, slices: "_Slices", profiles: Mapping[str, int], now: int) -> tuple[int, int, _Alike] | None:
    """Count a group; when the first that is not due is in a later slice, (the earliest it can be due, the slice, the group)."""
    edge = now - group.wait
    counts, cut = slices.before(edge), slices.at(edge // SLICE_US, edge)
    ready = sum([counts[profile][0] + cut.get(profile, _NONE)[0] for profile in group.profiles])
    rest = sum([profiles[profile] for profile in group.profiles]) - ready
    if group.gate is None or group.gate.is_open(now):
        found.now += ready
    else:
        found.outside += ready
        found.blocked["outside_window"] += ready
        if ready:
            found.open_at(group.gate.opens_at(now), group.zones)
        if group.rule == "frequency_cap":
            group.rule = "outside_window"
    found.blocked[group.rule] += rest
    starts = [start for profile in group.profiles if (start := cut.get(profile, _NONE)[1]) is not None]
    if starts:
        found.release(group.rule, _opens(group, min(starts) + group.wait))
        return None
    first = min([number for profile in group.profiles if (number := counts[profile][1]) is not None], default=None)
    return None if first is None else (first * SLICE_US + group.wait, first, group)


def _opens(group: _Alike, at: int) -> int | None:
    """When those may be called that are due at an instant."""
    return at if group.gate is None else group.gate.opens_at(at)


_NONE: Final[tuple[int, int | None]] = (0, None)


class _Slices:
    """What waits in an outdial, by slice. Nothing is asked for twice."""

    def __init__(self, db: sqlite3.Connection, outdial: int) -> None:
        self._db = db
        self._outdial = outdial
        self._counts: dict[int, dict[str, tuple[int, int | None]]] = {}
        self._rows: dict[tuple[int, int], dict[str, tuple[int, int | None]]] = {}

    def before(self, edge: int) -> dict[str, tuple[int, int | None]]:
        """By profile: how many began to wait before the slice the edge is in, and the first slice after it."""
        if edge not in self._counts:
            rows = self._db.execute(_BY_PROFILE, {"outdial": self._outdial, "cut": edge // SLICE_US}).fetchall()
            self._counts[edge] = {profile: (n, later) for profile, n, later in rows}
        return self._counts[edge]

    def at(self, number: int, edge: int) -> dict[str, tuple[int, int | None]]:
        """Of one slice, by profile: how many began to wait up to the edge, and when the first after it did."""
        if (number, edge) not in self._rows:
            asked = {"outdial": self._outdial, "start": number * SLICE_US, "end": (number + 1) * SLICE_US, "edge": edge}
            self._rows[number, edge] = {profile: (ready, first) for profile, ready, first in self._db.execute(_IN_SLICE, asked).fetchall()}
        return self._rows[number, edge]

    def first_since(self, number: int, edge: int, profiles: Iterable[str]) -> int:
        """When the first of these profiles began to wait in a slice after the edge that has some of them."""
        found = self.at(number, edge)
        return min([start for profile in profiles if (start := found.get(profile, _NONE)[1]) is not None])


# --- profiles -------------------------------------------------------------------------------------------


class Profile(NamedTuple):
    """What many targets have in common."""

    slots: int
    """Set destinations, a bit each."""
    dialable: int
    """Those a call can reach."""
    tries: tuple[int, ...]
    try_count_max: int
    """-1: none."""
    streak: int
    """``not_dialed`` in a row, AT, or CAPPED and less."""
    blocked: int
    """Suppressed destinations, as far as it was found out."""
    zones: tuple[tuple[str, ...], ...]
    """The time zones each destination may be in; none are known of an empty one."""


class Verdict(NamedTuple):
    """When targets of a profile are dialed."""

    wait: int
    """From ``since`` on, microseconds."""
    zones: tuple[str, ...] | None
    """Where the window must be open; None: there is none."""
    rule: str
    """What holds them until they are due."""


@lru_cache(maxsize=16_384)
def parsed(profile: str) -> Profile:
    """A profile as it stands in the tables."""
    *numbers, clock = profile.split(",", 10)
    slots, dialable, *tries, most, streak, blocked = map(int, numbers)
    return Profile(slots, dialable, tuple(tries), most, streak, blocked, _known(clock))


def _known(clock: str) -> tuple[tuple[str, ...], ...]:
    """The zones each destination may be in."""
    zones = from_json(clock) if clock else ()
    known = ((zones,),) * SLOTS if isinstance(zones, str) else tuple(tuple(one or ()) for one in zones)  # type: ignore[arg-type, union-attr]
    return (*known, *((),) * (SLOTS - len(known)))


def judged(profile: str, plan: Plan, force: InForce) -> Verdict | str:
    """When targets of a profile are dialed, or the rule by which they are not."""
    found = parsed(profile)
    if force.draining and not any(found.tries):
        return "draining"
    usable = found.dialable if force.calls_only else found.slots
    places = _places(found, plan, usable & ~found.blocked)
    if places:
        return Verdict(_wait_us(found.streak, plan), _zones(found, plan, places), "not_due" if found.streak > CAPPED else "frequency_cap")
    if found.blocked and _places(found, plan, usable):
        return "suppressed"
    if force.calls_only and _places(found, plan, found.slots):
        return "type_not_dialable"
    return "zone_unknown" if _places(found, plan, usable, anytime=True) else "no_tries_in_plan"


def _places(found: Profile, plan: Plan, usable: int, *, anytime: bool = False) -> list[int]:
    """The destinations the plan gives another try, in order.

    In ``retry_mode`` result that is every one while the caps on a whole target allow it: a target whose
    budget is spent was recorded as exhausted when its last attempt ended.
    """
    spent = sum(found.tries)
    if 0 <= found.try_count_max <= spent or (plan.max_attempts is not None and spent >= plan.max_attempts):
        return []
    return [
        slot
        for slot in range(SLOTS)
        if usable >> slot & 1
        and (plan.retry_mode is RetryMode.RESULT or found.tries[slot] < plan.caps[slot])
        and (anytime or plan.zones_for(found.zones[slot]) != ())
    ]


def _zones(found: Profile, plan: Plan, places: list[int]) -> tuple[str, ...] | None:
    """Where the window must be open for the next destination, or for each that may be the next."""
    zones = plan.zones_for(found.zones[places[0]])
    if zones is None or len(places) == 1 or (plan.result_policy is None and plan.retry_mode is RetryMode.DESTINATION):
        return zones
    return tuple(sorted({zone for slot in places for zone in plan.zones_for(found.zones[slot]) or ()}))


def _wait_us(streak: int, plan: Plan) -> int:
    """How long targets wait from ``since`` on, microseconds."""
    if streak < 0:
        return 0
    backoff = min(FIRST_BACKOFF_MS << min(streak - 1, 10), LONGEST_BACKOFF_MS) if streak else 0
    return max(plan.try_interval, backoff) * MILLISECOND_US
