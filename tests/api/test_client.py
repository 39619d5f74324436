"""The client at a real door: every group of its words, what comes of a repeat, and streams that are cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.door import ALICES, BOBS, TOKENS, Api, Clock, Opened, hashed, served
from both import EmbeddedStage, MakeStage
from brokers.cluster import free_ports
from outdial.client.errors import Conflict, Forbidden, IdReused, NotFound, Unauthenticated, Unreachable, VersionDiffers
from outdial.client.http import Client
from outdial.commands import CreateOutdial, NewTarget, StopDialing
from outdial.doors.api.app import make_app
from outdial.doors.api.deps import Settings
from outdial.plan import Plan
from outdial.scalars import ZERO_ID
from outdial.suppression import FrequencyCap, FrequencyCaps, NewSuppression

PATIENCE_S = 30
NOBODY = "00000000-0000-4000-8000-00000000dead"
once = pytest.mark.only("embedded", why="what is asked and how it reads is the same on both; the rules are tested elsewhere")


def client_at(api: Api, token: str | None = None, **more: Any) -> Client:
    """A client of the door, without a network between."""
    return Client("http://localhost", token, transport=httpx.ASGITransport(api.app), **more)


def numbers(count: int) -> list[NewTarget]:
    return [NewTarget.model_validate({"destination_0": {"type": "tel", "target": f"+1202555{number:04}"}}) for number in range(count)]


@once
async def test_lists_and_who_is_on_them(api: Api, tmp_path: Path) -> None:
    async with client_at(api) as client:
        june = await client.create_outdial("June", detail="d", data="mine")
        july = await client.create_outdial("July")
        assert [row.name async for row in client.outdials()] == ["July", "June"]
        changed = await client.update_outdial(june.id, name="Junee", data="yours")
        assert (changed.name, changed.detail, changed.data) == ("Junee", "d", "yours")
        assert (await client.delete_outdial(july.id)).tm_delete is not None
        assert [row.id async for row in client.outdials()] == [june.id]
        assert [row.id async for row in client.outdials(deleted=True)] == [july.id, june.id]

        later = api.clock.at + 10**12
        ann = await client.add_target(june.id, "+12025550123", "sip:ann@example.org", name="Ann", priority=3, expires_at=later)
        assert ann.destination_1 is not None
        assert (ann.destination_1.type, ann.name, ann.priority, ann.status) == ("sip", "Ann", 3, "idle")
        assert (await client.target(june.id, ann.id)).id == ann.id
        bulk = await client.add_targets(june.id, numbers(250), on_duplicate="skip")
        assert (len(bulk.result), len(bulk.skipped)) == (249, 1)
        assert len({row.id async for row in client.targets(june.id)}) == 250
        assert len([row async for row in client.targets(june.id, limit=130)]) == 130
        (tmp_path / "more.csv").write_text("name,destination_0\nben,+12025559001\nbad,12\n")
        report = await client.import_targets(june.id, tmp_path / "more.csv")
        assert (report.added, report.error_count) == (1, 1)
        assert (await client.import_targets(june.id, (tmp_path / "more.csv").read_bytes())).existing == 1
        assert (await client.delete_target(june.id, ann.id)).tm_delete is not None
        assert [event.type async for event in client.history(june.id, ann.id)] == ["TargetAdded", "TargetDeleted"]
        with pytest.raises(NotFound) as caught:
            await client.target(june.id, NOBODY)
    assert (caught.value.reason, caught.value.rule) == ("OUTDIAL_TARGET_NOT_FOUND", "target_unknown")
    assert caught.value.request_id


@once
async def test_plans_runs_and_their_numbers(api: Api) -> None:
    async with client_at(api) as client:
        plan = Plan(max_try_count_0=2, try_interval=60_000)
        outplan = await client.create_outplan("evening", plan=plan)
        assert (outplan.name, outplan.max_try_count_0) == ("evening", 2)
        outplan = await client.update_outplan(outplan.id, detail="d", plan={"calls_per_second": 5})
        assert (outplan.detail, outplan.calls_per_second, outplan.max_try_count_0) == ("d", 5, 2)
        assert (await client.outplan(outplan.id)).version == outplan.version
        june = await client.create_outdial("June")
        ann = await client.add_target(june.id, "+12025550123")

        assert (await client.preflight(june.id, plan=plan)).dialable_now == 1
        assert (await client.start(june.id, outplan_id=outplan.id)).status == "run"
        await api.poke()
        assert (await client.pause(june.id, reason="lunch")).paused is not None
        assert (await client.why(june.id)).why == "paused"
        assert (await client.resume(june.id)).paused is None
        assert (await client.drain(june.id)).draining is not None
        stopped = await client.stop(june.id)
        assert (stopped.status, stopped.open_count, len(stopped.open_attempts)) == ("stopping", 1, 1)
        assert (await client.dialing(june.id)).open == 1
        assert (await client.why_target(june.id, ann.id)).target_id == ann.id
        assert (await client.stats(june.id)).open_attempts == 1
        assert sum((await client.activity(june.id, minutes=5)).requested) == 1
        assert (await client.results_of(june.id)).outdial_id == june.id
        assert (await client.most_called(june.id)).calls == 1
        assert (await client.calendar(june.id, hours=1)).outdial_id == june.id
        assert (await client.open_attempts(june.id)).open == 1
        assert (await client.past(june.id, 2)).stats.total == 1
        assert (await client.target_past(june.id, ann.id, 1)).target.id == ann.id
        [call] = [call async for call in client.calls()]
        assert (await client.call(call.id)).outdial_target_id == ann.id
        assert [attempt.id async for attempt in client.calls_of_target(june.id, ann.id)] == [call.id]
        with pytest.raises(Conflict):
            await client.delete_call(call.id)
        await client.dial_result(call.id, "busy")
        assert (await client.delete_call(call.id)).tm_delete is not None
        assert (await client.reopen(june.id, ["busy"])).outdial_id == june.id
        assert (await client.reopen_target(june.id, ann.id)).try_count_0 == 0
        assert (await client.delete_outplan(outplan.id)).tm_delete is not None
        assert [row async for row in client.outplans()] == []


@once
async def test_campaigns(api: Api) -> None:
    async with client_at(api) as client:
        june, outplan = await client.create_outdial("June"), await client.create_outplan("p", plan={"max_try_count_0": 1})
        made = await client.create_campaign("June", outdial_id=june.id, outplan_id=outplan.id, end_handle="continue")
        made = await client.update_campaign(made.id, detail="d", service_level=80, next_campaign_id=made.id)
        assert (made.detail, made.service_level, made.next_campaign_id) == ("d", 80, made.id)
        assert (await client.update_campaign(made.id, next_campaign_id=ZERO_ID)).next_campaign_id == ZERO_ID
        assert (await client.set_agents(made.id, 4)).agents == 4
        assert (await client.run_campaign(made.id)).status == "run"
        assert [row.status async for row in client.campaigns()] == ["run"]
        assert [call async for call in client.calls(campaign_id=made.id)] == []
        assert (await client.stop_campaign(made.id)).status == "stop"
        assert (await client.campaign(made.id)).ended_how is not None
        assert (await client.delete_campaign(made.id)).tm_delete is not None


@once
async def test_who_places_calls_reads_claims_and_tells(api: Api) -> None:
    async with client_at(api) as client:
        june = await client.create_outdial("June", plan=Plan(max_try_count_0=1))
        await client.add_targets(june.id, numbers(3))
        await api.poke()
        requests = client.dial_requests()
        async with asyncio.timeout(PATIENCE_S):
            first, second, third = [await anext(requests) for _ in range(3)]
        await requests.aclose()
        assert first.destination.target == "+12025550000"
        assert (await client.claim_dial(first, "worker-1")).attempt_id == first.attempt_id
        with pytest.raises(Conflict) as caught:
            await client.claim_dial(first.attempt_id, "worker-2")
        assert caught.value.rule == "dial_claimed"
        assert (await client.dial_answered(first)).result == "events"
        assert (await client.dial_result(first, "answered", call_id="c-1", ended_at="2026-11-21T04:10:32Z")).result == "events"
        assert [said.result for said in await client.dial_answers([{"attempt_id": second.attempt_id}, {"attempt_id": NOBODY}])] == [
            "events",
            "rejected",
        ]
        ends = [{"attempt_id": second.attempt_id, "outcome": "answered"}, {"attempt_id": third.attempt_id, "outcome": "busy"}]
        assert [said.result for said in await client.dial_results(ends)] == ["events", "events"]
        assert (await client.stats(june.id)).outcome["answered"] == 2
        again = client.dial_requests(first.position)
        assert (await anext(again)).attempt_id == second.attempt_id
        await again.aclose()


@once
async def test_whom_not_to_call_and_where_events_go(api: Api) -> None:
    async with client_at(api) as client:
        told = await client.suppress(NewSuppression(prefix="+4470"), {"address": {"type": "tel", "target": "+12025550123"}})
        assert (told.errors, told.open_count) == ((), 0)
        assert {entry.prefix async for entry in client.suppressions()} == {None, "+4470"}
        await client.unsuppress({"prefix": "+4470"})
        assert (await client.import_suppressions(b"target\n+12025550124\n")).taken == 1
        assert len([entry async for entry in client.suppressions()]) == 2
        caps = FrequencyCaps(rules=(FrequencyCap(count=3, per_ms=86_400_000),), min_gap_ms=1_000)
        assert await client.set_frequency_caps(caps) == caps == await client.frequency_caps()
        assert await client.set_frequency_caps(FrequencyCaps(min_gap_ms=2_000)) == caps.model_copy(update={"min_gap_ms": 2_000})
        assert await client.set_frequency_caps({"rules": []}) == FrequencyCaps(min_gap_ms=2_000)
        made = await client.set_webhook("https://pbx.example/events")
        assert made.secret
        assert (await client.webhook()).secret is None
        assert (await client.replay_webhook("0")).position == "0"
        await client.delete_webhook()
        with pytest.raises(NotFound):
            await client.webhook()


@once
async def test_who_may_ask(opened: Opened) -> None:
    admin = "the-administrators"
    settings = Settings(tokens=TOKENS | {hashed(admin): NOBODY}, admins=frozenset({hashed(admin)}))
    api = await opened(settings)
    async with client_at(api, ALICES) as alice, client_at(api, BOBS) as bob, client_at(api, admin) as root, client_at(api) as other:
        with pytest.raises(Unauthenticated):
            await anext(other.outdials())
        june = await alice.create_outdial("June")
        with pytest.raises(NotFound):
            await bob.outdial(june.id)
        with pytest.raises(Forbidden):
            await bob.create_customer("mine")

        shop = await root.create_customer("Ann's shop")
        assert (await root.customer(shop.id)).name == "Ann's shop"
        assert shop.id in [customer.id async for customer in root.customers()]
        user = await root.create_user(shop.id, "ann@example.com", "a long password")
        assert [row.username async for row in root.users(shop.id)] == ["ann@example.com"]
        await root.set_password(shop.id, user.id, "another password")
        session = await other.log_in("ann@example.com", "another password")
        await other.create_outdial("of the shop")
        assert [key.purpose async for key in other.accesskeys(sessions=True)] == ["session"]
        key = await other.create_accesskey("import", expire_s=3_600)
        assert key.token is not None
        assert (await other.accesskey(key.id)).token is None
        async with client_at(api, key.token) as machine:
            assert [row.name async for row in machine.outdials()] == ["of the shop"]
        await other.delete_accesskey(key.id)
        await other.log_out(session)
        with pytest.raises(Unauthenticated):
            await anext(other.outdials())
        assert (await root.delete_user(shop.id, user.id)).tm_delete is not None
        assert (await root.create_accesskey("theirs", customer_id=shop.id)).customer_id == shop.id


@once
async def test_commands_in_their_own_words_and_the_history(api: Api) -> None:
    async with client_at(api) as client:
        made = await client.command(CreateOutdial(outdial_id="0A000000-0000-4000-8000-00000000000A", name="June"))
        assert (made.result, made.type) == ("events", "CreateOutdial")
        with pytest.raises(NotFound) as caught:
            await client.command(StopDialing(outdial_id=NOBODY))
        assert caught.value.rule == "outdial_unknown"
        told = await client.commands([{"type": "UpdateOutdial", "outdial_id": made.stream, "name": "July"}, StopDialing(outdial_id=NOBODY)])
        assert [answer.result for answer in told] == ["events", "rejected"]
        assert [answer.result for answer in await client.commands(b'{"type":"Nonsense"}\n')] == ["rejected"]
        events = [event async for event in client.events()]
        assert [event.type for event in events] == ["OutdialCreated", "OutdialUpdated"]
        assert [event async for event in client.events(events[0].position, outdial_id=made.stream)] == events[1:]


async def test_a_change_is_made_at_the_version_that_was_seen(api: Api) -> None:
    async with client_at(api) as client:
        seen = await client.create_outdial("June")
        await client.update_outdial(seen.id, name="July")
        with pytest.raises(VersionDiffers):
            await client.update_outdial(seen.id, name="August", if_version=seen.version or 0)
        now = await client.outdial(seen.id)
        assert now.name == "July"
        both = await client.update_outdial(seen.id, name="August", data="d", if_version=now.version or 0)
        assert (both.name, both.data) == ("August", "d")
        assert both.version == (now.version or 0) + 2


class Forgetful(httpx.ASGITransport):
    """A way on which the answers to changes are lost, each the first time."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.lost = 0
        self._tell = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        self._tell = request.method == "GET" or not self._tell
        if request.method != "GET" and self._tell:
            await response.aread()
            self.lost += 1
            raise httpx.ReadError("the connection was reset", request=request)
        return response


