"""What whoever runs a process asks: is it alive, does it take work, what has it done."""

import math
from collections.abc import Callable, Mapping
from typing import Final

from fastapi import APIRouter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from outdial.doors.api.deps import Door, door_of
from outdial.metrics import CONTENT_TYPE, Labels, Meters
from outdial.views import totals
from outdial.wire import to_json

router = APIRouter(tags=["health"])
SHORTEST_REST_S: Final = 2.0
REST: Final = 50
"""So many times as long as counting took is waited until it is counted again."""


@router.get("/healthz")
async def is_alive(_request: Request) -> Response:
    """The process serves."""
    return _alive()


@router.get("/readyz")
async def is_ready(request: Request) -> Response:
    """Whether commands are taken; 503 says why not."""
    door = door_of(request)
    return _ready("stopping" if door.closing else door.settings.not_ready(), position=str(door.ledger.position))


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counters in the text format of Prometheus."""
    return Response(door_of(request).settings.meters.text(), media_type=CONTENT_TYPE)


def make_health_app(not_ready: Callable[[], str | None], meters: Meters) -> Starlette:
    """The three routes alone, for a process that serves nothing else."""

    async def alive(_request: Request) -> Response:
        return _alive()

    async def ready(_request: Request) -> Response:
        return _ready(not_ready())

    async def counted(_request: Request) -> Response:
        return Response(meters.text(), media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", counted)])


def meter(door: Door) -> None:
    """Let the meters of the process tell what a door knows."""
    meters = door.settings.meters
    meters.read("outdial_log_position", lambda: _positions(door))
    meters.read("outdial_http_responses_total", lambda: {(str(status),): float(count) for status, count in door.responses.items()})
    meters.read("outdial_commands_total", lambda: {labels: float(count) for labels, count in door.commands.items()})
    meters.read("outdial_ready", lambda: {(): float(door.settings.not_ready() is None)})
    found = Totals(door)
    meters.read("outdial_targets", lambda: _by(found.targets.status))
    meters.read("outdial_targets_blocked", lambda: _by(found.targets.blocked))
    meters.read("outdial_pace_limit", lambda: {(): float(found.paces.limit)})
    meters.read("outdial_pace_given", lambda: {(): float(found.paces.given)})
    meters.read("outdial_pace_wanted", lambda: {(): float(found.paces.wanted)})
    meters.read("outdial_pace_waiting", lambda: {(): float(found.paces.waiting)})


class Totals:
    """What the views know of all outdials together. However often it is asked for, counting takes a small part of the time."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._until = -math.inf

    @property
    def targets(self) -> totals.Targets:
        """How many there are, and what holds them."""
        self._look()
        return self._targets

    @property
    def paces(self) -> totals.Paces:
        """How the calls per second of customers are used."""
        self._look()
        return self._paces

    def _look(self) -> None:
        door, clock = self._door, self._door.settings.clock
        began = clock()
        if began < self._until:
            return
        self._targets = totals.targets(door.reader, door.ledger.now())
        self._paces = totals.paces(door.reader)
        ended = clock()
        self._until = ended + max(SHORTEST_REST_S, REST * (ended - began))


def _by(counted: Mapping[str, int]) -> dict[Labels, float]:
    return {(word,): float(n) for word, n in counted.items()}


def _alive() -> Response:
    return Response(b'{"status":"ok"}', media_type="application/json")


def _ready(why: str | None, **more: str) -> Response:
    body = {"status": "ready", **more} if why is None else {"status": "not_ready", "reason": why}
    return Response(to_json(body), media_type="application/json", status_code=200 if why is None else 503)


def _positions(door: Door) -> dict[Labels, float]:
    """The mark of each partition, named where there is more than one."""
    marks = door.ledger.position.marks
    return {(): float(marks[0])} if len(marks) == 1 else {(str(partition),): float(mark) for partition, mark in enumerate(marks)}
