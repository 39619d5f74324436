"""The door over views of a log of several partitions, as any number of processes serve it."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import httpx
import pytest

from api.door import client_of, served
from outdial.commands import Command
from outdial.doors.api import deps
from outdial.doors.api.app import make_app
from outdial.doors.api.deps import Settings
from outdial.events import DialRequested, EventData
from outdial.position import Position
from outdial.requests import Answer, Unavailable
from outdial.views import projector
from views.hand import CUSTOMER, START, Views, views_in
from views.test_partitions import PARTITIONS, Placed, interleaved, many_dials, spread


class Follower:
    """A ledger behind whose views a log is read, as far as the test lets it."""

    def __init__(self, views: Views, events: list[Placed]) -> None:
        self.views = views
        self.asked = 0
        """How often somebody wanted the views to be up to date."""
        self.behind = False
        self.told: Position | None = None
        """What another process has told of the log, which is there to be read."""
        self._left = events
        self._read = asyncio.Condition()

    @property
    def position(self) -> Position:
        return projector.standing(self.views.reader)

    def now(self) -> int:
        return START

    async def submit(self, commands: Sequence[Command], patience_s: float | None = None) -> list[Answer]:
        raise NotImplementedError

    async def wait_beyond(self, position: Position, timeout: float) -> Position:  # noqa: ASYNC109  the runtime's own word
        async with asyncio.timeout(timeout), self._read:
            await self._read.wait_for(lambda: self.position.beyond(position))
        return self.position

    async def caught_up(self) -> None:
        self.asked += 1
        if self.behind:
            raise Unavailable("views_behind", "the views are behind the log; ask again")
        while self.told is not None and not self.position.covers(self.told):
            await self.read(1)

    async def read(self, number: int = 1_000_000) -> None:
        """Read so many events more."""
        await self.views.apply(self._left[:number], logged=True)
        del self._left[:number]
        async with self._read:
            self._read.notify_all()


@pytest.fixture
def parts() -> list[list[Placed]]:
    """The events of the log, by partition."""
    return spread(many_dials())


@pytest.fixture
async def followers(tmp_path: Path, parts: list[list[Placed]]) -> AsyncIterator[list[Follower]]:
    """Two processes that read the partitions in different orders."""
    async with AsyncExitStack() as opened:
        found = []
        for seed in range(2):
            folder = tmp_path / str(seed)
            folder.mkdir()
            views = await opened.enter_async_context(views_in(folder, PARTITIONS))
            found.append(Follower(views, interleaved(parts, Random(seed))))  # noqa: S311  an example, not a secret
        yield found


def door(follower: Follower) -> httpx.AsyncClient:
    return client_of(make_app(follower, follower.views.reader, Settings(customer_id=CUSTOMER)))


def mine(parts: list[list[Placed]]) -> dict[str, EventData]:
    """Each event of the customer's own streams, by its id."""
    owners = {event.stream: event.data.customer_id for part in parts for _, event in part if event.type == "OutdialCreated"}  # type: ignore[attr-defined]
    return {event.id: event.data for part in parts for _, event in part if owners[event.stream] == CUSTOMER}


@pytest.mark.parametrize(("path", "share"), [("events", {}), ("dial_requests", {}), ("dial_requests", {"share": "1/3"})])
@pytest.mark.parametrize("limit", [1, 9, 1_000])
async def test_a_reader_who_changes_between_processes_gets_everything_once(
    followers: list[Follower], parts: list[list[Placed]], path: str, share: dict[str, str], limit: int
) -> None:
    chance = Random(limit)  # noqa: S311  an example, not a secret
    doors = [door(follower) for follower in followers]
    seen: list[str] = []
    after = "0"

    async def page(number: int) -> bool:
        nonlocal after
        followers[number].told = Position.parse(after, PARTITIONS)
        answer = await doors[number].get(f"/v1.0/{path}", params={"after": after, "limit": limit, **share})
        body = answer.json()
        assert len(body["result"]) <= limit
        seen.extend(row.get("event_id") or row["id"] for row in body["result"])
        before, after = after, str(body["next_after"])
        return before != after

    for _ in range(60):
        number = chance.randrange(2)
        await followers[number].read(chance.randrange(12))
        await page(number)
    for follower in followers:
        await follower.read()
    while await page(0):
        pass

    wanted = mine(parts)
    if path == "dial_requests":
        wanted = {event_id: data for event_id, data in wanted.items() if isinstance(data, DialRequested)}
    if share:
        wanted = {event_id: data for event_id, data in wanted.items() if crc32(data.target_id.encode()) % 3 == 1}  # type: ignore[attr-defined]
    assert len(seen) == len(set(seen))
    assert set(seen) == set(wanted)
    assert after == str(followers[1].position)


async def test_every_process_tells_the_same_positions_and_goes_on_from_any_of_them(followers: list[Follower]) -> None:
    for follower in followers:
        await follower.read()
    first, second = (door(follower) for follower in followers)

    for path in ("events", "dial_requests"):
        rows = (await first.get(f"/v1.0/{path}?limit=1000")).json()["result"]
        assert (await second.get(f"/v1.0/{path}?limit=1000")).json()["result"] == rows
        assert len({row["position"] for row in rows}) == len(rows) > 50
        for index in range(0, len(rows), 17):
            rest = await second.get(f"/v1.0/{path}?limit=1000&after={rows[index]['position']}")
            assert rest.json()["result"] == rows[index + 1 :]


