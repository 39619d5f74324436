"""The projector: events in, rows out. Live and rebuild are the same path.

A batch is one SELECT that brings all rows it touches, a fold in memory, and a few statements that write
many rows each, handed to the database's thread together.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from hashlib import blake2b, sha256
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from outdial.envelope import Event
from outdial.events import (
    DialAnswered,
    DialClaimed,
    DialDeleted,
    DialEnded,
    DialRequested,
    DuplicatesSkipped,
    TargetAdded,
    TargetBlocked,
    TargetDeferred,
    TargetDeleted,
    TargetExhausted,
    TargetExpired,
    TargetFinished,
    TargetReopened,
    TargetRevived,
    TargetUnblocked,
)
from outdial.position import MARK_BITS, Position, mark_at, told
from outdial.views import accounts, activity, calls, campaigns, counts, outdials, outplans, pace, places, suppressions, targets, webhooks
from outdial.views.counts import STATUS_OF
from outdial.views.rows import LogBroken, Write, run, writes
from outdial.wire import from_json, to_json

if TYPE_CHECKING:
    import aiosqlite  # whoever follows a log without an event loop does without it

CHECKPOINT: Final = "views"
"""The row that says how far partition 0 is folded; that of partition 3 is ``views/3``."""
_VIEWS: Final = (outdials, targets, outplans, campaigns, calls, counts, activity, places, accounts, suppressions, pace, webhooks)
FOLDING: Final = 2
"""To be raised when events are folded otherwise than before into the same tables."""
_DDL: Final = ("CREATE TABLE IF NOT EXISTS checkpoint (view TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID",)
_FORGET: Final = (*_DDL, "DELETE FROM checkpoint WHERE view IN ('views', 'places') OR view GLOB 'views/*'")
_DIGESTS: Final = (
    outdials.DIGEST, targets.DIGEST, outplans.DIGEST, campaigns.DIGEST, calls.DIGEST, counts.DIGEST, counts.DIGEST_WAITING,
    activity.DIGEST, activity.DIGEST_CONTROL,
    *accounts.DIGESTS, *suppressions.DIGESTS, *pace.DIGESTS, webhooks.DIGEST,
)  # fmt: skip
_LOAD: Final = f"""
    SELECT
        (SELECT json_group_object(view, position) FROM checkpoint),
        ({outdials.LOAD}), ({targets.LOAD}), ({calls.LOAD}), ({outplans.LOAD}), ({campaigns.LOAD})
