"""A webhook: where a customer's events are sent to, by whom at the moment, and how far that is.

Who sends holds a lease: one process at a time, and when it dies another goes on where it was last known to be. What is sent
between two words about it may then come twice; nothing is left out.
"""

from dataclasses import dataclass

from outdial.commands import DeleteWebhook, HoldWebhook, ReplayWebhook, SetWebhook, WebhookCommands, WebhookMethod
from outdial.dialing.decision import Decision, Rejected
from outdial.events import WebhookDeleted, WebhookEvent, WebhookHeld, WebhookReplayed, WebhookSet
from outdial.scalars import SECOND_US

LEASE_US = 30 * SECOND_US
"""How long who sends may be silent before another takes over."""
BEGINNING = "0"

# --- state --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Webhook:
    """The state of one webhook; only :func:`evolve` changes it."""

    id: str
    version: int = 0
    generation: int = 0
    is_set: bool = False
    uri: str = ""
    method: WebhookMethod = "POST"
    cursor: str = BEGINNING
    holder: str = ""
    held_until: int = 0

    @property
    def customer_id(self) -> str:
        """Whose it is: its id says."""
        return self.id


# --- evolve -------------------------------------------------------------------------------------------


def evolve(webhook: Webhook, event: WebhookEvent) -> None:
    """Fold one event."""
    webhook.version += 1
    match event:
        case WebhookSet():
            webhook.is_set, webhook.uri, webhook.method = True, event.uri, event.method
            _begin(webhook, event.generation, event.after)
        case WebhookReplayed():
            _begin(webhook, event.generation, event.after)
        case WebhookHeld():
            webhook.holder, webhook.held_until, webhook.cursor = event.holder, event.until, event.cursor
        case WebhookDeleted():
            webhook.is_set = False
            webhook.held_until = 0
        case _:
            pass


def _begin(webhook: Webhook, generation: int, after: str) -> None:
    """Whoever sends begins anew, at a position."""
    webhook.generation, webhook.cursor, webhook.held_until = generation, after, 0


# --- decide -------------------------------------------------------------------------------------------


def decide(webhook: Webhook | None, command: WebhookCommands, now: int) -> Decision:
    """What a command to a webhook comes to.

    Raises:
        Rejected: ``webhook_unknown``, ``secret_missing``.
    """
    if isinstance(command, SetWebhook):
        return Decision(_set(webhook, command))
    if webhook is None:
        raise Rejected("webhook_unknown", "no webhook is set")
    if isinstance(command, DeleteWebhook):
        return Decision([WebhookDeleted()] if webhook.is_set else [])
    if not webhook.is_set:
        raise Rejected("webhook_unknown", "the webhook was deleted")
    match command:
        case ReplayWebhook():
            return Decision([WebhookReplayed(generation=webhook.generation + 1, after=command.after)])
        case HoldWebhook():
            return Decision(_held(webhook, command, now))


def _set(webhook: Webhook | None, command: SetWebhook) -> list[WebhookEvent]:
    known = webhook is not None and webhook.is_set
    if webhook is None or not known:
        if command.secret is None:
            raise Rejected("secret_missing", "name a secret; what is sent is signed with it")
        generation = 1 if webhook is None else webhook.generation + 1
        return [
            WebhookSet(
                generation=generation, uri=command.uri, method=command.method, secret=command.secret, after=command.after or BEGINNING
            )
        ]
    if (command.uri, command.method, command.secret, command.after) == (webhook.uri, webhook.method, None, None):
        return []
    after = webhook.cursor if command.after is None else command.after
    return [WebhookSet(generation=webhook.generation + 1, uri=command.uri, method=command.method, secret=command.secret, after=after)]


def _held(webhook: Webhook, command: HoldWebhook, now: int) -> list[WebhookEvent]:
    """Nothing where the webhook was set anew meanwhile, or another one sends."""
    if command.generation != webhook.generation or (command.holder != webhook.holder and now < webhook.held_until):
        return []
    return [
        WebhookHeld(
            generation=webhook.generation,
            holder=command.holder,
            until=now if command.release else now + LEASE_US,
            cursor=webhook.cursor if command.cursor is None else command.cursor,
            delivered=command.delivered,
            refused=command.refused,
            error=command.error,
        )
    ]
