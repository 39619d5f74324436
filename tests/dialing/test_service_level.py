"""A campaign with a queue rings for as many people as agents are free, by its service level (contract C25, W13)."""

import pytest

from given import Given, a, given
from outdial.commands import Command, GrantSlots, SetCampaignResources, UpdateCampaign
from outdial.dialing.campaign import ringing_limit
from outdial.events import (
    CampaignResourceAnswered,
    CampaignResourcesAsked,
    CampaignResourcesSet,
    CampaignSlotsGranted,
    CampaignUpdated,
    DialEnded,
    DialRequested,
    RingingLimited,
)
from outdial.plan import Plan
from outdial.scalars import ZERO_ID
from outdial.why import TargetWhy
from saying import OUTDIAL, add, ask, campaign, campaign_id, create, ends, halt, outplan, picked_up, run
from sim import HOUR, an_id

QUEUE = an_id("queue")
PLAN = Plan(max_try_count_0=3, try_interval=86_400_000, max_call_duration=86_400_000)


def grant(agents: int, number: int = 1) -> GrantSlots:
    return GrantSlots(campaign_id=campaign_id(number), agents=agents)


def level(percent: int) -> UpdateCampaign:
    return UpdateCampaign(campaign_id=campaign_id(), service_level=percent)


def queue(queue_id: str) -> SetCampaignResources:
    return SetCampaignResources(campaign_id=campaign_id(), queue_id=queue_id)


def ready(*steps: Command | int, targets: int = 30, service_level: int = 100, queue_id: str = QUEUE) -> Given:
    """A stopped campaign with a queue, its outdial full of targets."""
    made = campaign(service_level=service_level)
    made = made.model_copy(update={"resources": made.resources.model_copy(update={"queue_id": queue_id})})
    return given(outplan(PLAN), create(), *(add(number) for number in range(targets)), made, *steps)


def asked(there: Given) -> int:
    return sum(isinstance(event, DialRequested) for event in there.events)


@pytest.mark.parametrize(
    ("agents", "service_level", "ring"),
    [(0, 80, 0), (1, 80, 1), (1, 1, 1), (10, 80, 8), (10, 85, 9), (3, 150, 5), (10, 0, 0), (150, 100, 150), (1_000_000, 100_000, 10**9)],
)
def test_as_many_ring_as_there_are_fewer_than_agents_times_the_level(agents: int, service_level: int, ring: int) -> None:
    found = ringing_limit(agents, service_level, QUEUE)
    assert found == ring
    assert not ring or (ring - 1) * 100 < agents * service_level
    assert ring * 100 >= agents * service_level


def test_a_campaign_without_a_queue_is_not_limited() -> None:
    assert asked(ready(grant(1), queue_id=ZERO_ID).when(run(), 0)) == 30


def test_nothing_is_dialed_until_agents_are_said_to_be_free() -> None:
    there = ready(run()).when(HOUR).then_nothing()
    there.when(grant(3)).then(a(CampaignSlotsGranted, agents=3), a(RingingLimited, run=1, limit=3))
    assert asked(there.when(0)) == 3


def test_one_agent_at_eighty_percent_can_be_dialed_for() -> None:
    assert asked(ready(grant(1), service_level=80).when(run(), 0)) == 1


def test_what_was_granted_before_the_run_holds_from_its_start() -> None:
    there = ready(grant(10), service_level=50).when(run(), 0)
    assert asked(there) == 5
    assert not [event for event in there.events if isinstance(event, RingingLimited)]


def test_a_call_that_was_answered_rings_no_more_and_makes_room() -> None:
    there = ready(grant(2), run(), 0)
    assert asked(there.when(picked_up(1, 0), 0)) == 1
    there.when(picked_up(1, 0), 0).then_nothing()
    there.when(ends("answered", 1, 0), 0)
    assert asked(there) == 0, "an answered call had made room already"


def test_a_call_that_ends_unanswered_makes_room() -> None:
    there = ready(grant(2), run(), 0).when(ends("busy", 1, 0)).then(DialEnded)
    assert asked(there.when(0)) == 1


def test_more_than_a_hundred_agents_have_more_than_a_hundred_calls_ring() -> None:
    there = given(outplan(PLAN.model_copy(update={"max_concurrent": 0})), create(), *(add(number) for number in range(200)))
    made = campaign(service_level=100)
    there.when(made.model_copy(update={"resources": made.resources.model_copy(update={"queue_id": QUEUE})}), grant(150), run())
    assert asked(there.when(0)) == 150


def test_fewer_agents_hang_nobody_up_and_hold_the_next_back() -> None:
    there = ready(grant(5), run(), 0, grant(1))
    there.when(*(ends("busy", 1, number) for number in range(4)), 0).then_nothing()
    there.when(ends("busy", 1, 4), 0)
    assert asked(there) == 1


def test_a_changed_level_reaches_the_run() -> None:
    there = ready(grant(10), run(), 0).when(level(200)).then(a(CampaignUpdated, service_level=200), a(RingingLimited, limit=20))
    assert asked(there.when(0)) == 10


def test_a_queue_that_comes_or_goes_reaches_the_run() -> None:
    there = ready(grant(1), run(), 0).when(queue(ZERO_ID))
    there.then(
        CampaignResourcesAsked, CampaignResourceAnswered, CampaignResourceAnswered, CampaignResourcesSet, a(RingingLimited, limit=None)
    )
    assert asked(there.when(0)) == 29
    there.when(queue(QUEUE))
    assert there.events[-1] == RingingLimited(run=1, limit=1)


def test_the_same_grant_again_writes_nothing_and_is_told_again() -> None:
    there = ready(grant(1), run(), 0).when(grant(1)).then_nothing()
    named = grant(1).model_copy(update={"id": an_id("again")})
    assert [told.awaited for told in there.sim.ledger.decide(named, there.sim.now).follow_ups] == [True]


def test_a_grant_to_a_stopped_campaign_is_kept_for_its_next_run() -> None:
    there = ready(run(), halt()).when(grant(2)).then(CampaignSlotsGranted)
    assert asked(there.when(run(), 0)) == 2


def test_a_word_of_an_older_run_limits_nothing() -> None:
    there = ready(grant(1), run(), 0)
    late = there.sim.ledger.decide(grant(9).model_copy(update={"id": an_id("late")}), there.sim.now).follow_ups[0].command
    there.when(halt(), run())
    there.sim.ledger.decide(late, there.sim.now, internal=True)
    found = there.sim.ledger.outdials[OUTDIAL].run
    assert found is not None
    assert found.ringing_limit == 9, "its start said so"
    older = late.model_copy(update={"limit": 3, "run": 1})
    assert there.sim.ledger.decide(older, there.sim.now, internal=True).events == []


def test_the_level_and_the_grant_survive_a_restart() -> None:
    there = ready(grant(2), run(), 0)
    there.sim.restart()
    there.when(0).then_nothing()
    assert asked(there.when(grant(3), 0)) == 1


def test_only_campaigns_that_are_there_are_granted_agents() -> None:
    given().when(grant(1)).then_nothing().then_rejects("campaign_unknown")


def test_who_waits_for_an_agent_says_so() -> None:
    there = ready(run())
    answer = there.sim.send(ask(1))
    assert isinstance(answer.facts, TargetWhy)
    assert (answer.facts.why, answer.facts.next_at) == ("service_level", None)
    there.when(grant(2), 0)
    answer = there.sim.send(ask(20))
    assert isinstance(answer.facts, TargetWhy)
    assert answer.facts.why == "service_level"
