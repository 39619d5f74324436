"""How the client asks: what it sends, what it makes of every kind of answer, and when it asks again."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from outdial import wire
from outdial.client import asking, errors, routes
from outdial.client.errors import (
    Answered,
    ClientError,
    Conflict,
    Failed,
    Forbidden,
    IdReused,
    Invalid,
    NotFound,
    RateLimited,
    TimedOut,
    Unauthenticated,
    Unavailable,
    Unreachable,
    VersionDiffers,
)
from outdial.client.http import Client
from outdial.plan import Plan

URL = "http://service.example"
ID = "0a000000-0000-4000-8000-00000000000a"
OUTDIAL = {
    **dict.fromkeys(("id", "customer_id", "campaign_id"), ID),
    **dict.fromkeys(("name", "detail", "data"), ""),
    "tm_create": "2026-11-21T04:10:32.000000Z",
    "tm_update": None,
    "tm_delete": None,
}
LATE = {"error": {"status": "UNAVAILABLE", "reason": "REQUEST_TIMEOUT", "message": "late", "details": [{"rule": "answer_late"}]}}
AWAY = {"error": {"status": "UNAVAILABLE", "reason": "SERVICE_UNAVAILABLE", "message": "stopping"}}


class Script:
    """A service that answers as it is told, the last answer for ever; and what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.asked: list[httpx.Request] = []
        self._answers = answers

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked.append(request)
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def client(self, **more: Any) -> Client:
        return Client(URL, transport=httpx.MockTransport(self), **more)


def good(body: object = OUTDIAL, **headers: str) -> httpx.Response:
    return httpx.Response(200, headers=headers, content=body if isinstance(body, bytes) else wire.to_json(body))


def bad(status: int, body: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, content=body if isinstance(body, bytes) else wire.to_json(body))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_PAUSE_S", 0.0)


async def seen(route: routes.Route[object], token: str | None = None) -> httpx.Request:
    """The request a route becomes."""
    script = Script(good())
    async with Client(URL, token, transport=httpx.MockTransport(script)) as client:
        await client.row(route)
    return script.asked[0]


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, Unauthenticated),
        (403, Forbidden),
        (404, NotFound),
        (405, Invalid),
        (409, Conflict),
        (412, VersionDiffers),
        (413, Invalid),
        (418, Invalid),
        (422, IdReused),
        (429, RateLimited),
        (500, Failed),
        (502, Unavailable),
        (503, Unavailable),
    ],
)
async def test_an_error_is_of_the_family_of_its_status_and_has_the_words_of_the_service(status: int, kind: type[Answered]) -> None:
    error = {"status": "S", "reason": "R", "message": "why", "request_id": "req_1", "details": [{"rule": "word", "x": 1}]}
    async with Script(bad(status, {"error": error})).client(patience_s=0, reconnect_s=0) as client:
        with pytest.raises(Answered, match="why") as caught:
            await client.outdial(ID)
    found = caught.value
    assert type(found) is kind
    assert (found.http, found.status, found.reason, found.rule, found.request_id) == (status, "S", "R", "word", "req_1")


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b'{"error": "text"}', b'{"error": {"details": 1}}'])
async def test_an_error_that_is_no_envelope_is_still_an_error(body: bytes) -> None:
    async with Script(bad(502, body)).client(reconnect_s=0) as client:
        with pytest.raises(Unavailable, match="502"):
            await client.outdial(ID)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"{}", b"[]", b"null"])
async def test_what_no_outdial_would_answer_is_not_taken_for_one(body: bytes) -> None:
    async with Script(good(body)).client() as client:
        with pytest.raises(Failed, match="does not answer as Outdial does"):
            await client.outdial(ID)


async def test_a_resource_has_its_times_its_version_and_what_is_newer_than_this_client() -> None:
    async with Script(good({**OUTDIAL, "colour": "green"}, ETag='"7"')).client() as client:
        found = await client.outdial(ID)
    assert (found.tm_create, found.tm_update) == (datetime(2026, 11, 21, 4, 10, 32, tzinfo=UTC), None)
    assert found.version == 7
    assert found.model_dump()["colour"] == "green"
    assert "version" not in found.model_dump()


async def test_the_position_of_a_client_covers_every_change_it_made() -> None:
    answers = (good(**{"Outdial-Position": text}) for text in ("5-2", "3-9", "nonsense"))
    async with Script(*answers).client() as client:
        assert client.position is None
        for _ in range(3):
            await client.update_outdial(ID, name="x")
        assert client.position == "5-9"


def test_every_error_is_one_kind_and_says_what_it_means() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert all(issubclass(kind, ClientError) and kind.__doc__ for kind in kinds)
    assert errors.__doc__ is not None
    assert all(f"  {kind.__name__} " in errors.__doc__ for kind in kinds)


# --- requests -----------------------------------------------------------------------------------


