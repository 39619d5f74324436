"""What holds for every test."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The machines of tests are shared; a slow moment is no failure. A failing example prints how to run it again.
settings.register_profile("tests", deadline=None, print_blob=True)
settings.load_profile("tests")

# The contract of the runtimes explains a failed assertion as a test does, whoever imports it first.
pytest_plugins = ("brokers.fixtures", "both", "pages", "telling")

HERE = Path(__file__).parent

pytest.register_assert_rewrite("runtimes.contract")

LONGEST = ("runtimes", "troubles", "faults", "worker", "brokers", "races", "imports")
"""Where the files are that take longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first: else one process would be left alone with it at the end."""
    items.sort(key=lambda item: item.path.relative_to(HERE).parts[0] not in LONGEST)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a test that waits leaves its core to another."""
    return (os.cpu_count() or 1) + 1
