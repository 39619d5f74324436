import asyncio
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outdial.envelope import Event
from outdial.events import OutdialUpdated
from outdial.views.appender import Appender
from outdial.views.rows import LogBroken
from views.hand import Log, Views, bodies_of, views_in
from views.histories import STEPS, History

LOG = "SELECT * FROM log ORDER BY position"


def writing(views: Views) -> sqlite3.Connection:
    """A connection of an appender's own."""
    [(_, _, path)] = views.reader.execute("PRAGMA database_list").fetchall()
    return sqlite3.connect(path, isolation_level=None)


def append_all(appender: Appender, events: Sequence[tuple[int, Event]], batches: Sequence[int]) -> None:
    """Append events in batches of these sizes, over and over."""
    done = turn = 0
    while done < len(events):
        batch = events[done : done + batches[turn % len(batches)]]
        appender.append(batch[0][0], bodies_of(batch))
        done, turn = done + len(batch), turn + 1


@given(STEPS, st.lists(st.integers(1, 30), min_size=1, max_size=5))
@settings(max_examples=60)
def test_log_and_views_are_as_the_projector_writes_them_however_events_are_batched(
    steps: list[tuple[int, int]], batches: list[int]
) -> None:
    async def tried() -> None:
        events = History(steps).log.events
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            async with views_in(Path(one)) as expected, views_in(Path(other)) as found:
                await expected.apply(events, logged=True)
                with closing(writing(found)) as db:
                    append_all(Appender(db), events, batches)

                assert await found.digest() == await expected.digest()
                assert found.reader.execute(LOG).fetchall() == expected.reader.execute(LOG).fetchall()

    asyncio.run(tried())


async def test_what_does_not_fit_is_not_written_and_what_fits_is_appended_afterwards(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    known = [*log.events]
    log.add("f0000000-0000-4000-8000-00000000000f", OutdialUpdated(name="x"))
    unknown = log.events.pop()
    with closing(writing(views)) as db:
        appender = Appender(db)
        with pytest.raises(LogBroken, match="never created"):
            appender.append(1, bodies_of([*known, unknown]))
        assert views.reader.execute(LOG).fetchall() == []

        log.tried(outdial, target, "busy")
        append_all(appender, log.events, [100])

    with tempfile.TemporaryDirectory() as folder:
        async with views_in(Path(folder)) as expected:
            await expected.show(log)
            assert await views.digest() == await expected.digest()


async def test_what_was_folded_of_a_transaction_that_failed_is_forgotten(views: Views) -> None:
    chance = Random(11)  # noqa: S311  an example, not a secret
    events = History([(chance.randrange(20), chance.randrange(1_000_000)) for _ in range(400)]).log.events
    with closing(writing(views)) as db:
        appender = Appender(db)
        for start in range(0, len(events), 20):
            batch = events[start : start + 20]
            db.execute("CREATE TRIGGER fails BEFORE INSERT ON checkpoint BEGIN SELECT raise(ABORT, 'no'); END")
            with pytest.raises(sqlite3.IntegrityError, match="no"):
                appender.append(batch[0][0], bodies_of(batch))
            db.execute("DROP TRIGGER fails")
            appender.append(batch[0][0], bodies_of(batch))

    with tempfile.TemporaryDirectory() as folder:
        async with views_in(Path(folder)) as expected:
            await expected.apply(events)
            assert await views.digest() == await expected.digest()
