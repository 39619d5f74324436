"""Checks of the endpoints a target comes with, and the keyed fingerprints they are compared by."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers.tzdata import TIMEZONE_DATA

from outdial.address import ADDRESS_TYPES, NUMBERS, Address, normalized
from outdial.commands import NewTarget
from outdial.dialing.decision import Rejected
from outdial.plan import Plan
from outdial.windows import RECIPIENT
from outdial.zones import zone_names

Fingerprint = Callable[[str], str]
"""Keyed hash of a text, 32 hexadecimal digits."""


def destinations_of(target: NewTarget) -> tuple[Address | None, ...]:
    """The destinations by index, without trailing gaps."""
    found = [target.destination_0, target.destination_1, target.destination_2, target.destination_3, target.destination_4]
    while found and found[-1] is None:
        found.pop()
    return tuple(found)


def checked(where: int | str, address: Address) -> str:
    """``type:endpoint`` in the form in which equal endpoints are equal texts. ``where``: index of the destination, or name of the field.

    Raises:
        Rejected: ``address_type_unknown`` or ``address_invalid``. The message names the field, never the endpoint.
    """
    if address.type not in ADDRESS_TYPES:
        raise Rejected("address_type_unknown", f"{_field(where)}.type must be one of {', '.join(sorted(ADDRESS_TYPES))}")
    text = normalized(address.type, address.target)
    if text is None:
        raise Rejected(
            "address_invalid", f"{_field(where)}.target is not a valid {address.type} address: {_FORMS.get(address.type, 'a UUID')}"
        )
    if address.type == "tel":
        text = _from_abroad(text)
    if text is None:
        raise Rejected("address_invalid", f"{_field(where)}.target cannot be dialed: no country has numbers of this length and prefix")
    return f"{address.type}:{text}"


def _field(where: int | str) -> str:
    return where if isinstance(where, str) else f"destination_{where}"


_FORMS = {
    "tel": "write + and 7 to 15 digits, country code first",
    "whatsapp": "write + and 7 to 15 digits, country code first",
    "sip": "write user@host, with or without sip:",
    "email": "write name@domain",
}


def telephone(text: str) -> str | None:
    """A telephone number as it is compared; None when it is malformed.

    One for which the plans of today leave no room stays as it is: those of the day it was added did.
    """
    number = normalized("tel", text)
    return None if number is None else _from_abroad(number) or number


def _from_abroad(number: str) -> str | None:
    """The number (``+`` and digits) without what is dialed at home alone, as the 0 of +49 (0)30.

    None: the numbering plans leave no room for it.
    Not whether it is assigned: documents and tests use numbers that are not. Where the digits after the country
    code do not begin with a national prefix, the answer is a matter of their count alone; parsing costs ten times
    as much and is left for the rest.
    """
    for end in (2, 3, 4):
        country = _country(number[1:end])
        if country is not None:
            lengths, national_prefix = country
            if national_prefix is None or not national_prefix.match(number, end):
                return number if len(number) - end in lengths else None
            break
    try:
        found = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164) if phonenumbers.is_possible_number(found) else None


@lru_cache(maxsize=1_200)
def _country(code: str) -> tuple[frozenset[int], re.Pattern[str] | None] | None:
    """The lengths a country's numbers may have, and what a national prefix in front of them looks like."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    if regions is None or code.startswith("0"):
        return None
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(int(code), regions[0])
    if metadata is None or metadata.general_desc is None:
        return None
    lengths = frozenset((*metadata.general_desc.possible_length, *metadata.general_desc.possible_length_local_only))
    prefix = metadata.national_prefix_for_parsing
    return lengths, None if prefix is None else re.compile(prefix)


def check_zone(name: str | None, field: str = "time_zone") -> None:
    """Raises Rejected ``time_zone_unknown`` unless the name is one of the IANA data base."""
    if name is not None and name not in zone_names():
        raise Rejected("time_zone_unknown", f"{field} must be an IANA name such as Europe/Berlin")


def check_plan(plan: Plan | None) -> None:
    """Raises Rejected ``time_zone_unknown`` unless the zones a plan names are there."""
    if plan is not None:
        check_zone(plan.time_zone)
        if plan.windows is not None and plan.windows.time_zone != RECIPIENT:
            check_zone(plan.windows.time_zone, "windows.time_zone")


def zones_of(destinations: tuple[Address | None, ...]) -> tuple[tuple[str, ...] | None, ...] | None:
    """The time zones each destination may be in, as its number says; None when none is known of any.

    A number says where it was given out. One that was given out for a whole country, as most toll-free and many mobile
    numbers are, may be anywhere in it.
    """
    found = tuple([None if one is None or one.type not in NUMBERS else zones_of_number(one.target) or None for one in destinations])
    return found if any(found) else None


def zones_of_number(text: str) -> tuple[str, ...]:
    """The time zones a number may be in, as libphonenumber has it; none for one that is no number."""
    number = telephone(text)
    if number is None:
        return ()
    if number.startswith("+1"):
        return _in_north_america(number[1 : 1 + NORTH_AMERICAN_DIGITS])
    for end in (2, 3, 4):
        plan = _numbering(number[1:end])
        if plan is not None:
            break
    else:
        return ()
    if not plan.parts:
        return plan.zones
    local = next((found for length in plan.parts if (found := TIMEZONE_DATA.get(number[1 : 1 + length])) is not None), plan.zones)
    return local if local == plan.zones or plan.is_tied_to_a_place(number[end:]) else plan.zones


NORTH_AMERICAN_DIGITS = 7
"""The longest prefix that says where a number of country code 1 is."""


@lru_cache(maxsize=65_536)
def _in_north_america(prefix: str) -> tuple[str, ...]:
    """The zones of an area code, or of a part of it; of those that are no area's, the zones of the whole."""
    return next((found for end in range(len(prefix), 0, -1) if (found := TIMEZONE_DATA.get(prefix[:end])) is not None), ())


class _Numbering(NamedTuple):
    """What a country code says of where its numbers are."""

    zones: tuple[str, ...]
    """Of the whole country."""
    parts: tuple[int, ...]
    """Lengths of the prefixes of its parts, with the code, longest first; none when the country is all alike."""
    tied: tuple[re.Pattern[str], ...]
    """What numbers look like that are given out for one part."""

    def is_tied_to_a_place(self, national: str) -> bool:
        """Whether a number was given out for a part of the country: otherwise it may be anywhere."""
        return any(pattern.fullmatch(national) for pattern in self.tied)


@lru_cache(maxsize=1_200)
def _numbering(code: str) -> _Numbering | None:
    regions = () if code.startswith("0") else phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())
    if not regions:
        return None
    whole = TIMEZONE_DATA.get(code, ())
    prefixes = [prefix for prefix in TIMEZONE_DATA if prefix.startswith(code) and len(prefix) > len(code)]
    lengths = sorted({len(prefix) for prefix in prefixes}, reverse=True) if any(TIMEZONE_DATA[one] != whole for one in prefixes) else []
    mobile_too = phonenumbers.is_number_type_geographical(phonenumbers.PhoneNumberType.MOBILE, int(code))
    found = [phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(int(code), region) for region in regions]
    kinds = [kind for one in found if one is not None for kind in (one.fixed_line, one.mobile if mobile_too else None)]
    tied = [re.compile(kind.national_number_pattern) for kind in kinds if kind is not None and kind.national_number_pattern]
    return _Numbering(whole, tuple(lengths), tuple(tied))
