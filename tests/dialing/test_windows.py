"""Nobody is called outside their hours, by the clock on their wall; and everybody is called when they are."""

from datetime import UTC, datetime
from typing import Any

import pytest

from given import Given, a, given
from outdial.address import Address
from outdial.events import DialingFinished, DialingStarted, DialRequested, PlanApplied, TargetAdded
from outdial.plan import Plan
from outdial.scalars import MILLISECOND_US
from outdial.zones import tzdata_version
from saying import OUTDIAL, add, campaign, claim, create, ends, outplan, run, start, stop, target_id
from sim import DAY, HOUR, MINUTE, SECOND, Sim, silent

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
PATIENCE_MS = 7 * DAY // MILLISECOND_US
"""No attempt is given up while a test looks on."""
BERLIN, NEW_YORK, DENVER = "Europe/Berlin", "America/New_York", "America/Denver"


def instant(text: str) -> int:
    """Microseconds of ``2026-06-01 09:00`` UTC."""
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp()) * SECOND


def windowed(start: str = "09:00", end: str = "20:00", days: list[str] | None = None, **more: Any) -> Plan:
    windows = {"hours": [{"days": days or WEEK, "start": start, "end": end}], **more.pop("windows", {})}
    return Plan.model_validate({"max_try_count_0": 3, "max_try_count_1": 3, "windows": windows, "result_grace": PATIENCE_MS, **more})


def phone(number: str) -> Address:
    return Address(type="tel", target=number)


def at(text: str, *steps: Any) -> Given:
    return given(*steps, sim=Sim(silent, instant(text)))


def until(there: Given, text: str) -> int:
    return instant(text) - there.sim.now


# --- whose clock


def test_a_target_is_dialed_when_its_window_opens_and_not_a_microsecond_before() -> None:
    there = at("2026-06-01 00:00", create(windowed()), add(time_zone=BERLIN))
    there.when(7 * HOUR - 1).then_nothing().when(1).then(DialRequested)


def test_the_zone_of_a_number_is_recorded_when_it_is_added_and_used() -> None:
    there = at("2026-06-01 00:00", create(windowed()))
    there.when(add(destination_0=phone("+12125550123"), destination_1=phone("+13035550123"))).then(
        a(TargetAdded, zones=((NEW_YORK,), (DENVER,)))
    )
    there.when(13 * HOUR - 1).then_nothing().when(1).then(a(DialRequested, zones=(NEW_YORK,)))


def test_what_is_known_of_the_target_goes_before_its_number() -> None:
    there = at("2026-06-01 00:00", create(windowed()))
    there.when(add(destination_0=phone("+12125550123"), time_zone=BERLIN)).then(a(TargetAdded, zones=None))
    there.when(7 * HOUR).then(a(DialRequested, zones=(BERLIN,)))


def test_a_number_that_may_be_in_several_zones_is_dialed_when_the_window_is_open_in_all_of_them() -> None:
    there = at("2026-06-01 00:00", create(windowed()), add(destination_0=phone("+79161234567")), DAY)
    [request] = there.sim.requests
    assert request.requested_at == instant("2026-06-01 06:00")  # nine in Bucharest, six in the evening in Kamchatka
    assert request.not_after == instant("2026-06-01 06:01")


def test_an_address_of_no_zone_goes_by_the_plan() -> None:
    mail = Address(type="email", target="a@example.org")
    there = at("2026-06-01 00:00", create(windowed(time_zone=BERLIN)), add(destination_0=mail)).when(7 * HOUR - 1).then_nothing()
    there.when(1).then(a(DialRequested, zones=(BERLIN,)))


def test_of_whom_no_zone_is_known_nobody_knows_the_hour_and_the_start_says_so() -> None:
    mail = Address(type="email", target="a@example.org")
    there = at("2026-06-01 00:00", create(), add(1, destination_0=mail), add(2, time_zone=BERLIN)).when(start(windowed()))
    assert there.answer is not None
    assert [word.partition(":")[0] for word in there.answer.warnings] == ["zone_unknown"]
    there.when(30 * DAY)
    assert {request.target_id for request in there.sim.requests} == {target_id(2)}
    there.when(start(windowed(time_zone=BERLIN)), DAY)
    assert {request.target_id for request in there.sim.requests} == {target_id(1), target_id(2)}


def test_a_destination_of_no_zone_is_passed_over_for_one_that_has_one() -> None:
    mail = Address(type="email", target="a@example.org")
    there = at("2026-06-01 12:00", create(windowed()), add(destination_0=mail, destination_1=phone("+442071234567"))).when(0)
    there.then(a(DialRequested, destination_index=1))


def test_who_cannot_be_dialed_for_want_of_a_zone_does_not_keep_a_run_going() -> None:
    mail = Address(type="email", target="a@example.org")
    there = at("2026-06-01 12:00", create(), add(destination_0=mail)).when(start(windowed(), end_handle="stop"), 0)
    there.then(DialingFinished)