async def test_what_was_done_and_not_heard_of_is_not_done_twice(api: Api) -> None:
    way = Forgetful(api.app)
    async with Client("http://localhost", transport=way) as client:
        june = await client.create_outdial("June", idempotency_key="june")
        ann = await client.add_target(june.id, "+12025550123")
        assert len((await client.add_targets(june.id, numbers(5))).result) == 5
        await client.start(june.id, plan={"max_try_count_0": 1})
        await client.suppress({"prefix": "+4470"})
        await client.update_outdial(june.id, name="July")
        await client.delete_target(june.id, ann.id)
        with pytest.raises(IdReused):
            await client.create_outdial("another", idempotency_key="june")
        told = [event async for event in client.events(outdial_id=june.id)]
    assert way.lost == 8
    done = [event.type for event in told if event.type not in ("DialRequested", "CommandNoted")]
    assert done == [
        "OutdialCreated",
        "TargetAdded",
        *["TargetAdded"] * 5,
        "DialingStarted",
        "PlanApplied",
        "OutdialUpdated",
        "TargetDeleted",
    ]


# --- streams ------------------------------------------------------------------------------------


@asynccontextmanager
async def listening(client: Client, **wishes: Any) -> AsyncIterator[Any]:
    """The events of a client as they come."""
    events = client.events(follow=True, **wishes)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield events
    finally:
        await events.aclose()


