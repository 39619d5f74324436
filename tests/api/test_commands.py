"""Commands in their own words over HTTP: strict, one or one a line."""

import json
from typing import Any

import pytest
from pydantic import BeforeValidator

from api.door import BOB, Api
from outdial.commands import COMMANDS
from outdial.doors.api.deps import DEFAULT_CUSTOMER
from outdial.scalars import ZERO_ID

OUTDIAL = "7b1c0000-0000-4000-8000-000000000001"
TARGET = "a1000000-0000-4000-8000-000000000001"
LINES = {"Content-Type": "application/x-ndjson"}
CREATE = {"type": "CreateOutdial", "outdial_id": OUTDIAL, "name": "June"}


async def lines(api: Api, *sent: Any, **headers: str) -> list[dict[str, Any]]:
    """The answers to commands sent one a line."""
    body = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in sent)
    answer = await api.call("POST", "/commands", content=body.encode(), headers={**LINES, **headers})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_one_command_is_answered_with_what_it_did(api: Api) -> None:
    answer = await api.ok("POST", "/commands", CREATE)

    assert (answer["type"], answer["stream"], answer["result"], answer["position"]) == (
        "CreateOutdial",
        OUTDIAL,
        "events",
        str(api.runtime.position),
    )
    assert (await api.ok("GET", f"/outdials/{OUTDIAL}"))["customer_id"] == DEFAULT_CUSTOMER


async def test_the_whole_loop_works_with_three_commands(api: Api) -> None:
    plan = {"dial_timeout": 30_000, "try_interval": 60_000, "max_try_count_0": 3}
    add = {"type": "AddTarget", "outdial_id": OUTDIAL, "target_id": TARGET, "destination_0": {"type": "tel", "target": "+15551230001"}}
    await lines(api, {**CREATE, "plan": plan}, add)
    [request] = await api.requests()

    answer = await api.ok(
        "POST", "/commands",
        {"type": "DialResult", "outdial_id": OUTDIAL, "target_id": TARGET, "attempt_id": request["attempt_id"], "outcome": "answered"},
    )  # fmt: skip

    assert answer["result"] == "events"
    assert (await api.ok("GET", f"/outdials/{OUTDIAL}/targets/{TARGET}"))["lifecycle"] == "finished"


async def test_lines_are_answered_each_with_its_number(api: Api) -> None:
    answers = await lines(
        api,
        CREATE,
        "",
        "{",
        CREATE,
        {**CREATE, "colour": "red"},
        {"type": "Nonsense"},
        {"type": "DeleteOutdial", "outdial_id": OUTDIAL, "x_trace": 1},
    )

    assert [(answer["line"], answer["result"], answer.get("reason")) for answer in answers] == [
        (1, "events", None),
        (3, "rejected", "json_invalid"),
        (4, "rejected", "already_exists"),
        (5, "rejected", "unknown_field"),
        (6, "rejected", "type_unknown"),
        (7, "events", None),
    ]


async def test_a_thousand_lines(api: Api) -> None:
    adds = [
        {"type": "AddTarget", "outdial_id": OUTDIAL, "destination_0": {"type": "tel", "target": f"+1555{2_000_000 + number}"}}
        for number in range(1_000)
    ]

    answers = await lines(api, CREATE, *adds)

    assert [answer["line"] for answer in answers] == list(range(1, 1_002))
    assert {answer["result"] for answer in answers} == {"events"}


async def test_lines_under_an_idempotency_key_do_nothing_twice(api: Api) -> None:
    add = {"type": "AddTarget", "outdial_id": OUTDIAL, "destination_0": {"type": "tel", "target": "+15551230001"}}

    await lines(api, CREATE, add, **{"Idempotency-Key": "k"})
    again = await lines(api, CREATE, add, **{"Idempotency-Key": "k"})

    assert [answer["result"] for answer in again] == ["events", "events"]
    assert (await api.ok("GET", f"/outdials/{OUTDIAL}/stats"))["total"] == 1


LEAVES = [{"cap_id": OUTDIAL, "target_id": OUTDIAL, "attempt_id": OUTDIAL}]


