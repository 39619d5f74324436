"""Decisions about runs: start, stop, plans, owners, the end. Source: design sections 2 and 5.

A run belongs to whoever started it: a person (no campaign) or one campaign. What it tells other streams
are follow-up commands, derived from its events by :func:`reactions`. A command that finds nothing to change
sends again what the run still owes, so that its answer is no earlier than that of the first.
"""

from typing import Literal

from outdial.commands import (
    ApplyPlan,
    ClaimGranted,
    ClaimOutdial,
    ClaimRefused,
    CreateOutdial,
    DialingRefused,
    DrainDialing,
    EndHandle,
    FinishDialing,
    FollowPlan,
    LimitRinging,
    PauseDialing,
    RefusePlan,
    ReleaseOutdial,
    ResumeDialing,
    ReviveTargets,
    RunEnded,
    SetEndHandle,
    StartDialing,
    StopDialing,
    UnfollowPlan,
)
from outdial.dialing.addresses import check_plan
from outdial.dialing.decision import Decision, FollowUp, Rejected
from outdial.dialing.outdial import EndedRun, Outdial, Run
from outdial.dialing.rules import warnings_of
from outdial.events import (
    DialEnded,
    DialingDraining,
    DialingFinished,
    DialingPaused,
    DialingResumed,
    DialingStarted,
    DialingStopped,
    EndHandleSet,
    EventData,
    LeaveUnused,
    OutdialDeleted,
    OutdialEvent,
    OutdialUpdated,
    PlanApplied,
    PlanAsked,
    RingingLimited,
    TargetRevived,
)
from outdial.plan import Plan
from outdial.scalars import ZERO_ID

StoppedHow = Literal["stopped", "refused", "deleted"]
EndedHow = Literal["finished", "stopped", "refused", "deleted"]
REVIVED_AT_ONCE = 1_000
"""Targets brought back by one command; the rest follow with the next."""


def start(outdial: Outdial, command: StartDialing | CreateOutdial) -> Decision:
    """Start a run, or give a running one another plan. ``CreateOutdial`` starts one when it names a plan."""
    plan, outplan_id = command.plan, command.outplan_id
    check_plan(plan)
    if plan is not None and outplan_id is not None:
        raise Rejected("plan_ambiguous", "name a plan or an outplan_id, not both")
    if isinstance(command, StartDialing) and command.campaign_id is not None:
        return _start_for_campaign(outdial, command)
    if plan is None and outplan_id is None:
        if isinstance(command, CreateOutdial):
            return Decision()
        if outdial.run is not None and outdial.run.campaign_id == ZERO_ID:
            return _already(outdial, outdial.run)
        if outdial.outplan_id != ZERO_ID:
            outplan_id = outdial.outplan_id
        elif outdial.plan is not None:
            plan = outdial.plan
        else:
            raise Rejected("plan_missing", "name a plan or an outplan_id; this outdial never had one")
    if outdial.run is None:
        return Decision(_started(outdial, plan, outplan_id, end_handle=_end_handle(command)), warnings=warnings(outdial, plan))
    if outdial.run.campaign_id != ZERO_ID:
        raise Rejected("outdial_running", "a campaign runs this outdial")
    return _replan(outdial, outdial.run, plan, outplan_id)


def _end_handle(command: StartDialing | CreateOutdial) -> EndHandle:
    """A run without a campaign does not end by itself, unless its start says so."""
    return command.end_handle if isinstance(command, StartDialing) else "continue"


def _started(outdial: Outdial, plan: Plan | None, outplan_id: str | None, *, end_handle: EndHandle) -> list[OutdialEvent]:
    ask = None if outplan_id is None else outdial.asks + 1
    began = DialingStarted(run=outdial.runs + 1, end_handle=end_handle, outplan_id=outplan_id or ZERO_ID, ask=ask)
    return [began] if plan is None else [began, PlanApplied(version=outdial.plan_version + 1, plan=plan)]


def _replan(outdial: Outdial, run: Run, plan: Plan | None, outplan_id: str | None) -> Decision:
    """Another plan for a running outdial; the same one is nothing."""
    if plan is not None:
        if run.outplan_id == ZERO_ID and plan == outdial.plan:
            return _already(outdial, run)
        return Decision([PlanApplied(version=outdial.plan_version + 1, plan=plan)], warnings=warnings(outdial, plan))
    if outplan_id == run.outplan_id:
        return _already(outdial, run)
    return Decision([PlanAsked(run=run.number, outplan_id=outplan_id or ZERO_ID, ask=outdial.asks + 1)])


