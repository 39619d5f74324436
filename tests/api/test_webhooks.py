"""Events are sent where customers want them: signed, in order, again until they are taken, and by one process at a time."""

import asyncio
import hmac
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from api.door import ALICES, BOBS, TOKENS, Api, Clock, Opened, client_of
from api.receiver import CUT, Receiver, receiving, silent
from both import PATIENCE_S, SOME, MakeStage
from outdial.doors.api.app import make_app
from outdial.doors.api.deps import Settings
from outdial.doors.webhooks import delivery
from outdial.doors.webhooks.delivery import Deliveries
from outdial.doors.webhooks.posting import Poster, signature
from outdial.position import Position

SECRET = "a secret of sixteen or more"  # noqa: S105  of a test
LOCAL = Settings(private_webhooks=True)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wants to wait for real waits."""
    monkeypatch.setattr(delivery, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(delivery, "NOTE_S", 0.05)
    monkeypatch.setattr(delivery, "PATIENCE_S", 0.1)
    monkeypatch.setattr(delivery, "LOOK_S", 0.2)
    monkeypatch.setattr(delivery, "RELEASE_S", PATIENCE_S)


@asynccontextmanager
async def sending(api: Api, holder: str = "one", *, private: bool = True) -> AsyncIterator[asyncio.Task[None]]:
    """A process that sends."""
    task = asyncio.create_task(Deliveries(api.app.state.door, holder, allow_private=private).run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110  any condition
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"{what} did not come true")


async def noted(api: Api, **wanted: Any) -> dict[str, Any]:
    """The webhook, once it says so."""
    found: dict[str, Any] = {}
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not wanted.items() <= (found := await api.ok("GET", "/webhook")).items():  # noqa: ASYNC110  it is asked
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"the webhook does not come to say {wanted}: {found}")
    return found


async def set_up(api: Api, receiver: Receiver, **more: Any) -> Any:
    return await api.ok("PUT", "/webhook", {"uri": receiver.uri, "secret": SECRET, **more})


async def some_events(api: Api, outdials: int = 3) -> list[dict[str, Any]]:
    """Outdials with a target each and a call; what has to be sent of all there is, in VoIPBIN's words."""
    for number in range(outdials):
        outdial_id = await api.outdial(name=f"n{number}")
        await api.target(outdial_id)
        await api.run(outdial_id)
    for request in await api.requests():
        await api.say(request, "answered")
    return await said(api)


async def said(api: Api) -> list[dict[str, Any]]:
    found = (await api.ok("GET", "/events?names=voipbin&limit=1000"))["result"]
    return [{"type": one["type"], "data": one["data"]} for one in found]


