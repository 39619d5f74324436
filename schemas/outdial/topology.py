"""The topics: what they are called, what their records are keyed by, how long they are kept. Source: design sections 3 and 4.

A producer in any client can find the partition of a command by itself: it is murmur2 of the key, as Java's and aiokafka's own
partitioners have it. librdkafka's default is another one; what it puts on a wrong partition is forwarded by the ledger.
"""

from dataclasses import dataclass
from functools import lru_cache
from struct import unpack_from
from typing import Final, Literal

DEFAULT_PREFIX: Final = "outdial"
DEFAULT_PARTITIONS: Final = 12
DAY_MS: Final = 86_400_000
"""Not the one of `scalars`: that brings pydantic, and `--help` does without it."""
MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
"""Largest record of every topic but the commands, and largest request of a producer."""
MAX_COMMAND_RECORD_BYTES: Final = 1024 * 1024
"""Largest record of the commands topic: a command of 900 KiB, its key and its headers."""

HEADER_ANSWER: Final = "answer"
"""On a command: the id of the command at the root of the chain, in ASCII, and after a ``/`` a mark of the sender's own if it
likes one. Who sets it is answered on the answers topic."""
HEADER_INPUT: Final = "input"
"""On an event: the next offset to read of the commands partition of the same number, in ASCII decimal digits."""
HEADER_SEAL: Final = "seal"
"""On a command of a ledger to another stream: a keyed hash of its value, which only a ledger can make."""
HEADER_PARTITION_WIDE: Final = "partition-wide"
"""On an ApplySuppression or AskLeaves of a ledger: the number of the partition it is for, in ASCII decimal digits. It stands there by
number, not by its key. On any other command it means nothing."""
HEADER_CONTENT_TYPE: Final = "content-type"

Name = Literal["commands", "events", "dial-requests", "rejections", "answers"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic."""

    name: Name
    """Without the prefix."""
    key: str
    """What a record is keyed by, in words."""
    value: str
    """What a record is, in words."""
    retention_ms: int
    """-1: for ever."""
    max_record_bytes: int
    append_time: bool
    """Whether the broker's clock stamps the records."""
    as_commands: bool
    """Whether it must have as many partitions as the commands topic."""


TOPICS: Final = (
    Topic("commands", "stream id", "command", 30 * DAY_MS, MAX_COMMAND_RECORD_BYTES, append_time=True, as_commands=True),
    Topic("events", "stream id", "event", -1, MAX_RECORD_BYTES, append_time=True, as_commands=True),
    Topic("dial-requests", "target id", "dial request", DAY_MS, MAX_RECORD_BYTES, append_time=False, as_commands=False),
    Topic("rejections", "stream id", "rejection", 30 * DAY_MS, MAX_RECORD_BYTES, append_time=False, as_commands=True),
    Topic("answers", "root command id", "answer", DAY_MS // 24, MAX_RECORD_BYTES, append_time=False, as_commands=True),
)


@dataclass(frozen=True, slots=True)
class Topology:
    """The topics of one installation."""

    prefix: str = DEFAULT_PREFIX
    partitions: int = DEFAULT_PARTITIONS

    def topic(self, name: Name) -> str:
        """The full name of a topic."""
        return f"{self.prefix}.{name}"

    @property
    def commands(self) -> str:
        """Where commands are sent."""
        return self.topic("commands")

    @property
    def events(self) -> str:
        """The log."""
        return self.topic("events")

    @property
    def dial_requests(self) -> str:
        """Where requests to place a call are read."""
        return self.topic("dial-requests")

    @property
    def rejections(self) -> str:
        """Where refused commands are read, with their original bytes."""
        return self.topic("rejections")

    @property
    def answers(self) -> str:
        """Where what became of a command is read."""
        return self.topic("answers")

    @property
    def ledger_group(self) -> str:
        """The consumer group of the ledger processes."""
        return f"{self.prefix}.ledger"

    @property
    def worker_group(self) -> str:
        """The consumer group of the dial workers."""
        return f"{self.prefix}.worker"

    def transactional_id(self, partition: int) -> str:
        """The one id under which the owner of a commands partition writes; it is what fences the owner before."""
        return f"{self.prefix}.ledger-{partition}"


def config(topic: Topic, brokers: int) -> dict[str, str]:
    """The settings a topic is created with on a cluster of so many brokers."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(topic.retention_ms),
        "max.message.bytes": str(topic.max_record_bytes),
        "message.timestamp.type": "LogAppendTime" if topic.append_time else "CreateTime",
        "min.insync.replicas": "2" if replication(brokers) == 3 else "1",  # noqa: PLR2004  two of three
    }


def replication(brokers: int) -> int:
    """Copies of each partition."""
    return min(3, brokers)


def murmur2(key: bytes) -> int:
    """The hash Kafka's own clients partition by, 0 to 2**31 - 1. Dial requests go by another: no reader looks one up by its key."""
    length = len(key)
    mixed = (0x9747B28C ^ length) & 0xFFFFFFFF
    whole = length & ~3
    for four in unpack_from(f"<{length >> 2}I", key):
        word = four * 0x5BD1E995 & 0xFFFFFFFF
        word = (word ^ word >> 24) * 0x5BD1E995 & 0xFFFFFFFF
        mixed = mixed * 0x5BD1E995 & 0xFFFFFFFF ^ word
    if length & 3:
        mixed = (mixed ^ int.from_bytes(key[whole:], "little")) * 0x5BD1E995 & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return (mixed ^ mixed >> 15) & 0x7FFFFFFF


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """The partition of the commands and events with this key."""
    return murmur2(key.encode()) % partitions
