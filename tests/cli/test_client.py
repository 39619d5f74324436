"""The HTTP client, blocking and not: what it sends, and what it makes of every kind of answer."""

from collections.abc import Callable

import httpx
import pytest

from cli.program import Service
from outdial import wire
from outdial.client import http, routes
from outdial.client.errors import Answered, ClientError, Conflict, NotFound, Unavailable, Unreachable
from outdial.client.http import AsyncClient, Client

URL = "http://service.example"


def answering(status: int, body: object = None, **headers: str) -> Client:
    """A client of a service that always answers so."""
    content = body if isinstance(body, bytes) else wire.to_json(body)
    return Client(URL, transport=httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=content)))


def seen(route: routes.Route[object], token: str | None = None) -> httpx.Request:
    """The request a route becomes."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        asked.append(request)
        return httpx.Response(200, json={"result": [], "next_page_token": "", "next_after": "0"})

    with Client(URL, token, httpx.MockTransport(answer)) as client:
        client.send(route)
    return asked[0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotFound),
        (409, Conflict),
        (412, Conflict),
        (422, Conflict),
        (503, Unavailable),
        (502, Unavailable),
        (400, Answered),
        (500, Answered),
    ],
)
def test_an_error_has_the_kind_of_its_status_and_the_words_of_the_service(status: int, kind: type[Answered]) -> None:
    error = {"status": "S", "reason": "R", "message": "why", "request_id": "req_1", "details": [{"rule": "word", "x": 1}]}
    with answering(status, {"error": error}) as client, pytest.raises(Answered, match="why") as caught:
        client.send(routes.OUTDIALS.get("a"))
    found = caught.value
    assert type(found) is kind
    assert (found.http, found.status, found.reason, found.rule, found.request_id) == (status, "S", "R", "word", "req_1")


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b'{"error": "text"}', b'{"error": {"details": 1}}'])
def test_an_error_that_is_no_envelope_is_still_an_error(body: bytes) -> None:
    with answering(502, body) as client, pytest.raises(Unavailable, match="502"):
        client.send(routes.OUTDIALS.get("a"))


def test_a_page_that_is_no_json_is_not_taken_for_the_service() -> None:
    with answering(200, b"<html>hello</html>") as client, pytest.raises(Answered, match="does not answer as Outdial does"):
        client.send(routes.OUTDIALS.get("a"))


def test_ndjson_is_a_list() -> None:
    with answering(200, b'{"line":1}\n\n{"line":2}\n', **{"content-type": "application/x-ndjson"}) as client:
        assert client.send(routes.commands(b"{}")) == [{"line": 1}, {"line": 2}]


def test_a_token_goes_into_the_header_and_nowhere_else() -> None:
    request = seen(routes.OUTDIALS.page(), token="sesame-word")  # noqa: S106  an example
    assert request.headers["authorization"] == "Bearer sesame-word"
    assert "sesame-word" not in str(request.url)


def test_ids_cannot_leave_their_place_in_the_path() -> None:
    assert seen(routes.OUTDIALS.get("../campaigns?x=1#")).url.raw_path == b"/v1.0/outdials/..%2Fcampaigns%3Fx%3D1%23"


def test_routes_say_what_the_contract_has() -> None:
    def parts(route: routes.Route[object]) -> tuple[str, str, object]:
        request = seen(route)
        return request.method, request.url.raw_path.decode(), wire.from_json(request.content) if request.content else None

    assert parts(routes.run_outdial("o", outplan_id="p")) == ("PUT", "/v1.0/outdials/o/dialing", {"status": "run", "outplan_id": "p"})
    assert parts(routes.stop_outdial("o")) == ("PUT", "/v1.0/outdials/o/dialing", {"status": "stop"})
    assert parts(routes.set_campaign_status("c", "run")) == ("PUT", "/v1.0/campaigns/c/status", {"status": "run"})
    assert parts(routes.OUTPLANS.update("p", {"dial_timeout": 1}, "dial_info")) == (
        "PUT",
        "/v1.0/outplans/p/dial_info",
        {"dial_timeout": 1},
    )
    assert parts(routes.targets("o").delete("t")) == ("DELETE", "/v1.0/outdials/o/targets/t", None)
    assert parts(routes.OUTDIALS.page(5, "x y", deleted=True))[1] == "/v1.0/outdials?page_size=5&page_token=x+y&deleted=true"
    assert (
        parts(routes.dial_requests("7", limit=2, wait_ms=10, share="0/4"))[1]
        == "/v1.0/dial_requests?after=7&limit=2&wait_ms=10&share=0%2F4"
    )
    assert parts(routes.claim_dial("a", "w"))[2] == {"attempt_id": "a", "worker": "w"}


def test_an_idempotency_key_is_sent_along() -> None:
    assert seen(routes.OUTDIALS.create({}, idempotency_key="once")).headers["idempotency-key"] == "once"


LATE = {"error": {"status": "UNAVAILABLE", "reason": "REQUEST_TIMEOUT", "message": "late", "details": [{"rule": "answer_late"}]}}
MANY = 1_000_000


def late(times: int) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """A service that is late so many times, and what it was asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        asked.append(request)
        return httpx.Response(503, json=LATE) if len(asked) <= times else httpx.Response(200, json={"id": "o"})

    return httpx.MockTransport(answer), asked


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "AGAIN_S", 0.0)


