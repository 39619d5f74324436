"""One script of commands that uses every command and brings about every event: what runtimes are compared by.

Nothing in it is random. Two runtimes that play it write the same events, byte for byte, and give the same answers.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from itertools import count
from typing import Any, NamedTuple, Protocol

from outdial.address import Address
from outdial.commands import (
    AddSuppressions,
    AddTarget,
    AddTargets,
    ApplyPlan,
    AskPreflight,
    AskWhy,
    ClaimDial,
    Command,
    CreateAccessKey,
    CreateCampaign,
    CreateCustomer,
    CreateOutdial,
    CreateOutplan,
    CreateUser,
    DeleteAccessKey,
    DeleteCampaign,
    DeleteDial,
    DeleteOutdial,
    DeleteOutplan,
    DeleteTarget,
    DeleteUser,
    DeleteWebhook,
    DialAnswered,
    DialResult,
    DrainDialing,
    GrantSlots,
    HoldWebhook,
    NewTarget,
    PauseDialing,
    RemoveSuppressions,
    ReopenTarget,
    ReopenTargets,
    ReplayWebhook,
    Resources,
    ResumeDialing,
    RunCampaign,
    SetCampaignResources,
    SetDialInfo,
    SetFrequencyCaps,
    SetOutdialCampaign,
    SetOutdialData,
    SetPace,
    SetPassword,
    SetWebhook,
    StartDialing,
    StopCampaign,
    StopDialing,
    UpdateCampaign,
    UpdateOutdial,
    UpdateOutplan,
)
from outdial.ids import attempt_id, derived
from outdial.plan import Plan
from outdial.position import Position
from outdial.requests import Answer
from outdial.scalars import ZERO_ID
from outdial.suppression import FrequencyCap, FrequencyCaps, NewSuppression, SuppressionRef
from outdial.topology import partition_of
from outdial.views import history

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_795_238_000_000_000
"""An instant in November 2026, microseconds."""
NAMES = "6c1f0e0a-0000-4000-8000-000000000000"
"""Namespace of all ids here."""
CUSTOMER, OTHER_CUSTOMER = "0a000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000002"
SPARING_CUSTOMER = "0c000000-0000-4000-8000-000000000003"
SHARING_CUSTOMER = "0d000000-0000-4000-8000-000000000004"


class Step(NamedTuple):
    """Some time passes, what is due happens, then commands arrive together."""

    passes: int
    """Microseconds."""
    commands: tuple[Command, ...]


class Clock:
    """Time that passes only when told to."""

    def __init__(self, at: int = START) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


class Runtime(Protocol):
    """What it takes to play a script."""

    reader: sqlite3.Connection

    @property
    def position(self) -> Position: ...
    async def submit(self, commands: Sequence[Command]) -> list[Answer]: ...


def named(name: str) -> str:
    """The id of something in the script."""
    return derived(NAMES, name)


def tel(number: int) -> Address:
    """A telephone number."""
    return Address(type="tel", target=f"+1555{number:07}")


def target(number: int, **fields: Any) -> NewTarget:
    """A target with a first number of its own."""
    return NewTarget(**{"target_id": named(f"target {number}"), "name": f"Person {number}", "destination_0": tel(number), **fields})


def attempt(outdial: str, number: int, ordinal: int = 1) -> dict[str, Any]:
    """The fields that name an attempt."""
    outdial_id, target_id = named(outdial), named(f"target {number}")
    return {"outdial_id": outdial_id, "target_id": target_id, "attempt_id": attempt_id(outdial_id, target_id, ordinal)}


class Writer:
    """Collects steps; every command gets an id from its place."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.at = START
        """When the last step is."""
        self._commands = 0

    def after(self, passes: int, *commands: Command) -> None:
        """A step."""
        sent = []
        for command in commands:
            self._commands += 1
            fixed = {"id": command.id or named(f"command {self._commands}"), "customer_id": command.customer_id or CUSTOMER}
            sent.append(command.model_copy(update={**fixed, "actor": "script"}))
        self.at += passes
        self.steps.append(Step(passes, tuple(sent)))

    def one_by_one(self, passes: int, *commands: Command) -> None:
        """Steps: which of several commands comes first is not settled where their streams stand in different partitions."""
        for command in commands:
            self.after(passes, command)


