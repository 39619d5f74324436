"""The dial worker on a real broker: what it places, what it gives back, what it leaves alone."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from outdial.requests import DialRequest
from outdial.worker.carrier import Call, Outcome, Result
from worker.conftest import MakeWorker
from worker.standin import Ledger, request, until


@dataclass
class Phones:
    """A carrier that remembers what it was asked to place."""

    outcome: Outcome = "busy"
    hold: asyncio.Event | None = None
    """Calls go on until it is set."""
    asked: list[str] = field(default_factory=list)
    most: int = 0
    now: int = 0

    async def place(self, request: DialRequest, call: Call) -> Outcome | Result | None:
        self.asked.append(request.attempt_id)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.outcome == "answered":
                call.answered()
            if self.hold is not None:
                await self.hold.wait()
            return self.outcome
        finally:
            self.now -= 1


async def test_every_request_is_claimed_then_placed_and_its_result_is_said(ledger: Ledger, working: MakeWorker) -> None:
    requests = [request() for _ in range(50)]
    phones = Phones("answered")
    async with working(phones) as worker:
        await ledger.ask(*requests)
        await until(lambda: len(ledger.results) == 50, "every result is said")
        assert worker.status().placed == 50
        assert worker.status().open_calls == 0
    assert Counter(phones.asked) == Counter(one.attempt_id for one in requests)
    assert {tuple(ledger.words(one.attempt_id)) for one in requests} == {("claim", "answered", "result")}
