"""The producer of a partition asks for one thing after the other, and all of a transaction stands, or nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaConnectionError, KafkaError, NotLeaderForPartitionError, ProducerFenced, TopicAuthorizationFailedError
from aiokafka.producer.sender import AddPartitionsToTxnHandler, SendProduceReqHandler
from aiokafka.structs import RecordMetadata, TopicPartition

from brokers.fixtures import MakeTopology
from faults.chaos.stage import Stage, until
from outdial.connection import Connection
from outdial.ending import begun
from outdial.kafka import producer as producers
from outdial.kafka.connecting import Ends, reader
from outdial.kafka.producer import MARKED_S, RETRY_BACKOFF_MS, FateUnknown, Outgoing, Producer, _Announce
from outdial.topology import Topology

PATIENCE_S = 30.0
Place = tuple[str, int]


@pytest.fixture
async def topology(make_topology: MakeTopology) -> Topology:
    return make_topology(2)


@asynccontextmanager
async def writer(kafka_bootstrap: str, name: str) -> AsyncIterator[Producer]:
    """A producer, for as long as the block."""
    found = Producer(Connection(kafka_bootstrap), name)
    try:
        await asyncio.wait_for(found.start(), PATIENCE_S)
        yield found
    finally:
        await found.abandon()


async def committed(kafka_bootstrap: str, place: Place) -> list[tuple[int, bytes]]:
    """The offsets and values a reader of committed records is shown; what was to be aborted is by then."""
    consumer: AIOKafkaConsumer = reader(Connection(kafka_bootstrap))
    ends = Ends(Connection(kafka_bootstrap))
    where, found = TopicPartition(*place), list[tuple[int, bytes]]()
    await consumer.start()
    await ends.start()
    try:
        _, end = await ends.span(*place)
        consumer.assign([where])
        consumer.seek(where, 0)
        async with asyncio.timeout(PATIENCE_S):
            while await consumer.position(where) < end:
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    found += [(record.offset, record.value) for record in records]
    finally:
        await ends.stop()
        await consumer.stop()
    return found


def saying(producer: Producer, words: list[tuple[Place, bytes]]) -> Outgoing:
    out = Outgoing(producer)
    for (topic, partition), value in words:
        out.add(topic, partition, b"key", value, [])
    return out


async def transacted(producer: Producer, words: list[tuple[Place, bytes]]) -> dict[Place, RecordMetadata]:
    """Write it all in one transaction."""
    await producer.begin_transaction()
    written = await saying(producer, words).write()
    await producer.commit_transaction()
    return written


async def test_all_of_a_transaction_stands_in_its_order_and_it_is_told_where(
    kafka_bootstrap: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producers, "BATCH_BYTES", 200)
    places = [(topology.events, 0), (topology.events, 1), (topology.answers, 0)]
    words = [(places[number % 5 % 3], b"%d" % number * 20) for number in range(50)]
    async with writer(kafka_bootstrap, "one") as producer:
        for times in range(2):
            out = saying(producer, words)
            await producer.begin_transaction()
            written = await out.write()
            await producer.commit_transaction()
            for place in places:
                found = await committed(kafka_bootstrap, place)
                mine = found[len(found) * times // 2 :]
                assert [value for _, value in mine] == [value for there, value in words if there == place]
                assert written[place].offset == mine[-out.in_last_batch(*place)][0]


async def test_what_is_aborted_is_shown_to_nobody(kafka_bootstrap: str, topology: Topology) -> None:
    place = (topology.events, 0)
    async with writer(kafka_bootstrap, "one") as producer:
        await producer.begin_transaction()
        await saying(producer, [(place, b"never")]).write()
        await producer.abort_transaction()
        await transacted(producer, [(place, b"said")])
        await producer.begin_transaction()
        await saying(producer, [(place, b"not ended")]).write()
        async with writer(kafka_bootstrap, "one") as next_one:
            await transacted(next_one, [(place, b"said by the next")])
            with pytest.raises(ProducerFenced):
                await producer.commit_transaction()
    assert [value for _, value in await committed(kafka_bootstrap, place)] == [b"said", b"said by the next"]


async def test_an_empty_transaction_asks_nobody(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with writer(kafka_bootstrap, "one") as producer:
        monkeypatch.setattr(producer.client, "send", None)
        await transacted(producer, [])


@pytest.mark.parametrize("why", [NotLeaderForPartitionError, KafkaConnectionError])
async def test_a_batch_that_is_sent_again_stands_once(
    kafka_bootstrap: str, topology: Topology, monkeypatch: pytest.MonkeyPatch, why: type[KafkaError]
) -> None:
    """Refused by a broker that does not lead, or written and the answer lost: the same numbers go out again."""
    place = (topology.events, 0)
    async with writer(kafka_bootstrap, "one") as producer:
        send, lost = producer.client.send, 0

        async def once(node_id: int, request: Any, **more: Any) -> Any:
            nonlocal lost
            if "Produce" not in type(request).__name__ or lost:
                return await send(node_id, request, **more)
            lost += 1
            if why is KafkaConnectionError:
                await send(node_id, request, **more)
            raise why

        monkeypatch.setattr(producer.client, "send", once)
        await transacted(producer, [(place, b"first"), (place, b"second"), ((topology.answers, 1), b"third")])
    assert lost
    assert [value for _, value in await committed(kafka_bootstrap, place)] == [b"first", b"second"]
    assert [value for _, value in await committed(kafka_bootstrap, (topology.answers, 1))] == [b"third"]


async def test_a_partition_without_a_leader_is_waited_for(
    kafka_bootstrap: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, asked = ClusterMetadata.leader_for_partition, 0

    def nobody_at_first(self: ClusterMetadata, place: TopicPartition) -> int | None:
        nonlocal asked
        asked += place.topic == topology.answers
        return -1 if place.topic == topology.answers and asked < 4 else leader(self, place)

    async with writer(kafka_bootstrap, "one") as producer:
        monkeypatch.setattr(ClusterMetadata, "leader_for_partition", nobody_at_first)
        await transacted(producer, [((topology.events, 0), b"led"), ((topology.answers, 0), b"led later")])
    assert asked >= 4
    assert [value for _, value in await committed(kafka_bootstrap, (topology.answers, 0))] == [b"led later"]


async def test_where_it_may_not_write_it_commits_nothing(kafka_bootstrap: str, topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: AddPartitionsToTxnHandler, response: Any) -> Any:
        response.errors = [(topic, [(0, TopicAuthorizationFailedError.errno)]) for topic, _ in response.errors]
        return handle(self, response)

    handle = AddPartitionsToTxnHandler.handle_response
    async with writer(kafka_bootstrap, "one") as producer:
        monkeypatch.setattr(AddPartitionsToTxnHandler, "handle_response", refused)
        with pytest.raises(TopicAuthorizationFailedError):
            await transacted(producer, [((topology.events, 0), b"never")])
    assert not await committed(kafka_bootstrap, (topology.events, 0))


async def test_a_batch_that_is_refused_for_good_is_told(kafka_bootstrap: str, topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    def fenced(self: SendProduceReqHandler, _: Any) -> None:
        for batch in self._batches.values():
            batch.failure(exception=ProducerFenced())

    async with writer(kafka_bootstrap, "one") as producer:
        monkeypatch.setattr(SendProduceReqHandler, "handle_response", fenced)
        with pytest.raises(ProducerFenced):
            await transacted(producer, [((topology.events, 0), b"never"), ((topology.events, 1), b"nor this")])
    assert not await committed(kafka_bootstrap, (topology.events, 1))


async def test_an_end_without_an_answer_is_not_asked_for_again(
    kafka_bootstrap: str, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with writer(kafka_bootstrap, "one") as producer:
        send, ends = producer.client.send, 0

        async def lost(node_id: int, request: Any, **more: Any) -> Any:
            nonlocal ends
            answer = await send(node_id, request, **more)
            if "EndTxn" in type(request).__name__:
                ends += 1
                raise KafkaConnectionError
            return answer

        monkeypatch.setattr(producer.client, "send", lost)
        with pytest.raises(FateUnknown):
            await transacted(producer, [((topology.events, 0), b"it was committed")])
    assert ends == 1


async def test_an_error_of_the_client_costs_the_producer_and_not_the_process(
    kafka_bootstrap: str, make_topology: MakeTopology, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, asked = Stage(kafka_bootstrap, make_topology(1)), 0
    create = SendProduceReqHandler.create_request

    def wrong(self: SendProduceReqHandler) -> Any:
        nonlocal asked
        asked += self._sender.client._client_id.endswith("ledger-0")  # noqa: SLF001  the partition's own, not who sends to it
        assert asked != 2
        return create(self)

    async with stage.owner() as owner:
        await until(lambda: owner.not_ready is None, "the partition is open")
        monkeypatch.setattr(SendProduceReqHandler, "create_request", wrong)
        await stage.send(stage.create())
        await until(lambda: owner.next_offset == 1, "it is decided")
        await stage.send(stage.add(1))
        await until(lambda: owner.next_offset == 2, "it is decided by the next producer")
    assert asked > 2
    assert not await stage.faults()


async def test_who_is_cancelled_twice_while_it_connects_leaves_no_task() -> None:
    connecting, before = asyncio.Event(), asyncio.all_tasks()

    async def forever() -> None:
        connecting.set()
        await asyncio.Event().wait()

    starting = asyncio.create_task(begun(forever()))
    await connecting.wait()
    for _ in range(2):
        starting.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.wait({starting})
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("codes", "pause"), [([0, 0], None), ([51, 51], MARKED_S), ([51, 14], RETRY_BACKOFF_MS / 1_000), ([14, 14], RETRY_BACKOFF_MS / 1_000)]
)
async def test_a_coordinator_that_has_yet_to_write_the_marks_of_the_last_transaction_is_asked_again_soon(
    kafka_bootstrap: str, topology: Topology, codes: list[int], pause: float | None
) -> None:
    """51: of a transaction that is being ended. 14: it is reading its log."""
    async with writer(kafka_bootstrap, "one") as producer:
        await producer.begin_transaction()
        for partition in (0, 1):
            producer.will_write(topology.events, partition)
        manager = producer._txn_manager  # noqa: SLF001  what is to be told
        handler = _Announce(producer._sender, tuple(manager.partitions_to_add()))  # noqa: SLF001  as above
        assert handler.handle_response(SimpleNamespace(errors=[(topology.events, [*enumerate(codes)])])) == pause
        assert len(manager.partitions_to_add()) == (0 if pause is None else 2)