def script() -> list[Step]:
    """The whole script."""
    told = Writer()
    _people_dial(told)
    _plans_change(told)
    _words_come_late(told)
    _runs_end(told)
    _campaigns_run(told)
    _a_large_plan_changes(told)
    _some_are_spared(told)
    _runs_are_held_back(told)
    _somebody_is_let_in(told)
    _events_are_sent(told)
    _some_are_too_late(told)
    _some_share_a_pace(told)
    _hours_are_kept(told)
    _things_are_refused(told)
    return told.steps


def _people_dial(told: Writer) -> None:
    """A list, dialed by a person: request, claim, answer, result, retry."""
    people = named("people")
    told.after(
        0,
        CreateOutplan(
            outplan_id=named("plan"), name="Plan", plan=Plan(max_try_count_0=2, max_try_count_1=1, max_concurrent=3, source=tel(9_999))
        ),
        CreateOutplan(outplan_id=named("other plan"), plan=Plan(max_try_count_0=3, try_interval=0, calls_per_second=2)),
        UpdateOutplan(outplan_id=named("plan"), name="The plan", detail="as it is meant"),
        CreateOutdial(outdial_id=people, name="People"),
        UpdateOutdial(outdial_id=people, detail="who want to be called"),
        SetOutdialData(outdial_id=people, data='{"list": 1}'),
        SetOutdialCampaign(outdial_id=people, campaign_id=named("nobody's campaign")),
        SetOutdialCampaign(outdial_id=people, campaign_id=ZERO_ID),
        AddTarget(outdial_id=people, **dict(target(1, destination_1=tel(101), time_zone="Europe/Vienna"))),
        AddTargets(
            outdial_id=people,
            targets=(target(2), target(3, priority=7), target(4, try_count_max=1), target(5), target(2), target(90, destination_0=tel(1))),
        ),
        AddTargets(outdial_id=people, targets=(target(91), target(92, destination_0=Address(type="tel", target="12"))), dry_run=True),
    )
    told.after(SECOND, StartDialing(outdial_id=people, outplan_id=named("plan")))
    told.after(
        SECOND,
        ClaimDial(**attempt("people", 3), worker="first"),
        ClaimDial(**attempt("people", 3), worker="second"),
        ClaimDial(**attempt("people", 1), worker="second"),
        DialAnswered(**attempt("people", 3)),
        DialAnswered(**attempt("people", 3)),
    )
    told.after(
        20 * SECOND,
        DialResult(**attempt("people", 3), outcome="busy", started_at=START, ended_at=START + SECOND, call_id="call-1"),
        DialResult(**attempt("people", 1), outcome="not_dialed"),
        DialResult(**attempt("people", 2), outcome="noanswer"),
    )
    told.after(
        SECOND,
        DialResult(**attempt("people", 3), outcome="busy"),
        DialResult(**attempt("people", 3), outcome="answered"),
        DeleteDial(**attempt("people", 2)),
        DeleteDial(**attempt("people", 2)),
        DialResult(**attempt("people", 4), outcome="machine", answered=True),
        DialResult(**attempt("people", 5), outcome="failed"),
        ReopenTarget(outdial_id=people, target_id=named("target 4")),
        AskWhy(outdial_id=people, target_id=named("target 2")),
        AskWhy(outdial_id=people),
        AskPreflight(outdial_id=people, plan=Plan(max_try_count_0=5)),
    )


