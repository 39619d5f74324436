"""The one form in which equal endpoints are equal texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import ids, texts
from outdial.address import ADDRESS_TYPES, CALLABLE_TYPES, SLOTS, Address, normalized
from outdial.commands import NewTarget
from outdial.plan import CAP_FIELDS

kinds = st.sampled_from(sorted(ADDRESS_TYPES))
digits = st.text("0123456789", min_size=7, max_size=15)
spaces = st.text(" \t\n", max_size=2)


@given(kinds, texts)
def test_what_is_normalized_stays_as_it_is(kind: str, text: str) -> None:
    once = normalized(kind, text)

    assert once is None or normalized(kind, once) == once


@given(kinds, texts, spaces, spaces)
def test_space_around_an_endpoint_is_nothing(kind: str, text: str, before: str, after: str) -> None:
    assert normalized(kind, before + text + after) == normalized(kind, text)


@given(digits, st.data())
def test_a_number_is_the_same_however_people_write_it(number: str, data: st.DataObject) -> None:
    written = "+" + "".join(digit + data.draw(st.text(" ()-./", max_size=2)) for digit in number)

    assert normalized("tel", written) == f"+{number}" == normalized("whatsapp", written)


@given(st.from_regex(r"[A-Za-z0-9._+-]{1,20}@[A-Za-z0-9-]{1,20}\.[a-z]{2,5}", fullmatch=True))
def test_mail_is_the_same_in_any_case(mail: str) -> None:
    assert normalized("email", mail.upper()) == normalized("email", mail) == mail.lower()


@given(st.from_regex(r"[A-Za-z0-9._+-]{1,20}", fullmatch=True), st.from_regex(r"[A-Za-z0-9-]{1,20}\.[a-z]{2,5}", fullmatch=True))
def test_of_a_sip_address_only_the_host_is_the_same_in_any_case(user: str, host: str) -> None:
    assert normalized("sip", f"sip:{user}@{host.upper()}") == normalized("sip", f"{user}@{host}") == f"{user}@{host.lower()}"


@given(st.sampled_from(sorted(ADDRESS_TYPES - {"tel", "whatsapp", "sip", "email"})), ids)
def test_every_other_type_is_a_uuid_in_any_case(kind: str, text: str) -> None:
    assert normalized(kind, text.upper()) == text
    assert normalized(kind, text.replace("-", "")) is None


@pytest.mark.parametrize(
    ("kind", "text", "form"),
    [
        ("tel", "+15551230001", "+15551230001"),
        ("tel", "+1 (555) 123-0001", "+15551230001"),
        ("tel", "+1.555.123.0001", "+15551230001"),
        ("tel", "+1234567", "+1234567"),
        ("tel", "+123456789012345", "+123456789012345"),
        ("sip", "sip:Zoe@Example.COM", "Zoe@example.com"),
        ("sip", "SIP:Zoe@Example.COM", "Zoe@example.com"),
        ("sip", "sips:Zoe@Example.COM:5061;transport=TCP", "Zoe@example.com:5061;transport=TCP"),
        ("sip", "+15551230001@10.0.0.1", "+15551230001@10.0.0.1"),
        ("sip", "zoe@[2001:DB8::1]:5060", "zoe@[2001:db8::1]:5060"),
        ("email", "Zoe.Example@Example.com", "zoe.example@example.com"),
    ],
)
def test_an_endpoint_in_its_one_form(kind: str, text: str, form: str) -> None:
    assert normalized(kind, text) == form


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("tel", ""),
        ("tel", "+"),
        ("tel", "15551230001"),
        ("tel", "+123456"),
        ("tel", "+1234567890123456"),
        ("tel", "+1555123000x"),
        ("tel", "+1555123+0001"),
        ("tel", "+１５５５１２３０００１"),  # noqa: RUF001  full-width digits are the point
        ("tel", "+15551230001;ext=5"),
        ("sip", "zoe"),
        ("sip", "@example.com"),
        ("sip", "zoe@"),
        ("sip", "zoe@exa mple.com"),
        ("sip", "zoe@example.com:port"),
        ("sip", "sip:sip:zoe@example.com@"),
        ("email", "zoe"),
        ("email", "zoe@exa@mple.com"),
        ("email", "zoe example@example.com"),
        ("email", "a" * 65 + "@example.com"),
        ("agent", "zoe"),
        ("conference", ""),
    ],
)
def test_a_malformed_endpoint_has_no_form(kind: str, text: str) -> None:
    assert normalized(kind, text) is None


def test_a_call_can_go_to_a_number_or_a_sip_address_only() -> None:
    assert {"tel", "sip"} == CALLABLE_TYPES
    assert CALLABLE_TYPES < ADDRESS_TYPES


def test_an_address_has_five_fields_and_each_is_empty_by_default() -> None:
    assert Address().model_dump() == {"type": "", "target": "", "target_name": "", "name": "", "detail": ""}


def test_a_target_has_a_field_per_slot_and_a_plan_a_cap_per_slot() -> None:
    assert len(CAP_FIELDS) == SLOTS == sum(name.startswith("destination_") for name in NewTarget.model_fields)
