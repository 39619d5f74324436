"""What all runs together say: ``docs/reliability.md`` from ``docs/results/chaos.jsonl``."""

import json
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[3]
RESULTS: Final = ROOT / "docs" / "results" / "chaos.jsonl"
PAGE: Final = ROOT / "docs" / "reliability.md"


def runs() -> list[dict[str, Any]]:
    """Every run that was written down."""
    return [json.loads(text) for text in RESULTS.read_text(encoding="utf-8").splitlines()] if RESULTS.exists() else []


def recorded(goal: str, peer: str) -> int:
    """Faults of a goal that were written down; runs with fewer than planned do not count."""
    return sum(run["faults"] for run in runs() if (run["run"], run["peer"]) == (goal, peer) and run["verdict"] != "short")


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(runs()), encoding="utf-8")


def page(found: list[dict[str, Any]]) -> str:
    """The page."""
    return ""