def _plans_change(told: Writer) -> None:
    """Plans change under way: out of tries, brought back, another plan, a plan of one's own."""
    people = named("people")
    told.after(2 * MINUTE, SetDialInfo(outplan_id=named("plan"), plan=Plan(max_try_count_0=1, max_try_count_1=1, max_concurrent=3)))
    told.after(
        SECOND,
        DialResult(**attempt("people", 1, 2), outcome="canceled"),
        DialResult(**attempt("people", 2, 2), outcome="busy"),
        DialResult(**attempt("people", 4, 2), outcome="normal"),
    )
    told.after(SECOND, SetDialInfo(outplan_id=named("plan"), plan=Plan(max_try_count_0=4, max_try_count_1=1, max_concurrent=3)))
    told.after(MINUTE, StartDialing(outdial_id=people, outplan_id=named("other plan")))
    told.after(
        MINUTE,
        StartDialing(outdial_id=people, outplan_id=named("other plan")),
        StartDialing(outdial_id=people, plan=Plan(max_try_count_0=5, max_concurrent=0, pickup_timeout=5_000, result_grace=0)),
        StartDialing(outdial_id=people, plan=Plan(max_try_count_0=5, max_concurrent=0, pickup_timeout=5_000, result_grace=0)),
    )


def _words_come_late(told: Writer) -> None:
    """Leases end; some words come after them."""
    people = named("people")
    told.after(HOUR)
    told.after(SECOND, DialResult(**attempt("people", 1, 2), outcome="answered"), DialAnswered(**attempt("people", 5, 2)))
    told.after(
        SECOND,
        *(DialResult(**attempt("people", number, ordinal), outcome="answered") for number in (1, 2, 5) for ordinal in (3, 2)),
        DeleteTarget(outdial_id=people, target_id=named("target 1")),
        DeleteTarget(outdial_id=people, target_id=named("target 1")),
    )
    told.after(HOUR)


def _runs_end(told: Writer) -> None:
    """Stops, ends, and lists that are deleted while they are dialed."""
    people, short = named("people"), named("short")
    told.after(
        SECOND,
        StopDialing(outdial_id=people),
        StopDialing(outdial_id=people),
        ReopenTarget(outdial_id=people, target_id=named("target 4")),
        ReopenTarget(outdial_id=people, target_id=named("target 4")),
        DeleteOutplan(outplan_id=named("other plan")),
        StartDialing(outdial_id=people, outplan_id=named("other plan")),
        StartDialing(outdial_id=people, outplan_id=named("no plan")),
        CreateOutdial(outdial_id=short, plan=Plan(max_try_count_0=1, dial_timeout=1_000)),
        AddTargets(outdial_id=short, targets=(target(11), target(12)), on_duplicate="accept"),
    )
    told.after(SECOND, DeleteTarget(outdial_id=short, target_id=named("target 11")), StopDialing(outdial_id=short))
    told.after(
        SECOND,
        ClaimDial(**attempt("short", 12), worker="first"),
        StartDialing(outdial_id=short),
        DialResult(**attempt("short", 11), outcome="no_answer"),
        DeleteOutdial(outdial_id=short),
        DialResult(**attempt("short", 12), outcome="answered"),
        DeleteOutdial(outdial_id=short),
        AddTarget(outdial_id=short, **dict(target(13))),
    )


