"""Is a log right? An independent reading: it imports nothing of the program and knows the rules by itself.

It reads the rows of the SQLite file as JSON and folds them again, its own way. :func:`faults_of_log` says what is wrong with
the log itself; :func:`faults_of_memory` what is wrong between the log and those who used the service: what was
acknowledged to them, what they read, which calls they placed.
"""

import json
import sqlite3
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from faults.sparing import LATE_US, faults_of_sparing, requests_after
from oracle import allowed

SECOND = 1_000_000
MILLISECOND = 1_000
ENDLESS = 1 << 62

Event = dict[str, Any]


@dataclass
class Placed:
    """A call somebody placed. Instants are microseconds of the machine's clock."""

    attempt_id: str
    target_id: str
    worker: str
    begin: int
    end: int


@dataclass
class Memory:
    """What those who used the service remember."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    """Command id -> log position told, of commands answered with ``events``."""
    added: set[str] = field(default_factory=set)
    """Ids of targets whose adding was acknowledged."""
    read: dict[int, str] = field(default_factory=dict)
    """Log position -> attempt id of the dial requests read."""
    placed: list[Placed] = field(default_factory=list)
    listed: dict[str, int] = field(default_factory=dict)
    """Number -> log position told when it was acknowledged that it is on the list, for good."""


@dataclass
class Row:
    """A row of the log."""

    position: int
    stream: str
    sequence: int
    type: str
    time: int
    event: Event


def rows_of(database: Path) -> list[Row]:
    """The log, by position."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT position, stream, sequence, type, time, body FROM log ORDER BY position").fetchall()
    return [Row(position, stream, sequence, kind, time, json.loads(body)) for position, stream, sequence, kind, time, body in found]


def micros(text: str | int) -> int:
    """Microseconds since 1970 UTC of an instant, as text or as a number."""
    if isinstance(text, int):
        return text
    found = datetime.fromisoformat(text)
    return round(found.timestamp() * SECOND)


# --- the log ------------------------------------------------------------------------------------------


@dataclass
class Attempt:
    """An open attempt."""

    id: str
    index: int
    expires_at: int
    not_after: int
    answered: bool = False
    worker: str | None = None


@dataclass
class Person:
    """A target."""

    destinations: list[str | None]
    most: int | None
    since: int
    tries: list[int] = field(default_factory=lambda: [0] * 5)
    ordinal: int = 0
    waits_after_attempt: bool = False
    blocked: frozenset[int] = frozenset()
    """Destinations that are passed over. That they must be is :mod:`faults.sparing`'s to say."""
    asking: bool = False
    """Whether leave was asked for its next attempt and has not come."""
    not_dialed: int = 0
    ended: list[tuple[int, str]] = field(default_factory=list)
    """(destination, how it ended) of every try that was spent."""
    open: Attempt | None = None
    reached: bool = False
    """An attempt ended ``answered``."""
    finished: bool = False
    exhausted: bool = False
    end: int | None = None
    """When it may be dialed no more."""
    expired: bool = False
    deleted: bool = False
    lost: set[str] = field(default_factory=set)
    """The attempts without a word. One answered late finishes the target, also when others were made since."""

    @property
    def over(self) -> bool:
        """Whether nothing more is to come of it."""
        return self.finished or self.expired or self.deleted or (self.exhausted and not self.reached)


@dataclass
class List:
    """An outdial."""

    people: dict[str, Person] = field(default_factory=dict)
    plan: dict[str, Any] | None = None
    plan_version: int = 0
    running: bool = False
    planned: bool = False
    """Whether the run has a plan."""
    calls_only: bool = False
    deleted: bool = False
    recent: deque[int] = field(default_factory=deque)
    customer: str = ""
    shares: deque[tuple[int, int]] = field(default_factory=lambda: deque([(0, 0)]))
    """(since when, how much) of its customer's calls per second, those of the last second."""
    end: int | None = None
    """When it was stopped last."""

    def open_attempts(self) -> set[str]:
        """Ids of the open attempts."""
        return {person.open.id for person in self.people.values() if person.open is not None}


def faults_of_log(rows: list[Row], *, all_must_end: bool) -> list[str]:
    """Everything that is wrong with a log; nothing when it is right. ``all_must_end``: no target may be left over."""
    return [*faults_of_partition(rows, all_must_end=all_must_end), *faults_of_sparing([rows])]


