"""The scalar types every message is built from: ids, instants, durations, texts.

Inside the program an instant is an integer: microseconds since 1970-01-01 UTC. On the wire it is
RFC 3339, UTC, six digits. The two functions that convert stand here and nowhere else.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints, ValidationInfo, WithJsonSchema

from outdial.trace import traceparent_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND_US = 1_000_000
MILLISECOND_US = 1_000
DAY_MS = 86_400_000
ZERO_ID = "00000000-0000-0000-0000-000000000000"
NO_TIME: Final = "not a time: write it as 2026-11-21T04:10:32.000000Z"
LATEST = 253_370_764_800_000_000  # 9999-01-01, the contract's "not yet"


@lru_cache(maxsize=4096)
def format_instant(at: int) -> str:
    """RFC 3339 text of an instant: ``2026-11-21T04:10:32.000000Z``."""
    return f"{(EPOCH + timedelta(microseconds=at)).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


FROM_OUTSIDE: Final = {"from_outside": True}
"""The context in which plain values are validated that somebody else sent."""


def _instant(value: object, info: ValidationInfo) -> object:
    """An instant that is handed over, or the text of one. A number that was sent is none: nobody knows what it counts."""
    if isinstance(value, int) and (isinstance(value, bool) or info.mode == "json" or info.context is FROM_OUTSIDE):
        raise ValueError(NO_TIME)
    return parse_instant(value)


def parse_instant(text: object) -> object:
    """The instant an RFC 3339 text (or the contract's ``YYYY-MM-DD hh:mm:ss.ffffff``) names.

    Integers pass unchanged, so that code may hand over instants it already holds.

    Raises:
        ValueError: the text is no time, or lies outside the years 1 to 9999.
    """
    if isinstance(text, int):
        return text
    if isinstance(text, str):
        return read_instant(text)
    if isinstance(text, datetime):
        return (text - EPOCH) // MICROSECOND
    return text


@lru_cache(maxsize=4096)
def read_instant(text: str) -> int:
    """The instant a text names; raises as :func:`parse_instant`."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - EPOCH) // MICROSECOND
    except (ValueError, OverflowError):
        raise ValueError(NO_TIME) from None


UUID_PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

Id = Annotated[str, StringConstraints(pattern=UUID_PATTERN, to_lower=True), WithJsonSchema({"type": "string", "format": "uuid"})]
"""A lower-case UUID; upper case is accepted and folded."""

Instant = Annotated[
    int,
    Field(ge=-62_135_596_800_000_000, le=253_402_300_799_999_999),  # first, so that it is checked by the core and not by a Python function
    BeforeValidator(_instant),
    PlainSerializer(format_instant, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Microseconds since 1970-01-01 UTC; RFC 3339 with six digits on the wire."""

if TYPE_CHECKING:
    Moment = int
else:

    class _Integers(type):
        """Of a class whose instances are the integers."""

        __instancecheck__ = int.__instancecheck__

    class Moment(metaclass=_Integers):
        """An :data:`Instant` of an event. A class of its own, for msgspec lets nobody else read what is said to be an integer."""

        @classmethod
        def __get_pydantic_core_schema__(cls, _source: object, handler: Any) -> Any:
            return handler.generate_schema(Instant)


InstantIfAny = Annotated[Instant | None, AfterValidator(lambda at: None if at == LATEST else at)]
"""An instant that may be absent in what somebody sends: also as the contract's "not yet", which nobody means to wait for."""

Traceparent = Annotated[str | None, BeforeValidator(traceparent_of), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})]
"""Where something belongs in a trace (W3C); what is malformed is taken for absent."""

NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, StringConstraints(max_length=255, pattern=NO_NUL)]
Text = Annotated[str, StringConstraints(max_length=65_536, pattern=NO_NUL)]
WORD_PATTERN = r"^[A-Za-z0-9_.:\-]+$"
Word = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=WORD_PATTERN)]
Milliseconds = Annotated[int, Field(ge=0, le=366 * DAY_MS)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Priority = Annotated[int, Field(ge=-100, le=100)]

NO_SPACE = r"^[^\s\x00]+$"
Username = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_SPACE, to_lower=True)]
"""What somebody logs in under; upper case is folded."""
HASH_PATTERN = r"^[0-9a-f]{64}$"
TokenHash = Annotated[str, StringConstraints(pattern=HASH_PATTERN)]
"""SHA-256 of a token of at least 128 random bits, hexadecimal."""
SCRYPT_PATTERN = r"^scrypt\$[1-9][0-9]{0,2}\$[0-9a-f]{32}\$[0-9a-f]{64}$"
PasswordHash = Annotated[str, StringConstraints(pattern=SCRYPT_PATTERN)]
"""``scrypt$<log2 of n>$<salt>$<key>``: salt and key hexadecimal, r = 8, p = 1."""
URI_PATTERN = r"^https?://[^\s\x00]+$"
Uri = Annotated[str, StringConstraints(min_length=8, max_length=2_048, pattern=URI_PATTERN)]
"""An address of the web."""
Secret = Annotated[str, StringConstraints(min_length=16, max_length=255, pattern=NO_NUL)]
POSITION_PATTERN = r"^[0-9]{1,18}(-[0-9]{1,18})*$"
PositionText = Annotated[str, StringConstraints(max_length=65_536, pattern=POSITION_PATTERN)]
"""A position of the log, as answers carry it."""

TIME_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
END_PATTERN = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
DATE_PATTERN = r"^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$"

FORMS: Final[Mapping[str, str]] = {
    UUID_PATTERN: "must be a UUID, like 7f1b1c5e-0000-4000-8000-000000000001",
    NO_NUL: "must not have a NUL character",
    WORD_PATTERN: "must be of letters, digits and _ . : -",
    NO_SPACE: "must not have spaces",
    HASH_PATTERN: "must be a SHA-256 in 64 hexadecimal digits of lower case",
    SCRYPT_PATTERN: "must be scrypt$<log2 of n>$<salt>$<key>, salt and key in hexadecimal digits",
    URI_PATTERN: "must be an address that begins with http:// or https://",
    POSITION_PATTERN: "must be a position as answers carry it: numbers with - between them",
    TIME_PATTERN: "must be a time of day, 00:00 to 23:59",
    END_PATTERN: "must be a time of day, 00:01 to 24:00",
    DATE_PATTERN: "must be a date like 2026-12-25, or 12-25 for that day of every year",
}
"""What a text must be, for people, by the pattern it is checked with."""
