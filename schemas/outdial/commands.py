"""Commands: what somebody asks the ledger to do. Source: design section 4.

A command is one flat object; ``type`` names it. Those a user may send come first, those only the
ledger itself writes (follow-ups between streams, and what has become due) come last.
"""

from math import isfinite
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from outdial.address import OptionalAddress
from outdial.plan import MOST_PER_SECOND, Plan
from outdial.scalars import (
    ZERO_ID,
    Id,
    Instant,
    InstantIfAny,
    Name,
    PasswordHash,
    PositionText,
    Priority,
    Secret,
    Text,
    TokenHash,
    Traceparent,
    Uri,
    Username,
    Word,
)
from outdial.suppression import MOST_ENTRIES, MOST_LEAVES, FrequencyCaps, Leave, NewSuppression, SuppressionEntry, SuppressionRef

ResourceKind = Literal["outdial", "outplan", "campaign"]
Kind = Literal[ResourceKind, "account", "suppression", "guard", "cap", "pace", "webhook"]
"""The kinds of stream; the key of a command is the id of its stream."""


class Command(BaseModel):
    """What every command has. ``id`` makes it idempotent; absent, the runtime derives one."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    kind: ClassVar[Kind]
    stream_field: ClassVar[str]
    internal: ClassVar[bool] = False
    noted: ClassVar[bool] = False
    """True when its id is spent even if it changed nothing (design section 5, repeats)."""
    question: ClassVar[bool] = False
    """True when it only asks: it changes nothing, makes no event, and its id is never remembered."""

    id: Id | None = None
    """Makes it idempotent: the same id again is the same answer. Absent: derived."""
    customer_id: Id | None = None
    """Whose stream it is for; a door sets it, whatever came."""
    actor: Name | None = None
    """Who asked, for the history. Information only."""
    time: Instant | None = None
    """When the sender made it: information only, no rule reads it."""
    if_version: Annotated[int, Field(ge=0)] | None = None
    """Carry it out only if its stream stands at this version, the ``sequence`` of its last event; else ``version_differs``."""
    traceparent: Traceparent = None
    """Where it belongs in the sender's trace (W3C); events and dial requests that come of it have the same. Malformed: none."""

    @property
    def stream(self) -> str:
        """The id of the stream this command is for."""
        return getattr(self, self.stream_field)  # type: ignore[no-any-return]

    @property
    def subject(self) -> str:
        """What an answer says the command was for: the id of its stream, where that is one."""
        return self.stream

    @property
    def from_ledger_only(self) -> bool:
        """True for what a producer may not send (``internal_command``)."""
        return self.internal


class OutdialCommand(Command):
    """A command to an outdial and its targets."""

    kind: ClassVar[Kind] = "outdial"
    stream_field: ClassVar[str] = "outdial_id"
    outdial_id: Id

    @property
    def stream(self) -> str:
        """The outdial. Asked for several times of every command, and most are for outdials."""
        return self.outdial_id


class OutplanCommand(Command):
    """A command to an outplan."""

    kind: ClassVar[Kind] = "outplan"
    stream_field: ClassVar[str] = "outplan_id"
    outplan_id: Id


class CampaignCommand(Command):
    """A command to a campaign."""

    kind: ClassVar[Kind] = "campaign"
    stream_field: ClassVar[str] = "campaign_id"
    campaign_id: Id


class AccountCommand(Command):
    """A command to a customer's account: who may ask for what is the customer's."""

    kind: ClassVar[Kind] = "account"
    stream_field: ClassVar[str] = "customer_id"
    customer_id: Id


class CustomerCommand(Command):
    """A command to what a customer has one of: its stream is named by the customer."""

    stream_field: ClassVar[str] = "customer_id"

    @property
    def stream(self) -> str:
        """The customer; a command that names none is given one before it is decided."""
        return self.customer_id or ZERO_ID


class SuppressionCommand(CustomerCommand):
    """A command to the list of whom a customer must not call, and how often anybody."""

    kind: ClassVar[Kind] = "suppression"


class CapCommand(Command):
    """A command to the count of calls to one address of one customer."""

    kind: ClassVar[Kind] = "cap"
    stream_field: ClassVar[str] = "cap_id"
    cap_id: Id


class PaceCommand(CustomerCommand):
    """A command to what all outdials of a customer together may request within a second."""

    kind: ClassVar[Kind] = "pace"


