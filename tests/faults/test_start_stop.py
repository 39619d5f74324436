"""A service that cannot start says why; one that stops answers everybody and leaves nothing behind."""

import asyncio
import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from cli.program import environment
from faults.served import PATIENCE_S, PROGRAM, Server, call, serving

USUAL_PORT = 8_080


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


@pytest.fixture
def usual_taken() -> Iterator[None]:
    """The usual port is another program's: this one's, or whoever's it is already."""
    with socket.socket() as sock:
        with suppress(OSError):
            sock.bind(("127.0.0.1", USUAL_PORT))
            sock.listen()
        yield


async def _said_until(process: asyncio.subprocess.Process, pattern: str) -> re.Match[str]:
    """The first line on stderr that matches."""
    assert process.stderr is not None
    heard = []
    async with asyncio.timeout(PATIENCE_S):
        while line := (await process.stderr.readline()).decode():
            heard.append(line)
            if found := re.search(pattern, line):
                return found
    raise AssertionError("".join(heard))


async def test_a_port_that_was_asked_for_and_is_in_use_is_refused(taken: int, tmp_path: Path) -> None:
    said = await call("serve", "--data", str(tmp_path / "data"), "--port", str(taken))
    assert said.code == 1
    assert f"port {taken} on 127.0.0.1 is in use" in said.err
    assert "Traceback" not in said.err


@pytest.mark.usefixtures("usual_taken")
@pytest.mark.parametrize("verb", ["serve", "demo"])
async def test_without_a_wish_the_next_free_port_is_taken_and_said_aloud(verb: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, verb, "--data", str(data), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, env=environment(),
    )  # fmt: skip
    try:
        found = await _said_until(process, rf"port {USUAL_PORT} is in use; taking (\d+)")
        url = json.loads((data / "address.json").read_text())["url"]
        assert url == f"http://127.0.0.1:{found[1]}"
        assert int(found[1]) > USUAL_PORT
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/healthz")).status_code == 200
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()
        assert process.returncode == 0
        assert not (data / "address.json").exists()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_an_address_that_is_not_this_machines_is_refused(tmp_path: Path) -> None:
    said = await call("serve", "--data", str(tmp_path / "data"), "--host", "192.0.2.1", "--port", "0", "--token", "secret-of-tests")
    assert said.code == 1
    assert "192.0.2.1" in said.err
    assert "secret-of-tests" not in said.err
    assert "Traceback" not in said.err


async def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    file = str(tmp_path / "cert.pem")
    said = await call("serve", "--data", str(tmp_path / "data"), "--port", "0", "--tls-cert", file, "--tls-key", file)
    assert said.code == 1
    assert file in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_a_stop_answers_those_who_wait_and_loses_nothing(number: signal.Signals, code: int, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with serving(data) as server, httpx.AsyncClient(base_url=f"{server.url}/v1.0", timeout=PATIENCE_S) as client:
        outdial_id = (await client.post("/outdials", json={"name": "June"})).json()["id"]
        waiting = asyncio.create_task(client.get("/dial_requests?wait_ms=30000"))
        bodies = [{"destination_0": {"type": "tel", "target": f"+1555123{index:04}"}} for index in range(40)]
        adding = [asyncio.create_task(client.post(f"/outdials/{outdial_id}/targets", json=body)) for body in bodies]
        await asyncio.wait([adding[0]])
        assert await server.stop(number) == code
        answered = await asyncio.gather(*adding, return_exceptions=True)
        [told] = await asyncio.gather(waiting, return_exceptions=True)
    assert told.status_code == 200 if isinstance(told, httpx.Response) else isinstance(told, httpx.TransportError)
    added = [answer.json()["id"] for answer in answered if isinstance(answer, httpx.Response) and answer.status_code == 200]
    assert added
    assert not (data / "address.json").exists()
    assert "Traceback" not in server.said.read_text()
    async with serving(data) as again, httpx.AsyncClient(base_url=f"{again.url}/v1.0") as client:
        for target_id in added:
            assert (await client.get(f"/outdials/{outdial_id}/targets/{target_id}")).status_code == 200


async def test_a_log_that_is_ahead_of_the_clock_is_refused_in_real_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = await Server.start(data, "--speed", "100000")
    async with httpx.AsyncClient(base_url=f"{server.url}/v1.0") as client:
        ahead = False
        async with asyncio.timeout(PATIENCE_S):
            while not ahead:
                await client.post("/outdials", json={})
                newest = (await client.get("/outdials")).json()["result"][0]["tm_create"]
                first = (await client.get("/outdials?page_size=100")).json()["result"][-1]["tm_create"]
                ahead = newest[:13] > first[:13]
    await server.stop()
    said = await call("serve", "--data", str(data), "--port", "0")
    assert said.code == 1
    assert "ahead of this machine's clock" in said.err
