"""One round of a contest: the same commands, one contestant, from its first committed position to its last."""

import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen, TimeoutExpired

from benchmarks.kafka_load import Load, Progress, Written, drop_topics, make_topics, write, written
from benchmarks.measure import cpu_seconds
from benchmarks.peers import Start
from outdial.topology import Topology

PARTITIONS = 12
POLL_S = 0.05
STUCK_S = 90.0
"""A contestant that commits nothing for so long has failed."""


@dataclass(frozen=True)
class Broker:
    """The cluster measured on."""

    bootstrap: str
    pids: Sequence[int] = ()
    """Its processes, where they are ours."""

    def cpu(self) -> float:
        """CPU seconds of its processes."""
        return sum(map(cpu_seconds, self.pids))


@dataclass(frozen=True)
class Round:
    """What one contestant did in one round."""

    rate: float
    """Commands a second, from the first committed position seen to the last."""
    cpu: float
    """CPU seconds of its processes for 1,000 commands, within that time."""
    broker: float
    """The same of the broker."""
    whole: float
    """CPU seconds of its processes from their start to the last position."""
    written: Written


@contextmanager
def broker() -> Iterator[Broker]:
    """The broker to measure on: the one named by OUTDIAL_BENCH_KAFKA, else one of our own."""
    address = os.environ.get("OUTDIAL_BENCH_KAFKA")
    if address:
        yield Broker(address)
        return
    from brokers.cluster import Cluster  # noqa: PLC0415  the tests' helper; a benchmark without Kafka does without it

    with tempfile.TemporaryDirectory(prefix="outdial-bench-") as folder, Cluster(1, Path(folder)) as cluster:
        yield Broker(cluster.bootstrap, cluster.pids)


def topology(partitions: int = PARTITIONS) -> Topology:
    """Topics nobody has used."""
    return Topology(f"bench-{uuid.uuid4().hex[:10]}", partitions)


async def play(at: Broker, start: Start, load: Load, *, processes: int = 1, check: bool = True) -> Round:
    """Let a contestant read the load.

    Raises:
        RuntimeError: it ended, or stands still.
    """
    topics = topology(len(load.commands))
    await make_topics(at.bootstrap, topics)
    await write(at.bootstrap, topics, [[*creates, *lines] for creates, lines in zip(load.creates, load.commands, strict=True)])
    total = load.total + sum(map(len, load.creates))
    with tempfile.TemporaryDirectory(prefix="outdial-bench-") as folder:
        started = [start(topics, at.bootstrap, Path(folder), f"process-{number}") for number in range(processes)]
        try:
            found = await _measure(at, topics, started, total, Path(folder))
        finally:
            stop(started)
        counted = await written(at.bootstrap, topics) if check else Written(0, 0, 0, 0, 0)
    await drop_topics(at.bootstrap, topics)
    return Round(*found, counted)


async def _measure(
    at: Broker, topics: Topology, started: "Sequence[Popen[bytes]]", total: int, folder: Path
) -> tuple[float, float, float, float]:
    def used() -> float:
        return sum(cpu_seconds(process.pid) for process in started)

    async with Progress(at.bootstrap, topics) as progress:
        first: tuple[int, float, float, float] | None = None
        done, moved = 0, time.monotonic()
        while done < total:
            await asyncio.sleep(POLL_S)
            ended = [process for process in started if process.poll() is not None]
            if ended:
                raise RuntimeError(f"a contestant ended with {ended[0].returncode}: {_last_words(folder)}")
            now = await progress.committed()
            if now > done:
                done, moved = now, time.monotonic()
                if first is None:
                    first = (done, time.perf_counter(), used(), at.cpu())
            elif time.monotonic() - moved > STUCK_S:
                raise RuntimeError(f"a contestant stands still at {done} of {total}: {_last_words(folder)}")
        last = (time.perf_counter(), used(), at.cpu())
    assert first is not None
    count = total - first[0]
    if count <= 0:
        raise RuntimeError("too few commands: the first position seen was the last")
    return count / (last[0] - first[1]), (last[1] - first[2]) / count * 1_000, (last[2] - first[3]) / count * 1_000, last[1]


def stop(started: "Sequence[Popen[bytes]]") -> None:
    """End processes: asked first, then not asked."""
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(timeout=30)
        except TimeoutExpired:
            process.kill()
            process.wait()


def _last_words(folder: Path) -> str:
    logs = [path.read_text(errors="replace").splitlines()[-8:] for path in sorted(folder.glob("*.log"))]
    return " | ".join(line for lines in logs for line in lines)
