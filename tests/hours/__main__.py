"""``make hours``: a million cases, every change of the clock of every zone from 2020 to 2037, a thousand late calls."""

import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from random import Random
from time import monotonic

from hours.cases import around, changes, random_cases
from hours.test_hours import late
from oracle import every_zone

CASES, PORTIONS, LATE = 1_000_000, 100, 1_000


def _portion(seed: int, cases: int) -> tuple[int, int]:
    return random_cases(Random(seed), cases)  # noqa: S311  the same cases for the same seed


def _changes_of(zone: str) -> tuple[int, int]:
    rng, found, judged = Random(zone), 0, 0  # noqa: S311  as above
    for at in changes(zone):
        found, judged = found + 1, judged + around(zone, at, rng)
    return found, judged


def _late(seed: int) -> None:
    late(Random(seed))  # noqa: S311  as above


def main() -> None:
    """Go through all of it; the first answer that differs from the oracle's ends it with a traceback."""
    began = monotonic()
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with ProcessPoolExecutor() as pool:
        portions = list(pool.map(_portion, range(seed * PORTIONS, (seed + 1) * PORTIONS), repeat(CASES // PORTIONS)))
        set_clocks = list(pool.map(_changes_of, every_zone(), chunksize=8))
        late_calls = len(list(pool.map(_late, range(seed * LATE, (seed + 1) * LATE), chunksize=50)))
    judged, opened = (sum(column) for column in zip(*portions, strict=True))
    found, around_them = (sum(column) for column in zip(*set_clocks, strict=True))
    lines = (
        f"seed {seed}: {judged} cases, {opened} of them open",
        f"{found} changes of the clock in {len(set_clocks)} zones, {around_them} cases around them",
        f"{late_calls} calls that came too late were refused",
        f"the oracle agrees with all of it; {monotonic() - began:.0f} s",
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
