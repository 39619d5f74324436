"""Are the topics of a ledger right? An independent reading: it imports nothing of the program and knows the rules by itself.

What a partition of the log says is held against the same rules as the log of one file (:mod:`faults.checker`). On top
come the rules between topics: requests and the events they were made from, commands and what became of them, how far
each event says the commands were read, and the calls that were placed.
"""

import json
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from faults.chaos.reading import Rec, RecordPlace, Topics
from faults.checker import MILLISECOND, SECOND, Placed, Row, faults_of_calls, faults_of_partition, micros, parts_of
from faults.sparing import faults_of_sparing, faults_of_words

LATE_US = 10 * SECOND
"""How much longer than its lease an attempt may be open, while somebody could have ended it."""
SAME = ("attempt_id", "target_id", "destination_index", "try_count", "plan_version", "not_after", "expires_at", "dial_timeout")
"""What a dial request repeats of its event."""

Outage = tuple[int, int]
"""Begin and end of a time in which nobody may have been there to decide, microseconds."""


class Spared(NamedTuple):
    """Somebody who must not be called, for a while.

    It begins when the answer to the command was read, and ends before anybody asked for something else.
    """

    customer: str
    target: str
    """A number, or the beginning of one."""
    outdial_id: str | None
    """None: in all of them."""
    since: int
    """Microseconds."""
    until: int


@dataclass
class Remembered:
    """What those who used the ledger remember."""

    delivered: Counter[str] = field(default_factory=Counter)
    """Command id -> how often the broker said that it has it."""
    placed: list[Placed] = field(default_factory=list)
    seen: dict[tuple[str, int, int], int] = field(default_factory=dict)
    """(topic, partition, offset) -> hash of the value, of every record an earlier reader was shown."""
    outages: list[Outage] = field(default_factory=list)
    answered: bool = True
    """Whether every command asked for an answer."""
    positions: bool = True
    """Whether events say how far the commands were read. Peers need no such word: their runtime keeps it."""
    claimed: bool = False
    """Whether calls were claimed before they were placed."""
    spared: list[Spared] = field(default_factory=list)
    """Who was on a list by an answer, and from when to when that was sure."""
    caps: tuple[tuple[int, int], ...] = ()
    """(at most so many, within so many microseconds) calls to one address of one customer, from the first call on."""
    pickup_us: int = 0
    """How long after its request a call may begin at the latest."""


