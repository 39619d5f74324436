"""The routes, described: ``/openapi.json`` (OpenAPI 3.1) and a page to read it by, with nothing from another host."""

import asyncio
import json
from html import escape
from importlib.metadata import version
from re import findall
from typing import Any, Final, NamedTuple

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import COMMANDS, OUTCOMES, Command, CreateOutdial, DialResult, NewTarget, SetPace
from outdial.doors.api.pages import page, table
from outdial.envelope import CloudEvent
from outdial.export import Described
from outdial.plan import PLAN_FIELDS, Plan
from outdial.requests import Answer, DialRequest
from outdial.resources import RESOURCES
from outdial.standing import STANDINGS
from outdial.wire import to_json

router = APIRouter(tags=["health"])
Schema = dict[str, Any]
_REF: Final = "#/components/schemas/{model}"
MANY_KINDS: Final = 6
"""Kinds of body that the page does not lay out one by one."""
_SOCKET: Final = "listen"
"""The route that is a websocket."""
_PAGES: Final = ("page_size", "page_token", "deleted")


class Told(NamedTuple):
    """What a route takes beyond its path."""

    query: tuple[str, ...] = ()
    body: Schema | None = None
    kinds: tuple[str, ...] = ("application/json",)
    """Media types of the body."""


@router.get("/openapi.json")
async def describe(request: Request) -> Response:
    """This interface as OpenAPI 3.1."""
    return Response(to_json(await asyncio.to_thread(document, request.app)), media_type="application/json")


@router.get("/docs")
async def read_docs(request: Request) -> Response:
    """This interface as a page."""
    return page("Outdial", await asyncio.to_thread(lambda: _body(document(request.app))))


def document(app: Starlette) -> Schema:
    """The OpenAPI document of an application, made once."""
    found: Schema | None = getattr(app.state, "openapi", None)
    if found is None:
        found = app.state.openapi = _document(app)
    return found


def text(app: Starlette) -> bytes:
    """The document as the file that is checked in."""
    return json.dumps(document(app), indent=2, ensure_ascii=False).encode() + b"\n"


def _document(app: Starlette) -> Schema:
    told = _told()
    listed = get_openapi(title="Outdial", version=version("outdial"), routes=app.routes)
    for path, operations in listed["paths"].items():
        for method, operation in operations.items():
            _tell(path, method, operation, told.get(operation["operationId"], Told()))
    named: list[type[BaseModel]] = [NewTarget, Plan, *_public(), *RESOURCES.values(), Answer, DialRequest, CloudEvent]
    _, models = models_json_schema([(model, "validation") for model in named], ref_template=_REF, schema_generator=Described)
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        **listed,
        "components": {
            "schemas": {**models["$defs"], "Error": _ERROR, "Problem": _PROBLEM},
            "securitySchemes": {"bearer": bearer, "token": {"type": "apiKey", "in": "query", "name": "token"}},
        },
        "security": [{"bearer": []}, {"token": []}],
    }


def _public() -> list[type[Command]]:
    return [model for model in COMMANDS.values() if not model.internal and model.kind != "account"]


def _tell(path: str, method: str, operation: Schema, told: Told) -> None:
    """Add to what the framework knows of a route what only the door knows."""
    name = operation["operationId"]
    ids = [{"name": found, "in": "path", "required": True, "schema": _ID} for found in findall(r"{(\w+)}", path)]
    of_version = path.startswith("/v1.0/")
    wanted = (*told.query, *(_READS if of_version and method == "get" and name != _SOCKET else ()), *(("time",) if name in _TIMED else ()))
    query = [
        {"name": found, "in": "query", "schema": schema, "description": means}
        for found, (schema, means) in _QUERY.items()
        if found in wanted
    ]
    headers = [
        {"name": found, "in": "header", "schema": _TEXT, "description": means}
        for found, (methods, means) in _HEADERS.items()
        if method in methods and of_version and (method == "post" or name in _VERSIONED)
    ]
    operation["summary"] = operation["description"].partition(".")[0].replace("\n", " ")
    operation["parameters"] = ids + query + headers
    operation["responses"] = _switched() if name == _SOCKET else _responses(name, method, of_version=of_version)
    if not of_version:
        operation["security"] = []
    if told.body is not None:
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": told.body} for kind in told.kinds}}


