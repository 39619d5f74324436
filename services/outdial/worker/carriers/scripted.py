"""A carrier that places no calls, for demonstrations and fault tests: a seed draws how each of them goes.

It can note every call it was asked to place in a file, one line each, so that a checker can count them afterwards,
whatever was killed in between.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from outdial.commands import Outcome
from outdial.requests import DialRequest
from outdial.wire import to_json
from outdial.worker.carrier import Call, Result
from outdial.worker.carriers.simulated import DEFAULT_HABITS, Habits, plan_call
from outdial.worker.clock import now_us

MS_PER_S: Final = 1_000


class ScriptedCarrier:
    """Goes through the motions of each call.

    Args:
        seed: of all outcomes and durations; one seed and one attempt id decide a call.
        pace: how many times faster than life; 0 takes no time at all.
        calls: a file to note calls in. A line is JSON: ``{"at": microseconds, "what": "placed" | "ended", "attempt_id",
            "target_id", "pid"}``, the end with ``outcome``. Several processes may write into one file.
    """

    def __init__(self, seed: int, *, habits: Habits = DEFAULT_HABITS, pace: float = 1.0, calls: Path | None = None) -> None:
        self._seed = seed
        self._habits = habits
        self._pace = pace
        self._calls = None if calls is None else os.open(calls, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    async def place(self, request: DialRequest, call: Call) -> Result:
        """Note the call, let its time pass, note its end."""
        self._note(request, "placed")
        script = plan_call(self._seed, request, self._habits)
        outcome: Outcome = "canceled"
        try:
            await self._pass(script.setup_ms + script.ring_ms)
            if script.answered:
                call.answered()
                outcome = "answered"
            await self._pass(script.talk_ms)
            outcome = script.outcome
        except asyncio.CancelledError:
            return Result(outcome, f"sim-{request.attempt_id}")
        finally:
            self._note(request, "ended", outcome)
        return Result(outcome, f"sim-{request.attempt_id}")

    def close(self) -> None:
        """Close the file of calls."""
        if self._calls is not None:
            os.close(self._calls)
            self._calls = None

    async def _pass(self, milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / MS_PER_S / self._pace if self._pace else 0)

    def _note(self, request: DialRequest, what: str, outcome: Outcome | None = None) -> None:
        """One write for one line: O_APPEND keeps the lines of several processes whole and apart."""
        if self._calls is None:
            return
        line = {"at": now_us(), "what": what, "attempt_id": request.attempt_id, "target_id": request.target_id, "pid": os.getpid()}
        os.write(self._calls, to_json(line if outcome is None else line | {"outcome": outcome}) + b"\n")
