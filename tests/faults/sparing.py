"""Was somebody called more often than they may be, or although they are on a list? An independent reading of a log.

It knows addresses by their text and never by a fingerprint, and looks over all partitions, each of which obeys a word from
the event on in which it took note of it. Caps are taken as set once: while they change nobody can say which of the two held.
Who is held back must be on a list, and who is out already when a list grows must be named.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

SECOND = 1_000_000
MILLISECOND = 1_000
LATE_US = 10 * SECOND
"""How long it may take until somebody who is on no list any more is held back no longer."""


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
    gone: dict[str, list[tuple[int, Entry]]] = field(default_factory=lambda: defaultdict(list))
    """By customer, what was taken off, and when."""
    rules: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    open: dict[str, tuple[str, Address]] = field(default_factory=dict)
    """The outdial and the address of each open attempt."""
    blocked: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    """By outdial and target, the destinations that are passed over."""

    def holds(self, outdial_id: str, address: Address | None, time: int) -> bool:
        """Whether an address may not be called by an outdial at an instant."""
        listed = self.listed[self.customers.get(outdial_id, "")].values()
        return address is not None and any(entry.holds(address, outdial_id, time) for entry in listed)

    def held_lately(self, outdial_id: str, address: Address | None, time: int) -> bool:
        """Whether it may not, or might not a while ago."""
        gone = self.gone[self.customers.get(outdial_id, "")]
        lately = time - LATE_US
        return self.holds(outdial_id, address, lately) or (
            address is not None and any(at > lately and entry.holds(address, outdial_id, lately) for at, entry in gone)
        )


def faults_of_sparing(logs: Sequence[Sequence[Row]]) -> Iterator[str]:
    """Every request to somebody on a list, and every one too many within a window."""
    rows = [row for log in logs for row in log]
    texts = {entry["suppression_id"]: Address(said["type"], said["target"]) for entry, said in _said(rows)}
    calls: dict[tuple[str, Address], list[Call]] = defaultdict(list)
    for log in logs:
        partition = Partition()
        for row in log:
            yield from _taken(partition, row, texts, calls)
        yield from _held_for_ever(partition, log[-1].time if log else 0)
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
            yield from _unnamed(partition, row, _noted(partition, row, texts))
        case "DialRequested":
            customer, address = partition.customers.get(row.stream, ""), _reached(partition.destinations, row)
            if address is None:
                return
            partition.open[data["attempt_id"]] = row.stream, address
            if partition.holds(row.stream, address, row.time):
                yield f"attempt {data['attempt_id']} was requested although its address is on the list"
            if rules := partition.rules.get(customer, ()):
                calls[customer, address].append(Call(row.time, data["attempt_id"], rules))
        case "DialClaimed":
            _, address = partition.open.get(data["attempt_id"], ("", None))
            if partition.holds(row.stream, address, row.time):
                yield f"attempt {data['attempt_id']} was granted although its address is on the list"
        case "DialEnded":
            partition.open.pop(data["attempt_id"], None)
        case "TargetBlocked" | "TargetUnblocked":
            yield from _passed_over(partition, row)
        case "TargetDeleted":
            partition.blocked.pop((row.stream, data["target_id"]), None)
        case _:
            pass


def _passed_over(partition: Partition, row: Row) -> Iterator[str]:
    """The destinations that are passed over from here on are those on the list."""
    place = row.stream, row.event["data"]["target_id"]
    told = tuple(row.event["data"].get("destinations", ()))
    found = [index for index, one in enumerate(partition.destinations.get(place, ())) if partition.holds(row.stream, one, row.time)]
    if sorted(told) != found:
        yield f"target {place[1]} of {row.stream}: destinations {[*told]} are held back, and {found} are on the list"
    partition.blocked[place] = told


def _held_for_ever(partition: Partition, end: int) -> Iterator[str]:
    """Nobody is held back at the end who has been on no list for a while."""
    for (outdial_id, target_id), told in partition.blocked.items():
        destinations = partition.destinations.get((outdial_id, target_id), [])
        for index in told:
            if not any(partition.held_lately(outdial_id, address, end) for address in destinations[index : index + 1]):
                yield f"target {target_id} of {outdial_id}: destination {index} is held back, and has been on no list for a while"


def _unnamed(partition: Partition, row: Row, added: Sequence[Entry]) -> Iterator[str]:
    """What is out already to somebody who is put on a list is named, or at least counted."""
    data, customer = row.event["data"], row.stream.partition("/")[0]
    theirs = {attempt: place for attempt, place in partition.open.items() if partition.customers.get(place[0]) == customer}
    wanted = {
        attempt
        for attempt, (outdial_id, address) in theirs.items()
        if any(entry._replace(end=None).holds(address, outdial_id, row.time) for entry in added)
    }
    named, more = set(data.get("open", ())), data.get("open_more", 0)
    if not named <= theirs.keys() or len(wanted - named) > more:
        yield f"{row.event['id']} names {len(named)} open attempts and {more} more, and {len(wanted)} are open to those it adds"


def _noted(partition: Partition, row: Row, texts: dict[str, Address]) -> list[Entry]:
    """Obey a word from here on; the entries it adds."""
    data, customer = row.event["data"], row.stream.partition("/")[0]
    for entry in data["removed"]:
        if (before := partition.listed[customer].pop(entry["suppression_id"], None)) is not None:
            partition.gone[customer].append((row.time, before))
    added = {entry["suppression_id"]: _entry(entry, texts) for entry in data["added"] if entry["suppression_id"] in texts}
    partition.listed[customer] |= added
    if (caps := data.get("caps")) is not None:
        gap = [(1, caps["min_gap_ms"])] if caps.get("min_gap_ms") else []
        found_rules = [*((rule["count"], rule["per_ms"]) for rule in caps["rules"]), *gap]
        partition.rules[customer] = tuple((count, per_ms * MILLISECOND) for count, per_ms in found_rules)
    return [*added.values()]


def _entry(told: dict[str, Any], texts: dict[str, Address]) -> Entry:
    end = None if told.get("expires_at") is None else round(datetime.fromisoformat(told["expires_at"]).timestamp() * SECOND)
    return Entry(texts[told["suppression_id"]], told.get("prefix_length") is not None, told.get("outdial_id"), end)


def faults_of_words(logs: Sequence[Sequence[Row]]) -> Iterator[str]:
    """At the end, when every word has arrived, each partition obeys what the list of each customer says."""
    rows = [row for log in logs for row in log]
    texts = {entry["suppression_id"]: Address(said["type"], said["target"]) for entry, said in _said(rows)}
    end = max((row.time for row in rows), default=0)
    lists: dict[str, dict[str, Entry]] = defaultdict(dict)
    obeyed = [Partition() for _ in logs]
    for log, partition in zip(logs, obeyed, strict=True):
        for row in log:
            if row.type == "SuppressionApplied":
                _noted(partition, row, texts)
            elif row.type == "SuppressionsAdded":
                lists[row.stream] |= {entry["suppression_id"]: _entry(entry, texts) for entry in row.event["data"]["entries"]}
            elif row.type == "SuppressionsRemoved":
                for entry in row.event["data"]["entries"]:
                    lists[row.stream].pop(entry["suppression_id"], None)
    for customer, wanted in lists.items():
        for number, partition in enumerate(obeyed):
            if odd := len(_in_force(wanted, end) ^ _in_force(partition.listed[customer], end)):
                yield f"partition {number} obeys another list than that of {customer}: {odd} entries differ"


def _in_force(entries: dict[str, Entry], time: int) -> set[tuple[str, Entry]]:
    return {(name, entry) for name, entry in entries.items() if entry.end is None or entry.end > time}


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
