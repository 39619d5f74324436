"""The projector: events in, rows out. Live and rebuild are the same path.

A batch is one SELECT that brings all rows it touches, a fold in memory, and a few statements that write
many rows each: every statement is a hand-over to the database's thread and back.
"""

from collections import Counter
from collections.abc import Container, Sequence
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
from outdial.views import calls, campaigns, counts, outdials, outplans, places, targets
from outdial.views.rows import write
from outdial.wire import from_json, to_json

CHECKPOINT: Final = "views"
_VIEWS: Final = (outdials, targets, outplans, campaigns, calls, counts, places)
_DDL: Final = ("CREATE TABLE IF NOT EXISTS checkpoint (view TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID",)
_FORGET: Final = (*_DDL, "DELETE FROM checkpoint WHERE view IN ('views', 'places')")
_DIGESTS: Final = (
    outdials.DIGEST, targets.DIGEST, outplans.DIGEST, campaigns.DIGEST, calls.DIGEST, counts.DIGEST, counts.DIGEST_WAITING,
)  # fmt: skip
_LOAD: Final = f"""
    SELECT
        coalesce((SELECT position FROM checkpoint WHERE view = 'views'), 0),
        coalesce((SELECT position FROM checkpoint WHERE view = 'places'), 0),
        ({outdials.LOAD}), ({targets.LOAD}), ({calls.LOAD}), ({outplans.LOAD}), ({campaigns.LOAD})
"""
_CHECKPOINT: Final = "SELECT coalesce((SELECT position FROM checkpoint WHERE view = 'views'), 0)"
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
        """Bring the views up to the last of these events (log position, event), in the order of the log.

        Runs inside a transaction that the caller opened and commits. What is at or below the checkpoint is
        skipped, so applying events again changes nothing.

        Raises:
            LogBroken: an event does not fit those before it.
        """
        if not events:
            return
        done, settled, batch = await _load(db, events)
        events = [pair for pair in events if pair[0] > done]
        if not events:
            return
        for position, event in events:
            try:
                batch.fold(position, event)
            except KeyError:
                message = f"{event.id} ({event.type}, position {position}) speaks of something that was never created; restore the log"
                raise LogBroken(message) from None
        await batch.save(db)
        last = events[-1][0]
        moved: list[tuple[str, int]] = [(CHECKPOINT, last)]
        if last - settled >= places.SETTLE_AFTER:
            await places.settle(db)
            moved.append((places.CHECKPOINT, last))
        await write(db, _MOVE, 2, moved)


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


async def _load(db: aiosqlite.Connection, events: Sequence[tuple[int, Event]]) -> tuple[int, int, _Batch]:
    """The checkpoint, the position up to which places are settled, and the rows these events touch."""
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
    return found[0], found[1], _Batch(wanted["targets"], found[2:])


async def create_all(db: aiosqlite.Connection) -> None:
    """Create every table and index that is not there yet."""
    for statement in _DDL:
        await db.execute_fetchall(statement)
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


async def position(db: aiosqlite.Connection) -> int:
    """The log position the views are at; 0 = the beginning."""
    [(found,)] = await db.execute_fetchall(_CHECKPOINT)
    return int(found)


async def digest(db: aiosqlite.Connection) -> str:
    """64 hexadecimal digits over all rows of all views, the same however they were batched."""
    found = blake2b(digest_size=32)
    for statement in _DIGESTS:
        last = 0
        while last is not None:
            [(rows, last)] = await db.execute_fetchall(statement, (last,))
            found.update(rows.encode())
    return found.hexdigest()
