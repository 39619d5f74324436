"""P6: from sending a command to its DialRequested being readable, at 500 commands a second."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from benchmarks.kafka_contest import PARTITIONS, Broker, broker, scaled, stop, topology
from benchmarks.kafka_load import Line, Progress, add, create, drop_topics, make_topics, outdials, write
from benchmarks.measure import Figure, median_ratio
from benchmarks.peers import ours
from outdial.ids import derived
from outdial.topology import Topology, partition_of

RATE = 500
SECONDS = 30
WARM_S = 3
WARM_ROUNDS = 2
"""Of each, which do not count."""
READY_S = 60.0
LATE_S = 30.0
"""What is not there so long after the last was sent, is lost."""

Send = Callable[[Line], Awaitable[object]]
OnRecord = Callable[[bytes], None]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def text_after(value: bytes, mark: bytes) -> str:
    """The text between a mark and the next quote."""
    start = value.index(mark) + len(mark)
    return value[start : value.index(b'"', start)].decode()


class Reader:
    """Reads committed records as they come, from where the topic ends when it starts."""

    def __init__(self, bootstrap: str, topic: str, partitions: int, on_record: OnRecord) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="latest"
        )
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._on_record = on_record
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign(self._places)
        await self._consumer.seek_to_end()
        for place in self._places:
            await self._consumer.position(place)
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._consumer.stop()

    async def _read(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    self._on_record(record.value)


async def paced(lines: Iterable[Line], rate: float, send: Send) -> None:
    """Send lines at an even pace, none waiting for the one before."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    under_way: set[asyncio.Future[object]] = set()
    for number, line in enumerate(lines):
        wait = began + number / rate - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(send(line))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)


async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition.

    Raises:
        RuntimeError: it has not come true within this time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.02)


async def wait_committed(bootstrap: str, topics: Topology, count: int, seconds: float) -> None:
    """Wait until so many commands are decided."""
    async with Progress(bootstrap, topics) as progress:
        deadline = time.monotonic() + seconds
        while await progress.committed() < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{count} commands were not decided within {seconds:g} s")
            await asyncio.sleep(0.1)


def targets(lists: Sequence[Sequence[str]], count: int) -> list[Line]:
    """AddTarget commands, to all partitions in turn."""
    found = []
    for number in range(count):
        ids = lists[number % len(lists)]
        outdial_id = ids[number // len(lists) % len(ids)]
        found.append(add(outdial_id, derived(outdial_id, f"paced/{number}"), number))
    return found


async def ours_once(at: Broker, seconds: int) -> list[float]:
    """Milliseconds from sending AddTarget to reading its DialRequested, for each."""
    topics = topology()
    lists = outdials(PARTITIONS)
    await make_topics(at.bootstrap, topics)
    await write(at.bootstrap, topics, [[create(outdial_id) for outdial_id in ids] for ids in lists])
    with tempfile.TemporaryDirectory(prefix="outdial-bench-") as folder:
        process = ours(topics, at.bootstrap, Path(folder), "process")
        producer = AIOKafkaProducer(bootstrap_servers=at.bootstrap, acks="all")
        await producer.start()
        try:
            await wait_committed(at.bootstrap, topics, sum(map(len, lists)), READY_S)

            async def send(line: Line) -> None:
                partition = partition_of(line[0].decode(), topics.partitions)
                await producer.send_and_wait(topics.commands, key=line[0], value=line[1], partition=partition)

            return await _timed(at, topics, lists, seconds, send, b'"type":"DialRequested"')
        finally:
            await producer.stop()
            stop([process])
            await drop_topics(at.bootstrap, topics)


async def raw_once(at: Broker, seconds: int) -> list[float]:
    """The same for a record written in a transaction and read: nobody decides anything in between."""
    topics = topology()
    await make_topics(at.bootstrap, topics)
    lines: list[asyncio.Queue[Line]] = [asyncio.Queue() for _ in range(topics.partitions)]
    writers = [_Writer(at.bootstrap, topics, number, lines[number]) for number in range(topics.partitions)]
    tasks = [asyncio.create_task(writer.run()) for writer in writers]

    async def send(line: Line) -> None:
        lines[partition_of(line[0].decode(), topics.partitions)].put_nowait(line)

    try:
        return await _timed(at, topics, outdials(PARTITIONS), seconds, send, b'"type":"AddTarget"')
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await drop_topics(at.bootstrap, topics)


class _Writer:
    """Writes what came meanwhile in one transaction after the other."""

    def __init__(self, bootstrap: str, topics: Topology, number: int, lines: "asyncio.Queue[Line]") -> None:
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=topics.transactional_id(number))
        self._topics = topics
        self._number = number
        self._lines = lines

    async def run(self) -> None:
        """For ever."""
        await self._producer.start()
        try:
            while True:
                batch = self._producer.create_batch()
                key, value = await self._lines.get()
                batch.append(key=key, value=value, timestamp=None)
                while not self._lines.empty():
                    key, value = self._lines.get_nowait()
                    batch.append(key=key, value=value, timestamp=None)
                batch.close()
                async with self._producer.transaction():
                    sent = await self._producer.send_batch(batch, self._topics.events, partition=self._number)
                    await sent
        finally:
            await self._producer.stop()


async def _timed(at: Broker, topics: Topology, lists: Sequence[Sequence[str]], seconds: int, send: Send, wanted: bytes) -> list[float]:
    """Milliseconds between sending each of the lines and reading what it came to; the first seconds are left out."""
    lines = targets(lists, RATE * seconds)
    sent: dict[str, float] = {}
    took: dict[str, float] = {}

    def on_record(value: bytes) -> None:
        if wanted in value:
            name = text_after(value, b'"target_id":"')
            if name in sent:
                took.setdefault(name, (time.perf_counter() - sent[name]) * 1_000)

    async def send_timed(line: Line) -> None:
        sent[text_after(line[1], b'"target_id":"')] = time.perf_counter()
        await send(line)

    async with Reader(at.bootstrap, topics.events, topics.partitions, on_record):
        await paced(lines, RATE, send_timed)
        await until(lambda: len(took) == len(lines), LATE_S, "every command came to something readable")
    return list(took.values())[RATE * WARM_S :]


def run(repeat: int) -> list[Figure]:
    """Ours and the peer in turn."""
    mine: list[list[float]] = []
    theirs: list[list[float]] = []
    seconds = max(2 * WARM_S, scaled(SECONDS))
    with broker() as at:
        # Java compiles what a new broker does over its first minutes; whoever came first would pay for it.
        for _ in range(WARM_ROUNDS):
            asyncio.run(raw_once(at, seconds))
            asyncio.run(ours_once(at, seconds))
        for number in range(repeat):
            rounds = [(ours_once, mine), (raw_once, theirs)]
            for once, found in rounds if number % 2 == 0 else reversed(rounds):
                found.append(asyncio.run(once(at, seconds)))
    p99, peer = [percentile(one, 0.99) for one in mine], [percentile(one, 0.99) for one in theirs]
    ratio = median_ratio(p99, peer)
    notes = {
        "commands": RATE * seconds,
        "ours, p50": median(percentile(one, 0.5) for one in mine),
        "peer, p50": median(percentile(one, 0.5) for one in theirs),
    }
    return [
        Figure(
            "P6", f"Kafka: sent to DialRequested readable, p99, {RATE}/s", p99, "ms", "<= 3 x", ratio <= 3,
            peer, "one transaction, written and read", ratio, notes,
        )
    ]  # fmt: skip
