"""Pause, resume and drain: what holds a run back and lets it go on, whoever started it."""

from typing import Any

import pytest

from given import Given, a, given
from outdial.commands import Command, DrainDialing, PauseDialing, ResumeDialing
from outdial.events import (
    CampaignStarted,
    CampaignStopped,
    CampaignStopping,
    CommandNoted,
    DialAnswered,
    DialClaimed,
    DialEnded,
    DialingDraining,
    DialingFinished,
    DialingPaused,
    DialingResumed,
    DialingStarted,
    DialingStopped,
    DialRequested,
    EventData,
    LeaveUnused,
    OutplanFollowed,
    OutplanUnfollowed,
    PlanApplied,
    TargetAdded,
    TargetExhausted,
    TargetFinished,
)
from outdial.plan import Plan, RetryMode
from outdial.why import OutdialWhy, TargetWhy
from saying import (
    OUTDIAL,
    OUTPLAN,
    PLAN,
    add,
    ask,
    attempt,
    campaign,
    caps,
    claim,
    create,
    dial_info,
    ends,
    halt,
    outplan,
    picked_up,
    reopen,
    run,
    start,
    stop,
)
from sim import HOUR, MINUTE, SECOND, an_id

ONCE = Plan(max_try_count_0=1, try_interval=60_000)


def pause(reason: str | None = None, **more: Any) -> PauseDialing:
    return PauseDialing(outdial_id=OUTDIAL, reason=reason, **more)


def resume(reason: str | None = None) -> ResumeDialing:
    return ResumeDialing(outdial_id=OUTDIAL, reason=reason)


def drain(reason: str | None = None) -> DrainDialing:
    return DrainDialing(outdial_id=OUTDIAL, reason=reason)


def ready(*steps: Command | int, **more: Any) -> Given:
    """An outdial that is a campaign's, and its outplan."""
    return given(outplan(PLAN), create(), campaign(**more), *steps)


# --- pause and resume


def test_why_somebody_stopped_it_stands_in_the_log() -> None:
    there = (
        given(create(PLAN))
        .when(stop(reason="the list was wrong", actor="ann"))
        .then(a(DialingStopped, run=1, how="stopped", reason="the list was wrong"))
    )
    there.when(start(PLAN), stop()).then(a(DialingStopped, run=2, reason=None))


def test_a_paused_run_requests_nothing_and_goes_on_when_it_is_resumed() -> None:
    there = given(create(PLAN), pause(), add()).when(HOUR).then_nothing()
    there.when(resume()).then(a(DialingResumed, run=1))
    there.when(0).then(DialRequested)


def test_a_pause_says_who_and_why() -> None:
    there = given(create(PLAN)).when(pause("lunch", actor="ann")).then(a(DialingPaused, run=1, reason="lunch"))
    assert there.sim.log[-1].actor == "ann"


def test_a_second_pause_and_a_second_resume_write_nothing() -> None:
    given(create(PLAN), pause()).when(pause()).then_nothing().when(resume()).then(DialingResumed).when(resume()).then_nothing()


@pytest.mark.parametrize("command", [pause(), resume(), drain()])
def test_what_does_not_run_cannot_be_held_back(command: Command) -> None:
    given(create(), add()).when(command).then_nothing().then_rejects("dialing_not_running")
    given(create(PLAN), stop()).when(command).then_nothing().then_rejects("dialing_not_running")


def test_open_attempts_live_on_through_a_pause_and_their_results_count() -> None:
    there = given(create(PLAN), add(1), add(2), 0, pause())
    there.when(picked_up(1, 1)).then(DialAnswered)
    there.when(ends("answered", 1, 1)).then(DialEnded, TargetFinished)
    there.when(ends("busy", 1, 2)).then(DialEnded)
    there.when(HOUR).then_nothing()
    there.when(resume(), 0).then(a(DialRequested, try_count=2))


def test_a_lease_ends_while_paused() -> None:
    given(create(ONCE), add(), 0, pause()).when(HOUR).then(a(DialEnded, lost=True), TargetExhausted)


def test_a_call_that_was_not_claimed_is_not_placed_while_paused_and_its_try_is_given_back() -> None:
    there = given(create(ONCE), add(), 0, pause())
    there.when(claim()).then_nothing().then_rejects("dialing_paused")
    there.when(ends("not_dialed")).then(a(DialEnded, given_back=True))
    there.when(HOUR).then_nothing()
    there.when(resume(), 0).then(a(DialRequested, try_count=1, ordinal=2))


