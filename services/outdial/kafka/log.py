"""The log as one process reads it: the events topic, copied into a SQLite file together with the views of it.

The file holds nothing of its own. It belongs to one process, may be lost at any time, and is built again from the
topic; rows and marks commit together, so what was applied is never applied again.
"""

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self

import aiosqlite
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from outdial.envelope import Event
from outdial.kafka import topics
from outdial.kafka.connecting import own_cancellations, reader
from outdial.kafka.errors import PASSING, SILENT_S, ClusterError, explained, unreachable
from outdial.kafka.options import Options
from outdial.kafka.records import Record, body_of, event_of
from outdial.position import Position, mark_at, partition_at, place_of
from outdial.requests import Unavailable
from outdial.views import history
from outdial.views.projector import Projector, create_all, digest, layout
from outdial.views.rows import LogBroken
from outdial.wire import decode_event

DATABASE: Final = "views.db"
LOCK_FILE: Final = "lock"
SCHEMA_VERSION: Final = "3"
CACHED_STATEMENTS: Final = 512
EVENTS_AT_ONCE: Final = 4_000
READ_AT_ONCE: Final = 200
"""Events decoded before others on the event loop have their turn."""
IDLE_MS: Final = 250
RETRY_S: Final = 0.5
LONGEST_RETRY_S: Final = 10.0
OPEN_S: Final = 30.0
"""How long the brokers may take to show the events that the copy ends with."""
BEHIND_S: Final = 2.0
"""How long a read waits for the views to show what was committed when it came."""
HEAR_EVERY_S: Final = 1.0
_META: Final = "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
_TAIL: Final = "CREATE TABLE IF NOT EXISTS tail (partition INTEGER PRIMARY KEY, mark INTEGER NOT NULL)"
_MOVE: Final = "INSERT INTO tail (partition, mark) VALUES (?, ?) ON CONFLICT (partition) DO UPDATE SET mark = excluded.mark"

log = logging.getLogger("outdial.kafka")


