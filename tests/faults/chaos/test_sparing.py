"""Who checks the checker of whom to spare: it finds nothing wrong with right topics of several partitions, and all that is damaged."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final, NamedTuple

import pytest

from faults.chaos.asking import DAY_MS, ENDLESS
from faults.chaos.checker import Remembered, Spared, _faults_of_named, faults_of, murmur2
from faults.chaos.reading import NAMES, Rec, Topics
from faults.checker import Placed
from outdial.address import Address
from outdial.commands import AddTarget, ClaimDial, Command, CreateOutdial, DialResult, PartitionCommand, StopDialing
from outdial.dialing.ledger import Effects
from outdial.plan import Plan
from outdial.wire import encode_event
from partitions import PARTITIONS, Partitions
from saying import US, allow, caps, suppress
from sim import HOUR, SECOND, an_id

Damage = Callable[[Topics, Remembered], object]
PLAN: Final = Plan(max_try_count_0=3, try_interval=1_000)
MILLISECOND: Final = 1_000


def number(which: int) -> str:
    return f"+1555000000{which}"


def entry(which: int) -> dict[str, Any]:
    return {"address": Address(type="tel", target=number(which))}


class Written(Partitions):
    """Ledgers whose words arrive at once, and the topics they would have written."""

    def __init__(self) -> None:
        super().__init__()
        self.topics = Topics(PARTITIONS, {name: [[] for _ in range(PARTITIONS)] for name in NAMES})
        self.memory = Remembered(positions=False, claimed=True, caps=((2, HOUR),), pickup_us=PLAN.pickup_timeout * MILLISECOND)
        self.open: dict[str, dict[str, Any]] = {}
        """What was requested and has not ended, by attempt."""

    def place(self, stream: str) -> int:
        return murmur2(stream.encode()) % PARTITIONS

    def send(self, command: Command) -> None:
        """A command of the customer, and all that follows from it."""
        given = {"id": an_id(f"command {sum(map(len, self.topics.records['answers']))}"), "customer_id": US}
        self.decide(self.place(command.stream), command.model_copy(update=given), internal=False)

    def decide(self, number: int, command: Command, *, internal: bool) -> None:
        effects = self.ledgers[number].decide(command, self.now, internal=internal)
        assert effects.decision.refused is None, effects.decision.refused
        told = {"root_id": effects.command_id, "command_id": effects.command_id, "result": effects.result, "open": effects.answer.open}
        self.write("answers", number, effects.command_id, json.dumps(told).encode())
        self.note(number, effects)
        self.tell(effects)

    def note(self, number: int, effects: Effects) -> None:
        for event in effects.events:
            self.write("events", number, event.stream, encode_event(event))
        for target_id, body in effects.requests:
            self.write("dial-requests", number, target_id, body)
            request = json.loads(body)
            self.open[request["attempt_id"]] = {name: request[name] for name in ("outdial_id", "target_id", "attempt_id")}

    def tell(self, effects: Effects) -> None:
        for one in effects.follow_ups:
            command = one.command
            there = command.partition if isinstance(command, PartitionCommand) else self.place(command.stream)
            self.decide(there, command, internal=True)

    def write(self, name: str, partition: int, key: str, value: bytes) -> None:
        found = self.topics.records[name][partition]
        found.append(Rec(name, partition, len(found), self.now // MILLISECOND, key.encode(), value, {}))

    def pass_by(self, microseconds: int) -> None:
        """Let time pass, and what is due happen."""
        self.now += microseconds
        for partition in range(PARTITIONS):
            for done in self.due(partition):
                for effects in done:
                    self.note(partition, effects)
                for effects in done:
                    self.tell(effects)

    def call(self, *, claim: bool = True) -> None:
        """Place all calls that are wanted; nobody answers."""
        for word in [*self.open.values()]:
            if claim:
                self.send(ClaimDial(**word, worker="w"))
                self.memory.placed.append(Placed(word["attempt_id"], word["target_id"], "w", self.now, self.now))
            self.send(DialResult(**word, outcome="busy"))
            del self.open[word["attempt_id"]]


def written() -> Written:
    """Two lists on two partitions; of their people one asks not to be called while a call to him is out, and one for a while."""
    there = Written()
    first, second = an_id("list"), next(name for name in map(an_id, "abcdef") if there.place(name) != there.place(an_id("list")))

    def add(outdial_id: str, which: int) -> None:
        there.send(AddTarget(outdial_id=outdial_id, destination_0=Address(type="tel", target=number(which))))

    there.send(caps((2, HOUR)))
    for outdial_id in (first, second):
        there.send(CreateOutdial(outdial_id=outdial_id, plan=PLAN))
    for outdial_id, which in ((first, 1), (first, 2), (second, 3)):
        add(outdial_id, which)
    there.pass_by(SECOND)
    there.send(suppress(entry(1)))
    there.memory.spared.append(Spared(US, number(1), None, there.now, ENDLESS))
    there.call(claim=False)
    there.pass_by(2 * SECOND)
    there.call()
    there.send(suppress(entry(4)))
    add(second, 4)
    there.pass_by(2 * SECOND)
    there.send(allow(entry(4)))
    there.pass_by(20 * SECOND)
    there.call()
    for outdial_id in (first, second):
        there.send(StopDialing(outdial_id=outdial_id))
    return there


def found_in(topics: Topics, memory: Remembered) -> list[str]:
    return faults_of(topics, memory, all_must_end=False, at_rest=True)


@pytest.fixture(scope="module")
def right() -> Written:
    return written()


def test_nothing_is_wrong_with_right_ones(right: Written) -> None:
    kinds = {json.loads(record.value)["type"] for record in right.topics.of("events")}
    assert {"TargetBlocked", "TargetUnblocked", "TargetDeferred", "DialClaimed"} <= kinds
    assert found_in(right.topics, right.memory) == []


# --- damages ------------------------------------------------------------------------------------------


def _of(topics: Topics, kind: str) -> list[tuple[Rec, dict[str, Any]]]:
    """The events of a type with their records."""
    found = [(record, json.loads(record.value)) for record in topics.of("events")]
    return [(record, event) for record, event in found if event["type"] == kind]


def _change(record: Rec, **data: Any) -> None:
    told = json.loads(record.value)
    record.value = json.dumps(told | {"data": told["data"] | data}).encode()


def _at(record: Rec, time: str) -> None:
    record.value = json.dumps(json.loads(record.value) | {"time": time}).encode()


def _remove(topics: Topics, record: Rec) -> None:
    topics.records[record.topic][record.partition].remove(record)


def _called(topics: Topics, which: int) -> None:
    """All people as if they had that number."""
    for record, event in _of(topics, "TargetAdded"):
        personal = event["data"]["personal"]
        _change(record, personal=personal | {"destinations": [{"type": "tel", "target": number(which)}]})


def _requested_after_the_answer(_: Topics, memory: Remembered) -> None:
    memory.spared.append(Spared(US, number(2)[:6], None, 0, ENDLESS))


def _granted_after_the_answer(topics: Topics, memory: Remembered) -> None:
    record = _of(topics, "DialClaimed")[-1][0]
    record.timestamp += 1_000
    memory.spared += [Spared(US, number(which), None, (record.timestamp - 1) * MILLISECOND, ENDLESS) for which in (2, 3, 4)]


def _capped_at_one(topics: Topics, _: Remembered) -> None:
    for record, event in _of(topics, "SuppressionApplied"):
        if event["data"].get("caps") is not None:
            _change(record, caps={"rules": [{"count": 1, "per_ms": DAY_MS}]})


def _calls_capped_at_one(_: Topics, memory: Remembered) -> None:
    memory.caps = ((0, HOUR),)


def _naming(topics: Topics) -> tuple[Rec, dict[str, Any]]:
    """The event that names a call that is out."""
    return next((record, event) for record, event in _of(topics, "SuppressionApplied") if event["data"].get("open"))


def _unnamed(topics: Topics, _: Remembered) -> None:
    _change(_naming(topics)[0], open=[])


def _unnamed_by_the_answer(topics: Topics, _: Remembered) -> None:
    event = _naming(topics)[1]
    for record in topics.of("answers"):
        told = json.loads(record.value)
        if told["command_id"] == event["causationid"]:
            record.value = json.dumps(told | {"open": []}).encode()


def _deaf(topics: Topics, _: Remembered) -> None:
    for record, _event in _of(topics, "SuppressionApplied"):
        if not record.partition:
            _change(record, added=[])


def _holding_others(topics: Topics, _: Remembered) -> None:
    _change(_of(topics, "TargetBlocked")[0][0], destinations=[])


def _held_for_ever(topics: Topics, _: Remembered) -> None:
    _remove(topics, _of(topics, "TargetUnblocked")[0][0])


def _waiting_for_nothing(topics: Topics, _: Remembered) -> None:
    for record, _event in _of(topics, "DialingStopped"):
        _at(record, "2099-01-01T00:00:00.000000Z")


def _leave_never_comes(topics: Topics, _: Remembered) -> None:
    _remove(topics, _of(topics, "TargetDeferred")[0][0])


DAMAGES: dict[str, tuple[str, Damage]] = {
    "somebody on the list is requested": ("was requested although its address is on the list", lambda topics, _: _called(topics, 1)),
    "a call to somebody on the list is granted": ("was granted although its address is on the list", lambda topics, _: _called(topics, 1)),
    "somebody is requested after the answer": ("DialRequested of", _requested_after_the_answer),
    "somebody is granted after the answer": ("DialClaimed of", _granted_after_the_answer),
    "an address is requested too often": ("is one too many", _capped_at_one),
    "an address is requested too often by two lists": ("is one too many", lambda topics, _: _called(topics, 2)),
    "an address is called too often": ("was called more than", _calls_capped_at_one),
    "a call that is out is not named": ("are open to those it adds", _unnamed),
    "a call that is out is not named by the answer": ("names other open attempts", _unnamed_by_the_answer),
    "a partition obeys another list": ("obeys another list", _deaf),
    "somebody else is held back": ("are on the list", _holding_others),
    "somebody is held back for ever": ("on no list for a while", _held_for_ever),
    "a target waits for nothing": ("and nothing held it", _waiting_for_nothing),
    "leave never comes": ("waits for leave", _leave_never_comes),
}


@pytest.mark.parametrize(("says", "damage"), DAMAGES.values(), ids=DAMAGES)
def test_every_damage_is_found(right: Written, says: str, damage: Damage) -> None:
    topics, memory = deepcopy(right.topics), deepcopy(right.memory)
    damage(topics, memory)
    found = found_in(topics, memory)
    assert any(says in fault for fault in found), found


class Said(NamedTuple):
    """What the rule looks at of a row."""

    type: str
    event: dict[str, Any]


def test_who_asks_again_may_be_told_of_other_calls_but_only_of_those_that_were_written_down() -> None:
    def found(*told: list[str]) -> list[str]:
        topics = Topics(1, {name: [[]] for name in NAMES})
        for calls in told:
            answer = {"command_id": "asked", "result": "events", "open": calls}
            topics.records["answers"][0].append(Rec("answers", 0, 0, 0, b"", json.dumps(answer).encode(), {}))
        rows = [Said("SuppressionApplied", {"causationid": "asked", "data": {"open": calls}}) for calls in ([], ["a call"])]
        return list(_faults_of_named(topics, rows))  # type: ignore[arg-type]

    assert found([], ["a call"]) == []
    assert found(["another call"]) == ["the answer to asked names other open attempts than its event"]
