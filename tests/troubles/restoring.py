"""What docs/operations.md says of restoring on Kafka, done line by line; named to be run: ``pytest tests/troubles/restoring.py``."""

import asyncio
import shutil
from pathlib import Path
from typing import Any, Final, Self

import httpx
import pytest

from brokers.cluster import Cluster
from cli.program import REPOSITORY, environment
from faults.served import PROGRAM
from outdial.connection import Connection
from troubles.processes import Role, Roles, roles, settings
from troubles.stage import PATIENCE_S, Stage

DOCUMENT: Final = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
DATA: Final = "kafka-data"
PLAN: Final = {"max_try_count_0": 3, "try_interval": 3_600_000}


async def serving(found: Roles, cluster: Cluster) -> Role:
    """``outdial serve`` as the document has it."""
    assert f"outdial serve --kafka localhost:9092 --data {DATA}\n" in DOCUMENT
    return await found.start("serve", "--kafka", cluster.bootstrap, data=DATA)


async def done(found: Roles, cluster: Cluster, words: str) -> str:
    """What a line of the document prints, with the broker of the test in it; it must end well."""
    assert f"outdial {words}" in DOCUMENT
    here = words.replace("localhost:9092", cluster.bootstrap).replace(DATA, str(found.folder / DATA))
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *here.split(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(**found.told)
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode == 0, out.decode() + err.decode()
    return out.decode()


class Asked:
    """A client of a service that may be another one the next time."""

    def __init__(self, role: Role) -> None:
        self._http = httpx.AsyncClient(base_url=f"{role.url}/v1.0", timeout=PATIENCE_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        """The body of an answer that must be 200."""
        answer = await self._http.request(method, path, json=body, headers={} if key is None else {"Idempotency-Key": key})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def called(self, name: str, number: int) -> tuple[str, dict[str, Any]]:
        """A list that runs, with somebody on it who is being called: its id, and the request."""
        outdial: str = (await self.ask("POST", "/outdials", {"name": name, "plan": PLAN}, key=name))["id"]
        person = {"destination_0": {"type": "tel", "target": f"+1555123{number:04}"}}
        target = (await self.ask("POST", f"/outdials/{outdial}/targets", person))["id"]
        async with asyncio.timeout(PATIENCE_S):
            while True:
                requests = (await self.ask("GET", "/dial_requests?limit=1000"))["result"]
                for one in requests:
                    if one["target_id"] == target:
                        return outdial, one
                await asyncio.sleep(0.05)

    async def everything(self) -> dict[str, Any]:
        """All that is read of the log and of the views."""
        found = {path: await self.ask("GET", path) for path in ("/outdials", "/events?limit=1000", "/dial_requests?limit=1000")}
        for outdial in found["/outdials"]["result"]:
            for path in (f"/outdials/{outdial['id']}/stats", f"/outdials/{outdial['id']}/targets"):
                found[path] = await self.ask("GET", path)
                for moving in ("position", "next_due"):
                    found[path].pop(moving, None)
        found["/events?limit=1000"].pop("next_after", None)
        found["/dial_requests?limit=1000"].pop("next_after", None)
        return found


@pytest.fixture
async def _broker(own_cluster: Cluster) -> None:
    await asyncio.to_thread(own_cluster.start)


@pytest.mark.usefixtures("_broker")
async def test_a_process_that_has_lost_its_folder_is_started_as_always_and_knows_everything(own_cluster: Cluster, tmp_path: Path) -> None:
    async with (
        Stage.on(Connection(own_cluster.bootstrap), tmp_path) as stage,
        roles(tmp_path, settings(own_cluster.bootstrap, stage.topology)) as found,
    ):
        first = await serving(found, own_cluster)
        async with Asked(first) as client:
            outdial, request = await client.called("June", 1)
            await client.ask("POST", "/dial_results", {"attempt_id": request["attempt_id"], "outcome": "busy"})
            _, open_request = await client.called("July", 2)
            before = await client.everything()
        first.process.kill()
        await first.process.communicate()
        shutil.rmtree(tmp_path / DATA)

        async with Asked(await serving(found, own_cluster)) as client:
            assert await client.everything() == before
            assert (await client.ask("POST", "/outdials", {"name": "June", "plan": PLAN}, key="June"))["id"] == outdial
            await client.ask("POST", "/dial_results", {"attempt_id": open_request["attempt_id"], "outcome": "answered"})
            assert len((await client.ask("GET", "/dial_requests?limit=1000"))["result"]) == 2
        assert "equal at position" in await done(found, own_cluster, f"views verify --data {DATA} --kafka localhost:9092")


@pytest.mark.usefixtures("_broker")
async def test_disks_of_the_broker_are_put_back_and_all_goes_on_from_there(own_cluster: Cluster, tmp_path: Path) -> None:
    disk, kept, data = own_cluster.node(1).folder / "data", tmp_path / "backup", tmp_path / DATA
    async with (
        Stage.on(Connection(own_cluster.bootstrap), tmp_path) as stage,
        roles(tmp_path, settings(own_cluster.bootstrap, stage.topology)) as found,
    ):
        first = await serving(found, own_cluster)
        async with Asked(first) as client:
            await client.called("June", 1)
            backed_up = await client.everything()
        assert await first.stop() == 0
        await asyncio.to_thread(own_cluster.stop)
        await asyncio.to_thread(shutil.copytree, disk, kept)
        await back(own_cluster)
        second = await serving(found, own_cluster)
        async with Asked(second) as client:
            after, _ = await client.called("July", 2)
        assert await second.stop() == 0

        await asyncio.to_thread(own_cluster.stop)
        shutil.rmtree(disk)
        await asyncio.to_thread(shutil.copytree, kept, disk)
        await back(own_cluster)
        assert (data / "views.db").exists(), "views of what is gone are there"
        assert [*(data / "ledgers").glob("*.snapshot")], "one that does not fit is there"
        assert "FAIL" not in await done(found, own_cluster, "topics check --kafka localhost:9092")

        async with Asked(await serving(found, own_cluster)) as client:
            assert await client.everything() == backed_up
            assert after not in str(backed_up)
            again, request = await client.called("July", 2)
            assert again == after, "what was lost and is sent again under its key is the same"
            await client.ask("POST", "/dial_results", {"attempt_id": request["attempt_id"], "outcome": "answered"})
        assert "equal at position" in await done(found, own_cluster, f"views verify --data {DATA} --kafka localhost:9092")


async def back(cluster: Cluster) -> None:
    """The broker serves again."""
    await asyncio.to_thread(cluster.launch, 1)
    await asyncio.to_thread(cluster.wait_ready)
