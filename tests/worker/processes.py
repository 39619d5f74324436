"""Workers as processes, and what they noted of their calls."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(HERE / name), *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / portion) for portion in ("services", "schemas", "projections"))}


@contextlib.contextmanager
def process(arguments: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is gone at the end of the block, whatever state it is in."""
    with (
        log.open("ab") as told,
        subprocess.Popen(arguments, env=environment(), stderr=told, stdin=PIPE, stdout=PIPE) as running,  # noqa: S603  ours
    ):
        try:
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                running.send_signal(signal.SIGKILL)


def noted(calls: Path, what: str = "placed") -> list[dict[str, Any]]:
    """The lines of a file of calls."""
    if not calls.exists():
        return []
    lines = [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    return [line for line in lines if line["what"] == what]
