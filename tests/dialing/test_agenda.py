"""Who is dialed first: priority, then earliest due, then creation; and nobody who is not due stands in the way."""

from random import Random

import pytest

from given import a, given
from oracle import allowed
from outdial.dialing.agenda import Agenda
from outdial.dialing.rules import AFTER_ATTEMPT, NOW, Next, looks_of, next_try, wait_us
from outdial.dialing.target import Deleted, Done, Facts, History, Idle, Progressing, Target, shape_of
from outdial.events import DialRequested
from outdial.plan import Plan, RetryMode
from outdial.record import replace
from saying import OUTDIAL, add, create, delete, ends, reopen, start, stop, target_id
from sim import DAY, HOUR, MINUTE, SECOND, Sim

ONE_AT_A_TIME = Plan(max_try_count_0=3, max_concurrent=1, try_interval=60_000)


def order(sim: Sim) -> list[str]:
    names = {target_id(number): str(number) for number in range(20)}
    return [names[request.target_id] for request in sim.requests]


def test_c21_the_higher_priority_goes_first_and_then_whoever_was_there_first() -> None:
    sim = Sim()
    given(create(Plan(max_try_count_0=1)), add(1), add(2, priority=5), add(3), add(4, priority=-5), add(5, priority=5), 0, sim=sim)
    assert order(sim) == ["2", "5", "1", "3", "4"]


def test_c21_among_equals_the_earliest_due_goes_first() -> None:
    there = given(create(Plan(max_try_count_0=2, try_interval=60_000)), add(1), add(2), 0, ends("busy", 1, 2), SECOND, ends("busy", 1, 1))
    there.when(start(ONE_AT_A_TIME), 59 * SECOND).then(a(DialRequested, target_id=target_id(2)))


def test_c21_a_retry_that_fell_due_earlier_goes_before_a_new_target() -> None:
    there = given(create(ONE_AT_A_TIME), add(1), 0, ends("busy", 1, 1), add(9, priority=0), 0)
    there.when(MINUTE, add(2), ends("answered", 1, 9), 0).then(a(DialRequested, target_id=target_id(1)))


def test_a_target_that_is_not_due_never_blocks_one_that_is() -> None:
    there = given(create(ONE_AT_A_TIME), add(1, priority=9), 0, ends("busy", 1, 1), add(2, priority=-9)).when(0)
    there.then(a(DialRequested, target_id=target_id(2)))


def test_a_target_that_is_not_due_does_not_block_when_its_forerunner_was_deleted() -> None:
    plan = Plan(max_try_count_0=3, try_interval=60_000)
    there = given(create(plan), add(1, priority=5), add(2, priority=5), add(3), 0)
    there.when(ends("busy", 1, 1), 30 * SECOND, ends("busy", 1, 2), 5 * SECOND, ends("busy", 1, 3), delete(1))
    there.sim.now += MINUTE - 35 * SECOND + 30 * SECOND - 1
    there.sim.tick()
    assert order(there.sim)[3:] == []
    there.when(1, 5 * SECOND)
    assert order(there.sim)[3:] == ["2", "3"]


def test_a_target_that_is_not_due_does_not_block_after_a_restart() -> None:
    there = given(create(Plan(max_try_count_0=3, try_interval=60_000)), add(1, priority=5), add(2, priority=5), add(3), 0)
    there.when(ends("busy", 1, 1), MINUTE, 30 * SECOND, ends("busy", 1, 2), 10 * SECOND)
    there.sim.restart()
    there.when(ends("busy", 1, 3), reopen(3), 0).then(a(DialRequested, target_id=target_id(3)))


def test_a_clock_that_went_back_keeps_nobody_waiting() -> None:
    there = given(create(Plan(max_try_count_0=3)), add(1, priority=9), 0, ends("busy"))
    agenda, now = there.sim.ledger.outdials[OUTDIAL].agenda, there.sim.now
    assert agenda.first(now + HOUR) is not None
    there.when(add(2), 0).then(a(DialRequested, target_id=target_id(2)))
    assert agenda.next_due(now) == now + MINUTE


