"""The counts of a process, as Prometheus reads them."""

import pytest

from outdial.metrics import BUCKETS, METRICS, Meters


def lines(meters: Meters) -> list[str]:
    return [line for line in meters.text().decode().splitlines() if not line.startswith("#")]


def test_names_are_those_prometheus_expects() -> None:
    names = [metric.name for metric in METRICS]

    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert metric.name.startswith("outdial_")
        assert metric.name.endswith("_total") == (metric.type == "counter")
        assert metric.type != "histogram" or metric.name.endswith("_seconds")
        assert metric.help.endswith(".")
        assert metric.roles


def test_no_label_has_values_without_bound() -> None:
    assert {label for metric in METRICS for label in metric.labels} == {
        *("lost", "outcome", "partition", "reason", "result", "role", "rule", "status", "topic", "type", "version")
    }


def test_a_counter_adds_up_by_label() -> None:
    meters = Meters()
    meters.count("outdial_commands_total", "AddTarget", "events")
    meters.count("outdial_commands_total", "AddTarget", "events", by=2)
    meters.count("outdial_commands_total", "AddTarget", "rejected")

    assert meters.text().decode().splitlines() == [
        "# HELP outdial_commands_total Commands sent through this door, by type and result.",
        "# TYPE outdial_commands_total counter",
        'outdial_commands_total{type="AddTarget",result="events"} 3',
        'outdial_commands_total{type="AddTarget",result="rejected"} 1',
    ]


def test_a_histogram_counts_a_duration_into_every_bucket_that_holds_it() -> None:
    meters = Meters()
    for seconds in (0.005, 0.006, 2.0, 1000.0):
        meters.observe("outdial_schedule_lag_seconds", seconds)

    found = dict(line.rsplit(" ", 1) for line in lines(meters))
    assert found['outdial_schedule_lag_seconds_bucket{le="0.005"}'] == "1"
    assert found['outdial_schedule_lag_seconds_bucket{le="0.01"}'] == "2"
    assert found['outdial_schedule_lag_seconds_bucket{le="2.5"}'] == "3"
    assert found['outdial_schedule_lag_seconds_bucket{le="300"}'] == "3"
    assert found['outdial_schedule_lag_seconds_bucket{le="+Inf"}'] == "4"
    assert found["outdial_schedule_lag_seconds_count"] == "4"
    assert found["outdial_schedule_lag_seconds_sum"] == "1002.011"
    assert len(found) == len(BUCKETS) + 3


def test_a_gauge_is_read_when_it_is_asked_for() -> None:
    values: dict[tuple[str, ...], float] = {("3",): 41.0}
    meters = Meters()
    meters.read("outdial_log_position", lambda: values)
    values["3",] = 42.5
    values["10",] = 7

    assert lines(meters) == ['outdial_log_position{partition="10"} 7', 'outdial_log_position{partition="3"} 42.5']


def test_a_gauge_without_its_last_label_stands_for_the_only_one() -> None:
    meters = Meters()
    meters.read("outdial_log_position", lambda: {(): 41})

    assert lines(meters) == ["outdial_log_position 41"]


def test_what_stands_in_a_label_cannot_break_the_line() -> None:
    meters = Meters()
    meters.count("outdial_rejections_total", 'a"b\\c\nd')

    assert lines(meters) == ['outdial_rejections_total{reason="a\\"b\\\\c\\nd"} 1']


def test_a_name_that_stands_in_no_list_is_an_error() -> None:
    meters = Meters()

    with pytest.raises(KeyError):
        meters.count("outdial_nothing_total")
    with pytest.raises(KeyError):
        meters.observe("outdial_commands_total", 1.0)
    with pytest.raises(KeyError):
        meters.read("outdial_nothing", dict)
