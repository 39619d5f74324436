"""Why a target is not being dialed: every rule has its word, and what is said of the future comes true."""

from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings

from dialing.test_histories import History, histories, live, unhurried
from given import Given, given
from outdial.address import Address
from outdial.commands import AskWhy, DeleteOutdial
from outdial.dialing.outdial import SILENT_ATTEMPTS, Outdial
from outdial.dialing.target import Deleted, Done, Progressing
from outdial.events import DialRequested
from outdial.plan import Plan
from outdial.requests import Answer
from outdial.why import REASONS, OutdialWhy, TargetWhy
from saying import (
    OUTDIAL,
    PLAN,
    THEM,
    US,
    add,
    ask,
    attempt,
    campaign,
    caps,
    claim,
    create,
    delete,
    ends,
    number,
    outplan,
    picked_up,
    run,
    start,
    stop,
    suppress,
    target_id,
    tel,
)
from sim import DAY, HOUR, MINUTE, SECOND, START, Sim, silent

LEASE = 690 * SECOND
ONE = Plan(max_try_count_0=1, max_concurrent=1)


def of(there: Given, number: int = 1) -> TargetWhy:
    """What is said of a target."""
    answer = there.sim.send(ask(number))
    assert isinstance(answer.facts, TargetWhy), answer
    return answer.facts


def whole(there: Given) -> OutdialWhy:
    """What is said of the outdial."""
    answer = there.sim.send(ask())
    assert isinstance(answer.facts, OutdialWhy), answer
    return answer.facts


def said(verdict: TargetWhy | OutdialWhy) -> tuple[str | None, int | None, int | None, int | None]:
    """The verdict, its times counted from the start."""
    times = (verdict.since, verdict.until, verdict.next_at)
    return verdict.why, *(None if at is None else at - START for at in times)  # type: ignore[return-value]


# --- a question


def test_a_question_makes_no_event_and_is_answered_under_the_same_id_anew() -> None:
    there = given(create(PLAN), add(), 0)
    log = len(there.sim.log)
    one = ask(1, id=target_id(9))
    first = there.sim.send(one)
    there.when(ends("busy"))
    log += len(there.events)
    second = there.sim.send(one)
    other = there.sim.send(ask(id=target_id(9)))
    assert len(there.sim.log) == log
    assert [answer.result for answer in (first, second, other)] == ["unchanged"] * 3
    assert [answer.facts.why for answer in (first, second, other) if isinstance(answer.facts, TargetWhy | OutdialWhy)] == [
        "attempt_open", "not_due", "not_due",
    ]  # fmt: skip


def test_a_question_of_another_customer_or_about_nothing_is_refused() -> None:
    there = given(create(), add())
    there.when(ask(1, customer_id=THEM)).then_rejects("outdial_unknown")
    there.when(ask(1, customer_id=US)).then_nothing()
    there.when(ask(2)).then_rejects("target_unknown")
    there.when(AskWhy(outdial_id=target_id())).then_rejects("outdial_unknown")


def test_the_answer_of_any_other_command_has_no_facts() -> None:
    assert Answer.model_validate(given(create(PLAN)).when(add()).answer).facts is None


# --- one target


def test_before_any_run_there_is_none() -> None:
    assert said(of(given(create(), HOUR, add()))) == ("no_run", 0, None, None)


def test_after_a_stop_it_says_since_when() -> None:
    assert said(of(given(create(PLAN), add(), 0, ends("busy"), SECOND, stop(), HOUR))) == ("no_run", SECOND, None, None)


def test_a_run_that_waits_for_its_plan_says_so() -> None:
    sim = Sim()
    there = given(create(), add(), sim=sim)
    sim.ledger.decide(start(outplan_id=target_id(7)).model_copy(update={"id": target_id(8)}), sim.now)
    assert said(of(there)) == ("plan_pending", 0, None, None)


def test_a_target_that_is_requested_now_is_held_by_nothing() -> None:
    assert said(of(given(create(PLAN), HOUR, add()))) == (None, None, None, HOUR)


