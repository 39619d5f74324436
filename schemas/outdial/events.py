"""Events: what happened. They are the truth; everything else is folded from them.

The names of these types and of their fields are the storage format: a log is kept for ever, so they
change by optional additions only; a new meaning is a new type. Personal data stands only in
``TargetAdded.personal``; every other event names a destination by its index. Source: design section 4.
"""

from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict

from outdial.address import Address
from outdial.codec import encode_compact
from outdial.commands import CampaignType, EndHandle, KeyPurpose, Kind, Outcome, ResourceKind, Resources, WebhookMethod
from outdial.plan import Plan
from outdial.record import Named
from outdial.scalars import ZERO_ID, Moment
from outdial.suppression import FrequencyCaps, Leave, SuppressionEntry, SuppressionsPersonal


class EventData(Named):
    """The ``data`` of an event. Readers ignore fields they do not know.

    Made by the ledger alone, so nothing is checked when one is made; what is read from a log is (:mod:`outdial.codec`).
    """

    kind: ClassVar[Kind]
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that are for the service itself, and are shown to nobody."""

    @property
    def given(self) -> list[tuple[str, Any]]:
        """The fields that say something, by name; of an update what is not among them did not change."""
        return [(name, value) for name in self.__struct_fields__ if (value := getattr(self, name)) is not None]


class OutdialEvent(EventData):
    """Something that happened to an outdial or one of its targets."""

    kind: ClassVar[Kind] = "outdial"


class OutplanEvent(EventData):
    """Something that happened to an outplan."""

    kind: ClassVar[Kind] = "outplan"


class CampaignEvent(EventData):
    """Something that happened to a campaign."""

    kind: ClassVar[Kind] = "campaign"


class AccountEvent(EventData):
    """Something that happened to a customer's account."""

    kind: ClassVar[Kind] = "account"


class WebhookEvent(EventData):
    """Something that happened to a customer's webhook."""

    kind: ClassVar[Kind] = "webhook"


class SuppressionEvent(EventData):
    """Something that happened to a customer's list. The stream is the customer."""

    kind: ClassVar[Kind] = "suppression"


class GuardEvent(EventData):
    """What one partition knows of a customer's list. The stream is ``<customer>/<partition>``."""

    kind: ClassVar[Kind] = "guard"


class CapEvent(EventData):
    """Something that happened to the count of calls to one address."""

    kind: ClassVar[Kind] = "cap"


class PaceEvent(EventData):
    """Something that happened to what all outdials of a customer together may request. The stream is the customer."""

    kind: ClassVar[Kind] = "pace"


# --- outdial ------------------------------------------------------------------------------------


class OutdialCreated(OutdialEvent):
    """An outdial came to be."""

    customer_id: str
    campaign_id: str = ZERO_ID
    name: str = ""
    detail: str = ""
    data: str = ""


class OutdialUpdated(OutdialEvent):
    """Fields of an outdial changed; the absent ones did not."""

    name: str | None = None
    detail: str | None = None
    data: str | None = None
    campaign_id: str | None = None


class OutdialDeleted(OutdialEvent):
    """An outdial was deleted; it stays readable."""


class Personal(BaseModel):
    """Who a target is and how to reach them: everything about a person, in one place."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = ""
    detail: str = ""
    data: str = ""
    destinations: tuple[Address | None, ...]
    """By index, without trailing gaps."""

    @cached_property
    def compact(self) -> bytes:
        """As JSON without the fields that have their default: the form that states and views keep."""
        return encode_compact(self)


class TargetAdded(OutdialEvent):
    """A target joined the list."""

    target_id: str
    types: tuple[str | None, ...]
    """The type of each destination, by index, without trailing gaps."""
    fingerprints: tuple[str | None, ...]
    """Keyed hash of each normalised destination (32 hexadecimal digits), by index."""
    key_id: str
    """Which key the fingerprints were made with."""
    personal: Personal
    try_count_max: int | None = None
    priority: int = 0
    time_zone: str | None = None
    expires_at: Moment | None = None
    """From then on it is not dialed any more; absent = never too late."""
    zones: tuple[tuple[str, ...] | None, ...] | None = None
    """The time zones each destination may be in, by index, as its number says; absent where `time_zone` is given or none is known."""


class DuplicatesSkipped(OutdialEvent):
    """So many of the targets a command brought were left out: another on the list has the same first destination."""

    skipped: int
    """How many, of one command."""


class TargetDeleted(OutdialEvent):
    """A target was deleted: it is not requested again; an open attempt still ends."""

    target_id: str


class TargetReopened(OutdialEvent):
    """A target's try counts were set to 0; it is dialable at once."""

    target_id: str


