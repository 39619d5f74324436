"""The import over real runtimes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.door import Api, Clock, client_of
from both import MakeStage
from outdial.doors.api.app import make_app


@pytest.fixture
async def api(tmp_path: Path, make_stage: MakeStage) -> AsyncIterator[Api]:
    """An open door."""
    clock = Clock()
    stage = make_stage(tmp_path / "data", clock)
    runtime = await stage.start()
    app = make_app(runtime, runtime.reader)
    async with client_of(app) as client:
        yield Api(client, runtime, clock, app, stage)
    await stage.close()
