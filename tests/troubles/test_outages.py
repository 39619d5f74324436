"""Brokers, disks and people are away for a while: it is said, waited for, and nothing is lost or done twice."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import httpx
import pytest

from brokers.cluster import Cluster
from outdial.connection import Connection
from troubles.processes import Role, roles, settings
from troubles.stage import Clock, Stage, add, new_id, result, until

HOUR_US = 3_600_000_000
MOMENT_S = 0.0
"""An outage ends no sooner than everybody has said that there is one."""


async def test_results_that_waited_out_an_outage_are_read_before_anybody_is_called_again(stage: Stage) -> None:
    stage.clock = clock = Clock()
    called = [new_id() for _ in range(300)]
    silent = called[-1]
    async with stage.ledgers():
        outdial_id = await stage.outdial(try_interval=1, pickup_timeout=1_000, result_grace=1_000)
        for number, target_id in enumerate(called):
            await stage.send(add(outdial_id, target_id, number))
        await stage.goes_on()
    assert len(await stage.requests()) == 300
    await stage.send(*(result(outdial_id, target_id, 1, "answered") for target_id in called if target_id != silent))
    clock.ahead_us = HOUR_US
    async with stage.ledgers():
        await stage.goes_on()
        async with asyncio.timeout(30):
            while len(await stage.requests()) < 301:
                await stage.goes_on()
        await stage.goes_on()
    requests = await stage.requests()
    assert [target_id for target_id, times in Counter(request["target_id"] for request in requests).items() if times > 1] == [silent]
    assert len(await stage.events("TargetFinished")) == 299
    assert [event["data"]["target_id"] for event in await stage.events("DialEnded") if event["data"].get("lost")] == [silent]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 megabytes. Needs the right to mount one."""
    where = tmp_path / "small"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=0700", "tmpfs", str(where)]
    done = subprocess.run(mount, capture_output=True, check=False)  # noqa: S603  wherever it is
    if done.returncode:
        pytest.skip(f"this process may not mount a file system: {done.stderr.decode().strip()}")
    yield where
    subprocess.run(["umount", "--lazy", str(where)], check=True)  # noqa: S603, S607  as above


async def test_a_full_disk_stops_the_views_and_not_the_ledgers_and_the_views_catch_up(
    stage: Stage, small_disk: Path, tmp_path: Path
) -> None:
    async with stage.ledgers(), roles(small_disk, settings(stage.connection.bootstrap, stage.topology)) as found:
        api = await found.start("api", data="views")
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        outdial_id = await stage.outdial()
        writing = asyncio.create_task(written(stage, outdial_id))
        told = await api.readyz(lambda status, body: status == 503 and body["reason"] == "disk_full")
        assert told == {"status": "not_ready", "reason": "disk_full"}
        count = await writing
        filler.unlink()
        await api.readyz(lambda status, _: status == 200)
        async with httpx.AsyncClient(base_url=api.url) as http:
            shown = (await http.get(f"/v1.0/outdials/{outdial_id}/stats")).json()
        assert shown["total"] == count


async def written(stage: Stage, outdial_id: str) -> int:
    """Add as many targets as a full disk has no room for; every one is answered."""
    for number in range(400):
        await stage.ask(add(outdial_id, new_id(), number, data="d" * 10_000))
    return 400


async def test_a_broker_that_is_not_there_at_the_start_is_named_and_all_work_once_it_is(own_cluster: Cluster, tmp_path: Path) -> None:
    await from_nothing_through_an_outage(own_cluster, tmp_path, MOMENT_S)


async def from_nothing_through_an_outage(cluster: Cluster, folder: Path, seconds: float) -> None:
    """Every role begins without a broker, works with one, and waits while it is away for so long."""
    await asyncio.to_thread(cluster.start)
    async with (
        Stage.on(Connection(cluster.bootstrap), folder) as stage,
        roles(folder, settings(cluster.bootstrap, stage.topology)) as found,
    ):
        await asyncio.to_thread(cluster.kill, 1)
        worker = await (await found.spawn("worker", *flags("worker", cluster))).listening()
        told = await worker.readyz(lambda status, _: status == 503)
        assert "waits for Kafka" in told["reason"]
        early = [await found.spawn(name, *flags(name, cluster)) for name in ("serve", "ledger", "api")]
        for role in early:
            code, said = await role.ended()
            assert code == 1
            assert f"no Kafka broker answers at {cluster.bootstrap}" in said
            assert "start it" in said
            assert "Traceback" not in said
        await asyncio.to_thread(cluster.launch, 1)
        await asyncio.to_thread(cluster.wait_ready)
        names = ("serve", "ledger", "api")
        started = await asyncio.gather(*(found.start(name, *flags(name, cluster)) for name in names))
        running = dict(zip(names, started, strict=True)) | {"worker": worker}
        await worker.readyz(lambda status, _: status == 200)
        await through_an_outage(cluster, stage, running, seconds)


async def through_an_outage(cluster: Cluster, stage: Stage, running: dict[str, Role], seconds: float) -> None:
    """The broker is away for so long under load: who is ready says so, who is not says why, what was acknowledged is there."""
    api = running["api"].url
    acknowledged: list[str] = []
    refused: list[str] = []

    async def import_on_and_on() -> None:
        async with httpx.AsyncClient(base_url=api, timeout=30) as http:
            while True:
                answer = await http.post("/v1.0/outdials", json={"name": "June"})
                if answer.status_code == 200:
                    acknowledged.append(answer.json()["id"])
                else:
                    assert answer.status_code == 503, answer.text
                    refused.append(answer.text)
                    await asyncio.sleep(0.05)

    importing = asyncio.create_task(import_on_and_on())
    await until(lambda: len(acknowledged) > 20, "work is done")
    await asyncio.to_thread(cluster.kill, 1)
    began = monotonic()
    said = {name: await role.readyz(lambda status, _: status == 503) for name, role in running.items()}
    noticed = monotonic() - began
    assert "no Kafka broker answers" in said.pop("worker")["reason"]
    assert {told["reason"] for told in said.values()} == {"kafka_unavailable"}, said
    await until(lambda: refused, "the door says it cannot take work")
    await asyncio.sleep(max(0.0, seconds - (monotonic() - began)))
    await asyncio.to_thread(cluster.launch, 1)
    await asyncio.to_thread(cluster.wait_ready)
    back = monotonic()
    for role in running.values():
        await role.readyz(lambda status, _: status == 200)
    ready = monotonic() - back
    before = len(acknowledged)
    await until(lambda: len(acknowledged) > before + 20, "work goes on")
    print(f"noticed within {noticed:.1f} s, ready {ready:.1f} s after the broker")  # noqa: T201  shown with -s
    importing.cancel()
    await asyncio.wait([importing])
    made = {event["subject"] for event in await stage.events("OutdialCreated")}
    assert set(acknowledged) <= made
    async with httpx.AsyncClient(base_url=api, timeout=30) as http:
        for outdial_id in (acknowledged[0], acknowledged[-1]):
            assert (await http.get(f"/v1.0/outdials/{outdial_id}")).status_code == 200
    for role in running.values():
        assert await role.stop() == 0, role.said
        assert "Traceback" not in role.said


def flags(name: str, cluster: Cluster) -> tuple[str, ...]:
    """What a role is told beside its settings."""
    match name:
        case "worker":
            return ("--carrier", "simulated")
        case "serve":
            return ("--kafka", cluster.bootstrap)
        case _:
            return ()
