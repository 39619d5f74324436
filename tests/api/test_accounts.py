"""Logging in, access keys, and the customers and users of whoever runs the service."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.door import ALICE, BOB, TOKENS, Api, Opened, client_of, hashed, served
from outdial.doors.api import deps, events
from outdial.doors.api.deps import DEFAULT_CUSTOMER, Settings

ROOTS = "the-token-of-who-runs-it"
CLOSED = Settings(tokens={**TOKENS, hashed(ROOTS): DEFAULT_CUSTOMER}, admins=frozenset({hashed(ROOTS)}))
PASSWORD = "correct horse battery"  # noqa: S105  the password of a test
DAY = 86_400_000_000


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def root(opened: Opened) -> Api:
    """The door as who runs the service sees it."""
    return await opened(CLOSED, ROOTS)


async def a_customer(root: Api, name: str = "Ann's shop") -> str:
    made: str = (await root.ok("POST", "/customers", {"name": name}))["id"]
    return made


async def a_user(root: Api, customer: str, username: str = "ann") -> str:
    made: str = (await root.ok("POST", f"/customers/{customer}/users", {"username": username, "password": PASSWORD}))["id"]
    return made


async def logged_in(api: Api, username: str = "ann", password: str = PASSWORD) -> dict[str, Any]:
    answer = await api.http.post("/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def all_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def is_let_in(api: Api, token: str) -> bool:
    answer = await api.call("GET", "/outdials", headers=by(token))
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


async def test_a_login_gives_a_token_that_is_the_customers_for_seven_days(root: Api) -> None:
    customer = await a_customer(root)
    await a_user(root, customer)

    answer = await root.http.post("/auth/login", json={"username": "ANN", "password": PASSWORD})

    session = answer.json()
    assert (session["username"], session["customer_id"]) == ("ann", customer)
    assert answer.headers["cache-control"] == "no-store"
    cookie = answer.headers["set-cookie"]
    for part in (f"token={session['token']}", "HttpOnly", "Max-Age=604800", "Path=/", "SameSite=strict"):
        assert part in cookie
    root.http.cookies.clear()
    made = await root.ok("POST", "/outdials", {}, headers=by(session["token"]))
    assert made["customer_id"] == customer
    root.clock.at += 7 * DAY - 3_600_000_000
    assert await is_let_in(root, session["token"])
    root.clock.at += 3_600_000_000
    assert not await is_let_in(root, session["token"])


@pytest.mark.parametrize(
    ("username", "password"), [("ann", "wrong password"), ("nobody", PASSWORD), ("ann", PASSWORD.upper()), ("ann", f"{PASSWORD} ")]
)
async def test_whoever_is_not_let_in_is_not_told_why(root: Api, username: str, password: str) -> None:
    await a_user(root, await a_customer(root))

    answer = await root.http.post("/auth/login", json={"username": username, "password": password})

    error = answer.json()["error"]
    assert (answer.status_code, error["reason"], error["message"]) == (401, "INVALID_CREDENTIALS", "user name or password is wrong")
    assert "set-cookie" not in answer.headers
    assert (await root.ok("GET", "/accesskeys?sessions=true"))["result"] == []


async def test_a_password_is_derived_as_often_for_a_user_who_is_not_there(root: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_user(root, await a_customer(root))
    derived: list[int] = []
    plain = root.app.state.door.passwords._derived  # noqa: SLF001  what takes the time is what must be counted

    async def counted(password: str, cost: int, salt: str) -> str:
        derived.append(cost)
        return await plain(password, cost, salt)  # type: ignore[no-any-return]

    monkeypatch.setattr(root.app.state.door.passwords, "_derived", counted)
    for username in ("ann", "nobody"):
        await root.http.post("/auth/login", json={"username": username, "password": "wrong password"})

    assert derived == [14, 14]


@pytest.mark.parametrize("body", [{}, {"username": "ann"}, {"username": "ann", "password": 1}, {"username": "", "password": "x"}, [], "x"])
async def test_a_login_of_the_wrong_form_is_refused(root: Api, body: Any) -> None:
    assert (await root.http.post("/auth/login", json=body)).status_code == 400


async def test_who_guesses_has_to_wait_and_the_others_do_not(root: Api) -> None:
    await a_user(root, await a_customer(root))
    for _ in range(deps.LOGINS.burst):
        assert (await root.http.post("/auth/login", json={"username": "ann", "password": "guess"})).status_code == 401

    answer = await root.http.post("/auth/login", json={"username": "ann", "password": PASSWORD})

    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["reason"]) == (429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
    assert error["details"][0]["limited_by"] == "ip"
    assert 0 < int(answer.headers["retry-after"]) <= 10
    assert (await root.http.post("/auth/login", json={"username": "bob", "password": "guess"})).status_code == 401


@pytest.mark.parametrize("end", ["logout", "password", "user"])
async def test_a_session_ends_at_once(root: Api, end: str) -> None:
    customer = await a_customer(root)
    user = await a_user(root, customer)
    ended, other = await logged_in(root), await logged_in(root)
    root.http.cookies.clear()

    if end == "logout":
        await root.ok("DELETE", f"/accesskeys/{ended['id']}", headers=by(ended["token"]))
    elif end == "password":
        await root.ok("PUT", f"/customers/{customer}/users/{user}/password", {"password": "another password"})
    else:
        await root.ok("DELETE", f"/customers/{customer}/users/{user}")

    assert not await is_let_in(root, ended["token"])
    assert await is_let_in(root, other["token"]) is (end == "logout")
    assert (await root.http.post("/auth/login", json={"username": "ann", "password": PASSWORD})).status_code == (
        200 if end == "logout" else 401
    )


async def test_a_password_that_changes_while_somebody_logs_in_lets_them_in_no_more(root: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = await a_customer(root)
    user = await a_user(root, customer)
    plain = root.app.state.door.passwords.matches

    async def matches(password: str, kept: str | None) -> bool:
        found: bool = await plain(password, kept)
        await root.ok("PUT", f"/customers/{customer}/users/{user}/password", {"password": "another password"})
        return found

    monkeypatch.setattr(root.app.state.door.passwords, "matches", matches)

    assert (await root.http.post("/auth/login", json={"username": "ann", "password": PASSWORD})).status_code == 401


async def test_an_access_key_is_shown_once_lets_in_and_is_gone_when_it_is_deleted(root: Api) -> None:
    customer = await a_customer(root)

    made = await root.ok("POST", f"/customers/{customer}/accesskeys", {"name": "import", "detail": "nightly"})

    token = made.pop("token")
    assert token.startswith("vb_")
    assert len(token) == 35
    assert root.seen[-1].headers["cache-control"] == "no-store"
    assert (made["name"], made["detail"], made["customer_id"], made["token_prefix"]) == ("import", "nightly", customer, token[:11])
    assert (made["purpose"], made["tm_expire"]) == ("access", "9999-01-01 00:00:00.000000")
    as_customer = by(token)
    assert await root.ok("GET", f"/accesskeys/{made['id']}", headers=as_customer) == made
    second = await root.ok("POST", "/accesskeys", {"name": "second"}, headers=as_customer)
    assert [row["id"] for row in (await root.ok("GET", "/accesskeys", headers=as_customer))["result"]] == [second["id"], made["id"]]
    assert await is_let_in(root, second["token"])

    gone = await root.ok("DELETE", f"/accesskeys/{second['id']}", headers=as_customer)

    assert gone["tm_delete"] != "9999-01-01 00:00:00.000000"
    assert "token" not in gone
    error = await root.refused(401, "INVALID_CREDENTIALS", "GET", "/outdials", headers=by(second["token"]))
    assert second["token"] not in str(error)
    assert await is_let_in(root, token)
    assert (await root.ok("DELETE", f"/accesskeys/{second['id']}", headers=as_customer)) == gone
    assert [row["id"] for row in (await root.ok("GET", "/accesskeys", headers=as_customer))["result"]] == [made["id"]]
    assert len((await root.ok("GET", "/accesskeys?deleted=true", headers=as_customer))["result"]) == 2


@pytest.mark.parametrize("place", ["accesskey=", "token="])
async def test_an_access_key_comes_by_query_and_cookie_too(root: Api, place: str) -> None:
    customer = await a_customer(root)
    token = (await root.ok("POST", f"/customers/{customer}/accesskeys", {}))["token"]

    async with client_of(root.app) as client:
        by_query = await client.post(f"/v1.0/outdials?{place}{token}", json={})
        by_cookie = await client.post("/v1.0/outdials", json={}, headers={"Cookie": f"{place}{token}"})

    assert by_query.json()["customer_id"] == by_cookie.json()["customer_id"] == customer


@pytest.mark.parametrize(("named", "said"), [({"name": "the shop's dialer"}, {}), ({}, {"actor": "somebody else"})])
async def test_events_say_who_asked_whatever_a_body_claims(root: Api, named: dict[str, str], said: dict[str, str]) -> None:
    customer = await a_customer(root)
    key = await root.ok("POST", f"/customers/{customer}/accesskeys", named)
    bearer = by(key["token"])
    outdial_id = (await root.ok("POST", "/outdials", {}, headers=bearer))["id"]
    target = {"destination_0": {"type": "tel", "target": "+15551230001"}}
    await root.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": [target]}, headers=bearer)
    await root.ok("POST", "/commands", {"type": "UpdateOutdial", "outdial_id": outdial_id, "name": "x", **said}, headers=bearer)

    events = (await root.ok("GET", f"/events?outdial_id={outdial_id}", headers=bearer))["result"]

    assert len(events) == 3
    assert {event.get("actor") for event in events} == {named.get("name", key["id"])}


async def test_an_access_key_ends_when_it_was_to_end(root: Api) -> None:
    customer = await a_customer(root)
    made = await root.ok("POST", f"/customers/{customer}/accesskeys?time=iso", {"expire": 60})
    assert made["tm_expire"] > made["tm_create"]
    root.clock.at += 59_000_000
    assert await is_let_in(root, made["token"])

    root.clock.at += 1_000_000

    assert not await is_let_in(root, made["token"])


@pytest.mark.parametrize("expire", [0, -1, 1.5, "60", True, 10**12])
async def test_an_end_that_cannot_be_is_refused(root: Api, expire: Any) -> None:
    await root.refused(400, "INVALID_ARGUMENT", "POST", "/accesskeys", {"expire": expire})


async def test_customers_the_settings_name_have_keys_without_having_been_made(root: Api) -> None:
    made = await root.ok("POST", "/accesskeys", {}, headers=by("alices-token"))

    assert made["customer_id"] == ALICE
    assert (await root.ok("POST", "/outdials", {}, headers=by(made["token"])))["customer_id"] == ALICE
    await root.refused(404, "CUSTOMER_NOT_FOUND", "POST", f"/customers/{BOB[:-1]}f/accesskeys", {})


async def test_only_whoever_runs_the_service_makes_customers_and_users(root: Api) -> None:
    customer = await a_customer(root)
    user = await a_user(root, customer)
    key = (await root.ok("POST", f"/customers/{customer}/accesskeys", {}))["token"]

    for token in (key, "alices-token"):
        for method, path, body in (
            ("GET", "/customers", None),
            ("POST", "/customers", {}),
            ("GET", f"/customers/{customer}", None),
            ("POST", f"/customers/{customer}/accesskeys", {}),
            ("GET", f"/customers/{customer}/users", None),
            ("POST", f"/customers/{customer}/users", {"username": "x", "password": PASSWORD}),
            ("GET", f"/customers/{customer}/users/{user}", None),
            ("PUT", f"/customers/{customer}/users/{user}/password", {"password": PASSWORD}),
            ("DELETE", f"/customers/{customer}/users/{user}", None),
        ):
            error = await root.refused(403, "PERMISSION_DENIED", method, path, body, headers=by(token))
            assert error["details"][0]["rule"] == "admin_needed"


async def test_accounts_have_no_commands_of_their_own_on_this_door(root: Api) -> None:
    command = {"type": "CreateAccessKey", "customer_id": DEFAULT_CUSTOMER, "accesskey_id": BOB, "token_hash": "5e" * 32}

    error = await root.refused(403, "PERMISSION_DENIED", "POST", "/commands", command)

    assert error["details"][0]["rule"] == "account_denied"


async def test_a_user_name_is_one_users_in_all_the_service(root: Api) -> None:
    first, second = await a_customer(root), await a_customer(root)
    user = await a_user(root, first)

    for customer in (first, second):
        body = {"username": "Ann", "password": PASSWORD}
        error = await root.refused(409, "ALREADY_EXISTS", "POST", f"/customers/{customer}/users", body)
        assert error["details"][0]["rule"] == "username_taken"
    await root.ok("DELETE", f"/customers/{first}/users/{user}")
    await a_user(root, second)
    assert (await logged_in(root))["customer_id"] == second


async def test_users_are_listed_without_their_passwords(root: Api) -> None:
    customer = await a_customer(root)
    ids = [await a_user(root, customer, name) for name in ("ann", "bob")]
    await root.ok("DELETE", f"/customers/{customer}/users/{ids[0]}")

    listed = (await root.ok("GET", f"/customers/{customer}/users"))["result"]
    assert [set(row) for row in listed] == [{"id", "customer_id", "username", "tm_create", "tm_update", "tm_delete"}]
    assert (await root.ok("GET", f"/customers/{customer}/users/{ids[1]}")) == listed[0]
    assert len((await root.ok("GET", f"/customers/{customer}/users?deleted=true"))["result"]) == 2
    assert (await root.ok("GET", f"/customers/{customer}"))["name"] == "Ann's shop"
    assert [row["id"] for row in (await root.ok("GET", "/customers"))["result"]] == [customer]
    nobody = f"{customer[:-2]}00"
    await root.refused(404, "CUSTOMER_NOT_FOUND", "GET", f"/customers/{nobody}")
    await root.refused(404, "CUSTOMER_NOT_FOUND", "GET", f"/customers/{nobody}/users")
    await root.refused(404, "CUSTOMER_NOT_FOUND", "POST", f"/customers/{nobody}/users", {"username": "x", "password": PASSWORD})
    await root.refused(404, "USER_NOT_FOUND", "GET", f"/customers/{customer}/users/{nobody}")
    await root.refused(404, "USER_NOT_FOUND", "DELETE", f"/customers/{customer}/users/{nobody}")


@pytest.mark.parametrize("password", ["", "short", 7, None, "x" * 2_000])
async def test_a_password_has_a_length_people_can_bear(root: Api, password: Any) -> None:
    body = {"username": "ann", "password": password}
    await root.refused(400, "INVALID_ARGUMENT", "POST", f"/customers/{DEFAULT_CUSTOMER}/users", body)


async def test_another_customers_key_is_as_unknown_as_one_that_is_not_there(root: Api) -> None:
    made = await root.ok("POST", "/accesskeys", {}, headers=by("alices-token"))
    for token in ("bobs-token", (await root.ok("POST", "/accesskeys", {}, headers=by("bobs-token")))["token"]):
        for method in ("GET", "DELETE"):
            await root.refused(404, "ACCESSKEY_NOT_FOUND", method, f"/accesskeys/{made['id']}", headers=by(token))
        assert made["id"] not in str(await root.ok("GET", "/accesskeys?sessions=true", headers=by(token)))
    assert await is_let_in(root, made["token"])


async def test_the_history_shows_what_happened_to_an_account_and_no_hash(root: Api) -> None:
    customer = await a_customer(root)
    user = await a_user(root, customer)
    key = (await root.ok("POST", f"/customers/{customer}/accesskeys", {}))["token"]
    await root.ok("PUT", f"/customers/{customer}/users/{user}/password", {"password": "another password"})

    page = await root.ok("GET", "/events", headers=by(key))

    found = page["result"]
    assert [event["type"] for event in found] == ["CustomerCreated", "UserCreated", "AccessKeyCreated", "UserPasswordSet"]
    assert not any("hash" in name for event in found for name in event["data"])
    assert hashed(key) not in str(page)
    assert "scrypt" not in str(page)
    assert (await root.ok("GET", "/events", headers=by("alices-token")))["result"] == []


@pytest.mark.only("embedded", why="it is about the file the embedded runtime keeps")
async def test_no_token_and_no_password_stands_in_any_file(root: Api, tmp_path: Path) -> None:
    customer = await a_customer(root)
    await a_user(root, customer)
    key = (await root.ok("POST", f"/customers/{customer}/accesskeys", {}))["token"]
    session = (await logged_in(root))["token"]

    kept = all_files(tmp_path)

    assert customer.encode() in kept
    for secret in (key, session, PASSWORD):
        assert secret.encode() not in kept


async def test_an_open_server_judges_its_own_tokens_and_ignores_others(opened: Opened) -> None:
    api = await opened()
    customer = await a_customer(api)
    made = await api.ok("POST", f"/customers/{customer}/accesskeys", {})

    assert (await api.ok("POST", "/outdials", {}, headers=by(made["token"])))["customer_id"] == customer
    assert (await api.ok("POST", "/outdials", {}, headers=by("something")))["customer_id"] == DEFAULT_CUSTOMER
    await api.ok("DELETE", f"/accesskeys/{made['id']}", headers=by(made["token"]))
    await api.refused(401, "INVALID_CREDENTIALS", "GET", "/outdials", headers=by(made["token"]))


async def test_what_is_read_for_long_ends_with_the_key(root: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LONGEST_PAUSE_S", 0.05)
    made = await root.ok("POST", "/accesskeys", {}, headers=by("alices-token"))

    async with served(root.app) as url, httpx.AsyncClient(base_url=url, headers=by(made["token"]), timeout=60) as client:
        async with client.stream("GET", "/v1.0/events/stream") as stream:
            lines = stream.aiter_lines()
            polled = asyncio.create_task(client.get(f"/v1.0/dial_requests?after={root.runtime.position}&wait_ms=30000"))
            assert await anext(lines) == "retry: 2000"
            await root.ok("DELETE", f"/accesskeys/{made['id']}", headers=by("alices-token"))
            async with asyncio.timeout(25):
                rest = [line async for line in lines]
        async with asyncio.timeout(25):
            assert (await polled).json().get("result", []) == []  # or it came too late and was refused
    assert not any("AccessKeyDeleted" in line for line in rest)


@pytest.fixture
def settings_of_doors() -> Settings:
    return CLOSED


@pytest.mark.only("kafka", why="the embedded runtime is one process")
async def test_a_key_made_or_revoked_at_one_process_is_so_at_every_other_at_once(doors: list[Api]) -> None:
    for number in range(12):
        here, *others = doors[number % 3 :] + doors[: number % 3]
        customer = (await here.ok("POST", "/customers", {}, headers=by(ROOTS)))["id"]
        made = await here.ok("POST", f"/customers/{customer}/accesskeys", {}, headers=by(ROOTS))
        carried = by(made["token"])
        for there in others:
            assert (await there.ok("POST", "/outdials", {}, headers=carried))["customer_id"] == customer
        await others[0].ok("DELETE", f"/accesskeys/{made['id']}", headers=carried)
        for there in doors:
            for method, path in (("GET", "/outdials"), ("GET", "/outdials?stale=1"), ("POST", "/outdials")):
                await there.refused(401, "INVALID_CREDENTIALS", method, path, {} if method == "POST" else None, headers=carried)


@pytest.mark.only("kafka", why="the embedded runtime is one process")
async def test_a_login_holds_at_every_process(doors: list[Api]) -> None:
    customer = (await doors[1].ok("POST", "/customers", {}, headers=by(ROOTS)))["id"]
    body = {"username": "ann", "password": PASSWORD}
    await doors[1].ok("POST", f"/customers/{customer}/users", body, headers=by(ROOTS))

    session = (await doors[2].http.post("/auth/login", json=body)).json()

    for api in doors:
        assert (await api.ok("POST", "/outdials", {}, headers=by(session["token"])))["customer_id"] == customer
