"""A data folder whose log is on Kafka: read without a server, verified, built anew, and looked at by doctor."""

import json
import sqlite3
from pathlib import Path

import pytest

from cli.program import Call, Start, end

pytestmark = pytest.mark.only("kafka", why="a folder of the embedded runtime holds the log itself")
NOWHERE = "127.0.0.1:9"
TEL = {"type": "tel", "target": "+12025550101"}


@pytest.fixture
def folder(outdial: Call, begin: Start, tmp_path: Path) -> Path:
    """A folder whose server has served and stopped."""
    running = begin(tmp_path / "data")
    commands = tmp_path / "commands.ndjson"
    ids = [f"0000000{number}-0000-4000-8000-000000000001" for number in range(8)]
    made = [{"type": "CreateOutdial", "outdial_id": outdial_id, "name": outdial_id[:8]} for outdial_id in ids]
    added = [{"type": "AddTarget", "outdial_id": outdial_id, "destination_0": TEL} for outdial_id in ids]
    commands.write_text("\n".join(map(json.dumps, [*made, *added])))
    assert outdial("send", str(commands), "--url", running.url).code == 0
    end(running)
    return running.data


def failed(outdial: Call, *words: str) -> dict[str, str]:
    """The fixes of the checks that failed."""
    return {check["check"]: check["fix"] for check in outdial("doctor", "--port", "0", "--json", *words).json if not check["ok"]}


def test_views_are_verified_against_the_log_and_built_anew(outdial: Call, folder: Path) -> None:
    here = ("--data", str(folder), "--json")
    listed, events = outdial("outdials", "list", *here).json, outdial("events", *here).lines
    assert outdial("views", "verify", *here).json["equal"]

    database = sqlite3.connect(folder / "views.db")
    database.execute("UPDATE outdial SET name = 'wrong'")
    database.commit()
    database.close()
    said = outdial("views", "verify", *here)
    assert (said.code, said.json["equal"]) == (1, False)
    assert "views rebuild" in said.err

    rebuilt = outdial("views", "rebuild", *here).json["position"]
    said = outdial("views", "verify", *here)
    assert (said.code, said.json["equal"], said.json["position"]) == (0, True, rebuilt)
    assert outdial("outdials", "list", *here).json == listed
    assert outdial("events", *here).lines == events


def test_verifying_goes_on_beside_a_server_and_rebuilding_does_not(outdial: Call, begin: Start, folder: Path) -> None:
    running = begin(folder)
    here = ("--data", str(folder), "--json")
    outdial("outdials", "create", *here)
    assert outdial("views", "verify", *here).json["equal"]
    said = outdial("views", "rebuild", *here)
    assert said.code == 1
    assert f"in use by the process {running.process.pid}" in said.err


def test_a_folder_says_what_its_log_is_and_needs_to_be_told_only_where(
    outdial: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, kafka_bootstrap: str
) -> None:
    for name in ("KAFKA__BOOTSTRAP_SERVERS", "TOPIC_PREFIX", "PARTITIONS"):
        monkeypatch.delenv(f"OUTDIAL_{name}")
    here = ("--data", str(folder))
    for verb in ("verify", "rebuild"):
        said = outdial("views", verb, *here)
        assert said.code == 1
        assert "--kafka" in said.err
        said = outdial("views", verb, *here, "--kafka", NOWHERE)
        assert said.code == 1
        assert NOWHERE in said.err
        assert outdial("views", verb, *here, "--kafka", kafka_bootstrap).code == 0
    assert len(outdial("outdials", "list", *here, "--json").json) == 8


def test_views_that_are_no_database_are_told_as_such(outdial: Call, folder: Path) -> None:
    for file in folder.glob("views.db*"):
        file.unlink()
    (folder / "views.db").write_bytes(b"this is no database" * 1_000)
    for words in (["outdials", "list"], ["views", "verify"]):
        said = outdial(*words, "--data", str(folder))
        assert said.code == 1
        assert "views.db" in said.err
        assert "Traceback" not in said.err
    assert "remove" in failed(outdial, "--data", str(folder))["database"]


def test_doctor_finds_nothing_wrong_with_a_cluster_that_is_right(outdial: Call, folder: Path) -> None:
    said = outdial("doctor", "--data", str(folder), "--port", "0", "--json")
    assert [check["check"] for check in said.json if not check["ok"]] == []
    assert [check["check"] for check in said.json][-3:] == ["kafka", "topics", "clock"]


def test_doctor_finds_a_cluster_that_is_not_there(outdial: Call, tmp_path: Path) -> None:
    assert "--kafka" in failed(outdial, "--data", str(tmp_path), "--kafka", NOWHERE)["kafka"]


def test_doctor_finds_topics_that_are_missing_or_of_another_size(outdial: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTDIAL_PARTITIONS", "5")
    assert "OUTDIAL_PARTITIONS=3" in failed(outdial, "--data", str(folder))["topics"]
    monkeypatch.setenv("OUTDIAL_TOPIC_PREFIX", "nobody-s")
    assert "topics create" in failed(outdial, "--data", str(folder))["topics"]


def test_doctor_finds_a_clock_that_is_behind(outdial: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outdial.compose._clock", lambda *_: lambda: 1_600_000_000_000_000)
    assert "NTP" in failed(outdial, "--data", str(folder))["clock"]
