"""What the environment may say, and where the program looks for its data."""

import json
import os
from pathlib import Path

import pytest

from cli.program import Call
from outdial.doors.cli.actions import Refused
from outdial.doors.cli.folders import address_of, data_folder
from outdial.doors.cli.server import serve_options
from outdial.doors.cli.settings import SETTING_FORMS, Settings, credential, load, unknown_names

CUSTOMER = "7f1b1c5e-0000-4000-8000-00000000000a"


def test_an_unknown_name_is_an_error_that_says_what_was_meant(outdial: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OUTDIAL_PROT", "9000")
    for verb in ("serve", "demo"):
        said = outdial(verb, "--data", str(tmp_path))
        assert said.code == 2
        assert "OUTDIAL_PROT" in said.err
        assert "did you mean OUTDIAL_PORT" in said.err


def test_names_of_the_test_suite_and_of_files_are_known() -> None:
    names = ("OUTDIAL_TEST_KAFKA", "OUTDIAL_REQUIRE_KAFKA", "OUTDIAL_TOKENS_FILE", "OUTDIAL_FINGERPRINT_KEY_FILE", "OUTDIAL_DATA", "HOME")
    assert unknown_names(dict.fromkeys(names, "x")) == {}


def test_a_flag_goes_before_the_environment_before_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert serve_options(tmp_path, {}).port == 8080
    assert serve_options(tmp_path, {}).next_port
    monkeypatch.setenv("OUTDIAL_PORT", "9001")
    assert serve_options(tmp_path, {}).port == 9001
    assert not serve_options(tmp_path, {}).next_port
    assert serve_options(tmp_path, {"port": 9002}).port == 9002


@pytest.mark.parametrize(("name", "value"), [("PORT", "many"), ("SPEED", "0"), ("CARRIER", "pigeon"), ("CUSTOMER_ID", "me")])
def test_a_value_of_the_wrong_form_names_its_setting_and_not_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"OUTDIAL_{name}", value)
    with pytest.raises(Refused, match=f"OUTDIAL_{name}") as caught:
        load(os.environ, {})
    assert caught.value.code == 2


def test_tokens_come_from_names_and_files_and_may_name_their_customer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"first\n{CUSTOMER.upper()}=second\n")
    monkeypatch.setenv("OUTDIAL_TOKENS_FILE", str(tmp_path / "tokens"))
    monkeypatch.setenv("OUTDIAL_TOKEN", "third==")
    found = load(os.environ, {})
    assert [(one.token, one.customer_id) for one in found.credentials] == [("first", None), ("second", CUSTOMER), ("third==", None)]
    assert "first" not in repr(found)
    assert "third" not in repr(found)


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTDIAL_FINGERPRINT_KEY_FILE", "/nowhere/key")
    with pytest.raises(Refused, match="OUTDIAL_FINGERPRINT_KEY_FILE"):
        load(os.environ, {})


def test_the_data_folder_is_the_flag_the_environment_the_local_one_or_the_xdg_one(tmp_path: Path) -> None:
    environment = {"OUTDIAL_DATA": "/from/environment", "XDG_DATA_HOME": str(tmp_path)}
    assert data_folder(Path("/flag"), environment) == Path("/flag")
    assert data_folder(None, environment) == Path("/from/environment")
    del environment["OUTDIAL_DATA"]
    assert data_folder(None, environment) == tmp_path / "outdial"
    assert data_folder(None, {}) == Path.home() / ".local/share/outdial"
    Path(".outdial").mkdir()
    assert data_folder(None, environment) == Path(".outdial")


def test_an_address_counts_only_while_its_process_lives(tmp_path: Path) -> None:
    file = tmp_path / "address.json"
    assert address_of(tmp_path) is None
    for text in ("", "{", "[]", '{"url": "http://x"}', '{"url": "http://x", "pid": "?"}', '{"url": "http://x", "pid": -1}'):
        file.write_text(text)
        assert address_of(tmp_path) is None
    file.write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": os.getpid()}))
    found = address_of(tmp_path)
    assert found is not None
    assert found.url == "http://127.0.0.1:1"


