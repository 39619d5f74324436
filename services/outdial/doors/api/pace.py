"""How many calls a second all outdials of a customer may request together. Source: design sections 2 and 5."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.doors.api.bodies import read_object
from outdial.doors.api.deps import command_id, customer_of, door_of, reply, submit
from outdial.doors.api.errors import by_form
from outdial.views import pace
from outdial.wire import Malformed, command_from

router = APIRouter(tags=["pace"])
MOST_SHARES: Final = 100


@router.get("/pace")
async def get_pace(request: Request) -> Response:
    """How many calls a second all outdials together may request; ``shares``: the hundred that have most of it, of ``sharing``."""
    return reply(_shape(request))


@router.put("/pace")
async def set_pace(request: Request) -> Response:
    """Change it; null or 0: no limit. Answered when every outdial obeys: no second holds more requests from then on."""
    body = await read_object(request)
    given = {name: 0 if body[name] is None else body[name] for name in ("calls_per_second",) if name in body}
    try:
        command = command_from({"type": "SetPace", "id": command_id(request), "customer_id": customer_of(request), **given})
    except Malformed as why:
        raise by_form(why) from None
    answer = await submit(request, command)
    return reply(_shape(request), answer)


def _shape(request: Request) -> dict[str, Any]:
    found = pace.get(door_of(request).reader, customer_of(request), MOST_SHARES)
    shares = [{"outdial_id": one.outdial_id, "share": one.share, "wanted": one.wanted} for one in found.shares]
    return {"calls_per_second": found.calls_per_second or None, "sharing": found.sharing, "shares": shares}