def test_a_claim_that_was_granted_before_is_not_granted_again_while_paused() -> None:
    there = given(create(PLAN), add(), 0, claim(), pause())
    there.when(claim()).then_nothing().then_rejects("dialing_paused")
    there.when(resume(), claim()).then_nothing()
    assert there.answer is not None
    assert there.answer.result == "unchanged"


def test_a_resumed_run_lets_an_attempt_be_claimed_that_is_not_too_late() -> None:
    given(create(PLAN), add(), 0, pause(), resume()).when(claim()).then(DialClaimed)


def test_what_a_pause_gave_back_does_not_look_as_if_nobody_placed_calls() -> None:
    there = given(create(PLAN), *(add(number) for number in range(30)), 0, pause())
    there.when(*(ends("not_dialed", 1, number) for number in range(30)))
    there.when(HOUR, resume(), 0)
    assert len(there.events) == 30


def test_targets_and_plans_are_taken_while_paused() -> None:
    there = given(create(PLAN), pause())
    there.when(add(1)).then(TargetAdded)
    there.when(start(ONCE)).then(a(PlanApplied, plan=ONCE))
    there.when(HOUR).then_nothing()
    there.when(resume(), 0).then(a(DialRequested, plan_version=2))


def test_a_change_of_the_outplan_reaches_a_paused_run() -> None:
    there = given(outplan(PLAN), create(outplan_id=OUTPLAN), pause())
    there.when(dial_info(ONCE))
    assert there.sim.ledger.outdials[OUTDIAL].plan == ONCE


def test_a_run_that_would_end_by_itself_does_not_while_paused() -> None:
    there = given(create(), add(), start(ONCE, end_handle="stop"), 0, pause(), ends("busy"))
    there.when(HOUR).then_nothing()
    there.when(resume(), 0).then(DialingFinished)


def test_targets_out_of_tries_come_back_only_when_the_run_is_resumed() -> None:
    there = given(create(ONCE), add(), 0, ends("busy"), pause(), start(PLAN)).when(HOUR).then_nothing()
    there.when(resume(), 0)
    assert [type(event).__name__ for event in there.events] == ["TargetRevived", "DialRequested"]


def test_a_stop_ends_a_paused_run_and_the_next_is_not_paused() -> None:
    there = given(create(PLAN), add(), pause()).when(stop()).then(DialingStopped)
    there.when(start(), 0).then(DialRequested)


def test_a_start_does_not_resume() -> None:
    there = given(create(PLAN), add(), pause()).when(start(PLAN)).then(CommandNoted)
    assert there.answer is not None
    assert there.answer.warnings == ("paused: the run stands still until it is resumed",)
    there.when(HOUR).then_nothing()


def test_a_campaign_goes_on_running_while_its_outdial_is_paused() -> None:
    there = ready(add(), run(), pause())
    assert there.sim.ledger.campaigns[campaign().campaign_id].status == "run"
    there.when(HOUR).then_nothing()
    there.when(resume(), 0).then(DialRequested)
    there.when(pause(), halt()).then(CampaignStopping, DialingStopped, OutplanUnfollowed)


def test_a_pause_survives_a_restart() -> None:
    there = given(create(PLAN), add(), pause())
    there.sim.restart()
    there.when(HOUR).then_nothing()
    there.when(resume(), 0).then(DialRequested)


def test_a_pause_before_the_plan_has_come_holds() -> None:
    there = given(create(), add())
    begun = there.sim.ledger.decide(start(outplan_id=OUTPLAN).model_copy(update={"id": an_id("begun")}), there.sim.now)
    there.when(pause(), outplan(PLAN))
    for told in begun.follow_ups:
        for answered in there.sim.ledger.decide(told.command, there.sim.now, internal=True).follow_ups:
            there.sim.ledger.decide(answered.command, there.sim.now, internal=True)
    assert there.sim.ledger.outdials[OUTDIAL].plan == PLAN
    there.when(HOUR).then_nothing()


# --- drain


def test_a_draining_run_calls_nobody_new_and_tries_again_whom_it_tried() -> None:
    there = given(create(Plan(max_try_count_0=2, max_concurrent=1)), add(1), add(2), 0)
    there.when(drain("the season ends")).then(a(DialingDraining, run=1, reason="the season ends"))
    there.when(ends("busy")).then(DialEnded)
    there.when(MINUTE).then(a(DialRequested, attempt_id=attempt(2), try_count=2))
    there.when(ends("busy", 2)).then(DialEnded, TargetExhausted)
    there.when(0).then(a(DialingFinished, requests=2))


