"""A customer's calls per second: outdials share them, and no second holds more requests than there are."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice
from os import environ
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from given import Given, a, given
from outdial.commands import (
    AddTarget,
    AskLeaves,
    AskShare,
    Command,
    DeleteOutdial,
    GiveShare,
    PauseDialing,
    ResumeDialing,
    SetPace,
    StopDialing,
)
from outdial.dialing.ledger import Effects
from outdial.dialing.pace import Pace, allot, decide
from outdial.events import (
    DialingPaused,
    DialingResumed,
    DialingStopped,
    DialRequested,
    PaceEvent,
    PaceSet,
    ShareAsked,
    ShareGiven,
    ShareReturned,
    ShareTaken,
    ShareWanted,
    SuppressionApplied,
)
from outdial.plan import Plan
from outdial.requests import DialRequest
from outdial.why import OutdialWhy, TargetWhy
from saying import OUTDIAL, US, add, ask, caps, create, stop, target_id
from sharing import OUTDIALS, World, live
from sim import HOUR, MINUTE, SECOND, Sim, an_id

EXAMPLES: Final = int(environ.get("SHARES", "10"))
STEPS: Final = int(environ.get("STEPS", "60"))
PLAN: Final = Plan(max_try_count_0=1, max_concurrent=0)
OTHER: Final = an_id("another outdial")


def pace(rate: int) -> SetPace:
    return SetPace(customer_id=US, calls_per_second=rate)


def many(count: int, outdial_id: str = OUTDIAL, first: int = 1) -> list[AddTarget]:
    return [add(number, outdial_id=outdial_id) for number in range(first, first + count)]


def busiest_second(requests: Sequence[DialRequest]) -> int:
    """The most requests within any window of one second."""
    times = sorted(request.requested_at for request in requests)
    return max(sum(begin <= at < begin + SECOND for at in islice(times, place, None)) for place, begin in enumerate(times))


def counted(sim: Sim, since: int) -> Counter[str]:
    """Requests since then, by outdial."""
    return Counter(request.outdial_id for request in sim.requests if request.requested_at > since)


def kinds(there: Given) -> list[str]:
    return [type(event).__name__ for event in there.events]


# --- the pace itself


def test_a_pace_is_recorded_and_told_and_the_same_again_is_nothing() -> None:
    there = given().when(pace(5))
    there.then(a(PaceSet, calls_per_second=5), a(SuppressionApplied, calls_per_second=5))
    there.when(pace(5)).then_nothing()
    there.when(pace(0)).then(a(PaceSet, calls_per_second=0), a(SuppressionApplied, calls_per_second=0))
    there.when(pace(0)).then_nothing()


def test_without_a_pace_nobody_asks() -> None:
    given(create(PLAN), add()).when(SECOND).then(DialRequested)
    given(create(PLAN), pace(5), pace(0), add()).when(SECOND).then(DialRequested)
    given(create(PLAN), SetPace(customer_id=an_id("another customer"), calls_per_second=1), add()).when(SECOND).then(DialRequested)


def test_with_a_pace_an_outdial_asks_when_somebody_is_due_and_dials_a_second_after_it_was_told() -> None:
    there = given(create(PLAN), pace(5)).when(MINUTE).then_nothing()
    there.when(add(), 0).then(
        a(ShareAsked, word=1, heard=0, share=0, wanted=5),
        a(ShareWanted, outdial_id=OUTDIAL, word=1, heard=0, share=0, wanted=5),
        a(ShareGiven, outdial_id=OUTDIAL, word=1, share=5, turn=False),
        a(ShareTaken, word=1, heard=1, share=5, wanted=5, turn=False),
    )
    there.when(SECOND - 1).then_nothing()
    there.when(1).then(DialRequested)


def test_it_asks_for_no_more_than_its_plan_allows() -> None:
    there = given(create(Plan(max_try_count_0=1, calls_per_second=2)), pace(5)).when(add(), 0)
    there.then(a(ShareAsked, wanted=2), ShareWanted, a(ShareGiven, share=2), ShareTaken)


def test_what_another_rule_holds_back_asks_for_nothing() -> None:
    given(create(Plan(max_try_count_0=1, max_concurrent=1)), add(1), 0, pace(5), add(2)).when(MINUTE).then_nothing()


# --- how fast


@pytest.mark.parametrize("rate", [1, 7])
def test_one_outdial_alone_uses_the_whole_rate(rate: int) -> None:
    there = given(create(PLAN), pace(rate), *many(10 * rate)).when(10 * SECOND + 1)
    assert busiest_second(there.requests) == rate
    assert len(there.requests) == 10 * rate


def test_two_outdials_have_half_each_and_what_cannot_be_halved_goes_to_the_first() -> None:
    sim = Sim()
    there = given(create(PLAN), create(PLAN, outdial_id=OTHER), pace(5), *many(200), *many(200, OTHER), 2 * SECOND, sim=sim)
    since = sim.now
    there.when(20 * SECOND)
    assert sorted(counted(sim, since).values()) == [2 * 20, 3 * 20]
    assert busiest_second(sim.requests) == 5


def test_what_one_outdial_does_not_need_another_gets() -> None:
    sim = Sim()
    plan = Plan(max_try_count_0=1, max_concurrent=0, calls_per_second=1)
    there = given(create(plan), create(PLAN, outdial_id=OTHER), pace(10), *many(100), *many(400, OTHER), 3 * SECOND, sim=sim)
    since = sim.now
    there.when(20 * SECOND)
    assert counted(sim, since) == {OUTDIAL: 20, OTHER: 9 * 20}


def test_with_more_outdials_than_calls_per_second_they_take_turns() -> None:
    sim, rate = Sim(), 2
    lists = [an_id(f"outdial {number}") for number in range(5)]
    given(pace(rate), *(create(PLAN, outdial_id=one) for one in lists), *(step for one in lists for step in many(60, one)), sim=sim)
    sim.run(101 * SECOND)
    assert busiest_second(sim.requests) == rate
    found = counted(sim, 0)
    assert sum(found.values()) >= 100 * rate - len(lists)
    assert max(found.values()) - min(found.values()) <= 2, found


def test_a_turn_ends_without_a_request_when_nothing_can_be_requested() -> None:
    sim = Sim()
    slow = Plan(max_try_count_0=1, max_concurrent=1)
    there = given(create(slow), create(PLAN, outdial_id=OTHER), pace(1), *many(9), 2 * SECOND, sim=sim)
    assert counted(sim, 0) == {OUTDIAL: 1}
    there.when(*many(5, OTHER), 4 * SECOND)
    assert counted(sim, 0)[OTHER] > 0


# --- what goes back


def test_what_is_not_used_goes_back_after_ten_seconds() -> None:
    there = given(create(PLAN), pace(5), *many(3), SECOND)
    assert len(there.requests) == 3
    there.when(9 * SECOND - 1).then_nothing()
    there.when(1).then(a(ShareReturned, share=3, wanted=3), a(ShareWanted, share=3, wanted=3))
    there.when(10 * SECOND).then(a(ShareReturned, share=0, wanted=0), a(ShareWanted, share=0, wanted=0))
    there.when(HOUR // 6).then_nothing()
    assert there.sim.ledger.paces[US].members == {}


@pytest.mark.parametrize(
    ("command", "first"),
    [
        (StopDialing(outdial_id=OUTDIAL), DialingStopped),
        (PauseDialing(outdial_id=OUTDIAL), DialingPaused),
        (DeleteOutdial(outdial_id=OUTDIAL), DialingStopped),
    ],
)
def test_an_outdial_that_may_not_dial_gives_its_share_back_at_once(command: StopDialing, first: type[DialingStopped]) -> None:
    there = given(create(PLAN), pace(5), *many(30), 2 * SECOND, command)
    assert kinds(there)[0] == first.__name__
    there.when(0).then(a(ShareReturned, share=0, wanted=0), a(ShareWanted, share=0, wanted=0))
    there.when(MINUTE).then_nothing()


def test_a_share_that_comes_after_the_stop_goes_straight_back() -> None:
    there = given(create(PLAN), pace(5), add())
    ledger, now = there.sim.ledger, there.sim.now
    [asked] = ledger.tick(now, now, 10)
    there.when(stop(), 0)
    answer = ledger.decide(asked.follow_ups[0].command, now, internal=True)
    [told] = [told.command for told in answer.follow_ups if isinstance(told.command, GiveShare)]
    assert [type(event.data) for event in ledger.decide(told, now, internal=True).events] == [ShareTaken]
    assert [type(event.data) for effects in ledger.tick(now, now, 10) for event in effects.events] == [ShareReturned]


def test_after_a_pause_it_asks_again() -> None:
    there = given(create(PLAN), pace(5), *many(30), 2 * SECOND, PauseDialing(outdial_id=OUTDIAL), MINUTE)
    there.when(ResumeDialing(outdial_id=OUTDIAL)).then(DialingResumed)
    there.when(SECOND)
    assert kinds(there)[:4] == ["ShareAsked", "ShareWanted", "ShareGiven", "ShareTaken"]
    assert len(there.requests) == 5


# --- changes of the pace


def test_a_lower_pace_is_acknowledged_when_everybody_has_taken_note() -> None:
    there = given(create(PLAN), create(PLAN, outdial_id=OTHER), pace(6), *many(60), *many(60, OTHER), 3 * SECOND)
    there.when(pace(4))
    assert kinds(there) == [
        "PaceSet",
        "ShareGiven",
        "ShareGiven",
        "SuppressionApplied",
        "ShareTaken",
        "ShareTaken",
        "ShareWanted",
        "ShareWanted",
    ]
    since = there.sim.now
    there.when(5 * SECOND)
    assert busiest_second([request for request in there.sim.requests if request.requested_at > since]) == 4


def test_a_higher_pace_is_used_a_second_later() -> None:
    there = given(create(PLAN), pace(2), *many(60), 3 * SECOND, pace(6), 5 * SECOND)
    assert busiest_second(there.requests[-12:]) == 6


def test_without_a_pace_again_whoever_waited_is_dialed_at_once() -> None:
    there = given(create(PLAN), pace(1), *many(30), 3 * SECOND)
    there.when(pace(0), 0)
    assert len(there.requests) == 27
    assert kinds(there)[0] == "ShareReturned"
    assert there.sim.ledger.paces[US].members == {}


def test_a_repeated_command_waits_for_those_that_have_not_taken_note() -> None:
    sim = given(create(PLAN), pace(6), *many(60), 3 * SECOND).sim
    first = sim.ledger.decide(pace(4).model_copy(update={"id": an_id("first")}), sim.now)
    again = sim.ledger.decide(pace(4).model_copy(update={"id": an_id("second")}), sim.now)
    waited = [
        [told.command for told in effects.follow_ups if told.awaited and isinstance(told.command, GiveShare)] for effects in (first, again)
    ]
    assert [[(told.word, told.share, told.answer) for told in one] for one in waited] == [[(2, 4, True)]] * 2
    assert (first.result, again.result) == ("events", "unchanged")


# --- words that come late, twice or out of order


def test_a_word_that_was_overtaken_changes_nothing() -> None:
    sim = given(create(PLAN), pace(6), *many(60), 3 * SECOND).sim

    def told(command: Command) -> list[str]:
        return [event.type for event in sim.ledger.decide(command, sim.now, internal=True).events]

    assert told(GiveShare(outdial_id=OUTDIAL, word=9, share=3, at=sim.now)) == ["ShareTaken"]
    assert told(GiveShare(outdial_id=OUTDIAL, word=8, share=6, at=sim.now)) == []
    assert told(GiveShare(outdial_id=OUTDIAL, word=9, share=3, at=sim.now)) == []
    assert told(AskShare(customer_id=US, outdial_id=OUTDIAL, word=1, heard=1, share=0, wanted=0, at=sim.now)) == []


def test_what_was_taken_away_goes_to_nobody_before_it_was_taken_note_of() -> None:
    sim = given(create(PLAN), create(PLAN, outdial_id=OTHER), pace(6), *many(60), 3 * SECOND).sim
    asked = AskShare(customer_id=US, outdial_id=OTHER, word=1, heard=0, share=0, wanted=6, at=sim.now)
    first = sim.ledger.decide(asked, sim.now, internal=True)
    assert [event.type for event in first.events] == ["ShareWanted", "ShareGiven"]
    [told] = [told.command for told in first.follow_ups]
    taken = sim.ledger.decide(told, sim.now, internal=True)
    given_on = sim.ledger.decide(taken.follow_ups[0].command, sim.now, internal=True)
    shares = [(event.data.outdial_id, event.data.share) for event in given_on.events if isinstance(event.data, ShareGiven)]
    assert shares == [(OTHER, 3)]


# --- beside other rules


def test_leave_that_a_cap_grants_is_used_within_the_share() -> None:
    there = given(create(PLAN), caps((1, HOUR)), pace(2), *many(20)).when(12 * SECOND)
    assert len(there.requests) == 20
    assert busiest_second(there.requests) == 2


class Late(Sim):
    """Leave is looked at three seconds after it was asked for."""

    def _chain(self, command: Command, *, internal: bool) -> list[Effects]:
        if isinstance(command, AskLeaves) and internal:
            self.later(3 * SECOND, command)
            return []
        return super()._chain(command, internal=internal or isinstance(command, AskLeaves))


def test_a_turn_waits_for_leave_that_comes_late() -> None:
    sim = Late()
    given(create(PLAN), create(PLAN, outdial_id=OTHER), caps((1, HOUR)), pace(1), *many(4), *many(4, OTHER, first=5), sim=sim)
    sim.run(MINUTE)
    assert counted(sim, 0) == {OUTDIAL: 4, OTHER: 4}
    assert busiest_second(sim.requests) == 1


def test_a_turn_ends_when_late_leave_was_refused() -> None:
    sim, third = Late(), an_id("a third outdial")
    given(create(PLAN, outdial_id=third), caps((1, HOUR)), *many(4, third), 4 * SECOND, sim=sim)
    given(create(PLAN), create(PLAN, outdial_id=OTHER), pace(1), *many(4), 0, *many(4, OTHER, first=5), sim=sim)
    sim.run(13 * SECOND)
    assert counted(sim, 0) == {third: 4, OTHER: 1}


def test_why_says_that_the_share_has_yet_to_come_and_when_it_is_used_up() -> None:
    there = given(create(PLAN), pace(2), *many(5), 0)
    verdicts = []
    for _ in range(2):
        for question in (ask(5), ask()):
            answer = there.sim.send(question).facts
            assert isinstance(answer, TargetWhy | OutdialWhy)
            [check] = [one for one in answer.rules if one.rule == "customer_calls_per_second"]
            verdicts.append((answer.why, check.holds, check.facts["limit"], check.facts["share"]))
        there.when(SECOND)
    assert verdicts == [("customer_calls_per_second", True, 2, 2)] * 4
    verdict = there.sim.send(ask(5)).facts
    assert isinstance(verdict, TargetWhy)
    there.when(10 * SECOND)
    assert [request.requested_at for request in there.sim.requests if request.target_id == target_id(5)] == [verdict.next_at]


def test_why_says_of_a_share_that_others_have_that_something_has_to_happen() -> None:
    there = given(create(PLAN), create(PLAN, outdial_id=OTHER), pace(1), *many(5), 0, add(1, outdial_id=OTHER), 0)
    verdict = there.sim.send(ask(1, outdial_id=OTHER)).facts
    assert isinstance(verdict, TargetWhy)
    assert (verdict.why, verdict.until, verdict.next_at) == ("customer_calls_per_second", None, None)


# --- dividing


@settings(deadline=None, database=None, max_examples=40)
@drawn(st.integers(0, 40), st.dictionaries(st.text(max_size=3), st.integers(0, 12), max_size=8))
def test_a_division_gives_all_there_is_and_nobody_less_than_another_that_wants_as_much(rate: int, wanted: dict[str, int]) -> None:
    shares = allot(rate, wanted)
    assert shares.keys() == wanted.keys()
    assert sum(shares.values()) == min(rate, sum(wanted.values()))
    for outdial_id, share in shares.items():
        assert share <= wanted[outdial_id]
        if share < wanted[outdial_id]:
            assert share >= max(shares.values()) - 1


# --- whatever overtakes what


@settings(deadline=None, database=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@drawn(st.binary(min_size=3 * STEPS + 1, max_size=3 * STEPS + 1))
def test_no_second_holds_more_and_everybody_is_dialed_whatever_overtakes_what(history: bytes) -> None:
    live(history)


def test_the_histories_do_share_take_turns_and_give_back() -> None:
    """A walk through everything, so that the promises above are about something."""
    history = b"".join(sha256(bytes((block,))).digest() for block in range(80, 92))
    events = [event for log in live(history).logs for event in log]
    seen = Counter(event.type for event in events)
    seen.update("turn" for event in events if isinstance(event.data, ShareTaken) and event.data.turn)
    assert {"DialRequested", "ShareAsked", "ShareTaken", "ShareReturned", "turn"} <= seen.keys()


def test_across_partitions_a_rate_is_used_up() -> None:
    world = World()
    world.set(12)
    for outdial_id in OUTDIALS:
        world.add(outdial_id, 200)
    world.pass_time(3)
    since = world.now
    world.pass_time(20)
    assert sum(world.shares_of(since).values()) >= 12 * 19
    world.the_pace_holds()
    world.the_shares_fit()


# --- turns --------------------------------------------------------------------------------------------


class Turns:
    """A pace, and outdials that each want one call a second for ever and give a turn back once they have used it."""

    def __init__(self, rate: int) -> None:
        self.pace = Pace(US)
        self.rate = rate
        self.words: dict[str, int] = {}
        self.has: dict[str, ShareGiven] = {}
        """What each was told last."""
        self.waits: dict[str, int] = {}
        """Since which step those wait that have nothing."""
        self.returned: dict[str, int] = {}
        self.step = 0
        self.decide(SetPace(customer_id=US, calls_per_second=rate))

    def decide(self, command: SetPace | AskShare) -> None:
        decision = decide(self.pace, command, 1, 0)
        for event in decision.events:
            assert isinstance(event, PaceEvent)
            self.pace.evolve(event)
        assert sum(member.most for member in self.pace.members.values()) <= self.rate
        for told in decision.events:
            if isinstance(told, ShareGiven):
                self.told(told)

    def told(self, given_: ShareGiven) -> None:
        outdial_id = given_.outdial_id
        if given_.share and outdial_id in self.waits:
            overtaken = [other for other, since in self.waits.items() if since < self.returned.get(outdial_id, 0)]
            assert not overtaken, "who gave a turn back has another before somebody who waited then"
            del self.waits[outdial_id]
        self.has[outdial_id] = given_

    def ask(self, outdial_id: str) -> None:
        """Want a call a second, with nothing in hand: a new one, or one that gives back what it had."""
        self.step += 1
        heard = self.has[outdial_id].word if outdial_id in self.has else 0
        if heard:
            self.returned[outdial_id] = self.step
        self.waits[outdial_id] = self.step
        self.words[outdial_id] = self.words.get(outdial_id, 0) + 1
        self.decide(AskShare(outdial_id=outdial_id, word=self.words[outdial_id], heard=heard, share=0, wanted=1, at=0))

    @property
    def over(self) -> list[str]:
        """Those whose turn is to end: others wait for it."""
        return sorted(outdial_id for outdial_id, told in self.has.items() if told.share and told.turn and outdial_id not in self.waits)


@drawn(st.integers(1, 3), st.lists(st.integers(0, 11), min_size=1, max_size=60))
@settings(max_examples=60)
def test_who_waits_has_a_turn_before_who_gave_one_back_and_all_together_have_no_more_than_there_is(rate: int, steps: list[int]) -> None:
    turns = Turns(rate)
    for step in steps:
        if step < 6 and (outdial_id := an_id(f"outdial {step}")) not in turns.words:
            turns.ask(outdial_id)
        elif turns.over:
            turns.ask(turns.over[step % len(turns.over)])
    for _ in range(3 * len(turns.words)):
        if turns.over:
            turns.ask(turns.over[0])
    assert not turns.waits.keys() - turns.returned.keys(), "somebody never had a turn"


def test_who_comes_while_another_has_its_first_turn_is_next() -> None:
    turns = Turns(1)
    first, second = an_id("first"), an_id("second")
    turns.ask(first)
    turns.ask(second)
    assert turns.over == [first]

    turns.ask(first)

    assert turns.has[second].share == 1
