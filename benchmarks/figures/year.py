"""A year's worth of a campaign in virtual time, by the ledger that serves: 1,000 targets, plan 5/5/3, interval 2 h."""

import heapq
import time
from hashlib import blake2b
from random import Random
from typing import cast

from benchmarks.measure import CUSTOMER, Figure
from outdial.commands import AddTargets, CreateOutdial, DialResult, NewTarget, Outcome
from outdial.dialing.ledger import Ledger
from outdial.events import DialRequested
from outdial.ids import derived
from outdial.plan import Plan

BEGIN = 1_790_000_000_000_000
YEAR = 365 * 86_400 * 1_000_000
ROUNDS = 13
"""A list of 1,000 is through in about a day; it is reopened until a year has passed."""


def simulated() -> tuple[float, int, float]:
    """Seconds, attempts, and days of virtual time: the list is dialed until no try is left, in every month of a year."""
    outdial_id = derived(CUSTOMER, "year")
    ledger = Ledger(lambda text: blake2b(text.encode(), digest_size=16).hexdigest(), "bench")
    plan = Plan(max_try_count_0=5, max_try_count_1=5, max_try_count_2=3, try_interval=7_200_000)
    chance = Random(1)
    began = time.perf_counter()
    now, attempts = BEGIN, 0
    ledger.decide(CreateOutdial(id=derived(outdial_id, "create"), outdial_id=outdial_id, plan=plan), now)
    while now < BEGIN + YEAR:
        month = (now - BEGIN) // (28 * 86_400 * 1_000_000)
        for part in range(0, 1_000 // ROUNDS + 1, 500):
            people = tuple(_person(month, n) for n in range(part, min(part + 500, 1_000 // ROUNDS + 1)))
            ledger.decide(
                AddTargets(id=derived(outdial_id, f"{month}/{part}"), outdial_id=outdial_id, targets=people, on_duplicate="accept"), now
            )
        now, made = _dialed(ledger, outdial_id, now, chance)
        attempts += made
        now = max(now, BEGIN + (month + 1) * 28 * 86_400 * 1_000_000)
    return time.perf_counter() - began, attempts, (now - BEGIN) / 86_400e6


def _person(month: int, number: int) -> NewTarget:
    base = 2_000_000_000 + month * 10_000 + number * 3
    return NewTarget.model_validate({f"destination_{slot}": {"type": "tel", "target": f"+1{base + slot}"} for slot in range(3)})


def _dialed(ledger: Ledger, outdial_id: str, now: int, chance: Random) -> tuple[int, int]:
    """Dial until nothing is left; returns the time then, and how many attempts it took."""
    results: list[tuple[int, int, DialResult]] = []
    attempts = 0
    while True:
        due = ledger.next_due()
        coming = [at for at in (due, results[0][0] if results else None) if at is not None]
        if not coming:
            return now, attempts
        now = max(now, min(coming))
        while results and results[0][0] <= now:
            ledger.decide(heapq.heappop(results)[2], now)
        for effects in ledger.tick(now, now, 10_000):
            for event in effects.events:
                request = cast("DialRequested", event.data)
                attempts += 1
                outcome: Outcome = chance.choice(("busy", "no_answer", "failed", "machine", "answered"))
                word = DialResult(
                    id=derived(request.attempt_id, "result"), outdial_id=outdial_id,
                    target_id=request.target_id, attempt_id=request.attempt_id, outcome=outcome,
                )  # fmt: skip
                heapq.heappush(results, (now + 30_000_000, attempts, word))


def run(repeat: int) -> list[Figure]:
    """Measure."""
    found = [simulated() for _ in range(repeat)]
    seconds = [one[0] for one in found]
    notes = {"attempts": found[0][1], "days": found[0][2]}
    return [Figure("year", "a year of a campaign of 1,000 targets, virtual time", seconds, "s", "<= 10 s", max(seconds) <= 10, notes=notes)]