class TargetRevived(OutdialEvent):
    """A plan gave an exhausted target tries again; its counts are unchanged."""

    target_id: str


class TargetFinished(OutdialEvent):
    """A target was reached; it is not dialed again."""

    target_id: str
    attempt_id: str
    late: bool = False
    """True when the word came after the attempt had been given up as lost."""


class TargetExhausted(OutdialEvent):
    """A target has no try left under the plan in force."""

    target_id: str
    plan_version: int


class TargetExpired(OutdialEvent):
    """It is too late to dial a target; no plan brings it back."""

    target_id: str


class DialingStarted(OutdialEvent):
    """A run began. It dials once it has a plan."""

    run: int
    """Ordinal of the run within the outdial."""
    campaign_id: str = ZERO_ID
    campaign_type: CampaignType = ""
    campaign_run: int | None = None
    end_handle: EndHandle = "continue"
    outplan_id: str = ZERO_ID
    ask: int | None = None
    """The question put to the outplan; none when the plan came with the command."""
    chain: tuple[str, ...] = ()
    ringing_limit: int | None = None
    """Attempts that may ring at once; none: no such limit."""


class DialingPaused(OutdialEvent):
    """A run stands still until it is resumed; its open attempts live on."""

    run: int
    reason: str | None = None


class DialingResumed(OutdialEvent):
    """A run that was paused goes on."""

    run: int
    reason: str | None = None


class DialingDraining(OutdialEvent):
    """A run begins with nobody new from here on, and ends when nobody who was tried has a try left."""

    run: int
    reason: str | None = None


class RingingLimited(OutdialEvent):
    """So many attempts of a run may ring at once from here on."""

    run: int
    limit: int | None = None
    """None: no limit."""


class EndHandleSet(OutdialEvent):
    """From here on a run ends, or does not, when nobody is left to dial."""

    run: int
    end_handle: EndHandle


class PlanAsked(OutdialEvent):
    """A running outdial asked another outplan for its plan; the old plan stays in force until it comes."""

    run: int
    outplan_id: str
    ask: int


class PlanApplied(OutdialEvent):
    """The plan in force from here on."""

    version: int
    """Ordinal of the plan within the outdial."""
    plan: Plan
    outplan_id: str = ZERO_ID
    outplan_version: int | None = None
    ask: int | None = None


class DialingStopped(OutdialEvent):
    """A run ended before its time; ``open`` lists the first of the attempts that live on."""

    run: int
    how: Literal["stopped", "refused", "deleted"]
    reason: str | None = None
    """Of a run that was refused the word for why; of one that was stopped why, for people, where somebody said so."""
    requests: int
    open: tuple[str, ...] = ()
    open_more: int = 0
    """How many more live on."""


class DialingFinished(OutdialEvent):
    """A run ended because nothing was left to dial."""

    run: int
    requests: int


class DialRequested(OutdialEvent):
    """A call is wanted, once. ``rule`` to ``plan_version`` say why."""

    attempt_id: str
    target_id: str
    ordinal: int
    """Which attempt on the target, from 1; it never goes back."""
    destination_index: int
    try_count: int
    """Which try of this destination, from 1."""
    rule: Literal["first_try", "retry", "next_destination", "not_dialed_again", "call_back"]
    due_at: Moment
    run: int
    campaign_id: str = ZERO_ID
    campaign_type: CampaignType = ""
    outplan_id: str = ZERO_ID
    plan_version: int
    source: Address | None = None
    dial_timeout: int
    not_after: Moment
    expires_at: Moment
    zones: tuple[str, ...] = ()
    """The time zones in all of which the plan's window was open; empty where the plan has none."""
    window_opens: Moment | None = None
    """When it opened; absent when that was more than a week ago."""
    window_closes: Moment | None = None
    """When it closes; absent when that is more than a week ahead."""
    tzdata: str | None = None
    """The version of the time zone data that was used."""


class DialClaimed(OutdialEvent):
    """A worker took it upon itself to place the call."""

    attempt_id: str
    target_id: str
    worker: str


class DialAnswered(OutdialEvent):
    """The call was answered and goes on."""

    attempt_id: str
    target_id: str
    expires_at: Moment
    """The lease from here on."""


