"""An outdial as a list: for each command, what it does, when it says no, and that a repeat is quiet."""

import pytest

from given import a, given
from outdial.address import Address
from outdial.commands import (
    AddTargets,
    Command,
    CreateOutdial,
    DeleteDial,
    DeleteOutdial,
    DeleteTarget,
    NewTarget,
    SetOutdialCampaign,
    SetOutdialData,
    UpdateOutdial,
)
from outdial.events import (
    DialDeleted,
    DialEnded,
    DialingStarted,
    DialingStopped,
    DialRequested,
    DuplicatesSkipped,
    OutdialCreated,
    OutdialDeleted,
    OutdialUpdated,
    PlanApplied,
    TargetAdded,
    TargetDeleted,
    TargetExhausted,
    TargetFinished,
    TargetReopened,
)
from outdial.ids import item_id
from outdial.plan import Plan
from outdial.scalars import ZERO_ID
from saying import (
    OUTDIAL,
    PLAN,
    THEM,
    US,
    add,
    attempt,
    campaign_id,
    create,
    delete,
    ends,
    outplan,
    picked_up,
    reopen,
    start,
    target_id,
    tel,
)
from sim import MINUTE, SECOND, an_id

# --- CreateOutdial


def test_an_outdial_is_created_with_what_the_command_says() -> None:
    given().when(create(name="June", detail="d", data="{}")).then(
        a(OutdialCreated, customer_id=US, campaign_id=ZERO_ID, name="June", detail="d", data="{}")
    )


def test_an_outdial_created_with_a_plan_dials_at_once() -> None:
    given().when(create(PLAN)).then(OutdialCreated, a(DialingStarted, run=1, end_handle="continue"), a(PlanApplied, version=1, plan=PLAN))


def test_three_commands_are_enough_for_the_whole_loop() -> None:
    given(create(PLAN), add(), 0).when(ends("answered")).then(a(DialEnded, outcome="answered"), TargetFinished)


def test_an_outdial_with_a_plan_and_an_outplan_is_refused_as_ambiguous() -> None:
    given().when(create(PLAN, outplan_id=an_id("x"))).then_nothing().then_rejects("plan_ambiguous")


def test_an_id_that_is_taken_is_refused() -> None:
    given(create()).when(create(name="another")).then_nothing().then_rejects("already_exists")


# --- UpdateOutdial, SetOutdialData, SetOutdialCampaign


def test_an_update_changes_only_what_it_names() -> None:
    given(create(name="n", detail="d")).when(UpdateOutdial(outdial_id=OUTDIAL, name="m")).then(a(OutdialUpdated, name="m", detail=None))


@pytest.mark.parametrize(
    "command",
    [
        UpdateOutdial(outdial_id=OUTDIAL, name="n"),
        UpdateOutdial(outdial_id=OUTDIAL),
        SetOutdialData(outdial_id=OUTDIAL, data="x"),
        SetOutdialCampaign(outdial_id=OUTDIAL, campaign_id=ZERO_ID),
    ],
)
def test_a_change_to_what_is_already_so_writes_nothing(command: Command) -> None:
    given(create(name="n", data="x")).when(command).then_nothing()


def test_data_and_campaign_are_set() -> None:
    there = given(create())
    there.when(SetOutdialData(outdial_id=OUTDIAL, data="x")).then(a(OutdialUpdated, data="x", name=None))
    there.when(SetOutdialCampaign(outdial_id=OUTDIAL, campaign_id=campaign_id())).then(a(OutdialUpdated, campaign_id=campaign_id()))


def unknown_or_deleted() -> list[Command]:
    return [
        UpdateOutdial(outdial_id=OUTDIAL, name="m"),
        SetOutdialData(outdial_id=OUTDIAL, data="y"),
        SetOutdialCampaign(outdial_id=OUTDIAL, campaign_id=campaign_id()),
        add(2),
        AddTargets(outdial_id=OUTDIAL, targets=(NewTarget(destination_0=tel()),)),
        reopen(),
        start(PLAN),
    ]


@pytest.mark.parametrize("command", unknown_or_deleted(), ids=lambda command: command.type)
def test_nothing_is_done_to_an_outdial_that_is_not_there(command: Command) -> None:
    given().when(command).then_nothing().then_rejects("outdial_unknown")


@pytest.mark.parametrize("command", unknown_or_deleted(), ids=lambda command: command.type)
def test_nothing_is_done_to_a_deleted_outdial(command: Command) -> None:
    asked = given(create(), add(), DeleteOutdial(outdial_id=OUTDIAL)).when(command).then_rejects("outdial_deleted")
    assert [type(event).__name__ for event in asked.events] in ([], ["CommandNoted"])


