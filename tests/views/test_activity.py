"""What went on, and when: every request and every end is counted once under each measure, and a calendar says what comes."""

import sqlite3
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from outdial.address import Address
from outdial.events import DialEnded, DialingStarted, DialingStopped, DialRequested
from outdial.views import activity, outdials
from outdial.views.counts import Falling
from views.hand import MAIL, MINUTE, PHONE, SECOND, Log, Views, look
from views.histories import STEPS, History, counted

WEEK_S = 7 * 24 * 3_600


@given(STEPS, st.integers(1, 40))
@settings(max_examples=60)
def test_every_measure_adds_up_to_the_counts_of_the_outdial(steps: list[tuple[int, int]], batch: int) -> None:
    history = History(steps)
    now = history.log.clock

    def compare(reader: sqlite3.Connection) -> None:
        for found in history.lists:
            stats = outdials.stats(reader, found.id, now)
            pace = activity.pace(reader, found.id, now, WEEK_S, 600)
            assert {what: sum(counts) for what, counts in pace.counts.items()} == {"requested": stats.requested, **stats.ended}
            for measure in activity.MEASURES:
                told = activity.yields(reader, found.id, measure)
                outcomes = Counter[str]()
                for row in told:
                    assert row["ended"] == sum(row["outcome"].values())
                    outcomes.update(row["outcome"])
                assert outcomes == +Counter(stats.ended)

    look(history.log, compare, batch)


async def test_what_happened_stands_in_the_step_in_which_it_happened(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    log.requested(outdial, target)
    log.after(12 * SECOND).ended(outdial, target, "busy")
    reader = await views.show(log)

    pace = activity.pace(reader, outdial, log.clock, 60, 5)

    times = {what: [pace.begins + place * pace.step for place, n in enumerate(counts) if n] for what, counts in pace.counts.items()}
    [requested, ended] = [event.time for _, event in log.events if isinstance(event.data, DialRequested | DialEnded)]
    assert {what: found for what, found in times.items() if found} == {
        "requested": [requested // SECOND // 5 * 5],
        "busy": [ended // SECOND // 5 * 5],
    }


async def test_an_end_is_counted_under_the_calling_code_of_the_number_that_was_called(views: Views, log: Log) -> None:
    outdial = log.outdial()
    both = log.target(outdial, MAIL, Address(type="tel", target="+49 30 1234567"))
    log.tried(outdial, both, "failed", destination_index=0)
    log.requested(outdial, both, 2, destination_index=1)
    log.ended(outdial, both, "busy", 2, destination_index=1)
    log.tried(outdial, log.target(outdial), "busy")
    reader = await views.show(log)

    told = activity.yields(reader, outdial, "prefix")

    assert {row["key"]: row["outcome"] for row in told} == {0: {"failed": 1}, 1: {"busy": 1}, 49: {"busy": 1}}


async def test_who_steered_is_told_newest_first(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.add(outdial, DialingStarted(run=1))
    log.plan(outdial, max_try_count_0=1)
    log.target(outdial)
    log.after(MINUTE).add(outdial, DialingStopped(run=1, how="stopped", requests=0))
    reader = await views.show(log)

    found = activity.controls(reader, outdial, 2)

    assert [(name, time) for _, time, name, _ in found] == [("DialingStopped", log.clock), ("PlanApplied", log.clock - MINUTE)]


@given(STEPS)
@settings(max_examples=60)
def test_a_calendar_leaves_nobody_out(steps: list[tuple[int, int]]) -> None:
    history = History(steps)
    now = history.log.clock

    def compare(reader: sqlite3.Connection) -> None:
        for found in history.lists:
            calendar = outdials.calendar(reader, found.id, now, 15 * MINUTE, 8)
            waiting = counted(found, now).waiting if found.plan is not None else 0
            assert calendar.overdue + sum(calendar.steps) + calendar.later == waiting
            apart = Falling(0, [0] * 8, 0)
            for zone in calendar.zones.values():
                apart.add(zone)
            assert apart == Falling(calendar.overdue, calendar.steps, calendar.later)

    look(history.log, compare)


async def test_a_calendar_says_when_a_retry_falls_due(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=3, try_interval=40 * 60_000)
    log.tried(outdial, log.target(outdial), "busy")
    log.target(outdial)
    reader = await views.show(log)

    calendar = outdials.calendar(reader, outdial, log.clock, 15 * MINUTE, 4)

    assert (calendar.overdue, calendar.steps, calendar.later) == (1, [0, 0, 1, 0], 0)
    assert outdials.calendar(reader, outdial, log.clock, MINUTE, 4).later == 1


async def test_a_calendar_says_in_which_zones_somebody_falls_due(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=1, max_try_count_1=1, try_interval=20 * 60_000, time_zone="Asia/Seoul")
    log.target(outdial, time_zone="Europe/Berlin")
    log.target(outdial)
    both = log.target(outdial, PHONE, PHONE, zones=(("America/Chicago",), ("America/Denver", "America/Phoenix")))
    log.tried(outdial, both, "busy")
    reader = await views.show(log)

    zones = outdials.calendar(reader, outdial, log.clock, 15 * MINUTE, 2).zones

    now, next_quarter = Falling(1, [0, 0], 0), Falling(0, [0, 1], 0)
    assert zones == {("Europe/Berlin",): now, ("Asia/Seoul",): now, ("America/Denver", "America/Phoenix"): next_quarter}