class DialEnded(OutdialEvent):
    """An attempt is over."""

    attempt_id: str
    target_id: str
    ordinal: int
    destination_index: int
    outcome: Outcome
    lost: bool = False
    """True when nobody said how it ended: the lease ran out."""
    given_back: bool = False
    """True when the try was not spent."""
    started_at: Moment | None = None
    ended_at: Moment | None = None
    call_id: str | None = None
    call_back_at: Moment | None = None
    """The target waits until then; absent: as the plan says."""


class ResultIgnored(OutdialEvent):
    """A word about an attempt that is over, and that changes nothing."""

    attempt_id: str
    target_id: str
    outcome: Outcome
    reason: Literal["closed", "superseded"]


class DialDeleted(OutdialEvent):
    """An ended attempt was taken out of the lists."""

    attempt_id: str
    target_id: str


class TargetBlocked(OutdialEvent):
    """Destinations of a target are suppressed: these and no others are passed over, until the entries end."""

    target_id: str
    destinations: tuple[int, ...]
    """Their indexes."""
    entries: tuple[str, ...]
    """Fingerprint of the entry that holds each of them back."""
    until: Moment | None = None
    """When the first of the entries ends; absent: none has an end."""


class TargetUnblocked(OutdialEvent):
    """No destination of a target is suppressed any more."""

    target_id: str


class LeaveAsked(OutdialEvent):
    """A target is due and its address has frequency caps: leave is asked for its next attempt."""

    attempt_id: str
    target_id: str
    ordinal: int
    destination_index: int
    due_at: Moment


class LeaveUnused(OutdialEvent):
    """Leave came when the attempt was not wanted any more; it was given back."""

    attempt_id: str
    target_id: str
    destination_index: int


class TargetDeferred(OutdialEvent):
    """A target that was due waits for an instant."""

    target_id: str
    until: Moment
    reason: Literal["frequency_cap", "try_interval"]
    """`try_interval`: its address may be called again, but by now the plan has it wait for longer; it waits as the plan says."""
    attempt_id: str | None = None
    since: Moment | None = None
    """Of `try_interval`: when its last attempt ended."""


class ShareEvent(OutdialEvent):
    """Something that happened to what an outdial has of its customer's calls per second."""

    word: int
    heard: int
    share: int
    wanted: int


class ShareAsked(ShareEvent):
    """A target is due, and the outdial has too little of the customer's calls per second: it asks for more."""


class ShareTaken(ShareEvent):
    """The outdial took note of its share. What it has more than before it uses a second later."""

    turn: bool = False
    """Others wait: it gives the share back after its next request."""


class ShareReturned(ShareEvent):
    """The outdial gave back what it does not use, or all of it for another one's turn."""


class CommandNoted(OutdialEvent):
    """A command whose id is spent although it changed nothing."""

    command: str
    result: Literal["unchanged", "rejected"]
    reason: str | None = None


# --- outplan ------------------------------------------------------------------------------------


class OutplanCreated(OutplanEvent):
    """An outplan came to be, with its first plan (version 1)."""

    customer_id: str
    name: str = ""
    detail: str = ""
    plan: Plan


class OutplanUpdated(OutplanEvent):
    """Name or detail changed; what is absent did not."""

    name: str | None = None
    detail: str | None = None


class OutplanDialInfoSet(OutplanEvent):
    """The plan changed."""

    version: int
    plan: Plan
    told_to: int | None = None
    """Outdials that began to follow up to this event of the stream are told at once, the others by and by; absent: all at once."""


class OutplanTold(OutplanEvent):
    """More of the many outdials that go by this plan were told of it."""

    version: int
    """Of the plan."""
    told_to: int | None = None
    """Those that began to follow up to this event of the stream; absent: all."""


class OutplanDeleted(OutplanEvent):
    """An outplan was deleted; it stays readable."""


class OutplanFollowed(OutplanEvent):
    """An outdial goes by this plan."""

    outdial_id: str
    ask: int


class OutplanUnfollowed(OutplanEvent):
    """An outdial no longer goes by this plan."""

    outdial_id: str
    ask: int


# --- campaign -----------------------------------------------------------------------------------


class CampaignCreated(CampaignEvent):
    """A campaign came to be, in ``stop`` and with no resources yet."""

    customer_id: str
    campaign_type: Literal["call", "flow"]
    name: str = ""
    detail: str = ""
    service_level: int = 0
    end_handle: EndHandle = "stop"
    actions: tuple[dict[str, Any], ...] = ()


