"""The dial worker as one thing that runs: it starts its parts, watches them, and stops them in order."""

import asyncio
import logging
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Literal
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from outdial.connection import Connection
from outdial.ending import begun
from outdial.topology import Topology
from outdial.worker.carrier import Carrier
from outdial.worker.claims import Claims
from outdial.worker.connecting import login_refused
from outdial.worker.desk import Desk
from outdial.worker.faust_app import Intake
from outdial.worker.outbox import PASSING, Outbox

CONNECT_AGAIN_S: Final = 1.0
HEAR_EVERY_S: Final = 1.0
SILENT_S: Final = 5.0
"""After so long without any answer the worker says that it has no broker."""
DRAIN_S: Final = 30.0
WORDS_S: Final = 10.0

Phase = Literal["starting", "working", "draining", "stopped"]

log = logging.getLogger(__name__)


class WorkerRefused(Exception):
    """The worker cannot begin. ``reason`` is stable, ``fix`` says what to do."""

    def __init__(self, reason: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.fix = fix


class PartEnded(Exception):
    """A part of the worker was cancelled by a library. The process ends, and is started again."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker is told."""

    connection: Connection
    carrier: Carrier
    topology: Topology = field(default_factory=Topology)
    max_calls: int = 100
    """Calls open at once."""
    claim: bool = True
    """Ask the ledger before each call whether it is still wanted. Without it a call may begin after a stop."""
    drain_s: float = DRAIN_S
    """How long open calls may go on when the worker is stopped."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """How a worker is. Counts are since its start."""

    phase: Phase
    ready: bool
    why: str
    """Why it is not ready, for people; empty when it is."""
    worker: str
    """The name it claims with."""
    partitions: int
    """Partitions of the dial requests that are its own."""
    open_calls: int
    """Calls placed and not yet over."""
    max_calls: int
    unsaid: int
    """Words to the ledger that the broker has not taken yet."""
    placed: int
    """Calls its carrier was asked to place."""
    refused: int
    """Claims that were refused because the call is another's or over."""
    dropped: int
    """Requests not taken because their partition went elsewhere."""
    malformed: int
    """Records that are no dial requests."""
    not_dialed: int
    """Requests given back."""
    unknown: int
    """Calls of which nobody knows what became."""
    repeated: int
    """Requests that came a second time and were left alone."""


class Worker:
    """One dial worker. It is run once."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._name = worker_name()
        self._outbox = Outbox(options.connection, options.topology)
        self._claims = Claims(options.connection, options.topology, self._outbox, self._name) if options.claim else None
        self._desk = Desk(options.carrier, self._outbox, self._claims, max_calls=options.max_calls)
        self._intake: Intake | None = None
        self._phase: Phase = "starting"
        self._why = "it has not begun"
        self._silent = False

    def ready(self) -> bool:
        """Whether it takes requests."""
        return self._phase == "working" and not self._silent

    def status(self) -> WorkerStatus:
        """How it is now; made of plain values."""
        counts, intake = self._desk.counts, self._intake
        return WorkerStatus(
            phase=self._phase,
            ready=self.ready(),
            why=self._why,
            worker=self._name,
            partitions=0 if intake is None else intake.partitions,
            open_calls=self._desk.open_calls,
            max_calls=self._options.max_calls,
            unsaid=self._outbox.unsaid,
            placed=counts.placed,
            refused=counts.refused,
            dropped=0 if intake is None else intake.dropped,
            malformed=0 if intake is None else intake.malformed,
            not_dialed=counts.not_dialed,
            unknown=counts.unknown,
            repeated=counts.repeated,
        )

    def lag(self) -> dict[int, int]:
        """By partition of the dial requests that is its own: how many wait to be read."""
        return {} if self._intake is None else self._intake.lag

    async def run(self, stop: asyncio.Event) -> None:
        """Place calls until ``stop`` is set; then take no more, let the open calls end, and say how they did.

        A cluster that cannot be reached at the start is waited for. What fails later is raised: the process ends, and
        whoever started it starts it again.

        Raises:
            WorkerRefused: a topic is missing, or the cluster does not take our name and password.
            IntakeEnded: the client of the consumer group stopped.
            PartEnded: a part was cancelled, and nobody had asked for that.
        """
        stopping = asyncio.create_task(stop.wait())
        try:
            starting = asyncio.create_task(self._check())
            if not await _first(starting, stopping):
                return
            async with AsyncExitStack() as parts:
                starting = asyncio.create_task(self._start(parts))
                if await _first(starting, stopping):
                    self._phase, self._why = "working", ""
                    await self._watch(stopping)
        finally:
            stopping.cancel()
            self._phase, self._why = "stopped", "it has ended"

    async def _check(self) -> None:
        """Wait for the cluster, and see that the topics are there."""
        where = self._options.connection.bootstrap
        self._why = f"it waits for Kafka at {where}"
        topology = self._options.topology
        needed = [topology.dial_requests, topology.commands] + ([topology.answers] if self._options.claim else [])
        while True:
            try:
                async with _admin(self._options.connection) as admin:
                    found = set(await admin.list_topics())
                break
            except (KafkaConnectionError, OSError) as error:
                if await login_refused(self._options.connection):
                    raise WorkerRefused(
                        "kafka_login_refused",
                        "the Kafka cluster does not take our user name, password or mechanism",
                        "set OUTDIAL_KAFKA__SASL_MECHANISM, OUTDIAL_KAFKA__SASL_USERNAME and OUTDIAL_KAFKA__SASL_PASSWORD",
                    ) from error
                log.warning("no Kafka broker answers at %s (%s); trying again", where, type(error).__name__)
                await asyncio.sleep(CONNECT_AGAIN_S)
        missing = [name for name in needed if name not in found]
        if missing:
            raise WorkerRefused(
                "topic_missing", f"there is no topic {' or '.join(missing)}", "run `outdial topics create`, or set OUTDIAL_TOPIC_PREFIX"
            )

    async def _start(self, parts: AsyncExitStack) -> None:
        self._why = "it joins its consumer group"
        await self._outbox.start()
        parts.push_async_callback(self._outbox.stop)
        if self._claims is not None:
            await self._claims.start()
            parts.push_async_callback(self._claims.stop)
        parts.push_async_callback(self._drain)
        self._intake = Intake(self._options.connection, self._options.topology, self._desk)
        parts.push_async_callback(self._intake.stop)
        await self._intake.start()

    async def _watch(self, stopping: "asyncio.Task[Literal[True]]") -> None:
        """Return when the worker is to stop; raise when a part has failed."""
        parts = [asyncio.create_task(self._intake.ended())] if self._intake else []
        if self._claims is not None:
            parts.append(asyncio.create_task(self._claims.ended()))
        parts.append(asyncio.create_task(self._hear()))
        try:
            done, _ = await asyncio.wait([stopping, *parts], return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                if part.cancelled():
                    raise PartEnded
                part.result()
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self._phase, self._why = "draining", "it stops"

    async def _hear(self) -> None:
        """Ask again and again whether a broker is there: to a consumer, one that is away is one that has nothing new."""
        clock = asyncio.get_running_loop().time
        heard = clock()
        while True:
            asked = clock()
            with suppress(*PASSING):
                async with asyncio.timeout(SILENT_S):
                    await self._outbox.hear()
                heard = asked
            self._silent = clock() - heard >= SILENT_S
            self._why = f"no Kafka broker answers at {self._options.connection.bootstrap}" if self._silent else ""
            await asyncio.sleep(HEAR_EVERY_S)

    async def _drain(self) -> None:
        await self._desk.drain(self._options.drain_s, WORDS_S)


async def run_worker(options: WorkerOptions, stop: asyncio.Event) -> None:
    """Run one dial worker until ``stop`` is set; raises as :meth:`Worker.run`."""
    await Worker(options).run(stop)


def worker_name() -> str:
    """A name to claim with, of this start of this process alone: host, process and chance, 64 characters at most."""
    host = re.sub(r"[^A-Za-z0-9_.\-]", "-", socket.gethostname())[:32]
    return f"{host}-{os.getpid()}-{uuid4().hex[:16]}"


@asynccontextmanager
async def _admin(connection: Connection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connection.arguments(), client_id="outdial-worker-check")
    try:
        await begun(admin.start())
        yield admin
    finally:
        await admin.close()


async def _first(work: "asyncio.Task[None]", stopping: "asyncio.Task[Literal[True]]") -> bool:
    """Whether the work was done before it was to stop; raises what the work raises."""
    await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        work.cancel()
    await asyncio.wait({work})
    if work.cancelled():
        return False
    work.result()
    return True