class Mirror:
    """A copy of the log with its views, which follows the topic."""

    def __init__(self, options: Options, folder: Path, partitions: int) -> None:
        self.folder = folder
        self.position = Position.beginning(partitions)
        """How far the views have been brought; it moves in the event loop's thread only."""
        self.last_time = 0
        """Of the latest event in them, microseconds."""
        self._not_ready: str | None = "reading"
        """Why the views do not follow the log, as far as that shows in following it."""
        self._heard = asyncio.get_running_loop().time()
        """When a broker gave an answer last."""
        self._level = self._heard
        """When the views showed all that was known of the log last."""
        self.failure: BaseException | None = None
        self._options = options
        self._topic = options.topology.events
        self._places = [TopicPartition(self._topic, number) for number in range(partitions)]
        self._lock: IO[str] | None = None
        self._db: aiosqlite.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._asker: AIOKafkaConsumer | None = None
        self._projector = Projector()
        self._end = self.position
        """Where the committed events ended when that was asked last."""
        self._moved = asyncio.Condition()
        self._released = False
        self._asked: asyncio.Task[Position] | None = None
        self._asked_next: asyncio.Task[Position] | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, options: Options, folder: Path, *, anew: bool = False) -> Self:
        """Open the copy in a folder, make it when there is none or ``anew`` is wanted, and begin to follow the log.

        Raises:
            ClusterError: the folder or the cluster cannot be used; its ``fix`` says what to do.
        """
        mirror = cls(options, folder, options.topology.partitions)
        try:
            mirror._lock = _locked(folder)
            cluster = await topics.checked(options.connection, options.topology)
            mirror._asker = reader(options.connection)
            await mirror._asker.start()
            if anew:
                await mirror._remove()
            await mirror._open_database(cluster)
        except KafkaConnectionError as error:
            await mirror.close()
            raise unreachable(options.connection.bootstrap) from error
        except BaseException:
            await mirror.close()
            raise
        mirror._task = asyncio.create_task(mirror._run(), name="views")
        mirror._listening = asyncio.create_task(mirror._hear(), name="is a broker there")
        return mirror

    @property
    def not_ready(self) -> str | None:
        """Why the views do not follow the log at the moment."""
        silent = asyncio.get_running_loop().time() - self._heard > SILENT_S
        return self._not_ready or ("kafka_unavailable" if silent else None)

    @property
    def lag(self) -> int:
        """Records of the events that are committed and not in the views yet, about: it is asked once a second."""
        return sum(max(0, end - mark) for end, mark in zip(self._end.marks, self.position.marks, strict=True))

    @property
    def lag_s(self) -> float:
        """For how many seconds the views have not shown all that is committed; the end of the log is asked for once a second."""
        return asyncio.get_running_loop().time() - self._level if self.lag else 0.0

    @property
    def reader(self) -> sqlite3.Connection:
        """Read-only, for the event loop's own thread."""
        if self._reader is None:
            raise Unavailable("stopping", "the service is stopping; try again in a moment")
        return self._reader

    # --- who waits ------------------------------------------------------------------------------------

    async def wait_beyond(self, position: Position, timeout: float) -> Position:  # noqa: ASYNC109  the caller's own limit, in seconds
        """The newest position, as soon as it is beyond ``position``, or after ``timeout`` seconds."""
        if self._released:
            # Who calls in a loop must not keep the event loop from those who stop the service.
            await asyncio.sleep(0)
        else:
            await self._wait(lambda: self._released or self.position.beyond(position), timeout)
        return self.position

    async def wait_read(self, partition: int, offset: int, timeout: float) -> bool:  # noqa: ASYNC109  as above
        """Return when the views show the event at an offset, True; or after ``timeout`` seconds, False."""
        return await self._wait(lambda: self.position.marks[partition] > offset, timeout)

    async def caught_up(self) -> None:
        """Return when the views show everything that was committed when this was asked.

        Raises:
            Unavailable: ``views_behind``, ``kafka_unavailable``.
        """
        if self.not_ready is not None:
            raise Unavailable(self.not_ready, "the views do not follow the log at the moment; ?stale=1 reads them as they are")
        try:
            async with asyncio.timeout(BEHIND_S):
                end = await asyncio.shield(self._ask())
                if self.position.covers(end) or await self._wait(lambda: self.position.covers(end), BEHIND_S):
                    return
        except TimeoutError:
            pass
        except PASSING as error:
            raise Unavailable("kafka_unavailable", "Kafka does not answer; ?stale=1 reads the views as they are") from error
        raise Unavailable("views_behind", "the views have not caught up with the log in time; ?stale=1 reads them as they are")

    def _ask(self) -> "asyncio.Task[Position]":
        """Where the committed events end: an ask that begins now or later, shared by all who come until it begins."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self.ends())
            return self._asked
        if self._asked_next is None or self._asked_next.done():
            self._asked_next = asyncio.create_task(self._ends_after(self._asked))
        return self._asked_next

    async def _ends_after(self, before: "asyncio.Task[Position]") -> Position:
        await asyncio.wait([before])
        self._asked, self._asked_next = self._asked_next, None
        return await self.ends()

    async def ends(self) -> Position:
        """Where the committed events end."""
        if self._asker is None:
            raise Unavailable("stopping", "the service is stopping; try again in a moment")
        with own_cancellations():
            found = await self._asker.end_offsets(self._places)
        return Position(tuple(found[place] for place in self._places))

    async def release_readers(self) -> None:
        """Let everybody go who waits for news, now and from here on: the service is about to stop."""
        self._released = True
        async with self._moved:
            self._moved.notify_all()

    async def _wait(self, come: Callable[[], bool], seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: come() or self._stopping or self.failure is not None)
        return come()

    async def digest(self) -> str:
        """64 hexadecimal digits over all rows of all views, equal in every process that has read as far."""
        return await digest(self._open())

    async def wait_failed(self) -> None:
        """Return when the copy has ended; raise what ended it, if it was not :meth:`close`."""
        following = [task for task in (self._task, self._listening) if task is not None]
        if following:
            await asyncio.wait(following, return_when=asyncio.FIRST_COMPLETED)
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        """Commit what is under way and close everything. Once more does nothing."""
        if self._stopping:
            return
        self._stopping = True
        await self.release_readers()
        following = [task for task in (self._task, self._listening) if task is not None]
        for follower in following:
            follower.cancel()
        if following:
            await asyncio.wait(following)
        asks = [task for task in (self._asked, self._asked_next) if task is not None]
        for task in asks:
            task.cancel()
        await asyncio.gather(*asks, return_exceptions=True)
        await self._close_database()
        if self._asker is not None:
            with suppress(*PASSING):
                await self._asker.stop()
        if self._lock is not None:
            self._lock.close()

    # --- the database ---------------------------------------------------------------------------------

    async def _open_database(self, cluster: str) -> None:
        """Open the copy; one that belongs to another log, or to another version of the program, is built anew."""
        facts = f"{SCHEMA_VERSION}-{layout()}/{cluster}/{self._topic}/{len(self._places)}"
        try:
            await self._connect()
            if not await self._is_copy_of(facts):
                log.info("the views are built anew")
                await self._remove()
                await self._connect()
                await self._is_copy_of(facts)
        except sqlite3.DatabaseError as error:
            if not str(getattr(error, "sqlite_errorname", "")).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
                raise _unusable(self.folder, error) from error
            log.warning("the views are damaged and are built anew")
            await self._remove()
            await self._connect()
            await self._is_copy_of(facts)

    async def _connect(self) -> None:
        path = self.folder / DATABASE
        self._db = db = await aiosqlite.connect(path, isolation_level=None, cached_statements=CACHED_STATEMENTS)
        # A commit that a crash of the machine takes back is read from the topic again.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536", "busy_timeout=5000"):
            await db.execute(f"PRAGMA {pragma}")
        await db.execute("BEGIN IMMEDIATE")
        for statement in (_META, _TAIL):
            await db.execute(statement)
        await db.execute("COMMIT")
        self._reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, cached_statements=CACHED_STATEMENTS)
        self._reader.execute("PRAGMA query_only=ON")

    async def _is_copy_of(self, facts: str) -> bool:
        """Note what the copy is of, or compare; read how far it has come."""
        db = self._open()
        await db.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('log', ?)", (facts,))
        [(found,)] = await db.execute_fetchall("SELECT value FROM meta WHERE name = 'log'")
        if found != facts:
            return False
        await db.execute("BEGIN IMMEDIATE")
        for statement in history.DDL:
            await db.execute(statement)
        await create_all(db, len(self._places))
        await db.execute("COMMIT")
        marks = [0] * len(self._places)
        for partition, mark in await db.execute_fetchall("SELECT partition, mark FROM tail"):
            marks[partition] = mark
        position = Position(tuple(marks))
        if not (await self.ends()).covers(position) or not await self._stands_in_log():
            return False
        self.position = position
        self.last_time = history.last_time(self.reader, len(self._places))
        return True

    async def _stands_in_log(self) -> bool:
        """Whether the log has the last event of each partition where the copy has it: put back from a backup, it may have gone another way.

        Raises:
            ClusterError: ``kafka_unreachable``, ``log_incomplete``.
        """
        lasts = history.last_events(self.reader, len(self._places))
        left = {self._places[partition_at(at)]: (mark_at(at) - 1, body) for at, body in lasts}
        if not left:
            return True
        consumer = reader(self._options.connection)
        try:
            await consumer.start()
            consumer.assign([*left])
            for place, (offset, _) in left.items():
                consumer.seek(place, offset)
            async with asyncio.timeout(OPEN_S):
                while left:
                    # One at a time: of what follows the first record of a partition, nothing is looked at.
                    found = await consumer.getmany(*left, timeout_ms=IDLE_MS, max_records=1)
                    for place, [record] in found.items():
                        offset, body = left.pop(place)
                        if record.offset != offset or event_of(record) != decode_event(body.encode()):
                            return False
        except TimeoutError as error:
            raise unreachable(self._options.connection.bootstrap) from error
        except OffsetOutOfRangeError as error:
            raise self._incomplete() from error
        finally:
            await consumer.stop()
        return True

    def _incomplete(self) -> ClusterError:
        return ClusterError("log_incomplete", f"{self._topic} lacks events that it had", "restore the topic; its events are kept for ever")

    async def _remove(self) -> None:
        await self._close_database()
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"{DATABASE}{suffix}").unlink(missing_ok=True)
        self.position = Position.beginning(len(self._places))

    async def _close_database(self) -> None:
        connection, self._reader = self._reader, None
        if connection is not None:
            connection.close()
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):
                await db.close()

    def _open(self) -> aiosqlite.Connection:
        if self._db is None:
            raise sqlite3.ProgrammingError("the database is closed")
        return self._db

    # --- following ------------------------------------------------------------------------------------

    async def _run(self) -> None:
        delay = RETRY_S
        try:
            while True:
                try:
                    with own_cancellations():
                        await self._follow()
                except PASSING as error:
                    refusal = explained(error, self._options.connection.bootstrap)
                    if refusal is not None:
                        raise refusal from error
                    self._wait_out("kafka_unavailable", error)
                except sqlite3.OperationalError as error:
                    self._projector = Projector()
                    self._wait_out("disk_full" if error.sqlite_errorname == "SQLITE_FULL" else "disk_failed", error)
                await asyncio.sleep(delay)
                delay = RETRY_S if self._not_ready is None else min(delay * 2, LONGEST_RETRY_S)
        except Exception as error:  # noqa: BLE001  whatever it is, it ends the process
            await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        self._not_ready = "failed"
        await self.release_readers()

    def _wait_out(self, reason: str, error: Exception) -> None:
        self._not_ready = reason
        log.warning("the views stand still, another try follows: %s: %s", type(error).__name__, error)

    async def _hear(self) -> None:
        """Ask again and again whether a broker is there: to a reader, one that is away is one that has nothing new."""
        try:
            while True:
                with suppress(*PASSING):
                    was_level = not self.lag
                    self._end = await asyncio.shield(self._ask())
                    self._heard = asyncio.get_running_loop().time()
                    if was_level:
                        self._level = self._heard
                await asyncio.sleep(HEAR_EVERY_S)
        except Exception as error:  # noqa: BLE001  as above
            await self._fail(error)

    async def _follow(self) -> None:
        """Read events from where the copy stands, for as long as it goes well."""
        consumer = reader(self._options.connection)
        try:
            await consumer.start()
            consumer.assign(self._places)
            for place, mark in zip(self._places, self.position.marks, strict=True):
                consumer.seek(place, mark)
            first_end = await self.ends()
            while True:
                if self._not_ready is not None and self.position.covers(first_end):
                    self._not_ready = None
                try:
                    found = await consumer.getmany(timeout_ms=IDLE_MS, max_records=EVENTS_AT_ONCE)
                except OffsetOutOfRangeError as error:
                    raise self._incomplete() from error
                await self._take(consumer, [record for records in found.values() for record in records])
        finally:
            await consumer.stop()

    async def _take(self, consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
        """Bring the views up to what was read."""
        events: list[tuple[int, Event]] = []
        bodies: list[str] = []
        for record in records:
            event = event_of(record)
            if event is None:
                continue
            events.append((place_of(record.partition, record.offset), event))
            bodies.append(body_of(record))
            if len(events) % READ_AT_ONCE == 0:
                await asyncio.sleep(0)
        marks = tuple([await consumer.position(place) for place in self._places])
        if marks == self.position.marks:
            return
        if events:
            await self._append(events, bodies, marks)
            self.last_time = max(self.last_time, *(event.time for _, event in events))
        self.position = Position(marks)
        async with self._moved:
            self._moved.notify_all()

    async def _append(self, events: Sequence[tuple[int, Event]], bodies: Sequence[str], marks: tuple[int, ...]) -> None:
        """Commit events (``bodies``: as they were read), their views and the marks, as a whole."""
        db = self._open()
        await db.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in history.inserts(events, bodies):
                await db.execute(statement, values)
            await self._projector.apply(db, events)
            await db.executemany(_MOVE, list(enumerate(marks)))
            await db.execute("COMMIT")
        except BaseException as error:
            self._projector = Projector()
            with suppress(sqlite3.Error):
                await db.execute("ROLLBACK")
            if isinstance(error, LogBroken):
                raise ClusterError(
                    "views_damaged",
                    "the views lack something that the log has",
                    f"build them anew: outdial views rebuild --data {self.folder}",
                ) from error
            raise


def _locked(folder: Path) -> IO[str]:
    """The folder is this process's own, as long as the file stays open.

    Raises:
        ClusterError: ``data_in_use``, ``data_read_only``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK_FILE).open("a+")
    except OSError as error:
        raise ClusterError("data_read_only", f"cannot write in {folder}: {error.strerror}", "choose another folder with --data") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise ClusterError(
            "data_in_use", f"{folder} is in use by the process {owner}", "stop that process, or choose another folder with --data"
        ) from None
    with suppress(OSError):
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
    return file


def _unusable(folder: Path, error: sqlite3.Error) -> ClusterError:
    return ClusterError(
        "disk_failed", f"the views in {folder} cannot be written: {error}", "free some space there, or choose another folder"
    )
