"""What a person sees who watches an outdial, or imports a file, in a real terminal."""

import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.program import Call, Service
from cli.terminal import COLUMNS, Terminal

pytestmark = pytest.mark.only("embedded", why="what a terminal shows is drawn from the same answers, whatever log they come from")
REQUIRED = "OUTDIAL_REQUIRE_TERMINAL"
ROWS = 10_000


@pytest.fixture(scope="session")
def tmux() -> str:
    """The tmux of this machine. Without one the test is skipped, or fails where one is required."""
    found = shutil.which("tmux")
    if found is None:
        message = "there is no tmux here; install it"
        if os.environ.get(REQUIRED, "") not in {"", "0"}:
            pytest.fail(f"{message} ({REQUIRED} is set)", pytrace=False)
        pytest.skip(message)
    return found


@pytest.fixture
def terminal(tmux: str) -> Iterator[Terminal]:
    with tempfile.TemporaryDirectory(prefix="outdial-") as folder:
        opened = Terminal(tmux, Path(folder))
        yield opened
        opened.close()


def test_watch_shows_how_it_goes_and_leaves_the_terminal_as_it_was(terminal: Terminal, service: Service, there: Call) -> None:
    june = there("outdials", "create", "--name", "June", "--json").json["id"]
    for number in range(3):
        assert there("targets", "create", june, "--to", f"+1202555012{number}").code == 0
    assert there("run", june, "--tries", "2", "--every", "1h", "--concurrent", "2", "--set", "pickup_timeout=600000").code == 0

    terminal.run("watch", june, "--interval", "0.2", "--url", service.url)
    screen = terminal.shows(
        r"^June   run$",
        r"^Dialing .*, held back: ",
        r"^on the list +3 ",
        r"^in progress +2 ",
        r" requested in the last minute, 2 in all$",
        r"^2 calls open ",
        r"^\+1202•••012\d +0·1 +requested ",
    )
    assert "+1202555" not in screen
    assert max(map(len, screen.splitlines())) <= COLUMNS
    assert not terminal.has_a_cursor()

    assert there("pause", june).code == 0
    terminal.shows(r"^June   run, paused$", r"^Not dialing: ", r"^held by +targets +let go$")
    assert there("resume", june).code == 0
    screen = terminal.shows(r"^June   run$", r"^Dialing .*, held back: ")
    assert screen.count("on the list") == 1

    terminal.press("C-c")
    screen = terminal.shows(r"^left with 130$")
    assert "Traceback" not in screen
    assert terminal.has_a_cursor()
    assert terminal.is_as_it_was()


def slow(service: Service) -> None:
    """A service that stands still most of the time: however fast a machine is, an import takes more than a moment."""
    service.process.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    service.process.send_signal(signal.SIGCONT)
    time.sleep(0.05)


def test_import_shows_how_far_it_is_how_fast_and_how_long_it_takes(
    terminal: Terminal, service: Service, there: Call, tmp_path: Path
) -> None:
    june = there("outdials", "create", "--json").json["id"]
    file = tmp_path / "june.csv"
    file.write_text("destination_0,data\n" + "".join(f"+1202555{number:04},{'x' * 2_000}\n" for number in range(ROWS)))

    terminal.run("import", june, str(file), "--dry-run", "--url", service.url)
    terminal.shows(r"^sending .* \d+% [\d,]+ lines, [\d,]+ lines/s, (\d+ \w+ )+left$", meanwhile=lambda: slow(service))
    screen = terminal.shows(rf"^{ROWS:,} rows, {ROWS:,} would be added, ", r"^left with 0$")
    assert re.search(rf"^import .* 100% {ROWS:,} rows, [\d,]+ rows/s$", screen, re.MULTILINE)
    assert screen.count("rows/s") == 1
    assert max(map(len, screen.splitlines())) <= COLUMNS
    assert terminal.is_as_it_was()


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_file_that_is_sent_in_a_moment_shows_the_rows_the_service_has_read(
    terminal: Terminal, service: Service, there: Call, tmp_path: Path, form: str
) -> None:
    june = there("outdials", "create", "--json").json["id"]
    file = tmp_path / f"june.{form}"
    numbers = [f"+12025{number:06}" for number in range(5 * ROWS)]
    lines = ["destination_0", *numbers] if form == "csv" else [f'{{"destination_0":"{number}"}}' for number in numbers]
    file.write_text("\n".join(lines))

    terminal.run("import", june, str(file), "--dry-run", "--url", service.url)
    terminal.shows(r"^import .* \d+% [\d,]+ rows, [\d,]+ rows/s, (\d+ \w+ )+left$", meanwhile=lambda: slow(service))
    screen = terminal.shows(rf"^{5 * ROWS:,} rows, {5 * ROWS:,} would be added, ", r"^left with 0$")
    assert re.search(rf"^import .* 100% {5 * ROWS:,} rows, [\d,]+ rows/s$", screen, re.MULTILINE)


def test_stdin_of_unknown_length_shows_how_much_has_come(terminal: Terminal, service: Service, there: Call, tmp_path: Path) -> None:
    june = there("outdials", "create", "--json").json["id"]
    ended = tmp_path / "ended"
    number = "n=$((n+1)); printf '+1202555%04d\\n' $n"
    feed = f"n=0; echo destination_0; until test -e {ended}; do {number}; sleep 0.1; done"

    terminal.run("import", june, "-", "--dry-run", "--url", service.url, fed_by=feed)
    screen = terminal.shows(r"^reading .* \d+ lines/s$")
    assert "left" not in screen
    ended.touch()
    terminal.shows(r"^\d+ rows, \d+ would be added, ", r"^left with 0$")
