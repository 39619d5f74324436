"""Run and stop, plans and deletes, claims and chains are raced over two API processes: nothing is dialed that was stopped."""

import asyncio
import json
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from faults.chaos.reading import Rec
from outdial.commands import StopCampaign
from outdial.kafka.sending import Waiting
from outdial.requests import AnswerRecord
from races.checker import faults_of_races
from races.kinds import KINDS
from races.running import Remembered, race, summary
from telling import Tell

RACES = 30


@pytest.fixture(scope="module")
def timed(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory, seed: int) -> tuple[Remembered, float]:
    """What is remembered of some races of every kind, and how long they took, seconds."""
    began = time.monotonic()
    memory = asyncio.run(race(kafka_bootstrap, tmp_path_factory.mktemp("races"), seed, range(RACES)))
    return memory, time.monotonic() - began


@pytest.fixture(scope="module")
def raced(timed: tuple[Remembered, float]) -> Remembered:
    """What is remembered of them."""
    return timed[0]


def test_races_over_two_api_processes_come_out_right(seed: int, timed: tuple[Remembered, float], tell: Tell) -> None:
    memory, seconds = timed
    tell(f"{json.dumps(summary(seed, [memory], RACES, seconds))} (again: OUTDIAL_TEST_SEED={seed})")
    assert faults_of_races(memory) == []
    assert {one.kind for one in memory.pressed} == {*KINDS, "phones"}


async def test_an_api_process_that_does_not_wait_for_what_is_awaited_is_found_out(
    kafka_bootstrap: str, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hasty(self: Waiting, record: AnswerRecord) -> None:
        self.told.setdefault(record.command_id, record)
        if self.root_id in self.told:
            self.complete.set()

    monkeypatch.setattr(Waiting, "note", hasty)
    monkeypatch.setattr(Waiting, "_in_order", lambda self, first: [*self.told.values()])
    found = faults_of_races(await race(kafka_bootstrap, tmp_path, seed, range(10), kinds=("run_and_stop",), ledgers=1))
    assert any("could be read" in fault for fault in found), found


# --- damage done to what is remembered ------------------------------------------------------------------

Damage = Callable[[Remembered], None]


def _events(memory: Remembered) -> list[list[Rec]]:
    return memory.topics.records["events"]


def _without(word: str) -> Damage:
    """No event of a type is there."""

    def damage(memory: Remembered) -> None:
        for part in _events(memory):
            part[:] = [record for record in part if not _is(record, word)]

    return damage


def _is(record: Rec, word: str) -> bool:
    return f'"type":"{word}"'.encode() in record.value


def _rung_again(memory: Remembered) -> None:
    memory.seen.append(memory.seen[0])


def _two_owners(memory: Remembered) -> None:
    same = next(record for record in memory.topics.of("events") if _is(record, "CampaignResourcesSet"))
    event = json.loads(same.value)
    outdial = json.loads(next(record.value for record in memory.topics.of("events") if _is(record, "OutdialUpdated")))["subject"]
    event["data"]["resources"]["outdial_id"] = outdial
    event["id"] = f"campaign/{event['subject'][::-1]}/1"
    same.value = json.dumps(event).encode()


def _unanswered(memory: Remembered) -> None:
    memory.pressed[0].answer, memory.pressed[0].failure = None, "answer_late"


def _unlisted(memory: Remembered) -> None:
    for one in memory.pressed:
        if one.answer is not None:
            one.answer = one.answer.model_copy(update={"open": ()})


def _early(memory: Remembered) -> None:
    stop = next(one for one in memory.pressed if isinstance(one.command, StopCampaign) and one.answer and one.answer.result == "events")
    stop.shown = (0,) * len(stop.shown)


def _requested_after(memory: Remembered) -> None:
    """Requests move behind all that came after them, stops of the same outdial too."""
    for part in filter(None, _events(memory)):
        last_stop = {record.key: place for place, record in enumerate(part) if _is(record, "DialingStopped")}
        moved = [record for place, record in enumerate(part) if _is(record, "DialRequested") and place < last_stop.get(record.key, 0)]
        end = part[-1].offset + 1
        part[:] = [record for record in part if record not in moved]
        for offset, record in enumerate(moved, end):
            record.offset = offset
            part.append(record)


def _differing(memory: Remembered) -> None:
    memory.digests[0] = "0" * 64


DAMAGES: dict[str, tuple[Damage, str]] = {
    "stops are missing in the log": (_without("DialingStopped"), "runs for campaign"),
    "ends of campaigns' runs are missing": (_without("CampaignStopped"), "for ever"),
    "requests come after a stop": (_requested_after, "requested again after it"),
    "a phone rings twice": (_rung_again, "rang 2 times"),
    "events of requests are missing": (_without("DialRequested"), "not both"),
    "two campaigns have one outdial": (_two_owners, "and campaigns have it"),
    "a command is not answered": (_unanswered, "not answered"),
    "an open attempt is not listed": (_unlisted, "is open and not in the answer"),
    "an answer comes before its effect": (_early, "could be read"),
    "the views differ": (_differing, "differ"),
    "plans are not applied": (_without("PlanApplied"), "plan"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_the_reading_of_races_finds_what_is_damaged(raced: Remembered, name: str) -> None:
    damage, word = DAMAGES[name]
    memory = deepcopy(raced)
    damage(memory)
    assert any(word in fault for fault in faults_of_races(memory)), name
