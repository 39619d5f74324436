"""Topics that are not as they must be: who starts on them is refused and told what to do; what can be waited for is waited for."""

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions

from outdial.kafka import topics
from outdial.kafka.errors import ClusterError
from outdial.kafka.log import Mirror
from outdial.kafka.runtime import Ledgers
from outdial.position import Position
from outdial.topology import TOPICS, Name, Topology
from troubles.processes import roles, settings
from troubles.stage import Stage, add, new_id, until


def done(futures: Mapping[Any, Future[Any]]) -> None:
    """What an administrator asked for has been done."""
    for future in futures.values():
        future.result(10)


def cut(stage: Stage, name: str, before: int, partition: int = 0) -> None:
    """Delete the records of a topic before an offset."""
    done(stage.admin.delete_records([Place(f"{stage.topology.prefix}.{name}", partition, before)]))


def forget(stage: Stage) -> None:
    """Let Kafka forget the group, as it does when nobody was in it for a week."""
    done(stage.admin.delete_consumer_groups([stage.topology.ledger_group]))


async def configure(stage: Stage, name: Name, setting: str, value: str) -> None:
    """Change a setting of a topic."""
    topic = stage.topology.topic(name)
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    done(stage.admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]))
    async with asyncio.timeout(30):
        while True:
            found = await topics.show(stage.connection, stage.topology)
            if any(one.name == topic and one.settings[setting] == value for one in found):
                return


async def grown(stage: Stage, *names: Name, partitions: int) -> None:
    """Give topics more partitions; return when the brokers say so to whoever asks."""
    wanted = {stage.topology.topic(name) for name in names}
    done(stage.admin.create_partitions([NewPartitions(name, partitions) for name in wanted]))
    async with asyncio.timeout(30):
        while wanted:
            wanted -= {one.name for one in await topics.show(stage.connection, stage.topology) if one.partitions == partitions}


async def refused(stage: Stage, **more: object) -> ClusterError:
    """Why ledgers do not start, or end by themselves."""
    with pytest.raises(ClusterError) as refusal:
        async with stage.failing(**more) as ended:
            raise await asyncio.wait_for(ended, 30)
    return refusal.value


async def test_missing_topics_are_named_and_made_with_the_verb_that_is_named(stage: Stage, tmp_path: Path) -> None:
    elsewhere = Topology(f"{stage.topology.prefix}-2", 2)
    told = await refused(stage, topology=elsewhere)
    assert told.reason == "topics_wrong"
    assert elsewhere.commands in told.message
    assert "outdial topics create" in told.fix
    await topics.create(stage.connection, elsewhere)
    ledgers = await Ledgers.open(stage.options(topology=elsewhere))
    await until(lambda: ledgers.not_ready is None, "the ledgers decide")
    await ledgers.close()
    stage.admin.delete_topics([elsewhere.topic(topic.name) for topic in TOPICS])


@pytest.mark.parametrize("role", ["ledger", "api", "worker", "serve"])
async def test_every_role_says_of_missing_topics_what_to_do(stage: Stage, tmp_path: Path, role: str) -> None:
    told = settings(stage.connection.bootstrap, stage.topology, TOPIC_PREFIX=f"{stage.topology.prefix}-2")
    async with roles(tmp_path, told) as found:
        flags = ["--carrier", "simulated"] if role == "worker" else []
        if role == "serve":
            process = await found.start("serve", "--kafka", stage.connection.bootstrap)
            assert await process.stop() == 0
            return
        code, said = await (await found.spawn(role, *flags)).ended()
        assert code == 1
        assert "outdial topics create" in said
        assert f"{stage.topology.prefix}-2" in said
        assert "Traceback" not in said


async def test_another_number_of_partitions_is_refused(stage: Stage) -> None:
    told = await refused(stage, topology=Topology(stage.topology.prefix, 3))
    assert told.reason == "topics_wrong"
    assert "OUTDIAL_PARTITIONS=2" in told.fix


