"""The verbs against a real service: what they do, and that stdout is data and nothing else."""

import io
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.program import Call, Service, Start, end
from outdial.client.http import Client
from outdial.client.routes import OUTDIALS, targets
from outdial.doors.cli import feeds
from outdial.doors.cli.blocking import Blocking

KINDS = ["outdials", "outplans", "campaigns"]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))

    return give


@pytest.mark.parametrize("noun", KINDS)
def test_what_is_created_is_listed_read_changed_and_deleted(there: Call, noun: str) -> None:
    made = there(noun, "create", "--name", "June", "--detail", "first", "--json").json
    assert (made["name"], made["detail"]) == ("June", "first")
    assert made["id"] in [row["id"] for row in there(noun, "list", "--json").json]
    assert there(noun, "get", made["id"], "-o", "json").json == made
    changed = there(noun, "update", made["id"], "--name", "July", "--json").json
    assert (changed["name"], changed["detail"]) == ("July", "first")
    assert there(noun, "delete", made["id"], "--yes", "--json").json["tm_delete"]
    assert made["id"] not in [row["id"] for row in there(noun, "list", "--json").json]
    assert made["id"] in [row["id"] for row in there(noun, "list", "--deleted", "--all", "--json").json]


def test_each_field_is_changed_where_it_belongs(there: Call) -> None:
    outdial = there("outdials", "create", "--set", "data=one", "--json").json
    assert outdial["data"] == "one"
    changed = there("outdials", "update", outdial["id"], "--name", "n", "--set", "data=two", "--json").json
    assert there("outdials", "get", outdial["id"], "--json").json | {"tm_update": 0} == changed | {"tm_update": 0}
    assert (changed["name"], changed["data"]) == ("n", "two")
    outplan = there("outplans", "create", "--tries", "3,2", "--every", "2h", "--ring", "25s", "--source", "+12025550100", "--json").json
    assert [outplan[f"max_try_count_{slot}"] for slot in range(5)] == [3, 2, 0, 0, 0]
    assert (outplan["try_interval"], outplan["dial_timeout"], outplan["source"]["target"]) == (7_200_000, 25_000, "+12025550100")
    assert there("outplans", "update", outplan["id"], "--every", "30m", "--name", "x", "--json").json["max_try_count_0"] == 3
    assert there("outplans", "get", outplan["id"], "--json").json["try_interval"] == 1_800_000
    campaign = there("campaigns", "create", "--name", "c", "--outplan", outplan["id"], "--json").json
    assert there("campaigns", "update", campaign["id"], "--outdial", outdial["id"], "--json").json["outdial_id"] == outdial["id"]


def test_fields_come_from_a_file_from_stdin_and_from_flags_in_that_order(there: Call, stdin: Callable[[bytes], None]) -> None:
    stdin(b'{"name": "file", "detail": "file", "data": "file"}')
    made = there("outdials", "create", "--from", "-", "--set", "detail=set", "--name", "flag", "--json").json
    assert (made["name"], made["detail"], made["data"]) == ("flag", "set", "file")


def test_a_target_lives_through_its_verbs(there: Call) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    made = there("targets", "create", outdial, "--to", "+12025550101", "--to", "sip:ann@example.org", "--name", "Ann", "--json").json
    assert (made["destination_0"]["type"], made["destination_1"]["type"], made["name"]) == ("tel", "sip", "Ann")
    assert [row["id"] for row in there("targets", "list", outdial, "--json").json] == [made["id"]]
    assert [row["id"] for row in there("targets", "list", outdial, "--standing", "no_tries", "--json").json] == [made["id"]]
    assert there("targets", "list", outdial, "--standing", "due_now", "--json").json == []
    assert there("targets", "get", outdial, made["id"], "--json").json == made
    assert there("targets", "calls", outdial, made["id"], "--json").json == []
    assert [event["type"] for event in there("targets", "history", outdial, made["id"], "--json").json] == ["TargetAdded"]
    assert there("targets", "delete", outdial, made["id"], "--yes", "--json").json["tm_delete"]


