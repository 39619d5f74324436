"""What the tests of troubles share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from brokers.cluster import Cluster
from brokers.fixtures import ASKED
from outdial.connection import Connection
from troubles.stage import Stage


@pytest.fixture
async def stage(kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """Topics of two partitions on the broker of the tests."""
    async with Stage.on(Connection(kafka_bootstrap), tmp_path) as stage:
        yield stage


@pytest.fixture
def own_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A broker that is not started yet, and may be ended."""
    asked = request.config.stash[ASKED]
    cluster = Cluster(1, tmp_path / "kafka", version=asked.version, kept=asked.cache)
    yield cluster
    cluster.close()
