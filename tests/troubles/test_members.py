"""Ledgers come and go: nobody waits for one that left, nor for one that comes back, and two cannot be one."""

import asyncio
import os
import pickle
import threading
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any, Final

import pytest

from outdial.kafka.errors import ClusterError
from outdial.kafka.runtime import SESSION_MS, Ledgers
from telling import Tell
from troubles.processes import Role, Roles, roles, settings
from troubles.stage import PLAN, Stage, until

GAP_S: Final = 3.0
"""How long a partition may stand still while its owner is replaced: about one second on a machine that is not busy."""


@pytest.fixture
async def ledgers(stage: Stage, tmp_path: Path) -> AsyncIterator[Roles]:
    async with roles(tmp_path, settings(stage.connection.bootstrap, stage.topology)) as found:
        yield found


class Load:
    """A command for each partition every few milliseconds, and when each was answered."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._task = asyncio.create_task(self._run())
        self.answered: dict[int, list[float]] = {number: [] for number in range(stage.topology.partitions)}

    async def _run(self) -> None:
        await asyncio.gather(*(self._one(number) for number in self.answered))

    async def _one(self, number: int) -> None:
        while True:
            await self._stage.ask({"type": "CreateOutdial", "outdial_id": self._stage.stream(number), "plan": PLAN})
            self.answered[number].append(monotonic())

    async def end(self) -> None:
        """Send no more."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    def longest_gap(self, since: float) -> float:
        """The longest time any partition stood still, seconds."""
        return max(later - earlier for times in self.answered.values() for earlier, later in pairwise(t for t in times if t >= since))

    async def go_on(self, since: float) -> None:
        """When every partition has answered five more."""
        async with asyncio.timeout(60):
            while any(sum(time > since for time in times) < 5 for times in self.answered.values()):  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.02)


def names_in(folder: Path) -> set[str]:
    """Of the files that are there."""
    return {path.name for path in folder.iterdir()}


async def both_have_one(first: Role, second: Role) -> None:
    async with asyncio.timeout(30):
        while not ("partitions 0\n" in first.said + second.said and "partitions 1\n" in first.said + second.said):  # noqa: ASYNC110  as above
            await asyncio.sleep(0.05)


async def stopped_under_load(stage: Stage, first: Role, second: Role) -> tuple[Load, float]:
    await both_have_one(first, second)
    load = Load(stage)
    await load.go_on(monotonic())
    began = monotonic()
    assert await first.stop() == 0
    return load, began


async def test_who_leaves_hands_over_at_once(stage: Stage, ledgers: Roles, tell: Tell) -> None:
    first, second = await ledgers.start("ledger"), await ledgers.start("ledger")
    load, began = await stopped_under_load(stage, first, second)
    await load.go_on(monotonic())
    gap = load.longest_gap(began)
    await load.end()
    tell(f"one of two ledgers left: a partition stood still for {gap:.2f} s")
    assert gap < GAP_S


async def test_nobody_waits_until_the_ledgers_of_who_leaves_are_kept(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, begun = threading.Event(), threading.Event()
    flush, dump, steps = os.fsync, pickle.dump, list[str]()

    def slowly(file: int) -> None:
        begun.set()
        assert written.wait(60)
        flush(file)

    async with stage.ledgers(folder=tmp_path) as first:
        await stage.ask({"type": "CreateOutdial", "outdial_id": stage.stream(0), "plan": PLAN})
        await stage.ask({"type": "CreateOutdial", "outdial_id": stage.stream(1), "plan": PLAN})
        monkeypatch.setattr(os, "fsync", slowly)
        leave = first._leave  # noqa: SLF001  of its end it tells nobody

        async def left() -> None:
            await leave()
            steps.append("left")

        def kept(*arguments: Any) -> None:
            dump(*arguments)
            steps.append("kept")

        monkeypatch.setattr(first, "_leave", left)
        monkeypatch.setattr(pickle, "dump", kept)
        leaving = asyncio.create_task(first.close())
        try:
            await until(begun.is_set, "a ledger is being kept")
            async with stage.ledgers() as second:
                assert sorted(second.partitions) == [0, 1]
                await stage.ask({"type": "CreateOutdial", "outdial_id": stage.stream(0), "plan": PLAN})
                assert not leaving.done()
        finally:
            written.set()
            await leaving
    assert steps == ["left", "kept", "kept"]
    assert names_in(tmp_path) == {"ledger-0.snapshot", "ledger-1.snapshot"}


async def test_who_has_a_name_and_comes_back_within_its_session_finds_its_partitions_unmoved(
    stage: Stage, ledgers: Roles, tell: Tell
) -> None:
    first = await ledgers.start("ledger", "--instance", "one", data="one")
    second = await ledgers.start("ledger", "--instance", "two", data="two")
    load, began = await stopped_under_load(stage, first, second)
    away = second.said.count("partitions ")
    await ledgers.start("ledger", "--instance", "one", data="one")
    await load.go_on(monotonic())
    gap = load.longest_gap(began)
    await load.end()
    tell(f"a ledger with a name was started again: its partition stood still for {gap:.2f} s")
    assert gap < SESSION_MS / 1000
    assert second.said.count("partitions ") == away


async def test_two_ledgers_of_one_name_are_told_and_one_goes_on(stage: Stage, ledgers: Roles) -> None:
    first = await ledgers.start("ledger", "--instance", "one")
    await stage.goes_on(0)
    second = await ledgers.start("ledger", "--instance", "one")
    code, said = await first.ended()
    assert code != 0
    assert "another process has joined the group as the instance one" in said
    assert "give every ledger an OUTDIAL_INSTANCE of its own" in said
    await stage.goes_on(0)
    await stage.goes_on(1)
    assert second.process.returncode is None


@pytest.mark.parametrize("asked", ["heartbeat", "commit"])
async def test_whatever_the_older_of_one_name_asks_the_group_it_does_not_throw_the_newer_out(stage: Stage, asked: str) -> None:
    older = await Ledgers.open(stage.options(instance="one"))
    try:
        await until(lambda: older.not_ready is None, "the older decides")
        coordinator = older._consumer._coordinator  # noqa: SLF001  which of its two requests comes first must not be chance
        if asked == "commit":
            coordinator._heartbeat_interval_ms = 3_600_000  # noqa: SLF001  as above
            await coordinator._stop_heartbeat_task()  # noqa: SLF001  as above
        async with stage.ledgers(instance="one") as newer:
            await stage.goes_on()
            generation = newer._consumer._coordinator.generation  # noqa: SLF001  the group counts its deals
            if asked == "commit":
                older.partitions[0].next_offset += 1
                older.partitions[0].not_ready = None
                await older._commit_offsets()  # noqa: SLF001  as above
            with pytest.raises(ClusterError) as refusal:
                await asyncio.wait_for(older.wait_failed(), 30)
            assert refusal.value.reason == "instance_taken"
            await older.close()
            await stage.goes_on(0)
            await stage.goes_on(1)
            assert (newer.failure, newer._consumer._coordinator.generation) == (None, generation)  # noqa: SLF001  as above
    finally:
        await older.close()
