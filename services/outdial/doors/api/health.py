"""What whoever runs the server asks: is it alive, does it take work, what has it done."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.doors.api.deps import door_of
from outdial.position import Position
from outdial.wire import to_json

router = APIRouter(tags=["health"])
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz")
async def is_alive(_request: Request) -> Response:
    """The process serves."""
    return Response(b'{"status":"ok"}', media_type="application/json")


@router.get("/readyz")
async def is_ready(request: Request) -> Response:
    """Whether commands are taken; 503 says why not."""
    door = door_of(request)
    why = "stopping" if door.closing else door.settings.not_ready()
    body = {"status": "ready", "position": str(door.ledger.position)} if why is None else {"status": "not_ready", "reason": why}
    return Response(to_json(body), media_type="application/json", status_code=200 if why is None else 503)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counters in the text format of Prometheus."""
    door = door_of(request)
    lines = [
        "# HELP outdial_log_position How far the log is read into the views.",
        "# TYPE outdial_log_position gauge",
        *_positions(door.ledger.position),
        "# HELP outdial_http_responses_total Answers given, by status.",
        "# TYPE outdial_http_responses_total counter",
        *(f'outdial_http_responses_total{{status="{status}"}} {count}' for status, count in sorted(door.responses.items())),
        "# HELP outdial_commands_total Commands sent through this door, by type and result.",
        "# TYPE outdial_commands_total counter",
        *(f'outdial_commands_total{{type="{kind}",result="{result}"}} {count}' for (kind, result), count in sorted(door.commands.items())),
    ]
    return Response("\n".join(lines) + "\n", media_type=METRICS_TYPE)


def _positions(position: Position) -> list[str]:
    """The mark of each partition, named where there is more than one."""
    if position.partitions == 1:
        return [f"outdial_log_position {position}"]
    return [f'outdial_log_position{{partition="{partition}"}} {mark}' for partition, mark in enumerate(position.marks)]
