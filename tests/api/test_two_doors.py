"""Two processes that serve one log on Kafka behave as one, and say so when nobody decides."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.door import Api, served
from both import SOME
from outdial.ids import derived
from outdial.kafka import sending

pytestmark = pytest.mark.only("kafka", why="the embedded runtime is one process")


async def test_what_is_made_at_one_is_read_listed_and_changed_at_the_other_at_once(doors: list[Api]) -> None:
    _, here, there = doors
    for number in range(12):
        made = await here.ok("POST", "/outdials", {"name": f"n{number}"})
        assert await there.ok("GET", f"/outdials/{made['id']}") == made
        assert (await there.ok("GET", "/outdials"))["result"][0] == made
        changed = await there.ok("PUT", f"/outdials/{made['id']}", {"name": "other"})
        assert await here.ok("GET", f"/outdials/{made['id']}") == changed
        target = await there.target(made["id"])
        assert (await here.ok("GET", f"/outdials/{made['id']}/targets"))["result"] == [target]
        await here.ok("DELETE", f"/outdials/{made['id']}")
        await there.refused(404, "OUTDIAL_NOT_FOUND", "POST", f"/outdials/{made['id']}/targets", {"destination_0": target["destination_0"]})


async def test_page_tokens_and_positions_of_one_mean_the_same_at_the_other(doors: list[Api]) -> None:
    _, here, there = doors
    ids = [await doors[number % 3].outdial(name=f"n{number}") for number in range(30)]

    listed: list[str] = []
    token, turn = "", 0
    while True:
        page = await (here, there)[turn % 2].ok("GET", f"/outdials?page_size=4&page_token={token}")
        if not page["result"]:
            break
        listed += [row["id"] for row in page["result"]]
        token, turn = page["next_page_token"], turn + 1
    assert sorted(listed) == sorted(ids)

    seen: list[dict[str, Any]] = []
    after = "0"
    for turn in range(40):
        page = await (here, there)[turn % 2].ok("GET", f"/events?limit=2&after={after}")
        seen += page["result"]
        after = page["next_after"]
    assert len(seen) == len({event["id"] for event in seen}) == 30
    assert len(after.split("-")) == SOME

    made = await here.call("POST", "/outdials", {"name": "last"})
    position = made.headers["outdial-position"]
    row = await there.ok("GET", f"/outdials/{made.json()['id']}?stale=1&min_position={position}")
    assert row == made.json()

    for path in ("/events", "/dial_requests"):
        for _ in range(10):
            told = (await here.call("POST", "/outdials", {"name": "later"})).headers["outdial-position"]
            assert (await there.ok("GET", f"{path}?stale=1&after={told}"))["result"] == []


async def test_a_result_without_its_outdial_is_placed_wherever_it_comes(doors: list[Api]) -> None:
    deciding, here, there = doors
    outdial_id = await here.outdial()
    for number in range(10):
        await here.target(outdial_id, f"+1555123{number:04}")
    await there.run(outdial_id, max_concurrent=0)
    requests = await deciding.requests()
    assert len(requests) == 10

    for number, request in enumerate(requests):
        claimed, said = (here, there) if number % 2 else (there, here)
        await claimed.ok("POST", "/dial_claims", {"attempt_id": request["attempt_id"], "worker": "w"})
        assert (await said.say(request, "answered"))["result"] == "events"
    stats = await there.ok("GET", f"/outdials/{outdial_id}/stats")
    assert (stats["lifecycle"]["finished"], stats["open_attempts"]) == (10, 0)


async def test_a_stop_at_one_is_in_force_at_the_other(doors: list[Api]) -> None:
    deciding, here, there = doors
    plan = (await here.ok("POST", "/outplans", {"max_try_count_0": 2, "try_interval": 0}))["id"]
    outdial_id = await there.outdial()
    await here.target(outdial_id)
    campaign = (await there.ok("POST", "/campaigns", {"outdial_id": outdial_id, "outplan_id": plan}))["id"]
    await here.ok("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    [request] = await deciding.requests()

    await there.ok("PUT", f"/campaigns/{campaign}/status", {"status": "stop"})

    error = await here.refused(409, "STATE_INVALID", "POST", "/dial_claims", {"attempt_id": request["attempt_id"], "worker": "w"})
    assert error["details"][0]["rule"] == "dialing_stopped"
    await here.say(request, "busy")
    assert len(await deciding.requests()) == 1
    assert (await there.ok("GET", f"/campaigns/{campaign}"))["status"] == "stop"


async def test_a_stream_goes_on_at_the_other_by_the_last_id(doors: list[Api]) -> None:
    _, here, there = doors
    ids: list[str] = []
    last = "0"
    for api, other in ((here, there), (there, here), (here, there)):
        async with (
            served(api.app) as url,
            httpx.AsyncClient(base_url=url) as client,
            asyncio.timeout(20),
            client.stream("GET", "/v1.0/events/stream", headers={"Last-Event-ID": last}) as answer,
        ):
            making = asyncio.create_task(_outdials(other, 8))
            taken = 0
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    last = line[4:]
                elif line.startswith("data: "):
                    ids.append(json.loads(line[6:])["id"])
                    taken += 1
                    if taken == 6:
                        break
            await making
    ids += [event["id"] for event in (await there.ok("GET", f"/events?limit=1000&after={last}"))["result"]]
    assert sorted(ids) == sorted(event["id"] for event in (await here.ok("GET", "/events?limit=1000"))["result"])


async def test_a_long_poll_at_one_is_answered_by_what_comes_at_the_other(doors: list[Api]) -> None:
    deciding, here, there = doors
    outdial_id = await here.outdial()
    await here.run(outdial_id)
    after = (await here.ok("GET", "/dial_requests"))["next_after"]
    async with asyncio.timeout(20):
        waiting = asyncio.create_task(there.ok("GET", f"/dial_requests?after={after}&wait_ms=15000"))
        await here.target(outdial_id)
        await deciding.poke()
        page = await waiting
    assert len(page["result"]) == 1
    assert (await here.ok("GET", f"/dial_requests?after={page['next_after']}"))["result"] == []


async def _outdials(api: Api, number: int) -> None:
    for _ in range(number):
        await api.outdial()


async def test_what_nobody_decides_in_time_is_503_with_its_ids_and_asked_again_by_its_key(
    doors: list[Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    deciding, here, there = doors
    outdial_id = await here.outdial()
    await deciding.stage.stop()
    monkeypatch.setattr(sending, "ANSWER_S", 0.3)
    key = {"Idempotency-Key": "once"}
    body = {"destination_0": {"type": "tel", "target": "+15551230001"}}

    made = await here.refused(503, "REQUEST_TIMEOUT", "POST", "/outdials", {"name": "late"}, headers=key)
    added = await here.refused(503, "REQUEST_TIMEOUT", "POST", f"/outdials/{outdial_id}/targets", body, headers=key)
    changed = await there.refused(503, "REQUEST_TIMEOUT", "PUT", f"/outdials/{outdial_id}", {"name": "x"})
    assert here.seen[-1].headers["retry-after"] == "1"
    assert (await there.ok("GET", f"/outdials/{outdial_id}"))["name"] == ""

    [late] = made["details"]
    assert (late["rule"], late["type"]) == ("answer_late", "CreateOutdial")
    assert added["details"][0]["outdial_id"] == changed["details"][0]["outdial_id"] == outdial_id
    assert added["details"][0]["id"] == derived(added["details"][0]["command_id"], "0")
    assert late["command_id"] in made["message"]

    monkeypatch.undo()
    await deciding.stage.start()
    assert (await there.ok("POST", "/outdials", {"name": "late"}, headers=key))["id"] == late["id"]
    assert (await there.ok("POST", f"/outdials/{outdial_id}/targets", body, headers=key))["id"] == added["details"][0]["id"]
    assert len((await here.ok("GET", f"/outdials/{outdial_id}/targets"))["result"]) == 1
    assert sorted(row["name"] for row in (await here.ok("GET", "/outdials"))["result"]) == ["late", "x"]


async def test_an_import_under_way_waits_for_a_ledger_that_starts_anew(doors: list[Api], monkeypatch: pytest.MonkeyPatch) -> None:
    deciding, here, _ = doors
    outdial_id = await here.outdial()
    rows = [f"+1555123{number:04}\n" for number in range(1_200)]

    async def file() -> AsyncIterator[bytes]:
        yield "".join(["destination_0\n", *rows[:600]]).encode()
        await deciding.stage.stop()
        monkeypatch.setattr(sending, "ANSWER_S", 0.05)
        await here.refused(503, "REQUEST_TIMEOUT", "PUT", f"/outdials/{outdial_id}", {"name": "x"})
        yield "".join(rows[600:]).encode()
        await deciding.stage.start()

    answer = await here.http.post(f"/v1.0/outdials/{outdial_id}/import", content=file(), headers={"Content-Type": "text/csv"})

    report = answer.json()
    assert (report["rows"], report["added"], report["existing"], report["error_count"]) == (1_200, 1_200, 0, 0)


async def test_views_that_cannot_follow_refuse_a_read_unless_it_may_be_stale(doors: list[Api], monkeypatch: pytest.MonkeyPatch) -> None:
    _, here, there = doors
    outdial_id = await here.outdial()
    await there.ok("GET", f"/outdials/{outdial_id}")
    mirror = there.runtime.mirror  # type: ignore[union-attr]
    monkeypatch.setattr(mirror, "_append", _never)
    monkeypatch.setattr("outdial.kafka.log.BEHIND_S", 0.3)
    later = await here.outdial()

    answer = await there.call("GET", f"/outdials/{later}")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["details"] == [{"rule": "views_behind"}]
    await there.refused(404, "OUTDIAL_NOT_FOUND", "GET", f"/outdials/{later}?stale=1")
    await there.ok("GET", f"/outdials/{outdial_id}?stale=1")


async def _never(*_: object) -> None:
    await asyncio.Event().wait()
