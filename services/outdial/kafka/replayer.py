"""A process that replays logs for another one: ``python -m outdial.kafka.replayer``, told on its standard input what and where.

It ends when it is told no more, and at once when nobody is there any more who could tell it.
"""

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from outdial.connection import Connection
from outdial.kafka.replaying import Log, replay
from outdial.kafka.snapshots import Snapshots
from outdial.topology import Topology
from outdial.wire import from_json, to_json

TOLD_EVERY_S: Final = 1.0


def main() -> None:
    """Replay what is asked for, one partition after another."""
    # The one who asked decides when this ends; at a terminal Ctrl-C is for both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    told = from_json(sys.stdin.buffer.readline())
    key = bytes.fromhex(told["key"])
    kept = Snapshots(Path(told["folder"]), key, told["facts"])
    connection, topology = _connection(told["connection"]), Topology(**told["topology"])
    asked: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_hear, args=(asked,), daemon=True).start()
    while True:
        one = asked.get()
        try:
            asyncio.run(_replay(Log(connection, topology, one["number"], key), kept, one["end"]))
        except Exception as error:  # noqa: BLE001  whatever it is: the one who asked finds it out again, and says it
            _say({"failed": f"{type(error).__name__}: {error}"})
        else:
            _say({"done": True})
        gc.collect()


async def _replay(of: Log, kept: Snapshots, end: int) -> None:
    said = time.monotonic()

    def told(records: int) -> None:
        nonlocal said
        if time.monotonic() - said > TOLD_EVERY_S:
            said = time.monotonic()
            _say({"records": records})

    found = await replay(of, kept, end, told)
    await kept.save(of.number, found.ledger, found.at)


def _connection(told: dict[str, Any]) -> Connection:
    files = ("ssl_cafile", "ssl_certfile", "ssl_keyfile")
    return Connection(**told | {name: None if told[name] is None else Path(told[name]) for name in files})


def _hear(asked: "SimpleQueue[dict[str, Any]]") -> None:
    """Note what is asked. No more is said when whoever asks has no more to ask, or is gone: what is under way is then for nobody."""
    for line in sys.stdin.buffer:
        asked.put(from_json(line))
    os._exit(0)


def _say(told: dict[str, Any]) -> None:
    sys.stdout.buffer.write(to_json(told) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
