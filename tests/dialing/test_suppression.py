"""Suppression: nobody on a customer's list is requested, in any outdial; entries that were removed or ended hold nobody."""

from typing import Any

import phonenumbers
import pytest

from given import a, given
from outdial.address import Address
from outdial.codec import text_of
from outdial.commands import AskWhy, StartDialing
from outdial.dialing.addresses import telephone
from outdial.events import (
    DialEnded,
    DialingFinished,
    DialRequested,
    SuppressionApplied,
    SuppressionsAdded,
    SuppressionsRemoved,
    TargetBlocked,
    TargetExhausted,
    TargetUnblocked,
)
from outdial.plan import Plan
from outdial.record import replace
from outdial.suppression import SuppressionsPersonal
from outdial.why import TargetWhy
from saying import OUTDIAL, PLAN, THEM, add, allow, attempt, claim, create, delete, ends, number, start, stop, suppress, target_id, tel
from sim import DAY, HOUR, MINUTE, SECOND, START, Sim, an_id

BOTH = Plan(max_try_count_0=1, max_try_count_1=1, try_interval=60_000)
CELL = Address(type="tel", target="+15559990000")
OTHER = an_id("another outdial")


# --- adding -------------------------------------------------------------------------------------------


def test_an_entry_is_recorded_and_applied_with_its_address_in_personal_only() -> None:
    told = given(create()).when(suppress({**number(), "reason": "asked us not to"}))

    told.then(SuppressionsAdded, a(SuppressionApplied, version=1, open=(), open_more=0))
    added = told.events[0]
    assert isinstance(added, SuppressionsAdded)
    assert added.personal.addresses[0].model_dump() == {"type": "tel", "target": "+15550000001", "reason": "asked us not to"}
    public = replace(added, personal=SuppressionsPersonal(addresses=()))
    assert b"+1555" not in text_of(public) + text_of(told.events[1])


def test_a_suppressed_target_is_held_when_its_turn_comes_and_never_requested() -> None:
    held = given(create(PLAN), suppress(number()), add()).when(DAY)

    held.then(a(TargetBlocked, target_id=target_id(), destinations=(0,), until=None))
    assert held.sim.requests == []


def test_the_next_destination_is_dialed_in_place_of_a_suppressed_one() -> None:
    given(create(BOTH), suppress(number()), add(destination_1=CELL)).when(SECOND).then(
        a(TargetBlocked, destinations=(0,)), a(DialRequested, destination_index=1, try_count=1)
    )


TRUNK = Address(type="tel", target="+49 (0)30 12345678")
"""As people write it at home and abroad: the 0 is not dialed after the country code."""


@pytest.mark.parametrize("entry", [{"address": Address(type="tel", target="+493012345678")}, {"prefix": "+4930"}, {"address": TRUNK}])
@pytest.mark.parametrize("written", [TRUNK, Address(type="tel", target="+49 030 12345678"), Address(type="tel", target="+49 30 12345678")])
def test_a_number_is_the_same_with_the_prefix_that_is_dialed_at_home_alone(entry: dict[str, Any], written: Address) -> None:
    held = given(create(PLAN), suppress(entry), add(destination_0=written)).when(DAY).then(a(TargetBlocked, destinations=(0,)))
    assert held.sim.requests == []


def test_a_digit_that_belongs_to_a_number_stays() -> None:
    """An example of each kind of number of each country, as the library has them; of Italy they begin with the 0."""
    kinds = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.TOLL_FREE)
    found = [phonenumbers.example_number_for_type(region, kind) for region in phonenumbers.SUPPORTED_REGIONS for kind in kinds]
    numbers = [phonenumbers.format_number(one, phonenumbers.PhoneNumberFormat.E164) for one in found if one is not None]
    assert len(numbers) > 500
    assert [telephone(one) for one in numbers] == numbers


def test_other_numbers_customers_and_outdials_are_dialed_all_the_same() -> None:
    given(create(PLAN), suppress(number(2)), add()).when(SECOND).then(DialRequested)
    given(create(PLAN), suppress(number(), customer_id=THEM), add()).when(SECOND).then(DialRequested)
    given(create(PLAN), suppress({**number(), "outdial_id": OTHER}), add()).when(SECOND).then(DialRequested)


def test_an_entry_for_one_outdial_holds_there() -> None:
    given(create(PLAN), suppress({**number(), "outdial_id": OUTDIAL}), add()).when(SECOND).then(TargetBlocked)


def test_an_outdial_that_is_made_later_obeys_at_once() -> None:
    given(suppress(number()), create(PLAN), add()).when(SECOND).then(TargetBlocked)


@pytest.mark.parametrize("written", ["+1 (555) 000-0001", "+15550000001"])
def test_an_address_is_the_same_however_it_is_written(written: str) -> None:
    given(create(PLAN), suppress({"address": Address(type="tel", target=written)}), add()).when(SECOND).then(TargetBlocked)


