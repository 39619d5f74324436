"""Reading without a server: the HTTP door itself, over a read-only database, without a network between.

So a verb prints the same with and without a server.
"""

import sqlite3
import time
from collections.abc import Sequence

import httpx

from outdial.commands import Command
from outdial.doors.api.app import make_app
from outdial.doors.api.deps import DEFAULT_CUSTOMER, Settings
from outdial.doors.cli.actions import Ask
from outdial.position import Position
from outdial.requests import Answer, Unavailable
from outdial.views import history, projector

OFFLINE_URL = "http://localhost"


class _Still:
    """A ledger that only answers questions: what is in the database is all there is."""

    def __init__(self, reader: sqlite3.Connection, ask: Ask) -> None:
        self._ask = ask
        self.position = history.last_position(reader, projector.partitions_of(reader))

    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000

    async def submit(self, commands: Sequence[Command], patience_s: float | None = None) -> list[Answer]:  # noqa: ARG002  it decides by itself
        """Answer questions, refuse all else."""
        if all(command.question for command in commands):
            return self._ask(commands, self.now())
        raise Unavailable("no_server", "no server is running; start one with: outdial serve")

    async def wait_beyond(self, position: Position, timeout: float) -> Position:  # noqa: ARG002, ASYNC109  the door's own protocol
        """Nothing new will come."""
        return self.position

    async def caught_up(self) -> None:
        """Nothing new will come."""


class Offline(httpx.AsyncBaseTransport):
    """Answers requests from a read-only connection, which it closes at the end."""

    def __init__(self, reader: sqlite3.Connection, ask: Ask, customer_id: str | None) -> None:
        self._reader = reader
        app = make_app(_Still(reader, ask), reader, Settings(customer_id=customer_id or DEFAULT_CUSTOMER))
        self._inner = httpx.ASGITransport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request, answered whole."""
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the database."""
        self._reader.close()