def test_a_draining_run_with_nobody_left_ends_at_once_though_no_run_of_its_kind_would() -> None:
    there = given(create(PLAN), pause(), add()).when(drain()).then(DialingDraining)
    there.when(HOUR).then_nothing()
    there.when(resume(), 0).then(DialingFinished)


def test_the_next_destination_of_who_was_tried_is_dialed_while_draining() -> None:
    there = given(
        create(Plan(max_try_count_0=1, max_try_count_1=1)), add(destination_1={"type": "tel", "target": "+15550009999"}), 0, drain()
    )
    there.when(ends("busy"), MINUTE).then(a(DialRequested, destination_index=1, rule="next_destination"))


def test_whose_only_try_was_given_back_counts_as_never_tried() -> None:
    there = given(create(PLAN), add(), 0, drain()).when(ends("not_dialed")).then(a(DialEnded, given_back=True))
    there.when(0).then(DialingFinished)


def test_who_is_reopened_or_added_while_draining_waits_for_the_next_run() -> None:
    there = given(create(PLAN), add(1), add(2), 0, ends("busy", 1, 1), drain(), reopen(1), add(3))
    there.when(ends("answered", 1, 2), 0).then(DialingFinished)
    there.when(start(PLAN)).then(DialingStarted, PlanApplied)
    there.when(0).then(DialRequested, DialRequested)


def test_a_second_drain_writes_nothing_and_a_stop_takes_it_back() -> None:
    there = given(create(PLAN), add(1), add(2), 0, drain(), add(3)).when(drain()).then_nothing()
    there.when(stop(), start(), 0).then(a(DialRequested, rule="first_try"))


def test_a_draining_run_of_a_campaign_finishes_and_chains() -> None:
    there = ready(add(1), run(), 0).when(drain(), ends("answered")).then(DialEnded, TargetFinished)
    there.when(0).then(DialingFinished, OutplanUnfollowed, a(CampaignStopped, how="finished", requests=1))
    there.when(run()).then(CampaignStarted, DialingStarted, OutplanFollowed, PlanApplied)


def test_a_new_plan_does_not_end_a_drain() -> None:
    there = given(create(PLAN), add(1), 0, drain(), add(2), start(Plan(max_try_count_0=9, retry_mode=RetryMode.RESULT)))
    there.when(ends("busy"), HOUR)
    assert {event.target_id for event in there.events if isinstance(event, DialRequested)} <= {add(1).target_id}


def test_a_drain_survives_a_restart() -> None:
    there = given(create(PLAN), add(1), 0, drain(), add(2))
    there.sim.restart()
    there.when(ends("busy"), 30 * SECOND).then_nothing()
    there.when(30 * SECOND).then(a(DialRequested, try_count=2))


# --- why


def verdict(there: Given, number: int | None = None) -> tuple[str | None, int | None, int | None]:
    """Why a target, or the outdial, is not dialed, since when, and when the next request is."""
    answer = there.sim.send(ask(number))
    assert isinstance(answer.facts, TargetWhy | OutdialWhy)
    return answer.facts.why, answer.facts.since, answer.facts.next_at


def test_a_paused_run_says_so_and_since_when() -> None:
    there = given(create(PLAN), MINUTE, pause(), add())
    assert verdict(there, 1) == verdict(there) == ("paused", there.sim.now, None)


def test_a_draining_run_says_whom_it_leaves_out() -> None:
    there = given(create(Plan(max_try_count_0=2, max_concurrent=1)), add(1), add(2), 0, drain())
    assert verdict(there, 2)[0] == "draining"
    assert verdict(there, 1)[0] == "attempt_open"
    answer = there.sim.send(ask())
    assert isinstance(answer.facts, OutdialWhy)
    assert [(held.why, held.targets) for held in answer.facts.held] == [("attempt_open", 1), ("draining", 1)]


# --- with frequency caps: leave that was asked for before


def comes_late(there: Given, meanwhile: Command) -> list[type[EventData]]:
    """What leave comes to that was asked for before a command and is granted after it."""
    ledger, now = there.sim.ledger, there.sim.now
    asked = ledger.tick(now, now, 10)
    there.when(meanwhile)
    answers = [ledger.decide(told.command, now, internal=True) for effects in asked for told in effects.follow_ups]
    granted = [told.command for answer in answers for told in answer.follow_ups]
    return [type(event.data) for command in granted for event in ledger.decide(command, now, internal=True).events]


@pytest.mark.parametrize("command", [pause(), drain()])
def test_leave_that_comes_when_the_run_is_held_back_is_not_used(command: Command) -> None:
    assert comes_late(given(create(PLAN), caps((1, HOUR)), add()), command) == [LeaveUnused]
