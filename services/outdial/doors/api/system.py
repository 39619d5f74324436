"""The service itself, for whoever runs it or sends commands to it: what was refused, and whether its views are right."""

import asyncio
from re import Match
from re import compile as pattern
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.doors.api.deps import Caller, Checked, Door, Stored, caller_of, door_of, is_id, reply, whole_number
from outdial.doors.api.paging import Times, times_of
from outdial.position import Position
from outdial.requests import Rejected
from outdial.views import campaigns, outdials, outplans

router = APIRouter(tags=["system"])
MOST_SHOWN: Final = 1_000
USUALLY_SHOWN: Final = 100
_FIELD: Final = "a field that is not known here"
_HIDDEN: Final = pattern(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|\+?\d(?:[ ().-]*\d){5,}|\bv[bs]_\S+|\S+@\S+")
"""What may be an id, a number, a token, an address."""


@router.get("/rejections")
async def list_rejections(request: Request) -> Response:
    """The newest commands on Kafka that were refused, and why: your own; for whoever runs the service, everybody's.

    A command is yours that names you, or names nobody and is about something of yours. One that cannot be read is nobody's.
    """
    limit = whole_number(request, "limit", USUALLY_SHOWN, 1, MOST_SHOWN)
    door, caller, times = door_of(request), caller_of(request), times_of(request)
    rejected = door.settings.rejected
    found = [] if rejected is None else await rejected()
    shown = [one for one in found if caller.admin or _is_of(door, caller, one)][:limit]
    return reply({"kept": rejected is not None, "result": [_shape(one, times) for one in shown]})


@router.get("/views")
async def get_views(request: Request) -> Response:
    """Where the views stand, how large they are, and what came of the last ``outdial views verify``: built anew beside and compared."""
    door, times = door_of(request), times_of(request)
    found = await asyncio.to_thread(door.settings.checked)
    stored = await asyncio.to_thread(door.settings.stored)
    here = door.ledger.position
    verified = None if found is None or not _is_past(here, found) else _verified(found, times)
    return reply({"position": str(here), "verified": verified, "store": None if stored is None else _stored(stored)})


def _stored(found: Stored) -> dict[str, int]:
    return {"database_bytes": found.database, "other_bytes": found.other, "free_bytes": found.free, "disk_bytes": found.disk}


def _is_past(here: Position, found: Checked) -> bool:
    """Whether a comparison was of this log: it cannot have been further than this one is."""
    try:
        return here.covers(Position.parse(found.position, here.partitions))
    except ValueError:
        return False


def _verified(found: Checked, times: Times) -> dict[str, Any]:
    return {"position": found.position, "equal": found.equal, "tm_verify": times(found.at)}


def _is_of(door: Door, caller: Caller, one: Rejected) -> bool:
    """Whether a refused command is a customer's. Where that is not certain it is not."""
    if one.named is not None or not one.is_readable:
        return one.named == caller.customer_id
    kinds = (outdials.get, outplans.get, campaigns.get)
    return is_id(one.stream) and any(get(door.reader, caller.customer_id, one.stream) is not None for get in kinds)


def _shape(one: Rejected, times: Times) -> dict[str, Any]:
    told = one.told
    return {
        "tm_reject": times(told.at),
        "reason": told.reason,
        "message": _FIELD if told.reason == "unknown_field" else _HIDDEN.sub(_covered, told.message),
        "type": told.type,
        "command_id": told.command_id,
        "topic": told.topic or "",
        "partition": told.partition or 0,
        "offset": told.offset or 0,
        "length": told.original_length,
        "sha256": told.original_sha256,
    }


def _covered(found: Match[str]) -> str:
    return found[0] if is_id(found[0].lower()) else "•••"