def _campaigns_run(told: Writer) -> None:
    """Campaigns: what they refer to, their runs, their chain, their stop."""
    first, second, third = named("first campaign"), named("second campaign"), named("third campaign")
    told.after(
        SECOND,
        *(CreateOutdial(outdial_id=named(name), name=name) for name in ("first list", "second list", "third list")),
        AddTarget(outdial_id=named("first list"), **dict(target(21))),
        AddTargets(outdial_id=named("third list"), targets=(target(31), target(32), target(33, destination_0=None, destination_1=tel(33)))),
    )
    told.one_by_one(
        SECOND,
        CreateCampaign(campaign_id=second, name="Second", resources=Resources(outplan_id=named("plan"), outdial_id=named("second list"))),
        CreateCampaign(
            campaign_id=first,
            name="First",
            actions=({"type": "talk", "option": {"text": "good day"}},),
            resources=Resources(outplan_id=named("plan"), outdial_id=named("first list"), next_campaign_id=second),
        ),
        CreateCampaign(campaign_id=third, campaign_type="flow", end_handle="continue"),
        CreateCampaign(campaign_id=named("no campaign"), resources=Resources(outplan_id=named("no plan"), outdial_id=named("third list"))),
    )
    told.one_by_one(
        SECOND,
        UpdateCampaign(campaign_id=first, detail="the first of two", service_level=80),
        SetCampaignResources(campaign_id=second, next_campaign_id=first, queue_id=named("queue")),
        SetCampaignResources(campaign_id=third, outdial_id=named("first list"), outplan_id=named("plan")),
        RunCampaign(campaign_id=third),
        SetCampaignResources(campaign_id=third, outdial_id=named("third list"), outplan_id=named("plan")),
        RunCampaign(campaign_id=first),
        RunCampaign(campaign_id=first),
        RunCampaign(campaign_id=third),
        StartDialing(outdial_id=named("third list"), outplan_id=named("plan")),
        DeleteCampaign(campaign_id=third),
    )
    told.after(SECOND, DialResult(**attempt("first list", 21), outcome="answered"), DialResult(**attempt("third list", 31), outcome="busy"))
    told.after(SECOND, StopCampaign(campaign_id=third), StopCampaign(campaign_id=third))
    told.after(SECOND, DialResult(**attempt("third list", 32), outcome="answered"))
    told.after(HOUR)
    told.one_by_one(
        SECOND,
        DeleteCampaign(campaign_id=third),
        DeleteCampaign(campaign_id=third),
        StopCampaign(campaign_id=first),
        RunCampaign(campaign_id=second),
    )


def _a_large_plan_changes(told: Writer) -> None:
    """A plan of which one transaction holds few: those that go by it are told one after another."""
    large = Address(type="tel", target="+15550009998", detail="\x01" * 50_000)
    lists = [named(f"list {number} by a large plan") for number in range(3)]
    told.after(SECOND, CreateOutplan(outplan_id=named("large plan"), plan=Plan(source=large)))
    told.one_by_one(SECOND, *(CreateOutdial(outdial_id=outdial_id, outplan_id=named("large plan")) for outdial_id in lists))
    told.after(SECOND, SetDialInfo(outplan_id=named("large plan"), plan=Plan(source=large, max_try_count_0=1)))
    told.one_by_one(SECOND, *(DeleteOutdial(outdial_id=outdial_id) for outdial_id in lists))


def _some_are_spared(told: Writer) -> None:
    """A customer whose list and caps hold some back."""
    spared = named("spared")
    theirs: dict[str, Any] = {"customer_id": SPARING_CUSTOMER}
    asked_not_to = NewSuppression(address=tel(41), reason="asked us not to")
    hourly = FrequencyCaps(rules=(FrequencyCap(count=1, per_ms=3_600_000),), min_gap_ms=1_000)
    told.after(
        SECOND,
        AddSuppressions(entries=(asked_not_to, NewSuppression(prefix="+4470", expires_at=START + 1_000 * HOUR)), **theirs),
        SetFrequencyCaps(caps=hourly, **theirs),
        CreateOutdial(outdial_id=spared, plan=Plan(max_try_count_0=5, try_interval=1_000), **theirs),
        AddTargets(outdial_id=spared, targets=(target(41), target(42)), **theirs),
    )
    # No two ask leave in one step: leaves from caps in different partitions come in any order.
    told.after(SECOND, AddTarget(outdial_id=spared, **dict(target(43)), **theirs))
    told.after(
        SECOND,
        DialResult(**attempt("spared", 42), outcome="busy", **theirs),
        AddSuppressions(entries=(asked_not_to,), **theirs),
        SetFrequencyCaps(caps=hourly, **theirs),
    )
    told.after(2 * SECOND, RemoveSuppressions(entries=(SuppressionRef(address=tel(41)),), **theirs))
    told.after(
        SECOND,
        DialResult(**attempt("spared", 43), outcome="not_dialed", **theirs),
        AddSuppressions(entries=(NewSuppression(address=tel(43), outdial_id=spared),), **theirs),
        RemoveSuppressions(entries=(SuppressionRef(address=tel(43), outdial_id=spared),), **theirs),
    )
    told.after(2 * SECOND, AddSuppressions(entries=(NewSuppression(prefix="+1555"),), **theirs))
    told.after(SECOND, ClaimDial(**attempt("spared", 41), worker="first", **theirs))
    told.after(2 * HOUR, DeleteOutdial(outdial_id=spared, **theirs))


