"""Runs: start, stop, end, plans that are asked for, and what the internal commands between streams come to."""

from typing import Any

import pytest

from given import Given, a, given
from outdial.commands import ApplyPlan, Command, DeleteOutdial, DeleteOutplan, RefusePlan, SetDialInfo, UpdateOutplan
from outdial.events import (
    CommandNoted,
    DialEnded,
    DialingFinished,
    DialingStarted,
    DialingStopped,
    DialRequested,
    OutplanCreated,
    OutplanDeleted,
    OutplanDialInfoSet,
    OutplanFollowed,
    OutplanUnfollowed,
    OutplanUpdated,
    PlanApplied,
    PlanAsked,
    TargetAdded,
    TargetExhausted,
    TargetFinished,
)
from outdial.plan import Plan
from saying import OUTDIAL, OUTPLAN, PLAN, THEM, add, attempt, create, delete, dial_info, ends, outplan, start, stop
from sim import HOUR, MINUTE, SECOND, an_id

OTHER = an_id("another outplan")
FASTER = PLAN.model_copy(update={"try_interval": 1_000})


def by_outplan(**more: Any) -> Command:
    return start(outplan_id=OUTPLAN, **more)


def answer_of(there: Given) -> Any:
    assert there.answer is not None
    return there.answer


# --- start


def test_a_start_with_a_plan_begins_a_run_and_applies_it() -> None:
    given(create(), add()).when(start(PLAN)).then(a(DialingStarted, run=1, ask=None), a(PlanApplied, version=1, plan=PLAN)).when(0).then(
        DialRequested
    )


def test_nothing_is_dialed_before_a_start() -> None:
    given(create(), add()).when(100 * HOUR).then_nothing()


def test_a_start_with_a_plan_and_an_outplan_is_ambiguous_and_one_with_neither_has_no_plan() -> None:
    given(create(), outplan()).when(start(PLAN, outplan_id=OUTPLAN)).then(CommandNoted).then_rejects("plan_ambiguous")
    given(create()).when(start()).then(a(CommandNoted, result="rejected", reason="plan_missing")).then_rejects("plan_missing")


def test_a_start_with_neither_goes_by_the_last_plan() -> None:
    given(create(PLAN), stop()).when(start()).then(a(DialingStarted, run=2), a(PlanApplied, plan=PLAN, version=2))
    there = given(create(), outplan(), by_outplan(), stop(), dial_info(FASTER))
    there.when(start()).then(a(DialingStarted, outplan_id=OUTPLAN), OutplanFollowed, a(PlanApplied, plan=FASTER, outplan_version=2))


def test_a_running_outdial_takes_another_plan_and_the_same_one_is_nothing() -> None:
    there = given(create(PLAN))
    there.when(start(PLAN)).then(a(CommandNoted, result="unchanged"))
    there.when(start()).then(a(CommandNoted, result="unchanged"))
    there.when(start(FASTER)).then(a(PlanApplied, plan=FASTER, version=2))


def test_a_plan_without_tries_is_named_by_its_fields() -> None:
    warnings = answer_of(given(create()).when(start(Plan()))).warnings
    assert len(warnings) == 1
    assert "no_tries_in_plan: max_try_count_0, max_try_count_1" in warnings[0]


def test_a_ring_time_in_seconds_is_pointed_out() -> None:
    assert (
        "dial_timeout: 30 is milliseconds" in answer_of(given(create()).when(start(Plan(max_try_count_0=1, dial_timeout=30)))).warnings[0]
    )
    assert answer_of(given(create()).when(start(PLAN))).warnings == ()


def test_targets_without_a_try_under_the_plan_are_counted_by_the_start() -> None:
    there = given(create(), add(1), add(2, destination_0=None, destination_4=add().destination_0), outplan(Plan(max_try_count_0=1)))
    assert answer_of(there.when(by_outplan())).warnings == ("no_tries_in_plan: 1 waiting targets have no try under this plan",)


# --- stop


def test_a_stop_names_the_open_attempts_and_nothing_is_requested_after_it() -> None:
    there = given(create(Plan(max_try_count_0=3, max_concurrent=1)), add(1), add(2), 0).when(stop())
    there.then(a(DialingStopped, how="stopped", open=(attempt(),), requests=1))
    assert answer_of(there).open == (attempt(),)
    there.when(ends("busy")).then(DialEnded).when(100 * HOUR).then_nothing()


