"""One round of a contest: the same commands, one contestant, its committed positions and its CPU time."""

import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
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
WARM = 1 / 3
"""Of the commands: what comes first is left out of rate and CPU, for a JVM compiles meanwhile and a group deals its partitions out."""
STUCK_S = 60.0
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
    """Commands a second, by committed positions, the first third left out."""
    cpu: float
    """CPU seconds of its processes for 1,000 commands, within that time."""
    broker: float
    """The same of the broker."""
    cold: float
    """Commands a second from the first committed position to the last."""
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

    with tempfile.TemporaryDirectory(prefix="outdial-bench-") as folder, Cluster(1, Path(folder), lasting=True) as cluster:
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


@dataclass(frozen=True)
class _Seen:
    """What was seen when a position was."""

    done: int
    at: float
    cpu: float
    broker: float


async def _measure(
    at: Broker, topics: Topology, started: "Sequence[Popen[bytes]]", total: int, folder: Path
) -> tuple[float, float, float, float, float]:
    seen: list[_Seen] = []
    async with Progress(at.bootstrap, topics) as progress:
        moved = time.monotonic()
        while not seen or seen[-1].done < total:
            await asyncio.sleep(POLL_S)
            ended = [process for process in started if process.poll() is not None]
            if ended:
                raise RuntimeError(f"a contestant ended with {ended[0].returncode}: {_last_words(folder)}")
            done = await progress.committed()
            if done > (seen[-1].done if seen else 0):
                moved = time.monotonic()
                cpu = sum(cpu_seconds(process.pid) for process in started)
                seen.append(_Seen(done, time.perf_counter(), cpu, at.cpu()))
            elif time.monotonic() - moved > STUCK_S:
                raise RuntimeError(f"a contestant stands still at {done} of {total}: {_last_words(folder)}")
    first, last = seen[0], seen[-1]
    warm = next(one for one in seen if one.done >= total * WARM)
    count = last.done - warm.done
    if count <= 0:
        raise RuntimeError("too few commands: they were done before they could be watched")
    cpu, broker = last.cpu - warm.cpu, last.broker - warm.broker
    cold = (last.done - first.done) / (last.at - first.at)
    return count / (last.at - warm.at), cpu / count * 1_000, broker / count * 1_000, cold, last.cpu


async def contest(at: Broker, contestants: "Mapping[str, tuple[Start, int]]", load: Load, repeat: int) -> dict[str, list[Round]]:
    """Rounds of several contestants (how each is started, and in how many processes), in another order each time.

    Raises:
        RuntimeError: one of them failed, or did not do all the work once.
    """
    found: dict[str, list[Round]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(repeat):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start, processes = contestants[name]
            played = await play(at, start, load, processes=processes)
            if played.written.requests != load.adds or played.written.rejections:
                raise RuntimeError(f"{name} did other work than it was given: {played.written}")
            found[name].append(played)
    return found


def scaled(count: int) -> int:
    """A size, made smaller by OUTDIAL_BENCH_SCALE (1 = as the goals say)."""
    return max(1, int(count * float(os.environ.get("OUTDIAL_BENCH_SCALE", "1"))))


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
