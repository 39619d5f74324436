"""Outplans: which plans are there, and what do they say? Source: contract 2.4."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from outdial.envelope import Event
from outdial.events import OutplanCreated, OutplanDeleted, OutplanDialInfoSet, OutplanUpdated
from outdial.plan import Plan
from outdial.views.rows import Before, Write, cursor_of, writes
from outdial.wire import encode

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS outplan (
        position INTEGER PRIMARY KEY,   -- of OutplanCreated
        id TEXT NOT NULL UNIQUE,
        customer_id TEXT,
        name TEXT,
        detail TEXT,
        plan TEXT,                      -- JSON
        version INTEGER,                -- of the plan, from 1
        tm_create INTEGER,
        tm_update INTEGER,
        tm_delete INTEGER
    )
    """,
    "CREATE INDEX IF NOT EXISTS outplan_page ON outplan (customer_id, tm_create)",
)
TABLES: Final = ("outplan",)
LOAD: Final = """
    SELECT json_group_array(json_array(outplan.position, outplan.id))
    FROM json_each(:outplans) AS wanted CROSS JOIN outplan ON outplan.id = wanted.value
"""
_COLUMNS: Final = "position, id, customer_id, name, detail, plan, version, tm_create, tm_update, tm_delete"
DIGEST: Final = f"""
    SELECT json_group_array(json_array({_COLUMNS})), max(position)
    FROM (SELECT * FROM outplan WHERE position > ? ORDER BY position LIMIT 500)
"""
_SAVE: Final = f"""
    INSERT INTO outplan ({_COLUMNS})
    SELECT * FROM {{rows}} WHERE column1 IS NOT NULL
    ON CONFLICT (position) DO UPDATE SET
        name = coalesce(excluded.name, name),
        detail = coalesce(excluded.detail, detail),
        plan = coalesce(excluded.plan, plan),
        version = coalesce(excluded.version, version),
        tm_update = coalesce(excluded.tm_update, tm_update),
        tm_delete = coalesce(excluded.tm_delete, tm_delete)
"""
_SELECT: Final = f"SELECT {_COLUMNS} FROM outplan"
_GET: Final = f"{_SELECT} WHERE id = ? AND customer_id = ?"
_PAGE: Final = f"""
    {_SELECT}
    WHERE customer_id = :customer
        AND (tm_create, position) < (:time, coalesce((SELECT position FROM outplan WHERE id = :last), 0))
        AND (:deleted OR tm_delete IS NULL)
    ORDER BY tm_create DESC, position DESC LIMIT :limit
"""

# --- from events to rows --------------------------------------------------------------------------------


@dataclass(slots=True)
class Row:
    """What a batch makes of an outplan; None = as it is in the table."""

    position: int
    id: str
    customer_id: str | None = None
    name: str | None = None
    detail: str | None = None
    plan: str | None = None
    version: int | None = None
    tm_create: int | None = None
    tm_update: int | None = None
    tm_delete: int | None = None
    changed: bool = False


def loaded(found: list[list[Any]]) -> dict[str, Row]:
    """The rows LOAD found, by id."""
    return {outplan_id: Row(position, outplan_id) for position, outplan_id in found}


def known(before: dict[str, Row], wanted: Iterable[str]) -> dict[str, Row]:
    """Rows of the batch before, as the next finds them."""
    return {key: Row(row.position, row.id) for key in wanted if (row := before.get(key)) is not None}


def apply(rows: dict[str, Row], position: int, event: Event) -> None:
    """Fold one event of an outplan."""
    data = event.data
    if isinstance(data, OutplanCreated):
        plan = encode(data.plan).decode()
        rows[event.stream] = Row(position, event.stream, data.customer_id, data.name, data.detail, plan, 1, event.time, changed=True)
        return
    row = rows[event.stream]
    match data:
        case OutplanUpdated():
            row.name = row.name if data.name is None else data.name
            row.detail = row.detail if data.detail is None else data.detail
        case OutplanDialInfoSet():
            row.plan, row.version = encode(data.plan).decode(), data.version
        case OutplanDeleted():
            row.tm_delete = event.time
        case _:
            return
    row.tm_update, row.changed = event.time, True


def save(rows: dict[str, Row]) -> Iterator[Write]:
    """What writes what a batch changed."""
    values = [
        (r.position, r.id, r.customer_id, r.name, r.detail, r.plan, r.version, r.tm_create, r.tm_update, r.tm_delete)
        for r in rows.values()
        if r.changed
    ]
    return writes(_SAVE, 10, values)


# --- questions ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Outplan:
    """An outplan; instants in microseconds, None = not yet."""

    position: int
    id: str
    customer_id: str
    name: str
    detail: str
    plan: Plan
    version: int
    tm_create: int
    tm_update: int | None
    tm_delete: int | None


def get(db: sqlite3.Connection, customer_id: str, outplan_id: str) -> Outplan | None:
    """One outplan, deleted or not; None when this customer has no such outplan."""
    found = db.execute(_GET, (outplan_id, customer_id)).fetchone()
    return None if found is None else _outplan(found)


def page(db: sqlite3.Connection, customer_id: str, before: Before, limit: int, deleted: bool = False) -> list[Outplan]:  # noqa: FBT001, FBT002  reads as the query it comes from
    """A customer's outplans, newest first."""
    found = db.execute(_PAGE, {"customer": customer_id, **cursor_of(before, limit, deleted=deleted)})
    return [_outplan(row) for row in found.fetchall()]


def _outplan(found: tuple[Any, ...]) -> Outplan:
    outplan = Outplan(*found)
    outplan.plan = Plan.model_validate_json(found[5])
    return outplan
