"""Each rule of the Kafka runtime is kept; and where a switch of the test breaks it, it is found.

A rule is what happens on a stage, and what is wrong afterwards. It runs twice: as it is, when nothing may be wrong, and with the
rule broken, when something must be. The breaks stand here and nowhere in the program.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import NewTopic
from aiokafka.producer.sender import EndTxnHandler
from aiokafka.structs import TopicPartition

from brokers import wire
from brokers.cluster import Cluster
from brokers.fixtures import MakeTopology
from brokers.proxy import Proxy
from faults.chaos import stage as stages
from faults.chaos.segments import batches
from faults.chaos.stage import Stage, stalled, until
from outdial import connection
from outdial.connection import Connection
from outdial.dialing import outdial as dialing_outdial
from outdial.dialing.ledger import Effects, Ledger
from outdial.kafka import partition as partitions
from outdial.kafka import producer as producers
from outdial.kafka import replaying, topics
from outdial.kafka.connecting import Ends, reader
from outdial.kafka.errors import ClusterError
from outdial.kafka.options import Options
from outdial.kafka.partition import Partition
from outdial.kafka.runtime import Ledgers
from outdial.kafka.snapshots import Mark, Snapshots
from outdial.topology import TOPICS, Topology, config

SECOND = 1_000_000


async def opened(partition: Partition) -> None:
    await until(lambda: partition.not_ready is None, "the partition is open")


async def read(partition: Partition, offset: int, seconds: float = 30.0) -> None:
    await until(lambda: partition.next_offset >= offset, f"the commands before {offset} are read", seconds)


def producer_of(partition: Partition) -> Any:
    return partition._producer  # noqa: SLF001  a pause at one exact place


# --- what happens, and what is wrong then ---------------------------------------------------------------


async def one_id_shuts_the_last_owner_out(stage: Stage) -> list[str]:
    """An owner stops between deciding and writing, another takes over, the first goes on."""
    async with stage.owner() as first:
        await opened(first)
        await stage.send(stage.create())
        await read(first, 1)
        there, go = stalled(first, "_commit")
        await stage.send(stage.add(1))
        await asyncio.wait_for(there.wait(), stages.PATIENCE_S)
        async with stage.owner() as second:
            await opened(second)
            await read(second, 2)
            go.set()
            await until(lambda: first.next_offset >= 2 or first.not_ready is not None, "the first goes on")
            await stage.send(stage.add(2))
            await read(second, 3)
    return await stage.faults()


async def the_producer_comes_first_and_the_whole_log_is_read(stage: Stage) -> list[str]:
    """An owner stops before it ends a transaction, another opens meanwhile, the first goes on before the other writes."""
    async with stage.owner() as first:
        await opened(first)
        await stage.send(stage.create())
        await read(first, 1)
        there, go = stalled(producer_of(first), "commit_transaction")
        await stage.send(stage.add(1))
        await asyncio.wait_for(there.wait(), stages.PATIENCE_S)
        async with stage.owner() as second:
            ready, begin = stalled(second, "_commit")
            await opened(second)
            await asyncio.wait_for(ready.wait(), stages.PATIENCE_S)
            go.set()
            await until(lambda: first.next_offset >= 2 or first.not_ready is not None, "the first goes on")
            begin.set()
            await stage.send(stage.add(2))
            await until(lambda: second.next_offset >= 3 or second.not_ready is not None, "the second goes on")
            await read(second, 3)
    return await stage.faults()


async def an_unknown_fate_ends_the_producer(stage: Stage, proxy: Proxy) -> list[str]:
    """The end of a transaction is held longer than anybody waits, and let go in the midst of a later one."""
    name = stage.topology.transactional_id(0)
    async with stage.owner() as owner:
        await opened(owner)
        await stage.send(stage.create())
        await read(owner, 1)
        held = proxy.rule("hold", wire.END_TXN, transactional_id=name)
        await stage.send(stage.add(1))
        caught = await held.catch()
        await read(owner, 2)
        later = proxy.rule("hold", wire.END_TXN, transactional_id=name)
        await stage.send(stage.add(2))
        await later.catch()
        held.release()
        await asyncio.to_thread(proxy.wait, lambda: caught.answered is not None)
        later.release()
        await read(owner, 3)
    again = [seen for seen in proxy.of(wire.END_TXN, name) if seen.request.producer_epoch == caught.request.producer_epoch]
    said = [f"asked {len(again) - 1} more times for the end of one transaction"] if again[-1].received > caught.received else []
    late = caught.reply is None or caught.reply.error == wire.NONE
    return said + ["the late end was taken"] * late + await stage.faults()


async def effects_have_derived_ids(stage: Stage) -> list[str]:
    """A target is added and dialed."""
    async with stage.owner() as owner:
        await opened(owner)
        await stage.send(stage.create(), stage.add(1))
        await read(owner, 2)
    return await stage.faults()


async def what_nobody_foresaw_ends_the_process(stage: Stage) -> list[str]:
    """The ledger raises something unknown."""
    async with stage.owner() as owner:
        await opened(owner)

        def planted(*_: object, **__: object) -> Effects:
            raise ZeroDivisionError("planted")

        owner._ledger.decide = planted  # type: ignore[method-assign]  # noqa: SLF001  a fault of the program
        await stage.send(stage.create())
        try:
            raised = await asyncio.wait_for(asyncio.shield(stage.ended), 3)
        except TimeoutError:
            return ["the process goes on after an unknown exception"]
    return [] if isinstance(raised, ZeroDivisionError) else [f"ended with {raised!r}"]


async def only_committed_records_are_read(stage: Stage) -> list[str]:
    """An owner writes and is gone before the end of its transaction; the next one reads the log."""
    async with stage.owner() as first:
        await opened(first)
        await stage.send(stage.create())
        await read(first, 1)
        there, go = stalled(producer_of(first), "commit_transaction")
        await stage.send(stage.add(1))
        await asyncio.wait_for(there.wait(), stages.PATIENCE_S)
        async with stage.owner() as second:
            await opened(second)
            await read(second, 2)
            await stage.send(stage.result(1, 1))
            await read(second, 3)
            go.set()
            await until(lambda: first.not_ready is not None or first.next_offset >= 2, "the first goes on")
    return await stage.faults()


async def commands_on_a_wrong_partition_are_forwarded(stage: Stage) -> list[str]:
    """Every command is put on partition 1; the outdial belongs to partition 0."""
    async with stage.owner(0) as right, stage.owner(1) as wrong:
        await opened(right)
        await opened(wrong)
        without_id = {name: value for name, value in stage.add(2).items() if name != "id"}
        await stage.send(stage.create(), stage.add(1), json.dumps(without_id).encode(), partition=1)
        await read(wrong, 3)
        end = await wrong._ends.span(stage.topology.commands, 0)  # noqa: SLF001  what a process of ours knows
        await read(right, end[1] - 1)
    found = await stage.topics()
    added = [record for record in found.of("events") if record.key and json.loads(record.value)["type"] == "TargetAdded"]
    return await stage.faults() + ["a command on a wrong partition was lost"] * (len(added) != 2)


async def what_cannot_be_read_is_set_aside(stage: Stage) -> list[str]:
    """Rubbish comes between commands."""
    rubbish = [b"", b"\xff\xfe", b"{", b'"CreateOutdial"', b'{"type":"Unheard","id":"1"}', b"[" * 300]
    async with stage.owner() as owner:
        await opened(owner)
        await stage.send(stage.create(), *rubbish, stage.add(1), partition=0)
        try:
            await read(owner, 2 + len(rubbish), 5)
        except AssertionError:
            return ["the partition is blocked"]
    refused = [json.loads(record.value) for record in (await stage.topics()).of("rejections")]
    shown = [(one["offset"], one["original"], one["original_length"]) for one in refused]
    wanted = [(at, value.decode("utf-8", "backslashreplace"), len(value)) for at, value in enumerate(rubbish, 1)]
    return await stage.faults() + [f"set aside: {shown}"] * (shown != wanted)


async def topics_of_another_shape_are_refused(stage: Stage) -> list[str]:
    """The topic of the events has more partitions than the one of the commands."""
    other = Topology(f"{stage.topology.prefix}-odd", 2)
    connection = Connection(stage.bootstrap)
    async with topics.admin(connection) as admin:
        await admin.create_topics(
            [NewTopic(other.topic(topic.name), 3 if topic.name == "events" else 2, 1, topic_configs=config(topic, 1)) for topic in TOPICS]
        )
    try:
        ledgers = await Ledgers.open(Options(connection, lambda: time.time_ns() // 1_000, stages.KEY, stages.CUSTOMER, other))
    except ClusterError as refusal:
        return [] if refusal.fix else ["the refusal does not say what to do"]
    else:
        await asyncio.sleep(0)  # what it has begun begins
        await ledgers.close()
        return ["a ledger starts on topics of another shape"]
    finally:
        async with topics.admin(connection) as admin:
            await admin.delete_topics([other.topic(topic.name) for topic in TOPICS])


async def the_log_knows_how_far_the_commands_were_read(stage: Stage) -> list[str]:
    """The group has forgotten where it stood."""
    async with stage.owner() as owner:
        await opened(owner)
        await stage.send(stage.create(), stage.add(1), b"rubbish", partition=0)
        await read(owner, 3)
    with pytest.MonkeyPatch.context() as forget:
        forget.setattr(Topology, "ledger_group", f"{stage.topology.prefix}.ledger-without-a-past")
        async with stage.owner() as owner:
            await opened(owner)
            await stage.send(stage.add(2))
            await read(owner, 4)
    return await stage.faults()


async def a_transaction_is_no_larger_than_it_may_be(stage: Stage, cluster: Cluster) -> list[str]:
    """Thousands of commands wait when the partition opens."""
    address = {"type": "tel"}
    many = [
        {
            "type": "AddTargets",
            "outdial_id": stage.outdial,
            "targets": [{"destination_0": address | {"target": f"+1555{each:03}{at:04}"}} for at in range(500)],
        }
        for each in range(20)
    ]
    await stage.send(stage.create(max_try_count_0=0), *many)
    async with stage.owner() as owner:
        await opened(owner)
        await read(owner, 21)
    largest = size = 0
    for batch in batches(cluster.nodes[0].folder / "data" / f"{stage.topology.events}-0"):
        size = 0 if batch.ends is not None else size + batch.records
        largest = max(largest, size)
    return await stage.faults() + [f"a transaction of {largest} events"] * (largest > 4_500)


async def nobody_dials_by_a_wrong_clock(stage: Stage) -> list[str]:
    """The clock of the ledger is a minute ahead of the broker's."""
    await stage.send(stage.create(), stage.add(1))
    async with stage.owner(clock=lambda: time.time_ns() // 1_000 + 60 * SECOND) as owner:
        await until(lambda: owner.not_ready == "clock_apart" or owner.next_offset >= 2, "it says so, or goes on")
    written = list((await stage.topics()).of("events"))
    return ["somebody was dialed by a wrong clock"] * bool(written)


# --- the breaks -------------------------------------------------------------------------------------------


class Late(producers.Producer):
    """A producer that shuts nobody out until it writes."""

    async def start(self) -> None:
        return

    async def partitions_for(self, topic: str) -> set[int]:
        return {0, 1}

    async def begin_transaction(self) -> None:
        if not getattr(self, "started", False):
            self.started = True
            await super().start()
        await super().begin_transaction()


async def last_stable(ends: Ends, topic: str, partition: int) -> tuple[int, int]:
    place = TopicPartition(topic, partition)
    async with AIOKafkaConsumer(bootstrap_servers=ends._asker._client._bootstrap_servers, isolation_level="read_committed") as asker:  # noqa: SLF001
        return (await asker.beginning_offsets([place]))[place], (await asker.end_offsets([place]))[place]


def an_id_for_every_start(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Topology, "transactional_id", lambda self, partition: f"{self.prefix}-{partition}-{uuid4()}")


def the_producer_last(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(partitions, "Producer", Late)
    patch.setattr(Ends, "span", last_stable)


def the_end_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(producers._EndOnce, "do", EndTxnHandler.do)  # noqa: SLF001


def ids_by_chance(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dialing_outdial, "attempt_id", lambda *_: str(uuid4()))


def everything_passes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(partitions, "PASSING", (Exception,))


def reading_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replaying, "reader", lambda connection: reader(connection, uncommitted=True))


def decided_where_it_stands(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(partitions, "place_of", lambda *_, **__: 1)


def refusals_unsaid(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Partition, "_reject", lambda *_: None)


def any_topics(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(topics, "refusal", lambda _: None)


def only_the_group_knows(patch: pytest.MonkeyPatch) -> None:
    replay = Partition._replay  # noqa: SLF001

    async def forget(self: Partition, end: int) -> None:
        await replay(self, end)

    patch.setattr(Partition, "_replay", forget)


def no_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(partitions, "RECORDS_AT_ONCE", 1_000_000)
    patch.setattr(partitions, "BYTES_AT_ONCE", 1 << 30)
    patch.setattr(partitions, "DECIDING_S", 60.0)
    patch.setattr(partitions, "COMMIT_S", 30.0)


def any_clock(patch: pytest.MonkeyPatch) -> None:
    async def believe(*_: object) -> None:
        return

    patch.setattr(Partition, "_check_clock", believe)


@dataclass(frozen=True)
class Rule:
    """A rule of the Kafka runtime."""

    number: int
    keep: Callable[..., Awaitable[list[str]]]
    broken: Callable[[pytest.MonkeyPatch], None]
    says: str
    """What is found when it is broken."""


RULES = (
    Rule(1, one_id_shuts_the_last_owner_out, an_id_for_every_start, "follows"),
    Rule(2, the_producer_comes_first_and_the_whole_log_is_read, the_producer_last, "follows"),
    Rule(3, an_unknown_fate_ends_the_producer, the_end_again, "more times for the end"),
    Rule(4, effects_have_derived_ids, ids_by_chance, "an id of its own"),
    Rule(5, what_nobody_foresaw_ends_the_process, everything_passes, "goes on after"),
    Rule(6, only_committed_records_are_read, reading_all, "follows"),
    Rule(7, commands_on_a_wrong_partition_are_forwarded, decided_where_it_stands, "wrong partition"),
    Rule(8, what_cannot_be_read_is_set_aside, refusals_unsaid, "set aside"),
    Rule(9, topics_of_another_shape_are_refused, any_topics, "another shape"),
    Rule(10, the_log_knows_how_far_the_commands_were_read, only_the_group_knows, "was refused 2 times"),
    Rule(11, a_transaction_is_no_larger_than_it_may_be, no_limit, "a transaction of"),
    Rule(12, nobody_dials_by_a_wrong_clock, any_clock, "wrong clock"),
)


@pytest.fixture
async def stage(kafka_cluster: Cluster, make_topology: MakeTopology, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Two partitions on a broker whose disk can be looked at; its owners lose patience soon."""
    monkeypatch.setattr(partitions, "COMMIT_S", 2.0)
    monkeypatch.setattr(partitions, "FENCED_S", 0.3)
    return Stage(kafka_cluster.bootstrap, make_topology(2, on=kafka_cluster))


@asynccontextmanager
async def found(rule: Rule, stage: Stage, cluster: Cluster, patch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    if rule.number == 3:
        patch.setattr(connection, "REQUEST_TIMEOUT_MS", 700)
        with Proxy(cluster) as proxy:
            yield await rule.keep(Stage(stage.bootstrap, stage.topology, proxy.bootstrap), proxy)
    elif rule.number == 11:
        yield await rule.keep(stage, cluster)
    else:
        yield await rule.keep(stage)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.number}-{rule.keep.__name__}")
async def test_the_rule_is_kept(rule: Rule, stage: Stage, kafka_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async with found(rule, stage, kafka_cluster, monkeypatch) as faults:
        assert faults == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.number}-{rule.broken.__name__}")
async def test_the_broken_rule_is_found(rule: Rule, stage: Stage, kafka_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    rule.broken(monkeypatch)
    async with found(rule, stage, kafka_cluster, monkeypatch) as faults:
        assert any(rule.says in fault for fault in faults), faults


class Keeper(Snapshots):
    """Remembers how far the ledgers were that it was given to keep."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), b"the key of nobody", "nothing")
        self.saved: list[int] = []

    async def save(self, number: int, ledger: Ledger, mark: Mark) -> None:
        self.saved.append(mark.noted or 0)

    async def load(self, number: int) -> None:
        return None

    def discard(self, number: int) -> None:
        return


async def test_a_ledger_is_kept_when_it_stops_and_not_when_an_exception_ended_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper()
    async with stage.owner(kept=keeper) as owner:
        await opened(owner)
        await stage.send(stage.create())
        await read(owner, 1)
    assert keeper.saved == [1]

    async def break_off(*_: object) -> None:
        raise ZeroDivisionError("planted")

    async with stage.owner(kept=keeper) as owner:
        await opened(owner)
        monkeypatch.setattr(owner, "_commit", break_off)
        await stage.send(stage.add(1))
        assert isinstance(await asyncio.wait_for(stage.ended, stages.PATIENCE_S), ZeroDivisionError)
    assert keeper.saved == [1]
