"""P12: the projector, events a second into all views."""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

import aiosqlite

from benchmarks.figures.p05 import ours as filled
from benchmarks.measure import Figure, median_ratio
from benchmarks.recording import recorded, replayed, schema_of
from outdial.compose import tune
from outdial.embedded.apart import connect
from outdial.embedded.feed import feed
from outdial.views import projector


async def project(source: Path, views: Path) -> tuple[float, int]:
    """Seconds for all events of a log into new views, and their number."""
    async with (
        aiosqlite.connect(f"file:{source}?mode=ro", uri=True, isolation_level=None) as log,
        connect(views, "PRAGMA synchronous=FULL", "PRAGMA cache_size=-65536") as db,
    ):
        await db.execute("PRAGMA journal_mode=WAL")
        await projector.create_all(db)
        began = time.perf_counter()
        events = await feed(log, db, lambda _done, _total: None)
        return time.perf_counter() - began, events


def run(repeat: int) -> list[Figure]:
    """Measure, and the peer with it."""
    tune()
    rates, peers = [], []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        asyncio.run(filled(folder / "log"))
        source = folder / "log" / "outdial.db"
        for number in range(repeat):
            # First, while nothing is recorded: as in P5.
            took, events = asyncio.run(project(source, folder / f"ours{number}.db"))
            rates.append(events / took)
            with recorded() as writes:
                asyncio.run(project(source, folder / f"recorded{number}.db"))
            schema = schema_of(folder / f"recorded{number}.db")
            peers.append(events / replayed(folder / f"peer{number}.db", schema, writes))
            writes.clear()
        shutil.rmtree(folder / "log")
    ratio = median_ratio(rates, peers)
    return [
        Figure("P12", "projector into all views", rates, "events/s", ">= 0.4 x", ratio >= 0.4, peers, "the same rows, executemany", ratio)
    ]
