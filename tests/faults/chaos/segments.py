"""The log as the broker's disk has it: batches, the producers that wrote them, and how their transactions ended."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from brokers.cluster import Cluster

HEAD: Final = struct.Struct(">qiibIhiqqqhii")
LENGTH_AT: Final = 12
"""Bytes of a batch its length does not count."""
TRANSACTIONAL: Final = 0x10
CONTROL: Final = 0x20
COMMIT: Final = 1


class Ending(NamedTuple):
    """How a transaction ended."""

    committed: bool
    coordinator: int
    """The epoch of the coordinator that ended it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of records, or the end of a transaction."""

    offset: int
    records: int
    producer: int
    epoch: int
    transactional: bool
    ends: Ending | None
    """Of the end of a transaction. None: these are records."""
    appended: int
    """Milliseconds, by the broker's clock where the topic has that."""


def batches(folder: Path) -> Iterator[Batch]:
    """The batches of a partition, in order."""
    for data, at in _places(folder):
        offset, _, _, _, _, attributes, _, _, newest, producer, epoch, _, count = HEAD.unpack_from(data, at)
        ends = None
        if attributes & CONTROL:
            [(_, key, value)] = _records(data, at)
            ends = Ending(struct.unpack(">hh", key)[1] == COMMIT, struct.unpack(">hi", value)[1])
        yield Batch(offset, count, producer, epoch, bool(attributes & TRANSACTIONAL), ends, newest)


def values(folder: Path) -> Iterator[list[tuple[int, bytes]]]:
    """Offset and value of the records of each batch of a partition, in order; none of them is compressed."""
    for data, at in _places(folder):
        yield [(offset, value) for offset, _, value in _records(data, at)]


def _places(folder: Path) -> Iterator[tuple[bytes, int]]:
    """Where each batch begins, and in what."""
    for path in sorted(folder.glob("*.log")):
        data, at = path.read_bytes(), 0
        while at + HEAD.size <= len(data):
            length = HEAD.unpack_from(data, at)[1]
            if length <= 0 or at + LENGTH_AT + length > len(data):
                break
            yield data, at
            at += LENGTH_AT + length


def _records(data: bytes, at: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Offset, key and value of each record of the batch at a place."""
    head = HEAD.unpack_from(data, at)
    at += HEAD.size
    for _ in range(head[-1]):
        length, at = _number(data, at)
        end = at + length
        _, at = _number(data, at + 1)
        offset, at = _number(data, at)
        key, at = _bytes(data, at)
        value, _ = _bytes(data, at)
        yield head[0] + offset, key, value
        at = end


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The zigzag number at a place, and where it ends."""
    found = shift = 0
    while True:
        found |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return found >> 1 ^ -(found & 1), at


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """The bytes at a place, empty where there are none, and where they end."""
    length, at = _number(data, at)
    return data[at : at + max(0, length)], at + max(0, length)


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
                if batch.ends is not None and batch.ends.committed and batch.epoch < newest.get(batch.producer, -1):
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
