"""Checks of the endpoints a target comes with, and the keyed fingerprints they are compared by."""

import re
from collections.abc import Callable
from functools import lru_cache
from zoneinfo import available_timezones

import phonenumbers

from outdial.address import ADDRESS_TYPES, Address, normalized
from outdial.commands import NewTarget
from outdial.dialing.decision import Rejected

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
    if address.type == "tel" and not _can_exist(text):
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


def _can_exist(number: str) -> bool:
    """Whether the numbering plans leave room for the number (``+`` and digits).

    Not whether it is assigned: documents and tests use numbers that are not. Where the digits after the country
    code do not begin with a national prefix, the answer is a matter of their count alone; parsing costs ten times
    as much and is left for the rest.
    """
    for end in (2, 3, 4):
        country = _country(number[1:end])
        if country is not None:
            lengths, national_prefix = country
            if national_prefix is None or not national_prefix.match(number, end):
                return len(number) - end in lengths
            break
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


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


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def check_zone(name: str | None) -> None:
    """Raises Rejected ``time_zone_unknown`` unless the name is one of the IANA data base."""
    if name is not None and name not in _zones():
        raise Rejected("time_zone_unknown", "time_zone must be an IANA name such as Europe/Berlin")


def dialable(kind: str, text: str) -> dict[str, str]:
    """Type and target of an address as whoever places the call should use it: numbers and mail addresses in normal form."""
    normal = normalized(kind, text) if kind in ("tel", "whatsapp", "email") else None
    return {"type": kind, "target": text if normal is None else normal}
