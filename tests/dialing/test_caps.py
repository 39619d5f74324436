"""Frequency caps: one address is called no more often than they say, in all outdials of a customer together."""

from typing import Any

from given import Expected, Given, a, given
from outdial.commands import (
    AddTarget,
    AddTargets,
    AskLeave,
    AskLeaves,
    Command,
    CreateOutdial,
    DialResult,
    GiveLeaves,
    LeaveGranted,
    LeaveRefused,
    NewTarget,
    StartDialing,
)
from outdial.dialing.addresses import checked
from outdial.dialing.cap import cap_of
from outdial.dialing.ledger import Effects, Ledger
from outdial.events import (
    DialEnded,
    DialingFinished,
    DialRequested,
    FrequencyCapsSet,
    LeaveAsked,
    LeaveReturned,
    LeavesAnswered,
    PlanApplied,
    SuppressionApplied,
    TargetBlocked,
    TargetDeferred,
    TargetExhausted,
)
from outdial.events import LeaveGranted as LeaveGrantedBefore
from outdial.plan import Plan
from outdial.suppression import Leave
from outdial.topology import partition_of
from outdial.wire import MAX_COMMAND_BYTES, encode
from saying import OUTDIAL, PLAN, US, add, attempt, caps, create, ends, number, start, stop, suppress, target_id, tel
from sim import DAY, HOUR, MINUTE, SECOND, START, Sim, an_id, fingerprint, saying

OTHER = an_id("another outdial")
FAST = Plan(max_try_count_0=100, try_interval=1_000)


NONE = caps()


def elsewhere(plan: Plan = PLAN) -> CreateOutdial:
    return CreateOutdial(outdial_id=OTHER, plan=plan, customer_id=US)


def add_elsewhere(which: int = 1) -> AddTarget:
    return AddTarget(outdial_id=OTHER, target_id=target_id(which), destination_0=tel(which))


def granted(attempt_id: str, which: int = 1) -> Expected:
    """One leave is granted."""
    return refused(attempt_id, None, which)


def refused(attempt_id: str, until: int | None, which: int = 1) -> Expected:
    """One leave is refused until then."""
    cap_id = cap_of(US, int(fingerprint(checked("", tel(which))), 16))
    return a(LeavesAnswered, leaves=(Leave(cap_id=cap_id, target_id=target_id(which), attempt_id=attempt_id, until=until),))


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
        granted(attempt()),
        a(DialRequested, attempt_id=attempt(), due_at=START, rule="first_try"),
    )


def test_one_too_many_waits_until_the_window_and_a_minute_have_passed() -> None:
    there = given(create(FAST), caps((1, HOUR)), add(), SECOND, ends("busy"))

    until = START + HOUR + MINUTE
    there.when(2 * SECOND).then(LeaveAsked, refused(attempt(2), until), a(TargetDeferred, until=until, reason="frequency_cap"))
    there.when(HOUR).then_nothing()
    there.when(MINUTE).then(LeaveAsked, LeavesAnswered, a(DialRequested, due_at=until, rule="retry", ordinal=2))


def test_who_was_put_off_still_waits_as_long_as_the_plan_by_then_says() -> None:
    there = given(create(FAST), caps((1, HOUR)), add(), SECOND, ends("busy"), 2 * SECOND)
    until, ended = START + HOUR + MINUTE, START + SECOND

    there.when(start(Plan(max_try_count_0=100, try_interval=86_400_000)))
    there.when(until - there.sim.now).then(a(TargetDeferred, until=ended + DAY, reason="try_interval", since=ended))
    there.sim.restart()
    there.when(ended + DAY - 1 - there.sim.now).then_nothing()
    there.when(1).then(LeaveAsked, LeavesAnswered, a(DialRequested, due_at=ended + DAY, rule="retry"))


def test_who_waits_for_the_plan_again_follows_the_next_plan_too() -> None:
    there = given(create(FAST), caps((1, HOUR)), add(), SECOND, ends("busy"), 2 * SECOND)

    there.when(start(Plan(max_try_count_0=100, try_interval=86_400_000))).then(PlanApplied)
    there.when(HOUR + MINUTE).then(a(TargetDeferred, reason="try_interval"))
    there.when(start(FAST)).then(PlanApplied)
    there.when(0).then(LeaveAsked, LeavesAnswered, DialRequested)


