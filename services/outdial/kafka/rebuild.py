"""Views of a folder built anew from the topic, and compared with the live ones. Building from position 0 is the normal path."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiosqlite
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from outdial.connection import Connection
from outdial.envelope import Event
from outdial.kafka.connecting import reader
from outdial.kafka.errors import ClusterError, unreachable
from outdial.kafka.log import CACHED_STATEMENTS, DATABASE, EVENTS_AT_ONCE, IDLE_MS, Mirror
from outdial.kafka.options import Options
from outdial.kafka.records import event_of
from outdial.position import Position, place_of
from outdial.topology import Topology
from outdial.views.projector import Projector, create_all, digest

Progress = Callable[[int, int], None]
"""``(done, total)`` records; called a few times a second at most."""
TOLD_EVERY_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Comparison:
    """Digests of the live views, and of views built from the topic aside, at one position."""

    position: Position
    live: str
    rebuilt: str


def open_reader(folder: Path) -> sqlite3.Connection:
    """A read-only connection to the views of a folder, for one thread.

    Raises:
        ClusterError: ``data_missing``, ``database_corrupt``.
    """
    path = folder / DATABASE
    if not path.exists():
        raise ClusterError("data_missing", f"there are no views in {folder}", "start a server there with: outdial api --data FOLDER")
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, cached_statements=CACHED_STATEMENTS)
        db.execute("PRAGMA query_only=ON")
        db.execute("SELECT 1 FROM log LIMIT 1")
    except sqlite3.Error as error:
        raise _damaged(path, error) from None
    return db


def topology_of(folder: Path) -> Topology:
    """The topics the views of a folder are made from; raises as :func:`open_reader`."""
    path = folder / DATABASE
    db = open_reader(folder)
    try:
        (found,) = db.execute("SELECT value FROM meta WHERE name = 'log'").fetchone()
        _, _, topic, partitions = str(found).split("/")
        return Topology(topic.rpartition(".")[0], int(partitions))
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise _damaged(path, error) from None
    finally:
        db.close()


async def rebuild(options: Options, folder: Path, progress: Progress) -> Position:
    """Drop the views of a folder and build them from position 0; returns the position they stand at.

    Killed on the way, the next start goes on from where it was.

    Raises:
        ClusterError: the folder or the cluster cannot be used; its ``fix`` says what to do.
    """
    mirror = await Mirror.open(options, folder, anew=True)
    try:
        end = (await mirror.ends()).total
        while mirror.not_ready is not None:
            if mirror.failure is not None:
                raise mirror.failure
            progress(min(mirror.position.total, end), end)
            await mirror.wait_beyond(mirror.position, TOLD_EVERY_S)
            await asyncio.sleep(0)
        return mirror.position
    finally:
        await mirror.close()


async def verify(connection: Connection, topology: Topology, folder: Path, progress: Progress) -> Comparison:
    """Build the views aside, up to where the live ones stand, and compare. A server may be running; nothing is changed.

    Raises:
        ClusterError: the folder or the cluster cannot be used; its ``fix`` says what to do.
    """
    path = folder / DATABASE
    try:
        with tempfile.TemporaryDirectory(prefix="outdial-verify-") as aside:
            async with (
                aiosqlite.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None) as live,
                aiosqlite.connect(Path(aside) / DATABASE, isolation_level=None, cached_statements=CACHED_STATEMENTS) as views,
            ):
                await live.execute("BEGIN")
                marks = [0] * topology.partitions
                for partition, mark in await live.execute_fetchall("SELECT partition, mark FROM tail"):
                    marks[partition] = mark
                position, projector = Position(tuple(marks)), Projector()
                await views.execute("PRAGMA synchronous=OFF")
                await create_all(views, topology.partitions)
                async for events, done in _events(connection, topology, position):
                    await views.execute("BEGIN IMMEDIATE")
                    await projector.apply(views, events)
                    await views.execute("COMMIT")
                    progress(done, position.total)
                return Comparison(position, await digest(live), await digest(views))
    except sqlite3.Error as error:
        raise _damaged(path, error) from None


async def _events(connection: Connection, topology: Topology, end: Position) -> AsyncIterator[tuple[list[tuple[int, Event]], int]]:
    """The events before a position, batch by batch, each with how many records have been read."""
    places = [TopicPartition(topology.events, number) for number in range(topology.partitions)]
    left = {place: mark for place, mark in zip(places, end.marks, strict=True) if mark}
    consumer = reader(connection)
    try:
        await consumer.start()
        consumer.assign([*left])
        for place in left:
            consumer.seek(place, 0)
        while left:
            found = await consumer.getmany(*left, timeout_ms=IDLE_MS, max_records=EVENTS_AT_ONCE)
            records = [record for place, records in found.items() for record in records if record.offset < left[place]]
            found_events = ((place_of(record.partition, record.offset), event_of(record)) for record in records)
            events = [(place, event) for place, event in found_events if event is not None]
            reached = {place: min(await consumer.position(place), mark) for place, mark in left.items()}
            for place in [place for place, mark in left.items() if reached[place] == mark]:
                del left[place]
                consumer.pause(place)
            yield events, end.total - sum(mark - reached[place] for place, mark in left.items())
    except KafkaConnectionError as error:
        raise unreachable(connection.bootstrap) from error
    except OffsetOutOfRangeError as error:
        message = f"{topology.events} lacks events that it had"
        raise ClusterError("log_incomplete", message, "restore the topic; its events are kept for ever") from error
    finally:
        await consumer.stop()


def _damaged(path: Path, error: Exception) -> ClusterError:
    return ClusterError(
        "database_corrupt", f"{path} cannot be read: {error}", f"remove it; the next start builds it anew from the log: rm {path}*"
    )
