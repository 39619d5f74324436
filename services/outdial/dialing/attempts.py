"""Decisions about attempts: request, leave, claim, answer, result, lease. Source: design section 5."""

from typing import Literal, NamedTuple, TypedDict

from outdial.commands import ClaimDial, DeleteDial, DialResult, EndLease, ExpireTarget, Outcome, RequestDial
from outdial.commands import DialAnswered as SayAnswered
from outdial.dialing.addresses import Fingerprint
from outdial.dialing.cap import LEAVE_US
from outdial.dialing.decision import Rejected
from outdial.dialing.outdial import Outdial, Run
from outdial.dialing.rules import AFTER_ATTEMPT, AT, Next
from outdial.dialing.suppression import blocked, hit
from outdial.dialing.target import (
    CALL_BACK,
    LOST,
    OUTCOME,
    Asking,
    Done,
    Idle,
    Progressing,
    Target,
    code_of,
    due_of,
    evolve,
    ordinal_of,
    outcome_in_force,
)
from outdial.events import (
    DialAnswered,
    DialClaimed,
    DialDeleted,
    DialEnded,
    DialRequested,
    LeaveAsked,
    LeaveUnused,
    OutdialEvent,
    ResultIgnored,
    TargetDeferred,
    TargetExhausted,
    TargetExpired,
    TargetFinished,
)
from outdial.plan import Plan
from outdial.scalars import MILLISECOND_US, Instant
from outdial.zones import tzdata_version

Rule = Literal["first_try", "retry", "next_destination", "not_dialed_again", "call_back"]


class WindowFacts(TypedDict, total=False):
    """What a request says of the window it came through."""

    zones: tuple[str, ...]
    window_opens: Instant | None
    window_closes: Instant | None
    tzdata: str


NO_WINDOW: WindowFacts = {}


def request(outdial: Outdial, command: RequestDial, fingerprint: Fingerprint, now: int) -> list[OutdialEvent]:
    """Emit the request of a target that is due, or ask leave for it. Early, repeated or held back: nothing."""
    target, plan, run = outdial.targets.get(command.target_id), outdial.plan, outdial.run
    if run is None or plan is None or not run.has_plan or run.paused or not isinstance(target, Idle):
        return []
    if outdial.held_until(now) is not None:
        return []
    turn = _turn(outdial, target, plan, now)
    if turn is None:
        return _put_off(outdial, target, plan, now)
    if outdial.guard.watches:
        index = turn.coming.destination
        if hit(outdial, target.facts, index, fingerprint, now) is not None:
            held = blocked(outdial, target.facts, fingerprint, now)
            return [] if held is None else [held]
        if outdial.guard.caps is not None:
            ordinal = target.history.ordinal + 1
            attempt_id = outdial.attempt_of(target, ordinal)
            return [
                LeaveAsked(attempt_id=attempt_id, target_id=target.facts.id, ordinal=ordinal, destination_index=index, due_at=turn.due_at)
            ]
    return [_requested(outdial, target, run, plan, turn, outdial.attempt_of(target, target.history.ordinal + 1))]


def _put_off(outdial: Outdial, target: Idle, plan: Plan, now: int) -> list[OutdialEvent]:
    """Have a target whose address may be called again wait for longer, if the plan in force by now says so."""
    coming = outdial.agenda.coming(target)
    if coming is None or target.before is None or target.since > now or target.facts.is_late(now):
        return []
    due = due_of(target, plan, coming.interval)
    if due <= now:
        return []
    return [TargetDeferred(target_id=target.facts.id, until=due, reason="try_interval", since=target.before[0])]


def leave_granted(
    outdial: Outdial, target_id: str, attempt_id: str, granted_at: int, fingerprint: Fingerprint, now: int
) -> list[OutdialEvent]:
    """Emit the request that leave was asked for, if every rule still allows it; else the leave goes back."""
    target, plan, run = outdial.targets.get(target_id), outdial.plan, outdial.run
    asked = outdial.asking.get(target_id)
    if target is None or asked is None or asked.attempt_id != attempt_id:
        return []
    if (
        isinstance(target, Asking)
        and run is not None
        and plan is not None
        and run.has_plan
        and not run.paused
        and now <= granted_at + LEAVE_US
        and outdial.held_until(now, granted=1) is None
        and (turn := _turn(outdial, target, plan, now)) is not None
        and turn.coming.destination == asked.destination_index
        and hit(outdial, target.facts, asked.destination_index, fingerprint, now) is None
    ):
        return [_requested(outdial, target, run, plan, turn, attempt_id)]
    return [LeaveUnused(attempt_id=asked.attempt_id, target_id=target_id, destination_index=asked.destination_index)]


def leave_refused(outdial: Outdial, target_id: str, attempt_id: str, until: int) -> list[OutdialEvent]:
    """Wait until the address may be called again."""
    asked = outdial.asking.get(target_id)
    if asked is None or asked.attempt_id != attempt_id:
        return []
    return [TargetDeferred(target_id=target_id, until=until, reason="frequency_cap", attempt_id=attempt_id)]


