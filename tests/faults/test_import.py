"""An import of 10,000 rows by the program itself, killed in the middle and done again: the same list."""

import asyncio
import json
from pathlib import Path
from random import Random

import httpx
import pytest

from cli.program import REPOSITORY, environment
from faults.checker import faults_of_log, rows_of
from faults.served import PATIENCE_S, PROGRAM, Server, call, killed_at_the_end
from telling import Tell

FILE = REPOSITORY / "examples" / "june-campaign.csv"
EXPECTED = json.loads((REPOSITORY / "examples" / "june-campaign.expected.json").read_bytes())


async def _importing(outdial_id: str, url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *PROGRAM,
        *("import", outdial_id, str(FILE), "--url", url, "--json"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )


async def _reached(server: Server, position: int) -> None:
    """Return when the log of a server has reached a position."""
    async with httpx.AsyncClient(base_url=server.url) as client, asyncio.timeout(PATIENCE_S):
        while int((await client.get("/readyz")).json()["position"]) < position:
            pass


TRIES = 10
"""Imports begun for one kill in the middle; a fast machine may be done before the kill."""


@pytest.mark.parametrize("victim", ["service", "importer"])
async def test_an_import_is_finished_by_doing_it_again_whoever_was_killed(victim: str, tmp_path: Path, tell: Tell, seed: int) -> None:
    chance, data = Random(seed), tmp_path / "data"  # noqa: S311  a seed that can be given again
    async with killed_at_the_end() as servers:
        for _ in range(TRIES):
            server = await servers.spawn(data)
            await server.ready()
            outdial_id = json.loads((await call("outdials", "create", "--url", server.url, "--json")).out)["id"]
            importing = await _importing(outdial_id, server.url)
            try:
                await _reached(server, _last(data) + chance.randint(1, 3_000))
                await (server.kill() if victim == "service" else _killed(importing))
                _, err = await asyncio.wait_for(importing.communicate(), PATIENCE_S)
            finally:
                await _killed(importing)
                await server.stop()
            assert b"Traceback" not in err
            before = _targets_of(data, outdial_id)
            if importing.returncode != 0 and (victim == "importer" or before < EXPECTED["added"]):
                break
        tell(f"seed {seed}: the {victim} was killed after {before} targets (again: OUTDIAL_TEST_SEED={seed})")

        server = await servers.spawn(data)
        await server.ready()
        said = await call("import", outdial_id, str(FILE), "--url", server.url, "--json")
        again = await call("import", outdial_id, str(FILE), "--url", server.url, "--json")
        assert await server.stop() == 0

    report, repeated = json.loads(said.out), json.loads(again.out)
    assert importing.returncode not in (0, 5)
    assert victim == "importer" or 0 < before < EXPECTED["added"]
    assert (said.code, again.code) == (5, 5)
    assert (report["rows"], report["added"], report["existing"]) == (10_000, EXPECTED["added"] - before, before)
    assert (repeated["added"], repeated["existing"]) == (0, EXPECTED["added"])
    for told in (report, repeated):
        assert (told["skipped_count"], told["error_count"]) == (EXPECTED["skipped_count"], EXPECTED["error_count"])
        assert [{name: error[name] for name in ("line", "row", "reason")} for error in told["errors"]] == EXPECTED["errors"]
    assert _targets_of(data, outdial_id) == EXPECTED["added"]
    assert faults_of_log(rows_of(data / "outdial.db"), all_must_end=False) == []


def _last(data: Path) -> int:
    return len(rows_of(data / "outdial.db"))


def _targets_of(data: Path, outdial_id: str) -> int:
    found = {
        row.event["data"]["target_id"] for row in rows_of(data / "outdial.db") if (row.type, row.stream) == ("TargetAdded", outdial_id)
    }
    return len(found)


async def _killed(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
