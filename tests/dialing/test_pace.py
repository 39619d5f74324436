"""How fast an outdial goes: max_concurrent, calls_per_second, and probing when nobody answers for the calls."""

from collections import Counter
from itertools import pairwise

import pytest

from given import a, given
from outdial.events import DialEnded, DialRequested, TargetExhausted
from outdial.plan import Plan
from outdial.requests import DialRequest
from saying import OUTDIAL, add, create, delete, ends, picked_up, start, stop
from sim import HOUR, MINUTE, SECOND, Sim, Word, result, saying, silent

LEASE = 690 * SECOND


def most_open(sim: Sim) -> int:
    """The most attempts open at one time."""
    now_open = highest = 0
    for event in sim.log:
        now_open += {"DialRequested": 1, "DialEnded": -1}.get(event.type, 0)
        highest = max(highest, now_open)
    return highest


def busiest_second(sim: Sim) -> int:
    """The most requests within any window of one second."""
    times = [request.requested_at for request in sim.requests]
    return max(sum(1 for at in times if begin <= at < begin + SECOND) for begin in times)


@pytest.mark.parametrize("cap", [1, 7, 100, 250])
def test_no_more_attempts_are_open_than_the_plan_allows(cap: int) -> None:
    sim = Sim(saying("busy"))
    given(create(Plan(max_try_count_0=2, max_concurrent=cap)), *(add(n) for n in range(300)), 20 * HOUR, sim=sim)
    assert most_open(sim) == cap
    assert len(sim.requests) == 600


def test_a_plan_that_does_not_say_allows_a_hundred() -> None:
    assert len(given(create(Plan(max_try_count_0=1)), *(add(n) for n in range(150)), 0).sim.requests) == 100


def test_zero_is_no_limit() -> None:
    assert len(given(create(Plan(max_try_count_0=1, max_concurrent=0)), *(add(n) for n in range(1_500)), 0).sim.requests) == 1_500


