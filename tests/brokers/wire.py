"""Kafka's wire, as far as the tests look into it: frames, a few requests of their own, and the ids inside of a transaction's requests.

Only what the standard library has is used, so that a broker can be started before anything is installed.
"""

import socket
import struct
from collections.abc import Sequence
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
