"""Asking the ledger, before a call is placed, whether it is still wanted.

A grant is good for a few seconds only. Between it and the call dialing may be stopped, and an answer that was long on
its way says nothing about now. So every ask has an id of its own, an answer counts for the ask it belongs to and within
:data:`GRANT_S` of it, and without one the worker asks again: the ledger grants a second time to the same worker while
the call is still wanted, and to nobody else.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiokafka import TopicPartition

from outdial.commands import ClaimDial
from outdial.connection import Connection
from outdial.ids import derived
from outdial.requests import AnswerRecord, DialRequest
from outdial.topology import MAX_RECORD_BYTES, Topology
from outdial.worker.clock import now_us
from outdial.worker.connecting import Consumer
from outdial.worker.outbox import PASSING, Outbox

GRANT_S: Final = 5.0
"""How long after it was asked for a grant may be used, and how long an answer is waited for."""
AGAIN_S: Final = 0.5
GIVEN_BACK: Final = frozenset({"dialing_stopped", "dialing_paused", "outdial_deleted", "target_deleted", "suppressed", "dial_too_late"})
"""Refusals that say: nobody places this call, and nobody shall. All others leave room for somebody who does."""

Verdict = Literal["granted", "unwanted", "others"]
"""``unwanted``: do not place it, answer ``not_dialed``. ``others``: do not place it and say nothing, for another worker does,
or it is over, or nobody knows."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Granted:
    """The answer to one ask."""

    verdict: Verdict
    good_until: float
    """On the event loop's clock. A grant may not be used later."""


class Claims:
    """The claims of one worker.

    Args:
        worker: a new name for every start of a process.
    """

    def __init__(self, connection: Connection, topology: Topology, outbox: Outbox, worker: str) -> None:
        self._connection = connection
        self._topology = topology
        self._outbox = outbox
        self._worker = worker
        self._waiting: dict[bytes, asyncio.Future[AnswerRecord]] = {}
        self._consumer: Consumer | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and stand at the end of the answers; raises what aiokafka raises when that fails."""
        consumer = Consumer(
            **self._connection.arguments(),
            client_id="outdial-worker-answers",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
            fetch_max_wait_ms=100,
        )
        try:
            await consumer.start()
            topic = self._topology.answers
            numbers = consumer.partitions_for_topic(topic) or await consumer._client._wait_on_metadata(topic)  # noqa: SLF001  it asks the broker, which the public method does not
            partitions = [TopicPartition(topic, number) for number in numbers]
            consumer.assign(partitions)
            await consumer.seek_to_end(*partitions)
            for partition in partitions:
                await consumer.position(partition)
        except BaseException:
            await _closed(consumer)
            raise
        self._consumer = consumer
        self._reading = asyncio.create_task(self._read(consumer))

    async def stop(self) -> None:
        """Close the connection; nothing is granted any more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
            self._reading = None
        if self._consumer is not None:
            await _closed(self._consumer)
            self._consumer = None

    async def ended(self) -> None:
        """Return never, unless the answers cannot be read any more; then raise why."""
        if self._reading is not None:
            await asyncio.shield(self._reading)

    async def ask(self, request: DialRequest) -> Granted:
        """Ask until there is an answer, or the attempt's lease is over."""
        loop = asyncio.get_running_loop()
        number = 0
        while now_us() <= request.expires_at:
            number += 1
            command = self._claim(request, number)
            good_until = loop.time() + GRANT_S
            answer = await self._asked(command)
            if answer is not None and loop.time() <= good_until:
                return Granted(_verdict(answer), good_until)
            await asyncio.sleep(AGAIN_S)
        return Granted("others", loop.time())

    async def _asked(self, command: ClaimDial) -> AnswerRecord | None:
        """The answer to one command; None when there is none in time."""
        key = (command.id or "").encode()
        answer: asyncio.Future[AnswerRecord] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        try:
            async with asyncio.timeout(GRANT_S):
                await self._outbox.ask(command)
                return await answer
        except PASSING:
            return None
        finally:
            del self._waiting[key]

    async def _read(self, consumer: Consumer) -> None:
        """Hand answers to who waits for them."""
        while True:
            found: dict[TopicPartition, list[Any]] = await consumer.getmany(timeout_ms=1_000)
            for records in found.values():
                for record in records:
                    waiting = self._waiting.get(record.key)
                    if waiting is None or waiting.done():
                        continue
                    with suppress(ValueError):
                        waiting.set_result(AnswerRecord.model_validate_json(record.value or b""))

    def _claim(self, request: DialRequest, number: int) -> ClaimDial:
        return ClaimDial(
            id=derived(request.attempt_id, f"claim/{self._worker}/{number}"),
            customer_id=request.customer_id,
            actor="dial-worker",
            outdial_id=request.outdial_id,
            target_id=request.target_id,
            attempt_id=request.attempt_id,
            worker=self._worker,
            traceparent=request.traceparent,
        )


def _verdict(answer: AnswerRecord) -> Verdict:
    if answer.result != "rejected":
        return "granted"
    if answer.reason in GIVEN_BACK:
        return "unwanted"
    log.info("a claim was refused: %s", answer.reason)
    return "others"


async def _closed(consumer: Consumer) -> None:
    with suppress(*PASSING):
        await consumer.stop()
