"""A target: one person to reach, by up to five destinations.

The rule book. A target is in one of five states:

* **Idle**: it waits for its next attempt, since the end of the last one (or since it was added).
* **Asking**: it is due, and whether its address may be called once more is being asked (frequency caps).
* **Progressing**: an attempt is open. There is never a second one beside it.
* **Done**: reached, out of tries, or too late. A reached target is never dialed again; one out of tries comes
  back when a plan gives it tries (Revived) or somebody reopens it (Reopened).
* **Deleted**: gone for good. An attempt that was open still ends.

Laws, each a test:

1. An attempt is named by its ordinal, which only grows. A word about any but the open attempt changes
   nothing, with one exception: ``answered`` for an attempt that was given up as lost, while no newer
   one is open, finishes the target. The person was reached, whoever was late.
2. A try is spent when it is requested and given back when it ends ``not_dialed``: nobody's phone rang.
3. ``machine`` stays machine, also after an answer; any other outcome of an answered call is ``answered``.
4. A target that asked to be called back at an instant waits for that instant, also when the call was answered; it needs a try as ever.
5. What a target waits for is a function of its state and the plan (:func:`~outdial.dialing.rules.next_try`). No timer is kept.

Source: design section 5; contract 4, C3 to C6, C16, C17, C27.
"""

from functools import lru_cache