def test_a_shorter_interval_calls_nobody_before_the_caps_allow_it() -> None:
    there = given(create(Plan(max_try_count_0=9, try_interval=60_000)), caps((1, HOUR)), add(), SECOND, ends("busy"), 2 * MINUTE)

    there.when(start(FAST)).then(PlanApplied)
    there.when(START + HOUR + MINUTE - there.sim.now - 1).then_nothing()
    there.when(1).then(LeaveAsked, LeavesAnswered, DialRequested)


def test_what_another_outdial_requested_counts() -> None:
    there = given(create(PLAN), elsewhere(), caps((1, HOUR)), add(), SECOND)

    there.when(add_elsewhere(), SECOND).then(LeaveAsked, LeavesAnswered, TargetDeferred)
    there.when(add_elsewhere(2), SECOND).then(LeaveAsked, LeavesAnswered, DialRequested)


def test_every_rule_holds_and_a_gap_is_one() -> None:
    there = given(create(FAST), caps((2, HOUR), gap=10 * MINUTE), add(), SECOND, ends("busy"))

    there.when(2 * SECOND).then(LeaveAsked, LeavesAnswered, a(TargetDeferred, until=START + 11 * MINUTE))
    there.when(9 * MINUTE).then_nothing()
    there.when(2 * MINUTE).then(LeaveAsked, LeavesAnswered, DialRequested)
    there.when(ends("busy", 2), 2 * SECOND).then(LeaveAsked, LeavesAnswered, a(TargetDeferred, until=START + HOUR + MINUTE))


def test_an_attempt_that_was_no_call_does_not_count() -> None:
    there = given(create(FAST), caps((1, HOUR)), add(), SECOND)

    there.when(ends("not_dialed")).then(DialEnded, a(LeaveReturned, attempt_id=attempt()))
    there.when(2 * SECOND).then(LeaveAsked, LeavesAnswered, a(DialRequested, ordinal=2))


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
    there.when(HOUR).then(LeaveAsked, LeavesAnswered, DialRequested)
    there.when(ends("busy", 2)).then(DialEnded, TargetExhausted)
    there.when(SECOND).then(DialingFinished)


def test_an_answered_call_counts_for_the_others() -> None:
    there = given(create(PLAN), elsewhere(), caps((1, HOUR)), add(), SECOND, ends("answered"))

    there.when(add_elsewhere(), SECOND).then(LeaveAsked, LeavesAnswered, TargetDeferred)


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
    assert kinds(there) == ["LeaveAsked", "LeavesAnswered", "DialRequested"]


def test_a_result_for_an_attempt_that_was_only_asked_for_is_unknown() -> None:
    there = given(create(PLAN), caps((1, HOUR)), add())
    there.when(DialResult(outdial_id=OUTDIAL, target_id=target_id(), attempt_id=attempt(), outcome="busy")).then_rejects("attempt_unknown")


# --- leaves asked for together


