"""Who may what: every route there is, by everybody who may not."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from api.door import ALICE, ALICES, BOBS, TOKENS, Api, Opened, hashed, served
from api.routes import OWN, PUBLIC, ROUTES, STREAMS, Operation, alices, operations
from outdial.doors.api.deps import Settings

ROOTS = "the-token-of-who-runs-it"
CLOSED = Settings(tokens={**TOKENS, hashed(ROOTS): ALICE}, admins=frozenset({hashed(ROOTS)}))


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def ask(api: Api, operation: Operation, ids: Mapping[str, str], token: str | None) -> httpx.Response:
    """The request that is right for a route, about Alice's things."""
    sent = ROUTES[operation.name].sent(ids)
    headers = {**sent.pop("headers", {}), **({} if token is None else by(token))}
    return await api.http.request(operation.method, operation.at(ids), headers=headers, **sent)


async def test_every_route_of_the_document_has_its_place_in_the_matrix(opened: Opened) -> None:
    found = {operation.name for operation in await operations((await opened(CLOSED)).http)}

    assert found == ROUTES.keys() | PUBLIC, "a new route: say in tests/api/routes.py what a right request is and what others are told"


@pytest.fixture
async def api(opened: Opened) -> Api:
    return await opened(CLOSED)


@pytest.mark.parametrize("how", ["no token", "bad", "expired", "revoked"])
async def test_without_a_token_that_is_good_every_route_is_refused_and_does_nothing(api: Api, how: str) -> None:
    ids = await alices(api, ALICE, ROOTS)
    made = await api.ok("POST", "/accesskeys", {"expire": 60}, headers=by(ALICES))
    token = None if how == "no token" else f"{made['token'][:-1]}_" if how == "bad" else made["token"]
    if how == "expired":
        api.clock.at += 60_000_000
    if how == "revoked":
        await api.ok("DELETE", f"/accesskeys/{made['id']}", headers=by(ALICES))
    written = api.written()

    for operation in await operations(api.http):
        if operation.name not in PUBLIC:
            answer = await ask(api, operation, ids, token)
            reason = "AUTHENTICATION_REQUIRED" if how == "no token" else "INVALID_CREDENTIALS"
            assert (operation, answer.status_code, answer.json()["error"]["reason"]) == (operation, 401, reason)
            assert answer.headers["www-authenticate"].startswith("Bearer")

    assert api.written() == written


@pytest.mark.parametrize("how", ["settings", "access key", "session"])
async def test_another_customers_things_are_not_there_on_any_route(api: Api, how: str) -> None:
    ids = await alices(api, ALICE, ROOTS)
    token = await bobs_token(api, how)

    for operation in await operations(api.http):
        if operation.name in PUBLIC or (operation.name in STREAMS and ROUTES[operation.name].other is OWN):
            continue
        other, written = ROUTES[operation.name].other, api.written()
        answer = await ask(api, operation, ids, token)
        assert (operation, answer.status_code) == (operation, other.status), answer.text
        if other is OWN:
            assert not any(found in answer.text for found in ids.values()), operation
        else:
            assert (operation, answer.json()["error"]["reason"]) == (operation, other.reason)
            if operation.name == "create_campaign":  # one that claims what it may not have is made and unmade
                continue
            assert (operation, api.written()) == (operation, written)


async def bobs_token(api: Api, how: str) -> str:
    if how == "settings":
        return BOBS
    if how == "access key":
        found: dict[str, Any] = await api.ok("POST", "/accesskeys", {}, headers=by(BOBS))
        return str(found["token"])
    customer = (await api.ok("POST", "/customers", {}, headers=by(ROOTS)))["id"]
    body = {"username": "bob", "password": "correct horse battery"}
    await api.ok("POST", f"/customers/{customer}/users", body, headers=by(ROOTS))
    session = (await api.http.post("/auth/login", json=body)).json()
    api.http.cookies.clear()
    return str(session["token"])


async def test_whoever_they_belong_to_finds_every_one_of_them(api: Api) -> None:
    ids = await alices(api, ALICE, ROOTS)
    last = (
        "delete_webhook",
        "delete_campaigncall",
        "delete_campaign",
        "delete_target",
        "delete_outdial",
        "delete_outplan",
        "delete_user",
        "delete_accesskey",
        "remove_suppression",
    )
    found = {operation.name: operation for operation in await operations(api.http) if operation.name not in PUBLIC | STREAMS}
    in_order = [operation for name, operation in found.items() if name not in last] + [found[name] for name in last]

    for operation in in_order:
        token = ROOTS if operation.path.startswith("/v1.0/customers") else ALICES
        answer = await ask(api, operation, ids, token)
        assert answer.status_code in (200, 400, 409), (operation, answer.text)  # some of it has to be stopped first


@pytest.mark.parametrize("path", ["/v1.0/events/stream", "/v1.0/live"])
async def test_a_stream_has_only_ones_own(api: Api, path: str) -> None:
    ids = await alices(api, ALICE, ROOTS)
    seen: list[str] = []

    async with (
        served(api.app) as url,
        httpx.AsyncClient(base_url=url, headers=by(BOBS), timeout=60) as client,
        client.stream("GET", path) as stream,
    ):
        mine = (await client.post("/v1.0/outdials", json={})).json()["id"]
        async with asyncio.timeout(60):
            async for line in stream.aiter_lines():
                seen.append(line)
                if mine in line:
                    break

    assert not any(found in "".join(seen) for found in ids.values())
