"""A broker that names no broker, as one may while it starts or is short of time, is something that passes."""

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

from outdial.connection import Connection
from outdial.kafka.producer import Producer


async def test_a_cluster_that_names_no_broker_is_asked_again_and_ends_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answered(_: AIOKafkaClient) -> None:
        """Metadata came, with nobody in it."""

    monkeypatch.setattr(AIOKafkaClient, "bootstrap", answered)
    producer = Producer(Connection("127.0.0.1:9"), "somebody")
    with pytest.raises(KafkaConnectionError, match="bootstrap"):
        await producer.start()
    await producer.abandon()
