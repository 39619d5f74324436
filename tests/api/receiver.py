"""Where events are sent to: a server of this machine that answers as a test wants and keeps what came."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from both import PATIENCE_S

CUT = 0
"""In place of a status: the connection is cut."""
TURNS = 5
"""Of the event loop, from a connection that was accepted to its beginning, and some more."""


class Came(NamedTuple):
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes
    status: int
    """How it was answered."""

    @property
    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """``answer`` gives the status of the n-th request, from 0; CUT cuts the connection."""

    answer: Callable[[int], int] = lambda _: 200
    head: str = ""
    """Further headers of every answer."""
    came: list[Came] = field(default_factory=list)
    port: int = 0
    talking: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)
    closed: bool = False

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/events?line=1"

    @property
    def taken(self) -> list[dict[str, Any]]:
        """What was answered with 200."""
        return [one.said for one in self.came if one.status == 200]

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
        else:
            self.talking[asyncio.create_task(self._serve(reader, writer))] = writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answered(reader, writer):
                pass
        writer.transport.abort()

    async def close(self) -> None:
        """Cut every connection, also one whose task has not begun."""
        self.closed = True
        for task, writer in self.talking.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*self.talking, return_exceptions=True)
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False: the connection is to be cut."""
        line, *head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in head if one)}
        status = self.answer(len(self.came))
        self.came.append(Came(line, headers, await reader.readexactly(int(headers["content-length"])), status))
        if status != CUT:
            location = "Location: /elsewhere\r\n" if 300 <= status < 400 and not self.head else ""
            writer.write(f"HTTP/1.1 {status} So\r\n{location}{self.head}Content-Length: 2\r\n\r\nok".encode())
            await writer.drain()
        return status != CUT


@asynccontextmanager
async def receiving(answer: Callable[[int], int] = lambda _: 200, head: str = "") -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver(answer, head)
    listening = await asyncio.start_server(receiver.begin, "127.0.0.1", 0)
    receiver.port = listening.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        listening.close()
        await receiver.close()
        await listening.wait_closed()


@dataclass
class Silent:
    """Takes a connection and never says anything, not even of TLS."""

    uri: str = ""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def sees_closed(self, posting: Coroutine[Any, Any, Any]) -> None:
        """What posts is cancelled once its connection says something, which closes the connection."""
        task = asyncio.create_task(posting)
        async with asyncio.timeout(PATIENCE_S):
            await self.begun.wait()
            task.cancel()
            await asyncio.wait([task])
            await self.ended.wait()

    async def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readexactly(1)
            self.begun.set()
            await reader.read()
        writer.transport.abort()
        self.ended.set()


@asynccontextmanager
async def silent() -> AsyncIterator[Silent]:
    """A server that never answers."""
    server = Silent()
    listening = await asyncio.start_server(server.begin, "127.0.0.1", 0)
    server.uri = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()
