"""How views follow a log: from wherever they stand to its end."""

from collections.abc import Callable

import aiosqlite

from outdial.views import projector
from outdial.wire import decode_event, from_json

EVENTS_AT_ONCE = 2_000
Progress = Callable[[int, int], None]
"""``(done, total)``."""

_PAGE = """SELECT json_group_array(json_array(position, body)) FROM
    (SELECT position, body FROM log WHERE position > ? AND position <= ? ORDER BY position LIMIT ?)"""
_LAST = "SELECT coalesce(max(position), 0) FROM log"


async def feed(source: aiosqlite.Connection, views: aiosqlite.Connection, progress: Progress) -> int:
    """Bring views up to the end of a log, a transaction every few thousand events; returns the position reached."""
    position = await projector.position(views)
    last = await _number(source, _LAST)
    folded = projector.Projector()
    while position < last:
        row = await (await source.execute(_PAGE, (position, last, EVENTS_AT_ONCE))).fetchone()
        events = [(place, decode_event(body.encode())) for place, body in from_json(row[0] if row else "[]")]
        await views.execute("BEGIN IMMEDIATE")
        await folded.apply(views, events)
        await views.execute("COMMIT")
        position = events[-1][0]
        progress(position, last)
    return position


async def _number(db: aiosqlite.Connection, query: str) -> int:
    row = await (await db.execute(query)).fetchone()
    return 0 if row is None else int(row[0])
