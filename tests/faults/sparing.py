"""Was somebody called more often than they may be, or although they are on a list? An independent reading of a log.

It knows addresses by their text and never by a fingerprint, and looks over all partitions, each of which obeys a word from
the event on in which it took note of it. Caps are taken as set once: while they change nobody can say which of the two held.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

SECOND = 1_000_000
MILLISECOND = 1_000


class Row(Protocol):
    """A row of the log."""

    stream: str
    type: str
    time: int
    event: dict[str, Any]


class Address(NamedTuple):
    """Whom a destination reaches."""

    type: str
    target: str


class Entry(NamedTuple):
    """Who is on a list."""

    whom: Address
    is_prefix: bool
    outdial_id: str | None
    end: int | None

    def holds(self, address: Address, outdial_id: str, time: int) -> bool:
        """Whether that address may not be called by that outdial at an instant."""
        whom = self.whom
        same = address.target.startswith(whom.target) if self.is_prefix else address.target == whom.target
        return same and address.type == whom.type and self.outdial_id in (None, outdial_id) and (self.end is None or time < self.end)


class Call(NamedTuple):
    """A request to an address while it had caps."""

    time: int
    attempt_id: str
    rules: tuple[tuple[int, int], ...]
    """(at most so many, within so many microseconds)."""


@dataclass
class Partition:
    """What one partition took note of."""

    customers: dict[str, str] = field(default_factory=dict)
    """By outdial."""
    destinations: dict[tuple[str, str], list[Address | None]] = field(default_factory=dict)
    """By outdial and target."""
    listed: dict[str, dict[str, Entry]] = field(default_factory=lambda: defaultdict(dict))
    """By customer and entry."""
    rules: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)


def faults_of_sparing(logs: Sequence[Sequence[Row]]) -> Iterator[str]:
    """Every request to somebody on a list, and every one too many within a window."""
    rows = [row for log in logs for row in log]
    texts = {entry["suppression_id"]: Address(said["type"], said["target"]) for entry, said in _said(rows)}
    calls: dict[tuple[str, Address], list[Call]] = defaultdict(list)
    for log in logs:
        partition = Partition()
        for row in log:
            yield from _taken(partition, row, texts, calls)
    ended = [row.event["data"] for row in rows if row.type == "DialEnded"]
    returned = {data["attempt_id"] for data in ended if data.get("given_back")}
    for made in calls.values():
        yield from _too_often(sorted(call for call in made if call.attempt_id not in returned))


def requests_after(rows: Sequence[Any], listed: dict[str, int]) -> Iterator[str]:
    """Requests that stand behind the position at which it was acknowledged that somebody is not to be called."""
    destinations: dict[tuple[str, str], list[Address | None]] = {}
    for row in rows:
        data = row.event["data"]
        if row.type == "TargetAdded":
            destinations[row.stream, data["target_id"]] = _destinations(data)
        elif row.type == "DialRequested":
            address = _reached(destinations, row)
            if address is not None and row.position > listed.get(address.target, row.position):
                yield f"attempt {data['attempt_id']} was requested after it was acknowledged that its address is on the list"


def _said(rows: Sequence[Row]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for row in rows:
        if row.type == "SuppressionsAdded":
            data = row.event["data"]
            yield from zip(data["entries"], data["personal"]["addresses"], strict=True)


def _taken(partition: Partition, row: Row, texts: dict[str, Address], calls: dict[tuple[str, Address], list[Call]]) -> Iterator[str]:
    data = row.event["data"]
    match row.type:
        case "OutdialCreated":
            partition.customers[row.stream] = data["customer_id"]
        case "TargetAdded":
            partition.destinations[row.stream, data["target_id"]] = _destinations(data)
        case "SuppressionApplied":
            _noted(partition, row.stream.partition("/")[0], data, texts)
        case "DialRequested":
            customer, address = partition.customers.get(row.stream, ""), _reached(partition.destinations, row)
            if address is None:
                return
            if any(entry.holds(address, row.stream, row.time) for entry in partition.listed[customer].values()):
                yield f"attempt {data['attempt_id']} was requested although its address is on the list"
            if rules := partition.rules.get(customer, ()):
                calls[customer, address].append(Call(row.time, data["attempt_id"], rules))
        case _:
            pass


def _noted(partition: Partition, customer: str, data: dict[str, Any], texts: dict[str, Address]) -> None:
    for entry in data["removed"]:
        partition.listed[customer].pop(entry["suppression_id"], None)
    for entry in data["added"]:
        whom = texts.get(entry["suppression_id"])
        if whom is not None:
            end = None if entry.get("expires_at") is None else round(datetime.fromisoformat(entry["expires_at"]).timestamp() * SECOND)
            found = Entry(whom, entry.get("prefix_length") is not None, entry.get("outdial_id"), end)
            partition.listed[customer][entry["suppression_id"]] = found
    if (caps := data.get("caps")) is not None:
        gap = [(1, caps["min_gap_ms"])] if caps.get("min_gap_ms") else []
        found_rules = [*((rule["count"], rule["per_ms"]) for rule in caps["rules"]), *gap]
        partition.rules[customer] = tuple((count, per_ms * MILLISECOND) for count, per_ms in found_rules)


def _destinations(data: dict[str, Any]) -> list[Address | None]:
    return [None if said is None else Address(said["type"], said["target"]) for said in data["personal"]["destinations"]]


def _reached(destinations: dict[tuple[str, str], list[Address | None]], row: Row) -> Address | None:
    """Whom a request is to. That it is to somebody who was added is for others to see."""
    found = destinations.get((row.stream, row.event["data"]["target_id"]), [])
    return next(iter(found[row.event["data"]["destination_index"] :]), None)


def _too_often(calls: list[Call]) -> Iterator[str]:
    """Of the calls to one address, in order, those with more others before them than a rule allows."""
    for place, call in enumerate(calls):
        for count, window in call.rules:
            if place >= count and calls[place - count].time > call.time - window:
                yield f"attempt {call.attempt_id} is one too many to its address: {count} are allowed within {window / SECOND:g} s"
