"""What a decision comes to: events, follow-up commands to other streams, or a refusal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from outdial.commands import AskResource, Command, ResourceKnown, ResourceUnknown
from outdial.events import EventData
from outdial.requests import Facts, Item


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

    events: Sequence[EventData] = ()
    follow_ups: Sequence[FollowUp] = ()
    refused: Rejected | None = None
    """Set when the answer is a refusal although something is told to another stream."""
    items: Sequence[Item] = ()
    open: tuple[str, ...] = ()
    open_more: int = 0
    warnings: tuple[str, ...] = ()
    facts: Facts | None = None
    """What a question is answered with."""


def told_of_resource(command: AskResource, why: Rejected | None) -> Decision:
    """What a stream that a campaign wants to refer to answers: that it is there, or why it cannot be referred to."""
    asked = {
        "campaign_id": command.campaign_id,
        "resource": command.resource,
        "resource_id": command.resource_id,
        "change": command.change,
    }
    if why is not None:
        return Decision(refused=why, follow_ups=[FollowUp(ResourceUnknown(**asked, reason=why.reason), awaited=True)])  # type: ignore[arg-type]
    return Decision(follow_ups=[FollowUp(ResourceKnown(**asked), awaited=True)])  # type: ignore[arg-type]