def faults_of_partition(rows: list[Row], *, all_must_end: bool, at_rest: bool = False) -> list[str]:
    """What is wrong with a log that may be one of several: all but what they make together.

    ``all_must_end``: no target may be left over. ``at_rest``: all lists were stopped at the end, and whoever is left over was held.
    """
    found = list(_faults_of_form(rows))
    reading = Reading()
    for row in rows:
        try:
            found += [f"position {row.position}: {fault}" for fault in reading.take(row.event)]
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            found.append(f"position {row.position}: {row.type} makes no sense here ({error!r})")
    if all_must_end:
        found += reading.left_over()
    if at_rest:
        found += reading.waiting()
    return found


def parts_of(event_id: str) -> tuple[str, str, str]:
    """Kind, stream and sequence; the id of a stream may have parts of its own."""
    kind, _, rest = event_id.partition("/")
    stream, _, sequence = rest.rpartition("/")
    return kind, stream, sequence


def _faults_of_form(rows: list[Row]) -> Iterator[str]:
    """Positions, sequences, ids and times."""
    last: dict[tuple[str, str], int] = {}
    time = 0
    for place, row in enumerate(rows, 1):
        event = row.event
        if row.position != place:
            yield f"position {place} is missing: {row.position} stands in its place"
            return
        kind, stream, sequence = parts_of(event["id"])
        if (stream, int(sequence), event["type"]) != (row.stream, row.sequence, row.type) or event["subject"] != stream:
            yield f"position {place}: the row and its event differ"
        if event["sequence"] != row.sequence or row.sequence != last.get((kind, stream), 0) + 1:
            yield f"position {place}: sequence {row.sequence} of {kind} {stream} follows {last.get((kind, stream), 0)}"
        last[kind, stream] = row.sequence
        if micros(event["time"]) != row.time or row.time < time:
            yield f"position {place}: time goes back, or differs from its column"
        time = max(time, row.time)


