"""At most once: workers that are killed or frozen at any moment never place a call a second time.

Nothing is claimed here, so that the offsets alone have to see to it.
"""

import asyncio
import signal
from collections import Counter
from pathlib import Path
from random import Random

from outdial.topology import Topology
from worker.processes import command, noted, process
from worker.standin import Ledger, request, until

KILLS = 3
CALLS = 200


def worker(bootstrap: str, topology: Topology, calls: Path, *, milliseconds: int = 20, most: int = 100) -> list[str]:
    return command("program.py", bootstrap, topology.prefix, str(topology.partitions), str(calls), str(milliseconds), str(most))


def placed(calls: Path) -> Counter[str]:
    return Counter(line["attempt_id"] for line in noted(calls))


async def one_more(calls: Path) -> None:
    before = sum(placed(calls).values())
    await until(lambda: sum(placed(calls).values()) > before, "calls are placed again", 40)


async def taken_over(attempts: set[str], calls: Path) -> None:
    """Wait until all but what the frozen one had just taken are placed: that is lost, for its lease to end."""
    await until(lambda: len(attempts - set(placed(calls))) <= 2, "another takes over", 40)


async def test_no_call_is_placed_twice_through_kills(ledger: Ledger, kafka_bootstrap: str, topology: Topology, tmp_path: Path) -> None:
    calls, log, chance = tmp_path / "calls", tmp_path / "log", Random(4)  # noqa: S311  moments of kills
    asking = True

    async def ask() -> None:
        while asking:
            await ledger.ask(*(request() for _ in range(5)))
            await asyncio.sleep(0.02)

    asker = asyncio.create_task(ask())
    for _ in range(KILLS):
        with process(worker(kafka_bootstrap, topology, calls), log) as running:
            await one_more(calls)
            await asyncio.sleep(chance.uniform(0.0, 0.3))
            running.send_signal(signal.SIGKILL)
            assert await asyncio.to_thread(running.wait, 10) == -signal.SIGKILL
    asking = False
    await asker
    last = request()
    with process(worker(kafka_bootstrap, topology, calls), log) as running:
        await ledger.ask(last)
        await until(lambda: last.attempt_id in placed(calls), "the last is placed", 40)
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, 20) == 0
    found = placed(calls)
    assert {attempt for attempt, times in found.items() if times > 1} == set()
    assert len(found) > len(ledger.known) / 2
    assert "Traceback" not in log.read_text(encoding="utf-8")


async def test_a_frozen_worker_that_wakes_places_nothing_another_has_placed(
    ledger: Ledger, kafka_bootstrap: str, topology: Topology, tmp_path: Path
) -> None:
    calls, log = tmp_path / "calls", tmp_path / "log"
    with process(worker(kafka_bootstrap, topology, calls, milliseconds=2_000, most=1), log) as frozen:
        await ledger.ask(request())
        await until(lambda: len(placed(calls)) >= 1, "its one line is busy", 40)
        requests = [request() for _ in range(CALLS)]
        await ledger.ask(*requests)
        await until(lambda: len(placed(calls)) >= 2, "it holds what it cannot place yet", 40)
        frozen.send_signal(signal.SIGSTOP)
        with process(worker(kafka_bootstrap, topology, calls), log):
            await taken_over({one.attempt_id for one in requests}, calls)
            frozen.send_signal(signal.SIGCONT)
            while not any(line["pid"] == frozen.pid for line in noted(calls)[2:]):
                fresh = [request() for _ in range(8)]
                await ledger.ask(*fresh)
                await asyncio.sleep(0.2)
    assert {attempt for attempt, times in placed(calls).items() if times > 1} == set()
