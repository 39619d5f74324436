import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import aiosqlite
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outdial.events import DialingStarted, OutdialUpdated, OutplanUpdated, TargetDeleted
from outdial.position import Position
from outdial.views import outdials, places, projector, targets
from outdial.views.counts import Stats
from outdial.views.rows import LogBroken, Write, run
from views.hand import CUSTOMER, Log, Views, views_in
from views.histories import STEPS, History, counted


async def digest_of(log: Log, batches: Sequence[int]) -> str:
    """The digest of views that read a log in batches of these sizes, over and over."""
    with tempfile.TemporaryDirectory() as folder:
        async with views_in(Path(folder)) as views:
            done = turn = 0
            while done < len(log.events):
                await views.apply(log.events[done : done + batches[turn % len(batches)]])
                done += batches[turn % len(batches)]
                turn += 1
            return await views.digest()


@given(STEPS, st.lists(st.integers(1, 30), min_size=1, max_size=5))
@settings(max_examples=60)
def test_the_digest_is_the_same_however_events_are_batched(steps: list[tuple[int, int]], batches: list[int]) -> None:
    log = History(steps).log

    assert asyncio.run(digest_of(log, batches)) == asyncio.run(digest_of(log, [1_000]))


async def digest_ahead(log: Log, batches: Sequence[int]) -> str:
    """The same, where each batch is loaded before the one before it is written."""
    with tempfile.TemporaryDirectory() as folder:
        async with views_in(Path(folder)) as views:
            folded = projector.Projector(ahead=True)
            written: list[Write] = []
            done = turn = 0
            while done < len(log.events):
                size = batches[turn % len(batches)]
                batch = await folded.load(views.writer, log.events[done : done + size])
                await run(views.writer, written)
                written = batch.fold()
                done += size
                turn += 1
            await run(views.writer, written)
            return await views.digest()


@given(STEPS, st.lists(st.integers(1, 30), min_size=1, max_size=5))
@settings(max_examples=60)
def test_the_digest_is_the_same_when_batches_are_loaded_ahead(steps: list[tuple[int, int]], batches: list[int]) -> None:
    log = History(steps).log

    assert asyncio.run(digest_ahead(log, batches)) == asyncio.run(digest_of(log, [1_000]))


@pytest.mark.parametrize("seed", range(3))
async def test_a_long_history_is_loaded_ahead_and_comes_to_the_same(views: Views, seed: int) -> None:
    chance = Random(seed)  # noqa: S311  an example, not a secret
    history = History([(chance.randrange(20), chance.randrange(1_000_000)) for _ in range(2_000)])
    await views.show(history.log)

    assert await digest_ahead(history.log, [1, 7, 90]) == await views.digest()


@pytest.mark.parametrize("seed", range(3))
async def test_a_long_history_is_counted_right_and_rebuilt_the_same(views: Views, seed: int) -> None:
    chance = Random(seed)  # noqa: S311  an example, not a secret
    history = History([(chance.randrange(20), chance.randrange(1_000_000)) for _ in range(3_000)])

    reader = await views.show(history.log, 37)

    live = await views.digest()
    for found in history.lists:
        stats = outdials.stats(reader, found.id, history.log.clock)
        assert stats == counted(found, history.log.clock)
    await projector.drop_all(views.writer)
    await projector.create_all(views.writer)
    assert await projector.position(views.writer, 1) == Position((0,))
    await views.show(history.log)
    assert await views.digest() == live
    assert await digest_of(history.log, [1, 250]) == live


async def test_applying_everything_twice_changes_nothing(views: Views) -> None:
    chance = Random(7)  # noqa: S311  an example, not a secret
    history = History([(chance.randrange(20), chance.randrange(1_000_000)) for _ in range(300)])
    await views.show(history.log, 50)
    once = await views.digest()

    await views.show(history.log, 70)

    assert await views.digest() == once
    assert await projector.position(views.writer, 1) == Position((len(history.log.events),))


async def test_one_more_event_gives_another_digest(views: Views, log: Log) -> None:
    outdial = log.outdial()
    await views.show(log)
    before = await views.digest()
    log.add(outdial, OutdialUpdated(name="July"))
    await views.show(log)

    assert await views.digest() != before


@pytest.mark.parametrize("table", ["outdial", "target", "outplan", "campaign", "call", "tally", "waiting", "activity", "control"])
async def test_a_row_that_is_gone_gives_another_digest(views: Views, log: Log, table: str) -> None:
    outdial = log.outdial()
    log.outplan()
    log.campaign()
    log.plan(outdial)
    log.tried(outdial, log.target(outdial), "busy")
    reader = await views.show(log)
    before = await views.digest()
    assert reader.execute(f"SELECT count(*) > 0 FROM {table}").fetchone() == (1,)  # noqa: S608  names of this test

    await views.writer.execute_fetchall(f"DELETE FROM {table}")  # noqa: S608  names of this test

    assert await views.digest() != before


