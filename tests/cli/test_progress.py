"""How far a long job is, as a terminal shows it and as a log file does."""

import io
import sys

import pytest

from outdial.doors.cli import progress
from outdial.doors.cli.feeds import CHUNK, read_so_far
from outdial.doors.cli.progress import Progress


class Time:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress, "monotonic", lambda: self.now)


class Terminal(io.StringIO):
    """A stream somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_a_short_job_shows_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    time = Time(monkeypatch)
    with Progress("import", 1_000, "bytes") as bar:
        for _ in range(9):
            time.now += 0.1
            bar.at(100)
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_there_is_a_plain_line_every_ten_seconds_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    time = Time(monkeypatch)
    with Progress("import", 4_000, "bytes") as bar:
        for second in range(35):
            time.now += 1
            bar.at((second + 1) * 100, "note")
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines() == [
        "import: 1,000 of 4,000 bytes (25 %), note, 100 bytes/s, 30 s left",
        "import: 2,000 of 4,000 bytes (50 %), note, 100 bytes/s, 20 s left",
        "import: 3,000 of 4,000 bytes (75 %), note, 100 bytes/s, 10 s left",
    ]


def test_on_a_terminal_there_is_a_bar_on_stderr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    time = Time(monkeypatch)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with Progress("import", 1_000, "bytes") as bar:
        time.now += 2
        bar.at(500)
    assert "import" in screen.getvalue()
    assert "50%" in screen.getvalue()
    assert "250 bytes/s, 2 s left" in screen.getvalue()
    assert not capsys.readouterr().out


def test_no_color_leaves_the_bar_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(monkeypatch)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    with Progress("import", 1_000, "bytes") as bar:
        time.now += 2
        bar.at(500)
    assert "\x1b[38" not in screen.getvalue()
    assert "\x1b[3" not in screen.getvalue()


def test_an_unknown_total_is_counted_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    time = Time(monkeypatch)
    with Progress("rebuild", None, "events") as bar:
        time.now += 10
        bar.at(50)
    assert capsys.readouterr().err == "rebuild: 50 events, 5 events/s\n"


def test_what_is_counted_may_be_other_than_what_the_total_is_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    time = Time(monkeypatch)
    with Progress("reading", None, "lines") as bar:
        time.now += 10
        bar.at(400)
        bar.phase("sending", 2_000, "lines")
        time.now += 10
        bar.at(2_000, count=400)
        bar.phase("import", 2_000, "rows", anew=False)
        time.now += 10
        bar.at(1_000, count=200)
    assert capsys.readouterr().err.splitlines() == [
        "reading: 400 lines, 40 lines/s",
        "sending: 400 lines (100 %), 40 lines/s",
        "import: 200 rows (50 %), 10 rows/s, 20 s left",
    ]


def test_how_far_an_import_is_goes_by_its_rows_within_what_the_service_has_taken() -> None:
    size, lines = 10 * CHUNK, 1_000
    assert read_so_far({"rows": 150, "bytes": 2 * CHUNK}, size, lines) == size * 15 // 100
    assert read_so_far({"rows": 300, "bytes": 2 * CHUNK}, size, lines) == 2 * CHUNK
    assert read_so_far({"rows": 100, "bytes": 9 * CHUNK}, size, lines) == 7 * CHUNK
    assert read_so_far({"rows": 0, "bytes": 10}, 10, 0) == 0
