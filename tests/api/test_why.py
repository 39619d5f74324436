"""Why over HTTP: the rule, the event it follows from, and the counts by reason."""

from collections import Counter
from typing import Any

from api.door import ALICES, BOBS, MINUTE, TOKENS, Api, Opened, client_of
from outdial.doors.api.deps import Settings
from outdial.why import REASONS

SECOND = 1_000_000


async def why(api: Api, outdial_id: str, target_id: str | None = None) -> dict[str, Any]:
    """What is said, with times as RFC 3339."""
    path = f"/outdials/{outdial_id}" if target_id is None else f"/outdials/{outdial_id}/targets/{target_id}"
    found: dict[str, Any] = await api.ok("GET", f"{path}/why?time=iso")
    return found


async def events(api: Api, outdial_id: str) -> dict[str, dict[str, Any]]:
    """The last event of each type."""
    return {event["type"]: event for event in (await api.ok("GET", f"/events?outdial_id={outdial_id}&limit=1000"))["result"]}


async def test_a_target_is_told_its_rule_and_the_event_it_follows_from(api: Api) -> None:
    outdial_id = await api.outdial()
    target_id = (await api.target(outdial_id))["id"]

    found = await why(api, outdial_id, target_id)
    assert (found["why"], found["event"]["type"]) == ("no_run", "OutdialCreated")

    await api.run(outdial_id)
    [request] = await api.requests()
    found = await why(api, outdial_id, target_id)
    assert (found["why"], found["event"]["id"]) == ("attempt_open", request["event_id"])
    assert (found["since"], found["until"]) == (request["requested_at"], request["expires_at"])

    await api.say(request, "busy")
    found = await why(api, outdial_id, target_id)
    ended = (await events(api, outdial_id))["DialEnded"]
    assert (found["why"], found["event"]["id"], found["since"]) == ("not_due", ended["id"], ended["time"])
    assert found["verdict"].startswith(
        f"Not dialed: it is not due yet (since {ended['time'][:10]} {ended['time'][11:19]} UTC); next try at "
    )
    assert found["verdict"].endswith("(in 60 s).")

    await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "stop"})
    found = await why(api, outdial_id, target_id)
    assert (found["why"], found["event"]["type"]) == ("no_run", "DialingStopped")
    assert found["verdict"].endswith("; only starting it changes that.")
    assert [rule["rule"] for rule in found["rules"] if rule["holds"]] == ["no_run", "not_due"]


async def test_an_event_is_found_among_many_of_the_same_instant(api: Api) -> None:
    api.clock.step = 0
    lists = [await api.outdial() for _ in range(3)]
    for outdial_id in lists:
        await api.target(outdial_id)
        await api.run(outdial_id)
        await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "stop"})
    for outdial_id in lists:
        stopped = (await events(api, outdial_id))["DialingStopped"]
        assert (await why(api, outdial_id))["event"]["id"] == stopped["id"]


async def test_when_nobody_takes_the_calls_it_says_so_and_when_the_first_is_given_up(api: Api) -> None:
    outdial_id = await api.outdial()
    for number in range(4):
        await api.target(outdial_id, f"+155512300{number:02}")
    await api.run(outdial_id, max_concurrent=2, pickup_timeout=600_000)
    requests = await api.requests()
    assert "held back" in (await why(api, outdial_id))["verdict"], "they were requested this minute"

    await api.pass_time(2 * MINUTE)
    found = (await why(api, outdial_id))["verdict"]
    assert found.startswith("Not dialing: 2 calls were requested and nobody took one; is a worker running? Next call at "), found
    await api.ok("POST", "/dial_claims", {"attempt_id": requests[0]["attempt_id"], "worker": "w"})
    assert (await why(api, outdial_id))["verdict"].startswith("Dialing 0/min; 2 due now, held back: as many calls are open")


