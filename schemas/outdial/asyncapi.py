"""The topics, the websocket and every message on them as AsyncAPI 3.0, made from the models.

The file stands in ``schemas/json/asyncapi.json``.

A payload is the published JSON Schema of its message in the dialect AsyncAPI reads without being told (draft-07): its definitions
stand under ``components/schemas``, and a reference that says more stands in an ``allOf``.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from outdial.commands import COMMANDS
from outdial.envelope import CONTENT_TYPE
from outdial.events import EVENTS
from outdial.export import documents, schema_of
from outdial.listening import PATH, SAID, TOLD, Notice
from outdial.scalars import ZERO_ID
from outdial.topology import (
    HEADER_ANSWER,
    HEADER_CONTENT_TYPE,
    HEADER_INPUT,
    HEADER_SEAL,
    TOPICS,
    Name,
    Topic,
    Topology,
    config,
    replication,
)
from outdial.trace import HEADER_TRACE

Json = dict[str, Any]
BINDING: Final = "0.5.0"
"""Version of the Kafka bindings."""
SOCKET_BINDING: Final = "0.1.0"
"""Version of the websocket bindings."""
SOCKET: Final = "listen"
"""The channel that is a websocket."""
BROKERS: Final = 3
"""The settings shown are those of a cluster of so many brokers; with fewer there are fewer copies."""
ABOUT: Final = """\
Outdial is a ledger for outbound dialing: commands become events, and when a target is due one dial request is emitted.
Write commands, read dial requests, answer with DialAnswered and DialResult: that is the whole loop.

Values are JSON. Times are RFC 3339 in UTC with microseconds, durations are milliseconds. Everything is written in transactions:
read with `isolation.level=read_committed`. The partition of a record is murmur2 of its key; a command on another partition is
forwarded, not refused. `{answer}` on a command asks for its answer on the answers topic.

Who has no Kafka hears of what happens on a websocket of the service, in VoIPBIN's words."""
_TRACE: Final[tuple[Json, str]] = (
    {"type": "string"},
    (
        "Where it belongs in a trace (W3C Trace Context), if the sender says so: of a dial request, in that of who added its target or "
        "opened it again. One that is malformed is passed over."
    ),
)
_MESSAGES: Final = "#/components/messages/"
_SCHEMAS: Final = "#/components/schemas/"
_EXAMPLES: Final = "examples.json"

OUTDIAL: Final = "7b1c2d3e-4f50-4a61-9b72-8c83d94ea5f6"
TARGET: Final = "a1b2c3d4-e5f6-4708-8192-a3b4c5d6e7f8"
OUTPLAN: Final = "0b1a2c3d-4e5f-4061-8273-94a5b6c7d8e9"
CAMPAIGN: Final = "ca3b4c5d-6e7f-4081-92a3-b4c5d6e7f809"
CUSTOMER: Final = "c0570000-0000-4000-8000-000000000001"
USER: Final = "75e20000-0000-4000-8000-000000000001"
KEY: Final = "4e700000-0000-4000-8000-000000000001"
ATTEMPT: Final = "7f34ab30-b533-553e-81d6-1b9bf4ee6037"
COMMAND: Final = "5f0e1d2c-3b4a-4958-8776-655443322110"
FOLLOW_UP: Final = "9d2c5a7e-0f4b-5c3d-8e1a-6b7c8d9e0f12"

