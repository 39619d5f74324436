"""How the clients of this runtime are made, and the one that asks where partitions begin and end."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from outdial.connection import Connection
from outdial.ending import begun, disconnected
from outdial.topology import MAX_RECORD_BYTES

RETRY_MS: Final = 20
"""How soon a reader asks again for what a broker does not know yet: a new topic, who leads a partition, who coordinates a group."""


@contextmanager
def own_cancellations() -> Iterator[None]:
    """Within the block, only whoever has the task can cancel it: a cancellation that aiokafka lets out is an error like any other.

    Raises:
        KafkaError: such a one.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise KafkaError("the client has cancelled a step of its own") from error


class Reader(AIOKafkaConsumer):
    """A consumer that disconnects when it is stopped, whatever its tasks were about, and says when it has ceased to fetch."""

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None) -> dict[TopicPartition, Any]:
        """What has come, as aiokafka's.

        Raises:
            KafkaError: nothing will come any more, of which aiokafka tells nobody; or whatever it does tell.
        """
        found: dict[TopicPartition, Any] = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        if not found and self._fetcher.error_future.done():
            raise KafkaError("nothing is fetched any more")
        return found

    async def start(self) -> None:
        """Connect, as aiokafka's; who is cancelled meanwhile leaves nothing open once it is stopped."""
        await begun(super().start())

    async def stop(self) -> None:
        """Disconnect. Once more does nothing."""
        await disconnected(super().stop(), self._client.close)


def reader(connection: Connection, *, uncommitted: bool = False) -> Reader:
    """A consumer without a group, for partitions that are assigned by hand.

    ``uncommitted``: for asking offsets only; it sees transactions that are still open.
    """
    return Reader(
        **connection.arguments(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_uncommitted" if uncommitted else "read_committed",
        max_partition_fetch_bytes=MAX_RECORD_BYTES,
        retry_backoff_ms=RETRY_MS,
    )


class Ends:
    """Asks the brokers where partitions begin and end, open transactions included."""

    def __init__(self, connection: Connection) -> None:
        self._asker = reader(connection, uncommitted=True)

    async def start(self) -> None:
        """Connect."""
        await self._asker.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._asker.stop()

    async def span(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset of a partition and the one after its last."""
        place = TopicPartition(topic, partition)
        begin, end = await asyncio.gather(self._asker.beginning_offsets([place]), self._asker.end_offsets([place]))
        return begin[place], end[place]

    async def ends(self, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """The offset after the last of each partition."""
        found = await self._asker.end_offsets([TopicPartition(topic, partition) for partition in partitions])
        return {place.partition: end for place, end in found.items()}
