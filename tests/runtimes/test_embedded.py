"""The embedded runtime satisfies the contract of runtimes; the script that compares runtimes is complete."""

import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import time_ns

import pytest

from cli.program import REPOSITORY, environment
from outdial.commands import COMMANDS, StartDialing
from outdial.embedded import rebuild
from outdial.embedded.runtime import Embedded
from outdial.events import EVENTS
from outdial.plan import Plan
from outdial.scalars import SECOND_US
from runtimes.contract import PEOPLE, RULES, Rule, new, people, person, types_of, until
from runtimes.script import Clock, play, script

BETWEEN_PARTITIONS = {"LeaveUnused"}
"""What comes about only when words between streams take their time."""
BEFORE = {"LeaveGranted", "LeaveRefused"}
"""What only ledgers before this one wrote, and what follows from commands of theirs that are under way still."""


class Folders:
    """Data folders, and every runtime that was started in them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders = 0
        self._running: list[Embedded] = []

    def stage(self) -> "Folder":
        """A stage with a data folder of its own."""
        self._folders += 1
        return Folder(self, self._root / str(self._folders))

    async def start(self, folder: Path, clock: Callable[[], int], speed: float) -> Embedded:
        """A runtime, closed at the end if not before."""
        running = await Embedded.open(folder, clock, speed=speed, key="the key of all stages")
        self._running.append(running)
        return running

    async def close(self) -> None:
        """Close every runtime that still runs."""
        for running in self._running:
            await running.close()


class Folder:
    """A stage: one data folder."""

    notes = False

    partitions = 1

    def __init__(self, folders: Folders, path: Path) -> None:
        self._folders = folders
        self.path = path

    async def start(self, clock: Callable[[], int] | None = None, *, speed: float = 1.0) -> Embedded:
        """A runtime in this folder."""
        return await self._folders.start(self.path, clock or (lambda: time_ns() // 1_000), speed)

    async def another(self) -> "Folder":
        """An empty folder."""
        return self._folders.stage()

    async def digests(self) -> tuple[str, str]:
        """The live views, and those built anew."""
        found = await rebuild.verify(self.path, lambda _done, _total: None)
        return found.live, found.rebuilt


@pytest.fixture
async def folders(tmp_path: Path) -> AsyncIterator[Folders]:
    """Data folders in an empty place."""
    found = Folders(tmp_path)
    yield found
    await found.close()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
async def test_embedded_keeps_the_contract(rule: Rule, folders: Folders) -> None:
    await rule(folders.stage())


def test_the_script_uses_every_command_a_user_may_send() -> None:
    sent = {type(command) for step in script() for command in step.commands}
    assert {model.__name__ for model in COMMANDS.values() if not model.internal} <= {model.__name__ for model in sent}


async def test_the_script_brings_about_every_event(folders: Folders) -> None:
    clock = Clock()
    running = await folders.stage().start(clock)
    await play(running, clock, script())
    assert Counter(types_of(running)).keys() == EVENTS.keys() - BETWEEN_PARTITIONS - BEFORE


async def test_a_clock_set_forward_ends_no_lease_before_its_time_has_passed(tmp_path: Path) -> None:
    clock, steady = Clock(), Clock()
    running = await Embedded.open(tmp_path, clock, key="k", steady=steady)
    plan = Plan(max_try_count_0=2, dial_timeout=1_000, pickup_timeout=1_000, result_grace=1_000)
    start = new(StartDialing(outdial_id=PEOPLE, plan=plan), "start")
    await running.submit([people(), person(1), start])
    await until(running, lambda: "DialRequested" in types_of(running))

    clock.at += 3_600 * SECOND_US
    await running.submit([person(2)])
    assert "DialEnded" not in types_of(running)

    steady.at += 4 * SECOND_US
    await until(running, lambda: "DialEnded" in types_of(running))
    await running.close()


async def test_a_commit_waits_for_the_disk(folders: Folders) -> None:
    running = await folders.stage().start()
    db = running._log._db  # noqa: SLF001  from outside, only a power cut would show it
    [(journal,)] = await db.execute_fetchall("PRAGMA journal_mode")
    [(synchronous,)] = await db.execute_fetchall("PRAGMA synchronous")
    assert (journal, synchronous) == ("wal", 2)


def test_the_log_is_the_same_however_a_process_hashes(tmp_path: Path) -> None:
    paths = f"{environment()['PYTHONPATH']}:{REPOSITORY / 'tests'}"
    playing = [
        subprocess.Popen(  # noqa: S603  its own program
            [sys.executable, "-m", "runtimes.digest", str(tmp_path / seed)],
            env=environment(PYTHONPATH=paths, PYTHONHASHSEED=seed),
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("0", "1", "2")
    ]
    digests = [process.communicate(timeout=120)[0].strip() for process in playing]
    assert digests[0]
    assert digests == [digests[0]] * 3
