"""How things are asked for, and what lists of them come in."""

from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

T = TypeVar("T")
Row = dict[str, Any]
"""A resource as it is served."""


class Reading(TypedDict, total=False):
    """How something is read."""

    min_position: str
    """Wait until the views have reached this position of the log, as another answer said it."""
    stale: bool
    """Do not wait for what was acknowledged a moment ago, by this process of the service or another."""


class Making(TypedDict, total=False):
    """How something is made."""

    idempotency_key: str
    """Asking twice with the same key makes one thing. Without it each call has a key of its own, for its own repeats."""


class Changing(TypedDict, total=False):
    """How something is changed."""

    if_version: int
    """Change it only if it stands at this version (``version`` of what was read), else ``VersionDiffers``."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, newest first."""

    result: list[T]
    next_page_token: str
    """Asks for the next page; "" is the end."""


@dataclass(frozen=True, slots=True)
class Since(Generic[T]):
    """Some of a log, oldest first."""

    result: list[T]
    next_after: str
    """The position to go on from."""
