"""The projector: events in, rows out. Live and rebuild are the same path.

A batch is one SELECT that brings all rows it touches, a fold in memory, and a few statements that write
many rows each: every statement is a hand-over to the database's thread and back.
"""

import sqlite3
from collections import Counter
from collections.abc import Container, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import aiosqlite

from outdial.envelope import Event
from outdial.events import (
    DialAnswered,
    DialClaimed,
    DialDeleted,
    DialEnded,
    DialRequested,
    TargetAdded,
    TargetDeleted,
    TargetExhausted,
    TargetFinished,
    TargetReopened,
    TargetRevived,
)
from outdial.position import MARK_BITS, Position, mark_at, told
from outdial.views import calls, campaigns, counts, outdials, outplans, places, targets
from outdial.views.rows import write
from outdial.wire import from_json, to_json

CHECKPOINT: Final = "views"
"""The row that says how far partition 0 is folded; that of partition 3 is ``views/3``."""
_VIEWS: Final = (outdials, targets, outplans, campaigns, calls, counts, places)
_DDL: Final = ("CREATE TABLE IF NOT EXISTS checkpoint (view TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID",)
_FORGET: Final = (*_DDL, "DELETE FROM checkpoint WHERE view IN ('views', 'places') OR view GLOB 'views/*'")
_DIGESTS: Final = (
    outdials.DIGEST, targets.DIGEST, outplans.DIGEST, campaigns.DIGEST, calls.DIGEST, counts.DIGEST, counts.DIGEST_WAITING,
)  # fmt: skip
_LOAD: Final = f"""
    SELECT
        (SELECT json_group_object(view, position) FROM checkpoint),
        ({outdials.LOAD}), ({targets.LOAD}), ({calls.LOAD}), ({outplans.LOAD}), ({campaigns.LOAD})
"""
_CHECKPOINTS: Final = "SELECT view, position FROM checkpoint"
_BEGIN: Final = "INSERT OR IGNORE INTO checkpoint (view, position) VALUES (?, 0)"
_FURTHER: Final = "SELECT count(*) FROM checkpoint WHERE view GLOB 'views/*'"
_MOVE: Final = """
    INSERT INTO checkpoint (view, position) SELECT * FROM {rows} WHERE column1 IS NOT NULL
    ON CONFLICT (view) DO UPDATE SET position = excluded.position
"""
_TARGET_EVENTS: Final = frozenset(
    {
        DialRequested, DialAnswered, DialEnded,
        TargetDeleted, TargetExhausted, TargetFinished, TargetReopened, TargetRevived,
    }
)  # fmt: skip
_CALL_EVENTS: Final = frozenset({DialClaimed, DialAnswered, DialEnded, DialDeleted})


class LogBroken(Exception):
    """An event speaks of something no event before it created. The message names the event, nothing personal."""


class Projector:
    """Keeps the views. It remembers nothing between batches, so a transaction that failed leaves no trace in it."""

    async def apply(self, db: aiosqlite.Connection, events: Sequence[tuple[int, Event]]) -> None:
        """Bring the views up to the last of these events (place, event), those of a partition in its order.

        Runs inside a transaction that the caller opened and commits. What is at or below the checkpoint of its
        partition is skipped, so applying events again changes nothing. How partitions are interleaved changes nothing.

        Raises:
            LogBroken: an event does not fit those before it.
        """
        if not events:
            return
        done, batch = await _load(db, events)
        folded = {partition: partition << MARK_BITS | done.get(checkpoint_of(partition), 0) for partition in _partitions(events)}
        events = [pair for pair in events if pair[0] > folded[pair[0] >> MARK_BITS]]
        if not events:
            return
        for place, event in events:
            try:
                batch.fold(place, event)
            except KeyError:
                message = f"{event.id} ({event.type}, {told(place)}) speaks of something that was never created; restore the log"
                raise LogBroken(message) from None
        await batch.save(db)
        last = {place >> MARK_BITS: place for place, _ in events}
        moved = {checkpoint_of(partition): mark_at(place) for partition, place in last.items()}
        total = sum(mark for view, mark in (done | moved).items() if _is_ours(view))
        if total - done.get(places.CHECKPOINT, 0) >= places.SETTLE_AFTER:
            await places.settle(db)
            moved[places.CHECKPOINT] = total
        await write(db, _MOVE, 2, [*moved.items()])


@lru_cache(maxsize=4096)
def checkpoint_of(partition: int) -> str:
    """The row of the checkpoint table that says how far a partition is folded."""
    return f"{CHECKPOINT}/{partition}" if partition else CHECKPOINT


def _is_ours(view: str) -> bool:
    return view == CHECKPOINT or view.startswith(f"{CHECKPOINT}/")


def _partitions(events: Sequence[tuple[int, Event]]) -> set[int]:
    """The partitions these events are in."""
    return {place >> MARK_BITS for place, _ in events}


