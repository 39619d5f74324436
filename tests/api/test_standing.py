"""Lists of those that the numbers of an outdial count: due now, due later, without a try, in progress, reached, out of tries."""

from typing import Any

from api.door import MINUTE, Api
from outdial.standing import STANDINGS

TOKYO, NEW_YORK = "+8131234560", "+1212555010"
HOURS = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "09:00", "end": "17:00"}]


def counted(stats: dict[str, Any]) -> dict[str, int]:
    """How many stand so, by the numbers of the outdial: those the funnel of the page shows."""
    lifecycle = stats["lifecycle"]
    return {
        "due_now": stats["due_now"],
        "due_later": stats["waiting"] - stats["due_now"],
        "no_tries": stats["no_tries"],
        "in_progress": lifecycle["dialing"] + lifecycle["answered"],
        "reached": lifecycle["finished"],
        "out_of_tries": lifecycle["failed"],
    }


async def listed(api: Api, outdial_id: str, standing: str) -> list[str]:
    """The ids of those that stand so, read page by page."""
    found: list[str] = []
    token = ""
    while True:
        page = await api.ok("GET", f"/outdials/{outdial_id}/targets?standing={standing}&page_size=2&page_token={token}")
        found += [row["id"] for row in page["result"]]
        token = page["next_page_token"].replace("+", "%2B")
        if not token:
            return found


async def everybody(api: Api, outdial_id: str) -> dict[str, set[str]]:
    """Who stands how; they are as many as are counted, and each stands in one way."""
    stats = await api.ok("GET", f"/outdials/{outdial_id}/stats")
    lists = {standing: await listed(api, outdial_id, standing) for standing in STANDINGS}
    assert {standing: len(rows) for standing, rows in lists.items()} == counted(stats)
    assert len({row for rows in lists.values() for row in rows}) == sum(map(len, lists.values())) == stats["total"]
    return {standing: set(rows) for standing, rows in lists.items()}


async def test_the_lists_hold_those_that_are_counted_by_everybodys_own_hours_waits_and_tries(api: Api) -> None:
    """It is 14:13 in Tokyo and 00:13 in New York."""
    outdial_id = await api.outdial()
    called = [await api.target(outdial_id, f"{TOKYO}{number}", priority=9 - number) for number in range(4)]
    left = [await api.target(outdial_id, f"{TOKYO}{number}") for number in (4, 5)]
    asleep = [await api.target(outdial_id, f"{NEW_YORK}{number}") for number in range(3)]
    suppressed = await api.target(outdial_id, f"{TOKYO}9", priority=10)
    deleted = await api.target(outdial_id, f"{TOKYO}8")
    await api.ok("POST", "/suppressions", {"address": {"type": "tel", "target": f"{TOKYO}9"}})
    await api.ok("DELETE", f"/outdials/{outdial_id}/targets/{deleted['id']}")
    await api.run(outdial_id, windows={"hours": HOURS}, max_concurrent=4, max_try_count_0=2, try_interval=5 * 60_000, dial_timeout=300_000)
    first, second, third, fourth = await api.requests()
    await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "pause"})
    await api.say(first, "answered")
    await api.say(second, "busy")
    await api.say(third, "not_dialed")

    found = await everybody(api, outdial_id)

    of = {request["attempt_id"]: request["target_id"] for request in (first, second, third, fourth)}
    assert set(of.values()) == {one["id"] for one in called}
    assert found == {
        "due_now": {one["id"] for one in left},
        "due_later": {one["id"] for one in asleep} | {second["target_id"], third["target_id"]},
        "no_tries": {suppressed["id"]},
        "in_progress": {fourth["target_id"]},
        "reached": {first["target_id"]},
        "out_of_tries": set(),
    }

    await api.pass_time(5 * MINUTE)
    later = await everybody(api, outdial_id)
    assert later["due_now"] - found["due_now"] == {second["target_id"], third["target_id"]}

    await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "run", "plan": {"max_try_count_0": 1, "windows": {"hours": HOURS}}})
    spent = await everybody(api, outdial_id)
    assert second["target_id"] in spent["no_tries"]


async def test_before_there_is_a_plan_nobody_has_a_try(api: Api) -> None:
    outdial_id = await api.outdial()
    made = {(await api.target(outdial_id, f"{TOKYO}{number}"))["id"] for number in range(3)}

    assert (await everybody(api, outdial_id))["no_tries"] == made


async def test_a_standing_is_one_of_the_words(api: Api) -> None:
    outdial_id = await api.outdial()

    error = await api.refused(400, "INVALID_REQUEST_PARAMETER", "GET", f"/outdials/{outdial_id}/targets?standing=waiting")

    assert "standing must be one of due_now, due_later" in error["message"]
