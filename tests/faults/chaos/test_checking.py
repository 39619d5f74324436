"""Who checks the checker of the topics: it finds nothing wrong with right ones, and something with all that are damaged."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock
from uuid import uuid4

import pytest

from faults.chaos.checker import Remembered, faults_of
from faults.chaos.crowd import Crowd
from faults.chaos.reading import Rec, Topics
from faults.chaos.world import FIRST_S, World, world
from faults.checker import Placed

Damage = Callable[[Topics, Remembered], object]
TARGETS = 40


@pytest.fixture(scope="module")
def run(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Topics of a run with no fault in it."""
    with world(kafka_bootstrap, tmp_path_factory.mktemp("right"), 1, partitions=2, rate=200.0) as run:
        run.processes.add()
        run.crowd.ask(lambda: _ask_in_vain(run.crowd))
        run.crowd.wait(lambda: run.crowd.added >= TARGETS and run.crowd.kinds["DialRequested"] > 0, FIRST_S, "targets are added")
        wrong = run.verdict()
        assert wrong == []
        yield run


def _ask_in_vain(crowd: Crowd) -> None:
    """What is refused, and what changes nothing."""
    outdial_id, target_id = crowd.lists[0], str(uuid4())
    crowd.send({"type": "DeleteTarget", "outdial_id": outdial_id, "target_id": target_id})
    for _ in range(2):
        crowd.send({"type": "StopDialing", "outdial_id": outdial_id})


def records(topics: Topics, name: str, kind: str | None = None) -> list[Rec]:
    """The records of a topic; of the events those of a type."""
    return [record for record in topics.of(name) if kind is None or (record.key is not None and json.loads(record.value)["type"] == kind)]


def remove(topics: Topics, record: Rec) -> None:
    topics.records[record.topic][record.partition].remove(record)


def repeat(topics: Topics, record: Rec) -> None:
    found = topics.records[record.topic][record.partition]
    found.insert(found.index(record) + 1, replace(record, offset=record.offset + 1_000_000))


def move(topics: Topics, record: Rec) -> None:
    remove(topics, record)
    topics.records[record.topic][1 - record.partition].append(replace(record, partition=1 - record.partition))


def rewrite(record: Rec, **fields: Any) -> None:
    record.value = json.dumps(json.loads(record.value) | fields).encode()


def _one(name: str, kind: str | None, what: Callable[[Topics, Rec], object], nth: int = 0) -> Damage:
    return lambda topics, _: what(topics, records(topics, name, kind)[nth])


def _input(value: bytes | None) -> Damage:
    def damage(topics: Topics, _: Remembered) -> None:
        headers = topics.records["events"][0][-1].headers
        if value is None:
            del headers["input"]
        else:
            headers["input"] = value

    return damage


def _moved_request(topics: Topics, _: Remembered) -> None:
    times = Counter(record.key for record in topics.of("dial-requests"))
    move(topics, next(record for record in topics.of("dial-requests") if times[record.key] > 1))


def _own_id(topics: Topics, _: Remembered) -> None:
    record = records(topics, "events", "DialRequested")[3]
    rewrite(record, data=json.loads(record.value)["data"] | {"attempt_id": str(uuid4())})


def _unread(topics: Topics, _: Remembered) -> None:
    found = topics.records["commands"][0]
    found.append(replace(found[-1], offset=10**9))


def _renumbered(topics: Topics, _: Remembered) -> None:
    record = records(topics, "events", "DialRequested")[3]
    rewrite(record, data=json.loads(record.value)["data"] | {"ordinal": 7})


def _late_broker(topics: Topics, _: Remembered) -> None:
    records(topics, "events", "DialRequested")[5].timestamp -= 60_000


def _open_transaction(topics: Topics, _: Remembered) -> None:
    topics.ends["events", 0] = (3, 9)


def _unanswered(topics: Topics, memory: Remembered) -> None:
    memory.delivered["00000000-0000-4000-8000-000000000001"] = 1


def _unadded(topics: Topics, memory: Remembered) -> None:
    memory.answered = False
    rewrite(records(topics, "events", "TargetAdded")[0], causationid=str(uuid4()))


def _carried_out(topics: Topics, _: Remembered) -> None:
    caused = {json.loads(record.value)["causationid"] for record in topics.of("events") if record.key is not None}
    answers = {json.loads(record.value)["command_id"]: record for record in topics.of("answers") if b'"unchanged"' in record.value}
    rewrite(next(record for command_id, record in answers.items() if command_id not in caused), result="events")


def _lost_refusal(topics: Topics, _: Remembered) -> None:
    refused = next(json.loads(record.value)["root_id"] for record in topics.of("answers") if b'"rejected"' in record.value)
    for record in records(topics, "rejections"):
        if json.loads(record.value)["command_id"] == refused:
            remove(topics, record)


