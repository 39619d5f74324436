"""A real service for the verbs to talk to, and a way to call the program as the shell does."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from both import MakeSettings
from cli.program import Call, Said, Service, Start, end, start
from outdial.compose import Composed
from outdial.doors.cli.main import code_of


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OUTDIAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, make_settings: MakeSettings) -> Iterator[Service]:
    running = start(tmp_path_factory.mktemp("data"), settings=make_settings())
    yield running
    end(running)


@pytest.fixture
def begin(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a server on a log of its own, whose settings the calls of the test have too; again on the log of a folder it was on."""
    known: dict[Path, dict[str, str]] = {}
    running: list[Service] = []

    def begun(data: Path, *arguments: str) -> Service:
        if data not in known:
            known[data] = make_settings()
            for name, value in known[data].items():
                monkeypatch.setenv(name, value)
        running.append(start(data, *arguments, settings=known[data]))
        return running[-1]

    yield begun
    for service in running:
        if service.process.poll() is None:
            end(service)


@pytest.fixture
def outdial(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the program in this process, neither stdin nor stdout a terminal."""

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        code = code_of(Composed(), arguments)
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture
def there(outdial: Call, service: Service) -> Call:
    """The same, told where the service is."""

    def call(*arguments: str) -> Said:
        return outdial(*arguments, "--url", service.url)

    return call
