"""Every test of the doors on both runtimes.

Whoever asks for ``runtime_kind``, itself or through a fixture, runs once for each runtime, with ``embedded`` or ``kafka`` in its name;
``pytest -k kafka`` or ``-k "not kafka"`` picks one. What has a reason to be about one runtime alone says it:
``@pytest.mark.only("embedded", why="...")``.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

import pytest

from brokers.cluster import create_topics, delete_topics, metadata
from outdial.commands import UpdateOutplan
from outdial.connection import Connection
from outdial.doors.api.deps import DEFAULT_CUSTOMER
from outdial.embedded.runtime import Embedded
from outdial.kafka import sending
from outdial.kafka.options import Options
from outdial.kafka.service import Doors
from outdial.topology import TOPICS, Topology, config, partition_of

KINDS: Final = ("embedded", "kafka")
KEY: Final = "the key of all doors"
PATIENCE_S: Final = 30.0
SOME: Final = 3
"""Partitions of a log that has several."""
AT_ONCE: Final = 16
"""Prefixes made with one request to the broker."""

Clock = Callable[[], int]
Runtime = Embedded | Doors


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only(runtime, why): the test is about one runtime alone; why says what it needs of it")


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "all: every test of the doors runs on Kafka too; spread: once each, with the first of its parameters; only: and nothing else"
    parser.addoption("--canaries", type=int, default=3, help="tokens and numbers of the test of canaries (the goal: 1,000)")
    parser.addoption("--retries", type=int, default=120, help="requests of the test of repeats (the goal: 10,000)")
    parser.addoption("--on-kafka", choices=("all", "spread", "only"), default="all", help=words)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--on-kafka")
    if wanted == "only":
        items[:] = [item for item in items if _on_kafka(item)]
    elif wanted == "spread":
        seen: set[str] = set()
        kept: list[pytest.Item] = []
        for item in items:
            name = item.nodeid.partition("[")[0]
            if not _on_kafka(item) or name not in seen:
                kept.append(item)
            if _on_kafka(item):
                seen.add(name)
        items[:] = kept


def _on_kafka(item: pytest.Item) -> bool:
    """Whether it is the run on Kafka of a test that runs on both."""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("runtime_kind") == "kafka"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "runtime_kind" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("only")
        if mark is not None and not mark.kwargs.get("why"):
            message = f"{metafunc.definition.nodeid}: pytest.mark.only says why"
            raise ValueError(message)
        metafunc.parametrize("runtime_kind", KINDS if mark is None else mark.args, scope="module")


class Prefixes:
    """Topics of so many partitions that nobody has used, made in advance; those that were used are deleted."""

    def __init__(self, bootstrap: str) -> None:
        self.connection = Connection(bootstrap)
        self._address = bootstrap.partition(",")[0]
        self._fresh: dict[int, list[Topology]] = {}
        self._used: list[Topology] = []

    def take(self, partitions: int) -> Topology:
        """A prefix with empty topics."""
        fresh = self._fresh.setdefault(partitions, [])
        if not fresh:
            self._delete(self._used)
            self._used.clear()
            fresh += [Topology(f"door-{uuid4().hex[:12]}", partitions) for _ in range(AT_ONCE)]
            brokers, _ = metadata(self._address, [])
            wanted = {topology.topic(topic.name): config(topic, brokers) for topology in fresh for topic in TOPICS}
            create_topics(self._address, wanted, partitions)
        self._used.append(fresh.pop())
        return self._used[-1]

    def close(self) -> None:
        """Delete all of them."""
        self._delete([*self._used, *(topology for fresh in self._fresh.values() for topology in fresh)])

    def _delete(self, topologies: list[Topology]) -> None:
        if topologies:
            delete_topics(self._address, [topology.topic(topic.name) for topology in topologies for topic in TOPICS])


@pytest.fixture(scope="session")
def prefixes(kafka_bootstrap: str) -> Iterator[Prefixes]:
    """Topics on the broker of the tests."""
    made = Prefixes(kafka_bootstrap)
    yield made
    made.close()


class Stage(Protocol):
    """One log, and the runtimes that are started on it."""

    clock: Clock

    async def start(self) -> Runtime:
        """A runtime that has read the log; the one before is closed."""

    async def stop(self) -> None:
        """Close the runtime that decides."""

    async def another(self) -> Runtime:
        """One more process over the same log that does not decide, where that can be."""

    async def given_away(self) -> list[str]:
        """What :func:`opened` is told in another process. Where one process has the log to itself, that of this one is closed."""

    async def poke(self) -> None:
        """Have the ledgers of what was started decide what is due by the clock."""

    async def close(self) -> None:
        """Close all that was started."""


class EmbeddedStage:
    """A data folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.folder = folder
        self._running: Embedded | None = None

    async def start(self) -> Embedded:
        """The runtime of the folder; it opens once at a time."""
        await self.close()
        self._running = await Embedded.open(self.folder, self.clock, key=KEY)
        return self._running

    async def stop(self) -> None:
        """Close the runtime."""
        await self.close()

    async def another(self) -> Embedded:
        """There is one process only."""
        raise NotImplementedError

    async def given_away(self) -> list[str]:
        """The folder."""
        await self.close()
        return [str(self.folder)]

    async def poke(self) -> None:
        """It looks with every command, also with one it refuses."""
        assert self._running is not None
        for _ in range(2):
            await self._running.submit([nonsense(str(uuid4()))])

    async def close(self) -> None:
        """Close the runtime."""
        if self._running is not None:
            await self._running.close()
            self._running = None


