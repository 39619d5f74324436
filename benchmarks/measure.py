"""What every figure is written down as, and the small tools they share."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "bench.jsonl"
CUSTOMER = "7f1b1c5e-0000-4000-8000-000000000001"


@dataclass
class Figure:
    """One measured figure beside its peer."""

    name: str
    what: str
    ours: list[float]
    """One value a repetition."""
    unit: str
    goal: str
    met: bool | None
    peer: list[float] = field(default_factory=list)
    peer_what: str = ""
    ratio: float | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """The figure as a row of a table."""
        ours = f"{statistics.median(self.ours):,.4g} {self.unit} ({min(self.ours):,.4g} to {max(self.ours):,.4g})"
        peer = f"{statistics.median(self.peer):,.4g} ({self.peer_what})" if self.peer else ""
        ratio = f"{self.ratio:.2f} x" if self.ratio is not None else ""
        verdict = {True: "met", False: "NOT MET", None: ""}[self.met]
        return f"{self.name:4} {self.what:58} {ours:44} {peer:48} {ratio:8} goal {self.goal:22} {verdict}"


def write(figures: Sequence[Figure]) -> None:
    """Append figures to the results file."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a") as file:
        for figure in figures:
            about = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "cpus": os.cpu_count(), "python": platform.python_version()}
            file.write(json.dumps(about | asdict(figure)) + "\n")


def median_ratio(ours: Sequence[float], peer: Sequence[float]) -> float:
    """Ratio of the medians."""
    return statistics.median(ours) / statistics.median(peer)


def processes_of(pid: int) -> list[int]:
    """A process and all it has started that still run: the one that writes the database is one of them."""
    started = [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    return [pid, *(one for child in started for one in processes_of(child))]


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used, user and system, with those it has started."""
    stats = [Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split() for one in processes_of(pid)]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, name: str = "VmRSS") -> int:
    """Bytes a process and those it has started have in memory; ``VmHWM`` for the most they ever had, each by itself."""
    lines = [line.split() for one in processes_of(pid) for line in Path(f"/proc/{one}/status").read_text().splitlines()]
    return sum(int(words[1]) * 1024 for words in lines if words and words[0] == f"{name}:")


@contextmanager
def server(folder: Path, *arguments: str) -> Iterator[tuple[str, int]]:
    """A served data folder: its base URL and its pid."""
    process = subprocess.Popen(
        [sys.executable, "-m", "outdial.compose", "serve", "--data", str(folder), "--port", "0", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = folder / "address.json"
    try:
        deadline = time.monotonic() + 120
        while not (address.exists() and json.loads(address.read_text())["pid"] == process.pid):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.005)
        yield json.loads(address.read_text())["url"], process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def timed(action: Callable[[], Any]) -> float:
    """Seconds an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
