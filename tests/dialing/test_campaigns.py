"""Campaigns: what they refer to, how they run an outdial, how they end and hand over."""

from typing import Any, Literal

import pytest

from given import Given, a, given
from outdial.address import Address
from outdial.commands import (
    ClaimGranted,
    ClaimOutdial,
    Command,
    DeleteCampaign,
    DeleteOutdial,
    DeleteOutplan,
    Resources,
    SetCampaignResources,
    SetOutdialCampaign,
    UpdateCampaign,
)
from outdial.events import (
    CampaignCommandNoted,
    CampaignCreated,
    CampaignDeleted,
    CampaignResourceAnswered,
    CampaignResourcesAsked,
    CampaignResourcesRefused,
    CampaignResourcesSet,
    CampaignStarted,
    CampaignStopped,
    CampaignStopping,
    CampaignUpdated,
    CommandNoted,
    DialEnded,
    DialingFinished,
    DialingStarted,
    DialingStopped,
    DialRequested,
    EndHandleSet,
    OutdialDeleted,
    OutdialUpdated,
    OutplanFollowed,
    OutplanUnfollowed,
    PlanApplied,
    TargetExhausted,
    TargetFinished,
)
from outdial.plan import Plan
from outdial.scalars import ZERO_ID
from saying import (
    OUTDIAL,
    OUTPLAN,
    PLAN,
    THEM,
    US,
    add,
    attempt,
    campaign,
    campaign_id,
    claim,
    create,
    ends,
    halt,
    outplan,
    run,
    start,
    stop,
)
from sim import HOUR, MINUTE, Sim, an_id, saying

SECOND_OUTDIAL = an_id("second outdial")


def ready(*more: Command | int, plan: Plan = PLAN, sim: Sim | None = None, **campaign_fields: Any) -> Given:
    """An outdial, an outplan, and a campaign that owns them."""
    return given(create(), outplan(plan), campaign(**campaign_fields), *more, sim=sim)


def owner(there: Given, outdial_id: str = OUTDIAL) -> str:
    return there.sim.ledger.outdials[outdial_id].campaign_id


def status(there: Given, number: int = 1) -> str:
    return there.sim.ledger.campaigns[campaign_id(number)].status


def rewire(number: int = 1, **fields: Any) -> SetCampaignResources:
    return SetCampaignResources(campaign_id=campaign_id(number), **fields)


# --- create, refuse, claim


def test_a_campaign_is_created_in_stop_once_all_it_names_has_said_yes() -> None:
    there = given(create(), outplan()).when(campaign(name="June"))
    there.then(
        a(CampaignCreated, name="June", customer_id=US),
        a(CampaignResourcesAsked, change=1, creating=True),
        a(OutdialUpdated, campaign_id=campaign_id()),
        a(CampaignResourceAnswered, resource="outplan", reason=None),
        a(CampaignResourceAnswered, resource="outdial", reason=None),
        a(CampaignResourcesSet, resources=Resources(outplan_id=OUTPLAN, outdial_id=OUTDIAL)),
    )
    assert (status(there), owner(there)) == ("stop", campaign_id())


def test_a_campaign_without_resources_is_there_at_once() -> None:
    given().when(campaign(resources=Resources())).then(CampaignCreated, a(CampaignResourcesSet, change=1))


def test_an_outdial_may_be_claimed_by_the_campaign_it_was_created_for() -> None:
    assert owner(given(create(campaign_id=campaign_id()), outplan(), campaign())) == campaign_id()


