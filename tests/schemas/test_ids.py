"""Derived ids are the UUIDs of the standard, so anybody can derive them."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from messages import ids as uuids
from messages import texts
from outdial import ids


@given(uuids, texts)
def test_a_derived_id_is_the_uuid5_of_the_standard(namespace: str, name: str) -> None:
    assert ids.derived(namespace, name) == str(uuid5(UUID(namespace), name))


@given(uuids, uuids, st.integers(1, 10**6))
def test_an_attempt_is_named_by_outdial_target_and_ordinal(outdial: str, target: str, ordinal: int) -> None:
    assert ids.attempt_id(outdial, target, ordinal) == str(uuid5(UUID(outdial), f"{target}/{ordinal}"))


@given(uuids, st.integers(0, 10_000))
def test_an_unnamed_item_is_named_by_its_command_and_its_place(command: str, index: int) -> None:
    assert ids.item_id(command, index) == str(uuid5(UUID(command), str(index)))


def test_an_attempt_has_this_id_for_ever() -> None:
    outdial, target = "7b1c2d3e-4f50-4a61-9b72-8c83d94ea5f6", "a1b2c3d4-e5f6-4708-8192-a3b4c5d6e7f8"

    assert ids.attempt_id(outdial, target, 3) == "7f34ab30-b533-553e-81d6-1b9bf4ee6037"


def test_an_event_is_named_by_where_it_stands() -> None:
    assert ids.event_id("outdial", "7b1c", 4) == "outdial/7b1c/4"


@given(uuids)
def test_an_id_as_an_integer_is_the_uuid_as_one(text: str) -> None:
    assert ids.as_int(text) == UUID(text).int
