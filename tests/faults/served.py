"""The program in processes of its own: started, spoken to, stopped, killed."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from cli.program import environment

PROGRAM = (sys.executable, "-m", "outdial.compose")
_LEARNING = "from outdial.compose import main; from outdial.embedded import log; log.LEARN_AFTER = 1; main()"
LEARNING = (sys.executable, "-c", _LEARNING)
"""The program, where the process that writes learns to fold with the first events."""
PATIENCE_S = 60.0
"""How long a process may take for what it does in a second or two."""


class Said(NamedTuple):
    """How a call of the program ended."""

    code: int
    out: str
    err: str


async def call(*arguments: str, **settings: str) -> Said:
    """Run the program to its end. ``settings``: of its environment."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**settings),
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.communicate()
        raise
    return Said(process.returncode or 0, out.decode(), err.decode())


class Server:
    """A process of ``outdial serve`` on a free port."""

    def __init__(self, process: asyncio.subprocess.Process, said: Path) -> None:
        self.process = process
        self.said = said
        """What it said on stderr."""
        self.url = ""

    @classmethod
    async def spawn(cls, data: Path, *arguments: str, program: Sequence[str] = PROGRAM, **settings: str) -> "Server":
        """Begin to start one."""
        said = data.parent / f"{data.name}.stderr"
        with said.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *program,
                *("serve", "--data", str(data), "--json"),
                *(arguments if "--port" in arguments else ("--port", "0", *arguments)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environment(**settings),
            )
        return cls(process, said)

    @classmethod
    async def start(cls, data: Path, *arguments: str, **settings: str) -> "Server":
        """One that takes requests."""
        server = await cls.spawn(data, *arguments, **settings)
        await server.ready()
        return server

    async def ready(self) -> None:
        """Return when it takes requests."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await self.process.stdout.readline()
        except BaseException:
            await self.kill()
            raise
        if not line:
            code = await self.process.wait()
            raise AssertionError(f"the server ended with {code}: {self.said.read_text()}")
        self.url = json.loads(line)["url"]

    async def kill(self) -> None:
        """SIGKILL: nothing of it runs after that."""
        if self.process.returncode is None:
            self.process.kill()
        await self._end()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """A clean stop; its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self._end()

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        return await self._end()

    async def _end(self) -> int:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.process.communicate()
        except TimeoutError:
            self.process.kill()
            await self.process.communicate()
            raise
        return self.process.returncode or 0


@asynccontextmanager
async def serving(data: Path, *arguments: str, **settings: str) -> AsyncIterator[Server]:
    """A server that is stopped at the end, if it did not end before."""
    server = await Server.start(data, *arguments, **settings)
    try:
        yield server
    finally:
        await server.stop()


class Servers:
    """Servers that are started one after another."""

    def __init__(self) -> None:
        self._all: list[Server] = []

    async def spawn(self, data: Path, *arguments: str, program: Sequence[str] = PROGRAM, **settings: str) -> Server:
        """Begin to start one."""
        self._all.append(await Server.spawn(data, *arguments, program=program, **settings))
        return self._all[-1]

    async def kill(self) -> None:
        """Kill those that still run."""
        for server in self._all:
            await server.kill()


@asynccontextmanager
async def killed_at_the_end() -> AsyncIterator[Servers]:
    """Servers of which none outlives its test."""
    servers = Servers()
    try:
        yield servers
    finally:
        await servers.kill()