def test_who_waits_for_the_window_does_keep_it_going() -> None:
    there = at("2026-06-01 00:00", create(), add(time_zone=BERLIN)).when(start(windowed(), end_handle="stop"))
    there.then(DialingStarted, PlanApplied).when(HOUR).then_nothing()


def test_one_clock_for_all_is_the_one_that_the_windows_name() -> None:
    plan = windowed(windows={"time_zone": NEW_YORK})
    there = at("2026-06-01 00:00", create(plan), add(time_zone=BERLIN)).when(13 * HOUR - 1).then_nothing()
    there.when(1).then(a(DialRequested, zones=(NEW_YORK,)))


# --- what a request says


def test_a_request_says_which_window_it_came_through() -> None:
    there = at("2026-06-01 12:34", create(windowed()), add(time_zone=BERLIN)).when(0)
    opens, closes = instant("2026-06-01 07:00"), instant("2026-06-01 18:00")
    there.then(a(DialRequested, zones=(BERLIN,), window_opens=opens, window_closes=closes, tzdata=tzdata_version()))
    assert tzdata_version() >= "2026a"


def test_without_windows_it_says_nothing_of_them() -> None:
    there = at("2026-06-01 12:34", create(Plan(max_try_count_0=1)), add(time_zone=BERLIN)).when(0)
    there.then(a(DialRequested, zones=(), window_opens=None, window_closes=None, tzdata=None))


def test_no_call_may_be_started_after_the_end_of_the_window() -> None:
    there = at("2026-06-01 17:59", create(windowed(pickup_timeout=3_600_000)), add(time_zone=BERLIN)).when(0)
    closes = instant("2026-06-01 18:00")
    there.then(a(DialRequested, not_after=closes - 1))
    assert there.requests[0].not_after == closes - 1
    given(claim(), sim=there.sim)
    late = at("2026-06-01 17:59", create(windowed(pickup_timeout=3_600_000)), add(time_zone=BERLIN), 0, MINUTE)
    late.when(claim()).then_rejects("dial_too_late")


def test_the_lease_is_counted_from_not_after() -> None:
    there = at("2026-06-01 17:59", create(windowed()), add(time_zone=BERLIN)).when(0)
    [request] = there.requests
    assert request.expires_at == request.not_after + (30_000 + PATIENCE_MS) * MILLISECOND_US


# --- the hours


def test_a_retry_that_falls_due_after_hours_waits_for_the_next_day() -> None:
    there = at("2026-06-01 17:59", create(windowed(try_interval=600_000)), add(time_zone=BERLIN), 0, ends("busy"))
    there.when(13 * HOUR).then_nothing().when(MINUTE).then(a(DialRequested, try_count=2, due_at=instant("2026-06-01 18:09")))


def test_several_spans_a_day_and_one_across_midnight() -> None:
    hours = [
        {"days": ["mon"], "start": "09:00", "end": "12:00"},
        {"days": ["mon"], "start": "14:00", "end": "16:00"},
        {"days": ["mon"], "start": "22:00", "end": "01:30"},
    ]
    plan = Plan.model_validate({"max_try_count_0": 99, "try_interval": 0, "result_grace": PATIENCE_MS, "windows": {"hours": hours}})
    sim = Sim(lambda request: [(30 * MINUTE, ends("busy", request.try_count))], instant("2026-06-01 00:00"))
    given(create(plan), add(time_zone="UTC"), 7 * DAY - MINUTE, sim=sim)
    times = [datetime.fromtimestamp(request.requested_at / SECOND, UTC) for request in sim.requests]
    assert [f"{time:%d %H:%M}" for time in times] == [
        "01 09:00", "01 09:30", "01 10:00", "01 10:30", "01 11:00", "01 11:30",
        "01 14:00", "01 14:30", "01 15:00", "01 15:30",
        "01 22:00", "01 22:30", "01 23:00", "01 23:30", "02 00:00", "02 00:30", "02 01:00",
    ]  # fmt: skip


def test_on_a_closed_date_nobody_is_called_not_even_late_in_the_night_before() -> None:
    plan = windowed("22:00", "02:00", windows={"dates": [{"date": "12-25"}]})
    there = at("2026-12-24 23:59", create(plan), 30 * SECOND, add(1, time_zone="UTC"), 0, 31 * SECOND)
    assert len(there.sim.requests) == 1
    there.when(add(2, time_zone="UTC"), until(there, "2026-12-26 21:59")).then_nothing().when(MINUTE).then(DialRequested)


