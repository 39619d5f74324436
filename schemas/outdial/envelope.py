"""The envelope of an event: CloudEvents 1.0, structured mode. Source: design section 4."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from outdial.commands import Kind
from outdial.events import EventData
from outdial.ids import event_id
from outdial.scalars import Instant

CONTENT_TYPE = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the program holds it: where it stands, when, what caused it, and what happened."""

    stream: str
    sequence: int
    """Ordinal within its stream, from 1."""
    time: int
    """Microseconds since 1970-01-01 UTC."""
    causation_id: str
    """The command that caused it."""
    causation_hash: str
    """16 hexadecimal digits over the command's content; empty for what became due."""
    data: EventData
    actor: str | None = None

    @property
    def type(self) -> str:
        """The word for what happened: the name of the class of ``data``."""
        return type(self.data).__name__

    @property
    def kind(self) -> Kind:
        """The kind of stream."""
        return self.data.kind

    @property
    def id(self) -> str:
        """``kind/stream/sequence``."""
        return event_id(self.data.kind, self.stream, self.sequence)


class CloudEvent(BaseModel):
    """The same on the wire. ``data`` has the shape named by ``dataschema``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    id: str
    source: Literal["outdial"]
    type: str
    subject: str
    time: Instant
    datacontenttype: Literal["application/json"]
    dataschema: str
    sequence: int
    causationid: str
    causationhash: str
    actor: str | None = None
    data: dict[str, Any]