def test_a_beginning_holds_every_number_that_begins_so() -> None:
    sim = given(
        create(PLAN),
        suppress({"prefix": "+1555"}, {"prefix": "+49"}),
        add(),
        add(2, destination_0=Address(type="tel", target="+14155550101")),
    )

    sim.when(SECOND)
    assert [(type(event), event.target_id) for event in sim.events] == [(TargetBlocked, target_id()), (DialRequested, target_id(2))]  # type: ignore[attr-defined]


def test_a_beginning_holds_telephone_numbers_only() -> None:
    given(create(PLAN), suppress({"prefix": "+1555"}), add(destination_0=Address(type="whatsapp", target="+15550000001"))).when(
        SECOND
    ).then(DialRequested)


def test_the_same_entry_again_is_nothing_and_is_told_again() -> None:
    again = given(create(), suppress(number())).when(suppress(number()))

    again.then_nothing()
    assert again.answer is not None
    assert again.answer.result == "unchanged"


def test_a_later_end_takes_the_place_of_the_one_before() -> None:
    given(create(PLAN), suppress({**number(), "expires_at": START + HOUR}), suppress(number()), add(), DAY).when(DAY).then_nothing()
    given(create(PLAN), suppress({**number(), "expires_at": START + HOUR})).when(suppress({**number(), "expires_at": START + DAY})).then(
        SuppressionsAdded, a(SuppressionApplied, version=2)
    )


@pytest.mark.parametrize("held_until", [None, START + DAY])
def test_an_earlier_end_changes_nothing_and_is_no_call_to_who_said_no_for_longer(held_until: int | None) -> None:
    sooner = suppress({**number(), "expires_at": START + HOUR})
    again = given(create(PLAN), suppress({**number(), "expires_at": held_until}), add(), SECOND).when(sooner)
    again.then_nothing()
    assert again.answer is not None
    assert again.answer.result == "unchanged"
    again.when(2 * HOUR).then_nothing()


@pytest.mark.parametrize("ends", [[None, START + HOUR], [START + HOUR, None], [START + HOUR, START + DAY, START + SECOND]])
def test_of_one_address_listed_twice_in_one_command_the_latest_end_holds(ends: list[int | None]) -> None:
    both = suppress(*[{**number(), "expires_at": end} for end in ends])
    given(create(PLAN), both, add(), SECOND).when(2 * HOUR).then_nothing()


def test_an_entry_that_was_taken_off_may_be_listed_anew_with_an_earlier_end() -> None:
    sooner = suppress({**number(), "expires_at": START + HOUR})
    again = given(create(PLAN), suppress(number()), allow(number()), sooner, add(), SECOND).when(2 * HOUR)
    assert [type(event) for event in again.events][:2] == [TargetUnblocked, DialRequested]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, "field_invalid"),
        ({**number(), "prefix": "+1"}, "field_invalid"),
        ({"address": Address(type="tel", target="12")}, "address_invalid"),
        ({"address": Address(type="smoke", target="12")}, "address_type_unknown"),
        ({"prefix": "1555"}, "address_invalid"),
        ({"prefix": "+"}, "address_invalid"),
        ({"prefix": "+123456789012345"}, "address_invalid"),
        ({**number(), "expires_at": START - 1}, "field_invalid"),
    ],
)
def test_what_names_nobody_is_refused_and_the_rest_is_taken(entry: dict[str, Any], reason: str) -> None:
    given(create()).when(suppress(entry)).then_rejects(reason)
    some = given(create()).when(suppress(entry, number()))

    some.then(SuppressionsAdded, SuppressionApplied)
    assert some.answer is not None
    assert [(item.index, item.result, item.reason) for item in some.answer.items] == [(0, "rejected", reason)]
    assert "+1" not in "".join(item.message or "" for item in some.answer.items)


# --- attempts that are out ----------------------------------------------------------------------------


def test_open_attempts_are_listed_in_event_and_answer() -> None:
    told = given(create(PLAN), add(), add(2), SECOND).when(suppress(number()))

    told.then(SuppressionsAdded, a(SuppressionApplied, open=(attempt(),), open_more=0))
    assert told.answer is not None
    assert (told.answer.open, told.answer.open_more) == ((attempt(),), 0)


def test_a_beginning_lists_the_open_attempts_it_covers() -> None:
    told = given(create(PLAN), add(), SECOND).when(suppress({"prefix": "+1555"}))

    assert told.answer is not None
    assert told.answer.open == (attempt(),)


def test_an_answer_names_a_hundred_and_counts_the_rest() -> None:
    many = [add(which, destination_0=tel(1)) for which in range(103)]
    told = given(create(Plan(max_try_count_0=1, max_concurrent=0)), *many, SECOND).when(suppress(number()))

    assert told.answer is not None
    assert (len(told.answer.open), told.answer.open_more) == (100, 3)


def test_a_claim_of_a_suppressed_attempt_is_refused_also_the_second_time() -> None:
    given(create(PLAN), add(), SECOND, suppress(number())).when(claim()).then_rejects("suppressed")
    given(create(PLAN), add(), SECOND, claim(), suppress(number())).when(claim()).then_rejects("suppressed")


