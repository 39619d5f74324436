"""The log as a table, and the history read from it.

In the embedded runtime this table is the log itself; elsewhere it is a copy of what was read. ``body`` is
the event as it is on the wire. History is asked for by stream and by target, through 32-bit hashes of their
ids: an index on random texts costs more than all the rest of an import. Whoever looks up by a hash
compares the id as well. TargetAdded is left out of the index by target: the view of targets knows where it stands.

``position`` is the place of the event (:mod:`outdial.position`). All events of a stream are in one partition.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from outdial.envelope import Event
from outdial.events import TargetAdded
from outdial.position import Position, partition_at
from outdial.views.places import key_of
from outdial.views.rows import merged
from outdial.wire import to_json

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
    "CREATE INDEX IF NOT EXISTS log_own ON log (stream_key) WHERE target_key IS NULL AND type <> 'TargetAdded'",
    "CREATE INDEX IF NOT EXISTS log_target ON log (target_key) WHERE target_key IS NOT NULL",
)
ROWS_AT_ONCE = 256
"""Rows of one INSERT. A statement is one hand-over between the writer's thread and the event loop, however long it is."""

_INSERT = "INSERT INTO log (position, stream, sequence, type, stream_key, target_key, time, body) VALUES "
_ROW = "(?,?,?,?,?,?,?,?)"
_AFTER = "SELECT position, body FROM log WHERE position > ? ORDER BY position LIMIT ?"
_PART_AFTER = "SELECT time, position, body FROM log WHERE position > ? AND position <= {high} ORDER BY position"
_ANY_OF_STREAM = "SELECT position FROM log WHERE stream_key = ? AND stream = ? LIMIT 1"
_OF_STREAM = "SELECT position, body FROM log WHERE stream_key = ? AND position > ? AND stream = ? ORDER BY position LIMIT ?"
_NEWEST_OF_STREAM = "SELECT position, body FROM log WHERE stream_key = ? AND position > ? AND stream = ? ORDER BY position DESC LIMIT ?"
_OF_TARGET = """SELECT position, body FROM log
    WHERE (target_key = :key AND position > :after OR position = :added AND position > :after)
    AND stream = :stream AND body ->> '$.data.target_id' = :target
    ORDER BY position LIMIT :limit"""
_OWN = """SELECT position, body FROM log INDEXED BY log_own
    WHERE stream_key = ? AND target_key IS NULL AND type <> 'TargetAdded' AND stream = ? AND position < ? ORDER BY position"""
_PAGE_OWN = """SELECT position, body FROM log INDEXED BY log_own
    WHERE stream_key = ? AND target_key IS NULL AND type <> 'TargetAdded' AND stream = ? AND position > ? ORDER BY position LIMIT ?"""
_FIRST_FROM = "SELECT position, time FROM log WHERE position >= ? AND position <= ? ORDER BY position LIMIT 1"
_LAST_OF_TARGET = """SELECT position, body FROM log
    WHERE target_key = :key AND stream = :stream AND type IN (SELECT value FROM json_each(:types))
    AND body ->> '$.data.target_id' = :target
    ORDER BY position DESC LIMIT 1"""
_LAST_OF_STREAM = """SELECT position, body FROM log
    WHERE position >= :low AND position < :high AND stream = :stream AND type IN (SELECT value FROM json_each(:types))
    ORDER BY position DESC LIMIT 1"""
_VERSION = "SELECT sequence FROM log WHERE stream_key = ? AND stream = ? ORDER BY position DESC LIMIT 1"
_VERSION_BEFORE = "SELECT sequence FROM log WHERE stream_key = ? AND stream = ? AND position < ? ORDER BY position DESC LIMIT 1"
_AT = "SELECT position, body FROM log WHERE position = ?"
_LAST = "SELECT position, time FROM log WHERE position > ? AND position <= ? ORDER BY position DESC LIMIT 1"

Row = tuple[int, str]
"""(place, CloudEvents JSON)."""


def inserts(events: Sequence[tuple[int, Event]], bodies: Sequence[str]) -> Iterator[tuple[str, list[object]]]:
    """The statements that append events, a few hundred rows each. ``bodies``: the events as they are on the wire.

    A remainder is cut into powers of two, so that the driver's statement cache knows every one of them.
    """
    start = 0
    stream_keys: dict[str, int] = {}
    while start < len(events):
        rows = min(ROWS_AT_ONCE, 1 << ((len(events) - start).bit_length() - 1))
        values: list[object] = []
        end = start + rows
        for (position, event), body in zip(events[start:end], bodies[start:end], strict=True):
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
                body,
            )
        yield _INSERT + ",".join([_ROW] * rows), values
        start = end


def page(db: sqlite3.Connection, after: Position, limit: int, *, stream: str | None = None) -> list[Row]:
    """Events after a position, oldest first; of one stream when named. Fewer than ``limit``: there are no others.

    The position after one of them is that before, moved on to its place.
    """
    if stream is not None:
        key = key_of(stream)
        known = None if after.partitions == 1 else db.execute(_ANY_OF_STREAM, (key, stream)).fetchone()
        low = _low(after, 0 if known is None else known[0])
        return db.execute(_OF_STREAM, (key, low, stream, limit)).fetchall()
    if after.partitions == 1:
        return db.execute(_AFTER, (*after.marks, limit)).fetchall()
    with merged(db, _PART_AFTER, after) as rows:
        return [(place, body) for _, place, body in islice(rows, limit)]


