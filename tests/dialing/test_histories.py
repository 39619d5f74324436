"""Random histories: whatever comes, in whatever order, the invariants hold at every prefix of the log.

A history is a row of bytes, read as commands, waits, repeats, late and foreign words, deletes, changes of plan,
and crashes. After a crash the ledger that was replayed goes on beside the one that was not; both must say the same.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invariants import Invariants, SeenOutdial, due_at, may_call, next_index
from outdial.address import Address
from outdial.commands import (
    OUTCOMES,
    AddTarget,
    ClaimDial,
    Command,
    CreateCampaign,
    CreateOutdial,
    CreateOutplan,
    DeleteCampaign,
    DeleteOutdial,
    DeleteOutplan,
    DeleteTarget,
    DialAnswered,
    DialResult,
    DrainDialing,
    GrantSlots,
    PauseDialing,
    ReopenTarget,
    Resources,
    ResumeDialing,
    RunCampaign,
    SetDialInfo,
    StartDialing,
    StopCampaign,
    StopDialing,
    UpdateCampaign,
)
from outdial.dialing.ledger import Effects, Ledger
from outdial.dialing.outdial import Outdial
from outdial.envelope import Event
from outdial.plan import Plan, RetryMode
from outdial.requests import DialRequest
from outdial.scalars import SECOND_US
from outdial.wire import decode_event, encode_event
from sim import DAY, HOUR, MINUTE, SECOND, START, an_id, new_ledger

LISTS: Final = (an_id("a"), an_id("b"))
EVERY_DAY: Final = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
OUTPLANS: Final = (an_id("p"), an_id("q"))
CAMPAIGNS: Final = (an_id("c"), an_id("d"))
QUEUE: Final = an_id("queue")
TARGETS: Final = tuple(an_id(f"t{number}") for number in range(7))
TEL: Final = Address(type="tel", target="+493012345678")
SYDNEY: Final = Address(type="tel", target="+61291234567")
NEW_YORK: Final = Address(type="tel", target="+12125550123")
MAIL: Final = Address(type="email", target="a@example.org")
SHAPES: Final[tuple[dict[str, Any], ...]] = (
    {"destination_0": TEL},
    {"destination_0": SYDNEY, "destination_1": TEL},
    {"destination_1": NEW_YORK, "destination_2": SYDNEY},
    {"destination_0": MAIL, "destination_2": TEL, "priority": 5},
    {"destination_0": TEL, "try_count_max": 2, "priority": -5, "time_zone": "Asia/Tokyo"},
    {"destination_0": MAIL},
    {"destination_0": TEL, "expires_at": START + HOUR},
)
PLANS: Final = (
    Plan(max_try_count_0=2, max_try_count_1=1, try_interval=60_000, max_concurrent=2),
    Plan(max_try_count_0=1, max_try_count_2=2, try_interval=1_000),
    Plan(max_try_count_0=5, try_interval=0, calls_per_second=1, pickup_timeout=1_000, result_grace=0, dial_timeout=1_000),
    Plan(retry_mode=RetryMode.RESULT, max_try_count_1=1, max_try_count_2=2, try_interval=30_000, max_concurrent=0),
    Plan(),
    Plan(max_try_count_0=9, max_try_count_1=9, max_attempts=3, max_concurrent=1, max_call_duration=1_000, calls_per_second=2),
    Plan.model_validate(
        {
            "max_try_count_0": 3,
            "max_try_count_1": 2,
            "max_try_count_2": 3,
            "windows": {"hours": [{"days": ["tue", "wed", "fri"], "start": "22:00", "end": "06:30"}], "dates": [{"date": "11-17"}]},
        }
    ),
    Plan.model_validate(
        {
            "max_try_count_0": 4,
            "max_try_count_1": 4,
            "pickup_timeout": 3_600_000,
            "time_zone": "America/Denver",
            "windows": {
                "hours": [{"days": EVERY_DAY, "start": "22:14", "end": "22:20"}, {"days": EVERY_DAY, "start": "08:00", "end": "18:00"}]
            },
        }
    ),
    Plan.model_validate(
        {
            "max_try_count_0": 4,
            "max_try_count_1": 4,
            "max_try_count_2": 4,
            "result_policy": {
                "busy": {"interval_ms": [1_000, 600_000, 30_000], "next_destination": True},
                "no_answer": {"max_retries": 1, "next_destination": True},
                "failed": {"max_retries": 0},
                "machine": {"interval_ms": 90_000},
            },
        }
    ),
    Plan.model_validate(
        {
            "retry_mode": "result",
            "max_try_count_1": 3,
            "max_try_count_2": 3,
            "max_try_count_4": 1,
            "result_policy": {"busy": {"max_retries": 2}, "other": {"interval_ms": 0}},
            "windows": {"hours": [{"days": EVERY_DAY, "start": "00:00", "end": "24:00"}], "time_zone": "Europe/London"},
        }
    ),
)
BEGINNINGS: Final[tuple[tuple[Command, ...], ...]] = (
    (StartDialing(outdial_id=LISTS[0], plan=PLANS[0]),),
    (StartDialing(outdial_id=LISTS[0], outplan_id=OUTPLANS[0]),),
    (
        CreateCampaign(
            campaign_id=CAMPAIGNS[0],
            service_level=80,
            resources=Resources(outplan_id=OUTPLANS[0], outdial_id=LISTS[0], queue_id=QUEUE),
        ),
        GrantSlots(campaign_id=CAMPAIGNS[0], agents=2),
        RunCampaign(campaign_id=CAMPAIGNS[0]),
    ),
    (
        CreateCampaign(campaign_id=CAMPAIGNS[1], end_handle="stop", resources=Resources(outplan_id=OUTPLANS[1], outdial_id=LISTS[1])),
        CreateCampaign(
            campaign_id=CAMPAIGNS[0],
            end_handle="stop",
            resources=Resources(outplan_id=OUTPLANS[0], outdial_id=LISTS[0], next_campaign_id=CAMPAIGNS[1]),
        ),
        RunCampaign(campaign_id=CAMPAIGNS[0]),
    ),
)
"""How a history may begin: a run by a plan, a run by an outplan, a campaign with a queue, one that hands over to another."""
WAITS: Final = (0, 1, SECOND, 30 * SECOND, MINUTE, MINUTE, 2 * MINUTE, 2 * MINUTE, 10 * MINUTE, 691 * SECOND, 5 * HOUR, 7 * HOUR, 3 * DAY)
CALL_BACKS: Final = (-HOUR, 0, 1, MINUTE, 90 * SECOND, DAY)
KINDS: Final = "zZZeEnnTTTTTTTTTTTTTTTTTTTTRRRRRRRRRRRRRRRRRRRRAAArruuKDOSsSPpkCCGGgHhXY!L??"
"""What the next two bytes mean; a letter that stands more often comes more often."""


def state_of(outdial: Outdial) -> dict[str, Any]:
    """All that an outdial knows, but for the heaps, which may hold what has left."""
    return {name: getattr(outdial, name) for name in outdial.__slots__ if name not in ("agenda", "expiries", "leases", "recent")}


class History:
    """One history: the ledger, the events it made, and after a crash its twin."""

    def __init__(self, beginning: int = 0) -> None:
        self.ledger: Ledger = new_ledger()
        self.twin: Ledger | None = None
        self.now = START
        self.read_up_to: int | None = None
        self.log: list[Event] = []
        self.invariants = Invariants()
        self.sent: list[Command] = []
        self.attempts: list[tuple[str, str, str]] = []
        """(outdial, target, attempt) in the order of their requests."""
        for command in (
            *(CreateOutdial(outdial_id=outdial) for outdial in LISTS),
            *(CreateOutplan(outplan_id=outplan, plan=plan) for outplan, plan in zip(OUTPLANS, PLANS, strict=False)),
            *(AddTarget(outdial_id=LISTS[0], target_id=target, **shape) for target, shape in zip(TARGETS, SHAPES, strict=False)),
            *(AddTarget(outdial_id=LISTS[1], target_id=target, **SHAPES[1]) for target in TARGETS[:2]),
            *BEGINNINGS[beginning % len(BEGINNINGS)],
        ):
            self.send(command)
        self.tick()

    # --- steps ----------------------------------------------------------------------------------------

    def step(self, kind: str, one: int, two: int) -> None:
        command = self.command(kind, one, two)
        if command is not None:
            self.send(command)
        elif kind == "T":
            self.now += WAITS[one % len(WAITS)]
            self.tick()
        elif kind == "!" and self.twin is None:
            self.crash()
        elif kind == "?" and self.sent:
            self.send(self.sent[-1 - one % min(len(self.sent), 40)])
        elif kind == "L":
            self.now += 1
            self.read_up_to = None if two % 2 else self.now - WAITS[one % len(WAITS)]

    def command(self, kind: str, one: int, two: int) -> Command | None:
        """The command that two bytes stand for, if they stand for one."""
        outdial, target = LISTS[two % 5 == 0], TARGETS[one % len(TARGETS)]
        plan, outplan, campaign = PLANS[one % len(PLANS)], OUTPLANS[one % 2], CAMPAIGNS[two % 2]
        match kind:
            case "A":
                return AddTarget(outdial_id=outdial, target_id=target, **SHAPES[two % len(SHAPES)])
            case "R" | "r" | "u" | "K" if self.attempts:
                return self.word(kind, one, two)
            case "D":
                return DeleteTarget(outdial_id=outdial, target_id=target)
            case "O":
                return ReopenTarget(outdial_id=outdial, target_id=target)
            case "S":
                return StartDialing(outdial_id=outdial, plan=plan, end_handle="stop" if two % 3 == 0 else "continue")
            case "s":
                return StopDialing(outdial_id=outdial)
            case "P":
                return StartDialing(outdial_id=outdial, outplan_id=outplan)
            case "p":
                return SetDialInfo(outplan_id=outplan, plan=PLANS[two % len(PLANS)])
            case "C":
                following = {"next_campaign_id": CAMPAIGNS[0]} if two % 2 else {}
                named = Resources(outplan_id=outplan, outdial_id=LISTS[one % 4 < 3], **following)
                return CreateCampaign(campaign_id=campaign, campaign_type="flow" if one % 3 == 0 else "call", resources=named)
            case "G" | "g":
                return RunCampaign(campaign_id=campaign)
            case "H":
                return StopCampaign(campaign_id=campaign)
            case "h" if one % 4 == 0:
                return DeleteCampaign(campaign_id=campaign)
            case "X" if one % 8 == 0:
                return DeleteOutdial(outdial_id=outdial)
            case "Y" if one % 4 == 0:
                return DeleteOutplan(outplan_id=outplan)
            case "k":
                return StartDialing(outdial_id=outdial)
            case "z":
                return PauseDialing(outdial_id=outdial)
            case "Z":
                return ResumeDialing(outdial_id=outdial)
            case "e" if one % 2:
                return DrainDialing(outdial_id=outdial)
            case "E":
                return UpdateCampaign(
                    campaign_id=campaign, service_level=(0, 50, 80, 100, 250)[one % 5], end_handle=(None, "stop", "continue")[one % 3]
                )
            case "n":
                return GrantSlots(campaign_id=campaign, agents=one % 4)
            case _:
                return None

    def word(self, kind: str, one: int, two: int) -> Command:
        """A word about an attempt: one of the open ones, or any that ever was."""
        opened = [(outdial.id, target, attempt) for outdial in self.ledger.outdials.values() for target, attempt in outdial.open.items()]
        among = opened if opened and kind != "r" else self.attempts
        outdial_id, target_id, attempt = among[one % len(among)]
        if kind == "u":
            return DialAnswered(outdial_id=outdial_id, target_id=target_id, attempt_id=attempt)
        if kind == "K":
            return ClaimDial(outdial_id=outdial_id, target_id=target_id, attempt_id=attempt, worker=f"w{two % 2}")
        return DialResult(
            outdial_id=outdial_id,
            target_id=target_id,
            attempt_id=attempt,
            outcome=OUTCOMES[two % len(OUTCOMES)],
            answered=True if two % 29 == 0 else None,
            call_back_at=self.now + CALL_BACKS[two % len(CALL_BACKS)] if two % 7 == 0 else None,
        )

    def send(self, command: Command) -> None:
        if command.id is None:
            command = command.model_copy(update={"id": f"00000000-0000-4000-9000-{len(self.sent):012x}"})
            self.sent.append(command)
        before = self.targets() if isinstance(command, DialResult | DialAnswered) else {}
        made = self.chain(command, internal=False)
        if before and [event.type for event in made] == ["ResultIgnored"]:
            assert self.targets() == before, "an ignored word changed something"
        self.look()

    def targets(self) -> dict[str, Any]:
        return {outdial.id: (dict(outdial.targets), dict(outdial.open)) for outdial in self.ledger.outdials.values()}

    def chain(self, command: Command, *, internal: bool) -> list[Event]:
        made: list[Event] = []
        waiting = [(command, internal)]
        for one, inside in waiting:
            effects = self.ledger.decide(one, self.now, internal=inside)
            if self.twin is not None:
                same(effects, self.twin.decide(one, self.now, internal=inside))
            self.commit(effects)
            made += effects.events
            waiting += [(told.command, True) for told in effects.follow_ups]
        return made

    def tick(self) -> None:
        read_up_to = self.now if self.read_up_to is None else min(self.now, self.read_up_to)
        for _ in range(100):
            done = self.ledger.tick(self.now, read_up_to, 500)
            if self.twin is not None:
                for ours, theirs in zip(by_stream(done), by_stream(self.twin.tick(self.now, read_up_to, 500)), strict=True):
                    same(ours, theirs)
            for effects in done:
                self.commit(effects)
            for told in [told for effects in done for told in effects.follow_ups]:
                self.chain(told.command, internal=True)
            if not done:
                break
        self.nobody_is_forgotten(read_up_to)

    def commit(self, effects: Effects) -> None:
        assert len(effects.requests) == sum(event.type == "DialRequested" for event in effects.events)
        for event in effects.events:
            self.log.append(event)
            self.invariants.see(event)
        told = [DialRequest.model_validate_json(text) for _, text in effects.requests]
        self.attempts += [(request.outdial_id, request.target_id, request.attempt_id) for request in told]

    def crash(self) -> None:
        """From here on a ledger that was replayed from the written log goes on beside the other."""
        self.twin = new_ledger()
        for event in self.log:
            self.twin.replay(decode_event(encode_event(event)))
        self.twin.arm(self.now)
        assert self.twin.last_time == self.ledger.last_time
        assert self.twin.outplans == self.ledger.outplans
        assert self.twin.campaigns == self.ledger.campaigns
        assert list(map(state_of, self.twin.outdials.values())) == list(map(state_of, self.ledger.outdials.values()))

    # --- what must hold -------------------------------------------------------------------------------

    def look(self) -> None:
        """The state says what the events say, and the agenda what a plain sort of all targets says."""
        for outdial_id, seen in self.invariants.outdials.items():
            outdial = self.ledger.outdials[outdial_id]
            assert {target: one.open.attempt_id for target, one in seen.targets.items() if one.open} == outdial.open
            assert outdial.ringing == seen.ringing
            for target_id, one in seen.targets.items():
                history = outdial.targets[target_id].history
                assert list(history.tries) == one.tries
                assert history.ordinal == one.ordinal
            if outdial.run is not None and outdial.run.has_plan:
                waiting = list(self.waiting(seen))
                found = outdial.agenda.first(self.now)
                due = [key for key in waiting if self.may_go(seen, key)]
                assert (found[0].facts.id if found else None) == (min(due)[3] if due else None)
                assert outdial.agenda.dialable == len(waiting)
            at, true = self.ledger.next_due(), outdial.next_due(self.now)
            assert true is None or (at is not None and at <= max(true, self.now) + 1), "woken too late"
            if self.twin is not None:
                theirs = self.twin.outdials[outdial_id].next_due(self.now)
                assert (true is None) == (theirs is None)
                assert true is None or theirs is None or max(true, self.now) == max(theirs, self.now)

    def waiting(self, seen: SeenOutdial) -> Iterator[tuple[int, int, int, str]]:
        """The targets that can be dialed, as they come in dialing order."""
        assert seen.plan is not None
        calls_only = seen.run is not None and seen.run.campaign_type == "call"
        for number, (target_id, one) in enumerate(seen.targets.items()):
            if (
                one.state == "idle"
                and one.open is None
                and not one.deleted
                and not seen.left_out(one)
                and next_index(seen.plan, one, calls_only=calls_only) is not None
            ):
                yield -one.added.priority, due_at(seen.plan, one, calls_only=calls_only), number, target_id

    def may_go(self, seen: SeenOutdial, key: tuple[int, int, int, str]) -> bool:
        """Whether a target that waits is due and may be called now."""
        assert seen.plan is not None
        calls_only = seen.run is not None and seen.run.campaign_type == "call"
        index = next_index(seen.plan, seen.targets[key[3]], calls_only=calls_only)
        return key[1] <= self.now and index is not None and may_call(seen.plan, seen.targets[key[3]], index, self.now)

    def nobody_is_forgotten(self, read_up_to: int) -> None:
        """Once all that is due was decided, whoever still waits is held back by a rule."""
        for seen in self.invariants.outdials.values():
            opened = [one for one in seen.targets.values() if one.open is not None]
            assert all(one.expires_at > min(self.now, read_up_to) for one in opened), "a lease that does not end"
            if seen.run is None or not seen.has_plan or seen.plan is None or seen.paused:
                continue
            waiting = list(self.waiting(seen))
            full = bool(seen.plan.max_concurrent) and len(opened) >= seen.plan.max_concurrent
            fast = (
                seen.plan.calls_per_second is not None and sum(at > self.now - SECOND_US for at in seen.times) >= seen.plan.calls_per_second
            )
            probing = seen.silent >= 20 and bool(opened)
            rings = seen.ringing_limit is not None and seen.ringing >= seen.ringing_limit
            assert full or fast or probing or rings or not any(self.may_go(seen, key) for key in waiting), "due, free to go, and not dialed"
            assert (seen.end_handle == "continue" and not seen.draining) or waiting or opened, "nothing left, and not finished"
            exhausted = [one for one in seen.targets.values() if one.state == "exhausted" and not one.deleted]
            calls_only = seen.run.campaign_type == "call"
            assert all(next_index(seen.plan, one, calls_only=calls_only) is None for one in exhausted), "a try left, and not revived"


def by_stream(done: list[Effects]) -> list[Effects]:
    """What was decided, each stream's in its order; among streams the order is free."""
    streams: dict[str, list[Effects]] = defaultdict(list)
    for effects in done:
        streams[effects.answer.stream].append(effects)
    return [effects for stream in sorted(streams) for effects in streams[stream]]


def same(ours: Effects, theirs: Effects) -> None:
    assert ours.events == theirs.events
    assert ours.requests == theirs.requests
    assert ours.follow_ups == theirs.follow_ups
    assert ours.answer == theirs.answer


def live(history: bytes) -> History:
    lived = History(history[0])
    for place in range(1, len(history) - 2, 3):
        lived.step(KINDS[history[place] % len(KINDS)], history[place + 1], history[place + 2])
    return lived


def histories(steps: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=3 * steps + 1, max_size=3 * steps + 1)


unhurried = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@settings(unhurried, max_examples=8_000)
@given(histories(14))
def test_in_short_histories_every_invariant_holds_at_every_prefix(history: bytes) -> None:
    live(history)


@settings(unhurried, max_examples=1_000)
@given(histories(70))
def test_in_long_histories_every_invariant_holds_at_every_prefix(history: bytes) -> None:
    lived = live(history)
    if lived.twin is None:
        lived.crash()
    lived.now += 30 * DAY
    lived.tick()
    lived.look()