class Reading:
    """The fold of a log, and every rule held against it event by event."""

    def __init__(self) -> None:
        self.lists: dict[str, List] = {}
        self.requested: set[str] = set()
        self.paced: dict[str, bool] = {}
        """Customers whose calls per second are shared."""

    def take(self, event: Event) -> Iterator[str]:
        """Fold one event; says what is wrong with it."""
        kind = event["id"].partition("/")[0]
        data, time = event["data"], micros(event["time"])
        if kind == "guard" and data.get("calls_per_second") is not None:
            self.paced[event["subject"].partition("/")[0]] = data["calls_per_second"] > 0
        if kind != "outdial":
            return
        name = event["type"]
        if name == "OutdialCreated":
            if event["subject"] in self.lists:
                yield "an outdial is created twice"
            self.lists[event["subject"]] = List(customer=data["customer_id"])
            return
        outdial = self.lists[event["subject"]]
        if name == "TargetAdded":
            yield from self._added(outdial, data, time)
        elif "target_id" in data:
            yield from self._of_person(name, outdial, outdial.people[data["target_id"]], data, time)
        else:
            yield from self._of_list(name, outdial, data, time)

    def _added(self, outdial: List, data: dict[str, Any], time: int) -> Iterator[str]:
        if data["target_id"] in outdial.people:
            yield "a target is added twice"
        destinations = [None if address is None else address["type"] for address in data["personal"]["destinations"]]
        end = None if data.get("expires_at") is None else micros(data["expires_at"])
        outdial.people[data["target_id"]] = Person(destinations, data.get("try_count_max"), time, end=end)

    def _of_list(self, name: str, outdial: List, data: dict[str, Any], time: int) -> Iterator[str]:
        match name:
            case "ShareAsked" | "ShareTaken" | "ShareReturned":
                outdial.shares.append((time, data["share"]))
            case "DialingStarted":
                if outdial.running or outdial.deleted:
                    yield "a run starts beside another, or on a deleted outdial"
                outdial.running, outdial.planned, outdial.end = True, False, None
                outdial.calls_only = data.get("campaign_type") == "call"
            case "PlanApplied":
                if data["version"] != outdial.plan_version + 1:
                    yield f"plan version {data['version']} follows {outdial.plan_version}"
                outdial.plan, outdial.plan_version, outdial.planned = data["plan"], data["version"], True
            case "DialingStopped" | "DialingFinished":
                if not outdial.running:
                    yield "a run ends that had not begun"
                if name == "DialingStopped":
                    listed, opened = set(data.get("open", ())), outdial.open_attempts()
                    if not listed <= opened or len(listed) + data.get("open_more", 0) != len(opened):
                        yield "a stop lists other attempts than are open"
                outdial.running = outdial.planned = False
                outdial.end = time
            case "OutdialDeleted":
                if outdial.running:
                    yield "an outdial is deleted while it runs"
                outdial.deleted = True
            case _:
                pass

    def _of_person(self, name: str, outdial: List, person: Person, data: dict[str, Any], time: int) -> Iterator[str]:
        match name:
            case "DialRequested":
                yield from self._requested(outdial, person, data, time)
            case "DialClaimed" | "DialAnswered" | "DialEnded":
                if person.open is None or person.open.id != data["attempt_id"]:
                    yield f"{name} of an attempt that is not open"
                else:
                    yield from self._of_attempt(name, outdial, person, person.open, data, time)
            case "TargetFinished":
                if person.open is not None or person.finished:
                    yield "a target is finished that is being dialed, or finished already"
                if not (data["attempt_id"] in person.lost if data.get("late") else person.reached):
                    yield "a target is finished that nobody reached"
                person.finished, person.exhausted = True, False
            case "TargetExpired":
                if person.open is not None or person.reached or person.end is None or time < person.end:
                    yield "a target is given up as too late that is being dialed, was reached, or has time left"
                person.expired = True
            case "TargetExhausted":
                if person.open is not None or person.reached or _next(outdial, person, whoever=True) is not None:
                    yield "a target is given up that is being dialed, was reached, or has tries left"
                person.exhausted = True
            case "TargetRevived":
                if not person.exhausted or _next(outdial, person, whoever=True) is None:
                    yield "a target comes back that was not out of tries, or has none"
                person.exhausted = False
            case "TargetReopened":
                if person.open is not None or person.deleted:
                    yield "a target is reopened that is being dialed, or deleted"
                person.reached = person.finished = person.exhausted = person.waits_after_attempt = False
                person.tries, person.since, person.not_dialed, person.ended = [0] * 5, time, 0, []
            case "TargetDeleted":
                if person.deleted:
                    yield "a target is deleted twice"
                person.deleted = True
            case _:
                yield from self._of_spared(name, person, data)

    def _of_spared(self, name: str, person: Person, data: dict[str, Any]) -> Iterator[str]:
        """What the customer's list and caps do to a target."""
        match name:
            case "TargetBlocked" | "TargetUnblocked":
                person.blocked = frozenset(data.get("destinations", ()))
            case "LeaveAsked":
                if person.open is not None or person.asking:
                    yield "leave is asked for a target that is being dialed, or twice"
                person.asking = True
            case "LeaveUnused":
                person.asking = False
            case "TargetDeferred" if data["reason"] == "try_interval":
                person.since, person.waits_after_attempt = micros(data["since"]), True
            case "TargetDeferred":
                person.asking, person.since, person.waits_after_attempt = False, micros(data["until"]), False
            case _:
                pass

    def _requested(self, outdial: List, person: Person, data: dict[str, Any], time: int) -> Iterator[str]:
        if data["attempt_id"] in self.requested:
            yield f"attempt {data['attempt_id']} is requested twice"
        self.requested.add(data["attempt_id"])
        if person.open is not None:
            yield "a second attempt beside an open one"
        if not (outdial.running and outdial.planned) or outdial.deleted:
            yield "a request after a stop, or without a plan"
        if person.deleted or person.finished or person.exhausted or person.reached:
            yield "a request for a target that is deleted or done"
        if person.end is not None and time >= person.end:
            yield "a request after the target's end"
        if data["ordinal"] != person.ordinal + 1:
            yield f"attempt {data['ordinal']} of a target follows {person.ordinal}"
        plan = outdial.plan or {}
        due = person.since + _wait(outdial, person, plan) * MILLISECOND
        if time < due or micros(data["due_at"]) != due:
            yield f"a request {due - time} us before it was due"
        index = _next(outdial, person)
        if index != data["destination_index"] or data["try_count"] != person.tries[data["destination_index"]] + 1:
            yield f"destination {data['destination_index']}, try {data['try_count']}: the plan has {index} next"
        if data["plan_version"] != outdial.plan_version:
            yield "a request by an old plan"
        most = plan.get("max_concurrent", 100)
        if most and len(outdial.open_attempts()) >= most:
            yield "more open attempts than the plan allows"
        rate = plan.get("calls_per_second")
        outdial.recent.append(time)
        while outdial.recent[0] <= time - SECOND:
            outdial.recent.popleft()
        if rate and len(outdial.recent) > rate:
            yield "more requests in a second than the plan allows"
        while len(outdial.shares) > 1 and outdial.shares[1][0] <= time - SECOND:
            outdial.shares.popleft()
        if self.paced.get(outdial.customer) and len(outdial.recent) > min(share for _, share in outdial.shares):
            yield "more requests in a second than the outdial's share"
        ring = plan.get("dial_timeout", 30_000) or 30_000
        not_after = time + plan.get("pickup_timeout", 60_000) * MILLISECOND
        if plan.get("windows"):
            if not allowed(plan["windows"], tuple(data.get("zones", ())), time):
                yield "a request outside the hours of the plan"
            not_after = min(not_after, micros(data["window_closes"]) - 1)
        expires_at = not_after + (ring + plan.get("result_grace", 600_000)) * MILLISECOND
        if (micros(data["not_after"]), micros(data["expires_at"]), data["dial_timeout"]) != (not_after, expires_at, ring):
            yield "not_after, expires_at or dial_timeout are not the plan's"
        person.open = Attempt(data["attempt_id"], data["destination_index"], expires_at, not_after)
        person.asking = False
        person.ordinal = data["ordinal"]
        person.tries[data["destination_index"]] += 1

    def _of_attempt(self, name: str, outdial: List, person: Person, attempt: Attempt, data: dict[str, Any], time: int) -> Iterator[str]:
        if name == "DialClaimed":
            if attempt.worker is not None or time > attempt.not_after or not outdial.running or person.deleted or outdial.deleted:
                yield "a claim of a claimed attempt, too late, or after a stop or a delete"
            attempt.worker = data["worker"]
            return
        if name == "DialAnswered":
            attempt.answered, attempt.expires_at = True, micros(data["expires_at"])
            return
        lost, back = data.get("lost", False), data.get("given_back", False)
        if lost and (time < attempt.expires_at or data["outcome"] != ("answered" if attempt.answered else "no_answer")):
            yield "an attempt is lost before its lease is over, or with another outcome"
        if back and data["outcome"] != "not_dialed":
            yield "a try is given back although a phone rang"
        if attempt.answered and data["outcome"] not in ("answered", "machine"):
            yield "an answered attempt ends as not answered"
        if data["ordinal"] != person.ordinal or data["destination_index"] != attempt.index:
            yield "an attempt ends with another number or destination than it began with"
        person.tries[attempt.index] -= back
        person.not_dialed = person.not_dialed + 1 if back else 0
        person.open, person.since, person.waits_after_attempt = None, time, True
        if lost:
            person.lost.add(data["attempt_id"])
        if not back:
            person.ended.append((attempt.index, data["outcome"]))
        person.reached = data["outcome"] == "answered"
        if data.get("call_back_at") is not None:
            person.reached, person.since, person.waits_after_attempt = False, micros(data["call_back_at"]), False

    def waiting(self) -> Iterator[str]:
        """Targets that waited for nothing when their list was stopped at last, or wait for leave that never came."""
        for outdial_id, outdial in self.lists.items():
            for target_id, person in outdial.people.items():
                if person.open is not None or person.asking:
                    yield f"target {target_id} of {outdial_id} is being dialed, or waits for leave, after all"
                elif not (person.over or person.exhausted or outdial.deleted) and outdial.end is not None:
                    due = person.since + _wait(outdial, person, outdial.plan or {}) * MILLISECOND
                    if _next(outdial, person) is not None and due < outdial.end - LATE_US:
                        yield f"target {target_id} of {outdial_id} waited {(outdial.end - due) / SECOND:.1f} s and nothing held it"

    def left_over(self) -> Iterator[str]:
        """Targets that came to no end."""
        for outdial_id, outdial in self.lists.items():
            for target_id, person in outdial.people.items():
                if person.open is not None:
                    yield f"an attempt on target {target_id} of {outdial_id} is still open"
                elif not (
                    person.finished or person.expired or (person.exhausted and not person.reached) or person.deleted or outdial.deleted
                ):
                    yield f"target {target_id} of {outdial_id} came to no end"


