"""The simulated carrier, in virtual time: against a ledger that keeps only what a carrier can see of it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from outdial.address import Address
from outdial.commands import ClaimDial, Command, DialAnswered, DialResult
from outdial.ids import derived
from outdial.position import Position
from outdial.requests import Answer, DialRequest, Unavailable
from outdial.worker.carriers.simulated import DEFAULT_HABITS, Habits, SimulatedCarrier, Span, plan_call

SECOND = 1_000_000
BEGIN = 1_700_000_000 * SECOND
START = Position((0,))
OUTDIAL = "10000000-0000-4000-8000-000000000000"
CUSTOMER = "20000000-0000-4000-8000-000000000000"


def request(number: int, *, at: int = BEGIN, pickup: int = 60 * SECOND) -> DialRequest:
    target = derived(OUTDIAL, str(number))
    return DialRequest(
        attempt_id=derived(OUTDIAL, f"{target}/1"),
        outdial_id=OUTDIAL,
        target_id=target,
        customer_id=CUSTOMER,
        plan_version=1,
        destination=Address(type="tel", target="+12025550100"),
        destination_index=0,
        try_count=1,
        dial_timeout=30_000,
        requested_at=at,
        not_after=at + pickup,
        expires_at=at + pickup + 630 * SECOND,
        event_id=f"outdial/{OUTDIAL}/{number}",
    )


@dataclass
class Ledger:
    """Grants claims by the rules of the real one, and remembers what it was told, and when."""

    requests: list[DialRequest] = field(default_factory=list)
    time: int = BEGIN
    claims: dict[str, str] = field(default_factory=dict)
    told: list[tuple[int, Command]] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    """Reason with which claims of an attempt are refused."""
    outages: int = 0
    deaf_to: str = ""
    """``hang up``: the last words of a carrier that is being cancelled are lost, as when it is killed."""
    slow: int = 0
    """How long a submit takes."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    results: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.asked = {one.attempt_id: one for one in self.requests}

    def now(self) -> int:
        return self.time

    async def sleep_until(self, instant: int) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.time = max(self.time, instant)

    def after(self, position: Position, limit: int) -> tuple[list[DialRequest], Position]:
        [mark] = position.marks
        found = self.requests[mark : mark + limit]
        return found, Position((mark + len(found),))

    async def wait_beyond(self, position: Position, timeout: float) -> Position:  # noqa: ASYNC109  as the runtime has it
        newest = Position((len(self.requests),))
        if not newest.beyond(position):
            await self.done.wait()
        return newest

    async def submit(self, commands: Sequence[Command]) -> list[Answer]:
        task = asyncio.current_task()
        if self.deaf_to == "hang up" and task is not None and task.cancelling():
            return []
        self.time += self.slow
        if self.outages:
            self.outages -= 1
            raise Unavailable("disk_full", "no space left")
        return [self._answer(command) for command in commands]

    def _answer(self, command: Command) -> Answer:
        self.told.append((self.time, command))
        if isinstance(command, DialResult):
            self.results[command.attempt_id] = command.outcome
        reason = self._refusal(command) if isinstance(command, ClaimDial) else None
        return Answer(
            command_id=command.id or "", type="", stream=OUTDIAL, result="events" if reason is None else "rejected", reason=reason
        )

    def _refusal(self, command: ClaimDial) -> str | None:
        asked = self.asked[command.attempt_id]
        if command.attempt_id in self.refuse:
            return self.refuse[command.attempt_id]
        if self.claims.setdefault(command.attempt_id, command.worker) != command.worker:
            return "dial_claimed"
        return "dial_too_late" if self.time > asked.not_after else None

    def of(self, kind: type[Command]) -> list[Command]:
        return [command for _, command in self.told if isinstance(command, kind)]


async def work(ledger: Ledger, *, seed: int = 7, worker: str = "w1", words: int | None = None) -> SimulatedCarrier:
    """Let a carrier work until every request has its result (or ``words`` results were told)."""
    carrier = SimulatedCarrier(
        seed=seed, worker=worker, requests=ledger.after, wait_beyond=ledger.wait_beyond, submit=ledger.submit, clock=ledger, after=START
    )
    task = asyncio.create_task(carrier.run())
    wanted = len(ledger.requests) if words is None else words
    turns = 0
    while len(ledger.results) < wanted and not task.done() and turns < 200_000:
        await asyncio.sleep(0)
        turns += 1
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return carrier


def test_a_seed_and_an_attempt_id_decide_the_whole_call() -> None:
    assert [plan_call(7, request(number)) for number in range(50)] == [plan_call(7, request(number)) for number in range(50)]
    assert [plan_call(7, request(number)) for number in range(50)] != [plan_call(8, request(number)) for number in range(50)]


def test_outcomes_come_in_the_shares_the_habits_name() -> None:
    counts = Counter(plan_call(1, request(number)).outcome for number in range(4_000))
    for outcome in ("answered", "busy", "no_answer", "machine", "failed"):
        assert abs(counts[outcome] / 4_000 - getattr(DEFAULT_HABITS, outcome)) < 0.03


def test_no_call_rings_longer_than_the_request_allows() -> None:
    slow = Habits(ring=Span(60_000, 70_000, 80_000))
    scripts = [plan_call(1, request(number), slow) for number in range(300)]
    assert max(script.ring_ms for script in scripts) == 30_000
    assert {script.ring_ms for script in scripts if script.outcome == "no_answer"} == {30_000}


