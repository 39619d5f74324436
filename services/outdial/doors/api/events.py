"""The history: events by page, and as they come. Source: design section 7.

Each event carries as ``position`` how far the log has been read with it, so that a reader can go on from any of them. With
``places=true`` it carries as ``place`` which record of Kafka it is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from outdial.doors.api import notices
from outdial.doors.api.auth import still_let_in
from outdial.doors.api.deps import (
    Door,
    caller_of,
    customer_of,
    door_of,
    flag,
    is_id,
    path_id,
    position_after,
    position_reached,
    whole_number,
)
from outdial.doors.api.errors import PARAMETER, Refused
from outdial.doors.api.outdials import found as found_outdial
from outdial.doors.api.paging import times_of
from outdial.doors.api.targets import found as found_target
from outdial.events import EVENTS
from outdial.position import Position, Reading, mark_at, partition_at
from outdial.topology import Topology
from outdial.views import campaigns, history, outdials, outplans
from outdial.views.retelling import Retelling
from outdial.views.targets import Target
from outdial.wire import from_json, to_json

router = APIRouter(tags=["events"])
USUAL: Final = 100
MOST: Final = 1_000
AT_ONCE: Final = 500
"""Events of one write to a stream."""
AT_ONCE_TOLD: Final = 50
"""Events that are told in VoIPBIN's words before anybody else has a turn."""
PAGES_AT_ONCE: Final = 16
"""Pages read for one answer; others' events may fill many."""
HEARTBEAT_S: Final = 15.0
LONGEST_PAUSE_S: Final = 1.0
"""How long a stream waits at most before it looks whether the server stops."""
_ID_AT: Final = len('{"specversion":"1.0","id":"')
_KNOWN_AT_MOST: Final = 100_000
_READERS: Final = {"outdial": outdials.get, "outplan": outplans.get, "campaign": campaigns.get}
_CUSTOMERS_OWN: Final = frozenset({"account", "suppression", "guard", "pace", "webhook"})
"""Kinds of streams that have the id of their customer."""
STREAM_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Placed(NamedTuple):
    """An event."""

    position: str
    """The one after it."""
    body: str
    """CloudEvents JSON."""
    place: int


class Scope:
    """Which events a reader may see, and wants to."""

    def __init__(
        self, door: Door, customer_id: str, stream: str | None = None, target: Target | None = None, *, of_targets: bool = True
    ) -> None:
        self._door = door
        self._customer_id = customer_id
        self._stream = stream
        self._target = target
        self._of_targets = of_targets
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
                    found.append(Placed(str(reading), body, place))
                    if len(found) == limit:
                        return found, reading.position
            if len(rows) < limit:
                return found, reading.position.merged(newest)
        return found, reading.position

    def _rows(self, position: Position, limit: int) -> list[history.Row]:
        reader, target = self._door.reader, self._target
        if target is not None:
            return history.page_of_target(reader, target.outdial_id, target.id, target.position, position, limit)
        if self._stream is not None and not self._of_targets:
            return history.page_of_own(reader, self._stream, position, limit)
        return history.page(reader, position, limit, stream=self._stream)

    def _has(self, body: str) -> bool:
        """Whether an event is of the customer's own streams, and of the one wanted. Its id says which stream it is of."""
        kind, stream, *_ = body[_ID_AT : body.index('"', _ID_AT)].split("/")
        if self._stream is not None:
            return kind == "outdial" and stream == self._stream
        if kind == "cap":
            return f'"customer_id":"{self._customer_id}"' in body
        known = self._known.get((kind, stream))
        if known is None:
            if len(self._known) >= _KNOWN_AT_MOST:
                self._known.clear()
            if kind in _CUSTOMERS_OWN:
                known = stream == self._customer_id
            else:
                row: Any = _READERS[kind](self._door.reader, self._customer_id, stream)
                known = row is not None
            self._known[kind, stream] = known
        return known


def _scope(request: Request) -> Scope:
    """What the query asks for.

    Raises:
        Refused: ``outdial_id`` is no id, or no outdial of the customer; or it is absent, and those of targets are not wanted.
    """
    outdial_id = request.query_params.get("outdial_id")
    of_targets = flag(request, "targets", default=True)
    if outdial_id is None and not of_targets:
        raise Refused(PARAMETER, "field_missing", "targets=false leaves out the events of an outdial's targets: say which by outdial_id")
    if outdial_id is None:
        return Scope(door_of(request), customer_of(request))
    if not is_id(outdial_id.lower()):
        raise Refused(PARAMETER, "id_invalid", "outdial_id must be a UUID")
    return Scope(door_of(request), customer_of(request), found_outdial(request, outdial_id.lower()).id, of_targets=of_targets)


def _shown(body: str) -> str:
    """An event as customers see it: without secrets, and without what their passwords and tokens are checked by."""
    if body[_ID_AT : body.index("/", _ID_AT)] not in _CUSTOMERS_OWN:
        return body
    event = from_json(body)
    hidden = EVENTS[event["type"]].secret_fields
    return to_json({**event, "data": {name: value for name, value in event["data"].items() if name not in hidden}}).decode()


