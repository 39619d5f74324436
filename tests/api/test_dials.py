"""The worker's side: dial requests, claims, answers, results."""

import asyncio
from zlib import crc32

import pytest

from api.door import MINUTE, Api, Opened
from outdial.scalars import format_instant

NOBODY = "00000000-0000-4000-8000-00000000dead"


async def dialing(api: Api, targets: int, **plan: object) -> str:
    """A running outdial with so many targets."""
    outdial_id = await api.outdial()
    items = [{"destination": {"type": "tel", "target": f"+1555{2_000_000 + number}"}, "name": f"n{number}"} for number in range(targets)]
    await api.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": items})
    await api.run(outdial_id, max_concurrent=0, **plan)
    return outdial_id


async def test_a_dial_request_says_all_a_worker_needs(api: Api) -> None:
    outdial_id = await dialing(api, 1)

    [request] = await api.requests()

    assert (request["outdial_id"], request["destination_index"], request["try_count"], request["name"]) == (outdial_id, 0, 1, "n0")
    assert request["destination"] == {"type": "tel", "target": "+15552000000", "target_name": "", "name": "", "detail": ""}
    assert request["requested_at"] < request["not_after"] < request["expires_at"]
    assert request["requested_at"].endswith("Z")
    assert request["position"].isdigit()


async def test_a_number_is_requested_in_normal_form_however_it_was_written(api: Api) -> None:
    """As it is on the topic: not everybody who places calls can dial a bracket."""
    outdial_id = await api.outdial(plan={"max_try_count_0": 1})
    await api.ok("POST", f"/outdials/{outdial_id}/targets", {"destination_0": {"type": "tel", "target": "+1 (555) 200-0000"}})

    [request] = await api.requests()

    assert request["destination"]["target"] == "+15552000000"


async def test_the_log_of_requests_pages_by_position_and_shows_the_same_again(api: Api) -> None:
    await dialing(api, 7)
    whole = await api.requests()

    found: list[dict[str, object]] = []
    after = "0"
    while len(found) < 7:
        page = await api.ok("GET", f"/dial_requests?after={after}&limit=3")
        found += page["result"]
        after = page["next_after"]

    assert found == whole
    assert int((await api.ok("GET", f"/dial_requests?after={after}"))["next_after"]) >= int(after)
    assert await api.requests() == whole


@pytest.mark.parametrize("parts", [1, 2, 5])
async def test_shares_split_the_requests_by_target_and_leave_none_out(api: Api, parts: int) -> None:
    await dialing(api, 40)
    whole = await api.requests()

    shares = [(await api.ok("GET", f"/dial_requests?share={part}/{parts}&limit=1000"))["result"] for part in range(parts)]

    for part, share in enumerate(shares):
        assert all(crc32(request["target_id"].encode()) % parts == part for request in share)
    assert sorted(int(request["position"]) for share in shares for request in share) == [int(request["position"]) for request in whole]


async def test_a_share_with_a_small_limit_still_comes_to_every_request(api: Api) -> None:
    await dialing(api, 60)
    await api.poke()
    found: list[str] = []
    for part in range(6):
        after = "0"
        while True:
            page = await api.ok("GET", f"/dial_requests?share={part}/6&limit=1&after={after}")
            if not page["result"] and int(page["next_after"]) >= int(str(api.runtime.position)):
                break
            found += [request["attempt_id"] for request in page["result"]]
            after = page["next_after"]

    assert len(found) == len(set(found)) == 60


async def test_a_long_poll_answers_as_soon_as_a_request_is_there(api: Api) -> None:
    outdial_id = await dialing(api, 0)
    after = (await api.ok("GET", "/dial_requests"))["next_after"]

    async with asyncio.timeout(25):
        waiting = asyncio.create_task(api.ok("GET", f"/dial_requests?after={after}&wait_ms=30000"))
        await api.outdial(name="something else happens first")
        await api.target(outdial_id)
        await api.poke()
        page = await waiting

    assert len(page["result"]) == 1


async def test_a_long_poll_without_a_request_ends_empty_and_moves_on(api: Api) -> None:
    await api.outdial()

    page = await api.ok("GET", "/dial_requests?wait_ms=50")

    assert page["result"] == []
    assert page["next_after"] == str(api.runtime.position)


async def test_a_long_poll_ends_when_the_server_stops(api: Api) -> None:
    async with asyncio.timeout(25):
        waiting = asyncio.create_task(api.ok("GET", "/dial_requests?wait_ms=30000"))
        await asyncio.sleep(0)
        api.app.state.door.closing = True
        assert (await waiting)["result"] == []