"""
_NOTHING: Final = "[]"
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
        TargetDeleted, TargetExhausted, TargetExpired, TargetFinished, TargetReopened, TargetRevived,
        TargetBlocked, TargetDeferred, TargetUnblocked,
    }
)  # fmt: skip
_CALL_EVENTS: Final = frozenset({DialClaimed, DialAnswered, DialEnded, DialDeleted})


KEPT: Final = 8_192
"""Open attempts, the newest, whose rows are kept for the batches that follow."""
K = TypeVar("K")
R = TypeVar("R")


class Projector:
    """Keeps the views. It remembers the rows of open attempts as they were written: when a transaction fails, it is to be thrown away.

    With ``ahead`` it remembers all of the batch before: what that changed may still be on its way to the tables when the next
    is loaded.
    """

    def __init__(self, *, ahead: bool = False) -> None:
        self._ahead = ahead
        self._kept = Kept()
        self._before: Batch | None = None

    async def apply(self, db: "aiosqlite.Connection", events: Sequence[tuple[int, Event]]) -> None:
        """Bring the views up to the last of these events (place, event), those of a partition in its order.

        Runs inside a transaction that the caller opened and commits. What is at or below the checkpoint of its
        partition is skipped, so applying events again changes nothing. How partitions are interleaved changes nothing.

        Raises:
            LogBroken: an event does not fit those before it.
        """
        if events:
            batch = await self.load(db, events)
            await run(db, batch.fold())

    async def load(self, db: "aiosqlite.Connection", events: Sequence[tuple[int, Event]]) -> "Batch":
        """The rows these events touch. Each batch is folded before the next is loaded, and written before the next but one is."""
        batch = self.batch(events)
        if batch.question is not None:
            [found] = await db.execute_fetchall(*batch.question)
            batch.take(found)
        return batch

    def batch(self, events: Sequence[tuple[int, Event]]) -> "Batch":
        """The same, still to be told what its question finds, where it has one."""
        batch = Batch(events, self._kept, self._before)
        self._before = batch if self._ahead else None
        return batch


class Kept:
    """Rows of open attempts and of their targets as the batches before left them, those touched last at the end."""

    def __init__(self) -> None:
        self.targets: targets.Rows = {}
        self.calls: calls.Rows = {}
        self.done: Mapping[str, int] | None = None
        """The checkpoints then."""

    def take(self, batch: "Batch") -> None:
        """Keep rows of a batch that was folded, and let go of the oldest."""
        _keep(self.targets, {key: row for key, row in batch.targets.items() if STATUS_OF.get(row.lifecycle) == "progressing"})
        _keep(self.calls, {key: row for key, row in batch.calls.items() if row.outcome is None})
        self.done = batch.done


def _keep(kept: dict[K, R], rows: dict[K, R]) -> None:
    kept.update(rows)
    if len(kept) > 2 * KEPT:
        for key in [*islice(kept, len(kept) - KEPT)]:
            del kept[key]


@lru_cache(maxsize=4096)
def checkpoint_of(partition: int) -> str:
    """The row of the checkpoint table that says how far a partition is folded."""
    return f"{CHECKPOINT}/{partition}" if partition else CHECKPOINT


def _is_ours(view: str) -> bool:
    return view == CHECKPOINT or view.startswith(f"{CHECKPOINT}/")


def _partitions(events: Sequence[tuple[int, Event]]) -> set[int]:
    """The partitions these events are in."""
    return {place >> MARK_BITS for place, _ in events}


class Batch:
    """Some events, and the rows they touch."""

    def __init__(self, events: Sequence[tuple[int, Event]], kept: Kept, before: "Batch | None") -> None:
        self._events = events
        self._kept = kept
        self.new: dict[targets.Id, targets.Added] = {}
        self._places: list[tuple[int, int]] = []
        self._plain: list[Write] = []
        """Of views that fold nothing in memory."""
        self._activity: activity.Tally = Counter()
        self._outside: Counter[int] = Counter()
        """Calls requested outside their hours, by outdial."""
        self._skipped: Counter[int] = Counter()
        """Targets that were left out as duplicates, by outdial."""
        self._controls: list[activity.Control] = []
        streams: dict[str, set[str]] = {"outdial": set(), "outplan": set(), "campaign": set(), "account": set(), "webhook": set()}
        aims: set[targets.Id] = set()
        adds: set[targets.Id] = set()
        attempts: set[str] = set()
        for place, event in events:
            data = event.data
            if data.kind in streams:
                streams[data.kind].add(event.stream)
            kind = type(data)
            if kind is TargetAdded and kept.done is not None and mark_at(place) > kept.done.get(checkpoint_of(place >> MARK_BITS), 0):
                adds.add((event.stream, data.target_id))  # type: ignore[attr-defined]
            elif kind in _TARGET_EVENTS:
                aims.add((event.stream, data.target_id))  # type: ignore[attr-defined]
            if kind in _CALL_EVENTS or (kind is TargetFinished and data.late):  # type: ignore[attr-defined]
                attempts.add(data.attempt_id)  # type: ignore[attr-defined]
        self.done = None if before is None else before.done
        self.outdials = {} if before is None else outdials.known(before.outdials, streams["outdial"])
        self.outplans = {} if before is None else outplans.known(before.outplans, streams["outplan"])
        self.campaigns = {} if before is None else campaigns.known(before.campaigns, streams["campaign"])
        self.targets = targets.known(kept.targets, {} if before is None else before.targets, {} if before is None else before.new, aims)
        self.calls = calls.known(kept.calls, {} if before is None else before.calls, attempts)
        self.wanted = {
            "outdials": _listed(streams["outdial"] - self.outdials.keys()),
            "outplans": _listed(streams["outplan"] - self.outplans.keys()),
            "campaigns": _listed(streams["campaign"] - self.campaigns.keys()),
            "targets": _listed(map(targets.wanted, aims - self.targets.keys() - adds)),
            "calls": _listed(map(calls.wanted, attempts - self.calls.keys())),
        }
        """What is not known from before, as parameters of the SELECT that loads it."""

    @property
    def question(self) -> tuple[str, Mapping[str, str]] | None:
        """The SELECT that brings what is not known from before, and its parameters; None: there is nothing to load."""
        is_whole = self.done is not None and all(keys == _NOTHING for keys in self.wanted.values())
        return None if is_whole else (_LOAD, self.wanted)

    def take(self, found: Sequence[str]) -> None:
        """Take in what was loaded."""
        self.done = from_json(found[0]) if self.done is None else self.done
        self.outdials |= outdials.loaded(from_json(found[1]))
        self.targets |= targets.loaded(from_json(found[2]))
        self.calls |= calls.loaded(from_json(found[3]))
        self.outplans |= outplans.loaded(from_json(found[4]))
        self.campaigns |= campaigns.loaded(from_json(found[5]))

    def fold(self) -> list[Write]:
        """Fold the events; what is to be written then, as a whole and in this order.

        Raises:
            LogBroken: an event does not fit those before it.
        """
        done = self.done or {}
        folded = {partition: partition << MARK_BITS | done.get(checkpoint_of(partition), 0) for partition in _partitions(self._events)}
        events = [pair for pair in self._events if pair[0] > folded[pair[0] >> MARK_BITS]]
        if not events:
            return []
        for place, event in events:
            try:
                self._fold(place, event)
            except KeyError:
                message = f"{event.id} ({event.type}, {told(place)}) speaks of something that was never created; restore the log"
                raise LogBroken(message) from None
        written = [*self._writes()]
        last = {place >> MARK_BITS: place for place, _ in events}
        moved = {checkpoint_of(partition): mark_at(place) for partition, place in last.items()}
        total = sum(mark for view, mark in (done | moved).items() if _is_ours(view))
        if total - done.get(places.CHECKPOINT, 0) >= places.SETTLE_AFTER:
            written += places.SETTLE
            moved[places.CHECKPOINT] = total
        self.done = done | moved
        self._kept.take(self)
        return [*written, *writes(_MOVE, 2, [*moved.items()])]

    def _fold(self, position: int, event: Event) -> None:
        data = event.data
        kind = type(data)
        if kind is TargetAdded:
            key = (event.stream, data.target_id)  # type: ignore[attr-defined]
            self.new[key] = targets.added(self.outdials[event.stream].position, position, event, data)  # type: ignore[arg-type]
            self._places.append((places.key_of(*key), position))
        elif kind is DialRequested:
            target = self._target(event.stream, data.target_id)  # type: ignore[attr-defined]
            outdial = self.outdials[event.stream]
            calls.request(self.calls, outdial, target, position, event, data)  # type: ignore[arg-type]
            if counts.is_outside(outdial.in_force, target.clock, data.destination_index, event.time):  # type: ignore[attr-defined]
                self._outside[target.outdial] += 1
            self._places.append((places.key_of(data.attempt_id), position))  # type: ignore[attr-defined]
            targets.apply(target, position, event)
            activity.requested(self._activity, target.outdial, event)
        elif kind in _TARGET_EVENTS:
            if kind in _CALL_EVENTS or (kind is TargetFinished and data.late):  # type: ignore[attr-defined]
                calls.apply(self.calls, event)
            target = self._target(event.stream, data.target_id)  # type: ignore[attr-defined]
            targets.apply(target, position, event)
            if kind is DialEnded:
                code = targets.code_at(target.codes, data.destination_index)  # type: ignore[attr-defined]
                activity.ended(self._activity, target.outdial, event, data, code)  # type: ignore[arg-type]
        elif kind in _CALL_EVENTS:
            calls.apply(self.calls, event)
        elif data.kind == "outdial":
            outdials.apply(self.outdials, position, event)
            if kind is DuplicatesSkipped:
                self._skipped[self.outdials[event.stream].position] += data.skipped  # type: ignore[attr-defined]
            if event.type in activity.CONTROLS:
                self._controls.append((self.outdials[event.stream].position, position, event.time, event.type, event.actor or ""))
        elif data.kind == "outplan":
            outplans.apply(self.outplans, position, event)
        elif data.kind == "account":
            self._plain += accounts.writes_of(position, event)
        elif data.kind == "suppression":
            self._plain += suppressions.writes_of(position, event)
        elif data.kind == "pace":
            self._plain += pace.writes_of(position, event)
        elif data.kind == "webhook":
            self._plain += webhooks.writes_of(position, event)
        elif data.kind == "campaign":
            campaigns.apply(self.campaigns, position, event)

    def _target(self, outdial_id: str, target_id: str) -> targets.Row:
        key = (outdial_id, target_id)
        row = self.targets.get(key)
        if row is None:
            row = self.targets[key] = targets.row_of(self.new[key])
        return row

    def _writes(self) -> Iterator[Write]:
        tally: counts.Tally = Counter()
        waiting: counts.Waiting = Counter()
        new = [*self.new.values()]
        targets.count(self.targets, new, tally, waiting)
        calls.count(self.calls, tally)
        for outdial, n in self._outside.items():
            tally[outdial, "attempt", "outside", ""] += n
        for outdial, n in self._skipped.items():
            tally[outdial, "list", "skipped", ""] += n
        yield from outdials.save(self.outdials)
        yield from targets.save(self.targets, new)
        yield from calls.save(self.calls)
        yield from outplans.save(self.outplans)
        yield from campaigns.save(self.campaigns)
        yield from counts.save(tally, waiting)
        yield from activity.save(self._activity, self._controls)
        yield from places.add(self._places)
        yield from self._plain


class Scratch:
    """The views of a few streams in memory, folded event by event as far as somebody wants. Made on the thread that uses it."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        for statement in (*_DDL, *(ddl for view in _VIEWS for ddl in view.DDL)):
            self.db.execute(statement)

    def apply(self, events: Sequence[tuple[int, Event]]) -> None:
        """Fold events (place, event): those of a stream in its order, each once, beginning with what created it.

        Raises:
            LogBroken: an event does not fit those before it.
        """
        batch = Batch(events, Kept(), None)
        with closing(self.db.execute(_LOAD, batch.wanted)) as found:
            batch.take(found.fetchone())
        batch.done = {}  # an older event of another stream is folded too
        for statement, values, *_ in batch.fold():
            self.db.execute(statement, values)

    def close(self) -> None:
        """Let go of the memory."""
        self.db.close()


