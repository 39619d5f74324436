"""The checked-in JSON Schemas: made from the models, complete, and true of what goes over the wire."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from messages import ROOT, commands, events, golden, of, schema
from outdial import export
from outdial.commands import COMMANDS, Command
from outdial.envelope import Event
from outdial.events import EVENTS
from outdial.requests import Answer, AnswerRecord, DialRequest, Rejection
from outdial.vocabulary import MEANING
from outdial.wire import encode, encode_event, from_json

FOLDER = ROOT / "schemas" / "json"
DOCUMENTS = export.documents()
GENERATED_ELSEWHERE = {"asyncapi.json", "openapi.json"}


def fields(node: Any) -> list[tuple[str, dict[str, Any]]]:
    """Every field of every object of a schema."""
    match node:
        case {"properties": dict(inner)}:
            return [*inner.items(), *fields([*inner.values(), node.get("$defs", {})])]
        case dict():
            return fields(list(node.values()))
        case list():
            return [found for part in node for found in fields(part)]
        case _:
            return []


def test_the_checked_in_schemas_are_those_of_the_models() -> None:
    found = {file.relative_to(FOLDER).as_posix(): file.read_bytes() for file in FOLDER.rglob("*.json")}

    stale = sorted(path for path in found.keys() | DOCUMENTS.keys() if found.get(path) != DOCUMENTS.get(path))

    assert [path for path in stale if path not in GENERATED_ELSEWHERE] == [], "run `make docs`"


def test_every_message_has_a_schema() -> None:
    wanted = {f"commands/{name}.json" for name in COMMANDS} | {f"events/{name}.json" for name in EVENTS}

    assert wanted | {f"{name}.json" for name in export.OUTGOING} == DOCUMENTS.keys()


@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_schema_is_valid_and_every_field_of_it_says_what_it_means(path: str) -> None:
    document = json.loads(DOCUMENTS[path])
    jsonschema_rs.meta.validate(document)

    assert document["description"]
    assert [name for name, field in fields(document) if not field.get("description")] == []


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_duration_says_its_unit(path: str) -> None:
    durations = {"dial_timeout", "try_interval", "pickup_timeout", "result_grace", "max_call_duration"}

    assert [
        name for name, field in fields(json.loads(DOCUMENTS[path])) if name in durations and "illisecond" not in field["description"]
    ] == []


def test_the_vocabulary_explains_no_word_that_nobody_says() -> None:
    said = {name for text in DOCUMENTS.values() for name, _ in fields(json.loads(text))}

    assert set() == MEANING.keys() - said


def test_a_text_under_a_field_stands_in_place_of_the_vocabulary() -> None:
    assert schema("events/DialAnswered.json")["properties"]["data"]["properties"]["expires_at"]["description"] == "The lease from here on."


def test_writing_takes_away_the_schema_of_a_message_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "Gone.json").write_text("{}")
    (tmp_path / "openapi.json").write_text("{}")

    written = export.write(tmp_path)

    assert {tmp_path / path for path in DOCUMENTS} == set(written)
    assert {*DOCUMENTS, "openapi.json"} == {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.json")}


@pytest.mark.parametrize("name", EVENTS)
def test_a_golden_event_satisfies_its_schema(name: str) -> None:
    jsonschema_rs.validate(schema(f"events/{name}.json"), json.loads(golden(name)))


@given(events)
def test_an_event_on_the_wire_satisfies_its_schema_and_that_of_all_events(event: Event) -> None:
    sent = from_json(encode_event(event))

    jsonschema_rs.validate(schema(f"events/{event.type}.json"), sent)
    jsonschema_rs.validate(schema("cloud-event.json"), sent)


@given(commands)
def test_a_command_on_the_wire_satisfies_its_schema(command: Command) -> None:
    jsonschema_rs.validate(schema(f"commands/{type(command).__name__}.json"), from_json(encode(command)))


@pytest.mark.parametrize(
    ("path", "model"),
    [("answer.json", Answer), ("answer-record.json", AnswerRecord), ("dial-request.json", DialRequest), ("rejection.json", Rejection)],
)
def test_what_goes_out_satisfies_its_schema(path: str, model: type[Answer | AnswerRecord | DialRequest | Rejection]) -> None:
    @settings(max_examples=30)
    @given(of(model))
    def holds(message: Answer | AnswerRecord | DialRequest | Rejection) -> None:
        jsonschema_rs.validate(schema(path), from_json(encode(message)))

    holds()


@pytest.mark.parametrize("extra", ["x_note", "x_"])
def test_the_schema_of_a_command_allows_fields_of_ones_own_and_no_others(extra: str) -> None:
    command = {"type": "DeleteOutdial", "outdial_id": "7b1c2d3e-4f50-4a61-9b72-8c83d94ea5f6"}
    document = schema("commands/DeleteOutdial.json")

    assert jsonschema_rs.is_valid(document, {**command, extra: 1})
    assert not jsonschema_rs.is_valid(document, {**command, "note": 1})
    assert not jsonschema_rs.is_valid(document, {"outdial_id": command["outdial_id"]})


def test_the_schema_of_an_event_allows_fields_of_a_later_version() -> None:
    event = json.loads(golden("PlanApplied"))
    event["later"] = event["data"]["later"] = event["data"]["plan"]["later"] = 1

    jsonschema_rs.validate(schema("events/PlanApplied.json"), event)
