"""Derived ids: every effect has one, so that any reader can drop a repeat.

All of them are name-based UUIDs (version 5) or plain paths; none is random.
"""

from functools import lru_cache
from hashlib import sha1
from typing import Final

_DASH: Final = "-"
_VARIANT: Final = {digit: f"{int(digit, 16) & 0x3 | 0x8:x}" for digit in "0123456789abcdef"}
"""The digit that says how a UUID is laid out, by the digit of the hash in its place."""


def derived(namespace: str, name: str) -> str:
    """UUIDv5 of ``name`` in ``namespace`` (itself a UUID), as lower-case text.

    Written out because :func:`uuid.uuid5` builds two UUID objects and costs three times as much; an import
    of a million rows derives two million of them.
    """
    text = sha1(_as_bytes(namespace) + name.encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


@lru_cache(maxsize=256)
def _as_bytes(text: str) -> bytes:
    """A UUID as its 16 bytes. Most names in a row are in one namespace: that of an outdial or of a large command."""
    return bytes.fromhex(text.replace(_DASH, ""))


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
