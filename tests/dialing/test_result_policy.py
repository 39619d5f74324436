"""What follows each outcome: how many further tries, after how long, on which destination."""

from itertools import pairwise
from typing import Any

import pytest

from given import a, given
from outdial.events import DialEnded, DialRequested, TargetExhausted, TargetRevived
from outdial.plan import Plan
from saying import add, create, ends, reopen, start, tel
from sim import HOUR, MINUTE, SECOND, Sim, saying

RING = 30 * SECOND
TWO: dict[str, Any] = {"destination_1": tel(2)}
THREE: dict[str, Any] = {"destination_1": tel(2), "destination_2": tel(3)}


def plan(policy: dict[str, Any], tries: int = 5, **more: Any) -> Plan:
    caps = {f"max_try_count_{slot}": tries for slot in range(3)}
    return Plan.model_validate({**caps, "try_interval": 60_000, "result_policy": policy, **more})


def dialed(by: Plan, *outcomes: str, **target: Any) -> list[tuple[int, int]]:
    """The destination of each try, and how long after the end of the one before it came, in seconds."""
    sim = Sim(saying(*outcomes, after=RING))
    given(create(by), add(**target), 400 * HOUR, sim=sim)
    waits = [(later.requested_at - earlier.requested_at - RING) // SECOND for earlier, later in pairwise(sim.requests)]
    return list(zip([request.destination_index for request in sim.requests], [0, *waits], strict=True))


def places(by: Plan, *outcomes: str, **target: Any) -> list[int]:
    return [index for index, _ in dialed(by, *outcomes, **target)]


# --- how often


@pytest.mark.parametrize("outcome", ["machine", "busy", "no_answer", "failed"])
def test_a_destination_is_tried_again_as_often_as_its_outcome_allows(outcome: str) -> None:
    by = plan({outcome: {"max_retries": 2}})
    assert places(by, outcome) == [0] * 3
    assert places(by, outcome, **TWO) == [0] * 3 + [1] * 3
    assert places(by, "other") == [0] * 5


@pytest.mark.parametrize("outcome", ["other", "canceled"])
def test_whatever_has_no_name_of_its_own_is_other(outcome: str) -> None:
    assert places(plan({"other": {"max_retries": 0}}), outcome, **TWO) == [0, 1]


def test_no_further_tries_means_none_and_a_number_that_is_out_of_order_is_left_alone() -> None:
    assert places(plan({"failed": {"max_retries": 0}}), "failed", "busy", **TWO) == [0] + [1] * 5


def test_budgets_of_a_policy_and_of_a_plan_never_add_up() -> None:
    assert places(plan({"busy": {"max_retries": 9}}, tries=2), "busy") == [0] * 2
    assert places(plan({"busy": {"max_retries": 9}}, max_attempts=3), "busy") == [0] * 3
    assert places(plan({"busy": {"max_retries": 9}}), "busy", try_count_max=4) == [0] * 4


def test_where_tries_are_counted_by_result_both_must_allow_a_try() -> None:
    by_result: dict[str, Any] = {"retry_mode": "result", "max_try_count_0": 0, "max_try_count_1": 3, "max_try_count_2": 1}
    assert places(plan({"busy": {"max_retries": 1}}, **by_result), "busy") == [0] * 2
    assert places(plan({"no_answer": {"max_retries": 4}}, **by_result), "no_answer") == [0] * 2


def test_an_outcome_that_the_policy_does_not_name_is_as_the_rest_of_the_plan_has_it() -> None:
    assert dialed(plan({"busy": {"max_retries": 0}}, tries=2), "no_answer") == [(0, 0), (0, 60)]


# --- how long


def test_each_outcome_has_its_own_interval() -> None:
    by = plan({"busy": {"interval_ms": 300_000}, "no_answer": {"interval_ms": 7_200_000}})
    assert dialed(by, "busy", "no_answer", "failed", "busy", "busy") == [(0, 0), (0, 300), (0, 7_200), (0, 60), (0, 300)]


def test_a_list_of_intervals_is_gone_through_and_its_last_repeats() -> None:
    by = plan({"busy": {"interval_ms": [10_000, 100_000, 1_000_000]}})
    assert [wait for _, wait in dialed(by, "busy")] == [0, 10, 100, 1_000, 1_000]


def test_each_outcome_goes_through_its_own_list_over_all_destinations() -> None:
    by = plan({"busy": {"interval_ms": [10_000, 20_000]}, "no_answer": {"interval_ms": [1_000, 2_000]}}, tries=2)
    assert dialed(by, "busy", "no_answer", "busy", "no_answer", **TWO) == [(0, 0), (0, 10), (1, 1), (1, 20)]


def test_reopening_begins_the_list_anew() -> None:
    there = given(
        create(plan({"busy": {"interval_ms": [10_000, 100_000]}})), add(), 0, ends("busy"), 10 * SECOND, ends("busy", 2), reopen(), 0
    )
    there.when(ends("busy", 3)).when(10 * SECOND - 1).then_nothing().when(1).then(DialRequested)


def test_not_dialed_waits_by_its_own_rule_and_does_not_count_as_an_outcome() -> None:
    by = plan({"busy": {"interval_ms": [3_600_000, 7_200_000]}})
    there = (
        given(create(by), add(), 0, ends("busy"), HOUR, ends("not_dialed", 2)).when(MINUTE - 1).then_nothing().when(1).then(DialRequested)
    )
    there.when(ends("busy", 3)).when(2 * HOUR - 1).then_nothing().when(1).then(DialRequested)


def test_a_plan_that_changes_the_interval_counts_for_those_who_wait() -> None:
    there = given(create(plan({"busy": {"interval_ms": 3_600_000}})), add(), 0, ends("busy"), MINUTE)
    there.when(start(plan({"busy": {"interval_ms": 120_000}})), MINUTE - 1).then_nothing().when(1).then(DialRequested)


# --- where


def test_the_next_destination_is_dialed_at_once() -> None:
    by = plan({"busy": {"next_destination": True}}, tries=1)
    assert dialed(by, "busy", **THREE) == [(0, 0), (1, 0), (2, 0)]


def test_after_the_last_destination_it_begins_again_at_the_first_after_the_interval() -> None:
    by = plan({"busy": {"next_destination": True, "interval_ms": 600_000}}, tries=2)
    assert dialed(by, "busy", **TWO) == [(0, 0), (1, 0), (0, 600), (1, 0)]


def test_a_target_with_one_destination_waits_for_the_interval() -> None:
    assert dialed(plan({"busy": {"next_destination": True}}, tries=2), "busy") == [(0, 0), (0, 60)]


def test_only_the_outcomes_that_say_so_move_on() -> None:
    by = plan({"busy": {"next_destination": True}}, tries=2)
    assert dialed(by, "busy", "no_answer", "no_answer", "no_answer", **TWO) == [(0, 0), (1, 0), (0, 60), (1, 60)]


def test_a_destination_without_a_try_is_passed_over() -> None:
    by = plan({"busy": {"next_destination": True}}, max_try_count_1=0, max_try_count_0=1)
    assert places(by, "busy", **THREE)[:3] == [0, 2, 2]


def test_moving_on_is_remembered_past_an_attempt_that_was_not_dialed() -> None:
    by = plan({"busy": {"next_destination": True}})
    there = given(create(by), add(**TWO), 0).when(ends("busy"), 0).then(a(DialRequested, destination_index=1))
    there.when(ends("not_dialed", 2), MINUTE).then(a(DialRequested, destination_index=1))


# --- out of tries, and back


def test_who_is_out_of_tries_by_the_policy_is_brought_back_when_it_allows_more() -> None:
    there = given(create(plan({"busy": {"max_retries": 0}})), add(), 0).when(ends("busy")).then(DialEnded, TargetExhausted)
    there.when(start(plan({"busy": {"max_retries": 1}})), 0).then(TargetRevived).when(MINUTE).then(DialRequested)
    there.when(ends("busy", 2)).then(DialEnded, TargetExhausted).when(start(plan({})), 0).then(TargetRevived)


def test_a_restart_forgets_nothing_of_it() -> None:
    by = plan({"busy": {"interval_ms": [10_000, 3_600_000], "next_destination": True}})
    there = given(create(by), add(**TWO), 0, ends("busy"), 0, ends("busy", 2))
    there.sim.restart()
    there.when(HOUR - 1).then_nothing().when(1).then(a(DialRequested, destination_index=0))
