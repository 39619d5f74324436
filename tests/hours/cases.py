"""Cases: a zone or several, an instant, a policy; and every change of the clock of every zone."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from oracle import DAYS, Json, allowed, every_zone, wall
from outdial.windows import AHEAD_US, Gate, Windows

MINUTE: Final = 60_000_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
FIRST: Final = 1_577_836_800_000_000
"""2020-01-01."""
LAST: Final = 2_145_916_800_000_000
"""2038-01-01."""
WORKDAYS: Final = list(DAYS[:5])
HOLIDAYS: Final = [
    {"date": "01-01"},
    {"date": "07-04"},
    {"date": "12-25"},
    {"date": "12-24", "hours": [{"start": "09:00", "end": "12:00"}]},
]
POLICIES: Final[tuple[Json, ...]] = (
    {"hours": [{"days": list(DAYS), "start": "08:00", "end": "21:00"}]},
    {"hours": [{"days": list(DAYS), "start": "08:00", "end": "20:00"}], "dates": HOLIDAYS},
    {"hours": [{"days": WORKDAYS, "start": "09:00", "end": "12:30"}, {"days": WORKDAYS, "start": "14:00", "end": "18:00"}]},
    {"hours": [{"days": [*WORKDAYS, "sat"], "start": "09:00", "end": "21:00"}]},
    {"hours": [{"days": list(DAYS), "start": "22:00", "end": "02:30"}], "dates": HOLIDAYS},
    {"hours": [{"days": ["sat"], "start": "20:00", "end": "08:00"}, {"days": ["sun"], "start": "01:30", "end": "02:30"}]},
    {"hours": [{"days": list(DAYS), "start": "00:00", "end": "24:00"}], "dates": HOLIDAYS},
    {"hours": [{"days": ["mon"], "start": "00:00", "end": "00:01"}, {"days": ["wed"], "start": "23:59", "end": "00:01"}]},
)


def drawn(rng: Random) -> Json:
    """A policy nobody thought of."""

    def span() -> dict[str, Any]:
        start, end = (f"{rng.randrange(24):02}:{rng.choice((0, 0, 0, 1, 15, 30, 59)):02}" for _ in range(2))
        end = rng.choice((end, end, "24:00", "00:00"))
        return {"start": start, "end": end} if start != end else {"start": "09:00", "end": "20:00"}

    hours = [{"days": rng.sample(DAYS, rng.randint(1, 7)), **span()} for _ in range(rng.randint(1, 4))]
    dates = {}
    for _ in range(rng.randrange(4)):
        day = (date(2020, 1, 1) + timedelta(days=rng.randrange(6_500))).isoformat()[rng.choice((0, 5)) :]
        dates[day] = {"date": day, "hours": [span() for _ in range(rng.randrange(3))]}
    return {"hours": hours, "dates": list(dates.values())}


def judge(policy: Json, windows: Windows, zones: tuple[str, ...], gate: Gate, at: int, rng: Random) -> bool:
    """Hold one answer against the oracle, and the bounds that go with it; whether the window is open."""
    case = (policy, zones, at)
    is_open = gate.is_open(at)
    assert is_open == allowed(policy, zones, at), case
    fresh = Gate(windows, zones)
    if not is_open:
        opens = gate.opens_at(at)
        assert opens == fresh.opens_at(at), case
        assert opens is None or (allowed(policy, zones, opens) and not allowed(policy, zones, opens - 1)), case
        assert not allowed(policy, zones, rng.randrange(at, opens or at + AHEAD_US)), case
        return False
    opening = gate.opening(at)
    assert opening is not None, case
    assert opening == fresh.opening(at), case
    if opening.closes is not None:
        assert allowed(policy, zones, opening.closes - 1), case
        assert not allowed(policy, zones, opening.closes), case
    if opening.opens is not None:
        assert allowed(policy, zones, opening.opens), case
        assert not allowed(policy, zones, opening.opens - 1), case
    assert allowed(policy, zones, rng.randrange(opening.opens or at - WEEK, opening.closes or at + WEEK)), case
    return True


def random_cases(rng: Random, cases: int) -> tuple[int, int]:
    """So many cases, each an instant at or near where something changes; how many were judged, and how many were open."""
    judged = opened = 0
    names = every_zone()
    while judged < cases:
        policy = rng.choice(POLICIES) if rng.random() < 0.5 else drawn(rng)
        zones = tuple(rng.sample(names, rng.choice((1, 1, 1, 2, 3))))
        windows = Windows.model_validate(policy)
        gate, at = Gate(windows, zones), rng.randrange(FIRST, LAST)
        for _ in range(25):
            is_open = judge(policy, windows, zones, gate, at, rng)
            judged, opened = judged + 1, opened + is_open
            opening = gate.opening(at)
            bound = (opening.closes if opening else gate.opens_at(at)) or at + 3 * DAY
            at = bound + rng.choice((-1, 0, 0, 1, rng.randrange(DAY)))
    return judged, opened


def changes(zone: str, step: int = 6 * HOUR) -> Iterator[int]:
    """Every instant at which the clock of a zone is set, 2020 to 2037; found with the oracle's clock, not the program's."""

    def offset(at: int) -> timedelta:
        return wall(zone, at) - wall("UTC", at)

    for start in range(FIRST, LAST, step):
        early, late = start, start + step
        if offset(early) == offset(late):
            continue
        while late - early > 1:
            middle = (early + late) // 2
            early, late = (middle, late) if offset(middle) == offset(early) else (early, middle)
        yield late


def around(zone: str, at: int, rng: Random) -> int:
    """Judge the hours around a change of the clock, under policies that begin and end within it; how many cases that were."""
    before, after = wall(zone, at - 1), wall(zone, at)
    names = [f"{moment + timedelta(minutes=minutes):%H:%M}" for moment in (before, after) for minutes in (-90, -31, 0, 1, 29, 60)]
    judged = 0
    for _ in range(3):
        start, end = rng.sample(sorted(set(names)), 2)
        policy = {"hours": [{"days": list(DAYS), "start": start, "end": end}]}
        windows = Windows.model_validate(policy)
        gate = Gate(windows, (zone,))
        for shift in (-2 * HOUR, -HOUR, -MINUTE, -1, 0, 1, MINUTE, HOUR - 1, HOUR, 2 * HOUR):
            judge(policy, windows, (zone,), gate, at + shift, rng)
            judged += 1
    return judged