class CampaignUpdated(CampaignEvent):
    """Basic info changed; what is absent did not."""

    campaign_type: Literal["call", "flow"] | None = None
    name: str | None = None
    detail: str | None = None
    service_level: int | None = None
    end_handle: EndHandle | None = None
    actions: tuple[dict[str, Any], ...] | None = None


class CampaignResourcesAsked(CampaignEvent):
    """A change of resources waits for the streams it names."""

    change: int
    resources: Resources
    creating: bool = False
    """True when the campaign itself depends on the answer."""


class CampaignResourceAnswered(CampaignEvent):
    """One of the streams asked has answered."""

    change: int
    resource: ResourceKind
    resource_id: str
    reason: str | None = None
    """None: granted."""


class CampaignResourcesSet(CampaignEvent):
    """A change of resources is in force."""

    change: int
    resources: Resources


class CampaignResourcesRefused(CampaignEvent):
    """A change of resources was refused; nothing changed."""

    change: int
    reason: str


class CampaignSlotsGranted(CampaignEvent):
    """Somebody said how many agents are free."""

    agents: int


class CampaignStarted(CampaignEvent):
    """A run began."""

    run: int
    outdial_id: str
    outplan_id: str
    chain: tuple[str, ...] = ()


class CampaignStopping(CampaignEvent):
    """A run was asked to stop; its outdial has yet to say that it has."""

    run: int


class CampaignStopped(CampaignEvent):
    """A run ended."""

    run: int
    how: Literal["finished", "stopped", "refused", "deleted", "chain_empty"]
    reason: str | None = None
    requests: int = 0


class CampaignDeleted(CampaignEvent):
    """A campaign was deleted; it stays readable."""

    reason: str | None = None


class CampaignCommandNoted(CampaignEvent):
    """A command whose id is spent although it changed nothing."""

    command: str
    result: Literal["unchanged", "rejected"]
    reason: str | None = None


# --- account ------------------------------------------------------------------------------------


class CustomerCreated(AccountEvent):
    """The account of a customer came to be."""

    name: str = ""
    detail: str = ""


class UserCreated(AccountEvent):
    """Somebody may log in."""

    secret_fields: ClassVar[frozenset[str]] = frozenset({"password_hash"})
    user_id: str
    username: str
    password_hash: str


class UserPasswordSet(AccountEvent):
    """A user has another password; the sessions under the old one are over."""

    secret_fields: ClassVar[frozenset[str]] = frozenset({"password_hash"})
    user_id: str
    password_hash: str


class UserDeleted(AccountEvent):
    """A user may not log in any more; the sessions are over."""

    user_id: str


class AccessKeyCreated(AccountEvent):
    """Whoever has the token is let in."""

    secret_fields: ClassVar[frozenset[str]] = frozenset({"token_hash"})
    accesskey_id: str
    purpose: KeyPurpose
    user_id: str | None = None
    name: str = ""
    detail: str = ""
    token_hash: str
    token_prefix: str = ""
    expires_at: Moment | None = None
    """When it stops letting anybody in; absent: it does not."""


class AccessKeyDeleted(AccountEvent):
    """Nobody is let in by this token any more."""

    accesskey_id: str


# --- suppression and caps -----------------------------------------------------------------------


class SuppressionsAdded(SuppressionEvent):
    """Entries joined the list, or took another expiry."""

    version: int
    """Of the list."""
    key_id: str
    """Which key the fingerprints were made with."""
    entries: tuple[SuppressionEntry, ...]
    personal: SuppressionsPersonal


class SuppressionsRemoved(SuppressionEvent):
    """Entries were taken off the list."""

    version: int
    entries: tuple[SuppressionEntry, ...]


class FrequencyCapsSet(SuppressionEvent):
    """How often one address may be called changed."""

    version: int
    caps: FrequencyCaps


class SuppressionApplied(GuardEvent):
    """From here on this partition obeys a change of a customer's list, or knows that calls per second are counted."""

    version: int
    added: tuple[SuppressionEntry, ...] = ()
    removed: tuple[SuppressionEntry, ...] = ()
    caps: FrequencyCaps | None = None
    """None: as they were."""
    calls_per_second: int | None = None
    """0: no limit any more; None: as it was."""
    open: tuple[str, ...] = ()
    """The first of the attempts that were open to addresses added."""
    open_more: int = 0
    """How many others were."""


class LeavesAnswered(GuardEvent):
    """An outdial asked leave for attempts to addresses whose calls this partition counts. Those granted count from here on."""

    outdial_id: str
    leaves: tuple[Leave, ...]
    """In the order in which they were asked for and decided."""


