"""Printing. Data goes to stdout: JSON, or a table for people (plain columns with tabs when stdout is no terminal)."""

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from outdial import wire
from outdial.scalars import SECOND_US

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

if TYPE_CHECKING:
    from rich.console import Console


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at a stream through a terminal on which a line can be drawn again."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def is_rich(stream: TextIO) -> bool:
    """Whether a stream gets tables with colours: a terminal, or anything under FORCE_COLOR."""
    return is_terminal(stream) or bool(os.environ.get("FORCE_COLOR"))


def console(*, stderr: bool = False) -> "Console":
    """A console that colours only a terminal, and heeds NO_COLOR and FORCE_COLOR."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False)


def print_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
    """A table of some fields of rows; returns how many there were."""
    cells = [[cell(row.get(column)) for column in columns] for row in rows]
    if not is_rich(sys.stdout):
        sys.stdout.write("\t".join(columns) + "\n")
        sys.stdout.writelines("\t".join(one_line(text) for text in line) + "\n" for line in cells)
        return len(cells)
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column in ("id", "position"), overflow="fold")
    for line in cells:
        table.add_row(*line)
    console().print(table)
    return len(cells)


def print_fields(row: Mapping[str, Any]) -> None:
    """One resource, a field per line."""
    width = max(map(len, row), default=0)
    for name, value in row.items():
        sys.stdout.write(f"{name:<{width}}  {one_line(cell(value))}\n")


def print_event(event: Mapping[str, Any]) -> None:
    """An event in a line: position, time, what happened, and its plain facts. Nothing personal is among them."""
    data = {name: value for name, value in event["data"].items() if name != "personal" and not isinstance(value, dict | list)}
    facts = " ".join(f"{name}={one_line(str(value))}" for name, value in data.items())
    print(f"{event['position']:>8}  {cell(event['time'])}  {event['type']:<18} {facts}", flush=True)


def cell(value: Any) -> str:
    """A value as people read it: no reference and not yet are a dash, an address is its endpoint, a time has seconds (UTC)."""
    match value:
        case None | "" | "00000000-0000-0000-0000-000000000000":
            return "-"
        case bool():
            return "yes" if value else "no"
        case {"target": str(target), "type": str()}:
            return target
        case str() if _TIME.fullmatch(value):
            return f"{value[:10]} {value[11:19]}"
        case dict() | list():
            return wire.to_json(value).decode() if value else "-"
        case _:
            return str(value)


def span(microseconds: int) -> str:
    """How long, by its two largest units: ``1 h 20 min``."""
    seconds = max(0, microseconds // SECOND_US)
    parts = ((seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    first = next((index for index, (number, _) in enumerate(parts) if number), 0)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number) or "0 s"


def calls_open(number: int) -> str:
    """So many calls are open, in words."""
    return f"{number:,} {'call' if number == 1 else 'calls'} open"


def one_line(text: str) -> str:
    """A text that cannot break the line it stands in, nor reach the terminal as control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
