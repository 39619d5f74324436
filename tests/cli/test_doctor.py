"""Every check says what it found, and a failed one what to do."""

import socket
import sqlite3
from pathlib import Path

import pytest

from cli.program import Call, Service, Start, end
from outdial.doors.cli import doctor


def failed(outdial: Call, *words: str) -> dict[str, str]:
    """The fixes of the checks that failed."""
    said = outdial("doctor", "--json", *words)
    assert said.code == int(not all(check["ok"] for check in said.json))
    return {check["check"]: check["fix"] for check in said.json if not check["ok"]}


@pytest.fixture
def port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_all_is_well_in_a_new_folder(outdial: Call, tmp_path: Path, port: str) -> None:
    said = outdial("doctor", "--data", str(tmp_path / "new"), "--port", port)
    assert said.code == 0
    names = [line.split()[1] for line in said.out.splitlines()]
    assert names == ["python", "tzdata", "settings", "data", "disk", "database", "port"]
    assert not (tmp_path / "new").exists()


def test_a_running_server_is_no_fault(outdial: Call, service: Service) -> None:
    assert failed(outdial, "--data", str(service.data)) == {}


def test_a_sound_database_has_views_at_the_position_of_its_log(outdial: Call, begin: Start, tmp_path: Path, port: str) -> None:
    running = begin(tmp_path / "data")
    outdial("outdials", "create", "--data", str(running.data))
    end(running)
    assert failed(outdial, "--data", str(running.data), "--port", port) == {}
    [file] = running.data.glob("*.db")
    database = sqlite3.connect(file)
    database.execute("UPDATE checkpoint SET position = position - 1 WHERE position > 0")
    database.commit()
    database.close()
    assert "views rebuild" in failed(outdial, "--data", str(running.data), "--port", port)["views"]


@pytest.mark.only("embedded", why="on Kafka the log is not in the folder")
def test_a_log_without_its_fingerprint_key_is_found(outdial: Call, begin: Start, tmp_path: Path, port: str) -> None:
    running = begin(tmp_path / "data")
    end(running)
    file = running.data / "fingerprint.key"
    key = file.read_bytes()
    where = ("--data", str(running.data), "--port", port)
    assert failed(outdial, *where) == {}
    file.unlink()
    assert "put the old fingerprint.key back" in failed(outdial, *where)["fingerprint key"]
    assert not file.exists()
    file.write_bytes(b"another")
    assert "put the old fingerprint.key back" in failed(outdial, *where)["fingerprint key"]
    file.write_bytes(key)
    assert failed(outdial, *where) == {}


def test_a_corrupt_database_is_found(outdial: Call, tmp_path: Path, port: str) -> None:
    (tmp_path / "outdial.db").write_bytes(b"nothing of the kind" * 500)
    assert set(failed(outdial, "--data", str(tmp_path), "--port", port)) == {"database"}


def test_a_folder_that_cannot_be_written_is_found(outdial: Call, tmp_path: Path, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("outdial.doors.cli.doctor.tempfile.TemporaryFile", refuse)
    assert "--data" in failed(outdial, "--data", str(tmp_path), "--port", port)["data folder"]


def test_a_port_in_use_is_found(outdial: Call, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "--port" in failed(outdial, "--data", str(tmp_path), "--port", str(taken.getsockname()[1]))["port"]


def test_a_busy_port_nobody_asked_for_is_a_note_for_serve_takes_the_next_one(
    outdial: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(doctor, "DEFAULT_PORT", taken.getsockname()[1])
        said = outdial("doctor", "--data", str(tmp_path))
        assert said.code == 0
        assert "note  port" in said.out
        assert "takes the next free one" in said.out
        monkeypatch.setenv("OUTDIAL_PORT", str(taken.getsockname()[1]))
        assert outdial("doctor", "--data", str(tmp_path)).code == 1


def test_an_unknown_setting_is_found(outdial: Call, tmp_path: Path, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTDIAL_HOTS", "x")
    assert "OUTDIAL_HOST" in failed(outdial, "--data", str(tmp_path), "--port", port)["settings"]


def test_every_failure_is_followed_by_a_line_that_says_what_to_do(
    outdial: Call, tmp_path: Path, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTDIAL_HOTS", "x")
    (tmp_path / "outdial.db").write_bytes(b"nothing of the kind" * 500)
    said = outdial("doctor", "--data", str(tmp_path), "--port", port)
    lines = said.out.splitlines()
    bad = [index for index, line in enumerate(lines) if line.startswith("FAIL")]
    assert (said.code, len(bad)) == (1, 2)
    assert all(lines[index + 1].startswith("      FIX: ") and len(lines[index + 1]) > 20 for index in bad)
