"""docker-compose.yml, held against the code: there is no Docker where it is tested, so every name in it is checked here.

`compose-spec/compose-spec.json` is the schema of the Compose Specification, unchanged (Apache-2.0; licence and notice beside it).
"""

import json
import re
import tomllib
from typing import Any

import jsonschema_rs
import pytest
import yaml

from deploy.files import COMPOSE, EXAMPLE, OURS, SERVICES, VARIABLE, command, image_environment
from messages import ROOT
from outdial.topology import DEFAULT_PARTITIONS, DEFAULT_PREFIX

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SPECIFICATION = jsonschema_rs.validator_for(
    json.loads((ROOT / "tests" / "deploy" / "compose-spec" / "compose-spec.json").read_text(encoding="utf-8"))
)
JOBS = {"topics"}
"""Services that end when they are done."""


def published(service: dict[str, Any]) -> list[tuple[str, str]]:
    """Each published port: the address of this machine, and the port of the container."""
    ports = [VARIABLE.sub(r"\3", port).split(":") for port in service.get("ports", ())]
    return [(address, inside) for address, _, inside in ports]


def listeners() -> dict[str, str]:
    """The listeners of the broker by name."""
    return dict(re.findall(r"(\w+)://([^,]*)", SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]))


def test_the_file_is_valid_by_the_schema_of_the_specification() -> None:
    assert [error.message for error in SPECIFICATION.iter_errors(COMPOSE)] == []


@pytest.mark.parametrize("wrong", [{"ports": 8080}, {"helthcheck": {}}, {"depends_on": {"kafka": {"condition": "ready"}}}])
def test_the_schema_of_the_specification_sees_what_is_wrong(wrong: dict[str, object]) -> None:
    broken = json.loads(json.dumps(COMPOSE))
    broken["services"]["api"] |= wrong

    assert not SPECIFICATION.is_valid(broken)


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_built_here_or_has_a_version_of_its_own(name: str) -> None:
    service = SERVICES[name]

    assert "build" in service if name in OURS else re.fullmatch(r".+:v?\d+\.\d+\.\d+", service["image"])


def test_the_broker_is_the_version_the_tests_run_on() -> None:
    assert SERVICES["kafka"]["image"] == "apache/kafka:4.1.1"


