"""A campaign: it owns an outdial, runs it by an outplan, and hands over to the next campaign.

A campaign dials nothing itself. ``run`` and ``stop`` go straight to its outdial, so that a stop cannot
overtake its start; how a run ended comes back from there. Whether what it refers to exists is asked of
those streams, and a change takes hold when all of them have said yes. A command that finds nothing to change
sends again what the campaign still owes, so that its answer is no earlier than that of the first.
Source: contract 2.5, 3.4; design sections 2 and 4.
"""

from dataclasses import dataclass, field
from typing import Any

from outdial.commands import (
    AskResource,
    CampaignCommands,
    CampaignType,
    ClaimGranted,
    ClaimOutdial,
    ClaimRefused,
    Command,
    CreateCampaign,
    DeleteCampaign,
    DialingRefused,
    EndHandle,
    GrantSlots,
    LimitRinging,
    ReleaseOutdial,
    ResourceKind,
    ResourceKnown,
    Resources,
    ResourceUnknown,
    RunCampaign,
    RunEnded,
    SetCampaignResources,
    SetEndHandle,
    StartDialing,
    StopCampaign,
    StopDialing,
    UpdateCampaign,
)
from outdial.dialing.decision import Decision, FollowUp, Rejected, told_of_resource
from outdial.events import (
    CampaignCreated,
    CampaignDeleted,
    CampaignEvent,
    CampaignResourceAnswered,
    CampaignResourcesAsked,
    CampaignResourcesRefused,
    CampaignResourcesSet,
    CampaignSlotsGranted,
    CampaignStarted,
    CampaignStopped,
    CampaignStopping,
    CampaignUpdated,
)
from outdial.scalars import ZERO_ID

LONGEST_CHAIN = 1_000
"""Campaigns that may follow each other without a dial request; their ids stand in the command to the next."""

# --- state --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Change:
    """A change of resources that waits for the streams it names."""

    number: int
    resources: Resources
    creating: bool
    waits_for: set[tuple[ResourceKind, str]]
    claimed: bool = False
    """Whether the outdial it names said yes."""
    claim_refused: bool = False
    """Whether it said no."""
    refused: str | None = None


@dataclass(slots=True)
class Campaign:
    """The state of one campaign; only :func:`evolve` changes it."""

    id: str
    version: int = 0
    customer_id: str = ZERO_ID
    campaign_type: CampaignType = "call"
    name: str = ""
    detail: str = ""
    service_level: int = 0
    agents: int = 0
    """Agents of its queue that are free, as was said last."""
    end_handle: EndHandle = "stop"
    actions: tuple[dict[str, Any], ...] = ()
    resources: Resources = field(default_factory=Resources)
    status: str = "stop"
    run: int = 0
    run_outdial: str = ZERO_ID
    """The outdial the last run went to."""
    refused: bool = False
    """Whether the last run was refused: a second press may have begun it after all, until its outdial is told to stop."""
    chain: tuple[str, ...] = ()
    """Campaigns run since the chain's last dial request."""
    changes: int = 0
    change: Change | None = None
    deleted: bool = False

    @property
    def ringing_limit(self) -> int | None:
        """How many attempts may ring at once; None: no limit, as there is no queue."""
        return ringing_limit(self.agents, self.service_level, self.resources.queue_id)


