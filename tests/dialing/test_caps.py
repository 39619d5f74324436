"""Frequency caps: one address is called no more often than they say, in all outdials of a customer together."""

from given import Given, a, given
from outdial.commands import AddTarget, CreateOutdial, DialResult, StartDialing
from outdial.events import (
    DialEnded,
    DialingFinished,
    DialRequested,
    FrequencyCapsSet,
    LeaveAsked,
    LeaveGranted,
    LeaveRefused,
    LeaveReturned,
    PlanApplied,
    SuppressionApplied,
    TargetBlocked,
    TargetDeferred,
    TargetExhausted,
)
from outdial.plan import Plan
from saying import OUTDIAL, PLAN, US, add, attempt, caps, create, ends, number, start, stop, suppress, target_id, tel
from sim import DAY, HOUR, MINUTE, SECOND, START, Sim, an_id, saying

OTHER = an_id("another outdial")
FAST = Plan(max_try_count_0=100, try_interval=1_000)


NONE = caps()


def elsewhere(plan: Plan = PLAN) -> CreateOutdial:
    return CreateOutdial(outdial_id=OTHER, plan=plan, customer_id=US)


def add_elsewhere(which: int = 1) -> AddTarget:
    return AddTarget(outdial_id=OTHER, target_id=target_id(which), destination_0=tel(which))


def kinds(there: Given) -> list[str]:
    return [type(event).__name__ for event in there.events]


def test_caps_are_recorded_and_told_and_the_same_again_are_nothing() -> None:
    there = given().when(caps((1, HOUR)))

    there.then(FrequencyCapsSet, a(SuppressionApplied, caps=caps((1, HOUR)).caps))
    there.when(caps((1, HOUR))).then_nothing()


def test_without_caps_nobody_asks() -> None:
    given(create(PLAN), add()).when(SECOND).then(DialRequested)
    given(create(PLAN), caps((1, HOUR)), NONE, add()).when(SECOND).then(DialRequested)


def test_with_caps_a_due_target_asks_and_is_requested_under_the_id_it_asked_for() -> None:
    given(create(PLAN), caps((1, HOUR)), add()).when(SECOND).then(
        a(LeaveAsked, attempt_id=attempt(), ordinal=1, destination_index=0, due_at=START),
        a(LeaveGranted, attempt_id=attempt(), customer_id=US),
        a(DialRequested, attempt_id=attempt(), due_at=START, rule="first_try"),
    )


def test_one_too_many_waits_until_the_window_and_a_minute_have_passed() -> None:
    there = given(create(FAST), caps((1, HOUR)), add(), SECOND, ends("busy"))

    until = START + HOUR + MINUTE
    there.when(2 * SECOND).then(LeaveAsked, a(LeaveRefused, until=until), a(TargetDeferred, until=until, reason="frequency_cap"))
    there.when(HOUR).then_nothing()
    there.when(MINUTE).then(LeaveAsked, LeaveGranted, a(DialRequested, due_at=until, rule="retry", ordinal=2))


def test_who_was_put_off_still_waits_as_long_as_the_plan_by_then_says() -> None:
    there = given(create(FAST), caps((1, HOUR)), add(), SECOND, ends("busy"), 2 * SECOND)
    until, ended = START + HOUR + MINUTE, START + SECOND

    there.when(start(Plan(max_try_count_0=100, try_interval=86_400_000)))
    there.when(until - there.sim.now).then(a(TargetDeferred, until=ended + DAY, reason="try_interval", since=ended))
    there.sim.restart()
    there.when(ended + DAY - 1 - there.sim.now).then_nothing()
    there.when(1).then(LeaveAsked, LeaveGranted, a(DialRequested, due_at=ended + DAY, rule="retry"))


def test_who_waits_for_the_plan_again_follows_the_next_plan_too() -> None:
    there = given(create(FAST), caps((1, HOUR)), add(), SECOND, ends("busy"), 2 * SECOND)

    there.when(start(Plan(max_try_count_0=100, try_interval=86_400_000))).then(PlanApplied)
    there.when(HOUR + MINUTE).then(a(TargetDeferred, reason="try_interval"))
    there.when(start(FAST)).then(PlanApplied)
    there.when(0).then(LeaveAsked, LeaveGranted, DialRequested)