def _already(outdial: Outdial, run: Run) -> Decision:
    """It runs as is asked for; who asked may not know that it is held back."""
    held = (("paused: the run stands still until it is resumed",) if run.paused else ()) + (
        ("draining: the run calls nobody new; stop it and run it again to do so",) if run.draining else ()
    )
    return Decision(follow_ups=_owed(outdial, run), warnings=held)


def _owed(outdial: Outdial, run: Run) -> list[FollowUp]:
    """The question a run still waits for the answer of."""
    if run.ask is None or not run.waits:
        return []
    return [FollowUp(FollowPlan(outplan_id=run.outplan_id, outdial_id=outdial.id, ask=run.ask), awaited=True)]


def warnings(outdial: Outdial, plan: Plan | None, *, calls_only: bool = False) -> tuple[str, ...]:
    """What about a plan is allowed but rarely meant, also in view of who waits."""
    if plan is None:
        return ()
    found = warnings_of(plan)
    without = outdial.agenda.without_tries(plan, calls_only=calls_only)
    of_no_zone = 0
    if plan.windows is not None and without:
        anytime = plan.model_copy(update={"windows": None})
        of_no_zone = without - outdial.agenda.without_tries(anytime, calls_only=calls_only)
    if without > of_no_zone:
        found.append(f"no_tries_in_plan: {without - of_no_zone} waiting targets have no try under this plan")
    if of_no_zone:
        found.append(f"zone_unknown: of {of_no_zone} waiting targets no time zone is known: they are not dialed unless the plan names one")
    return tuple(found)


def _start_for_campaign(outdial: Outdial, command: StartDialing) -> Decision:
    """A campaign's run: only of the outdial that is its own, and always by an outplan."""
    campaign_id, run = command.campaign_id or ZERO_ID, command.run or 0
    if run <= outdial.campaign_runs.get(campaign_id, 0):
        current = _run_of(outdial, command)
        return Decision(follow_ups=[] if current is None else _owed(outdial, current))
    try:
        if command.customer_id not in (None, outdial.customer_id):
            raise Rejected("outdial_unknown", "there is no such outdial")
        if outdial.deleted:
            raise Rejected("outdial_deleted", "the outdial was deleted")
        if outdial.campaign_id != campaign_id:
            raise Rejected("outdial_claimed", "the outdial does not belong to this campaign")
        if outdial.run is not None:
            raise Rejected("outdial_running", "the outdial is being run already; stop it first")
        if command.outplan_id is None:
            raise Rejected("plan_missing", "the campaign has no outplan")
    except Rejected as why:
        return refuse_start(command, why)
    return Decision(
        [
            DialingStarted(
                run=outdial.runs + 1,
                campaign_id=campaign_id,
                campaign_type=command.campaign_type,
                campaign_run=run,
                end_handle=command.end_handle,
                outplan_id=command.outplan_id,
                ask=outdial.asks + 1,
                chain=command.chain,
                ringing_limit=command.ringing_limit,
            )
        ]
    )


def refuse_start(command: StartDialing, why: Rejected) -> Decision:
    """Tell the campaign that its run did not start."""
    told = DialingRefused(
        campaign_id=command.campaign_id or ZERO_ID,
        outdial_id=command.outdial_id,
        run=command.run or 0,
        reason=why.reason,
    )
    return Decision(refused=why, follow_ups=[FollowUp(told, awaited=True)])


def stop(outdial: Outdial, command: StopDialing) -> Decision:
    """No request from here on. A campaign stops only its own run."""
    run = outdial.run if command.campaign_id is None else _run_of(outdial, command)
    return _with_open(outdial, [] if run is None else [_stopped(outdial, run, "stopped", command.reason)])


def _with_open(outdial: Outdial, events: list[OutdialEvent]) -> Decision:
    """What ends a run, and word of the attempts that live on."""
    return Decision(events, open=outdial.open_listed, open_more=outdial.open_more)