# --- the agenda beside a plain sort


POLICY = {
    "busy": {"interval_ms": [3_000, 60_000], "next_destination": True},
    "no_answer": {"max_retries": 1},
    "machine": {"interval_ms": 0},
}
WINDOWS = {"hours": [{"days": ["thu"], "start": "00:01", "end": "00:03"}, {"days": ["thu"], "start": "00:05", "end": "01:00"}]}
"""1970-01-01 was a Thursday."""
PLANS = [
    Plan(max_try_count_0=2, try_interval=20_000),
    Plan(max_try_count_0=1, max_try_count_1=2, try_interval=0),
    Plan(max_try_count_1=1, try_interval=50_000),
    Plan(retry_mode=RetryMode.RESULT, max_try_count_1=1, max_try_count_2=1, try_interval=5_000),
    Plan(max_try_count_0=5, max_attempts=2, try_interval=1_000),
    Plan(),
    Plan.model_validate({"max_try_count_0": 3, "max_try_count_1": 3, "result_policy": POLICY}),
    Plan.model_validate({"max_try_count_0": 3, "max_try_count_1": 3, "try_interval": 5_000, "windows": WINDOWS}),
    Plan.model_validate({"max_try_count_1": 3, "time_zone": "UTC", "windows": WINDOWS, "result_policy": POLICY}),
]
TYPES = [("tel",), ("tel", "tel"), (None, "tel"), ("email", "tel")]


def facts(number: int, rng: Random) -> Facts:
    types = rng.choice(TYPES)
    zones = rng.choice([(), (("UTC",),) * len(types), (("Europe/London", "UTC"), ()), ((), ("Africa/Abidjan",))])
    return Facts(f"t{number}", number, types, number, rng.choice([None, None, 2]), rng.choice([0, 0, 0, 5, -5]), None, b"", zones=zones)


def coming_of(target: Target, plan: Plan, *, calls_only: bool) -> Next | None:
    return next_try(shape_of(target, looks_of(plan)), plan, calls_only=calls_only)


def plainly(targets: dict[str, Target], plan: Plan, now: int, *, calls_only: bool) -> tuple[str | None, int, int | None]:
    """The first target due, how many can be dialed, and when the next is due: by looking at every one."""
    waiting = [
        (-one.facts.priority, due, opens_from(plan, coming, max(due, now)), one.facts.number, one.facts.id)
        for one in targets.values()
        if isinstance(one, Idle) and (coming := coming_of(one, plan, calls_only=calls_only)) is not None
        for due in [one.since + wait_us(one.wait, plan, coming.interval)]
    ]
    first = min((key for key in waiting if key[2] <= now), default=None)
    return first[4] if first else None, len(waiting), min((key[2] for key in waiting), default=None)


NEVER = 1 << 62


