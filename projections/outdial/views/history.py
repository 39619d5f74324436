"""The log as a table, and the history read from it.

In the embedded runtime this table is the log itself; elsewhere it is a copy of what was read. ``body`` is
the event as it is on the wire. History is asked for by stream and by target, through 32-bit hashes of their
ids: an index on random texts costs more than all the rest of an import. Whoever looks up by a hash
compares the id as well. TargetAdded is left out of the index by target: the view of targets knows where it stands.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from outdial.envelope import Event
from outdial.events import TargetAdded
from outdial.views.places import key_of
from outdial.wire import encode_event

DDL = (
    """CREATE TABLE IF NOT EXISTS log (
        position INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        type TEXT NOT NULL,
        stream_key INTEGER NOT NULL,
        target_key INTEGER,
        time INTEGER NOT NULL,
        body TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS log_stream ON log (stream_key)",
    "CREATE INDEX IF NOT EXISTS log_target ON log (target_key) WHERE target_key IS NOT NULL",
)
ROWS_AT_ONCE = 256
"""Rows of one INSERT. A statement is one hand-over between the writer's thread and the event loop, however long it is."""

_INSERT = "INSERT INTO log (position, stream, sequence, type, stream_key, target_key, time, body) VALUES "
_ROW = "(?,?,?,?,?,?,?,?)"
_AFTER = "SELECT position, body FROM log WHERE position > ? ORDER BY position LIMIT ?"
_OF_STREAM = "SELECT position, body FROM log WHERE stream_key = ? AND position > ? AND stream = ? ORDER BY position LIMIT ?"
_OF_TARGET = """SELECT position, body FROM log
    WHERE (target_key = :key AND position > :after OR position = :added AND position > :after)
    AND stream = :stream AND body ->> '$.data.target_id' = :target
    ORDER BY position LIMIT :limit"""
_LAST = "SELECT coalesce(max(position), 0) FROM log"
_LAST_TIME = "SELECT time FROM log WHERE position = (SELECT max(position) FROM log)"

Row = tuple[int, str]
"""(position, CloudEvents JSON)."""


def inserts(events: Sequence[tuple[int, Event]]) -> Iterator[tuple[str, list[object]]]:
    """The statements that append events, a few hundred rows each.

    A remainder is cut into powers of two, so that the driver's statement cache knows every one of them.
    """
    start = 0
    stream_keys: dict[str, int] = {}
    while start < len(events):
        rows = min(ROWS_AT_ONCE, 1 << ((len(events) - start).bit_length() - 1))
        values: list[object] = []
        for position, event in events[start : start + rows]:
            data = event.data
            target_id = getattr(data, "target_id", None)
            if event.stream not in stream_keys:
                stream_keys[event.stream] = key_of(event.stream)
            values += (
                position,
                event.stream,
                event.sequence,
                type(data).__name__,
                stream_keys[event.stream],
                None if target_id is None or isinstance(data, TargetAdded) else key_of(target_id),
                event.time,
                encode_event(event).decode(),
            )
        yield _INSERT + ",".join([_ROW] * rows), values
        start += rows


def page(db: sqlite3.Connection, after: int, limit: int, *, stream: str | None = None) -> list[Row]:
    """Events after a position, oldest first; of one stream when named."""
    if stream is not None:
        return db.execute(_OF_STREAM, (key_of(stream), after, stream, limit)).fetchall()
    return db.execute(_AFTER, (after, limit)).fetchall()


def page_of_target(db: sqlite3.Connection, outdial_id: str, target_id: str, added: int, after: int, limit: int) -> list[Row]:
    """Events of one target after a position, oldest first. ``added``: the position of its TargetAdded (``targets.get``)."""
    asked = {"key": key_of(target_id), "stream": outdial_id, "target": target_id, "added": added, "after": after, "limit": limit}
    return db.execute(_OF_TARGET, asked).fetchall()


def last_position(db: sqlite3.Connection) -> int:
    """Position of the last event; 0 in an empty log."""
    found: int = db.execute(_LAST).fetchone()[0]
    return found


def last_time(db: sqlite3.Connection) -> int:
    """Time of the last event, microseconds; 0 in an empty log."""
    row = db.execute(_LAST_TIME).fetchone()
    return 0 if row is None else int(row[0])