def pause(outdial: Outdial, command: PauseDialing) -> Decision:
    """No request until it is resumed. The run stays its owner's."""
    run = _running(outdial)
    return Decision([] if run.paused else [DialingPaused(run=run.number, reason=command.reason)])


def resume(outdial: Outdial, command: ResumeDialing) -> Decision:
    """Go on after a pause."""
    run = _running(outdial)
    return Decision([DialingResumed(run=run.number, reason=command.reason)] if run.paused else [])


def drain(outdial: Outdial, command: DrainDialing) -> Decision:
    """Begin with nobody new, and end when nobody is left to try again."""
    run = _running(outdial)
    return Decision([] if run.draining else [DialingDraining(run=run.number, reason=command.reason)])


def _running(outdial: Outdial) -> Run:
    if outdial.run is None:
        raise Rejected("dialing_not_running", "this outdial is not running; run it first")
    return outdial.run


def limit_ringing(outdial: Outdial, command: LimitRinging) -> Decision:
    """How many attempts may ring at once, said by the campaign whose run it is."""
    run = _run_of(outdial, command)
    if run is None or run.ringing_limit == command.limit:
        return Decision()
    return Decision([RingingLimited(run=run.number, limit=command.limit)])


def set_end_handle(outdial: Outdial, command: SetEndHandle) -> Decision:
    """Whether the run ends when nobody is left to dial, said by its campaign."""
    run = _run_of(outdial, command)
    if run is None or run.end_handle == command.end_handle:
        return Decision()
    return Decision([EndHandleSet(run=run.number, end_handle=command.end_handle)])


def _run_of(outdial: Outdial, command: StartDialing | StopDialing | LimitRinging | SetEndHandle) -> Run | None:
    """The run a campaign speaks of; None when it is over."""
    run = outdial.run
    return run if run is not None and (run.campaign_id, run.campaign_run) == (command.campaign_id, command.run) else None


def _stopped(outdial: Outdial, run: Run, how: StoppedHow, reason: str | None) -> DialingStopped:
    opened, more = outdial.open_listed, outdial.open_more
    return DialingStopped(run=run.number, how=how, reason=reason, requests=run.requests, open=opened, open_more=more)


def delete(outdial: Outdial) -> Decision:
    """Delete an outdial; a running one stops."""
    if outdial.deleted:
        return _with_open(outdial, [])
    events: list[OutdialEvent] = [] if outdial.run is None else [_stopped(outdial, outdial.run, "deleted", None)]
    return _with_open(outdial, [*events, OutdialDeleted()])


def apply_plan(outdial: Outdial, command: ApplyPlan) -> Decision:
    """Take an outplan's plan: only under the latest ask, and only a newer version."""
    run = outdial.run
    if run is None or run.ask != command.ask:
        return Decision()
    if not run.waits and command.version <= outdial.outplan_version:
        return Decision()
    applied = PlanApplied(
        version=outdial.plan_version + 1,
        plan=command.plan,
        outplan_id=command.outplan_id,
        outplan_version=command.version,
        ask=command.ask,
    )
    return Decision([applied], warnings=warnings(outdial, command.plan, calls_only=outdial.calls_only))


def refuse_plan(outdial: Outdial, command: RefusePlan) -> Decision:
    """An outplan that cannot be had ends a run that waits for it. One that has a plan goes on with that.

    It then follows the old outplan again, or, when that is gone too, keeps what it had of it.
    """
    run, plan = outdial.run, outdial.plan
    if run is None or run.ask != command.ask or not run.waits:
        return Decision()
    if not run.has_plan or plan is None:
        return Decision([_stopped(outdial, run, "refused", command.reason)])
    if outdial.outplan_id not in (ZERO_ID, command.outplan_id):
        return Decision([PlanAsked(run=run.number, outplan_id=outdial.outplan_id, ask=outdial.asks + 1)])
    version = outdial.outplan_version or None
    kept = PlanApplied(version=outdial.plan_version + 1, plan=plan, outplan_id=outdial.outplan_id, outplan_version=version)
    return Decision([kept])


