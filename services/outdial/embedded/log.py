"""The log on disk: one SQLite file in a data folder that belongs to one process at a time.

WAL, and ``synchronous=FULL``: a commit that returned is on the disk. All writes go through one connection.
"""

import asyncio
import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Final, Self
from urllib.parse import quote

import aiosqlite

from outdial.dialing.fingerprints import key_id_of
from outdial.embedded.apart import CACHED_STATEMENTS, append, connect, learn
from outdial.embedded.errors import StoreError, explained
from outdial.embedded.feed import Progress, feed
from outdial.envelope import Event
from outdial.position import Position
from outdial.processes import lives
from outdial.views import history
from outdial.views.projector import Projector, create_all, drop_all, layout, position
from outdial.views.rows import LogBroken, run

DATABASE = "outdial.db"
KEY_FILE = "fingerprint.key"
LOCK_FILE = "lock"
SCHEMA_VERSION = 1
LEFT_BEHIND_S: Final = 5.0
"""How long a process of one that was killed is waited for."""
LOOK_AGAIN_S: Final = 0.01
LEARN_AFTER: Final = 2_000
"""Events after which the process that writes learns to fold them, which takes 0.2 s of a processor and 30 MB."""
_OPENING: Final = ("PRAGMA synchronous=FULL", "PRAGMA cache_size=-65536", "PRAGMA busy_timeout=5000")
_META = "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"


class Lock:
    """The data folder is this process's own, as long as the file stays open."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = (folder / LOCK_FILE).open("a+")
        except OSError as error:
            raise StoreError(
                "data_read_only",
                f"cannot write in {folder}: {error.strerror}",
                "choose another folder with --data, or give yourself the right to write there",
            ) from None
        try:
            self._take()
        except OSError:
            owner = self._owner() or "unknown"
            self._file.close()
            raise StoreError(
                "data_in_use", f"{folder} is in use by the process {owner}", "stop that process, or choose another folder with --data"
            ) from None
        try:
            self._file.truncate(0)
            self._file.write(str(os.getpid()))
            self._file.flush()
        except OSError:
            self._file.truncate(0)

    @property
    def fileno(self) -> int:
        """The open file. A process that has it too has the folder."""
        return self._file.fileno()

    def _take(self) -> None:
        """Lock the file. Of a process that was killed another may be left, which ends by itself: that is waited for."""
        until = time.monotonic() + LEFT_BEHIND_S
        while True:
            try:
                return fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                owner = self._owner()
                if time.monotonic() > until or not owner.isdecimal() or lives(int(owner)):
                    raise
                time.sleep(LOOK_AGAIN_S)

    def _owner(self) -> str:
        """The process that noted itself in the file."""
        self._file.seek(0)
        return self._file.read().strip()

    def release(self) -> None:
        """Give the folder back."""
        with suppress(OSError):
            self._file.truncate(0)
        with suppress(OSError):
            self._file.close()


_KEY_FIX: Final = "start with the old OUTDIAL_FINGERPRINT_KEY, or put the old fingerprint.key back beside outdial.db"


def check_key(folder: Path, configured: str | None) -> None:
    """Hold the fingerprint key of a folder against its log, where there is one. Nothing is written.

    Raises:
        StoreError: ``key_changed``, ``database_corrupt``.
    """
    noted = _noted_key_id(folder / DATABASE)
    if noted is None:
        return
    path = folder / KEY_FILE
    if configured is None and not path.exists():
        raise StoreError("key_changed", f"{path} is missing, the fingerprint key the log beside it was written with", _KEY_FIX)
    if key_id_of(path.read_bytes() if configured is None else configured.encode()) != noted:
        raise StoreError("key_changed", "the fingerprint key is not the one this log was written with", _KEY_FIX)


def _noted_key_id(path: Path) -> str | None:
    """What the log says of its key; None: there is no log yet."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
            found = db.execute("SELECT value FROM meta WHERE name = 'key_id'").fetchone()
    except sqlite3.OperationalError:  # no such table: whoever opens it says more
        return None
    except sqlite3.Error as error:
        raise explained(error, path) from None
    return None if found is None else str(found[0])


