"""Pre-flight over HTTP: by a plan, an outplan or a campaign, and nothing is changed."""

from typing import Any

from api.door import ALICES, BOBS, TOKENS, Api, Opened, client_of
from outdial.doors.api.deps import Settings

PLAN = {"max_try_count_0": 2, "try_interval": 60_000, "max_concurrent": 0}


async def ahead(api: Api, outdial_id: str, **body: Any) -> dict[str, Any]:
    """What a run would come to."""
    found: dict[str, Any] = await api.ok("POST", f"/outdials/{outdial_id}/preflight?time=iso", body)
    return found


async def test_what_would_be_dialed_is_told_and_nothing_is_changed(api: Api) -> None:
    outdial_id = await api.outdial()
    for number in range(3):
        await api.target(outdial_id, f"+155512300{number:02}")
    written = api.written()

    found = await ahead(api, outdial_id, plan={**PLAN, "calls_per_second": 2})

    assert api.written() == written
    assert (found["dialable_now"], found["due_later"], found["next_at"], found["attempts_at_most"]) == (3, 0, None, 6)
    assert (found["by_destination"], found["skipped"], found["plan"]["max_try_count_0"]) == ([3, 0, 0, 0, 0], [], 2)
    assert found["estimate"]["first_calls_ms"] == 1_000 + 30_000
    assert (await api.ok("GET", f"/outdials/{outdial_id}/dialing"))["status"] == "stop"


async def test_who_is_skipped_is_told_by_reason(api: Api) -> None:
    outdial_id = await api.outdial()
    for number in range(4):
        await api.target(outdial_id, f"+155512300{number:02}", try_count_max=0 if number == 3 else None)
    await api.run(outdial_id, max_try_count_0=1)
    first, second, _ = await api.requests()
    await api.say(first, "answered")
    await api.say(second, "busy")
    await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "stop"})

    found = await ahead(api, outdial_id)
    assert [(one["why"], one["targets"]) for one in found["skipped"]] == [
        ("reached", 1), ("attempt_open", 1), ("tries_spent", 1), ("no_tries_in_plan", 1),
    ]  # fmt: skip
    assert any(warning.startswith("no_tries_in_plan: 1 ") for warning in found["warnings"])

    more = await ahead(api, outdial_id, plan=PLAN)
    assert (more["brought_back"], more["due_later"], more["dialable_now"]) == (1, 1, 0)
    assert more["next_at"] == more["last_at"] > more["at"]


async def test_an_outplan_and_a_campaign_lend_their_plan(api: Api) -> None:
    outdial_id = await api.outdial()
    mail = {"destination_0": {"type": "email", "target": "a@example.org"}}
    await api.ok("POST", f"/outdials/{outdial_id}/targets", mail)
    plan = (await api.ok("POST", "/outplans", PLAN))["id"]
    campaign = (await api.ok("POST", "/campaigns", {"type": "call", "outdial_id": outdial_id, "outplan_id": plan}))["id"]

    assert (await ahead(api, outdial_id, outplan_id=plan.upper()))["dialable_now"] == 1
    found = await ahead(api, outdial_id, campaign_id=campaign)
    assert [(one["why"], one["targets"]) for one in found["skipped"]] == [("type_not_dialable", 1)]


async def test_what_cannot_be_asked_is_refused(opened: Opened) -> None:
    api = await opened(Settings(tokens=TOKENS), ALICES)
    outdial_id = await api.outdial()
    path, nobody = f"/outdials/{outdial_id}/preflight", outdial_id.translate(str.maketrans("0123456789abcdef", "fedcba9876543210"))
    plan = (await api.ok("POST", "/outplans", PLAN))["id"]
    for body, rule in (
        ({}, "plan_missing"),
        ({"plan": PLAN, "outplan_id": plan}, "plan_ambiguous"),
        ({"outplan_id": nobody}, "outplan_unknown"),
        ({"campaign_id": nobody}, "campaign_unknown"),
        ({"campaign_id": 7}, "field_invalid"),
        ({"plan": {"dial_timeout": -1}}, "field_invalid"),
    ):
        error = await api.refused(400, "INVALID_ARGUMENT", "POST", path, body)
        assert error["details"][0]["rule"] == rule
    await api.refused(404, "OUTDIAL_NOT_FOUND", "POST", f"/outdials/{nobody}/preflight", {"plan": PLAN})
    async with client_of(api.app, BOBS) as bob:
        assert (await bob.post(f"/v1.0{path}", json={"plan": PLAN})).status_code == 404
    await api.ok("DELETE", f"/outplans/{plan}")
    assert (await api.refused(400, "INVALID_ARGUMENT", "POST", path, {"outplan_id": plan}))["details"][0]["rule"] == "outplan_deleted"
    await api.ok("DELETE", f"/outdials/{outdial_id}")
    await api.refused(404, "OUTDIAL_NOT_FOUND", "POST", path, {"plan": PLAN})
