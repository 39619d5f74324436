"""Whatever comes, the answer is one the description tells of, and never a fault. ``make fuzz`` asks 20,000 times."""

from pathlib import Path

from fuzz.running import fuzz, served

ENOUGH = 20
"""Requests; a busy machine needs several turns for them."""


def test_some_requests_to_every_route_find_no_fault(tmp_path: Path) -> None:
    cases, seed = 0, 0
    with served(tmp_path / "data") as url:
        while cases <= ENOUGH:
            seed += 1
            found = fuzz(url, tmp_path, seed=seed, examples=2, phases="fuzzing,stateful", limit_s=10)
            cases += found.cases
            assert found.code == 0, found.said[-20_000:]
            assert found.cases, found.said
