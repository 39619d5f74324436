"""Rows of the contract that no other test is about: every status in its envelope, every model by its fields, both forms of time."""

import re
from collections.abc import Callable
from typing import Any, Final

import httpx
import pytest

from api.door import ALICES, BOBS, TOKENS, Api, Broken, Opened, client_of
from outdial.doors.api.app import make_app
from outdial.doors.api.deps import Settings
from outdial.doors.api.limits import Rate
from outdial.requests import Unavailable
from outdial.resources import RESOURCES

ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NOT_YET: Final = "9999-01-01 00:00:00.000000"
ZERO: Final = "00000000-0000-0000-0000-000000000000"
NOBODY: Final = "00000000-0000-4000-8000-00000000dead"
PHONE: Final = {"type": "tel", "target": "+15559876543"}

# --- what the documents' answers look like, field by field -----------------------------------------------

Form = Callable[[Any], bool]


def an_id(value: Any) -> bool:
    return isinstance(value, str) and ID.fullmatch(value) is not None


def a_time(value: Any) -> bool:
    return isinstance(value, str) and TIME.fullmatch(value) is not None and value != NOT_YET


def not_yet(value: Any) -> bool:
    return bool(value == NOT_YET)


def text(value: Any) -> bool:
    return isinstance(value, str)


def number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def unset(value: Any) -> bool:
    return value is None


def same(expected: Any) -> Form:
    return lambda value: bool(value == expected and type(value) is type(expected))


TIMES: Final = {"tm_create": a_time, "tm_update": not_yet, "tm_delete": not_yet}
ADDRESS: Final = same({**PHONE, "target_name": "", "name": "", "detail": ""})
OUTDIAL: Final[dict[str, Form]] = {
    "id": an_id, "customer_id": an_id, "campaign_id": same(ZERO), "name": same("test outdial"), "detail": same("outdial for test use."),
    "data": same("test data"), **TIMES,
}  # fmt: skip
TARGET: Final[dict[str, Form]] = {
    "id": an_id, "outdial_id": an_id, "name": same("test destination 0"), "detail": same("test destination 0 detail"),
    "data": same("test data"), "status": same("idle"), "destination_0": ADDRESS, **{f"destination_{slot}": unset for slot in range(1, 5)},
    **{f"try_count_{slot}": same(0) for slot in range(5)}, **TIMES, "tm_update": a_time,
}  # fmt: skip
DIALED: Final[dict[str, Form]] = {**TARGET, "status": same("done"), "try_count_0": same(1)}
OUTPLAN: Final[dict[str, Form]] = {
    "id": an_id, "name": same("test outplan"), "detail": same("outplan for test use."), "source": ADDRESS, "dial_timeout": same(30_000),
    "try_interval": same(600_000), **{f"max_try_count_{slot}": same(5) for slot in range(5)}, **TIMES,
}  # fmt: skip
CHANGED: Final[dict[str, Form]] = {**OUTPLAN, "detail": same("outplan for test use"), "try_interval": same(60_000), "tm_update": a_time}


def agrees(shown: dict[str, Any], wanted: dict[str, Form]) -> None:
    """Every field of the document is there, in its order and its form; there may be others besides."""
    assert [name for name in shown if name in wanted] == list(wanted)
    assert [name for name, form in wanted.items() if not form(shown[name])] == [], shown


async def test_every_answer_of_the_documents_is_given_field_by_field(api: Api) -> None:
    outdial = await api.ok("POST", "/outdials", {"name": "test outdial", "detail": "outdial for test use.", "data": "test data"})
    agrees(outdial, OUTDIAL)
    path = f"/outdials/{outdial['id']}"
    agrees(await api.ok("GET", path), OUTDIAL)
    listed = await api.ok("GET", "/outdials")
    assert list(listed) == ["result", "next_page_token"]
    agrees(listed["result"][0], OUTDIAL)
    assert listed["next_page_token"] == outdial["tm_create"]
    body = {"name": "test destination 0", "detail": "test destination 0 detail", "data": "test data", "destination_0": PHONE}
    target = await api.ok("POST", f"{path}/targets", body)
    agrees(target, TARGET)
    assert target["tm_update"] == target["tm_create"]
    plan = {"source": PHONE, "dial_timeout": 30_000, "try_interval": 600_000, **{f"max_try_count_{slot}": 5 for slot in range(5)}}
    outplan = await api.ok("POST", "/outplans", {"name": "test outplan", "detail": "outplan for test use.", **plan})
    agrees(outplan, OUTPLAN)
    agrees(await api.ok("GET", f"/outplans/{outplan['id']}"), OUTPLAN)
    agrees((await api.ok("GET", "/outplans"))["result"][0], OUTPLAN)
    agrees(await api.ok("PUT", f"/outplans/{outplan['id']}/dial_info", {**plan, "try_interval": 60_000}), {
        **CHANGED, "detail": OUTPLAN["detail"],
    })  # fmt: skip
    agrees(await api.ok("PUT", f"/outplans/{outplan['id']}", {"name": "test outplan", "detail": "outplan for test use"}), CHANGED)
    await api.ok("PUT", f"{path}/dialing", {"status": "run", "outplan_id": outplan["id"]})
    [request] = await api.requests()
    await api.say(request, "answered")
    agrees((await api.ok("GET", f"{path}/targets"))["result"][0], DIALED)
    agrees(await api.ok("DELETE", f"/outplans/{outplan['id']}"), {**CHANGED, "tm_delete": a_time})


