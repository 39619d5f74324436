"""Who sends commands and hears their answers: what breaks a connection of theirs for good is noticed, and they go on with another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from confluent_kafka import TopicPartition as Place

from outdial.client.errors import Unreachable
from outdial.client.kafka import KafkaClient
from outdial.commands import CreateOutdial
from outdial.kafka import log, sending
from outdial.kafka.connecting import Reader, reader
from outdial.kafka.service import Doors
from outdial.requests import Unavailable
from troubles.stage import PATIENCE_S, Stage, new_id, until

Made = Callable[..., Reader]


def a_command(stage: Stage, partition: int = 0) -> CreateOutdial:
    return CreateOutdial(id=new_id(), outdial_id=stage.stream(partition))


@asynccontextmanager
async def doors(stage: Stage, folder: Path) -> AsyncIterator[Doors]:
    """What doors need, in a process of which nobody else decides."""
    found = await Doors.open(stage.options(), folder / "views", deciding=True)
    try:
        await found.ready(PATIENCE_S)
        yield found
    finally:
        await found.close()


async def is_taken(found: Doors, stage: Stage, partition: int = 0) -> None:
    """A command is answered, and the views show it. It may be asked a few times, as people do who are told to try again."""
    command = a_command(stage, partition)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                [answer] = await found.submit([command])
            except Unavailable:
                continue
            assert answer.result in {"events", "unchanged"}
            return


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[Reader]:
    """All that views and answers are read by."""
    made: list[Reader] = []

    def kept(*arguments: Any, **more: Any) -> Reader:
        made.append(reader(*arguments, **more))
        return made[-1]

    for module in (log, sending):
        monkeypatch.setattr(module, "reader", kept)
    return made


async def test_views_and_answers_go_on_when_their_readers_have_ceased_to_fetch_without_a_word(
    stage: Stage, tmp_path: Path, readers: list[Reader]
) -> None:
    async with doors(stage, tmp_path) as found:
        await is_taken(found, stage)
        for one in [*readers]:
            one._fetcher._fetch_task.cancel()  # noqa: SLF001  as aiokafka does to itself
        # What was asked for already still comes.
        for _ in range(3):
            await is_taken(found, stage)


async def forgotten(stage: Stage) -> None:
    """Answers that were told are not kept any longer, nor are the marks that ended their transactions."""
    places = [Place(stage.topology.answers, number, -1) for number in range(stage.topology.partitions)]
    for asked in stage.admin.delete_records(places).values():
        await asyncio.to_thread(asked.result)


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Awaitable[None]]:
    """Breaks off, once, whoever reads answers."""
    getmany: Any = AIOKafkaConsumer.getmany
    cut, done = asyncio.Event(), asyncio.Event()

    async def breaks(self: AIOKafkaConsumer, *arguments: Any, **more: Any) -> Any:
        if cut.is_set() and not done.is_set() and any(place.topic.endswith(".answers") for place in self.assignment()):
            done.set()
            raise KafkaError("cut off")
        return await getmany(self, *arguments, **more)

    async def now() -> None:
        cut.set()
        await done.wait()

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", breaks)
    return now


async def test_a_door_that_is_cut_off_after_the_answers_it_knew_of_are_gone_hears_the_next(
    stage: Stage, tmp_path: Path, cut_off: Callable[[], Awaitable[None]]
) -> None:
    async with doors(stage, tmp_path) as found:
        await is_taken(found, stage)
        await forgotten(stage)
        await cut_off()
        await is_taken(found, stage)


async def test_a_client_that_is_cut_off_after_the_answers_it_knew_of_are_gone_hears_the_next(
    stage: Stage, cut_off: Callable[[], Awaitable[None]]
) -> None:
    async with stage.ledgers(), KafkaClient(stage.connection, prefix=stage.topology.prefix, reconnect_s=0.5) as kafka:
        await kafka.send(a_command(stage))
        await forgotten(stage)
        await cut_off()
        async with asyncio.timeout(PATIENCE_S):
            assert (await kafka.send(a_command(stage))).result == "events"


async def test_a_client_that_lets_a_cancellation_out_when_it_closes_cancels_nobody_who_reads(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    close: Any = Fetcher.close

    async def cancelled(self: Fetcher) -> None:
        await close(self)
        raise asyncio.CancelledError

    async with stage.ledgers(), KafkaClient(stage.connection, prefix=stage.topology.prefix) as kafka:
        await kafka.send(a_command(stage))
        monkeypatch.setattr(Fetcher, "close", cancelled)
        assert [event.type async for event in kafka.events()]


async def test_a_client_of_which_nothing_is_fetched_any_more_says_so_to_who_follows(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    start: Any = AIOKafkaConsumer.start

    async def ceases(self: AIOKafkaConsumer) -> None:
        await start(self)
        self._fetcher._fetch_task.cancel()  # noqa: SLF001  as aiokafka does to itself

    async with KafkaClient(stage.connection, prefix=stage.topology.prefix) as kafka, asyncio.timeout(PATIENCE_S):
        monkeypatch.setattr(AIOKafkaConsumer, "start", ceases)
        with pytest.raises(Unreachable):
            await anext(kafka.events(follow=True))


async def test_a_door_whose_numbering_of_commands_is_out_of_order_goes_on_with_another_producer(stage: Stage, tmp_path: Path) -> None:
    async with doors(stage, tmp_path) as found:
        await is_taken(found, stage)
        producer = found._sending._producer  # noqa: SLF001  to lose a batch of it
        producer._txn_manager.increment_sequence_number(TopicPartition(stage.topology.commands, 0), 7)  # noqa: SLF001  as above
        await is_taken(found, stage)


async def test_a_door_whose_sender_has_ended_without_a_word_goes_on_with_another_producer(stage: Stage, tmp_path: Path) -> None:
    async with doors(stage, tmp_path) as found:
        await is_taken(found, stage)
        found._sending._producer._sender.sender_task.cancel()  # noqa: SLF001  as aiokafka does to itself
        await is_taken(found, stage)


async def test_who_asks_whether_a_broker_is_there_goes_on_asking_after_a_cancellation_that_nobody_asked_for(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Any = AIOKafkaConsumer.end_offsets
    cancelled = asked = 0

    async with doors(stage, tmp_path) as found:
        asker = found.mirror._asker  # noqa: SLF001  the one who asks

        async def cancels(*arguments: Any) -> Any:
            nonlocal asked, cancelled
            if not cancelled:
                cancelled += 1
                raise asyncio.CancelledError
            asked += 1
            return await real(asker, *arguments)

        monkeypatch.setattr(log, "HEAR_EVERY_S", 0.01)
        monkeypatch.setattr(asker, "end_offsets", cancels)
        await until(lambda: asked > 3, "it is asked again")
        assert cancelled
