"""Targets over HTTP: one and many, aliases, duplicates, repeats, what is left to try."""

from typing import Any

import pytest

from api.door import MINUTE, Api
from outdial.scalars import format_instant

NOT_YET = "9999-01-01 00:00:00.000000"

ZERO = "00000000-0000-0000-0000-000000000000"


def item(number: int, **fields: Any) -> dict[str, Any]:
    return {"destination": {"type": "tel", "target": f"+1555{2_000_000 + number:07}"}, **fields}


async def test_destination_is_another_name_of_destination_0_in_both_forms(api: Api) -> None:
    outdial_id = await api.outdial()

    one = await api.ok("POST", f"/outdials/{outdial_id}/targets", item(1))
    many = await api.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": [item(2)]})

    assert one["destination_0"]["target"] == "+15552000001"
    assert many["result"][0]["destination_0"]["target"] == "+15552000002"


async def test_metadata_is_kept_as_json_in_data(api: Api) -> None:
    outdial_id = await api.outdial()

    one = await api.ok("POST", f"/outdials/{outdial_id}/targets", item(1, metadata={"vip": True, "name": "J\u00fcrgen"}))

    assert one["data"] == '{"vip":true,"name":"J\u00fcrgen"}'


async def test_a_sip_address_is_echoed_as_it_was_sent(api: Api) -> None:
    outdial_id = await api.outdial()

    for target in ("sip:Alice@Example.COM", "alice@example.com", "sips:bob@[2001:db8::1]:5061;transport=tls"):
        made = await api.ok("POST", f"/outdials/{outdial_id}/targets", {"destination_0": {"type": "sip", "target": target}})
        assert made["destination_0"]["target"] == target


async def test_empty_addresses_are_absent_and_shown_as_null(api: Api) -> None:
    outdial_id = await api.outdial()

    made = await api.target(outdial_id, destination_1={}, destination_2=None, destination_3={"type": "", "target": ""})

    assert [made[f"destination_{slot}"] for slot in range(1, 5)] == [None] * 4


async def test_a_body_of_many_answers_in_its_own_order_and_names_what_it_left_out(api: Api) -> None:
    outdial_id = await api.outdial()
    old = await api.target(outdial_id, "+15552000003")
    items = [
        item(1, name="one"),
        item(2, try_count_max=-1),
        item(3),
        "text",
        item(1),
        {},
        item(4, destination_0=item(5)["destination"]),
        item(6),
    ]

    body = await api.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": items})

    assert [target["destination_0"]["target"][-1] for target in body["result"]] == ["1", "6"]
    assert [(error["index"], error["reason"]) for error in body["errors"]] == [
        (1, "field_invalid"), (3, "field_invalid"), (5, "destination_missing"), (6, "destination_ambiguous"),
    ]  # fmt: skip
    assert all(error["message"] for error in body["errors"])
    assert body["skipped"] == [
        {"index": 2, "existing_id": old["id"], "reason": "duplicate"},
        {"index": 4, "existing_id": body["result"][0]["id"], "reason": "duplicate"},
    ]


@pytest.mark.parametrize(("rule", "added", "skipped", "errors"), [("accept", 2, 0, 0), ("skip", 1, 1, 0), ("reject", 1, 0, 1)])
async def test_duplicates_in_a_body_of_many_go_by_on_duplicate(api: Api, rule: str, added: int, skipped: int, errors: int) -> None:
    for sent in ("body", "query"):
        outdial_id = await api.outdial()
        path = f"/outdials/{outdial_id}/targets"
        twice: dict[str, Any] = {"targets": [item(1), item(1)]}
        body = (
            await api.ok("POST", path, twice | {"on_duplicate": rule})
            if sent == "body"
            else await api.ok("POST", f"{path}?on_duplicate={rule}", twice)
        )
        assert (len(body["result"]), len(body["skipped"]), len(body["errors"])) == (added, skipped, errors)


async def test_a_single_duplicate_is_accepted_unless_said_otherwise(api: Api) -> None:
    outdial_id = await api.outdial()
    first = await api.target(outdial_id)
    second = await api.target(outdial_id)

    skipped = await api.target(outdial_id, on_duplicate="skip")
    error = await api.refused(
        400, "INVALID_ARGUMENT", "POST", f"/outdials/{outdial_id}/targets",
        {"destination_0": {"type": "tel", "target": "+15551230001"}, "on_duplicate": "reject"},
    )  # fmt: skip

    assert second["id"] != first["id"]
    assert skipped["id"] == skipped["duplicate_of"] == first["id"]
    assert error["details"][0]["rule"] == "duplicate"