def newest(db: sqlite3.Connection, stream: str, after: Position, limit: int) -> list[Row]:
    """The last events of a stream after a position, newest first."""
    key = key_of(stream)
    known = None if after.partitions == 1 else db.execute(_ANY_OF_STREAM, (key, stream)).fetchone()
    return db.execute(_NEWEST_OF_STREAM, (key, _low(after, 0 if known is None else known[0]), stream, limit)).fetchall()


def page_of_target(db: sqlite3.Connection, outdial_id: str, target_id: str, added: int, after: Position, limit: int) -> list[Row]:
    """Events of one target after a position, oldest first. ``added``: the place of its TargetAdded (``targets.get``)."""
    low = _low(after, added)
    asked = {"key": key_of(target_id), "stream": outdial_id, "target": target_id, "added": added, "after": low, "limit": limit}
    return db.execute(_OF_TARGET, asked).fetchall()


def last_of_target(db: sqlite3.Connection, outdial_id: str, target_id: str, types: Iterable[str]) -> Row | None:
    """The last event of a target that has one of the types; TargetAdded is not among them."""
    asked = {"key": key_of(target_id), "stream": outdial_id, "target": target_id, "types": to_json(list(types)).decode()}
    found: Row | None = db.execute(_LAST_OF_TARGET, asked).fetchone()
    return found


def last_of_stream(db: sqlite3.Connection, stream: str, types: Iterable[str], time: int) -> Row | None:
    """The last event of a stream that has one of the types and happened at an instant, microseconds."""
    bounds = range_of(db, stream)
    if bounds is None:
        return None
    low, high = place_at(db, bounds, time), place_at(db, bounds, time + 1)
    asked = {"low": low, "high": high, "stream": stream, "types": to_json(list(types)).decode()}
    found: Row | None = db.execute(_LAST_OF_STREAM, asked).fetchone()
    return found


def range_of(db: sqlite3.Connection, stream: str) -> tuple[int, int] | None:
    """The lowest and the highest place of the partition a stream is in, as far as it was read; None when there is no such stream."""
    known = db.execute(_ANY_OF_STREAM, (key_of(stream), stream)).fetchone()
    if known is None:
        return None
    low, high = Position.beginning(partition_at(known[0]) + 1).ranges()[-1]
    return low + 1, db.execute(_LAST, (low, high)).fetchone()[0]


def place_at(db: sqlite3.Connection, bounds: tuple[int, int], time: int) -> int:
    """The place of the first event of a partition that happened at an instant or after it; else the one after its last.

    The events of a partition are in the order of their times.
    """
    low, high = bounds[0], bounds[1] + 1
    while low < high:
        middle = (low + high) // 2
        place, at = db.execute(_FIRST_FROM, (middle, bounds[1])).fetchone()
        if at < time:
            low = place + 1
        else:
            high = middle
    return low


def _low(after: Position, place: int) -> int:
    """The place above which the rest of a partition begins; ``place``: any in that partition."""
    return after.marks[0] if after.partitions == 1 else after.ranges()[partition_at(place)][0]


def own(db: sqlite3.Connection, stream: str, before: int) -> list[Row]:
    """The events of a stream that stand before a place and are about none of its targets, oldest first."""
    return db.execute(_OWN, (key_of(stream), stream, before)).fetchall()


def page_of_own(db: sqlite3.Connection, stream: str, after: Position, limit: int) -> list[Row]:
    """The same after a position, oldest first."""
    key = key_of(stream)
    known = None if after.partitions == 1 else db.execute(_ANY_OF_STREAM, (key, stream)).fetchone()
    return db.execute(_PAGE_OWN, (key, stream, _low(after, 0 if known is None else known[0]), limit)).fetchall()


def version(db: sqlite3.Connection, stream: str) -> int:
    """The version a stream stands at, the sequence of its last event; 0 when there is none."""
    found = db.execute(_VERSION, (key_of(stream), stream)).fetchone()
    return 0 if found is None else int(found[0])


def version_at(db: sqlite3.Connection, stream: str, time: int) -> int:
    """The version a stream stood at, at an instant (microseconds): how many events it had; 0 before the first."""
    found = db.execute(_VERSION_BEFORE, (key_of(stream), stream, place_after(db, stream, time))).fetchone()
    return 0 if found is None else int(found[0])


def place_after(db: sqlite3.Connection, stream: str, time: int) -> int:
    """The place before which all of a stream's partition stands that had happened at an instant; 0 when there is no such stream."""
    bounds = range_of(db, stream)
    return 0 if bounds is None else place_at(db, bounds, time + 1)


def last_position(db: sqlite3.Connection, partitions: int) -> Position:
    """Position after the last event of each partition; the beginning in an empty log."""
    position = Position.beginning(partitions)
    for place, _ in _lasts(db, partitions):
        position = position.after(place)
    return position


def last_time(db: sqlite3.Connection, partitions: int) -> int:
    """The latest time of an event, microseconds; 0 in an empty log."""
    return max((time for _, time in _lasts(db, partitions)), default=0)


def last_events(db: sqlite3.Connection, partitions: int) -> list[Row]:
    """The last event of each partition that has any."""
    return [db.execute(_AT, (place,)).fetchone() for place, _ in _lasts(db, partitions)]


def _lasts(db: sqlite3.Connection, partitions: int) -> Iterator[tuple[int, int]]:
    """Place and time of the last event of each partition that has any."""
    for bounds in Position.beginning(partitions).ranges():
        yield from db.execute(_LAST, bounds).fetchall()
