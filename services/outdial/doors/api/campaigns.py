"""Campaigns. Source: contract 2.5 and 3.4."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import (
    CreateCampaign,
    DeleteCampaign,
    GrantSlots,
    RunCampaign,
    SetCampaignResources,
    StopCampaign,
    UpdateCampaign,
)
from outdial.doors.api import shapes
from outdial.doors.api.bodies import check_actions, needed, picked, read_object
from outdial.doors.api.deps import command_id, customer_of, door_of, made, path_id, reply, single, submit, version_of
from outdial.doors.api.errors import NO_CAMPAIGN, Refused, by_reference, by_rule
from outdial.doors.api.paging import asked, page, times_of
from outdial.ids import item_id
from outdial.requests import Answer
from outdial.scalars import ZERO_ID
from outdial.views import calls, campaigns
from outdial.views.campaigns import Campaign

router = APIRouter(tags=["campaigns"])
_INFO: Final = ("name", "detail", "service_level", "end_handle", "actions")
_RESOURCES: Final = ("outplan_id", "outdial_id", "queue_id", "next_campaign_id")


def _row(request: Request, campaign_id: str) -> Campaign | None:
    return campaigns.get(door_of(request).reader, customer_of(request), campaign_id)


def found(request: Request, campaign_id: str) -> Campaign:
    """A campaign of the customer who asks, deleted ones included.

    Raises:
        Refused: CAMPAIGN_NOT_FOUND.
    """
    row = _row(request, campaign_id)
    if row is None:
        raise Refused(NO_CAMPAIGN, "campaign_unknown", "there is no such campaign")
    return row


def _shown(request: Request, campaign_id: str, answer: Answer | None = None) -> Response:
    version = version_of(request, campaign_id)
    return single(request, shapes.campaign(found(request, campaign_id), times_of(request)), version, answer)


def _info(body: dict[str, Any]) -> dict[str, Any]:
    """The basic fields, ``type`` under the name it has in commands."""
    fields = picked(body, _INFO)
    check_actions(fields.get("actions"))
    if body.get("type"):
        fields["campaign_type"] = body["type"]
    return fields


def _resources(body: dict[str, Any]) -> dict[str, Any]:
    """What a body refers to; an empty text is no reference."""
    return {name: value or ZERO_ID for name, value in picked(body, _RESOURCES).items()}


@router.get("/campaigns/{id}")
async def get_campaign(request: Request) -> Response:
    """One campaign, also when it is deleted."""
    return _shown(request, path_id(request))


@router.get("/campaigns")
async def list_campaigns(request: Request) -> Response:
    """The campaigns, newest first."""
    wanted, times = asked(request), times_of(request)
    rows = campaigns.page(door_of(request).reader, customer_of(request), wanted.before, wanted.limit, wanted.deleted)
    return reply(page(rows, wanted, times, lambda row: shapes.campaign(row, times)))


@router.post("/campaigns")
async def create_campaign(request: Request) -> Response:
    """Make a campaign, in ``stop``. What it refers to must exist, and its outdial be free."""
    body = await read_object(request)
    command = command_id(request)
    campaign_id = item_id(command, 0)
    fixed = {"id": command, "customer_id": customer_of(request), "campaign_id": campaign_id, "resources": _resources(body)}
    answer = await submit(request, made(CreateCampaign, {**_info(body), **fixed}), by_reference)
    return _shown(request, campaign_id, answer)


async def _update(request: Request, fields: dict[str, Any]) -> Response:
    campaign_id = path_id(request)
    made_of = {**fields, "id": command_id(request), "customer_id": customer_of(request), "campaign_id": campaign_id}
    return _shown(request, campaign_id, await submit(request, made(UpdateCampaign, made_of)))


@router.put("/campaigns/{id}")
async def update_campaign(request: Request) -> Response:
    """Change basic info; what is absent stays. ``status`` is not changed here, nor ``type`` while it runs."""
    fields = _info(await read_object(request))
    fields.pop("actions", None)
    return await _update(request, fields)


@router.put("/campaigns/{id}/service_level")
async def set_service_level(request: Request) -> Response:
    """Change the service level, percent."""
    return await _update(request, {"service_level": needed(await read_object(request), "service_level")})


@router.put("/campaigns/{id}/agents")
async def set_agents(request: Request) -> Response:
    """Say how many agents of the campaign's queue are free."""
    campaign_id = path_id(request)
    fields = {"id": command_id(request), "customer_id": customer_of(request), "campaign_id": campaign_id}
    command = made(GrantSlots, {**fields, "agents": needed(await read_object(request), "agents")})
    return _shown(request, campaign_id, await submit(request, command, _about(request, campaign_id)))


