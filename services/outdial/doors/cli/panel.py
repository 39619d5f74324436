"""The numbers of an outdial while it dials: as a live table on a terminal, as a line elsewhere."""

import sys
from collections import deque
from collections.abc import Mapping
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

STATES = ("idle", "dialing", "answered", "busy", "no_answer", "finished", "failed")
WINDOW_S = 10.0
Stats = Mapping[str, Any]


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


def line(stats: Stats, pace: float) -> str:
    """The numbers in one line."""
    states = stats["lifecycle"]
    return (
        f"{_dialing(stats)}: {stats['total']} targets, {states['finished']} reached, {states['failed']} out of tries, "
        f"{stats['open_attempts']} calls open, {stats['due_now']} due now, {stats['waiting']} waiting, {pace:.0f} attempts/min"
    )


def table(name: str, stats: Stats, pace: float, note: str = "") -> "RenderableType":
    """The numbers as a table with bars."""
    from rich.table import Table
    from rich.text import Text

    states, total = stats["lifecycle"], stats["total"] or 1
    view = Table(
        title=f"{name}   {_dialing(stats)}", title_justify="left", caption=note or None, caption_justify="left", box=None, pad_edge=False
    )
    view.add_column("state")
    view.add_column("targets", justify="right")
    view.add_column("")
    for state in STATES:
        view.add_row(state, str(states[state]), Text("█" * round(40 * states[state] / total), style=_STYLES.get(state, "")))
    view.add_section()
    view.add_row("calls open", str(stats["open_attempts"]), f"{pace:.0f} attempts/min, {stats['requested']} requested in all")
    view.add_row("due now", str(stats["due_now"]), f"next due {stats['next_due']}" if stats.get("next_due") else "")
    view.add_row("waiting", str(stats["waiting"]), "targets with a try left")
    return view


_STYLES = {"dialing": "cyan", "answered": "green", "busy": "yellow", "no_answer": "yellow", "finished": "green", "failed": "red"}


class Screen:
    """Where the numbers are shown: redrawn in place on a terminal, else a line each time."""

    def __init__(self, name: str, *, stderr: bool = False) -> None:
        self._name = name
        self._stream = sys.stderr if stderr else sys.stdout
        self._stderr = stderr
        self._live: Live | None = None
        self._pace = Pace()

    @property
    def moves(self) -> bool:
        """True when the numbers are redrawn in place."""
        return self._live is not None

    def __enter__(self) -> Self:
        from outdial.doors.cli.output import console, is_terminal

        if is_terminal(self._stream):
            from rich.live import Live

            self._live = Live(console=console(stderr=self._stderr), auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, stats: Stats, note: str = "") -> None:
        """Show the newest numbers."""
        pace = self._pace.per_minute(stats)
        if self._live is None:
            print(line(stats, pace), file=self._stream, flush=True)
        else:
            self._live.update(table(self._name, stats, pace, note), refresh=True)
