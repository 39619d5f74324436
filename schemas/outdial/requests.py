"""What goes out: dial requests, rejections and answers. Source: design section 4."""

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from outdial.address import Address
from outdial.commands import CampaignType
from outdial.preflight import Preflight
from outdial.scalars import ZERO_ID, Id, Instant
from outdial.why import OutdialWhy, TargetWhy


class DialRequest(BaseModel):
    """Place one call, once. Whoever does answers with DialAnswered and DialResult, or ``not_dialed``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    attempt_id: Id
    outdial_id: Id
    target_id: Id
    campaign_id: Id = ZERO_ID
    campaign_type: CampaignType = ""
    customer_id: Id
    outplan_id: Id = ZERO_ID
    plan_version: int
    source: Address | None = None
    destination: Address
    destination_index: int
    try_count: int
    """Which try of this destination, from 1."""
    dial_timeout: int
    """How long to ring, milliseconds."""
    requested_at: Instant
    not_after: Instant
    """Do not start the call later; answer ``not_dialed`` instead."""
    expires_at: Instant
    """Without a word until then the attempt counts as lost."""
    name: str = ""
    detail: str = ""
    data: str = ""
    event_id: str
    """The DialRequested event this request was made from."""
    traceparent: str | None = None
    """Where it belongs in the trace of who added the target (W3C), if that was said; the record's header says the same."""


class Rejection(BaseModel):
    """A command that was refused, and why; nothing was changed by it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    command_id: str | None = None
    type: str | None = None
    reason: str
    """A stable word; the table is in ``docs/reasons.md``."""
    message: str
    at: Instant
    """When it was refused."""
    topic: str | None = None
    """Where the original stands, with ``partition`` and ``offset``: on Kafka always."""
    partition: int | None = None
    """Partition of the original, from 0."""
    offset: int | None = None
    """Offset of the original in its partition, from 0."""
    original: str
    """At most 64 KiB of what came."""
    original_length: int
    original_sha256: str


class Rejected(NamedTuple):
    """A rejection, and what is known of whose it is."""

    stream: str
    """The id of what the command is about, as it says; empty where it does not."""
    named: str | None
    """The customer that the command names."""
    is_readable: bool
    """Whether the command could be read, so that it is known whether it names one."""
    told: Rejection
    """Without the bytes that came."""


class Item(BaseModel):
    """What became of one item of AddTargets that was not simply added."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    index: int
    """Position in the command, from 0."""
    result: Literal["exists", "skipped", "rejected"]
    """``exists``: the same target is there already; ``skipped``: a duplicate."""
    target_id: str | None = None
    existing_id: str | None = None
    """The target that has the same address."""
    reason: str | None = None
    message: str | None = None


Facts = TargetWhy | OutdialWhy | Preflight
"""What questions are answered with."""


class Answer(BaseModel):
    """What became of a command, its awaited follow-ups included."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    command_id: Id
    type: str
    stream: Id
    """The stream the command was for; of a new thing, its id."""
    result: Literal["events", "unchanged", "rejected"]
    reason: str | None = None
    message: str | None = None
    position: str = "0"
    """The log position at which the answer holds."""
    open: tuple[str, ...] = ()
    """The first of the attempts that live on after a stop or a delete."""
    open_more: int = 0
    """How many more live on."""
    items: tuple[Item, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: Facts | None = None
    """What a question was answered with."""


class AnswerRecord(BaseModel):
    """What became of one command of a chain, as a record of the answers topic, keyed by ``root_id``.

    The root is answered when its own record has come and that of every id in any ``awaits``. Its result is then the
    first ``rejected`` among them, else ``events`` if there is one, else ``unchanged``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    root_id: Id
    """The command whose sender waits: the ``answer`` header, up to its first ``/``."""
    asked: str | None = None
    """What stood in the ``answer`` header after a ``/``: the sender's own mark, at most 64 characters."""
    command_id: Id
    """The command this is about: the root, or one that followed from it. What cannot be read goes by the root's id."""
    type: str | None = None
    """Absent when the command could not be read."""
    stream: Id | None = None
    """The stream the command was for; of a new thing, its id. Absent when the command could not be read."""
    result: Literal["events", "unchanged", "rejected"]
    reason: str | None = None
    """Why it was rejected, a stable word; the table is in ``docs/reasons.md``."""
    message: str | None = None
    """The reason, for people."""
    partition: int
    """The partition it was decided in, of the commands topic and the events topic alike, from 0."""
    last_offset: int = -1
    """The answer holds once that events partition has been read up to and with this offset; -1: it holds at once."""
    awaits: tuple[Id, ...] = ()
    """Commands that followed from this one and are answered too before the root is."""
    open: tuple[str, ...] = ()
    """The first of the attempts that live on after a stop or a delete."""
    open_more: int = 0
    """How many more live on."""
    items: tuple[Item, ...] = ()
    """Items of AddTargets that were not simply added."""
    warnings: tuple[str, ...] = ()
    """What the sender should know although the command was carried out."""
    facts: Facts | None = None
    """What a question was answered with."""


class Unavailable(Exception):
    """The ledger cannot take commands now; nothing of this one was done. ``reason`` is stable."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    @property
    def late(self) -> bool:
        """Whether, unlike for any other reason, the command was sent and may still be carried out."""
        return self.reason == "answer_late"
