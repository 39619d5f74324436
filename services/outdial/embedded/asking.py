"""Questions to a log that no ledger is running on: one is built from it, and thrown away. Nothing is written."""

import sqlite3
from collections.abc import Sequence

from outdial.commands import Command
from outdial.dialing.fingerprints import fingerprint_of
from outdial.dialing.ledger import Ledger
from outdial.position import Position, Reading
from outdial.requests import Answer
from outdial.views import history, projector
from outdial.wire import decode_event

READ_AT_ONCE = 2_000
NO_KEY = b""
"""No question compares addresses."""


class Asked:
    """A ledger as the log of a database says it was left. The log is read at the first question."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader
        self._reading = Reading(Position.beginning(projector.partitions_of(reader)))
        self._ledger: Ledger | None = None

    def __call__(self, questions: Sequence[Command], now: int) -> list[Answer]:
        """The answers, as a ledger would give them at an instant (microseconds)."""
        if self._ledger is None:
            self._ledger = self._read()
        now = max(now, self._ledger.last_time)
        return [self._ledger.decide(question, now).answer_at(str(self._reading)) for question in questions if question.question]

    def _read(self) -> Ledger:
        ledger = Ledger(fingerprint_of(NO_KEY), "")
        while rows := history.page(self._reader, self._reading.position, READ_AT_ONCE):
            for place, body in rows:
                self._reading.passed(place)
                ledger.replay(decode_event(body.encode()))
        return ledger
