"""Frequency caps: how often one address may be called, decided where all attempts to it meet.

There is one stream for each address of a customer. An outdial whose target is due asks leave for it under the id the
attempt will have. A grant counts at once. The outdial uses it within a minute or gives it back, and gives it back too when
the attempt ended ``not_dialed``: nobody's phone rang.

What an outdial asks for at once goes together, in one command to each partition where some of the addresses are counted, and
is decided and answered together. That partition's guard has the event; the counts are folded from it.

Nobody tells when a request was made exactly, only that it was within a minute of its leave. So an attempt counts a minute
longer than the window: then no window whatever has more requests in it than the rule says.

A leave carries its instant, and who takes it is never earlier: the clocks of two partitions may differ. Source: design section 2.
"""

from collections.abc import Iterator, Mapping, Sequence

from outdial.commands import AskLeave, AskLeaves, CapCommands, GiveLeaves, ReturnLeave
from outdial.commands import LeaveGranted as Granted
from outdial.commands import LeaveRefused as Refused
from outdial.dialing.decision import Decision, FollowUp
from outdial.dialing.outdial import Outdial
from outdial.events import (
    CapEvent,
    DialEnded,
    EventData,
    LeaveAsked,
    LeaveGranted,
    LeaveRefused,
    LeaveReturned,
    LeavesAnswered,
    LeaveUnused,
)
from outdial.ids import as_int, derived
from outdial.record import Record
from outdial.scalars import MILLISECOND_US, ZERO_ID
from outdial.suppression import LEAVE_MS, LONGEST_WINDOW_MS, MOST_COUNTED, MOST_LEAVES, FrequencyCaps, Leave
from outdial.topology import partition_of

LEAVE_US = LEAVE_MS * MILLISECOND_US
REMEMBERED_US = LONGEST_WINDOW_MS * MILLISECOND_US + LEAVE_US
Rules = Sequence[tuple[int, int]]
"""(count, milliseconds) of each."""

# --- state --------------------------------------------------------------------------------------------


class Cap(Record, frozen=True):
    """The attempts to one address that count."""

    customer_id: str
    version: int = 0
    granted: tuple[tuple[int, int], ...] = ()
    """(when, attempt), oldest first; as many as a rule may count."""


# --- evolve -------------------------------------------------------------------------------------------


def evolve(cap: Cap | None, event: CapEvent, time: int) -> Cap:
    """The state after an event. The first of a stream says whose it is."""
    match event:
        case LeaveGranted():
            return Cap(event.customer_id, _next(cap), _counting(cap, event.attempt_id, time))
        case LeaveRefused():
            return Cap(event.customer_id, _next(cap), () if cap is None else cap.granted)
        case LeaveReturned() if cap is not None:
            returned = as_int(event.attempt_id)
            return Cap(cap.customer_id, _next(cap), tuple([one for one in cap.granted if one[1] != returned]))
        case _:
            return Cap("" if cap is None else cap.customer_id, _next(cap), () if cap is None else cap.granted)


def evolve_answered(caps: dict[str, Cap], customer_id: str, event: LeavesAnswered, time: int) -> None:
    """Count what a partition granted at once. It is no event of the streams themselves: their versions stay."""
    for leave in event.leaves:
        if leave.until is None:
            cap = caps.get(leave.cap_id)
            caps[leave.cap_id] = Cap(customer_id, 0 if cap is None else cap.version, _counting(cap, leave.attempt_id, time))


def _counting(cap: Cap | None, attempt_id: str, time: int) -> tuple[tuple[int, int], ...]:
    """What counts once an attempt more does."""
    if cap is None:
        return ((time, as_int(attempt_id)),)
    kept = [one for one in cap.granted if one[0] > time - REMEMBERED_US][1 - MOST_COUNTED :]
    return (*kept, (time, as_int(attempt_id)))


def _next(cap: Cap | None) -> int:
    return 1 if cap is None else cap.version + 1


# --- decide -------------------------------------------------------------------------------------------


def decide(cap: Cap | None, command: CapCommands, caps: FrequencyCaps | None, now: int) -> Decision:
    """What a command comes to under the caps in force."""
    granted = () if cap is None else cap.granted
    match command:
        case ReturnLeave():
            if cap is None or all(attempt != as_int(command.attempt_id) for _, attempt in granted):
                return Decision()
            return Decision([LeaveReturned(customer_id=cap.customer_id, attempt_id=command.attempt_id)])
        case AskLeave():
            until = free_at(granted, () if caps is None else caps.all_rules)
            return _refused(command, until) if until > now else _granted(command, now)


