"""One partition's ledger in the test's own process, without a group: whoever opens a partition owns it, as after a pause."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from faults.chaos.checker import Remembered, faults_of, murmur2
from faults.chaos.reading import Topics, read
from outdial.connection import Connection
from outdial.kafka.connecting import Ends
from outdial.kafka.garbage import Garbage
from outdial.kafka.intake import take_in
from outdial.kafka.options import Options
from outdial.kafka.partition import Partition
from outdial.kafka.records import Seal
from outdial.kafka.snapshots import Snapshots
from outdial.metrics import Meters
from outdial.topology import Topology

KEY: Final = b"the key of the stage"
CUSTOMER: Final = "7f1b1c5e-0000-4000-8000-000000000001"
PATIENCE_S: Final = 30.0
PLAN: Final = {"max_try_count_0": 3, "try_interval": 100, "max_concurrent": 0}


async def until(holds: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Wait until something holds. AssertionError: not in time."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)


class Stage:
    """Topics of a few partitions, who sends to them, and those who own partitions for a while."""

    def __init__(self, bootstrap: str, topology: Topology, through: str | None = None) -> None:
        self.bootstrap = bootstrap
        self.topology = topology
        self.through = through or bootstrap
        self.memory = Remembered(answered=False)
        self.outdial = next(name for name in iter(lambda: str(uuid4()), None) if murmur2(name.encode()) % topology.partitions == 0)

    @asynccontextmanager
    async def owner(
        self, number: int = 0, clock: Callable[[], int] | None = None, kept: Snapshots | None = None
    ) -> AsyncIterator[Partition]:
        """Somebody who opens a partition, and closes it at the end of the block."""
        options = Options(Connection(self.through), clock or (lambda: time.time_ns() // 1_000), KEY, CUSTOMER, self.topology)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.through,
            group_id=self.topology.ledger_group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=50,
        )
        ends = Ends(options.connection)
        await ends.start()
        consumer.assign([TopicPartition(self.topology.commands, number)])
        await consumer.start()
        partition = Partition(number, options, consumer, ends, Seal(KEY), kept, Meters(), Garbage())
        self.ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def ended(task: "asyncio.Task[None]") -> None:
            if not self.ended.done():
                self.ended.set_result(None if task.cancelled() else task.exception())

        partition.start(ended)
        self.taking = asyncio.create_task(take_in(consumer, lambda: [partition.intake]))
        try:
            yield partition
        finally:
            self.taking.cancel()
            await partition.close()
            await partition.keep_closed()
            await consumer.stop()
            await ends.stop()

    async def send(self, *commands: dict[str, Any] | bytes, partition: int | None = None) -> None:
        """Write commands where their outdial's id says, or to one partition."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, max_request_size=4 * 1024 * 1024) as producer:
            for command in commands:
                value, key = command, self.outdial.encode()
                if not isinstance(value, bytes):
                    assert isinstance(command, dict)
                    command.setdefault("id", str(uuid4()))
                    self.memory.delivered[command["id"]] += 1
                    value, key = json.dumps(command).encode(), command.get("outdial_id", self.outdial).encode()
                await producer.send(self.topology.commands, value, key=key, partition=partition)

    def create(self, **plan: Any) -> dict[str, Any]:
        """The command that makes the outdial, running."""
        return {"type": "CreateOutdial", "outdial_id": self.outdial, "plan": PLAN | plan}

    def add(self, number: int) -> dict[str, Any]:
        """A command that adds a target."""
        address = {"type": "tel", "target": f"+15550{number:06}"}
        return {"type": "AddTarget", "outdial_id": self.outdial, "target_id": self.target(number), "destination_0": address}

    def target(self, number: int) -> str:
        """The id of a target."""
        return str(uuid5(UUID(self.outdial), f"target {number}"))

    def result(self, number: int, ordinal: int, outcome: str = "busy") -> dict[str, Any]:
        """A command that ends an attempt."""
        target_id = self.target(number)
        attempt_id = str(uuid5(UUID(self.outdial), f"{target_id}/{ordinal}"))
        word = {"outdial_id": self.outdial, "target_id": target_id, "attempt_id": attempt_id}
        return {"type": "DialResult", **word, "outcome": outcome}

    async def topics(self) -> Topics:
        """All that stands in the topics."""
        return await asyncio.to_thread(read, self.bootstrap, self.topology.prefix, self.topology.partitions)

    async def faults(self) -> list[str]:
        """What is wrong with it."""
        return faults_of(await self.topics(), self.memory, all_must_end=False)


def stalled(holder: object, step: str) -> tuple[asyncio.Event, asyncio.Event]:
    """Make an owner stop, once, before a step; the events: it has come there, it may go on."""
    there, go = asyncio.Event(), asyncio.Event()
    do = getattr(holder, step)

    async def stop(*arguments: Any, **more: Any) -> Any:
        if not there.is_set():
            there.set()
            await go.wait()
        return await do(*arguments, **more)

    setattr(holder, step, stop)
    return there, go
