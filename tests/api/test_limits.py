"""Limits: none unless they are set; by address and by customer; whoever waits as long as they are told gets in."""

from dataclasses import dataclass, replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.door import ALICES, BOBS, TOKENS, Api, Opened
from outdial.doors.api import limits
from outdial.doors.api.deps import LOGINS, Settings
from outdial.doors.api.errors import Refused
from outdial.doors.api.limits import Limiter, Rate


@dataclass
class Seconds:
    """A clock moved by hand."""

    at: float = 1_000.0

    def __call__(self) -> float:
        return self.at


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def asked_from(api: Api, address: str) -> httpx.AsyncClient:
    """A client at an address, with Alice's token."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(api.app, client=(address, 5)), base_url="http://localhost", headers=by(ALICES))


async def test_there_is_no_limit_unless_one_is_set(opened: Opened) -> None:
    api = await opened(Settings(tokens=TOKENS))

    for _ in range(500):
        assert (await api.call("GET", "/nowhere", headers=by(ALICES))).status_code == 404


async def test_an_address_that_asks_too_often_waits_and_another_does_not(opened: Opened) -> None:
    clock = Seconds()
    api = await opened(Settings(tokens=TOKENS, rate_of_address=Rate(0.5, 3), clock=clock))

    async with asked_from(api, "192.0.2.1") as here, asked_from(api, "192.0.2.2") as there:
        for path in ("/v1.0/outdials", "/v1.0/nowhere", "/auth/nowhere"):
            assert (await here.get(path)).status_code in (200, 404)
        refused = await here.get("/v1.0/outdials")
        error = refused.json()["error"]
        assert (refused.status_code, error["status"], error["reason"]) == (429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
        assert error["details"][0]["limited_by"] == "ip"
        assert refused.headers["retry-after"] == "2"
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await here.get(path)).status_code == 200
        assert (await there.get("/v1.0/outdials")).status_code == 200
        clock.at += 2
        assert (await here.get("/v1.0/outdials")).status_code == 200
        assert (await here.get("/v1.0/outdials")).status_code == 429


async def test_an_address_is_limited_before_it_is_asked_who_it_is(opened: Opened) -> None:
    api = await opened(Settings(tokens=TOKENS, rate_of_address=Rate(1, 5), clock=Seconds()))

    found = [(await api.call("GET", "/outdials", headers=by(f"guess {number}"))).status_code for number in range(8)]

    assert found == [401] * 5 + [429] * 3


async def test_a_customer_who_asks_too_often_waits_wherever_they_ask_from_and_others_do_not(opened: Opened) -> None:
    clock = Seconds()
    api = await opened(Settings(tokens=TOKENS, rate_of_customer=Rate(16.7, 33), clock=clock))

    async with asked_from(api, "192.0.2.1") as here, asked_from(api, "192.0.2.2") as there:
        for number in range(33):
            assert (await (here, there)[number % 2].get("/v1.0/outdials")).status_code == 200
        for client in (here, there):
            refused = await client.post("/v1.0/outdials", json={})
            assert (refused.status_code, refused.json()["error"]["details"][0]["limited_by"]) == (429, "customer")
            assert refused.headers["retry-after"] == "1"
    assert (await api.call("GET", "/outdials", headers=by(BOBS))).status_code == 200
    assert (await api.call("GET", "/outdials", headers=by("wrong"))).status_code == 401
    clock.at += 1
    assert (await api.call("GET", "/outdials", headers=by(ALICES))).status_code == 200


async def test_logins_are_limited_also_where_nothing_else_is_and_recover(opened: Opened) -> None:
    clock = Seconds()
    api = await opened(replace(Settings(tokens=TOKENS), clock=clock))
    body = {"username": "ann", "password": "a guess"}

    found = [(await api.http.post("/auth/login", json=body)).status_code for _ in range(LOGINS.burst + 1)]
    clock.at += 10
    assert [*found, (await api.http.post("/auth/login", json=body)).status_code] == [401] * LOGINS.burst + [429, 401]


@given(st.floats(0.01, 1_000), st.integers(1, 50), st.lists(st.floats(0, 30, allow_nan=False) | st.just(0.0), min_size=1, max_size=200))
def test_no_more_get_in_than_the_rate_says_and_whoever_waits_as_told_does(per_second: float, burst: int, pauses: list[float]) -> None:
    clock = Seconds()
    limiter = Limiter(Rate(per_second, burst), "ip", clock)
    began = clock.at
    for let_in, pause in enumerate(pauses, 1):
        clock.at += pause
        try:
            limiter.take("a")
        except Refused as why:
            clock.at += int(why.headers["Retry-After"])
            limiter.take("a")
        assert let_in <= burst + (clock.at - began) * per_second + 1e-6


def test_those_that_have_not_been_for_long_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_KNOWN", 2)
    limiter = Limiter(Rate(0.001, 1), "ip", Seconds())
    limiter.take("a")
    limiter.take("b")
    with pytest.raises(Refused):
        limiter.take("a")
    limiter.take("c")
    limiter.take("b")
    with pytest.raises(Refused):
        limiter.take("b")


@pytest.mark.parametrize(("text", "rate"), [("200/400", Rate(200, 400)), ("16.7", Rate(16.7, 34)), ("0.1", Rate(0.1, 1))])
def test_a_rate_is_so_many_a_second_and_so_many_at_once(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate
