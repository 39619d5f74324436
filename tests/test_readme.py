"""Every block of code in the README runs, in order, in one folder, with the program that is installed.

``sh`` is run as it stands and ``python`` by this Python. In ``console`` what stands after ``$`` is run and the lines
below it must be what it prints (``...`` is anything). Variables and functions live on from block to block. A server that a
block leaves running (``&``) is ended with the test. A block followed by ``<!-- not run: why -->`` is left out.
"""

import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from messages import ROOT

BLOCK = re.compile(r"^```(sh|console|python)\n(.*?)^```\n(<!-- not run: (.+?) -->)?", re.MULTILINE | re.DOTALL)
KAFKA = re.compile(r"^## On Kafka\n.*?(?=^## )", re.MULTILINE | re.DOTALL)
PORT = 8080
DEADLINE_S = 120


class Block(NamedTuple):
    line: int
    language: str
    text: str
    reason: str | None


def blocks(text: str) -> list[Block]:
    """The blocks of a page that are meant to run, and those that are not, with the reason."""
    return [Block(text.count("\n", 0, found.start()) + 1, found[1], found[2], found[4]) for found in BLOCK.finditer(text)]


def without_kafka(page: str) -> str:
    """The README without its section on Kafka, which needs a broker and has a test of its own. Lines keep their numbers."""
    return KAFKA.sub(lambda found: "\n" * found[0].count("\n"), page)


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
            (self._folder / "block.py").write_text(text, encoding="utf-8")
            self._bash(f"{shlex.quote(sys.executable)} block.py")
        else:
            self._bash(text)

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
    folder = tmp_path / "reader"
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = Shell(folder, port)
    yield found
    found.close()


def test_every_block_of_the_readme_runs(shell: Shell) -> None:
    for block in blocks(without_kafka((ROOT / "README.md").read_text(encoding="utf-8"))):
        if block.reason is None:
            try:
                shell.run(block)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                pytest.fail(f"README.md, the block at line {block.line}: {error}")


def test_the_readme_begins_with_the_two_commands() -> None:
    first = blocks((ROOT / "README.md").read_text(encoding="utf-8"))[0]

    assert [line.split("#")[0].split() for line in first.text.splitlines()] == [["make", "run"], ["make", "test"]]


def test_every_link_of_the_documents_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert broken == []


# --- the runner itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nfalse\n```\n",
        "```sh\nfalse | true\n```\n",
        "```sh\necho $unheard\n```\n",
        "```python\nassert False\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ echo one\n```\n",
        "```sh\nno_such_command\n```\n",
    ],
)
def test_a_block_that_fails_is_seen(shell: Shell, text: str) -> None:
    [block] = blocks(text)

    with pytest.raises(AssertionError):
        shell.run(block)


def test_blocks_share_a_folder_their_variables_and_their_functions(shell: Shell) -> None:
    page = (
        '```sh\nname=\'a "b"\nc\'; say() { echo "<$1>"; }\n```\n'
        '```sh\nsay "$name" > said\n```\n'
        "```python\nassert open('said').read() == '<a \"b\"\\nc>\\n'\n```\n"
        "```console\n$ say one\n<one>\n$ say 'one two three'\n<one ... three>\n```\n"
    )

    for block in blocks(page):
        shell.run(block)


def test_a_server_lives_from_block_to_block_and_ends_with_the_test(shell: Shell, tmp_path: Path) -> None:
    page = "```sh\nmkfifo alive\nsleep 1000 > alive &\necho $! > pid\n```\n```sh\nkill -0 $(cat pid)\n```\n"
    for block in blocks(page):
        shell.run(block)

    with (tmp_path / "reader" / "alive").open("rb") as alive:
        shell.close()
        ended, _, _ = select.select([alive], [], [], DEADLINE_S)

    assert ended == [alive], "what a block left running still runs"


def test_a_block_that_is_not_run_has_a_reason() -> None:
    assert [block.reason for block in blocks("```sh\nmake run\n```\n<!-- not run: slow -->\n```sh\nls\n```\n")] == ["slow", None]
