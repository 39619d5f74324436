"""A worker as a process of its own, to be killed; it claims nothing.

`python program.py BOOTSTRAP PREFIX PARTITIONS CALLS MS_PER_CALL MAX_CALLS`
"""

import asyncio
import signal
import sys
from pathlib import Path

from outdial.connection import Connection
from outdial.topology import Topology
from outdial.worker.carriers.scripted import ScriptedCarrier
from outdial.worker.carriers.simulated import Habits, Span
from outdial.worker.service import WorkerOptions, run_worker


async def main(bootstrap: str, prefix: str, partitions: str, calls: str, milliseconds: str, most: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    none, some = Span(0, 0, 0), Span(0, int(milliseconds), 2 * int(milliseconds))
    habits = Habits(no_answer=0, setup=none, ring=none, talk=some, greeting=none)
    carrier = ScriptedCarrier(7, habits=habits, calls=Path(calls))
    topology = Topology(prefix, int(partitions))
    await run_worker(WorkerOptions(Connection(bootstrap), carrier, topology, max_calls=int(most), claim=False), stop)


asyncio.run(main(*sys.argv[1:]))
