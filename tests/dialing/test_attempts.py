"""Attempts: request, claim, answer, result, lease. Source: design section 5."""

from collections.abc import Callable
from typing import Any

import pytest

from given import Given, a, given
from outdial.address import Address
from outdial.commands import Command, DeleteOutdial
from outdial.events import (
    DialAnswered,
    DialClaimed,
    DialEnded,
    DialRequested,
    ResultIgnored,
    TargetExhausted,
    TargetFinished,
)
from outdial.plan import Plan
from saying import OUTDIAL, PLAN, add, attempt, claim, create, delete, ends, picked_up, reopen, start, stop, target_id, tel
from sim import HOUR, MINUTE, SECOND, START, Sim, an_id, saying

INTERVAL = 60 * SECOND
LEASE = (60 + 30 + 600) * SECOND


def dialing(plan: Plan = PLAN, *more: Command | int) -> Given:
    """One target, its first attempt open."""
    return given(create(plan), add(), 0, *more)


def test_those_who_went_through_the_same_have_one_history_between_them() -> None:
    there = dialing(PLAN, add(2), 0, ends("busy", 1), ends("busy", 1, 2))
    first, second = (there.sim.ledger.outdials[OUTDIAL].targets[target_id(number)] for number in (1, 2))
    assert first.history.ends
    assert first.history is second.history


# --- the two from the first day


def test_a_result_for_an_earlier_attempt_changes_nothing() -> None:
    there = dialing(PLAN, ends("busy", 1), INTERVAL)
    before = there.sim.ledger.outdials[OUTDIAL].targets[target_id()]
    for outcome in ("answered", "no_answer", "not_dialed", "machine", "failed"):
        there.when(ends(outcome, 1)).then(a(ResultIgnored, attempt_id=attempt(1), reason="superseded"))
        assert there.sim.ledger.outdials[OUTDIAL].targets[target_id()] == before
    there.when(ends("busy", 1)).then_nothing()
    there.when(ends("busy", 2)).then(a(DialEnded, attempt_id=attempt(2), outcome="busy"))


def test_an_answered_target_is_never_dialed_again() -> None:
    there = dialing().when(ends("answered")).then(DialEnded, TargetFinished)
    there.when(100 * HOUR).then_nothing()
    there.when(stop(), start(Plan(max_try_count_0=100)), 100 * HOUR).then_nothing()
    there.sim.restart()
    there.when(100 * HOUR).then_nothing()


# --- the request


def test_a_request_carries_all_that_placing_a_call_needs() -> None:
    plan = Plan(source=tel(99), max_try_count_0=2, dial_timeout=25_000, pickup_timeout=5_000, result_grace=10_000)
    person: dict[str, Any] = {
        "name": "Ann",
        "detail": "d",
        "data": '{"order":7}',
        "destination_0": Address(type="tel", target="+1 555 000 0001", target_name="A"),
    }
    request = given(create(plan), add(**person)).when(0).requests[0]
    assert (request.attempt_id, request.outdial_id, request.target_id) == (attempt(), OUTDIAL, target_id())
    assert (request.name, request.detail, request.data) == ("Ann", "d", '{"order":7}')
    assert request.source == tel(99)
    assert request.destination == Address(type="tel", target="+15550000001", target_name="A")
    assert (request.destination_index, request.try_count, request.dial_timeout, request.plan_version) == (0, 1, 25_000, 1)
    assert (request.requested_at, request.not_after, request.expires_at) == (START, START + 5 * SECOND, START + 40 * SECOND)


def test_a_ring_time_of_zero_dials_as_thirty_seconds() -> None:
    request = given(create(Plan(max_try_count_0=1, dial_timeout=0)), add()).when(0).requests[0]
    assert request.dial_timeout == 30_000
    assert request.expires_at == START + LEASE


def test_a_request_says_why_it_was_made() -> None:
    there = (
        given(create(Plan(max_try_count_0=2, max_try_count_1=1)), add(destination_1=tel(5)))
        .when(0)
        .then(a(DialRequested, rule="first_try"))
    )
    there.when(ends("busy", 1), INTERVAL).then(a(DialRequested, rule="retry", due_at=START + INTERVAL, try_count=2, destination_index=0))
    there.when(ends("not_dialed", 2), INTERVAL).then(a(DialRequested, rule="not_dialed_again", try_count=2, ordinal=3))
    there.when(ends("busy", 3), INTERVAL).then(a(DialRequested, rule="next_destination", try_count=1, destination_index=1))


