"""The service is killed at random instants while it is used, and every time it goes on as if nothing had been."""

import asyncio
import json
import os
from pathlib import Path
from random import Random

from faults.checker import faults_of_log, faults_of_memory, rows_of
from faults.client import Service, Users
from faults.served import LEARNING, PROGRAM, call, killed_at_the_end
from telling import Tell

KILLS = int(os.environ.get("OUTDIAL_TEST_KILLS", "20"))
DURING_START = 0.2
"""The part of the kills that hit a service which is still starting."""
LONGEST_START_S, LONGEST_LIFE_S = 0.6, 1.5
QUIET_S = 120.0


async def test_killed_at_random_instants_nothing_is_lost_doubled_or_stuck(tmp_path: Path, tell: Tell, seed: int) -> None:
    tell(f"seed {seed} (again: OUTDIAL_TEST_SEED={seed})")
    chance, data = Random(seed), tmp_path / "data"  # noqa: S311  a seed that can be given again
    users = Users(Service(), seed)
    starting = 0
    async with asyncio.TaskGroup() as group, killed_at_the_end() as servers:
        over = asyncio.Event()
        using = group.create_task(_use(users, over))
        for _ in range(KILLS):
            server = await servers.spawn(data, program=chance.choice((PROGRAM, LEARNING)))
            if chance.random() < DURING_START:
                await _pass(using, chance.uniform(0, LONGEST_START_S))
                starting += 1
            else:
                await server.ready()
                async with users.service.at(server.url):
                    await _pass(using, chance.uniform(0, LONGEST_LIFE_S))
                    await server.kill()
            await server.kill()

        server = await servers.spawn(data)
        await server.ready()
        async with users.service.at(server.url), asyncio.timeout(QUIET_S):
            await users.end()
            over.set()
            await using
            served = await _requests_from_the_beginning(users.service)
        assert await server.stop() == 0

    rows = rows_of(data / "outdial.db")
    memory = users.memory
    tell(
        f"{KILLS} kills, {starting} of them during a start; {len(rows)} events, {len(memory.acknowledged)} acknowledged commands, "
        f"{len(memory.added)} targets, {len(memory.read)} dial requests, {len(memory.placed)} calls placed"
    )
    assert faults_of_log(rows, all_must_end=True) == []
    assert faults_of_memory(rows, memory) == []
    assert served == [row.event["data"]["attempt_id"] for row in rows if row.type == "DialRequested"]
    verified = await call("views", "verify", "--data", str(data), "--json")
    assert json.loads(verified.out)["equal"] is True
    assert verified.code == 0
    assert len(memory.placed) > KILLS


async def _use(users: Users, over: asyncio.Event) -> None:
    await users.prepare()
    await users.live(over)


async def _pass(using: asyncio.Task[None], seconds: float) -> None:
    """Let time pass, unless a user has found a fault meanwhile."""
    await asyncio.wait([using], timeout=seconds)


async def _requests_from_the_beginning(service: Service) -> list[str]:
    """All dial requests, as a reader sees them who comes late."""
    found: list[str] = []
    after = "0"
    while True:
        page = (await service.ask("GET", f"/dial_requests?after={after}&limit=1000")).json()
        if not page["result"]:
            return found
        found += [request["attempt_id"] for request in page["result"]]
        after = page["next_after"]
