"""What becomes of one dial request: it is claimed, its call is placed, and what happened is said.

Every request that comes here has been taken for good: no other process will be handed it. Each has a task of its own.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final, Protocol

from outdial.commands import OUTCOMES, DialAnswered, DialResult, Outcome, OutdialCommand
from outdial.ids import derived
from outdial.requests import DialRequest
from outdial.scalars import SECOND_US
from outdial.trace import current_trace
from outdial.worker.carrier import Carrier, NotDialed, Result
from outdial.worker.claims import Granted
from outdial.worker.clock import now_us

ACTOR: Final = "dial-worker"
LATE_AT_ONCE: Final = 500
"""Requests given back at once, beside the calls."""
HANG_UP_S: Final = 5.0
"""How long a cancelled call has to hang up."""
CALL_ID_LENGTH: Final = 255

log = logging.getLogger(__name__)


class Says(Protocol):
    """The way to the ledger."""

    async def say(self, command: OutdialCommand) -> None:
        """Send a command until it has been taken."""
        ...


class Asks(Protocol):
    """The claims."""

    async def ask(self, request: DialRequest) -> Granted:
        """Whether the call is still wanted, and from us."""
        ...


@dataclass(slots=True)
class Counts:
    """What has happened since the start."""

    placed: int = 0
    refused: int = 0
    """Claims that ended without a call and without a word: another worker's, or over."""
    not_dialed: int = 0
    unknown: int = 0
    """Calls of which nobody knows what became."""
    repeated: int = 0
    """Requests that came a second time and were left alone."""


class _Call:
    """The call as its carrier sees it (:class:`outdial.worker.carrier.Call`)."""

    def __init__(self, desk: "Desk", request: DialRequest) -> None:
        self._desk = desk
        self._request = request
        self.said: asyncio.Task[None] | None = None

    @property
    def attempt_id(self) -> str:
        return self._request.attempt_id

    def answered(self) -> None:
        if self.said is None:
            self.said = self._desk.start_saying(DialAnswered(**_to(self._request, "answered")))


