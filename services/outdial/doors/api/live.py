"""What an outdial does, for whoever watches: over time, right now, in the hours to come; and all of it as it changes.

A stream sends what its routes answer: ``stats``, ``dialing`` and the others below, each when it is another than before, four
times a second at most. ``id:`` is the position, so a stream that was cut goes on where it was.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from outdial.doors.api import shapes
from outdial.doors.api.deps import Door, customer_of, door_of, path_id, position_after, position_in, reply, whole_number
from outdial.doors.api.events import STREAM_HEADERS
from outdial.doors.api.outdials import found
from outdial.doors.api.paging import Times, iso_time, times_of
from outdial.position import Position
from outdial.requests import Unavailable
from outdial.scalars import SECOND_US, format_instant
from outdial.views import activity, calls, history, outdials
from outdial.views.outdials import Outdial
from outdial.wire import to_json

router = APIRouter(tags=["live"])
EVERY_S: Final = 0.25
"""Between two messages of a stream, at least."""
SHARE: Final = 20
"""A stream is quiet for so many times as long as it took to look."""
STILL_S: Final = 1.0
"""After so long it says that it is there, and what time alone has changed."""
SHOWN_OPEN: Final = 100
SHOWN_EVENTS: Final = 50
SHOWN_OUTDIALS: Final = 100
SHOWN_CONTROLS: Final = 100
LONGEST_MINUTES: Final = 1_440
MOST_STEPS: Final = 240
STEPS_S: Final = (5, 10, 15, 30, 60, 300, 600)
USUAL_MINUTES: Final = 15
STEP_MINUTES: Final = 15
USUAL_HOURS: Final = 12
LONGEST_HOURS: Final = 168
MINUTE_S: Final = 60

Parts = Callable[[Position], Mapping[str, Any]]
"""What there is to show now, by name; given the position the watcher has seen."""


@router.get("/outdials/{id}/activity")
async def get_activity(request: Request) -> Response:
    """Requests and ends of attempts over the last minutes, step by step, and what steered the dialing."""
    row = found(request, path_id(request))
    minutes = whole_number(request, "minutes", USUAL_MINUTES, 1, LONGEST_MINUTES)
    return reply(_activity(door_of(request), row, minutes, times_of(request)))


@router.get("/outdials/{id}/yield")
async def get_yield(request: Request) -> Response:
    """How attempts ended: by the ordinal of the attempt on its target, by destination, by hour of the day (UTC)."""
    row, reader = found(request, path_id(request)), door_of(request).reader
    return reply({"outdial_id": row.id, **{f"by_{measure}": activity.yields(reader, row.id, measure) for measure in activity.MEASURES}})


@router.get("/outdials/{id}/calendar")
async def get_calendar(request: Request) -> Response:
    """How many targets fall due in each quarter of an hour to come, if nothing changes until then."""
    row, door = found(request, path_id(request)), door_of(request)
    hours = whole_number(request, "hours", USUAL_HOURS, 1, LONGEST_HOURS)
    now, step = door.ledger.now(), STEP_MINUTES * MINUTE_S
    due = outdials.calendar(door.reader, row.id, now, step * SECOND_US, hours * 60 // STEP_MINUTES)
    body = {"outdial_id": row.id, "begins": times_of(request)(now), "step_s": step, "overdue": due.overdue, "due": due.steps}
    return reply({**body, "later": due.later})


@router.get("/outdials/{id}/open_attempts")
async def list_open_attempts(request: Request) -> Response:
    """The attempts that are not over, the longest open first."""
    row = found(request, path_id(request))
    limit = whole_number(request, "limit", SHOWN_OPEN, 1, SHOWN_OPEN)
    return reply(_open(door_of(request), row, limit, times_of(request)))


@router.get("/outdials/{id}/live")
async def stream_outdial(request: Request) -> Response:
    """An outdial as it changes, as server-sent events; with ``after`` or Last-Event-ID what happened since then."""
    door, customer_id, outdial_id = door_of(request), customer_of(request), found(request, path_id(request)).id
    minutes = whole_number(request, "minutes", USUAL_MINUTES, 1, LONGEST_MINUTES)

    def parts(after: Position) -> Mapping[str, Any]:
        row = outdials.get(door.reader, customer_id, outdial_id)
        return {} if row is None else _of_outdial(door, row, minutes, after)

    return _stream(request, parts)


@router.get("/live")
async def stream_overview(request: Request) -> Response:
    """The newest outdials and their numbers as they change, as server-sent events."""
    return _stream(request, Overview(door_of(request), customer_of(request)))


# --- what is shown ------------------------------------------------------------------------------


def _of_outdial(door: Door, row: Outdial, minutes: int, after: Position) -> dict[str, Any]:
    events = history.newest(door.reader, row.id, after, SHOWN_EVENTS)
    return {
        "outdial": shapes.outdial(row, iso_time),
        "dialing": shapes.dialing(row, iso_time),
        "stats": _stats(door, row),
        "activity": _activity(door, row, minutes, iso_time),
        "open_attempts": _open(door, row, SHOWN_OPEN, iso_time),
        "events": [_Raw(body) for _, body in reversed(events)],
    }


def _stats(door: Door, row: Outdial) -> dict[str, Any]:
    return shapes.stats(row, outdials.stats(door.reader, row.id, door.ledger.now()), door.ledger.position, iso_time)


def _activity(door: Door, row: Outdial, minutes: int, times: Times) -> dict[str, Any]:
    span = minutes * MINUTE_S
    step = next((step for step in STEPS_S if span // step <= MOST_STEPS), STEPS_S[-1])
    pace = activity.pace(door.reader, row.id, door.ledger.now(), span, step)
    controls = [
        {"time": times(time), "type": name, "actor": actor or None}
        for _, time, name, actor in activity.controls(door.reader, row.id, SHOWN_CONTROLS)
    ]
    return {"outdial_id": row.id, "begins": times(pace.begins * SECOND_US), "step_s": pace.step, **pace.counts, "controls": controls}


def _open(door: Door, row: Outdial, limit: int, times: Times) -> dict[str, Any]:
    shown = calls.open_of_outdial(door.reader, row.id, limit)
    return {"outdial_id": row.id, "open": row.open_attempts, "result": [shapes.open_attempt(call, times) for call in shown]}


class Overview:
    """The newest outdials of a customer. One that had no event is not counted anew, unless time changes its numbers."""

    def __init__(self, door: Door, customer_id: str) -> None:
        self._door = door
        self._customer_id = customer_id
        self._known: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}

    def __call__(self, _after: Position) -> Mapping[str, Any]:
        """The outdials in order, and each by its id."""
        door = self._door
        rows = outdials.page(door.reader, self._customer_id, None, SHOWN_OUTDIALS)
        self._known = {row.id: self._counted(row) for row in rows}
        return {"order": [row.id for row in rows], **{row_id: shown for row_id, (_, shown) in self._known.items()}}

    def _counted(self, row: Outdial) -> tuple[tuple[int, int], dict[str, Any]]:
        second = self._door.ledger.now() // SECOND_US if row.plan is not None else 0
        at = (history.version(self._door.reader, row.id), second)
        known = self._known.get(row.id)
        if known is not None and known[0] == at:
            return known
        return at, {"outdial": shapes.outdial(row, iso_time), "stats": _stats(self._door, row)}


# --- how it is sent -----------------------------------------------------------------------------


class _Raw(str):
    """JSON that is written already."""

    __slots__ = ()


def _stream(request: Request, parts: Parts) -> Response:
    """What changes, from where a watcher has been; without a place, from now on.

    Raises:
        Refused: the place is none.
    """
    door = door_of(request)
    resumed = request.headers.get("last-event-id")
    if resumed is not None:
        after = position_in(door, resumed, "Last-Event-ID")
    else:
        after = position_after(request) if "after" in request.query_params else Position.beginning(door.ledger.position.partitions)
    return StreamingResponse(_frames(door, parts, after), media_type="text/event-stream", headers=STREAM_HEADERS)


async def _frames(door: Door, parts: Parts, after: Position) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    known: dict[str, bytes] = {}
    yield b"retry: 1000\n\n"
    while not door.closing:
        asked = loop.time()
        late = await _late(door)
        begun = loop.time()
        position = door.ledger.position
        shown = {name: _written(part) for name, part in parts(after).items()}
        changed = {name: body for name, body in shown.items() if known.get(name) != body}
        known = shown
        head = {
            "position": str(position),
            "at": format_instant(door.ledger.now()),
            "behind_ms": round((begun - asked) * 1000),
            "late": late,
        }
        told = b"".join(b',"' + name.encode() + b'":' + body for name, body in changed.items())
        yield b"id: " + str(position).encode() + b"\ndata: " + to_json(head)[:-1] + told + b"}\n\n"
        after = position
        await asyncio.sleep(max(EVERY_S, SHARE * (loop.time() - begun)))
        if not door.ledger.position.beyond(position):
            await door.ledger.wait_beyond(position, STILL_S)


async def _late(door: Door) -> str | None:
    """Wait until the views show what was committed when this was asked; why they do not."""
    try:
        await door.ledger.caught_up()
    except Unavailable as why:
        return why.reason
    return None


def _written(part: Any) -> bytes:
    if isinstance(part, list) and part and isinstance(part[0], _Raw):
        return b"[" + ",".join(part).encode() + b"]"
    return to_json(part)
