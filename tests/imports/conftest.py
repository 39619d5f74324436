"""The import over the real embedded runtime."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.door import Api, Clock, client_of
from outdial.doors.api.app import make_app
from outdial.embedded.runtime import Embedded


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """An open door."""
    clock = Clock()
    runtime = await Embedded.open(tmp_path / "data", clock)
    app = make_app(runtime, runtime.reader)
    async with client_of(app) as client:
        yield Api(client, runtime, clock, app)
    await runtime.close()
