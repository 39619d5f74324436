"""What holds for every test."""

import os

import pytest
from hypothesis import settings

# The machines of tests are shared; a slow moment is no failure. A failing example prints how to run it again.
settings.register_profile("tests", deadline=None, print_blob=True)
settings.load_profile("tests")

# The contract of the runtimes explains a failed assertion as a test does, whoever imports it first.
pytest_plugins = ("brokers.fixtures", "both", "pages", "telling")

pytest.register_assert_rewrite("runtimes.contract")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a test that waits leaves its core to another."""
    return (os.cpu_count() or 1) + 1