def test_a_shorter_interval_calls_nobody_before_the_caps_allow_it() -> None:
    there = given(create(Plan(max_try_count_0=9, try_interval=60_000)), caps((1, HOUR)), add(), SECOND, ends("busy"), 2 * MINUTE)

    there.when(start(FAST)).then(PlanApplied)
    there.when(START + HOUR + MINUTE - there.sim.now - 1).then_nothing()
    there.when(1).then(LeaveAsked, LeaveGranted, DialRequested)


def test_what_another_outdial_requested_counts() -> None:
    there = given(create(PLAN), elsewhere(), caps((1, HOUR)), add(), SECOND)

    there.when(add_elsewhere(), SECOND).then(LeaveAsked, LeaveRefused, TargetDeferred)
    there.when(add_elsewhere(2), SECOND).then(LeaveAsked, LeaveGranted, DialRequested)


def test_every_rule_holds_and_a_gap_is_one() -> None:
    there = given(create(FAST), caps((2, HOUR), gap=10 * MINUTE), add(), SECOND, ends("busy"))

    there.when(2 * SECOND).then(LeaveAsked, LeaveRefused, a(TargetDeferred, until=START + 11 * MINUTE))
    there.when(9 * MINUTE).then_nothing()
    there.when(2 * MINUTE).then(LeaveAsked, LeaveGranted, DialRequested)
    there.when(ends("busy", 2), 2 * SECOND).then(LeaveAsked, LeaveRefused, a(TargetDeferred, until=START + HOUR + MINUTE))


def test_an_attempt_that_was_no_call_does_not_count() -> None:
    there = given(create(FAST), caps((1, HOUR)), add(), SECOND)

    there.when(ends("not_dialed")).then(DialEnded, a(LeaveReturned, attempt_id=attempt()))
    there.when(2 * SECOND).then(LeaveAsked, LeaveGranted, a(DialRequested, ordinal=2))


def test_a_suppressed_target_asks_for_nothing() -> None:
    given(create(PLAN), caps((1, HOUR)), suppress(number()), add()).when(SECOND).then(TargetBlocked)


def test_the_pace_holds_as_ever() -> None:
    slow = Plan(max_try_count_0=1, max_concurrent=0, calls_per_second=3)
    there = given(create(slow), caps((1, HOUR)), *(add(which) for which in range(9)))

    there.when(SECOND - 1)
    assert len(there.requests) == 3
    there.when(SECOND)
    assert len(there.requests) == 3

    few = given(create(Plan(max_try_count_0=1, max_concurrent=2)), caps((1, HOUR)), *(add(which) for which in range(9))).when(SECOND)
    assert len(few.requests) == 2


def test_a_deferred_target_is_something_left_to_dial() -> None:
    once = Plan(max_try_count_0=2, try_interval=1_000)
    there = given(create(), caps((1, HOUR)), add(), start(once, end_handle="stop"), SECOND, ends("busy"), 2 * SECOND)

    there.when(MINUTE).then_nothing()
    there.when(HOUR).then(LeaveAsked, LeaveGranted, DialRequested)
    there.when(ends("busy", 2)).then(DialEnded, TargetExhausted)
    there.when(SECOND).then(DialingFinished)


def test_an_answered_call_counts_for_the_others() -> None:
    there = given(create(PLAN), elsewhere(), caps((1, HOUR)), add(), SECOND, ends("answered"))

    there.when(add_elsewhere(), SECOND).then(LeaveAsked, LeaveRefused, TargetDeferred)


def test_a_restart_forgets_no_attempt() -> None:
    sim = Sim(saying("busy", after=SECOND))
    for command in (create(FAST), caps((2, HOUR)), add()):
        sim.send(command)
    sim.run(10 * MINUTE)
    sim.restart()

    assert len(sim.run(40 * MINUTE).requests) == 2
    assert len(sim.run(20 * MINUTE).requests) == 4


def test_stopped_and_started_again_it_asks_again() -> None:
    there = given(create(FAST), caps((1, HOUR)), add(), SECOND, ends("busy"), 2 * SECOND, stop())

    there.when(2 * HOUR).then_nothing()
    there.when(StartDialing(outdial_id=OUTDIAL, plan=FAST), SECOND)
    assert kinds(there) == ["LeaveAsked", "LeaveGranted", "DialRequested"]


def test_a_result_for_an_attempt_that_was_only_asked_for_is_unknown() -> None:
    there = given(create(PLAN), caps((1, HOUR)), add())
    there.when(DialResult(outdial_id=OUTDIAL, target_id=target_id(), attempt_id=attempt(), outcome="busy")).then_rejects("attempt_unknown")
