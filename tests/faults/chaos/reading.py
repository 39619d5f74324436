"""What stands in the topics, read by another client than the program's: librdkafka, committed records only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

NAMES: Final = ("commands", "events", "dial-requests", "rejections", "answers")
PATIENCE_S: Final = 60.0
AT_ONCE: Final = 2_000

RecordPlace = tuple[str, int, int]
"""(topic without its prefix, partition, offset)."""


@dataclass(slots=True)
class Rec:
    """A record as a reader of committed records sees it."""

    topic: str
    """Without the prefix."""
    partition: int
    offset: int
    timestamp: int
    """Milliseconds."""
    key: bytes | None
    value: bytes
    headers: dict[str, bytes]


@dataclass
class Topics:
    """Everything that stands in the topics of one prefix, each partition in order."""

    partitions: int
    records: dict[str, list[list[Rec]]]
    """Topic without its prefix -> partition -> records."""
    ends: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """(topic, partition) -> the last stable offset and the high watermark."""
    torn: set[RecordPlace] = field(default_factory=set)
    """Records of which a broker that was killed broke off the rest of their transaction."""

    def of(self, name: str) -> Iterable[Rec]:
        """All records of a topic, partition after partition."""
        return (record for records in self.records[name] for record in records)


def consumer(bootstrap: str, *, committed: bool = True) -> Consumer:
    """A reader without a group."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "nobody",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "fetch.error.backoff.ms": 100,
            "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 1_000,
            "queued.max.messages.kbytes": 65_536,
            "log_level": 0,
        }
    )


def places(prefix: str, names: Sequence[str], partitions: int) -> list[TopicPartition]:
    """Every partition of some topics, from its beginning."""
    return [TopicPartition(f"{prefix}.{name}", number, OFFSET_BEGINNING) for name in names for number in range(partitions)]


def record_of(message: Message, prefix: str) -> Rec:
    """A record of a message."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Rec(
        topic[len(prefix) + 1 :],
        partition,
        offset,
        message.timestamp()[1],
        _bytes(message.key()),
        _bytes(message.value()) or b"",
        {name: _bytes(value) or b"" for name, value in pairs},
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def read(bootstrap: str, prefix: str, partitions: int, names: Sequence[str] = NAMES) -> Topics:
    """Read everything there is.

    Raises:
        AssertionError: not to the end within the time; a transaction that is open is in the way.
    """
    found = Topics(partitions, {name: [[] for _ in range(partitions)] for name in names})
    reader = consumer(bootstrap)
    try:
        wanted = places(prefix, names, partitions)
        reader.assign(wanted)
        ended: set[tuple[str, int]] = set()
        idle = 0.0
        while len(ended) < len(wanted):
            messages = reader.consume(AT_ONCE, 0.5)
            idle = 0.0 if messages else idle + 0.5
            assert idle < PATIENCE_S, f"{prefix} could not be read to its end"
            for message in messages:
                error = message.error()
                if error is None:
                    record = record_of(message, prefix)
                    found.records[record.topic][record.partition].append(record)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its public name
                    ended.add((str(message.topic()), int(message.partition() or 0)))
        stable = {(place.topic[len(prefix) + 1 :], place.partition): place.offset for place in reader.position(wanted)}
        for place in wanted:
            _, high = reader.get_watermark_offsets(place, timeout=PATIENCE_S)
            name = (place.topic[len(prefix) + 1 :], place.partition)
            found.ends[name] = (max(0, stable[name]), high)
    finally:
        reader.close()
    return found
