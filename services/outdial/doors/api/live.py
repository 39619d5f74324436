"""What an outdial does, for whoever watches: over time, right now, in the hours to come; and all of it as it changes.

A stream sends what its routes answer: ``stats``, ``dialing`` and the others below, each when it is another than before, four
times a second at most. ``id:`` is the position, so a stream that was cut goes on where it was.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from typing import Any, Final, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from outdial.doors.api import shapes
from outdial.doors.api.deps import Door, customer_of, door_of, path_id, position_in, reply, whole_number
from outdial.doors.api.errors import NO_OUTDIAL, NO_TARGET, PARAMETER, Refused
from outdial.doors.api.events import STREAM_HEADERS
from outdial.doors.api.outdials import found
from outdial.doors.api.paging import Times, iso_time, times_of
from outdial.doors.api.targets import found as found_target
from outdial.position import MOST_DIGITS, Position
from outdial.requests import Unavailable
from outdial.scalars import SECOND_US, format_instant, parse_instant
from outdial.views import activity, calls, history, outdials, past, targets
from outdial.views.counts import Calendar, Falling
from outdial.views.outdials import Outdial
from outdial.views.promises import Days
from outdial.views.rows import one_moment
from outdial.wire import decode_event, from_json, to_json
from outdial.zones import DAY_US

router = APIRouter(tags=["live"])
EVERY_S: Final = 0.25
"""Between two messages of a stream, at least."""
SHARE: Final = 20
"""A stream is quiet for so many times as long as it took to look."""
STILL_S: Final = 1.0
"""After so long it says that it is there, and what time alone has changed."""
SHOWN_OPEN: Final = 100
SHOWN_EVENTS: Final = 50
SHOWN_CALLS: Final = 100
SHOWN_OUTDIALS: Final = 100
SHOWN_CONTROLS: Final = 100
SHOWN_ZONES: Final = 8
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
    return reply(_activity(_now(door_of(request)), row, minutes, times_of(request)))


@router.get("/outdials/{id}/yield")
async def get_yield(request: Request) -> Response:
    """How attempts ended: by the ordinal of the attempt on its target, by destination, by hour of the day (UTC), by calling code."""
    return reply(_yield(door_of(request).reader, found(request, path_id(request))))


@router.get("/outdials/{id}/most_called")
async def get_most_called(request: Request) -> Response:
    """How often the number was called that was called most often within a day (UTC); calls that were never placed do not count."""
    door, row = door_of(request), found(request, path_id(request))
    days = door.days_of(row.id)
    for _ in days.read(door.reader, row.id):
        await asyncio.sleep(0)
    return reply(_most_called(door.reader, row, days))


@router.get("/outdials/{id}/calendar")
async def get_calendar(request: Request) -> Response:
    """How many targets fall due in each quarter of an hour to come, if nothing changes until then; all, and by time zone."""
    row = found(request, path_id(request))
    hours = whole_number(request, "hours", USUAL_HOURS, 1, LONGEST_HOURS)
    return reply(_calendar(_now(door_of(request)), row, hours, times_of(request)))


@router.get("/outdials/{id}/open_attempts")
async def list_open_attempts(request: Request) -> Response:
    """The attempts that are not over, the longest open first."""
    row = found(request, path_id(request))
    limit = whole_number(request, "limit", SHOWN_OPEN, 1, SHOWN_OPEN)
    return reply(_open(door_of(request).reader, row, limit, times_of(request)))


@router.get("/outdials/{id}/past")
async def get_past(request: Request) -> Response:
    """An outdial as it was ``at`` an instant, or after so many of its events: its numbers, folded anew from those events.

    What the hours, the clocks and the waits of that instant say is said as of then.
    """
    row, door, times = found(request, path_id(request)), door_of(request), times_of(request)
    minutes = whole_number(request, "minutes", USUAL_MINUTES, 1, LONGEST_MINUTES)
    newest = history.version(door.reader, row.id)
    number, at = _point(request, "outdial", newest, row.tm_create)
    version = number if at is None else history.version_at(door.reader, row.id, at)
    _short_enough(version)
    async with door.replays:
        with closing(past.Past(door.reader, row.id, version, SHOWN_EVENTS)) as then:
            for _ in then.fold():
                await asyncio.sleep(0)
            position = Position.beginning(door.ledger.position.partitions).after(then.place)
            moment = Moment(then.reader, then.time if at is None else at, position)
            was = outdials.get(then.reader, row.customer_id, row.id)
            if was is None:
                raise Refused(NO_OUTDIAL, "outdial_unknown", "there is no such outdial")
            days = Days()
            for _ in days.read(then.reader, row.id):
                await asyncio.sleep(0)
            shown = {
                "outdial_id": row.id,
                "at": times(moment.now),
                "now": times(door.ledger.now()),
                "version": version,
                "newest": newest,
                "most_called": _most_called(then.reader, was, days),
                "calendar": _calendar(moment, was, USUAL_HOURS, times),
                "results": _yield(then.reader, was),
                **_shown(moment, was, minutes, times),
                "events": [from_json(body) for _, body in then.newest],
            }
    return reply(shown)


@router.get("/outdials/{id}/targets/{target_id}/past")
async def get_target_past(request: Request) -> Response:
    """A target as it was ``at`` an instant, or after so many of its events, folded anew from those events."""
    row, door, times = found(request, path_id(request)), door_of(request), times_of(request)
    target = found_target(request, row.id, path_id(request, "target_id"))
    start = Position.beginning(door.ledger.position.partitions)
    events = history.page_of_target(door.reader, row.id, target.id, target.position, start, past.MOST_EVENTS + 1)
    version, at = _point(request, "target", len(events), target.tm_create)
    if at is None:
        place, body = events[version - 1]
        before, moment = place + 1, decode_event(body.encode()).time
    else:
        before, moment = history.place_after(door.reader, row.id, at), at
        version = sum(place < before for place, _ in events)
    async with door.replays:
        with closing(past.PastTarget(door.reader, row.id, events[:version], before)) as then:
            _short_enough(then.length)
            for _ in then.fold():
                await asyncio.sleep(0)
            outdial = outdials.get(then.reader, row.customer_id, row.id)
            was = targets.get(then.reader, row.id, target.id)
            if was is None:
                raise Refused(NO_TARGET, "target_unknown", "this outdial has no such target")
            attempts = calls.page_of_target(then.reader, row.id, target.id, None, SHOWN_CALLS, deleted=True)
            shown = {
                "outdial_id": row.id,
                "target_id": target.id,
                "at": times(moment),
                "now": times(door.ledger.now()),
                "version": version,
                "newest": len(events),
                "target": shapes.target(was, None if outdial is None else outdial.plan, times),
                "calls": [shapes.targetcall(call, times) for call in attempts],
            }
    return reply(shown)


def _short_enough(events: int) -> None:
    """Raises Refused when so many events are too many to be folded for one answer."""
    if events > past.MOST_EVENTS:
        message = f"there were {events:,} events by then; up to {past.MOST_EVENTS:,} are folded for an answer. GET /events has them all"
        raise Refused(PARAMETER, "past_too_long", message)


def _point(request: Request, what: str, newest: int, begins: int) -> tuple[int, int | None]:
    """How many events ``at`` asks for, 0 when it is an instant; and that instant, None when it is a number.

    Raises:
        Refused: INVALID_REQUEST_PARAMETER.
    """
    door, text = door_of(request), request.query_params.get("at", "")
    wrong = f"at must be a time from {iso_time(begins)} on, such as 2026-11-21T04:10:32Z, or how many events of the {what}, 1 to {newest}"
    if text.isascii() and text.isdigit():
        if len(text) <= MOST_DIGITS and 1 <= int(text) <= newest:
            return int(text), None
        raise Refused(PARAMETER, "field_invalid", wrong)
    try:
        at = parse_instant(text)
    except ValueError:
        at = None
    if not isinstance(at, int) or at < begins:
        raise Refused(PARAMETER, "field_invalid", wrong)
    return 0, min(at, door.ledger.now())


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


class Moment(NamedTuple):
    """What is looked at."""

    reader: sqlite3.Connection
    now: int
    """The instant it is looked at, microseconds."""
    position: Position
    """How much of the log it shows."""


def _now(door: Door) -> Moment:
    return Moment(door.reader, door.ledger.now(), door.ledger.position)


def _of_outdial(door: Door, row: Outdial, minutes: int, after: Position) -> dict[str, Any]:
    events = history.newest(door.reader, row.id, after, SHOWN_EVENTS)
    return {**_shown(_now(door), row, minutes, iso_time), "events": [_Raw(body) for _, body in reversed(events)]}


def _shown(moment: Moment, row: Outdial, minutes: int, times: Times) -> dict[str, Any]:
    return {
        "outdial": shapes.outdial(row, times),
        "dialing": shapes.dialing(row, times),
        "stats": _stats(moment, row, times),
        "activity": _activity(moment, row, minutes, times),
        "open_attempts": _open(moment.reader, row, SHOWN_OPEN, times),
    }


def _stats(moment: Moment, row: Outdial, times: Times) -> dict[str, Any]:
    return shapes.stats(row, outdials.stats(moment.reader, row.id, moment.now), moment.position, times)


def _yield(reader: sqlite3.Connection, row: Outdial) -> dict[str, Any]:
    return {"outdial_id": row.id, **{f"by_{measure}": activity.yields(reader, row.id, measure) for measure in activity.MEASURES}}


def _most_called(reader: sqlite3.Connection, row: Outdial, days: Days) -> dict[str, Any]:
    most = days.most(reader)
    if most is None:
        return {"outdial_id": row.id, "calls": 0, "day": None, "target_id": None}
    day = format_instant(most.day * DAY_US)[:10]
    return {"outdial_id": row.id, "calls": most.calls, "day": day, "target_id": most.target_id}


def _calendar(moment: Moment, row: Outdial, hours: int, times: Times) -> dict[str, Any]:
    step = STEP_MINUTES * MINUTE_S
    due = outdials.calendar(moment.reader, row.id, moment.now, step * SECOND_US, hours * 60 // STEP_MINUTES)
    return {"outdial_id": row.id, "begins": times(moment.now), "step_s": step, **_falling(due), "zones": _zones(due)}


def _falling(due: Falling) -> dict[str, Any]:
    return {"overdue": due.overdue, "due": due.steps, "later": due.later}


def _zones(due: Calendar) -> list[dict[str, Any]]:
    """The zones most targets are in, by name; the others, if any, are one row."""
    zones = sorted(due.zones, key=lambda zone: (-due.zones[zone].total, zone))
    shown = [{"zones": [*zone], **_falling(due.zones[zone])} for zone in sorted(zones[:SHOWN_ZONES])]
    if len(zones) <= SHOWN_ZONES:
        return shown
    others = Falling(0, [0] * len(due.steps), 0)
    for zone in zones[SHOWN_ZONES:]:
        others.add(due.zones[zone])
    return [*shown, {"zones": None, **_falling(others)}]


def _activity(moment: Moment, row: Outdial, minutes: int, times: Times) -> dict[str, Any]:
    span = minutes * MINUTE_S
    step = next((step for step in STEPS_S if span // step <= MOST_STEPS), STEPS_S[-1])
    pace = activity.pace(moment.reader, row.id, moment.now, span, step)
    controls = [
        {"time": times(time), "type": name, "actor": actor or None}
        for _, time, name, actor in activity.controls(moment.reader, row.id, SHOWN_CONTROLS)
    ]
    return {"outdial_id": row.id, "begins": times(pace.begins * SECOND_US), "step_s": pace.step, **pace.counts, "controls": controls}


def _open(reader: sqlite3.Connection, row: Outdial, limit: int, times: Times) -> dict[str, Any]:
    shown = calls.open_of_outdial(reader, row.id, limit)
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
        return at, {"outdial": shapes.outdial(row, iso_time), "stats": _stats(_now(self._door), row, iso_time)}


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
    sent, name = (request.query_params.get("after", "0"), "after") if resumed is None else (resumed, "Last-Event-ID")
    after = position_in(door, sent, name)
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
        with one_moment(door.reader):
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
