"""The roles of the program in processes of their own."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Self

import httpx

from cli.program import environment
from faults.served import PATIENCE_S, PROGRAM
from outdial.topology import Topology

Fits = Callable[[int, dict[str, Any]], bool]


def settings(bootstrap: str, topology: Topology, **more: str) -> dict[str, str]:
    """What a process on these topics is told by its environment."""
    told = {
        "KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "TOPIC_PREFIX": topology.prefix,
        "PARTITIONS": str(topology.partitions),
        "FINGERPRINT_KEY": "the key of the troubles",
        "LOG_LEVEL": "info",
        "LOG_FORM": "lines",
    }
    return {f"OUTDIAL_{name}": value for name, value in (told | more).items()}


@dataclass
class Role:
    """A process of one role."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    url: str = ""

    @classmethod
    async def spawn(cls, name: str, data: Path, told: dict[str, str], *flags: str) -> Self:
        """Begin to start one; what it says goes beside its data folder."""
        log = data.with_suffix(".log")
        with log.open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                *PROGRAM,
                *(name, "--data", str(data), "--port", "0", "--json", *flags),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
                env=environment(**told),
            )
        return cls(name, process, log)

    @property
    def said(self) -> str:
        """All it said for people."""
        return self.log.read_text()

    async def listening(self) -> Self:
        """When it serves."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = await self.process.stdout.readline()
        assert line, f"{self.name} ended with {await self.process.wait()}: {self.said}"
        self.url = json.loads(line)["url"]
        return self

    async def readyz(self, fits: Fits, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """What /readyz says as soon as that fits."""
        until, status = monotonic() + seconds, 0
        body: dict[str, Any] = {}
        async with httpx.AsyncClient() as http:
            while monotonic() < until:
                with suppress(httpx.TransportError):
                    answer = await http.get(f"{self.url}/readyz")
                    status, body = answer.status_code, answer.json()
                    if fits(status, body):
                        return body
                assert self.process.returncode is None, f"{self.name} ended with {self.process.returncode}: {self.said}"
                await asyncio.sleep(0.02)
        raise AssertionError(f"{self.name} does not come to it in {seconds} s; at last {status} {body}: {self.said[-2000:]}")

    async def ready(self, seconds: float = PATIENCE_S) -> Self:
        """When it takes work."""
        await self.listening()
        await self.readyz(lambda status, _: status == 200, seconds)
        return self

    async def ended(self) -> tuple[int, str]:
        """Its exit code, once it has ended by itself, and what it said."""
        async with asyncio.timeout(PATIENCE_S):
            await self.process.communicate()
        return self.process.returncode or 0, self.said

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """A clean stop; its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return (await self.ended())[0]


class Roles:
    """Processes of which none outlives its test."""

    def __init__(self, folder: Path, told: dict[str, str]) -> None:
        self.folder = folder
        self.told = told
        self._all: list[Role] = []

    async def spawn(self, name: str, *flags: str, data: str | None = None, **more: str) -> Role:
        """Begin to start one."""
        folder = self.folder / (data or f"{name}-{len(self._all)}")
        told = self.told | {f"OUTDIAL_{key}": value for key, value in more.items()}
        self._all.append(await Role.spawn(name, folder, told, *flags))
        return self._all[-1]

    async def start(self, name: str, *flags: str, data: str | None = None, **more: str) -> Role:
        """One that takes work."""
        return await (await self.spawn(name, *flags, data=data, **more)).ready()

    async def end(self) -> None:
        """Kill those that still run."""
        for role in self._all:
            if role.process.returncode is None:
                role.process.kill()
            await role.process.communicate()


@asynccontextmanager
async def roles(folder: Path, told: dict[str, str]) -> AsyncIterator[Roles]:
    """Processes for one test."""
    found = Roles(folder, told)
    try:
        yield found
    finally:
        await found.end()
