"""The client's words for how a list is dialed: outplans, campaigns, runs, and the numbers of them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Unpack

from outdial.client import routes
from outdial.client.asking import reading
from outdial.client.lists import Listing
from outdial.client.routes import PlanLike, given
from outdial.client.shapes import Changing, Making, Reading
from outdial.commands import EndHandle, Outcome
from outdial.resources import (
    Activity,
    Calendar,
    Campaign,
    Campaigncall,
    DialingOfOutdial,
    MostCalled,
    OpenAttempts,
    Outplan,
    Past,
    PreflightOfOutdial,
    Stats,
    TargetPast,
    WhyOutdial,
    WhyTarget,
    Yield,
)


class Running(Listing):
    """Plans, campaigns, runs."""

    # --- outplans -------------------------------------------------------------------------------

    def outplans(self, *, limit: int | None = None, deleted: bool = False, **how: Unpack[Reading]) -> AsyncIterator[Outplan]:
        """The outplans, newest first."""
        return self.all(routes.OUTPLANS, limit=limit, deleted=deleted, how=how)

    async def outplan(self, outplan_id: str, **how: Unpack[Reading]) -> Outplan:
        """One outplan, also when it is deleted."""
        return await self.send(reading(routes.OUTPLANS.get(outplan_id), how))

    async def create_outplan(
        self, name: str = "", *, detail: str | None = None, plan: PlanLike | None = None, **how: Unpack[Making]
    ) -> Outplan:
        """Make an outplan: a plan with a name."""
        fields = {**given(name=name, detail=detail), **routes.fields_of(plan)}
        return await self.send(replace(routes.OUTPLANS.create(fields), **how))

    async def update_outplan(
        self, outplan_id: str, *, name: str | None = None, detail: str | None = None, plan: PlanLike | None = None, **how: Unpack[Changing]
    ) -> Outplan:
        """Change what is given, of the plan too; every outdial that runs by it takes the new one."""
        return await self.changed(routes.OUTPLANS, outplan_id, {**given(name=name, detail=detail), **routes.fields_of(plan)}, how)

    async def delete_outplan(self, outplan_id: str, **how: Unpack[Changing]) -> Outplan:
        """Delete one softly; outdials that run by it go on with what they have."""
        return await self.send(replace(routes.OUTPLANS.delete(outplan_id), **how))

    # --- campaigns ------------------------------------------------------------------------------

    def campaigns(self, *, limit: int | None = None, deleted: bool = False, **how: Unpack[Reading]) -> AsyncIterator[Campaign]:
        """The campaigns, newest first."""
        return self.all(routes.CAMPAIGNS, limit=limit, deleted=deleted, how=how)

    async def campaign(self, campaign_id: str, **how: Unpack[Reading]) -> Campaign:
        """One campaign, also when it is deleted."""
        return await self.send(reading(routes.CAMPAIGNS.get(campaign_id), how))

    async def create_campaign(
        self,
        name: str = "",
        *,
        detail: str | None = None,
        type: str | None = None,  # noqa: A002  the contract's word
        service_level: int | None = None,
        end_handle: EndHandle | None = None,
        actions: Sequence[dict[str, Any]] | None = None,
        outplan_id: str | None = None,
        outdial_id: str | None = None,
        queue_id: str | None = None,
        next_campaign_id: str | None = None,
        **how: Unpack[Making],
    ) -> Campaign:
        """Make a campaign, stopped."""
        fields = given(
            name=name, detail=detail, type=type, service_level=service_level, end_handle=end_handle, actions=actions,
            outplan_id=outplan_id, outdial_id=outdial_id, queue_id=queue_id, next_campaign_id=next_campaign_id,
        )  # fmt: skip
        return await self.send(replace(routes.CAMPAIGNS.create(fields), **how))

    async def update_campaign(
        self,
        campaign_id: str,
        *,
        name: str | None = None,
        detail: str | None = None,
        type: str | None = None,  # noqa: A002  the contract's word
        service_level: int | None = None,
        end_handle: EndHandle | None = None,
        actions: Sequence[dict[str, Any]] | None = None,
        outplan_id: str | None = None,
        outdial_id: str | None = None,
        queue_id: str | None = None,
        next_campaign_id: str | None = None,
        **how: Unpack[Changing],
    ) -> Campaign:
        """Change what is given; the zero id refers to nothing."""
        fields = given(
            name=name, detail=detail, type=type, service_level=service_level, end_handle=end_handle, actions=actions,
            outplan_id=outplan_id, outdial_id=outdial_id, queue_id=queue_id, next_campaign_id=next_campaign_id,
        )  # fmt: skip
        return await self.changed(routes.CAMPAIGNS, campaign_id, fields, how)

    async def run_campaign(self, campaign_id: str, **how: Unpack[Changing]) -> Campaign:
        """Start a campaign."""
        return await self.send(replace(routes.set_campaign_status(campaign_id, "run"), **how))

    async def stop_campaign(self, campaign_id: str, **how: Unpack[Changing]) -> Campaign:
        """Stop a campaign: no request after the answer; open calls live on."""
        return await self.send(replace(routes.set_campaign_status(campaign_id, "stop"), **how))

    async def set_agents(self, campaign_id: str, agents: int, **how: Unpack[Changing]) -> Campaign:
        """Say how many agents of a campaign's queue are free."""
        return await self.send(replace(routes.set_campaign_agents(campaign_id, agents), **how))

    async def delete_campaign(self, campaign_id: str, **how: Unpack[Changing]) -> Campaign:
        """Delete a stopped campaign; its outdial becomes free."""
        return await self.send(replace(routes.CAMPAIGNS.delete(campaign_id), **how))

    # --- runs of an outdial ---------------------------------------------------------------------

    async def dialing(self, outdial_id: str, **how: Unpack[Reading]) -> DialingOfOutdial:
        """Whether an outdial dials, by which plan, and how its last run ended."""
        return await self.send(reading(routes.dialing(outdial_id), how))

    async def start(
        self,
        outdial_id: str,
        *,
        plan: PlanLike | None = None,
        outplan_id: str | None = None,
        end_handle: EndHandle | None = None,
        **how: Unpack[Changing],
    ) -> DialingOfOutdial:
        """Start dialing by a plan, an outplan, or the plan it ran by last. Running already, it takes a plan that is another."""
        return await self.send(replace(routes.run_outdial(outdial_id, plan=plan, outplan_id=outplan_id, end_handle=end_handle), **how))

    async def stop(self, outdial_id: str, *, reason: str | None = None, **how: Unpack[Changing]) -> DialingOfOutdial:
        """Request no further call. Open calls live on: ``open_attempts`` are the first of them."""
        return await self.send(replace(routes.stop_outdial(outdial_id, reason), **how))

    async def pause(self, outdial_id: str, *, reason: str | None = None, **how: Unpack[Changing]) -> DialingOfOutdial:
        """Request no call until it is resumed; the run and its plan stay."""
        return await self.send(replace(routes.hold_outdial(outdial_id, "pause", reason), **how))

    async def resume(self, outdial_id: str, *, reason: str | None = None, **how: Unpack[Changing]) -> DialingOfOutdial:
        """Go on with a run that was paused."""
        return await self.send(replace(routes.hold_outdial(outdial_id, "resume", reason), **how))

    async def drain(self, outdial_id: str, *, reason: str | None = None, **how: Unpack[Changing]) -> DialingOfOutdial:
        """Call nobody new; the run ends when nobody is left to try again."""
        return await self.send(replace(routes.hold_outdial(outdial_id, "drain", reason), **how))

    async def reopen(self, outdial_id: str, outcomes: Sequence[Outcome], **how: Unpack[Making]) -> DialingOfOutdial:
        """Give all their tries again to the targets whose last attempt ended so."""
        return await self.send(replace(routes.reopen_targets(outdial_id, outcomes), **how))

    async def preflight(
        self, outdial_id: str, *, plan: PlanLike | None = None, outplan_id: str | None = None, campaign_id: str | None = None
    ) -> PreflightOfOutdial:
        """What a run would come to if it began now. Changes nothing."""
        return await self.send(routes.preflight(outdial_id, plan=plan, outplan_id=outplan_id, campaign_id=campaign_id))

    # --- numbers --------------------------------------------------------------------------------

    async def why(self, outdial_id: str, **how: Unpack[Reading]) -> WhyOutdial:
        """Why an outdial is not dialing, and how many targets each rule holds."""
        return await self.send(reading(routes.why(outdial_id), how))

    async def why_target(self, outdial_id: str, target_id: str, **how: Unpack[Reading]) -> WhyTarget:
        """Why a target is not being dialed: the rule, since when, until when, and what it follows from."""
        return await self.send(reading(routes.why_target(outdial_id, target_id), how))

    async def stats(self, outdial_id: str, **how: Unpack[Reading]) -> Stats:
        """Counts by state and outcome, what is due, what is open."""
        return await self.send(reading(routes.stats(outdial_id), how))

    async def activity(self, outdial_id: str, *, minutes: int | None = None, **how: Unpack[Reading]) -> Activity:
        """Requests and ends of attempts over the last minutes."""
        return await self.send(reading(routes.activity(outdial_id, minutes), how))

    async def results_of(self, outdial_id: str, **how: Unpack[Reading]) -> Yield:
        """How the attempts ended: by try, by destination, by hour."""
        return await self.send(reading(routes.results_of(outdial_id), how))

    async def most_called(self, outdial_id: str, **how: Unpack[Reading]) -> MostCalled:
        """How often the number was called that was called most often within a day (UTC)."""
        return await self.send(reading(routes.most_called(outdial_id), how))

    async def calendar(self, outdial_id: str, *, hours: int | None = None, **how: Unpack[Reading]) -> Calendar:
        """When targets fall due."""
        return await self.send(reading(routes.calendar(outdial_id, hours), how))

    async def past(self, outdial_id: str, at: str | int, *, minutes: int | None = None, **how: Unpack[Reading]) -> Past:
        """An outdial as it was at a time (RFC 3339), or after so many of its events."""
        return await self.send(reading(routes.past(outdial_id, at, minutes), how))

    async def target_past(self, outdial_id: str, target_id: str, at: str | int, **how: Unpack[Reading]) -> TargetPast:
        """A target as it was at a time (RFC 3339), or after so many of its events."""
        return await self.send(reading(routes.target_past(outdial_id, target_id, at), how))

    async def open_attempts(self, outdial_id: str, *, limit: int | None = None, **how: Unpack[Reading]) -> OpenAttempts:
        """The attempts that are not over, the longest open first."""
        return await self.send(reading(routes.open_attempts(outdial_id, limit), how))

    # --- calls ----------------------------------------------------------------------------------

    def calls(
        self, *, campaign_id: str | None = None, limit: int | None = None, deleted: bool = False, **how: Unpack[Reading]
    ) -> AsyncIterator[Campaigncall]:
        """The attempts, newest first: all, or those of a campaign."""
        where = routes.CALLS if campaign_id is None else routes.calls_of_campaign(campaign_id)
        return self.all(where, limit=limit, deleted=deleted, how=how)

    async def call(self, attempt_id: str, **how: Unpack[Reading]) -> Campaigncall:
        """One attempt, also when it is deleted."""
        return await self.send(reading(routes.CALLS.get(attempt_id), how))

    async def delete_call(self, attempt_id: str, **how: Unpack[Changing]) -> Campaigncall:
        """Hide an attempt that is over from the lists."""
        return await self.send(replace(routes.CALLS.delete(attempt_id), **how))
