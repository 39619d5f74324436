"""Events appended to the log and folded into the views, in one transaction, by whoever has the connection."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress

from outdial.envelope import Event
from outdial.views import history
from outdial.views.projector import Projector
from outdial.views.rows import run_now
from outdial.wire import envelopes, event_of


class Appender:
    """Appends to the log of one partition. It remembers what a projector does, so nobody else may write between."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._projector = Projector()

    def append(self, first: int, bodies: Sequence[str]) -> None:
        """Commit events, as they are on the wire, and the views of them. ``first``: the position of the first.

        Raises:
            sqlite3.Error: nothing was written.
            LogBroken: an event does not fit those before it; nothing was written.
        """
        try:
            self._write(first, bodies)
        except BaseException:
            self._projector = Projector()
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def _write(self, first: int, bodies: Sequence[str]) -> None:
        events: list[tuple[int, Event]] = [(place, event_of(one)) for place, one in enumerate(envelopes(f"[{','.join(bodies)}]"), first)]
        self._db.execute("BEGIN IMMEDIATE")
        batch = self._projector.batch(events)
        if batch.question is not None:
            batch.take(self._db.execute(*batch.question).fetchone())
        run_now(self._db, [*history.inserts(events, bodies), *batch.fold(), ("COMMIT", ())])