@router.put("/campaigns/{id}/actions")
async def set_actions(request: Request) -> Response:
    """Change the actions."""
    body = await read_object(request)
    needed(body, "actions")
    return await _update(request, _info({"actions": body["actions"]}))


@router.put("/campaigns/{id}/status")
async def set_status(request: Request) -> Response:
    """Start (``run``) or stop (``stop``) a campaign. Open attempts live on after a stop."""
    campaign_id = path_id(request)
    kinds: dict[Any, Callable[..., RunCampaign | StopCampaign]] = {"run": RunCampaign, "stop": StopCampaign}
    status = needed(await read_object(request), "status")
    if not isinstance(status, str) or status not in kinds:
        raise by_rule("field_invalid", "status must be run or stop")
    command = kinds[status](id=command_id(request), customer_id=customer_of(request), campaign_id=campaign_id)
    return _shown(request, campaign_id, await submit(request, command, _about(request, campaign_id)))


@router.put("/campaigns/{id}/resource_info")
async def set_resource_info(request: Request) -> Response:
    """Change what a campaign refers to; what is absent stays. A refused change changes nothing."""
    return await _refer(request, _resources(await read_object(request)))


@router.put("/campaigns/{id}/next_campaign_id")
async def set_next_campaign(request: Request) -> Response:
    """Chain to another campaign; "" or the zero id unchains."""
    body = await read_object(request)
    needed(body, "next_campaign_id")
    return await _refer(request, _resources({"next_campaign_id": body["next_campaign_id"]}))


async def _refer(request: Request, resources: dict[str, Any]) -> Response:
    campaign_id = path_id(request)
    made_of = {**resources, "id": command_id(request), "customer_id": customer_of(request), "campaign_id": campaign_id}
    answer = await submit(request, made(SetCampaignResources, made_of), _about(request, campaign_id))
    return _shown(request, campaign_id, answer)


def _about(request: Request, campaign_id: str) -> Callable[[str | None, str | None], Refused]:
    """What a refusal means: about the campaign in the path (404), or about what it refers to (400)."""

    def refusal(rule: str | None, message: str | None) -> Refused:
        row = _row(request, campaign_id)
        return by_rule(rule, message) if row is None or row.tm_delete is not None else by_reference(rule, message)

    return refusal


@router.delete("/campaigns/{id}")
async def delete_campaign(request: Request) -> Response:
    """Delete a stopped campaign softly; its outdial becomes free."""
    campaign_id = path_id(request)
    command = DeleteCampaign(id=command_id(request), customer_id=customer_of(request), campaign_id=campaign_id)
    return _shown(request, campaign_id, await submit(request, command))


@router.get("/campaigns/{id}/campaigncalls")
async def list_calls_of_campaign(request: Request) -> Response:
    """The attempts of a campaign, newest first."""
    campaign = found(request, path_id(request))
    wanted, times = asked(request), times_of(request)
    rows = calls.page_of_campaign(door_of(request).reader, customer_of(request), campaign.id, wanted.before, wanted.limit, wanted.deleted)
    return reply(page(rows, wanted, times, lambda row: shapes.campaigncall(row, times)))
