"""Resources as they are served over HTTP. Source: contract 2, C3 to C5, C9, C12, C13.

The door lays them out field by field, as there may be ten thousand in an answer; these models describe what it serves, in the
description of the interface and to clients. Readers keep fields they do not know. Durations are milliseconds.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, PrivateAttr, WithJsonSchema

from outdial.address import Address
from outdial.commands import KeyPurpose, Outcome
from outdial.envelope import CloudEvent
from outdial.plan import RetryMode
from outdial.requests import DialRequest
from outdial.scalars import Id

When = Annotated[datetime | None, WithJsonSchema({"type": ["string", "null"]})]
"""``2022-04-28 01:41:40.503790`` (UTC), with the year 9999 for "not yet"; RFC 3339 and null where the client asks for that."""
Message: TypeAlias = BaseModel
"""What commands, events, resources and all they are made of have in common."""
Dialing = Literal["run", "stop", "stopping"]


class Resource(BaseModel):
    """What every resource has."""

    model_config = ConfigDict(frozen=True, extra="allow")

    tm_create: When
    tm_update: When
    """When it last changed."""
    tm_delete: When
    """When it was deleted; it stays readable by its id."""

    _version: int | None = PrivateAttr(None)

    @property
    def version(self) -> int | None:
        """The version its stream stood at when it was read: it comes beside the resource, as ``ETag``. None: it was not told."""
        return self._version

    def read_at(self, version: int) -> Self:
        """The same, read at a version."""
        found = self.model_copy()
        found._version = version  # noqa: SLF001  a copy of its own
        return found


class Outdial(Resource):
    """A list of people to reach."""

    id: Id
    customer_id: Id
    campaign_id: Id
    """The campaign it belongs to; the zero id: none."""
    name: str
    detail: str
    data: str
    """Yours; the service does not look into it."""


class Target(Resource):
    """One person to reach, by up to five destinations."""

    id: Id
    outdial_id: Id
    name: str
    detail: str
    data: str
    status: Literal["idle", "progressing", "done"]
    lifecycle: Literal["idle", "dialing", "answered", "busy", "no_answer", "finished", "failed"]
    """The same in seven words: ``finished`` was reached, ``failed`` has no try left."""
    destination_0: Address | None
    destination_1: Address | None
    destination_2: Address | None
    destination_3: Address | None
    destination_4: Address | None
    try_count_0: int
    """Attempts made to destination 0."""
    try_count_1: int
    try_count_2: int
    try_count_3: int
    try_count_4: int
    try_count_max: int | None
    """Attempts it may have in all, beside the plan's; null: no such limit."""
    try_count_current: int
    """The sum of the five."""
    try_count_remaining_0: int | None
    """Tries left under the plan in force; null where there is none, or where it counts by outcome."""
    try_count_remaining_1: int | None
    try_count_remaining_2: int | None
    try_count_remaining_3: int | None
    try_count_remaining_4: int | None
    priority: int
    time_zone: str | None
    zones: list[list[str] | None] | None
    """The time zones each destination may be in, in their order, as its number says; null where ``time_zone`` is given or none is known."""
    expires_at: When
    """From then on it is not dialed any more."""
    call_back_at: When
    """When its next attempt was asked for; it waits until then."""


