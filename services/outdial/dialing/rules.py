"""The retry rules: which destination comes next, how long a target waits for it, and by whose clock.

All are functions of what a target went through and of the plan in force, so that a plan can change
at any time. Source: contract C1, C5, C16, C17, C18 and design section 5; `docs/rules.md` tells them to people.
"""

from typing import NamedTuple

from outdial.address import CALLABLE_TYPES, SLOTS
from outdial.commands import Outcome
from outdial.plan import CAP_FIELDS, OutcomeRule, Plan, RetryMode
from outdial.scalars import MILLISECOND_US
from outdial.windows import RECIPIENT

NOW = -1
"""A wait that is none: never tried, or reopened."""
AT = -2
"""A wait for an instant of the target's own, such as one at which it asked to be called back: ``since`` is that instant."""
AFTER_ATTEMPT = 0
"""A wait for the interval the plan has. Above it: the number of ``not_dialed`` in a row."""
FIRST_BACKOFF_MS = 1_000
LONGEST_BACKOFF_MS = 900_000
RESULT_TYPES: dict[Outcome, int] = {"machine": 0, "busy": 1, "no_answer": 2, "failed": 3, "answered": 5}
"""``answered`` is the end of a target unless it asked to be called back, and then of no type that a plan counts."""
OTHER_RESULT = 4
NONE_YET = -1
"""In place of the last spent try: there is none."""
SHORTEST_SENSIBLE_RING_MS = 1_000
MEANT_RESULTS = "(meant types of result? retry_mode=result)"


Looks = int
"""What a plan looks at, of what not every plan does: a sum of the three. Targets are told apart by no more than that."""
LOOKS_AT_NOTHING: Looks = 0
LOOKS_AT_OUTCOMES: Looks = 1
"""How often each outcome has come."""
LOOKS_AT_LAST: Looks = 2
"""The last outcome."""
LOOKS_AT_ZONES: Looks = 4
"""The time zones of the destinations."""


class Shape(NamedTuple):
    """What decides the next try of a target, apart from the plan. Many targets share one."""

    types: tuple[str | None, ...]
    """Type of each destination, by index."""
    try_count_max: int | None
    tries: tuple[int, ...]
    """Tries spent, by destination."""
    outcomes: bytes
    """Sorted ``destination * 8 + type of result`` of each spent try; empty unless the plan looks at it, as what follows."""
    last: int = NONE_YET
    """``destination * 8 + type of result`` of the last spent try."""
    zones: tuple[tuple[str, ...], ...] = ()
    """The time zones each destination may be in, by index; none are known of an empty one."""


class Next(NamedTuple):
    """What a plan does next on all targets of a shape."""

    destination: int
    """Index of the destination."""
    interval: int
    """From the end of the last attempt, milliseconds."""
    zones: tuple[str, ...] | None
    """The zones in which the window must be open; None: there is no window."""


def looks_of(plan: Plan) -> Looks:
    """What a plan looks at."""
    looks = LOOKS_AT_OUTCOMES if plan.retry_mode is RetryMode.RESULT else LOOKS_AT_NOTHING
    for rule in () if plan.result_policy is None else filter(None, plan.result_policy.rules):
        if rule.max_retries is not None or (rule.interval_ms is not None and len(rule.interval_ms) > 1):
            looks |= LOOKS_AT_OUTCOMES
        if rule.interval_ms is not None or rule.next_destination:
            looks |= LOOKS_AT_LAST
    if plan.windows is not None and plan.windows.time_zone == RECIPIENT:
        looks |= LOOKS_AT_ZONES
    return looks


def result_type(outcome: Outcome) -> int:
    """The index an outcome has among the five types of result (contract section 8); 5 for ``answered``."""
    return RESULT_TYPES.get(outcome, OTHER_RESULT)


