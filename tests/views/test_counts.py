import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outdial.commands import OUTCOMES
from outdial.events import (
    DialingStarted,
    TargetBlocked,
    TargetDeferred,
    TargetDeleted,
    TargetExhausted,
    TargetExpired,
    TargetFinished,
    TargetReopened,
    TargetRevived,
)
from outdial.standing import STANDINGS
from outdial.views import outdials, targets
from outdial.views.counts import Stats
from outdial.windows import Windows
from views.hand import MAIL, MINUTE, PHONE, SECOND, Log, Views, look
from views.histories import STEPS, History, counted, standings


def ids(parts: Iterable[list[targets.Target]]) -> list[str]:
    """Who is in a list that comes in parts."""
    return [row.id for row in chain.from_iterable(parts)]


async def stats_of(views: Views, log: Log, outdial: str) -> Stats:
    return outdials.stats(await views.show(log), outdial, log.clock)


@given(STEPS, st.integers(1, 40))
@settings(max_examples=150)
def test_counts_are_what_counting_target_by_target_gives(steps: list[tuple[int, int]], batch: int) -> None:
    history = History(steps)

    def compare(reader: sqlite3.Connection) -> None:
        for found in history.lists:
            now: int | None = history.log.clock
            for _ in range(12):
                if now is None:
                    break
                expected = counted(found, now)
                assert outdials.stats(reader, found.id, now) == expected
                assert outdials.stats(reader, found.id, now - 1) == counted(found, now - 1)
                now = expected.next_due

    look(history.log, compare, batch)


@given(STEPS, st.integers(1, 40))
@settings(max_examples=100)
def test_a_list_of_those_that_stand_so_has_all_that_are_counted_and_nobody_else(steps: list[tuple[int, int]], batch: int) -> None:
    history = History(steps)

    def compare(reader: sqlite3.Connection) -> None:
        for found in history.lists:
            opens = outdials.stats(reader, found.id, history.log.clock).next_due
            for now in (history.log.clock, *(() if opens is None else (opens - 1, opens))):
                told = standings(found, now)
                for word in STANDINGS:
                    listed = ids(targets.page_of(reader, found.id, word, now, None, 1_000))
                    assert listed == [one for one in reversed(told) if told[one] == word]

    look(history.log, compare, batch)


@pytest.mark.parametrize("looked_through", [1, 3, 7, 5_000])
async def test_those_that_stand_so_come_in_pages_that_miss_nobody(
    views: Views, log: Log, looked_through: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "LOOKED_THROUGH", looked_through)
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=1)
    made = [log.after(number % 2).target(outdial) for number in range(20)]
    for tried in made[7:14]:
        log.tried(outdial, tried, "busy")
    reader, read, before = await views.show(log), list[str](), None

    while found := [*chain.from_iterable(targets.page_of(reader, outdial, "due_now", log.clock, before, 3))]:
        assert len(found) <= 3
        read += [row.id for row in found]
        before = (found[-1].tm_create, found[-1].id)

    assert read == [one for one in reversed(made) if one not in made[7:14]]


async def test_a_retry_is_on_the_list_of_those_who_are_due_to_the_microsecond(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=2, try_interval=60_000)
    log.after(1_234_567)
    target = log.target(outdial)
    log.tried(outdial, target, "busy")
    due, reader = log.clock + MINUTE, await views.show(log)

    for at, standing in ((due - 1, "due_later"), (due, "due_now")):
        lists = {word: ids(targets.page_of(reader, outdial, word, at, None, 10)) for word in STANDINGS}
        assert lists == {word: [target] if word == standing else [] for word in STANDINGS}


async def test_an_outdial_that_does_not_exist_has_nothing(views: Views) -> None:
    stats = outdials.stats(views.reader, "unknown", 0)

    assert (stats.total, stats.deleted, stats.waiting, stats.due_now, stats.next_due) == (0, 0, 0, 0, None)
    assert set(stats.status.values()) == set(stats.lifecycle.values()) == set(stats.ended.values()) == {0}
    assert tuple(stats.ended) == OUTCOMES


async def test_every_outcome_is_counted_once(views: Views, log: Log) -> None:
    outdial = log.outdial()
    for outcome in OUTCOMES:
        log.tried(outdial, log.target(outdial), outcome)

    stats = await stats_of(views, log, outdial)

    assert stats.ended == dict.fromkeys(OUTCOMES, 1)
    assert stats.outcome == {"never": 0} | stats.ended
    assert (stats.requested, stats.open_attempts, stats.answered, stats.given_back) == (8, 0, 1, 1)


