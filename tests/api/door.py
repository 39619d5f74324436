"""A client of the door, a clock moved by hand, and a real server where HTTP itself is tested."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from both import Runtime, Stage
from outdial.commands import Command
from outdial.position import Position
from outdial.requests import Answer

START = 1_795_238_000_000_000
"""An instant in November 2026, microseconds."""
MINUTE = 60_000_000
ALICE, BOB = "0a000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000002"
ALICES, BOBS = "alices-token", "bobs-token"


def hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()


TOKENS = {hashed(ALICES): ALICE, hashed(BOBS): BOB}


@dataclass
class Clock:
    """Moved by hand; every look at it takes a microsecond, as a real one does."""

    at: int = START
    step: int = 1

    def __call__(self) -> int:
        self.at += self.step
        return self.at


@dataclass
class Api:
    """A client of the door, and what stands behind it."""

    http: httpx.AsyncClient
    runtime: Runtime
    clock: Clock
    app: FastAPI
    stage: Stage
    seen: list[httpx.Response] = field(default_factory=list)

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """Any request; paths are below /v1.0."""
        sent = {} if body is None else {"json": body}
        answer = await self.http.request(method, f"/v1.0{path}", **sent, **more)
        self.seen.append(answer)
        return answer

    async def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The body of an answer that must be 200."""
        answer = await self.call(method, path, body, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, status: int, reason: str, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """The error of an answer that must be one."""
        answer = await self.call(method, path, body, **more)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (status, reason), answer.text
        error: dict[str, Any] = answer.json()["error"]
        return error

    async def outdial(self, **fields: Any) -> str:
        """The id of a new outdial."""
        made: str = (await self.ok("POST", "/outdials", fields))["id"]
        return made

    async def target(self, outdial_id: str, number: str = "+15551230001", **fields: Any) -> dict[str, Any]:
        """A new target with one number."""
        address = {"type": "tel", "target": number}
        made: dict[str, Any] = await self.ok("POST", f"/outdials/{outdial_id}/targets", {"destination_0": address, **fields})
        return made

    async def run(self, outdial_id: str, **plan: Any) -> Any:
        """Start dialing by a plan."""
        body = {"status": "run", "plan": {"max_try_count_0": 3, "try_interval": 60_000, **plan}}
        return await self.ok("PUT", f"/outdials/{outdial_id}/dialing", body)

    def written(self) -> int:
        """How many events there are. A position may also move by commands that changed nothing."""
        found: int = self.runtime.reader.execute("SELECT count(*) FROM log").fetchone()[0]
        return found

    async def pass_time(self, microseconds: int) -> None:
        """Move the clock, and have the ledger look at it."""
        self.clock.at += microseconds
        await self.poke()

    async def poke(self) -> None:
        """Have the ledger decide what is due."""
        await self.stage.poke()

    async def requests(self, after: str = "0") -> list[dict[str, Any]]:
        """The dial requests after a position."""
        await self.poke()
        found: list[dict[str, Any]] = (await self.ok("GET", f"/dial_requests?after={after}&limit=1000"))["result"]
        return found

    async def say(self, request: dict[str, Any], outcome: str, **fields: Any) -> Any:
        """Answer a dial request."""
        return await self.ok("POST", "/dial_results", {"attempt_id": request["attempt_id"], "outcome": outcome, **fields})


def client_of(app: FastAPI, token: str | None = None) -> httpx.AsyncClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers)


Opened = Callable[..., Awaitable[Api]]
"""Opens a door, with settings and the client's token."""


class Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.capture_signals = nullcontext  # type: ignore[method-assign, assignment]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def served(app: FastAPI, port: int = 0, **config: Any) -> AsyncIterator[str]:
    """The address of a real server of the app, on a port of this machine; 0: a free one."""
    settings = {"log_config": None, "access_log": False, "lifespan": "off", "ws": "none", "timeout_graceful_shutdown": 1, **config}
    server = Server(uvicorn.Config(app, http="httptools", **settings))
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(64)
        sock.setblocking(False)  # noqa: FBT003
        task = asyncio.create_task(server.serve(sockets=[sock]))
        async with asyncio.timeout(30):
            await server.listening.wait()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            app.state.door.closing = True
            server.should_exit = True
            await task


@dataclass
class Broken:
    """A ledger that answers every command with an error of the test's choice."""

    error: Exception
    position: Position = field(default_factory=lambda: Position((0,)))

    def now(self) -> int:
        return START

    async def submit(self, commands: Sequence[Command], patience_s: float | None = None) -> list[Answer]:
        raise self.error

    async def wait_beyond(self, position: Position, timeout: float) -> Position:  # noqa: ASYNC109
        return position

    async def caught_up(self) -> None:
        return
