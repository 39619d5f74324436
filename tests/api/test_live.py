"""What a watcher is sent: what changed, not in a flood, and on from where it was when it was cut."""

import asyncio
from time import monotonic

import httpx

from api.door import Api, served
from api.test_events import frames
from outdial.doors.api import live

MESSAGES = 6


async def test_a_watcher_is_told_four_times_a_second_at_most_whatever_happens(api: Api) -> None:
    outdial_id = await api.outdial()
    async with served(api.app) as url, httpx.AsyncClient(base_url=url) as client, asyncio.timeout(60):

        async def happening() -> None:
            while True:
                await api.target(outdial_id)

        async with client.stream("GET", f"/v1.0/outdials/{outdial_id}/live") as answer:
            lines = answer.aiter_lines()
            await frames(lines, 1)
            begun, adding = monotonic(), asyncio.create_task(happening())
            try:
                told = await frames(lines, MESSAGES)
            finally:
                adding.cancel()
                await asyncio.wait([adding])
    assert monotonic() - begun > (MESSAGES - 1) * live.EVERY_S
    counted = [message["stats"]["total"] for _, message in told if "stats" in message]
    assert counted == sorted(set(counted)), "each is news"
    assert len(counted) > 1


async def test_a_watcher_that_was_cut_goes_on_where_it_was(api: Api) -> None:
    outdial_id = await api.outdial()
    async with served(api.app) as url, httpx.AsyncClient(base_url=url) as client, asyncio.timeout(60):
        async with client.stream("GET", f"/v1.0/outdials/{outdial_id}/live") as answer:
            [(position, first)] = await frames(answer.aiter_lines(), 1)
        targets = [(await api.target(outdial_id))["id"] for _ in range(3)]
        async with client.stream("GET", f"/v1.0/outdials/{outdial_id}/live", headers={"Last-Event-ID": position}) as answer:
            [(_, then)] = await frames(answer.aiter_lines(), 1)
    assert (first["stats"]["total"], then["stats"]["total"]) == (0, 3)
    assert {event["data"]["target_id"] for event in then["events"]} == set(targets)
