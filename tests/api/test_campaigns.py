"""Campaigns and their attempts over HTTP."""

from typing import Any

import pytest

from api.door import MINUTE, Api

ZERO = "00000000-0000-0000-0000-000000000000"
NOBODY = "00000000-0000-4000-8000-00000000dead"
NOT_YET = "9999-01-01 00:00:00.000000"


async def campaign(api: Api, **fields: Any) -> tuple[dict[str, Any], str]:
    """A campaign with an outdial of one target and an outplan of one try, and the outdial's id."""
    outdial_id = await api.outdial()
    await api.target(outdial_id)
    plan = await api.ok("POST", "/outplans", {"max_try_count_0": 1})
    made = await api.ok("POST", "/campaigns", {"name": "c", "outdial_id": outdial_id, "outplan_id": plan["id"], **fields})
    return made, outdial_id


async def test_a_campaign_is_made_stopped_and_claims_its_outdial(api: Api) -> None:
    actions = [{"id": NOBODY, "next_id": ZERO, "type": "talk", "option": {"text": "hello"}, "tm_execute": ""}]

    made, outdial_id = await campaign(api, detail="d", type="call", service_level=80, end_handle="continue", actions=actions, status="run")

    assert (made["status"], made["type"], made["service_level"], made["end_handle"], made["actions"]) == (
        "stop",
        "call",
        80,
        "continue",
        actions,
    )
    assert (made["outdial_id"], made["queue_id"], made["next_campaign_id"]) == (outdial_id, ZERO, ZERO)
    assert (made["tm_update"], made["tm_delete"]) == (NOT_YET, NOT_YET)
    assert await api.ok("GET", f"/campaigns/{made['id']}") == made
    assert (await api.ok("GET", f"/outdials/{outdial_id}"))["campaign_id"] == made["id"]


@pytest.mark.parametrize("field", ["outdial_id", "outplan_id", "next_campaign_id"])
async def test_a_campaign_that_refers_to_nothing_is_refused_and_not_there(api: Api, field: str) -> None:
    await api.refused(400, "INVALID_ARGUMENT", "POST", "/campaigns", {field: NOBODY})

    assert (await api.ok("GET", "/campaigns?deleted=true"))["result"] == []


async def test_an_outdial_of_another_campaign_cannot_be_claimed(api: Api) -> None:
    first, outdial_id = await campaign(api)
    other = await api.ok("POST", "/campaigns", {})

    error = await api.refused(400, "INVALID_ARGUMENT", "POST", "/campaigns", {"outdial_id": outdial_id})
    assert error["details"][0]["rule"] == "outdial_claimed"
    await api.refused(400, "INVALID_ARGUMENT", "PUT", f"/campaigns/{other['id']}/resource_info", {"outdial_id": outdial_id})
    assert (await api.ok("GET", f"/outdials/{outdial_id}"))["campaign_id"] == first["id"]
    assert (await api.ok("GET", f"/campaigns/{other['id']}"))["outdial_id"] == ZERO


async def test_a_campaign_runs_dials_finishes_and_shows_its_attempts(api: Api) -> None:
    made, outdial_id = await campaign(api)

    running = await api.ok("PUT", f"/campaigns/{made['id']}/status", {"status": "run"})
    [request] = await api.requests()
    [dialing] = (await api.ok("GET", f"/campaigns/{made['id']}/campaigncalls"))["result"]
    await api.ok("POST", "/dial_answers", {"attempt_id": request["attempt_id"]})
    progressing = await api.ok("GET", f"/campaigncalls/{request['attempt_id']}")
    await api.say(request, "answered", call_id="carrier 7")
    await api.poke()
    done = await api.ok("GET", f"/campaigncalls/{request['attempt_id']}")
    ended = await api.ok("GET", f"/campaigns/{made['id']}")

    assert running["status"] == "run"
    assert (dialing["status"], dialing["result"], dialing["tm_update"]) == ("dialing", "", NOT_YET)
    assert (dialing["campaign_id"], dialing["outdial_id"], dialing["outplan_id"]) == (made["id"], outdial_id, made["outplan_id"])
    assert (dialing["reference_type"], dialing["reference_id"], dialing["queue_id"]) == ("none", ZERO, ZERO)
    assert progressing["status"] == "progressing"
    assert (done["status"], done["result"], done["reference_type"], done["call_id"]) == ("done", "success", "call", "carrier 7")
    assert (ended["status"], ended["ended_how"]) == ("stop", "finished")


async def test_a_stop_is_stopping_while_an_attempt_is_open(api: Api) -> None:
    made, outdial_id = await campaign(api)
    path = f"/campaigns/{made['id']}/status"
    await api.ok("PUT", path, {"status": "run"})
    [request] = await api.requests()

    error = await api.refused(409, "STATE_INVALID", "PUT", f"/outdials/{outdial_id}/campaign_id", {"campaign_id": ZERO})
    assert error["details"][0]["rule"] == "outdial_running"
    stopping = await api.ok("PUT", path, {"status": "stop"})
    await api.refused(409, "STATE_INVALID", "DELETE", f"/campaigns/{made['id']}")
    await api.say(request, "busy")
    await api.poke()

    assert stopping["status"] == "stopping"
    assert (await api.ok("GET", f"/campaigns/{made['id']}"))["status"] == "stop"


@pytest.mark.parametrize("status", ["stopping", "", "RUN", 7, ["run"]])
async def test_any_status_but_run_and_stop_is_refused(api: Api, status: object) -> None:
    made, _ = await campaign(api)

    await api.refused(400, "INVALID_ARGUMENT", "PUT", f"/campaigns/{made['id']}/status", {"status": status})


