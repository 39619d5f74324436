"""The peer of everything that writes: every table and index row of ours, by plain sqlite3 and executemany."""

import re
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from outdial.embedded import log
from outdial.envelope import Event
from outdial.views import calls, campaigns, counts, history, outdials, outplans, places, projector, rows, targets

Write = tuple[str, list[Any]]
"""A statement that writes one row, and the rows; ``COMMIT`` and nothing where a transaction ended."""
COMMIT: Write = ("COMMIT", [])


def single(statement: str, width: int) -> str:
    """The plain statement for one row of one that takes many."""
    values = f"VALUES ({','.join('?' * width)})"
    text = re.sub(r"SELECT \* FROM \{rows\} WHERE column1 IS NOT NULL", values, statement)
    return re.sub(r"new\.column(\d+)", r"?\1", re.sub(r"FROM \{rows\} AS new\s*", "", text))


@contextmanager
def recorded() -> Iterator[list[Write]]:
    """What the log and the views write meanwhile, row by row. It is all made here, and not by the process that writes."""
    found: list[Write] = []

    def writes(statement: str, width: int, values: Sequence[Sequence[Any]], *, each: bool = False) -> Iterator[rows.Write]:
        found.append((single(statement, width), list(values)))
        yield from rows_writes(statement, width, values, each=each)
        if is_last(statement):
            found.append(COMMIT)

    def inserts(events: Sequence[tuple[int, Event]], bodies: Sequence[str]) -> Iterator[tuple[str, list[object]]]:
        for statement, values in history_inserts(events, bodies):
            head, _, rest = statement.partition("VALUES ")
            row = rest.split("),(")[0].rstrip(")") + ")"
            width = row.count("?")
            found.append((f"{head}VALUES {row}", [values[start : start + width] for start in range(0, len(values), width)]))
            yield statement, values

    rows_writes, history_inserts = rows.writes, history.inserts
    modules = (calls, campaigns, counts, outdials, outplans, places, projector, targets)
    with patch.object(history, "inserts", inserts), patch.object(log, "LEARN_AFTER", sys.maxsize):
        patches = [patch.object(module, "writes", writes) for module in modules]
        for one in patches:
            one.start()
        try:
            yield found
        finally:
            for one in patches:
                one.stop()


def is_last(statement: str) -> bool:
    """Whether a statement is the last of its transaction: the one that moves the checkpoint."""
    return "checkpoint" in statement


def replayed(path: Path, schema: Sequence[str], writes: Sequence[Write], transactions: int | None = None) -> float:
    """Seconds plain sqlite3 takes for the rows, durable, in a new file with the same tables and indexes.

    ``transactions``: spread the rows evenly over so many; None: commit where ours did.
    """
    db = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA cache_size=-65536")
    for statement in schema:
        db.execute(statement)
    quota = None if transactions is None else sum(len(values) for _, values in writes) / transactions
    began = time.perf_counter()
    db.execute("BEGIN")
    for statement, values in writes if quota is None else _spread(writes, quota):
        if statement == "COMMIT":
            db.execute("COMMIT")
            db.execute("BEGIN")
        else:
            db.executemany(statement, values)
    db.execute("COMMIT")
    took = time.perf_counter() - began
    db.close()
    return took


def _spread(writes: Sequence[Write], quota: float) -> Iterator[Write]:
    """The same rows, with a commit after every ``quota`` of them."""
    left = quota
    for statement, values in writes:
        start = 0
        while start < len(values):
            part = values[start : start + max(1, round(left))]
            yield statement, part
            start += len(part)
            left -= len(part)
            if left <= 0:
                yield COMMIT
                left += quota


def schema_of(path: Path) -> list[str]:
    """The tables and indexes of a database, as statements that make them."""
    db = sqlite3.connect(path)
    found = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'table' DESC").fetchall()
    db.close()
    return [row[0] for row in found]