def _responses(name: str, method: str, *, of_version: bool) -> Schema:
    kind, schema = _ANSWERS.get(name, ("application/json", {"type": "object"}))
    done: Schema = {"description": "Done.", "content": {kind: {"schema": schema}}}
    if of_version:
        done["headers"] = {"Outdial-Position": {"schema": _TEXT, "description": "The position of the log it holds at."}}
    if name in _SINGLE:
        done["headers"]["ETag"] = {"schema": _TEXT, "description": "The version of the stream."}
    found = {"200": done, "default": _refusal("A refusal.")}
    if name in _SINGLE and method == "get":
        found["304"] = {"description": "The client has it already."}
    return found


def _switched() -> Schema:
    """What a websocket begins with, or is refused with."""
    why = {
        "400": "A parameter cannot be what it is.",
        "401": "There is no token, or none that is known here.",
        "403": "A page of another site asks, and brings no token of its own.",
        "426": "The request asks for no websocket.",
        "429": "The customer has as many websockets open as it may, or asks too often.",
    }
    begun = {"description": "It is a websocket from here on. What is said on it stands in /asyncapi.json."}
    return {"101": begun, **{status: _refusal(text) for status, text in why.items()}, "default": _refusal("A refusal.")}


def _refusal(text: str) -> Schema:
    forms = {"application/json": {"schema": _ref("Error")}, "application/problem+json": {"schema": _ref("Problem")}}
    return {"description": text, "content": forms}


def _ref(name: str) -> Schema:
    return {"$ref": _REF.format(model=name)}


def _object(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


_ID: Final[Schema] = {"type": "string", "format": "uuid"}
_TEXT: Final[Schema] = {"type": "string"}
_PASSWORD: Final[Schema] = {"type": "string", "minLength": 8, "maxLength": 1_024}
_ERROR: Final = _object(
    "error",
    error=_object(
        "status",
        "reason",
        "message",
        "request_id",
        **dict.fromkeys(("status", "reason", "message", "request_id"), _TEXT),
        details={"type": "array", "items": {"type": "object"}},
    ),
)
_PROBLEM: Final = _object(
    "type",
    "title",
    "status",
    "detail",
    "reason",
    "rule",
    "request_id",
    **dict.fromkeys(("type", "title", "detail", "reason", "rule", "request_id"), _TEXT),
    status={"type": "integer"},
    errors={"type": "array", "items": _object("pointer", "detail", pointer=_TEXT, detail=_TEXT)},
)
_HEADERS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "Idempotency-Key": (("post",), "The same key and body again are carried out once; another body is 422 ID_REUSED."),
    "If-Match": (("put", "delete"), "Only at this version (ETag), else 412 VERSION_DIFFERS."),
    "If-None-Match": (("get",), "304 while it is at this version (ETag)."),
}
_REFS: Final = {name: {"$ref": _REF.format(model=name)} for name in ("NewSuppression", "SuppressionRef", "FrequencyCaps")}
_READS: Final = ("min_position", "stale")


def _listed(name: str) -> Schema:
    """A page of a list."""
    return _object("result", "next_page_token", result={"type": "array", "items": _ref(name)}, next_page_token=_TEXT)


def _after(item: Schema) -> Schema:
    """Some of a log, oldest first."""
    return _object("result", "next_after", result={"type": "array", "items": item}, next_after=_TEXT)