async def test_a_token_goes_into_the_header_and_nowhere_else() -> None:
    request = await seen(routes.OUTDIALS.page(), token="sesame-word")  # noqa: S106  an example
    assert request.headers["authorization"] == "Bearer sesame-word"
    assert "sesame-word" not in str(request.url)


async def test_ids_cannot_leave_their_place_in_the_path() -> None:
    assert (await seen(routes.OUTDIALS.get("../campaigns?x=1#"))).url.raw_path == b"/v1.0/outdials/..%2Fcampaigns%3Fx%3D1%23"


async def test_a_plan_is_sent_as_far_as_it_was_set_and_a_field_where_it_is_changed() -> None:
    script = Script(good(OUTDIAL | {"plan": None}))
    async with script.client() as client:
        await client.row(routes.run_outdial("o", plan=Plan(max_try_count_0=3, windows=None)))
        for route in routes.OUTPLANS.changes("p", {"name": "x", "dial_timeout": 1}):
            await client.row(route)
    assert [(request.method, request.url.raw_path, wire.from_json(request.content)) for request in script.asked] == [
        ("PUT", b"/v1.0/outdials/o/dialing", {"status": "run", "plan": {"max_try_count_0": 3, "windows": None}}),
        ("PUT", b"/v1.0/outplans/p", {"name": "x"}),
        ("PUT", b"/v1.0/outplans/p/dial_info", {"dial_timeout": 1}),
    ]


async def test_how_something_is_read_made_and_changed_goes_along() -> None:
    script = Script(good(ETag='"8"'))
    async with script.client() as client:
        await client.outdial(ID, min_position="4", stale=True)
        await client.create_outdial("June", idempotency_key="once")
        await client.update_outdial(ID, name="x", data="y", if_version=7)
    read, made, *changed = script.asked
    assert read.url.query == b"min_position=4&stale=true"
    assert made.headers["idempotency-key"] == "once"
    assert [request.headers["if-match"] for request in changed] == ['"7"', '"8"']


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a URL looks like"):
        Client(url)


