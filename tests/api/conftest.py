"""The door over real runtimes: the embedded one with its file, and Kafka with a broker."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.door import Api, Clock, Opened, client_of
from both import SOME, MakeStage
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


@pytest.fixture
def settings_of_doors() -> Settings | None:
    """What every one of ``doors`` is set to."""
    return None


@pytest.fixture
async def doors(make_stage: MakeStage, tmp_path: Path, settings_of_doors: Settings | None) -> AsyncIterator[list[Api]]:
    """A process that decides and serves, and two that only serve, over several partitions."""
    clock = Clock()
    stage = make_stage(tmp_path, clock, SOME)
    found: list[Api] = []
    for runtime in (await stage.start(), await stage.another(), await stage.another()):
        app = make_app(runtime, runtime.reader, settings_of_doors)
        found.append(Api(client_of(app), runtime, clock, app, stage))
    yield found
    for api in found:
        await api.http.aclose()
    await stage.close()
