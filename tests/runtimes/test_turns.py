"""What one transaction gathers: commands, and among them what has become due."""

import pytest

from brokers.fixtures import MakeTopology
from faults.chaos.stage import Stage, until
from outdial.dialing.ledger import Effects
from outdial.kafka import partition as partitions
from outdial.kafka.partition import Partition, Turn


@pytest.fixture
async def stage(kafka_bootstrap: str, make_topology: MakeTopology) -> Stage:
    """One partition."""
    return Stage(kafka_bootstrap.partition(",")[0], make_topology(1))


async def looks(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many of nine commands had been decided whenever it was looked for what is due, until all were."""
    monkeypatch.setattr(partitions, "DECIDED_AT_ONCE", 2)
    decided = 0
    found: list[int] = []
    settle, due = Partition._settle, Partition._due  # noqa: SLF001  what it decides by, at the moment it does

    def count(self: Partition, *arguments: object, **more: object) -> Effects:
        nonlocal decided
        decided += not more["internal"]
        return settle(self, *arguments, **more)  # type: ignore[arg-type]

    def look(self: Partition, now: int, turn: Turn) -> None:
        found.append(decided)
        due(self, now, turn)

    monkeypatch.setattr(Partition, "_settle", count)
    monkeypatch.setattr(Partition, "_due", look)
    await stage.send(stage.create(), *(stage.add(number) for number in range(8)))
    async with stage.owner() as owner:
        await until(lambda: owner.next_offset == 9, "all is decided")
    return [at for at in found[: found.index(9) + 1] if at]


async def test_what_is_due_has_its_turn_when_the_commands_are_through(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looks(stage, monkeypatch) == [9]


async def test_what_is_due_waits_for_no_backlog_of_commands(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "GATHERED", 3)
    found = await looks(stage, monkeypatch)
    assert found[-1] == 9
    assert all(later - earlier <= 3 for earlier, later in zip([0, *found], found, strict=False))