class WebhookCommand(CustomerCommand):
    """A command to a customer's webhook: where events are sent to."""

    kind: ClassVar[Kind] = "webhook"
    customer_id: Id


# --- outdial ------------------------------------------------------------------------------------


class CreateOutdial(OutdialCommand):
    """Make an outdial. With ``plan`` or ``outplan_id`` it starts dialing at once."""

    type: Literal["CreateOutdial"] = "CreateOutdial"
    name: Name = ""
    detail: Text = ""
    data: Text = ""
    campaign_id: Id = ZERO_ID
    plan: Plan | None = None
    outplan_id: Id | None = None


class UpdateOutdial(OutdialCommand):
    """Change the name or detail; what is absent stays."""

    type: Literal["UpdateOutdial"] = "UpdateOutdial"
    name: Name | None = None
    detail: Text | None = None


class SetOutdialData(OutdialCommand):
    """Change the opaque data of an outdial."""

    type: Literal["SetOutdialData"] = "SetOutdialData"
    data: Text


class SetOutdialCampaign(OutdialCommand):
    """Attach an outdial to a campaign, or detach it with the zero id."""

    type: Literal["SetOutdialCampaign"] = "SetOutdialCampaign"
    campaign_id: Id


class DeleteOutdial(OutdialCommand):
    """Delete an outdial softly; a running one is stopped."""

    type: Literal["DeleteOutdial"] = "DeleteOutdial"


OnDuplicate = Literal["accept", "skip", "reject"]


class NewTarget(BaseModel):
    """A target to add: who, where, how often at most."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    target_id: Id | None = None
    """Absent: derived from the command's id and the index of the item."""
    name: Name = ""
    detail: Text = ""
    data: Text = ""
    destination_0: OptionalAddress = None
    destination_1: OptionalAddress = None
    destination_2: OptionalAddress = None
    destination_3: OptionalAddress = None
    destination_4: OptionalAddress = None
    try_count_max: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Attempts this target may have in all, beside the plan's caps; absent = no such cap."""
    priority: Priority = 0
    """Higher is dialed first among those that are due."""
    time_zone: Name | None = None
    """IANA zone of the person, when known."""
    expires_at: InstantIfAny = None
    """From then on it is not dialed any more; absent = never too late."""


class AddTarget(OutdialCommand, NewTarget):
    """Add one target. A duplicate is accepted unless ``on_duplicate`` says otherwise."""

    type: Literal["AddTarget"] = "AddTarget"
    on_duplicate: OnDuplicate = "accept"


class AddTargets(OutdialCommand):
    """Add up to 500 targets. Duplicates are skipped and named in the answer unless said otherwise."""

    type: Literal["AddTargets"] = "AddTargets"
    targets: Annotated[tuple[NewTarget, ...], Field(max_length=500, strict=False)]
    on_duplicate: OnDuplicate = "skip"
    dry_run: bool = False
    """True: nothing is added, the answer says what would have been."""


class DeleteTarget(OutdialCommand):
    """Delete a target softly; it is not requested again, an open attempt still ends."""

    type: Literal["DeleteTarget"] = "DeleteTarget"
    target_id: Id


class ReopenTarget(OutdialCommand):
    """Set the try counts of a target to 0 and make it dialable again."""

    type: Literal["ReopenTarget"] = "ReopenTarget"
    noted: ClassVar[bool] = True
    target_id: Id


CampaignType = Literal["", "call", "flow"]
EndHandle = Literal["stop", "continue"]


class StartDialing(OutdialCommand):
    """Run an outdial by a plan. The form with ``campaign_id`` comes from a campaign's own stream only."""

    type: Literal["StartDialing"] = "StartDialing"
    noted: ClassVar[bool] = True
    plan: Plan | None = None
    outplan_id: Id | None = None
    campaign_id: Id | None = None
    campaign_type: CampaignType = ""
    run: Annotated[int, Field(ge=1)] | None = None
    end_handle: EndHandle = "continue"
    chain: Annotated[tuple[Id, ...], Field(strict=False)] = ()
    ringing_limit: Annotated[int, Field(ge=0)] | None = None

    @property
    def from_ledger_only(self) -> bool:
        """A campaign's start is the ledger's own word."""
        told = (self.campaign_id, self.run, self.ringing_limit)
        return any(field is not None for field in told) or bool(self.chain) or bool(self.campaign_type)


