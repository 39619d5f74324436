"""Who is tried how often: contract C1 in both readings, C5, C6, and the worked examples of the documents."""

from itertools import pairwise
from typing import Any

import pytest

from given import a, given
from outdial.address import Address
from outdial.events import DialEnded, DialRequested, TargetExhausted, TargetRevived
from outdial.plan import Plan, RetryMode
from saying import OUTDIAL, add, create, delete, ends, start, stop, target_id, tel
from sim import HOUR, MINUTE, SECOND, Sim, saying

RING = 30 * SECOND


def dialed(plan: Plan, *outcomes: str, duration: int = 400 * HOUR, **target: Any) -> list[int]:
    """The destinations dialed, in order, when the calls end like that."""
    sim = Sim(saying(*outcomes, after=RING))
    given(create(plan), add(**target), duration, sim=sim)
    return [request.destination_index for request in sim.requests]


def state_of(plan: Plan, *outcomes: str) -> str:
    sim = Sim(saying(*outcomes, after=RING))
    given(create(plan), add(), 400 * HOUR, sim=sim)
    return type(sim.ledger.outdials[OUTDIAL].targets[target_id()]).__name__


# --- by destination


def test_c1_each_destination_has_its_own_cap_and_zero_is_never_dialed() -> None:
    plan = Plan(max_try_count_0=3, max_try_count_1=2, max_try_count_2=1)
    everywhere: dict[str, Any] = {f"destination_{slot}": tel(slot + 1) for slot in range(5)}
    assert dialed(plan, "no_answer", **everywhere) == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize("outcome", ["machine", "busy", "no_answer", "failed", "canceled", "other"])
def test_c1_by_destination_every_outcome_is_alike(outcome: str) -> None:
    assert dialed(Plan(max_try_count_0=2, max_try_count_1=1), outcome, destination_1=tel(2)) == [0, 0, 1]


def test_a_slot_without_an_address_is_skipped() -> None:
    plan = Plan(max_try_count_0=1, max_try_count_1=5, max_try_count_2=1)
    assert dialed(plan, "busy", destination_2=tel(3)) == [0, 2]


def test_an_answer_on_any_destination_ends_it_all() -> None:
    plan = Plan(max_try_count_0=1, max_try_count_1=3)
    assert dialed(plan, "busy", "answered", destination_1=tel(2)) == [0, 1]


def test_c17_moving_on_to_the_next_destination_waits_too() -> None:
    sim = Sim(saying("busy", after=RING))
    given(create(Plan(max_try_count_0=1, max_try_count_1=1, try_interval=600_000)), add(destination_1=tel(2)), HOUR, sim=sim)
    assert [later.requested_at - earlier.requested_at for earlier, later in pairwise(sim.requests)] == [10 * MINUTE + RING]


# --- by result


def by_result(*budgets: int, **more: Any) -> Plan:
    fields: dict[str, Any] = dict(zip([f"max_try_count_{kind}" for kind in range(5)], budgets, strict=False))
    return Plan(retry_mode=RetryMode.RESULT, **fields, **more)


EXAMPLE = (1, 3, 4, 0, 1)


@pytest.mark.parametrize(
    ("outcome", "tries"), [("machine", 2), ("busy", 4), ("no_answer", 5), ("failed", 1), ("other", 2), ("canceled", 2)]
)
def test_c1_the_example_configuration_by_result(outcome: str, tries: int) -> None:
    assert dialed(by_result(*EXAMPLE), outcome) == [0] * tries


@pytest.mark.parametrize("outcome", ["machine", "busy", "no_answer", "failed", "other"])
def test_c1_the_example_configuration_by_destination(outcome: str) -> None:
    plan = Plan(max_try_count_0=1, max_try_count_1=3, max_try_count_2=4, max_try_count_3=0, max_try_count_4=1)
    everywhere: dict[str, Any] = {f"destination_{slot}": tel(slot + 1) for slot in range(5)}
    assert dialed(plan, outcome) == [0]
    assert dialed(plan, outcome, **everywhere) == [0] + [1] * 3 + [2] * 4 + [4]


def test_c1_scenario_1_sales_by_result() -> None:
    plan = by_result(0, 3, 4, dial_timeout=30_000, try_interval=14_400_000)
    assert dialed(plan, "busy") == [0] * 4
    assert dialed(plan, "no_answer") == [0] * 5
    assert dialed(plan, "busy", "no_answer", "busy", "no_answer", "busy", "no_answer", "no_answer", "busy") == [0] * 8
    assert dialed(plan, "machine") == [0]


