"""The brokers of the tests are brokers."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from brokers.cluster import metadata
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