@pytest.mark.parametrize("kind", sorted(name for name, model in COMMANDS.items() if model.internal))
async def test_the_ledgers_own_commands_are_refused(api: Api, kind: str) -> None:
    model = COMMANDS[kind]
    fields: dict[str, Any] = {}
    for name, found in model.model_fields.items():
        if found.is_required():
            is_time = any(isinstance(one, BeforeValidator) for one in found.metadata)
            fields[name] = "2026-11-21T00:00:00Z" if is_time else 1 if found.annotation is int else OUTDIAL
    fields |= {
        name: value
        for name, value in {
            "plan": {},
            "resource": "outplan",
            "how": "finished",
            "reason": "r",
            "end_handle": "stop",
            "leaves": LEAVES,
        }.items()
        if name in model.model_fields
    }

    error = await api.refused(400, "INVALID_ARGUMENT", "POST", "/commands", {"type": kind, **fields})

    assert error["details"][0]["rule"] == "internal_command"


@pytest.mark.parametrize(
    "command",
    [
        {"type": "StartDialing", "outdial_id": OUTDIAL, "campaign_id": OUTDIAL},
        {"type": "StartDialing", "outdial_id": OUTDIAL, "run": 1},
        {"type": "StopDialing", "outdial_id": OUTDIAL, "campaign_id": OUTDIAL},
        {"type": "RunCampaign", "campaign_id": OUTDIAL, "chain": []},
    ],
)
async def test_the_ledgers_own_forms_of_commands_are_refused(api: Api, command: dict[str, Any]) -> None:
    error = await api.refused(400, "INVALID_ARGUMENT", "POST", "/commands", command)

    assert error["details"][0]["rule"] == "internal_command"


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ({"outdial_id": OUTDIAL}, "type_unknown"),
        ({"type": "CreateOutdial"}, "field_missing"),
        ({**CREATE, "name": 7}, "field_invalid"),
        ({**CREATE, "outdial_id": "x"}, "field_invalid"),
        ({**CREATE, "colour": "red"}, "unknown_field"),
        ({**CREATE, "plan": {"colour": "red"}}, "unknown_field"),
        ({**CREATE, "plan": {"windows": []}}, "field_invalid"),
        ([CREATE], "field_invalid"),
    ],
)
async def test_a_command_of_a_wrong_form_is_refused(api: Api, command: Any, rule: str) -> None:
    error = await api.refused(400, "INVALID_ARGUMENT", "POST", "/commands", command)

    assert error["details"][0]["rule"] == rule


async def test_a_command_over_the_limit_is_refused(api: Api) -> None:
    await api.refused(413, "BODY_TOO_LARGE", "POST", "/commands", {**CREATE, "x_more": "a" * 1_000_000})


async def test_a_command_for_another_customer_is_refused(api: Api) -> None:
    await api.refused(403, "PERMISSION_DENIED", "POST", "/commands", {**CREATE, "customer_id": BOB})
    await api.ok("POST", "/commands", {**CREATE, "customer_id": DEFAULT_CUSTOMER})


async def test_a_refused_command_answers_as_its_route_would(api: Api) -> None:
    await api.refused(404, "OUTDIAL_NOT_FOUND", "POST", "/commands", {"type": "DeleteOutdial", "outdial_id": OUTDIAL})
    await api.ok("POST", "/commands", {**CREATE, "id": TARGET})
    await api.refused(422, "ID_REUSED", "POST", "/commands", {**CREATE, "id": TARGET, "name": "July"})


@pytest.mark.parametrize(
    "command",
    [
        {"type": "CreateOutdial", "outdial_id": ZERO_ID},
        {"type": "CreateOutplan", "outplan_id": ZERO_ID, "plan": {}},
        {"type": "CreateCampaign", "campaign_id": ZERO_ID},
    ],
)
async def test_nothing_is_made_under_the_id_that_means_nothing(api: Api, command: Any) -> None:
    error = await api.refused(400, "INVALID_ARGUMENT", "POST", "/commands", command)

    assert error["details"] == [{"rule": "field_invalid"}]
    assert (await api.ok("GET", "/events"))["result"] == []


@pytest.mark.parametrize("body", [b"{}\n" * 10_001, b"\n" * 1_000_000, b"{}\n" * 10_000 + b"{}"])
async def test_a_body_of_more_lines_than_a_body_may_have_is_refused_before_any_is_carried_out(api: Api, body: bytes) -> None:
    made = json.dumps(CREATE).encode() + b"\n"

    error = await api.refused(400, "INVALID_ARGUMENT", "POST", "/commands", content=made + body, headers=LINES)
    answer = await api.call("POST", "/commands", content=b"{}\n" * 10_000, headers=LINES)

    assert error["details"][0]["rule"] == "too_many_items"
    assert (await api.ok("GET", "/events"))["result"] == []
    assert answer.text.count("type_unknown") == 10_000
