"""Plans: what holds when nothing is said, and what may be said."""

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from messages import of
from outdial.plan import CAP_FIELDS, Plan, RetryMode

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
        "windows": None,
        "time_zone": None,
        "result_policy": None,
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


# --- windows and what follows an outcome


HOURS = {"days": ["mon"], "start": "09:00", "end": "20:00"}


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"hours": []},
        {"dates": [{"date": "12-25"}]},
        {"hours": [{**HOURS, "start": "9:00"}]},
        {"hours": [{**HOURS, "start": "24:00"}]},
        {"hours": [{**HOURS, "end": "24:01"}]},
        {"hours": [{**HOURS, "end": "09:00"}]},
        {"hours": [{**HOURS, "days": []}]},
        {"hours": [{**HOURS, "days": ["monday"]}]},
        {"hours": [HOURS], "dates": [{"date": "2026-02-29"}]},
        {"hours": [HOURS], "dates": [{"date": "13-01"}]},
        {"hours": [HOURS], "dates": [{"date": "12-25"}, {"date": "12-25", "hours": []}]},
        {"hours": [HOURS], "zone": "Europe/Berlin"},
    ],
)
def test_windows_that_say_nothing_clear_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate({"windows": bad})


@pytest.mark.parametrize("date", ["2024-02-29", "02-29", "12-25", "2026-12-25"])
def test_a_date_is_one_day_or_that_day_of_every_year(date: str) -> None:
    plan = Plan.model_validate({"windows": {"hours": [HOURS], "dates": [{"date": date}]}})
    assert plan.windows is not None
    assert Plan.model_validate(plan.model_dump(mode="json")) == plan


@pytest.mark.parametrize(
    "bad", [{"busy": {"max_retries": -1}}, {"busy": {"interval_ms": []}}, {"busy": {"interval_ms": [-1]}}, {"answered": {}}]
)
def test_a_policy_that_cannot_be_kept_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate({"result_policy": bad})


def test_one_interval_stands_for_a_list_of_one() -> None:
    one, many = ({"result_policy": {"busy": {"interval_ms": interval}}} for interval in (5_000, [5_000]))
    assert Plan.model_validate(one) == Plan.model_validate(many)