def _rule(plan: dict[str, Any], outcome: str) -> dict[str, Any]:
    """What the plan says of an outcome."""
    kind = outcome if outcome in ("machine", "busy", "no_answer", "failed", "answered") else "other"
    return (plan.get("result_policy") or {}).get(kind) or {}


def _wait(outdial: List, person: Person, plan: dict[str, Any]) -> int:
    """How long a target waits for its next attempt, milliseconds."""
    if not person.waits_after_attempt:
        return 0
    interval: int = plan.get("try_interval", 60_000)
    if not person.not_dialed:
        last, outcome = person.ended[-1]
        rule = _rule(plan, outcome)
        if rule.get("next_destination") and (_next(outdial, person) or 0) > last:
            return 0
        waits = rule.get("interval_ms") or [interval]
        times = sum(_rule(plan, one) is rule for _, one in person.ended) or 1
        return int(waits[:times][-1])
    backoff = 1_000
    for _ in range(person.not_dialed - 1):
        backoff *= 2
    return max(interval, min(backoff, 900_000))


def _next(outdial: List, person: Person, *, whoever: bool = False) -> int | None:
    """The destination that is next by the plan; None when no try is left. Knows the reading by destination only.

    ``whoever``: also those that are passed over.
    """
    plan = outdial.plan or {}
    spent = sum(person.tries)
    if spent >= min(person.most if person.most is not None else ENDLESS, plan.get("max_attempts") or ENDLESS):
        return None
    found = []
    for index, kind in enumerate(person.destinations):
        callable_ = kind in ("tel", "sip") if outdial.calls_only else kind is not None
        if index in person.blocked and not whoever:
            continue
        if callable_ and person.tries[index] < plan.get(f"max_try_count_{index}", 0) and not _is_spent(person, plan, index):
            found.append(index)
    last, outcome = person.ended[-1] if person.ended else (-1, "answered")
    later = [index for index in found if index > last] if _rule(plan, outcome).get("next_destination") else []
    return min(later or found, default=None)