async def test_who_follows_hears_what_happens_and_of_what_is_not_there_an_error(api: Api) -> None:
    async with served(api.app) as url, Client(url) as client:
        june = await client.create_outdial("June")
        async with listening(client, outdial_id=june.id) as events:
            assert (await anext(events)).type == "OutdialCreated"
            await client.create_outdial("July")
            await client.add_target(june.id, "+12025550123")
            heard = await anext(events)
            assert (heard.type, heard.subject) == ("TargetAdded", june.id)
        async with listening(client, outdial_id=NOBODY) as events:
            with pytest.raises(NotFound):
                await anext(events)


@pytest.mark.only("embedded", why="the folder is served again by another process of the same address")
async def test_streams_and_long_polls_go_on_when_the_service_comes_back(make_stage: MakeStage, tmp_path: Path) -> None:
    clock = Clock()
    stage = make_stage(tmp_path / "data", clock)
    assert isinstance(stage, EmbeddedStage)
    [port] = free_ports(1)
    heard: list[str] = []
    called: list[str] = []
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        listeners: list[asyncio.Task[None]] = []
        for turn in range(2):
            runtime = await stage.start()
            async with served(make_app(runtime, runtime.reader), port) as url, Client(url) as client:
                if not turn:
                    june = await client.create_outdial("June", plan={"max_try_count_0": 1})
                    listeners = [tasks.create_task(_hear(url, heard)), tasks.create_task(_call(url, called))]
                await client.add_target(june.id, f"+1202555010{turn}")
                while len(called) <= turn or heard.count("DialRequested") <= turn:
                    await stage.poke()
                    await asyncio.sleep(0.01)
        for listener in listeners:
            listener.cancel()
    await stage.close()
    assert heard == ["OutdialCreated", "DialingStarted", "PlanApplied", *["TargetAdded", "DialRequested"] * 2]
    assert called == ["+12025550100", "+12025550101"]


async def _hear(url: str, heard: list[str]) -> None:
    async with Client(url, reconnect_s=PATIENCE_S) as client:
        async for event in client.events(follow=True):
            heard += [event.type]


async def _call(url: str, called: list[str]) -> None:
    async with Client(url, reconnect_s=PATIENCE_S) as client:
        async for request in client.dial_requests():
            called += [request.destination.target]


@once
async def test_a_service_that_does_not_come_back_is_said_to_be_away(api: Api) -> None:
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(api.app))
        async with Client(url, reconnect_s=0.2) as client, listening(client) as events:
            await client.create_outdial("June")
            await anext(events)
            waiting = asyncio.ensure_future(anext(events))
            await stack.aclose()
            with pytest.raises(Unreachable):
                await waiting


@once
async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with served(api.app) as url, Client(url) as client:
        assert [row async for row in client.outdials()] == []