# --- models ---------------------------------------------------------------------------------------------

FIELDS: Final = {
    "Outdial": "id customer_id campaign_id name detail data tm_create tm_update tm_delete",
    "Target": (
        "id outdial_id name detail data status lifecycle destination_0 destination_1 destination_2 destination_3 destination_4 "
        "try_count_0 try_count_1 try_count_2 try_count_3 try_count_4 try_count_max try_count_current "
        "try_count_remaining_0 try_count_remaining_1 try_count_remaining_2 try_count_remaining_3 try_count_remaining_4 "
        "tm_create tm_update tm_delete"
    ),
    "Outplan": (
        "id customer_id name detail source dial_timeout try_interval max_try_count_0 max_try_count_1 max_try_count_2 max_try_count_3 "
        "max_try_count_4 retry_mode tm_create tm_update tm_delete"
    ),
    "Campaign": (
        "id customer_id type name detail status service_level end_handle actions outplan_id outdial_id queue_id next_campaign_id "
        "tm_create tm_update tm_delete"
    ),
    "Campaigncall": (
        "id customer_id campaign_id outplan_id outdial_id outdial_target_id queue_id activeflow_id flow_id reference_type reference_id "
        "status result source destination destination_index try_count tm_create tm_update tm_delete"
    ),
    "Targetcall": (
        "id customer_id campaign_id outdial_id outdial_target_id activeflow_id reference_type reference_id status destination "
        "destination_index try_count tm_create tm_update tm_delete"
    ),
}


async def one_of_each(api: Api) -> dict[str, tuple[str, dict[str, Any]]]:
    """Path and row of one resource of each model; the attempt is over."""
    outplan = await api.ok("POST", "/outplans", {"max_try_count_0": 2})
    outdial = await api.ok("POST", "/outdials", {})
    target = await api.target(outdial["id"])
    campaign = await api.ok("POST", "/campaigns", {"outdial_id": outdial["id"], "outplan_id": outplan["id"]})
    await api.ok("PUT", f"/campaigns/{campaign['id']}/status", {"status": "run"})
    [request] = await api.requests()
    await api.say(request, "busy")
    paths = {
        "Outdial": f"/outdials/{outdial['id']}",
        "Target": f"/outdials/{outdial['id']}/targets/{target['id']}",
        "Outplan": f"/outplans/{outplan['id']}",
        "Campaign": f"/campaigns/{campaign['id']}",
        "Campaigncall": f"/campaigncalls/{request['attempt_id']}",
    }
    found = {model: (path, await api.ok("GET", path)) for model, path in paths.items()}
    [call] = (await api.ok("GET", f"{paths['Target']}/calls"))["result"]
    return {**found, "Targetcall": (f"{paths['Target']}/calls", call)}


async def test_every_model_has_its_fields_and_each_its_form(api: Api) -> None:
    found = await one_of_each(api)

    assert found.keys() == FIELDS.keys()
    for model, (_, row) in found.items():
        assert [name for name in FIELDS[model].split() if name not in row] == [], model
        RESOURCES[model].model_validate(row)
        assert row["id"] == row["id"].lower()
        assert ("customer_id" in row) is (model != "Target")


async def test_references_that_are_none_are_the_zero_id_and_never_null(api: Api) -> None:
    outdial = await api.ok("POST", "/outdials", {})
    campaign = await api.ok("POST", "/campaigns", {})
    assert outdial["campaign_id"] == ZERO
    assert {campaign[name] for name in ("outplan_id", "outdial_id", "queue_id", "next_campaign_id")} == {ZERO}
    assert (await one_of_each(api))["Campaigncall"][1]["activeflow_id"] == ZERO


