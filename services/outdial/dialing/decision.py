"""What a decision comes to: events, follow-up commands to other streams, or a refusal."""

from dataclasses import dataclass, field
from typing import NamedTuple

from outdial.commands import Command
from outdial.events import EventData
from outdial.requests import Item


class Rejected(Exception):
    """A rule says no. ``reason`` is a stable word, ``message`` a sentence for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class FollowUp(NamedTuple):
    """A command to another stream, committed together with what caused it."""

    command: Command
    awaited: bool
    """True when the answer to the first command of the chain waits for this one's."""


@dataclass(slots=True)
class Decision:
    """What is to be committed for one command. Nothing at all means "already so"."""

    events: list[EventData] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    refused: Rejected | None = None
    """Set when the answer is a refusal although something is told to another stream."""
    items: list[Item] = field(default_factory=list)
    open: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