def test_an_open_attempt_holds_until_its_lease_ends_and_the_retry_comes_after_the_interval() -> None:
    there = given(create(PLAN), add(), 0)
    verdict = of(there)
    assert said(verdict) == ("attempt_open", None, LEASE, LEASE + MINUTE)
    facts = next(rule.facts for rule in verdict.rules if rule.rule == "attempt_open")
    assert (facts["attempt_id"], facts["answered"], facts["claimed"]) == (attempt(), False, False)
    there.when(LEASE + MINUTE - 1).when(1).then(DialRequested)


def test_an_answered_or_a_last_attempt_is_followed_by_none() -> None:
    assert said(of(given(create(PLAN), add(), 0, picked_up()))) == ("attempt_open", None, 4 * HOUR, None)
    assert said(of(given(create(ONE), add(), 0))) == ("attempt_open", None, LEASE, None)


def test_between_tries_it_waits_for_the_interval() -> None:
    there = given(create(PLAN), add(), 0, SECOND, ends("busy"))
    assert said(of(there)) == ("not_due", SECOND, SECOND + MINUTE, SECOND + MINUTE)


def test_after_attempts_that_were_never_placed_it_waits_longer() -> None:
    there = given(create(Plan(max_try_count_0=9, try_interval=0)), add(), 0, ends("not_dialed"), SECOND, ends("not_dialed", 2))
    verdict = of(there)
    assert said(verdict) == ("not_due", SECOND, 3 * SECOND, 3 * SECOND)
    assert next(rule.facts["wait"] for rule in verdict.rules if rule.rule == "not_due") == "back_off"


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ((create(PLAN), add(), 0, ends("answered")), "reached"),
        ((create(ONE), add(), 0, ends("busy")), "tries_spent"),
        ((create(Plan()), add()), "no_tries_in_plan"),
        ((create(PLAN), add(try_count_max=0)), "no_tries_in_plan"),
        ((create(PLAN), add(), delete()), "deleted"),
        ((create(PLAN), add(), 0, delete()), "deleted"),
        ((create(PLAN), add(), DeleteOutdial(outdial_id=OUTDIAL)), "outdial_deleted"),
    ],
)
def test_what_only_a_command_can_change_has_no_next_time(steps: tuple[Any, ...], why: str) -> None:
    verdict = of(given(*steps))
    assert (verdict.why, verdict.until, verdict.next_at) == (why, None, None)


def test_a_campaign_of_calls_says_that_mail_is_not_dialed() -> None:
    mail = {"destination_0": Address(type="email", target="a@example.org")}
    there = given(create(), outplan(PLAN), campaign(campaign_type="call", end_handle="continue"), add(1, **mail), run())
    assert of(there).why == "type_not_dialable"
    assert [(held.why, held.targets) for held in whole(there).held] == [("type_not_dialable", 1)]


def test_behind_a_full_house_it_waits_for_the_first_lease() -> None:
    there = given(create(ONE), add(1), add(2), 0, MINUTE)
    verdict = of(there, 2)
    assert said(verdict) == ("max_concurrent", 0, LEASE, LEASE)
    there.when(LEASE - MINUTE - 1).then_nothing().when(1)
    assert there.sim.requests[-1].target_id == target_id(2)


def test_behind_others_it_waits_its_turn_at_the_pace_of_the_plan() -> None:
    there = given(create(Plan(max_try_count_0=1, calls_per_second=2, max_concurrent=0)), *(add(n) for n in range(1, 10)), 0)
    verdict = of(there, 9)
    assert said(verdict) == ("calls_per_second", 0, 4 * SECOND, 4 * SECOND)
    assert next(rule.facts for rule in verdict.rules if rule.rule == "calls_per_second") == {"limit": 2, "ahead": 6}
    there.when(4 * SECOND)
    assert [request.requested_at - START for request in there.sim.requests if request.target_id == target_id(9)] == [4 * SECOND]


def test_a_higher_priority_goes_first_and_a_lower_one_is_not_counted() -> None:
    plan = Plan(max_try_count_0=1, max_concurrent=1)
    there = given(create(plan), add(1), 0, add(2), add(3, priority=5), add(4, priority=-5), add(5))
    ahead = {n: next(rule.facts["ahead"] for rule in of(there, n).rules if rule.rule == "max_concurrent") for n in (2, 3, 4, 5)}
    assert ahead == {2: 1, 3: 0, 4: 3, 5: 2}


