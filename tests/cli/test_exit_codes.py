"""Exit codes, and what a person reads when something goes wrong: a line or two, never a traceback."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cli.program import Call, Said, Service, Start, end, environment
from outdial.compose import Composed
from outdial.doors.cli.actions import Beside, Refused, ServeOptions
from outdial.doors.cli.main import code_of

EVERYWHERE = "0.0.0.0"  # noqa: S104  what is refused
NOBODY = "00000000-0000-4000-8000-00000000dead"


def quiet(said: Said) -> Said:
    """An error as it must look."""
    assert "Traceback" not in said.err
    assert not said.out
    assert said.err.strip()
    return said


@pytest.mark.parametrize(
    ("words", "message", "fix"),
    [
        ("preflight LIST", "this outdial never had a plan (plan_missing)", "--outplan"),
        ("run LIST", "this outdial never had a plan (plan_missing)", "--outplan"),
        ("watch June", "id must be a UUID such as ", "outdial outdials list"),
        ("outplans get gentle", "id must be a UUID such as ", "outplans, campaigns list"),
    ],
)
def test_a_refusal_names_the_options_of_the_program_and_not_those_of_http(there: Call, words: str, message: str, fix: str) -> None:
    made = there("outdials", "create", "--json").json["id"]

    said = quiet(there(*words.replace("LIST", made).split()))

    first, second = said.err.splitlines()
    assert (said.code, first.startswith(f"outdial: {message}")) == (1, True), said.err
    assert second.startswith("  to fix: ")
    assert fix in second


@pytest.mark.parametrize("noun", ["outdials", "outplans", "campaigns"])
def test_what_is_not_there_is_3(there: Call, noun: str) -> None:
    said = quiet(there(noun, "get", NOBODY))
    assert said.code == 3
    assert "unknown" in said.err


def test_a_target_that_is_not_there_is_3(there: Call) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    assert quiet(there("targets", "get", outdial, NOBODY)).code == 3
    assert quiet(there("targets", "calls", outdial, NOBODY)).code == 3
    assert quiet(there("targets", "update", outdial, NOBODY, "--reopen")).code == 3


def test_a_conflict_is_4(there: Call) -> None:
    outplan = there("outplans", "create", "--tries", "1", "--json").json["id"]
    outdial = there("outdials", "create", "--json").json["id"]
    there("targets", "create", outdial, "--to", "+12025550123")
    campaign = there("campaigns", "create", "--outdial", outdial, "--outplan", outplan, "--json").json["id"]
    assert there("campaigns", "run", campaign, "--json").json["status"] == "run"
    assert quiet(there("campaigns", "delete", campaign, "--yes")).code == 4
    assert quiet(there("run", outdial, "--outplan", outplan)).code == 4


def test_a_refused_value_is_1_and_names_the_field(there: Call) -> None:
    said = quiet(there("outplans", "create", "--set", "dial_timeout=-1"))
    assert said.code == 1
    assert "dial_timeout" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ["nothing"],
        ["outdials"],
        ["outdials", "get"],
        ["outdials", "list", "--limit", "many"],
        ["outdials", "list", "-o", "xml"],
        ["outdials", "create", "--set", "nothing"],
        ["outdials", "update", NOBODY],
        ["outplans", "create", "--ring", "soon"],
        ["outplans", "create", "--tries", "1,2,3,4,5,6"],
        ["targets", "create", NOBODY, "--to", "nobody"],
        ["targets", "update", NOBODY, NOBODY],
        ["run", NOBODY, "--outplan", NOBODY, "--tries", "1"],
        ["serve", "--port", "99999"],
        ["serve", "--tls-cert", "cert.pem"],
        ["outdials", "list", "--url", "nowhere"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(outdial: Call, words: list[str]) -> None:
    said = outdial(*words)
    assert "Traceback" not in said.err
    assert said.code == 2
    assert said.err.strip()


def test_nothing_is_asked_without_a_terminal(there: Call) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    said = quiet(there("outdials", "delete", outdial))
    assert said.code == 2
    assert "--yes" in said.err
    assert there("outdials", "get", outdial, "--json").json["tm_delete"] is None
    assert there("outdials", "delete", outdial, "--yes", "--json").json["tm_delete"] is not None


def test_an_import_with_refused_rows_is_5(there: Call, tmp_path: Path) -> None:
    outdial = there("outdials", "create", "--json").json["id"]
    file = tmp_path / "list.csv"
    file.write_text("name,destination_0\nAnn,+12025550101\nBob,nonsense\nCid,+12025550103\n")
    said = there("import", outdial, str(file))
    assert said.code == 5
    assert "2 added" in said.out
    assert "line 3" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("words", [["outdials", "list"], ["run", NOBODY], ["events", "--follow"], ["watch", NOBODY]], ids=" ".join)
def test_no_server_is_69_and_says_how_to_start_one(outdial: Call, words: list[str], tmp_path: Path) -> None:
    said = quiet(outdial(*words, "--data", str(tmp_path / "none")))
    assert said.code == 69
    assert "outdial serve --data" in said.err


def test_a_url_where_nobody_listens_is_69(outdial: Call) -> None:
    said = quiet(outdial("outdials", "list", "--url", "http://127.0.0.1:9"))
    assert said.code == 69
    assert "http://127.0.0.1:9" in said.err


def test_a_stale_address_is_no_server(outdial: Call, tmp_path: Path) -> None:
    (tmp_path / "address.json").write_text('{"url": "http://127.0.0.1:9", "pid": 999999999}')
    assert quiet(outdial("outdials", "list", "--data", str(tmp_path))).code == 69


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    class Interrupted(Composed):
        def serve(self, options: ServeOptions, beside: Beside) -> None:
            raise KeyboardInterrupt

    assert code_of(Interrupted(), ["serve", "--data", str(tmp_path)]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_ctrl_c_ends_a_server_cleanly_with_130(begin: Start, tmp_path: Path) -> None:
    service = begin(tmp_path / "data")
    assert (service.data / "address.json").exists()
    assert end(service) == 130
    assert not (service.data / "address.json").exists()


def test_a_refusal_is_told_with_its_fix(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    class Full(Composed):
        def serve(self, options: ServeOptions, beside: Beside) -> None:
            raise Refused("data_in_use", "another process works there", "stop it first")

    assert code_of(Full(), ["serve", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "outdial: another process works there\n  to fix: stop it first\n"


def test_a_fault_of_the_program_is_one_line_without_what_it_was_about(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    class Broken(Composed):
        def serve(self, options: ServeOptions, beside: Beside) -> None:
            raise RuntimeError("+12025550123")

    assert code_of(Broken(), ["serve", "--data", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "RuntimeError" in err
    assert "+1202" not in err


def test_a_second_server_on_the_same_folder_is_refused(outdial: Call, service: Service) -> None:
    said = quiet(outdial("serve", "--data", str(service.data), "--port", "0"))
    assert said.code == 1


def test_a_port_in_use_is_refused_when_it_was_asked_for(outdial: Call, service: Service, tmp_path: Path) -> None:
    said = quiet(outdial("serve", "--data", str(tmp_path / "other"), "--port", service.url.rsplit(":", 1)[1]))
    assert said.code == 1
    assert "in use" in said.err


def test_a_server_for_others_needs_a_token(outdial: Call, tmp_path: Path) -> None:
    said = quiet(outdial("serve", "--data", str(tmp_path), "--host", EVERYWHERE, "--port", "0"))
    assert said.code == 1
    assert "TOKEN" in said.err


def test_a_corrupt_database_is_told_as_such(outdial: Call, tmp_path: Path) -> None:
    (tmp_path / "outdial.db").write_bytes(b"this is no database" * 1_000)
    for words in (["outdials", "list"], ["views", "verify"], ["serve", "--port", "0"]):
        said = quiet(outdial(*words, "--data", str(tmp_path)))
        assert said.code == 1
    assert (tmp_path / "outdial.db").read_bytes().startswith(b"this is no database")


def test_a_database_of_something_else_is_not_touched(outdial: Call, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "outdial.db")
    other.execute("CREATE TABLE shopping (item TEXT)")
    other.commit()
    other.close()
    said = outdial("outdials", "list", "--data", str(tmp_path))
    assert said.code == 1
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("streams", "code", "heard"),
    [("<&-", 0, ""), (">&-", 0, ""), (">/dev/full", 1, "No space left on device"), ("2>&-", 0, ""), ("<&- >&- 2>&-", 0, "")],
)
@pytest.mark.parametrize("verb", ["outdials list", "outdials list --json", "send -"])
def test_a_stream_that_is_closed_or_full_is_no_fault_of_the_program(
    service: Service, tmp_path: Path, streams: str, code: int, heard: str, verb: str
) -> None:
    line = f'"$0" -m outdial.compose {verb} --url {service.url} {streams}'
    commands = tmp_path / "commands"
    commands.write_text('{"type":"DeleteOutdial"}\n' if code else "")
    with commands.open() as stdin:
        done = subprocess.run(  # noqa: S603  its own program
            ["/bin/sh", "-c", line, sys.executable], stdin=stdin, capture_output=True, text=True, env=environment(), timeout=60, check=False
        )
    assert (done.returncode, heard in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr
    assert "fault of the program" not in done.stderr


@pytest.mark.parametrize("token", ["hidden\nsecret", "hidden\u00e9", "hidden "])
def test_a_token_that_no_header_can_hold_is_a_usage_error_and_not_shown(there: Call, token: str) -> None:
    said = quiet(there("outdials", "list", "--token", token))
    assert (said.code, "hidden" in said.err) == (2, False), said.err


def test_an_argument_that_is_no_text_is_a_usage_error_and_the_name_of_a_file_need_not_be_one(there: Call, tmp_path: Path) -> None:
    said = quiet(there("outdials", "create", "--name", "a\udce9"))
    assert (said.code, "no text in UTF-8" in said.err) == (2, True), said.err
    outdial = there("outdials", "create", "--json").json["id"]
    (tmp_path / "a\udce9.csv").write_text("name,destination_0\nAda,+12025550123\n")
    assert there("import", outdial, str(tmp_path / "a\udce9.csv")).code == 0


def test_a_file_that_is_no_text_is_a_usage_error(there: Call, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\n")
    for words in (["outdials", "create", "--from"], ["webhook", "set", "https://pbx.example/", "--secret-file"]):
        said = quiet(there(*words, str(tmp_path / "bytes")))
        assert (said.code, "no text in UTF-8" in said.err) == (2, True), said.err
