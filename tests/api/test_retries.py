"""A POST with an Idempotency-Key happens once, however often it is sent, by however many, and whatever is lost on the way.

``make retries`` asks as often as the goal says; as a test it asks less.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import pytest

from api.door import Api

SEED: Final = 20_261_121
TRIES_AT_MOST: Final = 60
LOST: Final = 0.4
"""How many answers are lost, and as many requests are given up while they are under way."""


class Post(NamedTuple):
    """A request, another one that may not go under its key, and the event it makes."""

    path: str
    body: Any
    other: Any
    event: str


class Lost(Exception):
    """No answer came."""


async def lossy(api: Api, chance: random.Random, post: Post, key: str) -> tuple[int, Any]:
    """What a client that hears badly is told in the end."""
    for _ in range(TRIES_AT_MOST):
        sending = asyncio.create_task(api.http.post(f"/v1.0{post.path}", json=post.body, headers={"Idempotency-Key": key}))
        if chance.random() < LOST:
            await asyncio.sleep(chance.random() * 0.004)
            sending.cancel()
            await asyncio.wait([sending])
            continue
        answer = await sending
        if answer.status_code == 503:
            continue
        if chance.random() >= LOST:
            return answer.status_code, answer.json()
    raise Lost(post.path)


async def posts_of(api: Api) -> Callable[[int], Post]:
    """One request of each kind in turn."""
    outdial = await api.outdial()
    plan = (await api.ok("POST", "/outplans", {"max_try_count_0": 2}))["id"]
    path = f"/outdials/{outdial}/targets"

    def make(number: int) -> Post:
        def tel(digits: int) -> dict[str, Any]:
            return {"destination": {"type": "tel", "target": f"+1555{digits:07}"}}

        return (
            Post("/outdials", {"name": f"n{number}"}, {"name": "another"}, "OutdialCreated"),
            Post(path, tel(number), tel(9_000_000), "TargetAdded"),
            Post("/outplans", {"name": f"n{number}", "dial_timeout": 5_000}, {"name": "another"}, "OutplanCreated"),
            Post("/campaigns", {"name": f"n{number}", "outplan_id": plan}, {"name": "another"}, "CampaignCreated"),
            Post(path, {"targets": [tel(1_000_000 + number)]}, {"targets": [tel(9_000_001)]}, "TargetAdded"),
            Post("/commands", {"type": "CreateOutdial", "outdial_id": _id(number), "name": "c"}, None, "OutdialCreated"),
        )[number % 6]

    return make


def _id(number: int) -> str:
    return f"40bea034-1d17-474d-a5de-{number:012x}"


def events_of(api: Api) -> Counter[str]:
    found = api.runtime.reader.execute("SELECT type, count(*) FROM log GROUP BY type").fetchall()
    return Counter(dict(found))


@pytest.fixture
def retries(request: pytest.FixtureRequest) -> int:
    """How many requests are sent again and again."""
    return int(request.config.getoption("--retries"))


async def test_two_clients_that_lose_answers_have_exactly_one_effect_each(api: Api, retries: int) -> None:
    chance = random.Random(SEED)  # noqa: S311  no secret
    make = await posts_of(api)
    before = events_of(api)
    wanted: Counter[str] = Counter()

    async def twice(number: int) -> None:
        post, key = make(number), f"key {number}"
        wanted[post.event] += 1
        one, two = await asyncio.gather(lossy(api, chance, post, key), lossy(api, chance, post, key))
        assert one[0] == 200, one
        assert _same(one[1]) == _same(two[1])
        if post.other is not None:
            await api.refused(422, "ID_REUSED", "POST", post.path, post.other, headers={"Idempotency-Key": key})

    await in_turn(twice, retries)

    assert {name: n - before[name] for name, n in events_of(api).items() if name in wanted} == dict(wanted)


async def in_turn(ask: Callable[[int], Awaitable[None]], number: int, at_once: int = 8) -> None:
    """Ask so many times, some at once."""
    numbers = iter(range(number))

    async def some() -> None:
        for one in numbers:
            await ask(one)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(some())


def _same(body: Any) -> Any:
    """What two answers to one request have in common: all but when the second was told, and that it was one."""
    return {name: value for name, value in body.items() if name not in ("position", "warnings")} if isinstance(body, dict) else body
