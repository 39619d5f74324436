"""Every block of code in a page runs, in order, in one folder, with the program that is installed.

``sh`` is run as it stands and ``python`` by this Python. In ``console`` what stands after ``$`` is run and the lines
below it must be what it prints (``...`` is anything). Variables and functions live on from block to block. A server that a
block leaves running (``&``) is ended with the test. A block followed by ``<!-- not run: why -->`` is left out.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from brokers.cluster import free_ports
from messages import ROOT

BLOCK = re.compile(r"^```(sh|console|python)\n(.*?)^```\n(<!-- not run: (.+?) -->)?", re.MULTILINE | re.DOTALL)
PORT = 8080
DEADLINE_S = 120
WRITTEN = "block.py"
"""Where the runner puts a block of Python; not a reader's."""


class Block(NamedTuple):
    line: int
    language: str
    text: str
    reason: str | None


def blocks(text: str) -> list[Block]:
    """The blocks of a page that are meant to run, and those that are not, with the reason."""
    return [Block(text.count("\n", 0, found.start()) + 1, found[1], found[2], found[4]) for found in BLOCK.finditer(text)]


def on_kafka(readme: str) -> str:
    """The section of the README that needs a broker."""
    section = re.search(r"^## On Kafka\n.*?(?=^## )", readme, re.MULTILINE | re.DOTALL)
    assert section is not None
    return section[0]


def taken_by_git(folder: Path) -> list[str]:
    """What blocks left in a folder that git would take, were it the repository's: it may hold phone numbers."""
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()}
    left = {path.name for path in folder.iterdir() if not path.is_symlink() and not path.name.startswith(".")}
    return sorted(left - ignored - {WRITTEN})


class Shell:
    """Runs blocks one after another, as one person would in one terminal."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self._state = folder.parent / f"{folder.name}.state"
        self._state.touch()
        self._groups: list[int] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OUTDIAL_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = kept | {"PATH": path, "OUTDIAL_PORT": str(port), "HOME": str(folder), "NO_COLOR": "1"}

    def run(self, block: Block) -> None:
        """Run a block; AssertionError with all it printed when it fails."""
        text = block.text.replace(f":{PORT}", f":{self._port}")
        if block.language == "console":
            for command, wanted in _said(text):
                printed = self._bash(command)
                assert re.fullmatch(wanted, printed.strip()), f"line {block.line}: {command} printed\n{printed}"
        elif block.language == "python":
            (self._folder / WRITTEN).write_text(text, encoding="utf-8")
            self._bash(f"{shlex.quote(sys.executable)} {WRITTEN}")
        else:
            self._bash(text)

    def run_all(self, name: str, page: str) -> None:
        """Run the blocks of a page that are meant to run; the first that fails ends the test."""
        for block in blocks(page):
            if block.reason is None:
                try:
                    self.run(block)
                except (AssertionError, subprocess.TimeoutExpired) as error:
                    pytest.fail(f"{name}, the block that begins {block.text[:60]!r}: {error}")

    def _bash(self, text: str) -> str:
        """What a script prints. It begins where the last one ended: its variables and functions."""
        state = shlex.quote(str(self._state))
        script = f"set -a; . {state}; set -euo pipefail\n{text}\n{{ declare -p | grep -v '^declare -[a-zA-Z]*r'; declare -f; }} > {state}"
        printed = self._folder.parent / f"{self._folder.name}.printed"
        with printed.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603  the README is ours
                ["/bin/bash", "-c", script], cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            self._groups.append(process.pid)
            code = process.wait(DEADLINE_S)
        said = printed.read_text(encoding="utf-8", errors="replace")
        assert code == 0, f"exit code {code}:\n{text}\nprinted\n{said}"
        return said

    def close(self) -> None:
        """End what the blocks left running."""
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def _said(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and what it must print, as a pattern."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, re.escape(output.strip()).replace(re.escape("..."), "(?s:.*)")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A terminal in a folder of its own."""
    folder = tmp_path / "reader"
    folder.mkdir()
    found = Shell(folder, free_ports(1)[0])
    yield found
    found.close()