async def test_without_a_plan_nothing_is_due(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.target(outdial)

    stats = await stats_of(views, log, outdial)

    assert (stats.waiting, stats.no_tries, stats.due_now, stats.next_due) == (0, 1, 0, None)


async def test_a_target_never_tried_is_due_from_its_creation(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=1)
    log.target(outdial)

    assert (await stats_of(views, log, outdial)).due_now == 1


async def test_a_retry_is_due_try_interval_after_the_end_to_the_microsecond(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=2, try_interval=60_000)
    log.after(1_234_567)
    log.tried(outdial, log.target(outdial), "busy")
    ended = log.clock
    reader = await views.show(log)

    early = outdials.stats(reader, outdial, ended + MINUTE - 1)
    sharp = outdials.stats(reader, outdial, ended + MINUTE)

    assert (early.due_now, early.next_due) == (0, ended + MINUTE)
    assert (sharp.due_now, sharp.next_due) == (1, None)


@pytest.mark.parametrize(("in_a_row", "seconds"), [(1, 60), (7, 64), (8, 128), (10, 512), (11, 900), (40, 900)])
async def test_not_dialed_in_a_row_waits_longer_each_time_up_to_a_quarter_of_an_hour(
    views: Views, log: Log, in_a_row: int, seconds: int
) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=1, try_interval=60_000)
    target = log.target(outdial)
    for ordinal in range(1, in_a_row + 1):
        log.tried(outdial, target, "not_dialed", ordinal, try_count=1)

    stats = await stats_of(views, log, outdial)

    assert stats.next_due == log.clock + seconds * SECOND


async def test_a_new_plan_is_counted_by_without_any_event_of_a_target(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=1)
    log.target(outdial, PHONE)
    log.target(outdial, MAIL, PHONE)
    assert (await stats_of(views, log, outdial)).waiting == 2

    log.plan(outdial, 2, max_try_count_1=1)

    stats = await stats_of(views, log, outdial)
    assert (stats.waiting, stats.no_tries, stats.due_now) == (1, 1, 1)


