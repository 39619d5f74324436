"""Rows of an import: CSV or NDJSON in pieces of any size, to targets or to what is wrong with a row.

One broken row never harms another: it is named by the line it begins at, and reading goes on at the
next line. That holds for a quote that is never closed too. Memory is bounded by one row, whatever comes.
The result does not depend on how the bytes were cut into pieces.

What a cell means is decided here (which kind of address, which number); whether a target may be added is
the ledger's word.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, Literal, NamedTuple

from pydantic_core import ErrorDetails

from outdial.address import SLOTS
from outdial.commands import NewTarget
from outdial.doors.api.bodies import WORD, metadata_text
from outdial.doors.api.lines import MAX_ROW, UNDECODED, Lines
from outdial.wire import Malformed, from_json

DESTINATIONS: Final = tuple(f"destination_{slot}" for slot in range(SLOTS))
COLUMNS: Final = ("id", "name", "detail", "data", *DESTINATIONS, "try_count_max", "priority", "time_zone", "expires_at")
"""Columns a CSV file may have, in any order."""
REFUSED: Final = ("refused_line", "refused_reason", "refused_message")
"""Columns that say what was wrong with a row when it was sent before. They are left out."""
SEPARATORS: Final = ",;\t"

Form = Literal["csv", "ndjson"]

_NUMBERS: Final = ("try_count_max", "priority")
_BLOCK: Final = 65_536
_MAX_READ_AGAIN: Final = 16 * MAX_ROW
"""Characters that may be read twice over a whole file, because a quote was not closed where it should have been."""
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_NO_TEXT: Final = re.compile(f"\0|{UNDECODED.pattern}")
_FORMAL: Final = re.compile(r"^\w+ should")
_ZIP: Final = b"PK\x03\x04"
_ALIASES: Final = {"id": "target_id", "destination": "destination_0", "metadata": "data"}
_UNFINISHED: Final = "unfinished"
_MESSAGES: Final = {
    "row_too_long": f"the row is longer than {MAX_ROW:,} characters",
    "cell_too_long": "a cell of the row is far longer than any may be",
    "quote_open": "a quote opens in this row and is not closed; close it, or write it twice where the mark itself is meant",
    "quote_invalid": "text follows a closing quote; put the whole cell in quotes and write a quote inside it twice",
    "nul_byte": "there is a NUL character in it; take it out",
    "undecodable": "there are bytes in the row that are no text in the encoding of the file; save the file as UTF-8",
    "address_invalid": "is no address: write +digits with the country code, sip:user@host, or name@domain",
}


class Unreadable(Exception):
    """The file as a whole cannot be read. ``reason`` is stable, ``message`` a sentence for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Row(NamedTuple):
    """A row that spells a target."""

    line: int
    """Line of the file the row begins at, from 1."""
    row: int
    """Ordinal among the rows, from 1; the header and empty lines are none, broken rows are."""
    fields: dict[str, Any]
    """What a NewTarget is made of; ``target_id`` only if the row names one."""
    size: int
    """Characters of the row, about."""


class Flaw(NamedTuple):
    """A row that does not."""

    line: int
    row: int
    reason: str
    message: str


class RowReader:
    """Reads a file that comes in pieces: :meth:`feed` each, then :meth:`close`. Without a form it finds out which it is."""

    def __init__(self, form: Form | None = None) -> None:
        self._form = form
        self._lines = Lines()
        self._empty_lines = 0
        self._records: _Table | _Objects | None = None
        self._start = b""

    def feed(self, data: bytes) -> Iterator[list[Row | Flaw]]:
        """The rows that are complete now, some hundreds at a time.

        Raises:
            Unreadable: ``file_not_text``, ``header_invalid``, ``column_unknown``, ``column_twice`` or ``column_missing``.
        """
        if len(self._start) < len(_ZIP):
            self._start += data[: len(_ZIP)]
            if self._start.startswith(_ZIP):
                raise Unreadable("file_not_text", "this is a spreadsheet or an archive; save it as CSV and send that")
        for at in range(0, len(data), _BLOCK):
            yield self._take(data[at : at + _BLOCK], final=False)

    def close(self) -> list[Row | Flaw]:
        """The rows that the end of the file completes. Raises as :meth:`feed`, and ``file_empty``."""
        return self._take(b"", final=True)

    def _take(self, data: bytes, *, final: bool) -> list[Row | Flaw]:
        lines = self._lines.feed(data, final=final)
        if self._records is None:
            first = next((nth for nth, line in enumerate(lines) if line.strip()), len(lines))
            self._empty_lines += first
            lines = lines[first:]
            if not lines and (not final or self._form == "ndjson"):
                return []
            self._records = self._begin(lines, flawed=self._lines.flawed)
        return self._records.take(lines, flawed=self._lines.flawed, final=final)

    def _begin(self, lines: list[str], *, flawed: bool) -> "_Table | _Objects":
        """The reader of what the first line shows; takes the header of a CSV file from the lines."""
        line = self._empty_lines + 1
        if not lines:
            raise Unreadable("file_empty", f"the file is empty; its first line must name columns: {', '.join(COLUMNS)}")
        if self._form == "ndjson" or (self._form is None and lines[0].lstrip().startswith("{")):
            return _Objects(line)
        columns, separator = _header(lines.pop(0), flawed=flawed)
        return _Table(columns, separator, line + 1)