def _added_twice(topics: Topics, _: Remembered) -> None:
    first, second = records(topics, "events", "TargetAdded")[:2]
    rewrite(second, causationid=json.loads(first.value)["causationid"])


def _seen_other(_: Topics, memory: Remembered) -> None:
    memory.seen[next(iter(memory.seen))] += 1


def _seen_more(_: Topics, memory: Remembered) -> None:
    memory.seen["events", 0, 10**9] = 1


def _seen_less(_: Topics, memory: Remembered) -> None:
    del memory.seen[next(iter(memory.seen))]


def _placed_twice(_: Topics, memory: Remembered) -> None:
    memory.placed.append(memory.placed[0])


def _placed_unasked(_: Topics, memory: Remembered) -> None:
    memory.placed.append(Placed("00000000-0000-4000-8000-000000000001", "nobody", "crowd", 0, 1))


def _overlapping(_: Topics, memory: Remembered) -> None:
    target = memory.placed[0]
    memory.placed.append(replace(target, attempt_id=memory.placed[1].attempt_id))
    del memory.placed[1]


def _stuck(topics: Topics, _: Remembered) -> None:
    record = records(topics, "events", "DialEnded")[0]
    rewrite(record, time="2099-01-01T00:00:00.000000Z")


DAMAGES: dict[str, tuple[str, Damage]] = {
    "an event is gone": ("sequence", _one("events", "DialEnded", remove)),
    "an event is there twice": ("is requested twice", _one("events", "DialRequested", repeat)),
    "an event stands on another partition": ("wrong partition", _one("events", "TargetAdded", move, -1)),
    "an event has another key": ("key of another stream", _one("events", "TargetAdded", lambda _, record: setattr(record, "key", b"x"))),
    "attempts skip a number": ("are numbered", _renumbered),
    "a request is gone": ("has 0 dial requests", _one("dial-requests", None, remove)),
    "a request is there twice": ("has 2 dial requests", _one("dial-requests", None, repeat)),
    "a request was made from no event": ("from no event", _one("dial-requests", None, lambda _, record: rewrite(record, event_id="x"))),
    "a request is of another target": ("another target", _one("dial-requests", None, lambda _, record: rewrite(record, target_id="x"))),
    "a request differs": ("in dial_timeout", _one("dial-requests", None, lambda _, record: rewrite(record, dial_timeout=1))),
    "requests of one target stand on two partitions": ("wrong partition", _moved_request),
    "an attempt has an id of its own": ("id of its own", _own_id),
    "the commands are read backwards": ("then up to 0", _input(b"0")),
    "an event hides how far the commands were read": ("does not say", _input(None)),
    "a command was never read": ("and the last is", _unread),
    "the broker had a request before it was due": ("before it was due", _late_broker),
    "a transaction is open for ever": ("a transaction is open", _open_transaction),
    "a command has no effect and no answer": ("answered 0 times", _unanswered),
    "a target is not added, and nobody asked for an answer": ("had no effect", _unadded),
    "an answer is gone": ("answered 0 times", _one("answers", None, remove)),
    "an answer is there twice": ("answered 2 times", _one("answers", None, repeat)),
    "a command was carried out by its answer only": ("and not by the log", _carried_out),
    "a refusal is gone": ("not among the rejections", _lost_refusal),
    "a refusal is there twice": ("was refused 2 times", _one("rejections", None, repeat)),
    "a command adds two targets": ("added 2 targets", _added_twice),
    "a reader was shown what was taken back": ("was shown another record", _seen_more),
    "a reader was shown something else": ("was shown another record", _seen_other),
    "a reader was not shown something": ("was not shown", _seen_less),
    "a call is placed twice": ("placed 2 times", _placed_twice),
    "a call is placed that nobody asked for": ("never requested", _placed_unasked),
    "two calls to one target overlap": ("two calls at once", _overlapping),
    "an attempt is open for ever": ("beyond its lease", _stuck),
}


@pytest.mark.parametrize(("says", "damage"), DAMAGES.values(), ids=DAMAGES)
def test_every_damage_of_the_topics_is_found(run: World, says: str, damage: Damage) -> None:
    assert run.topics is not None
    topics, memory = deepcopy(run.topics), deepcopy(run.crowd.memory)
    damage(topics, memory)
    found = faults_of(topics, memory)
    assert any(says in fault for fault in found), found


def test_users_of_peers_send_nothing_astray_and_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = MagicMock()
    monkeypatch.setattr("faults.chaos.crowd.Producer", lambda _: sent)
    monkeypatch.setattr("faults.chaos.crowd.consumer", MagicMock())
    crowd = Crowd("", "peer", 12, 1, whole=False)
    for _ in range(TARGETS):
        crowd.add(str(uuid4()))
    assert sent.produce.call_count == TARGETS
    assert not any("partition" in call.kwargs for call in sent.produce.call_args_list)
