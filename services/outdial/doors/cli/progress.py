"""How far a long job is: a bar on stderr when that is a terminal, a plain line every ten seconds when not."""

import os
import sys
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from outdial.doors.cli.session import say
from outdial.metrics import per_second
from outdial.scalars import SECOND_US

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

QUIET_S = 1.0
"""Shorter jobs show nothing."""
LINE_EVERY_S = 10.0
BAR = 20
"""Columns of the bar: what is said beside it fits 80."""


class Progress:
    """Counts what is done of a total (None: not known), in ``unit``."""

    def __init__(self, title: str, total: int | None, unit: str = "") -> None:
        self._begun = self._told = monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self.phase(title, total, unit)

    def phase(self, title: str, total: int | None, unit: str = "", *, anew: bool = True) -> None:
        """Go on to the next part of the job. Not ``anew``: it began with the part before, and is as fast as both were."""
        self._title, self._total, self._unit = title, total, unit
        if anew:
            self._since = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, done: int, note: str = "", *, count: int | None = None) -> None:
        """Tell how far it is. ``note`` is a further number to show; ``count`` is shown where the total is of something else."""
        now = monotonic()
        if now - self._begun < QUIET_S:
            return
        shown = done if count is None else count
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            number = "" if count is None else f"{count:,} {self._unit}, "
            self._draw(done, f"{number}{self._speed(shown, done, now)}{f', {note}' if note else ''}")
        elif now - self._told >= LINE_EVERY_S:
            self._told = now
            say(f"{self._title}: {self._share(shown, done)}{f', {note}' if note else ''}, {self._speed(shown, done, now)}")

    def _share(self, shown: int, done: int) -> str:
        if not self._total:
            return f"{shown:,} {self._unit}"
        whole = f" of {self._total:,}" if shown == done else ""
        return f"{shown:,}{whole} {self._unit} ({100 * done // self._total} %)"

    def _speed(self, shown: int, done: int, now: float) -> str:
        """How fast it went so far, and how long the rest takes at that rate."""
        from outdial.doors.cli.output import span

        taken = now - self._since
        said = f"{per_second(shown, taken):,.0f} {self._unit}/s"
        left = (self._total or 0) - done
        return f"{said}, {span(round(left / per_second(done, taken) * SECOND_US))} left" if left > 0 and done else said

    def _draw(self, done: int, told: str) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn
            from rich.progress import Progress as Bar

            from outdial.doors.cli.output import console

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(BAR),
                TaskProgressColumn(),
                TextColumn("{task.fields[told]}"),
                console=console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=self._total, told=told)
        if self._task is not None:
            self._bar.update(self._task, description=self._title, total=self._total, completed=done, told=told)