def test_c16_the_interval_runs_from_the_end_of_the_attempt() -> None:
    there = dialing(PLAN, 20 * MINUTE // 2, ends("busy"))
    there.when(INTERVAL - 1).then_nothing().when(1).then(a(DialRequested, due_at=START + 10 * MINUTE + INTERVAL))


def test_times_told_in_a_result_move_nothing() -> None:
    told = ends("busy", started_at=START - 10 * HOUR, ended_at=START - 9 * HOUR)
    dialing(PLAN, 5 * SECOND).when(told).then(a(DialEnded, ended_at=START - 9 * HOUR)).when(INTERVAL - 1).then_nothing().when(1).then(
        DialRequested
    )


# --- results


@pytest.mark.parametrize("outcome", ["busy", "no_answer", "machine", "failed", "canceled", "other"])
def test_every_outcome_but_an_answer_spends_the_try_and_waits_the_interval(outcome: str) -> None:
    there = dialing().when(ends(outcome)).then(a(DialEnded, outcome=outcome, given_back=False))
    there.when(INTERVAL - 1).then_nothing().when(1).then(a(DialRequested, try_count=2))


@pytest.mark.parametrize(
    ("outcome", "answered", "counts_as"),
    [
        ("normal", True, "answered"),
        ("normal", None, "other"),
        ("noanswer", None, "no_answer"),
        ("dialout", None, "no_answer"),
        ("amd", None, "machine"),
        ("amd", True, "machine"),
        ("cancel", None, "canceled"),
        ("timeout", None, "answered"),
        ("failed", True, "answered"),
        ("busy", True, "answered"),
        ("canceled", True, "answered"),
        ("not_dialed", True, "answered"),
        ("machine", True, "machine"),
    ],
)
def test_c27_an_answered_call_is_answered_whatever_ended_it(outcome: str, answered: bool | None, counts_as: str) -> None:  # noqa: FBT001
    dialing().when(ends(outcome, answered=answered)).then(
        *(
            (a(DialEnded, outcome=counts_as),)
            if counts_as != "answered"
            else (a(DialEnded, outcome="answered", given_back=False), TargetFinished)
        )
    )


@pytest.mark.parametrize(("outcome", "counts_as"), [("failed", "answered"), ("not_dialed", "answered"), ("machine", "machine")])
def test_machine_stays_machine_after_an_answer_and_all_else_is_answered(outcome: str, counts_as: str) -> None:
    ended = dialing(PLAN, picked_up()).when(ends(outcome))
    assert isinstance(ended.events[0], DialEnded)
    assert ended.events[0].outcome == counts_as


def test_the_same_outcome_again_is_nothing_and_another_is_noted_as_ignored() -> None:
    there = dialing(PLAN, ends("busy"))
    there.when(ends("busy")).then_nothing()
    there.when(ends("failed")).then(a(ResultIgnored, outcome="failed", reason="closed"))
    there.when(ends("answered")).then(a(ResultIgnored, outcome="answered", reason="closed"))
    there.when(picked_up()).then(a(ResultIgnored, outcome="answered", reason="closed"))
    there.when(INTERVAL).then(DialRequested)


@pytest.mark.parametrize("say", [lambda: ends("busy", 7), lambda: picked_up(7), lambda: claim(ordinal=7)])
def test_a_word_about_an_attempt_that_never_was_is_refused(say: Callable[[], Command]) -> None:
    dialing().when(say()).then_nothing().then_rejects("attempt_unknown")


@pytest.mark.parametrize("say", [lambda: ends("busy", 1, 2), lambda: picked_up(1, 2), lambda: claim(number=2)])
def test_a_word_about_a_target_that_never_was_is_refused(say: Callable[[], Command]) -> None:
    dialing().when(say()).then_nothing().then_rejects("target_unknown")


def test_the_attempt_of_another_target_is_not_this_ones() -> None:
    there = given(create(PLAN), add(1), add(2), 0)
    there.when(ends("busy", 1, 1, target_id=target_id(2))).then_nothing().then_rejects("attempt_unknown")


def test_the_last_try_exhausts_a_target_and_no_time_brings_it_back() -> None:
    there = dialing(Plan(max_try_count_0=1)).when(ends("no_answer")).then(DialEnded, a(TargetExhausted, plan_version=1))
    there.when(100 * HOUR).then_nothing()


def test_a_result_after_a_stop_is_judged_by_the_last_plan() -> None:
    dialing(Plan(max_try_count_0=1), stop()).when(ends("busy")).then(DialEnded, TargetExhausted)


# --- not_dialed


def test_not_dialed_gives_the_try_back() -> None:
    there = dialing(Plan(max_try_count_0=1, try_interval=60_000))
    for ordinal in range(1, 6):
        there.when(ends("not_dialed", ordinal)).then(a(DialEnded, given_back=True))
        there.when(INTERVAL).then(a(DialRequested, ordinal=ordinal + 1, try_count=1))
    there.when(ends("busy", 6)).then(DialEnded, TargetExhausted)


def test_not_dialed_waits_a_second_doubled_each_time_up_to_fifteen_minutes() -> None:
    sim = Sim(saying("not_dialed", after=SECOND))
    given(create(Plan(max_try_count_0=1, try_interval=0)), add(), 4 * HOUR, sim=sim)
    gaps = [later.requested_at - earlier.requested_at - SECOND for earlier, later in zip(sim.requests, sim.requests[1:], strict=False)]
    assert gaps[:12] == [SECOND * wait for wait in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900)]


