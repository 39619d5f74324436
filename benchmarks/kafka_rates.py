"""P1, P3, P4: commands a second through the ledger on Kafka, beside Kafka Streams, the raw loop, and itself in two processes."""

import asyncio
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.kafka_contest import PARTITIONS, Round, broker, contest, scaled
from benchmarks.kafka_load import load
from benchmarks.measure import Figure, median_ratio
from benchmarks.peers import ours, raw, streams

COMMANDS = 600_000
WORK = f"half AddTarget, half DialResult, {PARTITIONS} partitions"


def run(repeat: int) -> list[Figure]:
    """All contestants in turn, on one broker."""
    commands = scaled(COMMANDS)
    with broker() as at:
        found = asyncio.run(
            contest(
                at,
                {"ours": (ours, 1), "streams": (streams, 1), "raw": (raw, 1), "two": (ours, 2)},
                load(commands, PARTITIONS),
                repeat,
            )
        )
    one, two = found["ours"], found["two"]
    return [
        rate("P1", f"Kafka: {WORK}", one, found["streams"], "Kafka Streams, 1 thread", 1.0, commands),
        cpu("P1", "Kafka: CPU for 1,000 of them", one, found["streams"], "Kafka Streams, 1 thread", 0.5, commands),
        rate("P3", f"Kafka: {WORK}", one, found["raw"], "aiokafka, as many bytes, no domain", 0.35, commands),
        cpu("P4", "Kafka: CPU for 1,000 of them, 2 processes", two, one, "1 process", 1.15, commands),
    ]


def rate(name: str, what: str, found: Sequence[Round], peer: Sequence[Round], peer_what: str, least: float, commands: int) -> Figure:
    """A figure of commands a second."""
    mine, theirs = [one.rate for one in found], [one.rate for one in peer]
    ratio = median_ratio(mine, theirs)
    return Figure(
        name, what, mine, "commands/s", f">= {least:g} x", ratio >= least, theirs, peer_what, ratio, about(found, peer, commands)
    )  # fmt: skip


def cpu(name: str, what: str, found: Sequence[Round], peer: Sequence[Round], peer_what: str, most: float, commands: int) -> Figure:
    """A figure of CPU seconds for 1,000 commands."""
    mine, theirs = [one.cpu for one in found], [one.cpu for one in peer]
    ratio = median_ratio(mine, theirs)
    return Figure(
        name, what, mine, "CPU s", f"<= {most:g} x", ratio <= most, theirs, peer_what, ratio, about(found, peer, commands)
    )  # fmt: skip


def about(found: Sequence[Round], peer: Sequence[Round], commands: int) -> dict[str, Any]:
    """What else the rounds showed."""
    return {"commands": commands} | {
        f"{whose}, {what}": median(getattr(one, field) for one in rounds)
        for whose, rounds in (("ours", found), ("peer", peer))
        for what, field in (
            ("commands/s", "rate"),
            ("commands/s from the first", "cold"),
            ("CPU s for 1,000", "cpu"),
            ("broker CPU s for 1,000", "broker"),
            ("CPU s from the start", "whole"),
        )
        if field != "broker" or found[0].broker
    }