def murmur2(key: bytes) -> int:
    """The hash of Kafka's default partitioner."""
    mask, magic = 0xFFFFFFFF, 0x5BD1E995
    found = 0x9747B28C ^ len(key)
    whole = len(key) // 4 * 4
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * magic & mask
        word = (word ^ (word >> 24)) * magic & mask
        found = (found * magic & mask) ^ word
    if rest := key[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * magic & mask
    found = (found ^ (found >> 13)) * magic & mask
    return (found ^ (found >> 15)) & 0x7FFFFFFF


def rows_of(records: list[Rec]) -> list[Row]:
    """A partition of the log as rows, numbered from 1; notes of a position are left out."""
    rows: list[Row] = []
    for record in records:
        if record.key is not None:
            event = json.loads(record.value)
            _, stream, sequence = parts_of(event["id"])
            rows.append(Row(len(rows) + 1, stream, int(sequence), event["type"], micros(event["time"]), event))
    return rows


def faults_of(topics: Topics, memory: Remembered, *, all_must_end: bool = True, at_rest: bool = False) -> list[str]:
    """Everything that is wrong; nothing when all is right.

    ``all_must_end``: no target may be left over. ``at_rest``: all was answered and stopped, and whoever is left over was held.
    """
    found: list[str] = []
    logs = [rows_of(records) for records in topics.records["events"]]
    for number, rows in enumerate(logs):
        found += [f"partition {number}, {fault}" for fault in faults_of_partition(rows, all_must_end=all_must_end, at_rest=at_rest)]
        found += [f"partition {number}, {fault}" for fault in _overdue(rows, memory.outages)]
    rows = [row for log in logs for row in log]
    found += _faults_of_places(topics)
    found += faults_of_sparing(logs)
    found += faults_of_words(logs) if at_rest else ()
    found += _faults_of_the_spared(topics, memory)
    found += _faults_of_ids(rows)
    found += _faults_of_attempts(rows)
    found += _faults_of_inputs(topics) if memory.positions else ()
    found += _faults_of_requests(topics, rows)
    found += _faults_of_commands(topics, rows, memory)
    found += _faults_of_readers(topics, memory)
    found += _faults_of_named(topics, rows)
    claims = {row.event["data"]["attempt_id"]: row.event["data"]["worker"] for row in rows if row.type == "DialClaimed"}
    requested = {row.event["data"]["attempt_id"] for row in rows if row.type == "DialRequested"}
    found += faults_of_calls(memory.placed, claims if memory.claimed else None)
    found += [f"attempt {call.attempt_id} was placed and never requested" for call in memory.placed if call.attempt_id not in requested]
    return found


def _faults_of_places(topics: Topics) -> Iterator[str]:
    """Records stand where their key says, their topics are not blocked, and the broker had them no sooner than they were due."""
    for record in topics.of("events"):
        if record.key is not None and _home(record.key, topics.partitions) != record.partition:
            yield f"{_place(record)} stands on a wrong partition"
    homes: dict[bytes | None, int] = {}
    for record in topics.of("dial-requests"):
        if homes.setdefault(record.key, record.partition) != record.partition:
            yield f"{_place(record)} stands on a wrong partition: another request for this target on {homes[record.key]}"
    for (name, number), (stable, high) in topics.ends.items():
        if stable < high:
            yield f"a transaction is open in {name}/{number} at {stable} of {high}"
    for record in topics.of("events"):
        if record.key is None:
            continue
        event = json.loads(record.value)
        if event["subject"].encode() != record.key:
            yield f"{_place(record)} has the key of another stream"
        if event["type"] == "DialRequested" and record.timestamp < micros(event["data"]["due_at"]) // MILLISECOND:
            yield f"{_place(record)}: the broker had a request before it was due"


def _home(key: bytes, partitions: int) -> int:
    """Where a stream stands: by its id, or, what one partition knows of a customer, by the number after it."""
    _, _, number = key.partition(b"/")
    return int(number) if number else murmur2(key) % partitions


def _faults_of_ids(rows: list[Row]) -> Iterator[str]:
    """What an effect is called is derived from what it is of, so that a repeat can be told."""
    for row in rows:
        data = row.event["data"]
        if row.type == "DialRequested":
            derived = str(uuid5(UUID(row.stream), f"{data['target_id']}/{data['ordinal']}"))
            if data["attempt_id"] != derived:
                yield f"attempt {data['attempt_id']} has an id of its own: {derived} is derived"


def _faults_of_attempts(rows: list[Row]) -> Iterator[str]:
    """Attempts of a target are numbered from 1, wherever they stand."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        if row.type == "DialRequested":
            numbers.setdefault((row.stream, row.event["data"]["target_id"]), []).append(row.event["data"]["ordinal"])
    for (outdial_id, target_id), found in numbers.items():
        if found != list(range(1, len(found) + 1)):
            yield f"the attempts of target {target_id} of {outdial_id} are numbered {found}"


def _faults_of_inputs(topics: Topics) -> Iterator[str]:
    """How far the commands were read never goes back, and came to their end."""
    for number, records in enumerate(topics.records["events"]):
        marks = [(record, int(record.headers["input"])) for record in records if "input" in record.headers]
        yield from (f"{_place(record)} does not say how far the commands were read" for record in records if "input" not in record.headers)
        for (_, before), (record, after) in pairwise(marks):
            if after < before:
                yield f"{_place(record)}: the commands were read up to {before}, then up to {after}"
        commands = topics.records["commands"][number]
        last = commands[-1].offset + 1 if commands else 0
        if (marks[-1][1] if marks else 0) < last:
            yield f"commands/{number} were read up to {marks[-1][1] if marks else 0}, and the last is {last - 1}"


def _faults_of_requests(topics: Topics, rows: list[Row]) -> Iterator[str]:
    """Every DialRequested has its request, once, which says the same; and the other way round. But what a broker tore off has no twin."""
    alone = {_json(record)["id"] for record in topics.of("events") if _offset(record) in topics.torn}
    events = {row.event["id"]: row.event for row in rows if row.type == "DialRequested" and row.event["id"] not in alone}
    requests: Counter[str] = Counter()
    for record in topics.of("dial-requests"):
        if _offset(record) in topics.torn:
            continue
        request: dict[str, Any] = json.loads(record.value)
        requests[request["event_id"]] += 1
        event = events.get(request["event_id"])
        if event is None:
            yield f"{_place(record)} was made from no event: {request['event_id']}"
            continue
        if record.key != request["target_id"].encode() or request["outdial_id"] != event["subject"]:
            yield f"{_place(record)} has the key of another target, or is of another outdial"
        if odd := [name for name in SAME if request[name] != event["data"][name]]:
            yield f"{_place(record)} differs from its event in {', '.join(odd)}"
    for event_id in events:
        if requests[event_id] != 1:
            yield f"{event_id} has {requests[event_id]} dial requests"


def _faults_of_commands(topics: Topics, rows: list[Row], memory: Remembered) -> Iterator[str]:
    """Every command the broker took has had its effect, or its refusal, as often as it was sent."""
    caused: dict[str, str] = {}
    for row in rows:
        caused.setdefault(row.event["causationid"], row.type)
    refused = [json.loads(record.value) for record in topics.of("rejections")]
    for place, times in Counter((refusal["partition"], refusal["offset"]) for refusal in refused).items():
        if times > 1:
            yield f"the command at {place} was refused {times} times"
    ids = {refusal.get("command_id") for refusal in refused}
    told: dict[str, list[str]] = {}
    for record in topics.of("answers"):
        answer = json.loads(record.value)
        if answer["command_id"] == answer["root_id"]:
            told.setdefault(answer["command_id"], []).append(answer["result"])
    for command_id, times in memory.delivered.items():
        results = told.get(command_id, [])
        if memory.answered and len(results) != times:
            yield f"command {command_id} was sent {times} times and answered {len(results)} times"
        if ("events" in results) > (command_id in caused):
            yield f"command {command_id} was carried out by its answer, and not by the log"
        if ("rejected" in results) > (command_id in ids):
            yield f"command {command_id} was refused by its answer, and stands not among the rejections"
    if not memory.answered:
        yield from _without_effect(topics, caused, ids)
    singles = {command["id"] for command in map(_json, topics.of("commands")) if command.get("type") == "AddTarget" and "id" in command}
    added = Counter(row.event["causationid"] for row in rows if row.type == "TargetAdded" and row.event["causationid"] in singles)
    yield from (f"command {command_id} added {times} targets" for command_id, times in added.items() if times > 1)


def _without_effect(topics: Topics, caused: Mapping[str, str], refused: Container[str]) -> Iterator[str]:
    """Targets that were asked for and neither added nor refused, where no answer tells what became of a command."""
    for command in map(_json, topics.of("commands")):
        if command.get("type") == "AddTarget" and "id" in command and command["id"] not in caused and command["id"] not in refused:
            yield f"command {command['id']} was taken and had no effect"


def _faults_of_the_spared(topics: Topics, memory: Remembered) -> Iterator[str]:
    """Nobody was requested or granted after it was answered that they are on a list; no address was called beyond its caps.

    Requests are held by the broker's clock: what it had before the answer was read may have been decided before.
    """
    customers: dict[str, str] = {}
    numbers: dict[tuple[str, str], list[str]] = {}
    reached: dict[str, tuple[str, str, str]] = {}
    listed: dict[tuple[str, str], list[Spared]] = {}
    for spared in memory.spared:
        listed.setdefault((spared.customer, spared.target), []).append(spared)
    for record in topics.of("events"):
        event = _json(record)
        name, data, outdial_id = event.get("type"), event.get("data", {}), event.get("subject", "")
        if name == "OutdialCreated":
            customers[outdial_id] = data["customer_id"]
        elif name == "TargetAdded":
            numbers[outdial_id, data["target_id"]] = [(said or {}).get("target", "") for said in data["personal"]["destinations"]]
        elif name == "DialRequested":
            found = numbers.get((outdial_id, data["target_id"]), [])[data["destination_index"] :]
            reached[data["attempt_id"]] = customers.get(outdial_id, ""), outdial_id, next(iter(found), "")
        if name in ("DialRequested", "DialClaimed") and _is_spared(listed, reached.get(data["attempt_id"]), record.timestamp):
            yield f"{_place(record)}: {name} of {data['attempt_id']}, after the answer that its address is on the list"
    begun: dict[tuple[str, str], list[int]] = {}
    for call in memory.placed:
        customer, _, number = reached.get(call.attempt_id, ("", "", call.attempt_id))
        begun.setdefault((customer, number), []).append(call.begin)
    for calls in map(sorted, begun.values()):
        for count, window in memory.caps:
            if any(last - first <= window - memory.pickup_us for first, last in zip(calls, calls[count:], strict=False)):
                yield f"an address was called more than {count} times within {window / SECOND:g} s"


def _faults_of_named(topics: Topics, rows: list[Row]) -> Iterator[str]:
    """Who asked is told of the open attempts that were written down with what was asked.

    Who asks again while the list has gone on is told anew, by another event of the same command: others may be open by then.
    """
    named: dict[str, list[list[str]]] = {}
    for row in rows:
        if row.type == "SuppressionApplied":
            named.setdefault(row.event["causationid"], []).append(row.event["data"].get("open", []))
    for answer in map(_json, topics.of("answers")):
        if answer["result"] == "events" and answer["command_id"] in named and answer.get("open", []) not in named[answer["command_id"]]:
            yield f"the answer to {answer['command_id']} names other open attempts than its event"


def _is_spared(listed: Mapping[tuple[str, str], list[Spared]], reached: tuple[str, str, str] | None, milliseconds: int) -> bool:
    """Whether a number, or a beginning of it, was surely on a list at an instant of the broker's clock."""
    if reached is None:
        return False
    customer, outdial_id, number = reached
    return any(
        spared.outdial_id in (None, outdial_id) and spared.since // MILLISECOND < milliseconds < spared.until // MILLISECOND
        for length in range(1, len(number) + 1)
        for spared in listed.get((customer, number[:length]), ())
    )


def _faults_of_readers(topics: Topics, memory: Remembered) -> Iterator[str]:
    """Who read earlier was shown what is there now."""
    now = {
        (name, record.partition, record.offset): hash(record.value)
        for name in {name for name, _, _ in memory.seen}
        for record in topics.of(name)
    }
    for place, value in memory.seen.items():
        if now.get(place) != value:
            yield f"an earlier reader was shown another record at {place}"
    if memory.seen:
        yield from (f"an earlier reader was not shown {place}" for place in now.keys() - memory.seen.keys())


def _overdue(rows: list[Row], outages: list[Outage]) -> Iterator[str]:
    """No attempt is open for longer than its lease and a little, unless nobody was there to end it."""
    leases: dict[str, int] = {}
    for row in rows:
        data = row.event["data"]
        if row.type in ("DialRequested", "DialAnswered"):
            leases[data["attempt_id"]] = micros(data["expires_at"])
        elif row.type == "DialEnded":
            end = leases.pop(data["attempt_id"], row.time)
            away = sum(max(0, min(until, row.time) - max(since, end)) for since, until in outages)
            if row.time - end - away > LATE_US:
                yield f"attempt {data['attempt_id']} was open {(row.time - end) / SECOND:.1f} s beyond its lease"


def _json(record: Rec) -> dict[str, Any]:
    """A record as an object; nothing where it is none."""
    try:
        found = json.loads(record.value)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _offset(record: Rec) -> RecordPlace:
    return record.topic, record.partition, record.offset


def _place(record: Rec) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