def _header(text: str, *, flawed: bool) -> tuple[list[str], str]:
    """The columns a first line names and the separator between them. Raises Unreadable."""
    allowed = f"columns are: {', '.join(COLUMNS)}"
    if len(text) > MAX_ROW or (flawed and _NO_TEXT.search(text)):
        raise Unreadable("file_not_text", "the first line is no text in UTF-8, nor in UTF-16 with a byte order mark")
    names, separator = separated(text)
    if not names:
        raise Unreadable("header_invalid", f"the first line must name columns, separated by a comma, semicolon or tab; {allowed}")
    for place, name in enumerate(names, 1):
        if name not in COLUMNS and name not in REFUSED:
            shown = f'"{name}"' if WORD.fullmatch(name) else f"number {place}"
            raise Unreadable("column_unknown", f"column {shown} is not known; {allowed}")
        if names.index(name) != place - 1:
            raise Unreadable("column_twice", f'column "{name}" stands there twice')
    if not any(name in DESTINATIONS for name in names):
        raise Unreadable("column_missing", f"a target needs somewhere to dial: name at least one of {', '.join(DESTINATIONS)}")
    return names, separator


def separated(text: str) -> tuple[list[str], str]:
    """The names in a first line, and the separator by which most of them are columns; no name, where none is."""
    best: tuple[list[str], str] = ([], ",")
    for separator in SEPARATORS:
        try:
            cells = next(csv.reader([text], delimiter=separator, strict=True))
        except csv.Error:
            continue
        names = [cell.strip().lower() for cell in cells]
        if sum(name in COLUMNS for name in names) > sum(name in COLUMNS for name in best[0]):
            best = names, separator
    return best


class _Table:
    """Records of a CSV file."""

    def __init__(self, columns: Sequence[str], separator: str, line: int) -> None:
        self._columns = columns
        self._destinations = [name for name in columns if name in DESTINATIONS]
        self._numbers = [name for name in columns if name in _NUMBERS]
        self._separator = separator
        self._waiting: list[str] = []
        """Lines of a record that has not ended."""
        self._line = line
        """Number of the first line that waits, or else of the next."""
        self._row = 0
        self._read_again = 0
        self._beyond = False
        self._some_long = False

    def take(self, lines: list[str], *, flawed: bool, final: bool) -> list[Row | Flaw]:
        """The records that are complete with these lines."""
        lines = self._waiting + lines
        self._some_long = max(map(len, lines), default=0) > MAX_ROW
        found: list[Row | Flaw] = []
        at = 0
        while at < len(lines):
            at, end, reason = self._read(lines, at, found, flawed=flawed)
            if reason is None or (reason == _UNFINISHED and not final and _length(lines, at, end) <= MAX_ROW):
                break
            at = self._refuse(lines, at, end, reason, found)
        self._waiting = lines[at:]
        self._line += at
        return found

    def _read(self, lines: list[str], at: int, found: list[Row | Flaw], *, flawed: bool) -> tuple[int, int, str | None]:
        """Read on from a line until the lines are used up or a record fails: where that one begins, how far it was read, why it failed."""
        begin = end = at
        self._beyond = False
        reader = csv.reader(self._from(lines, at), delimiter=self._separator, strict=True)
        try:
            for cells in reader:
                end = at + reader.line_num
                if (self._some_long or end - begin > 1) and _length(lines, begin, end) > MAX_ROW:
                    return begin, end, "row_too_long"
                if any(cells):
                    found.append(self._record(cells, self._line + begin, flawed=flawed))
                begin = end
        except csv.Error as error:
            end = at + reader.line_num
            if self._beyond:
                return begin, end, _UNFINISHED
            if "field limit" in str(error):
                return begin, end, "cell_too_long" if end - begin == 1 else "quote_open"
            return begin, end, "quote_invalid"
        return end, end, None

    def _from(self, lines: list[str], at: int) -> Iterator[str]:
        """The lines from one on; notes when more are asked for."""
        for nth in range(at, len(lines)):
            yield lines[nth]
        self._beyond = True

    def _refuse(self, lines: list[str], begin: int, end: int, reason: str, found: list[Row | Flaw]) -> int:
        """Refuse the record that begins at a line; gives back the line to go on at.

        That is the next one: a quote that is never closed costs one row, not all that follow. Only when a file has
        made us read too much twice in this way do we go on behind what was read.
        """
        if _length(lines, begin, end) > MAX_ROW:
            reason = "row_too_long" if len(lines[begin]) > MAX_ROW else "quote_open"
            end = begin + next(nth for nth, length in enumerate(accumulate(map(len, lines[begin:end])), 1) if length > MAX_ROW)
        elif reason == _UNFINISHED:
            reason = "quote_open"
        self._row += 1
        found.append(Flaw(self._line + begin, self._row, reason, _MESSAGES[reason]))
        self._read_again += _length(lines, begin + 1, end)
        return begin + 1 if self._read_again <= _MAX_READ_AGAIN else end

    def _record(self, cells: list[str], line: int, *, flawed: bool) -> Row | Flaw:
        """The target a record spells, or what is wrong with it."""
        self._row += 1
        if flawed and (bad := _NO_TEXT.search("".join(cells))):
            reason = _reason_of(bad)
            return Flaw(line, self._row, reason, _MESSAGES[reason])
        if len(cells) != len(self._columns):
            reason = "cells_too_many" if len(cells) > len(self._columns) else "cells_too_few"
            return Flaw(line, self._row, reason, f"the row has {len(cells)} cells, the header names {len(self._columns)} columns")
        fields: dict[str, Any] = {name: cell for name, cell in zip(self._columns, cells, strict=True) if cell and name not in REFUSED}
        size = sum(map(len, cells))
        try:
            self._understand(fields)
        except Malformed as why:
            return Flaw(line, self._row, why.reason, why.message)
        return Row(line, self._row, fields, size)

    def _understand(self, fields: dict[str, Any]) -> None:
        """Turn the cells that are no plain texts into what they spell. Raises Malformed."""
        for name in self._destinations:
            if name in fields:
                fields[name] = _address(name, fields[name])
        for name in self._numbers:
            if name in fields and _INTEGER.fullmatch(text := fields[name].strip()):
                fields[name] = int(text)
        for name in ("time_zone", "expires_at"):
            if name in fields:
                fields[name] = fields[name].strip() or None
        if "id" in fields:
            fields["target_id"] = fields.pop("id").strip() or None