async def test_partitions_added_under_running_ledgers_end_them(stage: Stage) -> None:
    ledgers = await Ledgers.open(stage.options())
    try:
        await stage.goes_on()
        await grown(stage, "commands", partitions=3)
        failed = asyncio.create_task(ledgers.wait_failed())
        async with asyncio.timeout(30):
            while not failed.done():
                await ledgers._consumer._client.force_metadata_update()  # noqa: SLF001  it would hear of it within five minutes
                await asyncio.wait([failed], timeout=0.2)
        with pytest.raises(ClusterError) as refusal:
            await failed
    finally:
        await ledgers.close()
    assert refusal.value.reason == "topics_wrong"


@pytest.mark.parametrize("kept", [False, True])
async def test_a_log_that_was_written_with_another_number_of_partitions_is_refused(stage: Stage, tmp_path: Path, *, kept: bool) -> None:
    """A stream would be looked for where its history is not."""
    folder = tmp_path if kept else None
    async with stage.ledgers(folder=folder):
        for _ in range(6):
            await stage.goes_on(0)
            await stage.goes_on(1)
    await grown(stage, *(topic.name for topic in TOPICS), partitions=3)
    told = await refused(stage, topology=Topology(stage.topology.prefix, 3), folder=folder)
    assert told.reason == "topics_wrong"
    assert "another number of partitions" in told.message


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("commands", "message.timestamp.type", "CreateTime"),
        ("events", "message.timestamp.type", "CreateTime"),
        ("events", "cleanup.policy", "compact"),
        ("events", "retention.ms", "604800000"),
        ("events", "max.message.bytes", "1048588"),
        ("commands", "max.message.bytes", "500000"),
    ],
)
async def test_a_setting_that_costs_the_log_something_is_refused_with_the_command_that_sets_it(
    stage: Stage, name: Name, setting: str, value: str
) -> None:
    await configure(stage, name, setting, value)
    told = await refused(stage)
    assert told.reason == "topics_wrong"
    assert f"{setting}={value}" in told.message
    assert f"--add-config {setting}=" in told.fix


async def test_a_group_that_kafka_has_forgotten_goes_on_where_the_log_says(stage: Stage) -> None:
    async with stage.ledgers():
        outdial_id, target_id = await stage.outdial(), new_id()
        await stage.ask(add(outdial_id, target_id))
        await stage.ask({"type": "UpdateOutdial", "outdial_id": new_id(), "name": "nobody's"})
        await stage.hears()
        rejections = len(stage.rejections)
        assert rejections == 1
    forget(stage)
    async with stage.ledgers() as ledgers:
        await stage.goes_on()
        assert len(stage.rejections) == rejections
        commands = [record for record in await stage.read("commands") if record.partition == 0]
        assert ledgers.partitions[0].next_offset == len(commands)
        assert len(await stage.requests()) == 1


async def test_commands_deleted_before_they_were_read_are_missed_and_the_advice_helps(stage: Stage) -> None:
    async with stage.ledgers():
        await stage.goes_on(0)
        await stage.goes_on(1)
    for _ in range(5):
        await stage.put(b"{}", partition=0)
    read = 1
    cut(stage, "commands", read + 3)
    told = await refused(stage)
    assert told.reason == "commands_missing"
    assert "partition 0" in told.message
    assert "3 commands" in told.message
    assert f"--to-earliest --group {stage.topology.ledger_group} --topic {stage.topology.commands}:0 --execute" in told.fix
    moved = ConsumerGroupTopicPartitions(stage.topology.ledger_group, [Place(stage.topology.commands, 0, read + 3)])
    done(stage.admin.alter_consumer_group_offsets([moved]))
    async with stage.ledgers():
        await stage.goes_on(0)
        assert len(stage.rejections) == 2


async def test_a_log_whose_beginning_is_gone_is_refused(stage: Stage, tmp_path: Path) -> None:
    async with stage.ledgers(folder=tmp_path):
        await stage.goes_on()
        await stage.goes_on()
    cut(stage, "events", 1)
    told = await refused(stage, folder=tmp_path)
    assert told.reason == "log_incomplete"
    assert "retention.ms=-1" in told.fix
    mirror = await Mirror.open(stage.options(), tmp_path / "views")
    with pytest.raises(ClusterError) as refusal:
        await asyncio.wait_for(mirror.wait_failed(), 30)
    await mirror.close()
    assert refusal.value.reason == "log_incomplete"