async def test_an_outdial_says_how_it_goes_and_what_holds_it(api: Api) -> None:
    outdial_id = await api.outdial()
    for number in range(4):
        await api.target(outdial_id, f"+155512300{number:02}")
    assert (await why(api, outdial_id))["verdict"].startswith("Not dialing: dialing is stopped (since ")

    await api.run(outdial_id, max_concurrent=2)
    requests = await api.requests()
    found = await why(api, outdial_id)
    assert found["verdict"] == "Dialing 2/min; 2 due now, held back: as many calls are open as the plan allows."
    assert {(one["why"], one["targets"], one["next_at"]) for one in found["reasons"]} == {
        ("attempt_open", 2, requests[0]["expires_at"]), ("max_concurrent", 2, requests[0]["expires_at"]),
    }  # fmt: skip

    for request in requests:
        await api.say(request, "busy")
    for request in (await api.requests())[2:]:
        await api.say(request, "answered")
    found = await why(api, outdial_id)
    assert (found["why"], found["per_minute"], found["waiting"], found["due_now"]) == ("not_due", 4, 2, 0)
    assert found["verdict"].startswith("Not dialing: no target is due yet; next call at ")
    assert [(one["why"], one["targets"]) for one in found["reasons"]] == [("reached", 2), ("not_due", 2)]
    assert found["reasons"][1]["next_at"] == found["next_at"] == found["next_due"]

    await api.pass_time(2 * MINUTE)
    assert (await why(api, outdial_id))["per_minute"] == 2


async def test_of_whose_call_is_open_it_says_that_they_are_being_called_and_when_it_is_given_up(api: Api) -> None:
    outdial_id = await api.outdial()
    target_id = (await api.target(outdial_id))["id"]
    await api.run(outdial_id)
    [request] = await api.requests()
    begins = f"(since {request['requested_at'][:10]} {request['requested_at'][11:19]} UTC); without a word it is given up at "

    assert (await why(api, outdial_id, target_id))["verdict"].startswith(f"Being called now: requested, not taken yet {begins}")
    await api.ok("POST", "/dial_claims", {"attempt_id": request["attempt_id"], "worker": "one"})
    assert (await why(api, outdial_id, target_id))["verdict"].startswith(f"Being called now: taken by a worker {begins}")
    await api.ok("POST", "/dial_answers", {"attempt_id": request["attempt_id"]})
    assert (await why(api, outdial_id, target_id))["verdict"].startswith(f"Being called now: answered, talking {begins}")


async def test_a_list_that_drains_says_that_nobody_new_is_called_and_when_it_ends(api: Api) -> None:
    outdial_id = await api.outdial()
    for number in range(4):
        await api.target(outdial_id, f"+155512300{number:02}")
    await api.run(outdial_id, max_concurrent=2, max_try_count_0=2)
    first, second = await api.requests()
    await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "drain"})
    begins = "Draining: nobody new is called, and "

    verdict = (await why(api, outdial_id))["verdict"]
    assert verdict == f"{begins}nobody who was tried waits for a try: it ends with the last open call."
    await api.say(first, "busy")
    await api.say(second, "answered")
    verdict = (await why(api, outdial_id))["verdict"]
    assert verdict.startswith(
        f"{begins}it ends when nobody who was tried has a try left. Nobody is called now: no target is due yet; next call at "
    )
    await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "pause"})
    assert (await why(api, outdial_id))["verdict"].startswith("Not dialing: dialing is paused (since ")


async def test_the_counts_are_those_of_the_single_targets(api: Api) -> None:
    outdial_id = await api.outdial()
    made = [await api.target(outdial_id, f"+155512300{number:02}", try_count_max=number % 3) for number in range(12)]
    mail = {"destination_0": {"type": "email", "target": "a@example.org"}}
    made.append(await api.ok("POST", f"/outdials/{outdial_id}/targets", mail))
    await api.ok("DELETE", f"/outdials/{outdial_id}/targets/{made[1]['id']}")
    plan = (await api.ok("POST", "/outplans", {"max_try_count_0": 5, "max_concurrent": 0}))["id"]
    resources = {"outdial_id": outdial_id, "outplan_id": plan, "type": "call", "end_handle": "continue"}
    campaign = (await api.ok("POST", "/campaigns", resources))["id"]
    seen: set[str] = set()
    for outcome in ("", "run", "busy", "answered", "stop"):
        if outcome in ("run", "stop"):
            await api.ok("PUT", f"/campaigns/{campaign}/status", {"status": outcome})
        elif outcome:
            for request in (await api.requests())[:2] if outcome == "busy" else (await api.requests())[2:3]:
                await api.say(request, outcome)
        await api.poke()
        single = Counter([(await why(api, outdial_id, one["id"]))["why"] for one in made])
        del single["deleted"]
        assert {one["why"]: one["targets"] for one in (await why(api, outdial_id))["reasons"]} == single
        seen |= single.keys()
    assert seen == {"no_run", "attempt_open", "no_tries_in_plan", "type_not_dialable", "not_due", "reached", "tries_spent"}


