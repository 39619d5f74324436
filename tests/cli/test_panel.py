"""The numbers of an outdial, redrawn on a terminal and line by line elsewhere."""

import io
import re
import sys
from typing import Any

import pytest

from outdial.doors.cli import panel
from outdial.doors.cli.panel import Pace, Screen, is_over


def numbers(finished: int = 0, **more: Any) -> dict[str, Any]:
    states = dict.fromkeys(panel.STATES, 0) | {"idle": 10 - finished, "finished": finished}
    ended = {"answered": finished, "busy": 0}
    return {
        "dialing": "run", "total": 10, "lifecycle": states, "open_attempts": 2, "due_now": 3, "waiting": 4,
        "requested": 5, "ended": ended, "next_due": None, **more,
    }  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_every_look_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen("June") as screen:
        screen.show(numbers(1))
        screen.show(numbers(2))
    lines = capsys.readouterr().out.splitlines()
    assert [re.search(r"(\d+) reached", line)[1] for line in lines] == ["1", "2"]  # type: ignore[index]
    assert "\x1b" not in "".join(lines)


def test_on_a_terminal_the_numbers_are_redrawn_with_the_note_last(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Screen("June") as screen:
        screen.show(numbers(1), "http://127.0.0.1:8080")
        screen.show(numbers(7), "http://127.0.0.1:8080")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "June" in shown
    assert re.search(r"finished\s+7", shown)
    assert shown.rstrip().endswith("http://127.0.0.1:8080")
    assert "\x1b[" in terminal.getvalue()


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb")])
def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv(name, value)
    with Screen("June") as screen:
        screen.show(numbers(1))
    assert "\x1b" not in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


def test_the_pace_is_what_ended_in_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(panel, "monotonic", lambda: now)
    pace = Pace()
    assert pace.per_minute(numbers(0)) == 0
    for second in range(1, 31):
        now = float(second)
        rate = pace.per_minute(numbers(min(second, 10)))
        if second == 10:
            assert rate == 60
    assert rate == 0


def test_a_list_is_over_when_nothing_waits_and_no_call_is_open() -> None:
    assert is_over(numbers(waiting=0, open_attempts=0))
    assert not is_over(numbers(waiting=1, open_attempts=0))
    assert not is_over(numbers(waiting=0, open_attempts=1))
    assert not is_over(numbers(total=0, waiting=0, open_attempts=0))