async def test_a_campaign_without_resources_does_not_run(api: Api) -> None:
    made = await api.ok("POST", "/campaigns", {})

    await api.refused(400, "INVALID_ARGUMENT", "PUT", f"/campaigns/{made['id']}/status", {"status": "run"})


async def test_basic_info_changes_by_field_and_not_the_status(api: Api) -> None:
    made, _ = await campaign(api, end_handle="continue")
    path = f"/campaigns/{made['id']}"

    changed = await api.ok("PUT", path, {"name": "C", "type": "flow", "status": "run", "outdial_id": NOBODY})
    levelled = await api.ok("PUT", f"{path}/service_level", {"service_level": 50})
    acted = await api.ok("PUT", f"{path}/actions", {"actions": [{"type": "talk"}]})

    assert (changed["name"], changed["type"], changed["status"], changed["end_handle"]) == ("C", "flow", "stop", "continue")
    assert changed["outdial_id"] == made["outdial_id"]
    assert (levelled["service_level"], acted["actions"], acted["name"]) == (50, [{"type": "talk"}], "C")


async def test_resources_change_by_field_and_free_the_outdial_they_leave(api: Api) -> None:
    made, outdial_id = await campaign(api)
    other = await api.outdial()
    path = f"/campaigns/{made['id']}/resource_info"

    changed = await api.ok("PUT", path, {"outdial_id": other})
    queued = await api.ok("PUT", path, {"queue_id": NOBODY})
    loosened = await api.ok("PUT", path, {"outplan_id": "", "outdial_id": ZERO})

    assert (changed["outdial_id"], changed["outplan_id"]) == (other, made["outplan_id"])
    assert (queued["queue_id"], queued["outdial_id"]) == (NOBODY, other)
    assert (loosened["outdial_id"], loosened["outplan_id"], loosened["queue_id"]) == (ZERO, ZERO, NOBODY)
    for freed in (outdial_id, other):
        assert (await api.ok("GET", f"/outdials/{freed}"))["campaign_id"] == ZERO
    await api.refused(400, "INVALID_ARGUMENT", "PUT", path, {})


async def test_a_next_campaign_is_chained_unchained_and_checked(api: Api) -> None:
    first, second = await api.ok("POST", "/campaigns", {}), await api.ok("POST", "/campaigns", {})
    path = f"/campaigns/{first['id']}/next_campaign_id"

    assert (await api.ok("PUT", path, {"next_campaign_id": second["id"]}))["next_campaign_id"] == second["id"]
    await api.refused(400, "INVALID_ARGUMENT", "PUT", path, {"next_campaign_id": "x"})
    await api.refused(400, "INVALID_ARGUMENT", "PUT", path, {"next_campaign_id": NOBODY})
    await api.refused(400, "INVALID_ARGUMENT", "PUT", path, {})
    await api.refused(404, "CAMPAIGN_NOT_FOUND", "PUT", f"/campaigns/{NOBODY}/next_campaign_id", {"next_campaign_id": second["id"]})
    assert (await api.ok("PUT", path, {"next_campaign_id": ""}))["next_campaign_id"] == ZERO


async def test_a_deleted_campaign_frees_its_outdial(api: Api) -> None:
    made, outdial_id = await campaign(api)

    gone = await api.ok("DELETE", f"/campaigns/{made['id']}")

    assert gone["tm_delete"] != NOT_YET
    assert (await api.ok("GET", f"/outdials/{outdial_id}"))["campaign_id"] == ZERO
    error = await api.refused(404, "CAMPAIGN_NOT_FOUND", "PUT", f"/campaigns/{made['id']}", {"name": "x"})
    assert error["details"][0]["rule"] == "campaign_deleted"


async def test_an_attempt_can_be_taken_out_of_the_lists_once_it_has_ended(api: Api) -> None:
    outdial_id = await api.outdial()
    await api.target(outdial_id)
    await api.run(outdial_id)
    [request] = await api.requests()
    path = f"/campaigncalls/{request['attempt_id']}"

    await api.refused(409, "STATE_INVALID", "DELETE", path)
    await api.say(request, "busy")
    gone = await api.ok("DELETE", path)

    assert gone["tm_delete"] != NOT_YET
    assert (await api.ok("GET", "/campaigncalls"))["result"] == []
    assert (await api.ok("GET", "/campaigncalls?deleted=true"))["result"] == [gone]
    assert await api.ok("GET", path) == gone
    await api.pass_time(10 * MINUTE)
    assert len(await api.requests(request["position"])) == 1


async def test_a_campaign_with_a_queue_rings_for_as_many_as_its_free_agents_allow(api: Api) -> None:
    made, outdial_id = await campaign(api, service_level=50, queue_id=NOBODY)
    for _ in range(4):
        await api.target(outdial_id)
    path = f"/campaigns/{made['id']}"
    await api.ok("PUT", f"{path}/status", {"status": "run"})
    await api.pass_time(MINUTE)
    assert (made["agents"], await api.requests()) == (0, [])

    granted = await api.ok("PUT", f"{path}/agents", {"agents": 3})

    first = await api.requests()
    assert (granted["agents"], len(first)) == (3, 2)
    await api.ok("PUT", f"{path}/service_level", {"service_level": 100})
    assert len(await api.requests(first[-1]["position"])) == 1
    assert (await api.ok("GET", path))["agents"] == 3


@pytest.mark.parametrize("agents", [-1, "3", None, 1.5, 1_000_001])
async def test_agents_are_a_number_of_people(api: Api, agents: Any) -> None:
    made, _ = await campaign(api)

    await api.refused(400, "INVALID_ARGUMENT", "PUT", f"/campaigns/{made['id']}/agents", {"agents": agents})
