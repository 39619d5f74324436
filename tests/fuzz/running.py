"""Schemathesis against a server of its own process."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from api.routes import STREAMS
from cli.program import REPOSITORY, end, start

TOKEN: Final = "the-token-of-the-fuzz"  # noqa: S105  it lets in for the length of a test
CHECKS: Final = (
    "no_fault", "status_code_conformance", "content_type_conformance", "response_headers_conformance", "response_schema_conformance",
    "unsupported_method", "allow_header_conformance", "missing_required_header", "ensure_resource_availability", "ignored_auth",
)  # fmt: skip
"""Not among them are three that the contract breaks: what is deleted stays readable by its id, unknown fields are ignored, and
a value may have the right form and still be wrong."""
TIMEOUT_S: Final = 60


class Fuzzed(NamedTuple):
    """What a run came to."""

    code: int
    cases: int
    said: str


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server on an empty folder."""
    service = start(folder, "--log-level", "error", settings={"OUTDIAL_TOKEN": TOKEN})
    try:
        yield service.url
    finally:
        end(service)


def fuzz(url: str, folder: Path, seed: int, examples: int, phases: str = "coverage,fuzzing,stateful", limit_s: int | None = None) -> Fuzzed:
    """Run Schemathesis once over every route; what it keeps it keeps in the folder."""
    program = Path(sys.executable).with_name("schemathesis")
    streams = [word for name in sorted(STREAMS) for word in ("--exclude-operation-id", name)]  # they have tests of their own
    limits = () if limit_s is None else ("--max-time", str(limit_s))
    done = subprocess.run(  # noqa: S603  its own program
        [
            str(program), "run", f"{url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}", "--checks", ",".join(CHECKS),
            *streams, "--phases", phases, "--max-examples", str(examples), "--seed", str(seed),
            "--request-timeout", str(TIMEOUT_S), "--continue-on-failure", "--suppress-health-check", "all", "--workers", "1",
            "--warnings", "off", "--no-color", *limits,
        ],
        env=os.environ | {"SCHEMATHESIS_HOOKS": "fuzz.checks", "PYTHONPATH": str(REPOSITORY / "tests")},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    counted = re.search(r"(\d+) generated", said)
    return Fuzzed(done.returncode, int(counted[1]) if counted else 0, said)
