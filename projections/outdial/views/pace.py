"""Pace: how many calls a second may a customer's outdials request together, and which of them has how much of it?

Rows are made of the events of the pace alone; what an outdial has taken note of may be a moment behind.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

from outdial.envelope import Event
from outdial.events import PaceSet, ShareGiven, ShareWanted
from outdial.views.rows import Write, one_moment

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS pace (
        customer_id TEXT PRIMARY KEY,
        position INTEGER NOT NULL,      -- of PaceSet
        calls_per_second INTEGER NOT NULL,      -- 0: no limit
        tm_update INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS pace_share (
        customer_id TEXT NOT NULL,
        outdial_id TEXT NOT NULL,
        position INTEGER NOT NULL,      -- of the event that said so last
        share INTEGER NOT NULL,
        wanted INTEGER NOT NULL,
        PRIMARY KEY (customer_id, outdial_id)
    ) WITHOUT ROWID
    """,
)
TABLES: Final = ("pace", "pace_share")
DIGESTS: Final = (
    """
    SELECT json_group_array(json_array(customer_id, position, calls_per_second, tm_update)), max(position)
    FROM (SELECT * FROM pace WHERE position > ? ORDER BY position LIMIT 500)
    """,
    """
    SELECT json_group_array(json_array(customer_id, outdial_id, position, share, wanted)), max(position)
    FROM (
        SELECT * FROM pace_share
        WHERE position > ?1 AND position <= coalesce(
            (SELECT position FROM pace_share WHERE position > ?1 ORDER BY position LIMIT 1 OFFSET 499), 9223372036854775807
        )
        ORDER BY position, outdial_id
    )
    """,
)

# --- from events to rows --------------------------------------------------------------------------------

_SET: Final = """
    INSERT INTO pace (customer_id, position, calls_per_second, tm_update) VALUES (?, ?, ?, ?)
    ON CONFLICT (customer_id) DO UPDATE SET
        position = excluded.position, calls_per_second = excluded.calls_per_second, tm_update = excluded.tm_update
"""
_WANTED: Final = """
    INSERT INTO pace_share (customer_id, outdial_id, position, share, wanted) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (customer_id, outdial_id) DO UPDATE SET position = excluded.position, share = excluded.share, wanted = excluded.wanted
"""
_GIVEN: Final = """
    INSERT INTO pace_share (customer_id, outdial_id, position, share, wanted) VALUES (?, ?, ?, ?, 0)
    ON CONFLICT (customer_id, outdial_id) DO UPDATE SET position = excluded.position, share = excluded.share
"""
_FORGET: Final = "DELETE FROM pace_share WHERE customer_id = ? AND outdial_id = ? AND share = 0 AND wanted = 0"


def writes_of(position: int, event: Event) -> list[Write]:
    """What one event of a pace writes."""
    customer_id, data = event.stream, event.data
    match data:
        case PaceSet():
            return [(_SET, (customer_id, position, data.calls_per_second, event.time))]
        case ShareWanted():
            write = (_WANTED, (customer_id, data.outdial_id, position, data.share, data.wanted))
        case ShareGiven():
            write = (_GIVEN, (customer_id, data.outdial_id, position, data.share))
        case _:
            return []
    return [write, (_FORGET, (customer_id, data.outdial_id))]


# --- questions ------------------------------------------------------------------------------------------

_PACE: Final = "SELECT calls_per_second FROM pace WHERE customer_id = ?"
_SHARES: Final = """
    SELECT outdial_id, share, wanted, count(*) OVER () FROM pace_share
    WHERE customer_id = ? ORDER BY share DESC, outdial_id LIMIT ?
"""


@dataclass(slots=True)
class Shared:
    """What one outdial has, and could use."""

    outdial_id: str
    share: int
    wanted: int


@dataclass(slots=True)
class Pace:
    """The calls per second of a customer."""

    calls_per_second: int
    """0: no limit."""
    shares: list[Shared]
    """The largest first."""
    sharing: int
    """How many outdials have a share, or wait for one."""


def get(db: sqlite3.Connection, customer_id: str, limit: int) -> Pace:
    """How many calls a second a customer's outdials may request together, and the largest shares of it."""
    with one_moment(db):
        found = db.execute(_PACE, (customer_id,)).fetchone()
        rows = db.execute(_SHARES, (customer_id, limit)).fetchall()
    return Pace(0 if found is None else found[0], [Shared(*row[:3]) for row in rows], rows[0][3] if rows else 0)
