"""The Kafka runtime satisfies the contract of runtimes, and writes the same log as the embedded one."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import time_ns
from uuid import uuid4

import pytest

from outdial.connection import Connection
from outdial.embedded.runtime import Embedded
from outdial.kafka import topics
from outdial.kafka.options import Options
from outdial.kafka.service import Doors
from outdial.topology import TOPICS, Topology
from runtimes.contract import RULES, Rule
from runtimes.script import CUSTOMER, Clock, play, script

PATIENCE_S = 30.0


class Played(Doors):
    """A process whose ledgers' knowledge of what has arrived can be waited for."""

    async def read_all(self) -> None:
        """Return when every partition knows that it has read what had arrived when this was asked."""
        partitions = [] if self.ledgers is None else [*self.ledgers.partitions.values()]
        now = max((partition.now() for partition in partitions), default=0)
        async with asyncio.timeout(PATIENCE_S):
            while any(partition.read_up_to < now for partition in partitions):  # noqa: ASYNC110  nobody is told when
                await asyncio.sleep(0.005)


class Cluster:
    """Prefixes on one cluster, and every process that was started on them."""

    def __init__(self, connection: Connection, root: Path) -> None:
        self.connection = connection
        self._root = root
        self._topologies: list[Topology] = []
        self._running: list[Played] = []

    async def stage(self, partitions: int = 1) -> "Prefix":
        """A stage with topics of its own."""
        topology = Topology(f"t{uuid4().hex[:12]}", partitions)
        self._topologies.append(topology)
        await topics.create(self.connection, topology)
        return Prefix(self, topology, self._root / topology.prefix)

    async def start(
        self, topology: Topology, folder: Path, clock: Callable[[], int] | None, speed: float, *, deciding: bool = True
    ) -> Played:
        """A process that shows, and decides if asked to; closed at the end if not before."""
        options = Options(
            self.connection,
            clock or (lambda: time_ns() // 1_000),
            b"the key of all stages",
            CUSTOMER,
            topology,
            speed=speed,
            clock_tolerance_us=None,
            ends_every_s=0.02,
        )
        running = await Played.open(options, folder, deciding=deciding)
        self._running.append(running)
        await running.ready(PATIENCE_S)
        return running

    async def close(self) -> None:
        """Close every process that still runs, and delete the topics."""
        for running in self._running:
            await running.close()
        async with topics.admin(self.connection) as client:
            await client.delete_topics([topology.topic(topic.name) for topology in self._topologies for topic in TOPICS])


class Prefix:
    """A stage: the topics of one prefix."""

    notes = True

    def __init__(self, cluster: Cluster, topology: Topology, folder: Path) -> None:
        self._cluster = cluster
        self._topology = topology
        self._folder = folder
        self._running: list[Played] = []
        self.partitions = topology.partitions

    async def start(self, clock: Callable[[], int] | None = None, *, speed: float = 1.0) -> Played:
        """A process on these topics."""
        running = await self._cluster.start(self._topology, self._folder, clock, speed)
        self._running.append(running)
        return running

    async def another(self) -> "Prefix":
        """Empty topics."""
        return await self._cluster.stage(self.partitions)

    async def digests(self) -> tuple[str, str]:
        """The live views, and those of a process that reads the log anew."""
        live = self._running[-1]
        aside = self._folder.with_name(f"{self._folder.name}-anew")
        shutil.rmtree(aside, ignore_errors=True)
        rebuilt = await self._cluster.start(self._topology, aside, None, 1.0, deciding=False)
        return await live.mirror.digest(), await rebuilt.mirror.digest()


@pytest.fixture
async def cluster(kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    """The broker of the tests."""
    found = Cluster(Connection(kafka_bootstrap), tmp_path)
    yield found
    await found.close()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
async def test_kafka_keeps_the_contract(rule: Rule, cluster: Cluster) -> None:
    await rule(await cluster.stage())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
async def test_kafka_keeps_the_contract_over_several_partitions(rule: Rule, cluster: Cluster) -> None:
    await rule(await cluster.stage(3))


async def test_on_one_partition_the_log_is_the_embedded_one_byte_for_byte(cluster: Cluster, tmp_path: Path) -> None:
    clock = Clock()
    running = await (await cluster.stage()).start(clock)
    answers = await play(running, clock, script())
    clock = Clock()
    embedded = await Embedded.open(tmp_path / "embedded", clock, key="the key of all stages")
    try:
        expected = await play(embedded, clock, script())
        select = "SELECT body FROM log ORDER BY position"
        assert running.reader.execute(select).fetchall() == embedded.reader.execute(select).fetchall()
        assert [answer.model_copy(update={"position": "0"}) for answer in answers] == [
            answer.model_copy(update={"position": "0"}) for answer in expected
        ]
    finally:
        await embedded.close()