async def test_the_first_claim_wins_and_its_worker_may_ask_again(api: Api) -> None:
    await dialing(api, 1)
    [request] = await api.requests()
    claim = {"attempt_id": request["attempt_id"], "worker": "w1"}

    granted = await api.ok("POST", "/dial_claims", claim)
    again = await api.ok("POST", "/dial_claims", claim)
    error = await api.refused(409, "STATE_INVALID", "POST", "/dial_claims", {**claim, "worker": "w2"})

    assert (granted["attempt_id"], granted["worker"]) == (again["attempt_id"], again["worker"]) == (request["attempt_id"], "w1")
    assert error["details"][0]["rule"] == "dial_claimed"


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ("late", "dial_too_late"),
        ("stop", "dialing_stopped"),
        ("pause", "dialing_paused"),
        ("target", "target_deleted"),
        ("outdial", "outdial_deleted"),
        ("over", "attempt_closed"),
    ],
)
async def test_a_claim_for_a_call_nobody_wants_any_more_is_refused(api: Api, how: str, rule: str) -> None:
    outdial_id = await dialing(api, 1)
    [request] = await api.requests()
    match how:
        case "late":
            api.clock.at += 2 * MINUTE
        case "stop" | "pause":
            await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": how})
        case "target":
            await api.ok("DELETE", f"/outdials/{outdial_id}/targets/{request['target_id']}")
        case "outdial":
            await api.ok("DELETE", f"/outdials/{outdial_id}")
        case _:
            await api.say(request, "busy")

    error = await api.refused(409, "STATE_INVALID", "POST", "/dial_claims", {"attempt_id": request["attempt_id"], "worker": "w"})

    assert error["details"][0]["rule"] == rule


async def test_a_result_finds_its_target_by_the_attempt_alone_or_with_both_ids(api: Api) -> None:
    await dialing(api, 2)
    first, second = await api.requests()

    one = await api.ok(
        "POST", "/dial_results", {"attempt_id": first["attempt_id"].upper(), "outcome": "noanswer", "started_at": "2026-11-21T04:10:32Z"}
    )
    ids = {name: second[name] for name in ("attempt_id", "outdial_id", "target_id")}
    two = await api.ok("POST", "/dial_results", {**ids, "outcome": "normal", "answered": True})
    again = await api.ok("POST", "/dial_results", {**ids, "outcome": "answered"})

    assert (one["attempt_id"], one["result"]) == (first["attempt_id"], "events")
    assert (two["result"], again["result"]) == ("events", "unchanged")
    assert (await api.ok("GET", f"/campaigncalls/{first['attempt_id']}"))["outcome"] == "no_answer"
    assert (await api.ok("GET", f"/campaigncalls/{second['attempt_id']}"))["result"] == "success"


async def test_a_list_of_results_is_answered_item_by_item(api: Api) -> None:
    await dialing(api, 2)
    first, second = await api.requests()
    sent = [
        {"attempt_id": first["attempt_id"], "outcome": "busy"},
        {"attempt_id": NOBODY, "outcome": "busy"},
        {"attempt_id": second["attempt_id"], "outcome": ""},
        {"attempt_id": "x", "outcome": "busy"},
        {"outcome": "busy"},
        "text",
        {"attempt_id": second["attempt_id"], "outcome": "failed"},
    ]

    answered = await api.ok("POST", "/dial_results", sent)

    assert [item["result"] for item in answered["result"]] == [
        "events",
        "rejected",
        "rejected",
        "rejected",
        "rejected",
        "rejected",
        "events",
    ]
    assert [item.get("rule") for item in answered["result"]] == [
        None, "attempt_unknown", "field_invalid", "field_invalid", "field_missing", "field_missing", None,
    ]  # fmt: skip
    assert answered["result"][1]["reason"] == "CAMPAIGNCALL_NOT_FOUND"
    assert await api.ok("POST", "/dial_results", []) == {"result": []}


@pytest.mark.parametrize("path", ["/dial_results", "/dial_answers", "/dial_claims"])
async def test_words_about_an_attempt_nobody_knows_are_not_found(api: Api, path: str) -> None:
    body = {"attempt_id": NOBODY, "outcome": "busy", "worker": "w"}

    await api.refused(404, "CAMPAIGNCALL_NOT_FOUND", "POST", path, body)
    await api.refused(400, "INVALID_ARGUMENT", "POST", path, {**body, "attempt_id": "x"})
    await api.refused(400, "INVALID_ARGUMENT", "POST", path, {"outcome": "busy", "worker": "w"})


