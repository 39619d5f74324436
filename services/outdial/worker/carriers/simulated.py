"""A carrier that places no calls: outcomes and durations are drawn, and time is the clock it is handed.

It behaves as a real one has to. It claims a request before it places the call, and places it only when the claim
is granted and ``not_after`` is ahead. It never places a request that another process placed: one worker id per
process start, and a claim refused with ``dial_claimed`` is left alone. When it is stopped it hangs up and says so;
what a killed process left open is ended by the lease.

All open calls stand in one heap, by the moment of their next word; commands go out in batches.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal, Protocol

from outdial.commands import ClaimDial, Command, DialAnswered, DialResult, Outcome
from outdial.ids import derived
from outdial.position import Position
from outdial.requests import Answer, DialRequest, Unavailable
from outdial.scalars import MILLISECOND_US, SECOND_US

ACTOR: Final = "simulated-carrier"
PAGE: Final = 500
"""Requests read, and commands sent, at once."""
WAIT_S: Final = 30.0
RETRY_US: Final = SECOND_US
NOT_OURS: Final = frozenset({"dial_claimed", "attempt_closed", "attempt_unknown", "outdial_unknown", "target_unknown"})
"""Refused claims after which nothing is said: somebody else places the call, or nobody asks any more."""

Drawn = Literal["answered", "busy", "no_answer", "machine", "failed"]


@dataclass(frozen=True, slots=True)
class Span:
    """How long something takes, milliseconds: at least, usually, at most (a triangular distribution)."""

    least: int
    usual: int
    most: int

    def draw(self, chance: Random) -> int:
        """One duration, milliseconds."""
        return round(chance.triangular(self.least, self.most, self.usual))


@dataclass(frozen=True, slots=True)
class Habits:
    """How the called people and the network behave. The five weights need not add up to 1."""

    answered: float = 0.46
    busy: float = 0.12
    no_answer: float = 0.26
    machine: float = 0.11
    failed: float = 0.05
    setup: Span = Span(400, 1_200, 4_000)
    """From placing the call to its ringing, or to its refusal."""
    ring: Span = Span(2_000, 9_000, 28_000)
    """From ringing to the answer; never longer than the request lets it ring."""
    talk: Span = Span(4_000, 35_000, 240_000)
    """From the answer to the end."""
    greeting: Span = Span(2_000, 3_500, 8_000)
    """From a machine's answer to its being recognized."""

    def outcome(self, chance: Random) -> Drawn:
        """One outcome, by the weights."""
        words: tuple[Drawn, ...] = ("answered", "busy", "no_answer", "machine", "failed")
        return chance.choices(words, (self.answered, self.busy, self.no_answer, self.machine, self.failed))[0]


DEFAULT_HABITS: Final = Habits()


@dataclass(frozen=True, slots=True)
class CallScript:
    """What will happen in one call. Durations are milliseconds."""

    outcome: Outcome
    answered: bool
    """True when a person answers: then the answer is said at once, the result at the end."""
    setup_ms: int
    ring_ms: int
    talk_ms: int


def plan_call(seed: int, request: DialRequest, habits: Habits = DEFAULT_HABITS) -> CallScript:
    """What will happen when this request is placed: always the same for one seed, attempt id and habits."""
    chance = Random(f"{seed}/{request.attempt_id}")  # noqa: S311  a simulation, not a secret
    outcome = habits.outcome(chance)
    setup = habits.setup.draw(chance)
    ring = min(habits.ring.draw(chance), request.dial_timeout)
    talk, greeting = habits.talk.draw(chance), habits.greeting.draw(chance)
    match outcome:
        case "answered":
            return CallScript("answered", True, setup, ring, talk)  # noqa: FBT003  one field of a record
        case "machine":
            return CallScript("machine", False, setup, ring, greeting)  # noqa: FBT003  one field of a record
        case "no_answer":
            return CallScript("no_answer", False, setup, request.dial_timeout, 0)  # noqa: FBT003  one field of a record
        case "busy" | "failed":
            return CallScript(outcome, False, setup, 0, 0)  # noqa: FBT003  one field of a record


class Clock(Protocol):
    """The ledger's time, at whatever pace it passes."""

    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...

    async def sleep_until(self, instant: int) -> None:
        """Return when ``now()`` has reached the instant."""
        ...


@dataclass(order=True, slots=True)
class _Call:
    """A placed call, ordered by the moment of its next word."""

    at: int
    number: int
    request: DialRequest = field(compare=False)
    script: CallScript = field(compare=False)
    started_at: int = field(compare=False)
    said_answered: bool = field(compare=False, default=False)


