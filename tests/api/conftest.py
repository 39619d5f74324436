"""The door over the real embedded runtime and a real SQLite file."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.door import Api, Clock, Opened, client_of
from outdial.doors.api.app import make_app
from outdial.doors.api.deps import Settings
from outdial.embedded.runtime import Embedded


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    """Opens a door, with settings, over one runtime; closes all of it."""
    clock = Clock()
    runtime = await Embedded.open(tmp_path / "data", clock)
    clients: list[httpx.AsyncClient] = []

    async def open_door(settings: Settings | None = None, token: str | None = None) -> Api:
        app = make_app(runtime, runtime.reader, settings)
        clients.append(client_of(app, token))
        return Api(clients[-1], runtime, clock, app)

    yield open_door
    for client in clients:
        await client.aclose()
    await runtime.close()


@pytest.fixture
async def api(opened: Opened) -> Api:
    """An open door."""
    return await opened()