async def test_a_dry_run_adds_nothing_and_says_what_it_would(api: Api) -> None:
    outdial_id = await api.outdial()

    body = await api.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": [item(1), item(1), {}], "dry_run": True})

    assert (body["result"], body["would_add"], len(body["skipped"]), len(body["errors"])) == ([], 1, 1, 1)
    assert (await api.ok("GET", f"/outdials/{outdial_id}/targets"))["result"] == []


async def test_ten_thousand_targets_in_one_body(api: Api) -> None:
    outdial_id = await api.outdial()

    body = await api.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": [item(number) for number in range(10_000)]})

    assert [target["destination_0"]["target"] for target in body["result"]] == [f"+1555{2_000_000 + number}" for number in range(10_000)]
    assert (await api.ok("GET", f"/outdials/{outdial_id}/stats"))["total"] == 10_000


async def test_a_body_of_wide_targets_is_split_by_size(api: Api) -> None:
    outdial_id = await api.outdial()
    wide = [item(number, data="\u20ac" * 60_000) for number in range(40)]

    body = await api.ok("POST", f"/outdials/{outdial_id}/targets", {"targets": wide})

    assert len(body["result"]) == 40
    assert body["errors"] == []


async def test_the_same_idempotency_key_adds_nothing_twice_and_answers_the_same(api: Api) -> None:
    outdial_id = await api.outdial()
    path, key = f"/outdials/{outdial_id}/targets", {"Idempotency-Key": "list"}
    items: dict[str, Any] = {"targets": [item(number) for number in range(600)] + [item(0), {}]}

    first = await api.ok("POST", path, items, headers=key)
    again = await api.ok("POST", path, items, headers=key)
    one = await api.ok("POST", path, item(1), headers={"Idempotency-Key": "one"})
    same = await api.ok("POST", path, item(1), headers={"Idempotency-Key": "one"})

    assert first == again
    assert one == same
    await api.refused(422, "ID_REUSED", "POST", path, item(2), headers={"Idempotency-Key": "one"})
    items["targets"][550] = item(9_999)
    await api.refused(422, "ID_REUSED", "POST", path, items, headers=key)
    assert (await api.ok("GET", f"/outdials/{outdial_id}/stats"))["total"] == 601


async def test_a_deleted_target_is_left_out_of_lists_and_never_requested(api: Api) -> None:
    outdial_id = await api.outdial()
    target = await api.target(outdial_id)

    gone = await api.ok("DELETE", f"/outdials/{outdial_id}/targets/{target['id']}")
    again = await api.ok("DELETE", f"/outdials/{outdial_id}/targets/{target['id']}")
    await api.run(outdial_id)

    assert not gone["tm_delete"].startswith("9999")
    assert gone["tm_update"] == gone["tm_delete"]
    assert again == gone
    assert await api.requests() == []


async def test_the_lifecycle_follows_the_attempts(api: Api) -> None:
    outdial_id = await api.outdial()
    target = await api.target(outdial_id)
    path = f"/outdials/{outdial_id}/targets/{target['id']}"
    seen = [(target["status"], target["lifecycle"])]

    async def look() -> None:
        shown = await api.ok("GET", path)
        seen.append((shown["status"], shown["lifecycle"]))

    await api.run(outdial_id, try_interval=0)
    for outcome in ("busy", "no_answer", None):
        request = (await api.requests())[-1]
        await look()
        if outcome is None:
            await api.ok("POST", "/dial_answers", {"attempt_id": request["attempt_id"]})
            await look()
            await api.say(request, "normal", answered=True)
        else:
            api.clock.at -= 10
            await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "stop"})
            await api.say(request, outcome)
            await look()
            await api.ok("PUT", f"/outdials/{outdial_id}/dialing", {"status": "run"})
    await look()

    assert seen == [
        ("idle", "idle"),
        ("progressing", "dialing"), ("idle", "busy"),
        ("progressing", "dialing"), ("idle", "no_answer"),
        ("progressing", "dialing"), ("progressing", "answered"), ("done", "finished"),
    ]  # fmt: skip


async def test_tries_left_are_unknown_without_a_plan_and_counted_under_one(api: Api) -> None:
    outdial_id = await api.outdial()
    target = await api.target(outdial_id, try_count_max=4, destination_2={"type": "tel", "target": "+15551230002"})
    path = f"/outdials/{outdial_id}/targets/{target['id']}"

    def left(shown: dict[str, Any]) -> list[int | None]:
        return [shown[f"try_count_remaining_{slot}"] for slot in range(5)]

    assert left(target) == [None] * 5
    await api.run(outdial_id, max_try_count_0=3, max_try_count_1=5, max_try_count_2=9)
    await api.say((await api.requests())[0], "busy")
    shown = await api.ok("GET", path)
    assert left(shown) == [2, 0, 3, 0, 0]
    assert shown["try_count_current"] == 1
    await api.run(outdial_id, max_try_count_0=3, retry_mode="result")
    assert left(await api.ok("GET", path)) == [None] * 5


