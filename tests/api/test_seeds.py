"""The seeds' own examples (contract section 10): what they show must hold, key for key."""

from typing import Any

from api.door import ALICE, ALICES, MINUTE, TOKENS, Api, Opened
from outdial.doors.api.deps import Settings

NOT_YET = "9999-01-01 00:00:00.000000"
ZERO = "00000000-0000-0000-0000-000000000000"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}"


async def test_example_1_an_outdial_with_name_detail_and_data(api: Api) -> None:
    sent = {"name": "test outdial", "detail": "outdial for test use.", "data": "test data"}

    made = await api.ok("POST", "/outdials", sent)

    assert list(made) == ["id", "customer_id", "campaign_id", "name", "detail", "data", "tm_create", "tm_update", "tm_delete"]
    assert {name: made[name] for name in sent} == sent
    assert made["campaign_id"] == ZERO
    assert made["tm_create"].startswith("2026-11-")
    assert len(made["tm_create"]) == len("2022-04-28 01:41:40.503790")
    assert made["tm_update"] == made["tm_delete"] == NOT_YET
    assert await api.ok("GET", f"/outdials/{made['id']}") == made


async def test_example_2_a_target_with_one_number(api: Api) -> None:
    outdial_id = await api.outdial()
    sent = {
        "name": "test destination 0",
        "detail": "test detatination 0 detail",
        "data": "test data",
        "destination_0": {"type": "tel", "target": "+15559876543"},
    }

    made = await api.ok("POST", f"/outdials/{outdial_id}/targets", sent)

    assert made["outdial_id"] == outdial_id
    assert made["status"] == "idle"
    assert made["destination_0"] == {"type": "tel", "target": "+15559876543", "target_name": "", "name": "", "detail": ""}
    assert [made[f"destination_{slot}"] for slot in range(1, 5)] == [None] * 4
    assert [made[f"try_count_{slot}"] for slot in range(5)] == [0] * 5
    assert made["tm_update"] == made["tm_create"]
    assert made["tm_delete"] == NOT_YET
    assert await api.ok("GET", f"/outdials/{outdial_id}/targets/{made['id']}") == made


async def test_example_3_a_target_after_one_successful_attempt(api: Api) -> None:
    outdial_id = await api.outdial()
    await api.target(outdial_id)
    await api.run(outdial_id)
    [request] = await api.requests()
    await api.say(request, "answered")

    [target] = (await api.ok("GET", f"/outdials/{outdial_id}/targets"))["result"]

    assert (target["status"], target["lifecycle"]) == ("done", "finished")
    assert [target[f"try_count_{slot}"] for slot in range(5)] == [1, 0, 0, 0, 0]
    assert target["tm_update"] > target["tm_create"]


async def test_example_4_lists_have_result_and_the_last_rows_time_as_token(api: Api) -> None:
    outdial_id = await api.outdial()
    await api.target(outdial_id)
    await api.ok("POST", "/outplans", {"name": "plan"})

    for path in ("/outdials", f"/outdials/{outdial_id}/targets", "/outplans"):
        body = await api.ok("GET", path)
        assert list(body) == ["result", "next_page_token"]
        assert body["next_page_token"] == body["result"][-1]["tm_create"]


async def test_example_5_bulk_create_with_a_cap_on_each_target(api: Api) -> None:
    outdial_id = await api.outdial()
    numbers = ["+15551234567", "+15557654321"]
    items = [{"destination": {"type": "tel", "target": number}, "try_count_max": 3} for number in numbers]

    body = await api.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": items})

    assert [target["destination_0"]["target"] for target in body["result"]] == numbers
    assert [target["try_count_max"] for target in body["result"]] == [3, 3]
    assert body["errors"] == body["skipped"] == []

    await api.run(outdial_id, max_try_count_0=5, try_interval=0)
    dialed: list[str] = []
    for _ in range(8):
        for request in await api.requests():
            if request["attempt_id"] not in dialed:
                dialed.append(request["attempt_id"])
                await api.say(request, "busy")
    assert len(dialed) == 6
    targets = (await api.ok("GET", f"/outdials/{outdial_id}/targets"))["result"]
    assert [(target["lifecycle"], target["try_count_current"]) for target in targets] == [("failed", 3)] * 2