# --- DeleteOutdial


def test_a_deleted_running_outdial_stops_and_names_its_open_attempts() -> None:
    deleted = given(create(PLAN), add(), 0).when(DeleteOutdial(outdial_id=OUTDIAL))
    deleted.then(a(DialingStopped, how="deleted", open=(attempt(),)), OutdialDeleted)
    assert deleted.answer is not None
    assert deleted.answer.open == (attempt(),)


def test_deleting_twice_writes_nothing() -> None:
    given(create(), DeleteOutdial(outdial_id=OUTDIAL)).when(DeleteOutdial(outdial_id=OUTDIAL)).then_nothing()


def test_an_open_attempt_of_a_deleted_outdial_still_ends() -> None:
    given(create(PLAN), add(), 0, DeleteOutdial(outdial_id=OUTDIAL)).when(ends("busy")).then(a(DialEnded, outcome="busy"))


# --- AddTarget


def test_a_target_is_added_with_types_and_fingerprints_beside_its_personal_data() -> None:
    added = given(create()).when(
        add(name="Ann", destination_2=Address(type="email", target="Ann@Example.org"), priority=3, time_zone="Europe/Berlin")
    )
    added.then(a(TargetAdded, target_id=target_id(), types=("tel", None, "email"), priority=3, time_zone="Europe/Berlin", key_id="test"))
    event = added.events[0]
    assert isinstance(event, TargetAdded)
    assert event.personal.name == "Ann"
    assert [print_ is not None and len(print_) for print_ in event.fingerprints] == [32, False, 32]


def test_personal_data_stands_only_in_the_personal_part_of_an_event() -> None:
    there = given(
        create(PLAN), add(name="Ann", detail="red door", data="{7}", destination_0=tel(77)), 0, picked_up(), ends("machine"), MINUTE
    )
    for event in there.sim.log:
        text = str([value for name, value in event.data.given if name != "personal"])
        assert not any(word in text for word in ("Ann", "red door", "{7}", "0000077")), text


def test_a_target_without_an_id_gets_the_one_derived_from_its_command() -> None:
    command_id = an_id("some command")
    given(create()).when(add(target_id=None, id=command_id)).then(a(TargetAdded, target_id=item_id(command_id, 0)))


def test_the_same_target_again_is_nothing_and_another_under_its_id_is_refused() -> None:
    there = given(create(), add(name="Ann"))
    there.when(add(name="Ann")).then_nothing()
    there.when(add(name="Bob")).then_nothing().then_rejects("already_exists")
    there.when(add(name="Ann", try_count_max=3)).then_nothing().then_rejects("already_exists")


@pytest.mark.parametrize(
    ("destination", "reason"),
    [
        (Address(type="tel", target="5551234"), "address_invalid"),
        (Address(type="tel", target="+1"), "address_invalid"),
        (Address(type="tel", target="+99912345678"), "address_invalid"),
        (Address(type="sip", target="nobody"), "address_invalid"),
        (Address(type="email", target="nobody"), "address_invalid"),
        (Address(type="agent", target="nobody"), "address_invalid"),
        (Address(type="pigeon", target="coop 7"), "address_type_unknown"),
        (None, "destination_missing"),
    ],
)
def test_a_target_that_cannot_be_dialed_is_refused(destination: Address | None, reason: str) -> None:
    given(create()).when(add(destination_0=destination)).then_nothing().then_rejects(reason)


def test_a_refusal_never_repeats_the_address() -> None:
    refused = given(create()).when(add(destination_0=Address(type="tel", target="+1202secret")))
    assert refused.answer is not None
    assert "secret" not in str(refused.answer)


def test_a_time_zone_nobody_knows_is_refused() -> None:
    given(create()).when(add(time_zone="Mars/Base")).then_nothing().then_rejects("time_zone_unknown")


def test_a_target_may_have_only_a_later_destination() -> None:
    added = given(create(Plan(max_try_count_0=1, max_try_count_3=1)), add(destination_0=None, destination_3=tel(9))).when(0)
    added.then(a(DialRequested, destination_index=3))
    assert added.requests[0].destination == tel(9)


# --- duplicates, as contract C19 has them