def _with_position(row: Placed) -> str:
    """An event's JSON with its position."""
    return f'{{"position":"{row.position}",{_shown(row.body)[1:]}'


Tell = Callable[[Placed], list[str]]
"""An event as JSON, with its position; in VoIPBIN's words it is none, one or two."""


def _in_our_words(row: Placed) -> list[str]:
    return [_with_position(row)]


def _with_places(request: Request) -> Tell:
    """The same, with the record of Kafka that holds each event; null where the log is no topic."""
    topology: Topology | None = getattr(request.app.state, "topology", None)

    def tell(row: Placed) -> list[str]:
        if topology is None:
            return [f'{{"place":null,{_with_position(row)[1:]}']
        place = {"topic": topology.events, "partition": partition_at(row.place), "offset": mark_at(row.place) - 1}
        return [f'{{"place":{to_json(place).decode()},{_with_position(row)[1:]}']

    return tell


class Wording(NamedTuple):
    """How a client wants events told."""

    voipbins: bool
    """As VoIPBIN names them (``names=voipbin``)."""
    places: bool
    """With the record of Kafka each of them is."""


def _wording(request: Request) -> Wording:
    """How a client wants events told.

    Raises:
        Refused: INVALID_REQUEST_PARAMETER.
    """
    names = request.query_params.get("names", "outdial")
    if names not in ("outdial", "voipbin"):
        raise Refused(PARAMETER, "field_invalid", "names must be outdial or voipbin")
    return Wording(names == "voipbin", flag(request, "places"))


@contextmanager
def _words(request: Request, wording: Wording) -> Iterator[Tell]:
    """The words events are told in."""
    if not wording.voipbins:
        yield _with_places(request) if wording.places else _in_our_words
        return
    times = times_of(request)
    with closing(Retelling(door_of(request).reader)) as retelling:
        yield lambda row: [notices.placed(row.position, one, times) for one in notices.told(retelling, row.place, row.body)]


async def _page(scope: Scope, request: Request) -> Response:
    with _words(request, _wording(request)) as tell:
        rows, next_after = scope.after(await position_after(request), whole_number(request, "limit", USUAL, 1, MOST))
        told: list[str] = []
        for row in rows:
            if len(told) % AT_ONCE_TOLD == 0:
                await asyncio.sleep(0)
            told += tell(row)
    body = f'{{"result":[{",".join(told)}],"next_after":"{next_after}"}}'
    return Response(body, media_type="application/json")


@router.get("/events")
async def list_events(request: Request) -> Response:
    """Events after a position, oldest first; of one outdial with ``outdial_id``, as VoIPBIN names them with ``names=voipbin``.

    With ``outdial_id`` and ``targets=false`` those about its targets and their calls are left out. With ``places=true`` each says which
    record of Kafka it is.
    """
    return await _page(_scope(request), request)


@router.get("/outdials/{id}/targets/{target_id}/history")
async def list_target_history(request: Request) -> Response:
    """Everything that happened to a target, oldest first."""
    outdial = found_outdial(request, path_id(request))
    target = found_target(request, outdial.id, path_id(request, "target_id"))
    return await _page(Scope(door_of(request), outdial.customer_id, outdial.id, target), request)


@router.get("/events/stream")
async def stream_events(request: Request) -> Response:
    """Events as server-sent events, from ``after`` (or header Last-Event-ID) on; ``id:`` is the position. ``names`` as for pages."""
    resumed = request.headers.get("last-event-id")
    after = await (position_after(request) if resumed is None else position_reached(door_of(request), resumed, "Last-Event-ID"))
    frames = _frames(request, _scope(request), after, _wording(request))
    return StreamingResponse(frames, media_type="text/event-stream", headers=STREAM_HEADERS)


async def _frames(request: Request, scope: Scope, after: Position, wording: Wording) -> AsyncIterator[str]:
    door, caller = door_of(request), caller_of(request)
    loop = asyncio.get_running_loop()
    yield "retry: 2000\n\n"
    said = loop.time()
    with _words(request, wording) as tell:
        while not door.closing and still_let_in(door, caller):
            rows, after = scope.after(after, AT_ONCE_TOLD if wording.voipbins else AT_ONCE)
            frames = "".join(_frame(row, tell(row)) for row in rows)
            if frames:
                yield frames
                said = loop.time()
            elif loop.time() - said >= HEARTBEAT_S:
                yield ": still here\n\n"
                said = loop.time()
            if door.ledger.position.beyond(after):
                await asyncio.sleep(0)
            else:
                await door.ledger.wait_beyond(after, LONGEST_PAUSE_S)


def _frame(row: Placed, told: list[str]) -> str:
    """An event as it is sent; its position goes with the last of what it is told as, so that a reader resumes at none or all of it."""
    if not told:
        return ""
    *others, last = told
    return "".join(f"data: {one}\n\n" for one in others) + f"id: {row.position}\ndata: {last}\n\n"
