"""Kafka's wire, as far as the tests look into it: frames, a few requests of their own, and the ids inside of a transaction's requests.

Only what the standard library has is used, so that a broker can be started before anything is installed.
"""

import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

PRODUCE: Final = 0
METADATA: Final = 3
FIND_COORDINATOR: Final = 10
CREATE_TOPICS: Final = 19
DELETE_TOPICS: Final = 20
INIT_PRODUCER_ID: Final = 22
ADD_PARTITIONS_TO_TXN: Final = 24
ADD_OFFSETS_TO_TXN: Final = 25
END_TXN: Final = 26
TXN_OFFSET_COMMIT: Final = 28
DESCRIBE_QUORUM: Final = 55

FLEXIBLE_FROM: Final = {PRODUCE: 9, INIT_PRODUCER_ID: 2, ADD_PARTITIONS_TO_TXN: 3, ADD_OFFSETS_TO_TXN: 3, END_TXN: 3, TXN_OFFSET_COMMIT: 3}
"""The requests looked into, and from which version on their strings and arrays are compact."""
LAST_READ: Final = {PRODUCE: 12, ADD_PARTITIONS_TO_TXN: 3}
"""Later versions have another shape, which clients of the tests do not speak."""

NONE: Final = 0
UNKNOWN_TOPIC: Final = 3

LENGTH: Final = struct.Struct(">i")
SECONDS: Final = 3.0
"""How long a question waits for a broker."""


class Silent(Exception):
    """No broker gave an answer."""


class Reader:
    """Reads a message from its start to its end."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def number(self, kind: str) -> int:
        """A number; the kind is a letter of `struct`."""
        shape = struct.Struct(">" + kind)
        (value,) = shape.unpack_from(self.data, self.at)
        self.at += shape.size
        return int(value)

    def varint(self) -> int:
        """An unsigned number of as many bytes as it needs."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self, *, compact: bool = False) -> str | None:
        """A string, or None."""
        length = self.varint() - 1 if compact else self.number("h")
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def count(self, *, compact: bool = False) -> int:
        """How many items an array has."""
        return max(0, self.varint() - 1 if compact else self.number("i"))

    def tags(self) -> None:
        """Skip tagged fields."""
        for _ in range(self.varint()):
            self.varint()
            self.at += self.varint()


def text(value: str | None) -> bytes:
    """A string, or None, as it is written."""
    if value is None:
        return b"\xff\xff"
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def array(items: Sequence[bytes]) -> bytes:
    """Items after their number."""
    return LENGTH.pack(len(items)) + b"".join(items)


def exactly(connection: socket.socket, length: int) -> bytes:
    """So many bytes. OSError: the peer closed before that."""
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise ConnectionResetError("the broker closed the connection")
        data += more
    return data


def ask(address: str, api: int, version: int, body: bytes, *, flexible: bool = False, seconds: float = SECONDS) -> Reader:
    """One question to the broker at this address, `host:port`; its answer, after the header. OSError: no answer."""
    host, _, port = address.rpartition(":")
    header = struct.pack(">hhi", api, version, 1) + text("brokers") + (b"\x00" if flexible else b"")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.settimeout(seconds)
        connection.sendall(LENGTH.pack(len(header) + len(body)) + header + body)
        (length,) = LENGTH.unpack(exactly(connection, LENGTH.size))
        answer = Reader(exactly(connection, length), at=4)
    if flexible:
        answer.tags()
    return answer


@dataclass(frozen=True, slots=True)
class Request:
    """The header of a request; of a transaction's requests also whose transaction it is."""

    api: int
    version: int
    correlation: int
    client_id: str | None
    transactional_id: str | None = None
    producer_id: int | None = None
    producer_epoch: int | None = None
    committed: bool | None = None
    """What an EndTxn asks for."""
    group: str | None = None
    """Whose offsets a TxnOffsetCommit stores."""
    answered: bool = True
    """False: a Produce that wants no answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a broker said to one of the requests looked into."""

    error: int = NONE
    """The first error in it."""
    producer_id: int | None = None
    producer_epoch: int | None = None
    """Which producer an InitProducerId made."""


def looked_into(api: int, version: int) -> bool:
    """Whether more than the header is read."""
    return api in FLEXIBLE_FROM and version <= LAST_READ.get(api, version)


def read_request(frame: bytes) -> Request:
    """A request without the length before it."""
    reader = Reader(frame)
    api, version, correlation = reader.number("h"), reader.number("h"), reader.number("i")
    client_id = reader.text()
    if not looked_into(api, version):
        return Request(api, version, correlation, client_id)
    compact = version >= FLEXIBLE_FROM[api]
    if compact:
        reader.tags()
    transactional_id = reader.text(compact=compact)
    if api == PRODUCE:
        return Request(api, version, correlation, client_id, transactional_id, answered=reader.number("h") != 0)
    if api == INIT_PRODUCER_ID:
        return Request(api, version, correlation, client_id, transactional_id)
    group = reader.text(compact=compact) if api == TXN_OFFSET_COMMIT else None
    producer_id, producer_epoch = reader.number("q"), reader.number("h")
    committed = reader.number("b") != 0 if api == END_TXN else None
    return Request(api, version, correlation, client_id, transactional_id, producer_id, producer_epoch, committed, group)


def read_reply(request: Request, frame: bytes) -> Reply | None:
    """The answer to a request, without the length before it; None: it is not looked into."""
    if not looked_into(request.api, request.version):
        return None
    compact = request.version >= FLEXIBLE_FROM[request.api]
    reader = Reader(frame, at=4)
    if compact:
        reader.tags()
    if request.api == PRODUCE:
        return Reply(_first_error(reader, _produced, request.version, compact=compact))
    reader.number("i")
    if request.api in {TXN_OFFSET_COMMIT, ADD_PARTITIONS_TO_TXN}:
        return Reply(_first_error(reader, _numbered, request.version, compact=compact))
    error = reader.number("h")
    if request.api == INIT_PRODUCER_ID:
        return Reply(error, reader.number("q"), reader.number("h"))
    return Reply(error)


def _first_error(reader: Reader, partition: Callable[[Reader, int], int], version: int, *, compact: bool) -> int:
    """The first error of any partition of any topic."""
    first = NONE
    for _ in range(reader.count(compact=compact)):
        reader.text(compact=compact)
        for _ in range(reader.count(compact=compact)):
            error = partition(reader, version)
            first = first or error
            if compact:
                reader.tags()
        if compact:
            reader.tags()
    return first


def _numbered(reader: Reader, _version: int) -> int:
    reader.number("i")
    return reader.number("h")


def _produced(reader: Reader, version: int) -> int:
    compact = version >= FLEXIBLE_FROM[PRODUCE]
    error = _numbered(reader, version)
    reader.at += 24 if version >= 5 else 16
    if version >= 8:
        for _ in range(reader.count(compact=compact)):
            reader.number("i")
            reader.text(compact=compact)
            if compact:
                reader.tags()
        reader.text(compact=compact)
    return error
