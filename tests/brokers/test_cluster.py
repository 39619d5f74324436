"""The brokers of the tests are brokers."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from brokers import libs
from brokers.cluster import HOST, Cluster, NotReady, free, free_ports, metadata
from messages import ROOT
from outdial.topology import TOPICS, Topology


async def test_the_shared_broker_takes_a_transaction(kafka_bootstrap: str, topology: Topology) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=topology.transactional_id(0))
    consumer = AIOKafkaConsumer(
        topology.events, bootstrap_servers=kafka_bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    async with producer, consumer:
        await producer.begin_transaction()
        await producer.send(topology.events, b"aborted", partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send(topology.events, b"committed", partition=0)

        record = await asyncio.wait_for(consumer.getone(), 20)

    assert record.value == b"committed"


def test_a_fresh_prefix_has_every_topic(kafka_bootstrap: str, topology: Topology) -> None:
    _, partitions = metadata(kafka_bootstrap.partition(",")[0], [topology.topic(topic.name) for topic in TOPICS])

    assert len(partitions) == len(TOPICS) * topology.partitions


async def test_the_epochs_a_transactional_id_was_given_are_read_from_the_log(kafka_cluster: Cluster) -> None:
    for _ in range(2):
        async with AIOKafkaProducer(bootstrap_servers=kafka_cluster.bootstrap, transactional_id="epochs"):
            pass

    (producer, first), (again, second) = kafka_cluster.producer_epochs("epochs")
    assert (again, second) == (producer, first + 1)


def test_a_broker_is_started_by_python_alone() -> None:
    ran = subprocess.run(
        [sys.executable, "-S", "-m", "brokers", "--help"], cwd=ROOT / "tests", capture_output=True, text=True, check=False, timeout=60
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "make broker" in ran.stdout


def _told(tmp_path: Path, *options: str) -> tuple[str, str]:
    """What is said by a start that cannot succeed: there is neither Java nor Kafka."""
    ran = subprocess.run(  # noqa: S603  this Python
        [sys.executable, "-S", "-m", "brokers", *options],
        env={"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 1
    return ran.stdout, ran.stderr


def test_the_first_start_says_that_kafka_is_fetched_and_later_ones_do_not(tmp_path: Path) -> None:
    port = str(free_ports(1)[0])

    first, missing = _told(tmp_path, "--port", port)
    (tmp_path / "outdial-tests" / f"kafka-{libs.VERSION}").mkdir(parents=True)
    later, _ = _told(tmp_path, "--port", port)

    assert f"The first start fetches Kafka {libs.VERSION} by Maven" in first
    assert "install Java" in missing
    assert "fetches" not in later


def test_a_port_that_is_taken_is_answered_with_the_line_that_names_another(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        _, said = _told(tmp_path, "--port", str(port))

    assert f"make broker PORT={port + 1}" in said


def test_a_broker_that_does_not_answer_in_time_is_told_with_the_time_that_was_waited(tmp_path: Path) -> None:
    cluster = Cluster(1, tmp_path)
    cluster.node(1).process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with pytest.raises(NotReady, match=r"^broker 1 does not answer: .* \(after 0\.1 s, and a busy machine may need longer: "):
            cluster.wait_ready(0.1)
    finally:
        cluster.close()


def test_brokers_end_with_the_tests_that_are_killed(kafka_cluster: Cluster, tmp_path: Path) -> None:
    program = f"""
import os, signal, pathlib
from brokers.cluster import Cluster
cluster = Cluster(1, pathlib.Path({str(tmp_path)!r}), version={kafka_cluster.version!r}, kept=pathlib.Path({str(kafka_cluster.kept)!r}))
cluster.start()
print(cluster.node(1).ports.client, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ran = subprocess.run(  # noqa: S603  this Python
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert ran.returncode == -signal.SIGKILL, ran.stderr
    deadline = time.monotonic() + 20
    while not free(int(ran.stdout)):
        assert time.monotonic() < deadline, f"the broker outlived its test at port {ran.stdout}"
        time.sleep(0.02)


def test_a_broker_whose_port_was_taken_meanwhile_starts_at_another(kafka_cluster: Cluster, tmp_path: Path) -> None:
    cluster = Cluster(1, tmp_path, version=kafka_cluster.version, kept=kafka_cluster.kept)
    port = cluster.node(1).ports.client

    with socket.create_server((HOST, port)), cluster:
        assert cluster.node(1).ports.client != port
        assert cluster.speaking() == cluster.bootstrap


@pytest.mark.parametrize(("required", "outcome"), [("", "1 skipped"), ("1", "1 error")])
def test_without_docker_and_java_a_test_is_skipped_with_the_reason_or_fails_where_kafka_is_required(
    tmp_path: Path, required: str, outcome: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OUTDIAL_")}
    environment |= {"PATH": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none", "OUTDIAL_REQUIRE_KAFKA": required}
    named = f"{Path(__file__).relative_to(ROOT)}::{test_a_fresh_prefix_has_every_topic.__name__}"

    ran = subprocess.run(  # noqa: S603  this Python
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", named],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert outcome in ran.stdout
    assert f"no Kafka for this test: no Java here: install Java {libs.JAVA}" in ran.stdout
