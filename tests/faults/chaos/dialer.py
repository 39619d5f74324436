"""A dial worker with a carrier that notes its calls: `python dialer.py BOOTSTRAP PREFIX PARTITIONS CALLS MS_PER_CALL`.

It asks nobody's leave before a call, so that the offsets alone have to see to it that none is placed twice.
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


async def main(bootstrap: str, prefix: str, partitions: str, calls: str, milliseconds: str) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    none, some = Span(0, 0, 0), Span(0, int(milliseconds), 2 * int(milliseconds))
    carrier = ScriptedCarrier(7, habits=Habits(no_answer=0, setup=none, ring=none, talk=some, greeting=none), calls=Path(calls))
    await run_worker(WorkerOptions(Connection(bootstrap), carrier, Topology(prefix, int(partitions)), claim=False), stop)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
