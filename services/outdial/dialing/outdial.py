"""An outdial: its targets, the run that dials them, and what it owes next.

The state of an outdial is mutable, for it may hold a million targets; only :meth:`Outdial.evolve` changes
it, by events alone. What is decided about it stands in three files: :mod:`~outdial.dialing.listing`
(the outdial and its targets), :mod:`~outdial.dialing.running` (start, stop, plans, owners) and
:mod:`~outdial.dialing.attempts` (requests, claims, answers, results). What it waits for is :meth:`due`.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Literal

from outdial.commands import (
    CampaignType,
    Command,
    EndHandle,
    EndLease,
    ExpireTarget,
    FinishDialing,
    RecheckSuppressed,
    RequestDial,
    ReviewShare,
    ReviveTargets,
)
from outdial.dialing import target as targets
from outdial.dialing.agenda import Agenda
from outdial.dialing.guard import Guard
from outdial.dialing.share import AT_ONCE, NEVER, Share, released_at
from outdial.dialing.target import Done, Idle, Progressing, Target
from outdial.events import (
    DialAnswered,
    DialClaimed,
    DialDeleted,
    DialEnded,
    DialingDraining,
    DialingFinished,
    DialingPaused,
    DialingResumed,
    DialingStarted,
    DialingStopped,
    DialRequested,
    EndHandleSet,
    LeaveAsked,
    LeaveUnused,
    OutdialCreated,
    OutdialDeleted,
    OutdialEvent,
    OutdialUpdated,
    PlanApplied,
    PlanAsked,
    RingingLimited,
    ShareAsked,
    ShareEvent,
    ShareReturned,
    ShareTaken,
    TargetAdded,
    TargetBlocked,
    TargetDeferred,
    TargetDeleted,
    TargetExhausted,
    TargetExpired,
    TargetFinished,
    TargetReopened,
    TargetRevived,
    TargetUnblocked,
)
from outdial.ids import attempt_id
from outdial.plan import Plan
from outdial.scalars import SECOND_US, ZERO_ID

SILENT_ATTEMPTS = 20
"""After so many attempts in a row without a word, an outdial probes with one at a time."""
MARKED = frozenset(
    {
        OutdialCreated, OutdialDeleted, DialingStarted, DialingStopped, DialingFinished, DialingPaused, DialingDraining,
        RingingLimited, PlanAsked, PlanApplied, ShareAsked, ShareTaken, ShareReturned,
    }
)  # fmt: skip
"""Events that say since when an outdial is as it is."""
SLACK = 64
"""Leases of ended attempts are shed when they are more than the others and this."""
OPEN_LISTED = 100
"""Open attempts that an event or an answer names; the others are counted."""


@dataclass(slots=True)
class Run:
    """One run of an outdial, from its start to its end."""

    number: int
    campaign_id: str
    campaign_type: CampaignType
    campaign_run: int | None
    end_handle: EndHandle
    chain: tuple[str, ...]
    outplan_id: str = ZERO_ID
    ask: int | None = None
    """The question to the outplan that is not void."""
    waits: bool = False
    """Whether that question has no answer yet."""
    has_plan: bool = False
    requests: int = 0
    paused: bool = False
    draining: bool = False
    ringing_limit: int | None = None
    """Attempts that may ring at once, when its campaign has a queue."""

    @property
    def ends(self) -> bool:
        """Whether it ends by itself when nobody is left to dial."""
        return (self.end_handle == "stop" or self.draining) and not self.paused


@dataclass(slots=True)
class EndedRun:
    """A campaign's run that ended while attempts were open; the campaign is told when none of them is."""

    campaign_id: str
    campaign_run: int
    how: Literal["stopped", "refused", "deleted"]
    reason: str | None
    requests: int
    open: set[str]
    """Attempts."""