async def test_example_6_an_outplan_without_source_never_dials_slots_with_cap_0(api: Api) -> None:
    caps = {"max_try_count_0": 3, "max_try_count_1": 2, "max_try_count_2": 1, "max_try_count_3": 0, "max_try_count_4": 0}
    sent = {"name": "Standard Retry Plan", "detail": "Three attempts", "dial_timeout": 30_000, "try_interval": 7_200_000, **caps}
    plan = await api.ok("POST", "/outplans", sent)
    assert {name: plan[name] for name in sent} == sent
    assert plan["source"] is None
    outdial_id = await api.outdial()
    fields = {f"destination_{slot}": {"type": "tel", "target": f"+1555123000{slot}"} for slot in range(5)}
    await api.ok("POST", f"/outdials/{outdial_id}/targets", fields)
    await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "run", "outplan_id": plan["id"]})

    dialed: list[int] = []
    position = "0"
    for _ in range(10):
        for request in await api.requests(position):
            dialed.append(request["destination_index"])
            position = request["position"]
            await api.say(request, "no_answer")
        await api.pass_time(121 * MINUTE)

    assert dialed == [0, 0, 0, 1, 1, 2]


async def test_example_7_dial_info_name_and_delete_of_an_outplan(api: Api) -> None:
    plan = await api.ok("POST", "/outplans", {"name": "test outplan", "detail": "", "dial_timeout": 30_000, "try_interval": 60_000})
    assert plan["tm_update"] == NOT_YET
    source = {"type": "tel", "target": "+15551234567"}
    change = {"source": source, "dial_timeout": 30_000, "try_interval": 600_000, **{f"max_try_count_{slot}": 5 for slot in range(5)}}

    changed = await api.ok("PUT", f"/outplans/{plan['id']}/dial_info", change)
    named = await api.ok("PUT", f"/outplans/{plan['id']}", {"name": "update name", "detail": "update detail"})
    deleted = await api.ok("DELETE", f"/outplans/{plan['id']}")

    assert {name: changed[name] for name in change if name != "source"} == {name: change[name] for name in change if name != "source"}
    assert changed["source"] == {**source, "target_name": "", "name": "", "detail": ""}
    assert changed["tm_update"] != NOT_YET
    assert (named["name"], named["detail"], named["try_interval"]) == ("update name", "update detail", 600_000)
    assert named["tm_update"] > changed["tm_update"]
    assert deleted["tm_delete"] != NOT_YET
    assert list(changed) == list(named) == list(deleted)


async def test_example_8_an_outdial_with_name_and_detail_only(api: Api) -> None:
    made = await api.ok("POST", "/outdials", {"name": "January Leads", "detail": "Sales leads for Q1 campaign"})

    assert (made["name"], made["data"]) == ("January Leads", "")


async def test_example_9_a_query_token_together_with_a_cookie(opened: Opened) -> None:
    api = await opened(Settings(tokens=TOKENS))

    made: Any = await api.ok("POST", f"/outdials?token={ALICES}", {"name": "test outdial"}, headers={"Cookie": f"token={ALICES}"})

    assert made["customer_id"] == ALICE


async def test_example_10_the_aggressive_timeline(api: Api) -> None:
    outdial_id = await api.outdial()
    await api.target(outdial_id)
    began = api.clock.at
    await api.run(outdial_id, max_try_count_0=5, try_interval=600_000)

    minutes: list[int] = []
    position = "0"
    for _ in range(60):
        for request in await api.requests(position):
            minutes.append(round((api.clock.at - began) / MINUTE))
            position = request["position"]
            await api.say(request, "no_answer")
        await api.pass_time(MINUTE)

    assert minutes == [0, 10, 20, 30, 40]