class _Objects:
    """Records of an NDJSON file: one object a line."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._row = 0

    def take(self, lines: list[str], *, flawed: bool, final: bool) -> list[Row | Flaw]:  # noqa: ARG002  every line is a whole record
        """The records of these lines."""
        found: list[Row | Flaw] = []
        for line, text in enumerate(lines, self._line):
            if not text.isspace():
                self._row += 1
                try:
                    found.append(Row(line, self._row, _fields(text, flawed=flawed), len(text)))
                except Malformed as why:
                    found.append(Flaw(line, self._row, why.reason, why.message))
        self._line += len(lines)
        return found


def _fields(text: str, *, flawed: bool) -> dict[str, Any]:
    """What a NewTarget is made of, from one line of NDJSON. Raises Malformed."""
    if len(text) > MAX_ROW:
        raise Malformed("row_too_long", _MESSAGES["row_too_long"])
    if flawed and (bad := _NO_TEXT.search(text)):
        raise Malformed(_reason_of(bad), _MESSAGES[_reason_of(bad)])
    given = from_json(text)
    if not isinstance(given, dict):
        raise Malformed("json_invalid", "a line must be one JSON object")
    fields: dict[str, Any] = {}
    for key, value in given.items():
        if key in REFUSED:
            continue
        name = _ALIASES.get(key, key)
        if name not in NewTarget.model_fields:
            raise Malformed("unknown_field", f"{key if WORD.fullmatch(key) else 'what is named'} is not a field of a target")
        if value is None:
            continue
        if name in fields:
            raise Malformed(f"{name.partition('_')[0]}_ambiguous", f"{key} is another name of {name}: give one of the two")
        fields[name] = metadata_text(value) if key == "metadata" else _address(name, value) if name in DESTINATIONS else value
    return fields


def _address(name: str, value: Any) -> Any:
    """The address a text spells by its looks, None for an empty one; whether it is one the ledger says. Raises Malformed."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("+"):
        return {"type": "tel", "target": text}
    if not text:
        return None
    if text[:5].lower().startswith(("sip:", "sips:")):
        return {"type": "sip", "target": text}
    if "@" in text:
        return {"type": "email", "target": text}
    raise Malformed("address_invalid", f"{name} {_MESSAGES['address_invalid']}")


def _reason_of(bad: re.Match[str]) -> str:
    return "nul_byte" if bad[0] == "\0" else "undecodable"


def _length(lines: Sequence[str], begin: int, end: int) -> int:
    """Characters of the lines from one on to before another."""
    return sum(map(len, lines[begin:end]))


def field_flaw(path: Sequence[int | str], found: ErrorDetails) -> tuple[str, str]:
    """Reason and sentence for a field no NewTarget may have. ``path`` leads to it within the NewTarget."""
    name = ".".join(map(str, path))
    if name == "target_id":
        return "field_invalid", "id must be a UUID; a row without one gets its own"
    if found["type"] == "string_pattern_mismatch":
        return "nul_byte", f"{name}: {_MESSAGES['nul_byte']}"
    if found["type"] == "extra_forbidden":
        return "unknown_field", f"{name} is not a field here"
    return "field_invalid", f"{name} {_FORMAL.sub('must', found['msg'])}"
