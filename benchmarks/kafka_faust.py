"""P2: commands a second through the ledger on Kafka, beside faust-streaming. Fewer commands, for it is slow."""

import asyncio

from benchmarks.kafka_contest import PARTITIONS, broker, contest, scaled
from benchmarks.kafka_load import load
from benchmarks.kafka_rates import WORK, rate
from benchmarks.measure import Figure
from benchmarks.peers import faust, faust_at_least_once, ours

COMMANDS = 60_000


def run(repeat: int) -> list[Figure]:
    """Ours beside both guarantees."""
    commands = scaled(COMMANDS)
    with broker() as at:
        contestants = {"ours": (ours, 1), "exactly once": (faust, 1), "at least once": (faust_at_least_once, 1)}
        found = asyncio.run(contest(at, contestants, load(commands, PARTITIONS), repeat))
    return [
        rate("P2", f"Kafka: {WORK}", found["ours"], found[peer], f"faust-streaming, {peer}", 15, commands)
        for peer in ("exactly once", "at least once")
    ]