def test_a_date_may_have_hours_of_its_own_and_this_year_goes_before_every_year() -> None:
    dates = [
        {"date": "12-24", "hours": [{"start": "10:00", "end": "12:00"}]},
        {"date": "2026-12-24", "hours": [{"start": "15:00", "end": "16:00"}]},
    ]
    there = at("2026-12-24 00:00", create(windowed(windows={"dates": dates})), add(time_zone="UTC"), DAY)
    assert [request.requested_at for request in there.sim.requests] == [instant("2026-12-24 15:00")]
    there = at("2027-12-24 00:00", create(windowed(windows={"dates": dates})), add(time_zone="UTC"), DAY)
    assert [request.requested_at for request in there.sim.requests] == [instant("2027-12-24 10:00")]


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-29 00:30", "2026-03-29 01:00"),  # 01:30 in Berlin; at 02:00 it is 03:00, and a window from 02:30 on is open
        ("2026-10-25 00:29", "2026-10-25 00:30"),  # 02:29 in Berlin; 02:30 comes twice
        ("2026-10-25 01:00", "2026-10-25 01:30"),  # and once more, after the clock was set back to 02:00
    ],
)
def test_when_the_clock_is_set_the_wall_decides(now: str, opens: str) -> None:
    there = at(now, create(windowed("02:30", "05:00")), add(time_zone=BERLIN))
    there.when(until(there, opens) - 1).then_nothing().when(1).then(DialRequested)


def test_a_window_that_lies_in_the_hour_that_does_not_happen_is_not_open_that_day() -> None:
    there = at("2026-03-28 12:00", create(windowed("02:00", "03:00")), add(time_zone=BERLIN), DAY).then_nothing()
    there.when(until(there, "2026-03-30 00:00")).then(DialRequested)


# --- plans, stops, restarts, campaigns


def test_a_new_window_counts_at_once_for_all_who_wait() -> None:
    there = at("2026-06-01 00:00", create(windowed()), *(add(n, time_zone=BERLIN) for n in range(5)), HOUR)
    assert there.sim.requests == []
    there.when(start(windowed("00:00", "24:00")), 0)
    assert len(there.sim.requests) == 5


def test_a_window_that_is_taken_away_holds_nobody_back() -> None:
    at("2026-06-01 00:00", create(windowed()), add(time_zone=BERLIN)).when(start(Plan(max_try_count_0=1)), 0).then(DialRequested)


def test_a_restart_within_and_outside_the_hours_changes_nothing() -> None:
    there = at("2026-06-01 00:00", create(windowed()), add(1, time_zone=BERLIN), add(2, time_zone=NEW_YORK))
    there.sim.restart()
    there.when(7 * HOUR).then(a(DialRequested, target_id=target_id(1)))
    there.sim.restart()
    there.when(6 * HOUR - 1)
    assert len(there.sim.requests) == 1
    there.when(1).then(a(DialRequested, target_id=target_id(2)))


def test_a_stop_in_the_night_is_a_stop_in_the_morning() -> None:
    at("2026-06-01 00:00", create(windowed()), add(time_zone=BERLIN), stop()).when(DAY).then_nothing()


def test_a_campaign_keeps_the_windows_of_its_outplan() -> None:
    there = at("2026-06-01 00:00", outplan(windowed()), create(), add(time_zone=BERLIN), campaign(), run())
    there.when(7 * HOUR - 1).then_nothing().when(1).then(DialRequested)


def test_an_unknown_zone_in_a_plan_is_refused() -> None:
    at("2026-06-01 00:00", create()).when(start(windowed(time_zone="Mars/Olympus"))).then_rejects("time_zone_unknown")
    at("2026-06-01 00:00", create()).when(start(windowed(windows={"time_zone": "CEST"}))).then_rejects("time_zone_unknown")
    at("2026-06-01 00:00").when(outplan(windowed(time_zone="nowhere"))).then_rejects("time_zone_unknown")


# --- who comes first, and at what cost


def test_who_sleeps_never_blocks_who_may_be_called() -> None:
    plan = windowed(max_concurrent=1)
    there = at("2026-06-01 08:00", create(plan), add(1, time_zone=NEW_YORK, priority=9), add(2, time_zone=BERLIN)).when(0)
    there.then(a(DialRequested, target_id=target_id(2)))
    there.when(ends("answered", 1, 2), 5 * HOUR).then(a(DialRequested, target_id=target_id(1)))


def test_in_the_morning_all_that_waited_go_in_dialing_order() -> None:
    plan = windowed(max_concurrent=0, calls_per_second=1)
    people = [add(n, time_zone=BERLIN, priority=n % 3) for n in range(6)]
    there = at("2026-06-01 00:00", create(plan), *people, 8 * HOUR)
    assert [request.target_id for request in there.sim.requests] == [target_id(n) for n in (2, 5, 1, 4, 0, 3)]


def test_a_night_costs_a_look_at_each_queue_and_not_at_each_target() -> None:
    sim = Sim(silent, instant("2026-06-01 19:00"))
    zones = [BERLIN, NEW_YORK, DENVER]
    there = given(create(), *(add(n, time_zone=zones[n % 3]) for n in range(3_000)), start(windowed(max_concurrent=1)), sim=sim)
    agenda = sim.ledger.outdials[OUTDIAL].agenda
    assert (len(agenda._queues), len(agenda._gates)) == (3, 3)  # noqa: SLF001  what is kept is what is looked at
    there.when(0, ends("answered", 1, 1), 0)
    awake_and_asleep = len(agenda._awake) + len(agenda._asleep)  # noqa: SLF001
    assert awake_and_asleep <= 2 * 3 + 64
    assert agenda.next_due(instant("2026-06-02 02:00")) == instant("2026-06-02 07:00")
