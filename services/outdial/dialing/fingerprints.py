"""Fingerprints: addresses are compared by a keyed hash only, and the key is known by a name that says nothing about it."""

from collections.abc import Callable
from hashlib import blake2b


def fingerprint_of(key: bytes) -> Callable[[str], str]:
    """The keyed hash of an address: 32 hexadecimal digits."""
    short = blake2b(key, digest_size=32).digest()

    def fingerprint(text: str) -> str:
        return blake2b(text.encode(), key=short, digest_size=16).hexdigest()

    return fingerprint


def key_id_of(key: bytes) -> str:
    """The name of a key: it says which key, and nothing about it."""
    return blake2b(key, digest_size=8, person=b"outdial key id").hexdigest()
