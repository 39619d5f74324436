"""aiokafka may let the cancellation of its own tasks out, and may cease to read without a word: no partition stands still for that."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError

from outdial.client.kafka import KafkaClient
from outdial.ending import disconnected, ended
from outdial.kafka import connecting, partition, replaying, runtime, topics
from outdial.kafka.connecting import Ends, Reader
from outdial.kafka.partition import Partition
from outdial.kafka.producer import Producer
from outdial.kafka.sending import Sending
from outdial.worker.claims import Claims
from outdial.worker.outbox import Outbox
from outdial.worker.service import Worker, WorkerOptions
from troubles.stage import Stage, add, new_id

Closing = Callable[[Fetcher], Awaitable[None]]


async def opens(stage: Stage, folder: Path) -> None:
    """A ledger that starts on this log opens its partitions, and decides."""
    async with stage.ledgers(folder=folder):
        assert (await stage.ask(add(await stage.outdial(), new_id()))).result == "events"


async def a_log(stage: Stage) -> None:
    """Something to replay, and no snapshot of it."""
    async with stage.ledgers():
        await stage.ask(add(await stage.outdial(), new_id()))


class Deaf(Reader):
    async def getmany(self, *_: Any, **__: Any) -> dict[Any, Any]:
        await asyncio.sleep(0.01)
        return {}


def deafen(monkeypatch: pytest.MonkeyPatch, times: int) -> list[type[Reader]]:
    """Nothing comes to the first readers of a log; returns how many are left that will be so."""
    left: list[type[Reader]] = [Deaf] * times

    def reader(*arguments: Any) -> Reader:
        found = connecting.reader(*arguments)
        if left:
            found.__class__ = left.pop()
        return found

    monkeypatch.setattr(replaying, "reader", reader)
    return left


async def test_a_reader_that_lets_a_cancellation_out_when_it_closes_stops_no_partition(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_log(stage)
    close: Closing = Fetcher.close
    let_out = 0

    async def cancelled(self: Fetcher) -> None:
        nonlocal let_out
        await close(self)
        let_out += 1
        raise asyncio.CancelledError

    monkeypatch.setattr(Fetcher, "close", cancelled)
    await opens(stage, tmp_path)
    assert let_out


@pytest.mark.parametrize("step", ["committed", "span"])
async def test_a_step_of_opening_that_ends_by_a_cancellation_nobody_asked_for_is_tried_again(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await a_log(stage)
    whose: Any = {"committed": AIOKafkaConsumer, "span": Ends}[step]
    real, times = getattr(whose, step), 0

    async def cancelled(self: Any, *arguments: Any) -> Any:
        nonlocal times
        times += 1
        if times <= stage.topology.partitions:
            raise asyncio.CancelledError
        return await real(self, *arguments)

    monkeypatch.setattr(whose, step, cancelled)
    await opens(stage, tmp_path)
    assert times > stage.topology.partitions


async def test_a_log_of_which_nothing_comes_is_read_again_by_another_client(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_log(stage)
    deaf = deafen(monkeypatch, stage.topology.partitions)
    monkeypatch.setattr(replaying, "STILL_S", 0.2)
    monkeypatch.setattr(partition, "RETRY_S", 0.01)
    await opens(stage, tmp_path)
    assert not deaf


async def test_who_takes_in_commands_and_is_cancelled_by_nobody_ends_the_process(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancelled(*_: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(runtime, "take_in", cancelled)
    async with stage.failing() as found:
        assert "cancelled a step of its own" in str(await asyncio.wait_for(found, 30))


@pytest.mark.parametrize(
    ("step", "error"), [("_do_heartbeat", KafkaError("what it was told")), ("_maybe_do_autocommit", ValueError("a fault"))]
)
async def test_who_will_never_speak_with_the_group_again_ends_the_process(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    async def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(GroupCoordinator, step, fails)
    async with stage.failing() as found:
        assert isinstance(await asyncio.wait_for(found, 30), KafkaError)


async def test_a_partition_that_cannot_even_begin_ends_the_process(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(Partition, "start", fails)
    async with stage.failing() as found:
        assert str(await asyncio.wait_for(found, 30)) == "no room"


async def test_a_snapshot_whose_record_never_comes_is_tried_by_another_client(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage.ledgers(folder=tmp_path):
        await stage.ask(add(await stage.outdial(), new_id()))
    deaf = deafen(monkeypatch, stage.topology.partitions)
    monkeypatch.setattr(replaying, "OPEN_S", 3.0)
    monkeypatch.setattr(partition, "RETRY_S", 0.01)
    await opens(stage, tmp_path)
    assert not deaf


async def test_a_close_that_never_ends_is_waited_for_some_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outdial.ending.STOP_S", 0.05)
    assert not await ended(asyncio.Event().wait())  # type: ignore[arg-type]


async def raises() -> None:
    raise KafkaError("in the middle of it")


async def lets_out() -> None:
    raise asyncio.CancelledError


async def never() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("stop", [raises, lets_out, never])
async def test_whatever_a_stop_comes_to_nothing_is_connected_after_it(stop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outdial.ending.STOP_S", 0.05)
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    with suppress(KafkaError):
        await disconnected(stop(), close)
    assert closed == [True]


async def reads(stage: Stage) -> None:
    one = connecting.reader(stage.connection)
    try:
        await one.start()
    finally:
        await one.stop()


async def writes(stage: Stage) -> None:
    one = Producer(stage.connection, f"{stage.topology.prefix}.one")
    try:
        await one.start()
    finally:
        await one.abandon()


async def sends(stage: Stage) -> None:
    nothing: Any = None
    await Sending.open(stage.options(), nothing)


async def administers(stage: Stage) -> None:
    async with topics.admin(stage.connection):
        pass


async def asks(stage: Stage) -> None:
    await KafkaClient(stage.connection, prefix=stage.topology.prefix).__aenter__()


async def takes_requests(stage: Stage) -> None:
    await anext(KafkaClient(stage.connection, prefix=stage.topology.prefix).dial_requests())


async def tells(stage: Stage) -> None:
    await Outbox(stage.connection, stage.topology).start()


async def claims(stage: Stage) -> None:
    await Claims(stage.connection, stage.topology, Outbox(stage.connection, stage.topology), "one").start()


async def checks(stage: Stage) -> None:
    nobody: Any = None
    await Worker(WorkerOptions(stage.connection, nobody, stage.topology))._check()  # noqa: SLF001  it is what a worker begins with


@pytest.mark.parametrize("start", [reads, writes, sends, administers, asks, takes_requests, tells, claims, checks])
async def test_who_is_cancelled_while_it_connects_leaves_no_connection_behind(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, start: Callable[[Stage], Coroutine[Any, Any, None]]
) -> None:
    """Aiokafka forgets the connection it asks for metadata by, when it is cancelled before the answer."""
    made: list[AIOKafkaConnection] = []
    connect: Any = AIOKafkaConnection.connect
    connected = asyncio.Event()

    async def noted(self: AIOKafkaConnection) -> Any:
        found = await connect(self)
        made.append(self)
        connected.set()
        return found

    monkeypatch.setattr(AIOKafkaConnection, "connect", noted)
    starting = asyncio.create_task(start(stage))
    await connected.wait()
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    assert made
    assert not any(connection.connected() for connection in made)