def _is_spent(person: Person, plan: dict[str, Any], index: int) -> bool:
    """Whether a destination has had an outcome as often as the plan tries again after it."""
    rules = [_rule(plan, outcome) for where, outcome in person.ended if where == index]
    return any(rule.get("max_retries") is not None and sum(one is rule for one in rules) > rule["max_retries"] for rule in rules)


# --- the log and those who used it --------------------------------------------------------------------


def faults_of_memory(rows: list[Row], memory: Memory) -> list[str]:
    """What is wrong between a log and what those who used the service remember."""
    claims = {row.event["data"]["attempt_id"]: row.event["data"]["worker"] for row in rows if row.type == "DialClaimed"}
    return [*_faults_of_answers(rows, memory), *faults_of_calls(memory.placed, claims)]


def _faults_of_answers(rows: list[Row], memory: Memory) -> Iterator[str]:
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(row.event["causationid"], row.position)
    for command_id, position in memory.acknowledged.items():
        if first.get(command_id, ENDLESS) > position:
            yield f"command {command_id} was acknowledged at {position} and is not in the log by then"
    made = Counter(row.event["data"]["target_id"] for row in rows if row.type == "TargetAdded")
    for target_id in memory.added:
        if made[target_id] != 1:
            yield f"target {target_id} was acknowledged and is {made[target_id]} times in the log"
    requests = {row.position: row.event["data"]["attempt_id"] for row in rows if row.type == "DialRequested"}
    yield from requests_after(rows, memory.listed)
    if memory.read != requests:
        odd = sorted(set(memory.read.items()) ^ set(requests.items()))[:3]
        yield f"the dial requests read are not those in the log, beginning with {odd}"


def faults_of_calls(placed: list[Placed], claims: dict[str, str] | None) -> Iterator[str]:
    """What is wrong with calls; ``claims``: who was granted each attempt, None when nobody asks."""
    for attempt_id, times in Counter(call.attempt_id for call in placed).items():
        if times > 1:
            yield f"attempt {attempt_id} was placed {times} times"
    by_target: dict[str, list[Placed]] = {}
    for call in placed:
        if claims is not None and claims.get(call.attempt_id) != call.worker:
            yield f"attempt {call.attempt_id} was placed by {call.worker} and claimed by {claims.get(call.attempt_id)}"
        by_target.setdefault(call.target_id, []).append(call)
    for target_id, calls in by_target.items():
        calls.sort(key=lambda call: call.begin)
        for before, after in pairwise(calls):
            if before.end > after.begin:
                yield f"target {target_id} was on two calls at once: {before.attempt_id} and {after.attempt_id}"
