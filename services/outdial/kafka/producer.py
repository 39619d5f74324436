"""The transactional producer of one partition: it never says the same word twice.

aiokafka retries an EndTxn whose fate is unknown on the same producer epoch. A request that was only held up on
its way can then end a later transaction. Here the first unknown fate ends the producer; the partition starts
again with a new one, whose epoch shuts the old one's requests out.
"""

import asyncio
from contextlib import suppress
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.client import CoordinationType
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.producer.sender import EndTxnHandler, Sender
from aiokafka.structs import RecordMetadata, TopicPartition

from outdial.connection import Connection
from outdial.ending import begun, ended

TRANSACTION_TIMEOUT_MS: Final = 10_000
BATCH_BYTES: Final = 512 * 1024
"""Size at which a batch of records is full. A larger record makes a batch of its own."""
RETRY_BACKOFF_MS: Final = 20


class FateUnknown(KafkaError):
    """The end of a transaction was asked for, and no answer came."""


class _EndOnce(EndTxnHandler):
    """Asks for the end of a transaction, once."""

    async def do(self, node_id: int) -> bool:
        """True when it has ended, False when the coordinator says that it has not begun to.

        Raises:
            FateUnknown: no answer came.
        """
        try:
            response = await self._sender.client.send(node_id, self.create_request(), group=self.group)
        except KafkaError as error:
            raise FateUnknown(f"no answer to the end of a transaction: {error!r}") from error
        backoff = self.handle_response(response)
        if backoff is None:
            return True
        await asyncio.sleep(backoff)
        return False


class _Sender(Sender):
    async def _do_txn_commit(self, commit_result: Any) -> None:
        await self._message_accumulator.flush_for_commit()
        manager = self._txn_manager
        if manager.is_empty_transaction():
            manager.complete_transaction()
            return
        await _EndOnce(self, commit_result).do(await self._find_coordinator(CoordinationType.TRANSACTION, manager.transactional_id))


class Producer(AIOKafkaProducer):
    """Writes the transactions of one partition."""

    def __init__(self, connection: Connection, transactional_id: str) -> None:
        super().__init__(
            **connection.arguments(),
            client_id=transactional_id,
            transactional_id=transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            max_batch_size=BATCH_BYTES,
            retry_backoff_ms=RETRY_BACKOFF_MS,
        )
        self._sender = _Sender(
            self.client,
            acks=-1,
            txn_manager=self._txn_manager,
            retry_backoff_ms=RETRY_BACKOFF_MS,
            message_accumulator=self._message_accumulator,
            request_timeout_ms=self._request_timeout_ms,
        )

    async def start(self) -> None:
        """Connect, and shut out whoever wrote under the same id.

        Raises:
            KafkaConnectionError: besides all else that can be wrong, for a broker that names none when it is asked who there is.
        """
        try:
            await begun(super().start())
        except AssertionError as error:
            # The client takes it for a mistake of ours that it knows of no broker.
            raise KafkaConnectionError(str(error)) from error

    def will_write(self, topic: str, partition: int) -> None:
        """Announce a partition that this transaction writes later: told to the broker with the first, it costs no delay of its own."""
        self._txn_manager.maybe_add_partition_to_txn(TopicPartition(topic, partition))

    async def abandon(self) -> None:
        """Close the connections; nothing that is still to be sent is sent."""
        self._closed = True
        # The sender ends only after another try of what is under way, for which it would connect again.
        self.client._get_conn = _nobody  # noqa: SLF001  a client that was closed does not refuse to
        await ended(self.client.close())
        with suppress(Exception):
            await ended(self._sender.close())
        # A connection that was being made meanwhile is there only now.
        await ended(self.client.close())
        # Who waits is told, and what aiokafka keeps of it for nobody to hear is heard.
        batches = self._message_accumulator._pending_batches  # noqa: SLF001  it has no word for giving up what it was to send again
        batches.update(chain.from_iterable(self._message_accumulator._batches.values()))  # noqa: SLF001  as above
        self._message_accumulator.fail_all(FateUnknown("the producer was abandoned"))
        for batch in batches:
            if batch._drain_waiter.done() and not batch._drain_waiter.cancelled():  # noqa: SLF001  as above
                batch._drain_waiter.exception()  # noqa: SLF001  as above


async def _nobody(*_: object, **__: object) -> None:
    """A connection that is not there."""


class Outgoing:
    """Records of one transaction, gathered into batches; message by message would cost ten times as much."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._batches: dict[tuple[str, int], list[Any]] = {}
        """By topic and partition."""
        self.records = 0
        self.bytes = 0

    def add(self, topic: str, partition: int, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        """Add a record."""
        self.records += 1
        self.bytes += len(value)
        batches = self._batches.get((topic, partition))
        if batches is None:
            batches = self._batches[topic, partition] = []
        elif batches[-1].append(timestamp=None, key=key, value=value, headers=headers) is not None:
            return
        batches.append(self._producer.create_batch())
        batches[-1].append(timestamp=None, key=key, value=value, headers=headers)

    def in_last_batch(self, topic: str, partition: int) -> int:
        """How many records the last batch for a partition has."""
        return int(self._batches[topic, partition][-1].record_count())

    async def send(self, futures: list["asyncio.Future[Any]"]) -> dict[tuple[str, int], list["asyncio.Future[RecordMetadata]"]]:
        """Hand all batches to the producer; the futures tell where the first record of each came to stand.

        ``futures`` gets each as soon as its batch is handed over, also when a later one is refused.
        """
        sent: dict[tuple[str, int], list[asyncio.Future[RecordMetadata]]] = {}
        for (topic, partition), batches in self._batches.items():
            told = sent[topic, partition] = []
            for batch in batches:
                batch.close()
                future = await self._producer.send_batch(batch, topic, partition=partition)
                futures.append(future)
                told.append(future)
        return sent
