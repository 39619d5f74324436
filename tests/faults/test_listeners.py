"""Those who wait and those who dawdle: none of them keeps the service from stopping, or from saying why it failed."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import monotonic

import httpx
import pytest

from faults.served import Server, serving
from outdial.embedded.log import DATABASE

SOON_S = 3.0
"""Less than any wait a request may ask for."""


async def _listening(client: httpx.AsyncClient) -> asyncio.Task[None]:
    """A reader of the stream of events, once it has read the first line."""
    begun = asyncio.Event()

    async def read() -> None:
        async with client.stream("GET", "/v1.0/events/stream") as answer:
            async for _ in answer.aiter_lines():
                begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    return task


@asynccontextmanager
async def _asked(url: str, request: str) -> AsyncIterator[asyncio.StreamReader]:
    """A connection on which something was sent, and what comes back."""
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    writer.write(request.encode())
    await writer.drain()
    yield reader
    writer.close()
    await writer.wait_closed()


async def test_a_service_that_fails_ends_though_somebody_listens(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = await Server.start(data)
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        outdial_id = (await client.post("/v1.0/outdials", json={})).json()["id"]
        waiting = [
            await _listening(client),
            asyncio.create_task(client.get("/v1.0/dial_requests?wait_ms=30000")),
            asyncio.create_task(client.get("/v1.0/outdials?min_position=999999")),
        ]
        with closing(sqlite3.connect(data / DATABASE, isolation_level=None)) as db:
            db.execute("DELETE FROM outdial")
        waiting.append(asyncio.create_task(client.post(f"/v1.0/outdials/{outdial_id}/targets", json={"destination": _TEL})))
        assert await server.ended() == 1
        await asyncio.gather(*waiting, return_exceptions=True)
    assert "outdial views rebuild" in server.said.read_text()


_TEL = {"type": "tel", "target": "+15551230001"}


async def test_a_read_that_waits_for_a_position_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as server, httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        waiting = asyncio.create_task(client.get("/v1.0/outdials?min_position=999999"))
        await client.get("/healthz")
        began = monotonic()
        assert await server.stop() == 0
        assert monotonic() - began < SOON_S
        assert (await waiting).status_code == 503


@pytest.mark.parametrize("path", ["/v1.0/outdials", "/v1.0/outdials/{id}/targets", "/v1.0/outdials/{id}/import"])
async def test_a_request_that_is_not_whole_when_the_service_stops_is_told_so(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path / "data") as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            outdial_id = (await client.post("/v1.0/outdials", json={})).json()["id"]
        head = f"POST {path.format(id=outdial_id)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{{"
        async with _asked(server.url, head) as reader:
            assert await server.stop() == 0
            answer = (await reader.read()).decode()
        assert " 503 " in answer.partition("\r\n")[0]
        assert json.loads(answer.partition("\r\n\r\n")[2])["error"]["details"] == [{"rule": "stopping"}]
        assert "CancelledError" not in server.said.read_text()
