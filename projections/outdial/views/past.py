"""An outdial or a target as it was: its events up to one of them, folded anew in memory by the code that folds them into the tables."""

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from outdial.position import Position
from outdial.views import history
from outdial.views.projector import Scratch
from outdial.wire import decode_event

MOST_EVENTS: Final = 100_000
"""Folded for one answer: some seconds of work."""
AT_ONCE: Final = 250
"""Events between which nobody else has a turn."""


class Folded:
    """Views of then. Made and used on the thread of the reader."""

    def __init__(self) -> None:
        self._scratch = Scratch()

    @property
    def reader(self) -> sqlite3.Connection:
        """What the questions of the views are put to, once all of it is folded."""
        return self._scratch.db

    def close(self) -> None:
        """Let go of the memory."""
        self._scratch.close()


class Past(Folded):
    """The views of one outdial after so many of its events."""

    def __init__(self, reader: sqlite3.Connection, outdial_id: str, version: int, newest: int) -> None:
        super().__init__()
        self._reader = reader
        self._outdial_id = outdial_id
        self._version = version
        self.newest: deque[history.Row] = deque(maxlen=newest)
        """The last of its events then, oldest first."""
        self.place = 0
        """Of the last of them."""
        self.time = 0
        """When that was, microseconds."""

    def fold(self) -> Iterator[int]:
        """Fold it, some events at a time: how many are folded by now."""
        folded = 0
        while folded < self._version:
            left = min(AT_ONCE, self._version - folded)
            rows = history.page(self._reader, Position((self.place,)), left, stream=self._outdial_id)
            if not rows:
                return
            events = [(place, decode_event(body.encode())) for place, body in rows]
            self._scratch.apply(events)
            self.newest.extend(rows)
            self.place, last = events[-1]
            self.time = last.time
            folded += len(rows)
            yield folded


class PastTarget(Folded):
    """The views of one target after some of its events, in an outdial as it was then."""

    def __init__(self, reader: sqlite3.Connection, outdial_id: str, events: Sequence[history.Row], before: int) -> None:
        """``events``: those of the target; what was done to the outdial itself stands with them where it stands before ``before``."""
        super().__init__()
        self._rows = sorted([*history.own(reader, outdial_id, before), *events])

    @property
    def length(self) -> int:
        """How many events there are to fold."""
        return len(self._rows)

    def fold(self) -> Iterator[int]:
        """Fold it, some events at a time: how many are folded by now."""
        for start in range(0, len(self._rows), AT_ONCE):
            some = self._rows[start : start + AT_ONCE]
            self._scratch.apply([(place, decode_event(body.encode())) for place, body in some])
            yield start + len(some)
