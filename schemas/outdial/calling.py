"""Calling codes: to which country, or other numbering plan, does a number belong? Source: ITU-T E.164.

No code begins with another, so the first digits alone tell it, whether or not it is given out.
"""

from typing import Final

from outdial.address import NUMBERS, Address

NO_CODE: Final = 0
"""In place of the code of an address that is no number."""
_OF_ONE: Final = frozenset("17")
_OF_TWO: Final = frozenset(
    {
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
        "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66",
        "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
    }
)  # fmt: skip
_LONGEST: Final = 3


def calling_code(address: Address | None) -> int:
    """The calling code of an address, such as 49; NO_CODE when it is no number with its country in front."""
    if address is None or address.type not in NUMBERS:
        return NO_CODE
    text = address.target.strip()
    digits = text[1 : 1 + _LONGEST]
    if not digits.isdecimal():
        digits = "".join(filter(str.isdecimal, text))[:_LONGEST]
    if text[:1] != "+" or not digits.isascii() or len(digits) < _LONGEST or digits[0] == "0":
        return NO_CODE
    return int(digits[0] if digits[0] in _OF_ONE else digits[:2] if digits[:2] in _OF_TWO else digits)
