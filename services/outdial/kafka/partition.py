"""One partition of the commands topic: its ledger, its producer, and the loop that turns between them.

A turn reads what came, decides it and what is due, and commits all of it in one transaction: events, dial requests,
commands to other streams, rejections, answers, and how far the input was read. A transaction that fails, or whose
fate is unknown, is not repaired: producer and ledger are thrown away and the partition is opened again.

Opening goes in one order. A new producer first, which ends the transaction of whoever had the partition before; only
then the positions and the log are read, for only now they can no longer change.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, ProducerFenced
from aiokafka.structs import TopicPartition

from outdial.commands import Command
from outdial.dialing.ledger import Effects
from outdial.envelope import CONTENT_TYPE
from outdial.kafka.connecting import Ends, own_cancellations
from outdial.kafka.errors import PASSING, ClusterError, explained
from outdial.kafka.garbage import Garbage
from outdial.kafka.intake import Intake
from outdial.kafka.options import Options
from outdial.kafka.producer import FateUnknown, Outgoing, Producer
from outdial.kafka.records import (
    Headers,
    Received,
    Record,
    Root,
    Seal,
    follow_up,
    forwarded,
    place_of,
    position_noted,
    received,
    rejection,
)
from outdial.kafka.replayers import Replayers
from outdial.kafka.replaying import OPEN_S, Log, replay, within
from outdial.kafka.snapshots import NOTHING, Mark, Snapshots, digest_of
from outdial.metrics import Meters, per_second
from outdial.requests import AnswerRecord
from outdial.scalars import MILLISECOND_US, SECOND_US
from outdial.tally import Tally
from outdial.topology import HEADER_CONTENT_TYPE, HEADER_INPUT
from outdial.trace import HEADER_TRACE
from outdial.wire import Malformed, encode, encode_event

RECORDS_AT_ONCE: Final = 4_000
BYTES_AT_ONCE: Final = 4 * 1024 * 1024
DECIDING_S: Final = 1.0
"""How long one transaction gathers; sending and ending it come on top."""
DUE_AT_ONCE: Final = 1_000
DECIDED_AT_ONCE: Final = 50
"""Commands decided before others on the event loop have their turn: some milliseconds."""
GATHERED: Final = 500
"""Records that commands make before what is due has its turn: what many ask of other partitions at once goes together."""
SNAPSHOT_EVENTS: Final = 100_000
"""Events after which a ledger is kept anew, at the least; a larger one after as many as it has targets."""
COMMIT_S: Final = 8.0
"""How long the broker may take for a transaction; shorter than the timeout of one request, so that none is sent twice."""
IDLE_S: Final = 0.5
HELD_S: Final = 0.02
"""When something is due that may not happen yet."""
RETRY_S: Final = 0.25
LONGEST_RETRY_S: Final = 5.0
FENCED_S: Final = 2.0
"""Somebody else opened our partition. By then a heartbeat has told whether it is ours still."""

log = logging.getLogger("outdial.kafka")


class ClockApart(Exception):
    """The ledger's clock and the broker's are too far from each other to dial by."""


@dataclass(slots=True)
class Turn:
    """One transaction in the making."""

    out: Outgoing
    came: int
    """Commands that were there when it began and are not decided yet."""
    events: list[tuple[bytes, bytes]] = field(default_factory=list)
    answers: list[tuple[Root, Effects | Malformed]] = field(default_factory=list)
    """Who is told of what. Where the events stand is known only when they are written."""
    bytes: int = 0
    next_offset: int | None = None
    """Of the commands, when some were read."""
    tally: Tally = field(default_factory=Tally)
    gathered_from: int = 0
    """How many records it held when what is due had its turn last."""

    @property
    def records(self) -> int:
        """How many it holds."""
        return len(self.events) + self.out.records + len(self.answers)

    @property
    def full(self) -> bool:
        """Whether it holds as much as one transaction may."""
        return self.records >= RECORDS_AT_ONCE or self.bytes + self.out.bytes >= BYTES_AT_ONCE

    @property
    def gathered(self) -> bool:
        """Whether it is time for what is due to have its turn, though there are more commands."""
        return self.records - self.gathered_from >= GATHERED

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return self.next_offset is None and not self.events


class Partition:
    """One partition, from its assignment to its loss."""

    def __init__(
        self,
        number: int,
        options: Options,
        consumer: AIOKafkaConsumer,
        ends: Ends,
        seal: Seal,
        kept: Snapshots | None,
        meters: Meters,
        garbage: Garbage,
        replayers: Replayers | None = None,
    ) -> None:
        self.number = number
        self.not_ready: str | None = "opening"
        """Why nothing is decided here at the moment."""
        self.next_offset = 0
        """Of the commands: the next to read."""
        self.read_up_to = 0
        """Every command that was appended by then has been decided, microseconds of the ledger's clock."""
        self.clock_offset_us = 0
        """The broker's clock less ours, when it was last seen."""
        self.allowed = asyncio.Event()
        """Set while the partition is ours for certain: not while the group is dealing partitions out anew."""
        self.allowed.set()
        self._options = options
        self._topology = options.topology
        self._consumer = consumer
        self._ends = ends
        self._seal = seal
        self._meters = meters
        self._kept = kept
        self._garbage = garbage
        self._replayers = replayers
        self._at = NOTHING
        """The record of the log the ledger stands at."""
        self._not_kept = 0
        """Events since."""
        self.replay_rate = 0.0
        """Events a second, when the log was replayed last."""
        self._size = 0
        self._commands = TopicPartition(options.topology.commands, number)
        self._events = TopicPartition(options.topology.events, number)
        self._requests_partitions = options.topology.partitions
        self._producer: Producer | None = None
        self._log = Log(options.connection, options.topology, number, options.key)
        self._ledger = self._log.new_ledger()
        self.intake = Intake(consumer, self._commands)
        self._decided_to = 0
        """Every command before it has been decided."""
        self._asked_ends: deque[tuple[int, int]] = deque()
        """(when, the end of the commands then), of which the end has not been reached."""
        self._held = False
        self._busy = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._whole = False
        """Whether it was closed between two transactions, with all in its ledger that the log says."""
        self._task: asyncio.Task[None] | None = None

    # --- what the process does with it ----------------------------------------------------------------

    def start(self, ended: Callable[["asyncio.Task[None]"], object]) -> None:
        """Begin; ``ended`` is told when the partition ends, by itself or not."""
        self._task = asyncio.create_task(self._run(), name=f"partition {self.number}")
        self._task.add_done_callback(ended)

    def now(self) -> int:
        """The ledger's time, microseconds: its clock, and never before the last event."""
        return max(self._options.clock(), self._ledger.last_time)

    def note_end(self, asked: int, end: int) -> None:
        """Note that the commands ended here when it was asked, by the ledger's clock."""
        if len(self._asked_ends) > 1:
            self._asked_ends.pop()
        self._asked_ends.append((asked, end))
        self._note_read()

    @property
    def lag(self) -> int:
        """Commands that are known to be there and not read, about."""
        read_to = self.intake.read_to
        return max(0, max((end for _, end in self._asked_ends), default=read_to) - read_to) + len(self.intake)

    async def rest(self) -> None:
        """Begin no other transaction, and return when the one under way has ended."""
        self.allowed.clear()
        self.intake.rest()
        await self._idle.wait()

    def go_on(self) -> None:
        """The partition has come back to us from a rebalance: read on where its ledger stands."""
        if self.not_ready is None:
            self.intake.open_at(self.next_offset)
        self.allowed.set()

    async def close(self) -> None:
        """End the transaction under way, and give the partition up."""
        self._stopping = True
        self.allowed.set()
        if self._task is None:
            return
        if not self._busy:
            self._task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(COMMIT_S):
                await asyncio.wait([self._task])
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        elif self.not_ready is None and not self._task.cancelled() and self._task.exception() is None:
            # What an exception ended may be ahead of its log. Else it is between two transactions: what is in memory is what the log says.
            self._whole = True

    async def keep_closed(self) -> None:
        """Keep its ledger for the next start, once it is closed: whoever has the partition next need not wait for that."""
        if self._whole:
            await self._keep()

    # --- the loop -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        delay = RETRY_S
        try:
            while not self._stopping:
                try:
                    with own_cancellations():
                        await self._open()
                        delay = RETRY_S
                        await self._turns()
                except ClockApart as error:
                    self.not_ready = "clock_apart"
                    log.warning("partition %d dials nothing: %s", self.number, error)
                    delay = 1.0
                except PASSING as error:
                    self._pass(error)
                    delay = max(delay, FENCED_S) if isinstance(error, ProducerFenced) else min(delay * 2, LONGEST_RETRY_S)
                finally:
                    self._busy = False
                    self._idle.set()
                    self.intake.close()
                    await self._drop()
                if not self._stopping:
                    await asyncio.sleep(delay)
        except asyncio.CancelledError:
            if not self._stopping:
                raise

    def _pass(self, error: Exception) -> None:
        """Decide whether another try may end this.

        Raises:
            ClusterError: it will not.
        """
        refusal = explained(error, self._options.connection.bootstrap)
        if refusal is not None:
            raise refusal from error
        self._meters.count("outdial_transactions_total", "aborted")
        if self.not_ready is None:
            self.not_ready = "kafka_unavailable"
        log.warning("partition %d starts again: %s: %s", self.number, type(error).__name__, error)

    async def _turns(self) -> None:
        """Turn until asked to stop."""
        while not self._stopping:
            await self._wait()
            await self.allowed.wait()
            self._busy = True
            self._idle.clear()
            turn = await self._decide()
            if not turn.empty:
                await self._commit(turn)
            self._busy = False
            self._idle.set()

    async def _wait(self) -> None:
        """Return when a command has come or something is due."""
        due, now = self._ledger.next_due(), self.now()
        wait = IDLE_S if due is None else min(max((due - now) / SECOND_US / self._options.speed, 0), IDLE_S)
        if self._held:
            wait = max(wait, HELD_S)
        try:
            await self.intake.wait(wait)
        except OffsetOutOfRangeError as error:
            raise self._gap(self.next_offset) from error

    # --- deciding -------------------------------------------------------------------------------------

    async def _decide(self) -> Turn:
        """What has come by now, then what is due."""
        turn = Turn(Outgoing(self._opened()), came=len(self.intake))
        loop = asyncio.get_running_loop()
        until = loop.time() + DECIDING_S
        while True:
            # What is due has its turn between commands: a backlog of them must not keep people waiting for their calls.
            now = self.now()
            for record in self._next_records(turn):
                self._take(received(record, self._seal, self._options.customer_id), now, turn)
                turn.next_offset = record.offset + 1
            self._decided_to = self.intake.next_offset
            self._note_read()
            over = not turn.came or turn.full or loop.time() > until
            if over or turn.gathered:
                if not self._stopping:
                    self._due(now, turn)
                turn.gathered_from = turn.records
            if over or turn.full:
                return turn
            await asyncio.sleep(0)

    def _next_records(self, turn: Turn) -> Iterator[Record]:
        """The next few commands, as far as the transaction has room.

        A rebalance that lost patience may have let what came be read again, this turn's own commands among it.
        """
        for _ in range(DECIDED_AT_ONCE):
            turn.came = min(turn.came, len(self.intake))
            if not turn.came or turn.full or turn.gathered:
                return
            turn.came -= 1
            record = self.intake.pop()
            if record.offset >= (self.next_offset if turn.next_offset is None else turn.next_offset):
                yield record

    def _note_read(self) -> None:
        """Take note of the ends that have been reached by what was decided."""
        while self._asked_ends and self._asked_ends[0][1] <= self._decided_to:
            self.read_up_to = self._asked_ends.popleft()[0]

    def _take(self, came: Received, now: int, turn: Turn) -> None:
        """Decide one record."""
        command = came.command
        if command is None:
            why = came.why or Malformed("json_invalid", "not a command")
            self._reject(came, why.reason, why.message, now, turn)
            if came.root is not None:
                turn.answers.append((came.root, why))
            return
        place = place_of(command, self._topology.partitions, internal=came.internal)
        if place != self.number:
            key, value, headers = forwarded(came, command)
            turn.out.add(self._topology.commands, place, key, value, headers)
            return
        effects = self._settle(command, came.root, now, turn, internal=came.internal)
        turn.tally.decided(command.type, effects.result)  # type: ignore[attr-defined]
        refused = effects.decision.refused
        if refused is not None and not came.internal:
            self._reject(came, refused.reason, refused.message, now, turn)

    def _settle(self, command: Command, root: Root | None, now: int, turn: Turn, *, internal: bool) -> Effects:
        """Decide a command and what it brings about in other streams of this partition."""
        first = self._ledger.decide(command, now, internal=internal)
        self._add(first, root, turn)
        chain = [(first, root)]
        for effects, asker in chain:
            for told in effects.follow_ups:
                told_root = asker if told.awaited else None
                if self._is_ours(told.command, told_root, turn):
                    follows = self._ledger.decide(told.command, now, internal=True)
                    self._add(follows, told_root, turn)
                    chain.append((follows, told_root))
        return first

    def _is_ours(self, told: Command, root: Root | None, turn: Turn) -> bool:
        """Whether what one stream tells another is decided in this partition; if not, it is sent to the other's."""
        place = place_of(told, self._topology.partitions, internal=True)
        if place != self.number:
            turn.out.add(self._topology.commands, place, *follow_up(told, root, self._seal))
        return place == self.number

    def _due(self, now: int, turn: Turn) -> None:
        """Decide what has become due, then what that brings about in other streams."""
        at = self._ledger.next_due()
        if at is None or at > now:
            self._held = False
            return
        room = RECORDS_AT_ONCE - turn.records
        due = self._ledger.tick(now, min(self.read_up_to, now), DUE_AT_ONCE, room)
        self._held = not due and room > 0
        for effects in due:
            self._add(effects, None, turn)
        for effects in due:
            for told in effects.follow_ups:
                if self._is_ours(told.command, None, turn):
                    self._settle(told.command, None, now, turn, internal=True)

    def _add(self, effects: Effects, root: Root | None, turn: Turn) -> None:
        """Put what a command came to into the transaction."""
        if effects.events:
            key = effects.command.stream.encode()
            for event in effects.events:
                value = encode_event(event)
                turn.events.append((key, value))
                turn.bytes += len(value)
            turn.tally.appended(effects.events)
        for (_, event), (target_id, request) in zip(effects.asked, effects.requests, strict=True):
            key = target_id.encode()
            headers = [] if event.traceparent is None else [(HEADER_TRACE, event.traceparent.encode())]
            # Which partition it is means nothing to anybody, as long as a target has one of its own.
            turn.out.add(self._topology.dial_requests, crc32(key) % self._requests_partitions, key, request, headers)
        if root is not None:
            turn.answers.append((root, effects))

    def _reject(self, came: Received, reason: str, message: str, now: int, turn: Turn) -> None:
        turn.tally.refused(reason)
        key, value = rejection(came, reason, message, now)
        turn.out.add(self._topology.rejections, self.number, key, value, [])

    # --- committing -----------------------------------------------------------------------------------

    async def _commit(self, turn: Turn) -> None:
        """Commit a turn as a whole.

        Raises:
            ClockApart: nothing was committed.
            KafkaError, TimeoutError: nobody knows whether it was committed.
        """
        producer = self._opened()
        next_offset = self.next_offset if turn.next_offset is None else turn.next_offset
        final = self._write_events(turn, next_offset)
        in_last_batch = turn.out.in_last_batch(self._events.topic, self.number)
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(COMMIT_S):
            await producer.begin_transaction()
            if turn.answers:
                producer.will_write(self._topology.answers, self.number)
            written = (await turn.out.write())[self._events.topic, self.number]
            if written.offset < 0:
                raise FateUnknown("the broker did not say where the events stand")
            last = written.offset + in_last_batch - 1
            await self._check_clock(producer, written.timestamp)
            if turn.answers:
                await self._write_answers(producer, turn.answers, last)
            await producer.commit_transaction()
        self.next_offset = next_offset
        self._at = Mark(last, digest_of(final), next_offset)
        turn.tally.committed(self._meters, loop.time() - began)
        self._not_kept += len(turn.events)
        if self._kept is not None and self._not_kept >= max(SNAPSHOT_EVENTS, self._size):
            await self._keep()

    async def _write_answers(self, producer: Producer, answers: Sequence[tuple[Root, Effects | Malformed]], last: int) -> None:
        """Tell what became of commands, now that it is known where their events stand."""
        out = Outgoing(producer)
        for root, found in answers:
            out.add(self._topology.answers, self.number, root.command_id.encode(), encode(_answer(root, found, self.number, last)), [])
        await out.write()

    def _write_events(self, turn: Turn, next_offset: int) -> bytes:
        """Batch the events, each with how far the commands have been read; a note of it where there is no event.

        Returns the value of the last.
        """
        read = (HEADER_INPUT, str(next_offset).encode())
        headers: Headers = [(HEADER_CONTENT_TYPE, CONTENT_TYPE.encode()), read]
        for key, value in turn.events:
            turn.out.add(self._events.topic, self.number, key, value, headers)
        if turn.events:
            return turn.events[-1][1]
        note = position_noted(self.number, next_offset, self.now())
        turn.out.add(self._events.topic, self.number, None, note, [read])
        return note

    async def _keep(self) -> None:
        """Keep the ledger as it stands, for the next start."""
        self._not_kept = 0
        self._size = sum(len(outdial.targets) for outdial in self._ledger.outdials.values())
        if self._kept is not None and self._at.offset >= 0:
            await self._kept.save(self.number, self._ledger, self._at)

    async def _check_clock(self, producer: Producer, broker_ms: int) -> None:
        """Compare the broker's clock, as it stamped the events, with ours.

        Raises:
            ClockApart: the transaction is aborted.
        """
        tolerance = self._options.clock_tolerance_us
        if tolerance is None or broker_ms < 0:
            return
        apart = self._options.clock() - broker_ms * MILLISECOND_US
        self.clock_offset_us = -apart
        if abs(apart) > tolerance:
            await producer.abort_transaction()
            way = "ahead of" if apart > 0 else "behind"
            raise ClockApart(
                f"this machine's clock is {abs(apart) / SECOND_US:.1f} s {way} the broker's; set both right, it goes on by itself then"
            )

    # --- opening --------------------------------------------------------------------------------------

    async def _open(self) -> None:
        """Shut the former owner out, read where it stood, replay its log, and begin to read commands."""
        began = asyncio.get_running_loop().time()
        await self.allowed.wait()
        self._asked_ends.clear()
        self.read_up_to = 0
        self._decided_to = 0
        self._held = False
        producer = Producer(self._options.connection, self._topology.transactional_id(self.number))
        self._producer = producer
        await within(OPEN_S, producer.start())
        self._requests_partitions = len(await within(OPEN_S, producer.partitions_for(self._topology.dial_requests)))
        committed = await within(OPEN_S, self._consumer.committed(self._commands))
        events_begin, events_end = await within(OPEN_S, self._ends.span(*self._events))
        if events_begin > 0:
            raise ClusterError(
                "log_incomplete",
                f"partition {self.number} of {self._events.topic} begins at offset {events_begin}: older events are gone",
                "restore the topic; it must have retention.ms=-1 and retention.bytes=-1",
            )
        kept, replaying = 0 if self._kept is None else self._kept.next_event(self.number), asyncio.get_running_loop().time()
        if self._replayers is not None:
            await self._replayers.replay(self.number, kept, events_end)
        with self._garbage.put_off():
            noted = await self._replay(events_end)
        self.replay_rate = per_second(events_end - kept, asyncio.get_running_loop().time() - replaying)
        begin, end = await within(OPEN_S, self._ends.span(*self._commands))
        known = [offset for offset in (committed, noted) if offset is not None]
        self.next_offset = max(known) if known else 0
        if self.next_offset < begin:
            raise self._gap(begin)
        if self.next_offset > end:
            raise ClusterError(
                "commands_lost",
                f"partition {self.number} of {self._commands.topic} ends at offset {end}, but {self.next_offset} was read already",
                "the topic was made anew or lost records: give the installation another prefix, or restore the topic",
            )
        self._ledger.arm(self.now())
        await self.allowed.wait()
        self.intake.open_at(self.next_offset)
        self._decided_to = self.next_offset
        self.not_ready = None
        self._meters.observe("outdial_partition_opening_seconds", asyncio.get_running_loop().time() - began)
        log.info("partition %d is open at command %d, event %d", self.number, self.next_offset, events_end)

    async def _replay(self, end: int) -> int | None:
        """Build the ledger from the events before an offset, or from where it was kept; returns how far the commands were read then."""
        self._ledger, self._at = self._log.new_ledger(), NOTHING
        found = await replay(self._log, self._kept, end)
        self._ledger, self._at, self._not_kept = found.ledger, found.at, found.records
        return found.at.noted

    def _gap(self, begin: int) -> ClusterError:
        return ClusterError(
            "commands_missing",
            f"partition {self.number} of {self._commands.topic} was read up to offset {self.next_offset}, but begins at {begin}: "
            f"{begin - self.next_offset} commands were deleted before they were read",
            "restore them; or, if they may be lost, move the group on: kafka-consumer-groups.sh --reset-offsets --to-earliest "
            f"--group {self._topology.ledger_group} --topic {self._commands.topic}:{self.number} --execute",
        )

    async def _drop(self) -> None:
        """Throw the producer away, without another word to the broker."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.abandon()

    def _opened(self) -> Producer:
        if self._producer is None:
            raise KafkaError("the partition is not open")
        return self._producer


def _answer(root: Root, found: Effects | Malformed, partition: int, last: int) -> AnswerRecord:
    """What is told of a command, or of what is none. ``last``: the offset of the last event written with it."""
    if isinstance(found, Malformed):
        told: dict[str, Any] = {"command_id": root.command_id, "result": "rejected", "reason": found.reason, "message": found.message}
    else:
        told = found.told | {"command_id": found.command_id}
        if found.follow_ups:
            told["awaits"] = tuple([follow.command.id or "" for follow in found.follow_ups if follow.awaited])
    return AnswerRecord(root_id=root.command_id, asked=root.asked, partition=partition, last_offset=last, **told)
