"""A ledger process with nothing around it: `python program.py BOOTSTRAP PREFIX PARTITIONS FOLDER [INSTANCE]`."""

import asyncio
import logging
import signal
import sys
import time
from pathlib import Path

from outdial.connection import Connection
from outdial.kafka.errors import ClusterError
from outdial.kafka.options import Options
from outdial.kafka.runtime import Ledgers
from outdial.topology import Topology

KEY = b"bench"
CUSTOMER = "7f1b1c5e-0000-4000-8000-000000000001"


async def run(options: Options) -> None:
    """Until SIGTERM, or until it cannot go on."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ledgers = await Ledgers.open(options)
    tasks = [asyncio.create_task(stop.wait()), asyncio.create_task(ledgers.wait_failed())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await ledgers.close()


def main(bootstrap: str, prefix: str, partitions: str, folder: str, instance: str = "") -> None:
    """Start it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    options = Options(
        Connection(bootstrap),
        lambda: time.time_ns() // 1_000,
        KEY,
        CUSTOMER,
        Topology(prefix, int(partitions)),
        instance=instance or None,
        folder=Path(folder),
    )
    try:
        asyncio.run(run(options))
    except ClusterError as error:
        sys.exit(f"{error.reason}: {error.message}; {error.fix}")


if __name__ == "__main__":
    main(*sys.argv[1:])
