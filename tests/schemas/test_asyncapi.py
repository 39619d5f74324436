"""The AsyncAPI document: valid by the specification's own schema, complete, and true of what stands on the topics.

`asyncapi/3.0.0.json` is the AsyncAPI Initiative's schema of the specification, unchanged (Apache-2.0; licence and notice beside it).
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import jsonschema_rs
import pytest

from messages import ROOT
from outdial.asyncapi import SOCKET, asyncapi_document, command_examples, examples
from outdial.events import EVENTS
from outdial.kafka.records import position_noted
from outdial.listening import SAID, TOLD
from outdial.topology import TOPICS, Topology, config
from outdial.views.retelling import NAMES
from outdial.wire import decode_command, decode_event, public_types, to_json

CHECKED_IN: Final = (ROOT / "schemas" / "json" / "asyncapi.json").read_bytes()
DOCUMENT: Final[dict[str, Any]] = json.loads(CHECKED_IN)
MESSAGES: Final[dict[str, Any]] = DOCUMENT["components"]["messages"]
SPECIFICATION: Final = jsonschema_rs.validator_for(
    json.loads((ROOT / "tests" / "schemas" / "asyncapi" / "3.0.0.json").read_text(encoding="utf-8"))
)


def problems(document: Any) -> list[str]:
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message[:200]}" for error in SPECIFICATION.iter_errors(document)]


def references(node: Any) -> Iterator[str]:
    match node:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for value in node.values():
                yield from references(value)
        case list():
            for value in node:
                yield from references(value)
        case _:
            pass


def at(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def names(channel: str) -> set[str]:
    """The titles of the messages of a channel."""
    return {at(message["$ref"])["title"] for message in DOCUMENT["channels"][channel]["messages"].values()}


def valid(schema: dict[str, Any], instance: Any) -> bool:
    """Whether an instance satisfies a schema that refers into the document."""
    return jsonschema_rs.Draft7Validator({**schema, "components": DOCUMENT["components"]}).is_valid(instance)


def test_the_checked_in_document_is_that_of_the_models() -> None:
    assert asyncapi_document() == CHECKED_IN, "run `make docs`"


def test_the_document_is_valid_by_the_schema_of_the_specification() -> None:
    assert problems(DOCUMENT) == []


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("channels/commands/bindings/kafka/partitions", "twelve"),
        ("channels/events/bindings/kafka/topicConfiguration/cleanup.policy", "delete"),
        ("operations/decideCommands/action", "read"),
        ("operations/decideCommands/bindings/kafka/groupId", 1),
        ("components/messages/DialRequest/payload/type", "objekt"),
        ("components/messages/DialRequest/examples/0", 1),
        ("channels/listen/bindings/ws/method", "PUT"),
    ],
)
def test_the_schema_of_the_specification_sees_what_is_wrong_deep_inside(path: str, wrong: object) -> None:
    document = json.loads(CHECKED_IN)
    *way, last = path.split("/")
    node = document
    for step in way:
        node = node[int(step)] if isinstance(node, list) else node[step]
    node[int(last) if isinstance(node, list) else last] = wrong

    assert problems(document) != []


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))

    assert len(found) > 100
    for reference in found:
        assert at(reference) is not None


def test_every_topic_is_a_channel_with_the_settings_it_is_created_with() -> None:
    topology = Topology()

    assert set(DOCUMENT["channels"]) == {topic.name for topic in TOPICS} | {SOCKET}
    for topic in TOPICS:
        channel = DOCUMENT["channels"][topic.name]
        kafka = channel["bindings"]["kafka"]
        shown = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in kafka["topicConfiguration"].items()}
        assert channel["address"] == kafka["topic"] == topology.topic(topic.name)
        assert (kafka["partitions"], kafka["replicas"]) == (topology.partitions, 3)
        assert shown == config(topic, 3)
        assert channel["servers"] == [{"$ref": "#/servers/kafka"}]


def test_the_websocket_is_a_channel_of_the_service_with_all_that_is_said_on_it() -> None:
    channel = DOCUMENT["channels"][SOCKET]

    assert (channel["address"], channel["servers"]) == ("/v1.0/ws", [{"$ref": "#/servers/http"}])
    assert DOCUMENT["servers"]["http"]["protocol"] == "ws"
    assert names(SOCKET) == {*SAID, *TOLD}
    for name in SAID:
        SAID[name].model_validate(MESSAGES[f"{SOCKET}.{name}"]["examples"][0]["payload"])


def test_every_notice_there_is_has_its_word_in_the_document() -> None:
    told = {word for name in NAMES.values() for word in name}
    types = [MESSAGES[f"{SOCKET}.{name}"]["payload"]["properties"]["type"] for name in TOLD if name.endswith("Notice")]
    shown = [word for one in types for word in one["enum"]]

    assert sorted(shown) == sorted(told)


def test_every_public_command_and_every_event_is_described() -> None:
    assert names("commands") == set(public_types())
    assert names("events") == {*EVENTS, "PositionNoted"}
    assert {name: names(name) for name in ("dial-requests", "rejections", "answers")} == {
        "dial-requests": {"DialRequest"},
        "rejections": {"Rejection"},
        "answers": {"Answer"},
    }


def test_every_channel_is_sent_to_and_read_and_the_groups_are_those_of_the_code() -> None:
    operations = DOCUMENT["operations"].values()
    groups = {
        operation["channel"]["$ref"].rpartition("/")[2]: operation["bindings"]["kafka"]["groupId"]["enum"]
        for operation in operations
        if "bindings" in operation
    }
    sent = {operation["channel"]["$ref"].rpartition("/")[2] for operation in operations if operation["action"] == "send"}

    assert sent == {topic.name for topic in TOPICS} | {SOCKET}
    assert groups == {"commands": [Topology().ledger_group], "dial-requests": [Topology().worker_group]}


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_has_examples_that_satisfy_it(name: str) -> None:
    message = MESSAGES[name]

    assert message["examples"]
    for example in message["examples"]:
        assert valid(message["payload"], example["payload"]), example
        assert valid(message.get("headers", {}), example.get("headers", {})), example
        for header in example.get("headers", {}):
            assert header in message["headers"]["properties"]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_payload_without_its_first_required_field_does_not_satisfy_it(name: str) -> None:
    message = MESSAGES[name]
    example = dict(message["examples"][0]["payload"])
    del example[message["payload"]["required"][0]]

    assert not valid(message["payload"], example)


def test_the_examples_of_commands_are_commands() -> None:
    for name, example in command_examples().items():
        assert type(decode_command(to_json(example))).__name__ == name


def test_the_examples_of_events_are_events() -> None:
    for name, example in examples().items():
        assert decode_event(to_json(example)).type == name


def test_what_the_program_notes_on_the_events_topic_is_described() -> None:
    assert valid(MESSAGES["events.PositionNoted"]["payload"], json.loads(position_noted(3, 42, 1_795_234_232_000_000)))


def test_another_prefix_and_count_of_partitions_stand_everywhere() -> None:
    document = json.loads(asyncapi_document(Topology("acme", 3)))

    topics = [channel["bindings"]["kafka"] for channel in document["channels"].values() if "kafka" in channel["bindings"]]
    assert {kafka["topic"].partition(".")[0] for kafka in topics} == {"acme"}
    assert {kafka["partitions"] for kafka in topics} == {3}
    assert document["operations"]["decideCommands"]["bindings"]["kafka"]["groupId"]["enum"] == ["acme.ledger"]
    assert b"outdial.commands" not in asyncapi_document(Topology("acme", 3))
    assert problems(document) == []


def test_the_document_leads_to_no_address_on_the_web() -> None:
    found = CHECKED_IN.replace(b'"https://pbx.example/', b"")  # where an example sends to
    assert b"http://" not in found
    assert b"https://" not in found