def test_a_second_stop_writes_nothing_and_still_names_the_open_attempts() -> None:
    there = given(create(PLAN), add(), 0, stop()).when(stop()).then_nothing()
    assert answer_of(there).open == (attempt(),)


def test_a_stop_of_what_never_ran_is_nothing_and_of_what_is_not_there_is_refused() -> None:
    given(create()).when(stop()).then_nothing()
    given().when(stop()).then_nothing().then_rejects("outdial_unknown")


def test_a_lost_attempt_still_ends_after_a_stop() -> None:
    given(create(PLAN), add(), 0, stop()).when(HOUR).then(a(DialEnded, lost=True))


def test_a_resumed_run_goes_on_where_it_was() -> None:
    there = given(create(PLAN), add(), 0, stop(), ends("busy"), 10 * SECOND).when(start(PLAN)).then(a(DialingStarted, run=2), PlanApplied)
    there.when(50 * SECOND - 1).then_nothing().when(1).then(a(DialRequested, run=2, try_count=2))


def test_an_attempt_that_is_open_across_a_stop_and_a_start_is_not_doubled() -> None:
    there = given(create(PLAN), add(), 0, stop(), start(PLAN)).when(10 * MINUTE).then_nothing()
    there.when(ends("answered")).then(DialEnded, TargetFinished)


# --- the end


def test_a_run_without_a_campaign_does_not_end_by_itself() -> None:
    given(create(PLAN), add(), 0, ends("answered")).when(1_000 * HOUR).then_nothing().when(add(2)).then(TargetAdded).when(0).then(
        DialRequested
    )


def test_a_run_that_ends_by_itself_waits_for_retries_and_open_attempts() -> None:
    there = given(create(), add(1), start(PLAN, end_handle="stop"), 0).when(10 * MINUTE).then_nothing()
    there.when(ends("busy", 1), MINUTE - 1).then_nothing().when(1).then(a(DialRequested, ordinal=2))
    there.when(ends("busy", 2), MINUTE, ends("busy", 3)).then(DialEnded, TargetExhausted).when(0).then(
        a(DialingFinished, run=1, requests=3)
    )


def test_a_run_ends_at_once_when_nothing_can_be_dialed() -> None:
    given(create(), start(PLAN, end_handle="stop")).when(0).then(a(DialingFinished, requests=0))
    given(create(), add(), start(Plan(), end_handle="stop")).when(0).then(DialingFinished)
    given(create(), add(), delete(), start(PLAN, end_handle="stop")).when(0).then(DialingFinished)


def test_a_target_added_after_the_end_waits_for_the_next_run() -> None:
    there = given(create(), start(PLAN, end_handle="stop"), 0).when(add(), 100 * HOUR).then_nothing()
    there.when(start(PLAN, end_handle="stop"), 0).then(DialRequested)


def test_deleting_the_last_open_target_lets_the_run_end_once_its_attempt_has() -> None:
    there = given(create(), add(), start(PLAN, end_handle="stop"), 0, delete()).when(MINUTE).then_nothing()
    there.when(ends("busy"), 0).then(DialingFinished)


def test_a_run_does_not_end_before_it_has_a_plan_nor_while_exhausted_targets_come_back() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(), 0, ends("busy"), stop())
    there.when(start(Plan(max_try_count_0=2, try_interval=0), end_handle="stop"), 0)
    assert [type(event).__name__ for event in there.events] == ["TargetRevived", "DialRequested"]


# --- plans of an outplan


def test_an_outdial_asks_its_outplan_and_dials_once_it_has_the_plan() -> None:
    there = given(create(), add(), outplan()).when(by_outplan())
    there.then(
        a(DialingStarted, outplan_id=OUTPLAN, ask=1),
        a(OutplanFollowed, outdial_id=OUTDIAL, ask=1),
        a(PlanApplied, version=1, plan=PLAN, outplan_id=OUTPLAN, outplan_version=1, ask=1),
    )
    there.when(0).then(a(DialRequested, outplan_id=OUTPLAN, plan_version=1))