def answer(caps: Mapping[str, Cap], command: AskLeaves, rules: Rules, now: int) -> Decision:
    """What leaves that are asked for together come to: each is decided after those before it, for two may be for one address.

    A repeated command changes nothing: of an attempt that counts already nobody is told again.
    """
    counted: dict[str, tuple[tuple[int, int], ...]] = {}
    answered: list[Leave] = []
    for leave in command.leaves:
        granted = counted.get(leave.cap_id)
        if granted is None:
            cap = caps.get(leave.cap_id)
            granted = () if cap is None else cap.granted
        attempt = as_int(leave.attempt_id)
        if granted and attempt in [counting for _, counting in granted]:
            continue
        until = free_at(granted, rules)
        if until > now:
            answered.append(leave.model_copy(update={"until": until}))
        else:
            answered.append(leave)
            counted[leave.cap_id] = (*granted, (now, attempt))
    if not answered:
        return Decision()
    leaves = tuple(answered)
    told = GiveLeaves(outdial_id=command.outdial_id, leaves=leaves, at=now)
    return Decision([LeavesAnswered(outdial_id=command.outdial_id, leaves=leaves)], [FollowUp(told, awaited=False)])


def _granted(command: AskLeave, now: int) -> Decision:
    outdial_id, target_id, attempt_id = command.outdial_id, command.target_id, command.attempt_id
    granted = LeaveGranted(customer_id=command.customer_id or ZERO_ID, outdial_id=outdial_id, target_id=target_id, attempt_id=attempt_id)
    told = Granted(outdial_id=outdial_id, target_id=target_id, attempt_id=attempt_id, at=now)
    return Decision([granted], [FollowUp(told, awaited=False)])


def _refused(command: AskLeave, until: int) -> Decision:
    outdial_id, target_id, attempt_id = command.outdial_id, command.target_id, command.attempt_id
    refused = LeaveRefused(
        customer_id=command.customer_id or ZERO_ID, outdial_id=outdial_id, target_id=target_id, attempt_id=attempt_id, until=until
    )
    told = Refused(outdial_id=outdial_id, target_id=target_id, attempt_id=attempt_id, until=until)
    return Decision([refused], [FollowUp(told, awaited=False)])


def free_at(granted: tuple[tuple[int, int], ...], rules: Rules) -> int:
    """From when on every rule allows one more attempt, microseconds; 0: there is nothing to wait for."""
    until = 0
    for count, per_ms in rules:
        if len(granted) >= count:
            until = max(until, granted[-count][0] + per_ms * MILLISECOND_US + LEAVE_US)
    return until


# --- what an outdial owes -----------------------------------------------------------------------------


def cap_of(customer_id: str, fingerprint: int) -> str:
    """The stream that counts the attempts to an address."""
    return derived(customer_id, f"{fingerprint:032x}")


def asked(outdial: Outdial, events: Sequence[LeaveAsked], partitions: int, now: int) -> Iterator[FollowUp]:
    """What an outdial that asks for leaves owes the counts of addresses: a word to each partition that has some of them, or a few."""
    by_place: dict[int, list[Leave]] = {}
    for event in events:
        cap_id = _cap_of(outdial, event.target_id, event.destination_index)
        leave = Leave(cap_id=cap_id, target_id=event.target_id, attempt_id=event.attempt_id)
        by_place.setdefault(partition_of(cap_id, partitions) if partitions > 1 else 0, []).append(leave)
    for place, leaves in by_place.items():
        for first in range(0, len(leaves), MOST_LEAVES):
            some = tuple(leaves[first : first + MOST_LEAVES])
            yield FollowUp(AskLeaves(partition=place, outdial_id=outdial.id, leaves=some, at=now), awaited=False)


def reactions(outdial: Outdial, event: EventData) -> list[FollowUp]:
    """What an event of an outdial with caps owes the counts of addresses, the leaves it asks for apart."""
    match event:
        case LeaveUnused() | DialEnded(given_back=True):
            cap_id = _cap_of(outdial, event.target_id, event.destination_index)
            return [FollowUp(ReturnLeave(cap_id=cap_id, attempt_id=event.attempt_id), awaited=False)]
        case _:
            return []


def _cap_of(outdial: Outdial, target_id: str, index: int) -> str:
    return cap_of(outdial.customer_id, outdial.targets[target_id].facts.print_of(index))