def test_run_and_stop_say_how_it_stands(there: Call) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    there("targets", "create", outdial, "--to", "+12025550101")
    assert there("run", outdial, "--tries", "1", "--json").json["status"] == "run"
    assert there("watch", outdial, "--once", "--json").json["open_attempts"] == 1
    assert "1 call open, 0 waiting, 0 of them due now, " in there("watch", outdial, "--once").out
    said = there("stop", outdial)
    assert said.out.split()[:2] == [outdial, "stopping"]


def test_a_run_is_paused_resumed_and_drained(there: Call) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    there("targets", "create", outdial, "--to", "+12025550101")
    there("run", outdial, "--tries", "1")
    assert there("pause", outdial, "--reason", "lunch").out.startswith(f"{outdial}  run, paused  1 call open")
    assert there("watch", outdial, "--once").out.count("run, paused") == 1
    assert there("resume", outdial, "--json").json["paused"] is None
    assert there("resume", outdial).err == ""
    assert there("drain", outdial, "--reason", "the season ends", "--json").json["draining"]["reason"] == "the season ends"
    assert "it goes on draining" in there("resume", outdial).err
    stopped = there("stop", outdial, "--reason", "the list was wrong", "--json").json
    assert (stopped["ended_how"], stopped["ended_reason"]) == ("stopped", "the list was wrong")
    refused = there("pause", outdial)
    assert refused.code
    assert "not running" in refused.err


def test_agents_of_a_campaign_are_said_to_be_free(there: Call) -> None:
    campaign = there("campaigns", "create", "--json").json["id"]
    assert there("campaigns", "agents", campaign, "12", "--json").json["agents"] == 12


def test_a_run_without_tries_is_warned_about_on_stderr(there: Call) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    said = there("run", outdial, "--ring", "20s", "--json")
    assert "warning: no_tries_in_plan" in said.err
    assert said.json["status"] == "run"


@pytest.mark.parametrize("words", [["outdials", "list"], ["outplans", "list"], ["campaigns", "list"], ["events"]], ids=" ".join)
def test_tables_are_plain_columns_when_nobody_looks(there: Call, words: list[str]) -> None:
    there("outdials", "create", "--name", "tab\there")
    said = there(*words)
    assert said.code == 0
    assert "\x1b" not in said.out + said.err