def test_it_does_not_wait_for_those_who_are_too_late_before_their_turn_comes() -> None:
    plan, soon = Plan(max_try_count_0=1, max_concurrent=1), START + MINUTE
    there = given(create(plan), add(1), 0, add(2, expires_at=soon), add(3, expires_at=soon), add(4), add(5))
    assert said(of(there, 4))[3] == LEASE
    assert said(of(there, 5))[3] == 2 * LEASE
    there.when(2 * LEASE)
    assert [request.target_id for request in there.sim.requests] == [target_id(one) for one in (1, 4, 5)]


def test_who_is_too_late_before_its_own_turn_comes_has_no_next_time() -> None:
    there = given(create(ONE), add(1), 0, add(2, expires_at=START + LEASE), add(3, expires_at=START + LEASE + 1))
    assert said(of(there, 2)) == ("max_concurrent", 0, LEASE, None)
    assert said(of(there, 3))[3] == LEASE
    there.when(2 * LEASE)
    assert [request.target_id for request in there.sim.requests] == [target_id(one) for one in (1, 3)]


def test_a_turn_that_comes_after_the_window_has_closed_is_that_of_the_next_opening() -> None:
    """It is 22:13:20. Whoever is requested in the last minute has to be picked up before the window closes."""
    hours = [{"days": ["tue", "wed"], "start": "22:00", "end": "22:26"}]
    plan = Plan.model_validate({"max_try_count_0": 1, "max_concurrent": 1, "windows": {"hours": hours, "time_zone": "UTC"}})
    there = given(create(plan), *(add(one) for one in range(1, 5)), 0)
    told = [said(of(there, one))[3] for one in (2, 3, 4)]
    there.when(DAY + HOUR)
    assert [request.requested_at - START for request in there.sim.requests] == [0, *told]
    assert told[1] == DAY - 800 * SECOND


def test_after_twenty_silent_attempts_it_says_that_nobody_places_the_calls() -> None:
    there = given(create(Plan(max_try_count_0=1, max_concurrent=20)), *(add(n) for n in range(30)), LEASE, sim=Sim(silent))
    assert said(of(there, 29))[0] == "no_worker"
    assert said(whole(there))[0] == "no_worker"


def test_whoever_is_on_a_list_is_told_so_before_and_after_it_was_found_out() -> None:
    plan, until = Plan(max_try_count_0=1, max_try_count_1=1), START + HOUR
    there = given(create(plan), suppress({**number(1), "expires_at": until}, number(2)), add(1), add(2), add(3, destination_1=tel(2)), 0)
    there.when(add(4, destination_0=tel(2), destination_1=tel(9)))
    assert of(there, 4).why is None
    for _ in range(2):
        assert said(of(there, 1)) == ("suppressed", None, HOUR, HOUR)
        assert said(of(there, 2)) == ("suppressed", None, None, None)
        assert [of(there, one).why for one in (3, 4)] in (["attempt_open", None], ["attempt_open", "attempt_open"])
        there.when(0)
    assert [(held.why, held.targets) for held in whole(there).held] == [("attempt_open", 2), ("suppressed", 2)]
    there.when(HOUR).when(0)
    assert [request.target_id for request in there.sim.requests] == [target_id(one) for one in (3, 4, 1)]


def test_a_cap_holds_whom_it_put_off_although_he_asked_to_be_called_back() -> None:
    there = given(create(PLAN), caps((1, HOUR)), add(), 0, ends("busy", call_back_at=START + 2 * SECOND), 3 * SECOND)
    verdict = of(there)
    assert verdict.why == "frequency_cap"
    assert verdict.next_at == verdict.until == START + HOUR + MINUTE


def test_whom_a_cap_put_off_waits_by_the_plan_too() -> None:
    there = given(create(Plan(max_try_count_0=9, try_interval=1_000)), caps((1, HOUR)), add(), 0, ends("busy"), 2 * SECOND)
    there.when(start(Plan(max_try_count_0=9, try_interval=86_400_000)))
    assert of(there).next_at == START + DAY
    there.when(HOUR + MINUTE)
    verdict = of(there)
    assert (verdict.why, verdict.until, verdict.next_at) == ("not_due", START + DAY, START + DAY)