@pytest.mark.parametrize(
    ("steps", "reason", "deleted"),
    [
        ((outplan(),), "outdial_unknown", "claim_refused"),
        ((outplan(), create(), DeleteOutdial(outdial_id=OUTDIAL)), "outdial_deleted", "claim_refused"),
        ((outplan(), create(campaign_id=campaign_id(9))), "outdial_claimed", "claim_refused"),
        ((outplan(), create(customer_id=THEM)), "outdial_unknown", "claim_refused"),
        ((create(),), "outplan_unknown", "outplan_unknown"),
        ((create(), outplan(), DeleteOutplan(outplan_id=OUTPLAN)), "outplan_deleted", "outplan_deleted"),
        ((create(), outplan(customer_id=THEM)), "outplan_unknown", "outplan_unknown"),
    ],
)
def test_a_refused_create_leaves_no_campaign_and_no_claim(steps: tuple[Command, ...], reason: str, deleted: str) -> None:
    there = given(*steps).when(campaign()).then_rejects(reason)
    assert [event for event in there.events if isinstance(event, CampaignDeleted)] == [CampaignDeleted(reason=deleted)]
    assert there.sim.ledger.campaigns[campaign_id()].deleted
    assert all(outdial.campaign_id != campaign_id() for outdial in there.sim.ledger.outdials.values())


def test_a_next_campaign_must_be_there_and_our_own() -> None:
    ready(campaign(2, outdial_id=ZERO_ID, next_campaign=1))
    ready().when(campaign(2, outdial_id=ZERO_ID, next_campaign=7)).then_rejects("campaign_unknown")
    ready(DeleteCampaign(campaign_id=campaign_id())).when(campaign(2, next_campaign=1)).then_rejects("campaign_deleted")
    theirs = given(campaign(5, customer_id=THEM, resources=Resources()), create(), outplan())
    theirs.when(campaign(2, next_campaign=5)).then_rejects("campaign_unknown")


def test_an_id_that_is_taken_is_refused() -> None:
    ready().when(campaign()).then_nothing().then_rejects("already_exists")
    ready().when(campaign(customer_id=THEM)).then_nothing().then_rejects("already_exists")


# --- update


def test_an_update_changes_only_what_it_names_and_the_same_again_is_nothing() -> None:
    change = UpdateCampaign(campaign_id=campaign_id(), name="July", service_level=80)
    ready().when(change).then(a(CampaignUpdated, name="July", service_level=80, detail=None)).when(change).then_nothing()


@pytest.mark.parametrize("command", [UpdateCampaign(campaign_id=campaign_id(), name="x"), rewire(queue_id=an_id("q")), run(), halt()])
def test_nothing_is_done_to_a_campaign_that_is_not_there_or_deleted_or_anothers(command: Command) -> None:
    given().when(command).then_nothing().then_rejects("campaign_unknown")
    ready().when(command.model_copy(update={"customer_id": THEM})).then_nothing().then_rejects("campaign_unknown")
    ready(DeleteCampaign(campaign_id=campaign_id())).when(command).then_rejects("campaign_deleted")


# --- rewire


def test_another_outdial_is_claimed_and_the_first_is_free() -> None:
    there = ready(create(outdial_id=SECOND_OUTDIAL)).when(rewire(outdial_id=SECOND_OUTDIAL))
    assert (owner(there), owner(there, SECOND_OUTDIAL)) == (ZERO_ID, campaign_id())


@pytest.mark.parametrize("keep", [{}, {"outplan_id": ZERO_ID}])
def test_a_campaign_that_lets_go_of_its_outdial_frees_it(keep: dict[str, Any]) -> None:
    there = ready().when(rewire(outdial_id=ZERO_ID, **keep))
    assert owner(there) == ZERO_ID
    there.when(campaign(2))
    assert owner(there) == campaign_id(2)


def test_a_refused_change_of_resources_changes_nothing_and_gives_back_what_it_took() -> None:
    there = ready(create(outdial_id=SECOND_OUTDIAL)).when(rewire(outdial_id=SECOND_OUTDIAL, outplan_id=an_id("nowhere")))
    there.then_rejects("outplan_unknown")
    assert isinstance(there.events[-2], CampaignResourcesRefused)
    assert (owner(there), owner(there, SECOND_OUTDIAL)) == (campaign_id(), ZERO_ID)
    assert there.sim.ledger.campaigns[campaign_id()].resources == Resources(outplan_id=OUTPLAN, outdial_id=OUTDIAL)
    there.when(rewire(outdial_id=SECOND_OUTDIAL))
    assert owner(there, SECOND_OUTDIAL) == campaign_id()