def test_nothing_is_dialed_while_the_answer_of_the_outplan_is_not_there() -> None:
    there = given(create(), add())
    decided = there.sim.ledger.decide(by_outplan(id=an_id("s")), there.sim.now)
    assert [type(one.command).__name__ for one in decided.follow_ups] == ["FollowPlan"]
    assert there.sim.ledger.next_due() is None
    assert there.sim.ledger.tick(there.sim.now + HOUR, there.sim.now + HOUR, 9) == []


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((), "outplan_unknown"),
        ((outplan(), DeleteOutplan(outplan_id=OUTPLAN)), "outplan_deleted"),
        ((outplan(customer_id=THEM),), "outplan_unknown"),
    ],
)
def test_a_start_by_an_outplan_that_cannot_be_had_is_refused(steps: tuple[Command, ...], reason: str) -> None:
    there = given(create(), add(), *steps).when(by_outplan()).then_rejects(reason)
    there.then(DialingStarted, a(DialingStopped, how="refused", reason=reason))
    there.when(HOUR).then_nothing()
    there.when(start(PLAN), 0).then(DialRequested)


def test_a_change_of_the_outplan_reaches_running_outdials_at_the_next_request() -> None:
    there = given(create(), add(), outplan(), by_outplan(), 0, ends("busy"))
    there.when(dial_info(FASTER)).then(a(OutplanDialInfoSet, version=2), a(PlanApplied, plan=FASTER, outplan_version=2, version=2))
    there.when(SECOND).then(a(DialRequested, plan_version=2))


def test_a_change_of_the_outplan_does_not_reach_an_outdial_that_stopped() -> None:
    there = (
        given(create(), add(), outplan(), by_outplan()).when(stop()).then(DialingStopped, a(OutplanUnfollowed, outdial_id=OUTDIAL, ask=1))
    )
    there.when(dial_info(FASTER)).then(OutplanDialInfoSet)


def test_a_change_of_the_outplan_does_not_reach_an_outdial_with_another_plan() -> None:
    there = given(create(), outplan(), by_outplan()).when(start(FASTER)).then(a(PlanApplied, plan=FASTER, ask=None), OutplanUnfollowed)
    there.when(dial_info(PLAN.model_copy(update={"max_try_count_4": 9}))).then(OutplanDialInfoSet)


def test_an_outdial_that_takes_another_outplan_lets_go_of_the_first() -> None:
    there = given(create(), outplan(), outplan(FASTER, outplan_id=OTHER), by_outplan()).when(start(outplan_id=OTHER))
    there.then(a(PlanAsked, outplan_id=OTHER, ask=2), OutplanUnfollowed, OutplanFollowed, a(PlanApplied, plan=FASTER, outplan_id=OTHER))
    assert there.sim.ledger.outplans[OUTPLAN].followers == {}
    there.when(start(outplan_id=OTHER)).then(a(CommandNoted, result="unchanged"))
    there.when(dial_info(Plan())).then(OutplanDialInfoSet)


def test_an_outplan_that_cannot_be_had_leaves_a_running_outdial_with_its_plan() -> None:
    there = given(create(PLAN), add()).when(start(outplan_id=OTHER)).then_rejects("outplan_unknown")
    there.then(PlanAsked, a(PlanApplied, plan=PLAN, ask=None))
    there.when(0).then(DialRequested)
    there.when(start(outplan_id=OTHER)).then_rejects("outplan_unknown").when(outplan(outplan_id=OTHER), start(outplan_id=OTHER))
    there.then(PlanAsked, OutplanFollowed, PlanApplied)


def test_an_outplan_that_cannot_be_had_leaves_a_running_outdial_with_its_outplan() -> None:
    there = given(create(), outplan(), by_outplan()).when(start(outplan_id=OTHER)).then_rejects("outplan_unknown")
    there.when(dial_info(FASTER)).then(OutplanDialInfoSet, a(PlanApplied, plan=FASTER))
    there.when(DeleteOutplan(outplan_id=OUTPLAN), start(outplan_id=OTHER)).then_rejects("outplan_unknown")
    assert there.sim.ledger.outdials[OUTDIAL].plan == FASTER
    assert there.sim.ledger.outdials[OUTDIAL].run is not None


def test_a_deleted_outplan_keeps_working_where_it_runs_and_cannot_start_anything() -> None:
    there = given(create(), add(), outplan(), by_outplan(), 0).when(DeleteOutplan(outplan_id=OUTPLAN)).then(OutplanDeleted)
    there.when(ends("busy"), MINUTE).then(DialRequested)
    there.when(stop(), by_outplan()).then_rejects("outplan_deleted")
    there.when(start()).then_rejects("outplan_deleted")


def applied(ask: int, version: int, plan: Plan = FASTER) -> ApplyPlan:
    return ApplyPlan(id=an_id("apply"), outdial_id=OUTDIAL, outplan_id=OUTPLAN, ask=ask, version=version, plan=plan)