async def test_a_stream_is_resumed_at_another_process_by_the_last_id(followers: list[Follower], parts: list[list[Placed]]) -> None:
    await followers[0].read(100)
    await followers[1].read(60)
    seen: list[dict[str, Any]] = []
    last = "0"
    for number in (0, 1, 0):
        app = make_app(followers[number], followers[number].views.reader, Settings(customer_id=CUSTOMER))
        async with (
            served(app) as url,
            httpx.AsyncClient(base_url=url) as client,
            asyncio.timeout(20),
            client.stream("GET", "/v1.0/events/stream", headers={"Last-Event-ID": last}) as answer,
        ):
            await followers[number].read(40)
            taken = 0
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    last = line[4:]
                elif line.startswith("data: "):
                    seen.append(json.loads(line[6:]))
                    assert seen[-1]["position"] == last
                    taken += 1
                    if taken == 25:
                        break
    for follower in followers:
        await follower.read()
    rest = (await door(followers[0]).get(f"/v1.0/events?limit=1000&after={last}")).json()["result"]

    ids = [event["id"] for event in [*seen, *rest]]
    assert sorted(ids) == sorted(mine(parts))


async def test_a_long_poll_waits_for_what_comes_in_any_partition(followers: list[Follower]) -> None:
    client = door(followers[0])
    async with asyncio.timeout(20):
        asked = asyncio.create_task(client.get("/v1.0/dial_requests?wait_ms=15000"))
        while not asked.done():
            await followers[0].read(1)
    assert len(asked.result().json()["result"]) >= 1


async def test_a_read_waits_until_every_partition_has_come_to_the_position(
    followers: list[Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    await followers[0].read()
    wanted = followers[0].position
    await followers[1].read(100)
    client = door(followers[1])
    async with asyncio.timeout(20):
        waiting = asyncio.create_task(client.get(f"/v1.0/outdials?min_position={wanted}"))
        while not followers[1].position.covers(wanted):
            assert not waiting.done()
            await followers[1].read(7)
        assert (await waiting).status_code == 200

    monkeypatch.setattr(deps, "LONGEST_WAIT_S", 0.05)
    marks = list(wanted.marks)
    marks[1] += 1
    ahead = Position((0, marks[1], 0))
    monkeypatch.setattr(Follower, "wait_beyond", _returns_at_once)
    answer = await client.get(f"/v1.0/outdials?min_position={ahead}")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "REQUEST_TIMEOUT")


async def _returns_at_once(self: Follower, _position: Position, timeout: float) -> Position:  # noqa: ASYNC109  the runtime's own word
    await asyncio.sleep(timeout)
    return self.position


@pytest.mark.parametrize("text", ["5", "1-2", "1-2-3-4", "1-2-x", "-1-2-3", "", f"1-2-{10**18}"])
async def test_a_position_of_another_log_is_refused(followers: list[Follower], text: str) -> None:
    client = door(followers[0])
    for answer in (
        await client.get("/v1.0/events", params={"after": text}),
        await client.get("/v1.0/dial_requests", params={"after": text}),
        await client.get("/v1.0/events/stream", headers={"Last-Event-ID": text}),
        await client.get("/v1.0/outdials", params={"min_position": text}),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["reason"]) == (400, "INVALID_REQUEST_PARAMETER")
        assert "Outdial-Position" in error["message"]


async def test_a_read_asks_for_views_that_are_up_to_date_unless_it_says_otherwise(followers: list[Follower]) -> None:
    follower = followers[0]
    await follower.read(10)
    client = door(follower)

    for path in ("/v1.0/outdials", "/v1.0/events?limit=1", "/v1.0/outdials?stale=0", "/v1.0/outdials?unstale=1"):
        before = follower.asked
        assert (await client.get(path)).status_code == 200
        assert follower.asked == before + 1, path
    for path in ("/v1.0/outdials?stale=1", "/v1.0/outdials?limit=2&stale=true", "/v1.0/outdials?min_position=0", "/readyz", "/metrics"):
        before = follower.asked
        assert (await client.get(path)).status_code == 200
        assert follower.asked == before, path

    follower.behind = True
    answer = await client.get("/v1.0/outdials")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["details"] == [{"rule": "views_behind"}]
    assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"]
    assert (await client.get("/v1.0/outdials?stale=1")).status_code == 200


async def test_an_attempt_is_looked_up_again_in_views_that_are_up_to_date(followers: list[Follower]) -> None:
    follower = followers[0]
    await follower.read()
    client = door(follower)
    nobody = {"attempt_id": "00000000-0000-4000-8000-00000000dead", "outcome": "busy"}

    answer = await client.post("/v1.0/dial_results", json=nobody)

    assert (answer.status_code, follower.asked) == (404, 1)


async def test_metrics_and_readiness_show_every_partition(followers: list[Follower]) -> None:
    await followers[0].read()
    client = door(followers[0])
    marks = followers[0].position.marks

    lines = (await client.get("/metrics")).text.splitlines()

    assert [line for line in lines if line.startswith("outdial_log_position")] == [
        f'outdial_log_position{{partition="{partition}"}} {mark}' for partition, mark in enumerate(marks)
    ]
    assert (await client.get("/readyz")).json()["position"] == "-".join(map(str, marks))