def _answers() -> dict[str, tuple[str, Schema]]:
    """What each route answers, by the name of its function."""
    place = {
        **_object("topic", "partition", "offset", topic=_TEXT, partition={"type": "integer"}, offset={"type": "integer"}),
        "type": ["object", "null"],
    }
    placed = {"allOf": [_ref("CloudEvent"), _object("position", position=_TEXT, place=place)]}
    notice = _object("position", "id", "time", "type", "data", position=_TEXT, id=_TEXT, time=_TEXT, type=_TEXT, data={"type": "object"})
    request = {"allOf": [_ref("DialRequest"), _object("position", position=_TEXT)]}
    said = _object("attempt_id", "result", attempt_id={"type": ["string", "null"]}, result={"enum": ["events", "unchanged", "rejected"]})
    one: dict[str, tuple[str, ...]] = {
        "Outdial": ("create_outdial", "get_outdial", "update_outdial", "delete_outdial", "set_outdial_campaign", "set_outdial_data"),
        "Target": ("get_target", "delete_target"),
        "Outplan": ("create_outplan", "get_outplan", "update_outplan", "set_dial_info", "delete_outplan"),
        "Campaign": (
            "create_campaign", "get_campaign", "update_campaign", "delete_campaign", "set_service_level", "set_agents", "set_actions",
            "set_status", "set_resource_info", "set_next_campaign",
        ),
        "Campaigncall": ("get_campaigncall", "delete_campaigncall"),
        "DialingOfOutdial": ("get_dialing", "set_dialing", "reopen_targets"),
        "Stats": ("get_stats",),
        "Webhook": ("get_webhook", "set_webhook", "delete_webhook", "replay_webhook"),
        "WhyTarget": ("why_target",),
        "WhyOutdial": ("why_outdial",),
        "PreflightOfOutdial": ("preflight",),
        "Activity": ("get_activity",),
        "Yield": ("get_yield",),
        "MostCalled": ("get_most_called",),
        "Calendar": ("get_calendar",),
        "OpenAttempts": ("list_open_attempts",),
        "Past": ("get_past",),
        "TargetPast": ("get_target_past",),
        "ImportReport": ("import_targets",),
        "Answer": ("send_commands",),
        "Accesskey": ("create_accesskey", "create_accesskey_of_customer", "get_accesskey", "delete_accesskey"),
        "Session": ("log_in",),
        "Customer": ("create_customer", "get_customer"),
        "User": ("create_user", "get_user", "set_password", "delete_user"),
        "Suppression": ("get_suppression", "remove_suppression"),
        "Suppressing": ("add_suppressions", "remove_suppressions"),
        "SuppressionReport": ("import_suppressions",),
        "FrequencyCaps": ("get_frequency_caps", "set_frequency_caps"),
        "Pace": ("get_pace", "set_pace"),
        "Rejections": ("list_rejections",),
        "Views": ("get_views",),
    }  # fmt: skip
    many = {
        "Outdial": ("list_outdials",),
        "Target": ("list_targets",),
        "Targetcall": ("list_target_calls",),
        "Outplan": ("list_outplans",),
        "Campaign": ("list_campaigns",),
        "Campaigncall": ("list_calls_of_campaign", "list_campaigncalls"),
        "Accesskey": ("list_accesskeys",),
        "Customer": ("list_customers",),
        "User": ("list_users",),
        "Suppression": ("list_suppressions",),
    }
    found = {name: _ref(model) for model, names in one.items() for name in names}
    found |= {name: _listed(model) for model, names in many.items() for name in names}
    found |= {
        "add_targets": {"oneOf": [_ref("Target"), _ref("Bulk")]},
        "list_events": _after({"anyOf": [placed, notice]}),
        "list_target_history": _after(placed),
        "list_dial_requests": _after(request),
        "claim_dial": _object("attempt_id", "worker", attempt_id=_ID, worker=_TEXT, position=_TEXT),
        "say_answered": {"oneOf": [said, _object("result", result={"type": "array", "items": said})]},
        "say_result": {"oneOf": [said, _object("result", result={"type": "array", "items": said})]},
    }
    streams = dict.fromkeys(("stream_events", "stream_outdial", "stream_overview"), "text/event-stream")
    texts = {"metrics": "text/plain", "read_docs": "text/html", "read_messages": "text/html", **streams}
    return {name: ("application/json", schema) for name, schema in found.items()} | {name: (kind, _TEXT) for name, kind in texts.items()}


