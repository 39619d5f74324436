"""What tests tell people: seeds, and what was measured. It stands at the end of the run, also when the test passed."""

import os
from collections.abc import Callable, Iterator
from typing import Final

import pytest

Tell = Callable[[str], None]
TOLD: Final = "told"


@pytest.fixture(scope="session")
def seed() -> int:
    """Where the chances of this run begin. With OUTDIAL_TEST_SEED they begin there again."""
    return int(os.environ.get("OUTDIAL_TEST_SEED") or int.from_bytes(os.urandom(4), "big"))


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Say something that is shown whatever becomes of the test, and whichever process runs it."""

    def say(text: str) -> None:
        print(text)  # noqa: T201  beside the outcome, when it fails
        record_property(TOLD, text)

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [f"{nodeid}: {text}" for reports in terminalreporter.stats.values() for nodeid, text in _told(reports)]
    if lines:
        terminalreporter.section("what tests told")
        for line in lines:
            terminalreporter.line(line)


def _told(reports: list[object]) -> Iterator[tuple[str, object]]:
    for report in reports:
        # The last of a test's reports has all it said.
        if isinstance(report, pytest.TestReport) and report.when == "teardown":
            yield from ((report.nodeid, text) for name, text in report.user_properties if name == TOLD)
