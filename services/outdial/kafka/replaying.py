"""A partition's log, folded into a ledger: from its beginning, or from where a ledger was kept."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from outdial.connection import Connection
from outdial.dialing.fingerprints import fingerprint_of, key_id_of
from outdial.dialing.ledger import Ledger
from outdial.envelope import Event
from outdial.events import SuppressionsAdded, TargetAdded
from outdial.kafka.connecting import reader
from outdial.kafka.errors import ClusterError
from outdial.kafka.records import Record, event_of, header
from outdial.kafka.snapshots import NOTHING, Mark, Snapshots, digest_of
from outdial.kafka.topics import changed
from outdial.topology import HEADER_INPUT, Topology, partition_of

REPLAYED_AT_ONCE: Final = 500
LOOK_MS: Final = 20
"""How often it is looked how far a log has been read: it ends with the mark of a transaction, and of marks a reader is told nothing."""
OPEN_S: Final = 30.0
"""How long the broker may take for a step of opening."""
STILL_S: Final = 10.0
"""A log of which nothing comes for so long is read again by another client: it may have ceased to ask, of which it tells nobody."""
T = TypeVar("T")

log = logging.getLogger("outdial.kafka")


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one partition."""

    connection: Connection
    topology: Topology
    number: int
    key: bytes = field(repr=False)
    """Of the address fingerprints: the one it was written with."""

    @property
    def place(self) -> TopicPartition:
        """Where it stands."""
        return TopicPartition(self.topology.events, self.number)

    def new_ledger(self) -> Ledger:
        """A ledger that has read nothing of it."""
        return Ledger(fingerprint_of(self.key), key_id_of(self.key), self.topology.partitions)


@dataclass(slots=True)
class Replayed:
    """A ledger, and how much of its log is in it."""

    ledger: Ledger
    at: Mark = NOTHING
    """The record it stands at."""
    records: int = 0
    """Read since it was kept."""


async def replay(of: Log, kept: Snapshots | None, end: int, told: Callable[[int], None] | None = None) -> Replayed:
    """The ledger of all events before an offset. ``told`` hears how many records were read, again and again.

    Raises:
        ClusterError: it is another log than it should be.
        KafkaError, TimeoutError: the cluster cannot be read now.
    """
    if end == 0:
        return Replayed(of.new_ledger())
    events = reader(of.connection)
    try:
        await within(OPEN_S, events.start())
        events.assign([of.place])
        found = await _from_snapshot(of, kept, events, end)
        if found is None:
            found = Replayed(of.new_ledger())
            events.seek(of.place, 0)
        await _read(of, found, events, end, told)
    finally:
        await events.stop()
    return found


async def _from_snapshot(of: Log, kept: Snapshots | None, events: AIOKafkaConsumer, end: int) -> Replayed | None:
    """A ledger that was kept, if the log has the record it ended with; the next to be read is then the one after it."""
    there = None if kept is None else await kept.load(of.number)
    if kept is None or there is None:
        return None
    ledger, mark = there
    if await within(OPEN_S, _stands_at(of, events, mark, end)):
        return Replayed(ledger.restored(fingerprint_of(of.key)), mark)
    log.warning("the snapshot of partition %d does not fit its log, which is replayed", of.number)
    kept.discard(of.number)
    return None


async def _stands_at(of: Log, events: AIOKafkaConsumer, mark: Mark, end: int) -> bool:
    if mark.next_event > end:
        return False
    events.seek(of.place, mark.offset)
    while await events.position(of.place) < end:
        found = await events.getmany(of.place, timeout_ms=LOOK_MS, max_records=1)
        for record in found.get(of.place, ()):
            return bool(record.offset == mark.offset and digest_of(record.value) == mark.digest)
    return False


async def _read(of: Log, found: Replayed, events: AIOKafkaConsumer, end: int, told: Callable[[int], None] | None) -> None:
    """Fold events up to an offset."""
    key_id, clock = key_id_of(of.key), asyncio.get_running_loop().time
    moved = clock()
    while await within(OPEN_S, events.position(of.place)) < end:
        if clock() - moved > STILL_S:
            raise TimeoutError(f"nothing comes of {of.place.topic}/{of.number} after {found.at.offset}, which ends at {end}")
        batch = await within(OPEN_S, events.getmany(of.place, timeout_ms=LOOK_MS, max_records=REPLAYED_AT_ONCE))
        last: Record | None = None
        for record in batch.get(of.place, ()):
            last = record
            found.records += 1
            event = event_of(record)
            if event is None:
                continue
            if event.sequence == 1 and _place_of(event, of.topology.partitions) != of.number:
                raise changed(of.topology.events, of.topology.partitions)
            if isinstance(event.data, TargetAdded | SuppressionsAdded) and event.data.key_id != key_id:
                raise ClusterError(
                    "key_changed",
                    f"partition {of.number} was written with another fingerprint key",
                    "start with the OUTDIAL_FINGERPRINT_KEY that the other processes have",
                )
            found.ledger.replay(event)
        if last is not None:
            moved = clock()
            read = header(last.headers, HEADER_INPUT)
            found.at = Mark(last.offset, digest_of(last.value), found.at.noted if read is None else int(read))
        if told is not None:
            told(found.records)
        await asyncio.sleep(0)


def _place_of(event: Event, partitions: int) -> int:
    """The partition an event belongs in: that of its stream, unless the stream is what one partition knows of a list."""
    customer, _, number = event.stream.partition("/")
    return int(number) if number else partition_of(customer, partitions)


async def within(seconds: float, step: Awaitable[T]) -> T:
    """What a step comes to. TimeoutError: not in time."""
    async with asyncio.timeout(seconds):
        return await step
