"""A real Kafka for whoever asks. Nothing is started before a test does.

Where it comes from, in this order: the address in OUTDIAL_TEST_KAFKA; Docker, when its daemon answers; Java on this machine.
Without any of them a test that asks is skipped with the reason; with OUTDIAL_REQUIRE_KAFKA=1 it fails with it.
"""

import contextlib
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import pytest

from brokers import libs
from brokers.cluster import CLUSTER_ID, Cluster, create_topics, delete_topics, free_ports, metadata, settings
from brokers.proxy import Proxy
from brokers.shared import shared
from brokers.wire import Silent
from outdial.topology import TOPICS, Topology, config

DOCKER_SECONDS = 120.0


@dataclass(frozen=True)
class Asked:
    """What the environment says, as it was before any test changed it."""

    address: str | None
    required: bool
    version: str
    cache: Path
    docker: str | None
    """Where its daemon is, when it is not at the usual place."""


ASKED = pytest.StashKey[Asked]()

MakeTopology = Callable[..., Topology]


def pytest_configure(config: pytest.Config) -> None:
    environment = os.environ
    config.stash[ASKED] = Asked(
        address=environment.get("OUTDIAL_TEST_KAFKA") or None,
        required=environment.get("OUTDIAL_REQUIRE_KAFKA", "") not in {"", "0"},
        version=environment.get("OUTDIAL_TEST_KAFKA_VERSION") or libs.VERSION,
        cache=libs.cache(),
        docker=environment.get("DOCKER_HOST") or None,
    )


def without(asked: Asked, reason: str) -> NoReturn:
    """There is no broker: skip, or fail where one is required."""
    said = f"no Kafka for this test: {reason}"
    if asked.required:
        pytest.fail(f"{said} (OUTDIAL_REQUIRE_KAFKA is set)", pytrace=False)
    pytest.skip(said)


def started(asked: Asked, size: int, folder: Path, more: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A cluster of this machine, until the tests are over; with settings of its own."""
    cluster = Cluster(size, folder, version=asked.version, kept=asked.cache, more=more)
    try:
        try:
            cluster.start()
        except libs.Unavailable as error:
            without(asked, str(error))
        yield cluster
    finally:
        cluster.close()


def docker_answers(daemon: str | None) -> bool:
    """Whether a Docker daemon is there."""
    where = urlsplit(daemon or "unix:///var/run/docker.sock")
    try:
        if where.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(2)
                probe.connect(where.path)
        else:
            socket.create_connection((where.hostname or "localhost", where.port or 2375), timeout=2).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def in_docker(version: str) -> Iterator[str]:
    """A broker in Docker: where it listens."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415  it asks the daemon at once

    (port,) = free_ports(1)
    container = DockerContainer(f"apache/kafka:{version}").with_bind_ports(port, port)
    host = container.get_container_host_ip().replace("localhost", "127.0.0.1")
    properties = settings(1) | {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": "1@localhost:9093",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    for name, value in properties.items():
        container = container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
    with container.with_env("CLUSTER_ID", CLUSTER_ID):
        answers(f"{host}:{port}", DOCKER_SECONDS)
        yield f"{host}:{port}"


def from_docker(asked: Asked, stack: contextlib.ExitStack) -> str | None:
    """The address of a broker in Docker that lives as long as the stack; None where there is no Docker, or it has no image."""
    if not docker_answers(asked.docker):
        return None
    try:
        return stack.enter_context(in_docker(asked.version))
    except Exception as error:  # noqa: BLE001  whatever Docker lacks, this machine may have a broker itself
        print(f"Docker answers, and has no broker: {error}")  # noqa: T201  pytest shows it beside the outcome
        return None


def answers(address: str, seconds: float) -> None:
    """Wait until a broker serves at an address. OSError: not within this time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if metadata(address, [])[0]:
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


@pytest.fixture(scope="session")
def kafka_cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker on this machine, its process in the test's hands; for what has to look at it from inside or through a proxy."""
    # It has nobody to hand over to; where it is starved for some seconds, taking its partitions from it would only make that longer.
    patient = {"broker.session.timeout.ms": "60000"}
    yield from started(request.config.stash[ASKED], 1, tmp_path_factory.mktemp("kafka"), patient)


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker that is shared by all tests. A test leaves it as it was: it uses topics of its own, and never stops it."""
    asked = request.config.stash[ASKED]
    if asked.address is not None:
        yield asked.address
        return
    with contextlib.ExitStack() as open_until_the_end:

        def start() -> str:
            found: str = from_docker(asked, open_until_the_end) or request.getfixturevalue("kafka_cluster").bootstrap
            return found

        own = tmp_path_factory.getbasetemp()
        # The processes of one run have folders side by side.
        together = own.parent if hasattr(request.config, "workerinput") else own
        yield open_until_the_end.enter_context(shared(together, start))


@pytest.fixture(scope="session")
def _three(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    yield from started(request.config.stash[ASKED], 3, tmp_path_factory.mktemp("kafka-3"))


@pytest.fixture
def three_brokers(_three: Cluster) -> Cluster:
    """Three brokers to be killed and paused; whatever the test before has done to them, all of them serve."""
    _three.heal()
    return _three


@pytest.fixture
def proxy(kafka_cluster: Cluster) -> Iterator[Proxy]:
    """A proxy before `kafka_cluster`, whose rules hold for one test."""
    with Proxy(kafka_cluster) as proxy:
        yield proxy


@pytest.fixture
def make_topology(request: pytest.FixtureRequest) -> Iterator[MakeTopology]:
    """Make topics under a prefix nobody has used: `make_topology(partitions=4, on=cluster)`. They are deleted after the test.

    Without `on` they are made on the broker of `kafka_bootstrap`.
    """
    made: list[tuple[Topology, Cluster | None]] = []

    def address(cluster: Cluster | None) -> str:
        if cluster is not None:
            return cluster.speaking()
        bootstrap: str = request.getfixturevalue("kafka_bootstrap")
        return bootstrap.partition(",")[0]

    def make(partitions: int = 4, on: Cluster | None = None) -> Topology:
        topology = Topology(f"test-{uuid.uuid4().hex[:12]}", partitions)
        made.append((topology, on))
        brokers, _ = metadata(address(on), [])
        create_topics(address(on), {topology.topic(topic.name): config(topic, brokers) for topic in TOPICS}, partitions)
        return topology

    yield make
    for topology, cluster in made:
        # What is left on brokers that a test has ended goes with their folder.
        with contextlib.suppress(*(() if cluster is None else (OSError, Silent))):
            delete_topics(address(cluster), [topology.topic(topic.name) for topic in TOPICS])


@pytest.fixture
def topology(make_topology: MakeTopology) -> Topology:
    """Topics of four partitions under a prefix nobody has used."""
    return make_topology()