class Desk:
    """The calls of one worker.

    Args:
        claims: None places every request unasked.
        max_calls: calls open at once.
    """

    def __init__(self, carrier: Carrier, outbox: Says, claims: Asks | None, *, max_calls: int) -> None:
        self._carrier = carrier
        self._outbox = outbox
        self._claims = claims
        self._max_calls = max_calls
        self.counts = Counts()
        self._busy = 0
        self._late = 0
        self._draining = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._placing: set[asyncio.Task[None]] = set()
        self._seen: dict[str, int] = {}
        self._changed = asyncio.Event()

    @property
    def open_calls(self) -> int:
        """Calls placed and not yet over."""
        return len(self._placing)

    @property
    def free(self) -> int:
        """Calls that could be placed now."""
        return max(0, self._max_calls - self._busy)

    @property
    def free_late(self) -> int:
        """Requests that could be given back now."""
        return LATE_AT_ONCE - self._late

    async def changed(self, until: int) -> None:
        """Wait until a request has been dealt with, or until an instant in microseconds."""
        self._changed.clear()
        try:
            async with asyncio.timeout(max(0, until - now_us()) / SECOND_US):
                await self._changed.wait()
        except TimeoutError:
            return

    def take(self, request: DialRequest) -> None:
        """Deal with a request that is ours alone. Past its ``not_after`` it is given back, past its lease it is nobody's any more."""
        now = now_us()
        self._forget(now)
        if request.attempt_id in self._seen:
            self.counts.repeated += 1
            return
        self._seen[request.attempt_id] = request.expires_at
        if now > request.expires_at:
            return
        in_time = now <= request.not_after
        if in_time:
            self._busy += 1
        else:
            self._late += 1
        self._follow(asyncio.create_task(self._deal(request, in_time=in_time)))

    def start_saying(self, command: OutdialCommand) -> asyncio.Task[None]:
        """Say something while its call goes on."""
        task = asyncio.create_task(self._outbox.say(command))
        self._follow(task)
        return task

    async def drain(self, calls_s: float, words_s: float) -> None:
        """Place nothing more; let the calls end, then hang up; say how they ended. No wait is longer than asked."""
        self._draining = True
        await _over(self._placing, calls_s)
        for task in self._placing:
            task.cancel()
        await _over(self._placing, HANG_UP_S)
        await _over(self._tasks, words_s)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _forget(self, now: int) -> None:
        """Let go of attempts whose lease is over: a request for one is left alone anyway."""
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] >= now:
                return
            del self._seen[oldest]

    def _follow(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a dial request could not be dealt with: %s", _where(error))

    async def _deal(self, request: DialRequest, *, in_time: bool) -> None:
        current_trace.set(request.traceparent)
        try:
            word = await self._word_of(request)
        finally:
            if in_time:
                self._busy -= 1
            else:
                self._late -= 1
            self._changed.set()
        if word is not None:
            if word.outcome == "not_dialed":
                self.counts.not_dialed += 1
            await self._outbox.say(word)

    async def _word_of(self, request: DialRequest) -> DialResult | None:
        """What is to be said of a request in the end; None for nothing."""
        if self._claims is not None:
            claimed = await self._claims.ask(request)
            if claimed.verdict == "others":
                self.counts.refused += 1
                return None
            if claimed.verdict == "unwanted":
                return _not_dialed(request)
        if self._draining or now_us() > request.not_after:
            return _not_dialed(request)
        return await self._placed(request)

    async def _placed(self, request: DialRequest) -> DialResult | None:
        """Place the call, see it through, and tell how it ended."""
        call = _Call(self, request)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  every request has a task
        self.counts.placed += 1
        self._placing.add(task)
        started_at = now_us()
        try:
            ended = await self._carrier.place(request, call)
        except NotDialed as why:
            log.info("attempt %s was not dialed: %s", request.attempt_id, why.reason)
            return _not_dialed(request)
        except Exception as error:  # noqa: BLE001  a carrier is other people's code
            self.counts.unknown += 1
            log.error("nobody knows what became of attempt %s: %s", request.attempt_id, _where(error))  # noqa: TRY400  a traceback may show a number
            return None
        finally:
            self._placing.discard(task)
        if call.said is not None:
            await asyncio.wait({call.said})
        return None if ended is None else _result(request, ended, started_at)


async def _over(tasks: set[asyncio.Task[None]], seconds: float) -> None:
    if tasks:
        await asyncio.wait(set(tasks), timeout=seconds)


def _result(request: DialRequest, ended: Outcome | Result, started_at: int) -> DialResult:
    known = ended if isinstance(ended, Result) else Result(ended)
    outcome = known.outcome
    if outcome not in OUTCOMES:
        log.error(
            "the carrier gave an outcome of attempt %s that is none of %s; it is said as other", request.attempt_id, ", ".join(OUTCOMES)
        )
        outcome = "other"
    if outcome == "not_dialed":
        return _not_dialed(request)
    fields = _to(request, "result")
    try:
        return DialResult(
            **fields,
            outcome=outcome,
            started_at=started_at if known.started_at is None else known.started_at,
            ended_at=now_us() if known.ended_at is None else known.ended_at,
            call_id=None if known.call_id is None else known.call_id.replace("\0", "")[:CALL_ID_LENGTH],
            call_back_at=known.call_back_at,
        )
    except ValueError:
        log.error("what the carrier told about attempt %s beside its outcome is not said: it is malformed", request.attempt_id)  # noqa: TRY400  as above
        return DialResult(**fields, outcome=outcome)


def _not_dialed(request: DialRequest) -> DialResult:
    return DialResult(**_to(request, "result"), outcome="not_dialed")


def _to(request: DialRequest, word: str) -> dict[str, Any]:
    """The fields of a command about an attempt. Its id is derived, so that said twice it counts once."""
    return {
        "id": derived(request.attempt_id, word),
        "customer_id": request.customer_id,
        "actor": ACTOR,
        "outdial_id": request.outdial_id,
        "target_id": request.target_id,
        "attempt_id": request.attempt_id,
        "traceparent": request.traceparent,
    }


def _where(error: BaseException) -> str:
    """What was raised, and where; never its text, which may hold a number."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(error).__name__}{place}"
