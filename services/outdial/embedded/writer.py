"""The process that has a database open for writing: it is told statements, and runs them.

It is run as a file, by an interpreter of its own that has the standard library and no more (:mod:`outdial.embedded.apart`), so that it
is there in some hundredths of a second. Later it may learn to append events by itself, and imports what that takes while it goes on
with statements. It ends when nobody is left who could tell it anything; what was not committed then never happened.
"""

import gc
import marshal
import signal
import sqlite3
import sys
from threading import Thread
from typing import Any, BinaryIO, Final, NamedTuple

LENGTH_BYTES: Final = 4
"""Of the number before each message that says how long it is."""
BROKEN: Final = "LogBroken"
"""The error when an event does not fit those before it, or a statement has not changed as many rows as it must."""
RUN: Final = "run"
LEARN: Final = "learn"
APPEND: Final = "append"
SWITCH_S: Final = 0.0005
"""What learns must not keep what is written waiting."""


class Answer(NamedTuple):
    """What comes of a message."""

    error: str
    """The name of its type; empty: it went well."""
    found: Any
    """Rows, or the message, name and code of the error."""
    changed: int
    """How many rows the last statement changed."""
    appends: bool
    """Whether it can append by now."""


def read(source: BinaryIO) -> Any:
    """The next message.

    Raises:
        EOFError: there is none, or not all of one.
    """
    length = int.from_bytes(source.read(LENGTH_BYTES) or b"")
    text = source.read(length)
    if not length or len(text) < length:
        raise EOFError
    return marshal.loads(text)  # noqa: S302  from the other of the two processes


def write(target: BinaryIO, message: Any) -> None:
    """Say something. ``message``: plain values."""
    text = marshal.dumps(message)
    target.write(len(text).to_bytes(LENGTH_BYTES))
    target.write(text)
    target.flush()


def _opened(path: bytes, kept: int, opening: list[str]) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, cached_statements=kept)
    for statement in opening:
        db.execute(statement).fetchall()
    return db


class Writer:
    """What is done with the database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._texts: list[str] = []
        """The statements it was told, each once."""
        self._appender: Any = None

    @property
    def appends(self) -> bool:
        """Whether it has learned to."""
        return self._appender is not None

    def answer(self, word: str, *told: Any) -> Answer:
        """What comes of a message."""
        try:
            if word == RUN:
                return self._run(*told)
            if word == APPEND:
                self._appender.append(*told)
            elif word == LEARN:
                Thread(target=self._learn, args=told, daemon=True).start()
            else:
                raise ValueError(word)
        except Exception as error:  # noqa: BLE001  whatever it is, it is said to whoever asked
            return failed(error, appends=self.appends)
        return Answer("", [], 0, self.appends)

    def _run(self, new: list[str], statements: list[tuple[int, Any, int | None]]) -> Answer:
        """What comes of statements, up to the first that fails: rows and their number of the last."""
        self._texts += new
        rows: list[Any] = []
        changed = -1
        for number, values, wanted in statements:
            cursor = self._db.execute(self._texts[number], values)
            rows, changed = cursor.fetchall(), cursor.rowcount
            if wanted is not None and changed != wanted:
                return Answer(BROKEN, ("", "", 0), 0, self.appends)
        return Answer("", rows, changed, self.appends)

    def _learn(self, path: list[str], thresholds: tuple[int, int, int], layout: str) -> None:
        """Import what it takes to append, from where its owner has it. Where that fails it goes on with statements.

        ``layout``: of its owner's views. What stands there by now may be of another version, which folds otherwise.
        """
        sys.path[:] = path
        sys.setswitchinterval(SWITCH_S)
        from outdial.views import appender, projector  # noqa: PLC0415  what learns later starts sooner

        if projector.layout() != layout:
            return
        gc.set_threshold(*thresholds)
        gc.freeze()
        self._appender = appender.Appender(self._db)


def failed(error: Exception, *, appends: bool) -> Answer:
    """What is said of an error."""
    told = (str(error), getattr(error, "sqlite_errorname", ""), getattr(error, "sqlite_errorcode", 0))
    return Answer(type(error).__name__, told, 0, appends)


def main() -> None:
    """Run what is said on standard input, answer on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever it writes for may still have something to commit
    source, target = sys.stdin.buffer, sys.stdout.buffer
    path, kept, opening = read(source)
    try:
        db = _opened(path, kept, opening)
    except sqlite3.Error as error:
        write(target, tuple(failed(error, appends=False)))
        return
    write(target, tuple(Answer("", [], 0, appends=False)))
    writer = Writer(db)
    try:
        while True:
            write(target, tuple(writer.answer(*read(source))))
    except (EOFError, BrokenPipeError):
        db.close()


if __name__ == "__main__":
    main()
