"""Who may: tokens in every place the contract has them, tenants apart, foreign pages kept out."""

import io
import logging

import httpx
import pytest
import uvicorn

from api.door import ALICE, ALICES, BOB, BOBS, TOKENS, Opened, served
from outdial.doors.api.deps import DEFAULT_CUSTOMER, Settings

CLOSED = Settings(tokens=TOKENS)
NO_URLS = Settings(tokens=TOKENS, tokens_in_urls=False)


@pytest.mark.parametrize(
    ("query", "headers", "customer"),
    [
        ("", {"Authorization": f"Bearer {ALICES}"}, ALICE),
        ("", {"Authorization": f"bearer  {ALICES}"}, ALICE),
        (f"?token={ALICES}", {}, ALICE),
        ("", {"Cookie": f"token={ALICES}"}, ALICE),
        (f"?accesskey={ALICES}", {}, ALICE),
        ("", {"Cookie": f"other=1; accesskey={ALICES}"}, ALICE),
        (f"?token={BOBS}", {"Authorization": f"Bearer {ALICES}"}, ALICE),
        (f"?token={ALICES}", {"Cookie": f"token={BOBS}"}, ALICE),
        (f"?accesskey={BOBS}", {"Cookie": f"token={ALICES}"}, ALICE),
        (f"?accesskey={ALICES}", {"Cookie": f"accesskey={BOBS}"}, ALICE),
        (f"?page_size=1&token={ALICES}&deleted=true", {}, ALICE),
    ],
)
async def test_the_first_credential_in_the_contracts_order_decides(
    opened: Opened, query: str, headers: dict[str, str], customer: str
) -> None:
    api = await opened(CLOSED)

    made = await api.ok("POST", f"/outdials{query}", {}, headers=headers)

    assert made["customer_id"] == customer


async def test_without_a_credential_authentication_is_required(opened: Opened) -> None:
    api = await opened(CLOSED)

    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Cookie": "other=1"}, {"Cookie": "\x01;;="}):
        error = await api.refused(401, "AUTHENTICATION_REQUIRED", "GET", "/outdials", headers=headers)
        assert error["status"] == "UNAUTHENTICATED"
    assert api.seen[-1].headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"Authorization": "Bearer wrong"}),
        ("", {"Authorization": "Bearer "}),
        ("?token=wrong", {}),
        ("?token=", {}),
        ("?accesskey=wrong", {}),
        ("", {"Cookie": "token=wrong"}),
        (f"?token={ALICES}", {"Authorization": "Bearer wrong"}),
        ("?token=wrong", {"Cookie": f"token={ALICES}"}),
    ],
)
async def test_a_wrong_credential_is_refused_whatever_comes_after_it(opened: Opened, query: str, headers: dict[str, str]) -> None:
    api = await opened(CLOSED)

    error = await api.refused(401, "INVALID_CREDENTIALS", "GET", f"/outdials{query}", headers=headers)

    assert "wrong" not in error["message"]


async def test_query_and_cookie_tokens_can_be_turned_off(opened: Opened) -> None:
    api = await opened(NO_URLS)

    await api.refused(401, "AUTHENTICATION_REQUIRED", "GET", f"/outdials?token={ALICES}")
    await api.refused(401, "AUTHENTICATION_REQUIRED", "GET", "/outdials", headers={"Cookie": f"accesskey={ALICES}"})
    await api.ok("GET", "/outdials", headers={"Authorization": f"Bearer {ALICES}"})


async def test_another_customers_things_are_as_unknown_as_those_that_are_not_there(opened: Opened) -> None:
    alice, bob = await opened(CLOSED, ALICES), await opened(CLOSED, BOBS)
    outdial_id = await alice.outdial(name="hers")
    target = await alice.target(outdial_id)
    plan = await alice.ok("POST", "/outplans", {})
    campaign = await alice.ok("POST", "/campaigns", {})
    await alice.run(outdial_id)
    [request] = await alice.requests()
    path = f"/outdials/{outdial_id}"

    for method, tail, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "his"}),
        ("PUT", "/data", {"data": "his"}),
        ("PUT", "/campaign_id", {"campaign_id": campaign["id"]}),
        ("PUT", "/dialing", {"status": "stop"}),
        ("GET", "/dialing", None),
        ("GET", "/stats", None),
        ("DELETE", "", None),
        ("GET", "/targets", None),
        ("POST", "/targets", {"destination_0": {"type": "tel", "target": "+15551230002"}}),
        ("GET", f"/targets/{target['id']}", None),
        ("DELETE", f"/targets/{target['id']}", None),
        ("GET", f"/targets/{target['id']}/calls", None),
        ("GET", f"/targets/{target['id']}/history", None),
    ):
        await bob.refused(404, "OUTDIAL_NOT_FOUND", method, path + tail, body)
    await bob.refused(404, "OUTDIAL_NOT_FOUND", "GET", f"/events?outdial_id={outdial_id}")
    await bob.refused(404, "OUTPLAN_NOT_FOUND", "PUT", f"/outplans/{plan['id']}", {"name": "his"})
    await bob.refused(404, "CAMPAIGN_NOT_FOUND", "PUT", f"/campaigns/{campaign['id']}/status", {"status": "run"})
    await bob.refused(404, "CAMPAIGNCALL_NOT_FOUND", "GET", f"/campaigncalls/{request['attempt_id']}")
    for word, more in (("dial_claims", {"worker": "w"}), ("dial_answers", {}), ("dial_results", {"outcome": "busy"})):
        await bob.refused(404, "CAMPAIGNCALL_NOT_FOUND", "POST", f"/{word}", {"attempt_id": request["attempt_id"], **more})
        said = {"attempt_id": request["attempt_id"], "outdial_id": outdial_id, "target_id": target["id"], **more}
        await bob.refused(404, "OUTDIAL_NOT_FOUND", "POST", f"/{word}", said)
    await bob.refused(400, "INVALID_ARGUMENT", "POST", "/campaigns", {"outdial_id": outdial_id})
    for listed in ("outdials", "outplans", "campaigns", "campaigncalls", "dial_requests", "events"):
        assert (await bob.ok("GET", f"/{listed}"))["result"] == []
    assert len((await alice.ok("GET", "/outdials"))["result"]) == 1


