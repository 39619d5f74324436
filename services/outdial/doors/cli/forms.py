"""The forms data is printed in for programs: JSON, YAML, CSV. Each of them reads back as the same values."""

import csv
import io
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from outdial import wire

Form = Literal["table", "json", "yaml", "csv"]
PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+-]+)*")
RESERVED: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
"""What YAML readers, old and new, take for something else than a text."""
ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class Printer:
    """Prints values on stdout: one document each, of a stream of them all in one text."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._columns: list[str] | None = None
        self._begun = False

    def one(self, value: Any) -> None:
        """Print a value, or the next of a stream."""
        match self._form:
            case "yaml":
                text = ("---\n" if self._begun else "") + yaml(_plain(value)) + "\n"
            case "csv":
                text = self.rows(_plain(value))
            case _:
                text = wire.to_json(value).decode() + "\n"
        self._begun = True
        sys.stdout.write(text)
        sys.stdout.flush()

    def rows(self, value: Any) -> str:
        """Rows under one header, which is that of the first value; what it does not name is left out of later ones."""
        rows = [row if isinstance(row, dict) else {"value": row} for row in (value if isinstance(value, list) else [value])]
        text = io.StringIO()
        lines: list[list[str]] = []
        if self._columns is None:
            self._columns = list(dict.fromkeys(name for row in rows for name in row))
            lines += [self._columns] if self._columns else []
        lines += [[_cell(row.get(name)) for name in self._columns] for row in rows]
        # A bare carriage return would end a line for most readers, and is not among what the writer quotes by itself.
        bare = any("\r" in cell for line in lines for cell in line)
        csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL).writerows(lines)
        return text.getvalue()


def _plain(value: Any) -> Any:
    return wire.from_json(wire.to_json(value))


def _cell(value: Any) -> str:
    """A value in a cell: nothing for null, texts as they are, all else as JSON."""
    return "" if value is None else value if isinstance(value, str) else wire.to_json(value).decode()


def yaml(value: Any) -> str:
    """A JSON value as YAML in block style."""
    return "\n".join(_lines(value))


def _lines(value: Any) -> Iterator[str]:
    match value:
        case dict() if value:
            yield from _mapping(value)
        case list() if value:
            for item in value:
                first, *others = _lines(item)
                yield f"- {first}"
                yield from (f"  {line}" for line in others)
        case _:
            yield _scalar(value)


def _mapping(value: Mapping[str, Any]) -> Iterator[str]:
    for name, inner in value.items():
        if isinstance(inner, dict | list) and inner:
            yield f"{_text(name)}:"
            yield from (f"  {line}" for line in _lines(inner))
        else:
            yield f"{_text(name)}: {_scalar(inner)}"


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case float():
            number = repr(value)
            return number if "." in number else number.replace("e", ".0e")
        case dict() | list():
            return "{}" if isinstance(value, dict) else "[]"
        case _:
            return str(value)


def _text(text: str) -> str:
    """A text as it is where nobody can take it for something else, else in double quotes."""
    if PLAIN.fullmatch(text) and text.lower() not in RESERVED:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    if letter in ESCAPES:
        return ESCAPES[letter]
    if letter.isprintable():
        return letter
    return f"\\U{ord(letter):08x}"
