"""The numbers of an outdial, redrawn on a terminal and line by line elsewhere."""

import io
import re
import sys
from typing import Any

import pytest
from rich.console import Console

from outdial.doors.cli.output import span
from outdial.doors.cli.panel import Look, Screen, is_over, masked, view


def numbers(finished: int = 0, **more: Any) -> dict[str, Any]:
    states = dict.fromkeys(("dialing", "answered", "busy", "no_answer", "failed"), 0) | {"idle": 10 - finished, "finished": finished}
    ended = {"answered": finished, "busy": 0}
    return {
        "dialing": "run", "total": 10, "lifecycle": states, "open_attempts": 2, "due_now": 3, "waiting": 4, "no_tries": 0,
        "requested": 5, "ended": ended, "next_due": None, **more,
    }  # fmt: skip


def looks(finished: int = 0, **more: Any) -> Look:
    """A look at a list where this many are reached, two are called, and three rules hold the others."""
    reasons = [
        {"why": "reached", "says": "reached", "targets": finished, "next_at": None},
        {"why": "attempt_open", "says": "a call to it is open", "targets": 2, "next_at": "2026-06-01T10:00:40.000000Z"},
        {"why": "not_due", "says": "its wait is not over", "targets": 4, "next_at": "2026-06-01T12:03:00.000000Z"},
        {"why": "tries_spent", "says": "its tries are spent", "targets": 1, "next_at": None},
    ]
    verdict = "Not dialing: paused (since 2026-06-01 09:00:00 UTC); only resuming it changes that."
    why = {"at": "2026-06-01T10:00:10.000000Z", "why": "paused", "verdict": verdict, "per_minute": 42, "reasons": reasons}
    return Look(numbers(finished, **more), why, {"open": 2, "result": [opened(), opened(worker="w", requested_at="2026-06-01T09:59:10Z")]})


def opened(**more: Any) -> dict[str, Any]:
    return {
        "status": "dialing", "destination": {"type": "tel", "target": "+12025550123"}, "destination_index": 1, "try_count": 3,
        "worker": None, "dial_timeout": 30_000, "requested_at": "2026-06-01T10:00:05Z", "answered_at": None,
        "not_after": "2026-06-01T09:59:20Z", "expires_at": "2026-06-01T10:00:50Z", **more,
    }  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_every_look_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen("June") as screen:
        screen.show(looks(1))
        screen.show(looks(2))
    lines = capsys.readouterr().out.splitlines()
    assert [re.search(r"(\d+) reached", line)[1] for line in lines] == ["1", "2"]  # type: ignore[index]
    assert "\x1b" not in "".join(lines)


def test_on_a_terminal_the_numbers_are_redrawn_with_the_note_last(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Screen("June") as screen:
        screen.show(looks(1), "http://127.0.0.1:8080")
        screen.show(looks(7), "http://127.0.0.1:8080")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "June" in shown
    assert re.search(r"reached\s+7", shown)
    assert shown.rstrip().endswith("http://127.0.0.1:8080")
    assert "\x1b[" in terminal.getvalue()


def test_elsewhere_nothing_is_told_twice_and_what_holds_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen("June") as screen:
        for look in (looks(1), looks(1), looks(2), Look(numbers(2))):
            screen.show(look)
    first, second, unknown = capsys.readouterr().out.splitlines()
    assert first.startswith("Not dialing: paused (since 2026-06-01 09:00:00 UTC); only resuming it changes that. run: 10 targets, ")
    assert "1 reached" in first
    assert "2 reached" in second
    assert unknown.startswith("run: 10 targets, ")


def test_elsewhere_the_verdict_comes_first_also_while_it_dials(capsys: pytest.CaptureFixture[str]) -> None:
    look = looks(1)
    with Screen("June") as screen:
        screen.show(Look(look.stats, {**(look.why or {}), "why": None, "verdict": "Dialing 42/min; 3 due now."}))
    assert capsys.readouterr().out.startswith("Dialing 42/min; 3 due now. run: 10 targets, ")


def drawn(look: Look, width: int = 80, **how: Any) -> list[str]:
    """The lines of the view on a terminal of so many columns."""
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    console.print(view("June", look, width=width, **how))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_view_says_what_the_page_says_within_80_columns_and_24_lines() -> None:
    lines = drawn(looks(3))
    assert max(map(len, lines)) <= 80
    assert len(lines) < 24
    said = "\n".join(lines)
    for expected in (
        r"^June   run$", r"^Not dialing: paused", r"on the list +10", r"due now +3", r"due later +1", r"in progress +0", r"reached +3",
        r"^42 requested in the last minute, 5 in all$", r"its wait is not over +4 +in 2 h 2 min",
        r"its tries are spent +1 +by something that happens", r"2 calls open", r"\+1202•••0123 +1·3 +result missing, given up in 40 s +5 s",
    ):  # fmt: skip
        assert re.search(expected, said, re.MULTILINE), expected
    assert "+12025550123" not in said


@pytest.mark.parametrize("width", [80, 60, 36, 28])
def test_no_number_of_the_view_is_cut_however_narrow_the_terminal(width: int) -> None:
    counts = {"total": 1_234_567, "due_now": 345_678, "waiting": 456_789, "no_tries": 6_789}
    look = looks(3, **counts)
    assert look.why is not None
    reasons = [{**reason, "targets": 456_000 + nth} for nth, reason in enumerate(look.why["reasons"])]
    lines = drawn(Look(look.stats, {**look.why, "reasons": reasons}), width)
    said = "\n".join(lines)
    assert max(map(len, lines)) <= width
    for number in ("1,234,567", "345,678", "111,111", "6,789", "456,001", "456,002", "456,003"):
        assert number in said
    assert "█" in said or width < 60


def test_the_view_of_much_fits_the_terminal_and_of_little_says_so() -> None:
    look = looks(3)
    assert look.calls is not None
    much = Look(look.stats, look.why, {"open": 50, "result": [opened(destination={"target": "x" * 200})] * 50})
    lines = drawn(much, note="n" * 200, height=24)
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    assert "50 calls open" in "\n".join(lines)
    assert len(drawn(much, height=60)) > 40
    assert "is not known now" in "\n".join(drawn(Look(numbers())))


def test_numbers_are_masked_and_spans_have_two_units() -> None:
    addresses = ["+12025550123", "sip:ann@example.com", "ann@example.com", "12345678", None]
    shown = ["+1202•••0123", "sip:a•••@example.com", "a•••@example.com", "•••", "•••"]
    assert [masked({"target": address}) for address in addresses] == shown
    seconds = [-1, 0, 59, 61, 3_600, 90_061]
    assert [span(second * 1_000_000) for second in seconds] == ["0 s", "0 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h"]


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb")])
def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv(name, value)
    with Screen("June") as screen:
        screen.show(looks(1))
    assert "\x1b" not in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


def test_a_list_is_over_when_nothing_waits_and_no_call_is_open() -> None:
    assert is_over(numbers(waiting=0, open_attempts=0))
    assert not is_over(numbers(waiting=1, open_attempts=0))
    assert not is_over(numbers(waiting=0, open_attempts=1))
    assert not is_over(numbers(total=0, waiting=0, open_attempts=0))
