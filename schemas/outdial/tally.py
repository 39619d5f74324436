"""What one transaction decides, counted beside it: the meters are told once it is committed."""

from collections import Counter
from collections.abc import Iterable

from outdial.envelope import Event
from outdial.events import DialEnded, DialRequested, EventData
from outdial.metrics import Meters
from outdial.scalars import SECOND_US


class Tally:
    """The counts of one transaction, by metric and labels."""

    __slots__ = ("_counts", "_events", "_late")

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._events: Counter[type[EventData]] = Counter()
        self._late: list[float] = []
        """Of the dial requests, since they fell due, seconds."""

    def decided(self, command_type: str, result: str) -> None:
        """A command was decided."""
        self._counts["outdial_decisions_total", command_type, result] += 1

    def refused(self, reason: str) -> None:
        """What somebody sent was refused."""
        self._counts["outdial_rejections_total", reason] += 1

    def appended(self, events: Iterable[Event]) -> None:
        """Events are part of it."""
        for event in events:
            data = event.data
            self._events[type(data)] += 1
            if type(data) is DialRequested:
                self._counts["outdial_dial_requests_total", data.rule] += 1
                self._late.append((event.time - data.due_at) / SECOND_US)
            elif type(data) is DialEnded:
                self._counts["outdial_dial_results_total", data.outcome, str(data.lost).lower()] += 1

    def committed(self, meters: Meters, seconds: float) -> None:
        """It was committed, and that took so long."""
        meters.count("outdial_transactions_total", "committed")
        meters.observe("outdial_transaction_duration_seconds", seconds)
        self.tell(meters)

    def tell(self, meters: Meters) -> None:
        """Tell the meters what was decided."""
        for kind, times in self._events.items():
            meters.count("outdial_events_appended_total", kind.__name__, by=times)
        for (name, *labels), times in self._counts.items():
            meters.count(name, *labels, by=times)
        for late in self._late:
            meters.observe("outdial_schedule_lag_seconds", late)
