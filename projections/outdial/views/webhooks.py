"""Webhooks: where is what happened sent to, how far is that, and what holds it up?

The secret stands here in the clear: what is sent is signed with it.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from outdial.envelope import Event
from outdial.events import WebhookDeleted, WebhookHeld, WebhookReplayed, WebhookSet
from outdial.views.rows import Write

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS webhook (
        position INTEGER PRIMARY KEY,   -- of the first WebhookSet
        customer_id TEXT NOT NULL UNIQUE,
        uri TEXT NOT NULL,
        method TEXT NOT NULL,
        secret TEXT NOT NULL,           -- '' once it is deleted
        generation INTEGER NOT NULL,    -- ordinal of the settings and replays
        cursor TEXT NOT NULL,           -- the position up to which everything was sent
        holder TEXT NOT NULL DEFAULT '',        -- who sends
        held_until INTEGER NOT NULL DEFAULT 0,
        delivered INTEGER NOT NULL DEFAULT 0,
        refused INTEGER NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '',         -- why nothing is taken at the moment
        last_error TEXT NOT NULL DEFAULT '',
        tm_error INTEGER,               -- of the last one
        tm_create INTEGER NOT NULL,
        tm_update INTEGER NOT NULL,
        tm_delete INTEGER
    )
    """,
)
TABLES: Final = ("webhook",)
_COLUMNS: Final = """position, customer_id, uri, method, secret, generation, cursor, holder, held_until, delivered, refused, error,
    last_error, tm_error, tm_create, tm_update, tm_delete"""
DIGEST: Final = f"""
    SELECT json_group_array(json_array({_COLUMNS})), max(position)
    FROM (SELECT * FROM webhook WHERE position > ? ORDER BY position LIMIT 500)
"""
_SET: Final = """
    INSERT INTO webhook (position, customer_id, uri, method, secret, generation, cursor, tm_create, tm_update)
    VALUES (:position, :customer, :uri, :method, coalesce(:secret, ''), :generation, :after, :time, :time)
    ON CONFLICT (customer_id) DO UPDATE SET
        uri = :uri, method = :method, secret = coalesce(:secret, secret), generation = :generation, cursor = :after, held_until = 0,
        error = '', tm_update = :time, tm_delete = NULL
"""
_REPLAYED: Final = """
    UPDATE webhook SET generation = :generation, cursor = :after, held_until = 0, error = '', tm_update = :time
    WHERE customer_id = :customer
"""
_HELD: Final = """
    UPDATE webhook SET
        holder = :holder, held_until = :until, cursor = :cursor, delivered = delivered + :delivered, refused = refused + :refused,
        error = CASE :delivered + :refused WHEN 0 THEN :error ELSE '' END, last_error = CASE :error WHEN '' THEN last_error ELSE :error END,
        tm_error = CASE :error WHEN '' THEN tm_error ELSE :time END
    WHERE customer_id = :customer
"""
_DELETED: Final = "UPDATE webhook SET secret = '', held_until = 0, error = '', tm_delete = :time WHERE customer_id = :customer"
_SELECT: Final = f"SELECT {_COLUMNS} FROM webhook"
_GET: Final = f"{_SELECT} WHERE customer_id = ? AND tm_delete IS NULL"
_LIVE: Final = "SELECT customer_id, generation FROM webhook WHERE tm_delete IS NULL"

# --- from events to rows --------------------------------------------------------------------------------


def writes_of(position: int, event: Event) -> list[Write]:
    """What an event of a webhook writes, after what the events before it wrote."""
    data = event.data
    at = {"customer": event.stream, "time": event.time}
    match data:
        case WebhookSet():
            return [(_SET, {**at, "position": position, **_fields(data, "uri", "method", "secret", "generation", "after")})]
        case WebhookReplayed():
            return [(_REPLAYED, {**at, **_fields(data, "generation", "after")})]
        case WebhookHeld():
            return [(_HELD, {**at, **_fields(data, "holder", "until", "cursor", "delivered", "refused", "error")})]
        case WebhookDeleted():
            return [(_DELETED, at)]
        case _:
            return []


def _fields(data: object, *names: str) -> dict[str, Any]:
    return {name: getattr(data, name) for name in names}


# --- questions ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Webhook:
    """A webhook that is set; instants in microseconds."""

    position: int
    customer_id: str
    uri: str
    method: str
    secret: str
    generation: int
    cursor: str
    holder: str
    held_until: int
    delivered: int
    refused: int
    error: str
    """Why the next notice is not taken yet; empty: nothing holds it up."""
    last_error: str
    tm_error: int | None
    tm_create: int
    tm_update: int
    tm_delete: int | None


def get(db: sqlite3.Connection, customer_id: str) -> Webhook | None:
    """A customer's webhook; None when none is set."""
    found = db.execute(_GET, (customer_id,)).fetchone()
    return None if found is None else Webhook(*found)


def live(db: sqlite3.Connection) -> dict[str, int]:
    """The generation of every webhook that is set, by customer."""
    return dict(db.execute(_LIVE).fetchall())
