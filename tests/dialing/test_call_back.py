"""Called back at the instant somebody asked for, and not by the plan's interval."""

import pytest

from given import Given, a, given
from outdial.dialing.target import Done, Idle
from outdial.events import DialEnded, DialRequested, ResultIgnored, TargetExhausted, TargetFinished, TargetRevived
from outdial.plan import Plan, RetryMode
from saying import OUTDIAL, add, create, delete, ends, picked_up, reopen, start, stop, target_id
from sim import DAY, HOUR, MINUTE, SECOND, START

PLAN = Plan(max_try_count_0=3, try_interval=60_000)
AT_TWO = START + 2 * HOUR


def target_of(there: Given) -> object:
    return there.sim.ledger.outdials[OUTDIAL].targets[target_id()]


@pytest.mark.parametrize("outcome", ["answered", "busy", "machine", "other", "canceled", "failed", "no_answer"])
def test_a_target_that_asked_for_it_is_called_back_at_that_instant_and_not_before(outcome: str) -> None:
    there = given(create(PLAN), add(), 0).when(ends(outcome, call_back_at=AT_TWO))
    there.then(a(DialEnded, outcome=outcome, call_back_at=AT_TWO))
    there.when(2 * HOUR - 1).then_nothing()
    there.when(1).then(a(DialRequested, rule="call_back", due_at=AT_TWO, try_count=2, ordinal=2))


def test_a_call_back_may_be_sooner_than_the_interval_and_at_once() -> None:
    there = given(create(PLAN), add(), 0, ends("busy", call_back_at=START + SECOND)).when(SECOND).then(DialRequested)
    there.when(ends("busy", 2, call_back_at=START - DAY), 0).then(a(DialRequested, try_count=3))


def test_who_answered_and_asked_for_a_call_back_is_not_finished_until_answered_again() -> None:
    there = given(create(PLAN), add(), 0).when(picked_up(), ends("busy", call_back_at=AT_TWO)).then(a(DialEnded, outcome="answered"))
    assert isinstance(target_of(there), Idle)
    there.when(2 * HOUR).then(DialRequested)
    there.when(ends("answered", 2)).then(DialEnded, TargetFinished).when(DAY).then_nothing()


def test_a_call_back_needs_a_try_as_ever() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(), 0)
    there.when(ends("answered", call_back_at=AT_TWO)).then(DialEnded, TargetExhausted).when(DAY).then_nothing()
    assert isinstance(target_of(there), Done)


def test_a_target_that_is_brought_back_still_waits_for_its_call_back() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(), 0, ends("answered", call_back_at=AT_TWO))
    there.when(start(PLAN), 2 * HOUR - 1).then(TargetRevived).when(1).then(a(DialRequested, rule="call_back"))


def test_where_tries_are_counted_by_result_an_answer_with_a_call_back_is_of_no_type() -> None:
    plan = Plan(retry_mode=RetryMode.RESULT, max_attempts=3)
    there = given(create(plan), add(), 0, ends("answered", call_back_at=START), 0).when(ends("answered", 2, call_back_at=START), 0)
    there.then(a(DialRequested, try_count=3))
    there.when(ends("answered", 3, call_back_at=START)).then(DialEnded, TargetExhausted)


def test_after_not_dialed_nobody_can_have_asked_for_anything() -> None:
    there = given(create(PLAN), add(), 0).when(ends("not_dialed", call_back_at=AT_TWO)).then(a(DialEnded, call_back_at=None))
    there.when(MINUTE).then(a(DialRequested, rule="not_dialed_again"))


def test_a_call_back_that_was_not_dialed_is_due_again_as_any_other() -> None:
    there = given(create(PLAN), add(), 0, ends("busy", call_back_at=AT_TWO), 2 * HOUR, ends("not_dialed", 2))
    there.when(MINUTE - 1).then_nothing().when(1).then(a(DialRequested, rule="not_dialed_again", try_count=2))


def test_reopening_and_deleting_end_the_wait() -> None:
    given(create(PLAN), add(), 0, ends("busy", call_back_at=AT_TWO), reopen()).when(0).then(a(DialRequested, rule="first_try"))
    given(create(PLAN), add(), 0, ends("busy", call_back_at=AT_TWO), delete()).when(DAY).then_nothing()


def test_a_call_back_outlives_a_stop_a_plan_and_a_restart() -> None:
    there = given(create(PLAN), add(), 0, ends("busy", call_back_at=AT_TWO), stop())
    there.sim.restart()
    there.when(start(Plan(max_try_count_0=9, try_interval=0)), 2 * HOUR - 1).then_nothing().when(1).then(a(DialRequested, rule="call_back"))


def test_a_late_answer_that_asks_for_a_call_back_finishes_nobody() -> None:
    plan = Plan(max_try_count_0=3, try_interval=3_600_000, result_grace=0)
    there = given(create(plan), add(), 91 * SECOND)
    there.when(ends("answered", call_back_at=AT_TWO)).then(a(ResultIgnored, reason="closed"))
    there.when(HOUR).then(a(DialRequested, rule="retry"))
