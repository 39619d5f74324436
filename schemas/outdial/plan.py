"""The dialing plan: how long to ring, how often to try, how fast to go."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from outdial.address import SLOTS, OptionalAddress
from outdial.scalars import DAY_MS, Count, Milliseconds

DEFAULT_DIAL_TIMEOUT = 30_000
DEFAULT_TRY_INTERVAL = 60_000


class RetryMode(StrEnum):
    """What the five ``max_try_count_N`` count (contract C1)."""

    DESTINATION = "destination"
    RESULT = "result"


class Plan(BaseModel):
    """The dial info of an outplan, and the plan a run goes by. Durations are milliseconds.

    Source: contract 2.4, C1 and C5; the fields after ``max_try_count_4`` are additions.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    source: OptionalAddress = None
    """The caller id of every attempt, or none."""
    dial_timeout: Annotated[int, Field(ge=0, le=DAY_MS)] = DEFAULT_DIAL_TIMEOUT
    """How long an attempt may ring, milliseconds. 0 dials as 30,000."""
    try_interval: Milliseconds = DEFAULT_TRY_INTERVAL
    """From the end of one attempt on a target to the earliest start of its next, milliseconds."""
    max_try_count_0: Count = 0
    max_try_count_1: Count = 0
    max_try_count_2: Count = 0
    max_try_count_3: Count = 0
    max_try_count_4: Count = 0
    retry_mode: Annotated[RetryMode, Field(strict=False)] = RetryMode.DESTINATION
    """``destination``: N is an index of a destination, the number its attempts, 0 never dials it.
    ``result``: N is a type of outcome, the number the further tries it allows on a destination."""
    max_attempts: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Attempts a target may have in all, over its destinations."""
    max_concurrent: Count = 100
    """Open attempts the outdial may have at once; 0 = no limit."""
    calls_per_second: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests the outdial may emit within any one second."""
    pickup_timeout: Annotated[int, Field(ge=1_000, le=DAY_MS)] = 60_000
    """How long after the request the call may still be started (``not_after``), milliseconds."""
    result_grace: Annotated[int, Field(ge=0, le=7 * DAY_MS)] = 600_000
    """How long after ringing must have ended a result is waited for, before the attempt counts as lost, milliseconds."""
    max_call_duration: Annotated[int, Field(ge=1_000, le=7 * DAY_MS)] = 14_400_000
    """How long an answered call may last before its result counts as lost, milliseconds."""

    @property
    def caps(self) -> tuple[int, ...]:
        """The five ``max_try_count_N`` in order."""
        return (self.max_try_count_0, self.max_try_count_1, self.max_try_count_2, self.max_try_count_3, self.max_try_count_4)

    @property
    def ring(self) -> int:
        """The ``dial_timeout`` in force, milliseconds."""
        return self.dial_timeout or DEFAULT_DIAL_TIMEOUT


PLAN_FIELDS = tuple(Plan.model_fields)
CAP_FIELDS = tuple(f"max_try_count_{slot}" for slot in range(SLOTS))
UNSUPPORTED_PLAN_FIELDS = frozenset({"windows", "time_zone", "result_policy"})
"""Fields a plan will have. They are refused, never ignored: a call outside promised hours is worse than an error."""