def ringing_limit(agents: int, service_level: int, queue_id: str) -> int | None:
    """The attempts that may ring for so many free agents: while there are fewer than ``agents * service_level / 100``.

    Source: contract C25. That is the quotient rounded up, so that one agent at 80 % has one call ring.
    """
    return None if queue_id == ZERO_ID else -(-agents * service_level // 100)


# --- evolve -------------------------------------------------------------------------------------------


def evolve(campaign: Campaign, event: CampaignEvent) -> None:
    """Fold one event."""
    campaign.version += 1
    match event:
        case CampaignCreated():
            campaign.customer_id, campaign.campaign_type = event.customer_id, event.campaign_type
            campaign.name, campaign.detail, campaign.service_level = event.name, event.detail, event.service_level
            campaign.end_handle, campaign.actions = event.end_handle, event.actions
        case CampaignUpdated():
            for name, value in event.given:
                setattr(campaign, name, value)
        case CampaignResourcesAsked():
            campaign.changes = event.change
            campaign.change = Change(event.change, event.resources, event.creating, set(asked_of(event.resources)))
        case CampaignResourceAnswered() if campaign.change is not None:
            campaign.change.waits_for.discard((event.resource, event.resource_id))
            campaign.change.claimed |= event.resource == "outdial" and event.reason is None
            campaign.change.claim_refused |= event.resource == "outdial" and event.reason is not None
            campaign.change.refused = campaign.change.refused or event.reason
        case CampaignResourcesSet():
            campaign.resources, campaign.change = event.resources, None
        case CampaignResourcesRefused():
            campaign.change = None
        case CampaignSlotsGranted():
            campaign.agents = event.agents
        case CampaignStarted():
            campaign.status, campaign.run = "run", event.run
            campaign.run_outdial, campaign.chain, campaign.refused = event.outdial_id, event.chain, False
        case CampaignStopping():
            campaign.status = "stopping"
        case CampaignStopped():
            campaign.status, campaign.refused = "stop", event.how == "refused"
        case CampaignDeleted():
            campaign.deleted, campaign.change = True, None
        case _:
            pass


def asked_of(resources: Resources) -> list[tuple[ResourceKind, str]]:
    """The streams that have a say in a reference to them."""
    asked: list[tuple[ResourceKind, str]] = [
        ("outplan", resources.outplan_id),
        ("outdial", resources.outdial_id),
        ("campaign", resources.next_campaign_id),
    ]
    return [(kind, stream) for kind, stream in asked if stream != ZERO_ID]


# --- decide -------------------------------------------------------------------------------------------


def decide(campaign: Campaign | None, command: CampaignCommands) -> Decision:
    """What a command to a campaign comes to.

    Raises:
        Rejected: ``campaign_unknown``, ``campaign_deleted``, ``already_exists``, ``campaign_running``,
            ``campaign_changing``, ``campaign_not_stopped``, ``resources_missing``, ``plan_missing``.
    """
    match command:
        case CreateCampaign():
            return _create(campaign, command)
        case AskResource():
            return _known(campaign, command)
        case ClaimGranted() | ClaimRefused() | ResourceKnown() | ResourceUnknown():
            return Decision() if campaign is None else _answered(campaign, command)
        case DialingRefused() | RunEnded():
            return Decision() if campaign is None else _run_ended(campaign, command)
        case UpdateCampaign():
            return _update(_present(campaign), command)
        case SetCampaignResources():
            return _set_resources(_present(campaign), command)
        case GrantSlots():
            return _grant(_present(campaign), command)
        case RunCampaign():
            return _run(_present(campaign), command)
        case StopCampaign():
            return _stop(_present(campaign))
        case DeleteCampaign():
            return _delete(campaign)


def _present(campaign: Campaign | None) -> Campaign:
    if campaign is None:
        raise Rejected("campaign_unknown", "there is no such campaign")
    if campaign.deleted:
        raise Rejected("campaign_deleted", "the campaign was deleted")
    return campaign


def _create(campaign: Campaign | None, command: CreateCampaign) -> Decision:
    if campaign is not None:
        raise Rejected("already_exists", "there is a campaign with this id already")
    created = CampaignCreated(
        customer_id=command.customer_id or ZERO_ID,
        campaign_type=command.campaign_type,
        name=command.name,
        detail=command.detail,
        service_level=command.service_level,
        end_handle=command.end_handle,
        actions=command.actions,
    )
    asked = _ask(command.campaign_id, 1, command.resources, creating=True)
    return Decision([created, *asked.events], asked.follow_ups)


def _ask(campaign_id: str, change: int, resources: Resources, *, creating: bool) -> Decision:
    """Put a change of resources to the streams it names; without any it is in force at once."""
    asked = asked_of(resources)
    if not asked:
        return Decision([CampaignResourcesSet(change=change, resources=resources)])
    told = [
        FollowUp(
            ClaimOutdial(outdial_id=stream, campaign_id=campaign_id, change=change)
            if kind == "outdial"
            else AskResource(resource=kind, resource_id=stream, campaign_id=campaign_id, change=change),
            awaited=True,
        )
        for kind, stream in asked
    ]
    return Decision([CampaignResourcesAsked(change=change, resources=resources, creating=creating)], told)


def _known(campaign: Campaign | None, command: AskResource) -> Decision:
    """Tell another campaign whether this one can be referred to."""
    try:
        found = _present(campaign)
        if command.customer_id not in (None, found.customer_id):
            _present(None)
    except Rejected as why:
        return told_of_resource(command, why)
    return told_of_resource(command, None)


def _answered(campaign: Campaign, command: ClaimGranted | ClaimRefused | ResourceKnown | ResourceUnknown) -> Decision:
    """One of the streams asked has answered; the last answer settles the change."""
    change = campaign.change
    kind: ResourceKind
    if isinstance(command, ClaimGranted | ClaimRefused):
        kind, stream = "outdial", command.outdial_id
    else:
        kind, stream = command.resource, command.resource_id
    if change is None or change.number != command.change or (kind, stream) not in change.waits_for:
        return Decision(follow_ups=_not_wanted(campaign, command))
    reason = command.reason if isinstance(command, ClaimRefused | ResourceUnknown) else None
    events: list[CampaignEvent] = [CampaignResourceAnswered(change=change.number, resource=kind, resource_id=stream, reason=reason)]
    if len(change.waits_for) > 1:
        return Decision(events)
    refused = change.refused or reason
    claimed = change.claimed or (kind == "outdial" and reason is None)
    if refused is None:
        events.append(CampaignResourcesSet(change=change.number, resources=change.resources))
        freed = campaign.resources.outdial_id
        released = _released(campaign, freed) if freed != change.resources.outdial_id else []
        return Decision(events, [*released, *_another_queue(campaign, change.resources)])
    events.append(CampaignResourcesRefused(change=change.number, reason=refused))
    if change.creating:
        events.append(CampaignDeleted(reason="claim_refused" if (kind == "outdial" and reason) or change.claim_refused else refused))
    taken = change.resources.outdial_id
    return Decision(events, _released(campaign, taken) if claimed and taken != campaign.resources.outdial_id else [])


def _not_wanted(campaign: Campaign, command: ClaimGranted | ClaimRefused | ResourceKnown | ResourceUnknown) -> list[FollowUp]:
    """Give back an outdial that was granted to a change which is no longer there: the campaign was deleted meanwhile."""
    if not isinstance(command, ClaimGranted):
        return []
    own = ZERO_ID if campaign.deleted else campaign.resources.outdial_id
    wanted = ZERO_ID if campaign.change is None else campaign.change.resources.outdial_id
    return [] if command.outdial_id in (own, wanted) else _released(campaign, command.outdial_id)


def _released(campaign: Campaign, outdial_id: str) -> list[FollowUp]:
    if outdial_id == ZERO_ID:
        return []
    return [FollowUp(ReleaseOutdial(outdial_id=outdial_id, campaign_id=campaign.id), awaited=True)]


def _update(campaign: Campaign, command: UpdateCampaign) -> Decision:
    fields = ("campaign_type", "name", "detail", "service_level", "end_handle", "actions")
    changed = {name: value for name in fields if (value := getattr(command, name)) is not None and value != getattr(campaign, name)}
    if campaign.status == "run" and "campaign_type" in changed:
        raise Rejected("campaign_running", "stop the campaign before you change its type: its run goes by what it was")
    told = [] if command.service_level is None else _limited(campaign, service_level=command.service_level)
    if campaign.status == "run" and command.end_handle is not None:
        ends = SetEndHandle(outdial_id=campaign.run_outdial, campaign_id=campaign.id, run=campaign.run, end_handle=command.end_handle)
        told.append(FollowUp(ends, awaited=True))
    return Decision([CampaignUpdated(**changed)] if changed else [], told)


def _grant(campaign: Campaign, command: GrantSlots) -> Decision:
    """So many agents are free; a run is told what that allows."""
    events = [] if command.agents == campaign.agents else [CampaignSlotsGranted(agents=command.agents)]
    return Decision(events, _limited(campaign, agents=command.agents))


def _limited(
    campaign: Campaign, *, agents: int | None = None, service_level: int | None = None, queue_id: str | None = None
) -> list[FollowUp]:
    """How many attempts may ring from here on, told to the outdial of a run."""
    if campaign.status != "run":
        return []
    limit = ringing_limit(
        campaign.agents if agents is None else agents,
        campaign.service_level if service_level is None else service_level,
        campaign.resources.queue_id if queue_id is None else queue_id,
    )
    if limit is None and queue_id is None:
        return []
    told = LimitRinging(outdial_id=campaign.run_outdial, campaign_id=campaign.id, run=campaign.run, limit=limit)
    return [FollowUp(told, awaited=True)]


def _set_resources(campaign: Campaign, command: SetCampaignResources) -> Decision:
    if campaign.change is not None:
        raise Rejected("campaign_changing", "another change of this campaign's resources is under way; try again")
    named = {name: value for name in Resources.model_fields if (value := getattr(command, name)) is not None}
    resources = campaign.resources.model_copy(update=named)
    if resources == campaign.resources:
        return Decision()
    dialed_by = (resources.outdial_id, resources.outplan_id)
    if campaign.status != "stop" and dialed_by != (campaign.resources.outdial_id, campaign.resources.outplan_id):
        raise Rejected("campaign_running", "stop the campaign before you change its outdial or outplan")
    return _asked_or_set(campaign, resources)


def _asked_or_set(campaign: Campaign, resources: Resources) -> Decision:
    decision = _ask(campaign.id, campaign.changes + 1, resources, creating=False)
    if decision.follow_ups:
        return decision
    return Decision(decision.events, [*_released(campaign, campaign.resources.outdial_id), *_another_queue(campaign, resources)])


def _another_queue(campaign: Campaign, resources: Resources) -> list[FollowUp]:
    """A queue that comes or goes is a limit that comes or goes."""
    return [] if resources.queue_id == campaign.resources.queue_id else _limited(campaign, queue_id=resources.queue_id)


def _run(campaign: Campaign, command: RunCampaign) -> Decision:
    chain = command.chain or ()
    if campaign.status == "run":
        return Decision() if chain else Decision(follow_ups=[_begun(campaign, campaign.run, campaign.chain)])
    if campaign.id in chain or len(chain) >= LONGEST_CHAIN:
        ended = CampaignStopped(run=campaign.run, how="chain_empty", reason="chain_empty")
        return Decision([ended] if campaign.status == "stop" else [])
    if campaign.change is not None:
        raise Rejected("campaign_changing", "a change of this campaign's resources is under way; try again")
    if campaign.resources.outdial_id == ZERO_ID:
        raise Rejected("resources_missing", "the campaign has no outdial")
    if campaign.resources.outplan_id == ZERO_ID:
        raise Rejected("plan_missing", "the campaign has no outplan")
    run = campaign.run + 1
    outdial_id, outplan_id = campaign.resources.outdial_id, campaign.resources.outplan_id
    began = CampaignStarted(run=run, outdial_id=outdial_id, outplan_id=outplan_id, chain=chain)
    return Decision([began], [_begun(campaign, run, chain)])


def _begun(campaign: Campaign, run: int, chain: tuple[str, ...]) -> FollowUp:
    """The start of a run, told to its outdial; the same run again is nothing there."""
    told = StartDialing(
        outdial_id=campaign.resources.outdial_id,
        outplan_id=campaign.resources.outplan_id,
        campaign_id=campaign.id,
        campaign_type=campaign.campaign_type,
        run=run,
        end_handle=campaign.end_handle,
        chain=chain,
        ringing_limit=campaign.ringing_limit,
    )
    return FollowUp(told, awaited=True)


def _stop(campaign: Campaign) -> Decision:
    """Ask the outdial to stop; it is told again as long as it has not said that it has."""
    events: list[CampaignEvent] = [CampaignStopping(run=campaign.run)] if campaign.status == "run" else []
    return Decision(events, _stopped(campaign, campaign.run) if events else _end_owed(campaign))


def _stopped(campaign: Campaign, run: int) -> list[FollowUp]:
    """The stop of a run, told to its outdial; of one that is over it is nothing there."""
    return [FollowUp(StopDialing(outdial_id=campaign.run_outdial, campaign_id=campaign.id, run=run), awaited=True)]


def _end_owed(campaign: Campaign) -> list[FollowUp]:
    """The stop of the last run again, while its outdial has not said that it is over for certain."""
    return _stopped(campaign, campaign.run) if campaign.status == "stopping" or campaign.refused else []


def owed(campaign: Campaign, command: Command) -> list[FollowUp]:
    """What a command that came again waits for, when the campaign has gone on since, so that it is not answered before the first."""
    match command:
        case RunCampaign():
            return _end_owed(campaign)
        case StopCampaign() if campaign.status == "run" and campaign.run > 1:
            return _stopped(campaign, campaign.run - 1)
        case _:
            return []


def _delete(campaign: Campaign | None) -> Decision:
    if campaign is None:
        raise Rejected("campaign_unknown", "there is no such campaign")
    if campaign.deleted:
        return Decision(follow_ups=[*_end_owed(campaign), *_released(campaign, campaign.resources.outdial_id)])
    if campaign.status != "stop":
        raise Rejected("campaign_not_stopped", "stop the campaign before you delete it")
    change = campaign.change
    taken = ZERO_ID if change is None or not change.claimed else change.resources.outdial_id
    own = campaign.resources.outdial_id
    freed = [*_released(campaign, own), *(_released(campaign, taken) if taken != own else [])]
    return Decision([CampaignDeleted()], [*_end_owed(campaign), *freed])


def _run_ended(campaign: Campaign, command: DialingRefused | RunEnded) -> Decision:
    """How the current run ended; a word about an older one is nothing.

    A refused start is followed by a stop: had a second press of the button started the run after all, it ends here.
    """
    if command.run != campaign.run or campaign.status == "stop":
        return Decision()
    if isinstance(command, DialingRefused):
        told = StopDialing(outdial_id=command.outdial_id, campaign_id=campaign.id, run=command.run)
        return Decision([CampaignStopped(run=command.run, how="refused", reason=command.reason)], [FollowUp(told, awaited=False)])
    if command.open:
        return Decision([CampaignStopping(run=command.run)] if campaign.status == "run" else [])
    stopped = CampaignStopped(run=command.run, how=command.how, reason=command.reason, requests=command.requests)
    chains = command.how == "finished" and campaign.status == "run" and campaign.resources.next_campaign_id != ZERO_ID
    return Decision([stopped], [_chained(campaign, command.requests)] if chains and not campaign.deleted else [])


def _chained(campaign: Campaign, requests: int) -> FollowUp:
    """Start the next campaign, with word of those that ran since the last dial request."""
    chain = (campaign.id,) if requests else (*campaign.chain, campaign.id)
    return FollowUp(RunCampaign(campaign_id=campaign.resources.next_campaign_id, chain=chain), awaited=False)
