"""The forms of data for programs: what a reader of YAML or CSV gets back is what was printed."""

import csv
import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.program import Call
from outdial.doors.cli import forms
from outdial.doors.cli.forms import Printer

TEXTS = st.text(max_size=40) | st.sampled_from(
    [
        "yes",
        "NO",
        "null",
        "~",
        "1",
        "1e5",
        "0x1f",
        "12:30:00",
        "2026-06-01",
        "- a",
        "a: b",
        "# c",
        "a #b",
        "",
        " ",
        "a\nb",
        "\u2028",
        "\x85",
        "=",
        "<<",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_yaml_reader_reads_back_what_was_printed(value: Any) -> None:
    assert yaml.safe_load(forms.yaml(value)) == value


def test_yaml_is_what_people_write() -> None:
    value = {
        "id": "7f1b",
        "name": "June and July",
        "tries": [3, 2],
        "plan": {"source": None, "on": True},
        "empty": [],
        "rows": [{"a": "1", "b": 2}],
    }
    assert forms.yaml(value).splitlines() == [
        'id: "7f1b"', "name: June and July", "tries:", "  - 3", "  - 2", "plan:", "  source: null", '  "on": true', "empty: []", "rows:",
        '  - a: "1"', "    b: 2",
    ]  # fmt: skip


@given(st.lists(st.fixed_dictionaries({"a": TEXTS, "b": st.integers() | st.lists(TEXTS)}), min_size=1))
def test_a_csv_reader_reads_back_what_was_printed(rows: list[dict[str, Any]]) -> None:
    read = list(csv.DictReader(io.StringIO(Printer("csv").rows(rows), newline="")))
    assert [{"a": row["a"], "b": json.loads(row["b"])} for row in read] == rows


def test_lists_and_single_things_come_in_every_form(there: Call) -> None:
    june = there("outdials", "create", "--name", 'June, "hot"', "-o", "json").json
    assert yaml.safe_load(there("outdials", "get", june["id"], "-o", "yaml").out)["name"] == 'June, "hot"'
    assert there("outdials", "list", "--json").json == yaml.safe_load(there("outdials", "list", "-o", "yaml").out)
    [row] = [row for row in csv.DictReader(io.StringIO(there("outdials", "list", "-o", "csv").out)) if row["id"] == june["id"]]
    assert (row["name"], row["tm_delete"]) == ('June, "hot"', "")
    assert len([*csv.DictReader(io.StringIO(there("outdials", "get", june["id"], "-o", "csv").out))]) == 1


def test_a_stream_is_one_text_in_every_form(there: Call) -> None:
    there("outdials", "create")
    there("outdials", "create")
    documents = list(yaml.safe_load_all(there("events", "--limit", "2", "-o", "yaml").out))
    lines = there("events", "--limit", "2", "--json").lines
    assert documents == lines
    rows = list(csv.DictReader(io.StringIO(there("events", "--limit", "2", "-o", "csv").out)))
    assert [row["position"] for row in rows] == [line["position"] for line in lines]
    assert json.loads(rows[0]["data"]) == lines[0]["data"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("outdials", "list", "-o", "xml"), "'xml' is not one of: table, json, yaml, csv"),
        (("serve", "--log-level", "loud"), "'loud' is not one of: debug, info, warning, error"),
        (("serve", "--port", "x"), "'--port': must be a whole number"),
        (("serve", "--speed", "x"), "'--speed': must be a number"),
    ],
)
def test_a_wrong_value_is_told_in_the_words_of_people(outdial: Call, words: tuple[str, ...], told: str) -> None:
    said = outdial(*words)
    assert said.code == 2
    assert told in said.err


@pytest.mark.parametrize("place", ["before", "after"])
def test_no_color_forbids_colours_that_are_forced(there: Call, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    there("outdials", "create")
    assert "\x1b[" in there("outdials", "list").out
    words = ("--no-color", "outdials", "list") if place == "before" else ("outdials", "list", "--no-color")
    assert "\x1b[" not in there(*words).out
