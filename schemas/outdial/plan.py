"""The dialing plan: how long to ring, when and how often to try, how fast to go."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from outdial.address import SLOTS, OptionalAddress
from outdial.scalars import DAY_MS, Count, Milliseconds, Name
from outdial.windows import RECIPIENT, Windows

DEFAULT_DIAL_TIMEOUT = 30_000
DEFAULT_TRY_INTERVAL = 60_000
MOST_PER_SECOND = 100_000


class RetryMode(StrEnum):
    """What the five ``max_try_count_N`` count (contract C1)."""

    DESTINATION = "destination"
    RESULT = "result"


def _as_list(value: object) -> object:
    """One number stands for a list of one."""
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


Intervals = Annotated[tuple[Milliseconds, ...], Field(strict=False, min_length=1, max_length=100), BeforeValidator(_as_list)]
"""One number, or a list of them, milliseconds."""


class OutcomeRule(BaseModel):
    """What follows an outcome; what is absent is as the rest of the plan has it."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    max_retries: Count | None = None
    """Further tries of a destination after this outcome of it; 0: that destination is not tried again."""
    interval_ms: Intervals | None = None
    """In place of `try_interval`, milliseconds: one number, or a list: the first after the first such outcome of the target, the
    second after the second, and so on; the last is used from then on."""
    next_destination: bool = False
    """The next destination that has a try is dialed at once. When no later one has, the first that has one, after the interval."""


class ResultPolicy(BaseModel):
    """What follows each outcome. A try needs every other rule to allow it too."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    machine: OutcomeRule | None = None
    """After `machine`."""
    busy: OutcomeRule | None = None
    """After `busy`."""
    no_answer: OutcomeRule | None = None
    """After `no_answer`, lost attempts included."""
    failed: OutcomeRule | None = None
    """After `failed`."""
    other: OutcomeRule | None = None
    """After any other outcome: `canceled`, `other`."""

    @property
    def rules(self) -> tuple[OutcomeRule | None, ...]:
        """The rules by type of result, 0 to 4."""
        return (self.machine, self.busy, self.no_answer, self.failed, self.other)


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
    calls_per_second: Annotated[int, Field(ge=1, le=MOST_PER_SECOND)] | None = None
    """Requests the outdial may emit within any one second."""
    pickup_timeout: Annotated[int, Field(ge=1_000, le=DAY_MS)] = 60_000
    """How long after the request the call may still be started (``not_after``), milliseconds."""
    result_grace: Annotated[int, Field(ge=0, le=7 * DAY_MS)] = 600_000
    """How long after ringing must have ended a result is waited for, before the attempt counts as lost, milliseconds."""
    max_call_duration: Annotated[int, Field(ge=1_000, le=7 * DAY_MS)] = 14_400_000
    """How long an answered call may last before its result counts as lost, milliseconds."""
    windows: Windows | None = None
    """When people may be called; absent: at any time."""
    time_zone: Name | None = None
    """IANA zone of those of whom no zone is known, neither of the target nor of its number. Without it they are not called while
    there are `windows`."""
    result_policy: ResultPolicy | None = None
    """What follows each outcome: how many further tries, after how long, and where."""

    @property
    def caps(self) -> tuple[int, ...]:
        """The five ``max_try_count_N`` in order."""
        return (self.max_try_count_0, self.max_try_count_1, self.max_try_count_2, self.max_try_count_3, self.max_try_count_4)

    @property
    def ring(self) -> int:
        """The ``dial_timeout`` in force, milliseconds."""
        return self.dial_timeout or DEFAULT_DIAL_TIMEOUT

    def zones_for(self, known: tuple[str, ...]) -> tuple[str, ...] | None:
        """Where the window must be open for a destination of which these zones are known.

        None: there is no window; empty: nobody knows the hour there, so it is never dialed.
        """
        if self.windows is None:
            return None
        if self.windows.time_zone != RECIPIENT:
            return (self.windows.time_zone,)
        return known or (() if self.time_zone is None else (self.time_zone,))


PLAN_FIELDS = tuple(Plan.model_fields)
CAP_FIELDS = tuple(f"max_try_count_{slot}" for slot in range(SLOTS))
