"""The history by page and as it comes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from api.door import ALICES, BOBS, TOKENS, Api, Opened, served
from outdial.doors.api.deps import Settings


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