_TEL: Final = {"type": "tel", "target": "+15551230001"}
_PLAN: Final = {"dial_timeout": 30_000, "try_interval": 60_000, "max_try_count_0": 3}
_CALL: Final = {"target_id": TARGET, "attempt_id": ATTEMPT}
_PASSWORD_HASH: Final = f"scrypt$14${'0f' * 16}${'5e' * 32}"
_SAID: Final[Mapping[str, Json]] = {
    "CreateOutdial": {"name": "June", "detail": "", "data": "", "plan": _PLAN},
    "UpdateOutdial": {"name": "June and July"},
    "SetOutdialData": {"data": '{"list": 7}'},
    "SetOutdialCampaign": {"campaign_id": CAMPAIGN},
    "DeleteOutdial": {},
    "AddTarget": {"target_id": TARGET, "name": "Ann", "destination_0": _TEL},
    "AddTargets": {"targets": [{"target_id": TARGET, "destination_0": _TEL}], "on_duplicate": "skip"},
    "DeleteTarget": {"target_id": TARGET},
    "ReopenTarget": {"target_id": TARGET},
    "ReopenTargets": {"outcomes": ["busy", "no_answer"]},
    "StartDialing": {"outplan_id": OUTPLAN},
    "StopDialing": {"reason": "the list was wrong"},
    "PauseDialing": {"reason": "the switchboard is down"},
    "ResumeDialing": {},
    "DrainDialing": {"reason": "the season ends"},
    "ClaimDial": {**_CALL, "worker": "my-dialer-1"},
    "DialAnswered": _CALL,
    "DialResult": {**_CALL, "outcome": "busy"},
    "DeleteDial": _CALL,
    "AskWhy": {"target_id": TARGET},
    "AskPreflight": {"plan": _PLAN},
    "CreateOutplan": {"name": "gentle", "plan": _PLAN},
    "UpdateOutplan": {"name": "gentler"},
    "SetDialInfo": {"plan": {**_PLAN, "try_interval": 7_200_000}},
    "DeleteOutplan": {},
    "CreateCampaign": {"name": "Summer", "end_handle": "stop", "resources": {"outplan_id": OUTPLAN, "outdial_id": OUTDIAL}},
    "UpdateCampaign": {"name": "Late summer"},
    "SetCampaignResources": {"outdial_id": OUTDIAL},
    "GrantSlots": {"agents": 12},
    "RunCampaign": {},
    "StopCampaign": {},
    "DeleteCampaign": {},
    "CreateCustomer": {"name": "Ann's shop"},
    "CreateUser": {"user_id": USER, "username": "ann@example.com", "password_hash": _PASSWORD_HASH},
    "SetPassword": {"user_id": USER, "password_hash": _PASSWORD_HASH},
    "DeleteUser": {"user_id": USER},
    "CreateAccessKey": {"accesskey_id": KEY, "name": "nightly import", "token_hash": "5e" * 32, "token_prefix": "vb_a3Bf9xKm"},
    "DeleteAccessKey": {"accesskey_id": KEY},
    "AddSuppressions": {"entries": [{"address": _TEL, "reason": "asked us not to call"}, {"prefix": "+4470"}]},
    "RemoveSuppressions": {"entries": [{"address": _TEL}]},
    "SetFrequencyCaps": {"caps": {"rules": [{"count": 3, "per_ms": 86_400_000}], "min_gap_ms": 3_600_000}},
    "SetPace": {"calls_per_second": 50},
    "SetWebhook": {"uri": "https://pbx.example/events", "secret": "a secret of sixteen or more"},
    "DeleteWebhook": {},
    "ReplayWebhook": {"after": "0"},
    "HoldWebhook": {"holder": "api-1", "generation": 1, "cursor": "42", "delivered": 7},
}
"""What an example of each public command says beside its type, its id and its stream."""
_STREAMS: Final = {
    "outdial": OUTDIAL,
    "outplan": OUTPLAN,
    "campaign": CAMPAIGN,
    **dict.fromkeys(("account", "suppression", "pace", "webhook"), CUSTOMER),
}
_DIAL_REQUEST: Final[Json] = {
    "attempt_id": ATTEMPT,
    "outdial_id": OUTDIAL,
    "target_id": TARGET,
    "campaign_id": CAMPAIGN,
    "campaign_type": "call",
    "customer_id": CUSTOMER,
    "outplan_id": OUTPLAN,
    "plan_version": 2,
    "source": {"type": "tel", "target": "+15551230000"},
    "destination": _TEL,
    "destination_index": 0,
    "try_count": 1,
    "dial_timeout": 30_000,
    "requested_at": "2026-11-21T04:10:32.000000Z",
    "not_after": "2026-11-21T04:11:32.000000Z",
    "expires_at": "2026-11-21T04:22:02.000000Z",
    "name": "Ann",
    "detail": "",
    "data": "",
    "event_id": f"outdial/{OUTDIAL}/15",
}
_REJECTION: Final[Json] = {
    "reason": "type_unknown",
    "message": "type must be one of AddTarget, AddTargets, ClaimDial",
    "at": "2026-11-21T04:10:32.000000Z",
    "topic": "outdial.commands",
    "partition": 3,
    "offset": 17,
    "original": '{"type":"AddTraget"}',
    "original_length": 20,
    "original_sha256": "6b52a0d537fcecb8858cefd62258b2619cb00566480f7ed18bca24b53154d949",
}
_ANSWERS: Final[tuple[tuple[str, Json], ...]] = (
    (
        "The root: it became events, and what followed from it is answered too",
        {
            "root_id": COMMAND,
            "command_id": COMMAND,
            "type": "RunCampaign",
            "stream": CAMPAIGN,
            "result": "events",
            "partition": 3,
            "last_offset": 41,
            "awaits": [FOLLOW_UP],
        },
    ),
    (
        "What followed: refused, and so the root is",
        {
            "root_id": COMMAND,
            "command_id": FOLLOW_UP,
            "type": "StartDialing",
            "stream": OUTDIAL,
            "result": "rejected",
            "reason": "plan_missing",
            "message": "the outdial has no plan",
            "partition": 7,
            "last_offset": -1,
        },
    ),
)
_TIMES: Final[Json] = {
    "tm_create": "2026-11-21 04:10:32.000000",
    "tm_update": "2026-11-21 04:10:32.000000",
    "tm_delete": "9999-01-01 00:00:00.000000",
}
_NO_PLAN: Final[Json] = dict.fromkeys(("source", "max_attempts", "calls_per_second", "windows", "time_zone", "result_policy"))
_FULL_TEL: Final = {**_TEL, "target_name": "", "name": "", "detail": ""}
_HEARD: Final[Mapping[str, Json]] = {
    "Wish": {"type": "subscribe", "topics": [f"customer_id:{CUSTOMER}:outdialtarget:*", f"customer_id:{CUSTOMER}:campaigncall"], "id": "1"},
    "Heard": {
        "type": "subscribed",
        "id": "1",
        "topics": [f"customer_id:{CUSTOMER}:outdialtarget:*", f"customer_id:{CUSTOMER}:campaigncall"],
        "silent": [],
        "position": "42",
    },
    "WishRefused": {
        "type": "refused",
        "error": {
            "status": "PERMISSION_DENIED",
            "reason": "PERMISSION_DENIED",
            "message": "this token listens to its own customer only",
            "request_id": "req_5F0E1D2C3B4A",
            "details": [{"rule": "topic_denied", "pointer": "/topics/0"}],
        },
    },
    "OutdialNotice": {
        "type": "outdial_created",
        "data": {
            "id": OUTDIAL, "customer_id": CUSTOMER, "campaign_id": ZERO_ID, "name": "June", "detail": "", "data": "", **_TIMES,
        },
    },
    "OutdialtargetNotice": {
        "type": "outdialtarget_updated",
        "data": {
            "id": TARGET, "outdial_id": OUTDIAL, "name": "Ann", "detail": "", "data": "", "status": "progressing", "lifecycle": "dialing",
            "destination_0": _FULL_TEL, **dict.fromkeys(f"destination_{slot}" for slot in range(1, 5)),
            "try_count_0": 1, **dict.fromkeys((f"try_count_{slot}" for slot in range(1, 5)), 0), "try_count_current": 1,
            "try_count_max": None,
            "try_count_remaining_0": 2, **dict.fromkeys((f"try_count_remaining_{slot}" for slot in range(1, 5)), 0),
            "priority": 0, "time_zone": None, "zones": [["America/New_York"]], "expires_at": None, "call_back_at": None, **_TIMES,
        },
    },
    "OutplanNotice": {
        "type": "outplan_created",
        "data": {
            "id": OUTPLAN, "customer_id": CUSTOMER, "name": "gentle", "detail": "", **_NO_PLAN, **_PLAN,
            **dict.fromkeys((f"max_try_count_{slot}" for slot in range(1, 5)), 0), "retry_mode": "destination", "max_concurrent": 100,
            "pickup_timeout": 60_000, "result_grace": 600_000, "max_call_duration": 14_400_000, **_TIMES,
        },
    },
    "CampaignNotice": {
        "type": "campaign_status_run",
        "data": {
            "id": CAMPAIGN, "customer_id": CUSTOMER, "type": "call", "name": "Summer", "detail": "", "status": "run", "service_level": 0,
            "agents": 0, "end_handle": "stop", "actions": [], "outplan_id": OUTPLAN, "outdial_id": OUTDIAL, "queue_id": ZERO_ID,
            "next_campaign_id": ZERO_ID, "ended_how": None, "ended_reason": None, **_TIMES,
        },
    },
    "CampaigncallNotice": {
        "type": "campaigncall_created",
        "data": {
            "id": ATTEMPT, "customer_id": CUSTOMER, "campaign_id": CAMPAIGN, "outdial_id": OUTDIAL, "outdial_target_id": TARGET,
            "outplan_id": OUTPLAN, "queue_id": ZERO_ID, "flow_id": ZERO_ID, "activeflow_id": ZERO_ID, "reference_type": "none",
            "reference_id": ZERO_ID, "status": "dialing", "result": "", "source": None, "destination": _FULL_TEL, "destination_index": 0,
            "try_count": 1, "outcome": None, "lost": False, "call_id": None, "worker": None, **_TIMES,
        },
    },
}  # fmt: skip
"""What an example of each message of the websocket says; of a notice, beside its place in the log."""
_PLACED: Final[Json] = {"position": "42", "id": f"outdial/{OUTDIAL}/15", "time": "2026-11-21T04:10:32.000000Z"}
_POSITION_NOTED: Final[Json] = {
    "title": "PositionNoted",
    "description": "Not an event, and without a key: skip it. The ledger notes how far it has read where no event says so.",
    "type": "object",
    "properties": {
        "type": {"const": "PositionNoted", "description": "Which message this is."},
        "partition": {"type": "integer", "minimum": 0, "description": "The commands partition."},
        "next": {"type": "integer", "minimum": 0, "description": "The next offset to read of it."},
        "at": {"type": "integer", "description": "When, milliseconds since 1970-01-01 UTC."},
    },
    "required": ["type", "partition", "next", "at"],
}