class StopDialing(OutdialCommand):
    """Emit no further request; open attempts live on and are listed in the answer."""

    type: Literal["StopDialing"] = "StopDialing"
    campaign_id: Id | None = None
    run: Annotated[int, Field(ge=1)] | None = None
    reason: Name | None = None
    """Why, for people."""

    @property
    def from_ledger_only(self) -> bool:
        """A campaign's stop is the ledger's own word."""
        return self.campaign_id is not None or self.run is not None


class PauseDialing(OutdialCommand):
    """Emit no request until the run is resumed; the run, its plan and its open attempts live on."""

    type: Literal["PauseDialing"] = "PauseDialing"
    reason: Name | None = None
    """Why, for people."""


class ResumeDialing(OutdialCommand):
    """Go on with a run that was paused."""

    type: Literal["ResumeDialing"] = "ResumeDialing"
    reason: Name | None = None
    """Why, for people."""


class DrainDialing(OutdialCommand):
    """Begin with nobody new: only who was tried is tried again, and the run ends when nobody of them is left."""

    type: Literal["DrainDialing"] = "DrainDialing"
    reason: Name | None = None
    """Why, for people."""


class ClaimDial(OutdialCommand):
    """Ask, before placing a call, whether it is still wanted. The first worker wins."""

    type: Literal["ClaimDial"] = "ClaimDial"
    target_id: Id
    attempt_id: Id
    worker: Word


class DialAnswered(OutdialCommand):
    """The call of an attempt was answered and goes on."""

    type: Literal["DialAnswered"] = "DialAnswered"
    target_id: Id
    attempt_id: Id


