"""What holds for every test."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from brokers.cluster import RUNNING
from cli.program import STARTED

# The machines of tests are shared; a slow moment is no failure. A failing example prints how to run it again.
settings.register_profile("drawn", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
# The same examples every time: what was green stays green. `make chance` draws others.
settings.register_profile("fixed", settings.get_profile("drawn"), derandomize=True)
settings.load_profile("fixed")

# The contract of the runtimes explains a failed assertion as a test does, whoever imports it first.
pytest_plugins = ("brokers.fixtures", "both", "pages", "telling")

HERE = Path(__file__).parent

pytest.register_assert_rewrite("runtimes.contract")

LONGEST = ("runtimes", "dialing/test_histories.py", "fuzz", "troubles", "faults", "worker", "brokers", "races", "imports", "page", "deploy")
"""Where the files are that take longest."""
WORDS = 4_000
"""Characters of what one server said last."""


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Fixed examples must not depend on which modules a process has loaded: Hypothesis draws from the constants in them."""
    if settings.get_current_profile_name() == "fixed":
        providers._get_local_constants = Constants  # noqa: SLF001  it has no setting for this


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first: else one process would be left alone with it at the end."""
    items.sort(key=lambda item: not item.path.relative_to(HERE).as_posix().startswith(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure stands what the servers and the brokers said that were there."""
    report = yield
    if report.failed:
        report.sections += [(f"server {service.url or service.data}", service.said()[-WORDS:]) for service in STARTED]
        report.sections += [(f"cluster {cluster.bootstrap}", cluster.said()) for cluster in RUNNING]
    return report


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: a test that waits leaves its core to another."""
    return (os.cpu_count() or 1) * 2
