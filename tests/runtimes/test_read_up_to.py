"""A ledger knows until when it has decided every command that was sent: by that, and no sooner, a lease ends."""

import asyncio

import pytest

from brokers.fixtures import MakeTopology
from faults.chaos.stage import PATIENCE_S, Stage, stalled, until
from outdial.commands import Command
from outdial.dialing.ledger import Effects
from outdial.kafka import partition as partitions
from outdial.kafka.partition import Partition, Turn
from outdial.kafka.records import Received

ASKED = 1_700_000_000_000_000
LATER = ASKED + 1


@pytest.fixture
async def stage(kafka_bootstrap: str, make_topology: MakeTopology) -> Stage:
    """One partition, whose owner is told where the commands end by the test alone."""
    return Stage(kafka_bootstrap.partition(",")[0], make_topology(1))


async def opened(owner: Partition) -> None:
    await until(lambda: owner.not_ready is None, "the partition is open")


async def test_it_is_known_at_once_where_nothing_is_left_to_decide(stage: Stage) -> None:
    async with stage.owner() as owner:
        await opened(owner)
        owner.note_end(ASKED, 0)
        assert owner.read_up_to == ASKED
        await stage.send(stage.create())
        await until(lambda: owner.next_offset == 1, "the command is decided")
        owner.note_end(LATER, 1)
        assert owner.read_up_to == LATER


async def test_it_is_not_known_before_the_last_command_is_decided(stage: Stage) -> None:
    async with stage.owner() as owner:
        await opened(owner)
        owner.note_end(ASKED, 1)
        assert owner.read_up_to == 0
        there, go = stalled(owner, "_decide")
        await stage.send(stage.create())
        await asyncio.wait_for(there.wait(), PATIENCE_S)
        owner.note_end(LATER, 1)
        assert owner.read_up_to == 0
        go.set()
        await until(lambda: owner.read_up_to == LATER, "the ends are reached with the command")


async def test_it_is_not_known_of_commands_that_are_read_again_after_a_rebalance(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full transaction leaves commands undecided; a rebalance comes, and they are forgotten to be read again."""
    monkeypatch.setattr(partitions, "RECORDS_AT_ONCE", 1)
    commands = [stage.create(), *(stage.add(number) for number in range(4))]
    decided = 0
    early: list[int] = []
    settle, due = Partition._settle, Partition._due  # noqa: SLF001  what it decides by, at the moment it does

    def count(self: Partition, *arguments: object, **more: object) -> Effects:
        nonlocal decided
        decided += 1
        return settle(self, *arguments, **more)  # type: ignore[arg-type]

    def look(self: Partition, now: int, turn: Turn) -> None:
        if self.read_up_to >= ASKED and decided < len(commands):
            early.append(decided)
        due(self, now, turn)

    monkeypatch.setattr(Partition, "_settle", count)
    monkeypatch.setattr(Partition, "_due", look)
    await stage.send(*commands)
    async with stage.owner() as owner:
        there, go = stalled(owner, "_commit")
        await asyncio.wait_for(there.wait(), PATIENCE_S)
        owner.note_end(ASKED, len(commands))
        resting = asyncio.create_task(owner.rest())
        await until(lambda: not owner.allowed.is_set(), "it is told to rest")
        go.set()
        await resting
        owner.go_on()
        await until(lambda: owner.read_up_to == ASKED, "all is decided")
    assert not early
    assert decided >= len(commands)


@pytest.mark.parametrize("step", ["_commit", "_take"])
async def test_what_a_rebalance_did_not_wait_for_is_decided_once(stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The group gave up waiting for a transaction under way: the commands are read again from where the last one ended."""
    decided: list[str] = []
    settle, take = Partition._settle, Partition._take  # noqa: SLF001  what it decides by, at the moment it does
    monkeypatch.setattr(partitions, "DECIDED_AT_ONCE", 1)

    def count(self: Partition, command: Command, *arguments: object, **more: object) -> Effects:
        decided.append(str(command.id))
        return settle(self, command, *arguments, **more)  # type: ignore[arg-type]

    def back_again(self: Partition, came: Received, now: int, turn: Turn) -> None:
        take(self, came, now, turn)
        if len(decided) == 2:
            self.allowed.clear()
            self.go_on()

    monkeypatch.setattr(Partition, "_settle", count)
    commands = [stage.create(), *(stage.add(number) for number in range(4))]
    await stage.send(*commands)
    if step == "_take":
        monkeypatch.setattr(Partition, "_take", back_again)
    async with stage.owner() as owner:
        if step == "_commit":
            there, go = stalled(owner, "_commit")
            await asyncio.wait_for(there.wait(), PATIENCE_S)
            owner.allowed.clear()
            owner.go_on()
            await until(lambda: len(owner.intake) == len(commands), "all has come once more")
            go.set()
        await until(lambda: owner.next_offset == len(commands), "all is decided")
    assert len(decided) == len(set(decided)) == len(commands)
