"""Canaries: tokens and numbers that are known by sight go through every route; none may be seen where they do not belong.

``make canaries`` sends as many as the goal says; as a test there are a few.
"""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import httpx
import pytest

from api.routes import PUBLIC, ROUTES, STREAMS, Operation, alices, filled, operations
from cli.program import environment

ROOTS: Final = "canary-root-0123456789abcdef"
ALICE: Final = "0a000000-0000-4000-8000-000000000001"
AT_ONCE: Final = 8
DEADLINE_S: Final = 60
SEED: Final = 20_261_121


@dataclass
class There:
    """A server of its own process, as :func:`api.routes.alices` asks it."""

    http: httpx.AsyncClient

    async def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The body of an answer that must be 200."""
        answer = await self.http.request(method, f"/v1.0{path}", json=body, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def poke(self) -> None:
        """It decides by itself: give it a moment."""
        await asyncio.sleep(0.02)


@dataclass
class Canary:
    """A token and a number nobody else has."""

    token: str
    number: str
    tokens: list[str] = field(default_factory=list)
    """Others that were made for it."""

    @property
    def digits(self) -> str:
        """The number as it might also be written."""
        return self.number.removeprefix("+")


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[IO[bytes]]:
    with (tmp_path / "stderr").open("wb") as file:
        yield file


@asynccontextmanager
async def serving(data: Path, logged: IO[bytes]) -> AsyncIterator[str]:
    """The address of a server that logs all it can."""
    tokens = f"{ROOTS} {ALICE}=alices-token"
    process = subprocess.Popen(  # noqa: S603, ASYNC220  its own program
        [sys.executable, "-m", "outdial.compose", "serve", "--data", str(data), "--port", "0", "--json", "--log-level", "debug"],
        stdout=subprocess.PIPE,
        stderr=logged,
        text=True,
        env=environment(OUTDIAL_TOKENS=tokens),
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)


def spoiled(value: Any, number: str) -> Any:
    """A body in which every text and number is a telephone number that has no business there."""
    match value:
        case dict():
            return {name: spoiled(inner, number) for name, inner in value.items()} | {number: number}
        case list():
            return [spoiled(inner, number) for inner in value]
        case _:
            return f"{number}x"


def requests(operation: Operation, ids: dict[str, str], canary: Canary, turn: int) -> Iterator[dict[str, Any]]:
    """Requests to a route, right ones and wrong ones, with a canary in every place there is."""
    asked = ROUTES.get(operation.name)
    sent = {} if asked is None else asked.sent(ids)
    plain = {name: value for name, value in sent.items() if name != "headers"}
    media, body = sent.get("headers", {}), {} if asked is None or asked.body is None else filled(asked.body, ids)
    path, good = operation.at(ids), by(canary.tokens[0])
    places: tuple[dict[str, Any], ...] = (
        {"headers": by(canary.token)},
        {"params": {"token": canary.token}},
        {"params": {"accesskey": canary.token}},
        {"headers": {"Cookie": f"token={canary.token}; accesskey={canary.token}"}},
    )
    carried = places[turn % len(places)]
    yield {**plain, "url": path, **carried, "headers": {**media, **carried.get("headers", {})}}
    lost = operation.path.replace("{id}", canary.token).replace("{target_id}", canary.number).replace("{user_id}", canary.number)
    if operation.name not in STREAMS:
        yield {"url": lost, "headers": {**good, "X-Request-Id": canary.number}}
    strange = dict.fromkeys(("page_size", "page_token", "after", "limit", "share", "min_position", "names", "import_id"), canary.number)
    yield {"url": path, "params": {**strange, "outdial_id": canary.number, "wait_ms": canary.number}, "headers": good}
    if operation.name not in STREAMS:
        right = {**plain, "json": numbered(body, canary)} if "json" in plain else plain
        yield {**right, "url": path, "headers": {**good, **media}}
    if operation.method in ("POST", "PUT"):
        yield {"url": path, "headers": good, "json": spoiled(body, canary.number)}
        yield {"url": path, "headers": good, "content": f'{{"name": "{canary.number}", "{canary.token}": '.encode()}
        yield {"url": path, "headers": {**good, "Content-Type": f"text/{canary.digits}"}, "content": canary.number}
        yield {"url": path, "headers": {**good, "Idempotency-Key": canary.number * 20}, "json": body}


def numbered(body: Any, canary: Canary) -> Any:
    """A right body with the number of the canary where a number belongs."""
    if isinstance(body, dict):
        return {name: numbered(inner, canary) if name != "target" else canary.number for name, inner in body.items()}
    return body


async def fly(client: httpx.AsyncClient, routes: list[Operation], canary: Canary, turn: int) -> list[str]:
    """Send a canary through every route; what was seen where it may not be."""
    faults: list[str] = []
    there = There(client)
    ids = await alices(there, ALICE, ROOTS, f"alice{turn}")
    made = await there.ok("POST", f"/customers/{ALICE}/accesskeys", {"name": "canary"}, headers=by(ROOTS))
    canary.tokens = [made["token"]]
    for operation in sorted(routes, key=lambda one: (one.method == "DELETE", one.path)):
        for request in requests(operation, ids, canary, turn):
            answer = await client.request(operation.method, **request)
            refused = answer.status_code >= 400
            if answer.status_code >= 500:
                faults.append(f"{operation.name}: {answer.status_code}")
            seen = [canary.token, *canary.tokens, *((canary.digits,) if refused else ())]
            if operation.name in ("create_accesskey", "create_accesskey_of_customer") and not refused:
                canary.tokens.append(answer.json()["token"])
            if any(one in answer.text or one in str(answer.headers) for one in seen):
                faults.append(f"{operation.name}: {answer.status_code} shows a canary: {answer.text[:300]}")
    return faults


def seen_in(files: list[Path], words: list[str]) -> list[str]:
    """Names of the files that hold any of the words."""
    return [path.name for path in files if any(word in path.read_bytes() for word in map(str.encode, words))]


@pytest.mark.only("embedded", why="it is about the door; the log of Kafka has the same commands")
async def test_no_canary_is_seen_where_it_does_not_belong(
    pytestconfig: pytest.Config, tmp_path: Path, logged: IO[bytes], runtime_kind: str
) -> None:
    chance = random.Random(SEED)  # noqa: S311  canaries need no secrets
    count = pytestconfig.getoption("--canaries")
    canaries = [Canary(f"vb_{chance.getrandbits(160):040x}", f"+4915{chance.randrange(10**9):09}") for _ in range(count)]
    faults: list[str] = []
    data = tmp_path / "data"

    async with serving(data, logged) as url, httpx.AsyncClient(base_url=url, timeout=DEADLINE_S) as client:
        routes = await operations(client)
        assert {operation.name for operation in routes} == ROUTES.keys() | PUBLIC
        turns = list(enumerate(canaries))
        for start in range(0, count, AT_ONCE):
            flown = [fly(client, routes, canary, turn) for turn, canary in turns[start : start + AT_ONCE]]
            faults += [fault for found in await asyncio.gather(*flown) for fault in found]
        metrics = (await client.get("/metrics")).text
        tokens = [ROOTS, *(token for canary in canaries for token in (canary.token, *canary.tokens))]
        numbers = [canary.digits for canary in canaries]
        files = [path for path in data.rglob("*") if path.is_file()]
        assert seen_in(files, tokens) == []
        assert seen_in([path for path in files if ".db" not in path.name], numbers) == []
        assert [word for word in (*tokens, *numbers) if word in metrics] == []

    assert faults[:10] == []
    logged.flush()
    text = (tmp_path / "stderr").read_text("utf-8")
    assert text.count("HTTP/1.1") > count
    assert [line for line in text.splitlines() if any(word in line for word in (*tokens, *numbers))] == []