def asyncapi_document(topology: Topology | None = None) -> bytes:
    """The document for an installation (default: the usual names and partitions), indented, with a newline at the end."""
    return _document(topology or Topology())


@lru_cache(maxsize=2)
def _document(topology: Topology) -> bytes:
    schemas = _Schemas()
    messages = {**_commands(schemas), **_events(schemas), **_outgoing(schemas, topology), **_spoken(schemas)}
    on: dict[Name, list[str]] = {
        "commands": [name for name in messages if name.startswith("commands.")],
        "events": [name for name in messages if name.startswith("events.")],
        "dial-requests": ["DialRequest"],
        "rejections": ["Rejection"],
        "answers": ["Answer"],
    }
    made = {
        "asyncapi": "3.0.0",
        "id": "urn:outdial",
        "info": {
            "title": "Outdial: messages",
            "version": version("outdial"),
            "description": ABOUT.format(answer=HEADER_ANSWER),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The Kafka cluster of the installation.",
                "variables": {"bootstrap": {"default": "localhost:9092", "description": "host:port of a broker."}},
            },
            "http": {
                "host": "{service}",
                "protocol": "ws",
                "description": "The service, or any of its API processes; `wss` where it has TLS.",
                "variables": {"service": {"default": "localhost:8080", "description": "host:port of it."}},
                "security": [{"type": "http", "scheme": "bearer"}, {"type": "httpApiKey", "in": "query", "name": "token"}],
            },
        },
        "channels": {**{topic.name: _channel(topic, topology, on[topic.name]) for topic in TOPICS}, SOCKET: _socket()},
        "operations": {**_operations(topology, on), **_listening()},
        "components": {"messages": messages, "schemas": dict(sorted(schemas.found.items()))},
    }
    return json.dumps(made, indent=2, ensure_ascii=False).encode() + b"\n"


