"""Ledgers as processes, ours or a peer's, to be killed and paused."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Self

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
STOP_S: Final = 30.0
OPENED: Final = re.compile(r"partition (\d+) is open")

Start = Callable[["Place", str], "subprocess.Popen[bytes]"]
"""A place and a name for the process within it."""


@dataclass(frozen=True)
class Place:
    """Where ledgers run: the topics, the brokers, and a folder for what they keep and say."""

    bootstrap: str
    prefix: str
    partitions: int
    folder: Path


def ours(place: Place, name: str) -> "subprocess.Popen[bytes]":
    """Our ledger, with snapshots, as a passing member of its group."""
    return _ledger(place, name, "")


def ours_static(place: Place, name: str) -> "subprocess.Popen[bytes]":
    """The same as a member with a name: it has its partitions back when it returns."""
    return _ledger(place, name, name)


def _ledger(place: Place, name: str, instance: str) -> "subprocess.Popen[bytes]":
    folder = place.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(HERE / "program.py"), place.bootstrap, place.prefix, str(place.partitions), str(folder), instance]
    paths = os.pathsep.join(str(ROOT / portion) for portion in ("services", "schemas", "projections"))
    with (place.folder / f"{name}.log").open("ab") as said:
        return subprocess.Popen(  # noqa: S603  this Python
            command, env=os.environ | {"PYTHONPATH": paths}, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )


@dataclass
class Fault:
    """One fault that was injected, with its proof."""

    what: str
    pid: int
    at: float
    """Seconds since 1970."""
    recovered: float | None = None
    """Seconds until every partition went on."""


@dataclass
class Processes:
    """The ledger processes of one place. None outlives the block."""

    place: Place
    start: Start
    supervised: bool = False
    """Whether one that ends by itself is started again, as a supervisor would, and only noted."""
    died: list[str] = field(default_factory=list)
    """Those that ended by themselves, with their last words, where that is only noted."""
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    _count: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()

    def add(self, name: str | None = None) -> str:
        """Start one more; its name."""
        if name is None:
            self._count += 1
            name = f"ledger-{self._count}"
        self.running[name] = self.start(self.place, name)
        return name

    def tend(self) -> None:
        """Start those again that ended by themselves, where that is wanted."""
        if self.supervised:
            for name in [name for name, process in self.running.items() if process.poll() is not None]:
                self.fell(name, self.running.pop(name).returncode)
                self.add(name)

    def fell(self, name: str, code: int | None) -> None:
        """One ended otherwise than it was told to: noted where that is only noted, else an AssertionError."""
        told = f"{name} ended with {code}: {self.last_words(name)}"
        assert self.supervised, told
        self.died.append(told)

    def kill(self, name: str, what: str = "kill -9") -> Fault:
        """End one where it stands."""
        self.tend()
        process = self.running.pop(name)
        assert process.poll() is None, f"{name} ended by itself: {self.last_words(name)}"
        at = time.time()
        process.kill()
        code = process.wait()
        assert code == -signal.SIGKILL
        return self._note(Fault(what, process.pid, at))

    def pause(self, name: str, what: str = "SIGSTOP") -> Fault:
        """Stop one where it stands."""
        process = self.running[name]
        at = time.time()
        process.send_signal(signal.SIGSTOP)
        while _state(process.pid) != "T":
            time.sleep(0.005)
        return self._note(Fault(what, process.pid, at))

    def resume(self, name: str) -> None:
        """Let a paused one go on."""
        self.running[name].send_signal(signal.SIGCONT)

    def stop(self, name: str) -> int:
        """A clean stop; its exit code. One that is supervised and does not end in time is killed, as a supervisor would."""
        process = self.running.pop(name)
        process.terminate()
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            if not self.supervised:
                raise
            return -signal.SIGKILL

    def ended(self) -> list[str]:
        """Those that ended by themselves, with their last words."""
        return [
            f"{name} ended with {process.returncode}: {self.last_words(name)}" for name, process in self.running.items() if process.poll()
        ]

    def last_words(self, name: str) -> str:
        """The end of what one said."""
        return "\n".join(self.said(name).splitlines()[-6:])

    def said(self, name: str) -> str:
        """All that processes of a name said."""
        path = self.place.folder / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def owner(self, partition: int) -> str | None:
        """Who opened a partition last, by what they say; None when nobody that runs did."""
        last = ("", "")
        for name in self.running:
            for line in self.said(name).splitlines():
                found = OPENED.search(line)
                if found and int(found[1]) == partition:
                    last = max(last, (line[:23], name))
        return last[1] or None

    def opened(self) -> dict[int, float]:
        """When each partition was opened last, seconds since 1970, by what the processes that run say."""
        found: dict[int, float] = {}
        for name in self.running:
            for line in self.said(name).splitlines():
                if told := OPENED.search(line):
                    at = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
                    found[int(told[1])] = max(found.get(int(told[1]), 0.0), at)
        return found

    def _note(self, fault: Fault) -> Fault:
        self.faults.append(fault)
        return fault


def _state(pid: int) -> str:
    """The state of a process, a letter."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