@pytest.mark.parametrize("twin", ["+15550000001", "+1 (555) 000-0001", " +1.555.000.0001 "])
def test_c19_a_duplicate_is_found_by_its_normal_form(twin: str) -> None:
    there = given(create(), add()).when(add(2, destination_0=Address(type="tel", target=twin), on_duplicate="skip"))
    there.then_nothing()
    assert there.answer is not None
    assert [(item.result, item.existing_id, item.reason) for item in there.answer.items] == [("skipped", target_id(), "duplicate")]


def test_c19_a_single_target_is_added_too_unless_it_says_otherwise() -> None:
    given(create(), add()).when(add(2, destination_0=tel(1))).then(TargetAdded)
    given(create(), add()).when(add(2, destination_0=tel(1), on_duplicate="reject")).then_nothing().then_rejects("duplicate")


def test_c19_several_targets_skip_duplicates_of_the_list_and_of_one_another() -> None:
    rows = (tel(1), tel(2), tel(2), tel(3))
    bulk = AddTargets(
        outdial_id=OUTDIAL, targets=tuple(NewTarget(target_id=target_id(10 + n), destination_0=to) for n, to in enumerate(rows))
    )
    brought = (a(TargetAdded, target_id=target_id(11)), a(TargetAdded, target_id=target_id(13)))
    added = given(create(), add(1)).when(bulk).then(*brought, a(DuplicatesSkipped, skipped=2))
    assert added.answer is not None
    assert [(item.index, item.result, item.existing_id) for item in added.answer.items] == [
        (0, "skipped", target_id(1)),
        (2, "skipped", target_id(11)),
    ]


def test_how_many_duplicates_were_left_out_is_told_once_however_often_the_command_comes() -> None:
    rows = tuple(NewTarget(target_id=target_id(10 + n), destination_0=tel(1)) for n in range(3))
    bulk = AddTargets(id=an_id("bulk"), outdial_id=OUTDIAL, targets=rows)
    there = given(create(), add(1)).when(bulk).then(a(DuplicatesSkipped, skipped=3))
    there.when(bulk).then_nothing()
    assert there.answer is not None
    assert [item.result for item in there.answer.items] == ["skipped"] * 3
    there.when(bulk.model_copy(update={"id": an_id("other"), "on_duplicate": "reject"})).then_nothing()


def test_c19_a_deleted_target_is_nobodys_duplicate_but_the_next_with_its_address_is() -> None:
    there = given(create(), add(1), add(2, destination_0=tel(1)), add(3, destination_0=tel(1)), delete(1))
    there.when(add(4, destination_0=tel(1), on_duplicate="skip")).then_nothing()
    there.when(delete(3), delete(2), add(5, destination_0=tel(1), on_duplicate="skip")).then(TargetAdded)
    there.when(add(6, destination_0=tel(1), on_duplicate="skip")).then_nothing()


def test_c19_the_same_address_of_another_type_or_outdial_is_no_duplicate() -> None:
    other = an_id("another outdial")
    there = given(create(), add(), create(outdial_id=other))
    there.when(add(2, destination_0=Address(type="whatsapp", target="+15550000001"), on_duplicate="reject")).then(TargetAdded)
    there.when(add(1, outdial_id=other, on_duplicate="reject")).then(TargetAdded)


# --- AddTargets: several at once


def test_each_target_of_several_stands_or_falls_by_itself() -> None:
    broken, fine = NewTarget(destination_0=Address(type="tel", target="x")), NewTarget(destination_0=tel(2))
    there = given(create()).when(AddTargets(id=an_id("bulk"), outdial_id=OUTDIAL, targets=(broken, fine, NewTarget())))
    there.then(a(TargetAdded, target_id=item_id(an_id("bulk"), 1)))
    assert there.answer is not None
    assert [(item.index, item.reason) for item in there.answer.items] == [(0, "address_invalid"), (2, "destination_missing")]


def test_two_items_with_one_id_are_not_both_added() -> None:
    twice = (NewTarget(target_id=target_id(), destination_0=tel(1)), NewTarget(target_id=target_id(), destination_0=tel(2)))
    there = given(create()).when(AddTargets(outdial_id=OUTDIAL, targets=twice)).then(TargetAdded)
    assert there.answer is not None
    assert [item.reason for item in there.answer.items] == ["already_exists"]


def test_a_dry_run_says_what_would_be_and_writes_nothing() -> None:
    rows = (NewTarget(target_id=target_id(7), destination_0=tel(1)), NewTarget(target_id=target_id(8), destination_0=tel(2)))
    there = given(create(), add(1)).when(AddTargets(outdial_id=OUTDIAL, targets=rows, dry_run=True)).then_nothing()
    assert there.answer is not None
    assert [(item.index, item.result) for item in there.answer.items] == [(0, "skipped")]