_ANSWERS: Final = _answers()
_SINGLE: Final = frozenset(
    name
    for name, (_, schema) in _ANSWERS.items()
    if schema.get("$ref", "").rpartition("/")[2] in ("Outdial", "Target", "Outplan", "Campaign", "Campaigncall")
)
"""Routes that answer with one resource and its version."""
_VERSIONED: Final = _SINGLE | {"set_dialing"}
"""Routes that heed the version a client saw."""
_TIMED: Final = frozenset(name for name, (_, schema) in _ANSWERS.items() if "$ref" in schema or "next_page_token" in str(schema))
"""Routes whose answers have times in one of two forms."""
_QUERY: Final[dict[str, tuple[Schema, str]]] = {
    "page_size": ({"type": "integer"}, "Rows of a page, 1 to 100; anything else is 100."),
    "page_token": (_TEXT, "next_page_token of the page before, or a time: rows strictly older."),
    "deleted": ({"type": "boolean"}, "Show deleted rows too."),
    "time": ({"enum": ["iso"]}, "Times as RFC 3339, and null for not yet."),
    "standing": ({"enum": [*STANDINGS]}, "Only those that the stats of the outdial count so; deleted ones are not among them."),
    "min_position": (_TEXT, "Wait until the views have reached this position."),
    "stale": ({"type": "boolean"}, "Do not wait for what was acknowledged a moment ago."),
    "after": (_TEXT, "A position of the log; 0 is the beginning."),
    "limit": ({"type": "integer", "minimum": 1, "maximum": 1_000}, "Rows of an answer."),
    "minutes": ({"type": "integer", "minimum": 1, "maximum": 1_440}, "How far back it goes; 15 unless told."),
    "hours": ({"type": "integer", "minimum": 1, "maximum": 168}, "How far ahead it goes; 12 unless told."),
    "at": (_TEXT, "A time, or how many events of the outdial, or of the target, had happened: as a number, 1 and more."),
    "wait_ms": ({"type": "integer", "minimum": 0, "maximum": 30_000}, "How long to wait for the next one, milliseconds."),
    "share": ({"type": "string", "pattern": "^[0-9]+/[0-9]+$"}, "i/n: only targets whose crc32(target_id) % n is i."),
    "import_id": (_ID, "Names the import: the same one again changes nothing. Default: a digest of file and outdial."),
    "dry_run": ({"type": "boolean"}, "Add nothing, say what would be."),
    "sessions": ({"type": "boolean"}, "What logins gave too."),
    "outdial_id": (_ID, "Events of this outdial only."),
    "places": (
        {"type": "boolean"},
        "Tell of each event, as place, which record of Kafka it is: topic, partition, offset; null where there is none.",
    ),
    "targets": ({"type": "boolean"}, "false: with outdial_id, no events about its targets: what is left is what was done to the outdial."),
    "names": (
        {"enum": ["outdial", "voipbin"]},
        "What happened in the words of the log, or VoIPBIN's with the resource as it was then.",
    ),
    "on_duplicate": ({"enum": ["accept", "skip", "reject"]}, "What becomes of a target whose first destination is there already."),
}