def test_c1_scenario_1_sales_by_destination_dials_nothing_and_says_so() -> None:
    plan = Plan(max_try_count_1=3, max_try_count_2=4, dial_timeout=30_000, try_interval=14_400_000)
    assert dialed(plan, "busy") == []
    assert dialed(plan, "busy", destination_1=tel(2), destination_2=tel(3)) == [1, 1, 1, 2, 2, 2, 2]
    answer = given(create(), add()).when(start(plan)).answer
    assert answer is not None
    assert "max_try_count_0 is 0" in answer.warnings[0]
    assert "retry_mode=result" in answer.warnings[0]
    assert "1 waiting targets" in answer.warnings[1]


def test_c1_scenario_2_appointments() -> None:
    fields: dict[str, Any] = {"max_try_count_1": 2, "max_try_count_2": 2, "dial_timeout": 25_000, "try_interval": 7_200_000}
    assert dialed(Plan(**fields), "no_answer") == []
    assert dialed(Plan(retry_mode=RetryMode.RESULT, **fields), "no_answer") == [0] * 3
    assert dialed(Plan(retry_mode=RetryMode.RESULT, **fields), "failed") == [0]


def test_c1_scenario_3_alerts() -> None:
    caps: dict[str, Any] = dict(zip([f"max_try_count_{slot}" for slot in range(4)], (5, 5, 5, 3), strict=True))
    plan = Plan(dial_timeout=45_000, try_interval=300_000, **caps)
    assert dialed(plan, "no_answer") == [0] * 5
    assert dialed(plan, "no_answer", destination_3=tel(4)) == [0] * 5 + [3] * 3
    again = plan.model_copy(update={"retry_mode": by_result().retry_mode})
    assert dialed(again, "no_answer") == [0] * 6
    assert dialed(again, "failed") == [0] * 4
    assert dialed(again, "other") == [0]


def test_c1_by_result_budgets_are_counted_per_destination_and_the_next_one_follows() -> None:
    plan = by_result(0, 1, 2, 0, 0)
    assert dialed(plan, "busy", "busy", "busy", "busy", destination_2=tel(3)) == [0, 0, 2, 2]
    assert dialed(plan, "busy", "no_answer", "no_answer", "busy", "failed", destination_1=tel(2)) == [0, 0, 0, 0, 1]


def test_c1_by_result_a_plan_without_numbers_tries_each_destination_once() -> None:
    assert dialed(by_result(), "no_answer", destination_1=tel(2), destination_4=tel(5)) == [0, 1, 4]


def test_c1_by_result_a_call_that_was_not_placed_spends_no_budget() -> None:
    assert dialed(by_result(0, 0, 1), "no_answer", "not_dialed", "not_dialed", "no_answer", duration=HOUR) == [0] * 4


def test_c1_by_result_a_lost_attempt_counts_as_not_answered() -> None:
    sim = Sim()
    given(create(by_result(5, 5, 1, 5, 5)), add(), 100 * HOUR, sim=sim)
    assert len(sim.requests) == 2


def test_changing_what_the_numbers_mean_loses_no_count() -> None:
    there = given(create(Plan(max_try_count_0=5)), add(), 0, ends("busy", 1), MINUTE, ends("busy", 2))
    there.when(start(by_result(0, 1)), HOUR).then_nothing()
    there.when(start(by_result(0, 2)), 0).then(a(DialRequested, try_count=3))


# --- caps of a target and of a plan (C5)


def test_c5_the_cap_of_a_target_counts_all_its_destinations() -> None:
    plan = Plan(max_try_count_0=2, max_try_count_1=5)
    assert dialed(plan, "busy", destination_1=tel(2), try_count_max=3) == [0, 0, 1]
    assert dialed(plan, "busy", destination_1=tel(2), try_count_max=1) == [0]
    assert dialed(plan, "busy", destination_1=tel(2), try_count_max=0) == []


def test_c5_the_cap_of_a_target_never_adds_tries() -> None:
    assert dialed(Plan(max_try_count_0=2), "busy", try_count_max=9) == [0, 0]