def next_try(shape: Shape, plan: Plan, *, calls_only: bool) -> Next | None:
    """What to do next on targets of a shape, or None when no rule leaves them a try.

    A try needs every active rule to allow it, so budgets never add up.
    """
    spent = sum(shape.tries)
    if shape.try_count_max is not None and spent >= shape.try_count_max:
        return None
    if plan.max_attempts is not None and spent >= plan.max_attempts:
        return None
    usable = [index for index in range(len(shape.types)) if _can_dial(shape, plan, index, calls_only=calls_only)]
    if not usable:
        return None
    index, interval = usable[0], plan.try_interval
    rule = _rule_of_last(shape, plan)
    if rule is not None:
        later = next((one for one in usable if one > shape.last // 8), None) if rule.next_destination else None
        index, interval = (index, _interval(rule, shape, plan)) if later is None else (later, 0)
    return Next(index, interval, zones_of(shape, plan, index))


def why_none(shape: Shape, plan: Plan, *, calls_only: bool) -> str:
    """Of a shape that has no try: the word of the reason why not."""
    if calls_only and next_try(shape, plan, calls_only=False) is not None:
        return "type_not_dialable"
    anytime = plan.model_copy(update={"windows": None})
    if plan.windows is not None and next_try(shape, anytime, calls_only=calls_only) is not None:
        return "zone_unknown"
    return "no_tries_in_plan"


def _can_dial(shape: Shape, plan: Plan, index: int, *, calls_only: bool) -> bool:
    kind = shape.types[index]
    if kind is None or (calls_only and kind not in CALLABLE_TYPES):
        return False
    return _has_try(shape, plan, index) and zones_of(shape, plan, index) != ()


def _has_try(shape: Shape, plan: Plan, index: int) -> bool:
    """Whether the plan leaves this destination a try."""
    if plan.retry_mode is RetryMode.DESTINATION and shape.tries[index] >= plan.caps[index]:
        return False
    if not shape.outcomes:
        return True
    ended = [shape.outcomes.count(index * 8 + kind) for kind in range(SLOTS)]
    if plan.retry_mode is RetryMode.RESULT and any(times > cap for times, cap in zip(ended, plan.caps, strict=True) if times):
        return False
    rules = () if plan.result_policy is None else plan.result_policy.rules
    return not any(rule and rule.max_retries is not None and times > rule.max_retries for times, rule in zip(ended, rules, strict=False))


def _rule_of_last(shape: Shape, plan: Plan) -> OutcomeRule | None:
    """What the plan says follows the last outcome."""
    kind = shape.last % 8
    if plan.result_policy is None or shape.last == NONE_YET or kind >= SLOTS:
        return None
    return plan.result_policy.rules[kind]


def _interval(rule: OutcomeRule, shape: Shape, plan: Plan) -> int:
    """How long to wait after the last outcome, milliseconds: by how often the target has had it."""
    if rule.interval_ms is None:
        return plan.try_interval
    times = sum(one % 8 == shape.last % 8 for one in shape.outcomes)
    return rule.interval_ms[min(max(times, 1), len(rule.interval_ms)) - 1]


def zones_of(shape: Shape, plan: Plan, index: int) -> tuple[str, ...] | None:
    """The zones in which the window must be open for a destination; None: no window; empty: none is known, so it is never dialed."""
    return plan.zones_for(shape.zones[index] if index < len(shape.zones) else ())


def wait_us(wait: int, plan: Plan, interval: int) -> int:
    """How long a target waits since its last attempt ended, microseconds. ``interval``: that of its :class:`Next`, milliseconds."""
    if wait < AFTER_ATTEMPT:
        return 0
    if wait > AFTER_ATTEMPT:
        backoff = LONGEST_BACKOFF_MS if wait > 10 else min(FIRST_BACKOFF_MS << (wait - 1), LONGEST_BACKOFF_MS)  # noqa: PLR2004  2**10 s is past the longest
        interval = max(plan.try_interval, backoff)
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
    if plan.time_zone is not None and plan.windows is None:
        found.append("time_zone: without windows no rule looks at it")
    return found
