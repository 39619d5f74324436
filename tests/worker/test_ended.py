"""A part of the worker that has ended ends the worker aloud, and what a library cancels of its own ends nobody."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError

from outdial.connection import Connection
from outdial.requests import DialRequest
from outdial.topology import Topology
from outdial.worker.carrier import Call
from outdial.worker.outbox import Outbox
from outdial.worker.service import PartEnded, Worker, WorkerOptions
from worker.standin import until

ENDED_S = 40.0


class Nobody:
    async def place(self, request: DialRequest, call: Call) -> None:
        """Nothing is placed here."""


@asynccontextmanager
async def working(bootstrap: str, topology: Topology, stop: asyncio.Event) -> AsyncIterator[tuple[Worker, "asyncio.Task[None]"]]:
    worker = Worker(WorkerOptions(Connection(bootstrap), Nobody(), topology))
    task = asyncio.create_task(worker.run(stop))
    try:
        await until(lambda: worker.ready() or task.done(), "the worker is ready")
        yield worker, task
    finally:
        stop.set()
        await asyncio.wait([task], timeout=ENDED_S)


def let_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cancellation of its own tasks gets out of aiokafka when a consumer is closed."""
    close: Any = Fetcher.close

    async def cancelled(self: Fetcher) -> None:
        await close(self)
        raise asyncio.CancelledError

    monkeypatch.setattr(Fetcher, "close", cancelled)


async def test_a_worker_that_is_stopped_ends_as_it_should_though_a_consumer_lets_a_cancellation_out(
    kafka_bootstrap: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = asyncio.Event()
    async with working(kafka_bootstrap, topology, stop) as (_, task):
        let_out(monkeypatch)
        stop.set()
        await asyncio.wait([task], timeout=ENDED_S)
        assert not task.cancelled()
        assert task.exception() is None


def answers_cease(worker: Worker) -> None:
    worker._claims._consumer._fetcher._fetch_task.cancel()  # type: ignore[union-attr]  # noqa: SLF001  as aiokafka does to itself


def requests_cease(worker: Worker) -> None:
    thread = worker._intake._app.consumer._thread  # type: ignore[union-attr]  # noqa: SLF001  as above
    thread.thread_loop.call_soon_threadsafe(thread._consumer._fetcher._fetch_task.cancel)  # noqa: SLF001  as above


@pytest.mark.parametrize("cease", [answers_cease, requests_cease])
async def test_a_worker_to_which_nothing_comes_any_more_ends_aloud(
    kafka_bootstrap: str, topology: Topology, monkeypatch: pytest.MonkeyPatch, cease: Callable[[Worker], None]
) -> None:
    async with working(kafka_bootstrap, topology, asyncio.Event()) as (worker, task):
        let_out(monkeypatch)
        cease(worker)
        await asyncio.wait([task], timeout=ENDED_S)
        assert task.done()
        assert not task.cancelled()
        assert isinstance(task.exception(), Exception)


async def test_a_worker_that_has_no_heartbeat_any_more_ends_aloud(
    kafka_bootstrap: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(kafka_bootstrap, topology, asyncio.Event()) as (_, task):

        async def fails(*_: Any) -> None:
            raise KafkaError("what it was told")

        monkeypatch.setattr(GroupCoordinator, "_do_heartbeat", fails)
        await asyncio.wait([task], timeout=ENDED_S)
        assert task.done()
        assert isinstance(task.exception(), Exception)


async def test_a_worker_that_can_no_longer_tell_whether_a_broker_is_there_ends_aloud(
    kafka_bootstrap: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(kafka_bootstrap, topology, asyncio.Event()) as (_, task):

        async def cancelled(_: Outbox) -> None:
            raise asyncio.CancelledError

        monkeypatch.setattr(Outbox, "hear", cancelled)
        await asyncio.wait([task], timeout=ENDED_S)
        assert task.done()
        assert isinstance(task.exception(), PartEnded)