@pytest.mark.usefixtures("_at_once")
async def test_a_service_that_is_late_is_asked_the_same_again_to_be_carried_out_once() -> None:
    transport, asked = late(3)
    with Client(URL, transport=transport) as client:
        assert client.send(routes.OUTDIALS.create({"name": "June"})) == {"id": "o"}
    waiting, awaited = late(3)
    async with AsyncClient(URL, transport=waiting) as client:
        assert await client.send(routes.OUTDIALS.create({"name": "June"})) == {"id": "o"}

    for requests in (asked, awaited):
        assert len(requests) == 4
        assert len({(request.headers["idempotency-key"], request.content) for request in requests}) == 1
    assert asked[0].headers["idempotency-key"] != awaited[0].headers["idempotency-key"]


@pytest.mark.usefixtures("_at_once")
def test_it_is_not_asked_for_ever_nor_with_a_body_that_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE_S", 0.05)
    transport, asked = late(MANY)
    with Client(URL, transport=transport) as client:
        with pytest.raises(Unavailable, match="late"):
            client.send(routes.OUTDIALS.get("o"))
        assert len(asked) > 1
        before = len(asked)
        with pytest.raises(Unavailable, match="late"):
            client.send(routes.import_targets("o", iter([b"name\n"])))
        assert len(asked) == before + 1


def test_what_a_service_refuses_for_another_reason_is_asked_once() -> None:
    with answering(503, {"error": {"reason": "SERVICE_UNAVAILABLE", "message": "stopping"}}) as client, pytest.raises(Unavailable):
        client.send(routes.OUTDIALS.get("o"))


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a URL looks like"):
        Client(url)


@pytest.mark.parametrize("url", [URL, f"{URL}/", f"{URL}/v1.0", f"{URL}/v1.0/"])
def test_the_version_may_stand_in_the_url(url: str) -> None:
    client = Client(url)
    assert client.url == URL
    client.close()


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Client(service.url) as client:
        assert client.send(routes.OUTDIALS.page())["result"] == []


def refused(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def silent(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("")


@pytest.mark.parametrize("fault", [refused, silent])
async def test_nobody_there_is_unreachable_and_names_the_url(fault: Callable[[httpx.Request], httpx.Response]) -> None:
    with Client(URL, transport=httpx.MockTransport(fault)) as client, pytest.raises(Unreachable, match=URL):
        client.send(routes.OUTDIALS.get("a"))
    async with AsyncClient(URL, transport=httpx.MockTransport(fault)) as client:
        with pytest.raises(Unreachable, match=URL):
            await client.send(routes.OUTDIALS.get("a"))


async def test_both_clients_read_the_same_pages_of_a_real_service(service: Service) -> None:
    with Client(service.url) as client:
        made = client.send(routes.OUTDIALS.create({"name": "pages"}))["id"]
        items = [{"destination_0": {"type": "tel", "target": f"+1202555{number:04}"}} for number in range(250)]
        assert len(client.send(routes.add_targets(made, items))["result"]) == 250
        rows = list(client.all(routes.targets(made)))
        assert len({row["id"] for row in rows}) == 250
        assert [row["id"] for row in client.all(routes.targets(made), limit=130)] == [row["id"] for row in rows[:130]]
        with pytest.raises(NotFound):
            client.send(routes.targets(made).get(made))
    async with AsyncClient(service.url) as other:
        assert [row async for row in other.all(routes.targets(made))] == rows
        events = [streamed async for streamed in _first(other, routes.event_stream("0", made), 251)]
    assert [streamed.event["type"] for streamed in events] == ["OutdialCreated", *["TargetAdded"] * 250]
    assert [streamed.position for streamed in events] == [streamed.event["position"] for streamed in events]


async def _first(client: AsyncClient, route: routes.Route[None], number: int):  # type: ignore[no-untyped-def]  # noqa: ANN202  a helper of one test
    stream = client.follow(route)
    async for streamed in stream:
        yield streamed
        number -= 1
        if not number:
            await stream.aclose()  # type: ignore[attr-defined]
            return


def test_a_stream_of_something_unknown_is_an_error(service: Service) -> None:
    with Client(service.url) as client, pytest.raises(NotFound):
        list(client.follow(routes.event_stream("0", "00000000-0000-4000-8000-00000000dead")))


def test_every_error_of_the_client_is_one_kind() -> None:
    for kind in (Unreachable, Answered, NotFound, Conflict, Unavailable):
        assert issubclass(kind, ClientError)
