"""What every view shares: the cursor of a page, reading from many partitions, and writing many rows with few statements."""

import heapq
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from outdial.position import Position

if TYPE_CHECKING:
    import aiosqlite  # whoever follows a log without an event loop does without it

Before = tuple[int, str | None] | None
"""Where a page begins: rows strictly older than the instant or, with an id, after that row; None = at the newest."""
NEWEST: Final = (2**63 - 1, None)
MAX_PARAMETERS: Final = 32_766
"""What SQLite takes in one statement unless it was built to take more."""
MAX_ROWS: Final = 1_024
Values = Sequence[Any] | Mapping[str, Any]
Write = tuple[str, Values] | tuple[str, Values, int]
"""A statement, its values and, where it matters, how many rows it must change."""


MISSING: Final = "rows that earlier events made are missing in the views"


@runtime_checkable
class Runner(Protocol):
    """A connection that can be handed many statements at once."""

    def run(self, statements: Sequence[Write]) -> list[Any]:
        """As :func:`run`."""
        raise NotImplementedError


class LogBroken(Exception):
    """An event speaks of something that no event before it created, or that the views have lost. The message holds nothing personal."""


def cursor_of(before: Before, limit: int, *, deleted: bool) -> dict[str, Any]:
    """The parameters every page statement has."""
    time, last = before or NEWEST
    return {"time": time, "last": last, "limit": limit, "deleted": deleted}


@contextmanager
def one_moment(db: sqlite3.Connection) -> Iterator[None]:
    """What is read within stands as it was at one moment, whatever is committed meanwhile; within another one nothing changes."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


@contextmanager
def merged(db: sqlite3.Connection, statement: str, after: Position) -> Iterator[Iterator[tuple[Any, ...]]]:
    """The rows after a position, of all its partitions, by (time, place): the same order in every process.

    ``statement`` gives rows (time, place, ...) in the order of their places, above its one parameter and up to the
    number that stands for ``{high}`` in it. Rows are fetched as they are taken, all of them as they were at one moment.
    """
    with ExitStack() as opened:
        opened.enter_context(one_moment(db))
        parts = [opened.enter_context(closing(db.execute(_up_to(statement, high), (low,)))) for low, high in after.ranges()]
        yield heapq.merge(*parts)


@lru_cache(maxsize=1024)
def _up_to(statement: str, high: int) -> str:
    """A text for each partition: a prepared statement serves one cursor at a time."""
    return statement.format(high=high)


def writes(statement: str, width: int, rows: Sequence[Sequence[Any]], *, each: bool = False) -> Iterator[Write]:
    """A statement over rows of ``width`` values, as often as they need it; ``{rows}`` in it becomes their VALUES.

    ``each``: it is an UPDATE, and each of the rows must be there for it.

    Rows are padded with NULLs up to the next power of two, and the statement leaves out what has NULL
    in its first column: preparing a statement costs ten times what running it does, so there are few of them.
    """
    largest = min(MAX_ROWS, 1 << ((MAX_PARAMETERS // width).bit_length() - 1))
    for start in range(0, len(rows), largest):
        part = rows[start : start + largest]
        size = 1 << (len(part) - 1).bit_length()
        values = [*chain.from_iterable(part), *[None] * (width * (size - len(part)))]
        yield (_expanded(statement, width, size), values, len(part)) if each else (_expanded(statement, width, size), values)


async def run(db: "aiosqlite.Connection", statements: Sequence[Write]) -> list[Any]:
    """Run statements one after another, up to the first that fails; returns the rows of the last.

    They go to the database's thread together: a hand-over there and back for each would cost more than most of them do,
    and the thread would wait for an event loop that has other things to do.

    Raises:
        LogBroken: a row that a statement must change is not there.
    """
    found: list[Any] = await db._execute(run_now, db._conn, statements)  # type: ignore[no-untyped-call]  # noqa: SLF001  there is no public way to hand over two
    return found


def run_now(db: sqlite3.Connection | Runner, statements: Sequence[Write]) -> list[Any]:
    """The same, on the thread that has the connection."""
    if isinstance(db, Runner):
        return db.run(statements)
    found: list[Any] = []
    for statement, values, *changes in statements:
        cursor = db.execute(statement, values)
        found = cursor.fetchall()
        if changes and cursor.rowcount != changes[0]:
            raise LogBroken(MISSING)
    return found


@lru_cache(maxsize=256)
def _expanded(statement: str, width: int, size: int) -> str:
    row = f"({','.join('?' * width)})"
    return statement.format(rows=f"(VALUES {','.join([row] * size)})")
