"""Secrets, and what is kept of them: random tokens by SHA-256, passwords by scrypt with a salt of their own."""

import asyncio
from hashlib import scrypt, sha256
from hmac import compare_digest
from os import cpu_count
from secrets import choice, token_hex
from string import ascii_letters, digits
from typing import Final

ACCESS: Final = "vb_"
SESSION: Final = "vs_"
"""How tokens begin."""
SHOWN: Final = 11
"""Characters by which people know a token again."""
_LENGTH: Final = 32
"""Random characters of a token: 190 bits."""
_COST: Final = 14
"""log2 of scrypt's n: 16 MiB and some 50 ms for a guess."""
_SALT_BYTES: Final = 16
_NOBODYS: Final = f"scrypt${_COST}${'0' * 32}${'0' * 64}"
"""What the password of an unknown user is compared with, so that it takes as long. No password is known that it is of."""


def new_token(kind: str) -> str:
    """A token nobody has had before."""
    return kind + "".join(choice(ascii_letters + digits) for _ in range(_LENGTH))


def is_ours(token: str) -> bool:
    """Whether a token is of the form of those made here."""
    return token.startswith((ACCESS, SESSION))


def token_hash(token: str) -> str:
    """What is kept of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Passwords:
    """Makes and checks the hashes of passwords, beside the event loop and few at a time: each takes a processor and 16 MiB."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(max(1, (cpu_count() or 1) // 2))

    async def hashed(self, password: str) -> str:
        """What is kept of a password."""
        salt = token_hex(_SALT_BYTES)
        return f"scrypt${_COST}${salt}${await self._derived(password, _COST, salt)}"

    async def matches(self, password: str, kept: str | None) -> bool:
        """Whether a password is the one that was kept; None: there is none, which takes as long to find out."""
        _, cost, salt, key = (kept or _NOBODYS).split("$")
        found = await self._derived(password, int(cost), salt)
        return compare_digest(found, key) and kept is not None

    async def _derived(self, password: str, cost: int, salt: str) -> str:
        n = 1 << cost
        async with self._turns:
            key = await asyncio.to_thread(
                scrypt,
                password.encode("utf-8", "surrogatepass"),
                salt=bytes.fromhex(salt),
                n=n,
                r=8,
                p=1,
                maxmem=1024 * n + (1 << 20),
                dklen=32,
            )
        return key.hex()
