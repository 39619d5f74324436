"""What the worker says to the ledger: commands, sent until the broker has taken them.

Their ids are derived from the attempt, so that a word the broker may or may not have taken is sent again without a
second effect.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from outdial.commands import OutdialCommand
from outdial.connection import Connection
from outdial.ending import begun, disconnected
from outdial.topology import HEADER_ANSWER, Topology
from outdial.wire import encode

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0
TAKEN_S: Final = 15.0
"""How long the broker may take to take a command; the client's own timeouts do not end every wait."""
PASSING: Final = (KafkaError, TimeoutError, OSError)
"""What another try may end. Anything else is a fault of the program."""

log = logging.getLogger(__name__)


class Outbox:
    """Sends commands to the topic of commands."""

    def __init__(self, connection: Connection, topology: Topology) -> None:
        self._connection = connection
        self._topic = topology.commands
        self._producer: AIOKafkaProducer | None = None
        self._replacing = asyncio.Lock()
        self._unsaid = 0

    @property
    def unsaid(self) -> int:
        """Words that the broker has not taken yet."""
        return self._unsaid

    async def start(self) -> None:
        """Connect; raises what aiokafka raises when that fails."""
        self._producer = await self._connected()

    async def stop(self) -> None:
        """Close the connection. What has not been taken by now is lost; the leases of its attempts end them."""
        if self._producer is not None:
            await _closed(self._producer)
            self._producer = None

    async def hear(self) -> None:
        """Return when a broker answers; raises one of PASSING when none does."""
        if self._producer is not None and not await self._producer.client.force_metadata_update():
            raise KafkaError("no broker told its metadata")

    async def ask(self, command: OutdialCommand) -> None:
        """Send a command whose answer is wanted, once.

        Raises:
            KafkaError: the broker did not take it, or nobody knows.
        """
        producer = self._producer
        if producer is None:
            raise KafkaError("the outbox is closed")
        try:
            await self._sent(producer, command, [(HEADER_ANSWER, (command.id or "").encode())])
        except PASSING as error:
            await self._after(error, producer)
            raise

    async def say(self, command: OutdialCommand) -> None:
        """Send a command, again and again until the broker has taken it. Returns early only when cancelled."""
        self._unsaid += 1
        wait = FIRST_WAIT_S
        try:
            while True:
                producer = self._producer
                try:
                    if producer is not None:
                        await self._sent(producer, command, [])
                        return
                except PASSING as error:
                    log.warning("a word to the ledger was not taken (%s); it is sent again", type(error).__name__)
                    await self._after(error, producer)
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT_S)
        finally:
            self._unsaid -= 1

    async def _sent(self, producer: AIOKafkaProducer, command: OutdialCommand, headers: list[tuple[str, bytes]]) -> None:
        async with asyncio.timeout(TAKEN_S):
            await producer.send_and_wait(self._topic, encode(command), key=command.stream.encode(), headers=headers)

    async def _after(self, error: BaseException, failed: AIOKafkaProducer | None) -> None:
        """Put a new producer in the place of one that will not work again: its numbering is out of order, or its sender is dead."""
        if isinstance(error, KafkaError) and error.retriable:
            return
        async with self._replacing:
            if failed is None or self._producer is not failed:
                return
            with suppress(*PASSING):
                fresh = await self._connected()
                self._producer = fresh
                await _closed(failed)

    async def _connected(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._connection.arguments(), client_id="outdial-worker", acks="all", enable_idempotence=True)
        try:
            await begun(producer.start())
        except BaseException:
            await _closed(producer)
            raise
        return producer


async def _closed(producer: AIOKafkaProducer) -> None:
    with suppress(*PASSING):
        await disconnected(producer.stop(), producer.client.close)
