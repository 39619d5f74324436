"""Before a run: what is said is what then happens."""

from typing import Any

from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from dialing.test_histories import LISTS, PLANS, History, histories, live, unhurried
from given import Given, given
from outdial.address import Address
from outdial.commands import AskPreflight, Command, DeleteOutdial, StartDialing, StopDialing
from outdial.dialing.target import Deleted
from outdial.events import DialRequested
from outdial.plan import Plan, RetryMode
from outdial.preflight import Preflight
from saying import OUTDIAL, PLAN, add, caps, create, ends, number, start, stop, suppress, target_id, tel
from sim import DAY, MINUTE, SECOND, START


def before(there: Given, plan: Plan | None = None, **more: Any) -> Preflight:
    """What a run would come to."""
    answer = there.sim.send(AskPreflight(outdial_id=OUTDIAL, plan=plan, **more))
    assert isinstance(answer.facts, Preflight), answer
    return answer.facts


def test_new_targets_are_dialable_now_at_their_first_destination_with_tries() -> None:
    there = given(create(), add(1), add(2, destination_1=tel(9)), add(3, destination_0=None, destination_1=tel(8)))
    found = before(there, Plan(max_try_count_0=2, max_try_count_1=3))
    assert (found.dialable_now, found.due_later, found.by_destination) == (3, 0, (2, 1, 0, 0, 0))
    assert (found.attempts_at_most, found.skipped, found.next_at) == (2 + 5 + 3, (), None)
    assert before(there, Plan(max_try_count_0=2, max_attempts=1)).attempts_at_most == 2


def test_who_waits_between_tries_is_due_later_by_the_interval_of_the_plan_asked_about() -> None:
    there = given(create(PLAN), add(1), add(2), 0, ends("busy"), SECOND, ends("busy", 1, 2), stop())
    found = before(there, Plan(max_try_count_0=5, try_interval=10_000))
    assert (found.dialable_now, found.due_later) == (0, 2)
    assert (found.next_at, found.last_at) == (START + 10 * SECOND, START + 11 * SECOND)
    assert before(there, Plan(max_try_count_0=5, try_interval=500)).dialable_now == 1


def test_who_is_out_of_tries_is_skipped_or_brought_back() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(1), add(2), 0, ends("busy"), ends("answered", 1, 2), stop(), MINUTE)
    assert [(held.why, held.targets) for held in before(there).skipped] == [("tries_spent", 1)]
    found = before(there, PLAN)
    assert (found.brought_back, found.dialable_now, found.skipped, found.attempts_at_most) == (1, 1, (), 2)


def test_a_plan_without_tries_and_a_campaign_of_calls_skip_by_reason_and_warn() -> None:
    there = given(
        create(), add(1), add(2, destination_0=None, destination_1=tel(8).model_copy(update={"type": "email", "target": "a@b.org"}))
    )
    assert [(held.why, held.targets) for held in before(there, Plan(max_try_count_0=1)).skipped] == [("no_tries_in_plan", 1)]
    mail = before(there, Plan(max_try_count_1=1), campaign_type="call")
    assert [(held.why, held.targets) for held in mail.skipped] == [("no_tries_in_plan", 1), ("type_not_dialable", 1)]
    assert there.sim.send(AskPreflight(outdial_id=OUTDIAL, plan=Plan())).warnings


def test_without_a_plan_it_is_the_last_one_and_without_any_it_is_refused() -> None:
    there = given(create(), add())
    there.when(AskPreflight(outdial_id=OUTDIAL)).then_rejects("plan_missing")
    there.when(start(PLAN), stop())
    assert before(there).dialable_now == 1
    there.when(DeleteOutdial(outdial_id=OUTDIAL), AskPreflight(outdial_id=OUTDIAL)).then_rejects("outdial_deleted")


def test_who_is_suppressed_is_skipped_before_it_was_found_out_and_after() -> None:
    plan = Plan(max_try_count_0=1, max_try_count_1=1, max_attempts=1)
    there = given(create(), suppress(number(1), number(2), {"prefix": "+1212"}), add(1), add(2, destination_1=tel(20)), add(3))
    there.when(add(4, destination_0=Address(type="tel", target="+12125550123")), add(5, destination_0=tel(1), destination_1=tel(2)))
    found = before(there, plan)
    assert (found.dialable_now, found.by_destination) == (2, (1, 1, 0, 0, 0))
    assert [(held.why, held.targets) for held in found.skipped] == [("suppressed", 3)]
    there.when(start(plan), 0)
    assert [request.destination_index for request in there.sim.requests] == [1, 0]
    there.when(*(ends("not_dialed", 1, one) for one in (2, 3)), stop(), MINUTE)
    assert before(there, plan).skipped == found.skipped
    assert [(held.why, held.targets) for held in before(there, Plan(max_try_count_2=1)).skipped] == [("no_tries_in_plan", 5)]