def by_stream(found: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What came of each outdial, in order; the same twice in a row once."""
    streams: dict[str, list[str]] = {}
    for one in found:
        stream = one["data"].get("outdial_id", one["data"]["id"])
        lane, text = streams.setdefault(stream, []), json.dumps(one, sort_keys=True)
        if text not in lane:
            lane.append(text)
    return streams


async def test_what_happens_is_sent_signed_and_in_order(opened: Opened) -> None:
    api = await opened(LOCAL)
    async with receiving() as receiver:
        await set_up(api, receiver)
        async with sending(api):
            wanted = await some_events(api)
            await until(lambda: len(receiver.came) >= len(wanted), "everything was sent")
        assert by_stream(receiver.taken) == by_stream(wanted)
        assert len(receiver.came) == len(wanted) == 21
        for one in receiver.came:
            assert one.line == "POST /events?line=1 HTTP/1.1"
            assert one.headers["content-type"] == "application/json"
            assert one.headers["x-voipbin-signature"] == f"sha256={hmac.new(SECRET.encode(), one.body, sha256).hexdigest()}"
            assert one.headers["outdial-event-id"].startswith("outdial/")
            assert one.headers["outdial-try"] == "1"
            assert one.headers["outdial-event-time"].endswith("Z")
        assert len({one.headers["outdial-delivery-id"] for one in receiver.came}) == len(wanted)
        last = max((one.headers["outdial-position"] for one in receiver.came), key=lambda position: Position.parse(position, 1).total)
        rest = await api.ok("GET", f"/events?names=voipbin&after={last}")
        assert rest["result"] == []


async def test_what_is_not_taken_is_sent_again_until_it_is(opened: Opened) -> None:
    api = await opened(LOCAL)
    troubles = [503, CUT, 429, 500, 200, 200, 408, CUT, 502]
    async with receiving(lambda n: troubles[n] if n < len(troubles) else 200) as receiver:
        await set_up(api, receiver)
        async with sending(api):
            wanted = await some_events(api)
            await until(lambda: len(receiver.taken) >= len(wanted), "everything was taken")
            hook = await noted(api, delivered=len(wanted), waiting=0, error=None)
        assert by_stream(receiver.taken) == by_stream(wanted)
        assert (hook["refused"], hook["lag_ms"]) == (0, 0)
        assert max(int(one.headers["outdial-try"]) for one in receiver.came) > 1


async def test_what_was_counted_while_the_rest_was_on_its_way_is_noted_as_done_in_the_end(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, hold = delivery.Delivery._send, delivery.Delivery._hold  # noqa: SLF001  a note between the two is what this is about
    sending_now: list[int] = []

    async def count(self: delivery.Delivery, sendings: Any) -> bool:
        sending_now.append(len(sendings))
        try:
            return await send(self, sendings)
        finally:
            sending_now.clear()

    async def last_moment(self: delivery.Delivery, *, release: bool = False) -> bool:
        while sending_now and self._delivered < sending_now[0]:  # noqa: ASYNC110  any condition
            await asyncio.sleep(0)
        return await hold(self, release=release)

    monkeypatch.setattr(delivery, "NOTE_S", 0.0)
    monkeypatch.setattr(delivery, "TRUST_S", 0.0)
    monkeypatch.setattr(delivery.Delivery, "_send", count)
    monkeypatch.setattr(delivery.Delivery, "_hold", last_moment)
    api = await opened(LOCAL)
    async with receiving(lambda _: 200) as receiver:
        await set_up(api, receiver)
        await api.outdial()
        async with sending(api):
            await noted(api, delivered=1, waiting=0)


async def test_what_the_receiver_refuses_is_passed_over_and_counted(opened: Opened) -> None:
    api = await opened(LOCAL)
    async with receiving(lambda n: {1: 404, 2: 302}.get(n, 200)) as receiver:
        await set_up(api, receiver)
        async with sending(api):
            outdial_id = await api.outdial()
            for number in range(5):
                await api.ok("PUT", f"/outdials/{outdial_id}", {"name": f"n{number}"})
            hook = await noted(api, delivered=4, refused=2, waiting=0)
    assert len(receiver.came) == 6
    assert all(one.line.startswith("POST /events") for one in receiver.came)
    assert hook["error"] is None
    assert hook["last_error"] in ("404", "302")


async def test_another_start_goes_on_where_the_last_one_was(opened: Opened) -> None:
    api = await opened(LOCAL)
    async with receiving() as receiver:
        await set_up(api, receiver)
        for number in range(3):
            async with sending(api, f"start {number}".replace(" ", "-")):
                await api.outdial(name=f"n{number}")
                await noted(api, waiting=0)
            await api.outdial(name=f"while away {number}")
        async with sending(api, "last"):
            await noted(api, waiting=0)
    names = [one["data"]["name"] for one in receiver.taken]
    assert sorted(names) == sorted(f"{when}{number}" for when in ("n", "while away ") for number in range(3))


async def test_a_webhook_begins_now_and_is_replayed_from_any_position(opened: Opened) -> None:
    api = await opened(LOCAL)
    await api.outdial(name="before")
    async with receiving() as receiver:
        hook = await set_up(api, receiver)
        assert (hook["waiting"], hook["position"]) != (1, "0")
        async with sending(api):
            await api.outdial(name="after")
            await noted(api, delivered=1)
        assert (await api.ok("POST", "/webhook/replay", {"after": "0"}))["waiting"] == 2
        async with sending(api):
            await noted(api, delivered=3, waiting=0)
            await api.ok("POST", "/webhook/replay", {"after": "0"})
            await noted(api, delivered=5, waiting=0)
    first, *again = [one["data"]["name"] for one in receiver.taken]
    assert (first, sorted(again)) == ("after", ["after", "after", "before", "before"])
    await api.refused(400, "INVALID_REQUEST_PARAMETER", "POST", "/webhook/replay", {"after": "never"})
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/webhook/replay", {})


@pytest.mark.parametrize(("method", "path"), [("PUT", "/webhook"), ("POST", "/webhook/replay")])
async def test_a_position_beyond_the_end_of_the_log_is_refused_and_not_waited_for(opened: Opened, method: str, path: str) -> None:
    api = await opened(LOCAL)
    async with receiving() as receiver:
        hook = await set_up(api, receiver)
        *marks, last = api.runtime.position.marks
        body = {"uri": receiver.uri, "after": str(Position((*marks, last + 1_000)))}
        error = await api.refused(400, "INVALID_REQUEST_PARAMETER", method, path, body)
        assert error["details"][0]["rule"] == "position_unknown"
        assert (await api.ok("GET", "/webhook"))["position"] == hook["position"]
        now = str(api.runtime.position)
        assert (await api.ok(method, path, {**body, "after": now}))["position"] == now


@pytest.mark.only("kafka", why="the embedded runtime is one process")
async def test_a_position_that_another_process_has_told_is_taken(doors: list[Api]) -> None:
    one, other, _ = doors
    for number in range(20):
        await one.outdial(name=f"n{number}")
        body = {"uri": "https://pbx.example/", "secret": SECRET, "after": str(one.runtime.position)}
        assert (await other.ok("PUT", "/webhook", body))["position"] == body["after"]


async def test_a_receiver_that_is_away_holds_back_nobody_else(opened: Opened) -> None:
    both = Settings(tokens=TOKENS, private_webhooks=True)
    alice, bob = await opened(both, ALICES), await opened(both, BOBS)
    async with receiving(lambda _: 503) as dead, receiving() as alive:
        await set_up(alice, dead)
        await set_up(bob, alive)
        async with sending(alice):
            await alice.outdial()
            for _ in range(20):
                await bob.outdial()
            await until(lambda: len(alive.came) >= 20, "Bob got his")
            await noted(bob, delivered=20, waiting=0)
            hook = await noted(alice, error="503")
            assert (hook["waiting"], hook["delivered"]) == (1, 0)
    assert len(alive.came) == 20
    assert all(one.said["data"]["customer_id"] != alive.came[0].said["data"]["customer_id"] for one in dead.came)


async def test_a_change_of_the_webhook_is_taken_up_and_its_end_too(opened: Opened) -> None:
    api = await opened(LOCAL)
    async with receiving() as first, receiving() as second:
        await set_up(api, first)
        async with sending(api):
            await api.outdial(name="a")
            await noted(api, delivered=1)
            await api.ok("PUT", "/webhook", {"uri": second.uri, "method": "PUT"})
            await api.outdial(name="b")
            await noted(api, delivered=2)
            await api.ok("DELETE", "/webhook")
            await api.outdial(name="c")
            await asyncio.sleep(0.3)
    assert [one["data"]["name"] for one in first.taken] == ["a"]
    [one] = second.came
    assert (one.said["data"]["name"], one.line.partition(" ")[0]) == ("b", "PUT")
    assert one.headers["x-voipbin-signature"] == signature(SECRET, one.body)
    await api.refused(404, "WEBHOOK_NOT_FOUND", "GET", "/webhook")


async def test_the_secret_is_shown_once_where_it_is_made_and_never_again(opened: Opened) -> None:
    api = await opened(LOCAL)
    await api.refused(404, "WEBHOOK_NOT_FOUND", "GET", "/webhook")
    made = await api.ok("PUT", "/webhook", {"uri": "https://pbx.example/events"})
    secret = made.pop("secret")
    again = await api.ok("PUT", "/webhook", {"uri": "https://pbx.example/other"})
    given = await api.ok("PUT", "/webhook", {"uri": "https://pbx.example/other", "secret": SECRET})

    assert len(secret) > 30
    assert set(again) == set(given) == set(made)
    for path in ("/webhook", "/events", "/events?names=voipbin"):
        answer = await api.call("GET", path)
        assert secret not in answer.text
        assert SECRET not in answer.text
    kinds = [event["type"] for event in (await api.ok("GET", "/events"))["result"]]
    assert kinds == ["WebhookSet"] * 3


@pytest.mark.parametrize(
    "uri",
    [
        "ftp://pbx.example/", "https://", "pbx.example", 7, "https://me:word@pbx.example/", "http://127.0.0.1/", "http://[::1]/x",
        "http://10.1.2.3:80/", "http://169.254.169.254/latest", "http://[::ffff:192.168.1.1]/", "https://pbx.example:99999/",
        "http://0177.0.0.1/", "https://xn--/", "http://[fec0::1]/",
    ],
)  # fmt: skip
async def test_an_address_that_is_none_or_is_private_is_refused_at_once(api: Api, uri: Any) -> None:
    error = await api.refused(400, "INVALID_ARGUMENT", "PUT", "/webhook", {"uri": uri, "secret": SECRET})
    assert error["details"][0]["pointer"] == "/uri"


async def commanded(api: Api, **fields: Any) -> None:
    """Set the webhook by a command, which no door checks against this log and the library of addresses."""
    await api.outdial(name="a")
    [event] = (await api.ok("GET", "/events"))["result"]
    command = {"type": "SetWebhook", "id": str(uuid4()), "customer_id": event["data"]["customer_id"], "secret": SECRET, **fields}
    assert (await api.ok("POST", "/commands", command))["result"] == "events"


@pytest.mark.parametrize("uri", ["http://0177.0.0.1/", "https://xn--/"])
async def test_an_address_that_is_none_and_came_as_a_command_is_said_to_be_none(opened: Opened, uri: str) -> None:
    api = await opened(LOCAL)
    await commanded(api, uri=uri)
    async with sending(api):
        await noted(api, error="uri_invalid", delivered=0, refused=0)


async def test_a_position_of_another_log_that_came_as_a_command_is_said_to_be_one_and_can_be_mended(opened: Opened) -> None:
    api = await opened(LOCAL)
    async with receiving() as receiver:
        await commanded(api, uri=receiver.uri, after="1-2-3-4-5-6-7-8-9-10-11-12-13-14")
        async with sending(api):
            await noted(api, error="position_invalid", waiting=0, delivered=0)
            await api.ok("POST", "/webhook/replay", {"after": "0"})
            await noted(api, error=None, waiting=0, delivered=1)


async def test_what_is_answered_is_neither_kept_nor_followed() -> None:
    head = "Set-Cookie: a=b\r\nLocation: http://[::1\r\n"
    async with receiving(lambda n: [200, 302][n], head) as receiver:
        poster = Poster(receiver.uri, "POST", SECRET, allow_private=True, timeout_s=PATIENCE_S)
        try:
            posted = [await poster.post(b"{}", {}) for _ in range(2)]
        finally:
            await poster.close()
    assert posted == [(True, False, "", 0.0), (False, False, "302", 0.0)]
    assert "cookie" not in receiver.came[1].headers


@pytest.mark.parametrize(
    "private",
    [
        "127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
        "::127.0.0.1", "::ffff:0:7f00:1", "fec0::1", "3fff::1", "5f00::1",
    ],
)  # fmt: skip
async def test_a_name_that_leads_elsewhere_the_next_moment_leads_nobody_into_a_private_network(
    private: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver:
        answers: Iterator[str] = iter(["93.184.216.34", private])

        async def looked_up(_host: str, port: int, **_: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

        poster = Poster(f"http://changing.example:{receiver.port}/", "POST", SECRET, timeout_s=0.2)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", looked_up)
        try:
            first = await poster.post(b"{}", {})
            second = await poster.post(b"{}", {})
        finally:
            await poster.close()
    assert first.why in ("timeout", "not_connected")
    assert second == (False, True, "private_address", 0.0)
    assert receiver.came == []


async def test_a_connection_that_is_cut_short_while_it_is_made_safe_is_closed() -> None:
    async with silent() as receiver:
        poster = Poster(receiver.uri, "POST", SECRET, allow_private=True, timeout_s=PATIENCE_S)
        try:
            await receiver.sees_closed(poster.post(b"{}", {}))
        finally:
            await poster.close()


async def test_a_signature_is_what_the_documentation_says() -> None:
    # printf '{}' | openssl dgst -sha256 -hmac 'a secret of sixteen or more'
    assert signature(SECRET, b"{}") == "sha256=" + hmac.new(SECRET.encode(), b"{}", sha256).hexdigest()


@pytest.mark.only("kafka", why="the embedded runtime is one process")
async def test_of_two_processes_one_sends_and_the_other_goes_on_when_it_is_gone(make_stage: MakeStage, tmp_path: Path) -> None:
    stage = make_stage(tmp_path, clock := Clock(), SOME)
    apis: list[Api] = []
    for runtime in (await stage.start(), await stage.another(), await stage.another()):
        app = make_app(runtime, runtime.reader, LOCAL)
        apis.append(Api(client_of(app), runtime, clock, app, stage))
    _, here, there = apis
    async with receiving() as receiver:
        await set_up(here, receiver)
        async with sending(there, "there"):
            async with sending(here, "here") as gone:
                for number in range(20):
                    await here.outdial(name=f"n{number}")
                await until(lambda: len(receiver.came) >= 20, "all was sent")
                await asyncio.sleep(0.5)
                assert len(receiver.came) == 20
                gone.cancel()
            clock.at += 60_000_000
            for number in range(20):
                await there.outdial(name=f"m{number}")
            await until(lambda: len(receiver.came) >= 40, "the other one went on")
            await noted(there, waiting=0)
    names = [one["data"]["name"] for one in receiver.taken]
    assert {*names} == {f"{letter}{number}" for letter in "nm" for number in range(20)}
    for api in apis:
        await api.http.aclose()
    await stage.close()
