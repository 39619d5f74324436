"""Notices over a websocket: who may listen, to what, from where on, and how it ends."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.door import ALICE, ALICES, BOB, BOBS, TOKENS, Api, Opened, served
from outdial.doors.api import notices, sockets, upgrade
from outdial.doors.api.deps import DEFAULT_CUSTOMER, Settings
from outdial.doors.api.upgrade import WEBSOCKETS, Upgraded
from outdial.listening import TOLD
from outdial.position import Position

CLOSED = Settings(tokens=TOKENS)
DEADLINE_S = 30
NARROW = 4_096
"""Bytes."""
ALL = f"customer_id:{DEFAULT_CUSTOMER}"


@asynccontextmanager
async def address(api: Api, **config: Any) -> AsyncIterator[str]:
    """Where a real server of the door speaks websocket."""
    async with served(api.app, **{**WEBSOCKETS, **config}) as url, asyncio.timeout(2 * DEADLINE_S):
        yield url.replace("http", "ws") + "/v1.0/ws"


@asynccontextmanager
async def listening(api: Api, *topics: str) -> AsyncIterator[ClientConnection]:
    """A socket with topics in force."""
    async with address(api) as url, connect(url) as ws:
        await wish(ws, "subscribe", *topics)
        yield ws


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def heard(ws: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await ws.recv())
    return found


async def wish(ws: ClientConnection, kind: str, *topics: str) -> dict[str, Any]:
    """What the answer to a wish says."""
    await ws.send(json.dumps({"type": kind, "topics": topics, "id": "7"}))
    return await heard(ws)


async def refusal(url: str, **more: Any) -> tuple[int, str]:
    """The status and reason a socket is refused with."""
    with pytest.raises(InvalidStatus) as why:
        async with connect(url, **more):
            pass
    return why.value.response.status_code, json.loads(why.value.response.body)["error"]["reason"]


async def ended(ws: ClientConnection) -> tuple[int | None, str | None]:
    """Code and reason of the close that comes, whatever comes before it."""
    await left(ws)
    return ws.close_code, ws.close_reason


async def left(ws: ClientConnection) -> list[dict[str, Any]]:
    """What still comes before a socket is closed."""
    return [json.loads(text) async for text in while_open(ws)]


async def while_open(ws: ClientConnection) -> AsyncIterator[str | bytes]:
    with suppress(ConnectionClosed):
        while True:
            yield await ws.recv()


async def test_what_happens_is_told_in_voipbins_words_as_the_pages_tell_it(api: Api) -> None:
    async with listening(api, ALL) as ws:
        outdial_id = await api.outdial(name="a")
        await api.target(outdial_id)
        await api.run(outdial_id)
        await api.requests()
        told = [await heard(ws) for _ in range(4)]

    words = ["outdial_created", "outdialtarget_created", "outdialtarget_updated", "campaigncall_created"]
    assert [one["type"] for one in told] == words
    assert {name for one in told for name in meant(one)} == {"OutdialNotice", "OutdialtargetNotice", "CampaigncallNotice"}
    pages = (await api.ok("GET", "/events?names=voipbin"))["result"]
    assert [(one["type"], one["data"], one["id"]) for one in told] == [(one["type"], one["data"], one["id"]) for one in pages]


async def test_a_topic_is_a_customer_a_resource_or_one_of_it(api: Api) -> None:
    first, second = await api.outdial(name="a"), await api.outdial(name="b")
    async with listening(api, f"{ALL}:outdial:{second}", f"{ALL}:outplan:*", f"{ALL}:outdialtarget") as ws:
        await api.ok("PUT", f"/outdials/{first}", {"name": "c"})
        await api.ok("POST", "/outplans", {})
        await api.target(first)
        await api.ok("PUT", f"/outdials/{second}", {"name": "d"})
        told = [await heard(ws) for _ in range(3)]

    assert sorted(one["type"] for one in told) == ["outdial_updated", "outdialtarget_created", "outplan_created"]
    assert [one["data"]["id"] for one in told if one["type"] == "outdial_updated"] == [second]


async def test_what_is_no_longer_wanted_is_not_told_and_what_is_wanted_again_is_from_then_on(api: Api) -> None:
    async with listening(api, ALL) as ws:
        assert (await wish(ws, "unsubscribe", ALL))["topics"] == []
        await api.outdial(name="unheard")
        said = await wish(ws, "subscribe", f"{ALL}:outdial", f"{ALL}:call:*")
        await api.outdial(name="heard")
        told = await heard(ws)

    assert meant(said) == ["Heard"]
    assert (said["type"], said["topics"], said["silent"]) == ("subscribed", [f"{ALL}:outdial", f"{ALL}:call:*"], [f"{ALL}:call:*"])
    assert told["data"]["name"] == "heard"


async def test_a_socket_goes_on_after_the_position_of_any_notice(api: Api) -> None:
    outdial_id = await api.outdial(name="a")
    await api.target(outdial_id)
    await api.run(outdial_id)
    await api.requests()
    async with address(api) as url:
        whole = await told_after(url, "0", 4)
        for at, one in enumerate(whole[:-1]):
            # The last two are of one event: they come again together.
            rest = whole[2:] if at == 2 else whole[at + 1 :]
            assert await told_after(url, one["position"], len(rest)) == rest


async def test_who_would_begin_after_the_end_of_the_log_is_refused(api: Api) -> None:
    *marks, last = api.runtime.position.marks
    async with address(api) as url:
        assert await refusal(f"{url}?after={Position((*marks, last + 1))}") == (400, "INVALID_REQUEST_PARAMETER")


async def told_after(url: str, position: str, count: int) -> list[dict[str, Any]]:
    """The notices after a position."""
    async with connect(f"{url}?after={position}") as ws:
        await wish(ws, "subscribe", ALL)
        return [await heard(ws) for _ in range(count)]


def meant(said: dict[str, Any]) -> list[str]:
    """The messages of the document that something said on the websocket is, fields and all."""
    found = []
    for name, model in TOLD.items():
        with suppress(ValidationError):
            made = model.model_validate(said)
            if not made.model_extra and not getattr(getattr(made, "data", None), "model_extra", None):
                found.append(name)
    return found


@pytest.mark.only("embedded", why="it is about the words, not about what is read")
async def test_without_an_id_nothing_is_answered_and_times_come_as_asked_for(api: Api) -> None:
    async with address(api) as url, connect(f"{url}?time=iso&after=0") as ws:
        await ws.send(json.dumps({"type": "subscribe", "topics": [f"{ALL}:outdial:*"], "more": 1}))
        await api.outdial()
        told = await heard(ws)

    assert (told["type"], told["data"]["tm_delete"]) == ("outdial_created", None)


async def test_each_customer_hears_their_own_and_another_ones_topic_is_denied_whether_or_not_they_exist(opened: Opened) -> None:
    alice, bob = await opened(CLOSED, ALICES), await opened(CLOSED, BOBS)
    hers = await alice.outdial(name="hers")
    nobody = "0c000000-0000-4000-8000-000000000003"
    async with address(bob) as url, connect(f"{url}?token={BOBS}&after=0") as ws:
        said = [
            (await wish(ws, "subscribe", f"customer_id:{BOB}", topic))["error"]
            for topic in (f"customer_id:{ALICE}", f"customer_id:{nobody}", f"customer_id:{ALICE}:outdial:{hers}")
        ]
        await wish(ws, "subscribe", f"customer_id:{BOB}:outdial:{hers}", f"agent_id:{ALICE}:call:*", f"customer_id:{BOB}:outplan")
        await alice.ok("PUT", f"/outdials/{hers}", {"name": "changed"})
        await bob.ok("POST", "/outplans", {"name": "his"})
        told = await heard(ws)

    assert [one["reason"] for one in said] == ["PERMISSION_DENIED"] * 3
    assert len({(one["message"], json.dumps(one["details"])) for one in said}) == 1
    assert (told["type"], told["data"]["name"]) == ("outplan_created", "his")


@pytest.mark.only("embedded", why="it is about who asks, before any runtime is asked")
async def test_who_may_not_listen_is_told_so_before_it_is_a_websocket(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    foreign = {"Cookie": f"token={ALICES}", "Origin": "https://evil.example"}
    async with address(await opened(CLOSED)) as url:
        assert await refusal(url) == (401, "AUTHENTICATION_REQUIRED")
        assert await refusal(f"{url}?token=wrong") == (401, "INVALID_CREDENTIALS")
        assert await refusal(url, additional_headers=by("wrong")) == (401, "INVALID_CREDENTIALS")
        assert await refusal(url, additional_headers=foreign) == (403, "PERMISSION_DENIED")
        assert await refusal(url, additional_headers={**foreign, "Origin": "null"}) == (403, "PERMISSION_DENIED")
        assert await refusal(f"{url}?token={ALICES}&after=nowhere") == (400, "INVALID_REQUEST_PARAMETER")

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.only("embedded", why="it is about the words, not about what is read")
async def test_who_asks_for_it_over_plain_http_is_told_that_it_is_a_websocket(api: Api) -> None:
    answer = await api.http.get("/v1.0/ws")

    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    assert answer.json()["error"]["reason"] == "UPGRADE_REQUIRED"


@pytest.mark.only("embedded", why="it is about who asks, before any runtime is asked")
async def test_a_token_is_taken_from_wherever_the_contract_has_it_and_lets_a_page_of_another_site_in(opened: Opened) -> None:
    api = await opened(CLOSED)
    async with address(api) as url:
        own = url.replace("ws://", "http://").removesuffix("/v1.0/ws")
        for query, headers in (
            (f"?token={ALICES}", {"Origin": "https://her.example"}),
            (f"?accesskey={ALICES}", {}),
            ("", by(ALICES)),
            ("", {"Cookie": f"token={ALICES}", "Origin": own}),
        ):
            async with connect(url + query, additional_headers=headers) as ws:
                assert ws.response is not None
                assert ws.response.headers["x-request-id"].startswith("req_")
                assert (await wish(ws, "subscribe", f"customer_id:{ALICE}"))["type"] == "subscribed"


@pytest.mark.only("embedded", why="it is about who asks, before any runtime is asked")
async def test_a_page_of_another_site_does_not_listen_to_an_open_server(api: Api) -> None:
    async with address(api) as url:
        assert await refusal(url, additional_headers={"Origin": "https://evil.example"}) == (403, "PERMISSION_DENIED")


@pytest.mark.only("embedded", why="it is about what a client says, before any runtime is asked")
async def test_a_wish_that_cannot_be_met_is_refused_whole_and_the_socket_stays(api: Api) -> None:
    refused: list[tuple[str | bytes, str]] = [
        ("{", "json_invalid"),
        ("[]", "field_invalid"),
        (b"{}", "field_invalid"),
        ("{}", "field_missing"),
        ('{"type": "publish", "topics": []}', "field_invalid"),
        (subscribe("call"), "topic_invalid"),
        (subscribe("customer_id:x"), "topic_invalid"),
        (subscribe(f"{ALL}:outplan", f"{ALL}:*:{DEFAULT_CUSTOMER}"), "topic_invalid"),
        (subscribe(f"{ALL}:outdial:{DEFAULT_CUSTOMER}:x"), "topic_invalid"),
        (subscribe(*(f"{ALL}:word{n}" for n in range(101))), "too_many_topics"),
    ]
    async with listening(api) as ws:
        said = []
        for message, _ in refused:
            await ws.send(message)
            said.append(await heard(ws))
        assert {one["type"] for one in said} == {"refused"}
        assert [meant(one) for one in said] == [["WishRefused"]] * len(refused)
        assert [one["error"]["details"][0]["rule"] for one in said] == [rule for _, rule in refused]
        assert (await wish(ws, "subscribe", ALL))["topics"] == [ALL]


def subscribe(*topics: str) -> str:
    """A wish for topics that nobody answers."""
    return json.dumps({"type": "subscribe", "topics": topics})


@pytest.mark.only("embedded", why="it is about what a client says, before any runtime is asked")
async def test_a_message_that_is_too_long_ends_it(api: Api) -> None:
    async with listening(api) as ws:
        await ws.send("x" * (upgrade.LARGEST + 1))
        code, _ = await ended(ws)

    assert code == 1009


@pytest.mark.only("embedded", why="it is about who asks, before any runtime is asked")
async def test_a_customer_has_so_many_sockets_and_no_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "MOST_SOCKETS", 1)
    async with address(api) as url:
        async with connect(url):
            assert await refusal(url) == (429, "RATE_LIMIT_EXCEEDED")
        await emptied(api, DEFAULT_CUSTOMER)
        async with connect(url):
            pass


async def emptied(api: Api, customer_id: str) -> None:
    """Wait until a customer has no socket any more."""
    while api.app.state.door.sockets[customer_id]:  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0.01)


async def test_a_key_that_is_deleted_ends_what_it_opened(opened: Opened) -> None:
    api = await opened(CLOSED, ALICES)
    key = await api.ok("POST", "/accesskeys", {"name": "a socket's"})
    async with address(api) as url, connect(f"{url}?token={key['token']}") as ws:
        await wish(ws, "subscribe", f"customer_id:{ALICE}")
        await api.ok("DELETE", f"/accesskeys/{key['id']}")
        code, why = await ended(ws)

    assert (code, (why or "").partition(":")[0]) == (1008, "token_over")


@pytest.mark.only("embedded", why="it is about the server, not about what is read")
async def test_a_server_that_stops_says_that_it_goes_away(api: Api) -> None:
    async with address(api) as url:
        idle, busy = await connect(url), await connect(url)
        await wish(busy, "subscribe", ALL)
    for ws in (idle, busy):
        assert await ended(ws) == (1001, "stopping")
        await ws.close()


class Narrow(Upgraded):
    """A connection whose kernel keeps little for its reader."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
        super().connection_made(transport)


