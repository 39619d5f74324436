"""The ledger as a door on Kafka sees it: commands go out, answers come back, and what was written can be read.

A command is answered when it and all that was awaited of other streams has been decided, wherever that was, and
this process's own views show it.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Self
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.structs import TopicPartition

from outdial.chain import Chain
from outdial.commands import Command
from outdial.ending import begun, disconnected
from outdial.kafka.connecting import own_cancellations, reader
from outdial.kafka.errors import PASSING, explained, unreachable
from outdial.kafka.log import Mirror
from outdial.kafka.options import Options
from outdial.requests import Answer, AnswerRecord, Unavailable
from outdial.topology import HEADER_ANSWER, MAX_RECORD_BYTES, partition_of
from outdial.wire import encode

ANSWER_S: Final = 5.0
"""How long a command may go unanswered, unless whoever asks has more patience."""
IDLE_MS: Final = 500
RETRY_S: Final = 0.5

log = logging.getLogger("outdial.kafka")


@dataclass(slots=True)
class Waiting(Chain):
    """A command that was sent, and the answers of its chain so far."""

    asked: str
    """What this question is known by: the same command may be asked about twice at once."""
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class Sending:
    """Commands of one process and their answers. ``mirror``: the views of the same process, which must show what was answered."""

    def __init__(self, options: Options, mirror: Mirror) -> None:
        self.failure: BaseException | None = None
        self._options = options
        self._mirror = mirror
        self._topology = options.topology
        self._producer = self._new_producer()
        self._failed: AIOKafkaProducer | None = None
        """A producer of ours that may never send again."""
        self._turn = asyncio.Lock()
        """Of whoever is sending."""
        self._waiting: dict[str, Waiting] = {}
        self._answered = asyncio.Event()
        """Set while nobody waits for an answer."""
        self._answered.set()
        self._name = f"{uuid4().hex}-"
        """Of this process: its questions are known by it among everybody's."""
        self._questions = count()
        self._not_ready: str | None = "connecting"
        self._next: dict[TopicPartition, int] = {}
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, options: Options, mirror: Mirror) -> Self:
        """Connect; the mirror stays its owner's.

        Raises:
            ClusterError: the cluster cannot be used.
        """
        sending = cls(options, mirror)
        try:
            await _connect(sending._producer)
        except KafkaConnectionError as error:
            raise unreachable(options.connection.bootstrap) from error
        listening = asyncio.Event()
        sending._task = asyncio.create_task(sending._listen(listening), name="answers")
        heard = asyncio.create_task(listening.wait())
        await asyncio.wait([heard, sending._task], return_when=asyncio.FIRST_COMPLETED)
        heard.cancel()
        if sending.failure is not None:
            await sending.close()
            raise sending.failure
        return sending

    # --- what doors use -------------------------------------------------------------------------------

    @property
    def not_ready(self) -> str | None:
        """Why commands cannot be sent, or their answers not be heard; None: they can."""
        return self._not_ready

    async def submit(self, commands: Sequence[Command], patience_s: float | None = None) -> list[Answer]:
        """Send commands in order; decided, durable, and in the views of this process, when it returns.

        ``patience_s``: how long the answers may take; None: as long as a request may take.

        Raises:
            Unavailable: not answered in time; the message names what was sent, which may still be carried out.
        """
        if not commands:
            return []
        if self._stopping or self.failure is not None:
            raise Unavailable("stopping", "the service is stopping; try again in a moment")
        within_s = ANSWER_S if patience_s is None else patience_s
        sent = [Waiting(command.id or "", f"{self._name}{next(self._questions)}") for command in commands]
        self._waiting.update((waiting.asked, waiting) for waiting in sent)
        self._answered.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._send(commands, sent)
                for waiting in sent:
                    await waiting.complete.wait()
                for partition, offset in _needed(sent).items():
                    await self._mirror.wait_read(partition, offset, within_s)
        except TimeoutError:
            raise _late(commands, within_s) from None
        except PASSING as error:
            raise Unavailable("kafka_unavailable", f"Kafka does not take commands at the moment ({type(error).__name__})") from error
        finally:
            for waiting in sent:
                del self._waiting[waiting.asked]
            if not self._waiting:
                self._answered.set()
        if any(self._mirror.position.marks[partition] <= offset for partition, offset in _needed(sent).items()):
            raise _late(commands, within_s)
        return [waiting.answer(str(self._mirror.position)) for waiting in sent]

    async def wait_failed(self) -> None:
        """Return when the sending has ended; raise what ended it, if it was not :meth:`close`."""
        if self._task is not None:
            await asyncio.wait([self._task])
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        """Wait for the answers to what was sent, and close the connections. Once more does nothing."""
        if self._stopping:
            return
        self._stopping = True
        await self._answered.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        with suppress(*PASSING):
            await disconnected(self._producer.stop(), self._producer.client.close)

    # --- sending and hearing --------------------------------------------------------------------------

    async def _send(self, commands: Sequence[Command], questions: Sequence[Waiting]) -> None:
        """Put commands on their partitions; those of one stream stay in order, also those of several who send at once."""
        futures = []
        # A producer that has to wait for room would let whoever asks next overtake.
        async with self._turn:
            if self._producer is self._failed or self._producer._sender.sender_task.done():  # noqa: SLF001  of its end it may tell nobody
                await self._renew()
            producer = self._producer
            try:
                for command, question in zip(commands, questions, strict=True):
                    stream = command.stream
                    futures.append(
                        await producer.send(
                            self._topology.commands,
                            encode(command),
                            key=stream.encode(),
                            partition=partition_of(stream, self._topology.partitions),
                            headers=[(HEADER_ANSWER, f"{question.root_id}/{question.asked}".encode())],
                        )
                    )
            except KafkaError as error:
                self._note_failed(producer, error)
                raise
        try:
            await asyncio.gather(*futures)
        except KafkaError as error:
            self._note_failed(producer, error)
            raise

    def _note_failed(self, producer: AIOKafkaProducer, error: KafkaError) -> None:
        """Note that another producer is needed: what was refused for good has a number, and the broker takes nothing after a gap."""
        if not error.retriable:
            self._failed = producer

    async def _renew(self) -> None:
        """Another producer in the place of one that may never send again."""
        fresh = self._new_producer()
        await _connect(fresh)
        old, self._producer = self._producer, fresh
        log.warning("commands go out by another producer: the last one may not send any more")
        with suppress(*PASSING):
            await disconnected(old.stop(), old.client.close)

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._options.connection.arguments(), enable_idempotence=True, max_request_size=MAX_RECORD_BYTES, linger_ms=0
        )

    async def _listen(self, listening: asyncio.Event) -> None:
        """Read answers, from where this process began."""
        try:
            while True:
                try:
                    with own_cancellations():
                        await self._hear(listening)
                except PASSING as error:
                    refusal = explained(error, self._options.connection.bootstrap)
                    if refusal is not None:
                        raise refusal from error
                    self._not_ready = "kafka_unavailable"
                    log.warning("answers are not heard, another try follows: %s: %s", type(error).__name__, error)
                await asyncio.sleep(RETRY_S)
        except Exception as error:  # noqa: BLE001  whatever it is, it ends the process
            self.failure = error

    async def _hear(self, listening: asyncio.Event) -> None:
        consumer: AIOKafkaConsumer = reader(self._options.connection)
        try:
            await consumer.start()
            places = [TopicPartition(self._topology.answers, number) for number in range(self._topology.partitions)]
            consumer.assign(places)
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            for place in places:
                # What stood where it was cut off may be gone by now: answers are not kept for long.
                self._next[place] = min(max(self._next.get(place, ends[place]), begins[place]), ends[place])
                consumer.seek(place, self._next[place])
            self._not_ready = None
            listening.set()
            while True:
                for place, records in (await consumer.getmany(timeout_ms=IDLE_MS)).items():
                    for record in records:
                        self._note(record.value)
                    self._next[place] = records[-1].offset + 1
        finally:
            await consumer.stop()

    def _note(self, value: bytes) -> None:
        """An answer, of this process or of another."""
        if self._name.encode() in value:
            record = AnswerRecord.model_validate_json(value)
            waiting = self._waiting.get(record.asked or "")
            if waiting is not None and waiting.note(record):
                waiting.complete.set()


async def _connect(producer: AIOKafkaProducer) -> None:
    """Let a producer begin; nothing is connected where it does not."""
    try:
        await begun(producer.start())
    except BaseException:
        await disconnected(producer.stop(), producer.client.close)
        raise


def _needed(sent: Sequence[Waiting]) -> dict[int, int]:
    """By partition: the offset of the last event that must be readable."""
    needed: dict[int, int] = {}
    for waiting in sent:
        for partition, offset in waiting.needed().items():
            needed[partition] = max(needed.get(partition, -1), offset)
    return needed


def _late(commands: Sequence[Command], within_s: float) -> Unavailable:
    """What is said when no answer came in time."""
    first = commands[0]
    others = "" if len(commands) == 1 else f" and {len(commands) - 1} others"
    return Unavailable(
        "answer_late",
        f"not answered within {within_s:g} s, but it stays valid and may still be carried out: command {first.id} of {first.kind} "
        f"{first.stream}{others}; the same Idempotency-Key asks again",
    )
