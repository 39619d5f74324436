"""Where a thing with a random id stands: from a hash of its id to the position of the event that created it.

A plain index on the ids of targets costs more than all the rest of an import, because every new id
falls on another page of it: 27 microseconds a target at a million of them, against 6 with this. New
entries go to a small table, which is merged into the large one, sorted, once in 65,536 positions. The
hash is 32 bits, so whoever looks something up compares the id as well. Nothing here is ever deleted.
"""

from collections.abc import Iterator
from typing import Final
from zlib import crc32

from outdial.views.rows import Write, writes

CHECKPOINT: Final = "places"
SETTLE_AFTER: Final = 65_536
_HALF: Final = 1 << 31

DDL: Final = (
    "CREATE TABLE IF NOT EXISTS place (key INTEGER, position INTEGER, PRIMARY KEY (key, position)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS place_new (key INTEGER, position INTEGER, PRIMARY KEY (key, position)) WITHOUT ROWID",
)
TABLES: Final = ("place", "place_new")
_INSERT: Final = "INSERT INTO place_new (key, position) SELECT * FROM {rows} WHERE column1 IS NOT NULL"
_SETTLE: Final = "INSERT INTO place SELECT key, position FROM place_new ORDER BY key, position"
_EMPTY: Final = "DELETE FROM place_new"


def key_of(*ids: str) -> int:
    """The hash of a path of ids, as an integer that takes four bytes."""
    return crc32("/".join(ids).encode()) - _HALF


def add(found: list[tuple[int, int]]) -> Iterator[Write]:
    """What remembers (key, position) pairs."""
    return writes(_INSERT, 2, sorted(found))


SETTLE: Final[tuple[Write, ...]] = ((_SETTLE, ()), (_EMPTY, ()))
"""What merges the small table into the large one."""
