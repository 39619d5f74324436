"""Request bodies: read within a limit, parsed, and cut down to the fields that are known."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from math import isfinite
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from outdial.doors.api.deps import made
from outdial.doors.api.errors import JSON_BODY, MEDIA_TYPE, TOO_LARGE, Refused, by_form, by_rule
from outdial.plan import PLAN_FIELDS, Plan
from outdial.wire import Malformed, from_json, to_json

SMALL: Final = 1024 * 1024
"""Bytes a body may have where one resource is written."""
LARGE: Final = 16 * 1024 * 1024
"""Bytes a body may have where many are."""
THROWN_AWAY: Final = 64 * 1024 * 1024
"""Bytes of a body that is too large which are read before the connection is ended."""
LAST_WORDS_S: Final = 1.0
"""How long the next of them is waited for."""
MANY: Final = 10_000
"""Items a body may have."""
JSON_TYPES: Final = frozenset({"", "application/json"})
CSV_TYPES: Final = frozenset({"text/csv", "application/csv"})
LINES_TYPES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
DEEPEST: Final = 64
"""Levels a campaign's actions may have."""
WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")
"""A name that is not known, where a message may repeat it. What is no word may be somebody's number, put in the wrong place."""
_PLAN_NULLABLE: Final = frozenset({"source", "max_attempts", "calls_per_second", "windows", "time_zone", "result_policy"})


async def read_bytes(request: Request, limit: int, types: frozenset[str] = JSON_TYPES) -> bytearray:
    """The body, which is in memory whole, and never more than ``limit`` bytes of it.

    Raises:
        Refused: 413 too large, 415 not one of the media types, 400 the connection ended within it.
    """
    media_type_of(request, types)
    sent = request.headers.get("content-length", "")
    body, stream = bytearray(), request.stream()
    try:
        if sent.isascii() and sent.isdigit() and (len(sent) > 18 or int(sent) > limit):  # noqa: PLR2004  digits of a length
            if "expect" not in request.headers:
                await _throw_away(stream)
            raise _too_large(limit)
        async for chunk in stream:
            body += chunk
            if len(body) > limit:
                await _throw_away(stream)
                raise _too_large(limit)
    except ClientDisconnect:
        raise Refused(JSON_BODY, "body_cut", "the connection ended before the body did") from None
    return body


async def _throw_away(stream: AsyncIterator[bytes]) -> None:
    """Read on, to the end of a body or as far as is reasonable: a client cut off while it sends never reads why."""
    loop, size = asyncio.get_running_loop(), 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS_S) as patience:
            async for chunk in stream:
                size += len(chunk)
                if size > THROWN_AWAY:
                    return
                patience.reschedule(loop.time() + LAST_WORDS_S)


def media_type_of(request: Request, types: frozenset[str]) -> str:
    """The media type of the body, lower case, "" when none is said.

    Raises:
        Refused: 415.
    """
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    charset = parameters.lower().partition("charset=")[2].strip().strip('"')
    if kind not in types:
        raise Refused(MEDIA_TYPE, "media_type_unknown", f"send Content-Type: {', '.join(sorted(filter(None, types)))}")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise Refused(MEDIA_TYPE, "charset_unknown", "send the body in UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(MEDIA_TYPE, "encoding_unknown", "send the body without Content-Encoding")
    return kind


def _too_large(limit: int) -> Refused:
    return Refused(TOO_LARGE, "too_large", f"a body here may have {limit} bytes", headers={"Connection": "close"})


async def read_json(request: Request, limit: int = SMALL) -> Any:
    """The JSON value a body holds."""
    try:
        return from_json(bytes(await read_bytes(request, limit)))
    except Malformed as why:
        raise by_form(why) from None


async def read_object(request: Request, limit: int = SMALL) -> dict[str, Any]:
    """The JSON object a body holds; ``null`` fields count as absent.

    Raises:
        Refused: INVALID_JSON_BODY.
    """
    return as_object(await read_json(request, limit))


def as_object(value: Any) -> dict[str, Any]:
    """A JSON value that must be an object."""
    if not isinstance(value, dict):
        raise Refused(JSON_BODY, "json_invalid", "the body must be a JSON object")
    return value


def picked(body: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The named fields that are there. Contract bodies may hold others; ``null`` counts as absent."""
    return {name: body[name] for name in names if body.get(name) is not None}


def needed(body: Mapping[str, Any], name: str) -> Any:
    """A field that must be there."""
    if body.get(name) is None:
        raise by_rule("field_missing", f"{name} is missing", pointer=f"/{name}")
    return body[name]


def metadata_text(value: Any) -> str:
    """The JSON text an object under ``metadata`` is kept as.

    Raises:
        Malformed: it is no object, or holds a number beyond what JSON readers know.
    """
    if not isinstance(value, dict):
        raise Malformed("field_invalid", "metadata must be an object")
    text = to_json(value)
    try:
        from_json(text)
    except Malformed:
        raise Malformed("field_invalid", "metadata holds a number that is too large") from None
    return text.decode()


def check_actions(actions: Any, depth: int = 0) -> None:
    """Actions are kept as they come, so they must be what every reader of the log can read again.

    Raises:
        Refused: they are nested too deep, or hold a number beyond what JSON readers know.
    """
    match actions:
        case dict() | list() | tuple():
            if depth == DEEPEST:
                raise by_rule("field_invalid", f"actions may be nested {DEEPEST} deep")
            for inner in actions.values() if isinstance(actions, dict) else actions:
                check_actions(inner, depth + 1)
        case float() if not isfinite(actions):
            raise by_rule("field_invalid", "actions hold a number that is too large")


def plan_from(body: Any, base: Plan | None = None, at: str = "") -> Plan:
    """The plan the fields of a body give, over ``base`` where one is changed. ``at``: the JSON pointer of the object they are in.

    The body of a contract route may hold other fields too. An object that is a plan and nothing else may not: whoever writes
    ``windws`` means that nobody is called at night.

    Raises:
        Refused: a field has a bad value, or is none of a plan.
    """
    if not isinstance(body, dict):
        raise by_rule("field_invalid", "plan must be an object")
    fields: dict[str, Any] = body
    unknown = next((name for name in fields if name not in PLAN_FIELDS), None) if at else None
    if unknown is not None:
        named = f"/{unknown}" if WORD.fullmatch(unknown) else ""
        where = f"{at[1:]}.{unknown}" if named else f"what is named in {at[1:]}"
        raise by_rule("unknown_field", f"{where} is not a field here", pointer=at + named)
    changes = {name: fields[name] for name in PLAN_FIELDS if name in fields and (fields[name] is not None or name in _PLAN_NULLABLE)}
    return made(Plan, changes if base is None else base.model_dump() | changes, at)
