"""G5: brokers are killed, by the role they have at that moment, and started again at once."""

import time
from collections.abc import Sequence
from typing import Final

from brokers.cluster import Cluster
from faults.chaos.processes import Fault
from faults.chaos.world import FIRST_S, World

ROLES: Final = ("leader", "transaction coordinator", "group coordinator", "controller", "two of three", "all")


def bounce(world: World, cluster: Cluster, roles: Sequence[str], ledgers: int = 2) -> None:
    """Kill those who have each role in turn; nobody else is started again by hand."""
    crowd = world.crowd
    while len(world.processes.running) < ledgers:
        world.processes.add()
    crowd.wait(lambda: crowd.went_on(0.001), FIRST_S, "the ledgers begin")
    for role in roles:
        world.live(world.chance.uniform(0, 1.5))
        numbers = _with(world, cluster, role)
        pids = [node.process.pid for node in cluster.nodes if node.number in numbers and node.process is not None]
        fault = Fault(role, pids[0], time.time())
        cluster.restart(*numbers)
        world.processes.faults.append(fault)
        world.recovered(fault)
        cluster.wait_ready()


def _with(world: World, cluster: Cluster, role: str) -> list[int]:
    """The nodes that have a role now."""
    prefix, chance = world.place.prefix, world.chance
    number = chance.randrange(world.place.partitions)
    match role:
        case "leader":
            return [cluster.leader(f"{prefix}.events", number)]
        case "transaction coordinator":
            return [cluster.transaction_coordinator(f"{prefix}.ledger-{number}")]
        case "group coordinator":
            return [cluster.group_coordinator(f"{prefix}.ledger")]
        case "controller":
            return [cluster.controller()]
        case "two of three":
            return chance.sample([node.number for node in cluster.nodes], 2)
        case _:
            return [node.number for node in cluster.nodes]
