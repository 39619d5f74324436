"""Records of the topics: what a command on its way looks like, and what stands at the end of a log."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Final, NamedTuple, Protocol

from outdial.commands import Command, CreateCampaign, CreateOutdial, CreateOutplan, CustomerCommand, PartitionCommand
from outdial.envelope import Event
from outdial.ids import derived
from outdial.kafka.errors import ClusterError
from outdial.requests import Rejection
from outdial.scalars import MILLISECOND_US, ZERO_ID
from outdial.topology import HEADER_ANSWER, HEADER_PARTITION_WIDE, HEADER_SEAL, partition_of
from outdial.trace import HEADER_TRACE, traceparent_of
from outdial.wire import Malformed, decode_command, decode_event, encode, to_json

ORIGINAL_BYTES: Final = 64 * 1024
"""How much of a refused command its rejection shows."""
OWNED: Final = (CreateOutdial, CreateOutplan, CreateCampaign, CustomerCommand)
"""Commands that need a customer."""
LONGEST_ASKED: Final = 64
Headers = list[tuple[str, bytes]]


class Record(Protocol):
    """A record as it was read."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds."""
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(slots=True)
class Opaque:
    """A record that aiokafka cannot read: it, or one before it in its batch, has a header whose name is no text."""

    topic: str
    partition: int
    offset: int
    timestamp: int = -1
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class Root(NamedTuple):
    """Whom an answer is for: what the ``answer`` header says."""

    command_id: str
    asked: str | None
    """What the sender knows its question again by, where it asks more than once about one command."""

    @property
    def header(self) -> bytes:
        """As a header."""
        return (self.command_id if self.asked is None else f"{self.command_id}/{self.asked}").encode()


@dataclass(slots=True)
class Received:
    """A command as it came, or why it is none."""

    record: Record
    command: Command | None
    why: Malformed | None
    internal: bool
    """It comes from a ledger."""
    root: Root | None
    """The command at the root of its chain, when somebody waits for the answer."""
    identified: bool
    """Whether it came with an id; else it was given one by where it stood."""


class Seal:
    """The mark of a ledger on its commands to other streams. Only who has the fingerprint key can make it."""

    def __init__(self, key: bytes) -> None:
        self._key = blake2b(key, digest_size=32, person=b"outdial seal").digest()

    def of(self, value: bytes) -> bytes:
        """The seal of a value."""
        return blake2b(value, key=self._key, digest_size=16).hexdigest().encode()

    def holds(self, value: bytes, seal: bytes | None) -> bool:
        """Whether a ledger wrote this."""
        return seal is not None and hmac.compare_digest(seal, self.of(value))


def header(headers: Sequence[tuple[str, bytes]], name: str) -> bytes | None:
    """The value of a header; the last, when there are several."""
    for key, value in reversed(headers):
        if key == name:
            return value
    return None


def received(record: Record, seal: Seal, customer_id: str) -> Received:
    """Read a record of the commands topic. ``customer_id``: whose new things are that name no customer."""
    if isinstance(record, Opaque):
        why = Malformed(
            "json_invalid", "not JSON: the name of a header is not UTF-8; the record is passed over, its bytes are where it stands"
        )
        return Received(record, None, why, internal=False, root=None, identified=False)
    headers = record.headers
    root_bytes = header(headers, HEADER_ANSWER) if headers else None
    root = _root(root_bytes)
    value = record.value or b""
    internal = bool(headers) and seal.holds(value, header(headers, HEADER_SEAL))
    try:
        command = decode_command(value)
    except Malformed as why:
        return Received(record, None, why, internal, root, identified=False)
    given: dict[str, object] = {}
    if command.id is None:
        given["id"] = derived(ZERO_ID, f"{record.topic}/{record.partition}/{record.offset}")
    if command.customer_id is None and isinstance(command, OWNED):
        given["customer_id"] = customer_id
    trace = traceparent_of(header(headers, HEADER_TRACE)) if headers and command.traceparent is None else None
    if trace is not None:
        given["traceparent"] = trace
    identified = command.id is not None
    return Received(record, command.model_copy(update=given) if given else command, None, internal, root, identified)


def _root(value: bytes | None) -> Root | None:
    """What an answer header says; one that is none is as good as absent."""
    if value is None:
        return None
    try:
        text, _, asked = value.decode("ascii").lower().partition("/")
        known = len(text) == 36 and len(bytes.fromhex(text.replace("-", ""))) == 16  # noqa: PLR2004  a UUID and its bytes
    except ValueError:
        return None
    return Root(text, asked[:LONGEST_ASKED] or None) if known else None


def place_of(command: Command, partitions: int, *, internal: bool) -> int:
    """The partition that decides a command: that of its stream, unless a ledger sent it to one by number."""
    if internal and isinstance(command, PartitionCommand):
        return command.partition
    return partition_of(command.stream, partitions)


def forwarded(came: Received, command: Command) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers of a command that stands on a wrong partition, with its id fixed."""
    original = came.record.value or b""
    value = original if came.identified else encode(command)
    return command.stream.encode(), value, list(came.record.headers)


def follow_up(command: Command, root: Root | None, seal: Seal) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers of a command of a ledger to another stream."""
    value = encode(command)
    headers: Headers = [(HEADER_SEAL, seal.of(value))]
    if isinstance(command, PartitionCommand):
        headers.append((HEADER_PARTITION_WIDE, str(command.partition).encode()))
    if root is not None:
        headers.append((HEADER_ANSWER, root.header))
    return command.stream.encode(), value, headers


def rejection(came: Received, reason: str, message: str, at: int) -> tuple[bytes | None, bytes]:
    """Key and value of the record that says a command was refused, with the bytes it came in."""
    record = came.record
    original = record.value or b""
    command = came.command
    return (
        record.key,
        encode(
            Rejection(
                command_id=None if command is None else command.id,
                type=None if command is None else command.type,  # type: ignore[attr-defined]
                reason=reason,
                message=message,
                at=at,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                original=original[:ORIGINAL_BYTES].decode("utf-8", "backslashreplace"),
                original_length=len(original),
                original_sha256=sha256(original).hexdigest(),
            )
        ),
    )


def position_noted(partition: int, next_offset: int, at: int) -> bytes:
    """The value of the record that says how far the commands were read, where no event says it."""
    return to_json({"type": "PositionNoted", "partition": partition, "next": next_offset, "at": at // MILLISECOND_US})


def event_of(record: Record) -> Event | None:
    """The event a record of the events topic holds; None: it is a ledger's note of how far the commands were read.

    Raises:
        ClusterError: ``log_newer``, ``log_corrupt``.
    """
    if record.key is None:
        return None
    try:
        return decode_event(record.value or b"")
    except (Malformed, LookupError, TypeError, ValueError) as error:
        raise _unreadable(record, error) from error


def body_of(record: Record) -> str:
    """The same event as it was written.

    Raises:
        ClusterError: ``log_corrupt``.
    """
    try:
        return (record.value or b"").decode()
    except UnicodeDecodeError as error:
        raise _unreadable(record, error) from error


def _unreadable(record: Record, error: Exception) -> ClusterError:
    if isinstance(error, Malformed) and error.reason == "event_unknown":
        return ClusterError(
            "log_newer",
            f"the event at {record.topic}/{record.partition}/{record.offset} was written by a newer program: {error.message}",
            "use the version of the program that wrote it",
        )
    return ClusterError(
        "log_corrupt",
        f"the record at {record.topic}/{record.partition}/{record.offset} is no event",
        "nobody but the ledgers may write to this topic; restore it",
    )