def test_it_says_when_the_first_who_is_suppressed_may_be_called_again() -> None:
    lists = suppress(number(1) | {"expires_at": START + DAY}, number(2) | {"expires_at": START + MINUTE}, number(3))
    there = given(create(), lists, add(1), add(2), add(3))
    [held] = before(there, PLAN).skipped
    assert (held.why, held.targets, held.next_at) == ("suppressed", 3, START + MINUTE)
    [held] = before(given(create(), suppress(number(1)), add(1)), PLAN).skipped
    assert held.next_at is None
    [held] = before(given(create(), suppress({"prefix": "+1555", "expires_at": START + DAY}), add(1)), PLAN).skipped
    assert held.next_at == START + DAY


def test_with_caps_it_warns_that_it_does_not_know_who_was_called_how_often() -> None:
    def told(*commands: Command) -> list[str]:
        return [
            said.partition(":")[0]
            for said in given(create(), *commands, add(1)).sim.send(AskPreflight(outdial_id=OUTDIAL, plan=PLAN)).warnings
        ]

    assert told(caps((1, MINUTE))) == ["frequency_caps"]
    assert told() == told(caps((1, MINUTE)), caps()) == []


def test_who_is_out_of_tries_and_suppressed_is_not_brought_back() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(1), add(2), 0, ends("busy"), ends("busy", 1, 2), suppress(number(1)), stop(), MINUTE)
    found = before(there, PLAN)
    assert (found.brought_back, [(held.why, held.targets) for held in found.skipped]) == (1, [("suppressed", 1)])


def test_the_estimate_says_how_long_it_takes_when_nobody_answers() -> None:
    there = given(create(), *(add(n) for n in range(100)))
    slots = before(there, Plan(max_try_count_0=2, max_concurrent=15)).estimate
    assert (slots.per_second, slots.first_calls_ms, slots.all_calls_ms) == (0.5, 198_000 + 30_000, 398_000 + 30_000)
    rate = before(there, Plan(max_try_count_0=1, max_concurrent=0, calls_per_second=10)).estimate
    assert (rate.per_second, rate.first_calls_ms) == (10.0, 9_900 + 30_000)
    assert before(there, Plan(max_try_count_0=1, max_concurrent=0)).estimate.per_second is None


def test_it_changes_nothing() -> None:
    there = given(create(PLAN), add(), 0)
    log = len(there.sim.log)
    before(there, Plan(retry_mode=RetryMode.RESULT))
    assert len(there.sim.log) == log
    there.when(ends("busy"), MINUTE).then(DialRequested)


def check(lived: History, outdial_id: str, plan: Plan) -> None:
    """Stop, ask, start by the plan without any pace, and compare."""
    lived.read_up_to = None
    lived.tick()
    lived.send(StopDialing(outdial_id=outdial_id))
    outdial = lived.ledger.outdials[outdial_id]
    if outdial.deleted or outdial.run is not None or outdial.open:
        return
    unpaced = plan.model_copy(update={"max_concurrent": 0, "calls_per_second": None})
    effects = lived.ledger.decide(AskPreflight(outdial_id=outdial_id, plan=unpaced, id=target_id()), lived.now)
    said = effects.answer.facts
    assert isinstance(said, Preflight)
    outdial.silent = lived.invariants.outdials[outdial_id].silent = 0
    if lived.twin is not None:
        lived.twin.outdials[outdial_id].silent = 0
    mark, now = len(lived.log), lived.now
    lived.send(StartDialing(outdial_id=outdial_id, plan=unpaced))
    first: dict[str, tuple[int, int]] = {}
    for _ in range(200):
        lived.tick()
        for event in lived.log[mark:]:
            if isinstance(event.data, DialRequested) and event.stream == outdial_id:
                first.setdefault(event.data.target_id, (event.time, event.data.destination_index))
        mark, at = len(lived.log), lived.ledger.next_due()
        if at is None or at > now + 30 * DAY:
            break
        lived.now = max(lived.now, at)
    times = [at for at, _ in first.values()]
    assert said.dialable_now == sum(at == now for at in times)
    assert said.due_later == sum(at > now for at in times)
    assert said.by_destination == tuple(sum(index == slot for _, index in first.values()) for slot in range(5))
    done = sum(isinstance(one, Deleted) or getattr(one, "reached", False) for one in outdial.targets.values())
    assert sum(held.targets for held in said.skipped) == len(outdial.targets) - len(first) - done


@settings(unhurried, max_examples=150)
@drawn(histories(25), st.sampled_from(LISTS), st.sampled_from(PLANS))
def test_what_is_said_before_a_run_is_what_it_comes_to(history: bytes, outdial_id: str, plan: Plan) -> None:
    check(live(history), outdial_id, plan)