async def test_the_attempts_of_a_target_are_listed_in_the_shape_the_model_promises(api: Api) -> None:
    outdial_id = await api.outdial()
    target = await api.target(outdial_id)
    await api.run(outdial_id)
    [request] = await api.requests()
    path = f"/outdials/{outdial_id}/targets/{target['id']}/calls"

    [before] = (await api.ok("GET", path))["result"]
    await api.say(request, "busy", call_id="40bea034-1d17-474d-a5de-da00d0861c69")
    [after] = (await api.ok("GET", path))["result"]

    assert (before["status"], before["reference_type"], before["reference_id"]) == ("progressing", "none", ZERO)
    assert (after["status"], after["reference_type"], after["reference_id"]) == ("done", "call", "40bea034-1d17-474d-a5de-da00d0861c69")
    assert (after["id"], after["outdial_target_id"], after["destination_index"], after["try_count"]) == (
        request["attempt_id"],
        target["id"],
        0,
        1,
    )
    assert after["destination"] == target["destination_0"]


async def test_the_history_of_a_target_begins_with_its_coming_and_pages_by_position(api: Api) -> None:
    outdial_id = await api.outdial()
    target = await api.target(outdial_id)
    await api.target(outdial_id, "+15551230002")
    await api.run(outdial_id)
    await api.say((await api.requests())[0], "answered")
    path = f"/outdials/{outdial_id}/targets/{target['id']}/history"

    whole = await api.ok("GET", path)
    first = await api.ok("GET", f"{path}?limit=1")
    rest = await api.ok("GET", f"{path}?after={first['next_after']}")

    assert [event["type"] for event in whole["result"]] == ["TargetAdded", "DialRequested", "DialEnded", "TargetFinished"]
    assert all(event["data"]["target_id"] == target["id"] for event in whole["result"])
    assert first["result"] + rest["result"] == whole["result"]


async def test_a_target_may_say_until_when_it_is_dialed_and_cannot_be_reopened_afterwards(api: Api) -> None:
    outdial_id, end = await api.outdial(), format_instant(api.clock() + MINUTE)
    made = await api.target(outdial_id, expires_at=end)
    assert (await api.ok("GET", f"/outdials/{outdial_id}/targets/{made['id']}?time=iso"))["expires_at"] == end
    assert (await api.target(await api.outdial()))["expires_at"] is None
    body = f"destination_0,expires_at\n+15551230009,{format_instant(api.clock() + MINUTE)}\n+15551230010,\n"
    await api.ok("POST", f"/outdials/{outdial_id}/import", content=body.encode(), headers={"content-type": "text/csv"})

    await api.pass_time(2 * MINUTE)
    await api.run(outdial_id)

    found = (await api.ok("GET", f"/outdials/{outdial_id}/targets"))["result"]
    assert sorted(one["lifecycle"] for one in found) == ["dialing", "failed", "failed"]
    assert (await api.ok("GET", f"/outdials/{outdial_id}/targets/{made['id']}/why"))["why"] == "expired"


async def test_a_target_tells_the_zones_its_numbers_may_be_in_unless_one_was_given(api: Api) -> None:
    outdial_id, berlin = await api.outdial(), {"type": "tel", "target": "+493012345678"}
    mail = {"type": "email", "target": "ann@example.org"}
    by_number = await api.target(outdial_id, destination_0=mail, destination_2=berlin)
    given = await api.target(outdial_id, destination_0=berlin, time_zone="Asia/Seoul")

    found = [await api.ok("GET", f"/outdials/{outdial_id}/targets/{one['id']}") for one in (by_number, given)]

    assert [(one["zones"], one["time_zone"]) for one in found] == [([None, None, ["Europe/Berlin"]], None), (None, "Asia/Seoul")]


async def test_a_call_back_or_an_end_not_yet_is_none_and_leaves_nobody_waiting_for_the_year_9999(api: Api) -> None:
    outdial_id = await api.outdial(plan={"max_try_count_0": 2, "try_interval": 0})
    path = f"/outdials/{outdial_id}/targets"
    made = await api.ok("POST", path, {"destination_0": {"type": "tel", "target": "+15551234567"}, "expires_at": NOT_YET})
    [request] = await api.requests()

    await api.ok("POST", "/dial_results", {"attempt_id": request["attempt_id"], "outcome": "answered", "call_back_at": NOT_YET})

    after = await api.ok("GET", f"{path}/{made['id']}")
    assert (made["expires_at"], after["call_back_at"], after["lifecycle"]) == (None, None, "finished")
