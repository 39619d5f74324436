"""A database that a process of its own writes.

One interpreter does one thing at a time: a thread that gives SQLite its values and takes its answers waits for the event loop, and the
event loop for it. A second process waits for nobody. It is told what to run as the thread of aiosqlite was, so whoever
uses the connection sees no difference; when it dies, what it was asked last fails, and the next statement starts another.
"""

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


class Apart:
    """What of a connection aiosqlite and the views use, in another process, which is there from the first statement on. For one thread."""

    def __init__(self, path: Path, opening: Sequence[str], held: Sequence[int]) -> None:
        self._path = path
        self._opening = opening
        self._held = held
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers: dict[str, int] = {}
        """Of the statements it knows by now."""

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
        return self._say((new, told), numbers)

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
            name, found, count = writer.read(cast("Any", process.stdout))
        except (OSError, EOFError):
            self._end(process)
            raise _error("OperationalError", "the process that writes has ended", ENDED, 0) from None
        if name == writer.MISSING:
            raise LogBroken(MISSING)
        if name:
            raise _error(name, *found)
        return found, count

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
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
