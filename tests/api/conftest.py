"""The door over real runtimes: the embedded one with its file, and Kafka with a broker."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.door import Api, Clock, Opened, client_of
from both import MakeStage
from outdial.doors.api.app import make_app
from outdial.doors.api.deps import Settings


@pytest.fixture
async def opened(tmp_path: Path, make_stage: MakeStage) -> AsyncIterator[Opened]:
    """Opens a door, with settings, over one runtime; closes all of it."""
    clock = Clock()
    stage = make_stage(tmp_path / "data", clock)
    runtime = await stage.start()
    clients: list[httpx.AsyncClient] = []

    async def open_door(settings: Settings | None = None, token: str | None = None) -> Api:
        app = make_app(runtime, runtime.reader, settings)
        clients.append(client_of(app, token))
        return Api(clients[-1], runtime, clock, app, stage)

    yield open_door
    for client in clients:
        await client.aclose()
    await stage.close()


@pytest.fixture
async def api(opened: Opened) -> Api:
    """An open door."""
    return await opened()