def test_colours_can_be_forced_and_forbidden(there: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    there("outdials", "create")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in there("outdials", "list").out
    assert "\x1b" not in there("outdials", "list", "--json").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in there("outdials", "list").out


def test_a_list_is_cut_with_a_word_on_stderr_and_whole_on_demand(there: Call) -> None:
    for _ in range(3):
        there("outdials", "create")
    said = there("outdials", "list", "--limit", "2", "--json")
    assert len(said.json) == 2
    assert "the newest 2" in there("outdials", "list", "--limit", "2").err
    assert len(there("outdials", "list", "--all", "--json").json) >= 3


# --- import, send, events -----------------------------------------------------------------------


def test_an_import_can_be_repeated_and_tells_what_it_did(there: Call, stdin: Callable[[bytes], None], tmp_path: Path) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    rows = b"".join(b'{"name": "n%d", "destination_0": "+1202555%04d"}\n' % (number, number) for number in range(700))
    stdin(rows)
    first = there("import", outdial, "-", "--json").json
    assert (first["rows"], first["added"], first["error_count"]) == (700, 700, 0)
    file = tmp_path / "same.jsonl"
    file.write_bytes(rows)
    again = there("import", outdial, str(file), "--json").json
    assert (again["added"], again["import_id"]) == (0, first["import_id"])
    assert there("import", outdial, str(file), "--import-id", outdial, "--json").json["skipped_count"] == 700


def test_a_dry_run_adds_nothing_and_refused_rows_go_to_a_file(there: Call, tmp_path: Path) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    file = tmp_path / "list.csv"
    file.write_text("name,destination_0\nAnn,+12025550101\nBob,nonsense\n")
    said = there("import", outdial, str(file), "--dry-run", "--errors", str(tmp_path / "refused.csv"))
    assert said.code == 5
    assert "1 would be added" in said.out
    header, row = (tmp_path / "refused.csv").read_text().splitlines()
    assert header == "refused_line,refused_reason,refused_message,name,destination_0"
    assert row.startswith("3,address_invalid,")
    assert row.endswith(",Bob,nonsense")
    assert there("targets", "list", outdial, "--json").json == []


def test_refused_rows_are_mended_and_sent_again(there: Call, tmp_path: Path) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    file, refused = tmp_path / "list.csv", tmp_path / "refused.csv"
    rows = ["name;destination_0", "Ann;+12025550101", '"Bob ""B""\nSmith";nonsense', "Cleo;+12025550103;x", "Dan;+12025550104"]
    file.write_text("\n".join(rows) + "\n")
    assert there("import", outdial, str(file), "--errors", str(refused)).code == 5
    again = tmp_path / "again.csv"
    assert there("import", outdial, str(refused), "--errors", str(again)).code == 5
    assert again.read_text().count("refused_line") == 1
    again.write_text(again.read_text().replace("nonsense", "+12025550102").replace(";x", ""))
    said = there("import", outdial, str(again), "--json")
    assert (said.code, said.json["added"]) == (0, 2)
    names = {row["name"] for row in there("targets", "list", outdial, "--json").json}
    assert names == {"Ann", 'Bob "B"\nSmith', "Cleo", "Dan"}


def test_refused_lines_of_ndjson_are_mended_and_sent_again(there: Call, tmp_path: Path) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    file, refused = tmp_path / "list.ndjson", tmp_path / "refused.ndjson"
    file.write_text('{"name":"Ann","destination_0":"+12025550101"}\n{"name":"Bob","destination_0":"nonsense"}\nno json\n')
    assert there("import", outdial, str(file), "--errors", str(refused)).code == 5
    bob, broken = refused.read_text().splitlines()
    assert (json.loads(broken)["refused_text"], json.loads(bob)["refused_line"]) == ("no json", 2)
    refused.write_text(bob.replace("nonsense", "+12025550102"))
    assert there("import", outdial, str(refused), "--json").json["added"] == 1


def test_a_file_that_is_not_there_is_said_by_name(there: Call) -> None:
    assert "absent.json" in there("outdials", "create", "--from", "absent.json").err
    said = there("import", "00000000-0000-4000-8000-000000000001", "absent.csv")
    assert said.code == 1
    assert "absent.csv" in said.err
    assert "Traceback" not in said.err


def test_commands_are_answered_line_by_line(there: Call, stdin: Callable[[bytes], None]) -> None:
    outdial = "00000000-0000-4000-8000-0000000000aa"
    lines = [{"type": "CreateOutdial", "outdial_id": outdial}, {"type": "Nonsense"}, {"type": "DeleteOutdial", "outdial_id": outdial}]
    stdin(b"\n".join(json.dumps(line).encode() for line in lines))
    said = there("send")
    assert said.code == 1
    assert [(answer["line"], answer["result"]) for answer in said.lines] == [(1, "events"), (2, "rejected"), (3, "events")]
    assert "3 commands, 1 rejected" in said.err


def test_lines_keep_their_numbers_over_many_requests(there: Call, stdin: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LINES_AT_ONCE", 2)
    stdin(b'{"type":"x"}\n' * 5)
    assert [answer["line"] for answer in there("send", "--json").lines] == [1, 2, 3, 4, 5]


def test_events_are_one_json_object_a_line_from_a_position_on(there: Call) -> None:
    outdial = there("outdials", "create", "--name", "e", "--json").json["id"]
    for number in range(3):
        there("targets", "create", outdial, "--to", f"+1202555010{number}")
    events = there("events", "--outdial", outdial, "--json").lines
    assert [event["type"] for event in events] == ["OutdialCreated", *["TargetAdded"] * 3]
    later = there("events", "--outdial", outdial, "--from", events[1]["position"], "--json").lines
    assert later == events[2:]
    assert there("events", "--outdial", outdial, "--limit", "1", "--json").lines == events[:1]


def test_following_goes_on_as_events_come(there: Call, service: Service) -> None:
    outdial = there("outdials", "create", "--json").json["id"]

    def add() -> None:
        with Blocking(Client(service.url)) as client:
            for number in range(3):
                client.send(targets(outdial).create({"destination_0": {"type": "tel", "target": f"+1202555020{number}"}}))
            client.send(OUTDIALS.delete(outdial))

    adding = threading.Timer(0.3, add)
    adding.start()
    said = there("events", "--outdial", outdial, "--follow", "--limit", "5", "--json")
    adding.join()
    assert [event["type"] for event in said.lines] == ["OutdialCreated", *["TargetAdded"] * 3, "OutdialDeleted"]
    positions = [event["position"] for event in said.lines]
    assert len(set(positions)) == 5
    assert there("events", "--outdial", outdial, "--from", positions[3], "--json").lines == said.lines[4:]


def test_no_personal_word_stands_in_the_table_of_events(there: Call) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    there("targets", "create", outdial, "--to", "+12025550177", "--name", "Ann Somebody")
    said = there("events", "--outdial", outdial)
    assert "TargetAdded" in said.out
    assert "+12025550177" not in said.out
    assert "Ann Somebody" not in said.out


# --- without a server ---------------------------------------------------------------------------


def test_reading_without_a_server_shows_the_same(outdial: Call, begin: Start, tmp_path: Path) -> None:
    running = begin(tmp_path / "data")
    here = ("--data", str(running.data), "--json")
    listed = outdial("outdials", "create", "--name", "kept", *here).json
    outdial("targets", "create", listed["id"], "--to", "+12025550123", *here)
    asks = [["outdials", "list"], ["outdials", "get", listed["id"]], ["targets", "list", listed["id"]], ["outplans", "list"]]
    before: list[Any] = [outdial(*words, *here).json for words in asks]
    events = outdial("events", *here).lines
    end(running)
    after = [outdial(*words, *here) for words in asks]
    assert [said.json for said in after] == before
    assert all("no server is running" in said.err for said in after)
    assert outdial("events", *here).lines == events
    assert outdial("outdials", "create", *here).code == 69
    assert outdial("outdials", "get", "00000000-0000-4000-8000-00000000dead", *here).code == 3


def test_a_token_is_needed_where_one_is_set_and_never_shown(
    outdial: Call, begin: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = begin(tmp_path / "data", "--token", "sesame-open-now")
    refused = outdial("outdials", "list", "--url", running.url, "--token", "wrong-word")
    assert refused.code == 1
    assert "OUTDIAL_TOKEN" in refused.err
    assert "wrong-word" not in refused.err
    monkeypatch.setenv("OUTDIAL_TOKEN", "sesame-open-now")
    assert outdial("outdials", "list", "--url", running.url, "--json").json == []


def test_a_field_that_is_none_is_told(there: Call) -> None:
    made = there("outplans", "create", "--name", "typo", "--tries", "1", "--set", "max_concurent=5", "--set", "max_concurrent=4", "--json")
    changed = there("outplans", "update", made.json["id"], "--set", "colour=red", "--json")

    assert (made.code, made.json["max_concurrent"]) == (0, 4)
    assert made.err == "warning: max_concurent is no field here; it was left out\n"
    assert changed.err == "warning: colour is no field here; it was left out\n"


def test_a_webhook_is_set_shown_replayed_and_deleted(there: Call, stdin: Callable[[bytes], None]) -> None:
    made = there("webhook", "set", "https://pbx.example/events", "--json").json
    assert len(made["secret"]) > 30
    stdin(b"a secret of sixteen or more\n")
    there("webhook", "set", "https://pbx.example/other", "--method", "PUT", "--secret-file", "-")
    shown = there("webhook", "get", "--json").json
    assert (shown["uri"], shown["method"]) == ("https://pbx.example/other", "PUT")
    assert "secret" not in shown
    assert set(there("webhook", "replay", "--after", "0", "--json").json["position"].split("-")) == {"0"}
    there("webhook", "delete", "--yes")
    assert there("webhook", "get").code == 3
