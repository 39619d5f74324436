"""Calling codes are those libphonenumber knows, told from the first digits alone."""

import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from outdial.address import Address
from outdial.calling import NO_CODE, calling_code


def test_every_code_that_is_given_out_is_found_in_front_of_a_number() -> None:
    for code in COUNTRY_CODE_TO_REGION_CODE:
        assert calling_code(Address(type="tel", target=f"+{code}2025550123"[:16])) == code


@pytest.mark.parametrize(
    ("kind", "target", "code"),
    [
        ("tel", " +4-9 (30) 1234567 ", 49),
        ("whatsapp", "+35312345678", 353),
        ("sip", "+4930@example.com", NO_CODE),
        ("email", "ann@example.com", NO_CODE),
        ("tel", "+0491234567", NO_CODE),
    ],
)
def test_what_is_written_apart_counts_and_what_is_no_number_has_no_code(kind: str, target: str, code: int) -> None:
    assert calling_code(Address(type=kind, target=target)) == code
    assert calling_code(None) == NO_CODE
