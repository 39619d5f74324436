"""An outdial as it was, over HTTP."""

import pytest

from api.door import Api
from outdial.scalars import format_instant
from outdial.views import past

PARTS = {"outdial": "", "dialing": "/dialing", "stats": "/stats", "activity": "/activity?minutes=15", "calendar": "/calendar"}
PARTS |= {"results": "/yield", "most_called": "/most_called", "open_attempts": "/open_attempts"}
MINUTE = 60_000_000


async def test_the_past_is_told_as_each_route_told_it_then_by_time_and_by_number_of_events(api: Api) -> None:
    outdial = await api.outdial(name="before")
    await api.target(outdial)
    await api.run(outdial)
    [request] = await api.requests()
    then = {name: await api.ok("GET", f"/outdials/{outdial}{path}") for name, path in PARTS.items()}
    at = api.runtime.now()
    whole = (await api.ok("GET", f"/events?outdial_id={outdial}"))["result"]
    await api.pass_time(MINUTE)
    await api.say(request, "busy")
    await api.ok("PUT", f"/outdials/{outdial}", {"name": "after"})

    by_number = await api.ok("GET", f"/outdials/{outdial}/past?at={len(whole)}")
    by_time = await api.ok("GET", f"/outdials/{outdial}/past?at={format_instant(at)}")

    assert (by_number["version"], by_number["outdial"]["name"]) == (len(whole), "before")
    assert by_number["newest"] > len(whole)
    assert [event["id"] for event in by_number["events"]] == [event["id"] for event in whole]
    assert (by_time["version"], by_time["events"]) == (by_number["version"], by_number["events"])
    for found in (by_time, then):
        assert found["stats"].pop("position")
        assert found["calendar"].pop("begins")
    assert {name: by_time[name] for name in PARTS} == then
    assert (await api.ok("GET", f"/outdials/{outdial}/past?at=1"))["stats"]["total"] == 0


async def test_a_target_is_told_as_its_routes_told_it_then_by_time_and_by_number_of_its_events(api: Api) -> None:
    outdial = await api.outdial()
    target = (await api.target(outdial))["id"]
    await api.target(outdial, "+15551230002")
    await api.run(outdial, max_concurrent=1)
    [request] = await api.requests()
    path = f"/outdials/{outdial}/targets/{target}"
    then = await api.ok("GET", path), (await api.ok("GET", f"{path}/calls"))["result"]
    at = api.runtime.now()
    happened = len((await api.ok("GET", f"{path}/history"))["result"])
    await api.pass_time(MINUTE)
    await api.say(request, "busy")

    by_number = await api.ok("GET", f"{path}/past?at={happened}")
    by_time = await api.ok("GET", f"{path}/past?at={format_instant(at)}")

    for found in (by_number, by_time):
        assert (found["target"], found["calls"]) == then
        assert (found["version"], found["newest"]) == (happened, happened + 1)
    first = await api.ok("GET", f"{path}/past?at=1")
    assert (first["target"]["status"], first["target"]["try_count_remaining_0"], first["calls"]) == ("idle", None, [])
    for wrong in ("", "0", happened + 2, "x", format_instant(api.clock.at - 10 * MINUTE)):
        await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", f"{path}/past?at={wrong}")


async def test_what_a_clock_that_was_set_back_has_yet_to_reach_is_not_hidden(api: Api) -> None:
    outdial = await api.outdial()
    target = (await api.target(outdial))["id"]
    path = f"/outdials/{outdial}/targets/{target}"
    at = (await api.ok("GET", f"/events?outdial_id={outdial}"))["result"][-1]["time"]

    api.clock.at -= 60 * MINUTE

    assert (await api.ok("GET", f"{path}/past?at={at}"))["version"] == 1
    assert (await api.ok("GET", f"/outdials/{outdial}/past?at={at}"))["version"] == 2


async def test_what_is_no_point_of_its_history_and_what_is_too_long_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    outdial = await api.outdial()
    for at in ("", "0", "2", "x", format_instant(api.clock.at - MINUTE), "9" * 30):
        await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", f"/outdials/{outdial}/past?at={at}")
    monkeypatch.setattr(past, "MOST_EVENTS", 0)
    error = await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", f"/outdials/{outdial}/past?at=1")
    assert error["details"][0]["rule"] == "past_too_long"