def test_the_outdial_of_another_campaign_is_not_taken() -> None:
    there = ready(campaign(2, outdial_id=ZERO_ID)).when(rewire(2, outdial_id=OUTDIAL)).then_rejects("outdial_claimed")
    assert owner(there) == campaign_id()


def test_the_same_resources_again_are_nothing() -> None:
    ready().when(rewire(outdial_id=OUTDIAL)).then_nothing()


def test_outdial_and_outplan_are_not_changed_while_it_runs_but_the_next_campaign_is() -> None:
    there = ready(campaign(2, outdial_id=ZERO_ID), create(outdial_id=SECOND_OUTDIAL), run())
    there.when(rewire(outdial_id=SECOND_OUTDIAL)).then_nothing().then_rejects("campaign_running")
    there.when(rewire(next_campaign_id=campaign_id(2)))
    assert there.sim.ledger.campaigns[campaign_id()].resources.next_campaign_id == campaign_id(2)


def test_its_type_is_not_changed_while_it_runs_as_its_run_would_not_obey() -> None:
    change = UpdateCampaign(campaign_id=campaign_id(), name="July", campaign_type="flow")
    there = ready(add(), run()).when(change).then_nothing().then_rejects("campaign_running")
    there.when(change.model_copy(update={"campaign_type": "call"})).then(a(CampaignUpdated, name="July"))
    there.when(halt(), change).then(a(CampaignUpdated, campaign_type="flow"))


def set_end(end_handle: Literal["stop", "continue"]) -> UpdateCampaign:
    return UpdateCampaign(campaign_id=campaign_id(), end_handle=end_handle)


def test_a_run_that_is_told_to_stop_ends_when_nobody_is_left_to_dial() -> None:
    there = (
        ready(set_end("continue"), run())
        .when(set_end("stop"))
        .then(a(CampaignUpdated, end_handle="stop"), a(EndHandleSet, end_handle="stop"))
    )
    there.when(0).then(DialingFinished, OutplanUnfollowed, CampaignStopped)


def test_a_run_that_is_told_to_go_on_waits_for_who_is_added() -> None:
    there = ready(add(), run(), 0).when(set_end("continue")).then(a(CampaignUpdated, end_handle="continue"), a(EndHandleSet, run=1))
    there.when(ends("answered")).then(DialEnded, TargetFinished).when(0).then_nothing()
    there.when(add(2), 0).then(DialRequested)


def test_the_same_end_again_writes_nothing_and_a_run_that_is_over_is_told_nothing() -> None:
    ready(add(), run()).when(set_end("stop")).then_nothing()
    ready(add(), run(), halt()).when(set_end("continue")).then(a(CampaignUpdated, end_handle="continue"))


def test_one_change_at_a_time() -> None:
    there = ready(create(outdial_id=SECOND_OUTDIAL))
    there.sim.ledger.decide(rewire(id=an_id("first"), outdial_id=SECOND_OUTDIAL), there.sim.now)
    there.when(rewire(queue_id=an_id("queue"))).then_nothing().then_rejects("campaign_changing")
    there.when(run()).then(CampaignCommandNoted).then_rejects("campaign_changing")


def test_an_outdial_granted_to_a_campaign_that_was_deleted_meanwhile_is_given_back() -> None:
    there = ready(create(outdial_id=SECOND_OUTDIAL))
    ledger, now = there.sim.ledger, there.sim.now
    asked = ledger.decide(rewire(id=an_id("first"), outdial_id=SECOND_OUTDIAL), now)
    there.when(DeleteCampaign(campaign_id=campaign_id()))
    for one in asked.follow_ups:
        there.sim._chain(one.command, internal=True)  # noqa: SLF001  follow-ups that come late
    assert (owner(there), owner(there, SECOND_OUTDIAL)) == (ZERO_ID, ZERO_ID)


