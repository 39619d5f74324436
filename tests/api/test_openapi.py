"""The door described, and what whoever runs it asks."""

import re

from api.door import Api, Opened
from outdial.doors.api.deps import Settings
from outdial.doors.api.openapi import _told


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


async def test_the_address_itself_leads_to_the_page(api: Api) -> None:
    answer = await api.http.get("/")

    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


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
