"""Where a customer's events are sent to. Source: contract 6."""

from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import DeleteWebhook, ReplayWebhook, SetWebhook
from outdial.doors.api.bodies import needed, picked, read_object
from outdial.doors.api.deps import Door, command_id, customer_of, door_of, made, position_reached, reply, submit
from outdial.doors.api.errors import NO_WEBHOOK, Refused, by_rule
from outdial.doors.api.events import Scope
from outdial.doors.api.paging import Times, times_of
from outdial.doors.webhooks.posting import url_of
from outdial.hosts import is_public
from outdial.position import Position
from outdial.requests import Answer
from outdial.scalars import parse_instant
from outdial.views import webhooks
from outdial.views.retelling import NAMES
from outdial.views.webhooks import Webhook
from outdial.wire import from_json

router = APIRouter(tags=["webhook"])
COUNTED: Final = 1_000
"""Events that are counted; where there are more, ``waiting`` is that many."""
_TOLD: Final = frozenset(kind.__name__ for kind in NAMES)


def _found(request: Request) -> Webhook:
    """The webhook of the customer who asks.

    Raises:
        Refused: WEBHOOK_NOT_FOUND.
    """
    row = webhooks.get(door_of(request).reader, customer_of(request))
    if row is None:
        raise Refused(NO_WEBHOOK, "webhook_unknown", "no webhook is set")
    return row


def _shown(request: Request, answer: Answer | None = None, **more: Any) -> Response:
    return reply({**_shape(door_of(request), _found(request), times_of(request)), **more}, answer)


def _shape(door: Door, hook: Webhook, times: Times) -> dict[str, Any]:
    """A webhook as its customer sees it: everything but the secret."""
    error = hook.error
    try:
        waiting, oldest = _waiting(door, hook)
    except ValueError:  # a command set it to begin at a position this log cannot have
        waiting, oldest, error = 0, None, "position_invalid"
    return {
        "uri": hook.uri,
        "method": hook.method,
        "position": hook.cursor,
        "waiting": waiting,
        "lag_ms": 0 if oldest is None else max(0, door.ledger.now() - oldest) // 1_000,
        "delivered": hook.delivered,
        "refused": hook.refused,
        "error": error or None,
        "last_error": hook.last_error or None,
        "tm_last_error": times(hook.tm_error),
        "tm_create": times(hook.tm_create),
        "tm_update": times(hook.tm_update),
    }


def _waiting(door: Door, hook: Webhook) -> tuple[int, int | None]:
    """How many events are not known to be sent, and when the first of them happened.

    Raises:
        ValueError: it is at a position of a log with another number of partitions.
    """
    scope, after, oldest, count = Scope(door, hook.customer_id), Position.parse(hook.cursor, door.ledger.position.partitions), None, 0
    rows, _ = scope.after(after, COUNTED)
    for event in (from_json(row.body) for row in rows):
        if event["type"] in _TOLD:
            count += 1
            oldest = oldest or parse_instant(event["time"])
    return count, oldest  # type: ignore[return-value]


@router.get("/webhook")
async def get_webhook(request: Request) -> Response:
    """Where events are sent to, how far that is, and what went wrong last. The secret is not shown."""
    return _shown(request)


@router.put("/webhook")
async def set_webhook(request: Request) -> Response:
    """Send what happens from now on, or ``after`` a position, to an address.

    Without a secret the first time one is made, and shown in this answer only.
    """
    door, customer_id = door_of(request), customer_of(request)
    body = await read_object(request)
    _check(door, needed(body, "uri"))
    fields = picked(body, ("uri", "method", "secret", "after"))
    if "after" in fields:
        fields["after"] = str(await position_reached(door, str(fields["after"]), "after"))
    told = {}
    if webhooks.get(door.reader, customer_id) is None:
        fields.setdefault("after", str(door.ledger.position))
        if "secret" not in fields:
            fields["secret"] = told["secret"] = token_urlsafe(32)
    answer = await submit(request, made(SetWebhook, {**fields, "id": command_id(request), "customer_id": customer_id}))
    return _shown(request, answer, **told)


def _check(door: Door, uri: Any) -> None:
    """Refuse an address that could never be sent to.

    Raises:
        Refused: INVALID_ARGUMENT.
    """
    try:
        parts = urlsplit(uri if isinstance(uri, str) else "")
        usable = (
            parts.scheme in ("http", "https") and url_of(uri).host and parts.username is None and not parts.fragment and parts.port != 0
        )
    except ValueError:
        usable = False
    if not usable:
        raise by_rule("field_invalid", "uri must be https://host/path, without a name and password in it", pointer="/uri")
    if door.settings.private_webhooks:
        return
    try:
        private = not is_public(parts.hostname or "")
    except ValueError:
        private = False  # a name: it is looked up, and checked, whenever something is sent
    if private:
        raise by_rule("field_invalid", "uri leads into a private network; the service does not send there", pointer="/uri")


@router.delete("/webhook")
async def delete_webhook(request: Request) -> Response:
    """Send nothing any more; the secret is forgotten."""
    shown = _shape(door_of(request), _found(request), times_of(request))
    answer = await submit(request, DeleteWebhook(id=command_id(request), customer_id=customer_of(request)))
    return reply(shown, answer)


@router.post("/webhook/replay")
async def replay_webhook(request: Request) -> Response:
    """Send again what happened after a position (``0``: everything), and go on from there."""
    door = door_of(request)
    after = str(await position_reached(door, str(needed(await read_object(request), "after")), "after"))
    command = ReplayWebhook(id=command_id(request), customer_id=customer_of(request), after=after)
    return _shown(request, await submit(request, command))