def examples() -> Mapping[str, Json]:
    """An event of every type, as on the wire."""
    found: dict[str, Json] = json.loads(Path(__file__).with_name(_EXAMPLES).read_text("utf-8"))
    return found


def command_examples() -> dict[str, Json]:
    """A command of every public type, as on the wire."""
    return {
        name: {"type": name, "id": COMMAND, model.stream_field: _STREAMS[model.kind], **_SAID[name]}
        for name, model in COMMANDS.items()
        if not model.internal
    }


class _Schemas:
    """The published schemas, moved into ``components/schemas`` in the dialect of AsyncAPI."""

    def __init__(self) -> None:
        self.found: dict[str, Json] = {}
        self._documents = documents()

    def take(self, path: str, room: str) -> Json:
        """The schema of a message by its path below ``schemas/json``; its definitions are kept under ``room``."""
        return self._taken(json.loads(self._documents[path]), room)

    def of(self, model: type[BaseModel], room: str) -> Json:
        """The schema of a model that is not published in a file of its own, likewise."""
        return self._taken(schema_of(model), room)

    def _taken(self, schema: Json, room: str) -> Json:
        for name, definition in schema.pop("$defs", {}).items():
            self.found[f"{room}.{name}"] = _as_draft_07(definition, room)
        return {name: _as_draft_07(part, room) for name, part in schema.items() if name not in ("$schema", "$id")}


