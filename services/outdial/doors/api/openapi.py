"""The routes, described: ``/openapi.json`` (OpenAPI 3.1) and a page to read it by, with nothing from another host."""

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
from starlette.responses import HTMLResponse, RedirectResponse, Response

from outdial.commands import COMMANDS, Command, CreateOutdial, DialResult, NewTarget
from outdial.plan import PLAN_FIELDS, Plan
from outdial.wire import to_json

router = APIRouter(tags=["health"])
Schema = dict[str, Any]
_REF: Final = "#/components/schemas/{model}"
_PAGES: Final = ("page_size", "page_token", "deleted", "time")
_PAGE_STYLE: Final = (
    "body{font:15px/1.5 system-ui;max-width:60em;margin:2em auto;padding:0 1em}code{font-weight:600}dd{margin:0 0 .8em 2em}"
)


class Told(NamedTuple):
    """What a route takes beyond its path."""

    query: tuple[str, ...] = ()
    body: Schema | None = None
    kinds: tuple[str, ...] = ("application/json",)
    """Media types of the body."""


@router.get("/openapi.json")
async def describe(request: Request) -> Response:
    """This interface as OpenAPI 3.1."""
    return Response(to_json(document(request.app)), media_type="application/json")


@router.get("/")
async def read_front(_request: Request) -> Response:
    """Whoever opens the address in a browser finds what there is to ask for."""
    return RedirectResponse("/docs", status_code=307)


@router.get("/docs")
async def read_docs(request: Request) -> Response:
    """This interface as a page."""
    rows = [
        f"<dt><code>{method.upper()} {escape(path)}</code></dt><dd>{escape(operation['description'])}</dd>"
        for path, operations in document(request.app)["paths"].items()
        for method, operation in operations.items()
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Outdial</title><style>{_PAGE_STYLE}</style>'
    links = '<p>The same for programs: <a href="/openapi.json">openapi.json</a>. On Kafka: <a href="/docs/messages">messages</a>.</p>'
    return HTMLResponse(f"{head}<h1>Outdial</h1>{links}<dl>{''.join(rows)}</dl></html>")


def document(app: Starlette) -> Schema:
    """The OpenAPI document of an application, made once."""
    found: Schema | None = getattr(app.state, "openapi", None)
    if found is None:
        found = app.state.openapi = _document(app)
    return found


def _document(app: Starlette) -> Schema:
    told = _told()
    listed = get_openapi(title="Outdial", version=version("outdial"), routes=app.routes)
    for path, operations in listed["paths"].items():
        for operation in operations.values():
            _tell(path, operation, told.get(operation["operationId"], Told()))
    named: list[type[BaseModel]] = [NewTarget, Plan, *_public()]
    _, models = models_json_schema([(model, "validation") for model in named], ref_template=_REF)
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        **listed,
        "components": {
            "schemas": {**models["$defs"], "Error": _ERROR},
            "securitySchemes": {"bearer": bearer, "token": {"type": "apiKey", "in": "query", "name": "token"}},
        },
        "security": [{"bearer": []}, {"token": []}],
    }


def _public() -> list[type[Command]]:
    return [model for model in COMMANDS.values() if not model.internal]


def _tell(path: str, operation: Schema, told: Told) -> None:
    """Add to what the framework knows of a route what only the door knows."""
    ids = [{"name": name, "in": "path", "required": True, "schema": _ID} for name in findall(r"{(\w+)}", path)]
    query = [
        {"name": name, "in": "query", "schema": schema, "description": means}
        for name, (schema, means) in _QUERY.items()
        if name in told.query
    ]
    refused = {"description": "A refusal.", "content": {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}}}
    operation["summary"] = operation["description"].partition(".")[0].replace("\n", " ")
    operation["parameters"] = ids + query
    operation["responses"] = {"200": {"description": "Done."}, "default": refused}
    if told.body is not None:
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": told.body} for kind in told.kinds}}


