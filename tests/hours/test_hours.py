"""Nobody is called outside their hours: cases by the thousand here, by the million with ``make hours``."""

from random import Random

import pytest

from given import given
from hours.cases import around, changes, random_cases
from oracle import DAYS, allowed, every_zone
from outdial.plan import Plan
from saying import add, claim, create
from sim import MINUTE, SECOND, Sim, silent

SEEDS = range(4)
LATE_CASES = 40


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_permitted_is_what_the_clock_on_the_wall_permits(seed: int) -> None:
    judged, opened = random_cases(Random(seed), 500)  # noqa: S311  the same cases for the same seed
    assert 0 < opened < judged


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Nuuk", "Asia/Gaza"]
)
def test_around_every_change_of_the_clock_the_wall_decides(zone: str) -> None:
    rng = Random(zone)  # noqa: S311  as above
    assert sum(around(zone, at, rng) for at in changes(zone)) > 100


def test_no_zone_has_a_change_of_the_clock_that_is_overlooked() -> None:
    rng = Random(9)  # noqa: S311  as above
    for zone in rng.sample(every_zone(), 10):
        for at in changes(zone):
            around(zone, at, rng)


@pytest.mark.parametrize("seed", range(LATE_CASES))
def test_a_window_that_closes_between_the_request_and_the_call_is_not_called_into(seed: int) -> None:
    late(Random(seed))  # noqa: S311  as above


def late(rng: Random) -> None:
    """A request shortly before the end of a window, and a worker that comes to it before and after."""
    zone = rng.choice(every_zone())
    hours = [{"days": list(DAYS), "start": "08:00", "end": "21:00"}]
    plan = Plan.model_validate({"max_try_count_0": 1, "pickup_timeout": 3_600_000, "windows": {"hours": hours}})
    sim = Sim(silent, rng.randrange(1_600_000_000, 2_000_000_000) * SECOND)
    there = given(create(plan), sim=sim)
    opens = sim.now + next(minute for minute in range(2 * 1_440) if closes_soon(zone, sim.now + minute * MINUTE)) * MINUTE
    sim.now = opens + rng.randrange(MINUTE)
    there.when(add(time_zone=zone), 0)
    for request in there.requests:
        assert allowed({"hours": hours}, (zone,), request.not_after)
        assert not allowed({"hours": hours}, (zone,), request.not_after + 1)
        sim.now = request.not_after + 1 + rng.choice((0, rng.randrange(MINUTE)))
        there.when(claim()).then_rejects("dial_too_late")
    assert len(there.sim.requests) == allowed({"hours": hours}, (zone,), opens)


def closes_soon(zone: str, at: int) -> bool:
    """Whether a window that ends at nine in the evening does so within the half hour."""
    policy = {"hours": [{"days": list(DAYS), "start": "08:00", "end": "21:00"}]}
    return allowed(policy, (zone,), at + MINUTE) and not allowed(policy, (zone,), at + 30 * MINUTE)