def test_an_import_sent_again_adds_nothing() -> None:
    rows = tuple(NewTarget(target_id=target_id(n), destination_0=tel(n)) for n in range(5))
    there = given(create(), AddTargets(outdial_id=OUTDIAL, targets=rows)).when(AddTargets(outdial_id=OUTDIAL, targets=rows)).then_nothing()
    assert there.answer is not None
    assert {item.result for item in there.answer.items} == {"exists"}


# --- DeleteTarget


def test_a_target_is_deleted_once() -> None:
    given(create(), add()).when(delete()).then(a(TargetDeleted, target_id=target_id())).when(delete()).then_nothing()


def test_a_target_that_is_not_there_cannot_be_deleted() -> None:
    given(create()).when(DeleteTarget(outdial_id=OUTDIAL, target_id=target_id())).then_nothing().then_rejects("target_unknown")


def test_an_open_attempt_of_a_deleted_target_ends_and_nothing_more() -> None:
    deleted = given(create(PLAN), add(), 0).when(delete()).then(TargetDeleted)
    assert deleted.answer is not None
    assert deleted.answer.open == (attempt(),)
    deleted.when(delete()).then_nothing()
    deleted.when(ends("busy")).then(a(DialEnded, outcome="busy")).when(10 * MINUTE).then_nothing()


def test_an_answered_call_of_a_deleted_target_leaves_it_deleted() -> None:
    given(create(PLAN), add(), 0, delete()).when(ends("answered")).then(DialEnded).when(ends("answered")).then_nothing()


# --- ReopenTarget


def test_a_reopened_target_has_all_its_tries_and_is_dialed_at_once_under_the_next_ordinal() -> None:
    there = given(create(Plan(max_try_count_0=1)), add(), 0).when(ends("busy")).then(DialEnded, TargetExhausted)
    there.when(reopen()).then(TargetReopened)
    there.when(0).then(a(DialRequested, ordinal=2, try_count=1, attempt_id=attempt(2), rule="first_try"))


def test_a_reached_target_can_be_reopened() -> None:
    given(create(PLAN), add(), 0, ends("answered"), reopen()).when(0).then(a(DialRequested, ordinal=2))


def test_reopening_ends_any_wait() -> None:
    given(create(PLAN), add(), 0, ends("not_dialed")).when(reopen()).then(TargetReopened).when(0).then(DialRequested)


def test_a_target_that_is_as_good_as_new_is_not_reopened() -> None:
    there = given(create(), add()).when(reopen())
    assert [type(event).__name__ for event in there.events] == ["CommandNoted"]


@pytest.mark.parametrize(("steps", "reason"), [((), "attempt_open"), ((delete(), ends("busy")), "target_deleted")])
def test_a_target_in_a_call_or_deleted_is_not_reopened(steps: tuple[DeleteTarget, ...], reason: str) -> None:
    given(create(PLAN), add(), 0, *steps).when(reopen()).then_rejects(reason)


# --- DeleteDial


def test_w25_an_open_attempt_cannot_be_hidden_and_an_ended_one_is_hidden_once() -> None:
    hide = DeleteDial(outdial_id=OUTDIAL, target_id=target_id(), attempt_id=attempt())
    there = given(create(PLAN), add(), 0).when(hide).then_nothing().then_rejects("attempt_open")
    there.when(ends("busy"), hide).then(a(DialDeleted, attempt_id=attempt())).when(hide).then_nothing()
    there.when(DeleteDial(outdial_id=OUTDIAL, target_id=target_id(), attempt_id=attempt(2))).then_rejects("attempt_unknown")


# --- customers


def test_another_customers_things_are_as_unknown_as_what_is_not_there() -> None:
    there = given(create(PLAN), add(), outplan())
    for command in (add(2), delete(), reopen(), start(PLAN), ends("busy"), UpdateOutdial(outdial_id=OUTDIAL, name="x")):
        there.when(command.model_copy(update={"customer_id": THEM})).then_nothing().then_rejects("outdial_unknown")
    there.when(create(customer_id=THEM)).then_nothing().then_rejects("already_exists")


def test_another_customers_outplan_is_unknown() -> None:
    there = given(outplan(customer_id=THEM)).when(CreateOutdial(outdial_id=OUTDIAL, customer_id=US, outplan_id=an_id("outplan")))
    there.then_rejects("outplan_unknown").when(SECOND).then_nothing()
