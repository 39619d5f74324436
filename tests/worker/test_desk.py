"""What becomes of one request, with carriers that do whatever people's carriers may do."""

import asyncio
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from outdial.commands import DialAnswered, DialResult, OutdialCommand
from outdial.requests import DialRequest
from outdial.trace import current_trace
from outdial.worker.carrier import Call, Carrier, NotDialed, Outcome, Result
from outdial.worker.carriers.scripted import ScriptedCarrier
from outdial.worker.carriers.simulated import plan_call
from outdial.worker.claims import Granted, Verdict
from outdial.worker.desk import Desk
from worker.standin import request, until


@dataclass
class Heard:
    """Both ways to the ledger: every claim gets the same verdict, every word is kept."""

    verdict: Verdict = "granted"
    words: list[OutdialCommand] = field(default_factory=list)
    deaf: bool = False

    async def ask(self, request: DialRequest) -> Granted:
        return Granted(self.verdict, 0.0)

    async def say(self, command: OutdialCommand) -> None:
        if self.deaf:
            await asyncio.Event().wait()
        self.words.append(command)

    @property
    def outcomes(self) -> list[str]:
        return [word.outcome for word in self.words if isinstance(word, DialResult)]


class Ends:
    """A carrier whose calls all end in one way."""

    def __init__(self, how: Outcome | Result | Exception | None, *, answered: int = 0) -> None:
        self.how = how
        self.answers = answered

    async def place(self, request: DialRequest, call: Call) -> Outcome | Result | None:
        assert call.attempt_id == request.attempt_id
        for _ in range(self.answers):
            call.answered()
        if isinstance(self.how, Exception):
            raise self.how
        return self.how


async def dealt(carrier: Carrier, heard: Heard, *requests: DialRequest) -> Desk:
    desk = Desk(carrier, heard, heard, max_calls=10)
    for one in requests or (request(),):
        desk.take(one)
    await until(lambda: not desk._tasks, "every request is dealt with")  # noqa: SLF001  nothing else says that nothing follows
    assert desk.free == 10
    assert desk.open_calls == 0
    return desk


async def test_an_answer_is_said_once_and_before_the_result() -> None:
    heard = Heard()
    await dealt(Ends("answered", answered=3), heard)
    assert [type(word) for word in heard.words] == [DialAnswered, DialResult]


async def test_the_words_of_an_attempt_have_the_same_ids_whoever_says_them() -> None:
    one, both = request(), [Heard(), Heard()]
    for heard in both:
        await dealt(Ends("answered", answered=1), heard, one)
    assert [word.id for word in both[0].words] == [word.id for word in both[1].words]
    assert len({word.id for word in both[0].words}) == 2


async def test_what_is_said_of_a_call_is_in_the_trace_of_its_request_and_so_is_what_is_logged() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    heard, current = Heard(), []

    class Looks(Ends):
        async def place(self, request: DialRequest, call: Call) -> Outcome | Result | None:
            current.append(current_trace.get())
            return await super().place(request, call)

    await dealt(Looks("answered", answered=1), heard, request().model_copy(update={"traceparent": trace}), request())

    assert sorted(str(word.traceparent) for word in heard.words) == [*[trace] * 2, *["None"] * 2]
    assert current == [trace, None]


async def test_a_call_that_was_not_started_gives_the_try_back() -> None:
    heard = Heard()
    desk = await dealt(Ends(NotDialed("no_line")), heard)
    assert heard.outcomes == ["not_dialed"]
    assert desk.counts.not_dialed == 1


async def test_of_a_call_of_which_nobody_knows_nothing_is_said_and_no_number_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()
    with caplog.at_level(logging.DEBUG):
        desk = await dealt(Ends(RuntimeError("dialing +12025550100 failed")), heard)
    assert heard.words == []
    assert desk.counts.unknown == 1
    assert "RuntimeError at " in caplog.text
    assert "2025550100" not in caplog.text


async def test_a_call_in_other_hands_gets_no_result_from_here() -> None:
    heard = Heard()
    desk = await dealt(Ends(None), heard)
    assert heard.words == []
    assert desk.counts.unknown == 0


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Result("busy", "call 7", 1_000, 2_000), {"outcome": "busy", "call_id": "call 7", "started_at": 1_000, "ended_at": 2_000}),
        (Result("busy", "x" * 300 + "\0"), {"outcome": "busy", "call_id": "x" * 255}),
        (Result("busy", started_at=10**30), {"outcome": "busy", "started_at": None}),
        ("bussy", {"outcome": "other"}),
    ],
)
async def test_a_call_that_ended_is_told_of_as_well_as_it_can_be(how: Any, expected: dict[str, Any]) -> None:
    heard = Heard()
    await dealt(Ends(how), heard)
    [word] = heard.words
    assert {name: getattr(word, name) for name in expected} == expected


async def test_a_request_is_placed_once_also_when_it_comes_again_after_its_call() -> None:
    heard, one = Heard(), request()
    desk = await dealt(Ends("busy"), heard, one, one)
    desk.take(one)
    assert desk.counts.placed == 1
    assert desk.counts.repeated == 2


async def test_no_word_is_lost_while_one_waits_for_the_broker_and_none_holds_a_line() -> None:
    heard = Heard(deaf=True)
    desk = Desk(Ends("busy"), heard, heard, max_calls=1)
    for _ in range(5):
        desk.take(request())
    await until(lambda: desk.counts.placed == 5, "all are placed")
    assert desk.free == 1
    await desk.drain(0.1, 0.1)


async def test_the_lines_of_a_file_of_calls_tell_every_call_from_begin_to_end(tmp_path: Path) -> None:
    heard, requests = Heard(), [request() for _ in range(20)]
    carrier = ScriptedCarrier(7, pace=0, calls=tmp_path / "calls")
    await dealt(carrier, heard, *requests)
    carrier.close()
    lines = [json.loads(line) for line in (tmp_path / "calls").read_text(encoding="utf-8").splitlines()]
    for one in requests:
        script = plan_call(7, one)
        assert [(line["what"], line.get("outcome")) for line in lines if line["attempt_id"] == one.attempt_id] == [
            ("placed", None),
            ("ended", script.outcome),
        ]
    assert sorted(heard.outcomes) == sorted(plan_call(7, one).outcome for one in requests)


async def test_a_scripted_call_that_is_cut_off_says_what_it_had_come_to() -> None:
    heard = Heard()
    desk = Desk(ScriptedCarrier(7), heard, heard, max_calls=10)
    desk.take(request())
    await until(lambda: desk.open_calls == 1, "the call is open")
    await desk.drain(0, 5)
    assert heard.outcomes == ["canceled"]