@dataclass(slots=True)
class Blocked:
    """Targets that entries of a suppression list hold back, by entry."""

    held: dict[str, TargetBlocked] = field(default_factory=dict)
    """What holds each of them."""
    _by_entry: dict[int, dict[str, None]] = field(default_factory=dict)
    _ends: list[tuple[int, str]] = field(default_factory=list, compare=False)
    """(when an entry ends, target), earliest first; some are stale."""
    pending: dict[str, None] = field(default_factory=dict, compare=False)
    """Targets to look at again: an entry of theirs has changed, or ended."""

    def hold(self, event: TargetBlocked) -> None:
        """A target is held by these entries, and no longer by those before."""
        self.release(event.target_id)
        self.held[event.target_id] = event
        for entry in event.entries:
            self._by_entry.setdefault(int(entry, 16), {})[event.target_id] = None
        if event.until is not None:
            heappush(self._ends, (event.until, event.target_id))

    def release(self, target_id: str) -> None:
        """A target is held no longer, or its kind no longer matters."""
        self.pending.pop(target_id, None)
        held = self.held.pop(target_id, None)
        for entry in () if held is None else map(_as_print, held.entries):
            members = self._by_entry.get(entry, {})
            members.pop(target_id, None)
            if not members:
                self._by_entry.pop(entry, None)

    def change(self, entries: Iterable[int]) -> None:
        """Entries have changed: whom they hold is looked at again."""
        for entry in entries:
            self.pending.update(self._by_entry.get(entry, {}))

    def first_end(self) -> int | None:
        """When the first entry that holds a target ends, microseconds."""
        while self._ends:
            until, target_id = self._ends[0]
            held = self.held.get(target_id)
            if held is not None and held.until == until:
                return until
            heappop(self._ends)
        return None

    def waiting(self, now: int, limit: int) -> list[str]:
        """At most ``limit`` targets to look at again."""
        while (until := self.first_end()) is not None and until <= now:
            self.pending[heappop(self._ends)[1]] = None
        return [*islice(self.pending, limit)]


def _as_print(text: str) -> int:
    return int(text, 16)