def test_an_outdial_granted_before_the_campaign_was_deleted_is_free_with_the_other() -> None:
    there = ready(create(outdial_id=SECOND_OUTDIAL))
    asked = there.sim.ledger.decide(rewire(id=an_id("first"), outdial_id=SECOND_OUTDIAL), there.sim.now)
    there.sim._chain(asked.follow_ups[1].command, internal=True)  # noqa: SLF001  one of two has arrived
    there.when(DeleteCampaign(campaign_id=campaign_id()))
    assert (owner(there), owner(there, SECOND_OUTDIAL)) == (ZERO_ID, ZERO_ID)


def test_a_grant_that_comes_twice_takes_nothing_away() -> None:
    there = ready()
    grant = ClaimGranted(id=an_id("g"), campaign_id=campaign_id(), outdial_id=OUTDIAL, change=1)
    effects = there.sim.ledger.decide(grant, there.sim.now, internal=True)
    assert (effects.events, effects.follow_ups) == ([], [])


def test_a_claim_gets_the_same_reply_again() -> None:
    there = ready()
    again = ClaimOutdial(id=an_id("c"), customer_id=US, outdial_id=OUTDIAL, campaign_id=campaign_id(), change=1)
    effects = there.sim.ledger.decide(again, there.sim.now, internal=True)
    assert effects.events == []
    assert [type(one.command) for one in effects.follow_ups] == [ClaimGranted]


# --- run


def test_a_run_starts_its_outdial_by_its_outplan() -> None:
    there = ready(add()).when(run())
    there.then(
        a(CampaignStarted, run=1, outdial_id=OUTDIAL, outplan_id=OUTPLAN),
        a(DialingStarted, campaign_id=campaign_id(), campaign_run=1, campaign_type="call", end_handle="stop", ask=1),
        OutplanFollowed,
        a(PlanApplied, plan=PLAN),
    )
    there.when(0).then(a(DialRequested, campaign_id=campaign_id(), campaign_type="call", outplan_id=OUTPLAN))


def test_running_twice_starts_one_run() -> None:
    ready(run()).when(run()).then(a(CampaignCommandNoted, result="unchanged"))


def test_a_campaign_without_outdial_or_outplan_does_not_run() -> None:
    given(outplan(), campaign(outdial_id=ZERO_ID)).when(run()).then_rejects("resources_missing")
    given(create(), campaign(resources=Resources(outdial_id=OUTDIAL))).when(run()).then_rejects("plan_missing")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (start(PLAN), "outdial_running"),
        (DeleteOutdial(outdial_id=OUTDIAL), "outdial_deleted"),
        (SetOutdialCampaign(outdial_id=OUTDIAL, campaign_id=campaign_id(9)), "outdial_claimed"),
        (SetOutdialCampaign(outdial_id=OUTDIAL, campaign_id=ZERO_ID), "outdial_claimed"),
    ],
)
def test_a_run_that_its_outdial_refuses_leaves_the_campaign_in_stop_with_the_reason(step: Command, reason: str) -> None:
    there = ready(step).when(run()).then_rejects(reason).then(CampaignStarted, a(CampaignStopped, how="refused", reason=reason))
    assert status(there) == "stop"


@pytest.mark.parametrize(("step", "reason"), [(DeleteOutplan(outplan_id=OUTPLAN), "outplan_deleted")])
def test_a_run_that_its_outplan_refuses_leaves_the_campaign_in_stop_with_the_reason(step: Command, reason: str) -> None:
    there = ready(step).when(run()).then_rejects(reason)
    there.then(CampaignStarted, DialingStarted, a(DialingStopped, how="refused"), a(CampaignStopped, how="refused", reason=reason))


def test_while_a_campaign_runs_it_the_outdial_is_nobody_elses() -> None:
    there = ready(run())
    there.when(start(PLAN)).then(CommandNoted).then_rejects("outdial_running")
    there.when(start()).then(CommandNoted).then_rejects("outdial_running")
    there.when(SetOutdialCampaign(outdial_id=OUTDIAL, campaign_id=ZERO_ID)).then_nothing().then_rejects("outdial_running")


