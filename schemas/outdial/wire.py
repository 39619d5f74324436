"""Bytes to messages and back. Nothing else in the program knows that messages are JSON.

:func:`decode_command` is the one place where input from outside becomes a command, so every refusal
of malformed input has its reason here.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Annotated, Any, Final, TypeVar

import pydantic_core
from msgspec import MsgspecError, Raw
from msgspec.json import Decoder
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from outdial.codec import decoder_of, text_of
from outdial.commands import COMMANDS, AnyCommand, Command
from outdial.envelope import Event
from outdial.events import EVENTS
from outdial.record import Record
from outdial.scalars import FORMS, Moment, format_instant

_BRANCH: Final = re.compile(r"[a-z-]+\[.*\]", re.DOTALL)
"""How pydantic names a branch of a union among the parts of a path: ``literal[...]``, ``function-before[...]``."""
MAX_COMMAND_BYTES: Final = 900 * 1024
NOT_CONTENT: Final = {"id", "time", "actor", "customer_id", "traceparent"}
"""Fields of a command that say who sent it, when and in which trace, not what it asks."""


_SCHEMAS: Final = {f"outdial/{name}/1": model for name, model in EVENTS.items()}
T = TypeVar("T")


class Malformed(ValueError):
    """Input that is no command. ``reason`` is stable, ``message`` is for people, ``pointer`` a JSON pointer (RFC 6901) to the field."""

    def __init__(self, reason: str, message: str, pointer: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.pointer = pointer


def to_json(value: Any) -> bytes:
    """Compact JSON of plain values and models."""
    return pydantic_core.to_json(value)


def from_json(text: bytes | str) -> Any:
    """Plain values of a JSON text.

    Raises:
        Malformed: ``json_invalid``.
    """
    try:
        return pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Malformed("json_invalid", f"not JSON: {error}") from None


@lru_cache(maxsize=1)
def _validator() -> Any:
    adapter: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="type")])
    return adapter.validator


def decode_command(text: bytes) -> Command:
    """The command a JSON object spells.

    Raises:
        Malformed: ``too_large``, ``json_invalid``, ``type_unknown``, ``field_missing``,
            ``unknown_field`` or ``field_invalid``, with the path of the field.
    """
    if len(text) > MAX_COMMAND_BYTES:
        raise Malformed("too_large", f"a command may have {MAX_COMMAND_BYTES} bytes, this one has {len(text)}")
    try:
        return _validator().validate_json(text)  # type: ignore[no-any-return]
    except ValidationError as error:
        if all(
            found["type"] == "extra_forbidden" and str(found["loc"][-1]).startswith("x_")
            for found in error.errors(include_url=False, include_input=False)
        ):
            return command_from(_without_extensions(from_json(text)))
        raise explained(error) from None


def command_from(value: Any) -> Command:
    """The command a plain JSON value spells; raises as :func:`decode_command`."""
    try:
        return _validator().validate_json(to_json(value))  # type: ignore[no-any-return]
    except ValidationError as error:
        raise explained(error) from None


def _without_extensions(value: Any) -> Any:
    """The value without its ``x_...`` fields, which anybody may add to a command."""
    match value:
        case dict():
            return {key: _without_extensions(inner) for key, inner in value.items() if not str(key).startswith("x_")}
        case list():
            return [_without_extensions(inner) for inner in value]
        case _:
            return value


def explained(error: ValidationError) -> Malformed:
    """A validation error as one reason and one sentence, without the input (it may be personal)."""
    found = error.errors(include_url=False, include_input=False)[0]
    parts = _parts(found)
    path = ".".join(parts) or "the command"
    pointer = "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)
    match found["type"]:
        case "json_invalid":
            return Malformed("json_invalid", f"not JSON: {found['msg'].removeprefix('Invalid JSON: ')}")
        case "union_tag_invalid" | "union_tag_not_found":
            return Malformed("type_unknown", f"type must be one of {', '.join(sorted(public_types()))}")
        case "missing":
            return Malformed("field_missing", f"{path} is missing", pointer)
        case "extra_forbidden":
            return Malformed("unknown_field", f"{path} is not a field here", pointer)
        case _:
            return Malformed("field_invalid", f"{path}: {sentence(found)}", pointer)


def _parts(found: ErrorDetails) -> list[str]:
    """The way to a field as it stands in the message. Pydantic's names the type of command too, and the branch of a union."""
    way = found["loc"][1:] if found["loc"] and found["loc"][0] in COMMANDS else found["loc"]
    if found["type"] == "extra_forbidden":
        *way, own = way  # whoever sent it named it
        return [*_fields(way), str(own)]
    return _fields(way)


