"""The numbers of an outdial while it dials, as the page shows them: drawn again in place on a terminal, as a line elsewhere."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from outdial.doors.cli.output import calls_open, console, is_terminal, one_line, span
from outdial.scalars import LATEST, parse_instant

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

    from outdial.client.routes import Route

MOST_CALLS: Final = 50
TAKEN: Final = 18
"""Lines of the view besides the reasons and the calls, of which there may be many."""
LEAST_ROWS: Final = 4
LEAST_LABEL: Final = 12
"""Columns that what is counted keeps on a narrow terminal."""
BAR: Final = 40
SHORTEST_MASKED: Final = 9
Stats = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of an outdial at one time, as it was served."""

    stats: dict[str, Any]
    why: Mapping[str, Any] | None = None
    """None where nobody could say."""
    calls: Mapping[str, Any] | None = None


def questions(outdial_id: str) -> "tuple[Route[Any], Route[Any], Route[Any]]":
    """What is asked for a look, in its order."""
    from outdial.client import routes

    return routes.stats(outdial_id), routes.why(outdial_id), routes.open_attempts(outdial_id, MOST_CALLS)


def is_over(stats: Stats) -> bool:
    """Whether no target is waiting, and no call open."""
    return bool(stats["total"]) and not stats["waiting"] and not stats["open_attempts"]


def _dialing(stats: Stats) -> str:
    return ", ".join((str(stats["dialing"]), *(word for word in ("paused", "draining") if stats.get(word))))


# --- a line ---------------------------------------------------------------------------------------


def line(stats: Stats) -> str:
    """The numbers in one line."""
    states = stats["lifecycle"]
    return (
        f"{_dialing(stats)}: {stats['total']} targets, {states['finished']} reached, {states['failed']} out of tries, "
        f"{calls_open(stats['open_attempts'])}, {stats['waiting']} waiting, {stats['due_now']} of them due now, "
        f"{stats['requested']} requested"
    )


# --- a view ---------------------------------------------------------------------------------------