def test_a_campaign_of_calls_dials_telephones_only() -> None:
    mail, line = Address(type="email", target="a@b.org"), Address(type="sip", target="ann@example.org")
    there = ready(
        add(1, destination_0=mail, destination_1=line), add(2, destination_0=mail), plan=Plan(max_try_count_0=2, max_try_count_1=1)
    )
    there.when(run(), 0).then(a(DialRequested, destination_index=1))
    there.when(ends("busy"), 0).then(DialingFinished, OutplanUnfollowed, CampaignStopped)


def test_a_campaign_of_flows_dials_any_address() -> None:
    mail = Address(type="email", target="a@b.org")
    ready(add(1, destination_0=mail), campaign_type="flow").when(run(), 0).then(a(DialRequested, campaign_type="flow", destination_index=0))


def test_a_target_a_campaign_of_calls_cannot_dial_is_dialed_by_a_run_without_one() -> None:
    mail = Address(type="email", target="a@b.org")
    ready(add(1, destination_0=mail), run(), 0, start(PLAN)).when(0).then(DialRequested)


# --- stop


def test_a_campaign_is_stopping_until_its_last_attempt_has_ended() -> None:
    there = ready(add(1), add(2), run(), 0).when(halt())
    there.then(CampaignStopping, a(DialingStopped, open=(attempt(1, 1), attempt(1, 2))), OutplanUnfollowed)
    assert there.answer is not None
    assert there.answer.open == (attempt(1, 1), attempt(1, 2))
    there.when(ends("busy", 1, 1)).then(DialEnded)
    assert status(there) == "stopping"
    there.when(ends("busy", 1, 2)).then(DialEnded, a(CampaignStopped, how="stopped", requests=2))


def test_a_campaign_without_open_attempts_stops_at_once() -> None:
    there = ready(run()).when(halt()).then(CampaignStopping, DialingStopped, OutplanUnfollowed, a(CampaignStopped, how="stopped"))
    there.when(halt()).then_nothing()


def test_a_second_stop_writes_nothing_and_still_names_the_open_attempts() -> None:
    there = ready(add(), run(), 0, halt()).when(halt()).then_nothing()
    assert there.answer is not None
    assert there.answer.open == (attempt(),)


def test_w38_a_lost_attempt_keeps_no_campaign_stopping_for_ever() -> None:
    ready(add(), run(), 0, halt()).when(HOUR).then(a(DialEnded, lost=True), CampaignStopped)


def test_a_run_resumes_from_stopping() -> None:
    there = (
        ready(add(), run(), 0, halt()).when(run()).then(a(CampaignStarted, run=2), a(DialingStarted, run=2), OutplanFollowed, PlanApplied)
    )
    there.when(ends("busy")).then(DialEnded)
    assert status(there) == "run"


def test_stopping_the_outdial_ends_the_campaigns_run() -> None:
    there = ready(add(), run(), 0).when(stop()).then(DialingStopped, OutplanUnfollowed, CampaignStopping)
    there.when(ends("busy")).then(DialEnded, a(CampaignStopped, how="stopped"))


def test_a_campaign_hears_of_its_last_attempt_also_when_the_outdial_was_started_again_by_somebody_else() -> None:
    there = ready(add(1), add(2), run(), 0, halt(), start(PLAN)).when(ends("busy", 1, 1)).then(DialEnded)
    there.when(ends("busy", 1, 2)).then(DialEnded, a(CampaignStopped, how="stopped", requests=2))
    assert there.sim.ledger.outdials[OUTDIAL].run is not None


def test_deleting_the_outdial_ends_the_campaigns_run_as_deleted() -> None:
    there = (
        ready(add(), run(), 0)
        .when(DeleteOutdial(outdial_id=OUTDIAL))
        .then(DialingStopped, OutdialDeleted, OutplanUnfollowed, CampaignStopping)
    )
    there.when(ends("busy")).then(DialEnded, a(CampaignStopped, how="deleted"))