async def test_without_tokens_everybody_is_the_one_customer_and_sent_tokens_do_no_harm(opened: Opened) -> None:
    api = await opened()

    made = await api.ok("POST", "/outdials?token=<YOUR_AUTH_TOKEN>", {}, headers={"Cookie": "token=<YOUR_AUTH_TOKEN>"})

    assert made["customer_id"] == DEFAULT_CUSTOMER


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "127.8.8.8", "[::1]:8080", "api.localhost"])
async def test_an_open_server_answers_under_its_loopback_names(opened: Opened, host: str) -> None:
    await (await opened()).ok("GET", "/outdials", headers={"Host": host})


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1", "[fe80::1]", "[::1", "evil.example:80"])
async def test_an_open_server_refuses_a_name_that_was_bound_to_it_from_outside(opened: Opened, host: str) -> None:
    await (await opened()).refused(403, "PERMISSION_DENIED", "GET", "/outdials", headers={"Host": host})


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:9999", "http://localhost.evil.example", "http://[", "http://[::1", "", "x"]
)
async def test_pages_of_another_site_change_nothing_on_an_open_server(opened: Opened, origin: str) -> None:
    api = await opened()

    for method, path in (("POST", "/outdials"), ("PUT", "/outdials/x"), ("DELETE", "/outdials/x"), ("POST", "/dial_results")):
        await api.refused(403, "PERMISSION_DENIED", method, path, {}, headers={"Origin": origin})
    await api.ok("GET", "/outdials", headers={"Origin": origin})
    await api.ok("POST", "/outdials", {}, headers={"Origin": "http://localhost"})


async def test_a_cookie_does_not_let_another_site_change_anything(opened: Opened) -> None:
    api = await opened(CLOSED)
    foreign = {"Origin": "https://evil.example"}

    await api.refused(403, "PERMISSION_DENIED", "POST", "/outdials", {}, headers={"Origin": "http://[", "Cookie": f"token={ALICES}"})
    await api.refused(403, "PERMISSION_DENIED", "POST", "/outdials", {}, headers={**foreign, "Cookie": f"token={ALICES}"})
    await api.ok("POST", "/outdials", {}, headers={**foreign, "Authorization": f"Bearer {ALICES}"})


async def test_health_and_documents_need_no_token(opened: Opened) -> None:
    api = await opened(CLOSED)

    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert (await api.http.get(path)).status_code == 200


@pytest.mark.parametrize(
    "spelled",
    [
        f"token={ALICES}",
        f"page_size=5&token={ALICES}",
        f"accesskey={ALICES}&x=1",
        f"%74oken={ALICES}",
        f"Token={ALICES}",
        f"token={ALICES}&token={ALICES}",
    ],
)
async def test_a_query_token_stands_in_no_log(opened: Opened, spelled: str, caplog: pytest.LogCaptureFixture) -> None:
    api = await opened(CLOSED)
    logged = io.StringIO()
    config = {**uvicorn.config.LOGGING_CONFIG}
    config["handlers"] = {name: {**handler, "stream": logged} for name, handler in config["handlers"].items()}
    caplog.set_level(logging.DEBUG)

    async with served(api.app, log_config=config, access_log=True) as url, httpx.AsyncClient(base_url=url) as client:
        for path in ("/v1.0/outdials", "/v1.0/nowhere", "/docs", f"/v1.0/outdials/{BOB}"):
            await client.get(f"{path}?{spelled}")
        await client.post(f"/v1.0/outdials?{spelled}", content=b"{")

    assert "/v1.0/nowhere" in logged.getvalue()
    assert ALICES not in logged.getvalue()
    assert ALICES not in "".join(record.getMessage() for record in caplog.records if record.name.startswith(("uvicorn", "outdial")))
