"""An outplan: a plan with a name, and the outdials that go by it. Source: contract 2.4, 3.3; design section 2."""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter

from outdial.commands import (
    ApplyPlan,
    AskResource,
    CreateOutplan,
    DeleteOutplan,
    FollowPlan,
    OutplanCommands,
    RefusePlan,
    SetDialInfo,
    TellPlan,
    UnfollowPlan,
    UpdateOutplan,
)
from outdial.dialing.addresses import check_plan
from outdial.dialing.decision import Decision, FollowUp, Rejected, told_of_resource
from outdial.dialing.rules import warnings_of
from outdial.events import (
    OutplanCreated,
    OutplanDeleted,
    OutplanDialInfoSet,
    OutplanEvent,
    OutplanFollowed,
    OutplanTold,
    OutplanUnfollowed,
    OutplanUpdated,
)
from outdial.plan import Plan
from outdial.scalars import ZERO_ID
from outdial.wire import encode

TOLD_AT_ONCE = 500
"""Outdials told of a change of the plan by one command, at most."""
TOLD_BYTES = 256 * 1024
"""What that may come to, about."""
SLACK = 64
"""Who follows no longer is taken out of the order when they are more than the others and this."""

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
    order: list[tuple[int, str, int]] = field(default_factory=list)
    """(version of the outplan, outdial, ask) of each that began to follow; some do so no longer."""
    told_to: int | None = None
    """A change of the plan was told to those that began to follow by then; None: to all."""


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
            outplan.plan, outplan.plan_version, outplan.told_to = event.plan, event.version, event.told_to
        case OutplanTold():
            outplan.told_to = event.told_to
        case OutplanDeleted():
            outplan.deleted = True
        case OutplanFollowed():
            outplan.followers[event.outdial_id] = event.ask
            outplan.order.append((outplan.version, event.outdial_id, event.ask))
            if len(outplan.order) > 2 * len(outplan.followers) + SLACK:
                outplan.order = [one for one in outplan.order if outplan.followers.get(one[1]) == one[2]]
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
            check_plan(command.plan)
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
            check_plan(command.plan)
            return _set_plan(_present(outplan), command.plan)
        case TellPlan():
            return _tell_more(_existing(outplan))


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
    """A new plan, and word of it to every outdial that goes by this outplan; to the first of them, if they are many."""
    if plan == outplan.plan:
        return Decision()
    version = outplan.plan_version + 1
    told, told_to = _told(outplan, 0, version, plan)
    return Decision([OutplanDialInfoSet(version=version, plan=plan, told_to=told_to)], told, warnings=tuple(warnings_of(plan)))


def _tell_more(outplan: Outplan) -> Decision:
    """Word of the plan in force to the next of those that go by it."""
    if outplan.told_to is None:
        return Decision()
    told, told_to = _told(outplan, outplan.told_to, outplan.plan_version, outplan.plan)
    return Decision([OutplanTold(version=outplan.plan_version, told_to=told_to)], told)


def _told(outplan: Outplan, told_to: int, version: int, plan: Plan) -> tuple[list[FollowUp], int | None]:
    """Word of a plan to some of those that began to follow after ``told_to``, and up to whom that is; None: to all."""
    limit = max(1, min(TOLD_AT_ONCE, TOLD_BYTES // len(encode(plan))))
    begin = bisect_right(outplan.order, told_to, key=itemgetter(0))
    following = (one for one in islice(outplan.order, begin, None) if outplan.followers.get(one[1]) == one[2])
    chosen = list(islice(following, limit))
    told = [
        FollowUp(ApplyPlan(outdial_id=outdial_id, ask=ask, outplan_id=outplan.id, version=version, plan=plan), awaited=False)
        for _, outdial_id, ask in chosen
    ]
    return told, chosen[-1][0] if next(following, None) is not None else None


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
