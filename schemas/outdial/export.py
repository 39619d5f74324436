"""JSON Schema 2020-12 of every message, made from the models. The files stand in ``schemas/json``.

The text under a field in the source becomes its ``description``. It is read from the source here and
not by pydantic (``use_attribute_docstrings``), which would do it at every start of the program and
takes half as long again for importing the models (measured: 135 ms without, 190 ms with it).
"""

import ast
import inspect
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, Final, get_args

from msgspec.structs import fields as struct_fields
from pydantic import BaseModel, ConfigDict, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from outdial.commands import COMMANDS, Command
from outdial.envelope import CloudEvent
from outdial.events import EVENTS, EventData
from outdial.requests import Answer, AnswerRecord, DialRequest, Rejection
from outdial.vocabulary import MEANING

DIALECT: Final = GenerateJsonSchema.schema_dialect
OUTGOING: Final[Mapping[str, type[BaseModel]]] = {
    "answer": Answer,
    "answer-record": AnswerRecord,
    "cloud-event": CloudEvent,
    "dial-request": DialRequest,
    "rejection": Rejection,
}


def documents() -> dict[str, bytes]:
    """Every schema by its path below ``schemas/json``, as the bytes of the file."""
    found = {f"commands/{name}.json": _command(name, model) for name, model in COMMANDS.items()}
    found |= {f"events/{name}.json": _event(name, model) for name, model in EVENTS.items()}
    found |= {f"{name}.json": _headed(f"urn:outdial:{name}", schema_of(model)) for name, model in OUTGOING.items()}
    return {path: json.dumps(schema, indent=2, ensure_ascii=False).encode() + b"\n" for path, schema in found.items()}


def write(folder: Path) -> list[Path]:
    """Make ``folder`` hold the schemas and no other JSON file; returns the paths written."""
    texts = documents()
    for stale in folder.rglob("*.json"):
        if stale.relative_to(folder).as_posix() not in texts and stale.parent.name in {"commands", "events"}:
            stale.unlink()
    written = []
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
        written.append(file)
    return written


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of anything its readers take as it comes, with the texts of its fields."""
    return _open(_schema(model))


def _command(name: str, model: type[Command]) -> dict[str, Any]:
    """A command: its ``type`` is required on the wire, and any ``x_...`` field is allowed beside its own."""
    schema = _schema(model)
    schema["required"] = ["type", *schema.get("required", [])]
    for part in _objects(schema):
        if part.get("additionalProperties") is False:
            part["patternProperties"] = {"^x_": True}
    if model.internal:
        schema["description"] += "\n\nOnly the ledger sends it; from anybody else it is refused (`internal_command`)."
    return _headed(f"urn:outdial:command:{name}", schema)


def _event(name: str, kind: type[EventData]) -> dict[str, Any]:
    """An event: the CloudEvents envelope around its ``data``."""
    envelope, data = _open(_schema(CloudEvent)), _open(_schema(_modelled(kind)))
    definitions = envelope.pop("$defs", {}) | data.pop("$defs", {})
    data.pop("title")
    envelope["title"] = name
    envelope["description"] = data.pop("description")
    fields = envelope["properties"]
    part = "(/[0-9]+)?" if kind.kind == "guard" else ""
    fields["id"]["pattern"] = f"^{kind.kind}/[0-9a-f-]{{36}}{part}/[1-9][0-9]*$"
    fields["type"]["const"] = name
    fields["dataschema"]["const"] = f"outdial/{name}/1"
    fields["data"] = {"description": fields["data"]["description"], **data}
    if definitions:
        envelope["$defs"] = definitions
    return _headed(f"urn:outdial:event:{name}:1", envelope)


class _OfStruct(BaseModel):
    """What a model is that was made of the fields of an event."""

    model_config = ConfigDict(extra="ignore")

    struct: ClassVar[type[EventData]]


def _modelled(kind: type[EventData]) -> type[BaseModel]:
    """A model of the fields of an event, of which pydantic tells the schema."""
    fields: dict[str, Any] = {field.name: (field.type, ... if field.required else field.default) for field in struct_fields(kind)}
    model = create_model(kind.__name__, __base__=_OfStruct, __doc__=kind.__doc__, **fields)
    model.struct = kind
    return model


def _headed(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DIALECT, "$id": name, **schema}


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as its readers have to take it: fields may be added, and a reader ignores what it does not know."""
    for part in _objects(schema):
        if part.get("additionalProperties") is False:
            del part["additionalProperties"]
    return schema


def _objects(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [schema, *schema.get("$defs", {}).values()]


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(schema_generator=Described)


class Described(GenerateJsonSchema):
    """Adds to every field what its source says about it, and leaves out the titles that only repeat its name."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The schema of a model, with the texts of its fields."""
        made = super().model_schema(schema)
        model = schema["cls"]
        texts = field_texts(model)
        for name, field in made.get("properties", {}).items():
            text = texts.get(name) or MEANING.get(name)
            if text is not None:
                field["description"] = text
        if "required" in made:  # what is null is left out of the text, so a field that may be is never required
            made["required"] = [name for name in made["required"] if NoneType not in get_args(model.model_fields[name].annotation)]
        return made

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002  the name and shape are pydantic's
        """Never."""
        return False


def field_texts(model: type[BaseModel]) -> Mapping[str, str]:
    """The text that stands under each field in the source of a model and of the models it extends."""
    found: dict[str, str] = {}
    described = model.struct if issubclass(model, _OfStruct) else model
    for base in reversed(described.__mro__):
        if issubclass(base, BaseModel | EventData) and base is not BaseModel:
            found |= _texts_in(_definitions(inspect.getfile(base))[base.__name__])
    return found


@lru_cache(maxsize=64)
def _definitions(file: str) -> Mapping[str, ast.ClassDef]:
    """The classes of a file: read once, for asking the standard library for each reads the whole of it each time."""
    module = ast.parse(Path(file).read_text(encoding="utf-8"))
    return {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}


def _texts_in(definition: ast.ClassDef) -> dict[str, str]:
    found = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = inspect.cleandoc(words)
            case _:
                pass
    return found
