"""How views follow a log: from wherever they stand to its end."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import aiosqlite

from outdial.embedded.errors import RESTORE, UNREADABLE, StoreError, unreadable
from outdial.envelope import Event
from outdial.views import projector
from outdial.views.rows import LogBroken, Write, run
from outdial.wire import decode_event, envelopes, event_of, from_json

EVENTS_AT_ONCE = 4_000
READ_AT_ONCE = 100
"""Events made of what was read before the database, done with a statement, is given the next: about a millisecond."""
Progress = Callable[[int, int], None]
"""``(done, total)``."""

_ROWS = "SELECT position, body FROM log WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
_PAGE = f"SELECT json_group_array(position), '[' || group_concat(body) || ']' FROM ({_ROWS})"  # noqa: S608  two constants
_LAST = "SELECT coalesce(max(position), 0) FROM log"


async def feed(source: aiosqlite.Connection, views: aiosqlite.Connection, progress: Progress) -> int:
    """Bring views up to the end of a log, a transaction every few thousand events; returns the position reached.

    While the database is at work on a batch, the next is folded, for which it was asked before, and the one after that is read.

    Raises:
        sqlite3.Error: a database cannot be read or written.
        StoreError: ``database_corrupt``, ``database_newer``: the log holds something that is no event, or does not fit.
    """
    [position] = (await projector.position(views, 1)).marks
    last = await _number(source, _LAST)
    folded = projector.Projector(ahead=True)
    written: list[Write] = []
    coming = asyncio.create_task(_read(source, position, last))
    writing = asyncio.create_task(_written(views, written, position))
    loading: asyncio.Future[Any] = writing
    try:
        while events := await coming:
            loading = asyncio.create_task(folded.load(views, events))
            coming = asyncio.create_task(_read(source, events[-1][0], last))
            progress(await writing, last)
            writing = asyncio.create_task(_written(views, written, position))
            try:
                written = (await loading).fold()
            except LogBroken as error:
                raise StoreError("database_corrupt", str(error), RESTORE) from None
            position = events[-1][0]
        progress(await writing, last)
        progress(await _written(views, written, position), last)
    finally:
        coming.cancel()
        await asyncio.gather(coming, loading, writing, return_exceptions=True)
    return position


async def _written(views: aiosqlite.Connection, writes: Sequence[Write], position: int) -> int:
    """Commit what brings views to a position; returns that."""
    if writes:
        await run(views, [("BEGIN IMMEDIATE", ()), *writes, ("COMMIT", ())])
    return position


async def _read(source: aiosqlite.Connection, after: int, last: int) -> list[tuple[int, Event]]:
    """The next events of a log."""
    if after >= last:
        return []
    asked = (after, last, EVENTS_AT_ONCE)
    [(places, joined)] = await source.execute_fetchall(_PAGE, asked)
    with suppress(*UNREADABLE):
        pairs = list(zip(from_json(places), envelopes(joined), strict=True))
        events = []
        for start in range(0, len(pairs), READ_AT_ONCE):
            events += [(place, event_of(envelope)) for place, envelope in pairs[start : start + READ_AT_ONCE]]
            await asyncio.sleep(0)
        return events
    return _one_by_one(await source.execute_fetchall(_ROWS, asked))


def _one_by_one(rows: Iterable[sqlite3.Row]) -> list[tuple[int, Event]]:
    """The events of a page that could not be read as a whole, or word of the first that cannot be read."""
    events = []
    for place, body in rows:
        try:
            events.append((place, decode_event(body.encode())))
        except UNREADABLE as error:
            raise unreadable(error, place) from None
    return events


async def _number(db: aiosqlite.Connection, query: str) -> int:
    row = await (await db.execute(query)).fetchone()
    return 0 if row is None else int(row[0])
