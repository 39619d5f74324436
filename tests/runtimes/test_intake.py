"""Commands are taken as they come, also while a transaction is under way, and no more of them than there is room for."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from brokers.fixtures import MakeTopology
from faults.chaos.stage import PATIENCE_S, Stage, stalled, until
from outdial.kafka import intake as intakes
from outdial.kafka.errors import ClusterError
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


async def test_what_has_come_is_decided_before_it_is_told_that_no_more_can_be_read(stage: Stage) -> None:
    """The commands on the broker may be deleted by then; those that are here are not read again."""
    async with stage.owner() as owner:
        go = await in_a_transaction(stage, owner)
        await stage.send(*(stage.add(number) for number in range(3)))
        await until(lambda: owner.intake.read_to == 4, "all has come")

        async def gone(*_: object, **__: object) -> None:
            raise OffsetOutOfRangeError

        owner._consumer.getmany = gone  # noqa: SLF001  what comes from the outside
        await until(lambda: owner.intake._failure is not None, "nothing can be read")  # noqa: SLF001  what it is about to tell
        go.set()
        refusal = await asyncio.wait_for(stage.ended, PATIENCE_S)
    assert isinstance(refusal, ClusterError)
    assert (refusal.reason, owner.next_offset) == ("commands_missing", 4)


async def test_headers_and_keys_take_room_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intakes, "BYTES", 1_000)
    async with stage.owner() as owner:
        go = await in_a_transaction(stage, owner)
        async with AIOKafkaProducer(bootstrap_servers=stage.bootstrap) as producer:
            await producer.send_and_wait(stage.topology.commands, b"{", partition=0, headers=[("large", b"x" * 1_000)])
        await until(lambda: bool(owner._consumer.paused()), "the broker is asked for no more")  # noqa: SLF001  as above
        go.set()
        await until(lambda: owner.next_offset == 2, "it is refused")


async def test_a_consumer_that_has_ceased_to_fetch_is_noticed(stage: Stage) -> None:
    async with stage.owner() as owner:
        await until(lambda: owner.not_ready is None, "the partition is open")
        await owner._consumer._fetcher.close()  # noqa: SLF001  as its own fault would end it
        with pytest.raises(KafkaError, match="nothing is fetched"):
            await asyncio.wait_for(intakes.take_in(owner._consumer, list), PATIENCE_S)  # noqa: SLF001  as above


async def test_what_comes_is_taken_in_the_step_in_which_it_comes(stage: Stage) -> None:
    """The broker is asked for more only then; whoever is woken for it first has everything that is written meanwhile wait."""
    async with stage.owner() as owner:
        go = await in_a_transaction(stage, owner)
        stage.taking.cancel()
        for number in range(3):
            await stage.send(stage.add(number))
            await until(lambda: len(owner.intake) == number + 1, "it has come")  # noqa: B023  as above
        go.set()
        await until(lambda: owner.next_offset == 4, "all is decided")
    assert not await stage.faults()
