"""The transactional producer of one partition: it never says the same word twice.

aiokafka retries an EndTxn whose fate is unknown on the same producer epoch. A request that was only held up on
its way can then end a later transaction. Here the first unknown fate ends the producer; the partition starts
again with a new one, whose epoch shuts the old one's requests out.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, zip_longest
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.client import CoordinationType
from aiokafka.errors import ConcurrentTransactions, KafkaConnectionError, KafkaError
from aiokafka.producer.sender import AddPartitionsToTxnHandler, BaseHandler, EndTxnHandler, Sender, SendProduceReqHandler
from aiokafka.producer.transaction_manager import TransactionState
from aiokafka.structs import RecordMetadata, TopicPartition

from outdial.connection import Connection
from outdial.ending import begun, ended

TRANSACTION_TIMEOUT_MS: Final = 10_000
BATCH_BYTES: Final = 512 * 1024
"""Size at which a batch of records is full. A larger record makes a batch of its own."""
RETRY_BACKOFF_MS: Final = 20
MARKED_S: Final = 0.006
"""How long a coordinator may take to write the marks of the transaction before; it refuses the next one until it has."""


class FateUnknown(KafkaError):
    """The end of a transaction was asked for, and no answer came."""


@contextmanager
def _costing_the_producer() -> Iterator[None]:
    """Within the block, whatever aiokafka ends by is one of its errors: it costs the producer and not the process.

    Raises:
        KafkaError: in place of what is none.
    """
    try:
        yield
    except (KafkaError, TimeoutError, OSError):
        raise
    except Exception as error:
        raise KafkaError(f"the client failed by {type(error).__name__}") from error


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


class _Announce(AddPartitionsToTxnHandler):
    """Tells the coordinator where a transaction writes."""

    def handle_response(self, response: Any) -> float | None:
        """How long to wait before it is told again, seconds; None when it has been told."""
        pause: float | None = super().handle_response(response)
        codes = {code for _, places in response.errors for _, code in places}
        return MARKED_S if pause is not None and codes == {ConcurrentTransactions.errno} else pause


class _Sender(Sender):
    """Asks in the task of who waits for the answer, one request after the other.

    aiokafka's own is a task beside, which is woken for each step and then wakes who waits: a transaction took some 18 turns of the event
    loop so, and takes 7. What is asked, and what an answer means, is aiokafka's.
    """

    async def start(self) -> None:
        await self._maybe_wait_for_pid()

    async def deliver(self) -> None:
        """Announce where this transaction writes, and write the batches that were handed over. Their futures tell what came of each.

        Raises:
            KafkaError: this transaction cannot be committed.
        """
        manager, waiting = self._txn_manager, self._message_accumulator
        while places := manager.partitions_to_add():
            await self._ask(_Announce(self, tuple(places)), await self._coordinator())
        if manager.state == TransactionState.ABORTABLE_ERROR:
            manager.wait_for_transaction_end().result()
        while waiting._batches:  # noqa: SLF001  also those that a broker refused for now: it has put them back
            found, leaderless = waiting.drain_by_nodes(ignore_nodes=())
            asked = [self._ask(SendProduceReqHandler(self, batches), node_id) for node_id, batches in found.items()]
            if len(asked) == 1:
                await asked[0]
            else:
                await asyncio.gather(*asked)
            if leaderless:
                await self.client.force_metadata_update()
                await asyncio.sleep(self._retry_backoff)

    async def end(self) -> None:
        """End the transaction, as it was told to.

        Raises:
            FateUnknown: no answer came.
            KafkaError: it was ended by somebody else.
        """
        manager = self._txn_manager
        if manager.is_empty_transaction():
            manager.complete_transaction()
        while (how := manager.needs_transaction_commit()) is not None:
            await self._ask(_EndOnce(self, how), await self._coordinator())

    async def _ask(self, handler: BaseHandler, node_id: int) -> None:
        connection = self.client._conns.get((node_id, handler.group))  # noqa: SLF001  it tells no other way
        if connection is None or not connection.connected():
            # By a task of its own: who is cancelled while aiokafka connects leaves a connection that nobody knows of.
            await begun(self.client.ready(node_id, group=handler.group))
        await handler.do(node_id)

    async def _coordinator(self) -> int:
        if CoordinationType.TRANSACTION not in self._coordinators:
            await begun(self._find_coordinator(CoordinationType.TRANSACTION, self._txn_manager.transactional_id))
        return int(self._coordinators[CoordinationType.TRANSACTION])


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

    async def begin_transaction(self) -> None:
        """Begin a transaction; the broker is told with the first partition."""
        self._txn_manager.begin_transaction()

    async def deliver(self) -> None:
        """Write the batches that were handed over.

        Raises:
            KafkaError: this transaction cannot be committed.
        """
        await self._sender.deliver()

    async def commit_transaction(self) -> None:
        """Commit what was written.

        Raises:
            FateUnknown: no answer came.
            KafkaError: it is not committed.
        """
        with _costing_the_producer():
            self._txn_manager.committing_transaction()
            await self._sender.end()

    async def abort_transaction(self) -> None:
        """Take back what was written.

        Raises:
            FateUnknown: no answer came.
            KafkaError: somebody else has ended it.
        """
        with _costing_the_producer():
            self._txn_manager.aborting_transaction()
            await self._sender.end()

    def will_write(self, topic: str, partition: int) -> None:
        """Announce a partition that this transaction writes later: told to the broker with the first, it costs no delay of its own."""
        self._txn_manager.maybe_add_partition_to_txn(TopicPartition(topic, partition))

    async def abandon(self) -> None:
        """Close the connections; nothing that is still to be sent is sent."""
        self._closed = True
        # Whatever is under way yet shall not connect again.
        self.client._get_conn = _nobody  # noqa: SLF001  a client that was closed does not refuse to
        await ended(self.client.close())
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

    async def write(self) -> dict[tuple[str, int], RecordMetadata]:
        """Write all batches; of each topic and partition, where the first record of its last batch came to stand.

        Raises:
            KafkaError: not all of them are written.
        """
        written: dict[tuple[str, int], RecordMetadata] = {}
        # Of one partition a batch is written after the one before is.
        for together in zip_longest(*[[(place, batch) for batch in batches] for place, batches in self._batches.items()]):
            futures: dict[tuple[str, int], asyncio.Future[RecordMetadata]] = {}
            with _costing_the_producer():
                for place, batch in filter(None, together):
                    batch.close()
                    futures[place] = await self._producer.send_batch(batch, place[0], partition=place[1])
                    futures[place].add_done_callback(_hear)
                await self._producer.deliver()
            for place, future in futures.items():
                written[place] = await future
        return written


def _hear(future: "asyncio.Future[RecordMetadata]") -> None:
    """Of a transaction that failed each batch tells the same, some of them later; one has been heard."""
    if not future.cancelled():
        future.exception()