class _Turn(NamedTuple):
    """A try that may be made now."""

    coming: Next
    due_at: int
    not_after: int
    window: WindowFacts


def _turn(outdial: Outdial, target: Idle | Asking, plan: Plan, now: int) -> _Turn | None:
    """The try a target may be given now: it has one, it is due, it is not too late, and the window is open at this moment."""
    if target.facts.is_late(now):
        return None
    coming = outdial.agenda.coming(target)
    if coming is None or (due_at := due_of(target, plan, coming.interval)) > now:
        return None
    not_after = now + plan.pickup_timeout * MILLISECOND_US
    if target.facts.expires_at is not None:
        not_after = min(not_after, target.facts.expires_at - 1)
    gate = outdial.agenda.gate(coming)
    if gate is None:
        return _Turn(coming, due_at, not_after, NO_WINDOW)
    opening = gate.opening(now)
    if opening is None:
        return None
    if opening.closes is not None:
        not_after = min(not_after, opening.closes - 1)
    facts = WindowFacts(zones=coming.zones or (), window_opens=opening.opens, window_closes=opening.closes, tzdata=tzdata_version())
    return _Turn(coming, due_at, not_after, facts)


def _requested(outdial: Outdial, target: Idle | Asking, run: Run, plan: Plan, turn: _Turn, attempt_id: str) -> DialRequested:
    index, history = turn.coming.destination, target.history
    return DialRequested(
        attempt_id=attempt_id,
        target_id=target.facts.id,
        ordinal=history.ordinal + 1,
        destination_index=index,
        try_count=history.tries[index] + 1,
        rule=_rule(target, index),
        due_at=turn.due_at,
        run=run.number,
        campaign_id=run.campaign_id,
        campaign_type=run.campaign_type,
        outplan_id=outdial.outplan_id,
        plan_version=outdial.plan_version,
        source=plan.source,
        dial_timeout=plan.ring,
        not_after=turn.not_after,
        expires_at=turn.not_after + (plan.ring + plan.result_grace) * MILLISECOND_US,
        **turn.window,
    )


def _rule(target: Idle | Asking, index: int) -> Rule:
    """Why this request, in a word."""
    if target.wait > AFTER_ATTEMPT:
        return "not_dialed_again"
    if target.wait == AT and target.history.ends and target.history.ends[-1] & CALL_BACK:
        return "call_back"
    if target.history.tries[index]:
        return "retry"
    return "next_destination" if any(target.history.tries) else "first_try"


def claim(outdial: Outdial, command: ClaimDial, fingerprint: Fingerprint, now: int) -> list[OutdialEvent]:
    """Give an attempt to the first worker that asks, while the call is still wanted."""
    target = _target_of(outdial, command.target_id)
    if not isinstance(target, Progressing) or target.attempt_id != command.attempt_id:
        _ordinal_of(outdial, target, command.attempt_id)
        raise Rejected("attempt_closed", "this attempt is over; do not place the call")
    if target.worker not in (None, command.worker) or (target.worker is None and target.answered):
        raise Rejected("dial_claimed", "another worker places this call; do not place it, and say nothing about it")
    if outdial.deleted:
        raise Rejected("outdial_deleted", "the outdial was deleted; do not place the call, answer not_dialed")
    if target.deleted:
        raise Rejected("target_deleted", "the target was deleted; do not place the call, answer not_dialed")
    if outdial.run is None:
        raise Rejected("dialing_stopped", "dialing was stopped; do not place the call, answer not_dialed")
    if outdial.run.paused:
        raise Rejected("dialing_paused", "dialing is paused; do not place the call, answer not_dialed")
    if outdial.guard.entries and hit(outdial, target.facts, target.index, fingerprint, now) is not None:
        raise Rejected("suppressed", "the address is on a suppression list; do not place the call, answer not_dialed")
    if now > target.not_after:
        raise Rejected("dial_too_late", "not_after has passed; do not place the call, answer not_dialed")
    if target.worker is None:
        return [DialClaimed(attempt_id=command.attempt_id, target_id=target.facts.id, worker=command.worker)]
    return []


def answered(outdial: Outdial, command: SayAnswered, now: int) -> list[OutdialEvent]:
    """The call was answered: its lease is now the longest a call may last."""
    target = _target_of(outdial, command.target_id)
    if isinstance(target, Progressing) and target.attempt_id == command.attempt_id:
        if target.answered:
            return []
        duration = outdial.plan.max_call_duration if outdial.plan is not None else 0
        return [
            DialAnswered(attempt_id=command.attempt_id, target_id=target.facts.id, expires_at=now + duration * MILLISECOND_US),
        ]
    return _word_for_closed(outdial, target, command.attempt_id, "answered")


