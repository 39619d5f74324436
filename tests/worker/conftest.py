"""A worker and a stand-in for the ledger, on a real broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio

from outdial.connection import Connection
from outdial.topology import Topology
from outdial.worker.carrier import Carrier
from outdial.worker.service import Worker, WorkerOptions
from worker.standin import Ledger, until

MakeWorker = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest_asyncio.fixture
async def ledger(kafka_bootstrap: str, topology: Topology) -> AsyncIterator[Ledger]:
    async with Ledger(kafka_bootstrap, topology).running() as running:
        yield running


@pytest.fixture
def working(kafka_bootstrap: str, topology: Topology) -> MakeWorker:
    """Runs a worker with a carrier while the block lasts, ready from its first line on."""

    @contextlib.asynccontextmanager
    async def run(carrier: Carrier, *, max_calls: int = 100, claim: bool = True, drain_s: float = 5.0) -> AsyncIterator[Worker]:
        worker = Worker(WorkerOptions(Connection(kafka_bootstrap), carrier, topology, max_calls, claim, drain_s))
        stop = asyncio.Event()
        task = asyncio.create_task(worker.run(stop))
        try:
            await until(lambda: worker.ready() or task.done(), "the worker is ready")
            yield worker
        finally:
            stop.set()
            await asyncio.wait_for(task, 40)

    return run