def _as_draft_07(node: Any, room: str) -> Any:
    match node:
        case {"$ref": str(reference), **beside}:
            moved = {"$ref": f"{_SCHEMAS}{room}.{reference.removeprefix('#/$defs/')}"}
            return {"allOf": [moved], **beside} if beside else moved
        case dict():
            return {key: _as_draft_07(value, room) for key, value in node.items()}
        case list():
            return [_as_draft_07(value, room) for value in node]
        case _:
            return node


def _commands(schemas: _Schemas) -> dict[str, Json]:
    headers = _headers(
        {
            HEADER_ANSWER: (
                {"type": "string", "pattern": "^[0-9a-fA-F-]{36}(/.{0,64})?$"},
                (
                    "The id of the command, and after a `/` a mark of the sender's own. With it, what became of the command is written to "
                    "the answers topic."
                ),
            ),
            HEADER_TRACE: _TRACE,
            HEADER_SEAL: ({"type": "string"}, "Only the ledger can make it: this is a command of its own to another stream."),
        }
    )
    return {
        f"commands.{name}": _message(
            name,
            schemas.take(f"commands/{name}.json", "commands"),
            f"The id of its {COMMANDS[name].kind}.",
            [(None, {HEADER_ANSWER: example["id"]}, example)],
            headers=headers,
            correlation=(f"$message.header#/{HEADER_ANSWER}", "The answer names it as its `root_id`."),
        )
        for name, example in command_examples().items()
    }


