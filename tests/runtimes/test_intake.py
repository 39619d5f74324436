"""Commands are taken as they come, also while a transaction is under way, and no more of them than there is room for."""

import asyncio

import pytest

from brokers.fixtures import MakeTopology
from faults.chaos.stage import PATIENCE_S, Stage, stalled, until
from outdial.kafka import intake as intakes
from outdial.kafka.partition import Partition


@pytest.fixture
async def stage(kafka_bootstrap: str, make_topology: MakeTopology) -> Stage:
    """One partition."""
    return Stage(kafka_bootstrap.partition(",")[0], make_topology(1))


async def in_a_transaction(stage: Stage, owner: Partition) -> asyncio.Event:
    """Bring the owner to where it commits its first command; the event lets it go on."""
    there, go = stalled(owner, "_commit")
    await stage.send(stage.create())
    await asyncio.wait_for(there.wait(), PATIENCE_S)
    return go


async def test_what_comes_during_a_transaction_is_there_when_it_ends(stage: Stage) -> None:
    """One by one: whoever took them only after the transaction would find the first of them, and ask for the others then."""
    async with stage.owner() as owner:
        go = await in_a_transaction(stage, owner)
        for number in range(3):
            await stage.send(stage.add(number))
            await until(lambda: len(owner.intake) == number + 1, "it has come")  # noqa: B023  it is asked before the next is sent
        assert owner.intake.next_offset == 1
        assert owner.intake.read_to == 4
        go.set()
        await until(lambda: owner.next_offset == 4, "all is decided")
    assert not await stage.faults()


async def test_who_is_behind_is_sent_no_more_until_there_is_room(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intakes, "RECORDS", 4)
    async with stage.owner() as owner:
        go = await in_a_transaction(stage, owner)
        for number in range(4):
            await stage.send(stage.add(number))
            await until(lambda: len(owner.intake) == number + 1, "it has come")  # noqa: B023  as above
        assert owner._consumer.paused()  # noqa: SLF001  what the broker is told
        await stage.send(*(stage.add(number) for number in range(4, 10)))
        go.set()
        await until(lambda: owner.next_offset == 11, "all is decided")
        assert not owner._consumer.paused()  # noqa: SLF001  as above
    assert not await stage.faults()


async def test_a_few_large_commands_are_enough(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intakes, "BYTES", 1_000)
    async with stage.owner() as owner:
        go = await in_a_transaction(stage, owner)
        await stage.send(stage.add(0) | {"detail": "x" * 1_000})
        await until(lambda: bool(owner._consumer.paused()), "the broker is asked for no more")  # noqa: SLF001  as above
        await stage.send(stage.add(1))
        go.set()
        await until(lambda: owner.next_offset == 3, "all is decided")
    assert not await stage.faults()


async def test_nothing_is_added_while_the_group_deals_anew(stage: Stage) -> None:
    """Where the consumer reads then is not known: it may be what was decided already."""
    async with stage.owner() as owner:
        await until(lambda: owner.not_ready is None, "the partition is open")
        await owner.rest()
        await stage.send(stage.create())
        await until(lambda: bool(owner._consumer._fetcher._records), "it has been fetched")  # noqa: SLF001  what lies there untaken
        await owner.intake.fill()
        assert not len(owner.intake)
        owner.go_on()
        await until(lambda: owner.next_offset == 1, "it is decided")


async def test_what_ended_the_reading_is_told_to_who_waits(stage: Stage) -> None:
    async with stage.owner() as owner:
        await until(lambda: owner.not_ready is None, "the partition is open")
        await owner.intake.wait(0)
        wrong = OSError("the network is gone")

        async def broken(*_: object, **__: object) -> None:
            raise wrong

        take = owner._consumer.getmany  # noqa: SLF001  what comes from the outside
        owner._consumer.getmany = broken  # noqa: SLF001  as above
        await until(lambda: owner.not_ready is not None, "the partition is opened anew")
        owner._consumer.getmany = take  # noqa: SLF001  as above
        await stage.send(stage.create())
        await until(lambda: owner.next_offset == 1, "and goes on")