@pytest.mark.parametrize(
    ("ask", "version", "taken"),
    [(1, 2, False), (2, 1, False), (2, 2, True), (2, 9, True), (3, 9, False), (1, 9, False)],
)
def test_a_plan_is_taken_only_for_the_latest_ask_and_only_above_the_last_version(ask: int, version: int, taken: bool) -> None:  # noqa: FBT001
    there = given(create(), outplan(), by_outplan(), stop(), by_outplan())
    effects = there.sim.ledger.decide(applied(ask, version), there.sim.now, internal=True)
    assert [event.type for event in effects.events] == ["PlanApplied"] * taken


def test_a_plan_that_comes_after_the_stop_is_not_taken() -> None:
    there = given(create(), outplan(), by_outplan(), stop())
    assert there.sim.ledger.decide(applied(1, 2), there.sim.now, internal=True).events == []


def test_a_refusal_of_an_old_ask_or_of_one_that_was_answered_ends_nothing() -> None:
    there = given(create(), outplan(), by_outplan(), stop(), by_outplan())
    for ask in (1, 2):
        refusal = RefusePlan(id=an_id("refuse"), outdial_id=OUTDIAL, outplan_id=OUTPLAN, ask=ask, reason="outplan_deleted")
        assert there.sim.ledger.decide(refusal, there.sim.now, internal=True).events == []


def test_the_same_question_gets_the_same_plan_again() -> None:
    there = given(create(), outplan())
    ledger, now = there.sim.ledger, there.sim.now
    first = ledger.decide(by_outplan(id=an_id("1")), now)
    again = ledger.decide(by_outplan(id=an_id("2")), now)
    assert again.answer.result == "unchanged"
    assert [one.command.type for one in again.follow_ups] == ["FollowPlan"]  # type: ignore[attr-defined]
    replies = [ledger.decide(one.command, now, internal=True) for one in (*first.follow_ups, *again.follow_ups)]
    assert [[event.type for event in reply.events] for reply in replies] == [["OutplanFollowed"], []]
    plans = [ledger.decide(reply.follow_ups[0].command, now, internal=True) for reply in replies]
    assert [[event.type for event in plan.events] for plan in plans] == [["PlanApplied"], []]


# --- outplans


def test_an_outplan_is_created_changed_and_deleted_once() -> None:
    there = given().when(outplan(name="n")).then(a(OutplanCreated, name="n", plan=PLAN))
    there.when(outplan(name="n")).then_nothing().then_rejects("already_exists")
    there.when(UpdateOutplan(outplan_id=OUTPLAN, name="m")).then(a(OutplanUpdated, name="m", detail=None))
    there.when(UpdateOutplan(outplan_id=OUTPLAN, name="m")).then_nothing()
    there.when(dial_info(FASTER)).then(a(OutplanDialInfoSet, version=2, plan=FASTER)).when(dial_info(FASTER)).then_nothing()
    there.when(DeleteOutplan(outplan_id=OUTPLAN)).then(OutplanDeleted).when(DeleteOutplan(outplan_id=OUTPLAN)).then_nothing()
    there.when(dial_info(PLAN)).then_nothing().then_rejects("outplan_deleted")
    there.when(UpdateOutplan(outplan_id=OUTPLAN, name="x")).then_nothing().then_rejects("outplan_deleted")


@pytest.mark.parametrize(
    "command",
    [UpdateOutplan(outplan_id=OUTPLAN, name="m"), SetDialInfo(outplan_id=OUTPLAN, plan=PLAN), DeleteOutplan(outplan_id=OUTPLAN)],
)
def test_nothing_is_done_to_an_outplan_that_is_not_there_or_anothers(command: Command) -> None:
    given().when(command).then_nothing().then_rejects("outplan_unknown")
    given(outplan()).when(command.model_copy(update={"customer_id": THEM})).then_nothing().then_rejects("outplan_unknown")


def test_a_plan_without_tries_is_pointed_out_when_it_is_made() -> None:
    assert "no_tries_in_plan" in answer_of(given().when(outplan(Plan()))).warnings[0]
    assert "no_tries_in_plan" in answer_of(given(outplan()).when(dial_info(Plan()))).warnings[0]


def test_a_deleted_outdial_no_longer_follows() -> None:
    there = given(create(), outplan(), by_outplan()).when(DeleteOutdial(outdial_id=OUTDIAL))
    assert [type(event).__name__ for event in there.events] == ["DialingStopped", "OutdialDeleted", "OutplanUnfollowed"]
