"""The client of the topics, at a broker with ledgers behind it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from outdial.client.errors import ClientError, Rejected, Unanswered, Unreachable
from outdial.client.kafka import KafkaClient
from outdial.commands import AddTarget, AddTargets, CreateOutdial, DialResult, NewTarget, StopDialing, UpdateOutdial
from outdial.connection import Connection
from outdial.plan import Plan
from outdial.topology import partition_of
from troubles.stage import Stage, new_id

PATIENCE_S = 30


@pytest.fixture
async def stage(kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage.on(Connection(kafka_bootstrap), tmp_path, 3) as found:
        yield found


def client_of(stage: Stage, answer_s: float = PATIENCE_S) -> KafkaClient:
    return KafkaClient(stage.connection, prefix=stage.topology.prefix, answer_s=answer_s)


def target(number: int) -> NewTarget:
    return NewTarget.model_validate({"destination_0": {"type": "tel", "target": f"+1202555{number:04}"}})


async def test_commands_are_answered_requests_read_and_the_history_told(stage: Stage) -> None:
    june, july = new_id(), new_id()
    async with stage.ledgers(), client_of(stage) as kafka, asyncio.timeout(2 * PATIENCE_S):
        assert kafka.topology == stage.topology
        made = await kafka.send(CreateOutdial(outdial_id=june, name="June", plan=Plan(max_try_count_0=1)))
        assert (made.result, made.type, made.stream) == ("events", "CreateOutdial", june)
        assert made.position.split("-")[partition_of(june, 3)] != "0"

        with pytest.raises(Rejected) as refused:
            await kafka.send(UpdateOutdial(outdial_id=july, name="nobody's"))
        assert refused.value.reason == "outdial_unknown"
        told = await kafka.send_all([AddTargets(outdial_id=june, targets=(target(1), target(2))), StopDialing(outdial_id=july)])
        assert [answer.result for answer in told] == ["events", "rejected"]
        async with client_of(stage) as other:
            names = (UpdateOutdial(outdial_id=june, name=name) for name in ("July", "June"))
            assert [answer.result for answer in await asyncio.gather(*map(other.send, names))] == ["events", "events"]

        same = UpdateOutdial(id=str(uuid4()), outdial_id=june, name="Junee")
        assert await kafka.put(same, same) == [same.id, same.id]
        assert (await kafka.send(same)).result == "events"

        requests = kafka.dial_requests(group=f"{stage.topology.prefix}.dialers")
        for _ in range(2):
            request = await anext(requests)
            said = DialResult(outdial_id=june, target_id=request.target_id, attempt_id=request.attempt_id, outcome="answered")
            assert request.outdial_id == june
            assert (await kafka.send(said)).result == "events"
        await requests.aclose()

        events = [event async for event in kafka.events(outdial_id=june)]
        of_each = ["TargetAdded", "DialRequested", "DialEnded", "TargetFinished"]
        wanted = ["OutdialCreated", "DialingStarted", "PlanApplied", *["OutdialUpdated"] * 3, *of_each, *of_each]
        assert sorted(event.type for event in events) == sorted(wanted)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        later = [event.id async for event in kafka.events(events[4].position, outdial_id=june)]
        assert later == [event.id for event in events[5:]]
        following = kafka.events(events[-1].position, follow=True)
        await kafka.put(AddTarget(outdial_id=june, destination_0=target(3).destination_0))
        assert (await anext(following)).type == "TargetAdded"
        await following.aclose()


async def test_who_is_not_answered_asks_again_and_it_is_done_once(stage: Stage) -> None:
    command = CreateOutdial(id=str(uuid4()), outdial_id=new_id(), name="June")
    async with client_of(stage, answer_s=0.2) as hasty, client_of(stage) as kafka:
        with pytest.raises(Unanswered, match=command.id) as late:
            await hasty.send(command)
        assert late.value.command_ids == (command.id,)
        async with stage.ledgers():
            assert (await kafka.send(command)).result == "events"
            assert [event.type async for event in kafka.events(outdial_id=command.outdial_id)] == ["OutdialCreated"]


async def test_a_client_says_what_it_lacks(stage: Stage) -> None:
    with pytest.raises(ClientError, match="no topic other"):
        async with KafkaClient(stage.connection, prefix="other"):
            pass
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        async with KafkaClient("127.0.0.1:9"):
            pass
    client = client_of(stage)
    with pytest.raises(ClientError, match="async with"):
        await client.put(StopDialing(outdial_id=new_id()))