def test_a_suppression_that_ends_outside_the_hours_is_followed_by_the_next_window() -> None:
    hours = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "09:00", "end": "17:00"}]
    plan = Plan.model_validate({"max_try_count_0": 9, "windows": {"hours": hours, "time_zone": "UTC"}})
    there = given(create(plan), add(), suppress(number(1) | {"expires_at": START - START % DAY + DAY + 22 * HOUR}))
    there.when(0)
    next_at = of(there).next_at
    assert next_at == START - START % DAY + 2 * DAY + 9 * HOUR
    there.when(next_at - there.sim.now)
    assert any(isinstance(event, DialRequested) for event in there.events)


def test_an_outdial_whose_last_calls_are_open_says_when_they_are_given_up_and_who_is_called_then() -> None:
    there = given(create(Plan(max_try_count_0=2, try_interval=60_000)), add(), 0)
    verdict = whole(there)
    assert verdict.why == "nothing_left"
    assert verdict.next_at == of(there).next_at == START + LEASE + MINUTE
    assert whole(given(create(Plan(max_try_count_0=1)), add(), 0)).next_at is None


def test_what_holds_the_pace_says_how_many_of_the_open_calls_somebody_took() -> None:
    there = given(create(PLAN.model_copy(update={"max_concurrent": 2})), add(1), add(2), add(3), 0)
    [check] = [check for check in whole(there).rules if check.rule == "max_concurrent"]
    assert check.facts["taken"] == 0
    there.when(claim(), picked_up(1, 2))
    [check] = [check for check in whole(there).rules if check.rule == "max_concurrent"]
    assert check.facts["taken"] == 2


def test_whom_a_cap_defers_is_told_until_when() -> None:
    there = given(create(Plan(max_try_count_0=9, try_interval=1_000)), caps((1, HOUR)), add(), 0, ends("busy"), 2 * SECOND)
    verdict = of(there)
    assert verdict.why == "frequency_cap"
    assert verdict.until == verdict.next_at
    there.when(HOUR + MINUTE)
    assert there.sim.requests[-1].requested_at == verdict.next_at


def test_what_a_lower_rule_says_is_not_the_verdict() -> None:
    there = given(create(ONE), add(1), add(2), 0, ends("not_dialed"), add(3), stop())
    verdict = of(there)
    assert verdict.why == "no_run"
    assert [rule.rule for rule in verdict.rules if rule.holds] == ["no_run", "not_due"]


def test_the_rules_stand_in_the_order_of_the_table() -> None:
    there = given(create(PLAN), add(1), add(2), 0)
    for verdict in (of(there), of(there, 2), whole(there)):
        words = [rule.rule for rule in verdict.rules]
        assert words == [word for word in REASONS if word in words]


# --- the outdial


def test_an_outdial_that_dials_is_held_by_nothing() -> None:
    assert said(whole(given(create(PLAN), add()))) == (None, None, None, 0)


def test_an_outdial_says_what_holds_all_of_it() -> None:
    assert said(whole(given(create(), add(), HOUR))) == ("no_run", 0, None, None)
    assert said(whole(given(create(PLAN))))[0] == "nothing_left"
    assert said(whole(given(create(PLAN), add(), 0, ends("busy")))) == ("not_due", None, MINUTE, MINUTE)
    assert said(whole(given(create(ONE), add(1), add(2), 0, MINUTE))) == ("max_concurrent", 0, LEASE, LEASE)
    assert said(whole(given(create(PLAN), DeleteOutdial(outdial_id=OUTDIAL))))[0] == "outdial_deleted"


def test_an_outdial_counts_whom_no_pace_could_bring() -> None:
    there = given(create(Plan(max_try_count_1=1)), *(add(n) for n in range(3)), 0, add(4, destination_1=add(7).destination_0), 0)
    there.when(ends("busy", 1, 4))
    verdict = whole(there)
    assert [(held.why, held.targets) for held in verdict.held] == [("tries_spent", 1), ("no_tries_in_plan", 3)]
    assert (verdict.open, verdict.waiting) == (0, 0)


