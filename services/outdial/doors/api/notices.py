"""What happened, in VoIPBIN's envelope: ``{"type", "data"}`` with the resource as it was right after. Source: contract 6."""

from typing import Any, NamedTuple

from outdial.doors.api import shapes
from outdial.doors.api.paging import Times
from outdial.scalars import format_instant
from outdial.views.calls import Call
from outdial.views.campaigns import Campaign
from outdial.views.outdials import Outdial
from outdial.views.retelling import Notice, Retelling
from outdial.views.targets import Target
from outdial.wire import decode_event, to_json


class Told(NamedTuple):
    """A notice of an event."""

    event_id: str
    time: str
    notice: Notice


def told(retelling: Retelling, place: int, body: str) -> list[Told]:
    """What an event of the log comes to, from its JSON."""
    event = decode_event(body.encode())
    return [Told(event.id, format_instant(event.time), notice) for notice in retelling.told(place, event)]


def envelope(found: Told, times: Times) -> dict[str, Any]:
    """What VoIPBIN sends."""
    return {"type": found.notice.type, "data": _data(found.notice, times)}


def placed(position: str, found: Told, times: Times) -> str:
    """The same with its place in the log, as JSON: the position after it, the id of the event, its time."""
    return to_json({"position": position, "id": found.event_id, "time": found.time, **envelope(found, times)}).decode()


def _data(notice: Notice, times: Times) -> dict[str, Any]:
    match notice.row:
        case Outdial() as row:
            return shapes.outdial(row, times)
        case Target() as row:
            return shapes.target(row, notice.plan, times)
        case Campaign() as row:
            return shapes.campaign(row, times)
        case Call() as row:
            return shapes.campaigncall(row, times)
        case row:
            return shapes.outplan(row, times)