class PlanInForce(BaseModel):
    """How to dial: the fields of a plan, all of them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    source: Address | None
    """The caller id."""
    dial_timeout: int
    """How long an attempt may ring."""
    try_interval: int
    """From the end of one attempt on a target to the earliest start of its next."""
    max_try_count_0: int
    max_try_count_1: int
    max_try_count_2: int
    max_try_count_3: int
    max_try_count_4: int
    retry_mode: RetryMode
    max_attempts: int | None
    max_concurrent: int
    calls_per_second: int | None
    pickup_timeout: int
    result_grace: int
    max_call_duration: int
    windows: dict[str, Any] | None
    """When calls are allowed; null: always."""
    time_zone: str | None
    """The zone of a person of whom none is known."""
    result_policy: dict[str, Any] | None
    """What follows on each outcome; null: what the other fields say."""


class Outplan(Resource, PlanInForce):
    """A plan with a name."""

    id: Id
    customer_id: Id
    name: str
    detail: str


class Campaign(Resource):
    """What runs an outdial by an outplan."""

    id: Id
    customer_id: Id
    type: Literal["call", "flow"]
    name: str
    detail: str
    status: Dialing
    service_level: int
    agents: int
    """Agents of its queue that are free, as was said last."""
    end_handle: Literal["stop", "continue"]
    actions: list[dict[str, Any]]
    outplan_id: Id
    outdial_id: Id
    queue_id: Id
    next_campaign_id: Id
    ended_how: str | None
    """How the last run ended; null while one goes on."""
    ended_reason: str | None


class Attempt(Resource):
    """One attempt to reach a target: what both views of it have."""

    id: Id
    customer_id: Id
    campaign_id: Id
    outdial_id: Id
    outdial_target_id: Id
    activeflow_id: Id
    reference_id: Id
    """The call, where ``reference_type`` is ``call`` and its id is a UUID."""
    destination: Address
    destination_index: int
    try_count: int
    """Which try of this destination, from 1."""
    outcome: Outcome | None
    """Null while it is open."""
    lost: bool
    """Nobody said how it ended."""


class Campaigncall(Attempt):
    """An attempt."""

    outplan_id: Id
    queue_id: Id
    flow_id: Id
    reference_type: Literal["none", "call", "flow"]
    status: Literal["dialing", "progressing", "done"]
    result: Literal["", "success", "fail"]
    source: Address | None
    call_id: str | None
    worker: str | None
    """Who claimed it."""


class Targetcall(Attempt):
    """An attempt, as its target sees it."""

    reference_type: Literal["none", "call"]
    status: Literal["progressing", "done"]


class HeldBack(BaseModel):
    """What somebody did to hold a run back."""

    model_config = ConfigDict(frozen=True, extra="allow")

    since: When
    by: str | None
    reason: str | None


class DialingOfOutdial(BaseModel):
    """The run of an outdial."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    status: Dialing
    run: int
    """Which run it is, or was; 0: it never ran."""
    campaign_id: Id
    outplan_id: Id
    plan: PlanInForce | None
    plan_version: int
    end_handle: Literal["stop", "continue"]
    open: int
    """Attempts that are open."""
    open_attempts: list[Id] = []
    """The first hundred of them, where this answers a change."""
    open_count: int = 0
    """How many there were then."""
    paused: HeldBack | None
    """No call is requested until the run is resumed."""
    draining: HeldBack | None
    """Nobody new is called; the run ends when nobody is left to try again."""
    ended_how: str | None
    ended_reason: str | None
    tm_update: When


class Stats(BaseModel):
    """The numbers of an outdial."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    dialing: Dialing
    paused: bool
    draining: bool
    position: str
    """They are right at this position of the log."""
    total: int
    """Targets that are not deleted; ``status``, ``lifecycle`` and ``outcome`` (the last one) each add up to it."""
    deleted: int
    duplicates_skipped: int = 0
    """Targets that imports and bodies of many brought and that were left out: the first destination was on the list."""
    status: dict[str, int]
    lifecycle: dict[str, int]
    outcome: dict[str, int]
    open_attempts: int
    requested: int
    requested_outside: int
    """Of these, those outside the hours of the plan, counted from the log anew: none."""
    claimed: int
    answered: int
    lost: int
    given_back: int
    ended: dict[str, int]
    """Attempts that are over, by outcome."""
    waiting: int
    """Idle targets that are dialed when they are due: the plan in force gives them a try, and no rule of their own takes it away."""
    due_now: int
    """Of these, those whose wait is over while the hours of the plan are open, by the clock of each person where the plan goes by that."""
    due_outside: int
    """Of these, those whose wait is over while their hours are not open."""
    next_due: When
    """When one more becomes due, hours included."""
    opens_at: When
    """When the hours of the first of ``due_outside`` open."""
    opens_zones: list[str]
    """By whose clock they open then: a time zone, or all that the number may be in."""
    no_tries: int
    """The other idle targets; ``blocked`` says which rule holds them."""
    blocked: dict[str, int]
    """How many targets each rule holds, by the word of ``why``: of the rules that hold a target, the first. Who is in none was reached, is
    in progress, or is due."""


class EventNamed(BaseModel):
    """An event something follows from."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    type: str
    position: str
    """The position of the log after it."""
    time: When