class _Batch:
    """The rows a batch touches."""

    def __init__(self, wanted: Container[object], found: Sequence[str]) -> None:
        self.wanted = wanted
        """The targets that events other than TargetAdded speak of."""
        self.outdials = outdials.loaded(from_json(found[0]))
        self.targets = targets.loaded(from_json(found[1]))
        self.calls = calls.loaded(from_json(found[2]))
        self.outplans = outplans.loaded(from_json(found[3]))
        self.campaigns = campaigns.loaded(from_json(found[4]))
        self.new: targets.Added = []
        self.places: list[tuple[int, int]] = []

    def fold(self, position: int, event: Event) -> None:
        """Fold one event."""
        data = event.data
        if isinstance(data, TargetAdded):
            new = targets.added(self.outdials[event.stream].position, position, event, data)
            self.new.append(new)
            key = targets.wanted(event.stream, data.target_id)
            self.places.append((key[0], position))
            if key in self.wanted:
                self.targets[event.stream, data.target_id] = targets.row_of(new)
        elif data.kind == "outdial":
            self._fold_outdial(position, event)
        elif data.kind == "outplan":
            outplans.apply(self.outplans, position, event)
        else:
            campaigns.apply(self.campaigns, position, event)

    def _fold_outdial(self, position: int, event: Event) -> None:
        data = event.data
        if isinstance(data, DialRequested):
            target = self.targets[event.stream, data.target_id]
            calls.request(self.calls, self.outdials[event.stream], target, position, event, data)
            self.places.append((places.key_of(data.attempt_id), position))
            targets.apply(target, position, event)
            return
        if type(data) in _CALL_EVENTS or isinstance(data, TargetFinished):
            calls.apply(self.calls, event)
        if type(data) in _TARGET_EVENTS:
            targets.apply(self.targets[event.stream, data.target_id], position, event)  # type: ignore[attr-defined]
        else:
            outdials.apply(self.outdials, position, event)

    async def save(self, db: aiosqlite.Connection) -> None:
        """Write what changed."""
        tally: counts.Tally = Counter()
        waiting: counts.Waiting = Counter()
        targets.count(self.targets, self.new, tally, waiting)
        calls.count(self.calls, tally)
        await outdials.save(db, self.outdials)
        await targets.save(db, self.targets, self.new)
        await calls.save(db, self.calls)
        await outplans.save(db, self.outplans)
        await campaigns.save(db, self.campaigns)
        await counts.save(db, tally, waiting)
        await places.add(db, self.places)


async def _load(db: aiosqlite.Connection, events: Sequence[tuple[int, Event]]) -> tuple[dict[str, int], _Batch]:
    """The checkpoints, and the rows these events touch."""
    wanted: dict[str, set[object]] = {"outdials": set(), "targets": set(), "calls": set(), "outplans": set(), "campaigns": set()}
    streams = {"outdial": wanted["outdials"], "outplan": wanted["outplans"], "campaign": wanted["campaigns"]}
    for _, event in events:
        data = event.data
        streams[data.kind].add(event.stream)
        kind = type(data)
        if kind is TargetAdded or data.kind != "outdial":
            continue
        if kind in _TARGET_EVENTS:
            wanted["targets"].add(targets.wanted(event.stream, data.target_id))  # type: ignore[attr-defined]
        if kind in _CALL_EVENTS or (isinstance(data, TargetFinished) and data.late):
            wanted["calls"].add(calls.wanted(data.attempt_id))  # type: ignore[attr-defined]
    parameters = {name: to_json(list(keys)).decode() for name, keys in wanted.items()}
    found = tuple(*await db.execute_fetchall(_LOAD, parameters))
    return from_json(found[0]), _Batch(wanted["targets"], found[1:])


async def create_all(db: aiosqlite.Connection, partitions: int = 1) -> None:
    """Create every table and index that is not there yet, of the views of a log with so many partitions."""
    for statement in _DDL:
        await db.execute_fetchall(statement)
    for partition in range(1, partitions):
        await db.execute_fetchall(_BEGIN, (checkpoint_of(partition),))
    for view in _VIEWS:
        for statement in view.DDL:
            await db.execute_fetchall(statement)


async def drop_all(db: aiosqlite.Connection) -> None:
    """Drop every table of the views, so that they can be built anew from position 0."""
    for view in _VIEWS:
        for table in view.TABLES:
            await db.execute_fetchall(f"DROP TABLE IF EXISTS {table}")
    for statement in _FORGET:
        await db.execute_fetchall(statement)


async def position(db: aiosqlite.Connection, partitions: int) -> Position:
    """How far the log is folded into the views."""
    found = dict(await db.execute_fetchall(_CHECKPOINTS))
    return Position(tuple(found.get(checkpoint_of(partition), 0) for partition in range(partitions)))


def partitions_of(reader: sqlite3.Connection) -> int:
    """How many partitions the log has that these views follow."""
    further: int = reader.execute(_FURTHER).fetchone()[0]
    return 1 + further


def standing(reader: sqlite3.Connection) -> Position:
    """As :func:`position`, for who reads."""
    found: dict[str, int] = dict(reader.execute(_CHECKPOINTS).fetchall())
    return Position(tuple(found.get(checkpoint_of(partition), 0) for partition in range(partitions_of(reader))))


async def digest(db: aiosqlite.Connection) -> str:
    """64 hexadecimal digits over all rows of all views, the same however they were batched."""
    found = blake2b(digest_size=32)
    for statement in _DIGESTS:
        last = 0
        while last is not None:
            [(rows, last)] = await db.execute_fetchall(statement, (last,))
            found.update(rows.encode())
    return found.hexdigest()