def test_a_stop_from_an_older_run_ends_nothing() -> None:
    there = ready(run(), halt(), run())
    old = stop(id=an_id("old"), campaign_id=campaign_id(), run=1)
    assert there.sim.ledger.decide(old, there.sim.now, internal=True).events == []


def test_a_start_from_an_older_run_starts_nothing() -> None:
    there = ready(run(), halt())
    old = start(id=an_id("old"), campaign_id=campaign_id(), run=1, outplan_id=OUTPLAN)
    assert there.sim.ledger.decide(old, there.sim.now, internal=True).events == []


def test_a_second_press_never_leaves_a_run_that_the_campaign_does_not_know_of() -> None:
    there = ready(add(), start(PLAN), stop(), start(PLAN))
    ledger, now = there.sim.ledger, there.sim.now
    first = ledger.decide(run(id=an_id("1")), now).follow_ups[0].command
    refusal = ledger.decide(first, now, internal=True).follow_ups[0].command
    there.when(stop(), run())
    assert ledger.outdials[OUTDIAL].run is not None
    there.sim._chain(refusal, internal=True)  # noqa: SLF001  a follow-up that comes late
    assert status(there) == "stop"
    assert ledger.outdials[OUTDIAL].run is None


# --- the end, and the chain


def test_w02_a_campaign_that_ends_by_itself_waits_for_its_retries() -> None:
    sim = Sim(saying("busy"))
    there = ready(add(), run(), HOUR, sim=sim)
    assert len(sim.requests) == 3
    assert status(there) == "stop"
    assert sim.log[-1].data == CampaignStopped(run=1, how="finished", requests=3)


def test_a_campaign_that_continues_takes_up_new_targets() -> None:
    there = ready(add(), run(), 0, end_handle="continue").when(ends("answered"), 100 * HOUR).then_nothing()
    there.when(add(2), 0).then(DialRequested)


def test_an_end_that_is_told_twice_is_nothing_the_second_time() -> None:
    there = ready(run(), 0)
    told = [event for event in there.sim.log if isinstance(event.data, CampaignStopped)]
    assert len(told) == 1
    assert status(there) == "stop"


def chained(*links: tuple[int, int], plan: Plan = PLAN) -> Given:
    """Campaigns 1 to 3, each with an outdial of its own, chained as the pairs say."""
    there = given(outplan(plan))
    for number in (1, 2, 3):
        there.when(create(outdial_id=an_id(f"list {number}")), campaign(number, outdial_id=an_id(f"list {number}")))
    for number, following in links:
        there.when(rewire(number, next_campaign_id=campaign_id(following)))
    return there


def ran(there: Given) -> list[tuple[str, str]]:
    """The campaigns that ended, in order, and how."""
    names = {campaign_id(number): str(number) for number in (1, 2, 3)}
    return [(names[event.stream], event.data.how) for event in there.sim.log if isinstance(event.data, CampaignStopped)]


def test_w16_the_next_campaign_starts_when_one_has_finished() -> None:
    there = chained((1, 2), (2, 3))
    there.sim.carrier = saying("answered")
    for number in (1, 2, 3):
        there.when(add(number, outdial_id=an_id(f"list {number}")))
    there.when(run(1), HOUR)
    assert ran(there) == [("1", "finished"), ("2", "finished"), ("3", "finished")]
    assert len(there.sim.requests) == 3


def test_a_campaign_that_was_stopped_hands_over_to_nobody() -> None:
    there = chained((1, 2)).when(add(1, outdial_id=an_id("list 1")), run(1), 0, halt(1))
    there.when(HOUR)
    assert ran(there) == [("1", "stopped")]


def test_a_campaign_that_was_refused_or_whose_outdial_was_deleted_hands_over_to_nobody() -> None:
    there = chained((1, 2)).when(
        add(1, outdial_id=an_id("list 1")), run(1), 0, DeleteOutdial(outdial_id=an_id("list 1")), HOUR, run(1), HOUR
    )
    assert ran(there) == [("1", "deleted"), ("1", "refused")]