async def streams_shown(stage: Stage, folder: Path) -> tuple[Position, set[str]]:
    """Follow the log into a folder until all of it is shown; how far it was at first, and of which streams the events are."""
    mirror = await Mirror.open(stage.options(), folder)
    try:
        began = mirror.position
        await until(lambda: mirror.not_ready is None, "all is shown")
        return began, {name for (name,) in mirror.reader.execute("SELECT stream FROM log")}
    finally:
        await mirror.close()


async def test_views_of_another_past_of_the_log_are_built_anew(stage: Stage, tmp_path: Path) -> None:
    """The log was put back from a backup and has gone on otherwise, beyond where the views had come."""
    async with stage.ledgers():
        for _ in range(2):
            await stage.goes_on()
    there = {event["subject"] for event in await stage.events()}
    assert (await streams_shown(stage, tmp_path))[1] == there
    kept, shown = await streams_shown(stage, tmp_path)
    assert any(kept.marks)
    assert shown == there
    past = [record for record in await stage.read("events") if record.key is not None]
    topic = stage.topology.events
    done(stage.admin.delete_topics([topic]))
    await until(lambda: topic not in stage.admin.list_topics(timeout=10).topics, "the topic is gone")
    await topics.create(stage.connection, stage.topology)
    producer = await stage.producer()
    others = {old: new_id() for old in there}
    for copy in ({}, others):
        for record in past:
            key, value = record.key.decode(), record.value.decode()
            if not copy and key == past[-1].key.decode():
                continue
            value = value.replace(key, copy.get(key, key))
            await producer.send_and_wait(topic, value.encode(), copy.get(key, key).encode(), partition=record.partition)
    began, shown = await streams_shown(stage, tmp_path)
    assert not any(began.marks)
    assert shown == {record.key.decode() for record in await stage.read("events")}
    assert past[-1].key.decode() not in shown


async def test_an_event_of_a_newer_program_is_refused_by_ledgers_and_views(stage: Stage, tmp_path: Path) -> None:
    async with stage.ledgers():
        await stage.goes_on()
    [event] = [event for event in await stage.events() if event["type"] == "OutdialCreated"]
    newer = json.dumps(event | {"sequence": 99, "dataschema": "outdial/OutdialCreated/2"}).encode()
    producer = await stage.producer()
    await producer.send_and_wait(stage.topology.events, newer, event["subject"].encode(), partition=0)
    told = await refused(stage)
    assert told.reason == "log_newer"
    assert "version" in told.fix
    mirror = await Mirror.open(stage.options(), tmp_path / "views")
    with pytest.raises(ClusterError) as refusal:
        await asyncio.wait_for(mirror.wait_failed(), 30)
    await mirror.close()
    assert refusal.value.reason == "log_newer"


async def test_a_record_that_is_no_event_is_refused_by_ledgers(stage: Stage) -> None:
    async with stage.ledgers():
        await stage.goes_on()
    producer = await stage.producer()
    await producer.send_and_wait(stage.topology.events, b"\xff", b"key", partition=0)
    assert (await refused(stage)).reason == "log_corrupt"


async def test_another_key_than_the_logs_is_refused(stage: Stage) -> None:
    async with stage.ledgers():
        await stage.ask(add(await stage.outdial(), new_id()))
    assert (await refused(stage, key=b"another key")).reason == "key_changed"


async def test_a_snapshot_of_another_program_or_log_is_not_used(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage.ledgers(folder=tmp_path):
        outdial_id, target_id = await stage.outdial(), new_id()
        command = add(outdial_id, target_id)
        await stage.ask(dict(command))
    assert (tmp_path / "ledger-0.snapshot").exists()
    with caplog.at_level("INFO", "outdial.kafka"):
        monkeypatch.setattr("outdial.kafka.snapshots._program", lambda: "of next year")
        async with stage.ledgers(folder=tmp_path):
            assert "the snapshot of partition 0 is of another program or log" in caplog.text
            assert (await stage.ask(dict(command))).result == "events"
            monkeypatch.undo()
    damaged = tmp_path / "ledger-0.snapshot"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x00")
    with caplog.at_level("INFO", "outdial.kafka"):
        async with stage.ledgers(folder=tmp_path):
            assert "is damaged" in caplog.text
            assert (await stage.ask(dict(command))).result == "events"
    assert len(await stage.events("TargetAdded")) == 1
