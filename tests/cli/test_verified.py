"""What came of ``outdial views verify`` stays known to whoever reads by these views."""

from pathlib import Path

import httpx
import pytest

from cli.program import Call, Start, end
from outdial.doors.cli.folders import LastCheck, keep_check

pytestmark = pytest.mark.only("embedded", why="it is about a file of the folder, whatever the log is")


def test_what_came_of_verifying_is_told_until_the_views_are_built_anew(outdial: Call, begin: Start, tmp_path: Path) -> None:
    running = begin(tmp_path / "data")
    here, url = ("--data", str(running.data), "--json"), f"{running.url}/v1.0/views"
    outdial("outdials", "create", *here)
    assert httpx.get(url).json()["verified"] is None
    position = outdial("views", "verify", *here).json["position"]

    found = httpx.get(url, headers={"Outdial-Time": "iso"}).json()["verified"]
    assert (found["position"], found["equal"]) == (position, True)
    assert found["tm_verify"].endswith("Z")
    outdial("outdials", "create", *here)
    assert httpx.get(url).json()["verified"]["position"] == position

    keep_check(running.data, LastCheck(1, position, equal=False))
    assert httpx.get(url).json()["verified"]["equal"] is False
    for of_another_log in (LastCheck(1, "999999", equal=True), LastCheck(1, "1.2", equal=True)):
        keep_check(running.data, of_another_log)
        assert httpx.get(url).json()["verified"] is None
    end(running)
    assert outdial("views", "rebuild", *here).code == 0
    assert not (running.data / "verified.json").exists()


def test_how_large_the_store_is_and_what_room_it_has_is_told(outdial: Call, begin: Start, tmp_path: Path) -> None:
    running = begin(tmp_path / "data")
    outdial("outdials", "create", "--data", str(running.data))
    (running.data / "notes").mkdir()
    (running.data / "notes" / "mine").write_bytes(b"7" * 5_000)

    found = httpx.get(f"{running.url}/v1.0/views").json()["store"]

    kept = [file for file in running.data.rglob("*") if file.is_file()]
    assert found["database_bytes"] == sum(file.stat().st_size for file in kept if file.name.startswith("outdial.db")) > 100_000
    assert found["other_bytes"] == sum(file.stat().st_size for file in kept if not file.name.startswith("outdial.db")) > 5_000
    assert 0 < found["free_bytes"] <= found["disk_bytes"]


def test_a_folder_that_cannot_be_written_is_verified_all_the_same(outdial: Call, begin: Start, tmp_path: Path) -> None:
    running = begin(tmp_path / "data")
    end(running)
    (running.data / "verified.json.new").mkdir()

    said = outdial("views", "verify", "--data", str(running.data), "--json")

    assert (said.code, said.json["equal"]) == (0, True)
    assert "the page will not know" in said.err
