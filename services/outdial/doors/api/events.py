"""The history: events by page, and as they come. Source: design section 7.

Each event carries as ``position`` how far the log has been read with it, so that a reader can go on from any of them.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from outdial.doors.api.deps import Door, customer_of, door_of, is_id, path_id, position_after, position_in, whole_number
from outdial.doors.api.errors import PARAMETER, Refused
from outdial.doors.api.outdials import found as found_outdial
from outdial.doors.api.targets import found as found_target
from outdial.position import Position, Reading
from outdial.views import campaigns, history, outdials, outplans
from outdial.views.targets import Target

router = APIRouter(tags=["events"])
USUAL: Final = 100
MOST: Final = 1_000
AT_ONCE: Final = 500
"""Events of one write to a stream."""
PAGES_AT_ONCE: Final = 16
"""Pages read for one answer; others' events may fill many."""
HEARTBEAT_S: Final = 15.0
LONGEST_PAUSE_S: Final = 1.0
"""How long a stream waits at most before it looks whether the server stops."""
_ID_AT: Final = len('{"specversion":"1.0","id":"')
_KNOWN_AT_MOST: Final = 100_000
_READERS: Final = {"outdial": outdials.get, "outplan": outplans.get, "campaign": campaigns.get}
_STREAM_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

Placed = tuple[str, str]
"""The position after an event, and its CloudEvents JSON."""


class Scope:
    """Which events a reader may see, and wants to."""

    def __init__(self, door: Door, customer_id: str, stream: str | None = None, target: Target | None = None) -> None:
        self._door = door
        self._customer_id = customer_id
        self._stream = stream
        self._target = target
        self._known: dict[tuple[str, str], bool] = {}

    def after(self, position: Position, limit: int) -> tuple[list[Placed], Position]:
        """Events after a position, oldest first, and the position up to which there are no others."""
        found: list[Placed] = []
        reading = Reading(position)
        for _ in range(PAGES_AT_ONCE):
            newest = self._door.ledger.position
            rows = self._rows(reading.position, limit)
            for place, body in rows:
                reading.passed(place)
                if self._has(body):
                    found.append((str(reading), body))
                    if len(found) == limit:
                        return found, reading.position
            if len(rows) < limit:
                return found, reading.position.merged(newest)
        return found, reading.position

    def _rows(self, position: Position, limit: int) -> list[history.Row]:
        reader, target = self._door.reader, self._target
        if target is not None:
            return history.page_of_target(reader, target.outdial_id, target.id, target.position, position, limit)
        return history.page(reader, position, limit, stream=self._stream)

    def _has(self, body: str) -> bool:
        """Whether an event is of the customer's own streams, and of the one wanted. Its id says which stream it is of."""
        kind, stream, _ = body[_ID_AT : body.index('"', _ID_AT)].split("/")
        if self._stream is not None:
            return kind == "outdial" and stream == self._stream
        known = self._known.get((kind, stream))
        if known is None:
            if len(self._known) >= _KNOWN_AT_MOST:
                self._known.clear()
            row: Any = _READERS[kind](self._door.reader, self._customer_id, stream)
            known = self._known[kind, stream] = row is not None
        return known


def _scope(request: Request) -> Scope:
    """What the query asks for.

    Raises:
        Refused: ``outdial_id`` is no id, or no outdial of the customer.
    """
    outdial_id = request.query_params.get("outdial_id")
    if outdial_id is None:
        return Scope(door_of(request), customer_of(request))
    if not is_id(outdial_id.lower()):
        raise Refused(PARAMETER, "id_invalid", "outdial_id must be a UUID")
    return Scope(door_of(request), customer_of(request), found_outdial(request, outdial_id.lower()).id)


def _with_position(row: Placed) -> str:
    """An event's JSON with its position."""
    return f'{{"position":"{row[0]}",{row[1][1:]}'


def _page(scope: Scope, request: Request) -> Response:
    rows, next_after = scope.after(position_after(request), whole_number(request, "limit", USUAL, 1, MOST))
    body = f'{{"result":[{",".join(map(_with_position, rows))}],"next_after":"{next_after}"}}'
    return Response(body, media_type="application/json")


@router.get("/events")
async def list_events(request: Request) -> Response:
    """Events after a position, oldest first; of one outdial with ``outdial_id``."""
    return _page(_scope(request), request)


@router.get("/outdials/{id}/targets/{target_id}/history")
async def list_target_history(request: Request) -> Response:
    """Everything that happened to a target, oldest first."""
    outdial = found_outdial(request, path_id(request))
    target = found_target(request, outdial.id, path_id(request, "target_id"))
    return _page(Scope(door_of(request), outdial.customer_id, outdial.id, target), request)


@router.get("/events/stream")
async def stream_events(request: Request) -> Response:
    """Events as server-sent events, from ``after`` (or header Last-Event-ID) on; ``id:`` is the position."""
    resumed = request.headers.get("last-event-id")
    after = position_after(request) if resumed is None else position_in(door_of(request), resumed, "Last-Event-ID")
    frames = _frames(door_of(request), _scope(request), after)
    return StreamingResponse(frames, media_type="text/event-stream", headers=_STREAM_HEADERS)


async def _frames(door: Door, scope: Scope, after: Position) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    yield "retry: 2000\n\n"
    said = loop.time()
    while not door.closing:
        rows, after = scope.after(after, AT_ONCE)
        if rows:
            yield "".join(f"id: {row[0]}\ndata: {_with_position(row)}\n\n" for row in rows)
            said = loop.time()
        elif loop.time() - said >= HEARTBEAT_S:
            yield ": still here\n\n"
            said = loop.time()
        if door.ledger.position.beyond(after):
            await asyncio.sleep(0)
        else:
            await door.ledger.wait_beyond(after, LONGEST_PAUSE_S)