def test_an_empty_circle_of_campaigns_ends_where_it_began() -> None:
    there = chained((1, 2), (2, 3), (3, 1)).when(run(1), HOUR)
    assert ran(there) == [("1", "finished"), ("2", "finished"), ("3", "finished"), ("1", "chain_empty")]


def test_a_campaign_that_is_its_own_next_does_not_run_for_ever() -> None:
    there = chained((1, 1)).when(run(1), HOUR)
    assert ran(there) == [("1", "finished"), ("1", "chain_empty")]
    there.when(run(1), HOUR)
    assert ran(there)[2:] == [("1", "finished"), ("1", "chain_empty")]


def test_a_circle_goes_round_as_long_as_somebody_else_was_dialed_meanwhile() -> None:
    there = chained((1, 2), (2, 1))
    there.sim.carrier = saying("answered")
    there.when(add(1, outdial_id=an_id("list 1")), add(2, outdial_id=an_id("list 2")), run(1), 20 * MINUTE)
    assert ran(there) == [("1", "finished"), ("2", "finished"), ("1", "finished"), ("2", "chain_empty")]


def test_a_chain_stops_at_a_campaign_that_was_deleted() -> None:
    there = chained((1, 2)).when(DeleteCampaign(campaign_id=campaign_id(2)), run(1), HOUR)
    assert ran(there) == [("1", "finished")]


def test_a_chain_does_not_start_what_runs_already() -> None:
    there = chained((1, 2)).when(add(2, outdial_id=an_id("list 2")), run(2), 0, run(1), MINUTE)
    assert ran(there) == [("1", "finished")]
    assert there.sim.ledger.campaigns[campaign_id(2)].run == 1


# --- delete


def test_a_campaign_is_deleted_only_in_stop_and_its_outdial_is_free() -> None:
    there = (
        ready(run(), 0, add(), run(), 0).when(DeleteCampaign(campaign_id=campaign_id())).then_nothing().then_rejects("campaign_not_stopped")
    )
    there.when(halt(), DeleteCampaign(campaign_id=campaign_id())).then_rejects("campaign_not_stopped")
    there.when(ends("busy"), DeleteCampaign(campaign_id=campaign_id())).then(CampaignDeleted, a(OutdialUpdated, campaign_id=ZERO_ID))
    there.when(DeleteCampaign(campaign_id=campaign_id())).then_nothing()
    there.when(campaign(2))
    assert owner(there) == campaign_id(2)


def test_deleting_what_never_was_is_refused() -> None:
    given().when(DeleteCampaign(campaign_id=campaign_id())).then_nothing().then_rejects("campaign_unknown")


def test_a_claim_of_a_call_is_refused_once_its_campaign_was_stopped() -> None:
    ready(add(), run(), 0, halt()).when(claim()).then_nothing().then_rejects("dialing_stopped")


def test_every_stream_survives_a_restart() -> None:
    there = chained((1, 2))
    there.sim.carrier = saying("busy", "answered")
    there.when(add(1, outdial_id=an_id("list 1")), add(2, outdial_id=an_id("list 2")), run(1), 45 * 1_000_000)
    there.sim.restart()
    there.when(HOUR)
    assert ran(there) == [("1", "finished"), ("2", "finished")]
    assert len(there.sim.requests) == 4


def test_a_finished_run_finishes_its_last_target_first() -> None:
    there = ready(add(), run(), 0).when(ends("answered")).then(DialEnded, TargetFinished).when(0)
    there.then(DialingFinished, OutplanUnfollowed, CampaignStopped)


def test_an_exhausted_list_ends_the_campaign() -> None:
    there = ready(add(), run(), 0, plan=Plan(max_try_count_0=1)).when(ends("busy")).then(DialEnded, TargetExhausted)
    there.when(0).then(DialingFinished, OutplanUnfollowed, a(CampaignStopped, how="finished", requests=1))