def _runs_are_held_back(told: Writer) -> None:
    """A run is paused, goes on, drains; a campaign rings for as many as agents are free."""
    held, desk = named("held back"), named("campaign of a desk")
    told.after(
        SECOND,
        CreateOutdial(outdial_id=held, plan=Plan(max_try_count_0=2, max_concurrent=1)),
        AddTargets(outdial_id=held, targets=(target(61), target(62))),
        CreateOutplan(outplan_id=named("plan of a desk"), plan=Plan(max_try_count_0=1)),
        CreateOutdial(outdial_id=named("list of a desk")),
        AddTargets(outdial_id=named("list of a desk"), targets=(target(51), target(52), target(53))),
        CreateCampaign(
            campaign_id=desk,
            service_level=80,
            resources=Resources(outplan_id=named("plan of a desk"), outdial_id=named("list of a desk"), queue_id=named("queue")),
        ),
        RunCampaign(campaign_id=desk),
    )
    told.after(
        SECOND,
        PauseDialing(outdial_id=held, reason="the switchboard is down"),
        PauseDialing(outdial_id=held),
        ClaimDial(**attempt("held back", 61), worker="first"),
        DialResult(**attempt("held back", 61), outcome="busy"),
        GrantSlots(campaign_id=desk, agents=1),
    )
    told.after(
        2 * MINUTE,
        ResumeDialing(outdial_id=held),
        ResumeDialing(outdial_id=held),
        UpdateCampaign(campaign_id=desk, service_level=200, end_handle="continue"),
    )
    told.after(SECOND, DrainDialing(outdial_id=held, reason="the season ends"), DialResult(**attempt("held back", 61, 2), outcome="busy"))
    told.after(SECOND, PauseDialing(outdial_id=held), StopCampaign(campaign_id=desk))


def _somebody_is_let_in(told: Writer) -> None:
    """A customer with a user who logs in twice, and an access key."""
    ann, key, session, hashed = named("ann"), named("key"), named("session"), "5e" * 32
    password, another = (f"scrypt$14${salt * 16}${hashed}" for salt in ("0f", "1f"))
    at = START + 1_000 * HOUR
    told.after(
        SECOND,
        CreateUser(customer_id=CUSTOMER, user_id=ann, username="ann", password_hash=password),
        CreateCustomer(customer_id=CUSTOMER, name="Ann's shop"),
        CreateCustomer(customer_id=CUSTOMER, name="Ann's shop"),
        CreateUser(customer_id=CUSTOMER, user_id=ann, username="ann", password_hash=password),
        CreateUser(customer_id=CUSTOMER, user_id=named("bob"), username="ANN", password_hash=password),
        CreateAccessKey(customer_id=CUSTOMER, accesskey_id=key, name="import", token_hash=hashed, token_prefix="vb_a3Bf9xKm"),  # noqa: S106  how it begins
        CreateAccessKey(customer_id=CUSTOMER, accesskey_id=session, purpose="session", user_id=ann, token_hash=hashed, expires_at=at),
    )
    told.after(
        SECOND,
        SetPassword(customer_id=CUSTOMER, user_id=ann, password_hash=another),
        DeleteAccessKey(customer_id=CUSTOMER, accesskey_id=session),
        DeleteAccessKey(customer_id=CUSTOMER, accesskey_id=key),
        DeleteAccessKey(customer_id=CUSTOMER, accesskey_id=key),
        DeleteUser(customer_id=CUSTOMER, user_id=ann),
        SetPassword(customer_id=CUSTOMER, user_id=ann, password_hash=password),
    )


