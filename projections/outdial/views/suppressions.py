"""Suppressions: whom must a customer not call, and how often anybody? Source: design section 7.

Events of lists are few, so each of them is its own statements: nothing is loaded, and nothing is folded in memory.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from outdial.envelope import Event
from outdial.events import FrequencyCapsSet, SuppressionsAdded, SuppressionsRemoved
from outdial.suppression import FrequencyCaps
from outdial.views.places import key_of
from outdial.views.rows import Before, Write, cursor_of, writes
from outdial.wire import encode

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS suppression (
        customer_id TEXT NOT NULL,
        id TEXT NOT NULL,
        position INTEGER NOT NULL,      -- of the SuppressionsAdded that said so last
        type TEXT NOT NULL,
        target TEXT NOT NULL,           -- in normal form
        is_prefix INTEGER NOT NULL,     -- 1: the beginning of it
        outdial_id TEXT,                -- NULL: in all of them
        reason TEXT NOT NULL,
        expires_at INTEGER,             -- NULL: no end
        tm_create INTEGER NOT NULL,
        tm_update INTEGER NOT NULL,
        PRIMARY KEY (customer_id, id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS suppression_page ON suppression (customer_id, tm_create, id)",
    "CREATE INDEX IF NOT EXISTS suppression_position ON suppression (position)",
    """
    CREATE TABLE IF NOT EXISTS frequency_caps (
        customer_id TEXT PRIMARY KEY,
        position INTEGER NOT NULL,      -- of FrequencyCapsSet
        caps TEXT NOT NULL,             -- JSON
        tm_update INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
)
TABLES: Final = ("suppression", "frequency_caps")
_COLUMNS: Final = "customer_id, id, position, type, target, is_prefix, outdial_id, reason, expires_at, tm_create, tm_update"
DIGESTS: Final = (
    f"""
    SELECT json_group_array(json_array({_COLUMNS})), max(position)
    FROM (
        SELECT * FROM suppression
        WHERE position > ?1 AND position <= coalesce(
            (SELECT position FROM suppression WHERE position > ?1 ORDER BY position LIMIT 1 OFFSET 499), 9223372036854775807
        )
        ORDER BY position, id
    )
    """,
    """
    SELECT json_group_array(json_array(customer_id, position, caps, tm_update)), max(position)
    FROM (SELECT * FROM frequency_caps WHERE position > ? ORDER BY position LIMIT 500)
    """,
)

# --- from events to rows --------------------------------------------------------------------------------

_ADD: Final = f"""
    INSERT INTO suppression ({_COLUMNS}) SELECT * FROM {{rows}} WHERE column1 IS NOT NULL
    ON CONFLICT (customer_id, id) DO UPDATE SET
        position = excluded.position, reason = excluded.reason, expires_at = excluded.expires_at, tm_update = excluded.tm_update
"""
_REMOVE: Final = "DELETE FROM suppression WHERE customer_id = ? AND id = ?"
_SET_CAPS: Final = """
    INSERT INTO frequency_caps (customer_id, position, caps, tm_update) VALUES (?, ?, ?, ?)
    ON CONFLICT (customer_id) DO UPDATE SET position = excluded.position, caps = excluded.caps, tm_update = excluded.tm_update
"""


def writes_of(position: int, event: Event) -> Iterator[Write]:
    """What one event of a list writes."""
    customer_id, at, data = event.stream, event.time, event.data
    match data:
        case SuppressionsAdded():
            rows = [
                (
                    customer_id, entry.suppression_id, position, address.type, address.target, int(entry.prefix_length is not None),
                    entry.outdial_id, address.reason, entry.expires_at, at, at,
                )
                for entry, address in zip(data.entries, data.personal.addresses, strict=True)
            ]  # fmt: skip
            yield from writes(_ADD, 11, rows)
        case SuppressionsRemoved():
            for entry in data.entries:
                yield _REMOVE, (customer_id, entry.suppression_id)
        case FrequencyCapsSet():
            yield _SET_CAPS, (customer_id, position, encode(data.caps).decode(), at)
        case _:
            pass


# --- questions ------------------------------------------------------------------------------------------

_SELECT: Final = "SELECT id, type, target, is_prefix, outdial_id, reason, expires_at, tm_create, tm_update FROM suppression"
_GET: Final = f"{_SELECT} WHERE customer_id = ? AND id = ?"
_PAGE: Final = f"""
    {_SELECT}
    WHERE customer_id = :customer AND (tm_create, id) < (:time, coalesce(:last, ''))
    ORDER BY tm_create DESC, id DESC LIMIT :limit
"""
_CAPS: Final = "SELECT caps FROM frequency_caps WHERE customer_id = ?"
_VERSION: Final = """
    SELECT sequence FROM log
    WHERE stream_key = ? AND stream = ? AND type IN ('SuppressionsAdded', 'SuppressionsRemoved', 'FrequencyCapsSet')
    ORDER BY position DESC LIMIT 1
"""


@dataclass(slots=True)
class Suppression:
    """An entry of a customer's list; instants in microseconds."""

    id: str
    type: str
    target: str
    is_prefix: int
    outdial_id: str | None
    reason: str
    expires_at: int | None
    tm_create: int
    tm_update: int


def get(db: sqlite3.Connection, customer_id: str, suppression_id: str) -> Suppression | None:
    """One entry; None when it is not on this customer's list."""
    found = db.execute(_GET, (customer_id, suppression_id)).fetchone()
    return None if found is None else Suppression(*found)


def page(db: sqlite3.Connection, customer_id: str, before: Before, limit: int) -> list[Suppression]:
    """A customer's list, newest first; entries that have ended among them."""
    asked = {"customer": customer_id, **cursor_of(before, limit, deleted=False)}
    return [Suppression(*row) for row in db.execute(_PAGE, asked).fetchall()]


def caps(db: sqlite3.Connection, customer_id: str) -> FrequencyCaps:
    """How often one address of a customer may be called; without a rule: as often as plans say."""
    found = db.execute(_CAPS, (customer_id,)).fetchone()
    return FrequencyCaps() if found is None else FrequencyCaps.model_validate_json(found[0])


def version(db: sqlite3.Connection, customer_id: str) -> int:
    """The version a customer's list and caps stand at; 0 before the first. Other streams are named by the customer too."""
    found = db.execute(_VERSION, (key_of(customer_id), customer_id)).fetchone()
    return 0 if found is None else int(found[0])