async def test_an_attempt_has_the_queue_its_campaign_had_when_it_was_requested(api: Api) -> None:
    first, second = "aaaaaaaa-1111-4111-8111-111111111111", "bbbbbbbb-1111-4111-8111-111111111111"
    outplan = (await api.ok("POST", "/outplans", {"max_try_count_0": 1}))["id"]
    outdial = await api.outdial()
    used = {"outplan_id": outplan, "outdial_id": outdial}
    campaign = (await api.ok("POST", "/campaigns", {**used, "queue_id": first, "service_level": 100}))["id"]
    await api.ok("PUT", f"/campaigns/{campaign}/agents", {"agents": 5})
    attempts = {}
    for queue, number in ((first, "+15551230001"), (second, "+15551230002"), (ZERO, "+15551230003")):
        if queue != first:
            await api.ok("PUT", f"/campaigns/{campaign}/status", {"status": "stop"})
            await api.ok("PUT", f"/campaigns/{campaign}/resource_info", {**used, "queue_id": queue})
        await api.target(outdial, number)
        await api.ok("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
        request = (await api.requests())[-1]
        await api.say(request, "busy")
        attempts[request["attempt_id"]] = queue

    assert len(attempts) == 3
    for path in ("/campaigncalls", f"/campaigns/{campaign}/campaigncalls"):
        assert {row["id"]: row["queue_id"] for row in (await api.ok("GET", path))["result"]} == attempts
    for attempt_id, queue in attempts.items():
        assert (await api.ok("GET", f"/campaigncalls/{attempt_id}"))["queue_id"] == queue
    told = (await api.ok("GET", f"/events?outdial_id={outdial}&names=voipbin"))["result"]
    assert {row["data"]["id"]: row["data"]["queue_id"] for row in told if row["type"].startswith("campaigncall")} == attempts


async def test_an_attempt_without_a_campaign_has_no_queue(api: Api) -> None:
    outdial = await api.outdial()
    await api.target(outdial)
    await api.run(outdial)
    [request] = await api.requests()

    assert (await api.ok("GET", f"/campaigncalls/{request['attempt_id']}"))["queue_id"] == ZERO


async def test_success_is_200_also_for_what_is_made_and_deleted_and_the_whole_resource_is_answered(api: Api) -> None:
    for path in ("/outdials", "/outplans", "/campaigns"):
        made = await api.call("POST", path, {"name": "n", "max_try_count_0": 1})
        assert made.status_code == 200
        row = made.json()
        assert await api.ok("GET", f"{path}/{row['id']}") == row
        assert (await api.ok("GET", path))["result"][0] == row
        gone = await api.call("DELETE", f"{path}/{row['id']}")
        assert (gone.status_code, gone.json().keys()) == (200, row.keys())
        assert gone.json()["tm_delete"] != NOT_YET
        assert gone.json()["tm_update"] == gone.json()["tm_delete"]
        assert await api.ok("GET", f"{path}/{row['id']}") == gone.json()
        assert (await api.ok("GET", path))["result"] == []
        assert (await api.ok("GET", f"{path}?deleted=true"))["result"] == [gone.json()]


async def test_the_customer_of_a_body_is_not_looked_at(opened: Opened) -> None:
    alice, bob = await opened(Settings(tokens=TOKENS), ALICES), await opened(Settings(tokens=TOKENS), BOBS)
    theirs = (await alice.ok("POST", "/outdials", {}))["customer_id"]

    for path in ("/outdials", "/outplans", "/campaigns", "/accesskeys"):
        assert (await bob.ok("POST", path, {"customer_id": theirs, "id": NOBODY}))["customer_id"] != theirs
    assert len((await alice.ok("GET", "/outdials"))["result"]) == 1


# --- errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("http", "status", "reason", "method", "path", "sent"),
    [
        (400, "INVALID_ARGUMENT", "INVALID_JSON_BODY", "POST", "/outdials", {"content": b"{"}),
        (400, "INVALID_ARGUMENT", "INVALID_ID", "GET", "/outdials/x", {}),
        (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "POST", "/outdials", {"json": {"name": 1}}),
        (400, "INVALID_ARGUMENT", "INVALID_REQUEST_PARAMETER", "GET", "/outdials?page_size=x", {}),
        (401, "UNAUTHENTICATED", "AUTHENTICATION_REQUIRED", "GET", "/outdials", {"headers": {"Authorization": ""}}),
        (401, "UNAUTHENTICATED", "INVALID_CREDENTIALS", "GET", "/outdials", {"headers": {"Authorization": "Bearer x"}}),
        (403, "PERMISSION_DENIED", "PERMISSION_DENIED", "GET", "/customers", {}),
        (404, "NOT_FOUND", "OUTDIAL_NOT_FOUND", "GET", f"/outdials/{NOBODY}", {}),
        (404, "NOT_FOUND", "OUTPLAN_NOT_FOUND", "GET", f"/outplans/{NOBODY}", {}),
        (404, "NOT_FOUND", "CAMPAIGN_NOT_FOUND", "GET", f"/campaigns/{NOBODY}", {}),
        (404, "NOT_FOUND", "CAMPAIGNCALL_NOT_FOUND", "GET", f"/campaigncalls/{NOBODY}", {}),
        (404, "NOT_FOUND", "OUTDIAL_TARGET_NOT_FOUND", "GET", f"/outdials/{{outdial}}/targets/{NOBODY}", {}),
        (404, "NOT_FOUND", "ROUTE_NOT_FOUND", "GET", "/nowhere", {}),
        (405, "METHOD_NOT_ALLOWED", "METHOD_NOT_ALLOWED", "PATCH", "/outdials", {}),
        (412, "FAILED_PRECONDITION", "VERSION_DIFFERS", "DELETE", "/outdials/{outdial}", {"headers": {"If-Match": '"0"'}}),
        (413, "INVALID_ARGUMENT", "BODY_TOO_LARGE", "POST", "/outdials", {"content": b" " * 1_048_577}),
        (
            415,
            "INVALID_ARGUMENT",
            "UNSUPPORTED_MEDIA_TYPE",
            "POST",
            "/outdials",
            {"content": b"{}", "headers": {"Content-Type": "text/xml"}},
        ),
        (422, "INVALID_ARGUMENT", "ID_REUSED", "POST", "/outdials", {"json": {"name": "other"}, "headers": {"Idempotency-Key": "used"}}),
    ],
)
async def test_every_status_comes_with_its_reason_in_the_envelope(
    opened: Opened, http: int, status: str, reason: str, method: str, path: str, sent: dict[str, Any]
) -> None:
    api = await opened(Settings(tokens=TOKENS), ALICES)
    made = await api.ok("POST", "/outdials", {}, headers={"Idempotency-Key": "used"})

    answer = await api.http.request(method, f"/v1.0{path.format(outdial=made['id'])}", **sent)

    envelope_of(answer, http, status, reason)


