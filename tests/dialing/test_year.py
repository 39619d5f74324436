"""A year of a campaign in virtual time: a thousand targets, and every gap between two attempts exactly as the rules say."""

from collections import defaultdict
from random import Random
from time import process_time

from invariants import Invariants
from outdial.address import Address
from outdial.commands import AddTargets, DialAnswered, NewTarget
from outdial.events import DialEnded, DialRequested, TargetExhausted, TargetFinished
from outdial.plan import Plan
from outdial.requests import DialRequest
from saying import OUTDIAL, campaign, create, outplan, run
from sim import DAY, HOUR, SECOND, Carrier, Sim, Word, an_id, result

WEEKS, EACH_WEEK = 50, 20
INTERVAL = 2 * HOUR
PLAN = Plan(max_try_count_0=5, max_try_count_1=5, max_try_count_2=3, try_interval=7_200_000, max_concurrent=0)
LEASE = (60 + 30 + 600) * SECOND


def carrier_of(rng: Random) -> tuple[list[tuple[str, int]], Carrier]:
    """A carrier with a mind of its own, and what it said: (attempt, microseconds after the request)."""
    said: list[tuple[str, int]] = []

    def carrier(request: DialRequest) -> list[Word]:
        chance, after = rng.random(), rng.randrange(1, 90) * SECOND + rng.randrange(SECOND)
        if chance < 0.03:
            return []
        said.append((request.attempt_id, after))
        if chance < 0.06:
            picked_up = DialAnswered(outdial_id=request.outdial_id, target_id=request.target_id, attempt_id=request.attempt_id)
            return [(after // 2, picked_up), (after, result(request, "normal"))]
        return [(after, result(request, rng.choice(["busy", "no_answer", "machine", "failed", "canceled", "not_dialed"])))]

    return said, carrier


def test_a_year_of_a_campaign_dials_a_thousand_targets_with_every_gap_as_the_rules_say() -> None:
    began = process_time()
    said, carrier = carrier_of(Random(7))  # noqa: S311  the same year every time
    sim = Sim(carrier)
    for command in (create(), outplan(PLAN), campaign(end_handle="continue"), run()):
        sim.send(command)
    for week in range(WEEKS):
        rows = tuple(
            NewTarget(
                target_id=an_id(f"{week}/{row}"),
                destination_0=Address(type="tel", target=f"+1555{week * EACH_WEEK + row:07}"),
                destination_1=Address(type="tel", target=f"+4420{70_000_000 + week * EACH_WEEK + row}"),
                destination_2=Address(type="sip", target=f"u{row}@example.org"),
            )
            for row in range(EACH_WEEK)
        )
        assert sim.send(AddTargets(outdial_id=OUTDIAL, targets=rows)).result == "events"
        sim.run(7 * DAY)
    sim.run(15 * DAY)
    spent = process_time() - began

    checked = Invariants()
    requested: dict[str, list[tuple[int, DialRequested]]] = defaultdict(list)
    ended: dict[str, list[tuple[int, DialEnded]]] = defaultdict(list)
    for event in sim.log:
        checked.see(event)
        if isinstance(event.data, DialRequested):
            requested[event.data.target_id].append((event.time, event.data))
        elif isinstance(event.data, DialEnded):
            ended[event.data.target_id].append((event.time, event.data))
    told = dict(said)
    for target_id, attempts in requested.items():
        assert [end.attempt_id for _, end in ended[target_id]] == [one.attempt_id for _, one in attempts]
        for (at, one), (end, how) in zip(attempts, ended[target_id], strict=True):
            assert end - at == told.get(one.attempt_id, LEASE)
            assert how.lost == (one.attempt_id not in told)
        for (end, _), (at, _) in zip(ended[target_id], attempts[1:], strict=False):
            assert at - end == INTERVAL
        slots = [one.destination_index for (_, one), (_, how) in zip(attempts, ended[target_id], strict=True) if not how.given_back]
        assert slots == ([0] * 5 + [1] * 5 + [2] * 3)[: len(slots)]
        reached = ended[target_id][-1][1].outcome == "answered"
        assert reached or len(slots) == 13
    assert len(requested) == WEEKS * EACH_WEEK
    ends = [type(event.data) for event in sim.log]
    assert ends.count(TargetFinished) + ends.count(TargetExhausted) == WEEKS * EACH_WEEK
    assert spent < 10, f"{spent:.1f} s of processor time"
