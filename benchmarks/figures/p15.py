"""P15: how long ``outdial --help`` takes, how soon ``serve`` is ready, how large the wheel is."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Figure, server, timed


def run(repeat: int) -> list[Figure]:
    """Measure all three."""
    tries = max(5, repeat)
    helps = [timed(lambda: subprocess.check_output([sys.executable, "-m", "outdial.compose", "--help"])) * 1_000 for _ in range(tries)]
    readies = []
    for _ in range(tries):
        with tempfile.TemporaryDirectory() as text:
            began = time.perf_counter()
            with server(Path(text) / "data"):
                readies.append(time.perf_counter() - began)
    with tempfile.TemporaryDirectory() as text:
        root = Path(__file__).parent.parent.parent
        subprocess.check_output(
            [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", text, str(root)]
        )
        size = next(Path(text).glob("*.whl")).stat().st_size / 1e6
    return [
        Figure("P15", "outdial --help", helps, "ms", "<= 200 ms", sorted(helps)[tries // 2] <= 200),
        Figure("P15", "serve is ready", readies, "s", "<= 1.5 s", sorted(readies)[tries // 2] <= 1.5),
        Figure("P15", "wheel", [size], "MB", "<= 1 MB", size <= 1),
    ]