def _events_are_sent(told: Writer) -> None:
    """A webhook is set, held by one process, replayed and deleted."""
    told.after(
        SECOND,
        SetWebhook(customer_id=CUSTOMER, uri="https://pbx.example/events", secret="a secret of sixteen or more", after="0"),  # noqa: S106  of nobody
        HoldWebhook(customer_id=CUSTOMER, holder="one", generation=1),
        HoldWebhook(customer_id=CUSTOMER, holder="other", generation=1),
        ReplayWebhook(customer_id=CUSTOMER, after="0"),
        DeleteWebhook(customer_id=CUSTOMER),
        DeleteWebhook(customer_id=CUSTOMER),
    )


def _some_are_too_late(told: Writer) -> None:
    """A target may be dialed until an instant; those whose last attempt ended so are reopened."""
    hurried = named("hurried")
    late = target(71).model_copy(update={"expires_at": told.at + MINUTE})
    told.after(
        SECOND,
        CreateOutdial(outdial_id=hurried, plan=Plan(max_try_count_0=1, max_concurrent=1)),
        AddTargets(outdial_id=hurried, targets=(target(72), late)),
    )
    told.after(SECOND, DialResult(**attempt("hurried", 72), outcome="busy"), StopDialing(outdial_id=hurried))
    told.after(2 * MINUTE, ReopenTargets(outdial_id=hurried, outcomes=("busy",)))


def _hours_are_kept(told: Writer) -> None:
    """Hours that are closed at first, another wait for each outcome, the next number at once, a call back, the hours of the next day."""
    kept = named("kept hours")
    # What is open ends before: whether a lease ends before somebody is dialed is not settled within one moment.
    told.after(24 * HOUR)
    hours = {
        "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "start": _o_clock(told.at + 10 * MINUTE),
        "end": _o_clock(told.at + HOUR),
    }
    policy = {"busy": {"interval_ms": [2_000, 60_000]}, "no_answer": {"max_retries": 2, "next_destination": True}}
    plan = {"max_try_count_0": 4, "max_try_count_1": 2, "windows": {"hours": [hours]}, "result_policy": policy}
    told.after(
        SECOND,
        CreateOutdial(outdial_id=kept, plan=Plan.model_validate(plan)),
        AddTarget(outdial_id=kept, **dict(target(81, destination_1=tel(181), time_zone="UTC"))),
        AddTarget(outdial_id=kept, **dict(target(82, time_zone="Asia/Kathmandu"))),
        AskWhy(outdial_id=kept, target_id=named("target 81")),
    )
    told.after(10 * MINUTE, DialResult(**attempt("kept hours", 81), outcome="busy"))
    told.after(
        2 * SECOND, DialResult(**attempt("kept hours", 81, 2), outcome="busy"), AskWhy(outdial_id=kept, target_id=named("target 81"))
    )
    told.after(MINUTE, DialResult(**attempt("kept hours", 81, 3), outcome="no_answer"))
    call_back_at = told.at + 5 * MINUTE
    told.after(SECOND, DialResult(**attempt("kept hours", 81, 4), outcome="answered", call_back_at=call_back_at))
    told.after(5 * MINUTE, DialResult(**attempt("kept hours", 81, 5), outcome="busy"), AskPreflight(outdial_id=kept))
    told.after(2 * HOUR, AskWhy(outdial_id=kept))
    told.after(22 * HOUR, DialResult(**attempt("kept hours", 81, 6), outcome="answered"), DeleteOutdial(outdial_id=kept))


