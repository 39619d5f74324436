"""What tests of views are given."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from views.hand import Log, Views, views_in


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def views(tmp_path: Path) -> AsyncIterator[Views]:
    async with views_in(tmp_path) as views:
        yield views
