"""Where a number may be: as libphonenumber has it, with no parsing where none is needed."""

from random import Random

import phonenumbers
import pytest
from phonenumbers import timezone
from phonenumbers.tzdata import TIMEZONE_DATA

from outdial.address import Address
from outdial.dialing.addresses import NORTH_AMERICAN_DIGITS, zones_of, zones_of_number
from outdial.zones import zone_names

SHORTEST = 4
"""Digits after the country code; shorter ones are not dialed."""
EXAMPLES = [
    f"+{found.country_code}{phonenumbers.national_significant_number(found)}"
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for kind in range(11)
    if (found := phonenumbers.example_number_for_type(region, kind)) is not None
    and len(phonenumbers.national_significant_number(found)) > SHORTEST
]
UNKNOWN = ("Etc/Unknown",)


def as_the_library_has_it(number: str) -> set[str]:
    found = timezone.time_zones_for_number(phonenumbers.parse(number))
    return set() if found == UNKNOWN else set(found)


@pytest.mark.parametrize("number", EXAMPLES)
def test_a_number_is_where_libphonenumber_says_or_nearer_within_north_america(number: str) -> None:
    ours, theirs = set(zones_of_number(number)), as_the_library_has_it(number)
    assert ours == theirs or (number.startswith("+1") and ours < theirs)


def test_random_numbers_of_every_prefix_are_never_thought_to_be_nearer_than_the_library_thinks() -> None:
    rng = Random(1)  # noqa: S311  the same numbers every time
    looked_at = 0
    for prefix in TIMEZONE_DATA:
        if prefix.startswith("1"):
            continue
        for length in (9, 10, 11, 12):
            number = "+" + prefix + "".join(rng.choice("0123456789") for _ in range(length - len(prefix)))
            parsed = phonenumbers.parse(number)
            if (
                phonenumbers.is_valid_number(parsed)
                and number == f"+{parsed.country_code}{phonenumbers.national_significant_number(parsed)}"
            ):
                looked_at += 1
                assert set(zones_of_number(number)) >= as_the_library_has_it(number), number
    assert looked_at > 1_000


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+12125550123", ("America/New_York",)),
        ("+4930123456", ("Europe/Berlin",)),
        ("+61291234567", ("Australia/Sydney",)),
        ("+999123456789", ()),
        ("12125550123", ()),
        ("+0123456789", ()),
    ],
)
def test_what_is_known_of_a_number(number: str, zones: tuple[str, ...]) -> None:
    assert zones_of_number(number) == zones


def test_toll_free_numbers_may_be_anywhere_on_the_continent_and_mobile_ones_anywhere_in_their_country() -> None:
    assert len(zones_of_number("+18005550123")) > 40
    assert len(zones_of_number("+79161234567")) > 10
    assert len(zones_of_number("+61412345678")) > 5


def test_only_numbers_have_zones_and_each_stands_at_its_destination() -> None:
    phone, chat = Address(type="tel", target="+1 (212) 555-0123"), Address(type="whatsapp", target="+4930123456")
    mail = Address(type="email", target="a@example.org")
    assert zones_of((mail, phone, None, chat)) == (None, ("America/New_York",), None, ("Europe/Berlin",))
    assert zones_of((mail, None)) is None


def test_every_zone_a_number_may_be_in_is_one_of_the_zones_there_are() -> None:
    assert {zone for zones in TIMEZONE_DATA.values() for zone in zones} <= zone_names()


def test_no_prefix_of_north_america_is_longer_than_what_is_looked_at() -> None:
    assert max(len(prefix) for prefix in TIMEZONE_DATA if prefix.startswith("1")) == NORTH_AMERICAN_DIGITS