class Outdial:
    """The state of one outdial."""

    __slots__ = (
        "agenda", "asking", "asks", "blocked", "by_fingerprint", "campaign_id", "campaign_runs", "customer_id", "data", "deleted",
        "deleted_dials", "detail", "ended", "expiries", "guard", "id", "leases", "marks", "name", "open", "outplan_id",
        "outplan_version", "plan", "plan_version", "recent", "ringing", "run", "runs", "share", "silent", "targets", "traces", "twins",
        "version",
    )  # fmt: skip

    def __init__(self, outdial_id: str) -> None:
        self.id = outdial_id
        self.version = 0
        self.customer_id = ZERO_ID
        self.campaign_id = ZERO_ID
        self.name = self.detail = self.data = ""
        self.deleted = False
        self.targets: dict[str, Target] = {}
        self.by_fingerprint: dict[int, str] = {}
        """First live target with that first destination."""
        self.twins: dict[int, dict[str, None]] = {}
        """The other live targets with the same first destination, where there are any."""
        self.agenda = Agenda(self.targets)
        self.run: Run | None = None
        self.runs = 0
        self.ended: list[EndedRun] = []
        self.campaign_runs: dict[str, int] = {}
        """The last run seen from each campaign."""
        self.plan: Plan | None = None
        """The last plan applied; it stays for the results that come after a run."""
        self.plan_version = 0
        self.outplan_id = ZERO_ID
        self.outplan_version = 0
        self.asks = 0
        self.open: dict[str, str] = {}
        """Open attempts: attempt id by target id."""
        self.ringing = 0
        """Open attempts that were not answered yet."""
        self.expiries: list[tuple[int, str]] = []
        """(expires_at, target id), earliest first, of targets that may become too late to dial."""
        self.leases: list[tuple[int, str]] = []
        """(expires_at, target id), earliest first; stale ones are dropped when they come up."""
        self.recent: deque[int] = deque()
        """Times of the requests of the last second."""
        self.silent = 0
        """Attempts in a row that ended without a word."""
        self.deleted_dials: set[str] = set()
        self.marks: dict[type[OutdialEvent], int] = {}
        """When the last event of each kind in MARKED was."""
        self.guard = Guard(ZERO_ID)
        """What the customer's list and caps ask of it; the ledger puts the customer's own here."""
        self.share = Share()
        """What it has of its customer's calls per second, where those are limited."""
        self.asking: dict[str, LeaveAsked] = {}
        """Leaves that were asked for and not answered, by target."""
        self.blocked = Blocked()
        self.traces: dict[str, str] = {}
        """By target, of those that were added, or opened again, in somebody's trace: which."""

    # --- evolve -------------------------------------------------------------------------------------

    def evolve(self, event: OutdialEvent, time: int) -> None:
        """Fold one event. Reads nothing but the state and the event."""
        self.version += 1
        if type(event) in MARKED:
            self.marks[type(event)] = time
        match event:
            case TargetAdded():
                self._added(event, time)
            case DialRequested():
                self._requested(event, time)
            case DialEnded():
                self._ended(event, time)
            case TargetFinished(late=True):
                self._finished_late(event, time)
            case TargetFinished() | DialClaimed() | TargetExhausted() | TargetExpired() | TargetRevived() | TargetReopened():
                self._change(event.target_id, event, time)
            case DialAnswered():
                self._picked_up(event, time)
            case TargetDeleted():
                self._change(event.target_id, event, time)
                self._forget(self.targets[event.target_id].facts)
                self.traces.pop(event.target_id, None)
            case TargetBlocked() | TargetUnblocked() | LeaveAsked() | LeaveUnused() | TargetDeferred():
                self._guarded(event, time)
            case DialingStarted():
                self._started(event)
            case PlanAsked() if self.run is not None:
                self.run.ask = self.asks = event.ask
                self.run.outplan_id, self.run.waits = event.outplan_id, True
            case PlanApplied():
                self._applied(event)
            case DialingStopped() | DialingFinished():
                self._over(event)
            case DialingPaused() | DialingResumed() | DialingDraining() | RingingLimited() | EndHandleSet() if self.run is not None:
                self._held_back(self.run, event)
            case OutdialCreated():
                self.customer_id, self.campaign_id, self.name, self.detail, self.data = (
                    event.customer_id, event.campaign_id, event.name, event.detail, event.data,
                )  # fmt: skip
            case OutdialUpdated():
                self._updated(event)
            case ShareEvent():
                self.share.evolve(event, time)
            case OutdialDeleted():
                self.deleted = True
            case DialDeleted():
                self.deleted_dials.add(event.attempt_id)
            case _:
                pass

    def trace(self, event: OutdialEvent, traceparent: str) -> None:
        """Fold in which trace an event stands: calls to a target are made in that of who wanted it called."""
        if isinstance(event, TargetAdded | TargetReopened):
            self.traces[event.target_id] = traceparent

    def _added(self, event: TargetAdded, time: int) -> None:
        added = targets.added(event, self.version, time)
        self.targets[added.facts.id] = added
        if self.by_fingerprint.setdefault(added.facts.fingerprint, added.facts.id) != added.facts.id:
            self.twins.setdefault(added.facts.fingerprint, {})[added.facts.id] = None
        self.agenda.move(None, added)
        if event.expires_at is not None:
            heappush(self.expiries, (event.expires_at, event.target_id))

    def _answered(self, target_id: str) -> bool:
        found = self.targets[target_id]
        return isinstance(found, Progressing) and found.answered

    def _change(self, target_id: str, event: OutdialEvent, time: int) -> None:
        before = self.targets[target_id]
        after = targets.evolve(before, event, time)
        self.targets[target_id] = after
        if after is not before:
            self.agenda.move(before, after)
            if after.facts.expires_at is not None and isinstance(after, Idle):
                heappush(self.expiries, (after.facts.expires_at, target_id))

    def _guarded(self, event: TargetBlocked | TargetUnblocked | LeaveAsked | LeaveUnused | TargetDeferred, time: int) -> None:
        """What the customer's list and caps do to a target."""
        self._change(event.target_id, event, time)
        match event:
            case LeaveAsked():
                self.asking[event.target_id] = event
            case LeaveUnused() | TargetDeferred():
                self.asking.pop(event.target_id, None)
                self.share.leave_unused(time)
            case TargetBlocked():
                self.blocked.hold(event)
            case TargetUnblocked():
                self.blocked.release(event.target_id)

    def _finished_late(self, event: TargetFinished, time: int) -> None:
        ordinal = targets.ordinal_of(self.targets[event.target_id], self.id, event.attempt_id)
        self._change(event.target_id, event, time)
        self.targets[event.target_id] = targets.corrected(self.targets[event.target_id], ordinal)

    def _updated(self, event: OutdialUpdated) -> None:
        self.name = self.name if event.name is None else event.name
        self.detail = self.detail if event.detail is None else event.detail
        self.data = self.data if event.data is None else event.data
        self.campaign_id = self.campaign_id if event.campaign_id is None else event.campaign_id

    def _requested(self, event: DialRequested, time: int) -> None:
        self._change(event.target_id, event, time)
        if self.asking:
            self.asking.pop(event.target_id, None)
        self.open[event.target_id] = event.attempt_id
        self.ringing += 1
        heappush(self.leases, (event.expires_at, event.target_id))
        if len(self.leases) > 2 * len(self.open) + SLACK:
            self._shed_leases()
        self._forget_before(time - SECOND_US)
        self.recent.append(time)
        if self.share.told:
            self.share.requested(time, len(self.recent))
        if self.run is not None:
            self.run.requests += 1

    def _picked_up(self, event: DialAnswered, time: int) -> None:
        self.silent = 0
        self.ringing -= not self._answered(event.target_id)
        self._change(event.target_id, event, time)
        heappush(self.leases, (event.expires_at, event.target_id))

    def _ended(self, event: DialEnded, time: int) -> None:
        self.ringing -= not self._answered(event.target_id)
        self._change(event.target_id, event, time)
        self.open.pop(event.target_id, None)
        if not event.lost and event.outcome != "not_dialed":
            self.silent = 0
        elif self.run is None or not self.run.paused:
            # What is not dialed while a run is paused says nothing of who places the calls.
            self.silent += 1
        if self.ended:
            for run in self.ended:
                run.open.discard(event.attempt_id)
            self.ended = [run for run in self.ended if run.open]

    def _shed_leases(self) -> None:
        """Drop the leases of attempts that have ended; there are soon more of them than of the others."""
        found = ((target_id, self.targets[target_id]) for target_id in self.open)
        self.leases = [(one.expires_at, target_id) for target_id, one in found if isinstance(one, Progressing)]
        heapify(self.leases)

    def _forget(self, facts: targets.Facts) -> None:
        """A deleted target waits for no entry and is no duplicate of anybody; the next with its address takes its place."""
        self.blocked.release(facts.id)
        twins = self.twins.get(facts.fingerprint, {})
        if self.by_fingerprint.get(facts.fingerprint) != facts.id:
            twins.pop(facts.id, None)
        elif twins:
            self.by_fingerprint[facts.fingerprint] = following = next(iter(twins))
            del twins[following]
        else:
            del self.by_fingerprint[facts.fingerprint]
        if not twins:
            self.twins.pop(facts.fingerprint, None)

    def _forget_before(self, instant: int) -> None:
        while self.recent and self.recent[0] <= instant:
            self.recent.popleft()

    def _started(self, event: DialingStarted) -> None:
        self.runs = event.run
        self.run = Run(
            number=event.run,
            campaign_id=event.campaign_id,
            campaign_type=event.campaign_type,
            campaign_run=event.campaign_run,
            end_handle=event.end_handle,
            chain=event.chain,
            outplan_id=event.outplan_id,
            ask=event.ask,
            waits=event.ask is not None,
            ringing_limit=event.ringing_limit,
        )
        if event.ask is not None:
            self.asks = event.ask
        if event.campaign_run is not None:
            self.campaign_runs[event.campaign_id] = event.campaign_run

    def _held_back(self, run: Run, event: DialingPaused | DialingResumed | DialingDraining | RingingLimited | EndHandleSet) -> None:
        match event:
            case DialingPaused():
                run.paused = True
            case DialingResumed():
                run.paused = False
            case DialingDraining():
                run.draining = True
                self.agenda.set_draining(draining=True)
            case RingingLimited():
                run.ringing_limit = event.limit
            case EndHandleSet():
                run.end_handle = event.end_handle

    def _over(self, event: DialingStopped | DialingFinished) -> None:
        run, self.run = self.run, None
        self.agenda.set_draining(draining=False)
        if isinstance(event, DialingFinished) or run is None or run.campaign_run is None or not self.open:
            return
        # To a campaign that has run again, the end of a run before is no news.
        self.ended = [one for one in self.ended if one.campaign_id != run.campaign_id]
        opened = set(self.open.values())
        self.ended.append(EndedRun(run.campaign_id, run.campaign_run, event.how, event.reason, event.requests, opened))

    def _applied(self, event: PlanApplied) -> None:
        self.plan, self.plan_version = event.plan, event.version
        self.outplan_id, self.outplan_version = event.outplan_id, event.outplan_version or 0
        calls_only = False
        if self.run is not None:
            self.run.has_plan = True
            self.run.outplan_id = event.outplan_id
            self.run.ask, self.run.waits = event.ask, False
            calls_only = self.run.campaign_type == "call"
        self.agenda.set_plan(event.plan, calls_only=calls_only)

    # --- due ----------------------------------------------------------------------------------------

    def due(self, now: int, read_up_to: int) -> Command | None:
        """The command that is owed now, the most urgent first; None when nothing is.

        ``read_up_to``: every command that arrived until then has been decided. A lease ends only then,
        so that results that waited out an outage are read before anybody is called again.
        """
        expiry = self.first_lease
        if expiry is not None and expiry[0] <= min(now, read_up_to):
            return EndLease(outdial_id=self.id, target_id=expiry[1], attempt_id=self.open[expiry[1]])
        if self.expiries and (late := self._first_expiry()) is not None and late[0] <= now:
            return ExpireTarget(outdial_id=self.id, target_id=late[1])
        if self.blocked.pending or ((end := self.blocked.first_end()) is not None and end <= now):
            return RecheckSuppressed(outdial_id=self.id)
        share_back_at = self.share_back_at if self.share.word else NEVER
        if share_back_at == AT_ONCE:
            return ReviewShare(outdial_id=self.id)
        if self.run is None or not self.run.has_plan or self.run.paused:
            return None
        if self.agenda.revivable(1):
            return ReviveTargets(outdial_id=self.id)
        if self.held_until(now) is None:
            found = self.agenda.first(now)
            if found is not None:
                return RequestDial(outdial_id=self.id, target_id=found[0].facts.id)
        elif self.lacks_share(now) and self.agenda.first(now) is not None:
            return ReviewShare(outdial_id=self.id)
        if share_back_at <= now:
            return ReviewShare(outdial_id=self.id)
        if self.run.ends and self.nothing_left:
            return FinishDialing(outdial_id=self.id)
        return None

    def next_due(self, now: int) -> int | None:
        """When :meth:`due` is worth asking again, microseconds; None: only after a command."""
        if self.blocked.pending:
            return now
        times = []
        expiry = self.first_lease
        if expiry is not None:
            times.append(expiry[0])
        if self.expiries and (late := self._first_expiry()) is not None:
            times.append(late[0])
        if (end := self.blocked.first_end()) is not None:
            times.append(end)
        if (back := self.share_back_at) != NEVER:
            times.append(back)
        if self.run is not None and self.run.has_plan and not self.run.paused:
            if self.agenda.revivable(1) or (self.run.ends and self.nothing_left):
                return now
            release, due = self.held_until(now), self.agenda.next_due(now)
            if due is not None and release is not None and self.lacks_share(now):
                times.append(due)
            elif due is not None and release != NEVER:
                times.append(due if release is None else max(due, release))
        return min(times, default=None)

    def held_until(self, now: int, granted: int = 0) -> int | None:
        """Until when the pace holds every request back; None: it does not; NEVER: until an attempt ends, or leave or a share comes.

        A leave that is asked for has its place in the pace already; ``granted``: this many of them are about to be used.
        """
        held = self._held_by_plan(now, granted)
        if held is None and self.guard.pace is not None:
            return self.share.held_until(self.recent, len(self.asking) - granted, now)
        return held

    def _held_by_plan(self, now: int, granted: int = 0) -> int | None:
        plan = self.plan
        if plan is None:
            return None
        asking = len(self.asking) - granted
        limit = 1 if self.silent >= SILENT_ATTEMPTS else plan.max_concurrent
        if limit and len(self.open) + asking >= limit:
            return NEVER
        if self.run is not None and self.run.ringing_limit is not None and self.ringing + asking >= self.run.ringing_limit:
            return NEVER
        return None if plan.calls_per_second is None else released_at(self.recent, asking, plan.calls_per_second, now)

    # --- the share of the customer's calls per second -------------------------------------------------

    @property
    def share_at_most(self) -> int:
        """Requests within a second that it could use of its customer's: those that its plan allows."""
        pace, plan = self.guard.pace or 0, self.plan
        return pace if plan is None or plan.calls_per_second is None else min(pace, plan.calls_per_second)

    @property
    def may_use_share(self) -> bool:
        """Whether it may dial, and needs a share to do so."""
        return self.guard.pace is not None and self.run is not None and self.run.has_plan and not self.run.paused

    @property
    def share_back_at(self) -> int:
        """When it gives back of its share, or takes back that it asked for one; NEVER: not before something happens."""
        share = self.share
        if not share.told and not share.wanted:
            return NEVER
        return share.back_at(asking=bool(self.asking)) if self.may_use_share else AT_ONCE

    def lacks_share(self, now: int) -> bool:
        """Whether nothing but its share may hold it back, and it has not said yet that it could use more."""
        return self.guard.pace is not None and self.share.wanted < self.share_at_most and self._held_by_plan(now) is None

    @property
    def first_lease(self) -> tuple[int, str] | None:
        """When the first lease of an open attempt ends, and of which target."""
        while self.leases:
            expires_at, target_id = self.leases[0]
            found = self.targets[target_id]
            if isinstance(found, Progressing) and found.expires_at == expires_at:
                return self.leases[0]
            heappop(self.leases)
        return None

    def _first_expiry(self) -> tuple[int, str] | None:
        """When the first target that is not being dialed becomes too late, and which; one that is comes back in when its attempt ends."""
        while self.expiries:
            found = self.targets[self.expiries[0][1]]
            if isinstance(found, Idle) or (isinstance(found, Done) and not found.reached and not found.expired):
                return self.expiries[0]
            heappop(self.expiries)
        return None

    # --- questions of the decisions -------------------------------------------------------------------

    @property
    def nothing_left(self) -> bool:
        """Whether no target is dialed, about to be, or waits with a try left."""
        return not self.open and not self.asking and not self.agenda.dialable

    @property
    def calls_only(self) -> bool:
        """Whether the run dials nothing but telephones."""
        return self.run is not None and self.run.campaign_type == "call"

    @property
    def open_listed(self) -> tuple[str, ...]:
        """The first of the open attempts."""
        return tuple(islice(self.open.values(), OPEN_LISTED))

    @property
    def open_more(self) -> int:
        """How many more are open."""
        return max(0, len(self.open) - OPEN_LISTED)

    def attempt_of(self, found: Target, ordinal: int) -> str:
        """The id of an attempt on a target."""
        return attempt_id(self.id, found.facts.id, ordinal)
