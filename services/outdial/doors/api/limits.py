"""How often somebody may ask: token buckets, one for each who asks. Source: contract 1.6."""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Final, NamedTuple

from outdial.doors.api.errors import TOO_MANY, Refused

MOST_KNOWN: Final = 100_000
"""Buckets kept. Beyond that the one that was longest not asked for is forgotten, and so full again."""


class Rate(NamedTuple):
    """So many a second in the long run, and so many at once."""

    per_second: float
    burst: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """The rate a text spells: ``16.7/33``; without the second number twice as many at once as in a second."""
        per_second, _, burst = text.partition("/")
        return cls(float(per_second), int(burst) if burst else ceil(2 * float(per_second)))


class Limiter:
    """A bucket for each name. ``clock``: seconds that never go back."""

    def __init__(self, rate: Rate, limited_by: str, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._limited_by = limited_by
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """(what was left, when), the one asked for last at the end."""

    def take(self, name: str) -> None:
        """Take one.

        Raises:
            Refused: RATE_LIMIT_EXCEEDED, with the seconds after which there is one again.
        """
        now, (per_second, burst) = self._clock(), self._rate
        left, since = self._known.pop(name, (float(burst), now))
        left = min(burst, left + (now - since) * per_second)
        allowed = left >= 1
        self._known[name] = (left - allowed, now)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        if not allowed:
            wait = ceil((1 - left) / per_second)
            raise Refused(
                TOO_MANY,
                "too_many_requests",
                f"too many requests; come back in {wait} s",
                headers={"Retry-After": str(wait)},
                limited_by=self._limited_by,
            )
