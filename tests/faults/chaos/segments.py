"""The log as the broker's disk has it: batches, the producers that wrote them, and how their transactions ended."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from brokers.cluster import Cluster

HEAD: Final = struct.Struct(">qiibIhiqqqhii")
LENGTH_AT: Final = 12
"""Bytes of a batch its length does not count."""
TRANSACTIONAL: Final = 0x10
CONTROL: Final = 0x20
COMMIT: Final = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of records, or the end of a transaction."""

    offset: int
    records: int
    producer: int
    epoch: int
    transactional: bool
    ends: bool | None
    """Of the end of a transaction: whether it was committed. None: these are records."""
    appended: int
    """Milliseconds, by the broker's clock where the topic has that."""


def batches(folder: Path) -> Iterator[Batch]:
    """The batches of a partition, in order."""
    for path in sorted(folder.glob("*.log")):
        data, at = path.read_bytes(), 0
        while at + HEAD.size <= len(data):
            offset, length, _, _, _, attributes, _, _, newest, producer, epoch, _, count = HEAD.unpack_from(data, at)
            if length <= 0 or at + LENGTH_AT + length > len(data):
                break
            ends = _committed(data, at + HEAD.size) if attributes & CONTROL else None
            yield Batch(offset, count, producer, epoch, bool(attributes & TRANSACTIONAL), ends, newest)
            at += LENGTH_AT + length


def _committed(data: bytes, at: int) -> bool:
    """Whether the record at a place, the end of a transaction, commits it."""
    at = _skip(data, at) + 1
    for _ in ("time", "offset", "length of the key"):
        at = _skip(data, at)
    _, kind = struct.unpack_from(">hh", data, at)
    return bool(kind == COMMIT)


def _skip(data: bytes, at: int) -> int:
    while data[at] & 0x80:
        at += 1
    return at + 1


def faults_of_fences(cluster: Cluster, prefix: str, partitions: int) -> list[str]:
    """What an owner wrote or committed after the next one had begun, by what stands on the disk of every broker."""
    found: list[str] = []
    for node in cluster.nodes:
        for number in range(partitions):
            newest: dict[int, int] = {}
            for batch in batches(node.folder / "data" / f"{prefix}.events-{number}"):
                where = f"broker {node.number}, events/{number} at {batch.offset}"
                if batch.ends is None and batch.epoch < newest.get(batch.producer, -1):
                    found.append(f"{where}: records of epoch {batch.epoch} after epoch {newest[batch.producer]} had begun")
                if batch.ends and batch.epoch < newest.get(batch.producer, -1):
                    found.append(f"{where}: a commit of epoch {batch.epoch} after epoch {newest[batch.producer]} had begun")
                if not batch.transactional:
                    found.append(f"{where}: records outside of a transaction")
                newest[batch.producer] = max(newest.get(batch.producer, -1), batch.epoch)
            if len(newest) > 1:
                found.append(f"broker {node.number}, events/{number}: written by {len(newest)} producer ids")
    return found


def epochs_written(cluster: Cluster, prefix: str, partition: int) -> int:
    """How many producer epochs wrote to a partition of the events."""
    folder = cluster.nodes[0].folder / "data" / f"{prefix}.events-{partition}"
    return len({batch.epoch for batch in batches(folder) if batch.ends is None})
