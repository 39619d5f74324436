"""How many calls a second all outdials may request together, over HTTP."""

import asyncio
from collections.abc import Callable
from typing import Any

from api.door import ALICES, BOBS, TOKENS, Api, Opened
from outdial.doors.api.deps import Settings

NONE: dict[str, Any] = {"calls_per_second": None, "sharing": 0, "shares": []}


async def until(api: Api, path: str, holds: Callable[[Any], bool]) -> Any:
    """What is read there once it is so."""
    async with asyncio.timeout(30):
        while not holds(found := await api.ok("GET", path)):
            await api.poke()
    return found


async def test_a_pace_is_set_shown_shared_and_taken_away(api: Api) -> None:
    assert await api.ok("GET", "/pace") == NONE
    assert await api.ok("PUT", "/pace", {"calls_per_second": 7}) == {**NONE, "calls_per_second": 7}
    outdial = await api.outdial(plan={"max_try_count_0": 1, "calls_per_second": 5})
    await api.ok("POST", f"/outdials/{outdial}/targets", {"destination_0": {"type": "tel", "target": "+15550000001"}})
    why = await until(api, f"/outdials/{outdial}/why", lambda why: (why["event"] or {}).get("type") == "ShareTaken")
    assert why["why"] == "customer_calls_per_second"
    shown = await api.ok("GET", "/pace")
    assert shown == {"calls_per_second": 7, "sharing": 1, "shares": [{"outdial_id": outdial, "share": 5, "wanted": 5}]}
    assert (await api.ok("PUT", "/pace", {"calls_per_second": None}))["calls_per_second"] is None
    await until(api, "/dial_requests", lambda found: len(found["result"]) == 1)
    await until(api, "/pace", lambda found: found == NONE)


async def test_what_is_no_pace_is_refused(api: Api) -> None:
    for body in ({}, {"calls_per_second": -1}, {"calls_per_second": "7"}, {"calls_per_second": 1.5}):
        await api.refused(400, "INVALID_ARGUMENT", "PUT", "/pace", body)


async def test_each_customer_has_a_pace_of_its_own(opened: Opened) -> None:
    secured = await opened(Settings(tokens=TOKENS), ALICES)
    await secured.ok("PUT", "/pace", {"calls_per_second": 3})
    assert await secured.ok("GET", "/pace", headers={"Authorization": f"Bearer {BOBS}"}) == NONE