def _told() -> dict[str, Told]:
    """What each route takes, by the name of its function; one that is not here takes only its path."""
    names = {"name": {**_TEXT, "maxLength": 255}, "detail": {**_TEXT, "maxLength": 65_536}}
    plan = _fields(Plan, PLAN_FIELDS)
    per_second = {"anyOf": [*_fields(SetPace, ("calls_per_second",)).values(), {"type": "null"}]}
    actions: Schema = {"type": "array", "items": {"type": "object"}}
    level: Schema = {"type": "integer", "minimum": 0, "maximum": 100_000}
    info = {**names, "type": {"enum": ["call", "flow"]}, "service_level": level, "end_handle": {"enum": ["stop", "continue"]}}
    references = dict.fromkeys(("outplan_id", "outdial_id", "queue_id", "next_campaign_id"), _ID)
    expire: Schema = {"type": "integer", "minimum": 1, "description": "Ends in so many seconds; absent: not at all."}
    run_or_stop: Schema = {"enum": ["run", "stop"]}
    target = _object(
        **_fields(NewTarget, tuple(NewTarget.model_fields)[1:]),
        destination={"$ref": _REF.format(model="Address")},
        metadata={"type": "object"},
    )
    targets = _object("targets", targets=_list(target), on_duplicate=_QUERY["on_duplicate"][0], dry_run={"type": "boolean"})
    attempt = dict.fromkeys(("attempt_id", "outdial_id", "target_id"), _ID)
    result = {**attempt, **_fields(DialResult, ("outcome", "answered", "started_at", "ended_at", "call_id", "call_back_at"))}
    outdial = _fields(CreateOutdial, ("name", "detail", "data", "campaign_id", "plan", "outplan_id"))
    return {
        **dict.fromkeys(
            (
                "list_outdials",
                "list_target_calls",
                "list_outplans",
                "list_campaigns",
                "list_calls_of_campaign",
                "list_campaigncalls",
            ),
            Told(_PAGES),
        ),
        "list_targets": Told((*_PAGES, "standing")),
        "create_outdial": Told(body=_object(**outdial)),
        "update_outdial": Told(body=_object(**names)),
        "set_outdial_campaign": Told(body=_object("campaign_id", campaign_id=_TEXT)),
        "set_outdial_data": Told(body=_object("data", data=_TEXT)),
        "set_dialing": Told(
            body=_object(
                "status",
                status={"enum": ["run", "stop", "pause", "resume", "drain"]},
                plan=outdial["plan"],
                outplan_id=_ID,
                end_handle=info["end_handle"],
                reason=_TEXT,
            )
        ),
        "reopen_targets": Told(body=_object("outcomes", outcomes={"type": "array", "items": {"enum": list(OUTCOMES)}, "minItems": 1})),
        "preflight": Told(body=_object(plan=outdial["plan"], outplan_id=_ID, campaign_id=_ID)),
        "get_activity": Told(("minutes",)),
        "get_calendar": Told(("hours",)),
        "list_rejections": Told(("limit",)),
        "get_past": Told(("at", "minutes")),
        "get_target_past": Told(("at",)),
        "list_open_attempts": Told(("limit",)),
        "stream_outdial": Told(("minutes", "after")),
        "stream_overview": Told(("after",)),
        "list_target_history": Told(("after", "limit", "places")),
        "add_targets": Told(("on_duplicate",), {"oneOf": [target, targets]}),
        "import_targets": Told(("import_id", "on_duplicate", "dry_run"), _TEXT, ("text/csv", "application/x-ndjson")),
        "create_outplan": Told(body=_object(**names, **plan)),
        "update_outplan": Told(body=_object(**names)),
        "set_dial_info": Told(body=_object(**plan)),
        "create_campaign": Told(body=_object(**info, actions=actions, **references)),
        "update_campaign": Told(body=_object(**info)),
        "set_service_level": Told(body=_object("service_level", service_level=level)),
        "set_agents": Told(body=_object("agents", agents={"type": "integer", "minimum": 0, "maximum": 1_000_000})),
        "set_actions": Told(body=_object("actions", actions=actions)),
        "set_status": Told(body=_object("status", status=run_or_stop)),
        "set_resource_info": Told(body=_object(**references)),
        "set_next_campaign": Told(body=_object("next_campaign_id", next_campaign_id=_TEXT)),
        "set_webhook": Told(
            body=_object("uri", uri=_TEXT, method={"enum": ["POST", "PUT"]}, secret={**_TEXT, "minLength": 16}, after=_TEXT)
        ),
        "replay_webhook": Told(body=_object("after", after=_TEXT)),
        "list_dial_requests": Told(("after", "limit", "wait_ms", "share")),
        "claim_dial": Told(body=_object("attempt_id", "worker", **attempt, worker=_TEXT)),
        "say_answered": Told(body=_one_or_many(_object("attempt_id", **attempt))),
        "say_result": Told(body=_one_or_many(_object("attempt_id", "outcome", **result))),
        "listen": Told(("after", "time")),
        "list_events": Told(("after", "limit", "outdial_id", "targets", "names", "places")),
        "stream_events": Told(("after", "outdial_id", "targets", "names", "places")),
        "log_in": Told(body=_object("username", "password", username=_TEXT, password=_TEXT)),
        "list_accesskeys": Told((*_PAGES, "sessions")),
        "list_customers": Told(("page_size", "page_token", "time")),
        "list_users": Told(_PAGES),
        **dict.fromkeys(("create_accesskey", "create_accesskey_of_customer"), Told(body=_object(**names, expire=expire))),
        "create_customer": Told(body=_object(**names)),
        "create_user": Told(body=_object("username", "password", username=_TEXT, password=_PASSWORD)),
        "list_suppressions": Told(("page_size", "page_token")),
        "add_suppressions": Told(body={"oneOf": [_REFS["NewSuppression"], _object("entries", entries=_list(_REFS["NewSuppression"]))]}),
        "remove_suppressions": Told(body={"oneOf": [_REFS["SuppressionRef"], _object("entries", entries=_list(_REFS["SuppressionRef"]))]}),
        "import_suppressions": Told((), _TEXT, ("text/csv", "application/x-ndjson")),
        "set_frequency_caps": Told(
            body={"allOf": [_REFS["FrequencyCaps"]], "anyOf": [{"required": ["rules"]}, {"required": ["min_gap_ms"]}]}
        ),
        "set_pace": Told(body=_object("calls_per_second", calls_per_second=per_second)),
        "set_password": Told(body=_object("password", password=_PASSWORD)),
        "send_commands": Told(
            (),
            {"oneOf": [{"$ref": _REF.format(model=model.__name__)} for model in _public()]},
            ("application/json", "application/x-ndjson"),
        ),
    }