def _events(schemas: _Schemas) -> dict[str, Json]:
    position = ({"type": "string", "pattern": "^[0-9]+$"}, "The next offset to read of the commands partition of the same number.")
    headers = _headers({HEADER_CONTENT_TYPE: ({"const": CONTENT_TYPE}, "A CloudEvents object in structured mode."), HEADER_INPUT: position})
    known = examples()
    found = {
        f"events.{name}": _message(
            name,
            schemas.take(f"events/{name}.json", "events"),
            f"The id of its {model.kind}.",
            [(None, {HEADER_CONTENT_TYPE: CONTENT_TYPE, HEADER_INPUT: "42"}, known[name])],
            headers=headers,
            content_type=CONTENT_TYPE,
            correlation=("$message.payload#/causationid", "The command that caused it."),
        )
        for name, model in EVENTS.items()
    }
    noted = {"type": "PositionNoted", "partition": 3, "next": 42, "at": 1_795_234_232_000}
    found["events.PositionNoted"] = _message(
        "PositionNoted", dict(_POSITION_NOTED), None, [(None, {HEADER_INPUT: "42"}, noted)], headers=_headers({HEADER_INPUT: position})
    )
    return found


def _outgoing(schemas: _Schemas, topology: Topology) -> dict[str, Json]:
    rejection = {**_REJECTION, "topic": topology.commands}
    return {
        "DialRequest": _message(
            "DialRequest",
            schemas.take("dial-request.json", "requests"),
            "The id of the target.",
            [(None, {}, _DIAL_REQUEST)],
            headers=_headers({HEADER_TRACE: _TRACE}),
            correlation=("$message.payload#/attempt_id", "DialAnswered and DialResult name it."),
        ),
        "Rejection": _message(
            "Rejection",
            schemas.take("rejection.json", "requests"),
            "The key the refused command came with; it may have had none.",
            [(None, {}, rejection)],
        ),
        "Answer": _message(
            "Answer",
            schemas.take("answer-record.json", "requests"),
            "The `root_id`. The partition is not computed from it: it is the one the command was decided in.",
            [(told, {}, example) for told, example in _ANSWERS],
            correlation=("$message.payload#/root_id", "The header `answer` of the command whose sender waits."),
        ),
    }


def _spoken(schemas: _Schemas) -> dict[str, Json]:
    """What is said on the websocket."""
    found = {}
    for name, model in {**SAID, **TOLD}.items():
        example = {**(_PLACED if issubclass(model, Notice) else {}), **_HEARD[name]}
        found[f"{SOCKET}.{name}"] = _message(name, schemas.of(model, SOCKET), None, [(None, {}, example)], on_kafka=False)
    return found


def _message(
    name: str,
    payload: Json,
    key: str | None,
    shown: Iterable[tuple[str | None, Json, Json]],
    *,
    headers: Json | None = None,
    content_type: str = "application/json",
    correlation: tuple[str, str] | None = None,
    on_kafka: bool = True,
) -> Json:
    """A message; ``shown`` are its examples: what each shows, headers, payload."""
    made: Json = {"name": name, "title": name, "summary": _sentence(payload["description"]), "contentType": content_type}
    if headers is not None:
        made["headers"] = headers
    made["payload"] = payload
    if correlation is not None:
        made["correlationId"] = {"location": correlation[0], "description": correlation[1]}
    if on_kafka:
        shown_key = {} if key is None else {"key": {"type": "string", "format": "uuid", "description": key}}
        made["bindings"] = {"kafka": {"bindingVersion": BINDING, **shown_key}}
    made["examples"] = [_example(*one) for one in shown]
    return made


def _example(told: str | None, headers: Json, payload: Json) -> Json:
    made: Json = {} if told is None else {"summary": told}
    return {**made, **({"headers": headers} if headers else {}), "payload": payload}


def _headers(fields: Mapping[str, tuple[Json, str]]) -> Json:
    return {"type": "object", "properties": {name: {**schema, "description": text} for name, (schema, text) in fields.items()}}


