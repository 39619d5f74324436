"""P1 with rules: the same commands while hours, a list of suppressions and frequency caps are in force, beside the same without them.

With caps a request asks leave on another partition first, and a result that stood on its partition already would come before
the request it is about. So the results are written when all requests are out, whatever the rules; counted is the time of both parts.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.kafka_contest import PARTITIONS, STUCK_S, Broker, broker, scaled, stop, topology
from benchmarks.kafka_load import PLAN, Line, Load, Progress, create, drop_topics, load, make_topics, outdials, write, written
from benchmarks.measure import CUSTOMER, Figure, median_ratio
from benchmarks.peers import ours
from outdial.ids import derived
from outdial.plan import Plan
from outdial.suppression import FrequencyCaps
from outdial.topology import Topology, partition_of
from outdial.windows import Windows
from outdial.wire import to_json

COMMANDS = 300_000
SUPPRESSED = 100_000
AT_ONCE = 500
GOAL = 0.7
POLL_S = 0.1
_ADD = b'{"type":"AddTarget"'
QUIET_S = 3.0
"""So long nothing is left to decide before it counts as the end."""
CAPS = FrequencyCaps.model_validate_json(b'{"rules": [{"count": 7, "per_ms": 604800000}, {"count": 3, "per_ms": 86400000}]}')
ALL_DAY = Windows.model_validate_json(
    b"""{"hours": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "00:00", "end": "24:00"}]}"""
)


def run(repeat: int) -> list[Figure]:
    """The same load with each set of rules, in turn, on one broker."""
    commands = scaled(COMMANDS)
    plain = load(commands, PARTITIONS)
    hours = PLAN.model_copy(update={"windows": ALL_DAY})
    listed = [*_suppressions(scaled(SUPPRESSED))]
    loads = {
        "plain": (plain, []),
        "hours and a list": (_under(plain, hours), listed),
        "hours, a list and caps": (_under(plain, hours), [*listed, _caps()]),
    }
    found: dict[str, list[float]] = {name: [] for name in loads}
    names = list(loads)
    with broker() as at:
        for number in range(repeat):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                given, before = loads[name]
                found[name].append(asyncio.run(_play(at, given, before)))
    base = found["plain"]
    return [
        Figure(
            "P1-rules",
            f"Kafka: half AddTarget, half DialResult, {PARTITIONS} partitions, with {name}",
            found[name],
            "commands/s",
            f">= {GOAL:g} x",
            median_ratio(found[name], base) >= GOAL,
            base,
            "the same without",
            median_ratio(found[name], base),
            {"commands": commands, "suppressed": scaled(SUPPRESSED)},
        )
        for name in names[1:]
    ]


def _under(plain: Load, plan: Plan) -> Load:
    """The same commands, of outdials that are run by another plan."""
    return replace(plain, creates=[[create(outdial_id, plan) for outdial_id in ids] for ids in outdials(PARTITIONS)])


def _suppressions(count: int) -> Iterator[Line]:
    """Commands that put so many numbers on the list, none of which is dialed."""
    for first in range(0, count, AT_ONCE):
        entries = [{"address": {"type": "tel", "target": f"+44{7_000_000_000 + number}"}} for number in range(first, first + AT_ONCE)]
        yield _of_list({"type": "AddSuppressions", "id": derived(CUSTOMER, f"suppress/{first}"), "entries": entries})


def _caps() -> Line:
    """The command that caps how often an address is called; each of this load is called once, and asks leave for it."""
    caps = CAPS.model_dump(mode="json")
    return _of_list({"type": "SetFrequencyCaps", "id": derived(CUSTOMER, "caps"), "caps": caps})


def _of_list(command: dict[str, Any]) -> Line:
    return CUSTOMER.encode(), to_json(command | {"customer_id": CUSTOMER})


async def _play(at: Broker, given: Load, before: list[Line]) -> float:
    """Commands a second.

    Raises:
        RuntimeError: it stands still, or did other work than it was given.
    """
    topics = topology(PARTITIONS)
    await make_topics(at.bootstrap, topics)
    lists: list[list[Line]] = [[] for _ in range(PARTITIONS)]
    lists[partition_of(CUSTOMER, PARTITIONS)] = before
    with tempfile.TemporaryDirectory(prefix="outdial-bench-") as folder:
        await write(at.bootstrap, topics, [[*told, *creates] for told, creates in zip(lists, given.creates, strict=True)])
        started = [ours(topics, at.bootstrap, Path(folder), "process-0")]
        try:
            there = sum(map(len, (*given.creates, *lists)))
            await _all_decided(at, topics, there)
            took = 0.0
            for part in _parts(given):
                began = time.perf_counter()
                await write(at.bootstrap, topics, part)
                there += sum(map(len, part))
                took += await _all_decided(at, topics, there) - began
        finally:
            stop(started)
        counted = await written(at.bootstrap, topics)
    await drop_topics(at.bootstrap, topics)
    if counted.requests != given.adds or counted.rejections:
        raise RuntimeError(f"other work was done than was given: {counted}")
    return given.total / took


def _parts(given: Load) -> list[list[list[Line]]]:
    """The targets, then the results; both by partition."""
    return [[[line for line in lines if line[1].startswith(_ADD) is adding] for lines in given.commands] for adding in (True, False)]


async def _all_decided(at: Broker, topics: Topology, least: int) -> float:
    """When nothing was left to decide of ``least`` commands or more, by ``time.perf_counter``."""
    seen, moved = -1, time.perf_counter()
    async with Progress(at.bootstrap, topics) as progress:
        while seen < least or time.perf_counter() - moved < QUIET_S:
            done = await progress.committed()
            if done != seen:
                seen, moved = done, time.perf_counter()
            elif time.perf_counter() - moved > STUCK_S:
                raise RuntimeError(f"it stands still at {done} of {least}")
            await asyncio.sleep(POLL_S)
    return moved
