"""What brokers break when they are killed: a transaction of which one part was committed and the rest aborted.

A coordinator notes that a transaction is to be committed, and is killed before any other broker has the note. It starts again, and
until it hears that another broker coordinates now, it acts by its note: where it is quick enough, a part of the transaction is
committed. The new coordinator knows nothing of it and aborts what is left. No producer has a say in this. What shows it is on the
disks: under one producer epoch the dial requests were committed by an older coordinator than the one that aborted their events.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from brokers.cluster import Cluster
from faults.chaos.checker import SAME
from faults.chaos.reading import RecordPlace
from faults.chaos.segments import Ending, batches, values

OTHER: Final = {"dial-requests": "events", "events": "dial-requests"}


@dataclass(frozen=True, slots=True)
class Part:
    """What one transaction wrote to one partition."""

    topic: str
    partition: int
    producer: tuple[int, int]
    """Id and epoch."""
    ended: Ending
    records: tuple[tuple[int, bytes], ...]
    """(offset, value)."""


def torn(cluster: Cluster, prefix: str, partitions: int) -> set[RecordPlace]:
    """The dial requests whose events, and the events whose dial requests, a newer coordinator has aborted.

    By the disk of the first broker: when all is at rest, every other has the same.
    """
    parts = [part for topic in OTHER for number in range(partitions) for part in _parts(cluster, prefix, topic, number)]
    aborted: dict[tuple[str, tuple[int, int], str], tuple[int, dict[str, Any]]] = {}
    for part in parts:
        if not part.ended.committed:
            for _, value in part.records:
                name, said = _attempt(part.topic, value)
                if name is not None:
                    aborted[part.topic, part.producer, name] = part.ended.coordinator, said
    found: set[RecordPlace] = set()
    for part in parts:
        for offset, value in part.records if part.ended.committed else ():
            name, said = _attempt(part.topic, value)
            twin = None if name is None else aborted.get((OTHER[part.topic], part.producer, name))
            if twin is not None and twin[0] > part.ended.coordinator and all(twin[1][field] == said[field] for field in SAME):
                found.add((part.topic, part.partition, offset))
    return found


def _parts(cluster: Cluster, prefix: str, topic: str, number: int) -> Iterator[Part]:
    """The transactions of a partition that have ended."""
    folder = cluster.nodes[0].folder / "data" / f"{prefix}.{topic}-{number}"
    open_now: dict[int, tuple[int, list[tuple[int, bytes]]]] = {}
    for batch, records in zip(batches(folder), values(folder), strict=True):
        if batch.ends is None:
            open_now.setdefault(batch.producer, (batch.epoch, []))[1].extend(records)
        elif batch.producer in open_now:
            epoch, written = open_now.pop(batch.producer)
            yield Part(topic, number, (batch.producer, epoch), batch.ends, tuple(written))


def _attempt(topic: str, value: bytes) -> tuple[str | None, dict[str, Any]]:
    """The id of the event a record is, or was made from, where it is about a request; and what request and event both say."""
    said = json.loads(value)
    if topic == "dial-requests":
        return said["event_id"], said
    return (said["id"], said["data"]) if said.get("type") == "DialRequested" else (None, {})
