"""Whatever comes, the answer is one the description tells of, and never a fault. ``make fuzz`` asks 20,000 times."""

from pathlib import Path

from fuzz.running import fuzz, served


def test_some_requests_to_every_route_find_no_fault(tmp_path: Path) -> None:
    with served(tmp_path / "data") as url:
        found = fuzz(url, tmp_path, seed=1, examples=2, phases="fuzzing,stateful", limit_s=10)

    assert found.code == 0, found.said[-20_000:]
    assert found.cases > 20, found.said