Outcome = Literal["answered", "busy", "no_answer", "machine", "failed", "canceled", "not_dialed", "other"]
"""How an attempt ended (contract section 8)."""
OutcomeAlias = Literal["normal", "noanswer", "dialout", "amd", "cancel", "timeout"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
OUTCOME_OF_ALIAS: dict[str, Outcome] = {
    "normal": "other",
    "noanswer": "no_answer",
    "dialout": "no_answer",
    "amd": "machine",
    "cancel": "canceled",
    "timeout": "answered",
}
"""Hangup reasons of VoIPBIN; ``normal`` is an answer only when the call was answered."""


class ReopenTargets(OutdialCommand):
    """Reopen every target whose last attempt ended so, a thousand at a time; the form with ``cursor`` is the ledger's own."""

    type: Literal["ReopenTargets"] = "ReopenTargets"
    outcomes: Annotated[tuple[Outcome, ...], Field(strict=False, min_length=1, max_length=8)]
    """How the last attempt ended. Targets that are too late, deleted or being dialed stay as they are."""
    cursor: Annotated[int, Field(ge=0)] | None = None
    """How many targets, in the order of their creation, have been looked at."""

    @property
    def from_ledger_only(self) -> bool:
        """Going on is the ledger's own word."""
        return self.cursor is not None


class DialResult(OutdialCommand):
    """How an attempt ended. ``started_at`` and ``ended_at`` are information; no rule reads them."""

    type: Literal["DialResult"] = "DialResult"
    target_id: Id
    attempt_id: Id
    outcome: Outcome | OutcomeAlias
    answered: bool | None = None
    started_at: InstantIfAny = None
    ended_at: InstantIfAny = None
    call_id: Name | None = None
    call_back_at: InstantIfAny = None
    """When the person wants to be called again: the target waits until then instead of `try_interval`, also after
    `answered`, and needs a try as ever. Means nothing with `not_dialed`."""

    @property
    def plain_outcome(self) -> Outcome:
        """The outcome with VoIPBIN's words translated, before ``answered`` is looked at."""
        return OUTCOME_OF_ALIAS.get(self.outcome, self.outcome)  # type: ignore[arg-type]


class DeleteDial(OutdialCommand):
    """Hide an ended attempt from lists (``DELETE /campaigncalls/{id}``)."""

    type: Literal["DeleteDial"] = "DeleteDial"
    target_id: Id
    attempt_id: Id


class AskWhy(OutdialCommand):
    """Ask why an outdial, or one target of it, is not being dialed; the answer is in ``facts``. Changes nothing."""

    type: Literal["AskWhy"] = "AskWhy"
    question: ClassVar[bool] = True
    target_id: Id | None = None
    """Absent: the question is about the outdial as a whole."""


class AskPreflight(OutdialCommand):
    """Ask what a run of an outdial would come to if it began now; the answer is in ``facts``. Changes nothing."""

    type: Literal["AskPreflight"] = "AskPreflight"
    question: ClassVar[bool] = True
    plan: Plan | None = None
    """Absent: the plan it ran by last."""
    campaign_type: CampaignType = ""


# --- outplan ------------------------------------------------------------------------------------


class CreateOutplan(OutplanCommand):
    """Make an outplan."""

    type: Literal["CreateOutplan"] = "CreateOutplan"
    name: Name = ""
    detail: Text = ""
    plan: Plan = Plan()


class UpdateOutplan(OutplanCommand):
    """Change the name or detail; what is absent stays."""

    type: Literal["UpdateOutplan"] = "UpdateOutplan"
    name: Name | None = None
    detail: Text | None = None


class SetDialInfo(OutplanCommand):
    """Change the plan; every outdial that goes by it takes the new one."""

    type: Literal["SetDialInfo"] = "SetDialInfo"
    plan: Plan


class DeleteOutplan(OutplanCommand):
    """Delete an outplan softly; outdials that run by it go on with what they have."""

    type: Literal["DeleteOutplan"] = "DeleteOutplan"


# --- campaign -----------------------------------------------------------------------------------


class Resources(BaseModel):
    """What a campaign refers to; the zero id is "none"."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    outplan_id: Id = ZERO_ID
    outdial_id: Id = ZERO_ID
    queue_id: Id = ZERO_ID
    next_campaign_id: Id = ZERO_ID


DEEPEST_ACTION = 64


def _plain(value: object, depth: int = 0) -> object:
    """Refuse what no JSON reader could take back from an event: numbers that are none, nesting past all use."""
    if depth > DEEPEST_ACTION:
        message = f"nested more than {DEEPEST_ACTION} deep"
        raise ValueError(message)
    if isinstance(value, float) and not isfinite(value):
        message = "numbers must be finite"
        raise ValueError(message)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for part in inner:
        _plain(part, depth + 1)
    return value


Actions = Annotated[tuple[dict[str, Any], ...], Field(strict=False, max_length=1_000), AfterValidator(_plain)]
"""Flow actions, stored and handed on as they are."""


class CreateCampaign(CampaignCommand):
    """Make a campaign in ``stop``; every resource named must exist, and its outdial be free."""

    type: Literal["CreateCampaign"] = "CreateCampaign"
    campaign_type: Literal["call", "flow"] = "call"
    name: Name = ""
    detail: Text = ""
    service_level: Annotated[int, Field(ge=0, le=100_000)] = 0
    end_handle: EndHandle = "stop"
    actions: Actions = ()
    resources: Resources = Resources()


class UpdateCampaign(CampaignCommand):
    """Change a campaign's basic info; what is absent stays."""

    type: Literal["UpdateCampaign"] = "UpdateCampaign"
    campaign_type: Literal["call", "flow"] | None = None
    name: Name | None = None
    detail: Text | None = None
    service_level: Annotated[int, Field(ge=0, le=100_000)] | None = None
    end_handle: EndHandle | None = None
    actions: Actions | None = None


class SetCampaignResources(CampaignCommand):
    """Change what a campaign refers to; what is absent stays. A refused change changes nothing."""

    type: Literal["SetCampaignResources"] = "SetCampaignResources"
    outplan_id: Id | None = None
    outdial_id: Id | None = None
    queue_id: Id | None = None
    next_campaign_id: Id | None = None

    @model_validator(mode="after")
    def _something_to_set(self) -> Self:
        if self.outplan_id is self.outdial_id is self.queue_id is self.next_campaign_id is None:
            message = "name at least one of outplan_id, outdial_id, queue_id, next_campaign_id"
            raise ValueError(message)
        return self


class RunCampaign(CampaignCommand):
    """Start a campaign. The form with ``chain`` comes from the campaign before it only."""

    type: Literal["RunCampaign"] = "RunCampaign"
    noted: ClassVar[bool] = True
    chain: Annotated[tuple[Id, ...], Field(strict=False)] | None = None

    @property
    def from_ledger_only(self) -> bool:
        """A chained start is the ledger's own word."""
        return self.chain is not None


class GrantSlots(CampaignCommand):
    """Say how many agents of a campaign's queue are free; it rings for so many of them as its service level says."""

    type: Literal["GrantSlots"] = "GrantSlots"
    agents: Annotated[int, Field(ge=0, le=1_000_000)]
    """Agents free to take a call."""


class StopCampaign(CampaignCommand):
    """Stop a campaign: no request after the answer; open attempts live on."""

    type: Literal["StopCampaign"] = "StopCampaign"


class DeleteCampaign(CampaignCommand):
    """Delete a stopped campaign; its outdial becomes free."""

    type: Literal["DeleteCampaign"] = "DeleteCampaign"


# --- account ------------------------------------------------------------------------------------


class CreateCustomer(AccountCommand):
    """Make the account of a customer."""

    type: Literal["CreateCustomer"] = "CreateCustomer"
    name: Name = ""
    detail: Text = ""


class CreateUser(AccountCommand):
    """Let somebody log in for a customer."""

    type: Literal["CreateUser"] = "CreateUser"
    user_id: Id
    username: Username
    password_hash: PasswordHash


class SetPassword(AccountCommand):
    """Give a user another password; whoever is logged in as that user is so no longer."""

    type: Literal["SetPassword"] = "SetPassword"
    user_id: Id
    password_hash: PasswordHash


class DeleteUser(AccountCommand):
    """Let a user log in no more; whoever is logged in as that user is so no longer."""

    type: Literal["DeleteUser"] = "DeleteUser"
    user_id: Id


KeyPurpose = Literal["access", "session"]
"""``access``: made to be kept. ``session``: what a login gave."""


class CreateAccessKey(AccountCommand):
    """Let in whoever has a token, until it is deleted or has expired. The token itself is nowhere but with whoever has it."""

    type: Literal["CreateAccessKey"] = "CreateAccessKey"
    accesskey_id: Id
    purpose: KeyPurpose = "access"
    user_id: Id | None = None
    name: Name = ""
    detail: Text = ""
    token_hash: TokenHash
    token_prefix: Annotated[Name, Field(max_length=16)] = ""
    expires_at: Instant | None = None
    """When it stops letting anybody in; absent: it does not."""


class DeleteAccessKey(AccountCommand):
    """Let nobody in by this token any more."""

    type: Literal["DeleteAccessKey"] = "DeleteAccessKey"
    accesskey_id: Id


# --- suppression and caps -----------------------------------------------------------------------


class AddSuppressions(SuppressionCommand):
    """Call nobody at these addresses. Answered when every partition obeys; the answer lists the attempts that are open to them."""

    type: Literal["AddSuppressions"] = "AddSuppressions"
    entries: Annotated[tuple[NewSuppression, ...], Field(min_length=1, max_length=MOST_ENTRIES, strict=False)]


class RemoveSuppressions(SuppressionCommand):
    """Take entries off the list; what is not on it is nothing."""

    type: Literal["RemoveSuppressions"] = "RemoveSuppressions"
    entries: Annotated[tuple[SuppressionRef, ...], Field(min_length=1, max_length=MOST_ENTRIES, strict=False)]


class SetFrequencyCaps(SuppressionCommand):
    """How often one address may be called, from here on. Attempts are counted from the first time caps are set."""

    type: Literal["SetFrequencyCaps"] = "SetFrequencyCaps"
    caps: FrequencyCaps


class SetPace(PaceCommand):
    """How many calls all outdials of the customer together may request within any one second. Answered when all of them obey."""

    type: Literal["SetPace"] = "SetPace"
    calls_per_second: Annotated[int, Field(ge=0, le=MOST_PER_SECOND)]
    """0: as many as plans say."""


# --- webhook ------------------------------------------------------------------------------------


WebhookMethod = Literal["POST", "PUT"]


class SetWebhook(WebhookCommand):
    """Send what happens to an address, signed. What is absent stays as it is."""

    type: Literal["SetWebhook"] = "SetWebhook"
    uri: Uri
    method: WebhookMethod = "POST"
    secret: Secret | None = None
    """What the bodies are signed with; needed the first time."""
    after: PositionText | None = None
    """The position after which events are sent; absent, the first time: from the beginning."""


class DeleteWebhook(WebhookCommand):
    """Send nothing any more, and forget the secret."""

    type: Literal["DeleteWebhook"] = "DeleteWebhook"


class ReplayWebhook(WebhookCommand):
    """Send again what happened after a position, and go on from there."""

    type: Literal["ReplayWebhook"] = "ReplayWebhook"
    after: PositionText


class HoldWebhook(WebhookCommand):
    """A process that sends: let me be the one who does for a while, and note how far I am. Nothing changes where another one is."""

    type: Literal["HoldWebhook"] = "HoldWebhook"
    holder: Word
    """One name per start of a process."""
    generation: Annotated[int, Field(ge=1)]
    """Which setting or replay of the webhook it works by."""
    cursor: PositionText | None = None
    """Everything up to this position was sent."""
    delivered: Annotated[int, Field(ge=0)] = 0
    """Notices that were taken since it last said so."""
    refused: Annotated[int, Field(ge=0)] = 0
    """Notices that the receiver turned away for good."""
    error: Name = ""
    """What went wrong last; empty: nothing did."""
    release: bool = False
    """It ends: another one may send at once."""


# --- from the ledger only: between streams ------------------------------------------------------


class PartitionCommand(CustomerCommand):
    """A command to what one partition of the commands knows of a customer: it is sent there by number."""

    kind: ClassVar[Kind] = "guard"
    internal: ClassVar[bool] = True
    partition: Annotated[int, Field(ge=0)]
    """Where it is for."""

    @property
    def stream(self) -> str:
        """What one partition knows of a customer."""
        return f"{self.customer_id or ZERO_ID}/{self.partition}"

    @property
    def subject(self) -> str:
        """The customer."""
        return self.customer_id or ZERO_ID


class ApplySuppression(PartitionCommand):
    """suppression or pace -> every partition of the commands, by number: this has changed for the customer."""

    type: Literal["ApplySuppression"] = "ApplySuppression"
    version: int
    """Of the list; of the pace, where that has changed."""
    added: Annotated[tuple[SuppressionEntry, ...], Field(strict=False)] = ()
    removed: Annotated[tuple[SuppressionEntry, ...], Field(strict=False)] = ()
    caps: FrequencyCaps | None = None
    """The caps in force from here on; absent: as they were."""
    calls_per_second: int | None = None
    """What the customer's outdials together may request within a second from here on, 0: no limit; absent: as it was."""


class AskLeaves(PartitionCommand):
    """outdial -> the partition where the calls to these addresses are counted: may these attempts be requested?"""

    type: Literal["AskLeaves"] = "AskLeaves"
    outdial_id: Id
    leaves: Annotated[tuple[Leave, ...], Field(strict=False, min_length=1, max_length=MOST_LEAVES)]
    """Decided in this order, each after those before it."""
    at: Instant
    """When they were asked for."""


class GiveLeaves(OutdialCommand):
    """the partition where calls are counted -> outdial: request these attempts now, those not before ``until``."""

    type: Literal["GiveLeaves"] = "GiveLeaves"
    internal: ClassVar[bool] = True
    leaves: Annotated[tuple[Leave, ...], Field(strict=False, min_length=1, max_length=MOST_LEAVES)]
    """Those with an ``until`` are refused, the others granted. Each is looked at after what came of those before it."""
    at: Instant
    """When they were granted or refused; a grant holds for a minute."""


class AskLeave(CapCommand):
    """outdial -> cap: may this attempt be requested? As ledgers before this one asked, one by one."""

    type: Literal["AskLeave"] = "AskLeave"
    internal: ClassVar[bool] = True
    outdial_id: Id
    target_id: Id
    attempt_id: Id
    at: Instant
    """When it was asked."""


class ReturnLeave(CapCommand):
    """outdial -> cap: this attempt is not, or was not, a call."""

    type: Literal["ReturnLeave"] = "ReturnLeave"
    internal: ClassVar[bool] = True
    attempt_id: Id


class LeaveGranted(OutdialCommand):
    """cap -> outdial: request this attempt now. The answer to AskLeave."""

    type: Literal["LeaveGranted"] = "LeaveGranted"
    internal: ClassVar[bool] = True
    target_id: Id
    attempt_id: Id
    at: Instant
    """When it was granted; it holds for a minute."""


class LeaveRefused(OutdialCommand):
    """cap -> outdial: not before ``until``. The answer to AskLeave."""

    type: Literal["LeaveRefused"] = "LeaveRefused"
    internal: ClassVar[bool] = True
    target_id: Id
    attempt_id: Id
    until: Instant


class AskShare(PaceCommand):
    """outdial -> pace: this is what I have of the customer's calls per second, and this is what I could use."""

    type: Literal["AskShare"] = "AskShare"
    internal: ClassVar[bool] = True
    outdial_id: Id
    word: int
    heard: int
    share: int
    wanted: int
    at: Instant
    """When it was said."""


class GiveShare(OutdialCommand):
    """pace -> outdial: this is what you have of the customer's calls per second."""

    type: Literal["GiveShare"] = "GiveShare"
    internal: ClassVar[bool] = True
    word: int
    share: int
    turn: bool = False
    """Somebody waits: give it back after the next request."""
    answer: bool = False
    """It is less than before: nobody else is given it until the outdial has said that it took note."""
    at: Instant
    """When it was said."""


class FollowPlan(OutplanCommand):
    """outdial -> outplan: tell me your plan, now and whenever it changes."""

    type: Literal["FollowPlan"] = "FollowPlan"
    internal: ClassVar[bool] = True
    ask: int
    outdial_id: Id


class UnfollowPlan(OutplanCommand):
    """outdial -> outplan: no longer."""

    type: Literal["UnfollowPlan"] = "UnfollowPlan"
    internal: ClassVar[bool] = True
    ask: int
    outdial_id: Id


class TellPlan(OutplanCommand):
    """Many outdials go by this plan, which changed: tell the next of them."""

    type: Literal["TellPlan"] = "TellPlan"
    internal: ClassVar[bool] = True


class ApplyPlan(OutdialCommand):
    """outplan -> outdial: this is the plan, under the ask it answers."""

    type: Literal["ApplyPlan"] = "ApplyPlan"
    internal: ClassVar[bool] = True
    ask: int
    outplan_id: Id
    version: int
    plan: Plan


class LimitRinging(OutdialCommand):
    """campaign -> outdial: so many attempts of this run may ring at once."""

    type: Literal["LimitRinging"] = "LimitRinging"
    internal: ClassVar[bool] = True
    campaign_id: Id
    run: int
    limit: int | None = None
    """None: no limit."""


class SetEndHandle(OutdialCommand):
    """campaign -> outdial: this run ends, or does not, when nobody is left to dial."""

    type: Literal["SetEndHandle"] = "SetEndHandle"
    internal: ClassVar[bool] = True
    campaign_id: Id
    run: int
    end_handle: EndHandle


class RefusePlan(OutdialCommand):
    """outplan -> outdial: there is no such plan."""

    type: Literal["RefusePlan"] = "RefusePlan"
    internal: ClassVar[bool] = True
    ask: int
    outplan_id: Id
    reason: Word


class ClaimOutdial(OutdialCommand):
    """campaign -> outdial: be mine."""

    type: Literal["ClaimOutdial"] = "ClaimOutdial"
    internal: ClassVar[bool] = True
    campaign_id: Id
    change: int


class ReleaseOutdial(OutdialCommand):
    """campaign -> outdial: be free again."""

    type: Literal["ReleaseOutdial"] = "ReleaseOutdial"
    internal: ClassVar[bool] = True
    campaign_id: Id


class ClaimGranted(CampaignCommand):
    """outdial -> campaign: I am yours."""

    type: Literal["ClaimGranted"] = "ClaimGranted"
    internal: ClassVar[bool] = True
    outdial_id: Id
    change: int


class ClaimRefused(CampaignCommand):
    """outdial -> campaign: I am not, and why."""

    type: Literal["ClaimRefused"] = "ClaimRefused"
    internal: ClassVar[bool] = True
    outdial_id: Id
    change: int
    reason: Word


class AskResource(Command):
    """campaign -> outplan or campaign: do you exist, for this customer?"""

    type: Literal["AskResource"] = "AskResource"
    stream_field: ClassVar[str] = "resource_id"
    internal: ClassVar[bool] = True
    resource: Literal["outplan", "campaign"]
    resource_id: Id
    campaign_id: Id
    change: int

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        """The kind of the stream asked."""
        return self.resource

    @property
    def stream(self) -> str:
        """The stream asked."""
        return self.resource_id


class ResourceKnown(CampaignCommand):
    """outplan or campaign -> campaign: I exist."""

    type: Literal["ResourceKnown"] = "ResourceKnown"
    internal: ClassVar[bool] = True
    resource: Literal["outplan", "campaign"]
    resource_id: Id
    change: int


class ResourceUnknown(CampaignCommand):
    """outplan or campaign -> campaign: I do not exist, or am deleted."""

    type: Literal["ResourceUnknown"] = "ResourceUnknown"
    internal: ClassVar[bool] = True
    resource: Literal["outplan", "campaign"]
    resource_id: Id
    change: int
    reason: Word


class DialingRefused(CampaignCommand):
    """outdial -> campaign: this run did not start, and why."""

    type: Literal["DialingRefused"] = "DialingRefused"
    internal: ClassVar[bool] = True
    outdial_id: Id
    run: int
    reason: Word


class RunEnded(CampaignCommand):
    """outdial -> campaign: this run ended, how, and after how many requests.

    Sent when dialing ends and, if attempts were open then, once more when none is.
    """

    type: Literal["RunEnded"] = "RunEnded"
    internal: ClassVar[bool] = True
    outdial_id: Id
    run: int
    how: Literal["finished", "stopped", "refused", "deleted"]
    reason: Word | None = None
    requests: int
    open: int
    """Attempts still open."""


# --- from the ledger only: what has become due --------------------------------------------------


class RequestDial(OutdialCommand):
    """A target is due: emit its dial request, if every rule still allows it."""

    type: Literal["RequestDial"] = "RequestDial"
    internal: ClassVar[bool] = True
    target_id: Id


class ExpireTarget(OutdialCommand):
    """It is too late to dial a target."""

    type: Literal["ExpireTarget"] = "ExpireTarget"
    internal: ClassVar[bool] = True
    target_id: Id


class EndLease(OutdialCommand):
    """An attempt's lease is over: nobody said how it ended, so it is lost."""

    type: Literal["EndLease"] = "EndLease"
    internal: ClassVar[bool] = True
    target_id: Id
    attempt_id: Id


class FinishDialing(OutdialCommand):
    """A run that ends by itself has nothing left to dial."""

    type: Literal["FinishDialing"] = "FinishDialing"
    internal: ClassVar[bool] = True


class ReviveTargets(OutdialCommand):
    """A plan gave exhausted targets tries again: bring the next of them back."""

    type: Literal["ReviveTargets"] = "ReviveTargets"
    internal: ClassVar[bool] = True


class RecheckSuppressed(OutdialCommand):
    """Entries that held targets have ended: see which of the targets may be dialed again."""

    type: Literal["RecheckSuppressed"] = "RecheckSuppressed"
    internal: ClassVar[bool] = True


class ReviewShare(OutdialCommand):
    """What an outdial has of the customer's calls per second does not fit what it does: ask for more, or give back."""

    type: Literal["ReviewShare"] = "ReviewShare"
    internal: ClassVar[bool] = True


OutdialCommands = (
    CreateOutdial | UpdateOutdial | SetOutdialData | SetOutdialCampaign | DeleteOutdial
    | AddTarget | AddTargets | DeleteTarget | ReopenTarget | ReopenTargets
    | StartDialing | StopDialing | PauseDialing | ResumeDialing | DrainDialing
    | ClaimDial | DialAnswered | DialResult | DeleteDial | AskWhy | AskPreflight
    | ApplyPlan | LimitRinging | SetEndHandle | RefusePlan | ClaimOutdial | ReleaseOutdial
    | RequestDial | ExpireTarget | EndLease | FinishDialing | ReviveTargets
    | GiveLeaves | LeaveGranted | LeaveRefused | RecheckSuppressed | GiveShare | ReviewShare
)  # fmt: skip
OutplanCommands = CreateOutplan | UpdateOutplan | SetDialInfo | DeleteOutplan | FollowPlan | UnfollowPlan | TellPlan | AskResource
CampaignCommands = (
    CreateCampaign | UpdateCampaign | SetCampaignResources | GrantSlots | RunCampaign | StopCampaign | DeleteCampaign
    | DialingRefused | ClaimGranted | ClaimRefused | ResourceKnown | ResourceUnknown | RunEnded | AskResource
)  # fmt: skip
AccountCommands = CreateCustomer | CreateUser | SetPassword | DeleteUser | CreateAccessKey | DeleteAccessKey
SuppressionCommands = AddSuppressions | RemoveSuppressions | SetFrequencyCaps
CapCommands = AskLeave | ReturnLeave
GuardCommands = ApplySuppression | AskLeaves
PaceCommands = SetPace | AskShare
WebhookCommands = SetWebhook | DeleteWebhook | ReplayWebhook | HoldWebhook
AnyCommand = (
    OutdialCommands | OutplanCommands | CampaignCommands | AccountCommands | SuppressionCommands | CapCommands | GuardCommands
    | PaceCommands | WebhookCommands
)  # fmt: skip
COMMANDS: dict[str, type[Command]] = {model.model_fields["type"].default: model for model in get_args(AnyCommand)}
"""Every command by the word its ``type`` is."""
