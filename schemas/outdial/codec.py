"""JSON that the program itself makes and reads: the data of events, plain values, and the short form that is kept.

Nobody but the ledger makes events, so they are msgspec's, who takes a fifth of the time.
On the wire an instant is a text and what is absent is left out. What came from outside within an event (a plan, an address)
is pydantic's, which reads and writes it.
"""

from functools import cache
from typing import Any, Final, TypeVar, get_args

from msgspec import Raw, defstruct
from msgspec.json import Decoder, Encoder
from msgspec.structs import astuple, fields
from pydantic import BaseModel

from outdial.record import Named
from outdial.scalars import NO_TIME, Moment, format_instant, read_instant

T = TypeVar("T")
_ALWAYS: Final = object()
"""As what is left out: nothing is it, so nothing is."""


def encode_compact(message: BaseModel) -> bytes:
    """A model as JSON without the fields that have their default: the form that states and views keep."""
    return type(message).__pydantic_serializer__.to_json(message, exclude_defaults=True)


def plain_to_json(value: Any) -> bytes:
    """JSON of plain values that the program itself has made."""
    return _ENCODER.encode(value)


def plain_from_json(text: bytes) -> Any:
    """Plain values of JSON that the program itself has made."""
    return _DECODER.decode(text)


def text_of(data: Named) -> bytes:
    """The data of an event as JSON."""
    written, moments = _twin(type(data))
    values = [*astuple(data)]
    for index in moments:
        at = values[index]
        if at is not None:
            values[index] = format_instant(at)
    return _ENCODER.encode(written(*values))


@cache
def decoder_of(kind: type[T]) -> Decoder[T]:
    """Reads JSON of a kind of record."""
    return Decoder(kind, dec_hook=_read)


@cache
def _twin(kind: type[Named]) -> tuple[type[Any], tuple[int, ...]]:
    """A struct of the same fields that leaves out what is absent, and the indexes of the instants."""
    found = fields(kind)
    twin = defstruct(
        kind.__name__,
        [(field.encode_name, Any, None if field.default is None else _ALWAYS) for field in found],
        omit_defaults=True,
        gc=False,
    )
    moments = [index for index, field in enumerate(found) if field.type is Moment or Moment in get_args(field.type)]
    return twin, tuple(moments)


def _read(kind: type[Any], value: Any) -> Any:
    """What msgspec leaves to others, from plain values."""
    if kind is not Moment:
        return kind.__pydantic_validator__.validate_python(value)
    if type(value) is not str:
        raise ValueError(NO_TIME)
    return read_instant(value)


def _written(value: Any) -> Raw:
    """What msgspec leaves to others, as JSON."""
    if isinstance(value, BaseModel):
        return Raw(type(value).__pydantic_serializer__.to_json(value, exclude_none=True))
    raise TypeError(f"an event holds a {type(value).__name__}")


_ENCODER: Final = Encoder(enc_hook=_written)
_DECODER: Final = Decoder()
