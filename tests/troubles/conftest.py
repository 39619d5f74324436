"""What the tests of troubles share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outdial.connection import Connection
from troubles.stage import Stage


@pytest.fixture
async def stage(kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """Topics of two partitions on the broker of the tests."""
    async with Stage.on(Connection(kafka_bootstrap), tmp_path) as stage:
        yield stage
