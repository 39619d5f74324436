"""The client of the topics: commands out, answers and dial requests and events in.

What it sends stands on the partition of its stream, and has an id, so that sending it again after a failure does nothing twice. It
speaks only to the brokers: whoever decides is behind them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from ssl import SSLError
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    CommitFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.structs import TopicPartition

from outdial.chain import Chain
from outdial.client.errors import ClientError, LoginRefused, NotAllowed, Rejected, Unanswered, Unreachable
from outdial.commands import Command
from outdial.connection import Connection
from outdial.ending import begun, disconnected
from outdial.position import Position, Reading, place_of
from outdial.requests import Answer, AnswerRecord, DialRequest
from outdial.resources import PlacedEvent
from outdial.topology import DEFAULT_PREFIX, HEADER_ANSWER, MAX_RECORD_BYTES, Topology, partition_of
from outdial.wire import MAX_COMMAND_BYTES, encode, from_json

ANSWER_S: Final = 10.0
RECONNECT_S: Final = 10.0
TAKEN_S: Final = 15.0
"""How long the brokers may take to take commands; aiokafka's own timeouts do not end every wait."""
AGAIN_S: Final = 0.2
IDLE_MS: Final = 500
BATCH: Final = 500
_FORBIDDEN: Final = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)
_UNKNOWN: Final = (SaslAuthenticationFailed, UnsupportedSaslMechanismError)
_PASSING: Final = (KafkaError, TimeoutError, OSError)


class _Consumer(AIOKafkaConsumer):
    """A consumer that disconnects when it is stopped, whatever its tasks were about, and says when it has ceased to fetch."""

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None) -> dict[TopicPartition, Any]:
        found: dict[TopicPartition, Any] = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        if not found and self._fetcher.error_future.done():
            raise KafkaError("nothing is fetched any more")
        return found

    async def stop(self) -> None:
        await disconnected(super().stop(), self._client.close)


@dataclass(slots=True)
class _Waiting(Chain):
    """A command that was sent, and what became of it so far."""

    complete: asyncio.Event = field(default_factory=asyncio.Event)