@pytest.mark.only("embedded", why="it is about a reader, not about what is read")
async def test_a_reader_who_takes_nothing_is_closed_with_the_reason_and_goes_on_where_it_was(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SLOW_S", 0.2)
    monkeypatch.setattr(upgrade, "LEAVE_S", 60.0)
    count = 12
    for at in range(count):
        await api.outdial(name=str(at), data="x" * 60_000)
    async with address(api, ws=Narrow) as url:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
        sock.connect(("127.0.0.1", int(url.rsplit(":", 1)[1].partition("/")[0])))
        sock.setblocking(False)  # noqa: FBT003
        async with connect(f"{url}?after=0", sock=sock, max_queue=1, ping_interval=None) as ws:
            await ws.send(subscribe(ALL))
            await emptied(api, DEFAULT_CUSTOMER)
            taken = await left(ws)
        async with connect(f"{url}?after={taken[-1]['position']}") as again:
            await again.send(subscribe(ALL))
            while len(taken) < count:
                taken.append(await heard(again))

    assert (ws.close_code, (ws.close_reason or "").partition(":")[0]) == (1013, "reader_slow")
    assert [one["data"]["name"] for one in taken] == [str(at) for at in range(count)]


@pytest.mark.only("embedded", why="it is about what the server logs")
async def test_what_fails_here_ends_the_socket_without_values(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> list[Any]:
        raise LookupError("+15551230001")

    async with listening(api, ALL) as ws:
        monkeypatch.setattr(notices, "told", fails)
        await api.outdial()
        assert await ended(ws) == (1011, "internal")

    assert "LookupError" in caplog.text
    assert "+15551230001" not in caplog.text


@pytest.mark.only("embedded", why="it is about what the server logs")
async def test_no_token_and_no_frame_stands_in_a_log_at_any_level(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    api = await opened(CLOSED, ALICES)
    number = "+15551239876"
    caplog.set_level(logging.DEBUG)
    async with address(api, access_log=True) as url:
        for query, headers in (
            (f"?%74oken={ALICES}", {}),
            (f"?after=0&Token={ALICES}&x=1", {}),
            ("", {"Cookie": f"token={ALICES}"}),
            ("", by(ALICES)),
        ):
            async with connect(url + query, additional_headers=headers) as ws:
                await wish(ws, "subscribe", f"customer_id:{ALICE}")
                await api.target(await api.outdial(), number)
                while (await heard(ws))["type"] != "outdialtarget_created":
                    pass
        assert (await refusal(f"{url}?token=not-{ALICES}"))[0] == 401

    logged = [record.getMessage() for record in caplog.records if record.name.startswith(("uvicorn", "outdial"))]
    assert any("/v1.0/ws" in line for line in logged)
    assert [line for line in logged if ALICES in line or number.removeprefix("+") in line] == []