async def test_the_same_seed_gives_the_same_words_at_the_same_times() -> None:
    runs = []
    for _ in range(2):
        ledger = Ledger([request(number) for number in range(200)])
        await work(ledger)
        runs.append([(at, command.model_dump()) for at, command in ledger.told])
    assert runs[0] == runs[1]
    assert len(runs[0]) > 400


async def test_every_attempt_is_claimed_once_and_gets_one_result() -> None:
    ledger = Ledger([request(number) for number in range(1_200)])
    carrier = await work(ledger)
    claims = Counter(command.attempt_id for command in ledger.of(ClaimDial) if isinstance(command, ClaimDial))
    results = Counter(command.attempt_id for command in ledger.of(DialResult) if isinstance(command, DialResult))
    assert claims == results == Counter({one.attempt_id: 1 for one in ledger.requests})
    assert carrier.placed == 1_200
    assert carrier.open_calls == 0


async def test_a_call_is_claimed_before_it_is_answered_and_answered_before_it_ends() -> None:
    ledger = Ledger([request(number) for number in range(100)])
    await work(ledger)
    for one in ledger.requests:
        told = [(type(command), at) for at, command in ledger.told if getattr(command, "attempt_id", None) == one.attempt_id]
        script = plan_call(7, one)
        expected = [ClaimDial, DialAnswered, DialResult] if script.answered else [ClaimDial, DialResult]
        assert [kind for kind, _ in told] == expected
        ring = (script.setup_ms + script.ring_ms) * 1_000
        if script.answered:
            assert told[1][1] - told[0][1] == ring
        assert told[-1][1] - told[0][1] == ring + script.talk_ms * 1_000


async def test_a_request_past_its_not_after_is_given_back_and_never_placed() -> None:
    ledger = Ledger([request(1, at=BEGIN, pickup=5 * SECOND)], slow=6 * SECOND)
    carrier = await work(ledger)
    assert list(ledger.results.values()) == ["not_dialed"]
    assert carrier.placed == 0


async def test_a_claim_granted_too_late_is_not_used() -> None:
    class Late(Ledger):
        def _refusal(self, command: ClaimDial) -> str | None:
            self.time += 61 * SECOND
            return None

    ledger = Late([request(1)])
    carrier = await work(ledger)
    assert list(ledger.results.values()) == ["not_dialed"]
    assert carrier.placed == 0


@pytest.mark.parametrize(
    "reason", ["dialing_stopped", "dialing_paused", "target_deleted", "outdial_deleted", "suppressed", "dial_too_late"]
)
async def test_a_refused_claim_is_answered_not_dialed(reason: str) -> None:
    ledger = Ledger([request(1)])
    ledger.refuse[ledger.requests[0].attempt_id] = reason
    carrier = await work(ledger)
    assert list(ledger.results.values()) == ["not_dialed"]
    assert carrier.placed == 0


async def test_what_another_process_placed_is_left_alone() -> None:
    ledger = Ledger([request(number) for number in range(20)])
    taken = ledger.requests[:10]
    ledger.claims = {one.attempt_id: "another" for one in taken}
    carrier = await work(ledger, words=10)
    assert carrier.placed == 10
    assert not {one.attempt_id for one in taken} & set(ledger.results)


async def test_a_carrier_that_is_stopped_hangs_up_and_says_so() -> None:
    ledger = Ledger([request(number) for number in range(50)])
    carrier = await work(ledger, words=5)
    assert carrier.placed == 50
    assert carrier.open_calls == 0
    answered = {command.attempt_id for command in ledger.of(DialAnswered) if isinstance(command, DialAnswered)}
    assert set(ledger.results) == {one.attempt_id for one in ledger.requests}
    cut = {attempt: outcome for attempt, outcome in ledger.results.items() if outcome != plan_call(7, ledger.asked[attempt]).outcome}
    assert set(cut.values()) == {"canceled"}
    assert not set(cut) & answered


async def test_after_a_kill_no_call_is_placed_a_second_time() -> None:
    ledger = Ledger([request(number) for number in range(50)])
    ledger.deaf_to = "hang up"
    await work(ledger, worker="before", words=5)
    assert len(ledger.results) < 50
    told = len(ledger.told)
    ledger.deaf_to = ""
    again = await work(ledger, worker="after", words=51)
    assert again.placed == 0
    assert all(isinstance(command, ClaimDial) for _, command in ledger.told[told:])


async def test_nothing_is_said_of_requests_from_before_the_start_that_cannot_be_placed() -> None:
    old = request(1, at=BEGIN - 120 * SECOND)
    over = request(2, at=BEGIN - 900 * SECOND)
    ledger = Ledger([old, over])
    carrier = await work(ledger, words=1)
    assert carrier.placed == 0
    assert not ledger.results
    assert {command.attempt_id for command in ledger.of(ClaimDial) if isinstance(command, ClaimDial)} == {old.attempt_id}


async def test_an_outage_of_the_ledger_repeats_the_same_commands_and_loses_nothing() -> None:
    ledger = Ledger([request(number) for number in range(30)], outages=3)
    carrier = await work(ledger)
    assert carrier.placed == 30
    assert len(ledger.results) == 30


async def test_thousands_of_open_calls_need_no_task_each() -> None:
    ledger = Ledger([request(number) for number in range(5_000)])
    most = 0
    carrier = SimulatedCarrier(
        seed=1, worker="w", requests=ledger.after, wait_beyond=ledger.wait_beyond, submit=ledger.submit, clock=ledger, after=START
    )
    task = asyncio.create_task(carrier.run())
    while len(ledger.results) < 5_000 and not task.done():
        await asyncio.sleep(0)
        most = max(most, len(asyncio.all_tasks()))
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert carrier.placed == 5_000
    assert most < 10
