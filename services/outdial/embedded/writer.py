"""The process that has a database open for writing: it is told statements, runs them, and knows nothing else.

It is run as a file, by an interpreter of its own that has the standard library and no more (:mod:`outdial.embedded.apart`), so that it
is there in some hundredths of a second. It ends when nobody is left who could tell it anything; what was not committed then never happened.
"""

import marshal
import signal
import sqlite3
import sys
from typing import Any, BinaryIO, Final

LENGTH_BYTES: Final = 4
"""Of the number before each message that says how long it is."""
MISSING: Final = "missing"
"""In place of an error's name: a statement did not change as many rows as it must."""


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


def _run(db: sqlite3.Connection, texts: list[str], statements: list[tuple[int, Any, int | None]]) -> tuple[str, Any, int]:
    """What comes of statements, up to the first that fails: rows and their number of the last."""
    rows: list[Any] = []
    changed = -1
    for number, values, wanted in statements:
        cursor = db.execute(texts[number], values)
        rows, changed = cursor.fetchall(), cursor.rowcount
        if wanted is not None and changed != wanted:
            return MISSING, "", 0
    return "", rows, changed


def _failed(error: Exception) -> tuple[str, Any, int]:
    told = (str(error), getattr(error, "sqlite_errorname", ""), getattr(error, "sqlite_errorcode", 0))
    return type(error).__name__, told, 0


def main() -> None:
    """Run what is said on standard input, answer on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # whoever it writes for may still have something to commit
    source, target = sys.stdin.buffer, sys.stdout.buffer
    path, kept, opening = read(source)
    texts: list[str] = []
    try:
        db = _opened(path, kept, opening)
    except sqlite3.Error as error:
        write(target, _failed(error))
        return
    write(target, ("", [], 0))
    try:
        while True:
            new, statements = read(source)
            texts += new
            try:
                answer = _run(db, texts, statements)
            except Exception as error:  # noqa: BLE001  whatever it is, it is said to whoever asked
                answer = _failed(error)
            write(target, answer)
    except (EOFError, BrokenPipeError):
        db.close()


if __name__ == "__main__":
    main()
