"""How dial requests are taken: a faust agent over the topic, at most once per request.

faust brings the group, its rebalances and the stream. What it does not bring, and what is therefore done here:

- It reads uncommitted records outside exactly_once. The ledger's transactions may still be aborted, so its consumer is
  made here, with read_committed.
- Its commit says False without committing while another one runs, and its bookkeeping of acknowledged offsets stands
  still for ever at some gaps that transactions leave in the offsets. So faust commits nothing: the offsets of a batch are
  committed on the consumer's own thread, and read back from the group's coordinator before and after. A request is taken
  when the offset stood at or below it before, stands above it after, and the group's generation is still the one the
  request was received in. Then no process was handed it before, and none will be again. Else it is dropped: whoever has
  its partition now takes it, or the ledger's lease ends the attempt.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import OffsetAndMetadata
from faust.app import BootStrategy
from faust.streams import Stream
from faust.transport.drivers import aiokafka as driver
from faust.types import StreamT
from faust.types.tuples import Message

from outdial.connection import Connection
from outdial.requests import DialRequest
from outdial.topology import MAX_RECORD_BYTES, Topology
from outdial.worker.clock import now_us
from outdial.worker.connecting import Consumer
from outdial.worker.desk import Desk

BATCH: Final = 100
"""Requests whose offsets are committed at once."""
BUFFER: Final = 500
SESSION_S: Final = 10.0
"""After a kill its partitions lie idle this long; faust's own default is a minute."""
HEARTBEAT_S: Final = 3.0
IDLE_MS: Final = 86_400_000
"""A worker whose calls are all taken reads nothing; its heartbeats say that it lives."""
STOP_S: Final = 10.0
LOOK_AGAIN_US: Final = 250_000
"""How often a request that waits for a free line is looked at: one past its ``not_after`` is given back."""
QUIET: Final = {"faust": logging.WARNING, "mode": logging.WARNING, "aiokafka": logging.CRITICAL}
"""While a broker is away aiokafka writes twenty errors a second; what it cannot do is raised as well."""

log = logging.getLogger(__name__)


class IntakeEnded(Exception):
    """No more requests can be taken: the group's client has stopped. The process ends, and is started again."""


class _Thread(driver.AIOKafkaConsumerThread):
    """The thread of the group's client."""

    connection: Connection
    group: str

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:  # noqa: ARG002  as faust has it
        return Consumer(
            **self.connection.arguments(),
            client_id="outdial-worker",
            group_id=self.group,
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=round(SESSION_S * 1_000),
            heartbeat_interval_ms=round(HEARTBEAT_S * 1_000),
            max_poll_interval_ms=IDLE_MS,
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
        )

    async def _fetch_records(self, consumer: Consumer, *arguments: Any, **more: Any) -> Any:
        # faust does not ask whether the client still speaks with its group and fetches: it would wait for ever.
        consumer._coordinator.check_errors()  # noqa: SLF001  it tells no other way
        consumer.check_fetches()
        return await super()._fetch_records(consumer, *arguments, **more)

    async def take(self, ends: Mapping[TopicPartition, int], generation: int) -> dict[TopicPartition, range]:
        """Commit offsets, and give for each partition the offsets that are ours by this commit.

        Runs on this thread. It waits as long as the coordinator cannot be reached.
        """
        return await take_for_good(self._ensure_consumer(), ends, generation)

    @property
    def lag(self) -> dict[int, int]:
        """By partition: committed records that were not read yet, as of the last time something was read there."""
        consumer = self._consumer
        if consumer is None:
            return {}
        assignment = consumer._subscription.subscription.assignment  # noqa: SLF001  where it reads it tells nobody who does not wait
        found = {} if assignment is None else {place.partition: assignment.state_value(place) for place in assignment.tps}
        return {
            number: max(0, state.lso - state.position)
            for number, state in found.items()
            if state is not None and state.lso is not None and state.has_valid_position
        }


async def take_for_good(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], generation: int) -> dict[TopicPartition, range]:
    """Commit the offsets that records of a generation of the group end at, and give for each partition those that are ours by this commit.

    Who was away for longer than its session finds that the next owner has committed as much or more: none of it is ours.
    """
    coordinator = consumer._coordinator  # noqa: SLF001  the generation is to be had nowhere else
    try:
        before = await _committed(consumer, ends)
        wanted = {partition: OffsetAndMetadata(end, "") for partition, end in ends.items() if before[partition] < end}
        if not wanted or coordinator.generation != generation:
            return {}
        await consumer.commit(wanted)
        after = await _committed(consumer, wanted)
    except (CommitFailedError, IllegalStateError):
        return {}
    if coordinator.generation != generation:
        return {}
    assigned = consumer.assignment()
    return {partition: range(before[partition], after[partition]) for partition in wanted if partition in assigned}


