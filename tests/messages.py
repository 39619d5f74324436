"""Strategies that make any message from its model: what its fields allow, limits included."""

import json
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from outdial.address import Address
from outdial.commands import COMMANDS, Command
from outdial.envelope import Event
from outdial.events import EVENTS, EventData
from outdial.scalars import Id, Instant, Moment, PasswordHash, PositionText, Secret, TokenHash, Traceparent, Uri, Username, Word
from outdial.windows import DAYS, Windows

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "events"

EARLIEST = -62_135_596_800_000_000  # 0001-01-01
LAST = 253_402_300_799_999_999  # the last microsecond of 9999

ids = st.uuids(version=4).map(str)
instants = st.integers(EARLIEST, LAST)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
words = st.from_regex(r"[A-Za-z0-9_.:\-]{1,64}", fullmatch=True)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
"""Any JSON value."""

times_of_day = st.from_regex(r"([01][0-9]|2[0-3]):[0-5][0-9]", fullmatch=True)
spans = st.fixed_dictionaries({"start": times_of_day, "end": times_of_day | st.just("24:00")}).filter(
    lambda span: span["start"] != span["end"]
)
days = st.lists(st.sampled_from(DAYS), min_size=1, max_size=7)
dates = st.dates().map(str) | st.dates().map(lambda day: str(day)[5:])
windows = st.fixed_dictionaries(
    {
        "hours": st.lists(st.tuples(spans, days).map(lambda both: {**both[0], "days": both[1]}), min_size=1, max_size=3),
        "dates": st.lists(
            st.fixed_dictionaries({"date": dates, "hours": st.lists(spans, max_size=2)}), max_size=2, unique_by=lambda one: one["date"]
        ),
        "time_zone": texts,
    }
).map(Windows.model_validate)

traceparents = st.none() | st.from_regex(r"00-[1-9a-f]{32}-[1-9a-f]{16}-0[01]", fullmatch=True)
WHOLE: dict[object, st.SearchStrategy[Any]] = {
    Id: ids,
    Instant: instants,
    Moment: instants,
    Word: words,
    Username: st.from_regex(r"[a-z0-9@.]{1,40}", fullmatch=True),
    TokenHash: st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    PasswordHash: st.from_regex(r"scrypt\$14\$[0-9a-f]{32}\$[0-9a-f]{64}", fullmatch=True),
    Uri: st.from_regex(r"https?://[a-z0-9.]{1,40}/[a-z]{0,9}", fullmatch=True),
    Secret: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=16, max_size=40),
    PositionText: st.from_regex(r"[0-9]{1,9}(-[0-9]{1,9}){0,3}", fullmatch=True),
    str: texts,
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    NoneType: st.none(),
    Windows: windows,
    Traceparent: traceparents,
    Any: plain,
}


Model = type[BaseModel] | type[EventData]


def of(model: Model) -> st.SearchStrategy[Any]:
    """Instances of a model with any allowed value in every field."""
    fields = get_type_hints(model, include_extras=True)
    return st.fixed_dictionaries({name: _values(fields[name]) for name in fields_of(model)}).filter(_accepted(model)).map(_made(model))


def fields_of(model: Model) -> tuple[str, ...]:
    """The names of the fields of a message."""
    return model.__struct_fields__ if issubclass(model, EventData) else tuple(model.model_fields)


def _made(model: Model) -> Any:
    return lambda values: model(**values)


def _accepted(model: Model) -> Any:
    """An address of no type and no target is read as no address; and some models refuse to be empty."""
    if model is Address:
        return lambda values: values["type"] or values["target"]
    if model.__name__ == "SetCampaignResources":
        return lambda values: any(values[name] for name in values if name.endswith("_id") and name not in {"customer_id", "campaign_id"})
    return lambda _: True


def _values(kind: Any) -> st.SearchStrategy[Any]:
    if kind in WHOLE:
        return WHOLE[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _limited(arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        return st.one_of([_values(inner) for inner in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(texts, _values(arguments[1]), max_size=3)
    if issubclass(kind, StrEnum):
        return st.sampled_from(list(kind))
    if issubclass(kind, BaseModel):
        return of(kind)
    raise TypeError(kind)


def _limited(kind: Any, marks: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if get_origin(kind) is tuple:
        return _values(kind).filter(lambda found: len(found) >= _least(marks))
    if kind is str:
        most = min((limit.max_length for limit in _metadata(marks) if hasattr(limit, "max_length")), default=None)
        return _values(kind).map(lambda text: text[:most])
    if kind is not int:
        return _values(kind)
    limits = _metadata(marks)
    lowest: Any = next((limit.ge for limit in limits if isinstance(limit, annotated_types.Ge)), None)
    highest: Any = next((limit.le for limit in limits if isinstance(limit, annotated_types.Le)), None)
    return st.integers(lowest, highest)


def _metadata(marks: Any) -> list[Any]:
    """What the fields among the marks of a type are limited by."""
    return [limit for mark in marks if isinstance(mark, FieldInfo) for limit in mark.metadata]


def _least(marks: Any) -> int:
    """How many items a tuple has at least."""
    return max(
        [limit.min_length for limit in _metadata(marks) if hasattr(limit, "min_length")],
        default=0,
    )


commands: st.SearchStrategy[Command] = st.sampled_from(list(COMMANDS.values())).flatmap(of)
event_data: st.SearchStrategy[EventData] = st.sampled_from(list(EVENTS.values())).flatmap(of)
events: st.SearchStrategy[Event] = st.builds(
    Event,
    stream=ids,
    sequence=st.integers(1, 2**63 - 1),
    time=instants,
    causation_id=ids,
    causation_hash=st.just("") | st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    data=event_data,
    actor=st.none() | texts,
    traceparent=traceparents,
)


def golden(name: str) -> bytes:
    """The text of a golden event."""
    return (GOLDEN / f"{name}.json").read_bytes()


def schema(path: str) -> dict[str, Any]:
    """A checked-in JSON Schema."""
    found: dict[str, Any] = json.loads((ROOT / "schemas" / "json" / path).read_text(encoding="utf-8"))
    return found