def _object(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


_ID: Final[Schema] = {"type": "string", "format": "uuid"}
_TEXT: Final[Schema] = {"type": "string"}
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
_QUERY: Final[dict[str, tuple[Schema, str]]] = {
    "page_size": ({"type": "integer"}, "Rows of a page, 1 to 100; anything else is 100."),
    "page_token": (_TEXT, "next_page_token of the page before, or a time: rows strictly older."),
    "deleted": ({"type": "boolean"}, "Show deleted rows too."),
    "time": ({"enum": ["iso"]}, "Times as RFC 3339, and null for not yet."),
    "after": (_TEXT, "A position of the log; 0 is the beginning."),
    "limit": ({"type": "integer", "minimum": 1, "maximum": 1_000}, "Rows of an answer."),
    "wait_ms": ({"type": "integer", "minimum": 0, "maximum": 30_000}, "How long to wait for the next one, milliseconds."),
    "share": ({"type": "string", "pattern": "^[0-9]+/[0-9]+$"}, "i/n: only targets whose crc32(target_id) % n is i."),
    "import_id": (_ID, "Names the import: the same one again changes nothing. Default: a digest of file and outdial."),
    "dry_run": ({"type": "boolean"}, "Add nothing, say what would be."),
    "outdial_id": (_ID, "Events of this outdial only."),
    "on_duplicate": ({"enum": ["accept", "skip", "reject"]}, "What becomes of a target whose first destination is there already."),
}


def _told() -> dict[str, Told]:
    """What each route takes, by the name of its function; one that is not here takes only its path."""
    names = {"name": {**_TEXT, "maxLength": 255}, "detail": {**_TEXT, "maxLength": 65_536}}
    plan = _fields(Plan, PLAN_FIELDS)
    actions: Schema = {"type": "array", "items": {"type": "object"}}
    level: Schema = {"type": "integer", "minimum": 0, "maximum": 100_000}
    info = {**names, "type": {"enum": ["call", "flow"]}, "service_level": level, "end_handle": {"enum": ["stop", "continue"]}}
    references = dict.fromkeys(("outplan_id", "outdial_id", "queue_id", "next_campaign_id"), _ID)
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
                "list_targets",
                "list_target_calls",
                "list_outplans",
                "list_campaigns",
                "list_calls_of_campaign",
                "list_campaigncalls",
            ),
            Told(_PAGES),
        ),
        "create_outdial": Told(body=_object(**outdial)),
        "update_outdial": Told(body=_object(**names)),
        "set_outdial_campaign": Told(body=_object("campaign_id", campaign_id=_TEXT)),
        "set_outdial_data": Told(body=_object("data", data=_TEXT)),
        "set_dialing": Told(body=_object("status", status=run_or_stop, plan=outdial["plan"], outplan_id=_ID)),
        "list_target_history": Told(("after", "limit")),
        "add_targets": Told(("on_duplicate",), {"oneOf": [target, targets]}),
        "import_targets": Told(("import_id", "on_duplicate", "dry_run"), _TEXT, ("text/csv", "application/x-ndjson")),
        "create_outplan": Told(body=_object(**names, **plan)),
        "update_outplan": Told(body=_object(**names)),
        "set_dial_info": Told(body=_object(**plan)),
        "create_campaign": Told(body=_object(**info, actions=actions, **references)),
        "update_campaign": Told(body=_object(**info)),
        "set_service_level": Told(body=_object("service_level", service_level=level)),
        "set_actions": Told(body=_object("actions", actions=actions)),
        "set_status": Told(body=_object("status", status=run_or_stop)),
        "set_resource_info": Told(body=_object(**references)),
        "set_next_campaign": Told(body=_object("next_campaign_id", next_campaign_id=_TEXT)),
        "list_dial_requests": Told(("after", "limit", "wait_ms", "share")),
        "claim_dial": Told(body=_object("attempt_id", "worker", **attempt, worker=_TEXT)),
        "say_answered": Told(body=_one_or_many(_object("attempt_id", **attempt))),
        "say_result": Told(body=_one_or_many(_object("attempt_id", "outcome", **result))),
        "list_events": Told(("after", "limit", "outdial_id")),
        "stream_events": Told(("after", "outdial_id")),
        "send_commands": Told(
            (),
            {"oneOf": [{"$ref": _REF.format(model=model.__name__)} for model in _public()]},
            ("application/json", "application/x-ndjson"),
        ),
    }


def _fields(model: type[NewTarget | Plan | CreateOutdial | DialResult], names: tuple[str, ...]) -> dict[str, Schema]:
    properties = model.model_json_schema(ref_template=_REF)["properties"]
    return {name: properties[name] for name in names}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "maxItems": 10_000}


def _one_or_many(schema: Schema) -> Schema:
    return {"oneOf": [schema, _list(schema)]}