def result(outdial: Outdial, command: DialResult, now: int) -> list[OutdialEvent]:
    """How an attempt ended. About a closed one: nothing, or a note that it was ignored.

    A call back can be asked for by whoever was dialed: after ``not_dialed`` it means nothing.
    """
    target = _target_of(outdial, command.target_id)
    outcome = command.plain_outcome
    if isinstance(target, Progressing) and target.attempt_id == command.attempt_id:
        given_back = outcome == "not_dialed" and not target.answered and not command.answered
        ended = DialEnded(
            attempt_id=command.attempt_id,
            target_id=target.facts.id,
            ordinal=target.history.ordinal,
            destination_index=target.index,
            outcome=outcome_in_force(outcome, answered=target.answered or bool(command.answered)),
            given_back=given_back,
            started_at=command.started_at,
            ended_at=command.ended_at,
            call_id=command.call_id,
            call_back_at=None if given_back else command.call_back_at,
        )
        return _ending(outdial, target, ended, now)
    plain = outcome_in_force(outcome, answered=bool(command.answered))
    return _word_for_closed(outdial, target, command.attempt_id, plain, call_back=command.call_back_at is not None)


def expire(outdial: Outdial, command: ExpireTarget, now: int) -> list[OutdialEvent]:
    """It is too late to dial a target. While an attempt is open it is not asked: the call may yet reach somebody."""
    target = outdial.targets.get(command.target_id)
    may_expire = isinstance(target, Idle) or (isinstance(target, Done) and not target.reached and not target.expired)
    if target is None or not may_expire or target.facts.expires_at is None or target.facts.expires_at > now:
        return []
    return [TargetExpired(target_id=command.target_id)]


def end_lease(outdial: Outdial, command: EndLease, now: int) -> list[OutdialEvent]:
    """Nobody said how an attempt ended: it is lost, as ``no_answer``, or ``answered`` once it was."""
    target = outdial.targets.get(command.target_id)
    if not isinstance(target, Progressing) or target.attempt_id != command.attempt_id or target.expires_at > now:
        return []
    ended = DialEnded(
        attempt_id=target.attempt_id,
        target_id=target.facts.id,
        ordinal=target.history.ordinal,
        destination_index=target.index,
        outcome="answered" if target.answered else "no_answer",
        lost=True,
    )
    return _ending(outdial, target, ended, now)


def delete_dial(outdial: Outdial, command: DeleteDial) -> list[OutdialEvent]:
    """Take an ended attempt out of the lists."""
    target = _target_of(outdial, command.target_id)
    if isinstance(target, Progressing) and target.attempt_id == command.attempt_id:
        raise Rejected("attempt_open", "the attempt is open; it can be deleted once it has ended")
    _ordinal_of(outdial, target, command.attempt_id)
    if command.attempt_id in outdial.deleted_dials:
        return []
    return [DialDeleted(attempt_id=command.attempt_id, target_id=target.facts.id)]


def _ending(outdial: Outdial, target: Progressing, ended: DialEnded, now: int) -> list[OutdialEvent]:
    """The end of an attempt, and what it means for its target under the plan in force.

    A target that got its only try back is not out of tries, whatever the plan: it never had one.
    """
    if target.deleted:
        return [ended]
    if ended.outcome == "answered" and ended.call_back_at is None:
        return [ended, TargetFinished(target_id=target.facts.id, attempt_id=ended.attempt_id)]
    if outdial.plan is None:
        return [ended]
    after = evolve(target, ended, now)
    if any(after.history.tries) and not outdial.agenda.has_try(after):
        return [ended, TargetExhausted(target_id=target.facts.id, plan_version=outdial.plan_version)]
    return [ended]


def _word_for_closed(outdial: Outdial, target: Target, attempt_id: str, outcome: Outcome, *, call_back: bool = False) -> list[OutdialEvent]:
    """Law 1 of targets: what a word about an attempt that is over comes to.

    A late ``answered`` that asks for a call back finishes nobody: the target is dialed again as the plan has it.
    """
    ordinal = _ordinal_of(outdial, target, attempt_id)
    is_open = isinstance(target, Progressing)
    end = target.history.end_of(ordinal, open_attempt=is_open)
    if end is not None and end & LOST and outcome == "answered" and not call_back and _can_be_reached(target):
        return [TargetFinished(target_id=target.facts.id, attempt_id=attempt_id, late=True)]
    if end is not None and end & OUTCOME == code_of(outcome):
        return []
    reason: Literal["closed", "superseded"] = "closed" if ordinal == target.history.ordinal else "superseded"
    return [ResultIgnored(attempt_id=attempt_id, target_id=target.facts.id, outcome=outcome, reason=reason)]


def _can_be_reached(target: Target) -> bool:
    """Whether a late ``answered`` still says something new: not to whom a newer attempt is open, nor to who was reached."""
    return isinstance(target, Idle | Asking) or (isinstance(target, Done) and not target.reached)


def _target_of(outdial: Outdial, target_id: str) -> Target:
    target = outdial.targets.get(target_id)
    if target is None:
        raise Rejected("target_unknown", "this outdial has no such target")
    return target


def _ordinal_of(outdial: Outdial, target: Target, attempt_id: str) -> int:
    ordinal = ordinal_of(target, outdial.id, attempt_id)
    if ordinal is None:
        raise Rejected("attempt_unknown", "this target never had such an attempt")
    return ordinal