class RuleLookedAt(BaseModel):
    """A rule that was looked at."""

    model_config = ConfigDict(frozen=True, extra="allow")

    rule: str
    """The word of the rule."""
    holds: bool
    """Whether it keeps the call from being requested now."""
    since: When
    """Since when, where that is known; else null."""
    until: When
    """When it lets go by itself, at the latest."""
    facts: dict[str, Any]
    """What it was decided by."""


class Why(BaseModel):
    """Why something is not being dialed."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    at: When
    """When the ledger looked."""
    position: str
    """It is right at this position of the log."""
    verdict: str
    """In a sentence, for people; it may change."""
    why: str | None
    """The first rule that holds; null: none does."""
    since: When
    """Since when it holds, where that is known; else null."""
    until: When
    """When that rule lets go by itself, at the latest."""
    next_at: When
    """The earliest time of the next request if nothing happens until then; not yet: something has to happen."""
    event: EventNamed | None
    """The event it follows from, where there is one."""
    rules: list[RuleLookedAt]
    """The rules in the order they were looked at."""


class WhyTarget(Why):
    """Why a target is not being dialed."""

    target_id: Id


class TargetsHeld(BaseModel):
    """Targets held by one rule."""

    model_config = ConfigDict(frozen=True, extra="allow")

    why: str
    """The rule."""
    says: str
    """The same for people."""
    targets: int
    """How many."""
    next_at: When
    """When the first of them is let go by itself; not yet: something has to happen."""


class WhyOutdial(Why):
    """Why an outdial is not dialing, and what holds its targets."""

    open_attempts: int
    per_minute: int
    """Requests of the last minute."""
    waiting: int
    """Targets that wait and have a try under the plan, due or not."""
    due_now: int
    """Of these, how many are due, as in the stats."""
    next_due: When
    """When one more becomes due."""
    reasons: list[TargetsHeld]
    """How many targets each rule holds, in the order the rules are looked at. Who is in none of them is being dialed."""


class TargetsSkipped(BaseModel):
    """Targets that would not be dialed."""

    model_config = ConfigDict(frozen=True, extra="allow")

    why: str
    """The rule that keeps them out."""
    says: str
    """The same for people."""
    targets: int
    """How many."""


class EstimateOfRun(BaseModel):
    """How long a run would take at the most."""

    model_config = ConfigDict(frozen=True, extra="allow")

    per_second: float | None
    """Requests a second that come of the plan; null: no limit."""
    first_calls_ms: int | None
    """Until the first call to everybody has ended, milliseconds; null without a limit."""
    all_calls_ms: int | None
    """Until all calls the plan allows have ended, milliseconds; null where that is not known."""
    assumes: str
    """What this rests on, for people."""


class PreflightOfOutdial(BaseModel):
    """What a run would come to if it began now."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    at: When
    """When the ledger looked."""
    position: str
    """It is right at this position of the log."""
    plan: PlanInForce | None
    dialable_now: int
    """Targets that would be requested at once, as fast as the plan goes."""
    due_later: int
    """Targets that have a try, but have to wait for it."""
    next_at: When
    """When the first of those is due."""
    last_at: When
    """When the last of those is due."""
    brought_back: int
    """Of all these: targets that were out of tries, and have some under this plan."""
    by_destination: list[int]
    """Of all that would be dialed: how many at their destination 0, 1, 2, 3, 4."""
    attempts_at_most: int | None
    """Attempts the plan allows on all of them together; null where it counts by outcome."""
    skipped: list[TargetsSkipped]
    """Targets that would not be dialed, by the rule that keeps them out."""
    estimate: EstimateOfRun
    warnings: list[str]
    """What of the plan is allowed but rarely meant, for people."""