async def test_a_failed_transaction_leaves_no_trace(views: Views, log: Log) -> None:
    outdial = log.outdial()
    await views.show(log)
    before = await views.digest()
    target = log.target(outdial)
    await views.writer.execute("BEGIN IMMEDIATE")
    folded = projector.Projector()
    await folded.apply(views.writer, log.events)
    await views.writer.execute("ROLLBACK")

    assert await views.digest() == before
    assert await projector.position(views.writer, 1) == Position((1,))

    await views.show(log)
    assert targets.get(views.reader, outdial, target) is not None


async def test_no_events_are_no_work(views: Views) -> None:
    await projector.Projector().apply(views.writer, [])

    assert await projector.position(views.writer, 1) == Position((0,))


@pytest.mark.parametrize("event", [OutdialUpdated(name="x"), TargetDeleted(target_id="t"), OutplanUpdated(name="x"), DialingStarted(run=1)])
async def test_an_event_about_nothing_known_stops_the_projector_and_names_itself(
    views: Views, log: Log, event: OutdialUpdated | TargetDeleted | OutplanUpdated | DialingStarted
) -> None:
    log.outdial()
    log.add("00000000-0000-4000-8000-00000000000f", event)

    with pytest.raises(LogBroken, match=r"/00000000-0000-4000-8000-00000000000f/1 .* position 2\)"):
        await views.show(log)

    assert await projector.position(views.writer, 1) == Position((0,))


@pytest.mark.parametrize("table", ["target", "call"])
async def test_a_row_that_is_kept_in_memory_is_missed_in_the_table(views: Views, log: Log, table: str) -> None:
    outdial = log.outdial()
    log.plan(outdial)
    target = log.target(outdial)
    log.requested(outdial, target)
    folded = projector.Projector()
    await folded.apply(views.writer, log.events)
    before = len(log.events)
    await views.writer.execute_fetchall(f"DELETE FROM {table}")  # noqa: S608  names of this test
    log.answered(outdial, target)

    with pytest.raises(LogBroken, match="missing in the views"):
        await folded.apply(views.writer, log.events[before:])


async def test_rows_no_longer_kept_are_read_again(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "KEPT", 2)
    chance = Random(4)  # noqa: S311  an example, not a secret
    history = History([(chance.randrange(20), chance.randrange(1_000_000)) for _ in range(600)])
    await views.show(history.log)
    with tempfile.TemporaryDirectory() as folder:
        async with views_in(Path(folder)) as others:
            folded = projector.Projector()
            for start in range(0, len(history.log.events), 7):
                await folded.apply(others.writer, history.log.events[start : start + 7])

            assert await others.digest() == await views.digest()


async def test_everything_in_one_batch_is_as_in_many(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=3)
    target = log.target(outdial)
    log.requested(outdial, target)
    log.answered(outdial, target)
    log.ended(outdial, target, "answered")
    reader = await views.show(log)

    stats: Stats = outdials.stats(reader, outdial, log.clock)

    assert (stats.total, stats.requested, stats.answered, stats.due_now) == (1, 1, 1, 0)
    assert await digest_of(log, [1]) == await views.digest()


async def test_views_are_created_once_and_again_without_harm(views: Views, log: Log) -> None:
    outdial = log.outdial()
    await views.show(log)

    await projector.create_all(views.writer)

    assert outdials.get(views.reader, CUSTOMER, outdial) is not None


async def test_dropping_the_views_leaves_other_checkpoints_alone(tmp_path: Path) -> None:
    async with aiosqlite.connect(tmp_path / "views.db", isolation_level=None) as db:
        await projector.drop_all(db)
        await projector.create_all(db)
        await db.execute("INSERT INTO checkpoint (view, position) VALUES ('another', 5), ('views', 7)")

        await projector.drop_all(db)

        assert list(await db.execute_fetchall("SELECT * FROM checkpoint")) == [("another", 5)]


async def test_targets_are_found_before_and_after_their_places_are_settled(views: Views, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SETTLE_AFTER", 50)
    outdial = log.outdial()
    for _ in range(120):
        target = log.target(outdial)
        log.tried(outdial, target, "busy")
    reader = await views.show(log, 20)

    settled, fresh = (reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("place", "place_new"))  # noqa: S608  names of this test
    assert settled + fresh == 240
    assert settled > 0
    assert fresh < 60
    ids = [event.data.target_id for _, event in log.events if event.type == "TargetAdded"]  # type: ignore[attr-defined]
    assert [found.id for found in targets.many(reader, outdial, ids)] == ids
    assert {found.lifecycle for found in targets.many(reader, outdial, ids)} == {"busy"}
