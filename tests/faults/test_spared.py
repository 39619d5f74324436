"""The service is killed while several lists share numbers that may be called so often only, and somebody asks not to be called any more."""

import asyncio
import os
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from faults.checker import Memory, faults_of_log, faults_of_memory, rows_of
from faults.client import PLAN, Service
from faults.served import killed_at_the_end
from telling import Tell

KILLS = int(os.environ.get("SPARED_KILLS", "2"))
LISTS, NUMBERS, MOST = 3, 4, 3
"""Every number is on every list, and may be called so often within a day."""
LONGEST_LIFE_S = 1.0
QUIET_S = 120.0
DAY_MS = 86_400_000
TRIES = {**PLAN, "max_try_count_0": 5}


class Spared:
    """Lists that share their numbers, a dialer who reaches nobody, and what both remember."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.service = Service()
        self.lists: list[str] = []

    async def prepare(self, number: str) -> None:
        """Caps first, then the lists, each of which runs at once. After the first somebody asks not to be called any more."""
        assert (await self.service.ask("PUT", "/frequency_caps", {"rules": [{"count": MOST, "per_ms": DAY_MS}]})).status_code == 200
        for _ in range(LISTS):
            outdial_id = str(uuid4())
            await self._command({"type": "CreateOutdial", "outdial_id": outdial_id, "plan": TRIES})
            people: list[dict[str, Any]] = [
                {"target_id": str(uuid4()), "destination_0": {"type": "tel", "target": number_of(place)}} for place in range(NUMBERS)
            ]
            await self._command({"type": "AddTargets", "outdial_id": outdial_id, "targets": people})
            self.memory.added.update(person["target_id"] for person in people)
            self.lists.append(outdial_id)
            if len(self.lists) == 1:
                suppression: dict[str, Any] = {"type": "AddSuppressions", "entries": [{"address": {"type": "tel", "target": number}}]}
                self.memory.listed[number] = await self._command(suppression)

    async def dial(self) -> None:
        """Read every dial request and say that nobody answered."""
        async for requests in self.service.requests(self.memory):
            for request in requests:
                await self.service.ask("POST", "/dial_results", {"attempt_id": request["attempt_id"], "outcome": "busy"})

    async def _command(self, command: dict[str, Any]) -> int:
        """The position at which a command was acknowledged."""
        body = {"id": str(uuid4()), **command}
        answer = await self.service.ask("POST", "/commands", body)
        assert answer.status_code == 200, answer.text
        return int(answer.headers["outdial-position"])

    async def until_all_are_spared(self) -> None:
        """Return when whoever is left is held by a cap or the list, and all that was requested was read."""
        requested = 0
        for outdial_id in self.lists:
            while True:
                stats = (await self.service.ask("GET", f"/outdials/{outdial_id}/stats")).json()
                spared = stats["blocked"]["frequency_cap"] + stats["blocked"]["suppressed"]
                if stats["status"]["idle"] == spared and not stats["open_attempts"]:
                    requested += stats["requested"]
                    break
                await self.service.ask("GET", f"/dial_requests?after={stats['position']}&wait_ms=200")
        while len(self.memory.read) < requested:
            await self.service.ask("GET", f"/dial_requests?after={stats['position']}&wait_ms=200")


def number_of(place: int) -> str:
    """Everybody has a number."""
    return f"+1555100{place:04}"


async def test_killed_while_it_spares_people_nobody_is_called_too_often_or_after_asking_not_to_be(
    tmp_path: Path, tell: Tell, seed: int
) -> None:
    tell(f"seed {seed} (again: OUTDIAL_TEST_SEED={seed})")
    chance, data = Random(seed), tmp_path / "data"  # noqa: S311  a seed that can be given again
    spared = Spared()
    async with asyncio.TaskGroup() as group, killed_at_the_end() as servers:
        preparing = group.create_task(spared.prepare(number_of(chance.randrange(NUMBERS))))
        dialing = group.create_task(spared.dial())
        for _ in range(KILLS):
            server = await servers.spawn(data)
            await server.ready()
            async with spared.service.at(server.url):
                await asyncio.sleep(chance.uniform(0, LONGEST_LIFE_S))
                await server.kill()
        server = await servers.spawn(data)
        await server.ready()
        async with spared.service.at(server.url), asyncio.timeout(QUIET_S):
            await preparing
            await spared.until_all_are_spared()
            dialing.cancel()
            await asyncio.wait([dialing])
        assert await server.stop() == 0

    rows, memory = rows_of(data / "outdial.db"), spared.memory
    requests = [row for row in rows if row.type == "DialRequested"]
    tell(f"{KILLS} kills; {len(rows)} events, {len(requests)} requests to {NUMBERS} numbers on {LISTS} lists")
    assert faults_of_log(rows, all_must_end=False) == []
    assert faults_of_memory(rows, memory) == []
    assert len(requests) >= 2 * (NUMBERS - 1)
    assert memory.listed
