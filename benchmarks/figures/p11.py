"""P11: import of a CSV of a million rows into a served data folder. P13: reads of that folder under 50 clients."""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.measure import Figure, memory, server

ROWS = 1_000_000
CLIENTS = 50
REQUESTS = 20_000
PAGES = 4_000


def make_csv(path: Path, rows: int) -> None:
    """A name and a number a row."""
    with path.open("w") as file:
        file.write("name,destination_0\n")
        for row in range(rows):
            file.write(f"Person {row:07d},+1{2_000_000_000 + row * 7}\n")


def imported(url: str, csv: Path) -> tuple[float, str]:
    """Seconds the import of a file takes, and the outdial it went to."""
    with httpx.Client(base_url=f"{url}/v1.0", timeout=600) as http:
        outdial = http.post("/outdials", json={"name": "bench"}).json()["id"]
        began = time.perf_counter()
        with csv.open("rb") as file:
            report = http.post(f"/outdials/{outdial}/import", content=file, headers={"content-type": "text/csv"})
        took = time.perf_counter() - began
        report.raise_for_status()
        assert report.json()["added"] == ROWS, report.text[:500]
        return took, outdial


async def latencies(host: str, port: int, path: str, requests: int) -> list[float]:
    """Seconds each of so many GETs took, asked by 50 clients one after another."""
    found: list[float] = []
    left = requests
    wanted = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()

    async def client() -> None:
        nonlocal left
        reader, writer = await asyncio.open_connection(host, port)
        while left > 0:
            left -= 1
            began = time.perf_counter()
            writer.write(wanted)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            found.append(time.perf_counter() - began)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return found


def p99(values: list[float]) -> float:
    """The 99th percentile, milliseconds."""
    return statistics.quantiles(values, n=100)[98] * 1_000


def constant(size: int) -> "subprocess.Popen[bytes]":
    """A server with one route of the same framework that returns so many constant bytes."""
    code = f"""
import uvicorn
from fastapi import FastAPI, Response
app = FastAPI()
body = b"x" * {size}
@app.get("/constant")
async def constant():
    return Response(body, media_type="application/json")
config = uvicorn.Config(app, port=0, http="httptools", access_log=False, log_config=None, lifespan="off")
server = uvicorn.Server(config)
import asyncio
async def main():
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await task
asyncio.run(main())
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


def beside_constant(url: str, path: str, requests: int, repeat: int) -> tuple[list[float], list[float]]:
    """p99 of a path, and of a constant route with an answer of equal length, milliseconds, turn and turn about."""
    size = len(httpx.get(url + path).content)
    peer = constant(size)
    assert peer.stdout is not None
    try:
        port = int(peer.stdout.readline())
        ours, theirs = [], []
        own_port = int(url.rsplit(":", 1)[1])
        for _ in range(repeat):
            theirs.append(p99(asyncio.run(latencies("127.0.0.1", port, "/constant", requests))))
            ours.append(p99(asyncio.run(latencies("127.0.0.1", own_port, path, requests))))
        return ours, theirs
    finally:
        peer.terminate()
        peer.wait()


def run(repeat: int) -> list[Figure]:
    """Import once, then read."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        make_csv(folder / "rows.csv", ROWS)
        data = folder / "data"
        with server(data) as (url, pid):
            empty = memory(pid)
            took, outdial = imported(url, folder / "rows.csv")
            most, after = memory(pid, "VmHWM"), memory(pid)
        began = time.perf_counter()
        with server(data) as (url, pid):
            restart = time.perf_counter() - began
            idle = memory(pid)
            page = f"/v1.0/outdials/{outdial}/targets"
            target = json.loads(httpx.get(url + page).content)["result"][50]["id"]
            one, one_peer = beside_constant(url, f"{page}/{target}", REQUESTS, repeat)
            many, many_peer = beside_constant(url, page, PAGES, repeat)
    notes = {
        "empty_mb": empty / 1e6,
        "after_mb": after / 1e6,
        "most_mb": most / 1e6,
        "idle_with_the_list_mb": idle / 1e6,
        "restart_s": restart,
    }
    above = (most - idle) / 1e6
    ratio_one = statistics.median(one) / statistics.median(one_peer)
    ratio_many = statistics.median(many) / statistics.median(many_peer)
    return [
        Figure("P11", "import of a CSV of 1,000,000 rows", [took], "s", "<= 60 s", took <= 60, notes=notes),
        Figure("P11", "most memory, above a server idle with that list", [above], "MB", "<= 200 MB", above <= 200, notes=notes),
        Figure(
            "P13",
            "GET of one target, p99, 50 clients, 1,000,000 targets",
            one,
            "ms",
            "<= 3 x",
            ratio_one <= 3,
            one_peer,
            "constant bytes",
            ratio_one,
        ),
        Figure(
            "P13", "GET of a page of 100, p99, 50 clients", many, "ms", "<= 8 x", ratio_many <= 8, many_peer, "constant bytes", ratio_many
        ),
    ]
