"""How far leases may end: a clock that was set forward must not end those of calls that are still going on."""

from collections.abc import Callable
from typing import Final

CATCHING_UP: Final = 10
"""After a jump of the clock this one is behind it, and runs by a tenth faster until it has met it."""


class LeaseTime:
    """The ledger's time as far as leases are concerned: it goes no faster than time passes.

    Args:
        steady: microseconds that pass evenly, a sleep of the machine included; None: the ledger's clock does so itself.
    """

    def __init__(self, steady: Callable[[], int] | None) -> None:
        self._steady = steady
        self._seen: int | None = None
        self._at = 0

    def at(self, now: int) -> int:
        """The instant up to which a lease may end, microseconds; never after ``now``, the ledger's time."""
        if self._steady is None:
            return now
        seen = self._steady()
        if self._seen is None:
            self._at = now
        else:
            passed = seen - self._seen
            self._at = min(now, self._at + passed + passed // CATCHING_UP)
        self._seen = seen
        return self._at
