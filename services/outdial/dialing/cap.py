"""Frequency caps: how often one address may be called, decided where all attempts to it meet.

There is one stream for each address of a customer. An outdial whose target is due asks it for leave under the id the
attempt will have. A grant counts at once. The outdial uses it within a minute or gives it back, and gives it back too when
the attempt ended ``not_dialed``: nobody's phone rang.

Nobody tells when a request was made exactly, only that it was within a minute of its leave. So an attempt counts a minute
longer than the window: then no window whatever has more requests in it than the rule says.

A leave carries its instant, and who takes it is never earlier: the clocks of two partitions may differ. Source: design section 2.
"""

from outdial.commands import AskLeave, CapCommands, ReturnLeave
from outdial.commands import LeaveGranted as Granted
from outdial.commands import LeaveRefused as Refused
from outdial.dialing.decision import Decision, FollowUp
from outdial.dialing.outdial import Outdial
from outdial.events import CapEvent, DialEnded, EventData, LeaveAsked, LeaveGranted, LeaveRefused, LeaveReturned, LeaveUnused
from outdial.ids import as_int, derived
from outdial.record import Record
from outdial.scalars import MILLISECOND_US, ZERO_ID
from outdial.suppression import LEAVE_MS, LONGEST_WINDOW_MS, MOST_COUNTED, FrequencyCaps

LEAVE_US = LEAVE_MS * MILLISECOND_US
REMEMBERED_US = LONGEST_WINDOW_MS * MILLISECOND_US + LEAVE_US

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
            before = () if cap is None else cap.granted
            kept = [one for one in before if one[0] > time - REMEMBERED_US][1 - MOST_COUNTED :]
            return Cap(event.customer_id, _next(cap), (*kept, (time, as_int(event.attempt_id))))
        case LeaveRefused():
            return Cap(event.customer_id, _next(cap), () if cap is None else cap.granted)
        case LeaveReturned() if cap is not None:
            returned = as_int(event.attempt_id)
            return Cap(cap.customer_id, _next(cap), tuple([one for one in cap.granted if one[1] != returned]))
        case _:
            return Cap("" if cap is None else cap.customer_id, _next(cap), () if cap is None else cap.granted)


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
            until = free_at(granted, caps)
            return _refused(command, until) if until > now else _granted(command, now)


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


def free_at(granted: tuple[tuple[int, int], ...], caps: FrequencyCaps | None) -> int:
    """From when on every rule allows one more attempt, microseconds; 0: there is nothing to wait for."""
    until = 0
    for count, per_ms in () if caps is None else caps.all_rules:
        if len(granted) >= count:
            until = max(until, granted[-count][0] + per_ms * MILLISECOND_US + LEAVE_US)
    return until


# --- what an outdial owes -----------------------------------------------------------------------------


def cap_of(customer_id: str, fingerprint: int) -> str:
    """The stream that counts the attempts to an address."""
    return derived(customer_id, f"{fingerprint:032x}")


def reactions(outdial: Outdial, event: EventData, time: int) -> list[FollowUp]:
    """What an event of an outdial with caps owes the counts of addresses."""
    match event:
        case LeaveAsked():
            asked = AskLeave(
                cap_id=_cap_of(outdial, event.target_id, event.destination_index),
                outdial_id=outdial.id,
                target_id=event.target_id,
                attempt_id=event.attempt_id,
                at=time,
            )
            return [FollowUp(asked, awaited=False)]
        case LeaveUnused() | DialEnded(given_back=True):
            cap_id = _cap_of(outdial, event.target_id, event.destination_index)
            return [FollowUp(ReturnLeave(cap_id=cap_id, attempt_id=event.attempt_id), awaited=False)]
        case _:
            return []


def _cap_of(outdial: Outdial, target_id: str, index: int) -> str:
    return cap_of(outdial.customer_id, outdial.targets[target_id].facts.print_of(index))
