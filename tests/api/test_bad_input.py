"""Bad input: each gets a clear refusal in the envelope, and nothing else is disturbed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.door import Api, served
from outdial.doors.api.bodies import THROWN_AWAY

JSON = {"Content-Type": "application/json"}
TEL = {"type": "tel", "target": "+15551230001"}
NOBODY = "00000000-0000-4000-8000-00000000dead"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name":',
        b"[1,2",
        b"nonsense",
        b'{"name": "\xff\xfe"}',
        b'{"name": "\\ud800"}',
        b'{"name": NaN}',
        b"[" * 100_000,
        b"\x00",
        b'"text"',
        b"[]",
        b"null",
        b"7",
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(api: Api, body: bytes) -> None:
    for path in ("/outdials", "/outplans", "/campaigns"):
        await api.refused(400, "INVALID_JSON_BODY", "POST", path, content=body, headers=JSON)

    assert (await api.ok("GET", "/outdials"))["result"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/outdials", {"name": 7}),
        ("/outdials", {"name": "a" * 256}),
        ("/outdials", {"detail": ["a"]}),
        ("/outdials", {"data": {"a": 1}}),
        ("/outdials", {"name": "nul \x00 byte"}),
        ("/outdials", {"campaign_id": "not-a-uuid"}),
        ("/outdials", {"plan": {"dial_timeout": -1}}),
        ("/outdials", {"plan": 7}),
        ("/outplans", {"dial_timeout": -1}),
        ("/outplans", {"dial_timeout": 10**30}),
        ("/outplans", {"try_interval": "60000"}),
        ("/outplans", {"try_interval": 1.5}),
        ("/outplans", {"max_try_count_0": -1}),
        ("/outplans", {"max_try_count_4": True}),
        ("/outplans", {"source": "+15551230001"}),
        ("/outplans", {"retry_mode": "sometimes"}),
        ("/campaigns", {"type": "email"}),
        ("/campaigns", {"service_level": -1}),
        ("/campaigns", {"end_handle": "explode"}),
        ("/campaigns", {"actions": {"type": "talk"}}),
        ("/campaigns", {"actions": ["talk"]}),
        ("/campaigns", {"outdial_id": "x"}),
    ],
)
async def test_a_field_of_a_wrong_form_is_refused_by_name(api: Api, path: str, body: dict[str, Any]) -> None:
    error = await api.refused(400, "INVALID_ARGUMENT", "POST", path, body)

    assert any(name in error["message"] for name in ("type", "dial_timeout", *body)), error


@pytest.mark.parametrize("digits", [19, 309, 4_000, 5_000])
async def test_a_huge_integer_is_refused_or_kept_whole(api: Api, digits: int) -> None:
    number = "9" * digits
    for path, body in (
        ("/outplans", f'{{"try_interval": {number}}}'),
        ("/outplans", f'{{"max_try_count_0": -{number}}}'),
        ("/campaigns", f'{{"service_level": {number}}}'),
    ):
        answer = await api.call("POST", path, content=body, headers=JSON)
        assert answer.status_code == 400, answer.text

    answer = await api.call("POST", "/campaigns", content=f'{{"actions": [{{"option": {number}}}]}}', headers=JSON)
    assert answer.status_code in (200, 400), answer.text


@pytest.mark.parametrize("actions", [b'{"a":' * 198 + b"1" + b"}" * 198, b'{"a":[' * 40 + b"]}" * 40, b'{"a":1e999}', b'{"a":[-1E400]}'])
async def test_actions_that_no_reader_of_the_log_could_read_again_are_refused(api: Api, actions: bytes) -> None:
    made = await api.ok("POST", "/campaigns", {"actions": [{"a": [1, 2.5, {"b": None}]}]})
    command = f'{{"type":"CreateCampaign","campaign_id":"{NOBODY}","actions":['.encode()

    await api.refused(400, "INVALID_ARGUMENT", "POST", "/campaigns", content=b'{"actions":[' + actions + b"]}", headers=JSON)
    await api.refused(
        400, "INVALID_ARGUMENT", "PUT", f"/campaigns/{made['id']}/actions", content=b'{"actions":[' + actions + b"]}", headers=JSON
    )
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/commands", content=command + actions + b"]}", headers=JSON)

    assert (await api.ok("GET", "/campaigns"))["result"] == [made]


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({}, "destination_missing"),
        ({"destination_0": None}, "destination_missing"),
        ({"destination_0": {}}, "destination_missing"),
        ({"destination_0": {"type": "", "target": ""}}, "destination_missing"),
        ({"destination_0": {"type": "tel", "target": "12345"}}, "address_invalid"),
        ({"destination_0": {"type": "tel", "target": "+1"}}, "address_invalid"),
        ({"destination_0": {"type": "tel", "target": "+99999999999999999999"}}, "address_invalid"),
        ({"destination_0": {"type": "sip", "target": "nobody"}}, "address_invalid"),
        ({"destination_0": {"type": "email", "target": "nobody"}}, "address_invalid"),
        ({"destination_0": {"type": "pigeon", "target": "coo"}}, "address_type_unknown"),
        ({"destination_0": TEL, "time_zone": "Mars/Olympus"}, "time_zone_unknown"),
        ({"destination_0": "+15551230001"}, "field_invalid"),
        ({"destination_0": {"type": 7, "target": "+15551230001"}}, "field_invalid"),
        ({"destination_0": TEL, "try_count_max": -1}, "field_invalid"),
        ({"destination_0": TEL, "try_count_max": 10**40}, "field_invalid"),
        ({"destination_0": TEL, "priority": 101}, "field_invalid"),
        ({"destination_0": TEL, "on_duplicate": "shrug"}, "field_invalid"),
        ({"destination_0": TEL, "metadata": "text"}, "field_invalid"),
        ({"destination_0": TEL, "destination": TEL}, "destination_ambiguous"),
        ({"destination_0": TEL, "data": "a", "metadata": {"a": 1}}, "data_ambiguous"),
        ({"destination_0": TEL, "name": "\x00"}, "field_invalid"),
        ({"destination_0": TEL, "detail": "a" * 10_000_000}, "field_invalid"),
        ({"targets": {"destination": TEL}}, "field_invalid"),
        ({"targets": [], "on_duplicate": 7}, "field_invalid"),
        ({"targets": [{"destination": TEL}] * 10_001}, "too_many_targets"),
    ],
)
async def test_a_target_nobody_could_dial_is_refused_with_a_rule(api: Api, fields: dict[str, Any], rule: str) -> None:
    outdial_id = await api.outdial()

    error = await api.refused(400, "INVALID_ARGUMENT", "POST", f"/outdials/{outdial_id}/targets", fields)

    assert error["details"][0]["rule"] == rule
    assert "+1555" not in error["message"]
    assert (await api.ok("GET", f"/outdials/{outdial_id}/targets"))["result"] == []


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"windows": {"hours": [{"days": ["mon"], "start": "9", "end": "20:00"}]}}, "field_invalid"),
        ({"windows": {}}, "field_invalid"),
        ({"windows": "always"}, "field_invalid"),
        ({"time_zone": "Mars/Olympus"}, "time_zone_unknown"),
        ({"windows": {"hours": [{"days": ["mon"], "start": "09:00", "end": "20:00"}], "time_zone": "CEST"}}, "time_zone_unknown"),
        ({"result_policy": {"busy": {"interval_ms": -1}}}, "field_invalid"),
        ({"result_policy": {"answered": {}}}, "unknown_field"),
    ],
)
async def test_a_window_or_a_policy_that_cannot_be_kept_is_refused_wherever_a_plan_is_taken(api: Api, fields: Any, rule: str) -> None:
    outdial_id = await api.outdial()
    plan = await api.ok("POST", "/outplans", {})
    for method, path, body in (
        ("POST", "/outplans", fields),
        ("PUT", f"/outplans/{plan['id']}/dial_info", fields),
        ("PUT", f"/outdials/{outdial_id}/dialing", {"status": "run", "plan": fields}),
        ("POST", "/outdials", {"plan": fields}),
    ):
        error = await api.refused(400, "INVALID_ARGUMENT", method, path, body)
        assert error["details"][0]["rule"] == rule


async def test_unknown_fields_and_nulls_of_contract_bodies_are_ignored(api: Api) -> None:
    made = await api.ok("POST", "/outdials", {"name": "a", "detail": None, "id": 7, "status": {}, "tm_create": "x", "customer_id": "me"})
    plan = await api.ok("POST", "/outplans", {"name": None, "try_interval": None, "colour": "red"})
    target = await api.target(made["id"], name=None, status="done", try_count_0=9, tm_delete="now")

    assert (made["name"], made["detail"]) == ("a", "")
    assert plan["try_interval"] == 60_000
    assert (target["status"], target["try_count_0"]) == ("idle", 0)


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "image/png"],
)
async def test_an_unknown_media_type_is_refused(api: Api, kind: str) -> None:
    await api.refused(415, "UNSUPPORTED_MEDIA_TYPE", "POST", "/outdials", content=b"{}", headers={"Content-Type": kind})


async def test_a_compressed_body_is_refused(api: Api) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    await api.refused(415, "UNSUPPORTED_MEDIA_TYPE", "POST", "/outdials", content=b"\x1f\x8b", headers=headers)


async def test_a_body_over_the_limit_is_refused_and_not_read_for_ever(api: Api) -> None:
    outdial_id = await api.outdial()
    big, sent = b"x" * (1 << 20), 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += len(big)
            yield big

    for path, limit in (("/outdials", 1 << 20), (f"/outdials/{outdial_id}/targets", 16 << 20)):
        sent = 0
        await api.refused(413, "BODY_TOO_LARGE", "POST", path, content=endless(), headers=JSON)
        assert sent <= limit + THROWN_AWAY + 2 * len(big)
        said = {**JSON, "Content-Length": str(limit + 1)}
        await api.refused(413, "BODY_TOO_LARGE", "POST", path, content=b"{}", headers=said)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_client_that_sends_too_much_reads_why(api: Api, *, chunked: bool) -> None:
    body = b'{"detail":"' + b"a" * 10_000_000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 65_536):
            yield body[at : at + 65_536]

    async with served(api.app) as url, httpx.AsyncClient(base_url=url) as client:
        for _ in range(3):
            answer = await client.post("/v1.0/outdials", content=pieces() if chunked else body, headers=JSON)
            assert (answer.status_code, answer.json()["error"]["reason"]) == (413, "BODY_TOO_LARGE")


async def test_a_client_that_asks_first_need_not_send_what_is_too_large(api: Api) -> None:
    async with served(api.app) as url:
        reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
        head = "POST /v1.0/outdials HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
        writer.write(head.encode())
        assert b" 413 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_metadata_holds_only_numbers_that_every_reader_of_json_knows(api: Api) -> None:
    outdial_id = await api.outdial()
    body = b'{"metadata":{"a":[1e999]},"destination":{"type":"tel","target":"+15551230001"}}'

    await api.refused(400, "INVALID_ARGUMENT", "POST", f"/outdials/{outdial_id}/targets", content=body, headers=JSON)
    line = b'{"metadata":{"a":-1e999},"destination":"+15551230001"}'
    report = await api.ok("POST", f"/outdials/{outdial_id}/import", content=line, headers={"Content-Type": "application/x-ndjson"})

    assert [error["reason"] for error in report["errors"]] == ["field_invalid"]


async def test_a_target_larger_than_a_command_is_refused(api: Api) -> None:
    outdial_id = await api.outdial()
    wide = {"type": "tel", "target": "+15551230001", "detail": "\u20ac" * 65_536}
    fields = {f"destination_{slot}": wide for slot in range(5)} | {"detail": "\u20ac" * 65_536, "data": "\u20ac" * 65_536}

    await api.refused(413, "BODY_TOO_LARGE", "POST", f"/outdials/{outdial_id}/targets", fields)
    bulk = await api.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": [fields, {"destination": TEL}]})

    assert [(error["index"], error["reason"]) for error in bulk["errors"]] == [(0, "too_large")]
    assert len(bulk["result"]) == 1


@pytest.mark.parametrize(
    "bad", ["x", "40bea034-1d17-474d-a5de", "40bea034-1d17-474d-a5de-da00d0861c6g", "40bea0341d17474da5deda00d0861c69", "%00", "\u00e9"]
)
async def test_a_path_id_that_is_no_uuid_is_refused(api: Api, bad: str) -> None:
    outdial_id = await api.outdial()
    for path in (
        f"/outdials/{bad}",
        f"/outdials/{outdial_id}/targets/{bad}",
        f"/outplans/{bad}",
        f"/campaigns/{bad}",
        f"/campaigncalls/{bad}",
    ):
        await api.refused(400, "INVALID_ID", "GET", path)


async def test_upper_case_ids_are_folded(api: Api) -> None:
    outdial_id = await api.outdial()

    assert (await api.ok("GET", f"/outdials/{outdial_id.upper()}"))["id"] == outdial_id


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", f"/outdials/{NOBODY}", "OUTDIAL_NOT_FOUND"),
        ("PUT", f"/outdials/{NOBODY}", "OUTDIAL_NOT_FOUND"),
        ("DELETE", f"/outdials/{NOBODY}", "OUTDIAL_NOT_FOUND"),
        ("GET", f"/outdials/{NOBODY}/targets", "OUTDIAL_NOT_FOUND"),
        ("GET", f"/outdials/{NOBODY}/targets/{NOBODY}", "OUTDIAL_NOT_FOUND"),
        ("GET", f"/outdials/{NOBODY}/stats", "OUTDIAL_NOT_FOUND"),
        ("DELETE", f"/outdials/{NOBODY}/targets/{NOBODY}", "OUTDIAL_NOT_FOUND"),
        ("GET", f"/outplans/{NOBODY}", "OUTPLAN_NOT_FOUND"),
        ("PUT", f"/outplans/{NOBODY}", "OUTPLAN_NOT_FOUND"),
        ("PUT", f"/outplans/{NOBODY}/dial_info", "OUTPLAN_NOT_FOUND"),
        ("DELETE", f"/outplans/{NOBODY}", "OUTPLAN_NOT_FOUND"),
        ("GET", f"/campaigns/{NOBODY}", "CAMPAIGN_NOT_FOUND"),
        ("PUT", f"/campaigns/{NOBODY}", "CAMPAIGN_NOT_FOUND"),
        ("DELETE", f"/campaigns/{NOBODY}", "CAMPAIGN_NOT_FOUND"),
        ("GET", f"/campaigns/{NOBODY}/campaigncalls", "CAMPAIGN_NOT_FOUND"),
        ("GET", f"/campaigncalls/{NOBODY}", "CAMPAIGNCALL_NOT_FOUND"),
        ("DELETE", f"/campaigncalls/{NOBODY}", "CAMPAIGNCALL_NOT_FOUND"),
    ],
)
async def test_an_unknown_id_is_not_found_by_the_name_of_its_kind(api: Api, method: str, path: str, reason: str) -> None:
    await api.refused(404, reason, method, path, {"name": "a"} if method == "PUT" else None)


async def test_adding_to_an_unknown_outdial_is_not_found(api: Api) -> None:
    lists: tuple[list[object], ...] = ([{"destination": TEL}], [], [{"destination": "bad"}])
    for body in ({"destination_0": TEL}, *({"targets": targets} for targets in lists)):
        await api.refused(404, "OUTDIAL_NOT_FOUND", "POST", f"/outdials/{NOBODY}/targets", body)


async def test_a_target_under_the_wrong_outdial_is_not_found(api: Api) -> None:
    target = await api.target(await api.outdial())
    other = await api.outdial()

    await api.refused(404, "OUTDIAL_TARGET_NOT_FOUND", "GET", f"/outdials/{other}/targets/{target['id']}")
    await api.refused(404, "OUTDIAL_TARGET_NOT_FOUND", "DELETE", f"/outdials/{other}/targets/{target['id']}")


@pytest.mark.parametrize(
    "query",
    [
        "page_size=ten",
        "page_size=1.5",
        "page_token=yesterday",
        "page_token=2022-13-01",
        "page_token=2022-04-28%2001:41:40,x",
        "page_token=" + "9" * 200,
    ],
)
async def test_a_page_nobody_can_be_on_is_refused(api: Api, query: str) -> None:
    await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", f"/outdials?{query}")


@pytest.mark.parametrize(
    "query",
    [
        "after=x",
        "after=-1",
        "after=" + "9" * 30,
        "limit=0",
        "limit=1001",
        "wait_ms=30001",
        "share=1",
        "share=2/2",
        "share=a/b",
        "share=0/0",
        "share=-1/2",
    ],
)
async def test_a_log_query_of_a_wrong_form_is_refused(api: Api, query: str) -> None:
    await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", f"/dial_requests?{query}")


async def test_a_body_cut_in_the_middle_changes_nothing_and_the_door_goes_on(api: Api) -> None:
    async with served(api.app) as url:
        host, port = url.removeprefix("http://").split(":")
        for head in (b"Content-Length: 1000\r\n", b"Transfer-Encoding: chunked\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            body = b'{"name":"half' if b"Length" in head else b'd\r\n{"name":"half\r\n'
            writer.write(b"POST /v1.0/outdials HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + head + b"\r\n" + body)
            writer.write_eof()
            async with asyncio.timeout(30):
                assert b"Traceback" not in await reader.read()
            writer.close()
            await writer.wait_closed()

        assert (await api.ok("GET", "/outdials"))["result"] == []


@pytest.mark.parametrize("value", ["yes", "on", "t", "maybe", "", "2", "tru", "no", "null", " true"])
async def test_yes_or_no_is_true_or_false_and_nothing_else(api: Api, value: str) -> None:
    outdial_id = await api.outdial()
    target_id = (await api.target(outdial_id))["id"]
    one, written = f"/outdials/{outdial_id}", api.written()

    for name, path in (
        ("deleted", "/outdials"),
        ("deleted", f"{one}/targets/{target_id}/calls"),
        ("stale", "/outdials"),
        ("targets", f"/events?outdial_id={outdial_id}"),
        ("places", "/events"),
        ("places", "/events/stream"),
        ("places", f"{one}/targets/{target_id}/history"),
        ("sessions", "/accesskeys"),
    ):
        error = await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", f"{path}{'&' if '?' in path else '?'}{name}={value}")
        assert (error["message"], error["details"][0]["rule"]) == (f"{name} must be true or false", "field_invalid")

    file: dict[str, Any] = {"content": b"destination_0\n+15551230002\n", "headers": {"Content-Type": "text/csv"}}
    error = await api.refused(400, "INVALID_REQUEST_PARAMETER", "POST", f"{one}/import?dry_run={value}", **file)
    assert error["message"] == "dry_run must be true or false"
    assert api.written() == written


async def test_yes_is_true_or_1_and_no_is_false_or_0_in_any_case(api: Api) -> None:
    outdial_id = await api.outdial()
    file: dict[str, Any] = {"content": b"destination_0\n+15551230002\n", "headers": {"Content-Type": "text/csv"}}

    for value in ("true", "1", "True", "TRUE", "false", "0", "False"):
        report = await api.ok("POST", f"/outdials/{outdial_id}/import?dry_run={value}", **file)
        assert report["dry_run"] == (value.lower() in ("true", "1"))
        await api.ok("GET", f"/outdials?stale={value}&deleted={value}")
        await api.ok("GET", f"/events?outdial_id={outdial_id}&targets={value}&places={value}")
