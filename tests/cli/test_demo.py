"""The demo: a whole list, dialed by the simulated carrier, kept and gone on with."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.program import REPOSITORY, Call, Service, environment
from outdial.compose import Composed
from outdial.doors.cli.actions import Beside, ServeOptions
from outdial.doors.cli.demo import LIST

QUICK = ("--port", "0", "--speed", "1000")


def test_the_demo_brings_its_list_along() -> None:
    assert LIST.read_bytes() == (REPOSITORY / "examples" / "demo-500.csv").read_bytes()


def test_a_demo_reaches_the_end_of_its_list_and_the_next_begins_another(outdial: Call, tmp_path: Path) -> None:
    where = ("--data", str(tmp_path / "demo"))
    said = outdial("demo", "--exit", "--json", *QUICK, *where)
    assert said.code == 0
    last = said.lines[-1]
    assert (last["total"], last["waiting"], last["open_attempts"], last["due_now"]) == (500, 0, 0, 0)
    assert last["lifecycle"]["finished"] + last["lifecycle"]["failed"] == 500
    assert last["lifecycle"]["finished"] > 300
    assert any(re.fullmatch(r"http://127\.0\.0\.1:\d+/outdials/[0-9a-f-]{36}", line) for line in said.err.splitlines())
    assert f"go on with: outdial demo --data {tmp_path / 'demo'}" in said.err.splitlines()[-1]
    again = outdial("demo", "--exit", "--json", *QUICK, *where)
    assert "Demo 2: 500 targets" in again.err
    assert [row["name"] for row in outdial("outdials", "list", "--json", *where).json] == ["Demo 2", "Demo 1"]
    assert outdial("views", "verify", "--json", *where).json["equal"]


def test_ctrl_c_stops_a_demo_with_130_and_the_next_goes_on(outdial: Call, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    process = subprocess.Popen(  # noqa: S603  its own program
        [sys.executable, "-m", "outdial.compose", "demo", "--data", str(folder), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    begun = time.monotonic()
    lines += [process.stdout.readline() for _ in range(2)]
    taken = time.monotonic() - begun
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert len(set(lines)) == 3, "the numbers move"
    assert taken < 20, f"from the first line to the third it took {taken:.1f} s"
    assert "\x1b" not in out + err
    assert "Traceback" not in err
    assert json.loads((folder / "demo.json").read_text()) == {"speed": 1.0, "seed": 1}
    before = outdial("outdials", "list", "--json", "--data", str(folder)).json
    numbers = outdial("watch", before[0]["id"], "--once", "--json", "--data", str(folder)).json
    assert (numbers["dialing"], numbers["open_attempts"]) == ("stop", 0), "a stopped demo leaves no call open"
    said = outdial("demo", "--exit", "--json", *QUICK, "--data", str(folder))
    assert said.code == 0
    assert "going on with Demo 1" in said.err
    assert outdial("outdials", "list", "--json", "--data", str(folder)).json == before
    events = outdial("events", "--json", "--data", str(folder)).lines
    requested = [event["data"]["attempt_id"] for event in events if event["type"] == "DialRequested"]
    assert len(requested) == len(set(requested))


def test_a_demo_goes_on_at_the_speed_it_had(outdial: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speeds: list[float] = []
    (tmp_path / "demo.json").write_text('{"speed": 60, "seed": 7}')

    def serve(self: Composed, options: ServeOptions, beside: Beside) -> None:
        speeds.append(options.speed)

    monkeypatch.setattr(Composed, "serve", serve)
    for words in ((), ("--speed", "5")):
        assert outdial("demo", "--data", str(tmp_path), *words).code == 0
    assert speeds == [60, 5]


def test_a_demo_without_a_folder_keeps_away_from_real_data(outdial: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []

    def serve(self: Composed, options: ServeOptions, beside: Beside) -> None:
        folders.append(options.data)

    monkeypatch.setattr(Composed, "serve", serve)
    outdial("demo")
    (tmp_path / ".outdial").mkdir()
    outdial("demo")
    assert folders == [tmp_path / "xdg" / "outdial" / "demo", Path(".outdial/demo")]


def address_at(folder: Path, url: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "address.json").write_text(json.dumps({"url": url, "pid": os.getpid()}))


def test_where_nothing_else_is_a_verb_means_the_demo_that_runs_and_says_so(outdial: Call, service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "xdg" / "outdial"
    address_at(folder / "demo", service.url)
    said = outdial("outdials", "list", "--json")
    assert said.code == 0
    assert f"this is the demo at {service.url}" in said.err
    assert outdial("outdials", "create", "--name", "June").code == 0
    assert outdial("outdials", "create", "--data", str(folder)).code == 69
    address_at(folder, service.url)
    assert "demo" not in outdial("outdials", "list").err


def test_a_folder_with_a_log_whose_server_is_down_is_never_taken_for_the_demo(outdial: Call, service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "xdg" / "outdial"
    address_at(folder / "demo", service.url)
    (folder / "outdial.db").touch()
    said = outdial("outdials", "create", "--name", "June")
    assert said.code == 69
    assert f"a demo runs: --url {service.url}" in said.err
