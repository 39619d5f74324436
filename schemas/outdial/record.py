"""Records: small values that are made in great numbers and never changed."""

from typing import Any, dataclass_transform

from msgspec import Struct, StructMeta
from msgspec.structs import replace

__all__ = ["Named", "Record", "replace"]


class Record(Struct, frozen=True, gc=False):
    """What every event and every step of a target is.

    Made by C, which takes half as long as a dataclass does, and the garbage collector does not look at it: a record
    never refers to anything that refers to it. One cannot be changed.
    """


@dataclass_transform(kw_only_default=True, frozen_default=True)
class _ByName(StructMeta):
    """Of a class each field of which is given by its name, so that one that may be left out can stand before one that may not."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **settings: Any) -> "_ByName":
        return super().__new__(cls, name, bases, namespace, kw_only=True, **settings)  # type: ignore[no-any-return]


class Named(Record, metaclass=_ByName):
    """A record whose fields are given by name."""