def test_the_cap_of_a_plan_counts_all_destinations_in_both_readings() -> None:
    assert dialed(Plan(max_try_count_0=2, max_try_count_1=5, max_attempts=3), "busy", destination_1=tel(2)) == [0, 0, 1]
    assert dialed(by_result(0, 9, max_attempts=3), "busy", destination_1=tel(2)) == [0, 0, 0]


def test_budgets_never_add_up() -> None:
    assert dialed(by_result(0, 9, 9, max_attempts=4), "busy", "no_answer", try_count_max=6) == [0] * 4
    assert dialed(by_result(0, 1, 1), "busy", "no_answer", "busy") == [0] * 3


def test_the_list_of_the_documents_with_three_tries_each() -> None:
    sim = Sim(saying("no_answer", after=RING))
    given(create(Plan(max_try_count_0=5)), add(1, try_count_max=3), add(2, try_count_max=3), 400 * HOUR, sim=sim)
    assert len(sim.requests) == 6


def test_the_aggressive_timeline_of_the_documents() -> None:
    sim = Sim(saying("no_answer", after=45 * SECOND))
    given(create(Plan(dial_timeout=45_000, try_interval=600_000, max_try_count_0=5)), add(), 100 * HOUR, sim=sim)
    at = [(request.requested_at - sim.requests[0].requested_at) // SECOND for request in sim.requests]
    assert at == [turn * (600 + 45) for turn in range(5)]


# --- exhausted, and back (C6)


def test_c6_a_raised_cap_brings_exhausted_targets_back_with_their_counts() -> None:
    there = (
        given(create(Plan(max_try_count_0=1)), add(1), add(2), 0, ends("busy", 1, 1))
        .when(ends("busy", 1, 2))
        .then(DialEnded, TargetExhausted)
    )
    there.when(start(Plan(max_try_count_0=2)), 0).then(a(TargetRevived, target_id=target_id(1)), TargetRevived)
    there.when(MINUTE).then(a(DialRequested, try_count=2, ordinal=2), a(DialRequested, try_count=2))


def test_c6_a_revived_target_waits_since_the_end_of_its_last_attempt() -> None:
    there = given(create(Plan(max_try_count_0=1, try_interval=600_000)), add(), 0, ends("busy"), 4 * MINUTE)
    there.when(start(Plan(max_try_count_0=2, try_interval=600_000)), 6 * MINUTE - 1).then(TargetRevived).when(1).then(DialRequested)


def test_c6_a_plan_that_gives_no_tries_revives_nobody() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(), 0, ends("busy"))
    there.when(start(Plan(max_try_count_0=1, max_try_count_1=5, try_interval=1)), HOUR).then_nothing()


def test_c6_targets_are_revived_when_the_next_run_begins_and_not_while_nothing_dials() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(), 0, ends("busy"), stop()).when(HOUR).then_nothing()
    there.when(start(Plan(max_try_count_0=3)), 0).then(TargetRevived, DialRequested)


def test_c6_neither_the_reached_nor_the_deleted_nor_those_with_a_cap_of_their_own_come_back() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(1), add(2), add(3, try_count_max=1), 0)
    there.when(ends("answered", 1, 1), ends("busy", 1, 2), delete(2), ends("busy", 1, 3))
    there.when(start(Plan(max_try_count_0=9)), HOUR).then_nothing()


def test_many_exhausted_targets_come_back_in_portions() -> None:
    sim = Sim(saying("busy", after=RING))
    given(create(Plan(max_try_count_0=1, max_concurrent=0)), *(add(n) for n in range(2_500)), HOUR, sim=sim)
    given(start(Plan(max_try_count_0=2, max_concurrent=0)), sim=sim)
    portions = [len(effects.events) for effects in sim.ledger.tick(sim.now, sim.now, 3)]
    assert portions == [1_000, 1_000, 500]


def test_a_lowered_cap_leaves_waiting_targets_idle_and_a_raised_one_takes_them_up_again() -> None:
    there = given(create(Plan(max_try_count_0=3)), add(), 0, ends("busy"), start(Plan(max_try_count_0=1)))
    there.when(HOUR).then_nothing()
    there.when(start(Plan(max_try_count_0=2)), 0).then(DialRequested)


# --- what a campaign of calls can dial


def test_without_a_campaign_any_type_of_address_is_requested() -> None:
    everything: dict[str, Any] = {"destination_0": Address(type="email", target="a@b.org"), "destination_1": tel(2)}
    assert dialed(Plan(max_try_count_0=1, max_try_count_1=1), "busy", **everything) == [0, 1]