def fingerprint_key(folder: Path, configured: str | None) -> bytes:
    """The key of the address fingerprints: the configured one, else the folder's own, made when absent.

    Raises:
        StoreError: ``data_read_only``.
    """
    if configured is not None:
        return configured.encode()
    path = folder / KEY_FILE
    try:
        if path.exists():
            return path.read_bytes()
        key = secrets.token_hex(32).encode()
        aside = path.with_suffix(".new")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    except OSError as error:
        raise StoreError(
            "data_read_only", f"cannot keep {path}: {error.strerror}", "free some space, or choose another folder with --data"
        ) from None
    return key


class Log:
    """The open log. Use :meth:`open`; close it always, or the process does not end."""

    def __init__(self, folder: Path, lock: Lock, db: aiosqlite.Connection, key: bytes) -> None:
        self.folder = folder
        self.key = key
        """Of the address fingerprints."""
        self.position = 0
        """Position of the last committed event."""
        self._lock = lock
        self._db = db
        self._projector = Projector()
        self._appended = 0

    @classmethod
    async def open(cls, folder: Path, key: str | None = None) -> Self:
        """Open the log of a folder, and make it when there is none. ``key``: of the fingerprints, when not the folder's own.

        Raises:
            StoreError: ``data_in_use``, ``data_read_only``, ``database_corrupt``, ``database_foreign``, ``database_newer``,
                ``disk_full``, ``key_changed``.
        """
        lock = Lock(folder)
        try:
            check_key(folder, key)
            secret = fingerprint_key(folder, key)
            log = cls(folder, lock, await _connected(folder / DATABASE, key_id_of(secret), lock), secret)
        except BaseException:
            lock.release()
            raise
        try:
            await log._begin()
        except sqlite3.Error as error:
            await log.close()
            raise explained(error, folder / DATABASE) from None
        except BaseException:
            await log.close()
            raise
        return log

    async def _begin(self) -> None:
        """Find the end of the log, and bring the views there."""
        row = await (await self._db.execute("SELECT coalesce(max(position), 0) FROM log")).fetchone()
        self.position = int(row[0]) if row else 0
        [folded] = (await position(self._db, 1)).marks
        if folded > self.position:
            await _drop_views(self._db)
        await feed(self._db, self._db, _silent)

    async def append(self, events: Sequence[Event], bodies: Sequence[str]) -> None:
        """Commit events and the views of them, as a whole; on the disk when it returns. ``bodies``: the events as they are on the wire.

        Raises:
            sqlite3.Error: nothing was written; what was folded since the last commit must be thrown away.
            StoreError: ``views_damaged``; nothing was written.
        """
        first = self.position + 1
        try:
            await self._write(first, events, bodies)
        except BaseException as error:
            self._projector, self._appended = Projector(), 0
            with suppress(sqlite3.Error):
                await self._db.execute("ROLLBACK")
            if isinstance(error, LogBroken):
                fix = f"build them anew: outdial views rebuild --data {self.folder}"
                raise StoreError("views_damaged", "the views lack something that the log has", fix) from error
            raise
        self.position = first + len(events) - 1

    async def _write(self, first: int, events: Sequence[Event], bodies: Sequence[str]) -> None:
        """The events and the views of them in a transaction.

        They are folded by the process that writes, once it has learned to; until then here, while the events are written.
        """
        if await append(self._db, first, bodies):
            self._projector = Projector()
            return
        self._appended += len(events)
        if self._appended >= LEARN_AFTER:
            await learn(self._db)
        placed = list(enumerate(events, first))
        batch = await self._projector.load(self._db, placed)
        writing = asyncio.create_task(run(self._db, [("BEGIN IMMEDIATE", ()), *history.inserts(placed, bodies)]))
        await asyncio.sleep(0)
        try:
            views = batch.fold()
        finally:
            await writing
        await run(self._db, [*views, ("COMMIT", ())])

    async def probe(self) -> None:
        """Write something small, to learn whether the disk takes writes again."""
        await self._db.execute("BEGIN IMMEDIATE")
        try:
            await self._db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', hex(randomblob(4096)))")
            await self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                await self._db.execute("ROLLBACK")
            raise

    async def close(self) -> None:
        """Close the file and give the folder back."""
        await _close(self._db)
        self._lock.release()


