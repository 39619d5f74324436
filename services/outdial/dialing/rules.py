"""The retry rules: which destination comes next, and how long a target waits for it.

Both are functions of what a target went through and of the plan in force, so that a plan can change
at any time. Source: contract C1, C5, C16, C17 and design section 5.
"""

from typing import NamedTuple

from outdial.address import CALLABLE_TYPES, SLOTS
from outdial.commands import Outcome
from outdial.plan import CAP_FIELDS, Plan, RetryMode
from outdial.scalars import MILLISECOND_US

NOW = -1
"""A wait that is none: never tried, or reopened."""
AT = -2
"""A wait for an instant of the target's own, such as one at which it asked to be called back: ``since`` is that instant."""
AFTER_ATTEMPT = 0
"""A wait for the plan's ``try_interval``. Above it: the number of ``not_dialed`` in a row."""
FIRST_BACKOFF_MS = 1_000
LONGEST_BACKOFF_MS = 900_000
RESULT_TYPES: dict[Outcome, int] = {"machine": 0, "busy": 1, "no_answer": 2, "failed": 3, "answered": 5}
"""``answered`` is the end of a target unless it asked to be called back, and then of no type that a plan counts."""
OTHER_RESULT = 4
SHORTEST_SENSIBLE_RING_MS = 1_000
MEANT_RESULTS = "(meant types of result? retry_mode=result)"


class Shape(NamedTuple):
    """What decides the next destination of a target, apart from the plan. Many targets share one."""

    types: tuple[str | None, ...]
    """Type of each destination, by index."""
    try_count_max: int | None
    tries: tuple[int, ...]
    """Tries spent, by destination."""
    outcomes: bytes
    """Sorted ``destination * 8 + type of result`` of each spent try; empty where only tries count."""


def result_type(outcome: Outcome) -> int:
    """The index an outcome has among the five types of result (contract section 8); 5 for ``answered``."""
    return RESULT_TYPES.get(outcome, OTHER_RESULT)


def next_destination(shape: Shape, plan: Plan, *, calls_only: bool) -> int | None:
    """The index of the destination to dial next, or None when no rule leaves a try.

    A try needs every active rule to allow it, so budgets never add up.
    """
    spent = sum(shape.tries)
    if shape.try_count_max is not None and spent >= shape.try_count_max:
        return None
    if plan.max_attempts is not None and spent >= plan.max_attempts:
        return None
    for index, kind in enumerate(shape.types):
        if kind is None or (calls_only and kind not in CALLABLE_TYPES):
            continue
        if _has_try(shape, plan, index):
            return index
    return None


def _has_try(shape: Shape, plan: Plan, index: int) -> bool:
    """Whether the plan leaves this destination a try."""
    if plan.retry_mode is RetryMode.DESTINATION:
        return shape.tries[index] < plan.caps[index]
    caps = plan.caps
    return all(shape.outcomes.count(index * 8 + kind) <= caps[kind] for kind in range(SLOTS) if index * 8 + kind in shape.outcomes)


def wait_us(wait: int, plan: Plan) -> int:
    """How long a target waits since its last attempt ended, microseconds."""
    if wait < AFTER_ATTEMPT:
        return 0
    interval = plan.try_interval
    if wait > AFTER_ATTEMPT:
        backoff = LONGEST_BACKOFF_MS if wait > 10 else min(FIRST_BACKOFF_MS << (wait - 1), LONGEST_BACKOFF_MS)  # noqa: PLR2004  2**10 s is past the longest
        interval = max(interval, backoff)
    return interval * MILLISECOND_US


def warnings_of(plan: Plan) -> list[str]:
    """What about a plan is allowed but rarely meant, for people."""
    found = []
    if plan.retry_mode is RetryMode.DESTINATION and not any(plan.caps):
        found.append(f"no_tries_in_plan: {', '.join(CAP_FIELDS)} are all 0, so nothing is dialed {MEANT_RESULTS}")
    elif plan.retry_mode is RetryMode.DESTINATION and not plan.caps[0]:
        found.append(f"no_tries_in_plan: {CAP_FIELDS[0]} is 0, so no destination_0 is dialed {MEANT_RESULTS}")
    if 0 < plan.dial_timeout < SHORTEST_SENSIBLE_RING_MS:
        found.append(f"dial_timeout: {plan.dial_timeout} is milliseconds; a phone hardly rings in that time")
    return found