class Control(BaseModel):
    """An event that changed how an outdial dials."""

    model_config = ConfigDict(frozen=True, extra="allow")

    time: When
    type: str
    """Of the event."""
    actor: str | None
    """Who asked, if the command said so."""


class Activity(BaseModel):
    """Requests and ends of attempts over the last minutes. Each list has a number for every step, oldest first."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    begins: When
    """When the first step begins."""
    step_s: int
    """How long a step is, seconds. The last one is not over."""
    requested: list[int]
    answered: list[int]
    """Attempts that ended so; the seven others the same."""
    busy: list[int]
    no_answer: list[int]
    machine: list[int]
    failed: list[int]
    canceled: list[int]
    not_dialed: list[int]
    other: list[int]
    controls: list[Control]
    """Newest first; the last hundred, also from before the first step."""


class YieldOf(BaseModel):
    """How some attempts ended."""

    model_config = ConfigDict(frozen=True, extra="allow")

    key: int
    """The ordinal of the attempt, the index of the destination, the hour, or the calling code."""
    ended: int
    outcome: dict[str, int]
    """How many of them ended how; what is not there is 0."""


class Yield(BaseModel):
    """How the attempts of an outdial ended, told apart in four ways."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    by_try: list[YieldOf]
    """By which attempt on its target it was, from 1."""
    by_destination: list[YieldOf]
    """By the index of the destination."""
    by_hour: list[YieldOf]
    """By the hour of the day in which it ended, UTC."""
    by_prefix: list[YieldOf] = []
    """By the calling code of the number: 49 for +49; 0: it was no number."""


class MostCalled(BaseModel):
    """How often the number of an outdial was called that was called most often within a day of UTC."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    calls: int
    """Calls requested on that day; those that were never placed do not count, targets with the same number count together."""
    day: str | None
    """The first day with as many, such as 2026-11-21; null: nobody was called."""
    target_id: Id | None
    """Who was called then; of several with the number the oldest."""


class Falling(BaseModel):
    """When some targets fall due, to two seconds, if nothing changes until then."""

    model_config = ConfigDict(frozen=True, extra="allow")

    overdue: int
    """Due already."""
    due: list[int]
    """How many fall due in each step."""
    later: int
    """After the last step."""


class FallingIn(Falling):
    """Those of them who are called next in the same time zones."""

    zones: list[str] | None
    """The zones the next number of each may be in; empty: nobody knows. Null: all zones that have no row of their own."""


class Calendar(Falling):
    """When the targets of an outdial fall due, to two seconds, if nothing changes until then."""

    outdial_id: Id
    begins: When
    """Now: when the first step begins."""
    step_s: int
    zones: list[FallingIn] = []
    """The same by time zone; they add up to the numbers above. The zones with most of them by name, the others together at the end."""


class OpenAttempt(BaseModel):
    """An attempt that is not over."""

    model_config = ConfigDict(frozen=True, extra="allow")

    attempt_id: Id
    target_id: Id
    status: Literal["dialing", "progressing"]
    destination: Address
    destination_index: int
    try_count: int
    """Which try of this destination, from 1."""
    ordinal: int
    """Which attempt on the target, from 1."""
    rule: str
    """Why it was requested."""
    worker: str | None
    """Who claimed it."""
    dial_timeout: int
    """Milliseconds."""
    requested_at: When
    answered_at: When
    not_after: When
    """The call may not be started later."""
    expires_at: When
    """Without a word until then it counts as lost."""


class OpenAttempts(BaseModel):
    """The attempts of an outdial that are not over."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    open: int
    """All of them."""
    result: list[OpenAttempt]
    """The longest open first."""


class Past(BaseModel):
    """An outdial as it was, folded anew from its events; each part is what its route would have answered then."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    at: When
    now: When
    """What time it is."""
    version: int
    """How many events it had then."""
    newest: int
    """How many it has now."""
    outdial: Outdial
    dialing: DialingOfOutdial
    stats: Stats
    activity: Activity
    calendar: Calendar
    results: Yield
    """How the attempts had ended."""
    most_called: MostCalled
    open_attempts: OpenAttempts
    events: list[dict[str, Any]]
    """The last of them then, oldest first."""


class TargetPast(BaseModel):
    """A target as it was, folded anew from its events."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    target_id: Id
    at: When
    now: When
    """What time it is."""
    version: int
    """How many events it had then."""
    newest: int
    """How many it has now."""
    target: Target
    calls: list[Targetcall]
    """The attempts on it then, newest first; the last hundred."""