class KafkaClient:
    """A client of one installation on a cluster: ``async with KafkaClient("localhost:9092") as kafka``.

    Args:
        cluster: ``host:port`` of a broker, several with commas; or a :class:`Connection`, with TLS and SASL.
        prefix: what stands before the names of the topics.
        answer_s: how long an answer is waited for; seconds.
        reconnect_s: how long brokers that cannot be reached are tried again; seconds.
    """

    def __init__(
        self, cluster: str | Connection, *, prefix: str = DEFAULT_PREFIX, answer_s: float = ANSWER_S, reconnect_s: float = RECONNECT_S
    ) -> None:
        self._connection = Connection(cluster) if isinstance(cluster, str) else cluster
        self._topology = Topology(prefix)
        self._answer_s, self._reconnect_s = answer_s, reconnect_s
        self._producer: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()
        """Of whoever is sending."""
        self._name = f"{uuid4().hex}-"
        """Of this client: what it asked is known by it among everybody's."""
        self._questions = count()
        self._waiting: dict[str, _Waiting] = {}
        self._hearing: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()
        """Set when no answer to what is sent from here on can be missed."""
        self._next: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    @property
    def topology(self) -> Topology:
        """The topics, as they were found."""
        return self._topology

    async def start(self) -> None:
        """Connect, and see how many partitions there are.

        Raises:
            ClientError: the cluster cannot be reached or does not let us in, or there are no such topics.
        """
        self._producer = await self._connected()
        try:
            known = await self._producer.client.fetch_all_metadata()
        except _PASSING as error:
            raise self._refused(error) or self._lost(error) from None
        partitions = known.partitions_for_topic(self._topology.commands)
        if not partitions:
            message = f"there is no topic {self._topology.commands} to write to: name another prefix, or make it with outdial topics create"
            raise ClientError(message)
        self._topology = Topology(self._topology.prefix, len(partitions))

    async def close(self) -> None:
        """Close the connections. Who waits for an answer is told that there is none."""
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait([self._hearing])
            self._hearing = None
        if self._producer is not None:
            await _closed(disconnected(self._producer.stop(), self._producer.client.close))
            self._producer = None

    # --- commands -------------------------------------------------------------------------------

    async def send(self, command: Command) -> Answer:
        """Send a command and wait until it, and all that follows from it elsewhere, was decided.

        The ``position`` of the answer may be handed to the HTTP door as ``min_position``.

        Raises:
            Rejected: it was refused, and changed nothing.
            Unanswered: nobody decided it in time. It stays valid: sent again with the same id it is carried out once.
            ClientError: the brokers did not take it.
        """
        [answer] = await self.send_all([command])
        if answer.result == "rejected":
            raise Rejected(answer.command_id, answer.reason or "", answer.message or "")
        return answer

    async def send_all(self, commands: Sequence[Command]) -> list[Answer]:
        """The same for many, in their order; refusals stand among the answers."""
        identified = [_identified(command) for command in commands]
        await self._heard()
        asked = {f"{self._name}{next(self._questions)}": _Waiting(command.id or "") for command in identified}
        self._waiting |= asked
        try:
            await self._put([(command, f"{command.id}/{mark}") for command, mark in zip(identified, asked, strict=True)])
            async with asyncio.timeout(self._answer_s):
                for waiting in asked.values():
                    await self._until(waiting.complete)
        except TimeoutError:
            late = [waiting.root_id for waiting in asked.values() if not waiting.complete.is_set()]
            raise Unanswered(late, self._answer_s) from None
        finally:
            for mark in asked:
                del self._waiting[mark]
        return [waiting.answer(self._covering(waiting)) for waiting in asked.values()]

    async def put(self, *commands: Command) -> list[str]:
        """Send commands and return when the brokers have them, whatever becomes of them; returns their ids.

        What is refused stands on the topic of rejections.
        """
        identified = [_identified(command) for command in commands]
        await self._put([(command, None) for command in identified])
        return [command.id or "" for command in identified]

    async def _put(self, wanted: Sequence[tuple[Command, str | None]]) -> None:
        """Put commands on their partitions, in order, until the brokers have all of them."""
        records = [(command.stream, _encoded(command), _marked(mark)) for command, mark in wanted]
        clock = asyncio.get_running_loop().time
        until, broken = clock() + self._reconnect_s, False
        # Commands of one stream stay in order also when several send at once, and when they are sent again.
        async with self._turn:
            while True:
                try:
                    async with asyncio.timeout(TAKEN_S):
                        if broken:
                            await self._renew()
                        await self._written(records)
                except (Unreachable, *_PASSING) as error:
                    if (refused := self._refused(error)) is not None:
                        raise refused from error
                    if clock() + AGAIN_S > until:
                        raise self._lost(error) from error
                    broken = True
                    await asyncio.sleep(AGAIN_S)
                else:
                    return

    async def _written(self, records: Sequence[tuple[str, bytes, list[tuple[str, bytes]]]]) -> None:
        producer = self._started()
        topic, partitions = self._topology.commands, self._topology.partitions
        taken: list[Awaitable[Any]] = [
            await producer.send(topic, value, key=stream.encode(), partition=partition_of(stream, partitions), headers=headers)
            for stream, value, headers in records
        ]
        found = await asyncio.gather(*taken, return_exceptions=True)
        failed = next((one for one in found if isinstance(one, BaseException)), None)
        if failed is not None:
            raise failed

    async def _renew(self) -> None:
        """Another producer: one that failed may never send again."""
        old, self._producer = self._started(), await self._connected()
        await _closed(disconnected(old.stop(), old.client.close))

    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            message = "this client is closed, or was never started: use it with `async with`"
            raise ClientError(message)
        return self._producer

    # --- answers --------------------------------------------------------------------------------

    async def _heard(self) -> None:
        """Return when answers are listened to."""
        self._started()
        if self._hearing is None or self._hearing.done():
            self._listening.clear()
            self._hearing = asyncio.create_task(self._hear(), name="outdial-answers")
        await self._until(self._listening)

    async def _until(self, event: asyncio.Event) -> None:
        """Wait for what comes of listening; raises what keeps it from coming."""
        come, hearing = asyncio.create_task(event.wait()), self._hearing
        try:
            await asyncio.wait([come, *(() if hearing is None else (hearing,))], return_when=asyncio.FIRST_COMPLETED)
        finally:
            come.cancel()
        if not event.is_set():
            if hearing is not None and not hearing.cancelled():
                hearing.result()
            message = "the client was closed before the answer came"
            raise ClientError(message)

    async def _hear(self) -> None:
        """Read answers, from where they ended when this began."""
        places = [TopicPartition(self._topology.answers, number) for number in range(self._topology.partitions)]
        clock = asyncio.get_running_loop().time
        heard = clock()
        while True:
            try:
                async with self._reader() as consumer:
                    consumer.assign(places)
                    begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
                    for place in places:
                        # What stood where it was cut off may be gone by now: answers are not kept for long.
                        self._next[place] = min(max(self._next.get(place, ends[place]), begins[place]), ends[place])
                        consumer.seek(place, self._next[place])
                    self._listening.set()
                    while True:
                        found = await consumer.getmany(timeout_ms=IDLE_MS)
                        heard = clock()
                        for place, records in found.items():
                            for record in records:
                                self._note(record.value)
                            self._next[place] = records[-1].offset + 1
            except Unreachable:
                if clock() - heard > self._reconnect_s:
                    raise
            await asyncio.sleep(AGAIN_S)

    def _note(self, value: bytes) -> None:
        """An answer, to this client or another."""
        if self._name.encode() in value:
            record = AnswerRecord.model_validate_json(value)
            waiting = self._waiting.get(record.asked or "")
            if waiting is not None and waiting.note(record):
                waiting.complete.set()

    def _covering(self, waiting: _Waiting) -> str:
        """The position at which an answer holds."""
        needed = waiting.needed()
        return str(Position(tuple(needed.get(partition, -1) + 1 for partition in range(self._topology.partitions))))

    # --- what is read ---------------------------------------------------------------------------

    async def dial_requests(self, group: str | None = None) -> AsyncGenerator[DialRequest]:
        """Requests to place a call as they come, for ever.

        Args:
            group: share them with all who name the same group, going on where it stood, from the beginning the first time. A request is
                handed out once: it is noted as read before it is yielded, and the lease of what a crash loses ends by itself.
                Without a group: all of them, from now on.
        """
        own: dict[str, Any] = {"group_id": None, "auto_offset_reset": "latest"}
        if group is not None:
            own = {"group_id": group, "auto_offset_reset": "earliest", "session_timeout_ms": 10_000}
        async with self._reader(self._topology.dial_requests, **own) as consumer:
            while True:
                found = await self._fetched(consumer)
                if found and group is not None:
                    try:
                        await consumer.commit()
                    except CommitFailedError:
                        continue
                for record in found:
                    yield DialRequest.model_validate_json(record.value)

    async def events(self, after: str = "0", *, outdial_id: str | None = None, follow: bool = False) -> AsyncGenerator[PlacedEvent]:
        """What happened, in the order of each stream: after a position up to now; with ``follow`` then as it happens, for ever.

        Args:
            after: the ``position`` of the last event that was dealt with.
            outdial_id: only the events of this outdial; only its partition is read.
            follow: go on as events come.
        """
        wanted = None if outdial_id is None else outdial_id.lower()
        partitions = self._topology.partitions
        reading = Reading(Position.parse(after, partitions))
        marks = reading.position.marks
        numbers = range(partitions) if wanted is None else (partition_of(wanted, partitions),)
        async with self._reader() as consumer:
            places = [TopicPartition(self._topology.events, number) for number in numbers]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            for place in places:
                consumer.seek(place, marks[place.partition])
            while follow or any([await consumer.position(place) < end for place, end in ends.items()]):
                for record in await self._fetched(consumer):
                    reading.passed(place_of(record.partition, record.offset))
                    if record.key is not None and (wanted is None or record.key == wanted.encode()):
                        yield PlacedEvent.model_validate({**from_json(record.value), "position": str(reading)})

    async def _fetched(self, consumer: AIOKafkaConsumer) -> list[Any]:
        """The next records."""
        found = await consumer.getmany(timeout_ms=IDLE_MS, max_records=BATCH)
        return [record for records in found.values() for record in records]

    @asynccontextmanager
    async def _reader(self, *topics: str, **own: Any) -> AsyncGenerator[AIOKafkaConsumer]:
        """A consumer of what is committed; what it cannot do is said in our words."""
        settings = {"group_id": None, "auto_offset_reset": "none"} | own
        consumer = _Consumer(
            *topics,
            **self._connection.arguments(),
            **settings,
            client_id="outdial-client",
            enable_auto_commit=False,
            isolation_level="read_committed",
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
        )
        try:
            await self._entered(consumer.start())
            yield consumer
        except _PASSING as error:
            raise self._refused(error) or self._lost(error) from error
        finally:
            await _closed(consumer.stop())

    # --- connections ----------------------------------------------------------------------------

    async def _connected(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._connection.arguments(),
            client_id="outdial-client",
            acks="all",
            enable_idempotence=True,
            max_request_size=MAX_RECORD_BYTES,
            linger_ms=0,
        )
        try:
            await self._entered(producer.start())
        except BaseException:
            await _closed(disconnected(producer.stop(), producer.client.close))
            raise
        return producer

    async def _entered(self, starting: Coroutine[Any, Any, None]) -> None:
        """Connect; a client that begins says only that it found nobody, so the brokers are asked why."""
        try:
            await begun(starting)
        except KafkaConnectionError as error:
            raise await self._turned_away() or self._lost(error) from error

    async def _turned_away(self) -> ClientError | None:
        """Why a broker that is there does not let us in; None: nobody is there."""
        arguments = self._connection.arguments()
        del arguments["bootstrap_servers"]
        for host, port, _ in collect_hosts(self._connection.bootstrap):
            try:
                (await create_conn(host, port, **arguments)).close()
            except SSLError as error:
                message = f"the broker at {host}:{port} shows a certificate that is not trusted here, or speaks no TLS: {error.reason}"
                return LoginRefused(message)
            except _PASSING as error:
                if (refused := self._refused(error)) is not None:
                    return refused
        return None

    def _refused(self, error: BaseException) -> ClientError | None:
        """What another try will not end."""
        if isinstance(error, _UNKNOWN):
            return LoginRefused(f"the Kafka cluster at {self._connection.bootstrap} does not take this user name, password or mechanism")
        if isinstance(error, _FORBIDDEN):
            return NotAllowed(f"the Kafka cluster does not give this user the right to do this: {type(error).__name__}")
        return None

    def _lost(self, error: BaseException) -> Unreachable:
        if isinstance(error, Unreachable):
            return error
        why = "nobody is there" if isinstance(error, KafkaConnectionError) else type(error).__name__
        return Unreachable(f"the Kafka cluster at {self._connection.bootstrap}", why)


def _identified(command: Command) -> Command:
    """The command with an id, by which it is carried out once."""
    return command if command.id is not None else command.model_copy(update={"id": str(uuid4())})


def _marked(mark: str | None) -> list[tuple[str, bytes]]:
    """The header that asks for an answer."""
    return [] if mark is None else [(HEADER_ANSWER, mark.encode())]


def _encoded(command: Command) -> bytes:
    value = encode(command)
    if len(value) > MAX_COMMAND_BYTES:
        message = f"a command may have {MAX_COMMAND_BYTES} bytes, this one has {len(value)}"
        raise Rejected(command.id or "", "too_large", message)
    return value


async def _closed(closing: Coroutine[Any, Any, None]) -> None:
    with suppress(*_PASSING):
        await closing
