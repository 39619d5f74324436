"""Outplans over HTTP."""

import asyncio
from typing import Any

from api.door import Api

CAPS = [f"max_try_count_{slot}" for slot in range(5)]


async def test_an_outplan_made_of_nothing_has_the_defaults(api: Api) -> None:
    made = await api.ok("POST", "/outplans", {})

    assert (made["source"], made["dial_timeout"], made["try_interval"]) == (None, 30_000, 60_000)
    assert [made[cap] for cap in CAPS] == [0] * 5


async def test_an_outplan_echoes_what_came(api: Api) -> None:
    sent: dict[str, Any] = {
        "name": "p",
        "dial_timeout": 0,
        "try_interval": 0,
        "max_try_count_0": 7,
        "max_concurrent": 0,
        "calls_per_second": 2,
    }

    made = await api.ok("POST", "/outplans", sent)

    assert {name: made[name] for name in sent} == sent
    assert await api.ok("GET", f"/outplans/{made['id']}") == made


async def test_dial_info_changes_only_what_is_in_the_body(api: Api) -> None:
    source = {"type": "tel", "target": "+15551230001"}
    made = await api.ok("POST", "/outplans", {"source": source, "dial_timeout": 20_000, "max_try_count_1": 4, "max_attempts": 9})
    path = f"/outplans/{made['id']}/dial_info"

    changed = await api.ok("PUT", path, {"try_interval": 5})
    cleared = await api.ok("PUT", path, {"source": None, "max_attempts": None, "dial_timeout": None})
    emptied = await api.ok("PUT", path, {"source": source})
    emptied = await api.ok("PUT", path, {"source": {}})

    same = {name: value for name, value in made.items() if name not in ("try_interval", "tm_update")}
    assert {name: changed[name] for name in same} == same
    assert (cleared["source"], cleared["max_attempts"], cleared["dial_timeout"], cleared["try_interval"]) == (None, None, 20_000, 5)
    assert emptied["source"] is None


async def test_two_changes_of_different_fields_at_once_both_hold(api: Api) -> None:
    made = await api.ok("POST", "/outplans", {})

    await asyncio.gather(*(api.ok("PUT", f"/outplans/{made['id']}/dial_info", {cap: 3}) for cap in CAPS))

    shown = await api.ok("GET", f"/outplans/{made['id']}")
    assert [shown[cap] for cap in CAPS] == [3] * 5


async def test_a_change_of_dial_info_reaches_an_outdial_that_runs_by_it(api: Api) -> None:
    plan = await api.ok("POST", "/outplans", {"max_try_count_0": 1})
    outdial_id = await api.outdial()
    await api.target(outdial_id)
    await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "run", "outplan_id": plan["id"]})
    [request] = await api.requests()
    await api.say(request, "busy")

    await api.ok("PUT", f"/outplans/{plan['id']}/dial_info", {"max_try_count_0": 2, "try_interval": 0})

    assert len(await api.requests()) == 2
    assert (await api.ok("GET", f"/outdials/{outdial_id}/dialing"))["plan"]["max_try_count_0"] == 2


async def test_the_same_idempotency_key_gives_the_same_outplan(api: Api) -> None:
    key, plan = {"Idempotency-Key": "k"}, {"name": "a", "max_try_count_0": 1}

    assert await api.ok("POST", "/outplans", plan, headers=key) == await api.ok("POST", "/outplans", plan, headers=key)
    await api.refused(422, "ID_REUSED", "POST", "/outplans", {**plan, "name": "b"}, headers=key)


async def test_a_deleted_outplan_takes_no_change(api: Api) -> None:
    made = await api.ok("POST", "/outplans", {})
    await api.ok("DELETE", f"/outplans/{made['id']}")

    for tail in ("", "/dial_info"):
        error = await api.refused(404, "OUTPLAN_NOT_FOUND", "PUT", f"/outplans/{made['id']}{tail}", {"name": "a", "try_interval": 1})
        assert error["details"][0]["rule"] == "outplan_deleted"