def _sentence(text: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(text.partition("\n\n")[0].split())


def _channel(topic: Topic, topology: Topology, messages: list[str]) -> Json:
    settings = config(topic, BROKERS)
    return {
        "address": topology.topic(topic.name),
        "title": topic.name,
        "description": f"Key: {topic.key}. Value: {topic.value}.",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": _MESSAGES + name} for name in messages},
        "bindings": {
            "kafka": {
                "topic": topology.topic(topic.name),
                "partitions": topology.partitions,
                "replicas": replication(BROKERS),
                "topicConfiguration": {
                    "cleanup.policy": settings["cleanup.policy"].split(","),
                    **{name: int(settings[name]) for name in ("retention.ms", "max.message.bytes", "min.insync.replicas")},
                    "message.timestamp.type": settings["message.timestamp.type"],
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _words(models: Iterable[str]) -> list[str]:
    """The names of messages of the websocket, as the document has them."""
    return [f"{SOCKET}.{name}" for name in models]


def _socket() -> Json:
    """The channel that is a websocket: its address, what the request that opens it may say, and its messages."""
    query = {
        "after": ({"type": "string"}, "A position of the log to begin after; absent: what happens from the first subscription on."),
        "time": ({"enum": ["iso"]}, "Times as RFC 3339, and null for not yet."),
        "token": ({"type": "string"}, "The token, where no header brings it."),
    }
    return {
        "address": PATH,
        "title": "What happens, as VoIPBIN names it",
        "description": (
            "A websocket. A client says which topics it wants, and is told what happens to them from then on. It is read from the log as "
            "it is taken; a reader that takes nothing for 30 s is closed (1013) and goes on with `after`."
        ),
        "servers": [{"$ref": "#/servers/http"}],
        "messages": {name: {"$ref": _MESSAGES + name} for name in _words((*SAID, *TOLD))},
        "bindings": {"ws": {"method": "GET", "query": _headers(query), "bindingVersion": SOCKET_BINDING}},
    }


def _listening() -> Json:
    """Who says what on the websocket, seen from the service as everywhere."""
    return {
        "hearWishes": _operation("receive", SOCKET, "A client says what it wants to hear, or no longer.", _words(SAID)),
        "tellWhatHappens": _operation("send", SOCKET, "The service answers a wish that has an `id`, and tells what happens.", _words(TOLD)),
    }


def _operations(topology: Topology, on: Mapping[Name, list[str]]) -> Json:
    words = [f"commands.{name}" for name in ("ClaimDial", "DialAnswered", "DialResult")]
    return {
        "sendCommand": _operation("send", "commands", "The API, or a producer of yours, asks for something.", on["commands"], reply=True),
        "decideCommands": _operation(
            "receive", "commands", "A ledger decides the commands of its partitions.", on["commands"], topology.ledger_group
        ),
        "appendEvents": _operation("send", "events", "The ledger appends what happened.", on["events"]),
        "followEvents": _operation(
            "receive",
            "events",
            "Whoever keeps views reads every event, and skips records without a key. No group: every reader reads all.",
            on["events"],
        ),
        "requestDials": _operation("send", "dial-requests", "The ledger asks for a call, once.", on["dial-requests"]),
        "placeCalls": _operation(
            "receive", "dial-requests", "A dial worker places the call, if it is not too late.", on["dial-requests"], topology.worker_group
        ),
        "tellOfCalls": _operation("send", "commands", "A dial worker claims a call, and says what became of it.", words),
        "rejectCommands": _operation("send", "rejections", "The ledger refuses a command and shows what came.", on["rejections"]),
        "answerCommands": _operation(
            "send", "answers", "The ledger says what became of a command with the header `answer`.", on["answers"]
        ),
        "awaitAnswers": _operation(
            "receive", "answers", "Whoever sent a command with the header `answer` waits for what became of it. No group.", on["answers"]
        ),
    }


def _operation(action: str, channel: str, summary: str, messages: list[str], group: str | None = None, *, reply: bool = False) -> Json:
    made: Json = {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }
    if reply:
        made["reply"] = {"channel": {"$ref": "#/channels/answers"}, "messages": [{"$ref": "#/channels/answers/messages/Answer"}]}
    if group is not None:
        made["bindings"] = {"kafka": {"groupId": {"type": "string", "enum": [group]}, "bindingVersion": BINDING}}
    return made