async def rebuild_views(folder: Path, progress: Progress) -> Position:
    """Drop all views of a folder and build them from position 0; returns the position they stand at. It needs no key.

    Raises:
        StoreError: as :meth:`Log.open`.
    """
    lock = Lock(folder)
    try:
        db = await _connected(folder / DATABASE, None, lock)
        try:
            await _drop_views(db)
            return Position((await feed(db, db, progress),))
        except sqlite3.Error as error:
            raise explained(error, folder / DATABASE) from None
        finally:
            await _close(db)
    finally:
        lock.release()


async def _connected(path: Path, key_id: str | None, lock: Lock) -> aiosqlite.Connection:
    """The database, with all its tables; checked against this program, and against a key when one is given."""
    db = None
    try:
        db = await connect(path, *_OPENING, held=(lock.fileno,))
        await _check_ours(db, path)
        await db.execute("PRAGMA journal_mode=WAL")
        await db.execute("BEGIN IMMEDIATE")
        for statement in (_META, *history.DDL):
            await db.execute(statement)
        await _check_meta(db, "schema", str(SCHEMA_VERSION))
        await _drop_other_views(db)
        await create_all(db)
        if key_id is not None:
            await _check_meta(db, "key_id", key_id)
        await db.execute("COMMIT")
    except sqlite3.Error as error:
        await _close(db)
        raise explained(error, path) from None
    except BaseException:
        await _close(db)
        raise
    return db


async def _check_ours(db: aiosqlite.Connection, path: Path) -> None:
    """Nothing is written into a database that another program made. All tables of this one come to be at once."""
    tables = {row[0] for row in await db.execute_fetchall("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and not tables >= {"meta", "log"}:
        raise StoreError("database_foreign", f"{path} is the database of another program", "choose another folder with --data")


async def _drop_other_views(db: aiosqlite.Connection) -> None:
    """Views of another version of the program go; they are built anew from the log."""
    row = await (await db.execute("SELECT value FROM meta WHERE name = 'views'")).fetchone()
    if row is None or row[0] != layout():
        await drop_all(db)
        await db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('views', ?)", (layout(),))


async def _drop_views(db: aiosqlite.Connection) -> None:
    await db.execute("BEGIN IMMEDIATE")
    await drop_all(db)
    await create_all(db)
    await db.execute("COMMIT")


def _silent(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


async def _close(db: aiosqlite.Connection | None) -> None:
    if db is not None:
        with suppress(sqlite3.Error):
            await db.close()


async def _check_meta(db: aiosqlite.Connection, name: str, value: str) -> None:
    """Note a fact about the log when it is new, and hold it against the program ever after."""
    await db.execute("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)", (name, value))
    row = await (await db.execute("SELECT value FROM meta WHERE name = ?", (name,))).fetchone()
    found = None if row is None else str(row[0])
    if found == value:
        return
    if name == "key_id":
        raise StoreError(
            "key_changed",
            "the fingerprint key is not the one this log was written with",
            _KEY_FIX,
        )
    raise StoreError(
        "database_newer", f"the database has schema {found}, this program knows {value}", "use the version of the program that wrote it"
    )


def open_reader(folder: Path) -> sqlite3.Connection:
    """A read-only connection, for the event loop's own thread: point reads take microseconds, a thread would cost more.

    Raises:
        StoreError: ``data_missing``, ``database_corrupt``.
    """
    path = folder / DATABASE
    if not path.exists():
        raise StoreError("data_missing", f"there is no database in {folder}", "start a server there with: outdial serve --data FOLDER")
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, cached_statements=CACHED_STATEMENTS)
        db.execute("PRAGMA query_only=ON")
        db.execute("SELECT 1 FROM log LIMIT 1")
    except sqlite3.Error as error:
        raise explained(error, path) from None
    return db