class Bulk(BaseModel):
    """What became of many targets."""

    model_config = ConfigDict(frozen=True, extra="allow")

    result: list[Target]
    """Those that are on the list, in the order of the body."""
    errors: list[dict[str, Any]]
    """``index``, ``reason``, ``message`` of those that were refused."""
    skipped: list[dict[str, Any]]
    """``index``, ``existing_id``, ``reason`` of duplicates."""
    would_add: int | None = None
    """Of a dry run."""


class ImportReport(BaseModel):
    """What became of the rows of a file."""

    model_config = ConfigDict(frozen=True, extra="allow")

    import_id: Id
    dry_run: bool
    rows: int
    added: int
    existing: int
    """Rows an earlier run of the same import had added."""
    skipped_count: int
    error_count: int
    skipped: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    truncated: bool
    """Whether more was skipped or refused than is named."""
    position: str


class Accesskey(Resource):
    """A token that lets in, without the token."""

    id: Id
    customer_id: Id
    name: str
    detail: str
    token: str | None = None
    """In the answer that made it, and never again."""
    token_prefix: str
    """How the token begins."""
    purpose: KeyPurpose
    """``session``: a login gave it."""
    user_id: Id
    """Whose session it is; the zero id: none."""
    tm_expire: When
    """When it stops letting anybody in; "not yet" is never."""


class Session(BaseModel):
    """What a login gives."""

    model_config = ConfigDict(frozen=True, extra="allow")

    username: str
    token: str
    id: Id
    """The session among the access keys: delete it to log out."""
    customer_id: Id
    tm_expire: When


class Customer(BaseModel):
    """Somebody whose outdials, plans and campaigns nobody else sees."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: Id
    name: str
    detail: str
    tm_create: When


class User(Resource):
    """Somebody who logs in for a customer."""

    id: Id
    customer_id: Id
    username: str


class Suppression(BaseModel):
    """An entry of the list of whom a customer must not call."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: Id
    address: dict[str, str] | None
    """Its type and target; null for a prefix."""
    prefix: str | None
    """The beginning of telephone numbers; null for an address."""
    outdial_id: Id
    """Where it holds; the zero id: in all outdials."""
    reason: str
    """Why, for people."""
    tm_expire: When
    """From then on it holds no more."""
    tm_create: When
    tm_update: When
    """When it last changed."""


class Suppressing(BaseModel):
    """What became of entries."""

    model_config = ConfigDict(frozen=True, extra="allow")

    errors: tuple[dict[str, Any], ...]
    """Those that were refused: their index, the reason and a sentence."""
    open: tuple[str, ...] = ()
    """The first attempts that were out already."""
    open_count: int = 0
    """How many were."""


class SuppressionReport(Suppressing):
    """What became of a file."""

    rows: int
    """Rows of the file."""
    taken: int
    """Rows that are on the list now."""
    refused: int
    """Rows that are not; ``errors`` has the first hundred."""


class Shared(BaseModel):
    """What one outdial has of the customer's calls per second."""

    model_config = ConfigDict(frozen=True, extra="allow")

    outdial_id: Id
    share: int
    """Requests within any one second."""
    wanted: int
    """As many as it could use."""


class Pace(BaseModel):
    """How many calls a second all outdials of the customer may request together."""

    model_config = ConfigDict(frozen=True, extra="allow")

    calls_per_second: int | None
    """Null: as many as plans say."""
    sharing: int
    """How many outdials have a share of it, or wait for one."""
    shares: tuple[Shared, ...]
    """The hundred that have most."""


