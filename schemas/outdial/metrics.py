"""What a process counts: every metric by its name, and the counts of one process as Prometheus reads them.

No label is ever a target, a phone number or a campaign: their number has no bound.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of every histogram, seconds."""

Role = Literal["api", "ledger", "worker"]
Labels = tuple[str, ...]
"""Values of the labels, in the order the metric has them."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    roles: tuple[Role, ...]
    """Which processes have it."""
    labels: Labels = ()


SHORTEST_S: Final = 0.001


def per_second(count: int, seconds: float) -> float:
    """How fast something went; what took no time took a millisecond."""
    return count / max(seconds, SHORTEST_S)


METRICS: Final = (
    Metric("outdial_build_info", "gauge", "Always 1; the labels say what runs here.", ("api", "ledger", "worker"), ("version", "role")),
    Metric("outdial_ready", "gauge", "1 when work is taken, else 0; /readyz says why.", ("api", "ledger", "worker")),
    Metric("outdial_http_responses_total", "counter", "Answers given over HTTP, by status.", ("api",), ("status",)),
    Metric("outdial_commands_total", "counter", "Commands sent through this door, by type and result.", ("api",), ("type", "result")),
    Metric("outdial_command_duration_seconds", "histogram", "From sending a command until its answer is there.", ("api",)),
    Metric("outdial_log_position", "gauge", "How far the log is read into the views.", ("api",), ("partition",)),
    Metric("outdial_projection_lag_events", "gauge", "Events of the log the views do not show yet.", ("api",)),
    Metric("outdial_projection_lag_seconds", "gauge", "For how long the views have not shown the whole log; 0: they do.", ("api",)),
    Metric("outdial_targets", "gauge", "Targets, by state.", ("api",), ("status",)),
    Metric("outdial_targets_blocked", "gauge", "Targets that a rule holds, by the word of why.", ("api",), ("reason",)),
    Metric("outdial_pace_limit", "gauge", "Calls a second that customers with a limit may request, all together.", ("api",)),
    Metric("outdial_pace_given", "gauge", "Calls a second of those limits that outdials have as shares.", ("api",)),
    Metric("outdial_pace_wanted", "gauge", "Calls a second that outdials which ask for a share could use.", ("api",)),
    Metric("outdial_pace_waiting", "gauge", "Outdials that ask for a share of their customer's calls per second and have none.", ("api",)),
    Metric("outdial_partitions_owned", "gauge", "Partitions of the commands this process decides.", ("ledger",)),
    Metric("outdial_partition_opening_seconds", "histogram", "From being given a partition until it takes commands.", ("ledger",)),
    Metric(
        "outdial_replay_events_per_second",
        "gauge",
        "How fast the log was replayed when a ledger was opened last.",
        ("ledger",),
        ("partition",),
    ),
    Metric("outdial_decisions_total", "counter", "Commands decided, by type and result.", ("ledger",), ("type", "result")),
    Metric("outdial_rejections_total", "counter", "Commands refused, by reason.", ("ledger",), ("reason",)),
    Metric("outdial_events_appended_total", "counter", "Events appended to the log, by type.", ("ledger",), ("type",)),
    Metric("outdial_dial_requests_total", "counter", "Dial requests emitted, by the rule that made them.", ("ledger",), ("rule",)),
    Metric(
        "outdial_dial_results_total",
        "counter",
        "Attempts that ended, by outcome; lost: nobody said how.",
        ("ledger",),
        ("outcome", "lost"),
    ),
    Metric("outdial_schedule_lag_seconds", "histogram", "From falling due until the dial request.", ("ledger",)),
    Metric("outdial_transactions_total", "counter", "Transactions, committed or aborted.", ("ledger",), ("result",)),
    Metric("outdial_transaction_duration_seconds", "histogram", "From the first record of a transaction until its commit.", ("ledger",)),
    Metric("outdial_clock_offset_seconds", "gauge", "The clock of the broker less that of this ledger.", ("ledger",)),
    Metric("outdial_consumer_lag", "gauge", "Records of an own partition not yet taken.", ("ledger", "worker"), ("topic", "partition")),
    Metric("outdial_calls_total", "counter", "Dial requests taken by this worker, by what became of them.", ("worker",), ("result",)),
    Metric("outdial_calls_open", "gauge", "Calls this worker has going.", ("worker",)),
)
BY_NAME: Final[Mapping[str, Metric]] = {metric.name: metric for metric in METRICS}


class _Histogram:
    """Durations, counted into :data:`BUCKETS`."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class Meters:
    """The counts of one process. To be used from one thread; a name that stands in no list is a KeyError at once."""

    def __init__(self) -> None:
        self._counts: dict[str, defaultdict[Labels, float]] = {
            metric.name: defaultdict(float) for metric in METRICS if metric.type == "counter"
        }
        self._histograms: dict[str, defaultdict[Labels, _Histogram]] = {
            metric.name: defaultdict(_Histogram) for metric in METRICS if metric.type == "histogram"
        }
        self._readings: dict[str, Callable[[], Mapping[Labels, float]]] = {}

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        self._counts[name][labels] += by

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Add a duration to a histogram."""
        self._histograms[name][labels].observe(seconds)

    def read(self, name: str, reading: Callable[[], Mapping[Labels, float]]) -> None:
        """Ask ``reading`` for the values of a gauge, or of a counter kept elsewhere, whenever somebody asks here."""
        self._readings[BY_NAME[name].name] = reading

    def text(self) -> bytes:
        """Everything counted so far, in the text format of Prometheus; what was never counted is left out."""
        lines: list[str] = []
        for metric in METRICS:
            samples = self._samples(metric)
            if samples:
                lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.type}", *samples]
        return "".join(f"{line}\n" for line in lines).encode()

    def _samples(self, metric: Metric) -> list[str]:
        name = metric.name
        if metric.type == "histogram":
            return [line for labels, found in sorted(self._histograms[name].items()) for line in _spread(metric, labels, found)]
        values = self._readings[name]() if name in self._readings else self._counts.get(name, {})
        return [_line(name, metric.labels, labels, value) for labels, value in sorted(values.items())]


def _spread(metric: Metric, labels: Labels, found: _Histogram) -> list[str]:
    """The lines of one histogram: a bucket holds what is in the smaller ones too."""
    lines, so_far = [], 0
    for bound, count in zip((*map(_number, BUCKETS), "+Inf"), found.counts, strict=True):
        so_far += count
        lines.append(_line(f"{metric.name}_bucket", (*metric.labels, "le"), (*labels, bound), so_far))
    lines.append(_line(f"{metric.name}_sum", metric.labels, labels, found.total))
    lines.append(_line(f"{metric.name}_count", metric.labels, labels, so_far))
    return lines


def _line(name: str, names: Labels, values: Labels, value: float) -> str:
    """One sample. Fewer values than names leaves the last ones out, as where there is one partition only."""
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in zip(names, values, strict=False))
    return f"{name}{{{told}}} {_number(value)}" if told else f"{name} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
