"""Reopened by how the last attempt ended: those and no others, and a thousand at a time."""

from typing import Any

from given import given
from outdial.commands import Command, ReopenTargets
from outdial.events import DialRequested, TargetReopened
from outdial.plan import Plan
from saying import OUTDIAL, add, create, delete, ends, start, stop, target_id
from sim import HOUR, MINUTE, START, Sim, saying

ONE = Plan(max_try_count_0=1, max_concurrent=0)


def reopen_all(*outcomes: str, **more: Any) -> ReopenTargets:
    return ReopenTargets.model_validate({"outdial_id": OUTDIAL, "outcomes": outcomes, **more})


def reopened(there: Any) -> set[str]:
    return {event.target_id for event in there.events if isinstance(event, TargetReopened)}


def test_only_those_whose_last_attempt_ended_so_are_reopened() -> None:
    people = [add(n) for n in range(5)]
    outcomes = ("busy", "no_answer", "answered", "failed", "busy")
    there = given(create(ONE), *people, 0, *(ends(outcome, 1, n) for n, outcome in enumerate(outcomes)), delete(4))
    assert reopened(there.when(reopen_all("busy", "answered"))) == {target_id(0), target_id(2)}
    there.when(0).then(DialRequested, DialRequested)


def test_those_who_wait_for_a_retry_are_reopened_too_and_begin_at_once() -> None:
    there = given(create(Plan(max_try_count_0=3)), add(), 0, ends("busy"))
    there.when(reopen_all("busy")).then(TargetReopened).when(0).then(DialRequested)


def test_whoever_is_being_dialed_was_never_tried_or_is_too_late_stays() -> None:
    there = given(create(ONE), add(1), add(2, expires_at=START + MINUTE), 0, ends("busy", 1, 2), 2 * MINUTE, stop(), add(3))
    there.when(reopen_all("busy", "no_answer", "other")).then_nothing()


def test_asked_twice_it_changes_nothing_the_second_time() -> None:
    there = given(create(ONE), add(), 0, ends("busy"), stop()).when(reopen_all("busy")).then(TargetReopened)
    there.when(reopen_all("busy")).then_nothing()


def test_very_many_are_reopened_a_thousand_at_a_time() -> None:
    sim = Sim(saying("busy"))
    given(create(ONE), *(add(n) for n in range(2_500)), HOUR, stop(), sim=sim)
    command = reopen_all("busy").model_copy(update={"id": target_id(9_999)})
    portions: list[int] = []
    waiting: list[Command] = [command]
    for one in waiting:
        effects = sim.ledger.decide(one, sim.now, internal=one is not command)
        portions.append(len(effects.events))
        waiting += [told.command for told in effects.follow_ups]
    assert portions == [1_000, 1_000, 500]


def test_a_producer_does_not_say_where_to_go_on() -> None:
    given(create(ONE), add()).when(reopen_all("busy", cursor=0)).then_rejects("internal_command")


def test_the_next_run_dials_them_from_their_first_try() -> None:
    there = given(create(ONE), add(), 0, ends("busy"), stop(), reopen_all("busy"), start(ONE), 0)
    assert [request.try_count for request in there.sim.requests] == [1, 1]
