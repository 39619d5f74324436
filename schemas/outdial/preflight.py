"""Before a run: what would be dialed under a plan, what would not, and when. Source: design section 7."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from outdial.scalars import Instant
from outdial.why import Held


class Estimate(BaseModel):
    """How long it would take if every call rang for the whole ``dial_timeout`` and nobody answered: the longest way through a plan."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    per_second: float | None = None
    """Requests a second that come of the plan: ``calls_per_second``, or that of the customer, or ``max_concurrent`` within a
    ``dial_timeout``, whichever is least; absent: no limit."""
    first_calls_ms: int | None = None
    """From the first request to the end of the first call of the last target, milliseconds; absent without a limit."""
    all_calls_ms: int | None = None
    """The same to the end of the last call of all, milliseconds, without the waits between tries; absent where it is not known."""


class Preflight(BaseModel):
    """What a run would come to if it began now."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    about: Literal["preflight"] = "preflight"
    """What it is about."""
    at: Instant
    """When the ledger looked."""
    dialable_now: int
    """Targets that would be requested at once, as fast as the plan goes."""
    due_later: int
    """Targets that have a try, but have to wait for it."""
    next_at: Instant | None = None
    """When the first of those is due."""
    last_at: Instant | None = None
    """When the last of those is due."""
    brought_back: int
    """Of all these: targets that were out of tries, and have some under this plan."""
    open: int
    """Attempts that are open now, of whatever run."""
    by_destination: tuple[int, ...]
    """Of all that would be dialed: how many at their destination 0, 1, 2, 3, 4."""
    attempts_at_most: int | None = None
    """Attempts the plan allows on all of them together; absent where it counts by outcome."""
    skipped: tuple[Held, ...] = ()
    """Targets that would not be dialed, by the rule that keeps them out. Prefixes of a suppression list are looked at for 100,000 targets
    at most."""
    estimate: Estimate