def _listed(keys: Iterable[object]) -> str:
    return to_json([*keys]).decode()


def layout() -> str:
    """16 hexadecimal digits: what the views are made of. Tables of another layout are dropped and built anew from the log."""
    text = "\n".join([str(FOLDING), *_DDL, *(ddl for view in _VIEWS for ddl in view.DDL)])
    return sha256(text.encode()).hexdigest()[:16]


async def create_all(db: "aiosqlite.Connection", partitions: int = 1) -> None:
    """Create every table and index that is not there yet, of the views of a log with so many partitions."""
    for statement in _DDL:
        await db.execute_fetchall(statement)
    for partition in range(1, partitions):
        await db.execute_fetchall(_BEGIN, (checkpoint_of(partition),))
    for view in _VIEWS:
        for statement in view.DDL:
            await db.execute_fetchall(statement)


async def drop_all(db: "aiosqlite.Connection") -> None:
    """Drop every table of the views, so that they can be built anew from position 0."""
    for view in _VIEWS:
        for table in view.TABLES:
            await db.execute_fetchall(f"DROP TABLE IF EXISTS {table}")
    for statement in _FORGET:
        await db.execute_fetchall(statement)


async def position(db: "aiosqlite.Connection", partitions: int) -> Position:
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


async def digest(db: "aiosqlite.Connection") -> str:
    """64 hexadecimal digits over all rows of all views, the same however they were batched."""
    found = blake2b(digest_size=32)
    for statement in _DIGESTS:
        last = 0
        while last is not None:
            [(rows, last)] = await db.execute_fetchall(statement, (last,))
            found.update(rows.encode())
    return found.hexdigest()
