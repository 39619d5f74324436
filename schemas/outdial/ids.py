"""Derived ids: every effect has one, so that any reader can drop a repeat.

All of them are name-based UUIDs (version 5) or plain paths; none is random.
"""

from hashlib import sha1
from typing import Final

_DASH: Final = "-"


def derived(namespace: str, name: str) -> str:
    """UUIDv5 of ``name`` in ``namespace`` (itself a UUID), as lower-case text.

    Written out because :func:`uuid.uuid5` builds two UUID objects and costs twice as much; an import
    of a million rows derives two million of them.
    """
    digest = bytearray(sha1(bytes.fromhex(namespace.replace(_DASH, "")) + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def attempt_id(outdial_id: str, target_id: str, ordinal: int) -> str:
    """The id of the ``ordinal``-th attempt (from 1) on a target; the ordinal only ever grows."""
    return derived(outdial_id, f"{target_id}/{ordinal}")


def item_id(command_id: str, index: int) -> str:
    """The id of the ``index``-th new thing (from 0) a command makes without naming it."""
    return derived(command_id, str(index))


def event_id(kind: str, stream: str, sequence: int) -> str:
    """The id of an event: where it stands in its stream."""
    return f"{kind}/{stream}/{sequence}"


def as_int(text: str) -> int:
    """A UUID as an integer: the compact form the ledger remembers ids in."""
    return int(text.replace(_DASH, ""), 16)