def test_not_dialed_never_waits_less_than_the_interval() -> None:
    there = dialing(Plan(max_try_count_0=1, try_interval=5_000), ends("not_dialed"))
    there.when(5 * SECOND - 1).then_nothing().when(1).then(DialRequested)


def test_any_other_end_starts_the_waits_of_not_dialed_anew() -> None:
    there = dialing(
        Plan(max_try_count_0=9, try_interval=0), ends("not_dialed", 1), SECOND, ends("not_dialed", 2), 2 * SECOND, ends("busy", 3), 0
    )
    there.when(ends("not_dialed", 4), SECOND - 1).then_nothing().when(1).then(DialRequested)


def test_a_target_that_never_had_a_try_is_not_out_of_tries() -> None:
    there = dialing(PLAN, start(Plan(max_try_count_1=1))).when(ends("not_dialed")).then(DialEnded)
    there.when(start(PLAN), INTERVAL).then(DialRequested)


# --- the lease


def test_an_attempt_without_a_word_is_lost_as_not_answered_and_the_interval_runs_from_there() -> None:
    there = dialing().when(LEASE - 1).then_nothing().when(1).then(a(DialEnded, outcome="no_answer", lost=True, given_back=False))
    there.when(INTERVAL - 1).then_nothing().when(1).then(a(DialRequested, try_count=2))


def test_an_answer_moves_the_lease_to_the_longest_call_and_its_end_finishes_the_target() -> None:
    there = dialing(PLAN, 30 * SECOND).when(picked_up()).then(a(DialAnswered, expires_at=START + 30 * SECOND + 4 * HOUR))
    there.when(4 * HOUR - 1).then_nothing().when(1).then(a(DialEnded, outcome="answered", lost=True), TargetFinished)
    there.when(ends("answered")).then_nothing()


def test_picking_up_twice_is_nothing() -> None:
    dialing(PLAN, picked_up()).when(picked_up()).then_nothing()


def test_a_shorter_longest_call_moves_the_lease_nearer() -> None:
    there = dialing(Plan(max_try_count_0=1, max_call_duration=1_000), picked_up())
    there.when(SECOND).then(a(DialEnded, outcome="answered", lost=True), TargetFinished)


def test_a_lease_waits_for_the_commands_that_arrived_before_its_end() -> None:
    sim = dialing().sim
    sim.now += LEASE
    sim.lag = 1
    sim.tick()
    assert sim.log[-1].type == "DialRequested"
    given(sim=sim).when(ends("busy")).then(a(DialEnded, outcome="busy", lost=False))


def test_a_lease_ends_once_everything_until_its_end_was_read() -> None:
    sim = dialing().sim
    sim.now += LEASE + HOUR
    sim.lag = HOUR + 1
    sim.tick()
    assert sim.log[-1].type == "DialRequested"
    sim.now += 1
    sim.tick()
    assert sim.log[-1].type == "DialEnded"


def test_reading_behind_holds_no_request_back() -> None:
    sim = dialing(PLAN, ends("busy")).sim
    sim.now += INTERVAL
    sim.lag = HOUR
    sim.tick()
    assert len(sim.requests) == 2


# --- late words


@pytest.mark.parametrize("word", [ends("answered"), picked_up(), ends("failed", answered=True), ends("timeout")])
def test_an_answer_that_comes_after_the_attempt_was_lost_finishes_the_target(word: Command) -> None:
    there = dialing(PLAN, LEASE).when(word).then(a(TargetFinished, late=True, attempt_id=attempt()))
    there.when(ends("answered")).then_nothing().when(picked_up()).then_nothing()
    there.when(100 * HOUR).then_nothing()


def test_a_late_answer_finishes_a_target_that_was_out_of_tries() -> None:
    there = dialing(Plan(max_try_count_0=1), LEASE).when(ends("answered")).then(a(TargetFinished, late=True))
    there.when(start(PLAN), HOUR).then_nothing()


