"""G6: requests of a transaction come too late, in the middle of a later one, or their answers never come."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from brokers import wire
from brokers.cluster import Cluster
from brokers.proxy import Do, Proxy, Seen
from faults.chaos.processes import Fault
from faults.chaos.world import FIRST_S, World

KINDS: Final[dict[str, int]] = {"EndTxn": wire.END_TXN, "AddPartitionsToTxn": wire.ADD_PARTITIONS_TO_TXN, "Produce": wire.PRODUCE}
WAYS: Final[tuple[Do, ...]] = ("hold", "drop answer")
CASES: Final = tuple((kind, way) for kind in KINDS for way in WAYS)
CATCH_S: Final = 30.0
PATIENCE_S: Final = 60.0


def mislead(world: World, cluster: Cluster, proxy: Proxy, cases: Sequence[tuple[str, Do]]) -> list[str]:
    """One case after another on every partition, all partitions at once; what is wrong with what the broker answered."""
    world.processes.add()
    world.crowd.wait(lambda: world.crowd.went_on(0.001), FIRST_S, "the ledger begins")
    found: list[str] = []
    size = world.place.partitions
    with ThreadPoolExecutor(size) as pool:
        for at in range(0, len(cases), size):
            begin = time.time()
            told = [pool.submit(_case, world, cluster, proxy, number, *case) for number, case in enumerate(cases[at : at + size])]
            for future in told:
                found += future.result()
            last = Fault("the last of a round", world.processes.running["ledger-1"].pid, begin)
            world.recovered(last)
            for fault in world.processes.faults[-size:]:
                fault.recovered = last.recovered
    return found


def _case(world: World, cluster: Cluster, proxy: Proxy, number: int, kind: str, way: Do) -> list[str]:
    """One case on one partition."""
    name = f"{world.place.prefix}.ledger-{number}"
    before = len(cluster.producer_epochs(name))
    rule = proxy.rule(way, KINDS[kind], transactional_id=name)
    caught = rule.wait(seconds=CATCH_S)
    fault = Fault(f"{way} {kind}", world.processes.running["ledger-1"].pid, time.time())
    # Its own outcome decides nothing: only a new producer may follow.
    proxy.wait(lambda: _made_after(proxy, name, caught) is not None, PATIENCE_S, f"a new producer after {way} {kind}")
    made = _made_after(proxy, name, caught)
    assert made is not None
    found = []
    if any(
        seen.request.producer_epoch == caught.request.producer_epoch
        for seen in proxy.of(wire.END_TXN, name)
        if seen is not caught and seen.received > caught.received and kind == "EndTxn"
    ):
        found.append(f"{name}: the end of a transaction was asked for again on the same epoch after {way} {kind}")
    if way == "hold":
        later = proxy.rule("hold", wire.END_TXN, transactional_id=name, when=lambda seen: seen.received > made.received)
        later.wait(seconds=PATIENCE_S)
        rule.release()
        proxy.wait(lambda: caught.answered is not None, PATIENCE_S, f"an answer to the late {kind}")
        later.release()
        errors = world.notes.setdefault("late_answers", Counter())
        errors[f"{kind} {caught.reply and caught.reply.error}"] += 1
        if caught.reply is None or caught.reply.error == wire.NONE:
            found.append(f"{name}: a late {kind} was taken in the middle of a later transaction")
    epochs = cluster.producer_epochs(name)
    if len(epochs) <= before:
        found.append(f"{name}: no new producer epoch after {way} {kind}: {epochs[-2:]}")
    rule.release()
    world.processes.faults.append(fault)
    return found


def _made_after(proxy: Proxy, name: str, caught: Seen) -> Seen | None:
    """The next producer that was made under a name."""
    for seen in proxy.of(wire.INIT_PRODUCER_ID, name):
        if seen.received > caught.received and seen.reply is not None and seen.reply.error == wire.NONE:
            return seen
    return None