async def _committed(consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The offsets the coordinator has; 0 where it has none."""
    asked = list(partitions)
    offsets = await asyncio.gather(*(consumer.committed(partition) for partition in asked))
    return {partition: offset or 0 for partition, offset in zip(asked, offsets, strict=True)}


class _Consumer(driver.Consumer):
    """faust's consumer, which commits nothing by itself."""

    thread_class: type[_Thread]

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return self.thread_class(self, loop=self.loop, beacon=self.beacon)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002  as faust has it
        return False

    async def take(self, ends: Mapping[TopicPartition, int], generation: int) -> dict[TopicPartition, range]:
        """As the thread's."""
        thread = self._thread
        assert isinstance(thread, _Thread)  # noqa: S101  made above
        taken: dict[TopicPartition, range] = await thread.call_thread(thread.take, ends, generation)
        return taken


class _Boot(BootStrategy):
    """Only the consumer: no producer, no web server."""

    enable_kafka_producer = False
    enable_web = False


class _App(faust.App):
    BootStrategy = _Boot

    def _create_directories(self) -> None:
        """Nothing is kept on disk."""


def _app(connection: Connection, topology: Topology) -> faust.App:
    app = _App(
        topology.worker_group,
        broker=[f"kafka://{address.strip()}" for address in connection.bootstrap.split(",")],
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        stream_buffer_maxsize=BUFFER,
        stream_wait_empty=False,
        key_serializer="raw",
        value_serializer="raw",
    )
    thread = type("_OurThread", (_Thread,), {"connection": connection, "group": topology.worker_group})
    consumer = type("_OurConsumer", (_Consumer,), {"thread_class": thread})
    transport = type("_OurTransport", (driver.Transport,), {"Consumer": consumer})
    app.transport = transport(app.conf.broker_consumer, app)
    return app


def quiet() -> None:
    """Leave the logs of the libraries to what nobody else says."""
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)


@dataclass(frozen=True, slots=True)
class _Held:
    """A record that was received and not yet taken."""

    partition: TopicPartition
    offset: int
    generation: int
    request: DialRequest | None
    """None: the record cannot be read; it is passed over."""


class Intake:
    """Takes requests and hands them to the desk, no more than it can place."""

    def __init__(self, connection: Connection, topology: Topology, desk: Desk) -> None:
        self._app = _app(connection, topology)
        self._desk = desk
        self._inbox: asyncio.Queue[_Held] = asyncio.Queue(BATCH)
        self._taking: asyncio.Task[None] | None = None
        self.dropped = 0
        """Requests left to whoever has their partition now, or to their lease, since the start."""
        self.malformed = 0
        """Records passed over because they cannot be read, since the start."""
        topic = self._app.topic(topology.dial_requests, key_serializer="raw", value_serializer="raw", acks=False)
        self._app.agent(topic, name="dial-requests")(self._agent)

    @property
    def partitions(self) -> int:
        """How many partitions are ours."""
        return 0 if self._taking is None else len(self._app.consumer.assignment())

    @property
    def lag(self) -> dict[int, int]:
        """By partition of ours: requests that wait to be read."""
        consumer = self._app.consumer if self._taking is not None else None
        thread = consumer._thread if isinstance(consumer, _Consumer) else None  # noqa: SLF001  as above
        return thread.lag if isinstance(thread, _Thread) else {}

    async def start(self) -> None:
        """Join the group. Returns when it has given us partitions, or none."""
        quiet()
        await self._app.start()
        self._taking = asyncio.create_task(self._take_all())

    async def stop(self) -> None:
        """Take nothing more and leave the group."""
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.gather(self._taking, return_exceptions=True)
            self._taking = None
        try:
            await asyncio.wait_for(self._app.stop(), STOP_S)
        except TimeoutError:
            log.warning("the consumer group could not be left in %g s; its partitions lie idle until the session ends", STOP_S)

    async def ended(self) -> None:
        """Return never; raise when no more requests can be taken.

        Raises:
            IntakeEnded: the group's client has stopped.
        """
        stopped = asyncio.create_task(self._app.wait_until_stopped())
        tasks = {stopped} if self._taking is None else {stopped, self._taking}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if self._taking is not None and self._taking.done():
            self._taking.result()
        raise IntakeEnded(f"the client of the consumer group stopped: {type(self._app.crash_reason).__name__}")

    async def _agent(self, stream: StreamT[bytes]) -> None:
        async for event in cast("Stream[bytes]", stream).noack().events():
            message = event.message
            partition = TopicPartition(message.topic, message.partition)
            await self._inbox.put(_Held(partition, message.offset, message.generation_id, self._read(message)))

    def _read(self, message: Message) -> DialRequest | None:
        try:
            return DialRequest.model_validate_json(message.value or b"")
        except ValueError:
            self.malformed += 1
            log.error("the record at offset %d of partition %d is no dial request; it is passed over", message.offset, message.partition)  # noqa: TRY400  its text may hold a number
            return None

    async def _take_all(self) -> None:
        held: list[_Held] = []
        while True:
            if not held:
                held.append(await self._inbox.get())
            while len(held) < BATCH and not self._inbox.empty():
                held.append(self._inbox.get_nowait())
            held = self._still_ours(held)
            count = self._placeable(held)
            if count:
                await self._take(held[:count])
                del held[:count]
            elif held:
                await self._desk.changed(until=now_us() + LOOK_AGAIN_US)

    def _still_ours(self, held: list[_Held]) -> list[_Held]:
        """What was received since the last rebalance; what came before is sent anew to whoever has it now."""
        generation = self._app.consumer_generation_id
        kept = [one for one in held if one.generation == generation]
        self.dropped += len(held) - len(kept)
        return kept

    def _placeable(self, held: list[_Held]) -> int:
        """How many of these, from the first, can be dealt with at once."""
        now = now_us()
        calls, late = self._desk.free, self._desk.free_late
        for count, one in enumerate(held):
            request = one.request
            if request is None or request.expires_at < now:
                continue
            if request.not_after < now:
                late -= 1
            else:
                calls -= 1
            if calls < 0 or late < 0:
                return count
        return len(held)

    async def _take(self, batch: list[_Held]) -> None:
        """Make requests ours for good and hand them to the desk."""
        ends = {one.partition: one.offset + 1 for one in batch}
        consumer = self._app.consumer
        assert isinstance(consumer, _Consumer)  # noqa: S101  made above
        ours = await consumer.take(ends, batch[0].generation)
        for one in batch:
            if one.offset not in ours.get(one.partition, ()):
                self.dropped += 1
            elif one.request is not None:
                self._desk.take(one.request)
