"""Pages of other sites, where there is a list of those that may ask."""

import httpx
import pytest
from websockets.asyncio.client import connect

from api.door import ALICES, TOKENS, Opened
from api.test_sockets import address, by, refusal
from outdial.doors.api.deps import Settings

SITE = "https://app.example"
ELSEWHERE = ("https://evil.example", "http://app.example", "https://app.example:444", "https://sub.app.example", "null", "")
LISTED = Settings(tokens=TOKENS, allowed_origins=frozenset({SITE, "http://localhost:3000"}))
pytestmark = pytest.mark.only("embedded", why="it is about who asks, before any runtime is asked")


def allowed(answer: httpx.Response) -> dict[str, str]:
    """What an answer tells a browser."""
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


async def test_a_page_of_an_allowed_site_asks_with_a_token_and_its_browser_may_show_it_the_answer(opened: Opened) -> None:
    api = await opened(LISTED)

    for headers in ({"Origin": SITE, **by(ALICES)}, {"Origin": "http://localhost:3000", **by(ALICES)}):
        made = await api.call("POST", "/outdials", {"name": "hers"}, headers=headers)
        assert (made.status_code, made.headers["access-control-allow-origin"]) == (200, headers["Origin"])
        assert "Outdial-Position" in made.headers["access-control-expose-headers"]
        assert "Origin" in made.headers.get_list("vary")
        assert "access-control-allow-credentials" not in made.headers
    unknown = await api.call("GET", "/outdials", headers={"Origin": SITE})
    assert (unknown.status_code, unknown.headers["access-control-allow-origin"]) == (401, SITE)


@pytest.mark.parametrize("origin", ELSEWHERE)
async def test_a_page_of_any_other_site_is_denied_with_a_token_too_and_its_browser_is_told_nothing(opened: Opened, origin: str) -> None:
    api = await opened(LISTED)

    for method, path in (("GET", "/outdials"), ("POST", "/outdials"), ("GET", f"/outdials?token={ALICES}")):
        error = await api.refused(403, "PERMISSION_DENIED", method, path, headers={"Origin": origin, **by(ALICES)})
        assert error["details"][0]["rule"] == "origin_denied"
        assert allowed(api.seen[-1]) == {}
    login = await api.http.post("/auth/login", json={"username": "ann", "password": "x" * 8}, headers={"Origin": origin})
    assert login.status_code == 403


async def test_programs_and_the_servers_own_pages_are_not_concerned(opened: Opened) -> None:
    api = await opened(LISTED)

    await api.ok("GET", "/outdials", headers=by(ALICES))
    assert allowed(api.seen[-1]) == {}
    await api.ok("POST", "/outdials", {}, headers={"Origin": "http://localhost", "Cookie": f"token={ALICES}"})


async def test_a_cookie_is_of_no_use_to_a_page_of_an_allowed_site(opened: Opened) -> None:
    api = await opened(LISTED)

    await api.refused(403, "PERMISSION_DENIED", "POST", "/outdials", {}, headers={"Origin": SITE, "Cookie": f"token={ALICES}"})
    assert "access-control-allow-credentials" not in api.seen[-1].headers


async def test_a_browser_that_asks_first_is_told_what_it_may_send(opened: Opened) -> None:
    api = await opened(LISTED)
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,if-match"}

    answer = await api.http.options("/v1.0/outdials/x", headers={"Origin": SITE, **asked})

    assert (answer.status_code, answer.content) == (204, b"")
    told = allowed(answer)
    assert told["access-control-allow-origin"] == SITE
    assert "PUT" in told["access-control-allow-methods"]
    assert {"authorization", "if-match", "idempotency-key", "content-type"} <= {*told["access-control-allow-headers"].lower().split(", ")}
    for origin in ELSEWHERE:
        denied = await api.http.options("/v1.0/outdials/x", headers={"Origin": origin, **asked})
        assert (denied.status_code, allowed(denied)) == (403, {})


async def test_without_a_list_no_browser_is_told_anything(opened: Opened) -> None:
    api = await opened(Settings(tokens=TOKENS))

    await api.ok("GET", "/outdials", headers={"Origin": SITE, **by(ALICES)})
    asked = await api.http.options("/v1.0/outdials", headers={"Origin": SITE, "Access-Control-Request-Method": "GET"})

    assert (allowed(api.seen[-1]), asked.status_code, allowed(asked)) == ({}, 401, {})


async def test_a_page_of_an_allowed_site_listens_with_a_token_and_no_other_page_does(opened: Opened) -> None:
    async with address(await opened(LISTED)) as url:
        async with connect(f"{url}?token={ALICES}", additional_headers={"Origin": SITE}):
            pass
        for origin in ELSEWHERE[:2]:
            assert await refusal(f"{url}?token={ALICES}", additional_headers={"Origin": origin}) == (403, "PERMISSION_DENIED")
        assert await refusal(url, additional_headers={"Origin": SITE, "Cookie": f"token={ALICES}"}) == (403, "PERMISSION_DENIED")
