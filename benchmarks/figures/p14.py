"""P14, our own side: CPU seconds for 1,000 attempt cycles, each a request, its result, and the next request falling due."""

import asyncio
import os
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.measure import CUSTOMER, Figure, cpu_seconds, server
from outdial.commands import AddTargets, CreateOutdial, DialResult, NewTarget
from outdial.compose import tune
from outdial.embedded.runtime import Embedded
from outdial.ids import derived
from outdial.plan import Plan
from outdial.position import Position
from outdial.views import calls

TARGETS = 2_000
CYCLES = 20_000
BATCH = 100
PLAN = Plan(max_try_count_0=1_000, max_concurrent=0, try_interval=0)


async def in_process(folder: Path) -> float:
    """CPU seconds a thousand cycles, runtime and views, commands handed over in batches of 100."""
    runtime = await Embedded.open(folder, lambda: time.time_ns() // 1_000)
    try:
        outdial_id = derived(CUSTOMER, "bench")
        await runtime.submit([CreateOutdial(id=derived(outdial_id, "create"), customer_id=CUSTOMER, outdial_id=outdial_id, plan=PLAN)])
        for part in range(0, TARGETS, 500):
            targets = tuple(
                NewTarget.model_validate({"destination_0": {"type": "tel", "target": f"+1{2_000_000_000 + part + n}"}}) for n in range(500)
            )
            await runtime.submit(
                [AddTargets(id=derived(outdial_id, f"add{part}"), customer_id=CUSTOMER, outdial_id=outdial_id, targets=targets)]
            )
        done, after = 0, Position.beginning(1)
        began = cpu_seconds(os.getpid())
        while done < CYCLES:
            rows, after, _ = calls.requests_after(runtime.reader, CUSTOMER, after, BATCH)
            if not rows:
                await runtime.wait_beyond(runtime.position, 1.0)
                continue
            await runtime.submit(
                [
                    DialResult(
                        id=derived(row["attempt_id"], "result"), customer_id=CUSTOMER, outdial_id=outdial_id,
                        target_id=row["target_id"], attempt_id=row["attempt_id"], outcome="busy",
                    )
                    for row in rows
                ]
            )  # fmt: skip
            done += len(rows)
        return (cpu_seconds(os.getpid()) - began) / done * 1_000
    finally:
        await runtime.close()


def over_http(folder: Path) -> float:
    """CPU seconds of the server process a thousand cycles, requests and results over HTTP in lists of 100."""
    with server(folder) as (url, pid), httpx.Client(base_url=f"{url}/v1.0", timeout=60) as http:
        outdial = http.post("/outdials", json={"name": "bench"}).json()["id"]
        for part in range(0, TARGETS, 1_000):
            targets = [{"destination": {"type": "tel", "target": f"+1{2_000_000_000 + part + n}"}} for n in range(1_000)]
            http.post(f"/outdials/{outdial}/targets", json={"targets": targets}).raise_for_status()
        http.put(f"/outdials/{outdial}/dialing", json={"status": "run", "plan": PLAN.model_dump(mode="json")}).raise_for_status()
        done, after = 0, "0"
        began = cpu_seconds(pid)
        while done < CYCLES:
            found = http.get("/dial_requests", params={"after": after, "limit": BATCH, "wait_ms": 1_000}).json()
            after = found["next_after"]
            results = [
                {"outdial_id": outdial, "target_id": one["target_id"], "attempt_id": one["attempt_id"], "outcome": "busy"}
                for one in found["result"]
            ]
            if results:
                http.post("/dial_results", json=results).raise_for_status()
            done += len(results)
        return (cpu_seconds(pid) - began) / done * 1_000


def run(repeat: int) -> list[Figure]:
    """Measure both."""
    tune()
    inside, outside = [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as text:
            inside.append(asyncio.run(in_process(Path(text) / "a")))
            outside.append(over_http(Path(text) / "b"))
    cores = {"cpus": os.cpu_count(), "voipbin, measured apart": "3.2 with the list read once, 4.8 to 34 as it picks"}
    return [
        Figure(
            "P14",
            "1,000 attempt cycles, runtime and views",
            inside,
            "CPU s",
            "<= 0.2",
            sorted(inside)[len(inside) // 2] <= 0.2,
            notes=cores,
        ),
        Figure(
            "P14",
            "1,000 attempt cycles, server process over HTTP",
            outside,
            "CPU s",
            "<= 0.2",
            sorted(outside)[len(outside) // 2] <= 0.2,
            notes=cores,
        ),
    ]