async def test_an_attempt_given_under_another_target_is_not_found(api: Api) -> None:
    await dialing(api, 2)
    first, second = await api.requests()
    mixed = {"attempt_id": first["attempt_id"], "outdial_id": first["outdial_id"], "target_id": second["target_id"], "outcome": "busy"}

    await api.refused(404, "CAMPAIGNCALL_NOT_FOUND", "POST", "/dial_results", mixed)


async def test_a_result_for_an_earlier_attempt_changes_nothing(opened: Opened) -> None:
    api = await opened()
    outdial_id = await dialing(api, 1, try_interval=0)
    [first] = await api.requests()
    await api.say(first, "busy")
    [_, second] = await api.requests()

    await api.say(first, "failed")

    path = f"/outdials/{outdial_id}/targets/{first['target_id']}"
    assert (await api.ok("GET", path))["lifecycle"] == "dialing"
    assert (await api.ok("GET", f"/campaigncalls/{second['attempt_id']}"))["status"] == "dialing"
    assert (await api.ok("GET", f"/campaigncalls/{first['attempt_id']}"))["outcome"] == "busy"


async def test_a_word_that_names_another_target_or_outdial_than_its_attempts_is_refused(api: Api) -> None:
    outdial_id = await dialing(api, 2)
    first, second = await api.requests()
    before = api.written()

    for swapped in (
        {"target_id": second["target_id"]},
        {"outdial_id": NOBODY},
        {"target_id": second["target_id"], "outdial_id": outdial_id},
    ):
        for word, more in (("dial_claims", {"worker": "w"}), ("dial_answers", {}), ("dial_results", {"outcome": "answered"})):
            said = {"attempt_id": first["attempt_id"], **swapped, **more}
            await api.refused(404, "CAMPAIGNCALL_NOT_FOUND", "POST", f"/{word}", said)
        [item] = (await api.ok("POST", "/dial_results", [{"attempt_id": first["attempt_id"], "outcome": "busy", **swapped}]))["result"]
        assert item["rule"] == "attempt_unknown"
    assert api.written() == before

    said = {"attempt_id": first["attempt_id"].upper(), "target_id": first["target_id"].upper(), "outcome": "busy"}
    assert (await api.ok("POST", "/dial_results", said))["result"] == "events"


async def test_a_key_means_the_same_request_however_its_path_is_written(api: Api) -> None:
    outdial_id = await api.outdial()
    body, key = {"destination": {"type": "tel", "target": "+15552000001"}}, {"Idempotency-Key": "once"}

    made = [await api.ok("POST", f"/outdials/{path}/targets", body, headers=key) for path in (outdial_id, outdial_id.upper())]

    assert made[0] == made[1]


async def test_a_result_may_say_when_to_call_back_and_the_target_shows_it_until_it_is_dialed(api: Api) -> None:
    outdial_id = await dialing(api, 1)
    [request] = await api.requests()
    at = format_instant(api.clock() + 30 * MINUTE)

    await api.say(request, "answered", call_back_at=at)

    path = f"/outdials/{outdial_id}/targets/{request['target_id']}?time=iso"
    found = await api.ok("GET", path)
    assert (found["status"], found["lifecycle"], found["call_back_at"]) == ("idle", "idle", at)
    stats = await api.ok("GET", f"/outdials/{outdial_id}/stats?time=iso")
    assert (stats["due_now"], stats["next_due"]) == (0, at)
    await api.pass_time(30 * MINUTE)
    assert [one["try_count"] for one in await api.requests()] == [1, 2]
    assert (await api.ok("GET", path))["call_back_at"] is None


@pytest.mark.parametrize("at", ["tomorrow", 1_900_000_000, 1_900_000_000_000_000, True])
async def test_a_call_back_at_no_instant_is_refused(api: Api, at: object) -> None:
    await dialing(api, 1)
    [request] = await api.requests()
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/dial_results", {**request, "outcome": "busy", "call_back_at": at})
    [told] = (await api.ok("POST", "/dial_results", [{**request, "outcome": "busy", "call_back_at": at}]))["result"]
    assert told["result"] == "rejected"


async def test_a_target_or_an_entry_that_ends_at_a_number_is_refused(api: Api) -> None:
    outdial_id = await dialing(api, 1)
    target = {"destination_0": {"type": "tel", "target": "+15550000077"}, "expires_at": 5}
    await api.refused(400, "INVALID_ARGUMENT", "POST", f"/outdials/{outdial_id}/targets", target)
    told = await api.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": [target]})
    assert (told["result"], [error["reason"] for error in told["errors"]]) == ([], ["field_invalid"])
    entry = {"address": {"type": "tel", "target": "+15550000077"}, "expires_at": 5}
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/suppressions", {"entries": [entry]})
