"""Plans: what holds when nothing is said, and what may be said."""

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from messages import of
from outdial.plan import CAP_FIELDS, PLAN_FIELDS, UNSUPPORTED_PLAN_FIELDS, Plan, RetryMode

DAY = 86_400_000


def test_what_an_empty_plan_says() -> None:
    assert Plan().model_dump() == {
        "source": None,
        "dial_timeout": 30_000,
        "try_interval": 60_000,
        "max_try_count_0": 0,
        "max_try_count_1": 0,
        "max_try_count_2": 0,
        "max_try_count_3": 0,
        "max_try_count_4": 0,
        "retry_mode": "destination",
        "max_attempts": None,
        "max_concurrent": 100,
        "calls_per_second": None,
        "pickup_timeout": 60_000,
        "result_grace": 600_000,
        "max_call_duration": 14_400_000,
    }


def test_a_dial_timeout_of_0_is_kept_and_dials_as_30_seconds() -> None:
    plan = Plan(dial_timeout=0)

    assert (plan.dial_timeout, plan.ring) == (0, 30_000)
    assert Plan(dial_timeout=1).ring == 1


def test_the_caps_stand_in_the_order_of_their_fields() -> None:
    plan = Plan(max_try_count_0=3, max_try_count_1=2, max_try_count_2=1, max_try_count_4=5)

    assert plan.caps == (3, 2, 1, 0, 5) == tuple(getattr(plan, name) for name in CAP_FIELDS)


@given(of(Plan))
def test_a_plan_comes_back_from_its_text_as_it_was(plan: Plan) -> None:
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize("mode", RetryMode)
def test_a_retry_mode_is_read_from_its_word(mode: RetryMode) -> None:
    assert Plan.model_validate_json(json.dumps({"retry_mode": mode.value})).retry_mode is mode


@pytest.mark.parametrize("source", [{}, {"type": "", "target": ""}, None])
def test_an_empty_source_is_none(source: Any) -> None:
    assert Plan.model_validate({"source": source}).source is None


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("dial_timeout", 0, DAY),
        ("try_interval", 0, 366 * DAY),
        *((name, 0, 1_000_000) for name in CAP_FIELDS),
        ("max_attempts", 1, 1_000_000),
        ("max_concurrent", 0, 1_000_000),
        ("calls_per_second", 1, 100_000),
        ("pickup_timeout", 1_000, DAY),
        ("result_grace", 0, 7 * DAY),
        ("max_call_duration", 1_000, 7 * DAY),
    ],
)
def test_a_number_of_a_plan_has_a_lowest_and_a_highest_value(name: str, lowest: int, highest: int) -> None:
    for value in (lowest, highest):
        assert getattr(Plan.model_validate({name: value}), name) == value
    for bad in (lowest - 1, highest + 1, str(lowest), 1.5, True):
        with pytest.raises(ValidationError):
            Plan.model_validate({name: bad})


@pytest.mark.parametrize("name", sorted(UNSUPPORTED_PLAN_FIELDS))
def test_a_field_that_plans_do_not_have_yet_is_refused_and_never_ignored(name: str) -> None:
    assert name not in PLAN_FIELDS
    with pytest.raises(ValidationError):
        Plan.model_validate({name: None})
