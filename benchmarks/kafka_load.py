"""What every contestant reads: commands of a list being dialed, half AddTarget and half DialResult, on the partitions where they belong."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from benchmarks.measure import CUSTOMER
from outdial.ids import attempt_id, derived
from outdial.plan import Plan
from outdial.topology import MAX_RECORD_BYTES, TOPICS, Topology, config, partition_of, replication
from outdial.wire import to_json

OUTDIALS_EACH = 4
"""Outdials on every partition."""
APART = 10_000
"""Results come so many targets after their target was added, on a partition: the attempt is open by then."""
BATCH_BYTES = 512 * 1024
READY_S = 30.0
READ_BYTES = 4 * 1024 * 1024
PLAN = Plan(max_try_count_0=3, max_concurrent=0, try_interval=600_000)
"""Whoever was busy waits for longer than a run takes on a slow day: a second try would be other work than was given."""

Line = tuple[bytes, bytes]
"""Key and value of a command."""


@dataclass(frozen=True)
class Load:
    """Commands by partition, in order."""

    creates: list[list[Line]]
    commands: list[list[Line]]

    @property
    def total(self) -> int:
        """Commands, the creation of the outdials apart."""
        return sum(map(len, self.commands))

    @property
    def adds(self) -> int:
        """Targets that are added, each of which is requested once."""
        return self.total // 2


def outdials(partitions: int, each: int = OUTDIALS_EACH) -> list[list[str]]:
    """Ids of outdials, so many on every partition."""
    found: list[list[str]] = [[] for _ in range(partitions)]
    number = 0
    while any(len(ids) < each for ids in found):
        outdial_id = derived(CUSTOMER, f"kafka-bench/{number}")
        number += 1
        place = found[partition_of(outdial_id, partitions)]
        if len(place) < each:
            place.append(outdial_id)
    return found


def create(outdial_id: str, plan: Plan = PLAN) -> Line:
    """The command that makes an outdial and runs it."""
    return outdial_id.encode(), (
        f'{{"type":"CreateOutdial","id":"{derived(outdial_id, "create")}","customer_id":"{CUSTOMER}","outdial_id":"{outdial_id}",'
        f'"plan":{to_json(plan.model_dump(mode="json", exclude_none=True)).decode()}}}'
    ).encode()


def add(outdial_id: str, target_id: str, number: int) -> Line:
    """The command that adds a target; ``number`` makes its telephone number."""
    return outdial_id.encode(), (
        f'{{"type":"AddTarget","id":"{derived(target_id, "add")}","customer_id":"{CUSTOMER}","outdial_id":"{outdial_id}",'
        f'"target_id":"{target_id}","name":"John Smith","destination_0":{{"type":"tel","target":"+1{2_000_000_000 + number}"}}}}'
    ).encode()


def result(outdial_id: str, target_id: str, outcome: str, ordinal: int = 1) -> Line:
    """The command that tells how an attempt ended."""
    return outdial_id.encode(), (
        f'{{"type":"DialResult","id":"{derived(target_id, f"result/{ordinal}")}","customer_id":"{CUSTOMER}","outdial_id":"{outdial_id}",'
        f'"target_id":"{target_id}","attempt_id":"{attempt_id(outdial_id, target_id, ordinal)}","outcome":"{outcome}"}}'
    ).encode()


def load(commands: int, partitions: int, apart: int = APART) -> Load:
    """So many commands, spread evenly. Of ten results one is ``busy`` (its target waits beyond the run), the others ``answered``."""
    lists = outdials(partitions)
    each = commands // partitions // 2
    made = [list(_lines(ids, place * each, each, min(apart, each))) for place, ids in enumerate(lists)]
    return Load([[create(outdial_id) for outdial_id in ids] for ids in lists], made)


def _lines(ids: Sequence[str], first: int, each: int, apart: int) -> Iterator[Line]:
    for index in range(each + apart):
        if index < each:
            outdial_id = ids[index % len(ids)]
            yield add(outdial_id, derived(outdial_id, f"target/{index}"), first + index)
        if index >= apart:
            back = index - apart
            outdial_id = ids[back % len(ids)]
            yield result(outdial_id, derived(outdial_id, f"target/{back}"), "answered" if back % 10 else "busy")


async def make_topics(bootstrap: str, topology: Topology) -> None:
    """Make the topics as ``outdial topics create`` makes them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        brokers = len((await admin.describe_cluster())["brokers"])
        copies = replication(brokers)
        made = [NewTopic(topology.topic(topic.name), topology.partitions, copies, topic_configs=config(topic, brokers)) for topic in TOPICS]
        answer = await admin.create_topics(made)
        wrong = [found for found in answer.topic_errors if found[1]]
        if wrong:
            raise RuntimeError(f"topics were refused: {wrong}")
        names = [new.name for new in made]
        deadline = time.monotonic() + READY_S
        while await _led(admin, names) < topology.partitions * len(names):
            if time.monotonic() > deadline:
                raise RuntimeError("topics have no leaders")
            await asyncio.sleep(0.02)
    finally:
        await admin.close()