def opens_from(plan: Plan, coming: Next, at: int) -> int:
    """The first instant from ``at`` on at which the window is open, looked for minute by minute."""
    while coming.zones is not None and plan.windows is not None and not allowed(WINDOWS, coming.zones, at):
        at = (at // MINUTE + 1) * MINUTE
        if at > HOUR:
            return NEVER
    return at


@pytest.mark.parametrize("seed", range(60))
def test_the_agenda_says_what_a_plain_sort_of_all_targets_says(seed: int) -> None:
    rng = Random(seed)  # noqa: S311  the same numbers for the same seed
    targets: dict[str, Target] = {}
    agenda, plan, calls_only, now = Agenda(targets), PLANS[0], False, 0
    agenda.set_plan(plan, calls_only=calls_only)

    def move(after: Target) -> None:
        before = targets.get(after.facts.id)
        targets[after.facts.id] = after
        agenda.move(before, after)

    def moved(one: Target) -> Target:
        tries = tuple(min(3, count + (slot == rng.randrange(2))) for slot, count in enumerate(one.history.tries))
        last = rng.choice([1, 2, 9, 10])
        outcomes = bytes(sorted((*one.history.outcomes[:6], last)))
        match one, rng.randrange(6):
            case Idle(), 0:
                return Deleted(one.facts, one.history)
            case Idle(), 1:
                return Done(one.facts, one.history, rng.random() < 0.3, one.since, one.wait)
            case Idle(), 2:
                return Idle(one.facts, History(), now, NOW)
            case Idle(), _:
                return Progressing(one.facts, replace(one.history, tries=tries), "x", 0, now, now)
            case Progressing(), _:
                return Idle(
                    one.facts, replace(one.history, outcomes=outcomes, last=last), now, rng.choice([AFTER_ATTEMPT, AFTER_ATTEMPT, 1, 3])
                )
            case Done(reached=False), 0 | 1 | 2:
                return Idle(one.facts, one.history, one.since, one.wait)
            case _:
                return one

    for step in range(400):
        now += rng.choice([0, 0, 0, 0, 0, 1, SECOND, 7 * SECOND, MINUTE])
        choice = rng.random()
        if choice < 0.2 or not targets:
            move(Idle(facts(step, rng), History(), now, NOW))
        elif choice < 0.23:
            plan, calls_only = rng.choice(PLANS), rng.random() < 0.5
            agenda.set_plan(plan, calls_only=calls_only)
        else:
            top = agenda.first(now)
            one = top[0] if top is not None and rng.random() < 0.6 else targets[rng.choice(list(targets))]
            after = moved(one)
            if after is not one:
                move(after)
        first, dialable, next_due = plainly(targets, plan, now, calls_only=calls_only)
        found = agenda.first(now)
        assert (found[0].facts.id if found else None) == first
        coming = None if found is None else coming_of(found[0], plan, calls_only=calls_only)
        assert found is None or (coming is not None and found[1] == coming.destination)
        assert agenda.dialable == dialable
        due = agenda.next_due(now)
        assert (due is not None and due <= now) if first else due == next_due or (next_due == NEVER and due is not None and due > DAY)
        spent = [one for one in targets.values() if isinstance(one, Done) and not one.reached]
        back = {one.facts.id for one in spent if coming_of(one, plan, calls_only=calls_only) is not None}
        assert set(agenda.revivable(1_000)) <= back


def test_what_has_left_takes_no_room_for_long() -> None:
    sim = Sim()
    there = given(create(Plan(max_try_count_0=1, max_concurrent=2, try_interval=3_600_000)), add(0), 0, sim=sim)
    for number in range(1, 400):
        there.when(add(number), 0, ends("busy", 1, number))
    outdial = sim.ledger.outdials[OUTDIAL]
    there.when(stop(), add(1_000))
    for number in range(1_001, 1_400):
        there.when(add(number), delete(number))
    waiting = [queue.entries for queue in outdial.agenda._queues.values()]  # noqa: SLF001  what is kept is what is measured
    assert len(outdial.agenda._asleep) <= 70  # noqa: SLF001
    assert len(outdial.agenda._awake) <= 70  # noqa: SLF001
    assert len(outdial.leases) <= 70
    assert [len(entries) <= 70 for entries in waiting] == [True]


def test_a_target_that_went_round_within_a_microsecond_waits_in_one_place_only() -> None:
    targets: dict[str, Target] = {}
    agenda = Agenda(targets)
    agenda.set_plan(Plan(max_try_count_0=2, max_try_count_1=2, try_interval=0), calls_only=False)

    def move(after: Target) -> None:
        before = targets.get(after.facts.id)
        targets[after.facts.id] = after
        agenda.move(before, after)

    once, twice = History(tries=(1, 0, 0, 0, 0)), History(tries=(2, 0, 0, 0, 0))
    people = [Facts(f"t{number}", number, ("tel", "tel"), number, None, 0, None, b"") for number in range(3)]
    for one in people:
        move(Idle(one, once, 5, AFTER_ATTEMPT))
    move(Progressing(people[1], twice, "x", 0, 9, 9))
    move(Idle(people[1], twice, 5, AFTER_ATTEMPT))
    move(Done(people[0], once, reached=True, since=5, wait=AFTER_ATTEMPT))
    found = agenda.first(5)
    assert found is not None
    assert (found[0].facts.id, found[1]) == ("t1", 1)