class SimulatedCarrier:
    """Places every dial request it can read, until cancelled.

    Args:
        seed: of all outcomes and durations.
        worker: the id claims are made with; a new one for every start of a process.
        requests: ``(after, limit)`` -> requests after a log position, oldest first, and the position reached with them.
            Fewer than ``limit``: there are no others yet.
        wait_beyond: ``(position, timeout in seconds)`` -> the newest log position, once it is beyond or time is over.
        submit: sends commands; the answers come in their order. May raise ``Unavailable``: it is asked again.
        clock: the ledger's time.
        after: where to begin reading. Requests whose lease is over by then are passed over.
    """

    def __init__(
        self,
        *,
        seed: int,
        worker: str,
        requests: Callable[[Position, int], tuple[Sequence[DialRequest], Position]],
        wait_beyond: Callable[[Position, float], Awaitable[Position]],
        submit: Callable[[Sequence[Command]], Awaitable[Sequence[Answer]]],
        clock: Clock,
        after: Position,
        habits: Habits = DEFAULT_HABITS,
    ) -> None:
        self._seed = seed
        self._worker = worker
        self._requests = requests
        self._wait_beyond = wait_beyond
        self._submit = submit
        self._clock = clock
        self._habits = habits
        self._after = after
        self._started_at = clock.now()
        self._fresh: deque[DialRequest] = deque()
        self._calls: list[_Call] = []
        self._placed = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def placed(self) -> int:
        """Calls placed since the start."""
        return self._placed

    @property
    def open_calls(self) -> int:
        """Calls placed and not yet over."""
        return len(self._calls)

    async def run(self) -> None:
        """Read requests and place calls until cancelled; then hang up what is open, and say so."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._read())
                both.create_task(self._place_and_tell())
        except asyncio.CancelledError:
            await self._hang_up()
            raise

    async def _read(self) -> None:
        """Keep `_fresh` filled with what the log asks for."""
        after = seen = self._after
        while True:
            page, after = self._requests(after, PAGE)
            self._fresh.extend(request for request in page if request.expires_at > self._started_at)
            if self._fresh:
                self._news.set()
            if len(page) == PAGE:
                self._room.clear()
                if len(self._fresh) >= PAGE:
                    await self._room.wait()
                else:
                    await asyncio.sleep(0)
            else:
                seen = await self._wait_beyond(after.merged(seen), WAIT_S)
                await asyncio.sleep(0)  # a log that is closing no longer waits

    async def _place_and_tell(self) -> None:
        """Claim and place what is fresh, say what has happened in the open calls, wait for the next of either."""
        while True:
            if self._fresh:
                await self._place([self._fresh.popleft() for _ in range(min(PAGE, len(self._fresh)))])
                self._room.set()
            elif self._calls and self._calls[0].at <= self._clock.now():
                await self._tell()
            else:
                await self._rest()

    async def _rest(self) -> None:
        """Wait until there is something fresh, or an open call has its next word."""
        self._news.clear()
        if not self._calls:
            await self._news.wait()
            return
        waits = {asyncio.create_task(self._news.wait()), asyncio.create_task(self._clock.sleep_until(self._calls[0].at))}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _place(self, requests: list[DialRequest]) -> None:
        """Claim each request; place those granted in time, give the others back."""
        answers = await self._sent([self._claim(request) for request in requests])
        now = self._clock.now()
        refused: list[Command] = []
        for request, answer in zip(requests, answers, strict=True):
            if answer.result != "rejected":
                if now <= request.not_after:
                    self._begin(request, now)
                else:
                    refused.append(self._result(request, "not_dialed"))
            elif answer.reason not in NOT_OURS and request.requested_at >= self._started_at:
                refused.append(self._result(request, "not_dialed"))
        if refused:
            await self._sent(refused)

    def _begin(self, request: DialRequest, now: int) -> None:
        """A call is on its way; its next word is the answer, or the result."""
        script = plan_call(self._seed, request, self._habits)
        self._placed += 1
        silence = script.setup_ms + script.ring_ms + (0 if script.answered else script.talk_ms)
        heapq.heappush(self._calls, _Call(now + silence * MILLISECOND_US, self._placed, request, script, now))

    async def _tell(self) -> None:
        """Say what has happened in the calls whose moment has come."""
        now = self._clock.now()
        words: list[Command] = []
        while self._calls and self._calls[0].at <= now and len(words) < PAGE:
            call = heapq.heappop(self._calls)
            if call.script.answered and not call.said_answered:
                words.append(self._answered(call.request))
                call.said_answered = True
                call.at += call.script.talk_ms * MILLISECOND_US
                heapq.heappush(self._calls, call)
            else:
                words.append(self._result(call.request, call.script.outcome, call))
        await self._sent(words)

    async def _hang_up(self) -> None:
        """End the open calls. What cannot be said any more is ended by the lease."""
        now = self._clock.now()
        while self._calls:
            calls, self._calls = self._calls[:PAGE], self._calls[PAGE:]
            words = [self._result(call.request, "answered" if call.said_answered else "canceled", call, now) for call in calls]
            with suppress(Unavailable):
                await self._submit(words)

    async def _sent(self, commands: list[Command]) -> Sequence[Answer]:
        """The answers to commands. Their ids are derived, so asking again after an outage repeats nothing."""
        while True:
            try:
                return await self._submit(commands)
            except Unavailable:
                await self._clock.sleep_until(self._clock.now() + RETRY_US)

    def _claim(self, request: DialRequest) -> ClaimDial:
        return ClaimDial(
            id=self._id(request, "claim"),
            customer_id=request.customer_id,
            actor=ACTOR,
            outdial_id=request.outdial_id,
            target_id=request.target_id,
            attempt_id=request.attempt_id,
            worker=self._worker,
        )

    def _answered(self, request: DialRequest) -> DialAnswered:
        return DialAnswered(
            id=self._id(request, "answered"),
            customer_id=request.customer_id,
            actor=ACTOR,
            outdial_id=request.outdial_id,
            target_id=request.target_id,
            attempt_id=request.attempt_id,
        )

    def _result(self, request: DialRequest, outcome: Outcome, call: _Call | None = None, ended_at: int | None = None) -> DialResult:
        return DialResult(
            id=self._id(request, f"result/{outcome}"),
            customer_id=request.customer_id,
            actor=ACTOR,
            outdial_id=request.outdial_id,
            target_id=request.target_id,
            attempt_id=request.attempt_id,
            outcome=outcome,
            answered=call.said_answered if call else None,
            started_at=call.started_at if call else None,
            ended_at=ended_at or (call.at if call else None),
            call_id=f"sim-{request.attempt_id}" if call else None,
        )

    def _id(self, request: DialRequest, word: str) -> str:
        return derived(request.attempt_id, f"{self._worker}/{word}")
