"""The proxy does to requests and answers what a test tells it, and tells what it saw."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from confluent_kafka import Producer

from brokers import wire
from brokers.cluster import Cluster
from brokers.fixtures import MakeTopology
from brokers.proxy import Do, Proxy
from outdial.topology import Topology

IMPATIENT_MS = 1_000


@pytest.fixture
def behind(make_topology: MakeTopology, kafka_cluster: Cluster) -> Topology:
    """Topics on the broker behind the proxy."""
    return make_topology(1, on=kafka_cluster)


@asynccontextmanager
async def writing(proxy: Proxy, name: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that goes through the proxy and loses patience soon; transactional where it has a name."""
    producer = AIOKafkaProducer(
        bootstrap_servers=proxy.bootstrap,
        transactional_id=name,
        enable_idempotence=True,
        request_timeout_ms=IMPATIENT_MS,
        client_id="writer",
    )
    async with producer:
        yield producer


async def values(cluster: Cluster, topic: str) -> list[bytes]:
    """The committed records of a topic of one partition, once no transaction is open in it; past the proxy."""
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=cluster.bootstrap, isolation_level="read_committed", auto_offset_reset="earliest")
    async with producer, consumer, asyncio.timeout(20):
        last = await producer.send_and_wait(topic, b"", partition=0)
        found: list[bytes] = []
        while (record := await consumer.getone()).offset < last.offset:
            found.append(record.value)
    return found


async def test_a_commit_released_too_late_ends_the_next_transaction(proxy: Proxy, kafka_cluster: Cluster, behind: Topology) -> None:
    held = proxy.rule("hold", wire.END_TXN, transactional_id="late")
    async with writing(proxy, "late") as producer:
        async with producer.transaction():
            await producer.send(behind.events, b"first", partition=0)
        first, again = proxy.of(wire.END_TXN, "late")
        assert (first.forwarded, again.reply) == (None, wire.Reply())

        await producer.begin_transaction()
        await producer.send_and_wait(behind.events, b"never meant to be seen", partition=0)
        held.release()
        await asyncio.to_thread(proxy.wait, lambda: first.answered is not None)
        with pytest.raises(KafkaError):
            await producer.abort_transaction()

    assert first.request == replace(again.request, correlation=first.request.correlation)
    assert first.request.committed
    assert first.left is not None
    assert first.forwarded is not None
    assert first.left - first.received >= 0.95 * IMPATIENT_MS / 1000  # the client counts from before the proxy has it
    assert first.forwarded > first.left
    assert first.reply == wire.Reply()
    assert first.delivered is None
    assert first.connection != again.connection
    assert await values(kafka_cluster, behind.events) == [b"first", b"never meant to be seen"]


async def test_a_produce_whose_answer_is_lost_is_sent_again_and_written_once(
    proxy: Proxy, kafka_cluster: Cluster, behind: Topology
) -> None:
    lost = proxy.rule("drop answer", wire.PRODUCE)
    async with writing(proxy) as producer:
        await producer.send_and_wait(behind.events, b"once", partition=0)

    first, again = proxy.of(wire.PRODUCE)
    assert lost.caught == [first]
    assert first.answered is not None
    assert first.delivered is None
    assert again.delivered is not None
    assert await values(kafka_cluster, behind.events) == [b"once"]


@pytest.mark.parametrize(("do", "arrives"), [("cut", False), ("cut answer", True), ("drop", False)])
async def test_a_lost_commit_is_sent_again(proxy: Proxy, kafka_cluster: Cluster, behind: Topology, do: Do, *, arrives: bool) -> None:
    name = f"lost-{do}"
    proxy.rule(do, wire.END_TXN, transactional_id=name)
    async with writing(proxy, name) as producer, producer.transaction():
        await producer.send(behind.events, b"kept", partition=0)

    first, again = proxy.of(wire.END_TXN, name)
    assert (first.answered is not None) == arrives
    assert first.delivered is None
    assert again.delivered is not None
    assert await values(kafka_cluster, behind.events) == [b"kept"]


async def test_only_the_nth_request_of_one_transactional_id_is_held_and_only_so_long(proxy: Proxy, behind: Topology) -> None:
    held = proxy.rule("hold", wire.TXN_OFFSET_COMMIT, transactional_id="b", nth=2, seconds=0.3)
    for name in ("a", "b"):
        async with writing(proxy, name) as producer:
            for mark in (1, 2, 3):
                async with producer.transaction():
                    await producer.send_offsets_to_transaction(
                        {TopicPartition(behind.commands, 0): OffsetAndMetadata(mark, "")}, f"{name}-group"
                    )

    assert held.caught == [proxy.of(wire.TXN_OFFSET_COMMIT, "b")[1]]
    for seen in proxy.of(wire.TXN_OFFSET_COMMIT):
        assert seen.forwarded is not None
        assert (seen.forwarded - seen.received >= 0.3) == (seen in held.caught)
        assert seen.request.group == f"{seen.request.transactional_id}-group"


async def test_an_answer_is_held_until_its_release(proxy: Proxy, behind: Topology) -> None:
    held = proxy.rule("hold answer", wire.PRODUCE, client_id="writer")
    async with writing(proxy) as producer:
        sent = asyncio.create_task(producer.send_and_wait(behind.events, b"x", partition=0))
        seen = await held.catch()
        await asyncio.to_thread(proxy.wait, lambda: seen.answered is not None)
        assert not sent.done()

        held.release()
        await sent

    assert len([seen for seen in proxy.of(wire.PRODUCE) if seen.reply is None or not seen.reply.error]) == 1


async def test_a_client_that_is_cut_off_waits_until_it_is_let_in_again(proxy: Proxy, kafka_cluster: Cluster, behind: Topology) -> None:
    async with writing(proxy) as producer:
        await producer.send_and_wait(behind.events, b"before", partition=0)
        proxy.refuse()
        sent = asyncio.create_task(producer.send_and_wait(behind.events, b"after", partition=0))
        refused = proxy.refused
        await asyncio.to_thread(proxy.wait, lambda: proxy.refused > refused)
        assert not sent.done()

        proxy.accept()
        await sent

    assert await values(kafka_cluster, behind.events) == [b"before", b"after"]


def test_the_messages_of_another_client_are_read_as_well(proxy: Proxy, behind: Topology) -> None:
    producer = Producer({"bootstrap.servers": proxy.bootstrap, "transactional.id": "other"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(behind.events, b"x")
    producer.commit_transaction(20)
    del producer

    made = [seen.reply for seen in proxy.of(wire.INIT_PRODUCER_ID, "other")]
    assert made[-1] is not None
    assert [seen.reply for seen in proxy.of(wire.PRODUCE, "other")] == [wire.Reply()]
    (end,) = proxy.of(wire.END_TXN, "other")
    assert (end.request.producer_id, end.request.producer_epoch) == (made[-1].producer_id, made[-1].producer_epoch)
    assert (end.request.committed, end.reply) == (True, wire.Reply())
