"""Commands as they come, read for all partitions of a process and kept until each partition is ready for them.

aiokafka asks a broker for nothing more as long as records of one partition lie untaken (0.1 s), and what lies there is
all that partition gets next. Were records taken only between two transactions, each partition would wait for the
slowest. So one task takes whatever has come at once; a partition that is behind is not asked for until it has room.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError
from aiokafka.structs import TopicPartition

from outdial.kafka.connecting import own_cancellations
from outdial.kafka.records import Opaque, Record

RECORDS: Final = 8_000
"""As many are kept; a little more, as they come in batches."""
BYTES: Final = 4 * 1024 * 1024
MANY: Final = 200
"""Records whose reading takes so long that others on the event loop have their turn in between."""
IDLE_S: Final = 0.25
"""How soon a partition is read that was opened while nothing came for any other."""


class Intake:
    """What has come for one partition and has not been decided."""

    def __init__(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> None:
        self.read_to = 0
        """Whatever stands before this offset has come."""
        self._consumer = consumer
        self.place = place
        self._records: deque[Record] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._failure: Exception | None = None
        self._open = False
        self._full = False
        """Whether the broker is not asked for more for now."""
        self._one_by_one = False
        """Whether records are taken singly, to find the one that cannot be read."""

    def __len__(self) -> int:
        return len(self._records)

    # --- what the partition does with it --------------------------------------------------------------

    def open_at(self, offset: int) -> None:
        """Forget what has come, and read from an offset on."""
        self.close()
        self._consumer.seek(self.place, offset)
        self._consumer.resume(self.place)
        self.read_to = offset
        self._open = True

    def rest(self) -> None:
        """Add nothing until :meth:`open_at`: the group deals anew, and where the consumer reads is not known meanwhile."""
        self._open = False

    def close(self) -> None:
        """Read no more, and forget what has come."""
        self._open = self._full = self._one_by_one = False
        self._failure = None
        self._records.clear()
        self._bytes = 0
        self._news.clear()

    async def wait(self, seconds: float) -> None:
        """Return when something is there, or after this time; the others on the event loop have their turn in any case.

        Raises:
            KafkaError: reading has ended here, and nothing that came before is left; it begins again by :meth:`open_at`.
        """
        await asyncio.sleep(0)
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
        if self._failure is not None and not self._records:
            raise self._failure

    @property
    def next_offset(self) -> int:
        """Of the first record that is kept; of the next to come, when none is."""
        return self._records[0].offset if self._records else self.read_to

    def pop(self) -> Record:
        """The first record, which is kept no longer.

        Raises:
            IndexError: there is none.
        """
        record = self._records.popleft()
        self._bytes -= _size(record)
        if not self._records and self._failure is None:
            self._news.clear()
        if self._full and len(self._records) < RECORDS // 2 and self._bytes < BYTES // 2:
            self._full = False
            with suppress(IllegalStateError):
                self._consumer.resume(self.place)
        return record

    # --- what fills it --------------------------------------------------------------------------------

    async def fill(self) -> None:
        """Take what the consumer has fetched for this partition."""
        more = True
        while more and self._open and not self._full:
            try:
                found = await self._consumer.getmany(self.place, max_records=1 if self._one_by_one else None)
                if self._open:
                    self._add(found.get(self.place, ()), await self._consumer.position(self.place))
                more = self._one_by_one and bool(found)
            except UnicodeDecodeError:
                self._pass_over()
            except NoOffsetForPartitionError:
                # Of the time before the position was set: the group has no offset of this partition yet.
                more = False
            except Exception as error:  # noqa: BLE001  the partition decides what of it may pass
                self.rest()
                self._failure = error
                self._news.set()

    def _add(self, records: Sequence[Record], read_to: int) -> None:
        for record in records:
            self._records.append(record)
            self._bytes += _size(record)
        self.read_to = read_to
        if records:
            self._news.set()
        if len(self._records) >= RECORDS or self._bytes >= BYTES:
            self._full = True
            self._consumer.pause(self.place)

    def _pass_over(self) -> None:
        """Get past a header whose name is no text: aiokafka gives nothing of what it fetched together with it.

        The records before it are taken one by one, and then the next is it. Those after it in its batch fare as it does.
        """
        if not self._one_by_one:
            self._one_by_one = True
            return
        self._one_by_one = False
        found = self._consumer._fetcher._records[self.place]  # noqa: SLF001  what it knows of the place it tells no other way
        unreadable: Record = Opaque(self.place.topic, self.place.partition, found._partition_records.next_fetch_offset)  # noqa: SLF001  as above
        self._consumer.seek(self.place, unreadable.offset + 1)
        self._add([unreadable], unreadable.offset + 1)


async def take_in(consumer: AIOKafkaConsumer, intakes: Callable[[], Iterable[Intake]]) -> None:
    """Fill the intakes with what comes, for ever.

    Raises:
        KafkaError: the consumer has ceased to fetch, of which it tells nobody.
    """
    fetcher = consumer._fetcher  # noqa: SLF001  to wait for news of any partition, and then ask for each by itself
    _take_before_more_is_asked_for(consumer, intakes)
    while True:
        # Made before looking, so that nothing comes unnoticed.
        news = fetcher._create_fetch_waiter()  # noqa: SLF001  as above
        for intake in tuple(intakes()):
            had = len(intake)
            await intake.fill()
            if len(intake) != had:
                # To read the records of one partition may take a while; the others on the event loop have their turn.
                await asyncio.sleep(0)
        await asyncio.wait([news], timeout=IDLE_S)
        if fetcher.error_future.done():
            raise KafkaError("nothing is fetched any more") from fetcher.error_future.exception()
        if not news.cancel():
            # What the group refuses is told to all who read, too.
            news.exception()


def _take_before_more_is_asked_for(consumer: AIOKafkaConsumer, intakes: Callable[[], Iterable[Intake]]) -> None:
    """Have the intakes filled in the step in which an answer with records comes.

    aiokafka asks a broker for more when all of that has been taken. Were it taken by a task that is woken for it, the next request would go
    out five turns of the event loop later, and whatever is written meanwhile would wait for it: half of a command's way in.
    """
    fetcher, subscription = consumer._fetcher, consumer._subscription  # noqa: SLF001  no other way leads between an answer and the next request
    answered = fetcher._proc_fetch_request  # noqa: SLF001  as above

    async def and_taken(assignment: Any, node_id: int, request: Any) -> bool:
        """Whether anything is left to be taken; by :func:`take_in`, then."""
        news: bool = await answered(assignment, node_id, request)
        untaken = fetcher._records  # noqa: SLF001  as above
        # What may have to wait for something waits elsewhere: nothing is asked of this broker until this returns.
        with suppress(KafkaError), own_cancellations():
            taken = 0
            for intake in tuple(intakes()) if news else ():
                if not assignment.active or subscription.reassignment_in_progress:
                    break
                if intake.place in untaken and assignment.state_value(intake.place).has_valid_position:
                    had = len(intake)
                    await intake.fill()
                    taken += len(intake) - had
                    if taken > MANY:
                        taken = 0
                        await asyncio.sleep(0)
        return news and bool(untaken)

    fetcher._proc_fetch_request = and_taken  # noqa: SLF001  as above


def _size(record: Record) -> int:
    """What it takes of the room, about."""
    size = len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size += len(name) + len(value or b"")
    return size