async def test_the_deleted_are_still_told_why(api: Api) -> None:
    outdial_id = await api.outdial()
    gone, there = (await api.target(outdial_id))["id"], (await api.target(outdial_id))["id"]
    await api.ok("DELETE", f"/outdials/{outdial_id}/targets/{gone}")
    assert (await why(api, outdial_id, gone))["event"]["type"] == "TargetDeleted"
    await api.ok("DELETE", f"/outdials/{outdial_id}")
    found = await why(api, outdial_id, there)
    assert (found["why"], found["event"]["type"]) == ("outdial_deleted", "OutdialDeleted")
    assert [(one["why"], one["targets"]) for one in (await why(api, outdial_id))["reasons"]] == [("outdial_deleted", 1)]


async def test_asking_why_writes_nothing_and_is_nobody_elses_business(opened: Opened) -> None:
    api = await opened(Settings(tokens=TOKENS), ALICES)
    outdial_id = await api.outdial()
    target_id = (await api.target(outdial_id))["id"]
    written = api.written()
    await why(api, outdial_id, target_id)
    await why(api, outdial_id)
    assert api.written() == written

    async with client_of(api.app, BOBS) as bob:
        for path in (f"/outdials/{outdial_id}/why", f"/outdials/{outdial_id}/targets/{target_id}/why"):
            assert (await bob.get(f"/v1.0{path}")).json()["error"]["reason"] == "OUTDIAL_NOT_FOUND"
    nobody = target_id.translate(str.maketrans("0123456789abcdef", "fedcba9876543210"))
    await api.refused(404, "OUTDIAL_TARGET_NOT_FOUND", "GET", f"/outdials/{outdial_id}/targets/{nobody}/why")
    await api.refused(404, "OUTDIAL_NOT_FOUND", "GET", f"/outdials/{nobody}/why")


async def test_the_question_is_a_command_like_any_other(api: Api) -> None:
    outdial_id = await api.outdial()
    answer = await api.ok("POST", "/commands", {"type": "AskWhy", "outdial_id": outdial_id})
    assert (answer["result"], answer["facts"]["why"]) == ("unchanged", "no_run")
    assert answer["facts"]["why"] in REASONS


async def test_nobody_is_due_outside_their_own_hours_and_every_rule_is_counted_as_the_single_targets_are_told(api: Api) -> None:
    """It is 14:13 in Tokyo and 00:13 in New York."""
    outdial_id = await api.outdial()
    tokyo, new_york = "+8131234560", "+1212555010"
    made = [await api.target(outdial_id, f"{tokyo}{number}") for number in range(3)]
    made += [await api.target(outdial_id, f"{new_york}{number}") for number in range(4)]
    made.append(await api.target(outdial_id, f"{tokyo}0"))
    made.append(await api.target(outdial_id, f"{new_york}9", expires_at="2026-11-21T05:14:00Z"))
    made += [await api.target(outdial_id, f"{new_york}{number}", time_zone="Asia/Tokyo") for number in (7, 8)]
    made.append(
        await api.ok("POST", f"/outdials/{outdial_id}/targets", {"destination_0": {"type": "sip", "target": "sip:ann@example.org"}})
    )
    await api.ok("POST", "/suppressions", {"address": {"type": "tel", "target": f"{tokyo}1"}})
    await api.ok("PUT", "/frequency_caps", {"rules": [{"count": 1, "per_ms": 86_400_000}]})
    hours = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "09:00", "end": "17:00"}]
    await api.run(outdial_id, windows={"hours": hours}, max_concurrent=3)
    await api.poke()
    await api.pass_time(MINUTE)

    stats = await api.ok("GET", f"/outdials/{outdial_id}/stats")
    single = Counter([(await why(api, outdial_id, one["id"]))["why"] for one in made])
    counted = {one["why"]: one["targets"] for one in (await why(api, outdial_id))["reasons"]}

    assert counted == single
    assert counted == {
        "attempt_open": 3, "expired": 1, "zone_unknown": 1, "suppressed": 1, "outside_window": 4, "frequency_cap": 1, "max_concurrent": 1,
    }  # fmt: skip
    assert (stats["due_now"], stats["due_outside"], stats["waiting"], stats["no_tries"]) == (1, 4, 6, 2)
    assert (stats["requested"], stats["requested_outside"]) == (3, 0)
    assert {rule: n for rule, n in stats["blocked"].items() if n} == {
        rule: n for rule, n in counted.items() if rule not in ("attempt_open", "max_concurrent")
    }
    assert list(stats["blocked"]) == [rule for rule in REASONS if rule in stats["blocked"]]
