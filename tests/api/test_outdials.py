"""Outdials and their runs over HTTP."""

import pytest

from api.door import MINUTE, Api

ZERO = "00000000-0000-0000-0000-000000000000"
NOT_YET = "9999-01-01 00:00:00.000000"
SOMETHING = "40bea034-1d17-474d-a5de-da00d0861c69"


async def test_an_update_changes_only_what_is_in_the_body(api: Api) -> None:
    made = await api.ok("POST", "/outdials", {"name": "a", "detail": "b", "data": "c"})
    path = f"/outdials/{made['id']}"

    renamed = await api.ok("PUT", path, {"name": "A"})
    detailed = await api.ok("PUT", path, {"detail": ""})
    same = await api.ok("PUT", path, {})
    filled = await api.ok("PUT", f"{path}/data", {"data": "C"})

    assert (renamed["name"], renamed["detail"], renamed["data"]) == ("A", "b", "c")
    assert renamed["tm_update"] != NOT_YET
    assert (detailed["name"], detailed["detail"]) == ("A", "")
    assert same == detailed
    assert filled["data"] == "C"
    assert await api.ok("GET", path) == filled


@pytest.mark.parametrize("gone", [ZERO, "", "anything at all", "40bea034"])
async def test_the_zero_id_or_a_text_that_is_no_id_detaches(api: Api, gone: str) -> None:
    outdial_id = await api.outdial(campaign_id=SOMETHING.upper())

    assert (await api.ok("GET", f"/outdials/{outdial_id}"))["campaign_id"] == SOMETHING
    assert (await api.ok("PUT", f"/outdials/{outdial_id}/campaign_id", {"campaign_id": gone}))["campaign_id"] == ZERO
    assert (await api.ok("PUT", f"/outdials/{outdial_id}/campaign_id", {"campaign_id": SOMETHING}))["campaign_id"] == SOMETHING


async def test_a_put_without_its_one_field_is_refused(api: Api) -> None:
    outdial_id = await api.outdial()

    for path, field in (("campaign_id", "campaign_id"), ("data", "data"), ("dialing", "status")):
        error = await api.refused(400, "INVALID_ARGUMENT", "PUT", f"/outdials/{outdial_id}/{path}", {})
        assert field in error["message"]


async def test_the_same_idempotency_key_gives_the_same_outdial(api: Api) -> None:
    key = {"Idempotency-Key": "key 1"}

    first = await api.ok("POST", "/outdials", {"name": "a"}, headers=key)
    again = await api.ok("POST", "/outdials", {"name": "a"}, headers=key)
    other = await api.ok("POST", "/outdials", {"name": "a"}, headers={"Idempotency-Key": "key 2"})

    assert first == again
    assert other["id"] != first["id"]
    error = await api.refused(422, "ID_REUSED", "POST", "/outdials", {"name": "b"}, headers=key)
    assert error["details"] == [{"rule": "id_reused"}]
    assert len((await api.ok("GET", "/outdials"))["result"]) == 2


async def test_an_outdial_that_would_dial_by_an_outplan_that_cannot_be_had_is_refused_and_not_there(api: Api) -> None:
    key, body = {"Idempotency-Key": "key 1"}, {"name": "a", "outplan_id": SOMETHING}
    deleted = (await api.ok("POST", "/outplans", {}))["id"]
    await api.ok("DELETE", f"/outplans/{deleted}")

    await api.refused(404, "OUTPLAN_NOT_FOUND", "POST", "/outdials", body, headers=key)
    await api.refused(404, "OUTPLAN_NOT_FOUND", "POST", "/outdials", {"outplan_id": deleted})
    assert (await api.ok("GET", "/outdials"))["result"] == []

    body["outplan_id"] = (await api.ok("POST", "/outplans", {"max_try_count_0": 1}))["id"]
    made = await api.ok("POST", "/outdials", body, headers=key)
    await api.ok("DELETE", f"/outplans/{body['outplan_id']}")
    assert await api.ok("POST", "/outdials", body, headers=key) == made


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"\xff\xfe\x01"])
async def test_an_idempotency_key_of_a_wrong_form_is_refused(api: Api, key: bytes) -> None:
    await api.refused(400, "INVALID_REQUEST_PARAMETER", "POST", "/outdials", {}, headers={"Idempotency-Key": key})


async def test_a_run_dials_a_stop_stops_and_open_attempts_are_listed(api: Api) -> None:
    outdial_id = await api.outdial()
    path = f"/outdials/{outdial_id}/dialing"
    assert (await api.ok("GET", path))["status"] == "stop"
    await api.target(outdial_id)

    running = await api.run(outdial_id)
    [request] = await api.requests()
    stopping = await api.ok("PUT", path, {"status": "stop"})
    await api.say(request, "busy")
    stopped = await api.ok("GET", path)

    assert (running["status"], running["plan"]["max_try_count_0"]) == ("run", 3)
    assert (stopping["status"], stopping["open"], stopping["open_attempts"]) == ("stopping", 1, [request["attempt_id"]])
    assert (stopped["status"], stopped["open"], stopped["ended_how"]) == ("stop", 0, "stopped")
    await api.pass_time(10 * MINUTE)
    assert await api.requests(request["position"]) == []
    assert (await api.ok("PUT", path, {"status": "run"}))["plan"] == running["plan"]
    assert len(await api.requests(request["position"])) == 1