class Holding(Sim):
    """What is said between outdials and the counts of addresses is kept back until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Command] = []

    def _chain(self, command: Command, *, internal: bool) -> list[Effects]:
        if internal and isinstance(command, AskLeaves | GiveLeaves | AskLeave | LeaveGranted | LeaveRefused):
            self.kept.append(command)
            return []
        return super()._chain(command, internal=internal)

    def let_go(self) -> list[Command]:
        """Decide what was kept back; what follows from it is kept back in turn."""
        kept, self.kept = self.kept, []
        for command in kept:
            effects = self.ledger.decide(command, self.now, internal=True)
            self._commit([effects])
            for told in effects.follow_ups:
                self._chain(told.command, internal=True)
        return kept


def test_what_is_due_at_once_asks_together_and_is_answered_together() -> None:
    there = given(create(PLAN), caps((1, HOUR)), add(1), add(2), add(3))

    there.when(SECOND).then(*[LeaveAsked] * 3, LeavesAnswered, *[DialRequested] * 3)
    [answered] = [event for event in there.events if isinstance(event, LeavesAnswered)]
    assert [leave.target_id for leave in answered.leaves] == [target_id(1), target_id(2), target_id(3)]


def test_of_two_that_ask_together_for_one_address_only_one_is_granted_it() -> None:
    there = given(create(PLAN), caps((1, HOUR)), add(1), add(2, destination_0=tel(1)))

    there.when(SECOND).then(LeaveAsked, LeaveAsked, LeavesAnswered, DialRequested, a(TargetDeferred, until=START + HOUR + MINUTE))
    there = given(create(PLAN), caps((2, HOUR)), add(1), add(2, destination_0=tel(1)), add(3, destination_0=tel(1)))
    there.when(SECOND).then(*[LeaveAsked] * 3, LeavesAnswered, DialRequested, DialRequested, TargetDeferred)


def test_one_command_asks_for_no_more_than_five_hundred_leaves_and_fits_a_record() -> None:
    sim = Holding()
    many = [NewTarget(target_id=target_id(which), destination_0=tel(which)) for which in range(1_000)]
    halves = [AddTargets(outdial_id=OUTDIAL, targets=tuple(half)) for half in (many[:500], many[500:])]
    given(create(Plan(max_try_count_0=1, max_concurrent=0)), caps((1, HOUR)), *halves, SECOND, sim=sim)

    asked = sim.let_go()
    assert [len(command.leaves) for command in asked if isinstance(command, AskLeaves)] == [500, 500]
    answered = sim.let_go()
    assert [len(command.leaves) for command in answered if isinstance(command, GiveLeaves)] == [500, 500]
    assert max(len(encode(command)) for command in (*asked, *answered)) < MAX_COMMAND_BYTES
    assert len(sim.requests) == 1_000


def test_leaves_are_asked_for_where_the_calls_to_their_addresses_are_counted() -> None:
    ledger = Ledger(fingerprint, "test", 12)
    ledger.decide(create(PLAN, id=an_id("create")), START)
    told = ledger.decide(caps((1, HOUR), id=an_id("caps")), START).follow_ups
    ledger.decide(told[0].command, START, internal=True)
    for which in range(40):
        ledger.decide(add(which, id=an_id(f"add {which}")), START)

    done = ledger.tick(START, START, 1_000)
    words = [one.command for effects in done for one in effects.follow_ups]
    asked = [command for command in words if isinstance(command, AskLeaves)]
    assert len(asked) == len(words) == len({command.partition for command in asked}) > 6
    assert all(partition_of(leave.cap_id, 12) == command.partition for command in asked for leave in command.leaves)
    assert sorted(leave.target_id for command in asked for leave in command.leaves) == sorted(target_id(which) for which in range(40))
    assert len({command.id for command in asked}) == len(asked)


def test_a_word_about_leaves_that_comes_again_changes_nothing() -> None:
    sim = Holding()
    given(create(PLAN), caps((2, HOUR)), add(1), add(2), SECOND, sim=sim)
    asked = sim.let_go()
    given_out = sim.let_go()
    events = len(sim.log)

    sim.kept = [*asked, *given_out, *asked, *given_out]
    sim.let_go()
    assert not sim.kept
    assert len(sim.log) == events
    assert len(sim.requests) == 2


def test_leaves_that_come_together_take_their_places_in_the_pace_one_after_another() -> None:
    sim = Holding()
    given(create(PLAN), caps((1, HOUR)), *(add(which) for which in range(5)), SECOND, sim=sim)
    sim.let_go()
    sim.send(start(PLAN.model_copy(update={"max_concurrent": 2})))
    sim.let_go()

    assert len(sim.requests) == 2
    assert [type(event.data).__name__ for event in sim.log[-8:]].count("LeaveUnused") == 3


def test_a_leave_that_comes_too_late_or_to_a_stopped_run_goes_back() -> None:
    for step in (61 * SECOND, stop()):
        sim = Holding()
        there = given(create(PLAN), caps((1, HOUR)), add(1), add(2), SECOND, sim=sim)
        sim.let_go()
        there.when(step)
        log = len(sim.log)
        sim.let_go()
        kinds_after = [type(event.data) for event in sim.log[log:]]
        assert sorted(kind.__name__ for kind in kinds_after) == ["LeaveReturned", "LeaveReturned", "LeaveUnused", "LeaveUnused"]
        assert not sim.requests


def test_what_ledgers_before_asked_one_by_one_is_decided_and_counts_with_the_others() -> None:
    sim = Holding()
    given(create(PLAN), create(PLAN, outdial_id=OTHER), caps((1, HOUR)), add(1), SECOND, sim=sim)
    [asked] = sim.kept
    assert isinstance(asked, AskLeaves)
    [leave] = asked.leaves
    old: dict[str, Any] = {"cap_id": leave.cap_id, "outdial_id": OUTDIAL, "target_id": leave.target_id, "attempt_id": leave.attempt_id}
    sim.kept = [AskLeave(**old, id=an_id("old"), customer_id=US, at=sim.now)]
    sim.let_go()
    sim.let_go()
    assert [type(event.data) for event in sim.log[-2:]] == [LeaveGrantedBefore, DialRequested]

    sim.restart()
    log = len(sim.log)
    given(add_elsewhere(1), SECOND, sim=sim)
    sim.let_go()
    sim.let_go()
    assert [type(event.data) for event in sim.log[log + 1 :]] == [LeaveAsked, LeavesAnswered, TargetDeferred]

    [refused_before] = [event.data for event in sim.log if isinstance(event.data, TargetDeferred)]
    sim.kept = [AskLeave(**old | {"attempt_id": attempt(2)}, id=an_id("older"), customer_id=US, at=sim.now)]
    sim.let_go()
    assert [type(command) for command in sim.kept] == [LeaveRefused]
    assert sim.kept[0].until == refused_before.until  # type: ignore[attr-defined]


def test_a_restart_forgets_no_attempt_that_was_granted_with_others() -> None:
    sim = Sim()
    there = given(create(PLAN), elsewhere(), caps((1, HOUR)), add(1), add(2), SECOND, sim=sim)
    sim.restart()
    there.when(add_elsewhere(1), add_elsewhere(2), SECOND).then(LeaveAsked, LeaveAsked, LeavesAnswered, TargetDeferred, TargetDeferred)


def test_who_takes_a_word_about_leaves_is_never_earlier_than_it() -> None:
    sim = Holding()
    given(create(PLAN), caps((1, HOUR)), add(1), 0, sim=sim)
    sim.now -= SECOND  # the clock of the partition that counts is behind
    [asked] = sim.let_go()
    assert isinstance(asked, AskLeaves)
    assert sim.log[-1].time == asked.at

    sim = Holding()
    given(create(PLAN), caps((1, HOUR)), add(1), 0, sim=sim)
    [asked] = sim.kept
    sim.kept = [GiveLeaves(id=an_id("give"), outdial_id=OUTDIAL, leaves=asked.leaves, at=asked.at + 3 * SECOND)]  # type: ignore[attr-defined]
    sim.let_go()
    assert isinstance(sim.log[-1].data, DialRequested)
    assert sim.log[-1].time == asked.at + 3 * SECOND  # type: ignore[attr-defined]


def test_the_events_of_a_partition_about_a_customer_are_numbered_on() -> None:
    sim = Sim()
    given(create(PLAN), caps((1, HOUR)), add(1), SECOND, add(2), SECOND, suppress(number(3)), sim=sim)
    sim.restart()
    given(add(4), SECOND, sim=sim)

    theirs = [event for event in sim.log if event.data.kind == "guard"]
    assert [type(event.data).__name__ for event in theirs] == [
        "SuppressionApplied", "LeavesAnswered", "LeavesAnswered", "SuppressionApplied", "LeavesAnswered"
    ]  # fmt: skip
    assert [event.sequence for event in theirs] == [1, 2, 3, 4, 5]


def test_what_is_asked_for_has_its_place_in_the_room_of_a_transaction() -> None:
    sim = Holding()
    lists = [an_id(f"list {which}") for which in range(30)]
    for outdial_id in lists:
        sim.send(create(PLAN, outdial_id=outdial_id))
        sim.send(add(1, outdial_id=outdial_id, target_id=an_id(f"of {outdial_id}")))
    sim.send(caps((1, HOUR)))

    assert sum(effects.size for effects in sim.ledger.tick(sim.now, sim.now, 100, 10)) == 10
