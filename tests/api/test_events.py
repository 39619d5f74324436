"""The history by page and as it comes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.door import ALICES, BOBS, TOKENS, Api, Opened, served
from outdial.doors.api.deps import Settings
from outdial.position import Position
from outdial.topology import Topology


async def frames(lines: AsyncIterator[str], count: int) -> list[tuple[str, dict[str, Any]]]:
    """The next events of a stream: (id, event)."""
    found: list[tuple[str, dict[str, Any]]] = []
    position = ""
    async for line in lines:
        if line.startswith("id: "):
            position = line[4:]
        elif line.startswith("data: "):
            found.append((position, json.loads(line[6:])))
            if len(found) == count:
                break
    return found


async def test_events_are_cloudevents_with_their_position_oldest_first(api: Api) -> None:
    outdial_id = await api.outdial(name="a")
    await api.target(outdial_id)

    body = await api.ok("GET", "/events")

    first, second = body["result"]
    assert [(event["type"], event["subject"]) for event in (first, second)] == [("OutdialCreated", outdial_id), ("TargetAdded", outdial_id)]
    assert first["specversion"] == "1.0"
    assert (await api.ok("GET", f"/events?after={first['position']}"))["result"] == [second]
    assert (await api.ok("GET", f"/events?after={second['position']}"))["result"] == []
    assert body["next_after"] == str(api.runtime.position)


async def test_with_places_each_event_says_which_record_of_kafka_it_is(api: Api) -> None:
    outdial_id = await api.outdial(name="a")
    target = (await api.target(outdial_id))["id"]
    paths = (f"/events?outdial_id={outdial_id}&places=true", f"/outdials/{outdial_id}/targets/{target}/history?places=true")
    whole = (await api.ok("GET", "/events"))["result"]
    stream = {event["id"]: event for event in whole if event["subject"] == outdial_id}
    for path in paths:
        for event in (await api.ok("GET", path))["result"]:
            assert event.pop("place") is None
            assert {**event, "position": ""} == {**stream[event["id"]], "position": ""}

    api.app.state.topology = Topology("acme")

    for path in paths:
        for event in (await api.ok("GET", path))["result"]:
            place = event["place"]
            assert place["topic"] == "acme.events"
            assert int(event["position"].split("-")[place["partition"]]) == place["offset"] + 1


async def test_without_its_targets_an_outdial_tells_what_was_done_to_itself(api: Api) -> None:
    outdial_id, other = await api.outdial(name="a"), await api.outdial(name="b")
    await api.target(outdial_id)
    await api.ok("PUT", f"/outdials/{outdial_id}", {"name": "c"})
    await api.run(other)
    await api.run(outdial_id)
    whole = (await api.ok("GET", f"/events?outdial_id={outdial_id}"))["result"]

    first = await api.ok("GET", f"/events?outdial_id={outdial_id}&targets=false&limit=2")
    rest = await api.ok("GET", f"/events?outdial_id={outdial_id}&targets=false&after={first['next_after']}")

    assert [event["type"] for event in first["result"]] == ["OutdialCreated", "OutdialUpdated"]
    assert first["result"] + rest["result"] == [event for event in whole if "target_id" not in event["data"]]
    assert rest["next_after"] == str(api.runtime.position)
    await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", "/events?targets=false")


async def test_a_request_that_belongs_to_a_trace_has_its_events_and_calls_in_it(api: Api) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    outdial_id = await api.outdial()
    path, phone = f"/outdials/{outdial_id}/targets", {"destination_0": {"type": "tel", "target": "+15551230001"}}
    await api.ok("POST", path, phone, headers={"traceparent": trace})
    await api.ok("POST", path, phone, headers={"traceparent": "nonsense"})
    await api.ok("POST", path, {"targets": [phone], "on_duplicate": "accept"}, headers={"traceparent": trace})
    await api.run(outdial_id)
    requests = await api.requests()

    assert [request.get("traceparent") for request in requests] == [trace, None, trace]
    events = (await api.ok("GET", "/events"))["result"]
    for kind in ("TargetAdded", "DialRequested"):
        assert [event.get("traceparent") for event in events if event["type"] == kind] == [trace, None, trace]


async def test_events_page_by_position_and_by_outdial(api: Api) -> None:
    outdials = [await api.outdial() for _ in range(3)]
    for outdial_id in outdials:
        await api.target(outdial_id)
    whole = (await api.ok("GET", "/events"))["result"]

    found, after = [], "0"
    for _ in range(6):
        page = await api.ok("GET", f"/events?after={after}&limit=1")
        found += page["result"]
        after = page["next_after"]
    mine = await api.ok("GET", f"/events?outdial_id={outdials[1]}")

    assert found == whole
    assert [event["type"] for event in mine["result"]] == ["OutdialCreated", "TargetAdded"]
    assert {event["subject"] for event in mine["result"]} == {outdials[1]}
    assert mine["next_after"] == str(api.runtime.position)


async def test_each_customer_sees_only_their_own_events_and_pages_past_the_others(opened: Opened) -> None:
    settings = Settings(tokens=TOKENS)
    alice, bob = await opened(settings, ALICES), await opened(settings, BOBS)
    for _ in range(30):
        await bob.outdial()
    mine = await alice.outdial()
    await alice.ok("POST", "/outplans", {})
    await alice.ok("POST", "/campaigns", {})

    found, after = [], "0"
    for _ in range(10):
        page = await alice.ok("GET", f"/events?after={after}&limit=2")
        found += page["result"]
        after = page["next_after"]

    assert [event["type"] for event in found] == ["OutdialCreated", "OutplanCreated", "CampaignCreated", "CampaignResourcesSet"]
    assert found[0]["subject"] == mine


async def test_one_customer_cannot_read_anothers_events_by_naming_a_plan_like_their_outdial(opened: Opened) -> None:
    settings = Settings(tokens=TOKENS)
    alice, bob = await opened(settings, ALICES), await opened(settings, BOBS)
    outdial_id = await alice.outdial(name="hers")
    await bob.ok("POST", "/commands", {"type": "CreateOutplan", "outplan_id": outdial_id})

    assert [event["type"] for event in (await bob.ok("GET", "/events"))["result"]] == ["OutplanCreated"]
    assert [event["type"] for event in (await alice.ok("GET", f"/events?outdial_id={outdial_id}"))["result"]] == ["OutdialCreated"]
    await bob.refused(404, "OUTDIAL_NOT_FOUND", "GET", f"/events?outdial_id={outdial_id}")


async def test_the_stream_sends_what_was_and_what_comes_and_resumes_by_the_last_id(api: Api) -> None:
    first = await api.outdial()
    async with served(api.app) as url, httpx.AsyncClient(base_url=url) as client, asyncio.timeout(20):
        async with client.stream("GET", "/v1.0/events/stream") as answer:
            lines = answer.aiter_lines()
            [(position, event)] = await frames(lines, 1)
            await api.target(first)
            [(later, added)] = await frames(lines, 1)
        async with client.stream("GET", "/v1.0/events/stream", headers={"Last-Event-ID": position}) as answer:
            resumed = await frames(answer.aiter_lines(), 1)
        async with client.stream("GET", f"/v1.0/events/stream?after={position}&outdial_id={first}") as answer:
            chosen = await frames(answer.aiter_lines(), 1)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["x-accel-buffering"], answer.headers["cache-control"]) == ("no", "no-cache")
    assert (event["type"], added["type"]) == ("OutdialCreated", "TargetAdded")
    assert (position, later) == (event["position"], added["position"])
    assert resumed == chosen == [(later, added)]


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/events", None),
        ("/events/stream", None),
        ("/events/stream", "Last-Event-ID"),
        ("/dial_requests", None),
        ("/outdials/{outdial}/targets/{target}/history", None),
    ],
)
async def test_who_would_go_on_after_the_end_of_the_log_is_refused_for_what_comes_until_then_would_be_left_out(
    api: Api, path: str, header: str | None
) -> None:
    outdial = await api.outdial()
    path = path.format(outdial=outdial, target=(await api.target(outdial))["id"])
    *marks, last = api.runtime.position.marks
    beyond = str(Position((*marks, last + 1)))

    for stale in ("false", "true"):
        query = {"stale": stale} if header else {"stale": stale, "after": beyond}
        headers = {header: beyond} if header else {}
        error = await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", path, params=query, headers=headers)
        assert error["details"][0]["rule"] == "position_unknown"
        assert str(api.runtime.position) in error["message"]


async def test_a_stream_ends_when_the_server_stops(api: Api) -> None:
    async with (
        served(api.app) as url,
        httpx.AsyncClient(base_url=url) as client,
        asyncio.timeout(20),
        client.stream("GET", "/v1.0/events/stream") as answer,
    ):
        lines = answer.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        api.app.state.door.closing = True
        assert [line async for line in lines if line] == []


async def test_a_stream_from_no_position_or_of_an_unknown_outdial_is_refused(api: Api) -> None:
    await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", "/events/stream", headers={"Last-Event-ID": "x"})
    await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", "/events/stream?outdial_id=x")
    await api.refused(404, "OUTDIAL_NOT_FOUND", "GET", "/events/stream?outdial_id=00000000-0000-4000-8000-00000000dead")


async def test_events_come_as_voipbin_names_them_with_the_resource_as_it_was(api: Api) -> None:
    outdial_id = await api.outdial(name="a")
    first = await api.ok("GET", f"/outdials/{outdial_id}")
    target = await api.target(outdial_id)
    await api.ok("PUT", f"/outdials/{outdial_id}", {"name": "b"})
    await api.run(outdial_id)
    [request] = await api.requests()
    trying = await api.ok("GET", f"/outdials/{outdial_id}/targets/{target['id']}")
    await api.say(request, "busy")

    page = await api.ok("GET", "/events?names=voipbin")

    found = [(event["type"], event["data"]) for event in page["result"]]
    words = ["outdial_created", "outdialtarget_created", "outdial_updated", "outdialtarget_updated", "campaigncall_created"]
    assert [word for word, _ in found] == [*words, "outdialtarget_updated", "campaigncall_updated"]
    assert found[0][1] == first
    assert found[1][1] == {**target, **{f"try_count_remaining_{slot}": None for slot in range(5)}}
    assert found[3][1] == trying
    assert found[4][1]["status"] == "dialing"
    assert found[5][1] == await api.ok("GET", f"/outdials/{outdial_id}/targets/{target['id']}")
    assert found[6][1] == await api.ok("GET", f"/campaigncalls/{request['attempt_id']}")
    assert page["next_after"] == str(api.runtime.position)


async def test_what_voipbin_is_told_goes_on_at_any_position_and_is_each_customers_own(opened: Opened) -> None:
    alice, bob = await opened(Settings(tokens=TOKENS), ALICES), await opened(Settings(tokens=TOKENS), BOBS)
    ours = await alice.outdial()
    await bob.target(await bob.outdial())
    await alice.target(ours)
    whole = (await alice.ok("GET", "/events?names=voipbin"))["result"]

    assert [event["type"] for event in whole] == ["outdial_created", "outdialtarget_created"]
    after = whole[0]["position"]
    assert (await alice.ok("GET", f"/events?names=voipbin&after={after}"))["result"] == whole[1:]
    assert (await alice.ok("GET", f"/events?names=voipbin&outdial_id={ours}&time=iso"))["result"][0]["data"]["tm_delete"] is None
    await alice.refused(400, "INVALID_REQUEST_PARAMETER", "GET", "/events?names=other")
    await alice.refused(400, "INVALID_REQUEST_PARAMETER", "GET", "/events/stream?names=other")


async def test_the_stream_in_voipbins_words_resumes_at_all_of_an_event_or_none(api: Api) -> None:
    outdial_id = await api.outdial()
    await api.target(outdial_id)
    await api.run(outdial_id)
    await api.requests()
    whole = (await api.ok("GET", "/events?names=voipbin"))["result"]

    async with served(api.app) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("GET", "/v1.0/events/stream?names=voipbin&after=0") as answer:
            some = await frames(answer.aiter_lines(), len(whole) - 1)
        async with client.stream("GET", "/v1.0/events/stream?names=voipbin", headers={"Last-Event-ID": some[-1][0]}) as answer:
            rest = await frames(answer.aiter_lines(), 2)

    assert [event for _, event in some] == whole[:-1]
    assert [event["type"] for _, event in rest] == ["outdialtarget_updated", "campaigncall_created"]
    assert [event for _, event in rest] == whole[-2:]