def _fields(model: type[NewTarget | Plan | CreateOutdial | DialResult | SetPace], names: tuple[str, ...]) -> dict[str, Schema]:
    properties = model.model_json_schema(ref_template=_REF)["properties"]
    return {name: properties[name] for name in names}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "maxItems": 10_000}


def _one_or_many(schema: Schema) -> Schema:
    return {"oneOf": [schema, _list(schema)]}


# --- the page -------------------------------------------------------------------------------------------


def _body(document: Schema) -> str:
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(document, path, method, operation))
    links = '<p>The same for programs: <a href="/openapi.json">openapi.json</a>. On Kafka: <a href="/docs/messages">messages</a>.</p>'
    return f"<h1>Outdial</h1>{links}" + "".join(f"<h2>{escape(tag)}</h2>{''.join(found)}" for tag, found in groups.items())


def _operation(document: Schema, path: str, method: str, operation: Schema) -> str:
    """One route: what it is for, what it takes, what it answers."""
    parts = [f"<p>{escape(operation['description'])}</p>"]
    taken = [(found["name"], found.get("description", ""), found["in"]) for found in operation["parameters"]]
    if taken:
        parts.append(table(taken))
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body, <code>{escape(kind)}</code>:</p>{_fields_of(document, content['schema'])}")
    for kind, content in operation["responses"].get("200", {}).get("content", {}).items():
        parts.append(f"<p>Answer, <code>{escape(kind)}</code>:</p>{_fields_of(document, content['schema'])}")
    return f"<details><summary>{method.upper()} {escape(path)}</summary>{''.join(parts)}</details>"


def _fields_of(document: Schema, schema: Schema) -> str:
    """The fields of an object, or of each of those it may be."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = schema.get("oneOf", schema.get("allOf"))
    if kinds is not None:
        if len(kinds) > MANY_KINDS:
            return f'<p>{len(kinds)} kinds; they are laid out under <a href="/docs/messages">messages</a>.</p>'
        return ("<p>or</p>" if "oneOf" in schema else "").join(_fields_of(document, kind) for kind in kinds)
    if schema.get("type") == "array":
        return f"<p>A list of:</p>{_fields_of(document, schema['items'])}"
    required = schema.get("required", ())
    properties = schema.get("properties", {})
    fields = [(name, _meaning(field), "required" if name in required else "") for name, field in properties.items()]
    return table(fields) if fields else f"<p>{escape(str(schema.get('type', '')))}</p>"


def _meaning(field: Schema) -> str:
    """What a field is, and how its values look."""
    kinds = [_kind(one) for one in field.get("anyOf", [field])]
    return f"{' or '.join(filter(None, dict.fromkeys(kinds)))}. {field.get('description', '')}".strip(". ")


def _kind(field: Schema) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    kind = field.get("format", field.get("type", ""))
    return " or ".join(kind) if isinstance(kind, list) else str(field.get("const", kind))
