"""The peer of everything that writes: the same statements in the same transactions, by plain sqlite3."""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiosqlite

Statement = tuple[str, Any]


class Recorder:
    """Notes what a connection is asked to write. Reads are not part of the peer's work."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self.statements: list[Statement] = []
        self._execute, self._fetchall = db.execute, db.execute_fetchall
        db.execute = self._noted_execute  # type: ignore[method-assign]
        db.execute_fetchall = self._noted_fetchall  # type: ignore[method-assign]

    def _note(self, sql: str, parameters: Any) -> None:
        if not sql.lstrip().upper().startswith(("SELECT", "PRAGMA", "CREATE", "EXPLAIN")):
            self.statements.append((sql, parameters))

    def _noted_execute(self, sql: str, parameters: Any = None) -> Any:
        self._note(sql, parameters or ())
        return self._execute(sql, parameters)

    def _noted_fetchall(self, sql: str, parameters: Any = None) -> Any:
        self._note(sql, parameters or ())
        return self._fetchall(sql, parameters)


def replayed(path: Path, schema: Sequence[str], statements: Sequence[Statement], synchronous: str = "FULL") -> float:
    """Seconds plain sqlite3 takes for the statements, in a new file with the same tables and indexes."""
    db = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={synchronous}")
    db.execute("PRAGMA cache_size=-65536")
    for statement in schema:
        db.execute(statement)
    began = time.perf_counter()
    for sql, parameters in statements:
        db.execute(sql, parameters)
    took = time.perf_counter() - began
    db.close()
    return took


def schema_of(path: Path) -> list[str]:
    """The tables and indexes of a database, as statements that make them."""
    db = sqlite3.connect(path)
    rows = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'table' DESC").fetchall()
    db.close()
    return [row[0] for row in rows]
