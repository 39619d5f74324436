"""``why`` against a real service, and without one."""

from pathlib import Path
from uuid import uuid4

import pytest

from cli.program import Call, Start, end


@pytest.fixture
def outdial_id(there: Call) -> str:
    made: str = there("outdials", "create", "--name", "June", "--json").json["id"]
    return made


def test_an_outdial_is_told_its_verdict_and_its_counts(there: Call, outdial_id: str) -> None:
    there("targets", "create", outdial_id, "--to", "+12025550101")
    said = there("why", outdial_id)
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith("Not dialing: dialing is stopped (since 20")
    assert lines[1].startswith(f"It follows from OutdialCreated outdial/{outdial_id}/1 at position ")
    assert lines[3:] == ["why\ttargets\tnext_at\tsays", "no_run\t1\t-\tdialing is stopped"]


def test_a_target_is_found_by_its_id_alone_or_in_its_outdial(there: Call, outdial_id: str) -> None:
    there("outdials", "create")
    target = there("targets", "create", outdial_id, "--to", "+12025550101", "--json").json["id"]
    there("run", outdial_id, "--tries", "1")
    alone, named = there("why", target, "--json").json, there("why", target.upper(), "--outdial", outdial_id, "--json").json
    assert alone["target_id"] == named["target_id"] == target
    assert (alone["why"], named["why"], alone["event"]["type"]) == ("attempt_open", "attempt_open", "DialRequested")
    said = there("why", target)
    assert said.out.startswith("Being called now: ")
    assert "attempt_open\tyes\t" in said.out


def test_what_is_not_there_is_said_so(there: Call) -> None:
    nobody = str(uuid4())
    said = there("why", nobody)
    assert (said.code, said.out) == (3, "")
    assert "no outdial and no target" in said.err
    assert there("why", nobody, "--outdial", nobody).code == 3


def test_without_a_server_the_log_itself_is_asked(outdial: Call, begin: Start, tmp_path: Path) -> None:
    running = begin(tmp_path / "data")
    here = ("--data", str(running.data), "--json")
    made = outdial("outdials", "create", *here).json["id"]
    target = outdial("targets", "create", made, "--to", "+12025550101", *here).json["id"]
    outdial("run", made, "--tries", "1", *here)
    before = [outdial("why", one, *here).json for one in (made, target)]
    end(running)
    after = [outdial("why", one, *here) for one in (made, target)]
    assert all("no server is running" in said.err for said in after)
    for then, said in zip(before, after, strict=True):
        assert [said.json[name] for name in ("why", "since", "event")] == [then[name] for name in ("why", "since", "event")]


def test_a_run_can_be_looked_at_before_it_begins(there: Call, outdial_id: str) -> None:
    there("targets", "create", outdial_id, "--to", "+12025550101")
    said = there("preflight", outdial_id, "--tries", "2", "--rate", "5")
    assert said.code == 0
    shown = dict(line.split("  ", 1) for line in said.out.splitlines() if "  " in line)
    assert {name: value.strip() for name, value in shown.items()}["dialable now"] == "1"
    assert "at 3.33333 calls a second" in said.out or "at 3.333 calls a second" in said.out
    assert "neither the waits between tries nor the hours in which nobody may be called count" in said.out
    dry = there("run", outdial_id, "--tries", "0", "--dry-run")
    assert "no_tries_in_plan\t1\t" in dry.out
    assert "warning: no_tries_in_plan" in dry.err
    assert there("preflight", outdial_id, "--tries", "1", "--json").json["dialable_now"] == 1
    assert there("watch", outdial_id, "--once", "--json").json["dialing"] == "stop"
    assert there("preflight", outdial_id, "--tries", "1", "--outplan", outdial_id).code == 2