@pytest.mark.parametrize("token", ["sesame\n", "sesame\r\nHost: x", "sesame ", "sesame\0", "sésame"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match="without the end of a line") as refused:
        Client(URL, token)
    assert "same" not in repr(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("url", [URL, f"{URL}/", f"{URL}/v1.0", f"{URL}/v1.0/"])
async def test_the_version_may_stand_in_the_url(url: str) -> None:
    async with Client(url) as client:
        assert client.url == URL


async def test_an_address_is_known_by_its_look() -> None:
    script = Script(good())
    async with script.client() as client:
        with pytest.raises(ValueError, match="an address looks like"):
            await client.add_target(ID, "ann")
        await client.row(routes.targets(ID).page())
    assert len(script.asked) == 1


# --- asking again -------------------------------------------------------------------------------

GONE = httpx.RemoteProtocolError("the peer closed the connection")


@pytest.mark.parametrize(
    "failure", [bad(503, LATE), bad(503, AWAY), bad(502), bad(429, **{"Retry-After": "0"}), GONE, httpx.ReadTimeout("")]
)
async def test_what_got_no_answer_is_asked_again_to_be_done_once(failure: httpx.Response | Exception) -> None:
    script = Script(failure, failure, failure, good())
    async with script.client() as client:
        assert (await client.create_outdial("June")).id == ID
        await client.create_outdial("July")

    *again, last = script.asked
    assert len(again) == 4
    assert len({(request.headers["idempotency-key"], request.content) for request in again}) == 1
    assert last.headers["idempotency-key"] != again[0].headers["idempotency-key"]


def changed_at_a_version(client: Client) -> Awaitable[object]:
    return client.update_outdial(ID, name="x", if_version=1)


def sent_in_pieces(client: Client) -> Awaitable[object]:
    return client.import_targets(ID, iter([b"name\n"]))


def a_new_token(client: Client) -> Awaitable[object]:
    return client.create_accesskey("import")


def logged_in(client: Client) -> Awaitable[object]:
    return client.log_in("ann", "a password")


ONCE = [changed_at_a_version, sent_in_pieces, a_new_token, logged_in]


@pytest.mark.parametrize("ask", ONCE)
@pytest.mark.parametrize("failure", [bad(503, LATE), bad(502), GONE])
async def test_what_would_not_be_the_same_the_second_time_is_asked_once(
    ask: Callable[[Client], Awaitable[object]], failure: httpx.Response | Exception
) -> None:
    script = Script(failure)
    async with script.client() as client:
        with pytest.raises(ClientError):
            await ask(client)
    assert len(script.asked) == 1


@pytest.mark.parametrize("ask", [changed_at_a_version, a_new_token, logged_in])
@pytest.mark.parametrize("failure", [bad(503, AWAY), bad(429, **{"Retry-After": "0"}), httpx.ConnectError("refused")])
async def test_it_is_asked_again_where_certainly_nothing_was_done(
    ask: Callable[[Client], Awaitable[object]], failure: httpx.Response | Exception
) -> None:
    script = Script(failure, bad(404))
    async with script.client() as client:
        with pytest.raises(NotFound):
            await ask(client)
    assert len(script.asked) == 2


async def test_a_file_is_read_again_for_every_try(tmp_path: Path) -> None:
    (tmp_path / "june.csv").write_bytes(b"name,destination_0\nann,+12025550123\n")
    script = Script(GONE, bad(404))
    async with script.client() as client:
        with pytest.raises(NotFound):
            await client.import_targets(ID, tmp_path / "june.csv")
    first, second = script.asked
    assert first.content == second.content == (tmp_path / "june.csv").read_bytes()
    assert first.url.params["import_id"] == second.url.params["import_id"] == routes.import_id(ID, sha256(first.content).hexdigest())
    assert first.headers["content-type"] == "text/csv"


async def test_it_is_not_asked_for_ever() -> None:
    for failure, kind in ((bad(503, LATE), Unavailable), (bad(503, AWAY), Unavailable), (GONE, Unreachable)):
        for seconds in (0, 0.05):
            async with Script(failure).client(patience_s=seconds, reconnect_s=seconds) as client:
                with pytest.raises(kind):
                    await client.outdial(ID)


async def test_what_is_refused_for_good_is_asked_once() -> None:
    script = Script(bad(409))
    async with script.client() as client:
        with pytest.raises(Conflict):
            await client.outdial(ID)
    assert len(script.asked) == 1


@pytest.mark.parametrize(("fault", "kind"), [(httpx.ConnectError("connection refused"), Unreachable), (httpx.ReadTimeout(""), TimedOut)])
async def test_nobody_there_is_unreachable_and_names_the_url(fault: Exception, kind: type[Unreachable]) -> None:
    async with Script(fault).client(reconnect_s=0) as client:
        with pytest.raises(kind, match=URL) as caught:
            await client.outdial(ID)
        assert type(caught.value) is kind
        with pytest.raises(kind, match=URL):
            await anext(client.stream(routes.event_stream, "0"))


# --- how far a long request is --------------------------------------------------------------------


def lines(*values: object) -> httpx.Response:
    return good(b"".join(wire.to_json(value) + b"\n" for value in values), **{"content-type": "application/x-ndjson"})


async def test_a_request_that_says_how_far_it_is_is_answered_by_its_last_line() -> None:
    script = Script(lines({"rows": 1}, {"rows": 2}, {"import_id": ID, "position": "7"}))
    told: list[object] = []
    async with script.client() as client:
        report = await client.row_watched(routes.import_targets(ID, b"destination_0\n"), told.append)
        assert client.position == "7"
    assert (told, report["import_id"]) == ([{"rows": 1}, {"rows": 2}], ID)
    assert script.asked[0].headers["accept"] == "application/x-ndjson"


@pytest.mark.parametrize(
    ("status", "reason", "family"),
    [
        ("UNAVAILABLE", "SERVICE_UNAVAILABLE", Unavailable), ("INVALID_ARGUMENT", "INVALID_ARGUMENT", Invalid), ("X", "Y", Failed),
        ("INVALID_ARGUMENT", "ID_REUSED", IdReused), ("NOT_FOUND", "OUTDIAL_NOT_FOUND", NotFound), ("FAILED_PRECONDITION", "S", Conflict),
    ],
)  # fmt: skip
async def test_an_error_after_the_first_line_is_an_error_of_its_family(status: str, reason: str, family: type[Answered]) -> None:
    script = Script(lines({"rows": 1}, {"error": {"status": status, "reason": reason, "message": "so it is"}}))
    async with script.client() as client:
        with pytest.raises(family, match="so it is") as raised:
            await client.row_watched(routes.import_targets(ID, b"destination_0\n"), lambda line: None)
    assert type(raised.value) is family


async def test_an_error_before_the_first_line_is_an_error_like_any_other_and_what_is_no_json_is_not_ours() -> None:
    async with Script(bad(404, {"error": {"status": "NOT_FOUND", "reason": "OUTDIAL_NOT_FOUND", "message": "gone"}})).client() as client:
        with pytest.raises(NotFound, match="gone"):
            await client.row_watched(routes.import_targets(ID, b"x"), lambda line: None)
    async with Script(good(b"<html>")).client() as client:
        with pytest.raises(Failed, match="as Outdial does"):
            await client.row_watched(routes.import_targets(ID, b"x"), lambda line: None)
    async with Script(httpx.ReadError("cut")).client() as client:
        with pytest.raises(Unreachable, match="cut"):
            await client.row_watched(routes.import_targets(ID, b"x"), lambda line: None)
