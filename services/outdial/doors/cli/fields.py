"""Fields of resources as they are typed: durations, addresses, ``FIELD=VALUE``, JSON from a file."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

SLOTS = 5
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")


def milliseconds(text: str) -> int:
    """A duration such as ``90s``, ``2h`` or ``1500`` (milliseconds), in milliseconds.

    Raises:
        typer.BadParameter: it is none.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        message = f"{text!r} is no duration; write 30s, 10m, 2h, or milliseconds as a plain number"
        raise typer.BadParameter(message)
    return round(float(found[1]) * _UNITS[found[2] or "ms"])


def caps(text: str) -> dict[str, int]:
    """``3,2`` as ``max_try_count_0`` = 3 and ``max_try_count_1`` = 2, the others 0."""
    parts = text.split(",")
    if len(parts) > SLOTS or not all(part.strip().isdecimal() for part in parts):
        message = f"{text!r} must be up to five numbers, one per destination: 3,2"
        raise typer.BadParameter(message)
    return {f"max_try_count_{slot}": int(parts[slot]) if slot < len(parts) else 0 for slot in range(SLOTS)}


def address(text: str) -> dict[str, str]:
    """An address by its look: ``+12025550123``, ``sip:user@host``, ``user@host``; or ``type:target``.

    Raises:
        typer.BadParameter: it is none.
    """
    from outdial.address import by_look

    if (found := by_look(text)) is not None:
        return found
    message = "an address looks like +12025550123, sip:user@host, user@host, or TYPE:TARGET"
    raise typer.BadParameter(message)


def gathered(given: dict[str, Any], assignments: Sequence[str] | None, source: str | None) -> dict[str, Any]:
    """The fields of a body: those of a JSON file, over them ``FIELD=VALUE``, over them the named options that were given.

    Raises:
        typer.BadParameter: the file holds no JSON object, or an assignment no ``=``.
    """
    fields: dict[str, Any] = {}
    if source is not None:
        fields.update(_from_file(source))
    for text in assignments or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            message = f"{text!r}: write it as FIELD=VALUE"
            raise typer.BadParameter(message)
        fields[name] = _value(value)
    fields.update((name, value) for name, value in given.items() if value is not None)
    return fields


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _from_file(source: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
    except UnicodeDecodeError:
        message = f"{source} is no text in UTF-8"
        raise typer.BadParameter(message) from None
    try:
        value = json.loads(text)
    except ValueError as error:
        message = f"{source} is not JSON: {error}"
        raise typer.BadParameter(message) from None
    if not isinstance(value, dict):
        message = f"{source} must hold a JSON object"
        raise typer.BadParameter(message)
    return value
