"""One browser for all tests of the page, and services for it to look at."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from cli.program import Service, end, start
from page.browser import chromium
from page.campaign import Campaign


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


class Serve(Protocol):
    """How services are started; each is stopped when the test is over."""

    def __call__(self, *arguments: str, settings: dict[str, str] | None = None) -> Service: ...


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start the program on a folder of the test's own; again on the same folder, once the one before has ended."""
    running: list[Service] = []

    def begin(*arguments: str, settings: dict[str, str] | None = None) -> Service:
        running.append(start(tmp_path / "data", *arguments, settings=settings))
        return running[-1]

    yield begin
    for service in running:
        if service.process.poll() is None:
            end(service)


class Dialing(Protocol):
    """How a service is started in which an outdial of so many dials; nobody takes its calls, unless the arguments say who does."""

    def __call__(self, count: int, *arguments: str) -> tuple[Service, Campaign]: ...


@pytest.fixture
def dialing(serve: Serve) -> Dialing:
    def begin(count: int, *arguments: str) -> tuple[Service, Campaign]:
        service = serve("--carrier", *(arguments or ("none",)))
        return service, Campaign.begun(service.url, count)

    return begin
