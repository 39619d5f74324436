"""Views of a log of several partitions: the same whatever the order they were read in, and paged without loss."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outdial.envelope import Event
from outdial.events import CampaignUpdated, DialRequested, OutdialUpdated, OutplanUpdated
from outdial.position import Position, partition_at, place_of
from outdial.views import calls, history, outdials, places, projector, targets
from outdial.views.rows import LogBroken
from views.hand import CUSTOMER, STRANGER, Log, Views, views_in
from views.histories import STEPS, History, counted

PARTITIONS = 3
Placed = tuple[int, Event]


def spread(log: Log, gaps: int = 3) -> list[list[Placed]]:
    """The events by partition, each stream in one; between them offsets that hold no event."""
    found: list[list[Placed]] = [[] for _ in range(PARTITIONS)]
    ends = [0] * PARTITIONS
    for place, event in log.events:
        partition = crc32(event.stream.encode()) % PARTITIONS
        found[partition].append((place_of(partition, ends[partition]), event))
        ends[partition] += 1 + place % gaps
    return found


def interleaved(parts: Sequence[Sequence[Placed]], chance: Random) -> list[Placed]:
    """The events as some process may have read them: now from one partition, now from another, some at a time."""
    left = [list(part) for part in parts]
    found: list[Placed] = []
    while any(left):
        part = chance.choice([part for part in left if part])
        taken = chance.randint(1, 12)
        found += part[:taken]
        del part[:taken]
    return found


def grown(steps: list[tuple[int, int]]) -> History:
    """A history of several outdials, with outplans and campaigns beside."""
    grown = History(steps, lists=5)
    log = grown.log
    for number in range(4):
        log.add(log.outplan(), OutplanUpdated(name=f"Plan {number}"))
        log.add(log.campaign(), CampaignUpdated(name=f"Campaign {number}"))
    return grown


@given(STEPS, st.integers(0, 2**32), st.lists(st.integers(1, 40), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_the_digest_is_the_same_however_partitions_are_interleaved(steps: list[tuple[int, int]], seed: int, batches: list[int]) -> None:
    parts = spread(grown(steps).log)
    chance = Random(seed)  # noqa: S311  an example, not a secret

    async def digest_of(events: list[Placed], sizes: list[int]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            async with views_in(Path(folder), PARTITIONS) as views:
                start = turn = 0
                while start < len(events):
                    size = sizes[turn % len(sizes)]
                    await views.apply(events[start : start + size])
                    start, turn = start + size, turn + 1
                return await views.digest()

    one_after_another = [placed for part in parts for placed in part]
    assert asyncio.run(digest_of(interleaved(parts, chance), batches)) == asyncio.run(digest_of(one_after_another, [1_000]))


@pytest.mark.parametrize("seed", range(3))
async def test_a_long_history_in_three_partitions_is_counted_right(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)  # noqa: S311  an example, not a secret
    history = grown([(chance.randrange(23), chance.randrange(10_000_000)) for _ in range(1_500)])
    parts = spread(history.log)
    assert all(parts)
    async with views_in(tmp_path, PARTITIONS) as views:
        with patch.object(places, "SETTLE_AFTER", 100):
            await views.apply(interleaved(parts, chance), 37)

        for found in history.lists:
            assert outdials.stats(views.reader, found.id, history.log.clock) == counted(found, history.log.clock)
            ids = [person.id for person in found.people]
            assert [target.id for target in targets.many(views.reader, found.id, ids)] == ids
        ends = Position(tuple(part[-1][0] - place_of(partition, -1) for partition, part in enumerate(parts)))
        assert await projector.position(views.writer, PARTITIONS) == projector.standing(views.reader) == ends


async def test_events_at_or_below_the_mark_of_their_partition_are_skipped(tmp_path: Path) -> None:
    chance = Random(3)  # noqa: S311  an example, not a secret
    parts = spread(grown([(chance.randrange(23), chance.randrange(1_000_000)) for _ in range(400)]).log)
    read = interleaved(parts, chance)
    async with views_in(tmp_path, PARTITIONS) as views:
        await views.apply(read[: len(read) // 2], 20)
        await views.apply(interleaved(parts, chance), 30)
        await views.apply(read, 50)
        again = await views.digest()
        await projector.drop_all(views.writer)
        await projector.create_all(views.writer, PARTITIONS)
        assert projector.standing(views.reader) == Position.beginning(PARTITIONS)
        await views.apply(read)
        assert await views.digest() == again


async def test_a_new_file_of_views_knows_how_many_partitions_it_follows(tmp_path: Path) -> None:
    async with views_in(tmp_path, 12) as views:
        assert projector.partitions_of(views.reader) == 12
        assert projector.standing(views.reader) == Position.beginning(12)


async def test_an_event_that_does_not_fit_is_named_with_its_partition(tmp_path: Path, log: Log) -> None:
    log.add("00000000-0000-4000-8000-00000000000f", OutdialUpdated(name="x"))
    async with views_in(tmp_path, PARTITIONS) as views:
        with pytest.raises(LogBroken, match=r"position 5 of partition 2\)"):
            await views.apply([(place_of(2, 4), log.events[0][1])])


async def test_the_end_of_the_log_is_that_of_each_partition_and_its_time_the_latest(tmp_path: Path, log: Log) -> None:
    first, second = log.outdial(), log.after(5).outdial()
    log.after(5).add(first, OutdialUpdated(name="x"))
    (_, one), (_, two), (_, three) = log.events
    assert (one.stream, two.stream) == (first, second)
    async with views_in(tmp_path, PARTITIONS) as views:
        assert history.last_position(views.reader, PARTITIONS) == Position((0, 0, 0))
        assert history.last_time(views.reader, PARTITIONS) == 0
        await views.apply([(place_of(2, 3), two), (place_of(0, 0), one), (place_of(0, 8), three)], logged=True)
        assert history.last_position(views.reader, PARTITIONS) == Position((9, 0, 4))
        assert history.last_time(views.reader, PARTITIONS) == three.time


# --- pages ----------------------------------------------------------------------------------------------


class Process:
    """One process that follows the log, as far as it has read."""

    def __init__(self, views: Views, events: list[Placed]) -> None:
        self.views = views
        self._left = events

    async def read(self, number: int) -> None:
        """Read so many events more."""
        await self.views.apply(self._left[:number], logged=True)
        del self._left[:number]

    async def read_all(self) -> None:
        await self.read(len(self._left))


def many_dials() -> Log:
    """Dial requests of two customers, in streams of all partitions, and other events between."""
    log = Log()
    chance = Random(11)  # noqa: S311  an example, not a secret
    lists = [log.outdial(CUSTOMER if number % 4 else STRANGER) for number in range(12)]
    for _ in range(120):
        outdial = chance.choice(lists)
        log.after(chance.choice((0, 0, 1, 1_000))).requested(outdial, log.target(outdial))
    return log


@pytest.mark.parametrize("limit", [1, 7, 1_000])
@pytest.mark.parametrize("what", ["events", "of a stream", "requests", "of a customer", "of a stranger"])
@pytest.mark.parametrize("seed", range(3))
async def test_paging_loses_nothing_and_repeats_nothing_while_rows_arrive_and_processes_change(
    tmp_path: Path, what: str, limit: int, seed: int
) -> None:
    log = many_dials()
    parts = spread(log)
    assert all(parts)
    chance = Random(seed)  # noqa: S311  an example, not a secret
    stream = log.events[5][1].stream
    wanted = {place for part in parts for place, event in part if _is_wanted(what, event, stream, log)}

    async with AsyncExitStack() as opened:
        processes = []
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            views = await opened.enter_async_context(views_in(folder, PARTITIONS))
            processes.append(Process(views, interleaved(parts, chance)))
        seen: list[int] = []
        at = "0"
        with patch.object(calls, "LOOKED_AT", 5):
            for turn in range(2_000):
                asked = chance.choice(processes)
                if chance.random() < 0.3 or turn > 1_000:
                    await asked.read(chance.randint(1, 9) if turn <= 1_000 else 1_000)
                places_read, at, _ = _read(asked.views, what, at, limit, stream)
                seen += places_read
            for process in processes:
                await process.read_all()
            more = True
            while more:
                places_read, at, more = _read(processes[1].views, what, at, limit, stream)
                seen += places_read

    assert len(seen) == len(set(seen))
    assert set(seen) == wanted
    for partition in range(PARTITIONS):
        of_partition = [place for place in seen if partition_at(place) == partition]
        assert of_partition == sorted(of_partition)


def _is_wanted(what: str, event: Event, stream: str, log: Log) -> bool:
    if what == "events":
        return True
    if what == "of a stream":
        return event.stream == stream
    if not isinstance(event.data, DialRequested):
        return False
    owner = next(other.data.customer_id for _, other in log.events if other.stream == event.stream)  # type: ignore[attr-defined]
    return what == "requests" or owner == (CUSTOMER if what == "of a customer" else STRANGER)


def _read(views: Views, what: str, at: str, limit: int, stream: str) -> tuple[list[int], str, bool]:
    """The places on the next page, the position after it, and whether there may be more."""
    after = Position.parse(at, PARTITIONS)
    if what in ("events", "of a stream"):
        rows = history.page(views.reader, after, limit, stream=stream if what == "of a stream" else None)
        assert len(rows) <= limit
        for place, _ in rows:
            assert not after.covers(after.after(place))
            after = after.after(place)
        return [place for place, _ in rows], str(after), len(rows) == limit
    customer = {"requests": None, "of a customer": CUSTOMER, "of a stranger": STRANGER}[what]
    page = calls.requests_after(views.reader, customer, after, limit)
    assert len(page.rows) <= limit
    at_place = dict(views.reader.execute("SELECT id, position FROM call").fetchall())
    before = after
    for row in page.rows:
        position, place = Position.parse(row["position"], PARTITIONS), at_place[row["attempt_id"]]
        assert position.covers(before)
        assert not before.covers(before.after(place))
        assert position.covers(before.after(place))
        before = position
    assert page.reached.covers(before)
    return [at_place[row["attempt_id"]] for row in page.rows], str(page.reached), page.more


@pytest.mark.parametrize("limit", [1, 10, 1_000])
async def test_every_process_shows_the_same_in_the_same_order_with_the_same_positions(tmp_path: Path, limit: int) -> None:
    log = many_dials()
    parts = spread(log)
    told: list[Any] = []
    for seed in range(2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with views_in(folder, PARTITIONS) as views:
            await views.apply(interleaved(parts, Random(seed)), 13, logged=True)  # noqa: S311  an example, not a secret
            after, events = Position.beginning(PARTITIONS), []
            while rows := history.page(views.reader, after, limit):
                for place, body in rows:
                    after = after.after(place)
                    events.append((place, body, str(after)))
            page = calls.requests_after(views.reader, CUSTOMER, Position.beginning(PARTITIONS), limit)
            requests = list(page.rows)
            while page.more:
                page = calls.requests_after(views.reader, CUSTOMER, page.reached, limit)
                requests += page.rows
            told.append((events, requests))

    assert told[0] == told[1]
    times = {place: event.time for part in parts for place, event in part}
    order = [place for place, _, _ in told[0][0]]
    assert order == sorted(times, key=lambda place: (times[place], place))


@pytest.mark.parametrize("ahead", [0, 1, 2])
async def test_a_position_ahead_of_what_a_process_has_read_hides_nothing_of_the_rest(tmp_path: Path, ahead: int) -> None:
    parts = spread(many_dials())
    marks = [0] * PARTITIONS
    marks[ahead] = 10**18 - 1
    async with views_in(tmp_path, PARTITIONS) as views:
        await views.apply([placed for part in parts for placed in part], logged=True)
        rows = history.page(views.reader, Position(tuple(marks)), 10_000)
    assert {place for place, _ in rows} == {place for number, part in enumerate(parts) if number != ahead for place, _ in part}


async def test_the_history_of_a_target_is_read_from_the_partition_it_is_in(tmp_path: Path, log: Log) -> None:
    outdial = log.outdial()
    others = [log.outdial() for _ in range(5)]
    target = log.target(outdial)
    for other in others:
        log.target(other, target_id=target)
    for ordinal in (1, 2):
        log.tried(outdial, target, "busy", ordinal)
    parts = spread(log)
    partition = crc32(outdial.encode()) % PARTITIONS
    expected = [place for place, event in parts[partition] if event.stream == outdial and event.type != "OutdialCreated"]
    async with views_in(tmp_path, PARTITIONS) as views:
        await views.apply([placed for part in parts for placed in part], logged=True)
        found = targets.get(views.reader, outdial, target)
        assert found is not None
        after, read = Position.beginning(PARTITIONS), []
        while rows := history.page_of_target(views.reader, outdial, target, found.position, after, 2):
            read += [place for place, _ in rows]
            after = after.after(read[-1])
    assert read == expected


async def test_a_page_is_of_one_moment_though_another_process_writes(tmp_path: Path) -> None:
    parts = spread(many_dials())
    async with views_in(tmp_path, PARTITIONS) as views:
        await views.apply([placed for part in parts for placed in part], logged=True)
        statements: list[str] = []
        views.reader.set_trace_callback(statements.append)
        history.page(views.reader, Position.beginning(PARTITIONS), 10)
        calls.requests_after(views.reader, CUSTOMER, Position.beginning(PARTITIONS), 10)
        views.reader.set_trace_callback(None)
        assert not views.reader.in_transaction
        # A reader that is left open would keep the writer from shortening its journal.
        [(busy, *_)] = await views.writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    assert [statement for statement in statements if not statement.lstrip().startswith("SELECT")] == ["BEGIN", "COMMIT"] * 2
    assert busy == 0