def _o_clock(at: int) -> str:
    """The time of day, UTC."""
    hour, minute = divmod(at // MINUTE % (24 * 60), 60)
    return f"{hour:02}:{minute:02}"


def _some_share_a_pace(told: Writer) -> None:
    """A customer whose outdials take turns at its one call per second. One is due at a time: several would be in any order."""
    theirs: dict[str, Any] = {"customer_id": SHARING_CUSTOMER}
    long, short = named("long shared list"), named("short shared list")
    plan = Plan(max_try_count_0=1, max_concurrent=0)
    told.after(SECOND, SetPace(calls_per_second=1, **theirs))
    for outdial_id, people in ((long, range(100, 110)), (short, range(120, 123))):
        targets = tuple(map(target, people))
        told.after(
            SECOND, CreateOutdial(outdial_id=outdial_id, plan=plan, **theirs), AddTargets(outdial_id=outdial_id, targets=targets, **theirs)
        )
    told.after(SECOND, SetPace(calls_per_second=1, **theirs))
    told.after(SECOND, DeleteOutdial(outdial_id=short, **theirs))
    told.after(SECOND, SetPace(calls_per_second=3, **theirs))
    told.after(SECOND, SetPace(calls_per_second=2, **theirs))
    told.after(SECOND, DeleteOutdial(outdial_id=long, **theirs))


def _things_are_refused(told: Writer) -> None:
    """Commands that no runtime takes, and commands that come again."""
    people = named("people")
    told.after(
        SECOND,
        ApplyPlan(outdial_id=people, outplan_id=named("plan"), ask=1, version=9, plan=Plan()),
        UpdateOutdial(outdial_id=people, name="Mine now", customer_id=OTHER_CUSTOMER),
        DialResult(outdial_id=people, target_id=named("target 1"), attempt_id=named("no attempt"), outcome="busy"),
        CreateOutdial(outdial_id=people, name="Again"),
        UpdateOutdial(outdial_id=people, name="Once", id=named("sent twice")),
        UpdateOutdial(outdial_id=people, name="Once", id=named("sent twice")),
        UpdateOutdial(outdial_id=people, name="Not once", id=named("sent twice")),
    )
    told.after(24 * HOUR)


NOTHING = UpdateOutplan(id=named("nothing"), customer_id=CUSTOMER, outplan_id=named("no plan"), name="")
"""A command that is refused and leaves nothing behind: whoever decides it looks at the clock."""


@cache
def nothing(partitions: int) -> list[Command]:
    """Such a command for each partition."""
    if partitions == 1:
        return [NOTHING]
    found: dict[int, Command] = {}
    for number in count():
        outplan_id = named(f"no plan {number}")
        update = {"id": named(f"nothing {number}"), "outplan_id": outplan_id}
        found.setdefault(partition_of(outplan_id, partitions), NOTHING.model_copy(update=update))
        if len(found) == partitions:
            break
    return list(found.values())


async def read_all(runtime: Runtime) -> None:
    """Where a runtime learns only now and then what has arrived, wait until it knows of all that has by now."""
    wait: Callable[[], Awaitable[None]] | None = getattr(runtime, "read_all", None)
    if wait is not None:
        await wait()


async def settle(runtime: Runtime) -> None:
    """Return when everything that is due by the clock has happened."""
    partitions = runtime.position.partitions
    before, last = None, history.last_position(runtime.reader, partitions)
    while before != last:
        await read_all(runtime)
        await runtime.submit(nothing(partitions))
        await runtime.submit(nothing(partitions))
        before, last = last, history.last_position(runtime.reader, partitions)


async def play(runtime: Runtime, clock: Clock, steps: Sequence[Step]) -> list[Answer]:
    """The answers to all commands of some steps."""
    answers: list[Answer] = []
    for step in steps:
        clock.at += step.passes
        await settle(runtime)
        if step.commands:
            answers += await runtime.submit(step.commands)
        await settle(runtime)
    return answers