# --- whatever happened


def asked(lived: History) -> dict[tuple[str, str], TargetWhy]:
    """What is said of every target."""
    found = {}
    for outdial in lived.ledger.outdials.values():
        for target in outdial.targets:
            question = AskWhy(outdial_id=outdial.id, target_id=target, id=target_id())
            facts = lived.ledger.decide(question, lived.now).answer.facts
            assert isinstance(facts, TargetWhy)
            found[outdial.id, target] = facts
    return found


def requested(lived: History, mark: int) -> dict[tuple[str, str], int]:
    """When each target was requested first, after so many events."""
    found: dict[tuple[str, str], int] = {}
    for event in lived.log[mark:]:
        if isinstance(event.data, DialRequested):
            found.setdefault((event.stream, event.data.target_id), event.time)
    return found


def runs_of(lived: History) -> dict[str, int]:
    """The last run of each outdial: one may begin when that of another ends."""
    return {outdial.id: outdial.runs for outdial in lived.ledger.outdials.values()}


def is_exact(lived: History, outdial_id: str) -> bool:
    """Whether no other target can come in between: there is none, or no pace ever makes one wait for another."""
    outdial = lived.ledger.outdials[outdial_id]
    alive = [one for one in outdial.targets.values() if not isinstance(one, Done | Deleted)]
    if outdial.agenda.revivable(1) or outdial.plan is None or outdial.run is None:
        return False
    at_once = (outdial.plan.max_concurrent or None, outdial.run.ringing_limit)
    unpaced = outdial.plan.calls_per_second is None and all(limit is None or limit >= len(alive) for limit in at_once)
    return len(alive) == 1 or (unpaced and outdial.silent + len(outdial.targets) < SILENT_ATTEMPTS)


def is_quiet(outdial: Outdial, now: int) -> bool:
    """Whether nothing but requests is due."""
    leases = [one.expires_at for one in outdial.targets.values() if isinstance(one, Progressing)]
    return not outdial.agenda.revivable(1) and all(at > now for at in leases)


def check_the_future(lived: History) -> int:
    """How many requests came at the very time that was told."""
    lived.read_up_to = None
    mark = len(lived.log)
    quiet = {outdial.id for outdial in lived.ledger.outdials.values() if is_quiet(outdial, lived.now)}
    before, now, runs = asked(lived), lived.now, runs_of(lived)
    lived.tick()
    at_once = requested(lived, mark)
    for outdial_id in quiet:
        if runs_of(lived)[outdial_id] == runs[outdial_id]:
            free = {key for key, verdict in before.items() if key[0] == outdial_id and verdict.why is None}
            assert free == {key for key in at_once if key[0] == outdial_id}
    told = asked(lived)
    assert all(verdict.why in REASONS for verdict in told.values()), "not dialed, and nobody knows why"
    exact = {outdial_id for outdial_id in lived.ledger.outdials if is_exact(lived, outdial_id)}
    mark, runs = len(lived.log), runs_of(lived)
    for _ in range(300):
        at = lived.ledger.next_due()
        if at is None or at > now + 30 * DAY:
            break
        lived.now = max(lived.now, at)
        lived.tick()
    came = [(at, told[key], key[0]) for key, at in requested(lived, mark).items()]
    for at, verdict, outdial_id in came:
        if verdict.next_at is not None:
            assert at >= verdict.next_at, (verdict, at)
            assert outdial_id not in exact or at == verdict.next_at, (verdict, at)
        else:
            assert runs_of(lived)[outdial_id] != runs[outdial_id], (verdict, at)
    return sum(outdial_id in exact and verdict.next_at is not None for _, verdict, outdial_id in came)


@pytest.mark.hypothesis
def test_whoever_is_not_dialed_is_held_by_a_rule_and_next_at_comes_true() -> None:
    exact = 0

    @settings(unhurried, max_examples=300)
    @drawn(histories(25))
    def whatever_happened(history: bytes) -> None:
        nonlocal exact
        exact += check_the_future(live(history))

    whatever_happened()
    assert exact > 50, "too seldom is anything told exactly"
