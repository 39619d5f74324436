"""An API process as a race uses it: in this process, or as one of its own over HTTP."""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from cli.program import environment
from outdial.commands import Command
from outdial.connection import Connection
from outdial.doors.api.deps import DEFAULT_CUSTOMER
from outdial.kafka.options import Options
from outdial.kafka.service import Doors
from outdial.requests import Answer, Unavailable
from outdial.topology import Topology
from outdial.views import campaigns, outdials, outplans
from outdial.wire import encode

PATIENCE_S: Final = 60.0
"""How long a process may take to begin and to end."""
_OUT_OF_TIME: Final = 30.0
"""Of a request; much longer than the service may take."""
_FIND: Final[dict[str, Callable[[sqlite3.Connection, str, str], object]]] = {
    "outdials": outdials.get,
    "outplans": outplans.get,
    "campaigns": campaigns.get,
}


@dataclass
class Pressed:
    """A command as its sender remembers it."""

    race: int
    kind: str
    door: str
    command: Command
    since: tuple[int, ...]
    """By partition: how much of the log somebody had been shown before it was sent."""
    seconds: float = 0.0
    """Until it was answered."""
    answer: Answer | None = None
    shown: tuple[int, ...] = field(default=())
    """By partition: the log that the answer says it holds by."""
    failure: str | None = None
    """Why there was no answer."""


class Door(Protocol):
    """An API process."""

    name: str

    async def send(self, command: Command) -> Answer:
        """The answer to a command; raises ``Unavailable``."""

    async def shows(self, kind: str, thing: str) -> bool:
        """Whether a read that begins now finds something."""

    def ended(self) -> str | None:
        """How it ended by itself; None while it runs."""

    async def close(self) -> None:
        """End it."""


def options(bootstrap: str, topology: Topology) -> Options:
    """What an API process of these topics is told."""
    return Options(Connection(bootstrap), lambda: time.time_ns() // 1_000, b"bench", DEFAULT_CUSTOMER, topology)


class Within:
    """In this process, with views of its own."""

    def __init__(self, name: str, doors: Doors) -> None:
        self.name = name
        self.doors = doors

    @classmethod
    async def open(cls, name: str, bootstrap: str, topology: Topology, folder: Path) -> "Within":
        """One that takes commands."""
        doors = await Doors.open(options(bootstrap, topology), folder, deciding=False)
        try:
            await doors.ready(PATIENCE_S)
        except BaseException:
            await doors.close()
            raise
        return cls(name, doors)

    async def send(self, command: Command) -> Answer:
        """As a route does."""
        [answer] = await self.doors.submit([command], PATIENCE_S)
        return answer

    async def shows(self, kind: str, thing: str) -> bool:
        """As a route does."""
        await self.doors.caught_up()
        return _FIND[kind](self.doors.reader, DEFAULT_CUSTOMER, thing) is not None

    def ended(self) -> str | None:
        """What a part of it failed with."""
        return None if self.doors.failure is None else f"{self.name} failed: {self.doors.failure!r}"

    async def close(self) -> None:
        """Close its connections."""
        await self.doors.close()


class OverHttp:
    """A process of ``outdial api``."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, url: str, said: Path) -> None:
        self.name = name
        self._said = said
        self._process = process
        self._client = httpx.AsyncClient(base_url=url, timeout=_OUT_OF_TIME, trust_env=False)

    @classmethod
    async def open(cls, name: str, bootstrap: str, topology: Topology, folder: Path) -> "OverHttp":
        """One that takes requests."""
        settings = environment(
            OUTDIAL_KAFKA__BOOTSTRAP_SERVERS=bootstrap, OUTDIAL_TOPIC_PREFIX=topology.prefix, OUTDIAL_PARTITIONS=str(topology.partitions)
        )
        path = folder.parent / f"{folder.name}.stderr"
        with path.open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "outdial.compose", "api", "--data", str(folder), "--port", "0", "--json"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
                env=settings,
            )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await process.stdout.readline()
                assert line, f"{name} did not begin: {path.read_text()}"
                door = cls(name, process, json.loads(line)["url"], path)
                while (await door._client.get("/readyz")).status_code != 200:  # noqa: ASYNC110  nobody tells when it is ready
                    await asyncio.sleep(0.05)
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
            raise
        return door

    async def send(self, command: Command) -> Answer:
        """As a line of commands: its answer says all that the ledger said."""
        headers = {"content-type": "application/x-ndjson"}
        try:
            found = await self._client.post("/v1.0/commands", content=encode(command), headers=headers)
        except httpx.HTTPError as why:
            raise Unavailable("connection", repr(why)) from why
        if found.status_code != 200:
            raise Unavailable(str(found.status_code), found.text)
        told: dict[str, Any] = found.json()
        return Answer.model_validate({"command_id": command.id, "stream": command.stream, "result": "events"} | told)

    async def shows(self, kind: str, thing: str) -> bool:
        """As everybody reads."""
        try:
            return (await self._client.get(f"/v1.0/{kind}/{thing}")).status_code == 200
        except httpx.HTTPError as why:
            raise Unavailable("connection", repr(why)) from why

    def ended(self) -> str | None:
        """How it ended by itself, with its last words; None while it runs."""
        if self._process.returncode is None:
            return None
        last = self._said.read_text(errors="replace").splitlines()[-10:]
        return f"{self.name} ended with {self._process.returncode}: {' | '.join(last)}"

    async def close(self) -> None:
        """End the process as a supervisor does."""
        await self._client.aclose()
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._process.communicate()
        except TimeoutError:
            self._process.kill()
            await self._process.communicate()
            raise
