"""The log as a table, and the history read from it.

In the embedded runtime this table is the log itself; elsewhere it is a copy of what was read. The columns
are the few by which history is asked for; ``body`` is the event as it is on the wire.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from outdial.envelope import Event
from outdial.wire import encode_event

DDL = (
    """CREATE TABLE IF NOT EXISTS log (
        position INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        type TEXT NOT NULL,
        target TEXT,
        time INTEGER NOT NULL,
        body TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS log_stream ON log (stream)",
    "CREATE INDEX IF NOT EXISTS log_target ON log (target) WHERE target IS NOT NULL",
)
COLUMNS = 7
ROWS_AT_ONCE = 256
"""Rows of one INSERT. A statement is one hand-over between the writer's thread and the event loop, however long it is."""

_INSERT = "INSERT INTO log (position, stream, sequence, type, target, time, body) VALUES "
_ROW = "(?,?,?,?,?,?,?)"
_AFTER = "SELECT position, body FROM log WHERE position > ? ORDER BY position LIMIT ?"
_OF_STREAM = "SELECT position, body FROM log WHERE stream = ? AND position > ? ORDER BY position LIMIT ?"
_OF_TARGET = "SELECT position, body FROM log WHERE target = ? AND position > ? ORDER BY position LIMIT ?"
_LAST = "SELECT coalesce(max(position), 0) FROM log"
_LAST_TIME = "SELECT time FROM log WHERE position = (SELECT max(position) FROM log)"

Row = tuple[int, str]
"""(position, CloudEvents JSON)."""


def inserts(events: Sequence[tuple[int, Event]]) -> Iterator[tuple[str, list[object]]]:
    """The statements that append events, a few hundred rows each.

    A remainder is cut into powers of two, so that the driver's statement cache knows every one of them.
    """
    start = 0
    while start < len(events):
        rows = min(ROWS_AT_ONCE, 1 << ((len(events) - start).bit_length() - 1))
        values: list[object] = []
        for position, event in events[start : start + rows]:
            data = event.data
            values += (
                position,
                event.stream,
                event.sequence,
                type(data).__name__,
                getattr(data, "target_id", None),
                event.time,
                encode_event(event).decode(),
            )
        yield _INSERT + ",".join([_ROW] * rows), values
        start += rows


def page(db: sqlite3.Connection, after: int, limit: int, *, stream: str | None = None, target_id: str | None = None) -> list[Row]:
    """Events after a position, oldest first; of one stream or one target when named."""
    if target_id is not None:
        return db.execute(_OF_TARGET, (target_id, after, limit)).fetchall()
    if stream is not None:
        return db.execute(_OF_STREAM, (stream, after, limit)).fetchall()
    return db.execute(_AFTER, (after, limit)).fetchall()


def last_position(db: sqlite3.Connection) -> int:
    """Position of the last event; 0 in an empty log."""
    found: int = db.execute(_LAST).fetchone()[0]
    return found


def last_time(db: sqlite3.Connection) -> int:
    """Time of the last event, microseconds; 0 in an empty log."""
    row = db.execute(_LAST_TIME).fetchone()
    return 0 if row is None else int(row[0])
