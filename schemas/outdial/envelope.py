"""The envelope of an event: CloudEvents 1.0, structured mode. Source: design section 4."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from outdial.commands import Kind
from outdial.events import EventData
from outdial.ids import event_id
from outdial.record import Record
from outdial.scalars import Instant

CONTENT_TYPE = "application/cloudevents+json"


class Event(Record, frozen=True):
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
    traceparent: str | None = None
    """The trace of the command that caused it; of a dial request, of the one that added its target or opened it again."""

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
    """The version of CloudEvents."""
    id: str
    """``kind/stream/sequence``: the same event has the same id wherever it is read."""
    source: Literal["outdial"]
    """Who speaks."""
    type: str
    """What happened."""
    subject: str
    """The stream: the id of the outdial, outplan or campaign."""
    time: Instant
    """When, by the ledger's clock; it never goes back within a log."""
    datacontenttype: Literal["application/json"]
    """The form of ``data``."""
    dataschema: str
    """``outdial/<type>/<version>``. A new meaning is a new version."""
    sequence: int
    """Ordinal within the stream, from 1, without gaps."""
    causationid: str
    """The command that caused it."""
    causationhash: str
    """16 hexadecimal digits over what the command asked; empty for what became due."""
    actor: str | None = None
    """Who asked, if the command said so."""
    traceparent: str | None = None
    """Where it belongs in the trace of who asked, if that was said (the extension Distributed Tracing of CloudEvents)."""
    data: dict[str, Any]
    """What happened, in the shape ``dataschema`` names."""
