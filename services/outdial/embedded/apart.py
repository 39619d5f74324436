"""A database that a process of its own writes.

One interpreter does one thing at a time: a thread that gives SQLite its values and takes its answers waits for the event loop, and the
event loop for it. A second process waits for nobody. It is told what to run as the thread of aiosqlite was, so whoever
uses the connection sees no difference; when it dies, what it was asked last fails, and the next statement starts another.
"""

import gc
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import aiosqlite

from outdial.embedded import writer
from outdial.embedded.errors import ENDED
from outdial.views.projector import layout
from outdial.views.rows import MISSING, LogBroken, Values, Write

CACHED_STATEMENTS: Final = 512
"""Statements that a connection keeps prepared."""
_AT_ONCE: Final = 64
"""Rows aiosqlite fetches at once where somebody iterates; nobody does."""
_END_S: Final = 10.0


def connect(path: Path, *opening: str, held: Sequence[int] = ()) -> aiosqlite.Connection:
    """A database to write, to be awaited or entered as what ``aiosqlite.connect`` returns.

    ``opening``: statements that begin every connection. ``held``: open files that are the process's as well, so that
    what they lock stays locked until it has ended.

    It is opened with the first statement, which fails when it cannot be: a connection of aiosqlite that has failed to connect
    ends its thread when nobody waits for that any more.
    """
    return aiosqlite.Connection(lambda: cast("sqlite3.Connection", Apart(path, opening, held)), _AT_ONCE)


async def append(db: aiosqlite.Connection, first: int, bodies: Sequence[str]) -> bool:
    """Have events appended and folded by the process itself, or do nothing and return False: it has yet to learn that.

    Raises:
        sqlite3.Error: nothing was written; or it has ended, and nobody knows.
        LogBroken: an event does not fit those before it; nothing was written.
    """
    apart = cast("Apart", db._conn)  # noqa: SLF001  there is no public way to what it was made with
    if not apart.appends:
        return False
    await db._execute(apart.append, first, bodies)  # type: ignore[no-untyped-call]  # noqa: SLF001  as in outdial.views.rows
    return True


async def learn(db: aiosqlite.Connection) -> None:
    """Have the process learn to append, once.

    Raises:
        sqlite3.Error: it has ended.
    """
    apart = cast("Apart", db._conn)  # noqa: SLF001  as above
    if not (apart.learns or apart.is_unfit):
        await db._execute(apart.learn)  # type: ignore[no-untyped-call]  # noqa: SLF001  as above


class Apart:
    """What of a connection aiosqlite and the views use, in another process, which is there from the first statement on. For one thread."""

    def __init__(self, path: Path, opening: Sequence[str], held: Sequence[int]) -> None:
        self._path = path
        self._opening = opening
        self._held = held
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers: dict[str, int] = {}
        """Of the statements it knows by now."""
        self.learns = False
        """Whether the process was told to learn to append."""
        self.appends = False
        """Whether it has."""
        self.is_unfit = False
        """Whether one ended while it learned: none is told to again, for that may be what ended it."""

    def execute(self, statement: str, parameters: Values = ()) -> "Found":
        """Run a statement.

        Raises:
            sqlite3.Error: it failed.
        """
        return Found(*self._ask([(statement, parameters)]))

    def run(self, statements: Sequence[Write]) -> list[Any]:
        """Run statements one after another, up to the first that fails; returns the rows of the last.

        Raises:
            sqlite3.Error: one failed.
            LogBroken: a row that a statement must change is not there.
        """
        return self._ask(statements)[0]

    def learn(self) -> None:
        """Have the process learn to append, beside what it is told meanwhile.

        Raises:
            sqlite3.Error: it has ended.
        """
        self._told(writer.LEARN, [str(place) for place in sys.path], gc.get_threshold(), layout())
        self.learns = True

    def append(self, first: int, bodies: Sequence[str]) -> None:
        """Have events appended and folded into the views, by a process that can; ``first``: the position of the first.

        Raises:
            sqlite3.Error: nothing was written; or it has ended, and nobody knows.
            LogBroken: an event does not fit those before it; nothing was written.
        """
        self._told(writer.APPEND, first, [*bodies])

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._end(self._process)

    def _ask(self, statements: Sequence[Write]) -> tuple[list[Any], int]:
        """What comes of statements. Each text is told once, for it is long and comes again and again."""
        if self._process is None:
            self._start()
        numbers = self._numbers
        new = [*dict.fromkeys([one[0] for one in statements if one[0] not in numbers])]
        if new:
            numbers = numbers | {statement: number for number, statement in enumerate(new, len(numbers))}
        told = [(numbers[text], values, wanted[0] if wanted else None) for text, values, *wanted in statements]
        return self._say((writer.RUN, new, told), numbers)

    def _told(self, *message: object) -> None:
        """Say something that no other process would understand as this one does."""
        if self._process is None:
            raise _error("OperationalError", "the process that writes has ended", ENDED, 0)
        self._say(message, self._numbers)

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603  its own program
                [sys.executable, "-I", "-S", writer.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=self._held,
                start_new_session=True,  # no Ctrl-C is for it
            )
        except OSError as error:
            raise _error("OperationalError", f"the process that writes cannot be started: {error.strerror}", ENDED, 0) from None
        try:
            self._say((os.fsencode(self._path), CACHED_STATEMENTS, [*self._opening]), {})
        except BaseException:
            self.close()
            raise

    def _say(self, message: object, numbers: dict[str, int]) -> tuple[list[Any], int]:
        """Say something, and hear what comes of it. ``numbers``: what it knows once it has been told."""
        process = cast("subprocess.Popen[bytes]", self._process)
        try:
            writer.write(cast("Any", process.stdin), message)
            self._numbers = numbers
            name, found, count, self.appends = writer.read(cast("Any", process.stdout))
        except (OSError, EOFError):
            self._end(process)
            raise _error("OperationalError", "the process that writes has ended", ENDED, 0) from None
        if name == writer.BROKEN:
            raise LogBroken(found[0] or MISSING)
        if name:
            raise _error(name, *found)
        return found, count

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        self.is_unfit |= self.learns and not self.appends
        self._numbers, self.learns, self.appends = {}, False, False
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                cast("Any", pipe).close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _error(name: str, message: str, errorname: str, errorcode: int) -> Exception:
    """What was raised in the other process."""
    error: Exception = getattr(sqlite3, name, RuntimeError)(message)
    if isinstance(error, sqlite3.Error):
        error.sqlite_errorname, error.sqlite_errorcode = errorname, errorcode
    return error


class Found:
    """The rows of a statement, as those of a cursor."""

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def fetchall(self) -> list[Any]:
        """All rows."""
        return self._rows

    def fetchone(self) -> Any:
        """The first row; None when there is none."""
        return self._rows[0] if self._rows else None
