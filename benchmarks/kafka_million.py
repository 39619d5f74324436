"""P7: how late what falls due is requested, with a million targets armed. P10: how long a restart takes with them."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from benchmarks.kafka_contest import PARTITIONS, Broker, broker, scaled, stop, topology
from benchmarks.kafka_latency import (
    Reader,
    ours_once,
    paced,
    percentile,
    targets,
    text_after,
    until,
    wait_committed,
)
from benchmarks.kafka_load import Line, add, create, drop_topics, make_topics, outdials, result, write
from benchmarks.measure import CUSTOMER, Figure, memory
from benchmarks.peers import ours
from outdial.ids import derived
from outdial.plan import Plan
from outdial.scalars import parse_instant
from outdial.topology import Topology, partition_of

ARMED = 1_000_000
"""Targets that wait for their second try, a day ahead."""
FALLING_DUE = 60_000
RATE = 1_500
"""Of these fall due a second."""
INTERVAL_MS = 60_000
"""What they wait: longer than it takes to arm them all."""
FAR = Plan(max_try_count_0=3, max_concurrent=0, try_interval=86_400_000)
NEAR = Plan(max_try_count_0=3, max_concurrent=0, try_interval=INTERVAL_MS)
FILL_S = 1_800.0
P6_SECONDS = 10


@dataclass
class Lateness:
    """Milliseconds after the due time, of each retry."""

    decided: list[float] = field(default_factory=list)
    """By the event's own ``due_at`` and ``time``."""
    readable: list[float] = field(default_factory=list)
    """By the reader's clock, the same machine's."""


def near_outdials() -> list[list[str]]:
    """One outdial on every partition whose targets fall due while it is measured."""
    found: list[list[str]] = [[] for _ in range(PARTITIONS)]
    number = 0
    while not all(found):
        outdial_id = derived(CUSTOMER, f"kafka-near/{number}")
        number += 1
        place = found[partition_of(outdial_id, PARTITIONS)]
        if not place:
            place.append(outdial_id)
    return found


class Million:
    """A ledger process with a million targets armed."""

    def __init__(self, at: Broker, folder: Path) -> None:
        self.at = at
        self.topics: Topology = topology()
        self.folder = folder
        self.far = outdials(PARTITIONS)
        self.near = near_outdials()
        self.sent = 0
        self.events = 0
        """Records of the log when the process was last stopped, transaction markers included."""
        self._process: Popen[bytes] | None = None
        self._starts = 0

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process, in the folder it had before."""
        self._process = ours(self.topics, self.at.bootstrap, self.folder, "process")

    def stop(self) -> None:
        """Stop it as an operator does."""
        if self._process is not None:
            stop([self._process])
            self._process = None

    async def write(self, lines: Sequence[Sequence[Line]]) -> None:
        """Write commands, and wait until they are decided."""
        await write(self.at.bootstrap, self.topics, lines)
        self.sent += sum(map(len, lines))
        await wait_committed(self.at.bootstrap, self.topics, self.sent, FILL_S)

    async def arm(self, count: int) -> None:
        """Have so many targets tried once and busy: they wait a day for their next try."""
        await make_topics(self.at.bootstrap, self.topics)
        made = [
            [create(one, FAR) for one in far] + [create(one, NEAR) for one in near] for far, near in zip(self.far, self.near, strict=True)
        ]
        self.start()
        await self.write(made)
        each = count // PARTITIONS
        names = [[(ids[n % len(ids)], derived(ids[n % len(ids)], f"armed/{n}")) for n in range(each)] for ids in self.far]
        await self.write([[add(*one, 10_000_000 + place * each + n) for n, one in enumerate(found)] for place, found in enumerate(names)])
        await self._requested(each * PARTITIONS)
        await self.write([[result(*one, "busy") for one in found] for found in names])

    async def _requested(self, count: int) -> None:
        """Wait until so many requests are written."""
        async with Ends(self.at.bootstrap, self.topics.dial_requests, self.topics.partitions) as ends:
            deadline = time.monotonic() + FILL_S
            while await ends.total() < count:
                if time.monotonic() > deadline:
                    raise RuntimeError("not every target was requested")
                await asyncio.sleep(0.2)

    async def restart(self, number: int) -> float:
        """Seconds from the start of a process until what every partition made of a command can be read."""
        names = [derived(ids[0], f"restart/{number}/{self._starts}") for ids in self.near]
        self._starts += 1
        left = set(names)

        def on_record(value: bytes) -> None:
            if b'"type":"TargetAdded"' in value:
                left.discard(text_after(value, b'"target_id":"'))

        # The group is told once a second how far the commands were read: a reader of the events knows at once.
        async with Reader(self.at.bootstrap, self.topics.events, self.topics.partitions, on_record):
            began = time.perf_counter()
            self.start()
            lines = [[add(ids[0], name, 1_000 + place)] for place, (ids, name) in enumerate(zip(self.near, names, strict=True))]
            await write(self.at.bootstrap, self.topics, lines)
            self.sent += len(lines)
            await until(lambda: not left, FILL_S, "every partition has decided")
            return time.perf_counter() - began

    async def lateness(self, count: int) -> Lateness:
        """Have so many targets fall due at an even pace, and note how late each was requested."""
        found = Lateness()
        producer = AIOKafkaProducer(bootstrap_servers=self.at.bootstrap, acks="all")
        await producer.start()
        busy: set[asyncio.Future[None]] = set()

        async def send(line: Line) -> None:
            await producer.send_and_wait(
                self.topics.commands, key=line[0], value=line[1], partition=partition_of(line[0].decode(), self.topics.partitions)
            )

        def on_record(value: bytes) -> None:
            if b'"type":"DialRequested"' not in value:
                return
            if b'"rule":"first_try"' in value:
                outdial_id, target_id = text_after(value, b'"subject":"'), text_after(value, b'"target_id":"')
                task = asyncio.ensure_future(send(result(outdial_id, target_id, "busy")))
                busy.add(task)
                task.add_done_callback(busy.discard)
                return
            now = time.time_ns() / 1_000
            due, decided = (parse_instant(text_after(value, mark)) for mark in (b'"due_at":"', b'"time":"'))
            assert isinstance(due, int)
            assert isinstance(decided, int)
            found.decided.append((decided - due) / 1_000)
            found.readable.append((now - due) / 1_000)

        try:
            async with Reader(self.at.bootstrap, self.topics.events, self.topics.partitions, on_record):
                await paced(targets(self.near, count), RATE, send)
                await until(lambda: len(found.decided) == count, INTERVAL_MS / 1_000 + 60, "everything that fell due was requested")
        finally:
            await asyncio.gather(*busy)
            await producer.stop()
        self.sent += 2 * count
        return found

    async def note_events(self) -> None:
        """Note how long the log is."""
        async with Ends(self.at.bootstrap, self.topics.events, self.topics.partitions) as ends:
            self.events = await ends.total()


class Ends:
    """How many offsets a topic has, all partitions together."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
        self._places = [TopicPartition(topic, number) for number in range(partitions)]

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def total(self) -> int:
        """The sum of the end offsets."""
        return sum((await self._consumer.end_offsets(self._places)).values())


