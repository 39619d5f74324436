"""The program as tests start it: in a process of its own, or called in this one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


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


def start(data: Path, *arguments: str, settings: Mapping[str, str] | None = None, role: str = "serve") -> Service:
    """A server of its own process on a free port."""
    told = settings or {}
    process = subprocess.Popen(  # noqa: S603  its own program
        [sys.executable, "-m", "outdial.compose", role, "--data", str(data), "--port", "0", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**told),
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return Service(json.loads(line)["url"], data, process, told)


def end(service: Service) -> int:
    """Stop a server as Ctrl-C does; returns its exit code."""
    service.process.send_signal(signal.SIGINT)
    service.process.communicate(timeout=60)
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