class RefusedCommand(BaseModel):
    """A command on Kafka that was refused. The bytes that came stand at its offset, and with the rejection."""

    model_config = ConfigDict(frozen=True, extra="allow")

    tm_reject: When
    reason: str
    """A word of ``docs/reasons.md``."""
    message: str
    """What was wrong. Numbers and tokens are taken out of it."""
    type: str | None
    """Null: it could not be read."""
    command_id: Id | None
    topic: str
    partition: int
    offset: int
    """Where the command stands."""
    length: int
    """Bytes of it."""
    sha256: str
    """Of these bytes."""


class Rejections(BaseModel):
    """The newest commands that were refused, of those that are the asker's; an administrator sees all."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kept: bool
    """Whether they are kept at all: with the log in a folder they are not, for whoever sent one was told."""
    result: tuple[RefusedCommand, ...]
    """Newest first."""


class Verified(BaseModel):
    """The views were built anew from the log, beside the live ones, and compared with them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    position: str
    """Where both stood."""
    equal: bool
    """Whether every row of theirs was the same."""
    tm_verify: When
    """When."""


class Store(BaseModel):
    """What the data folder of a process holds, and what room there is beside it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    database_bytes: int
    """The database with its journal: the log and the views, or the views alone where the log is on Kafka."""
    other_bytes: int
    """Everything else in the folder: snapshots, keys."""
    free_bytes: int
    """What is free on its disk, for this process."""
    disk_bytes: int
    """How large that disk is."""


class Views(BaseModel):
    """What is read: where it stands, and whether it was compared with the log."""

    model_config = ConfigDict(frozen=True, extra="allow")

    position: str
    verified: Verified | None
    """The last time, by ``outdial views verify`` in this process's data folder; null: never since the views were built."""
    store: Store | None = None
    """How large what this process keeps is; null: it keeps nothing of its own."""


class Webhook(BaseModel):
    """Where events are sent to, and how far that is."""

    model_config = ConfigDict(frozen=True, extra="allow")

    uri: str
    method: Literal["POST", "PUT"]
    secret: str | None = None
    """What bodies are signed with: shown once, where the service made it."""
    position: str
    """Everything up to this position of the log was sent."""
    waiting: int
    """Events after it, up to 1,000; some may be sent already."""
    lag_ms: int
    """How long ago the first of them happened."""
    delivered: int
    """Notices that were taken."""
    refused: int
    """Notices that the receiver turned away (4xx); they are not sent again."""
    error: str | None
    """Why nothing is taken at the moment; null: nothing is wrong."""
    last_error: str | None
    tm_last_error: When
    tm_create: When
    tm_update: When
    """When it was set or replayed last."""


class PlacedEvent(CloudEvent):
    """An event and where it stands."""

    position: str
    """Of the log, after it: go on from here."""


class PlacedRequest(DialRequest):
    """A dial request and where it stands."""

    position: str
    """Of the log, after it: go on from here."""


class Claim(BaseModel):
    """A claim that was granted: place the call."""

    model_config = ConfigDict(frozen=True, extra="allow")

    attempt_id: Id
    worker: str


class Said(BaseModel):
    """What became of one word about an attempt."""

    model_config = ConfigDict(frozen=True, extra="allow")

    attempt_id: str | None
    result: Literal["events", "unchanged", "rejected"]
    reason: str | None = None
    """Of a refusal, the contract's word."""
    rule: str | None = None
    """Of a refusal, the ledger's own."""
    message: str | None = None


RESOURCES: dict[str, type[BaseModel]] = {
    model.__name__: model
    for model in (
        Outdial,
        Target,
        Outplan,
        Campaign,
        Campaigncall,
        Targetcall,
        DialingOfOutdial,
        Stats,
        WhyTarget,
        WhyOutdial,
        Activity,
        Yield,
        MostCalled,
        Calendar,
        OpenAttempts,
        Past,
        TargetPast,
        PreflightOfOutdial,
        Bulk,
        ImportReport,
        Accesskey,
        Session,
        Customer,
        User,
        Suppression,
        Suppressing,
        SuppressionReport,
        Shared,
        Pace,
        Rejections,
        Views,
        Webhook,
    )
}
"""Every one by its name."""