class LeaveGranted(CapEvent):
    """An attempt may be requested; it counts from here on. As it was decided one by one, before `LeavesAnswered`."""

    customer_id: str
    outdial_id: str
    target_id: str
    attempt_id: str


class LeaveRefused(CapEvent):
    """An attempt would be one too many. As it was decided one by one, before `LeavesAnswered`."""

    customer_id: str
    outdial_id: str
    target_id: str
    attempt_id: str
    until: Moment


class LeaveReturned(CapEvent):
    """An attempt was not a call, and counts no more."""

    customer_id: str
    attempt_id: str


# --- pace ---------------------------------------------------------------------------------------


class PaceSet(PaceEvent):
    """How many calls all outdials of a customer together may request within a second changed."""

    calls_per_second: int
    """0: as many as plans say."""


class ShareWanted(PaceEvent):
    """An outdial said what it has of the calls per second, and what it could use."""

    outdial_id: str
    word: int
    heard: int
    share: int
    wanted: int


class ShareGiven(PaceEvent):
    """An outdial is given a share. One that is less than before counts as before until the outdial has taken note."""

    outdial_id: str
    word: int
    share: int
    turn: bool = False
    """Others wait: it gives the share back after its next request."""


# --- webhook ------------------------------------------------------------------------------------


class WebhookSet(WebhookEvent):
    """Events are sent to an address; what is absent is as it was."""

    secret_fields: ClassVar[frozenset[str]] = frozenset({"secret"})
    generation: int
    """Ordinal of the settings and replays."""
    uri: str
    method: WebhookMethod
    secret: str | None = None
    after: str
    """The position after which they are sent."""


class WebhookReplayed(WebhookEvent):
    """What happened after a position is sent again."""

    generation: int
    after: str


class WebhookHeld(WebhookEvent):
    """A process sends until an instant, and has come so far."""

    generation: int
    holder: str
    until: Moment
    cursor: str
    """Everything up to this position was sent."""
    delivered: int = 0
    """Notices that were taken since it last said so."""
    refused: int = 0
    """Notices that the receiver turned away for good."""
    error: str = ""
    """What went wrong last; empty: nothing did."""


class WebhookDeleted(WebhookEvent):
    """Nothing is sent any more."""


OutdialEvents = (
    OutdialCreated | OutdialUpdated | OutdialDeleted
    | TargetAdded | DuplicatesSkipped | TargetDeleted | TargetReopened | TargetRevived | TargetFinished | TargetExhausted | TargetExpired
    | DialingStarted | PlanAsked | PlanApplied | DialingPaused | DialingResumed | DialingDraining | RingingLimited | EndHandleSet
    | DialingStopped | DialingFinished
    | DialRequested | DialClaimed | DialAnswered | DialEnded | ResultIgnored | DialDeleted | CommandNoted
    | TargetBlocked | TargetUnblocked | LeaveAsked | LeaveUnused | TargetDeferred
    | ShareAsked | ShareTaken | ShareReturned
)  # fmt: skip
OutplanEvents = OutplanCreated | OutplanUpdated | OutplanDialInfoSet | OutplanTold | OutplanDeleted | OutplanFollowed | OutplanUnfollowed
CampaignEvents = (
    CampaignCreated | CampaignUpdated | CampaignResourcesAsked | CampaignResourceAnswered
    | CampaignResourcesSet | CampaignResourcesRefused | CampaignSlotsGranted | CampaignStarted | CampaignStopping
    | CampaignStopped | CampaignDeleted | CampaignCommandNoted
)  # fmt: skip
AccountEvents = CustomerCreated | UserCreated | UserPasswordSet | UserDeleted | AccessKeyCreated | AccessKeyDeleted
SuppressionEvents = SuppressionsAdded | SuppressionsRemoved | FrequencyCapsSet
GuardEvents = SuppressionApplied | LeavesAnswered
CapEvents = LeaveGranted | LeaveRefused | LeaveReturned
PaceEvents = PaceSet | ShareWanted | ShareGiven
WebhookEvents = WebhookSet | WebhookReplayed | WebhookHeld | WebhookDeleted
AnyEvent = (
    OutdialEvents | OutplanEvents | CampaignEvents | AccountEvents | SuppressionEvents | CapEvents | GuardEvents | PaceEvents
    | WebhookEvents
)  # fmt: skip
EVENTS: dict[str, type[EventData]] = {model.__name__: model for model in get_args(AnyEvent)}
"""Every event by the word its ``type`` is, which is the name of its class."""
