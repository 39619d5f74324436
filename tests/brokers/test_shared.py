"""One broker for all processes of a test run."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brokers.shared import shared
from messages import ROOT

PROGRAM = """
import sys
from pathlib import Path
from brokers.shared import shared
folder, own = sys.argv[1:]
with shared(Path(folder), lambda: own) as address:
    print(address, flush=True)
    sys.stdin.readline()
"""


class Other:
    """Another process that asks for the broker, and uses it until it is told to end."""

    def __init__(self, folder: Path, own: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603  this Python
            [sys.executable, "-c", PROGRAM, str(folder), own],
            cwd=ROOT / "tests",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def address(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell_to_end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def ended(self) -> int:
        return self.process.wait(30)


@contextmanager
def other(folder: Path, own: str) -> Iterator[Other]:
    found = Other(folder, own)
    try:
        yield found
    finally:
        found.process.kill()
        found.process.communicate()


def test_all_processes_use_the_broker_of_who_asked_first(tmp_path: Path) -> None:
    with shared(tmp_path, lambda: "first") as mine, other(tmp_path, "second") as second, other(tmp_path, "third") as third:
        assert (mine, second.address(), third.address()) == ("first", "first", "first")
        for one in (second, third):
            one.tell_to_end()
            assert one.ended() == 0


def test_who_started_it_waits_until_nobody_uses_it(tmp_path: Path) -> None:
    with other(tmp_path, "first") as first:
        assert first.address() == "first"
        with shared(tmp_path, lambda: "mine") as used:
            assert used == "first"
            first.tell_to_end()
            with pytest.raises(subprocess.TimeoutExpired):
                first.process.wait(0.5)
        assert first.ended() == 0


def test_who_asks_while_it_ends_starts_another_and_waits_for_nobody_who_uses_the_first(tmp_path: Path) -> None:
    with other(tmp_path, "first") as first:
        assert first.address() == "first"
        with other(tmp_path, "none") as second:
            assert second.address() == "first"
            first.tell_to_end()
            asked = ""
            while asked != "mine":
                with shared(tmp_path, lambda: "mine") as asked:
                    assert asked in {"first", "mine"}
            assert first.process.poll() is None
            second.tell_to_end()
            assert (first.ended(), second.ended()) == (0, 0)


def test_nobody_is_told_of_the_broker_of_a_process_that_died(tmp_path: Path) -> None:
    with other(tmp_path, "first") as first:
        assert first.address() == "first"
        first.process.kill()
        first.process.wait()
        with shared(tmp_path, lambda: "mine") as address:
            assert address == "mine"


def test_where_nobody_can_start_one_the_next_tries_itself(tmp_path: Path) -> None:
    def fail() -> str:
        raise LookupError

    with pytest.raises(LookupError), shared(tmp_path, fail):
        pass
    with shared(tmp_path, lambda: "mine") as address:
        assert address == "mine"