def view(name: str, look: Look, note: str = "", width: int = 80, height: int = 24) -> "RenderableType":
    """All of it: the verdict, how far it is, how fast it goes, what holds it, the calls in progress. In so many columns and lines."""
    from rich.console import Group
    from rich.text import Text

    stats, why, calls = look.stats, look.why or {}, look.calls or {}
    at = _instant(why.get("at"))
    verdict = why.get("verdict") or "Why it does or does not dial is not known now."
    held = [reason for reason in why.get("reasons", ()) if reason["why"] != "reached"]
    opened = calls.get("result", [])
    spare = max(LEAST_ROWS, height - TAKEN - len(verdict) // width)
    shown = min(len(opened), max(spare - len(held), spare // 2))
    rate = "" if look.why is None else f"{why['per_minute']:,} requested in the last minute, "
    return Group(
        Text(f"{one_line(name)}   {_dialing(stats)}", style="bold", no_wrap=True, overflow="ellipsis"),
        Text(verdict),
        "",
        *_funnel(stats, at, width),
        "",
        Text(f"{rate}{stats['requested']:,} in all", no_wrap=True, overflow="ellipsis"),
        *_held(held[: spare - shown], at, width),
        *_open(opened[:shown], calls.get("open", 0), at),
        Text(note, no_wrap=True, overflow="ellipsis") if note else Text("Ctrl-C leaves.", style="dim"),
    )


def _funnel(stats: Stats, at: int | None, width: int) -> "Iterator[RenderableType]":
    states, total = stats["lifecycle"], stats["total"] or 1
    due = _instant(stats["next_due"])
    first = f"the next in {span(due - at)}" if due is not None and at is not None and due > at else ""
    numbers = (
        ("on the list", stats["total"], "", ""),
        ("due now", stats["due_now"], "cyan", ""),
        ("due later", stats["waiting"] - stats["due_now"], "", first),
        ("in progress", states["dialing"] + states["answered"], "yellow", ""),
        ("reached", states["finished"], "green", ""),
        ("out of tries", states["failed"], "red", ""),
        ("no try left by plan", stats["no_tries"], "", ""),
    )
    digits = max(len(f"{number:,}") for _, number, *_ in numbers)
    longest = min(max(len(label) for label, *_ in numbers), max(LEAST_LABEL, width - digits - 1))
    room = min(BAR, max(0, width - longest - digits - 2))
    for label, number, style, told in numbers:
        yield _counted(label, f"{number:,}", told or "█" * round(room * number / total), (longest, digits, room), style)


def _held(reasons: list[Mapping[str, Any]], at: int | None, width: int) -> "Iterator[RenderableType]":
    if not reasons:
        return
    rows = [("held by", "targets", "let go")]
    for reason in reasons:
        until = _instant(reason["next_at"])
        when = "by something that happens" if until is None else "now" if at is None or until <= at else f"in {span(until - at)}"
        rows.append((reason["says"], f"{reason['targets']:,}", when))
    longest, digits, last = (max(len(row[column]) for row in rows) for column in range(3))
    yield ""
    for nth, row in enumerate(rows):
        yield _counted(*row, (min(longest, max(LEAST_LABEL, width - digits - last - 2)), digits, last), "" if nth else "bold")


def _counted(label: str, number: str, told: str, columns: tuple[int, int, int], style: str) -> "RenderableType":
    """A line about a number, which is whole however narrow the terminal is: what stands around it may be cut."""
    from rich.text import Text

    longest, digits, room = columns
    start = label if len(label) <= longest else f"{label[: longest - 1]}…"
    return Text.assemble(
        (f"{start:<{longest}} {number:>{digits}}", style if style == "bold" else ""),
        (f" {told[:room]}" if room else "", style),
        no_wrap=True,
        overflow="ellipsis",
    )


def _open(calls: list[Mapping[str, Any]], number: int, at: int | None) -> "Iterator[RenderableType]":
    if not calls:
        return
    table = _table(calls_open(number), "try", "state", ">for")
    for call in calls:
        began = _instant(call["answered_at"] or call["requested_at"])
        lasts = "" if at is None or began is None else span(at - began)
        table.add_row(masked(call["destination"]), f"{call['destination_index']}·{call['try_count']}", _state(call, at), lasts)
    yield ""
    yield table


def _state(call: Mapping[str, Any], at: int | None) -> str:
    if call["status"] != "dialing":
        return "talking"
    placed, gives_up = _instant(call["not_after"]), _instant(call["expires_at"])
    if at is not None and placed is not None and gives_up is not None and at > placed + call["dial_timeout"] * 1_000:
        return f"result missing, given up in {span(gives_up - at)}"
    return "ringing" if call["worker"] else "requested"


def _table(*columns: str) -> "Table":
    """A table of lines that are never broken; ``>`` before a name puts a column to the right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left", no_wrap=True, overflow="ellipsis")
    return table


def _instant(text: str | None) -> int | None:
    """Microseconds since 1970 UTC; None for not yet."""
    at = None if text is None else parse_instant(text)
    return at if isinstance(at, int) and at < LATEST else None


def masked(address: Mapping[str, Any] | None) -> str:
    """An address that tells calls apart but calls nobody: ``+1202•••0123``, ``sip:a•••@example.com``."""
    text = one_line((address or {}).get("target") or "")
    user, mark, host = text.partition("@")
    if mark:
        scheme, colon, rest = user.rpartition(":")
        return f"{scheme}{colon}{rest[:1]}•••@{host}"
    return f"{text[:5]}•••{text[-4:]}" if len(text) >= SHORTEST_MASKED else "•••"


# --- where it is shown ----------------------------------------------------------------------------


class Screen:
    """Where it is shown: drawn again in place on a terminal, else a line whenever something changed."""

    def __init__(self, name: str, *, stderr: bool = False) -> None:
        self._name = name
        self._stream = sys.stderr if stderr else sys.stdout
        self._stderr = stderr
        self._live: Live | None = None
        self._told: tuple[str, str | None] | None = None

    @property
    def moves(self) -> bool:
        """True when the numbers are redrawn in place."""
        return self._live is not None

    def __enter__(self) -> Self:
        if is_terminal(self._stream):
            from rich.live import Live

            self._live = Live(console=console(stderr=self._stderr), auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, look: Look, note: str = "") -> None:
        """Show the newest numbers."""
        if self._live is not None:
            size = self._live.console.size
            self._live.update(view(self._name, look, note, size.width, size.height), refresh=True)
            return
        rule, verdict = (None, "") if look.why is None else (look.why["why"], f"{look.why['verdict']} ")
        told = (line(look.stats), rule)
        if told != self._told:
            self._told = told
            print(f"{verdict}{line(look.stats)}", file=self._stream, flush=True)
