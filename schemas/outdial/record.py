"""Records: small values that are made in great numbers and never changed."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """A dataclass with slots that nobody changes: the type checker sees to that.

    Were it to be seen to while the program runs, making one would take three times as long, and every event and
    every step of a target is one.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
