"""The error envelope and the request's id (contract 1.3)."""

import logging
import re

import pytest

from api.door import Api, Broken, Opened, client_of
from outdial.doors.api import deps
from outdial.doors.api.app import make_app
from outdial.requests import Unavailable

NEW_ID = re.compile(r"req_[A-Z2-7]{26}")
NOBODY = "00000000-0000-4000-8000-00000000dead"


async def test_every_refusal_has_the_five_parts_and_names_its_rule(api: Api) -> None:
    for method, path, body in (
        ("GET", f"/outdials/{NOBODY}", None),
        ("GET", "/nowhere", None),
        ("PATCH", "/outdials", None),
        ("POST", "/outdials", {"name": 1}),
        ("GET", "/outdials?page_size=x", None),
    ):
        answer = await api.call(method, path, body)
        assert list(answer.json()) == ["error"]
        error = answer.json()["error"]
        assert list(error) == ["status", "reason", "message", "request_id", "details"]
        assert error["details"][0]["rule"]
        assert NEW_ID.fullmatch(error["request_id"])
        assert answer.headers["x-request-id"] == error["request_id"]
        assert answer.headers["content-type"] == "application/json"


async def test_unknown_routes_and_methods_are_refused_in_the_envelope(api: Api) -> None:
    await api.refused(404, "ROUTE_NOT_FOUND", "GET", "/nowhere")
    await api.refused(404, "ROUTE_NOT_FOUND", "GET", "/outdials/")
    await api.refused(405, "METHOD_NOT_ALLOWED", "PATCH", "/outdials")
    assert api.seen[-1].headers["allow"] == "GET, POST"
    await api.refused(405, "METHOD_NOT_ALLOWED", "PATCH", f"/outdials/{NOBODY}")
    assert api.seen[-1].headers["allow"] == "DELETE, GET, PUT"
    await api.refused(405, "METHOD_NOT_ALLOWED", "POST", f"/outdials/{NOBODY}")
    for method in ("GET", "DELETE"):
        await api.refused(405, "METHOD_NOT_ALLOWED", method, "/suppressions/import")
        assert api.seen[-1].headers["allow"] == "POST"
    answer = await api.http.get("/nowhere")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize("sent", ["abc", "A-b_9", "x" * 64])
async def test_a_harmless_request_id_is_echoed(api: Api, sent: str) -> None:
    answer = await api.call("GET", "/nowhere", headers={"X-Request-Id": sent})

    assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a/b", "<a>", "\u00e9", "a;b"])
async def test_any_other_request_id_is_replaced(api: Api, sent: str) -> None:
    answer = await api.call("GET", "/outdials", headers={"X-Request-Id": sent.encode()})

    assert NEW_ID.fullmatch(answer.headers["x-request-id"])


async def test_two_requests_never_share_a_new_id(api: Api) -> None:
    found = {(await api.call("GET", "/outdials")).headers["x-request-id"] for _ in range(20)}

    assert len(found) == 20


async def test_an_error_of_ours_is_500_without_a_traceback_and_logged_without_values(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(Broken(RuntimeError("+15551230001 was the number")), api.runtime.reader)

    async with client_of(app) as client:
        answer = await client.post("/v1.0/outdials", json={}, headers={"X-Request-Id": "find-me"})
        after = await client.get("/v1.0/outdials")

    assert answer.status_code == 500
    error = answer.json()["error"]
    assert (error["status"], error["reason"], error["request_id"]) == ("INTERNAL", "INTERNAL", "find-me")
    assert "Traceback" not in answer.text
    assert "RuntimeError" not in answer.text
    [record] = [record for record in caplog.records if record.name == "outdial.http"]
    assert record.levelno == logging.ERROR
    assert "find-me" in record.getMessage()
    assert "RuntimeError" in record.getMessage()
    assert "+1555" not in caplog.text
    assert after.status_code == 200


async def test_a_ledger_that_cannot_write_is_503_with_its_reason(api: Api) -> None:
    app = make_app(Broken(Unavailable("disk_full", "the disk is full; nothing was done")), api.runtime.reader)

    async with client_of(app) as client:
        answer = await client.post("/v1.0/outdials", json={})

    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["reason"]) == (503, "UNAVAILABLE", "SERVICE_UNAVAILABLE")
    assert error["details"] == [{"rule": "disk_full"}]
    assert answer.headers["retry-after"] == "1"


async def test_writes_say_the_position_they_hold_at(api: Api) -> None:
    await api.outdial()
    first = int(api.seen[-1].headers["outdial-position"])
    await api.outdial()

    assert int(api.seen[-1].headers["outdial-position"]) > first > 0


async def test_a_read_can_wait_for_a_position(api: Api) -> None:
    await api.outdial()
    position = api.seen[-1].headers["outdial-position"]

    await api.ok("GET", f"/outdials?min_position={position}")
    await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", "/outdials?min_position=soon")


@pytest.mark.parametrize("step", [0, 1, -3_600_000_000])
async def test_a_position_that_is_not_reached_in_time_is_503_whatever_the_clock_says(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    api = await opened()
    api.clock.step = step
    monkeypatch.setattr(deps, "LONGEST_WAIT_S", 0.05)

    await api.refused(503, "REQUEST_TIMEOUT", "GET", "/outdials?min_position=999999")
