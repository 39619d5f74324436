"""How often was the number of a list called that was called most often within a day? Read from the attempts; nothing is kept for it.

A day is one of UTC. An attempt counts on the day on which it was requested, from then on, unless it was never placed and the try was
given back. Targets with the same number count together.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from outdial.address import normalized
from outdial.position import MARK_BITS
from outdial.views.rows import one_moment
from outdial.wire import to_json
from outdial.zones import DAY_US

AT_ONCE: Final = 500
"""Attempts that are read at once: some milliseconds."""
_OF: Final = "SELECT position FROM outdial WHERE id = ?"
_READ: Final = """
    SELECT part.position, part.tm_create, part.target, json_extract(personal, '$.destinations[' || part.destination_index || '].type'),
        json_extract(personal, '$.destinations[' || part.destination_index || '].target')
    FROM (SELECT * FROM call WHERE position > :after AND position < :end ORDER BY position LIMIT :limit) AS part
    LEFT JOIN target ON part.outdial = :outdial AND target.position = part.target
"""
_ENDED: Final = """
    SELECT position, given_back FROM call
    WHERE position IN (SELECT value FROM json_each(:opened)) AND outcome IS NOT NULL
"""
_CALLED: Final = "SELECT id FROM target WHERE position = ?"


class MostCalled(NamedTuple):
    """The number that was called most often within a day; of several the one of the first day, and of the oldest target."""

    calls: int
    day: int
    """Days since 1970, UTC."""
    target_id: str
    """The oldest target that was called by it then."""


class _Called(NamedTuple):
    """A number on a day."""

    day: int
    number: str


class Days:
    """The calls of one outdial by day and number. What was read is remembered, so a later look reads what has happened since."""

    def __init__(self) -> None:
        self._after = 0
        self._open: dict[int, tuple[_Called, int]] = {}
        """By position, the attempts that were open when they were looked at last, and the target of each."""
        self._ended: dict[_Called, tuple[int, int]] = {}
        """How many have ended, and the oldest target; of the last day, and of those before on which one was open when it began."""
        self._last = 0
        """The last day on which one was requested."""
        self._most = (0, 0, 0)
        """Of those that have ended: (calls, less the day, less the target)."""

    def read(self, db: sqlite3.Connection, outdial_id: str) -> Iterator[None]:
        """Read what has happened, some of it at a time."""
        found = db.execute(_OF, (outdial_id,)).fetchone()
        while found is not None:
            with one_moment(db):
                rows = self._take(db, found[0])
                self._settle(db)
            if rows < AT_ONCE:
                return
            yield

    def most(self, db: sqlite3.Connection) -> MostCalled | None:
        """The number that was called most often by what was read; None: nobody was called."""
        opened = Counter(called for called, _ in self._open.values())
        oldest = dict[_Called, int]()
        for called, target in self._open.values():
            oldest[called] = min(target, oldest.get(called, target))
        both = [self._with(called, n, oldest[called]) for called, n in opened.items()]
        calls, day, target = max([self._most, *both])
        if not calls:
            return None
        [target_id] = db.execute(_CALLED, (-target,)).fetchone()
        return MostCalled(calls, -day, target_id)

    def _take(self, db: sqlite3.Connection, outdial: int) -> int:
        """Read the next attempts of the partition the outdial is in; how many there were."""
        self._after = max(self._after, outdial)
        end = (outdial >> MARK_BITS) + 1 << MARK_BITS
        rows = db.execute(_READ, {"after": self._after, "end": end, "limit": AT_ONCE, "outdial": outdial}).fetchall()
        for position, time, target, kind, address in rows:
            self._after = max(self._after, position)
            if address is not None:
                number = f"{kind} {normalized(kind, address) or address}"
                self._open[position] = (_Called(time // DAY_US, number), target)
        last = max([called.day for called, _ in self._open.values()], default=0)
        if last > self._last:
            self._last, wanted = last, {called.day for called, _ in self._open.values()}
            self._ended = {called: n for called, n in self._ended.items() if called.day in wanted}
        return len(rows)

    def _settle(self, db: sqlite3.Connection) -> None:
        """Look which of the open attempts have ended."""
        opened = to_json([*self._open]).decode()
        for position, given_back in db.execute(_ENDED, {"opened": opened}).fetchall():
            called, target = self._open.pop(position)
            if not given_back:
                calls, _, oldest = self._with(called, 1, target)
                self._ended[called] = (calls, -oldest)
                self._most = max(self._most, (calls, -called.day, oldest))

    def _with(self, called: _Called, more: int, target: int) -> tuple[int, int, int]:
        """A number on a day with so many more calls, one of them to a target."""
        calls, oldest = self._ended.get(called, (0, target))
        return calls + more, -called.day, -min(oldest, target)
