"""Long logs are replayed by processes of their own, side by side: each leaves a snapshot, from which this one goes on.

One interpreter folds one event at a time, whatever the machine has. A process that must open twelve partitions of a long log
would take as long for the last of them as for all together, and could hardly answer its group meanwhile.

It is a shortcut and nothing else. Whatever goes wrong with it, the partition replays its log itself, and says what is wrong
with that.
"""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from outdial.kafka.options import Options
from outdial.kafka.snapshots import Snapshots
from outdial.wire import from_json, to_json

MOST: Final = 4
"""Processes at once, however many processors there are: each has a ledger in its memory."""
SILENT_S: Final = 60.0
"""A process that says nothing for so long is given up."""

log = logging.getLogger("outdial.kafka")


class Replayers:
    """The processes that replay for one other."""

    def __init__(self, options: Options, kept: Snapshots) -> None:
        connection, topology = options.connection, options.topology
        self._told = {
            "connection": {name: str(value) if isinstance(value, Path) else value for name, value in asdict(connection).items()},
            "topology": asdict(topology),
            "key": options.key.hex(),
            "folder": str(kept.folder),
            "facts": kept.facts,
        }
        self._worth = options.worth_apart
        processors = os.cpu_count() or 1
        self._most = min(processors, MOST) if processors > 1 else 0
        self._room = asyncio.Semaphore(max(1, self._most))
        self._wanted = 0
        self._idle: list[Process] = []
        self._processes: set[Process] = set()
        self._leaving: set[asyncio.Task[int]] = set()

    async def replay(self, number: int, begin: int, end: int) -> None:
        """Leave a snapshot of a partition's ledger as it stands before an offset, if that is worth it; ``begin``: where one is."""
        if not self._most or end - begin < self._worth:
            return
        self._wanted += 1
        try:
            async with self._room:
                await self._replay(number, end)
        finally:
            self._wanted -= 1
            if not self._wanted:
                self._send_home()

    async def close(self) -> None:
        """End them all."""
        await asyncio.gather(*(self._end(process) for process in [*self._processes]), *self._leaving)

    async def _replay(self, number: int, end: int) -> None:
        process: Process | None = None
        try:
            process = self._idle.pop() if self._idle else await self._start()
            await _ask(process, {"number": number, "end": end})
        except (OSError, TimeoutError, ValueError) as error:
            log.info("partition %d is replayed here: %s: %s", number, type(error).__name__, error)
            await self._end(process)
        except BaseException:
            await self._end(process)
            raise
        else:
            self._idle.append(process)

    async def _start(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "outdial.kafka.replayer", stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
        self._processes.add(process)
        _say(process, self._told)
        return process

    def _send_home(self) -> None:
        """Who has nothing to do, and is told that no more will come, ends by itself."""
        while self._idle:
            process = self._idle.pop()
            self._processes.discard(process)
            if process.stdin is not None:
                process.stdin.close()
            leaving = asyncio.create_task(process.wait())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _end(self, process: Process | None) -> None:
        if process is not None:
            self._processes.discard(process)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _say(process: Process, told: dict[str, Any]) -> None:
    if process.stdin is None:
        raise BrokenPipeError("the process hears nothing")
    process.stdin.write(to_json(told) + b"\n")


async def _ask(process: Process, told: dict[str, Any]) -> None:
    """Have a partition replayed.

    Raises:
        OSError, TimeoutError, ValueError: it was not.
    """
    _say(process, told)
    while process.stdout is not None:
        async with asyncio.timeout(SILENT_S):
            line = await process.stdout.readline()
        if not line:
            break
        match from_json(line):
            case {"done": True}:
                return
            case {"failed": str(why)}:
                raise OSError(why)
    raise OSError("the process has ended")