@pytest.mark.parametrize("word", ["", " ", "\t", f"{'0a000000-0000-4000-8000-000000000001'}="])
def test_an_empty_token_that_everybody_would_have_is_refused(word: str) -> None:
    with pytest.raises(Refused, match="a token is empty"):
        credential(word)
    if word.strip():
        with pytest.raises(Refused, match="a token is empty"):
            _ = load({}, {"tokens": f"good,{word}"}).credentials


def test_allowed_origins_come_from_names_and_flags_and_are_written_as_browsers_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert serve_options(tmp_path, {}).allowed_origins == ()
    monkeypatch.setenv("OUTDIAL_ALLOWED_ORIGINS", "https://App.example, http://localhost:3000\nhttp://[::1]:80a"[:-2])
    assert serve_options(tmp_path, {}).allowed_origins == ("https://app.example", "http://localhost:3000", "http://[::1]:8")
    assert serve_options(tmp_path, {"allowed_origins": "https://b.example:444"}).allowed_origins == ("https://b.example:444",)


@pytest.mark.parametrize(
    "word",
    ["*", "https://*", "https://*.app.example", "null", "app.example", "https://app.example/", "https://app.example/page", "https://",
     "https://app.example:443", "http://app.example:80", "https://app.example:0", "https://app.example:70000", "https://app.example:",
     "https://ann@app.example", "https://app.example?x", "ftp://app.example", "https://bücher.example", "https://-app.example"],
)  # fmt: skip
def test_an_origin_that_no_browser_would_name_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str) -> None:
    monkeypatch.setenv("OUTDIAL_ALLOWED_ORIGINS", f"https://app.example {word}")
    with pytest.raises(Refused, match=r"origin|port") as caught:
        serve_options(tmp_path, {})
    assert (caught.value.code, caught.value.reason) == (2, "setting_invalid")
    assert word in caught.value.message


@pytest.mark.parametrize("name", ["carrier", "customer_id", "rate_limit_ip", "instance", "topic_prefix"])
def test_a_setting_of_the_wrong_form_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"OUTDIAL_{name.upper()}", "not this!")
    with pytest.raises(Refused) as caught:
        load(os.environ, {})
    assert caught.value.reason == "setting_invalid"
    assert f"OUTDIAL_{name.upper()} (or its flag): must be " in caught.value.message


def test_no_setting_has_a_form_without_words() -> None:
    constraints = [constraint for field in Settings.model_fields.values() for constraint in field.metadata]
    assert {found.pattern for found in constraints if getattr(found, "pattern", None)} == {*SETTING_FORMS}


def test_a_list_of_origins_without_a_token_is_refused(outdial: Call, tmp_path: Path) -> None:
    said = outdial("serve", "--data", str(tmp_path), "--allowed-origin", "https://app.example")

    assert said.code == 1
    assert "asks for none" in said.err


def test_limits_of_requests_come_from_names_and_flags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert (serve_options(tmp_path, {}).rate_limit_ip, serve_options(tmp_path, {}).rate_limit_customer) == (None, None)
    monkeypatch.setenv("OUTDIAL_RATE_LIMIT_IP", "200/400")
    monkeypatch.setenv("OUTDIAL_RATE_LIMIT_CUSTOMER", "0.5")
    found = serve_options(tmp_path, {"rate_limit_customer": "16.7/33"})
    assert (found.rate_limit_ip, found.rate_limit_customer) == ("200/400", "16.7/33")


@pytest.mark.parametrize("value", ["0", "0.0", "-1", "fast", "1/0", "1/", "/5", "1e9"])
def test_a_limit_that_lets_nobody_in_or_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OUTDIAL_RATE_LIMIT_IP", value)
    with pytest.raises(Refused, match="OUTDIAL_RATE_LIMIT_IP"):
        load(os.environ, {})
