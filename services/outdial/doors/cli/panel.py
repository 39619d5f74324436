"""The numbers of an outdial while it dials, as the page shows them: drawn again in place on a terminal, as a line elsewhere."""

import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from outdial.doors.cli.output import console, is_terminal, one_line, span
from outdial.scalars import LATEST, parse_instant

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

    from outdial.client.routes import Route

WINDOW_S = 10.0
MOST_CALLS: Final = 50
TAKEN: Final = 18
"""Lines of the view besides the reasons and the calls, of which there may be many."""
LEAST_ROWS: Final = 4
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


class Pace:
    """Attempts that ended per minute, over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def per_minute(self, stats: Stats) -> float:
        """Take the newest numbers; returns the pace they show."""
        now, ended = monotonic(), sum(stats["ended"].values())
        self._seen.append((now, ended))
        while now - self._seen[0][0] > WINDOW_S and len(self._seen) > 2:  # noqa: PLR2004  a pace needs two
            self._seen.popleft()
        (since, before) = self._seen[0]
        return (ended - before) * 60 / (now - since) if now > since else 0.0


def is_over(stats: Stats) -> bool:
    """Whether no target is waiting, and no call open."""
    return bool(stats["total"]) and not stats["waiting"] and not stats["open_attempts"]


def _dialing(stats: Stats) -> str:
    return ", ".join((str(stats["dialing"]), *(word for word in ("paused", "draining") if stats.get(word))))


# --- a line ---------------------------------------------------------------------------------------


def line(stats: Stats, pace: float) -> str:
    """The numbers in one line."""
    states = stats["lifecycle"]
    return (
        f"{_dialing(stats)}: {stats['total']} targets, {states['finished']} reached, {states['failed']} out of tries, "
        f"{stats['open_attempts']} calls open, {stats['due_now']} due now, {stats['waiting']} waiting, {pace:.0f} attempts/min"
    )


# --- a view ---------------------------------------------------------------------------------------


def view(name: str, look: Look, pace: float, note: str = "", height: int = 24) -> "RenderableType":
    """All of it: the verdict, how far it is, how fast it goes, what holds it, the calls in progress. In so many lines."""
    from rich.console import Group
    from rich.text import Text

    stats, why, calls = look.stats, look.why or {}, look.calls or {}
    at = _instant(why.get("at"))
    held = [reason for reason in why.get("reasons", ()) if reason["why"] != "reached"]
    opened = calls.get("result", [])
    spare = max(LEAST_ROWS, height - TAKEN)
    shown = min(len(opened), max(spare - len(held), spare // 2))
    rate = f"{pace:.0f} attempts/min, {why.get('per_minute', 0):,} requested in the last minute, {stats['requested']:,} in all"
    return Group(
        Text(f"{one_line(name)}   {_dialing(stats)}", style="bold", no_wrap=True, overflow="ellipsis"),
        Text(why.get("verdict") or "Why it does or does not dial is not known now."),
        "",
        _funnel(stats, at),
        "",
        Text(rate, no_wrap=True, overflow="ellipsis"),
        *_held(held[: spare - shown], at),
        *_open(opened[:shown], calls.get("open", 0), at),
        Text(note, no_wrap=True, overflow="ellipsis") if note else Text("Ctrl-C leaves.", style="dim"),
    )


def _funnel(stats: Stats, at: int | None) -> "Table":
    from rich.text import Text

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
    table = _table("", ">", "", header=False)
    for label, number, style, told in numbers:
        table.add_row(label, f"{number:,}", told or Text("█" * round(BAR * number / total), style=style))
    return table


def _held(reasons: list[Mapping[str, Any]], at: int | None) -> "Iterator[RenderableType]":
    if not reasons:
        return
    table = _table("held by", ">targets", "let go")
    for reason in reasons:
        until = _instant(reason["next_at"])
        when = "by something that happens" if until is None else "now" if at is None or until <= at else f"in {span(until - at)}"
        table.add_row(reason["says"], f"{reason['targets']:,}", when)
    yield ""
    yield table


def _open(calls: list[Mapping[str, Any]], number: int, at: int | None) -> "Iterator[RenderableType]":
    if not calls:
        return
    table = _table(f"{number:,} calls open", "try", "state", ">for")
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


def _table(*columns: str, header: bool = True) -> "Table":
    """A table of lines that are never broken; ``>`` before a name puts a column to the right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=header, header_style="bold")
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
        self._pace = Pace()
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
        pace = self._pace.per_minute(look.stats)
        if self._live is not None:
            self._live.update(view(self._name, look, pace, note, self._live.console.height), refresh=True)
            return
        rule, verdict = (None, "") if look.why is None else (look.why["why"], look.why["verdict"])
        told = (line(look.stats, 0), rule)
        if told != self._told:
            self._told = told
            tail = f". {verdict}" if verdict.startswith("Not dialing") else ""
            print(f"{line(look.stats, pace)}{tail}", file=self._stream, flush=True)
