"""``outdial suppressions`` and ``outdial caps`` against a real service."""

from pathlib import Path

from cli.program import Call


def test_numbers_and_beginnings_are_added_listed_and_removed(there: Call) -> None:
    told = there("suppressions", "add", "+12025550101", "+4470*", "--reason", "asked", "--json").json
    rows = there("suppressions", "list", "--json").json

    assert told["errors"] == []
    assert {row["prefix"] or row["address"]["target"] for row in rows} == {"+12025550101", "+4470"}
    assert {row["reason"] for row in rows} == {"asked"}
    there("suppressions", "remove", "+4470*", "--json")
    assert [row["prefix"] for row in there("suppressions", "list", "--json").json] == [None]


def test_what_is_no_address_ends_with_5_and_says_which(there: Call) -> None:
    failed = there("suppressions", "add", "+12025550101", "+123*456*")

    assert failed.code == 5
    assert "entry 2" in failed.err


def test_a_file_is_imported(there: Call, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("target\n+12025550101\n+12025550102\n", encoding="utf-8")

    assert there("suppressions", "import", str(file), "--json").json["taken"] == 2
    file.write_text("target\n12\n", encoding="utf-8")
    assert there("suppressions", "import", str(file)).code == 5


def test_caps_are_set_and_shown(there: Call) -> None:
    wanted = {"rules": [{"count": 3, "per_ms": 86_400_000}], "min_gap_ms": 3_600_000}

    assert there("caps", "set", "--at-most", "3/24h", "--gap", "1h", "--json").json == wanted
    assert there("caps", "get", "--json").json == wanted
    assert there("caps", "set", "--gap", "2h", "--json").json == {**wanted, "min_gap_ms": 7_200_000}
    assert there("caps", "set", "--at-most", "none", "--json").json == {"rules": [], "min_gap_ms": 7_200_000}
    nothing_said = there("caps", "set")
    assert (nothing_said.code, "--at-most none --gap 0" in nothing_said.err) == (2, True)
    assert there("caps", "set", "--gap", "0", "--json").json == {"rules": [], "min_gap_ms": 0}
    assert there("caps", "set", "--at-most", "often").code == 2