def test_an_end_makes_room_at_once() -> None:
    there = given(create(Plan(max_try_count_0=1, max_concurrent=1)), add(1), add(2), 0)
    there.when(HOUR // 60).then_nothing()
    there.when(ends("answered"), 0).then(DialRequested)


def test_the_attempts_of_deleted_targets_and_of_earlier_runs_count() -> None:
    plan = Plan(max_try_count_0=1, max_concurrent=2)
    there = given(create(plan), add(1), add(2), add(3), 0, delete(1), stop(), start(plan)).when(MINUTE).then_nothing()
    there.when(ends("busy"), 0).then(DialRequested)


def test_a_lowered_limit_holds_from_the_next_request_on() -> None:
    there = given(create(Plan(max_try_count_0=1, max_concurrent=3)), *(add(n) for n in range(5)), 0)
    there.when(start(Plan(max_try_count_0=1, max_concurrent=2)), ends("busy", 1, 0), 0).then_nothing()
    there.when(ends("busy", 1, 1), 0).then(DialRequested)


@pytest.mark.parametrize("rate", [1, 3, 50])
def test_no_window_of_a_second_holds_more_requests_than_the_plan_allows(rate: int) -> None:
    sim = Sim(saying("busy", after=700_000))
    given(create(Plan(max_try_count_0=2, calls_per_second=rate, try_interval=1)), *(add(n) for n in range(120)), HOUR, sim=sim)
    assert len(sim.requests) == 240
    assert busiest_second(sim) == rate
    assert sim.requests[-1].requested_at - sim.requests[0].requested_at <= (240 // rate + 1) * SECOND


def test_the_pace_holds_across_a_restart_and_a_change_of_plan() -> None:
    sim = Sim()
    there = given(create(Plan(max_try_count_0=1, calls_per_second=10)), *(add(n) for n in range(60)), SECOND // 2, sim=sim)
    sim.restart()
    there.when(start(Plan(max_try_count_0=1, calls_per_second=15)), SECOND // 4, stop(), start(), 5 * SECOND)
    assert busiest_second(sim) <= 15
    assert len(sim.requests) == 60


# --- probing


def test_after_twenty_silent_attempts_one_is_tried_at_a_time() -> None:
    sim = Sim(silent)
    given(create(Plan(max_try_count_0=1, max_concurrent=20)), *(add(n) for n in range(100)), LEASE + HOUR, sim=sim)
    assert [count for _, count in sorted(Counter(request.requested_at for request in sim.requests).items())] == [20, 1, 1, 1, 1, 1, 1]
    assert {later - earlier for earlier, later in pairwise(sorted({r.requested_at for r in sim.requests}))} == {LEASE}


def test_nineteen_silent_attempts_are_not_yet_enough() -> None:
    sim = Sim(silent)
    given(create(Plan(max_try_count_0=1, max_concurrent=19)), *(add(n) for n in range(100)), LEASE, sim=sim)
    assert len(sim.requests) == 38


@pytest.mark.parametrize("word", ["busy", "answered", "picked up"])
def test_a_word_ends_the_probing(word: str) -> None:
    sim = Sim(silent)
    there = given(create(Plan(max_try_count_0=1, max_concurrent=20)), *(add(n) for n in range(100)), LEASE, sim=sim)
    assert len(sim.requests) == 21
    probe = sim.requests[-1]
    said = result(probe, "busy" if word == "picked up" else word)
    if word == "picked up":
        said = picked_up().model_copy(update={"target_id": probe.target_id, "attempt_id": probe.attempt_id})  # type: ignore[assignment]
    there.when(said, 0)
    assert len(sim.requests) == (40 if word == "picked up" else 41)


def test_not_dialed_counts_as_silence() -> None:
    sim = Sim(saying("not_dialed", after=SECOND))
    given(create(Plan(max_try_count_0=1, max_concurrent=20)), *(add(n) for n in range(50)), 10 * SECOND, sim=sim)
    assert most_open(sim) == 20
    assert len(sim.requests) == 20 + 10


def test_probing_survives_a_restart() -> None:
    sim = Sim(silent)
    there = given(create(Plan(max_try_count_0=1, max_concurrent=20)), *(add(n) for n in range(100)), LEASE, sim=sim)
    sim.restart()
    there.when(LEASE).then(a(DialEnded, lost=True), TargetExhausted, DialRequested)


def test_probing_holds_without_a_limit_on_open_attempts_too() -> None:
    sim = Sim(silent)
    there = given(create(Plan(max_try_count_0=9, max_concurrent=0, try_interval=0)), *(add(n) for n in range(30)), LEASE, sim=sim)
    there.when(LEASE).then(DialEnded, DialRequested)


def test_two_outdials_share_a_tick_fairly() -> None:
    other = OUTDIAL.replace("0", "1")
    sim = Sim()
    plan = Plan(max_try_count_0=1, max_concurrent=0)
    targets = [add(n, outdial_id=where) for where in (OUTDIAL, other) for n in range(200)]
    given(create(plan), create(plan, outdial_id=other), *targets, sim=sim)
    dialed: list[DialRequest] = []
    for _ in range(4):
        sim.now += 1
        dialed += [
            DialRequest.model_validate_json(text) for effects in sim.ledger.tick(sim.now, sim.now, 50) for _, text in effects.requests
        ]
    assert Counter(request.outdial_id for request in dialed) == {OUTDIAL: 100, other: 100}


def test_a_carrier_may_answer_for_several_words() -> None:
    def carrier(request: DialRequest) -> list[Word]:
        return [(SECOND, result(request, "busy")), (2 * SECOND, result(request, "busy")), (3 * SECOND, result(request, "failed"))]

    sim = Sim(carrier)
    given(create(Plan(max_try_count_0=1)), add(), HOUR, sim=sim)
    assert [event.type for event in sim.log][-3:] == ["DialEnded", "TargetExhausted", "ResultIgnored"]
