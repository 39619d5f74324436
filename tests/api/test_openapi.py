"""The door described, and what whoever runs it asks."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from api.door import Api, Opened
from outdial.doors.api.deps import Settings
from outdial.doors.api.openapi import _told
from outdial.resources import RESOURCES, PlanInForce

ROOT = Path(__file__).parents[2]


async def test_every_route_is_described_under_a_name_of_its_own(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()

    operations = [operation for found in document["paths"].values() for operation in found.values()]
    assert document["openapi"].startswith("3.1")
    assert {"/healthz", "/v1.0/outdials", "/v1.0/outdials/{id}/targets/{target_id}", "/v1.0/events/stream"} <= set(document["paths"])
    assert all(operation["description"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


async def test_every_reference_of_the_document_is_kept(api: Api) -> None:
    answer = await api.http.get("/openapi.json")

    named = set(re.findall(r'"#/components/schemas/(\w+)"', answer.text))
    assert named <= set(answer.json()["components"]["schemas"])


async def test_what_the_document_tells_is_about_routes_there_are(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()

    assert set(_told()) <= {operation["operationId"] for found in document["paths"].values() for operation in found.values()}


async def test_every_write_but_delete_says_what_its_body_is(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()

    for path, operations in document["paths"].items():
        for method in {"post", "put"} & set(operations):
            assert "requestBody" in operations[method], path


async def test_the_page_of_the_document_has_nothing_from_another_host(api: Api) -> None:
    answer = await api.http.get("/docs")

    assert answer.headers["content-type"].startswith("text/html")
    assert "/v1.0/outdials/{id}/targets" in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text


async def test_the_pages_run_nothing_and_load_nothing(api: Api) -> None:
    for path in ("/docs", "/docs/messages"):
        answer = await api.http.get(path)
        policy = answer.headers["content-security-policy"]
        style = re.findall(r"<style>(.*?)</style>", answer.text)
        assert "default-src 'none'" in policy
        assert [b64encode(sha256(text.encode()).digest()).decode() for text in style] == re.findall(r"'sha256-([^']+)'", policy)
        assert not re.search(r"<(script|link|img|iframe|form)|\sstyle=|\son\w+=|javascript:", answer.text)


async def test_the_page_lays_out_what_a_route_takes_and_answers(api: Api) -> None:
    page = (await api.http.get("/docs")).text

    [shown] = re.findall(r"<summary>PUT /v1.0/outplans/{id}/dial_info</summary>.*?</details>", page)
    for word in ("If-Match", "dial_timeout", "How long an attempt may ring", "tm_create"):
        assert word in shown


async def test_the_document_is_the_file_that_is_checked_in(api: Api) -> None:
    assert (await api.http.get("/openapi.json")).json() == json.loads((ROOT / "schemas/json/openapi.json").read_text("utf-8"))


async def test_every_field_that_is_served_is_described_and_no_other(api: Api) -> None:
    plan = (await api.ok("POST", "/outplans", {"max_try_count_0": 2, "source": {"type": "tel", "target": "+15550000000"}}))["id"]
    outdial = await api.outdial()
    target = await api.target(outdial)
    campaign = (await api.ok("POST", "/campaigns", {"outdial_id": outdial, "outplan_id": plan}))["id"]
    await api.ok("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    [request] = await api.requests()
    await api.ok("PUT", "/webhook", {"uri": "https://pbx.example/events"})
    aim = f"/outdials/{outdial}/targets/{target['id']}"
    wanted = {
        "Outdial": f"/outdials/{outdial}",
        "Target": aim,
        "Targetcall": f"{aim}/calls",
        "Outplan": f"/outplans/{plan}",
        "Campaign": f"/campaigns/{campaign}",
        "Campaigncall": f"/campaigncalls/{request['attempt_id']}",
        "DialingOfOutdial": f"/outdials/{outdial}/dialing",
        "Stats": f"/outdials/{outdial}/stats",
        "Webhook": "/webhook",
        "Rejections": "/rejections",
        "Views": "/views",
        "WhyTarget": f"{aim}/why",
        "WhyOutdial": f"/outdials/{outdial}/why",
        "Activity": f"/outdials/{outdial}/activity",
        "Yield": f"/outdials/{outdial}/yield",
        "MostCalled": f"/outdials/{outdial}/most_called",
        "Calendar": f"/outdials/{outdial}/calendar",
        "OpenAttempts": f"/outdials/{outdial}/open_attempts",
        "Past": f"/outdials/{outdial}/past?at=2",
        "TargetPast": f"{aim}/past?at=1",
    }
    for name, path in wanted.items():
        for form in ("", "time=iso"):
            found = await api.ok("GET", path + ("&" if "?" in path else "?") + form)
            row = found["result"][0] if "next_page_token" in found else found
            model = RESOURCES[name]
            optional = {field for field, told in model.model_fields.items() if not told.is_required()}
            assert set(row) | optional == set(model.model_fields), f"{name}: what is served stands in schemas/outdial/resources.py"
            assert not model.model_validate(row).model_extra
    row = await api.ok("POST", f"/outdials/{outdial}/preflight", {})
    assert set(row) == set(RESOURCES["PreflightOfOutdial"].model_fields)
    found = await api.ok("GET", wanted["DialingOfOutdial"])
    assert set(found["plan"]) == set(PlanInForce.model_fields)


async def test_health_and_readiness(opened: Opened) -> None:
    why: list[str | None] = [None]
    api = await opened(Settings(not_ready=lambda: why[0]))

    assert (await api.http.get("/healthz")).json() == {"status": "ok"}
    assert (await api.http.get("/readyz")).json() == {"status": "ready", "position": "0"}
    why[0] = "disk_full"
    answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not_ready", "reason": "disk_full"})
    why[0] = None
    api.app.state.door.closing = True
    assert (await api.http.get("/readyz")).json()["reason"] == "stopping"


async def test_counters_count(api: Api) -> None:
    await api.outdial()
    await api.refused(404, "ROUTE_NOT_FOUND", "GET", "/nowhere")

    text = (await api.http.get("/metrics")).text

    assert 'outdial_commands_total{type="CreateOutdial",result="events"} 1' in text
    assert 'outdial_http_responses_total{status="404"} 1' in text
    assert f"outdial_log_position {api.runtime.position}" in text


async def test_targets_are_counted_by_state_and_by_what_holds_them(opened: Opened) -> None:
    seconds = [0.0]
    api = await opened(Settings(clock=lambda: seconds[0]))

    async def counted() -> dict[str, int]:
        seconds[0] += 10.0
        text = (await api.http.get("/metrics")).text
        found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(("outdial_targets", "outdial_pace")))
        return {sample.removeprefix("outdial_"): int(n) for sample, n in found.items() if n != "0"}

    idle, open_, waiting = [await api.outdial() for _ in range(3)]
    for outdial_id, number in ((idle, 1), (open_, 2), (open_, 3), (waiting, 4)):
        await api.target(outdial_id, f"+155512300{number:02}")
    assert await counted() == {'targets{status="idle"}': 4, 'targets_blocked{reason="no_run"}': 4}

    await api.run(open_)
    request, _ = await api.requests()
    await api.say(request, "busy")
    await api.ok("PUT", "/pace", {"calls_per_second": 3})
    await api.run(waiting, windows={"hours": [{"days": ["mon"], "start": "09:00", "end": "10:00"}], "time_zone": "Asia/Tokyo"})
    await api.ok("DELETE", f"/outdials/{idle}")
    assert await counted() == {
        'targets{status="idle"}': 2, 'targets{status="progressing"}': 1, "pace_limit": 3,
        'targets_blocked{reason="not_due"}': 1, 'targets_blocked{reason="outside_window"}': 1,
    }  # fmt: skip
