"""The program answers at once: nothing heavy is imported before a verb needs it."""

import subprocess
import sys

import pytest

from cli.program import environment

HEAVY = (
    "asyncio",
    "rich",
    "httpx",
    "fastapi",
    "starlette",
    "uvicorn",
    "pydantic_settings",
    "aiosqlite",
    "phonenumbers",
    "outdial.commands",
    "outdial.client",
)
TYPERS_OWN = ("pydantic", "pydantic_core")
"""What typer reads the arguments of a verb with, once there is a verb."""
LOOK = f"""
import sys
from outdial.compose import Composed
from outdial.doors.cli.main import code_of
code = code_of(Composed(), sys.argv[1:])
print("HEAVY", *[name for name in {HEAVY + TYPERS_OWN!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["outplans", "create", "--help"], ["serve", "--help"], ["--version"], ["lst"]])
def test_help_and_usage_errors_import_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(  # noqa: S603  its own program
        [sys.executable, "-c", LOOK, *arguments], capture_output=True, text=True, env=environment(), check=False
    )
    allowed = {"HEAVY"} if arguments == ["--help"] else {"HEAVY", *TYPERS_OWN}
    assert set(done.stderr.splitlines()[-1].split()) <= allowed
    assert "Traceback" not in done.stderr


def test_help_imports_a_few_modules() -> None:
    """What it costs is one import after another; seconds are measured by the benchmark P15, on a machine that has nothing else to do."""
    count = "import sys; from outdial.compose import Composed; from outdial.doors.cli.main import code_of; code_of(Composed(), ['--help'])"
    done = subprocess.run(  # noqa: S603  its own program
        [sys.executable, "-c", f"{count}; print(len(sys.modules), file=sys.stderr)"],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    assert int(done.stderr) < 230