class KafkaStage:
    """Topics of their own."""

    def __init__(self, connection: Connection, topology: Topology, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.connection = connection
        self.topology = topology
        self._folder = folder
        self._ids = [_id_in(partition, topology.partitions) for partition in range(topology.partitions)]
        self._deciding: Doors | None = None
        self._others: list[Doors] = []

    async def start(self) -> Doors:
        """A process that decides; the one before is closed."""
        await self.stop()
        self._deciding = await self._open("serve", deciding=True)
        return self._deciding

    async def stop(self) -> None:
        """Close the process that decides."""
        if self._deciding is not None:
            await self._deciding.close()
            self._deciding = None

    async def another(self) -> Doors:
        """A process that only serves."""
        self._others.append(await self._open(f"api-{len(self._others)}", deciding=False))
        return self._others[-1]

    async def given_away(self) -> list[str]:
        """The cluster, the topics, and a folder for another process that only serves."""
        return [str(self._folder / "away"), self.connection.bootstrap, self.topology.prefix, str(self.topology.partitions)]

    async def _open(self, name: str, *, deciding: bool) -> Doors:
        return await _ready(self.connection, self.topology, self._folder / name, self.clock, deciding=deciding)

    async def poke(self) -> None:
        """Every partition looks, twice after it knows that it has read all commands there are by the clock."""
        running = self._deciding
        assert running is not None
        assert running.ledgers is not None
        partitions = [*running.ledgers.partitions.values()]
        now = max(partition.now() for partition in partitions)
        left = 2
        async with asyncio.timeout(PATIENCE_S):
            while left:
                left -= all(partition.read_up_to >= now for partition in partitions)
                await running.submit([nonsense(outplan_id) for outplan_id in self._ids])

    async def close(self) -> None:
        """Close every process."""
        for running in self._others:
            await running.close()
        self._others.clear()
        await self.stop()


async def _ready(connection: Connection, topology: Topology, folder: Path, clock: Clock, *, deciding: bool) -> Doors:
    options = Options(connection, clock, KEY.encode(), DEFAULT_CUSTOMER, topology, clock_tolerance_us=None, ends_every_s=0.01)
    running = await Doors.open(options, folder, deciding=deciding)
    await running.ready(PATIENCE_S)
    return running


async def opened(words: Sequence[str], clock: Clock) -> Runtime:
    """A runtime on the stage of another process, from :meth:`Stage.given_away`."""
    folder, *cluster = words
    if not cluster:
        return await Embedded.open(Path(folder), clock, key=KEY)
    bootstrap, prefix, partitions = cluster
    return await _ready(Connection(bootstrap), Topology(prefix, int(partitions)), Path(folder), clock, deciding=False)


def nonsense(outplan_id: str) -> UpdateOutplan:
    """A command of nobody, which is refused."""
    nobody = str(uuid4())
    return UpdateOutplan(id=nobody, customer_id=nobody, outplan_id=outplan_id, name="")


def _id_in(partition: int, partitions: int) -> str:
    """An id whose stream is in a partition."""
    while partition_of(found := str(uuid4()), partitions) != partition:
        pass
    return found


MakeSettings = Callable[[], dict[str, str]]


@pytest.fixture(scope="module")
def make_settings(runtime_kind: str, request: pytest.FixtureRequest) -> MakeSettings:
    """Make the settings, by environment variable, of a program whose log is empty: where it is on Kafka, some partitions of it."""

    def make() -> dict[str, str]:
        if runtime_kind == "embedded":
            return {}
        prefixes: Prefixes = request.getfixturevalue("prefixes")
        topology = prefixes.take(SOME)
        return {
            "OUTDIAL_KAFKA__BOOTSTRAP_SERVERS": prefixes.connection.bootstrap,
            "OUTDIAL_TOPIC_PREFIX": topology.prefix,
            "OUTDIAL_PARTITIONS": str(topology.partitions),
        }

    return make


class MakeStage(Protocol):
    """How stages are made."""

    def __call__(self, folder: Path, clock: Clock, partitions: int = 1) -> Stage:
        """A stage; the embedded runtime has one partition always."""
        ...


@pytest.fixture
def make_stage(runtime_kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MakeStage:
    """Make a stage of the runtime the test runs on, with an empty log. However busy the machine, its answers are waited for."""
    monkeypatch.setattr(sending, "ANSWER_S", PATIENCE_S)

    def make(folder: Path, clock: Clock, partitions: int = 1) -> Stage:
        if runtime_kind == "embedded":
            return EmbeddedStage(folder, clock)
        prefixes: Prefixes = request.getfixturevalue("prefixes")
        return KafkaStage(prefixes.connection, prefixes.take(partitions), folder, clock)

    return make
