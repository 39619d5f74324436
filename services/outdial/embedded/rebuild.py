"""Views built anew from the log, and compared with the live ones. Building from position 0 is the normal path."""

import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aiosqlite

from outdial.embedded.apart import connect
from outdial.embedded.errors import StoreError, explained
from outdial.embedded.feed import Progress, feed
from outdial.embedded.log import DATABASE, rebuild_views
from outdial.position import Position
from outdial.views import projector


async def rebuild(folder: Path, progress: Progress) -> Position:
    """Drop all views of a folder and build them from position 0; returns the position they stand at.

    Killed on the way, the next start goes on from where it was.

    Raises:
        StoreError: the folder cannot be used.
    """
    if not (folder / DATABASE).exists():
        raise StoreError("data_missing", f"there is no database in {folder}", "name the folder with --data")
    return await rebuild_views(folder, progress)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Digests of the live views, and of views built from the log aside, at one position."""

    position: Position
    live: str
    rebuilt: str


async def verify(folder: Path, progress: Progress) -> Comparison:
    """Build the views aside and compare them with the live ones. A server may be running; nothing is changed.

    Raises:
        StoreError: ``data_missing``, ``database_corrupt``, ``disk_full``.
    """
    path = folder / DATABASE
    if not path.exists():
        raise StoreError("data_missing", f"there is no database in {folder}", "name the folder with --data")
    try:
        with tempfile.TemporaryDirectory(prefix="outdial-verify-") as aside:
            async with (
                aiosqlite.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None) as live,
                connect(Path(aside) / DATABASE, "PRAGMA synchronous=OFF") as views,
            ):
                await live.execute("BEGIN")
                await projector.create_all(views)
                position = Position((await feed(live, views, progress),))
                return Comparison(position, await projector.digest(live), await projector.digest(views))
    except sqlite3.Error as error:
        raise explained(error, path) from None
