"""Instants: integers inside, one text on the wire, three texts accepted."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from messages import EARLIEST, LAST, instants
from outdial.scalars import (
    EPOCH,
    FROM_OUTSIDE,
    LATEST,
    MICROSECOND,
    Id,
    Instant,
    InstantIfAny,
    Name,
    Text,
    Word,
    format_instant,
    parse_instant,
)

INSTANT: TypeAdapter[int] = TypeAdapter(Instant)
TIME_IF_ANY: TypeAdapter[int | None] = TypeAdapter(InstantIfAny)
HALF_PAST = 1_795_234_232_503_790  # 2026-11-21T04:10:32.503790Z


@given(instants)
def test_an_instant_comes_back_from_its_text_as_it_was(at: int) -> None:
    assert parse_instant(format_instant(at)) == at
    assert INSTANT.validate_json(INSTANT.dump_json(at)) == at


@given(instants)
def test_the_text_of_an_instant_is_rfc_3339_with_six_digits_and_of_one_length(at: int) -> None:
    text = format_instant(at)

    assert len(text) == len("2026-11-21T04:10:32.000000Z")
    assert datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) == EPOCH + at * MICROSECOND


@given(instants, instants)
def test_texts_of_instants_sort_as_the_instants_do(one: int, other: int) -> None:
    assert (format_instant(one) < format_instant(other)) == (one < other)


@given(instants)
def test_the_form_of_the_contract_is_the_same_instant(at: int) -> None:
    text = format_instant(at)[:-1].replace("T", " ")

    assert parse_instant(text) == at


@given(instants.filter(lambda at: EARLIEST + 86_400_000_000 < at < LAST - 86_400_000_000), st.integers(-14 * 60, 14 * 60))
def test_a_text_with_another_offset_is_the_same_instant(at: int, minutes: int) -> None:
    moment = (EPOCH + at * MICROSECOND).astimezone(timezone(timedelta(minutes=minutes)))

    assert parse_instant(moment.isoformat()) == at
    assert parse_instant(moment) == at


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T04:10:32.503790Z",
        "2026-11-21 04:10:32.503790",
        "2026-11-21T04:10:32.50379Z",
        "2026-11-21T04:10:32.503790+00:00",
        "2026-11-21T05:10:32.503790+01:00",
        "2026-11-20T23:10:32.503790-05:00",
    ],
)
def test_every_accepted_form_names_the_instant(text: str) -> None:
    assert parse_instant(text) == HALF_PAST


@pytest.mark.parametrize("number", [0, 5, 1_900_000_000, 1_900_000_000_000, -1, True, 1.5])
def test_a_number_that_was_sent_is_no_time_for_nobody_knows_what_it_counts(number: object) -> None:
    with pytest.raises(ValidationError, match=r"write it as 2026-11-21T|valid"):
        INSTANT.validate_json(json.dumps(number))
    with pytest.raises(ValidationError, match=r"write it as 2026-11-21T|valid"):
        INSTANT.validate_python(number, context=FROM_OUTSIDE)


@pytest.mark.parametrize("text", ["9999-01-01 00:00:00.000000", "9999-01-01T00:00:00.000000Z"])
def test_where_a_time_may_be_absent_the_contracts_not_yet_is_none(text: str) -> None:
    assert TIME_IF_ANY.validate_python(text, context=FROM_OUTSIDE) is None
    assert TIME_IF_ANY.validate_json(json.dumps(text)) is None
    assert TIME_IF_ANY.validate_python("9999-01-01 00:00:00.000001") == LATEST + 1


def test_the_contracts_not_yet_is_the_first_instant_of_9999() -> None:
    assert parse_instant("9999-01-01 00:00:00.000000") == LATEST
    assert format_instant(LATEST) == "9999-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(("text", "at"), [("0001-01-01T00:00:00.000000Z", EARLIEST), ("9999-12-31T23:59:59.999999Z", LAST)])
def test_the_first_and_the_last_instant_are_accepted(text: str, at: int) -> None:
    assert INSTANT.validate_json(json.dumps(text)) == at
    assert format_instant(at) == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.999999-00:01",
        "2026-11-21T04:10:32.503790Zulu",
        EARLIEST - 1,
        LAST + 1,
        10**30,
    ],
)
def test_what_is_no_time_or_outside_the_years_1_to_9999_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(value)


@given(st.text(max_size=30))
def test_any_text_is_an_instant_or_refused_and_never_a_fault(text: str) -> None:
    try:
        at = INSTANT.validate_python(text)
    except ValidationError:
        return
    assert EARLIEST <= at <= LAST


def accepted(kind: Any, value: str) -> bool:
    """Whether a text is one of the kind."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def test_limits_of_texts_are_their_lengths_and_no_nul() -> None:
    assert accepted(Name, "")
    assert accepted(Name, "ż" * 255)
    assert not accepted(Name, "x" * 256)
    assert accepted(Text, "x\n" * 32_768)
    assert not accepted(Text, "x" * 65_537)
    assert not accepted(Name, "a\0")
    assert not accepted(Text, "\0")


def test_a_word_is_short_and_plain() -> None:
    assert accepted(Word, "worker-1:42.a_b")
    assert accepted(Word, "x" * 64)
    for text in ("", "x" * 65, "two words", "é", "a/b", "a\n"):
        assert not accepted(Word, text)


def test_an_id_is_a_uuid_of_any_version_in_lower_case() -> None:
    assert TypeAdapter(Id).validate_python("7B1C2D3E-4F50-0A61-0B72-8C83D94EA5F6") == "7b1c2d3e-4f50-0a61-0b72-8c83d94ea5f6"
    for text in (
        "",
        "7b1c2d3e4f500a610b728c83d94ea5f6",
        "{7b1c2d3e-4f50-0a61-0b72-8c83d94ea5f6}",
        "7b1c2d3e-4f50-0a61-0b72-8c83d94ea5f6\n",
    ):
        assert not accepted(Id, text)
