"""The program as tests start it: in a process of its own, or called in this one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
READY_S: Final = 60.0


def environment(**more: str) -> dict[str, str]:
    """The environment of a child: this one's, without settings of the program."""
    paths = os.pathsep.join(str(REPOSITORY / room) for room in ("services", "schemas", "projections"))
    return {name: value for name, value in os.environ.items() if not name.startswith("OUTDIAL_")} | {"PYTHONPATH": paths} | more


@dataclass(frozen=True)
class Service:
    """A running server."""

    url: str
    data: Path
    process: subprocess.Popen[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of its environment."""

    def said(self) -> str:
        """What it wrote on stderr, and what those wrote that ran on the same folder before."""
        return _words_of(self.data).read_text()


STARTED: Final[list[Service]] = []
"""By the test that runs now, or by an earlier one."""


def start(data: Path, *arguments: str, settings: Mapping[str, str] | None = None, role: str = "serve") -> Service:
    """A server of its own process on a free port; on Kafka its ledgers have their partitions."""
    told = settings or {}
    with _words_of(data).open("a") as words:
        process = subprocess.Popen(  # noqa: S603  its own program
            [sys.executable, "-m", "outdial.compose", role, "--data", str(data), "--port", "0", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
            env=environment(**told),
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    service = Service(json.loads(line)["url"] if line else "", data, process, told)
    STARTED.append(service)
    assert line, service.said()
    if "OUTDIAL_KAFKA__BOOTSTRAP_SERVERS" in told:
        _wait_ready(service)
    return service


def _wait_ready(service: Service) -> None:
    until = time.monotonic() + READY_S
    while not (answer := httpx.get(f"{service.url}/readyz", verify=False)).is_success:  # noqa: S501  whoever it is, it is ours
        assert time.monotonic() < until, f"not ready: {answer.text}"
        time.sleep(0.05)


def _words_of(data: Path) -> Path:
    return data.with_name(f"{data.name}.said")


def end(service: Service) -> int:
    """Stop a server as Ctrl-C does; returns its exit code."""
    service.process.send_signal(signal.SIGINT)
    service.process.communicate(timeout=60)
    STARTED.remove(service)
    return service.process.returncode


@dataclass(frozen=True)
class Said:
    """What one call of the program gave back."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as the one JSON document it must be."""
        assert self.out, f"nothing was printed; exit code {self.code}, said: {self.err}"
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Stdout as NDJSON."""
        return [json.loads(line) for line in self.out.splitlines()]


Call = Callable[..., Said]
Start = Callable[..., Service]
