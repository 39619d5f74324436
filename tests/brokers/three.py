"""Three brokers of the tests are a cluster: what ``make faults`` does to them begins with this."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from brokers import wire
from brokers.cluster import Cluster, metadata
from brokers.fixtures import MakeTopology
from brokers.proxy import Proxy


async def test_a_killed_leader_of_three_is_survived(three_brokers: Cluster, make_topology: MakeTopology) -> None:
    topology = make_topology(1, on=three_brokers)
    name = topology.transactional_id(0)
    leader = three_brokers.leader(topology.events, 0)
    async with AIOKafkaProducer(bootstrap_servers=three_brokers.bootstrap, transactional_id=name) as producer:
        async with producer.transaction():
            await producer.send(topology.events, b"before", partition=0)
        three_brokers.kill(leader)
        async with asyncio.timeout(60), producer.transaction():
            await producer.send(topology.events, b"after", partition=0)

    def in_charge() -> set[int]:
        return {
            three_brokers.leader(topology.events, 0),
            three_brokers.transaction_coordinator(name),
            three_brokers.group_coordinator(topology.ledger_group),
            three_brokers.controller(),
        }

    async with asyncio.timeout(20):
        while {0, leader} & await asyncio.to_thread(in_charge):
            pass
    await asyncio.to_thread(three_brokers.heal)
    assert len(three_brokers.pids) == 3


async def test_a_paused_broker_says_nothing_until_it_is_resumed(three_brokers: Cluster) -> None:
    controller = await asyncio.to_thread(three_brokers.controller)
    three_brokers.pause(controller)
    with pytest.raises(TimeoutError):
        metadata(three_brokers.node(controller).address, [], seconds=0.5)

    three_brokers.resume(controller)

    await asyncio.to_thread(three_brokers.wait_ready)
    assert metadata(three_brokers.node(controller).address, [])[0] == 3


async def test_clients_of_three_brokers_stay_behind_the_proxy(three_brokers: Cluster, make_topology: MakeTopology) -> None:
    topology = make_topology(3, on=three_brokers)
    with Proxy(three_brokers) as proxy:
        async with AIOKafkaProducer(bootstrap_servers=proxy.bootstrap) as producer:
            for partition in range(topology.partitions):
                await producer.send_and_wait(topology.events, b"x", partition=partition)

    assert {seen.node for seen in proxy.of(wire.PRODUCE)} == {1, 2, 3}