@pytest.mark.parametrize("name", SERVICES)
def test_a_port_is_published_on_this_machine_only(name: str) -> None:
    assert {address for address, _ in published(SERVICES[name])} <= {"127.0.0.1"}
    assert "network_mode" not in SERVICES[name]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_that_stays_says_whether_it_is_healthy(name: str) -> None:
    check = SERVICES[name]["healthcheck"]

    assert check.get("disable", False) == (name in JOBS)
    if name not in JOBS:
        assert {"test", "interval", "timeout", "retries", "start_period", "start_interval"} <= check.keys()
        assert "curl" not in " ".join(check["test"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    wanted = SERVICES[name].get("depends_on", {})

    for other, how in wanted.items():
        assert how["condition"] == ("service_completed_successfully" if other in JOBS else "service_healthy")
        assert set(SERVICES[other].get("profiles", ())) <= set(SERVICES[name].get("profiles", ()))
    if name in OURS:
        assert set(wanted) == ({"kafka"} if name in JOBS else {"kafka", "topics"})


@pytest.mark.parametrize("name", SERVICES)
def test_every_volume_is_named_and_every_mounted_folder_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        source, inside, *_ = volume.split(":")
        if source.startswith("."):
            assert (ROOT / source).is_dir()
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]
        assert inside.startswith("/")


def test_there_are_two_ledgers_an_api_a_worker_and_a_job_for_the_topics() -> None:
    assert sorted(" ".join(command(name)) for name in OURS) == ["api", "ledger", "ledger", "topics create", "worker"]


def test_every_ledger_has_an_identity_and_a_folder_of_its_own() -> None:
    ledgers = [service for name, service in OURS.items() if command(name) == ["ledger"]]

    assert len({service["environment"]["OUTDIAL_INSTANCE"] for service in ledgers}) == len(ledgers)
    assert len({service["volumes"][0] for service in ledgers}) == len(ledgers)


def test_every_process_of_ours_is_told_the_same_topics() -> None:
    for service in OURS.values():
        environment = service["environment"]
        assert environment["OUTDIAL_TOPIC_PREFIX"] == DEFAULT_PREFIX
        assert environment["OUTDIAL_PARTITIONS"] == str(DEFAULT_PARTITIONS)
        assert environment["OUTDIAL_KAFKA__BOOTSTRAP_SERVERS"] == listeners()["INTERNAL"]


def test_the_broker_tells_every_client_an_address_it_can_reach() -> None:
    environment = SERVICES["kafka"]["environment"]
    inside = dict(re.findall(r"(\w+)://:(\d+)", environment["KAFKA_LISTENERS"]))

    assert listeners()["INTERNAL"] == f"kafka:{inside['INTERNAL']}"
    assert listeners()["LOCAL"].startswith("localhost:${KAFKA_PUBLISHED_PORT")
    assert published(SERVICES["kafka"]) == [("127.0.0.1", inside["LOCAL"])]
    assert set(inside) == set(dict(re.findall(r"(\w+):(\w+)", environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"])))
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_one_broker_is_never_asked_for_more_copies_than_it_can_keep() -> None:
    environment = SERVICES["kafka"]["environment"]

    for name in ("OFFSETS_TOPIC_REPLICATION_FACTOR", "TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "TRANSACTION_STATE_LOG_MIN_ISR"):
        assert environment[f"KAFKA_{name}"] == "1"


def test_health_is_asked_where_the_program_listens() -> None:
    port = image_environment()["OUTDIAL_PORT"]

    for name in OURS.keys() - JOBS:
        assert f"http://127.0.0.1:{port}/readyz" in " ".join(OURS[name]["healthcheck"]["test"])
    assert published(OURS["api"]) == [("127.0.0.1", port)]


@pytest.mark.parametrize("name", OURS)
def test_a_process_of_ours_can_change_nothing_but_its_data(name: str) -> None:
    service = OURS[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "user" not in service
    assert [volume.split(":")[1] for volume in service.get("volumes", ())] in ([], [image_environment()["OUTDIAL_DATA"]])


def test_nothing_starts_while_a_secret_has_no_value() -> None:
    secrets = {"OUTDIAL_TOKEN", "OUTDIAL_FINGERPRINT_KEY"}

    for name in secrets:
        uses = [(how, why) for found, how, why in VARIABLE.findall(TEXT) if found == name]
        assert uses
        assert all(how == "?" and ".env.example" in why for how, why in uses)
        assert re.search(rf"^{name}=$", EXAMPLE, re.MULTILINE)


def test_the_example_of_the_settings_names_every_variable_and_no_other() -> None:
    named = re.findall(r"^#?([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)
    used = {name: default for name, how, default in VARIABLE.findall(TEXT) if how == "-"} | dict.fromkeys(
        (name for name, how, _ in VARIABLE.findall(TEXT) if how == "?"), ""
    )

    assert dict(named) == used


def test_only_who_compares_addresses_or_takes_commands_has_the_key() -> None:
    with_key = {name for name, service in OURS.items() if "OUTDIAL_FINGERPRINT_KEY" in service["environment"]}

    assert with_key == {name for name in OURS if command(name) in (["ledger"], ["api"])}


def test_the_image_has_what_its_roles_import() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    extras = [wanted for requirements in project.get("optional-dependencies", {}).values() for wanted in requirements]

    names = [re.split(r"[^\w.-]", wanted)[0].lower() for wanted in extras]
    assert [name for name in names if not re.search(rf"^{re.escape(name)}==", pinned, re.MULTILINE)] == []


def test_an_environment_holds_texts_only() -> None:
    for service in yaml.safe_load(TEXT)["services"].values():
        assert all(isinstance(value, str) for value in service.get("environment", {}).values())
