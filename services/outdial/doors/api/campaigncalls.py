"""Attempts, as campaigncalls. Source: contract 2.6 and 3.5."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import DeleteDial
from outdial.doors.api import shapes
from outdial.doors.api.deps import command_id, customer_of, door_of, path_id, reply, single, submit, version_of
from outdial.doors.api.errors import NO_CALL, Refused
from outdial.doors.api.paging import asked, page, times_of
from outdial.requests import Answer
from outdial.views import calls
from outdial.views.calls import Call

router = APIRouter(tags=["campaigncalls"])


def found(request: Request, attempt_id: str) -> Call:
    """An attempt of the customer who asks, deleted ones included.

    Raises:
        Refused: CAMPAIGNCALL_NOT_FOUND.
    """
    row = calls.get(door_of(request).reader, customer_of(request), attempt_id)
    if row is None:
        raise Refused(NO_CALL, "attempt_unknown", "there is no such attempt")
    return calls.queued(door_of(request).reader, [row])[0]


def _shown(request: Request, attempt_id: str, answer: Answer | None = None) -> Response:
    """An attempt; its version is that of its outdial, read anew beneath it."""
    version = version_of(request, found(request, attempt_id).outdial_id)
    return single(request, shapes.campaigncall(found(request, attempt_id), times_of(request)), version, answer)


@router.get("/campaigncalls/{id}")
async def get_campaigncall(request: Request) -> Response:
    """One attempt."""
    return _shown(request, path_id(request))


@router.get("/campaigncalls")
async def list_campaigncalls(request: Request) -> Response:
    """All attempts of the customer, newest first."""
    wanted, times = asked(request), times_of(request)
    rows = calls.page(door_of(request).reader, customer_of(request), wanted.before, wanted.limit, wanted.deleted)
    return reply(page(rows, wanted, times, lambda row: shapes.campaigncall(row, times)))


@router.delete("/campaigncalls/{id}")
async def delete_campaigncall(request: Request) -> Response:
    """Take an ended attempt out of the lists; an open one is 409."""
    row = found(request, path_id(request))
    command = DeleteDial(
        id=command_id(request), customer_id=row.customer_id, outdial_id=row.outdial_id, target_id=row.target_id, attempt_id=row.id
    )
    answer = await submit(request, command)
    return _shown(request, row.id, answer)
