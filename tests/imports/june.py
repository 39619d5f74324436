"""The June campaign: its files, what is expected of them, and the script that writes them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from runpy import run_path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPT = EXAMPLES / "make_june_campaign.py"
FILES = ("june-campaign.csv", "june-campaign.bom.csv", "june-campaign.utf-16.csv", "june-campaign.semicolon.csv")
EXPECTED: dict[str, Any] = json.loads((EXAMPLES / "june-campaign.expected.json").read_bytes())

written: Callable[[], Iterator[tuple[str, bytes]]] = run_path(str(SCRIPT))["files"]
"""Name and bytes of every example file, as the script writes it."""


def body(name: str = FILES[0]) -> bytes:
    """An example file."""
    return (EXAMPLES / name).read_bytes()


def faults(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The refused rows of a report, in the form of the expectation."""
    return [{name: error[name] for name in ("line", "row", "reason")} for error in report["errors"]]


def repeats(report: dict[str, Any]) -> list[tuple[int, int]]:
    """Line and row of the skipped rows of a report or of the expectation."""
    return [(found["line"], found["row"]) for found in report["skipped"]]