from outdial.commands import OUTCOMES, Outcome
from outdial.dialing.rules import (
    AFTER_ATTEMPT,
    AT,
    LOOKS_AT_LAST,
    LOOKS_AT_OUTCOMES,
    LOOKS_AT_ZONES,
    NONE_YET,
    NOW,
    Looks,
    Shape,
    result_type,
    wait_us,
)
from outdial.events import (
    DialAnswered,
    DialClaimed,
    DialEnded,
    DialRequested,
    EventData,
    LeaveAsked,
    LeaveUnused,
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
from outdial.ids import attempt_id
from outdial.plan import Plan
from outdial.record import Record, replace

NO_TRIES = (0, 0, 0, 0, 0)
LOST = 0x80
CALL_BACK = 0x40
OUTCOME = 0x3F
REMEMBERED_ENDS = 64
_CODE: dict[Outcome, int] = {outcome: code for code, outcome in enumerate(OUTCOMES)}


class Facts(Record, frozen=True):
    """What never changes about a target."""

    id: str
    number: int
    """Place in the order of creation within the outdial."""
    types: tuple[str | None, ...]
    fingerprint: int
    """Of its first destination: what duplicates are found by."""
    try_count_max: int | None
    priority: int
    time_zone: str | None
    personal: bytes
    """Compact JSON of its personal data, for its dial requests."""
    prints: tuple[int, ...] = ()
    """Fingerprint of each destination, by index, 0 where there is none; empty when the first is the only one and stands at 0."""

    def print_of(self, index: int) -> int:
        """The fingerprint of a destination."""
        return self.prints[index] if self.prints else self.fingerprint

    expires_at: int | None = None
    """From then on it is not dialed any more."""
    zones: tuple[tuple[str, ...], ...] = ()
    """The time zones each destination may be in; none are known of an empty one."""

    def is_late(self, at: int) -> bool:
        """Whether it is too late to dial it at an instant."""
        return self.expires_at is not None and self.expires_at <= at


class History(Record, frozen=True):
    """What a target went through."""

    tries: tuple[int, ...] = NO_TRIES
    outcomes: bytes = b""
    """Sorted ``destination * 8 + type of result`` of the spent tries since it was added or reopened."""
    ordinal: int = 0
    """Attempts requested, ever."""
    ends: bytes = b""
    """How the last attempts ended, oldest first: index into OUTCOMES, plus LOST or CALL_BACK."""
    not_dialed: int = 0
    """Attempts in a row that ended ``not_dialed``."""
    blocked: bytes = b""
    """Indexes of the destinations that are suppressed, as far as it was found out."""
    last: int = NONE_YET
    """``destination * 8 + type of result`` of the last spent try since it was added or reopened."""

    def end_of(self, ordinal: int, *, open_attempt: bool) -> int | None:
        """The code of how that attempt ended; None when it is open, or too long ago to be remembered."""
        back = self.ordinal - ordinal - open_attempt
        return self.ends[-1 - back] if 0 <= back < len(self.ends) else None


NEW = History()
Wait = tuple[int, int]
"""Since when, and for what."""


@lru_cache(maxsize=16_384)
def history_of(
    tries: tuple[int, ...], outcomes: bytes, ordinal: int, ends: bytes, not_dialed: int, blocked: bytes, last: int = NONE_YET
) -> History:
    """One history for all targets that went through the same: a list of a million has a few hundred."""
    return History(tries, outcomes, ordinal, ends, not_dialed, blocked, last)


class Idle(Record, frozen=True):
    """Waiting for its next attempt."""

    facts: Facts
    history: History
    since: int
    """When the waiting began; with ``rules.AT``, when it ends."""
    wait: int
    """What is waited for: ``rules.NOW``, ``rules.AT``, ``rules.AFTER_ATTEMPT`` or a number of ``not_dialed`` in a row."""
    before: Wait | None = None
    """What it waited for when a cap put it off, until ``since``: a plan may have that take longer yet."""


class Asking(Record, frozen=True):
    """Leave was asked for its next attempt: it waits no more, and nothing is requested yet."""

    facts: Facts
    history: History
    since: int
    wait: int
    """As it waited before."""
    before: Wait | None = None


class Progressing(Record, frozen=True):
    """An attempt is open."""

    facts: Facts
    history: History
    """As before the attempt, but for its try and its ordinal."""
    attempt_id: str
    index: int
    not_after: int
    expires_at: int
    answered: bool = False
    worker: str | None = None
    deleted: bool = False


class Done(Record, frozen=True):
    """Reached, out of tries, or too late to dial."""

    facts: Facts
    history: History
    reached: bool
    since: int
    wait: int
    expired: bool = False
    """Too late: no plan brings it back."""
    before: Wait | None = None


class Deleted(Record, frozen=True):
    """Gone for good."""

    facts: Facts
    history: History


Target = Idle | Asking | Progressing | Done | Deleted


def due_of(target: Idle | Asking, plan: Plan, interval: int) -> int:
    """When a target falls due under a plan. ``interval``: that of its :class:`Next`, milliseconds.

    One that a cap put off waits for both: until its address may be called again, and as long as the plan has it wait by now.
    """
    due = target.since + wait_us(target.wait, plan, interval)
    return due if target.before is None else max(due, target.before[0] + wait_us(target.before[1], plan, interval))


def shape_of(target: Target, looks: Looks, *, suppressed: bool = False) -> Shape:
    """What decides the next try, as far as the plan looks at it.

    ``suppressed``: as if no destination were. Of a target out of tries it is not asked either: it comes back by its tries alone.
    """
    facts, history = target.facts, target.history
    types = facts.types
    if history.blocked and not suppressed and not isinstance(target, Done):
        types = types_without(types, history.blocked)
    if not looks:
        return Shape(types, facts.try_count_max, history.tries, b"")
    return Shape(
        types,
        facts.try_count_max,
        history.tries,
        history.outcomes if looks & LOOKS_AT_OUTCOMES else b"",
        history.last if looks & LOOKS_AT_LAST else NONE_YET,
        facts.zones if looks & LOOKS_AT_ZONES else (),
    )


@lru_cache(maxsize=4_096)
def types_without(types: tuple[str | None, ...], blocked: bytes) -> tuple[str | None, ...]:
    """The types, with none where a destination is suppressed."""
    return _shared(tuple([None if index in blocked else kind for index, kind in enumerate(types)]))


def ordinal_of(target: Target, outdial_id: str, wanted: str) -> int | None:
    """Which attempt of this target an attempt id names, newest looked at first; None when it names none."""
    for ordinal in range(target.history.ordinal, 0, -1):
        if attempt_id(outdial_id, target.facts.id, ordinal) == wanted:
            return ordinal
    return None


def outcome_in_force(outcome: Outcome, *, answered: bool) -> Outcome:
    """Law 3: what an outcome counts as, once it is known whether the call was answered."""
    return "answered" if answered and outcome != "machine" else outcome


def code_of(outcome: Outcome, *, lost: bool = False, call_back: bool = False) -> int:
    """How an end is remembered."""
    return _CODE[outcome] | (LOST if lost else 0) | (CALL_BACK if call_back else 0)


def added(event: TargetAdded, number: int, time: int) -> Idle:
    """A target as it joins the list."""
    first = int(next(filter(None, event.fingerprints)), 16)
    alone = len(event.fingerprints) == 1
    facts = Facts(
        id=event.target_id,
        number=number,
        types=_shared(event.types),
        fingerprint=first,
        prints=() if alone else tuple([int(found, 16) if found else 0 for found in event.fingerprints]),
        try_count_max=event.try_count_max,
        priority=event.priority,
        time_zone=event.time_zone,
        personal=event.personal.compact,
        expires_at=event.expires_at,
        zones=_zones_of(event.time_zone, event.zones, len(event.types)),
    )
    return Idle(facts, NEW, time, NOW)


@lru_cache(maxsize=4_096)
def _zones_of(named: str | None, recorded: tuple[tuple[str, ...] | None, ...] | None, destinations: int) -> tuple[tuple[str, ...], ...]:
    """The zones by destination: the target's own, else those of the numbers. One tuple for all that are alike."""
    if named is not None:
        return ((named,),) * destinations
    return () if recorded is None else tuple([zones or () for zones in recorded])


@lru_cache(maxsize=4_096)
def _shared(types: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """One tuple for all targets with the same types: a list of a million has a few."""
    return types


def evolve(target: Target, event: EventData, time: int) -> Target:
    """The target after the event. Reads nothing but its arguments."""
    facts, history = target.facts, target.history
    match event, target:
        case DialRequested(), Idle() | Asking():
            tries = _counted(history.tries, event.destination_index, 1)
            begun = history_of(tries, history.outcomes, event.ordinal, history.ends, history.not_dialed, history.blocked, history.last)
            return Progressing(facts, begun, event.attempt_id, event.destination_index, event.not_after, event.expires_at)
        case DialEnded(), Progressing():
            ended = _ended(history, event)
            if target.deleted:
                return Deleted(facts, ended)
            if event.call_back_at is not None:
                return Idle(facts, ended, event.call_back_at, AT)
            return Idle(facts, ended, time, ended.not_dialed or AFTER_ATTEMPT)
        case TargetFinished(), Idle() | Asking() | Done():
            return Done(facts, history, True, target.since, target.wait)  # noqa: FBT003  one field of a record
        case DialClaimed(), Progressing():
            return _changed(target, worker=event.worker)
        case DialAnswered(), Progressing():
            return _changed(target, answered=True, expires_at=event.expires_at)
        case TargetExhausted(), Idle():
            return Done(facts, history, False, target.since, target.wait, before=target.before)  # noqa: FBT003  one field of a record
        case TargetExpired(), Idle() | Done():
            return Done(facts, history, False, target.since, target.wait, True)  # noqa: FBT003  as above
        case TargetRevived(), Done():
            return Idle(facts, history, target.since, target.wait, target.before)
        case TargetReopened(), Idle() | Done():
            return Idle(facts, _reopened(history), time, NOW)
        case TargetReopened(), Asking():
            return Asking(facts, _reopened(history), time, NOW)
        case TargetDeleted(), Progressing():
            return _changed(target, deleted=True)
        case TargetDeleted(), Idle() | Asking() | Done():
            return Deleted(facts, history)
        case LeaveAsked(), Idle():
            return Asking(facts, history, target.since, target.wait, target.before)
        case LeaveUnused(), Asking():
            return Idle(facts, history, target.since, target.wait, target.before)
        case TargetDeferred(reason="try_interval"), Idle() | Asking() if target.before is not None:
            return Idle(facts, history, *target.before)
        case TargetDeferred(), Idle() | Asking():
            return Idle(facts, history, event.until, AT, target.before or (target.since, target.wait))
        case TargetBlocked(), _ if not isinstance(target, Deleted):
            return replace(target, history=replace(history, blocked=bytes(event.destinations)))
        case TargetUnblocked(), _ if not isinstance(target, Deleted):
            return replace(target, history=replace(history, blocked=b""))
        case _:
            return target


def _reopened(history: History) -> History:
    """No try is spent any more; ordinals go on."""
    return history_of(NO_TRIES, b"", history.ordinal, history.ends, 0, history.blocked)


def corrected(target: Target, ordinal: int | None) -> Target:
    """The target, finished late, with the end of that attempt no longer counted as lost."""
    history = target.history
    back = history.ordinal - ordinal if ordinal is not None else len(history.ends)
    if not isinstance(target, Done) or back >= len(history.ends):
        return target
    ends = bytearray(history.ends)
    ends[-1 - back] = _CODE["answered"]
    return replace(target, history=replace(history, ends=bytes(ends)))


def _changed(
    target: Progressing, *, worker: str | None = None, answered: bool = False, expires_at: int | None = None, deleted: bool = False
) -> Progressing:
    """An open attempt with something more known about it."""
    return Progressing(
        target.facts,
        target.history,
        target.attempt_id,
        target.index,
        target.not_after,
        target.expires_at if expires_at is None else expires_at,
        target.answered or answered,
        worker or target.worker,
        target.deleted or deleted,
    )


def _ended(history: History, event: DialEnded) -> History:
    """Law 2: the history once an attempt is over."""
    code = code_of(event.outcome, lost=event.lost, call_back=event.call_back_at is not None)
    ends = (history.ends + bytes((code,)))[-REMEMBERED_ENDS:]
    if event.given_back:
        tries = _counted(history.tries, event.destination_index, -1)
        return history_of(tries, history.outcomes, history.ordinal, ends, history.not_dialed + 1, history.blocked, history.last)
    last = event.destination_index * 8 + result_type(event.outcome)
    return history_of(history.tries, bytes(sorted((*history.outcomes, last))), history.ordinal, ends, 0, history.blocked, last)


def _counted(tries: tuple[int, ...], index: int, step: int) -> tuple[int, ...]:
    """The tries with one more, or one less, at an index."""
    return (*tries[:index], tries[index] + step, *tries[index + 1 :])
