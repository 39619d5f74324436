"""An outplan: a plan with a name, and the outdials that go by it. Source: contract 2.4, 3.3; design section 2."""

from dataclasses import dataclass, field

from outdial.commands import (
    ApplyPlan,
    AskResource,
    CreateOutplan,
    DeleteOutplan,
    FollowPlan,
    OutplanCommands,
    RefusePlan,
    SetDialInfo,
    UnfollowPlan,
    UpdateOutplan,
)
from outdial.dialing.decision import Decision, FollowUp, Rejected, told_of_resource
from outdial.dialing.rules import warnings_of
from outdial.events import (
    OutplanCreated,
    OutplanDeleted,
    OutplanDialInfoSet,
    OutplanEvent,
    OutplanFollowed,
    OutplanUnfollowed,
    OutplanUpdated,
)
from outdial.plan import Plan
from outdial.scalars import ZERO_ID

# --- state --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Outplan:
    """The state of one outplan; only :func:`evolve` changes it."""

    id: str
    version: int = 0
    customer_id: str = ZERO_ID
    name: str = ""
    detail: str = ""
    plan: Plan = field(default_factory=Plan)
    plan_version: int = 0
    deleted: bool = False
    followers: dict[str, int] = field(default_factory=dict)
    """The latest ask of each outdial that goes by this plan."""


# --- evolve -------------------------------------------------------------------------------------------


def evolve(outplan: Outplan, event: OutplanEvent) -> None:
    """Fold one event."""
    outplan.version += 1
    match event:
        case OutplanCreated():
            outplan.customer_id, outplan.name, outplan.detail = event.customer_id, event.name, event.detail
            outplan.plan, outplan.plan_version = event.plan, 1
        case OutplanUpdated():
            outplan.name = outplan.name if event.name is None else event.name
            outplan.detail = outplan.detail if event.detail is None else event.detail
        case OutplanDialInfoSet():
            outplan.plan, outplan.plan_version = event.plan, event.version
        case OutplanDeleted():
            outplan.deleted = True
        case OutplanFollowed():
            outplan.followers[event.outdial_id] = event.ask
        case OutplanUnfollowed():
            outplan.followers.pop(event.outdial_id, None)
        case _:
            pass


# --- decide -------------------------------------------------------------------------------------------


def decide(outplan: Outplan | None, command: OutplanCommands) -> Decision:
    """What a command to an outplan comes to.

    Raises:
        Rejected: ``outplan_unknown``, ``outplan_deleted``, ``already_exists``.
    """
    match command:
        case CreateOutplan():
            if outplan is not None:
                raise Rejected("already_exists", "there is an outplan with this id already")
            created = OutplanCreated(
                customer_id=command.customer_id or ZERO_ID, name=command.name, detail=command.detail, plan=command.plan
            )
            return Decision([created], warnings=tuple(warnings_of(command.plan)))
        case FollowPlan():
            return _follow(outplan, command)
        case UnfollowPlan():
            if outplan is None or outplan.followers.get(command.outdial_id) != command.ask:
                return Decision()
            return Decision([OutplanUnfollowed(outdial_id=command.outdial_id, ask=command.ask)])
        case AskResource():
            return _known(outplan, command)
        case DeleteOutplan():
            found = _existing(outplan)
            return Decision([] if found.deleted else [OutplanDeleted()])
        case UpdateOutplan():
            found = _present(outplan)
            name = command.name if command.name != found.name else None
            detail = command.detail if command.detail != found.detail else None
            return Decision([] if name is detail is None else [OutplanUpdated(name=name, detail=detail)])
        case SetDialInfo():
            return _set_plan(_present(outplan), command.plan)


def _existing(outplan: Outplan | None) -> Outplan:
    if outplan is None:
        raise Rejected("outplan_unknown", "there is no such outplan")
    return outplan


def _present(outplan: Outplan | None) -> Outplan:
    found = _existing(outplan)
    if found.deleted:
        raise Rejected("outplan_deleted", "the outplan was deleted")
    return found


def _set_plan(outplan: Outplan, plan: Plan) -> Decision:
    """A new plan, and word of it to every outdial that goes by this outplan."""
    if plan == outplan.plan:
        return Decision()
    version = outplan.plan_version + 1
    told = [
        FollowUp(ApplyPlan(outdial_id=outdial_id, ask=ask, outplan_id=outplan.id, version=version, plan=plan), awaited=False)
        for outdial_id, ask in outplan.followers.items()
    ]
    return Decision([OutplanDialInfoSet(version=version, plan=plan)], told, warnings=tuple(warnings_of(plan)))


def _follow(outplan: Outplan | None, command: FollowPlan) -> Decision:
    """Give an outdial the plan; the same ask again gets the same answer."""
    try:
        found = _same_customer(outplan, command.customer_id)
    except Rejected as why:
        refusal = RefusePlan(outdial_id=command.outdial_id, outplan_id=command.outplan_id, ask=command.ask, reason=why.reason)
        return Decision(refused=why, follow_ups=[FollowUp(refusal, awaited=True)])
    told = ApplyPlan(outdial_id=command.outdial_id, outplan_id=found.id, ask=command.ask, version=found.plan_version, plan=found.plan)
    known = found.followers.get(command.outdial_id) == command.ask
    events: list[OutplanEvent] = [] if known else [OutplanFollowed(outdial_id=command.outdial_id, ask=command.ask)]
    return Decision(events, [FollowUp(told, awaited=True)])


def _known(outplan: Outplan | None, command: AskResource) -> Decision:
    """Tell a campaign whether this outplan can be referred to."""
    try:
        _same_customer(outplan, command.customer_id)
    except Rejected as why:
        return told_of_resource(command, why)
    return told_of_resource(command, None)


def _same_customer(outplan: Outplan | None, customer_id: str | None) -> Outplan:
    """The outplan, if it is there for this customer."""
    if outplan is not None and customer_id not in (None, outplan.customer_id):
        outplan = None
    return _present(outplan)