async def _led(admin: AIOKafkaAdminClient, names: Sequence[str]) -> int:
    """Partitions that have a leader."""
    return sum(found["leader"] >= 0 for topic in await admin.describe_topics(names) for found in topic["partitions"])


async def drop_topics(bootstrap: str, topology: Topology) -> None:
    """Delete every topic with the prefix, also those a peer made for itself."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found = [name for name in await admin.list_topics() if name.startswith(topology.prefix + ".")]
        if found:
            await admin.delete_topics(found)
    finally:
        await admin.close()


async def write(bootstrap: str, topology: Topology, lines: Sequence[Sequence[Line]]) -> None:
    """Write commands, all partitions at once, and wait until they are there."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_batch_size=BATCH_BYTES, max_request_size=MAX_RECORD_BYTES, request_timeout_ms=60_000
    )
    await producer.start()
    try:
        await asyncio.gather(*(_write(producer, topology.commands, partition, found) for partition, found in enumerate(lines)))
    finally:
        await producer.stop()


async def _write(producer: AIOKafkaProducer, topic: str, partition: int, lines: Sequence[Line]) -> None:
    at = 0
    while at < len(lines):
        batch = producer.create_batch()
        while at < len(lines) and batch.append(key=lines[at][0], value=lines[at][1], timestamp=None) is not None:
            at += 1
        batch.close()
        sent = await producer.send_batch(batch, topic, partition=partition)
        await sent


class Progress:
    """How far a group has committed."""

    def __init__(self, bootstrap: str, topology: Topology) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._topology = topology

    async def __aenter__(self) -> Self:
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._admin.close()

    async def committed(self) -> int:
        """Commands whose outcome is committed, over all partitions."""
        try:
            found = await self._admin.list_consumer_group_offsets(self._topology.ledger_group)
        except KafkaError:
            return 0
        return sum(max(0, at.offset) for place, at in found.items() if place.topic == self._topology.commands)


@dataclass(frozen=True)
class Written:
    """What a contestant wrote, as a reader of committed records finds it."""

    events: int
    distinct: int
    """Different event ids."""
    requests: int
    attempts: int
    """Different attempt ids among the requests."""
    rejections: int


async def written(bootstrap: str, topology: Topology) -> Written:
    """Read everything that was written."""
    events, ids = await _ids(bootstrap, topology.events, topology.partitions, b'"id":"', b'"')
    requests, attempts = await _ids(bootstrap, topology.dial_requests, topology.partitions, b'"attempt_id":"', b'"')
    rejections, _ = await _ids(bootstrap, topology.rejections, topology.partitions, b"", b"{")
    return Written(events, ids, requests, attempts, rejections)


async def _ids(bootstrap: str, topic: str, partitions: int, before: bytes, after: bytes) -> tuple[int, int]:
    """Records of a topic, and how many different texts stand between two marks."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False, max_partition_fetch_bytes=READ_BYTES
    )
    await consumer.start()
    count, seen = 0, set()
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning()
        left = {place: end for place, end in (await consumer.end_offsets(places)).items() if end}
        deadline = time.monotonic() + 120
        while left and time.monotonic() < deadline:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    if record.key is not None:
                        count += 1
                        start = record.value.index(before) + len(before)
                        seen.add(hash(record.value[start : record.value.index(after, start)]))
            for place in list(left):
                if await consumer.position(place) >= left[place]:
                    del left[place]
    finally:
        await consumer.stop()
    return count, len(seen)