async def test_a_run_is_paused_resumed_and_drained_and_shows_since_when_by_whom_and_why(api: Api) -> None:
    outdial_id = await api.outdial()
    path = f"/outdials/{outdial_id}/dialing"
    await api.run(outdial_id)

    paused = await api.ok("PUT", path, {"status": "pause", "reason": "lunch"})
    await api.target(outdial_id)
    await api.pass_time(10 * MINUTE)

    assert (paused["status"], paused["paused"]["reason"], paused["draining"]) == ("run", "lunch", None)
    assert paused["paused"]["since"]
    assert await api.requests() == []
    stats = await api.ok("GET", f"/outdials/{outdial_id}/stats")
    assert (stats["dialing"], stats["paused"], stats["draining"]) == ("run", True, False)
    assert (await api.ok("GET", path))["paused"] == paused["paused"]
    again = await api.ok("PUT", path, {"status": "run"})
    assert again["warnings"] == ["paused: the run stands still until it is resumed"]

    assert (await api.ok("PUT", path, {"status": "resume"}))["paused"] is None
    [request] = await api.requests()
    drained = await api.ok("PUT", path, {"status": "drain"})
    await api.target(outdial_id)
    await api.say(request, "answered")
    await api.pass_time(MINUTE)

    assert drained["draining"]["reason"] is None
    ended = await api.ok("GET", path)
    assert (ended["status"], ended["ended_how"], ended["draining"]) == ("stop", "finished", None)
    assert await api.requests(request["position"]) == []


@pytest.mark.parametrize("status", ["pause", "resume", "drain"])
async def test_what_does_not_run_cannot_be_held_back(api: Api, status: str) -> None:
    outdial_id = await api.outdial()

    error = await api.refused(409, "STATE_INVALID", "PUT", f"/outdials/{outdial_id}/dialing", {"status": status})

    assert error["details"][0]["rule"] == "dialing_not_running"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"status": "run"}, "plan_missing"),
        ({"status": "run", "plan": {}, "outplan_id": SOMETHING}, "plan_ambiguous"),
        ({"status": "walk"}, "field_invalid"),
        ({"status": "pause", "reason": 7}, "field_invalid"),
        ({"status": 7}, "field_invalid"),
        ({"status": "run", "outplan_id": "x"}, "field_invalid"),
    ],
)
async def test_a_run_that_cannot_start_is_refused_with_a_rule(api: Api, body: dict[str, object], rule: str) -> None:
    outdial_id = await api.outdial()

    error = await api.refused(400, "INVALID_ARGUMENT", "PUT", f"/outdials/{outdial_id}/dialing", body)

    assert error["details"][0]["rule"] == rule


async def test_a_run_by_an_outplan_nobody_has_is_not_found_and_leaves_the_outdial_stopped(api: Api) -> None:
    outdial_id = await api.outdial()
    path = f"/outdials/{outdial_id}/dialing"

    await api.refused(404, "OUTPLAN_NOT_FOUND", "PUT", path, {"status": "run", "outplan_id": SOMETHING})

    assert (await api.ok("GET", path))["status"] == "stop"


async def test_a_plan_that_dials_nothing_starts_with_a_warning(api: Api) -> None:
    outdial_id = await api.outdial()

    started = await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "run", "plan": {"dial_timeout": 30}})

    assert any("no_tries_in_plan" in warning for warning in started["warnings"])
    assert any("dial_timeout" in warning for warning in started["warnings"])


async def test_an_outdial_made_with_a_plan_dials_at_once(api: Api) -> None:
    outdial_id = await api.outdial(plan={"max_try_count_0": 1})
    await api.target(outdial_id)

    assert len(await api.requests()) == 1


async def test_a_deleted_outdial_takes_no_targets_and_asks_for_no_calls(api: Api) -> None:
    outdial_id = await api.outdial()
    await api.target(outdial_id)
    await api.ok("DELETE", f"/outdials/{outdial_id}")

    bodies: tuple[dict[str, object], ...] = ({"destination_0": {"type": "tel", "target": "+15551230009"}}, {"targets": []})
    for body in bodies:
        error = await api.refused(404, "OUTDIAL_NOT_FOUND", "POST", f"/outdials/{outdial_id}/targets", body)
        assert error["details"][0]["rule"] == "outdial_deleted"
    await api.refused(404, "OUTDIAL_NOT_FOUND", "PUT", f"/outdials/{outdial_id}/dialing", {"status": "run", "plan": {"max_try_count_0": 1}})
    assert await api.requests() == []
    assert (await api.ok("DELETE", f"/outdials/{outdial_id}"))["id"] == outdial_id


