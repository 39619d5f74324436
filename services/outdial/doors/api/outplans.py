"""Outplans. Source: contract 2.4 and 3.3."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import CreateOutplan, DeleteOutplan, SetDialInfo, UpdateOutplan
from outdial.doors.api import shapes
from outdial.doors.api.bodies import picked, plan_from, read_object
from outdial.doors.api.deps import command_id, customer_of, door_of, made, path_id, reply, single, submit, version_of
from outdial.doors.api.errors import NO_OUTPLAN, Refused, by_rule
from outdial.doors.api.paging import asked, page, times_of
from outdial.ids import item_id
from outdial.requests import Answer
from outdial.views import outplans
from outdial.views.outplans import Outplan

router = APIRouter(tags=["outplans"])
CHANGES_TRIED: Final = 20
"""How often a change of some fields is laid over the plan anew, when another process has changed it meanwhile."""


def found(request: Request, outplan_id: str) -> Outplan:
    """An outplan of the customer who asks, deleted ones included.

    Raises:
        Refused: OUTPLAN_NOT_FOUND.
    """
    row = outplans.get(door_of(request).reader, customer_of(request), outplan_id)
    if row is None:
        raise Refused(NO_OUTPLAN, "outplan_unknown", "there is no such outplan")
    return row


def usable(request: Request, outplan_id: str) -> Outplan:
    """An outplan of the customer who asks that something can be started by.

    Raises:
        Refused: OUTPLAN_NOT_FOUND.
    """
    row = found(request, outplan_id)
    if row.tm_delete is not None:
        raise by_rule("outplan_deleted", "the outplan was deleted")
    return row


def _shown(request: Request, outplan_id: str, answer: Answer | None = None) -> Response:
    version = version_of(request, outplan_id)
    return single(request, shapes.outplan(found(request, outplan_id), times_of(request)), version, answer)


@router.get("/outplans/{id}")
async def get_outplan(request: Request) -> Response:
    """One outplan, also when it is deleted."""
    return _shown(request, path_id(request))


@router.get("/outplans")
async def list_outplans(request: Request) -> Response:
    """The outplans, newest first."""
    wanted, times = asked(request), times_of(request)
    rows = outplans.page(door_of(request).reader, customer_of(request), wanted.before, wanted.limit, wanted.deleted)
    return reply(page(rows, wanted, times, lambda row: shapes.outplan(row, times)))


@router.post("/outplans")
async def create_outplan(request: Request) -> Response:
    """Make an outplan. Durations are milliseconds; ``max_try_count_N`` = 0 never dials destination N."""
    body = await read_object(request)
    command = command_id(request)
    outplan_id = item_id(command, 0)
    fixed = {"id": command, "customer_id": customer_of(request), "outplan_id": outplan_id, "plan": plan_from(body)}
    answer = await submit(request, made(CreateOutplan, {**picked(body, ("name", "detail")), **fixed}))
    return _shown(request, outplan_id, answer)


@router.put("/outplans/{id}")
async def update_outplan(request: Request) -> Response:
    """Change name or detail; what is absent stays."""
    outplan_id = path_id(request)
    fields = picked(await read_object(request), ("name", "detail"))
    made_of = {**fields, "id": command_id(request), "customer_id": customer_of(request), "outplan_id": outplan_id}
    return _shown(request, outplan_id, await submit(request, made(UpdateOutplan, made_of)))


@router.put("/outplans/{id}/dial_info")
async def set_dial_info(request: Request) -> Response:
    """Change the plan; what is absent stays. Outdials that run by it take the new one."""
    outplan_id = path_id(request)
    body = await read_object(request)
    door = door_of(request)
    async with door.plan_changes:
        for left in reversed(range(CHANGES_TRIED)):
            await door.ledger.caught_up()
            version = version_of(request, outplan_id)
            plan = plan_from(body, found(request, outplan_id).plan)
            command = SetDialInfo(
                id=command_id(request), customer_id=customer_of(request), outplan_id=outplan_id, plan=plan, if_version=version
            )
            try:
                answer = await submit(request, command)
                break
            except Refused as why:
                if why.rule != "version_differs" or "if-match" in request.headers or not left:
                    raise
    return _shown(request, outplan_id, answer)


@router.delete("/outplans/{id}")
async def delete_outplan(request: Request) -> Response:
    """Delete an outplan softly; outdials that run by it go on with what they have."""
    outplan_id = path_id(request)
    command = DeleteOutplan(id=command_id(request), customer_id=customer_of(request), outplan_id=outplan_id)
    return _shown(request, outplan_id, await submit(request, command))
