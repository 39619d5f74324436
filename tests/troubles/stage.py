"""Topics with ledgers on them, somebody who writes whatever he likes, and somebody who hears what is said of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from time import time_ns
from typing import Any, Final, Self
from uuid import UUID, uuid4, uuid5

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import RecordMetadata, TopicPartition
from confluent_kafka.admin import AdminClient

from outdial.connection import Connection
from outdial.kafka import topics
from outdial.kafka.connecting import reader
from outdial.kafka.options import Options
from outdial.kafka.runtime import Ledgers
from outdial.requests import AnswerRecord, Rejection
from outdial.topology import TOPICS, Name, Topology, partition_of

KEY: Final = b"the key of the troubles"
CUSTOMER: Final = "7f1b1c5e-0000-4000-8000-000000000001"
PATIENCE_S: Final = 30.0
REPLAYED_S: Final = 300.0
"""For ledgers to have read a log of any size."""
PLAN: Final = {"max_try_count_0": 3, "try_interval": 3_600_000, "max_concurrent": 0}
"""Whoever is called is called again in an hour."""
RESULT: Final = "busy"
Headers = Sequence[tuple[str, bytes | None]]


def wall() -> int:
    """Microseconds since 1970."""
    return time_ns() // 1_000


class Clock:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead_us = 0

    def __call__(self) -> int:
        return wall() + self.ahead_us


async def until(holds: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> None:
    """Wait until something holds. AssertionError: not in time."""
    async with asyncio.timeout(seconds) as limit:
        while not holds():
            assert not limit.expired(), what
            await asyncio.sleep(0.01)


def new_id() -> str:
    """An id nobody has."""
    return str(uuid4())


def attempt(outdial_id: str, target_id: str, ordinal: int) -> str:
    """The id of an attempt."""
    return str(uuid5(UUID(outdial_id), f"{target_id}/{ordinal}"))


@dataclass
class Stage:
    """The topics of one prefix, and what was said on two of them."""

    connection: Connection
    topology: Topology
    folder: Path
    clock: Callable[[], int] = wall
    answers: dict[str, list[AnswerRecord]] = field(default_factory=dict)
    """By root."""
    rejections: list[Rejection] = field(default_factory=list)
    _producer: AIOKafkaProducer = None
    _asker: AIOKafkaConsumer = None
    """Who asks how much was said."""
    _heard: dict[TopicPartition, int] = field(default_factory=dict)
    """Up to where answers and rejections have been heard."""
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    @classmethod
    @asynccontextmanager
    async def on(cls, connection: Connection, folder: Path, partitions: int = 2, prefix: str | None = None) -> AsyncIterator[Self]:
        """A stage with topics of its own, which go with it."""
        topology = Topology(prefix or f"t{uuid4().hex[:12]}", partitions)
        await topics.create(connection, topology)
        stage = cls(connection, topology, folder)
        try:
            async with stage._open:
                yield stage
        finally:
            with suppress(Exception):
                async with topics.admin(connection) as client:
                    await client.delete_topics([topology.topic(topic.name) for topic in TOPICS])

    # --- ledgers --------------------------------------------------------------------------------------

    def options(self, **more: Any) -> Options:
        """What a ledger here is told."""
        told = Options(self.connection, self.clock, KEY, CUSTOMER, self.topology, clock_tolerance_us=None, ends_every_s=0.02)
        return replace(told, **more)

    @asynccontextmanager
    async def ledgers(self, **more: Any) -> AsyncIterator[Ledgers]:
        """Ledgers that run as long as the block, and decide when it begins."""
        ledgers = await Ledgers.open(self.options(**more))
        try:
            await until(lambda: ledgers.not_ready in {None, "failed"}, "the ledgers decide", REPLAYED_S)
            if ledgers.failure is not None:
                raise ledgers.failure
            yield ledgers
        finally:
            await ledgers.close()

    @asynccontextmanager
    async def failing(self, **more: Any) -> AsyncIterator["asyncio.Future[BaseException]"]:
        """Ledgers that are expected to end by themselves: by what."""
        ledgers = await Ledgers.open(self.options(**more))
        found: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        async def watch() -> None:
            try:
                await ledgers.wait_failed()
            except Exception as error:  # noqa: BLE001  whatever it is
                found.set_result(error)

        watching = asyncio.create_task(watch())
        try:
            yield found
        finally:
            await ledgers.close()
            watching.cancel()
            await asyncio.wait([watching])

    # --- writing --------------------------------------------------------------------------------------

    async def producer(self) -> AIOKafkaProducer:
        """Somebody who writes."""
        if self._producer is None:
            self._producer = AIOKafkaProducer(**self.connection.arguments(), max_request_size=8 * 1024 * 1024)
            await self._producer.start()
            self._open.push_async_callback(self._producer.stop)
            self._asker = reader(self.connection)
            await self._asker.start()
            self._open.push_async_callback(self._asker.stop)
            for name in ("answers", "rejections"):
                listening = asyncio.create_task(self._listen(name))
                self._open.push_async_callback(_end, listening)
        return self._producer

    async def put(
        self, value: bytes | None, *, key: bytes | None = None, partition: int = 0, headers: Headers = (), timestamp_ms: int | None = None
    ) -> RecordMetadata:
        """Write a record to the commands."""
        producer = await self.producer()
        return await producer.send_and_wait(
            self.topology.commands, value, key, partition=partition, timestamp_ms=timestamp_ms, headers=list(headers)
        )

    async def send(self, *commands: dict[str, Any], partition: int | None = None, timestamp_ms: int | None = None) -> list[RecordMetadata]:
        """Write commands, each where its stream's id says or where it is told to; an answer to each is wanted."""
        producer = await self.producer()
        futures = []
        for command in commands:
            stream = command.get("outdial_id") or command.get("outplan_id") or command.get("customer_id") or ""
            futures.append(
                await producer.send(
                    self.topology.commands,
                    json.dumps(command).encode(),
                    stream.encode(),
                    partition=partition_of(stream, self.topology.partitions) if partition is None else partition,
                    timestamp_ms=timestamp_ms,
                    headers=[("answer", command["id"].encode())] if "id" in command else [],
                )
            )
        return list(await asyncio.gather(*futures))

    async def ask(self, command: dict[str, Any], *, partition: int | None = None, timestamp_ms: int | None = None) -> AnswerRecord:
        """Write a command and wait for the next answer to it."""
        command.setdefault("id", new_id())
        before = len(self.answers.get(command["id"], ()))
        await self.send(command, partition=partition, timestamp_ms=timestamp_ms)
        await until(lambda: len(self.answers.get(command["id"], ())) > before, f"{command['type']} is answered")
        return self.answers[command["id"]][before]

    # --- commands -------------------------------------------------------------------------------------

    def stream(self, partition: int = 0) -> str:
        """An id whose stream is on a partition."""
        while partition_of(found := new_id(), self.topology.partitions) != partition:
            pass
        return found

    async def outdial(self, partition: int = 0, **plan: Any) -> str:
        """An outdial that runs."""
        outdial_id = self.stream(partition)
        answer = await self.ask({"type": "CreateOutdial", "outdial_id": outdial_id, "plan": PLAN | plan})
        assert answer.result == "events"
        return outdial_id

    async def goes_on(self, partition: int = 0) -> None:
        """A good command on the partition is carried out, and whatever was said until then is heard."""
        await self.outdial(partition)
        await self.hears()

    # --- hearing --------------------------------------------------------------------------------------

    async def hears(self) -> None:
        """Whatever was answered and refused until now is in ``answers`` and ``rejections``."""
        await self.producer()
        ends = await self._asker.end_offsets(self._places("answers") + self._places("rejections"))
        await until(lambda: all(self._heard.get(place, 0) >= end for place, end in ends.items()), "what was said is heard")

    def _places(self, name: Name) -> list[TopicPartition]:
        return [TopicPartition(self.topology.topic(name), number) for number in range(self.topology.partitions)]

    async def _listen(self, name: Name) -> None:
        """Hear what is said on a topic, from its beginning, for as long as the stage lasts."""
        consumer = reader(self.connection)
        try:
            await consumer.start()
            places = self._places(name)
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            while True:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        if name == "answers":
                            told = AnswerRecord.model_validate_json(record.value)
                            self.answers.setdefault(told.root_id, []).append(told)
                        else:
                            self.rejections.append(Rejection.model_validate_json(record.value))
                for place in places:
                    self._heard[place] = await consumer.position(place)
        finally:
            await consumer.stop()

    async def rejected(self, written: RecordMetadata) -> Rejection:
        """What is said of a record that was refused."""
        place = (written.topic, written.partition, written.offset)

        def found() -> list[Rejection]:
            return [one for one in self.rejections if (one.topic, one.partition, one.offset) == place]

        await until(found, f"the rejection of {place}")
        return found()[0]

    async def read(self, name: Name, first: int = 0) -> list[Any]:
        """All committed records of a topic from an offset on, in the order of each partition."""
        consumer: AIOKafkaConsumer = reader(self.connection)
        try:
            await consumer.start()
            places = self._places(name)
            consumer.assign(places)
            begins = await consumer.beginning_offsets(places)
            ends = await consumer.end_offsets(places)
            for place in places:
                consumer.seek(place, min(max(first, begins[place]), ends[place]))
            found: list[Any] = []
            async with asyncio.timeout(PATIENCE_S) as limit:
                while any([await consumer.position(place) < ends[place] for place in places]):
                    for records in (await consumer.getmany(timeout_ms=500)).values():
                        found += records
                        limit.reschedule(asyncio.get_running_loop().time() + PATIENCE_S)
            return found
        finally:
            await consumer.stop()

    async def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """All events, or those of one type."""
        found = [json.loads(record.value) for record in await self.read("events") if record.key is not None]
        return [event for event in found if kind is None or event["type"] == kind]

    async def requests(self) -> list[dict[str, Any]]:
        """All dial requests."""
        return [json.loads(record.value) for record in await self.read("dial-requests")]

    @cached_property
    def admin(self) -> AdminClient:
        """Somebody who may do everything."""
        return AdminClient({"bootstrap.servers": self.connection.bootstrap})


def add(outdial_id: str, target_id: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """A command that adds a target."""
    address = {"type": "tel", "target": f"+1555{number:07}"}
    return {"type": "AddTarget", "id": new_id(), "outdial_id": outdial_id, "target_id": target_id, "destination_0": address} | more


def result(outdial_id: str, target_id: str, ordinal: int, outcome: str = RESULT) -> dict[str, Any]:
    """A command that ends an attempt."""
    word = {"outdial_id": outdial_id, "target_id": target_id, "attempt_id": attempt(outdial_id, target_id, ordinal)}
    return {"type": "DialResult", "id": new_id(), **word, "outcome": outcome}


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and task.exception() is not None:
        task.result()