async def measure(at: Broker, folder: Path, repeat: int) -> list[Figure]:
    """Both figures, on one log."""
    million = Million(at, folder)
    try:
        armed = scaled(ARMED)
        await million.arm(armed)
        size = memory(million.pid)
        late = await million.lateness(scaled(FALLING_DUE))
        from_snapshot, from_log = [], []
        for number in range(repeat):
            million.stop()
            from_snapshot.append(await million.restart(number))
        await million.note_events()
        for number in range(max(1, repeat // 2)):
            million.stop()
            shutil.rmtree(folder / "process")
            from_log.append(await million.restart(number))
    finally:
        million.stop()
        await drop_topics(at.bootstrap, million.topics)
    reference = percentile(await ours_once(at, P6_SECONDS), 0.99)
    decided, readable = percentile(late.decided, 0.99), percentile(late.readable, 0.99)
    notes = {
        "armed": armed,
        "fell due": len(late.decided),
        "a second": RATE,
        "earliest, ms": min(late.decided),
        "p50, ms": percentile(late.decided, 0.5),
        "memory of the process, MiB": size >> 20,
    }
    restarted = {"targets": armed + len(late.decided), "offsets of the log": million.events}
    return [
        Figure(
            "P7", f"Kafka: due to decided, p99, {armed:,} armed", [decided], "ms", "<= 50, never early",
            decided <= 50 and min(late.decided) >= 0, notes=notes,
        ),
        Figure(
            "P7", "Kafka: due to readable, p99", [readable], "ms", "<= 3 x P6", readable <= 3 * reference,
            [reference], "P6, in the same run", readable / reference, notes,
        ),
        Figure(
            "P10", f"Kafka: restart with {armed:,} targets, from snapshot", from_snapshot, "s", "<= 5", max(from_snapshot) <= 5,
            notes=restarted,
        ),
        Figure("P10", f"Kafka: restart with {armed:,} targets, from log", from_log, "s", "<= 60", max(from_log) <= 60, notes=restarted),
    ]  # fmt: skip


def run(repeat: int) -> list[Figure]:
    """Both figures."""
    with broker() as at, tempfile.TemporaryDirectory(prefix="outdial-bench-") as folder:
        return asyncio.run(measure(at, Path(folder), repeat))
