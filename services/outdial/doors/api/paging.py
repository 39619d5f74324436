"""Pages and times, as the contract has them. Source: contract 1.4, 1.5, C7, C23, C24."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from starlette.requests import HTTPConnection, Request

from outdial.doors.api.deps import flag, is_id
from outdial.doors.api.errors import PARAMETER, Refused
from outdial.scalars import format_instant, parse_instant

MOST: Final = 100
_LONGEST_TOKEN: Final = 100
NOT_YET: Final = "9999-01-01 00:00:00.000000"

Times = Callable[[int | None], str | None]
"""How instants are written in this answer."""
Before = tuple[int, str | None] | None


def seeds_time(at: int | None) -> str:
    """``2022-04-28 01:41:40.503790``; "not yet" is the year 9999."""
    if at is None:
        return NOT_YET
    text = format_instant(at)
    return f"{text[:10]} {text[11:26]}"


def iso_time(at: int | None) -> str | None:
    """RFC 3339; "not yet" is null."""
    return None if at is None else format_instant(at)


def times_of(request: HTTPConnection) -> Times:
    """The form a client wants its times in: ``?time=iso`` or header ``Outdial-Time: iso``, else the contract's."""
    if b"time=iso" in request.scope["query_string"] and request.query_params.get("time") == "iso":
        return iso_time
    return iso_time if request.headers.get("outdial-time", "").lower() == "iso" else seeds_time


class Row(Protocol):
    """What pages are made of."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def tm_create(self) -> int:
        """When it came to be."""


class Asked(NamedTuple):
    """Which page is wanted."""

    size: int
    before: Before
    deleted: bool

    @property
    def limit(self) -> int:
        """Rows to fetch: one more than shown, to know whether it shares the last one's microsecond."""
        return self.size + 1


def asked(request: Request) -> Asked:
    """The page a request asks for.

    Raises:
        Refused: INVALID_REQUEST_PARAMETER.
    """
    if not request.scope["query_string"]:
        return Asked(MOST, None, deleted=False)
    return Asked(_size(request.query_params.get("page_size")), _before(request.query_params.get("page_token")), flag(request, "deleted"))


def _size(text: str | None) -> int:
    if not text:
        return MOST
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise Refused(PARAMETER, "field_invalid", "page_size must be an integer")
    return int(text) if len(digits) <= len(str(MOST)) and 1 <= int(text) <= MOST else MOST


def _before(token: str | None) -> Before:
    if not token:
        return None
    time, comma, row = token.partition(",")
    row = row.lower()
    try:
        at = parse_instant(time) if len(token) <= _LONGEST_TOKEN else None
    except ValueError:
        at = None
    if not isinstance(at, int) or (comma and not is_id(row)):
        raise Refused(PARAMETER, "field_invalid", "page_token must be a next_page_token, or a time such as 2022-04-28 01:41:40.503790")
    return at, row if comma else None


R = TypeVar("R", bound=Row)


def page(rows: Sequence[R], wanted: Asked, times: Times, shape: Callable[[R], dict[str, Any]]) -> dict[str, Any]:
    """The body of a list, from one row more than it shows."""
    shown = rows[: wanted.size]
    return {"result": [shape(row) for row in shown], "next_page_token": _token(shown, rows[wanted.size :], times)}


def _token(shown: Sequence[R], rest: Sequence[R], times: Times) -> str:
    if not shown:
        return ""
    last = shown[-1]
    time = times(last.tm_create) or ""
    return f"{time},{last.id}" if rest and rest[0].tm_create == last.tm_create else time
