"""What one command comes to stays small, however much there is: no more than fits a record and a transaction."""

from typing import Final

import pytest

from given import a, given
from outdial.address import Address
from outdial.commands import Command, CreateOutdial, RunCampaign, SetDialInfo, StartDialing, StopDialing
from outdial.dialing.campaign import LONGEST_CHAIN
from outdial.dialing.ledger import Effects
from outdial.dialing.outdial import OPEN_LISTED, Outdial
from outdial.dialing.outplan import TOLD_AT_ONCE
from outdial.events import (
    CampaignStopped,
    DialEnded,
    DialingStopped,
    OutdialEvent,
    OutplanTold,
    PlanApplied,
)
from outdial.ids import attempt_id
from outdial.plan import Plan
from outdial.record import replace
from outdial.topology import MAX_RECORD_BYTES
from outdial.wire import MAX_COMMAND_BYTES, encode, encode_event
from saying import OUTDIAL, OUTPLAN, PLAN, add, campaign, campaign_id, create, dial_info, ends, halt, outplan, run, stop
from sim import Sim, an_id

FASTER: Final = PLAN.model_copy(update={"try_interval": 1_000})
FASTEST: Final = PLAN.model_copy(update={"try_interval": 1})
MANY: Final = 3 * TOLD_AT_ONCE + 7


def dialing(opened: int) -> Sim:
    """A run with so many attempts open."""
    sim = Sim()
    sim.send(create(PLAN))
    targets = (an_id(str(number)) for number in range(opened))
    sim.ledger.outdials[OUTDIAL].open.update({target: attempt_id(OUTDIAL, target, 1) for target in targets})
    return sim


def test_a_stop_of_a_run_with_very_many_open_attempts_fits_a_record_and_says_how_many_there_are() -> None:
    opened = 120_000
    sim = dialing(opened)
    answer = sim.send(StopDialing(outdial_id=OUTDIAL))
    [event] = [event for event in sim.log if isinstance(event.data, DialingStopped)]
    assert len(encode_event(event)) < 10_000 < MAX_RECORD_BYTES
    assert len(encode(answer)) < 10_000
    assert (len(answer.open), answer.open_more) == (OPEN_LISTED, opened - OPEN_LISTED)
    assert isinstance(event.data, DialingStopped)
    assert (event.data.open, event.data.open_more) == (answer.open, answer.open_more)


def test_a_stop_of_a_run_with_few_open_attempts_names_them_all() -> None:
    there = given(create(PLAN), add(1), add(2), 0).when(stop())
    there.then(a(DialingStopped, open_more=0))
    assert there.answer is not None
    assert (len(there.answer.open), there.answer.open_more) == (2, 0)


def test_what_a_campaigns_ended_run_waits_for_is_what_is_open_and_not_what_its_stop_lists() -> None:
    there = given(outplan(), create(), add(1), add(2), campaign(), run(), 0, halt())
    outdial = there.sim.ledger.outdials[OUTDIAL]
    shorter = Outdial(OUTDIAL)
    for event in there.sim.log:
        data = event.data
        if isinstance(data, DialingStopped):
            data = replace(data, open=data.open[:1], open_more=1)
        if isinstance(data, OutdialEvent):
            shorter.evolve(data, event.time)
    assert [ended.open for ended in shorter.ended] == [ended.open for ended in outdial.ended] == [set(outdial.open.values())]


def test_a_campaign_that_was_stopped_again_and_again_hears_of_its_last_run_alone() -> None:
    there = given(outplan(), create(), add(1), campaign(), run(), 0)
    for _ in range(50):
        there.when(halt()).when(run())
    assert len(there.sim.ledger.outdials[OUTDIAL].ended) == 1
    there.when(halt()).when(ends("busy")).then(DialEnded, a(CampaignStopped, run=51))


@pytest.fixture(scope="module")
def followed() -> Sim:
    """An outplan that very many outdials go by."""
    sim = Sim()
    sim.send(outplan())
    for number in range(MANY):
        sim.send(CreateOutdial(outdial_id=an_id(f"follower {number}"), outplan_id=OUTPLAN, customer_id=an_id("customer")))
    return sim


def plans(sim: Sim) -> list[Plan | None]:
    return [sim.ledger.outdials[an_id(f"follower {number}")].plan for number in range(MANY)]


def told(effects: Effects) -> int:
    return len(effects.follow_ups)


