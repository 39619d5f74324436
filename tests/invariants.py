"""What holds at every prefix of every log (contract section 9), checked from the events alone.

Nothing here is shared with the ledger: the rules are written a second time, in the plainest way.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from oracle import allowed
from outdial.envelope import Event
from outdial.events import (
    DialAnswered,
    DialClaimed,
    DialEnded,
    DialingDraining,
    DialingFinished,
    DialingPaused,
    DialingResumed,
    DialingStarted,
    DialingStopped,
    DialRequested,
    EndHandleSet,
    OutdialCreated,
    OutdialDeleted,
    OutdialEvent,
    PlanApplied,
    ResultIgnored,
    RingingLimited,
    TargetAdded,
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
from outdial.plan import Plan, RetryMode
from outdial.scalars import MILLISECOND_US, SECOND_US
from outdial.windows import Windows

SILENT = 20
KINDS = {"machine": 0, "busy": 1, "no_answer": 2, "failed": 3}


@dataclass
class SeenTarget:
    """One target as the events tell of it."""

    added: TargetAdded
    waits_from: int
    tries: list[int] = field(default_factory=lambda: [0] * 5)
    outcomes: list[tuple[int, str]] = field(default_factory=list)
    ordinal: int = 0
    open: DialRequested | None = None
    expires_at: int = 0
    answered: bool = False
    ended: bool = False
    """Whether an attempt has ended since it was added or reopened."""
    not_dialed: int = 0
    call_back_at: int | None = None
    deferred: int | None = None
    """Since its last attempt, or the request for leave, it waits for this instant."""
    blocked: set[int] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    state: str = "idle"
    deleted: bool = False


@dataclass
class SeenOutdial:
    """One outdial as the events tell of it."""

    sequence: int = 0
    created: bool = False
    deleted: bool = False
    targets: dict[str, SeenTarget] = field(default_factory=dict)
    run: DialingStarted | None = None
    runs: int = 0
    plan: Plan | None = None
    plan_version: int = 0
    has_plan: bool = False
    requests: int = 0
    times: list[int] = field(default_factory=list)
    silent: int = 0
    paused: bool = False
    draining: bool = False
    ringing_limit: int | None = None
    end_handle: str = "continue"

    @property
    def ringing(self) -> int:
        """Open attempts that were not answered yet."""
        return sum(one.open is not None and not one.answered for one in self.targets.values())

    def left_out(self, seen: "SeenTarget") -> bool:
        """Whether the run begins with nobody new, and this target was never tried."""
        return self.draining and not any(seen.tries)

    @property
    def open(self) -> list[DialRequested]:
        return [one.open for one in self.targets.values() if one.open is not None]


def policy_of(plan: Plan, kind: int) -> Any:
    """What the plan says follows a type of result."""
    policy = plan.result_policy
    return None if policy is None else (policy.machine, policy.busy, policy.no_answer, policy.failed, policy.other)[kind]


def may_try(plan: Plan, seen: SeenTarget, index: int) -> bool:
    """Whether the plan leaves a destination a try."""
    kinds = [KINDS.get(outcome, 4) for where, outcome in seen.outcomes if where == index and outcome != "answered"]
    for kind in kinds:
        rule = policy_of(plan, kind)
        if rule is not None and rule.max_retries is not None and kinds.count(kind) > rule.max_retries:
            return False
    if plan.retry_mode is RetryMode.DESTINATION:
        return seen.tries[index] < plan.caps[index]
    return all(kinds.count(kind) <= plan.caps[kind] for kind in kinds)


def next_index(plan: Plan, seen: SeenTarget, *, calls_only: bool) -> int | None:
    """The destination that is next by the rules of the contract."""
    spent = sum(seen.tries)
    if seen.added.try_count_max is not None and spent >= seen.added.try_count_max:
        return None
    if plan.max_attempts is not None and spent >= plan.max_attempts:
        return None
    can = [
        index
        for index, kind in enumerate(seen.added.types)
        if kind is not None
        and index not in seen.blocked
        and (not calls_only or kind in ("tel", "sip"))
        and may_try(plan, seen, index)
        and zones_of(plan, seen, index) != ()
    ]
    rule = after_last(plan, seen)
    if rule is not None and rule.next_destination:
        later = [index for index in can if index > seen.outcomes[-1][0]]
        return min(later or can, default=None)
    return min(can, default=None)


def after_last(plan: Plan, seen: SeenTarget) -> Any:
    """What the plan says follows the last outcome of a target."""
    if not seen.outcomes or seen.outcomes[-1][1] == "answered":
        return None
    return policy_of(plan, KINDS.get(seen.outcomes[-1][1], 4))


def zones_of(plan: Plan, seen: SeenTarget, index: int) -> tuple[str, ...] | None:
    """The zones in which the window must be open for a destination; None without a window."""
    if plan.windows is None:
        return None
    if plan.windows.time_zone != "recipient":
        return (plan.windows.time_zone,)
    if seen.added.time_zone is not None:
        return (seen.added.time_zone,)
    return (seen.added.zones and seen.added.zones[index]) or ((plan.time_zone,) if plan.time_zone else ())


@cache
def open_at(windows: Windows, zones: tuple[str, ...], at: int) -> bool:
    return allowed(plain(windows), zones, at)


@cache
def plain(windows: Windows) -> Any:
    return windows.model_dump(mode="json")


def may_call(plan: Plan, seen: SeenTarget, index: int, at: int) -> bool:
    """Whether a destination may be dialed at an instant, as far as windows go."""
    zones = zones_of(plan, seen, index)
    return zones is None or plan.windows is None or open_at(plan.windows, zones, at)


def due_at(plan: Plan, seen: SeenTarget, *, calls_only: bool) -> int:
    """When a target that waits may be dialed again, windows aside: by the plan in force, and by the caps of its address."""
    return max(due_by_plan(plan, seen, calls_only=calls_only), seen.deferred or 0)


def due_by_plan(plan: Plan, seen: SeenTarget, *, calls_only: bool) -> int:
    """When the plan in force has a target dialed again, windows and caps aside."""
    if not seen.ended:
        return seen.waits_from
    if seen.call_back_at is not None:
        return seen.call_back_at
    wait, rule = plan.try_interval, after_last(plan, seen)
    if seen.not_dialed:
        wait = max(wait, min(1_000 * 2 ** (seen.not_dialed - 1), 900_000))
    elif rule is not None:
        where, outcome = seen.outcomes[-1]
        index = next_index(plan, seen, calls_only=calls_only)
        times = sum(ended != "answered" and KINDS.get(ended, 4) == KINDS.get(outcome, 4) for _, ended in seen.outcomes)
        if rule.next_destination and index is not None and index > where:
            wait = 0
        elif rule.interval_ms is not None:
            wait = rule.interval_ms[:times][-1]
    return seen.waits_from + wait * MILLISECOND_US


class Invariants:
    """Shown one event after another, it fails at the first that breaks a rule."""

    def __init__(self) -> None:
        self.outdials: dict[str, SeenOutdial] = {}
        self.attempts: set[str] = set()
        self.time = 0

    def see(self, event: Event) -> None:
        assert event.time >= self.time, "time goes back"
        self.time = event.time
        if not isinstance(event.data, OutdialEvent):
            return
        outdial = self.outdials.setdefault(event.stream, SeenOutdial())
        outdial.sequence += 1
        assert event.sequence == outdial.sequence, "a gap in the stream"
        self._fold(outdial, event.data, event.time)

    def _fold(self, outdial: SeenOutdial, data: OutdialEvent, time: int) -> None:
        match data:
            case OutdialCreated():
                assert not outdial.created
                outdial.created = True
            case OutdialDeleted():
                assert outdial.run is None, "a deleted outdial runs"
                outdial.deleted = True
            case DialingStarted():
                assert outdial.run is None
                assert not outdial.deleted
                outdial.run, outdial.has_plan, outdial.requests, outdial.runs = data, False, 0, outdial.runs + 1
                assert data.run == outdial.runs
                outdial.paused = outdial.draining = False
                outdial.ringing_limit, outdial.end_handle = data.ringing_limit, data.end_handle
            case DialingPaused() | DialingResumed() | DialingDraining() | RingingLimited() | EndHandleSet():
                self._held_back(outdial, data)
            case PlanApplied():
                outdial.plan, outdial.has_plan, outdial.plan_version = data.plan, True, outdial.plan_version + 1
                assert data.version == outdial.plan_version
            case DialingStopped():
                assert set(data.open) == {one.attempt_id for one in outdial.open}
                assert data.open_more == 0
                outdial.paused = False
                self._ended(outdial, data.requests)
            case DialingFinished():
                self._finished(outdial)
                self._ended(outdial, data.requests)
            case TargetAdded():
                assert data.target_id not in outdial.targets
                outdial.targets[data.target_id] = SeenTarget(data, time)
            case DialRequested():
                self._requested(outdial, outdial.targets[data.target_id], data, time)
            case DialClaimed() | DialAnswered() | DialEnded():
                self._told(outdial, outdial.targets[data.target_id], data, time)
            case TargetFinished() | TargetExhausted() | TargetExpired() | TargetRevived() | TargetReopened() | TargetDeleted():
                self._moved(outdial, outdial.targets[data.target_id], data, time)
            case TargetBlocked():
                assert data.destinations, "held back by nothing"
                outdial.targets[data.target_id].blocked = set(data.destinations)
            case TargetUnblocked():
                outdial.targets[data.target_id].blocked = set()
            case TargetDeferred():
                self._deferred(outdial, outdial.targets[data.target_id], data, time)
            case ResultIgnored():
                opened = outdial.targets[data.target_id].open
                assert opened is None or opened.attempt_id != data.attempt_id, "a word about the open attempt was ignored"
            case _:
                pass

    def _deferred(self, outdial: SeenOutdial, seen: SeenTarget, data: TargetDeferred, time: int) -> None:
        if data.reason == "frequency_cap":
            seen.deferred = data.until
            return
        assert outdial.plan is not None
        assert outdial.run is not None
        assert seen.deferred is not None
        due = due_by_plan(outdial.plan, seen, calls_only=outdial.run.campaign_type == "call")
        assert seen.deferred <= time < data.until == due, "put off although the plan has it called by now"
        seen.deferred = None

    def _held_back(self, outdial: SeenOutdial, data: OutdialEvent) -> None:
        assert outdial.run is not None
        match data:
            case DialingPaused():
                assert not outdial.paused
                outdial.paused = True
            case DialingResumed():
                assert outdial.paused
                outdial.paused = False
            case DialingDraining():
                assert not outdial.draining
                outdial.draining = True
            case RingingLimited():
                outdial.ringing_limit = data.limit
            case EndHandleSet():
                outdial.end_handle = data.end_handle

    def _ended(self, outdial: SeenOutdial, requests: int) -> None:
        assert outdial.run is not None
        assert requests == outdial.requests
        outdial.run = None

    def _finished(self, outdial: SeenOutdial) -> None:
        assert outdial.run is not None
        assert outdial.plan is not None
        assert outdial.end_handle == "stop" or outdial.draining
        assert not outdial.paused, "a paused run ended by itself"
        assert not outdial.open, "finished with an attempt open"
        calls_only = outdial.run.campaign_type == "call"
        idle = [one for one in outdial.targets.values() if one.state == "idle" and not one.deleted]
        waiting = [one for one in idle if not outdial.left_out(one)]
        assert all(next_index(outdial.plan, one, calls_only=calls_only) is None for one in waiting), "finished with a try left"

    def _requested(self, outdial: SeenOutdial, seen: SeenTarget, data: DialRequested, time: int) -> None:
        plan, run = outdial.plan, outdial.run
        assert run is not None, "dialed while stopped"
        assert plan is not None
        assert outdial.has_plan, "dialed before the plan was there"
        assert not outdial.deleted, "dialed after the outdial was deleted"
        assert not seen.deleted, "dialed after the target was deleted"
        assert not outdial.paused, "dialed while paused"
        assert not outdial.left_out(seen), "somebody new while it drains"
        assert outdial.ringing_limit is None or outdial.ringing < outdial.ringing_limit, "more ring than agents are free"
        assert seen.open is None, "a second open attempt"
        assert seen.state == "idle", "dialed though done"
        assert seen.added.expires_at is None or time < seen.added.expires_at, "dialed though it is too late"
        assert data.attempt_id not in self.attempts, "an attempt requested twice"
        assert data.ordinal == seen.ordinal + 1
        assert data.destination_index == next_index(plan, seen, calls_only=run.campaign_type == "call")
        assert data.try_count == seen.tries[data.destination_index] + 1
        calls_only = run.campaign_type == "call"
        assert data.due_at == due_at(plan, seen, calls_only=calls_only)
        assert data.due_at <= time, "dialed before it was due"
        opened = len(outdial.open)
        assert not plan.max_concurrent or opened < plan.max_concurrent, "too many open attempts"
        assert outdial.silent < SILENT or not opened, "more than one probe"
        outdial.times = [at for at in outdial.times if at > time - SECOND_US]
        assert plan.calls_per_second is None or len(outdial.times) < plan.calls_per_second, "too fast"
        assert (data.run, data.plan_version, data.campaign_id) == (run.run, outdial.plan_version, run.campaign_id)
        self._in_hours(plan, seen, data, time)
        assert data.expires_at == data.not_after + ((plan.dial_timeout or 30_000) + plan.result_grace) * MILLISECOND_US
        outdial.times.append(time)
        outdial.requests += 1
        self.attempts.add(data.attempt_id)
        seen.open, seen.ordinal, seen.expires_at, seen.answered = data, data.ordinal, data.expires_at, False
        seen.tries[data.destination_index] += 1

    def _in_hours(self, plan: Plan, seen: SeenTarget, data: DialRequested, time: int) -> None:
        assert data.zones == (zones_of(plan, seen, data.destination_index) or ())
        assert may_call(plan, seen, data.destination_index, time), "dialed outside the hours"
        assert may_call(plan, seen, data.destination_index, data.not_after), "may be started outside the hours"
        usual = time + plan.pickup_timeout * MILLISECOND_US
        ends = {usual, *(end - 1 for end in (data.window_closes, seen.added.expires_at) if end is not None)}
        assert data.not_after >= time
        assert data.not_after == min(ends), "may be started later, or not as late, as it should"

    def _told(self, outdial: SeenOutdial, seen: SeenTarget, data: DialClaimed | DialAnswered | DialEnded, time: int) -> None:
        assert seen.open is not None
        assert seen.open.attempt_id == data.attempt_id, "a word about a closed attempt was taken"
        if isinstance(data, DialClaimed):
            assert time <= seen.open.not_after
            assert outdial.run is not None
            assert not outdial.paused, "claimed while paused"
            assert not seen.deleted
        elif isinstance(data, DialAnswered):
            seen.expires_at, seen.answered, outdial.silent = data.expires_at, True, 0
        else:
            assert not data.lost or time >= seen.expires_at, "lost before its time"
            assert data.outcome in ("answered", "machine") or not seen.answered
            assert data.given_back == (data.outcome == "not_dialed")
            if data.given_back:
                seen.tries[data.destination_index] -= 1
            else:
                seen.outcomes.append((data.destination_index, data.outcome))
            seen.not_dialed = seen.not_dialed + 1 if data.given_back else 0
            seen.open, seen.ended, seen.waits_from, seen.deferred = None, True, time, None
            assert data.call_back_at is None or not (data.given_back or data.lost)
            seen.call_back_at = data.call_back_at
            seen.state = "reached" if data.outcome == "answered" and data.call_back_at is None else "idle"
            if not data.lost and not data.given_back:
                outdial.silent = 0
            elif not outdial.paused:
                outdial.silent += 1
            if data.lost:
                seen.lost.add(data.attempt_id)

    def _moved(self, outdial: SeenOutdial, seen: SeenTarget, data: OutdialEvent, time: int) -> None:
        assert not seen.deleted, "a deleted target moved"
        match data:
            case TargetFinished():
                assert seen.open is None
                assert seen.state in (("idle", "exhausted", "expired") if data.late else ("reached",))
                assert not data.late or data.attempt_id in seen.lost
                seen.state = "finished"
            case TargetExhausted():
                assert seen.state == "idle"
                assert seen.open is None
                assert any(seen.tries)
                seen.state = "exhausted"
            case TargetExpired():
                assert seen.state in ("idle", "exhausted")
                assert seen.open is None
                assert seen.added.expires_at is not None
                assert seen.added.expires_at <= time, "expired before its time"
                seen.state = "expired"
            case TargetRevived():
                assert seen.state == "exhausted"
                assert outdial.plan is not None
                assert outdial.run is not None
                assert next_index(outdial.plan, seen, calls_only=outdial.run.campaign_type == "call") is not None
                seen.state = "idle"
            case TargetReopened():
                assert seen.open is None
                assert seen.state != "expired"
                seen.state, seen.tries, seen.outcomes, seen.not_dialed, seen.ended, seen.waits_from = "idle", [0] * 5, [], 0, False, time
                seen.deferred = None
            case _:
                seen.deleted = True
