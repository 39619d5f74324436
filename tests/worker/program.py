"""A worker as a process of its own, to be killed: `python program.py BOOTSTRAP PREFIX PARTITIONS CALLS claim|no-claim MS_PER_CALL`."""

import asyncio
import signal
import sys
from pathlib import Path

from outdial.connection import Connection
from outdial.topology import Topology
from outdial.worker.carriers.scripted import ScriptedCarrier
from outdial.worker.carriers.simulated import Habits, Span
from outdial.worker.service import WorkerOptions, run_worker


async def main(bootstrap: str, prefix: str, partitions: str, calls: str, claim: str, milliseconds: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    none, some = Span(0, 0, 0), Span(0, int(milliseconds), 2 * int(milliseconds) or 0)
    habits = Habits(no_answer=0, setup=none, ring=none, talk=some, greeting=none)
    carrier = ScriptedCarrier(7, habits=habits, calls=Path(calls))
    await run_worker(WorkerOptions(Connection(bootstrap), carrier, Topology(prefix, int(partitions)), claim=claim == "claim"), stop)


asyncio.run(main(*sys.argv[1:]))