def test_a_late_answer_finishes_the_target_also_when_a_newer_attempt_has_ended() -> None:
    there = (
        dialing(PLAN, LEASE, INTERVAL, ends("busy", 2)).when(ends("answered", 1)).then(a(TargetFinished, late=True, attempt_id=attempt(1)))
    )
    there.when(ends("answered", 1)).then_nothing()
    there.when(ends("answered", 2)).then(a(ResultIgnored, reason="closed")).when(ends("busy", 2)).then_nothing()
    there.when(HOUR).then_nothing()


def test_a_late_answer_beside_a_newer_open_attempt_changes_nothing() -> None:
    there = dialing(PLAN, LEASE, INTERVAL).when(ends("answered", 1)).then(a(ResultIgnored, reason="superseded"))
    there.when(ends("busy", 2)).then(DialEnded).when(INTERVAL).then(DialRequested)


def test_late_words_other_than_answered_change_nothing() -> None:
    there = dialing(PLAN, LEASE)
    there.when(ends("no_answer")).then_nothing()
    there.when(ends("busy")).then(a(ResultIgnored, outcome="busy", reason="closed"))
    there.when(ends("machine", answered=True)).then(a(ResultIgnored, outcome="machine"))
    there.when(INTERVAL).then(DialRequested)


def test_a_late_answer_does_not_finish_an_attempt_that_was_told_to_have_ended() -> None:
    dialing(PLAN, ends("busy")).when(ends("answered")).then(ResultIgnored).when(INTERVAL).then(DialRequested)


def test_a_late_answer_about_a_deleted_target_is_ignored() -> None:
    dialing(PLAN, delete(), LEASE).when(ends("answered")).then(ResultIgnored)


def test_the_ends_of_attempts_are_remembered_through_a_restart() -> None:
    there = dialing(PLAN, LEASE, INTERVAL, ends("busy", 2), ends("answered", 1))
    there.sim.restart()
    there.when(ends("answered", 1)).then_nothing()
    there.when(ends("busy", 2)).then_nothing()


# --- claims


def test_the_first_worker_that_asks_places_the_call() -> None:
    there = dialing().when(claim("w1")).then(a(DialClaimed, worker="w1", attempt_id=attempt()))
    there.when(claim("w2")).then_nothing().then_rejects("dial_claimed")


def test_the_same_worker_is_granted_again_while_the_call_is_wanted() -> None:
    there = dialing(PLAN, claim()).when(claim()).then_nothing()
    assert there.answer is not None
    assert there.answer.result == "unchanged"


def test_a_claim_sent_twice_under_one_id_is_decided_anew() -> None:
    there = dialing(PLAN, claim(id=an_id("c")))
    there.when(claim(id=an_id("c"))).then_nothing()
    there.when(claim("w2", id=an_id("c"))).then_rejects("dial_claimed")
    there.when(stop(), claim(id=an_id("c"))).then_rejects("dialing_stopped")


def test_a_call_may_be_claimed_until_not_after_and_not_later() -> None:
    dialing().when(60 * SECOND, claim()).then(DialClaimed)
    dialing().when(60 * SECOND + 1, claim()).then_nothing().then_rejects("dial_too_late")
    dialing(PLAN, claim()).when(60 * SECOND + 1, claim()).then_rejects("dial_too_late")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (stop(), "dialing_stopped"),
        (delete(), "target_deleted"),
        (DeleteOutdial(outdial_id=OUTDIAL), "outdial_deleted"),
        (ends("busy"), "attempt_closed"),
    ],
)
def test_a_call_that_is_no_longer_wanted_is_not_placed(step: Command, reason: str) -> None:
    dialing(PLAN, step).when(claim()).then_nothing().then_rejects(reason)
    dialing(PLAN, claim(), step).when(claim()).then_nothing().then_rejects(reason)


def test_a_call_that_is_up_is_not_given_to_anybody_else() -> None:
    dialing(PLAN, picked_up()).when(claim()).then_nothing().then_rejects("dial_claimed")
    dialing(PLAN, claim("w1"), picked_up()).when(claim("w2")).then_rejects("dial_claimed")


def test_an_older_attempt_cannot_be_claimed() -> None:
    dialing(PLAN, ends("busy"), INTERVAL).when(claim(ordinal=1)).then_nothing().then_rejects("attempt_closed")


def test_a_claim_moves_no_lease() -> None:
    dialing(PLAN, 50 * SECOND, claim()).when(LEASE - 50 * SECOND).then(a(DialEnded, lost=True))


def test_a_target_reopened_after_a_lost_attempt_is_dialed() -> None:
    dialing(Plan(max_try_count_0=1), LEASE, reopen()).when(0).then(a(DialRequested, ordinal=2, try_count=1))