def _fields(way: Sequence[int | str]) -> list[str]:
    return [str(part) for part in way if isinstance(part, int) or _BRANCH.fullmatch(part) is None]


def sentence(found: ErrorDetails, forms: Mapping[str, str] = FORMS) -> str:
    """What is wrong with a field, for people: of a text that has not the form it must have, the form in words."""
    form = forms.get(found.get("ctx", {}).get("pattern", ""))
    return found["msg"] if form is None else form


def public_types() -> list[str]:
    """The types of command a user may send."""
    return [name for name, model in COMMANDS.items() if not model.internal]


def encode(message: BaseModel) -> bytes:
    """A message as JSON; absent optional fields are left out."""
    return type(message).__pydantic_serializer__.to_json(message, exclude_none=True)


def content_hash(command: Command) -> str:
    """16 hexadecimal digits over what a command asks, whoever asks it and when; also of which stream, be that named by the customer."""
    sender = _senders(command.stream_field)
    content = type(command).__pydantic_serializer__.to_json(command, exclude=sender, exclude_defaults=True)
    return blake2b(command.type.encode() + content, digest_size=8).hexdigest()  # type: ignore[attr-defined]


@cache
def _senders(stream_field: str) -> set[str]:
    return NOT_CONTENT - {stream_field}


def encode_event(event: Event) -> bytes:
    """An event as a CloudEvents object. The envelope is written by hand: all its texts are ids, and it is half of what is written."""
    data = event.data
    name = type(data).__name__
    more = b"" if event.actor is None else b'"actor":' + to_json(event.actor) + b","
    if event.traceparent is not None:
        more += b'"traceparent":' + to_json(event.traceparent) + b","
    head = (
        f'{{"specversion":"1.0","id":"{data.kind}/{event.stream}/{event.sequence}","source":"outdial","type":"{name}",'
        f'"subject":"{event.stream}","time":"{format_instant(event.time)}","datacontenttype":"application/json",'
        f'"dataschema":"outdial/{name}/1","sequence":{event.sequence},"causationid":"{event.causation_id}",'
        f'"causationhash":"{event.causation_hash}",'
    )
    return head.encode() + more + b'"data":' + text_of(data) + b"}"


class Enveloped(Record, frozen=True):
    """An event whose data is not read yet."""

    subject: str
    sequence: int
    time: Moment
    dataschema: str
    causationid: str
    causationhash: str
    data: Raw
    actor: str | None = None
    traceparent: str | None = None


def decode_event(text: bytes) -> Event:
    """The event a CloudEvents object spells.

    Raises:
        Malformed: ``event_unknown`` for a type or version this program does not know, ``event_invalid``.
    """
    return event_of(_decoded(decoder_of(Enveloped), text))


def envelopes(text: str) -> list[Enveloped]:
    """The CloudEvents objects of a JSON array; raises as :func:`decode_event`."""
    return _decoded(decoder_of(list[Enveloped]), text)


def event_of(envelope: Enveloped) -> Event:
    """The event in an envelope; raises as :func:`decode_event`."""
    kind = _SCHEMAS.get(envelope.dataschema)
    if kind is None:
        raise Malformed("event_unknown", f"an event of schema {envelope.dataschema} is not known to this version of the program")
    return Event(
        envelope.subject,
        envelope.sequence,
        envelope.time,
        envelope.causationid,
        envelope.causationhash,
        _decoded(decoder_of(kind), envelope.data),
        envelope.actor,
        envelope.traceparent,
    )


def _decoded(decoder: Decoder[T], text: bytes | str | Raw) -> T:
    try:
        return decoder.decode(text)
    except (MsgspecError, ValueError, RecursionError) as error:
        raise Malformed("event_invalid", f"not an event: {error}") from None