def claim(outdial: Outdial | None, command: ClaimOutdial) -> Decision:
    """Belong to the campaign that asks, if the outdial is free or belongs to it already."""
    try:
        if outdial is None or command.customer_id not in (None, outdial.customer_id):
            raise Rejected("outdial_unknown", "there is no such outdial")
        if outdial.deleted:
            raise Rejected("outdial_deleted", "the outdial was deleted")
        if outdial.campaign_id not in (ZERO_ID, command.campaign_id):
            raise Rejected("outdial_claimed", "the outdial belongs to another campaign")
    except Rejected as why:
        refusal = ClaimRefused(campaign_id=command.campaign_id, outdial_id=command.outdial_id, change=command.change, reason=why.reason)
        return Decision(refused=why, follow_ups=[FollowUp(refusal, awaited=True)])
    granted = ClaimGranted(campaign_id=command.campaign_id, outdial_id=command.outdial_id, change=command.change)
    events: list[OutdialEvent] = [] if outdial.campaign_id == command.campaign_id else [OutdialUpdated(campaign_id=command.campaign_id)]
    return Decision(events, follow_ups=[FollowUp(granted, awaited=True)])


def release(outdial: Outdial, command: ReleaseOutdial) -> Decision:
    """Be free again."""
    if outdial.campaign_id != command.campaign_id:
        return Decision()
    return Decision([OutdialUpdated(campaign_id=ZERO_ID)])


def finish(outdial: Outdial, _command: FinishDialing) -> Decision:
    """End a run that ends by itself, once nothing is left to dial."""
    run = outdial.run
    if run is None or not run.ends or not run.has_plan or not outdial.nothing_left or outdial.agenda.revivable(1):
        return Decision()
    return Decision([DialingFinished(run=run.number, requests=run.requests)])


def revive(outdial: Outdial, _command: ReviveTargets) -> Decision:
    """Bring back targets that the plan in force gives tries again."""
    if outdial.run is None:
        return Decision()
    return Decision([TargetRevived(target_id=target_id) for target_id in outdial.agenda.revivable(REVIVED_AT_ONCE)])


TELLING = frozenset({DialingStarted, PlanAsked, PlanApplied, DialingStopped, DialingFinished, DialEnded, LeaveUnused})
"""Events that may owe other streams something."""


def reactions(outdial: Outdial, event: EventData) -> list[FollowUp]:
    """What an event owes other streams. The outdial is as it was before the event."""
    match event:
        case DialEnded():
            return [_closed(outdial, run) for run in outdial.ended if run.open == {event.attempt_id}]
        case DialingStarted() if event.ask is not None:
            return [FollowUp(FollowPlan(outplan_id=event.outplan_id, outdial_id=outdial.id, ask=event.ask), awaited=True)]
        case PlanAsked():
            return [
                *_unfollow(outdial),
                FollowUp(FollowPlan(outplan_id=event.outplan_id, outdial_id=outdial.id, ask=event.ask), awaited=True),
            ]
        case PlanApplied() if event.ask is None:
            return _unfollow(outdial)
        case DialingStopped():
            return [*_unfollow(outdial), *_run_ended(outdial, event.how, event.reason, event.requests, len(outdial.open))]
        case DialingFinished():
            return [*_unfollow(outdial), *_run_ended(outdial, "finished", None, event.requests, 0)]
        case _:
            return []


def _unfollow(outdial: Outdial) -> list[FollowUp]:
    run = outdial.run
    if run is None or run.ask is None:
        return []
    return [FollowUp(UnfollowPlan(outplan_id=run.outplan_id, outdial_id=outdial.id, ask=run.ask), awaited=False)]


def _run_ended(outdial: Outdial, how: EndedHow, reason: str | None, requests: int, open_attempts: int) -> list[FollowUp]:
    run = outdial.run
    if run is None or run.campaign_run is None:
        return []
    told = RunEnded(
        campaign_id=run.campaign_id,
        outdial_id=outdial.id,
        run=run.campaign_run,
        how=how,
        reason=reason,
        requests=requests,
        open=open_attempts,
    )
    return [FollowUp(told, awaited=False)]


def _closed(outdial: Outdial, run: EndedRun) -> FollowUp:
    """Word to a campaign that the last attempt of its ended run is over."""
    told = RunEnded(
        campaign_id=run.campaign_id,
        outdial_id=outdial.id,
        run=run.campaign_run,
        how=run.how,
        reason=run.reason,
        requests=run.requests,
        open=0,
    )
    return FollowUp(told, awaited=False)
