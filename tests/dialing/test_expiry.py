"""What is too late is not dialed any more, and nothing but an answer to an open call changes that."""

from given import a, given
from outdial.events import DialClaimed, DialEnded, DialRequested, TargetExhausted, TargetExpired, TargetFinished, TargetRevived
from outdial.plan import Plan
from saying import PLAN, add, claim, create, delete, ends, reopen, start, stop
from sim import DAY, HOUR, MINUTE, SECOND, START

IN_AN_HOUR = START + HOUR


def test_a_target_that_waits_becomes_too_late_whether_or_not_anything_dials() -> None:
    given(create(), add(expires_at=IN_AN_HOUR)).when(HOUR - 1).then_nothing().when(1).then(TargetExpired).when(DAY).then_nothing()
    given(create(PLAN), add(expires_at=IN_AN_HOUR), stop()).when(start(Plan(try_interval=1)), HOUR).then(TargetExpired)


def test_it_is_dialed_up_to_then_and_not_from_then_on() -> None:
    late = given(create(PLAN), add(expires_at=START + MINUTE), 0, ends("busy")).when(MINUTE).then(TargetExpired)
    late.when(DAY).then_nothing()
    given(create(PLAN), add(expires_at=START + MINUTE + 1), 0, ends("busy")).when(MINUTE).then(DialRequested)


def test_no_call_may_be_started_when_it_is_too_late() -> None:
    soon = START + 5 * SECOND
    there = given(create(PLAN), add(expires_at=soon)).when(0).then(a(DialRequested, not_after=soon - 1))
    there.when(5 * SECOND, claim()).then_rejects("dial_too_late")
    given(create(PLAN), add(expires_at=soon), 0).when(5 * SECOND - 1, claim()).then(DialClaimed)
    given(create(PLAN), add(expires_at=START + HOUR)).when(0).then(a(DialRequested, not_after=START + MINUTE))


def test_one_that_comes_too_late_is_never_dialed() -> None:
    given(create(PLAN), HOUR, add(expires_at=START)).when(0).then(TargetExpired).when(DAY).then_nothing()


def test_an_open_call_may_still_reach_somebody_and_is_the_last() -> None:
    there = given(create(PLAN), add(expires_at=START + MINUTE), 0, 2 * MINUTE)
    there.when(ends("answered")).then(DialEnded, TargetFinished).when(DAY).then_nothing()
    there = given(create(PLAN), add(expires_at=START + MINUTE), 0, 2 * MINUTE, ends("busy")).when(0).then(TargetExpired)
    there.when(DAY).then_nothing()


def test_no_plan_brings_it_back_and_nobody_reopens_it() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(expires_at=IN_AN_HOUR), 0).when(ends("busy")).then(DialEnded, TargetExhausted)
    there.when(HOUR).then(TargetExpired).when(start(PLAN), DAY).then_nothing()
    there.when(reopen()).then_rejects("target_expired")


def test_before_it_is_too_late_a_plan_may_bring_it_back() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(expires_at=IN_AN_HOUR), 0, ends("busy"))
    there.when(start(PLAN), 0).then(TargetRevived).when(MINUTE).then(DialRequested)


def test_deleted_and_reached_targets_do_not_become_too_late() -> None:
    given(create(PLAN), add(expires_at=IN_AN_HOUR), 0, ends("answered")).when(DAY).then_nothing()
    given(create(), add(expires_at=IN_AN_HOUR), delete()).when(DAY).then_nothing()


def test_a_call_back_that_comes_too_late_is_none() -> None:
    given(create(PLAN), add(expires_at=IN_AN_HOUR), 0, ends("answered", call_back_at=START + DAY)).when(2 * DAY).then(TargetExpired)


def test_a_restart_knows_what_becomes_too_late() -> None:
    there = given(create(PLAN), add(expires_at=IN_AN_HOUR), 0, ends("busy", call_back_at=START + DAY))
    there.sim.restart()
    there.when(HOUR).then(a(TargetExpired))


def test_a_late_answer_still_counts() -> None:
    plan = Plan(max_try_count_0=3, try_interval=3_600_000, result_grace=0)
    there = given(create(plan), add(expires_at=START + MINUTE), 5 * MINUTE)
    there.when(ends("answered")).then(a(TargetFinished, late=True))
