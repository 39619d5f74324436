"""A stand-in for the ledger on a real broker: it writes dial requests and answers claims in transactions, as the real one does."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from outdial.address import Address
from outdial.commands import ClaimDial, Command, DialAnswered, DialResult
from outdial.ids import derived
from outdial.requests import AnswerRecord, DialRequest
from outdial.topology import HEADER_ANSWER, Topology
from outdial.wire import decode_command, encode

SECOND = 1_000_000
CUSTOMER = "20000000-0000-4000-8000-000000000000"


def now_us() -> int:
    return time.time_ns() // 1_000


def request(*, pickup: float = 60.0, grace: float = 600.0, at: int | None = None) -> DialRequest:
    """A request for an attempt nobody has heard of. `pickup` and `grace` in seconds."""
    begin = now_us() if at is None else at
    outdial, target = str(uuid.uuid4()), str(uuid.uuid4())
    not_after = begin + round(pickup * SECOND)
    return DialRequest(
        attempt_id=derived(outdial, f"{target}/1"),
        outdial_id=outdial,
        target_id=target,
        customer_id=CUSTOMER,
        plan_version=1,
        destination=Address(type="tel", target="+12025550100"),
        destination_index=0,
        try_count=1,
        dial_timeout=30_000,
        requested_at=begin,
        not_after=not_after,
        expires_at=not_after + round(grace * SECOND),
        event_id=f"outdial/{outdial}/1",
    )


@dataclass
class Ledger:
    """Grants claims by the rules of the real one, and remembers what it was told, in order."""

    bootstrap: str
    topology: Topology
    known: dict[str, DialRequest] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    told: list[tuple[int, Command]] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    """Reason with which claims of an attempt are refused."""
    silent: bool = False
    """Claims are decided and not answered."""
    delay: float = 0.0
    """How long an answer takes, seconds."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Ledger"]:
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, transactional_id=f"{self.topology.prefix}.stand-in", transaction_timeout_ms=10_000
        )
        self.consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, isolation_level="read_committed", auto_offset_reset="earliest")
        self.writing = asyncio.Lock()
        await self.producer.start()
        await self.consumer.start()
        self.consumer.assign([TopicPartition(self.topology.commands, number) for number in range(self.topology.partitions)])
        reading = asyncio.create_task(self._read())
        try:
            yield self
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await self.consumer.stop()
            await self.producer.stop()

    async def ask(self, *requests: DialRequest, partition: int | None = None) -> None:
        """Write requests, in one transaction."""
        async with self.writing, self.producer.transaction():
            for one in requests:
                self.known[one.attempt_id] = one
                await self.producer.send(self.topology.dial_requests, encode(one), key=one.target_id.encode(), partition=partition)

    async def write(self, value: bytes | None, partition: int) -> None:
        """Write any bytes where requests are written."""
        async with self.writing, self.producer.transaction():
            await self.producer.send(self.topology.dial_requests, value, key=b"x", partition=partition)

    async def _read(self) -> None:
        async for record in self.consumer:
            command = decode_command(record.value)
            self.told.append((now_us(), command))
            if not isinstance(command, ClaimDial):
                continue
            reason = self._refusal(command)
            if self.silent:
                continue
            if self.delay:
                await asyncio.sleep(self.delay)
            roots = [value for name, value in record.headers if name == HEADER_ANSWER]
            assert roots == [(command.id or "").encode()]
            answer = AnswerRecord(
                root_id=roots[0].decode(),
                command_id=command.id or "",
                type="ClaimDial",
                stream=command.stream,
                result="events" if reason is None else "rejected",
                reason=reason,
                partition=record.partition,
            )
            async with self.writing, self.producer.transaction():
                await self.producer.send(self.topology.answers, encode(answer), key=roots[0], partition=record.partition)

    def _refusal(self, command: ClaimDial) -> str | None:
        if command.attempt_id in self.refuse:
            return self.refuse[command.attempt_id]
        if command.attempt_id in self.results:
            return "attempt_closed"
        if self.claims.setdefault(command.attempt_id, command.worker) != command.worker:
            return "dial_claimed"
        return "dial_too_late" if now_us() > self.known[command.attempt_id].not_after else None

    @property
    def results(self) -> dict[str, str]:
        """The first outcome that was told of each attempt."""
        found: dict[str, str] = {}
        for _, command in self.told:
            if isinstance(command, DialResult):
                found.setdefault(command.attempt_id, command.outcome)
        return found

    def words(self, attempt_id: str) -> list[str]:
        """What was told of an attempt, in order."""
        names = {ClaimDial: "claim", DialAnswered: "answered", DialResult: "result"}
        return [names[type(command)] for _, command in self.told if getattr(command, "attempt_id", None) == attempt_id]


async def until(holds: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait until something holds; fail with its name when it does not in time."""
    limit = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > limit:
            raise AssertionError(f"not in {seconds} s: {what}")
        await asyncio.sleep(0.02)