async def test_what_is_in_the_wrong_state_is_409(api: Api) -> None:
    campaign = await api.ok(
        "POST", "/campaigns", {"outdial_id": await api.outdial(), "outplan_id": (await api.ok("POST", "/outplans", {}))["id"]}
    )
    await api.ok("PUT", f"/campaigns/{campaign['id']}", {"end_handle": "continue"})
    await api.ok("PUT", f"/campaigns/{campaign['id']}/status", {"status": "run"})

    envelope_of(await api.call("DELETE", f"/campaigns/{campaign['id']}"), 409, "FAILED_PRECONDITION", "STATE_INVALID")
    body = {"type": "CreateCampaign", "campaign_id": campaign["id"]}
    envelope_of(await api.call("POST", "/commands", body), 409, "ALREADY_EXISTS", "ALREADY_EXISTS")


def envelope_of(answer: httpx.Response, http: int, status: str, reason: str) -> dict[str, Any]:
    """The error of an answer, in the contract's envelope."""
    assert answer.status_code == http, answer.text
    assert list(answer.json()) == ["error"]
    error: dict[str, Any] = answer.json()["error"]
    assert list(error) == ["status", "reason", "message", "request_id", "details"]
    assert (error["status"], error["reason"], error["request_id"]) == (status, reason, answer.headers["x-request-id"])
    assert error["message"]
    return error