def test_an_attempt_that_was_out_ends_and_its_target_is_held_from_then_on() -> None:
    sim = given(create(PLAN), add(), SECOND, suppress(number())).when(ends("busy"), DAY)

    sim.then(TargetBlocked)
    assert len(sim.sim.requests) == 1


# --- who is held --------------------------------------------------------------------------------------


def test_who_is_held_counts_as_nothing_left() -> None:
    given(create(), add(), suppress(number())).when(start(PLAN, end_handle="stop"), SECOND).then(TargetBlocked, DialingFinished)


def test_who_is_held_is_not_out_of_tries() -> None:
    plan = Plan(max_try_count_0=1, max_try_count_1=1, try_interval=1_000)
    sim = given(create(plan), suppress({"address": CELL}), add(destination_1=CELL), SECOND).when(ends("busy"), MINUTE)
    sim.then(TargetBlocked)

    sim.when(allow({"address": CELL}), MINUTE).then(TargetUnblocked, a(DialRequested, destination_index=1))
    sim.when(ends("busy", 2)).then(DialEnded, TargetExhausted)


def test_a_deleted_target_is_held_by_nothing() -> None:
    given(create(PLAN), suppress(number()), add(), SECOND, delete()).when(allow(number()), DAY).then_nothing()


# --- the end of an entry ------------------------------------------------------------------------------


def test_a_removed_entry_holds_nobody() -> None:
    held = given(create(PLAN), suppress(number()), add(), SECOND)

    held.when(allow(number())).then(SuppressionsRemoved, a(SuppressionApplied, version=2))
    held.when(SECOND).then(a(TargetUnblocked, target_id=target_id()), a(DialRequested, rule="first_try", destination_index=0))


def test_an_entry_is_removed_by_its_id() -> None:
    held = given(create(PLAN)).when(suppress(number()))
    added = held.events[0]
    assert isinstance(added, SuppressionsAdded)

    held.when(allow({"suppression_id": added.entries[0].suppression_id})).then(SuppressionsRemoved, SuppressionApplied)


def test_what_is_not_on_the_list_is_removed_by_doing_nothing() -> None:
    given(create(), suppress(number(2))).when(allow(number())).then_nothing()


def test_an_entry_that_ends_lets_its_targets_go_to_the_microsecond() -> None:
    held = given(create(PLAN), suppress({**number(), "expires_at": START + HOUR}), add(), SECOND)

    held.when(HOUR - SECOND - 1).then_nothing()
    held.when(1).then(TargetUnblocked, a(DialRequested, due_at=START))


def test_a_target_is_held_while_any_entry_holds_it() -> None:
    held = given(create(PLAN), suppress({**number(), "expires_at": START + HOUR}, {"prefix": "+1555"}), add(), SECOND)

    held.when(DAY).then_nothing()
    held.when(allow({"prefix": "+1555"}), SECOND).then(TargetUnblocked, DialRequested)


def test_when_what_held_a_target_goes_what_else_holds_it_is_recorded() -> None:
    held = given(create(PLAN), suppress(number(), {"prefix": "+1555", "expires_at": START + DAY}), add(), SECOND)

    held.when(allow(number()), SECOND).then(a(TargetBlocked, until=START + DAY))
    held.when(DAY).then(TargetUnblocked, DialRequested)


def test_removed_while_nothing_runs_is_found_out_all_the_same() -> None:
    held = given(create(PLAN), suppress(number()), add(), SECOND, stop())

    held.when(allow(number()), SECOND).then(TargetUnblocked)
    held.when(StartDialing(outdial_id=OUTDIAL, plan=PLAN), SECOND).then(DialRequested)


# --- repeats and restarts -----------------------------------------------------------------------------


def test_the_same_command_again_is_the_same_answer_and_lists_what_is_open_now() -> None:
    command = suppress(number(), id=an_id("once"))
    again = given(create(PLAN), add(), SECOND, command).when(command)

    again.then_nothing()
    assert again.answer is not None
    assert (again.answer.result, again.answer.open) == ("events", (attempt(),))


def test_the_same_id_for_another_customer_is_another_command() -> None:
    once = an_id("once")

    given(suppress(number(), id=once)).when(suppress(number(), id=once, customer_id=THEM)).then_rejects("id_reused")


def test_a_restart_forgets_nothing() -> None:
    sim = Sim()
    for command in (create(PLAN), suppress(number(), {"prefix": "+1666", "expires_at": START + DAY}), add()):
        sim.send(command)
    sim.run(SECOND)
    sim.restart()

    assert sim.run(DAY).requests == []
    sim.send(allow(number()))
    assert len(sim.run(SECOND).requests) == 1


def test_why_says_that_a_target_is_suppressed_and_until_when() -> None:
    held = given(create(PLAN), suppress({**number(), "expires_at": START + HOUR}), add(), SECOND)
    asked = held.when(AskWhy(outdial_id=OUTDIAL, target_id=target_id()))

    assert asked.answer is not None
    assert isinstance(asked.answer.facts, TargetWhy)
    assert (asked.answer.facts.why, asked.answer.facts.until) == ("suppressed", START + HOUR)
