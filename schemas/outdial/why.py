"""Why something is not being dialed: the words, and what the ledger answers when it is asked. Source: design section 7.

The ledger looks at the rules in the order of :data:`REASONS`. The first that holds is why. A rule that is
added to the ledger has its word here, its place in the order, and a sentence for people.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from outdial.scalars import Id, Instant


class Reason(NamedTuple):
    """What a word means."""

    says: str
    """What holds a target, for people, after "Not dialed:"."""
    ends: str
    """What lets go, for people; "": nothing does."""
    events: tuple[str, ...]
    """The types of event it follows from; the last of them is the one."""
    of: Literal["target", "outdial"]
    """Whose events those are."""
    says_of_all: str = ""
    """What holds an outdial, after "Not dialing:", where that is to be said otherwise."""


REASONS: Final[Mapping[str, Reason]] = {
    "deleted": Reason("the target was deleted", "", ("TargetDeleted",), "target"),
    "outdial_deleted": Reason("the outdial was deleted", "", ("OutdialDeleted",), "outdial"),
    "reached": Reason("the person was reached", "reopening it", ("TargetFinished",), "target"),
    "expired": Reason("it is too late to dial it", "", ("TargetExpired",), "target"),
    "attempt_open": Reason(
        "an attempt is open", "the end of the call, or of the lease when nobody says how it ended", ("DialRequested",), "target"
    ),
    "tries_spent": Reason(
        "every try is spent", "a plan that allows more tries, or reopening it,", ("TargetExhausted", "DialEnded"), "target"
    ),
    "no_run": Reason("dialing is stopped", "starting it", ("OutdialCreated", "DialingStopped", "DialingFinished"), "outdial"),
    "plan_pending": Reason("the plan has not come yet", "the answer of the outplan", ("DialingStarted", "PlanAsked"), "outdial"),
    "paused": Reason("dialing is paused", "resuming it", ("DialingPaused",), "outdial"),
    "nothing_left": Reason(
        "no target is waiting for a try", "a new target, a plan that allows more tries, or the end of an open attempt", (), "outdial"
    ),
    "draining": Reason("the run calls nobody new, and this target was never tried", "the next run", ("DialingDraining",), "outdial"),
    "type_not_dialable": Reason(
        "no destination is one that a call can reach", "a run that is not of a campaign of type call", ("PlanApplied",), "outdial"
    ),
    "zone_unknown": Reason(
        "nobody knows what time it is where they are",
        "a plan that names a time_zone for such targets, or one without windows",
        ("PlanApplied",),
        "outdial",
    ),
    "no_tries_in_plan": Reason("the plan gives it no try", "a plan that does", ("PlanApplied",), "outdial"),
    "not_due": Reason(
        "it is not due yet",
        "time: the try_interval, longer after attempts that were never placed, or the time to call back at",
        ("DialEnded",),
        "target",
        "no target is due yet",
    ),
    "outside_window": Reason(
        "it is outside the hours in which they may be called",
        "time: the next opening of the plan's windows, where there is one within a year",
        ("PlanApplied",),
        "outdial",
        "all that are due are outside their hours",
    ),
    "suppressed": Reason(
        "every destination with a try is on a suppression list",
        "the end of an entry, or taking it off the list,",
        ("TargetBlocked",),
        "target",
    ),
    "no_worker": Reason(
        "twenty attempts in a row were lost or never placed, so one is tried at a time",
        "a word about any call: see whether whoever places them is running",
        ("DialEnded",),
        "outdial",
    ),
    "max_concurrent": Reason("as many calls are open as the plan allows", "the end of an open attempt", ("DialRequested",), "outdial"),
    "service_level": Reason(
        "as many calls ring as the free agents of the campaign's queue allow",
        "a call that is answered or ends, or more agents that are said to be free",
        ("DialingStarted", "RingingLimited"),
        "outdial",
    ),
    "calls_per_second": Reason("as many calls were requested within a second as the plan allows", "time", ("DialRequested",), "outdial"),
    "customer_calls_per_second": Reason(
        "the share of the customer's calls per second is used up, or has yet to come",
        "time, or a share that other outdials of the customer give back,",
        ("ShareAsked", "ShareTaken", "ShareReturned"),
        "outdial",
    ),
    "frequency_cap": Reason("its address was called as often as the caps of the customer allow", "time", ("TargetDeferred",), "target"),
    "leave_asked": Reason(
        "whether its address may be called once more is being asked", "the answer, in a moment,", ("LeaveAsked",), "target"
    ),
}
"""Every word, in the order in which the rules are looked at."""
BEFORE_ANY_TARGET: Final = frozenset({"no_run", "plan_pending", "paused"})
"""Rules that hold every target that waits, whatever it waits for."""
PACE: Final = frozenset({"no_worker", "max_concurrent", "service_level", "calls_per_second", "customer_calls_per_second"})
"""Rules that hold those that are due and whose turn has not come."""


class Check(BaseModel):
    """A rule that was looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: str
    """The word of the rule; the table is in ``docs/why.md``."""
    holds: bool
    """Whether it keeps the call from being requested now."""
    since: Instant | None = None
    """Since when, where the ledger knows."""
    until: Instant | None = None
    """When it lets go by itself, at the latest; absent: something has to happen."""
    facts: dict[str, Any] = {}
    """What it was decided by: plain values by name; times as texts, durations in milliseconds."""


class Verdict(BaseModel):
    """What holds, and what was looked at to find it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: Instant
    """When the ledger looked."""
    why: str | None = None
    """The first rule that holds; absent: none does, the request is being made."""
    since: Instant | None = None
    """Since when it holds, where the ledger knows."""
    until: Instant | None = None
    """When that rule lets go by itself, at the latest; absent: something has to happen."""
    next_at: Instant | None = None
    """The earliest time of the next request if nothing happens until then; absent: there is none, or it is too late by then."""
    rules: tuple[Check, ...] = ()
    """The rules in the order they are looked at; those after one that holds for good are not looked at."""


class TargetWhy(Verdict):
    """Why a target is not being dialed."""

    about: Literal["target"] = "target"
    """What it is about."""
    target_id: Id


class Held(BaseModel):
    """Targets held by one rule."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    why: str
    """The rule."""
    targets: int
    """How many."""
    next_at: Instant | None = None
    """When the first of them is let go by itself; absent: something has to happen."""


class OutdialWhy(Verdict):
    """Why an outdial is not dialing."""

    about: Literal["outdial"] = "outdial"
    """What it is about."""
    open: int
    """Open attempts."""
    waiting: int
    """Targets that wait and have a try under the plan, due or not."""
    next_due: Instant | None = None
    """When the first of them is, or was, due."""
    held: tuple[Held, ...] = ()
    """Targets that a rule of their own keeps out, however fast the outdial goes."""