def test_a_changed_plan_reaches_very_many_followers_by_and_by_each_once(followed: Sim) -> None:
    followed.restart()
    first = followed.ledger.decide(named(dial_info(FASTER), "faster"), followed.now)
    assert told(first) == TOLD_AT_ONCE
    rest = []
    while done := followed.ledger.tick(followed.now, followed.now, 1_000):
        rest += done
    assert [told(effects) for effects in rest] == [TOLD_AT_ONCE, TOLD_AT_ONCE, 7]
    assert [type(event.data) for effects in rest for event in effects.events] == [OutplanTold] * 3
    streams = [follow.command.stream for effects in (first, *rest) for follow in effects.follow_ups]
    assert len(set(streams)) == len(streams) == MANY
    assert followed.ledger.next_due() is None


def test_a_tick_does_not_tell_more_than_there_is_room_for(followed: Sim) -> None:
    followed.restart()
    followed.ledger.decide(named(dial_info(FASTER), "room"), followed.now)
    assert followed.ledger.tick(followed.now, followed.now, 1_000, room=0) == []
    assert sum(effects.size for effects in followed.ledger.tick(followed.now, followed.now, 1_000, room=1)) <= TOLD_AT_ONCE + 1


def test_a_large_plan_is_told_to_fewer_at_once(followed: Sim) -> None:
    followed.restart()
    large = PLAN.model_copy(update={"source": Address(type="tel", target="+15550000001", detail="x" * 60_000)})
    first = followed.ledger.decide(named(dial_info(large), "large"), followed.now)
    assert 1 <= told(first) < 20
    assert sum(len(encode(follow.command)) for follow in first.follow_ups) < MAX_RECORD_BYTES


def again(followed: Sim) -> Sim:
    """Another that has lived the same so far."""
    sim = Sim()
    sim.log = list(followed.log)
    sim.restart()
    return sim


def named(command: SetDialInfo | StopDialing | StartDialing, name: str) -> Command:
    return command.model_copy(update={"id": an_id(name)})


def test_a_newer_change_supersedes_the_older_and_reaches_all_in_the_end(followed: Sim) -> None:
    sim = again(followed)
    sim.send(named(dial_info(FASTER), "faster"))
    half = sim.ledger.tick(sim.now, sim.now, 1_000)
    sim.log += [event for effects in half for event in effects.events]
    sim.send(named(dial_info(FASTEST), "fastest"))
    for command in [follow.command for effects in half for follow in effects.follow_ups]:
        sim.log += sim.ledger.decide(command, sim.now, internal=True).events
    sim.restart()
    assert sim.ledger.next_due() is not None, "what is still to be told is known after a crash"
    sim.tick()
    assert plans(sim) == [FASTEST] * MANY
    assert sim.ledger.next_due() is None


def test_who_left_is_not_told_and_who_came_later_is_told_once(followed: Sim) -> None:
    sim = again(followed)
    leaver, gone = an_id(f"follower {MANY - 1}"), an_id(f"follower {MANY - 2}")
    sim.send(named(dial_info(FASTER), "faster"))
    sim.send(named(StopDialing(outdial_id=gone), "stop 1"))
    sim.send(named(StopDialing(outdial_id=leaver), "stop 2"))
    sim.send(named(StartDialing(outdial_id=leaver, outplan_id=OUTPLAN), "start"))
    sim.tick()
    assert plans(sim) == [*[FASTER] * (MANY - 2), PLAN, FASTER]
    taken = [event for event in sim.log if event.stream == leaver and isinstance(event.data, PlanApplied)]
    assert len(taken) == 2


def test_a_change_for_few_followers_is_told_at_once_and_leaves_nothing_owed() -> None:
    there = given(outplan(), create(outplan_id=OUTPLAN), add(1))
    there.when(dial_info(FASTER))
    assert there.sim.ledger.outplans[OUTPLAN].told_to is None
    assert there.sim.ledger.outdials[OUTDIAL].plan == FASTER


def test_a_chain_of_very_many_campaigns_that_dial_nobody_ends() -> None:
    chain = tuple(an_id(f"link {number}") for number in range(LONGEST_CHAIN))
    there = given(outplan(), create(), campaign())
    command = RunCampaign(campaign_id=campaign_id(), id=an_id("chained"), chain=chain)
    assert len(encode(command)) < MAX_COMMAND_BYTES // 2
    [event] = there.sim.ledger.decide(command, there.sim.now, internal=True).events
    assert isinstance(event.data, CampaignStopped)
    assert event.data.how == "chain_empty"