async def test_a_stop_may_say_why_and_the_run_shows_it_until_the_next(api: Api) -> None:
    outdial_id = await api.outdial()
    path = f"/outdials/{outdial_id}/dialing"
    await api.run(outdial_id)

    await api.ok("PUT", path, {"status": "stop", "reason": "the list was wrong"})

    ended = await api.ok("GET", path)
    assert (ended["ended_how"], ended["ended_reason"]) == ("stopped", "the list was wrong")
    [event] = (await api.ok("GET", f"/events?outdial_id={outdial_id}&targets=false"))["result"][-1:]
    assert (event["type"], event["data"]["reason"]) == ("DialingStopped", "the list was wrong")
    await api.run(outdial_id)
    assert (await api.ok("PUT", path, {"status": "stop"}))["ended_reason"] is None
    await api.refused(400, "INVALID_ARGUMENT", "PUT", path, {"status": "stop", "reason": 7})


async def test_stats_count_the_duplicates_that_were_left_out_also_after_a_repeat(api: Api) -> None:
    outdial_id = await api.outdial()
    await api.target(outdial_id, "+15551230001")
    rows = [{"destination_0": {"type": "tel", "target": f"+1555123000{number}"}} for number in (1, 2, 2, 3)]
    path, key = f"/outdials/{outdial_id}/targets", {"headers": {"Idempotency-Key": "bulk"}}

    for body in ({"targets": rows}, {"targets": rows}, {"targets": rows, "dry_run": True}):
        again = {} if "dry_run" in body else key
        assert len((await api.ok("POST", path, body, **again))["skipped"]) == (4 if "dry_run" in body else 2)

    assert (await api.ok("GET", f"/outdials/{outdial_id}/stats"))["duplicates_skipped"] == 2
    csv = {"content": b"destination_0\n+15551230001\n+15551230009\n", "headers": {"content-type": "text/csv"}}
    await api.ok("POST", f"/outdials/{outdial_id}/import", **csv)
    await api.ok("POST", f"/outdials/{outdial_id}/import", **csv)
    stats = await api.ok("GET", f"/outdials/{outdial_id}/stats")
    assert (stats["duplicates_skipped"], stats["total"]) == (3, 4)


async def test_stats_count_targets_and_attempts(api: Api) -> None:
    outdial_id = await api.outdial()
    for number in range(4):
        await api.target(outdial_id, f"+1555123000{number}")
    await api.run(outdial_id, max_concurrent=3)
    first, second, _third = await api.requests()
    await api.say(first, "answered")
    await api.say(second, "busy")

    stats = await api.ok("GET", f"/outdials/{outdial_id}/stats?time=iso")

    assert (stats["total"], stats["deleted"], stats["dialing"]) == (4, 0, "run")
    assert stats["lifecycle"]["finished"] == stats["lifecycle"]["busy"] == 1
    assert stats["status"]["done"] == 1
    assert stats["ended"]["busy"] == stats["ended"]["answered"] == 1
    assert stats["requested"] == stats["open_attempts"] + 2
    assert stats["next_due"].endswith("Z")
    assert int(stats["position"]) > 0


async def test_targets_are_reopened_by_how_their_last_attempt_ended(api: Api) -> None:
    outdial_id = await api.outdial()
    for number in range(3):
        await api.target(outdial_id, f"+1555123000{number}")
    await api.run(outdial_id, max_try_count_0=1)
    for request, outcome in zip(await api.requests(), ("busy", "no_answer", "answered"), strict=True):
        await api.say(request, outcome)

    await api.ok("POST", f"/outdials/{outdial_id}/reopen", {"outcomes": ["busy", "no_answer"]})

    assert len(await api.requests()) == 5
    await api.refused(400, "INVALID_ARGUMENT", "POST", f"/outdials/{outdial_id}/reopen", {"outcomes": ["sleepy"]})
    await api.refused(400, "INVALID_ARGUMENT", "POST", f"/outdials/{outdial_id}/reopen", {})


@pytest.mark.parametrize("name", ["windws", "names", "+15551230077"])
async def test_a_field_that_no_plan_has_is_refused_where_a_plan_is_given_and_a_number_is_not_repeated(api: Api, name: str) -> None:
    says, pointer = ("what is named in plan", "/plan") if name.startswith("+") else (f"plan.{name}", f"/plan/{name}")
    outdial_id = await api.outdial()
    written, plan = api.written(), {"max_try_count_0": 1, name: {}}

    for method, path, body in (
        ("PUT", f"/outdials/{outdial_id}/dialing", {"status": "run", "plan": plan}),
        ("POST", f"/outdials/{outdial_id}/preflight", {"plan": plan}),
        ("POST", "/outdials", {"plan": plan}),
    ):
        error = await api.refused(400, "INVALID_ARGUMENT", method, path, body)
        assert (error["details"][0]["rule"], error["message"]) == ("unknown_field", f"{says} is not a field here")
        assert error["details"][0]["pointer"] == pointer
    assert api.written() == written
    await api.ok("POST", "/outplans", plan)  # a body of the contract may have more
