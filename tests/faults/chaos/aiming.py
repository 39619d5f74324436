"""G1, aimed: the owner is killed between the requests of a transaction, which a proxy holds still meanwhile."""

from functools import partial
from typing import Final

from brokers import wire
from brokers.proxy import Do, Proxy, Seen
from faults.chaos.world import FIRST_S, World

STEPS: Final = {
    "AddPartitionsToTxn": wire.ADD_PARTITIONS_TO_TXN,
    "Produce": wire.PRODUCE,
    "EndTxn": wire.END_TXN,
}
WAYS: Final[dict[Do, str]] = {"hold": "before the broker had", "hold answer": "before the answer to", "cut": "and the broker never had"}
CATCH_S: Final = 30.0


def kill_between(world: World, proxy: Proxy, kills: int) -> None:
    """So many kills of the one process there is, each while a request of a transaction of its is on its way."""
    processes, crowd, chance = world.processes, world.crowd, world.chance
    name = next(iter(processes.running), None) or processes.add()
    crowd.wait(lambda: crowd.went_on(0.001), FIRST_S, "the ledger begins")
    for number in range(kills):
        step = list(STEPS)[number % len(STEPS)]
        way = chance.choice(list(WAYS))
        names = {f"{world.place.prefix}.ledger-{partition}" for partition in range(world.place.partitions)}
        rule = proxy.rule(way, STEPS[step], when=partial(_of_ledger, names), nth=chance.randint(1, 20))
        caught = rule.wait(seconds=CATCH_S)
        if way == "hold answer":
            proxy.wait(partial(_answered, caught), CATCH_S, f"the broker's answer to {step}")
        fault = processes.kill(name, f"kill -9 {WAYS[way]} {step}")
        processes.add(name)
        if chance.random() < 0.5:
            world.live(chance.uniform(0, 4))
        rule.release()
        world.recovered(fault)


def _answered(seen: Seen) -> bool:
    return seen.answered is not None


def _of_ledger(names: set[str], seen: Seen) -> bool:
    return seen.request.transactional_id in names
