"""What the environment may say, and where the program looks for its data."""

import json
import os
from pathlib import Path

import pytest

from cli.program import Call
from outdial.doors.cli.actions import Refused
from outdial.doors.cli.folders import address_of, data_folder
from outdial.doors.cli.names import KAFKA_NAMES, NAMES, effective, unknown_names
from outdial.doors.cli.server import serve_options
from outdial.doors.cli.settings import SETTING_FORMS, Kafka, Settings, credential, load

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


def test_a_file_of_a_secret_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="OUTDIAL_TOKEN_FILE is no text in UTF-8"):
        load({"OUTDIAL_TOKEN_FILE": str(tmp_path / "token")}, {})


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


def test_the_list_of_names_is_that_of_the_settings() -> None:
    assert {*NAMES, "kafka"} == Settings.model_fields.keys()
    assert set(KAFKA_NAMES) == Kafka.model_fields.keys()


@pytest.mark.parametrize(
    ("name", "meant"), [("OUTDIAL_ULR", "OUTDIAL_URL"), ("OUTDIAL_KAFKA__BOOTSTRAP_SERVRS", "OUTDIAL_KAFKA__BOOTSTRAP_SERVERS")]
)
@pytest.mark.parametrize("words", ["outdials list", "watch ID", "topics check", "config show", "schemas export", "import ID -"])
def test_every_verb_refuses_a_name_that_means_nothing(
    outdial: Call, monkeypatch: pytest.MonkeyPatch, name: str, meant: str, words: str
) -> None:
    monkeypatch.setenv(name, "x")
    said = outdial(*words.split())
    assert said.code == 2
    assert f"{name} is no setting" in said.err
    assert f"did you mean {meant}?" in said.err


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "xdg" / "outdial" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_file_of_settings_is_over_the_defaults_and_under_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'port = 9000\nspeed = 2.5\nclaim = false\ntokens = ["a", "b"]\nurl = "http://there"\n[kafka]\nbootstrap_servers = "k:9092"\n'
    written(tmp_path, text)
    found = load(effective(os.environ), {})
    assert (found.port, found.speed, found.claim, found.url, found.kafka.bootstrap_servers) == (9_000, 2.5, False, "http://there", "k:9092")
    assert [one.token for one in found.credentials] == ["a", "b"]
    (tmp_path / "secret").write_text("c")
    for name, value in {"OUTDIAL_PORT": "9001", "KAFKA_BROKERS": "other:9092", "OUTDIAL_TOKENS_FILE": str(tmp_path / "secret")}.items():
        monkeypatch.setenv(name, value)
    found = load(effective(os.environ), {})
    assert (found.port, found.kafka.bootstrap_servers, [one.token for one in found.credentials]) == (9_001, "other:9092", ["c"])
    assert load(effective(os.environ), {"port": 9_002}).port == 9_002


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 1", "did you mean port?"),
        ('[kafka]\nbootstrap_servrs = "x"', "did you mean kafka.bootstrap_servers?"),
        ("port = \nhost = 1", "is no TOML: at line 1"),
        ("kafka = 3", "kafka is no setting"),
        ("port = { a = 1 }", "port has a value of a form no setting has"),
    ],
)
def test_what_is_wrong_in_the_file_of_settings_is_said(outdial: Call, tmp_path: Path, text: str, told: str) -> None:
    file = written(tmp_path, text)
    said = outdial("outdials", "list")
    assert said.code == 2
    assert str(file) in said.err
    assert told in said.err


def test_config_show_says_each_setting_its_value_and_where_it_comes_from(
    outdial: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "speed = 2.5\n")
    (tmp_path / "key").write_text("hidden key")
    monkeypatch.setenv("OUTDIAL_TOKEN", "hidden token")
    monkeypatch.setenv("OUTDIAL_FINGERPRINT_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("OUTDIAL_URL", "http://ann:hidden@host:1")
    monkeypatch.setenv("KAFKA_BROKERS", "broker:9092")
    said = outdial("config", "show", "--json", "--data", "here")
    rows = {row["setting"]: (row["value"], row["origin"]) for row in said.json}
    assert rows["token"] == ("********", "$OUTDIAL_TOKEN")
    assert rows["fingerprint_key"] == ("********", f"$OUTDIAL_FINGERPRINT_KEY_FILE ({tmp_path / 'key'})")
    assert rows["url"] == ("http://********@host:1", "$OUTDIAL_URL")
    assert rows["kafka.bootstrap_servers"] == ("broker:9092", "$KAFKA_BROKERS")
    assert rows["speed"] == (2.5, str(file))
    assert rows["data"] == ("here", "--data")
    assert rows["host"] == ("127.0.0.1", "default")
    assert "hidden" not in said.out
    table = outdial("config", "show", "--origin").out.splitlines()
    assert table[0].split("\t") == ["setting", "value", "origin"]
    assert "speed\t2.5\t" + str(file) in table
    assert outdial("config", "show").out.splitlines()[0].split("\t") == ["setting", "value"]