async def test_a_run_of_calls_leaves_out_what_is_no_telephone(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.add(outdial, DialingStarted(run=1, campaign_type="call"))
    log.plan(outdial, max_try_count_0=1, max_try_count_1=1)
    log.target(outdial, MAIL)
    log.target(outdial, MAIL, PHONE)

    stats = await stats_of(views, log, outdial)

    assert (stats.waiting, stats.no_tries) == (1, 1)


async def test_a_cap_of_the_target_ends_its_tries(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=5)
    log.tried(outdial, log.target(outdial, try_count_max=1), "busy")

    stats = await stats_of(views, log, outdial)

    assert (stats.waiting, stats.no_tries) == (0, 1)


async def test_a_deleted_target_counts_as_nothing_but_deleted(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    log.requested(outdial, target)
    log.add(outdial, TargetDeleted(target_id=target))
    assert (await stats_of(views, log, outdial)).open_attempts == 1

    log.ended(outdial, target, "busy")

    stats = await stats_of(views, log, outdial)
    assert (stats.total, stats.deleted, stats.open_attempts, stats.ended["busy"]) == (0, 1, 0, 1)
    assert set(stats.lifecycle.values()) == {0}


async def test_what_is_exhausted_revived_reopened_or_finished_late_moves_from_count_to_count(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    attempt = log.tried(outdial, target, "busy")
    seen = []
    for event in (
        TargetExhausted(target_id=target, plan_version=1),
        TargetRevived(target_id=target),
        TargetReopened(target_id=target),
        TargetFinished(target_id=target, attempt_id=attempt, late=True),
    ):
        log.add(outdial, event)
        lifecycle = (await stats_of(views, log, outdial)).lifecycle
        seen.append([word for word, n in lifecycle.items() if n])

    assert seen == [["failed"], ["idle"], ["idle"], ["finished"]]


async def test_a_count_that_came_down_to_nothing_is_no_row(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    await views.show(log)
    log.requested(outdial, target)
    reader = await views.show(log)

    assert reader.execute("SELECT count(*) FROM waiting").fetchone() == (0,)
    assert reader.execute("SELECT count(*) FROM tally WHERE n = 0").fetchone() == (0,)


async def test_a_call_back_is_due_at_its_instant_whatever_the_plan(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=3, try_interval=60_000)
    target = log.target(outdial)
    at = log.clock + 90 * MINUTE
    log.tried(outdial, target, "not_dialed")
    log.requested(outdial, target, 2)
    log.ended(outdial, target, "answered", 2, call_back_at=at)
    reader = await views.show(log)

    found = targets.get(reader, outdial, target)
    assert found is not None
    assert (found.lifecycle, found.waits_until, found.not_dialed_streak) == ("idle", at, 0)
    assert (outdials.stats(reader, outdial, at - 1).due_now, outdials.stats(reader, outdial, at - 1).next_due) == (0, at)
    assert outdials.stats(reader, outdial, at).due_now == 1


async def test_outside_the_hours_of_one_clock_nobody_is_due_before_they_open(views: Views, log: Log) -> None:
    """It is Tuesday, 22:13:20 in London."""
    outdial = log.outdial()
    log.target(outdial)
    hours = [{"days": ["wed", "thu"], "start": "09:00", "end": "17:00"}]
    log.plan(outdial, max_try_count_0=1, windows=Windows.model_validate({"hours": hours, "time_zone": "Europe/London"}))
    opens = 1_700_038_800_000_000
    reader = await views.show(log)

    closed, opened = (outdials.stats(reader, outdial, at) for at in (opens - 1, opens))

    assert (closed.waiting, closed.due_now, closed.due_outside, closed.next_due) == (1, 0, 1, opens)
    assert (closed.opens, opened.opens) == ((opens, ("Europe/London",)), None)
    assert (opened.waiting, opened.due_now, opened.due_outside, opened.next_due) == (1, 1, 0, None)


async def test_outside_their_own_hours_nobody_is_due_before_they_open(views: Views, log: Log) -> None:
    """It is Friday, 08:00 in London, 17:00 in Tokyo."""
    outdial = log.outdial()
    log.add(outdial, DialingStarted(run=1))
    for zone in ("Europe/London", "Europe/London", "Asia/Tokyo"):
        log.target(outdial, time_zone=zone)
    hours = [{"days": ["fri"], "start": "09:00", "end": "18:00"}]
    log.plan(outdial, max_try_count_0=1, windows=Windows.model_validate({"hours": hours}))
    reader = await views.show(log)

    now, later = (outdials.stats(reader, outdial, log.clock + minutes * MINUTE) for minutes in (0, 90))

    assert (now.waiting, now.due_now, now.due_outside, now.next_due) == (3, 1, 2, log.clock + 60 * MINUTE)
    assert (now.blocked["outside_window"], now.lets_go) == (2, {"outside_window": log.clock + 60 * MINUTE})
    assert (later.waiting, later.due_now, later.due_outside) == (3, 2, 1)
    assert now.opens == (log.clock + 60 * MINUTE, ("Europe/London",))
    assert later.opens is not None
    assert later.opens.zones == ("Asia/Tokyo",)


async def test_a_call_outside_the_hours_of_whom_is_called_is_counted_by_the_plan_of_then(views: Views, log: Log) -> None:
    """It is Friday, 08:00 in London, 17:00 in Tokyo."""
    outdial = log.outdial()
    hours = [{"days": ["fri"], "start": "09:00", "end": "18:00"}]
    log.plan(outdial, max_try_count_0=5, windows=Windows.model_validate({"hours": hours}))
    tokyo, london = (log.target(outdial, time_zone=zone) for zone in ("Asia/Tokyo", "Europe/London"))
    log.tried(outdial, tokyo, "busy")
    reader = await views.show(log)
    assert outdials.stats(reader, outdial, log.clock).outside == 0

    log.tried(outdial, london, "busy")
    reader = await views.show(log)
    assert outdials.stats(reader, outdial, log.clock).outside == 1

    log.plan(outdial, 2, max_try_count_0=5)
    log.tried(outdial, london, "busy", 2)
    reader = await views.show(log)
    stats = outdials.stats(reader, outdial, log.clock)
    assert (stats.outside, stats.requested) == (1, 3)


async def test_of_who_is_too_late_or_suppressed_or_was_called_too_often_nobody_is_due(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.add(outdial, DialingStarted(run=1))
    log.plan(outdial, max_try_count_0=1)
    late, listed, capped = log.target(outdial), log.target(outdial), log.target(outdial)
    until = log.clock + MINUTE
    log.add(outdial, TargetExpired(target_id=late))
    log.add(outdial, TargetBlocked(target_id=listed, destinations=(0,), entries=("0" * 32,)))
    log.add(outdial, TargetDeferred(target_id=capped, until=until, reason="frequency_cap"))

    stats = await stats_of(views, log, outdial)

    assert (stats.total, stats.waiting, stats.no_tries, stats.due_now, stats.next_due) == (3, 1, 1, 0, until)
    assert {rule for rule, n in stats.blocked.items() if n} == {"expired", "suppressed", "frequency_cap"}
    assert (stats.lifecycle["failed"], targets.many(views.reader, outdial, [late])[0].lifecycle) == (1, "failed")
    assert outdials.stats(views.reader, outdial, until).due_now == 1


async def test_numbers_that_are_read_while_others_write_are_of_one_moment(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.target(outdial, PHONE)
    reader = await views.show(log)
    [(_, _, path)] = reader.execute("PRAGMA database_list").fetchall()
    wanted = outdials.stats(reader, outdial, log.clock)

    statements: list[str] = []

    def meanwhile(statement: str) -> None:
        statements.append(statement)
        if len(statements) == 3:
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                for table in ("waiting", "tally"):
                    other.execute(f"DELETE FROM {table}")  # noqa: S608  one of the two above

    reader.set_trace_callback(meanwhile)

    assert outdials.stats(reader, outdial, log.clock) == wanted
    assert not reader.in_transaction
    assert len(statements) > 3
    reader.set_trace_callback(None)
    assert outdials.stats(reader, outdial, log.clock) != wanted