async def test_too_many_requests_say_when_to_come_back_and_whose_limit_it_is(opened: Opened) -> None:
    api = await opened(Settings(rate_of_address=Rate(0.1, 1), clock=lambda: 0.0))
    await api.ok("GET", "/outdials")

    answer = await api.call("GET", "/outdials")

    error = envelope_of(answer, 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
    assert (answer.headers["retry-after"], error["details"][0]["limited_by"]) == ("10", "ip")


@pytest.mark.parametrize(
    ("why", "http", "status", "reason"),
    [
        (RuntimeError("a fault"), 500, "INTERNAL", "INTERNAL"),
        (Unavailable("disk_full", "the disk is full"), 503, "UNAVAILABLE", "SERVICE_UNAVAILABLE"),
        (Unavailable("answer_late", "no answer came"), 503, "UNAVAILABLE", "REQUEST_TIMEOUT"),
    ],
)
async def test_a_fault_and_a_service_that_cannot_come_in_the_envelope_too(
    api: Api, why: Exception, http: int, status: str, reason: str
) -> None:
    async with client_of(make_app(Broken(why), api.runtime.reader)) as client:
        envelope_of(await client.post("/v1.0/outdials", json={}), http, status, reason)


async def test_no_route_asks_for_a_precondition(api: Api) -> None:
    made = await api.ok("POST", "/outdials", {})

    assert (await api.ok("PUT", f"/outdials/{made['id']}", {"name": "n"}))["name"] == "n"


# --- times ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{"params": {"time": "iso"}}, {"headers": {"Outdial-Time": "iso"}}])
async def test_every_answer_has_its_times_in_the_form_that_was_asked_for(api: Api, asked: dict[str, Any]) -> None:
    for model, (path, row) in (await one_of_each(api)).items():
        other = await api.ok("GET", path, **asked)
        other = other["result"][0] if model == "Targetcall" else other
        for name in ("tm_create", "tm_update", "tm_delete"):
            assert TIME.fullmatch(row[name]), model
            assert (other[name] is None) is (row[name] == NOT_YET)
            assert other[name] is None or (ISO.fullmatch(other[name]) and other[name] == f"{row[name].replace(' ', 'T')}Z")


@pytest.mark.parametrize("said", ["2026-11-21 04:10:32.000007", "2026-11-21T04:10:32.000007Z", "2026-11-21T05:10:32.000007+01:00"])
async def test_a_time_is_taken_in_every_form(api: Api, said: str) -> None:
    outdial_id = await api.outdial()
    await api.target(outdial_id)
    await api.run(outdial_id)
    [request] = await api.requests()

    await api.say(request, "busy", started_at=said)

    [event] = [found for found in (await api.ok("GET", "/events"))["result"] if found["type"] == "DialEnded"]
    assert event["data"]["started_at"] == "2026-11-21T04:10:32.000007Z"
    assert ISO.fullmatch(event["time"])


async def test_what_is_new_was_not_updated_yet_but_a_target_was_when_it_was_made(api: Api) -> None:
    for path in ("/outdials", "/outplans", "/campaigns"):
        assert (await api.ok("POST", path, {}))["tm_update"] == NOT_YET
    target = await api.target(await api.outdial())
    assert target["tm_update"] == target["tm_create"] != NOT_YET


# --- conflicts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"name": "n", "detail": "d"}, {"campaign_id": ZERO}, {"name": "", "detail": "", "data": ""}])
async def test_an_outdial_needs_nothing_but_an_object(api: Api, body: dict[str, Any]) -> None:
    made = await api.ok("POST", "/outdials", body)

    assert (made["name"], made["data"], made["campaign_id"]) == (body.get("name", ""), "", ZERO)


async def test_an_address_has_five_keys_and_an_unset_one_is_null(api: Api) -> None:
    target = await api.target(await api.outdial(), destination_1={}, destination_2=None, destination_3={"type": "", "target": ""})

    assert list(target["destination_0"]) == ["type", "target", "target_name", "name", "detail"]
    assert [target[f"destination_{slot}"] for slot in range(1, 5)] == [None] * 4


async def test_a_ring_time_that_looks_like_seconds_is_taken_and_pointed_out(api: Api) -> None:
    made = await api.ok("POST", "/outplans", {"dial_timeout": 30, "max_try_count_0": 1})

    assert made["dial_timeout"] == 30
    assert any("dial_timeout" in warning for warning in made["warnings"])
    assert "warnings" not in await api.ok("POST", "/outplans", {"dial_timeout": 1_000, "max_try_count_0": 1})


async def test_targets_are_added_and_deleted_while_it_dials(api: Api) -> None:
    outdial_id = await api.outdial()
    first = await api.target(outdial_id)
    await api.run(outdial_id, max_concurrent=1)
    [request] = await api.requests()
    second, third = await api.target(outdial_id, "+15551230002"), await api.target(outdial_id, "+15551230003")
    await api.ok("DELETE", f"/outdials/{outdial_id}/targets/{second['id']}")
    await api.say(request, "answered")

    assert [found["target_id"] for found in await api.requests()] == [first["id"], third["id"]]
