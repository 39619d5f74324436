"""The ledger: every stream of one partition, and the one way in.

It takes a command and an instant and returns what is to be committed: events, dial requests, follow-up
commands, an answer. It keeps no clock and touches no file. Its runtime commits what it returned
as a whole, or throws the ledger away and replays the log: what is in memory is never ahead of the log.

A runtime calls, for a batch:

1. :meth:`Ledger.decide` for each command, and again for each follow-up that falls to this partition;
2. :meth:`Ledger.tick` until nothing more is due;
3. commits, and only then answers.

:meth:`Ledger.next_due` says when to call ``tick`` again; :meth:`Ledger.replay` rebuilds the ledger.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice
from typing import Any, Literal, cast

from outdial.address import dialable
from outdial.codec import plain_from_json, plain_to_json
from outdial.commands import (
    AddSuppressions,
    AddTarget,
    AddTargets,
    ApplyPlan,
    ApplySuppression,
    AskLeave,
    AskLeaves,
    AskPreflight,
    AskShare,
    AskWhy,
    ClaimDial,
    ClaimOutdial,
    Command,
    CreateCampaign,
    CreateCustomer,
    CreateOutdial,
    CreateOutplan,
    DeleteDial,
    DeleteOutdial,
    DeleteTarget,
    DeleteWebhook,
    DialResult,
    DrainDialing,
    EndLease,
    ExpireTarget,
    FinishDialing,
    GiveLeaves,
    GiveShare,
    HoldWebhook,
    Kind,
    LeaveGranted,
    LeaveRefused,
    LimitRinging,
    PauseDialing,
    RecheckSuppressed,
    RefusePlan,
    ReleaseOutdial,
    RemoveSuppressions,
    ReopenTarget,
    ReopenTargets,
    ReplayWebhook,
    RequestDial,
    ResumeDialing,
    ReturnLeave,
    ReviewShare,
    ReviveTargets,
    SetEndHandle,
    SetFrequencyCaps,
    SetOutdialCampaign,
    SetOutdialData,
    SetPace,
    SetWebhook,
    StartDialing,
    StopDialing,
    TellPlan,
    UpdateOutdial,
)
from outdial.commands import DialAnswered as SayAnswered
from outdial.dialing import account, attempts, campaign, cap, listing, outplan, pace, preflight, running, suppression, webhook, why
from outdial.dialing.account import Account
from outdial.dialing.addresses import Fingerprint
from outdial.dialing.campaign import Campaign
from outdial.dialing.cap import Cap
from outdial.dialing.decision import Decision, FollowUp, Rejected
from outdial.dialing.guard import Guard
from outdial.dialing.outdial import Outdial
from outdial.dialing.outplan import Outplan
from outdial.dialing.pace import Pace
from outdial.dialing.share import NEVER
from outdial.dialing.suppression import SuppressionList
from outdial.dialing.webhook import Webhook
from outdial.envelope import Event
from outdial.events import (
    CampaignCommandNoted,
    CampaignResourcesAsked,
    CampaignResourcesRefused,
    CampaignStarted,
    CampaignStopped,
    CommandNoted,
    DialingStarted,
    DialingStopped,
    DialRequested,
    EventData,
    LeaveAsked,
    LeavesAnswered,
    OutdialCreated,
    ShareEvent,
    SuppressionApplied,
)
from outdial.ids import as_int, derived
from outdial.requests import Answer
from outdial.scalars import ZERO_ID, format_instant
from outdial.wire import content_hash
from outdial.zones import DAY_US

NAMES = ("target_name", "name", "detail")
"""What an address says beside where it is."""
REMEMBERED_DAYS = 31
NO_END = 1 << 62
Result = Literal["events", "unchanged", "rejected"]
Stream = Outdial | Outplan | Campaign | Account | SuppressionList | Guard | Cap | Pace | Webhook


@dataclass(slots=True)
class Effects:
    """What one command comes to, to be committed as a whole."""

    command: Command
    command_id: str
    decision: Decision
    result: Result
    events: list[Event] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    asked: list[tuple[Outdial, Event]] = field(default_factory=list)
    """The DialRequested events among ``events``, with their outdial."""

    @property
    def answer(self) -> Answer:
        """What the sender is told, as far as this command goes."""
        return self.answer_at("0")

    def answer_at(self, position: str) -> Answer:
        """The answer as it holds at a log position."""
        return Answer(command_id=self.command_id, position=position, **self.told)

    @property
    def told(self) -> dict[str, Any]:
        """The fields of an answer that say what came of the command."""
        found = self.decision
        why = found.refused
        named = {"type": self.command.type, "stream": self.command.subject}  # type: ignore[attr-defined]
        if why is not None:
            return {**named, "result": "rejected", "reason": why.reason, "message": why.message}
        if not (found.open or found.open_more or found.items or found.warnings or found.facts):
            # Most often. What is not given is not checked, which is a fifth of making an answer.
            return {**named, "result": self.result}
        return {
            **named,
            "result": self.result,
            "open": found.open,
            "open_more": found.open_more,
            "items": tuple(found.items),
            "warnings": found.warnings,
            "facts": found.facts,
        }

    @property
    def size(self) -> int:
        """About how many records it makes."""
        return len(self.events) + len(self.follow_ups)

    @property
    def requests(self) -> list[tuple[str, bytes]]:
        """The dial requests to emit, as target id and JSON: made when they are asked for, as not every runtime sends them anywhere."""
        return [_request(outdial, event) for outdial, event in self.asked]


class CommandIds:
    """Which commands made events within the last 31 days of log time, what they asked, and what came of it."""

    def __init__(self) -> None:
        self._hashes: dict[int, int] = {}
        self._results: dict[int, tuple[Result, str]] = {}
        """Of those that came to nothing in the end: ``unchanged``, or ``rejected`` and why."""
        self._begun: dict[tuple[str, type[EventData]], str] = {}
        """The command that began what another stream may still refuse, by stream and kind of event."""
        self._days: deque[list[int]] = deque()
        """Each day, and how many were remembered on it: they stand in ``_hashes`` in that order."""

    def remember(self, command_id: str, content: str, time: int) -> None:
        """Note that a command with this id and content hash (16 hexadecimal digits) was carried out."""
        key = as_int(command_id)
        if key in self._hashes:
            return
        day = time // DAY_US
        if not self._days or self._days[-1][0] < day:
            self._days.append([day, 0])
            while self._days[0][0] < day - REMEMBERED_DAYS:
                for old in list(islice(self._hashes, self._days.popleft()[1])):
                    del self._hashes[old]
                    self._results.pop(old, None)
        self._hashes[key] = int(content, 16)
        self._days[-1][1] += 1

    def content_of(self, command_id: str) -> str | None:
        """The content hash of the command with this id; None when it is not remembered."""
        found = self._hashes.get(as_int(command_id))
        return None if found is None else f"{found:016x}"

    def result_of(self, command_id: str) -> tuple[Result, str]:
        """What came of a remembered command, and the reason of a refusal."""
        return self._results.get(as_int(command_id), ("events", ""))

    def began(self, stream: str, kind: type[EventData]) -> str | None:
        """The command that began what another stream may still refuse."""
        return self._begun.get((stream, kind))

    def note_result(self, event: Event) -> None:
        """Note what an event says about what came of a command: its own, or the one that began what it ends."""
        match event.data:
            case DialingStarted() | CampaignStarted() | CampaignResourcesAsked() if event.causation_hash:
                self._begun[event.stream, type(event.data)] = event.causation_id
            case DialingStarted() | CampaignStarted() | CampaignResourcesAsked():
                self._begun.pop((event.stream, type(event.data)), None)
            case CommandNoted(result=result, reason=reason) | CampaignCommandNoted(result=result, reason=reason):
                self._set_result(event.causation_id, result, reason)
            case DialingStopped(how="refused", reason=reason):
                self._set_result(self._begun.get((event.stream, DialingStarted)), "rejected", reason)
            case CampaignStopped(how="refused", reason=reason):
                self._set_result(self._begun.get((event.stream, CampaignStarted)), "rejected", reason)
            case CampaignResourcesRefused(reason=reason):
                self._set_result(self._begun.get((event.stream, CampaignResourcesAsked)), "rejected", reason)
            case _:
                pass

    def _set_result(self, command_id: str | None, result: Result, reason: str | None) -> None:
        if command_id is not None and as_int(command_id) in self._hashes:
            self._results[as_int(command_id)] = (result, reason or "")


TELLING = frozenset(
    {
        DialingStarted,
        CampaignStarted,
        CampaignResourcesAsked,
        CommandNoted,
        CampaignCommandNoted,
        DialingStopped,
        CampaignStopped,
        CampaignResourcesRefused,
    }
)
"""Events that say what came of a command."""
CREATING = frozenset({CreateOutdial, CreateOutplan, CreateCampaign, CreateCustomer})
"""Commands that make a stream."""


class Ledger:
    """All streams of one partition. ``fingerprint`` is a keyed hash; ``key_id`` names its key; ``partitions``: how many there are."""

    def __init__(self, fingerprint: Fingerprint, key_id: str, partitions: int = 1) -> None:
        self._fingerprint = fingerprint
        self._key_id = key_id
        self._partitions = partitions
        self._ids = CommandIds()
        self._wake: list[tuple[int, int, str]] = []
        """(when, turn, outdial id): among those due at once, whoever was armed first has its turn first."""
        self._wake_at: dict[str, tuple[int, int]] = {}
        self._turns = 0
        self._touched: dict[str, None] = {}
        """In the order of what was decided: who is armed first must not depend on how a process hashes."""
        self._telling: dict[str, None] = {}
        """Outplans that have yet to tell outdials of a change."""
        self.outdials: dict[str, Outdial] = {}
        self.outplans: dict[str, Outplan] = {}
        self.campaigns: dict[str, Campaign] = {}
        self.accounts: dict[str, Account] = {}
        self.suppressions: dict[str, SuppressionList] = {}
        self.caps: dict[str, Cap] = {}
        self._guards: dict[str, Guard] = {}
        """By stream."""
        self._guard_of: dict[str, Guard] = {}
        """By customer: the same, and those of customers without a list."""
        self._outdials_of: dict[str, list[Outdial]] = {}
        """By customer."""
        self.paces: dict[str, Pace] = {}
        self.webhooks: dict[str, Webhook] = {}
        self._streams: dict[Kind, Mapping[str, Stream]] = {
            "outdial": self.outdials,
            "outplan": self.outplans,
            "campaign": self.campaigns,
            "account": self.accounts,
            "suppression": self.suppressions,
            "guard": self._guards,
            "cap": self.caps,
            "pace": self.paces,
            "webhook": self.webhooks,
        }
        self._last_cause = ""
        """The command remembered last: most commands with several events have them one after another."""
        self.last_time = 0
        """Time of the last event, microseconds."""

    def __getstate__(self) -> dict[str, object]:
        """All but the fingerprint function, which is whoever's who restores it."""
        return {name: value for name, value in self.__dict__.items() if name != "_fingerprint"}

    def restored(self, fingerprint: Fingerprint) -> "Ledger":
        """This ledger, unpickled, with its fingerprint function again."""
        self._fingerprint = fingerprint
        return self

    # --- the way in -----------------------------------------------------------------------------------

    def decide(self, command: Command, now: int, *, internal: bool = False) -> Effects:
        """Decide one command and take what it comes to into the state.

        ``command.id`` is set. ``internal``: it comes from a ledger, not from a producer.
        """
        if internal and isinstance(command, AskLeaves | GiveLeaves | AskLeave | LeaveGranted | AskShare | GiveShare):
            now = max(now, command.at)
        effects = self._decide(command, command.id or ZERO_ID, max(now, self.last_time), internal=internal)
        if type(command) is RequestDial:
            self._ask_leaves([effects])
        if effects.events:
            if command.kind == "outdial":
                self._touched[command.stream] = None
            elif type(command) is ApplySuppression:
                theirs = self._outdials_of.get(command.subject, ())
                changed = [outdial.id for outdial in theirs if outdial.blocked.pending or outdial.share_back_at != NEVER]
                self._touched.update(dict.fromkeys(changed))
        return effects

    def _decide(self, command: Command, command_id: str, now: int, *, internal: bool) -> Effects:
        content, repeated = "", False
        if not internal:
            try:
                self._check_sender(command)
                if not command.question:
                    content = content_hash(command)
                    repeated = self._repeated(command, command_id, content)
                if command.if_version is not None and not repeated:
                    self._check_version(command, command.if_version)
            except Rejected as why:
                return Effects(command, command_id, Decision(refused=why), "rejected")
        if type(command) is GiveLeaves and (outdial := self.outdials.get(command.outdial_id)) is not None:
            return self._take_leaves(outdial, command, command_id, now)
        try:
            decision = self._dispatch(command, now)
        except Rejected as why:
            decision = Decision(refused=why)
        if repeated:
            return self._again(command, command_id, decision, now)
        effects = Effects(command, command_id, decision, "events" if decision.events else "unchanged")
        if not decision.events and command.noted and content:
            decision.events = self._noted(command, decision)
        for data in decision.events:
            self._take(data, command, command_id, content, now, effects)
        for told in decision.follow_ups:
            self._tell(told, command, command_id, effects)
        return effects

    def _take_leaves(self, outdial: Outdial, command: GiveLeaves, command_id: str, now: int) -> Effects:
        """Decide about leave after leave: what came of those before has its place in the pace already."""
        effects = Effects(command, command_id, Decision(), "unchanged")
        for leave in command.leaves:
            if leave.until is None:
                found = attempts.leave_granted(outdial, leave.target_id, leave.attempt_id, command.at, self._fingerprint, now)
            else:
                found = attempts.leave_refused(outdial, leave.target_id, leave.attempt_id, leave.until)
            for data in found:
                self._take(data, command, command_id, "", now, effects)
        if effects.events:
            effects.result = "events"
        return effects

    def tick(self, now: int, read_up_to: int, limit: int, room: int = NO_END) -> list[Effects]:
        """Decide what has become due, at most ``limit`` commands. Unless the list is empty there may be more.

        Nor does it go on once there are ``room`` events and follow-ups; one command may make a thousand.
        """
        now = max(now, self.last_time)
        self._arm_touched(now)
        done = self._tell_plans(now, limit, room)
        room -= sum(effects.size for effects in done)
        held: list[Outdial] = []
        while self._wake and self._wake[0][0] <= now and len(done) < limit and room > 0:
            at, turn, outdial_id = heappop(self._wake)
            if self._wake_at.get(outdial_id) != (at, turn):
                continue
            del self._wake_at[outdial_id]
            outdial = self.outdials[outdial_id]
            idle, first = True, len(done)
            while len(done) < limit and room > 0 and (command := outdial.due(now, read_up_to)) is not None:
                effects = self._decide(command, _owed_id(outdial, command), now, internal=True)
                idle = not effects.events
                if idle:
                    break
                done.append(effects)
                room -= effects.size
            if outdial.guard.caps is not None:
                room -= self._ask_leaves(done[first:])
            if idle:
                held.append(outdial)
            else:
                self._arm(outdial, now, now)
        for outdial in held:
            self._arm(outdial, now, now)
        return done

    def _ask_leaves(self, done: Sequence[Effects]) -> int:
        """Have what one outdial decided at once ask for its leaves together, with the last of it. Returns how many commands that makes."""
        asked = [event.data for effects in done for event in effects.events if type(event.data) is LeaveAsked]
        if not asked:
            return 0
        last = done[-1]
        words = [*cap.asked(self.outdials[last.command.stream], asked, self._partitions, last.events[-1].time)]
        for one in words:
            self._tell(one, last.command, last.command_id, last)
        return len(words)

    def _tell_plans(self, now: int, limit: int, room: int) -> list[Effects]:
        """Go on telling outdials of changed plans: for each outplan the next of them."""
        done: list[Effects] = []
        for outplan_id in [*self._telling]:
            if len(done) < limit and room > 0:
                found = self.outplans[outplan_id]
                command = TellPlan(outplan_id=outplan_id)
                done.append(self._decide(command, derived(outplan_id, f"{command.type}/{found.version}"), now, internal=True))
                room -= done[-1].size
        return done

    def next_due(self) -> int | None:
        """When :meth:`tick` has something to do next, microseconds; None: not before a command."""
        if self._telling:
            return self.last_time
        self._arm_touched(self.last_time)
        while self._wake and self._wake_at.get(self._wake[0][2]) != self._wake[0][:2]:
            heappop(self._wake)
        return self._wake[0][0] if self._wake else None

    def replay(self, event: Event) -> None:
        """Fold an event read from the log."""
        self._evolve(event)

    def arm(self, now: int) -> None:
        """After a replay: find out what each outdial waits for."""
        for outdial in self.outdials.values():
            self._arm(outdial, now, now)

    # --- who decides ----------------------------------------------------------------------------------

    def _dispatch(self, command: Command, now: int) -> Decision:
        if command.kind == "outdial":
            return self._decide_outdial(command, now)
        if command.kind == "outplan":
            return outplan.decide(self.outplans.get(command.stream), command)  # type: ignore[arg-type]
        if command.kind == "account":
            return account.decide(self.accounts.get(command.stream), command)  # type: ignore[arg-type]
        match command:
            case AddSuppressions() | RemoveSuppressions() | SetFrequencyCaps():
                found = self.suppressions.get(command.stream)
                return suppression.decide(found, command, self._fingerprint, self._key_id, self._partitions, now)
            case ApplySuppression():
                outdials = self._outdials_of.get(command.subject, ())
                return suppression.apply(self._guard(command.stream), outdials, command, self._fingerprint)
            case AskLeaves():
                in_force = self._guard(command.stream).caps
                return cap.answer(self.caps, command, () if in_force is None else in_force.all_rules, now)
            case AskLeave() | ReturnLeave():
                guard = self._guard_of.get(command.customer_id or ZERO_ID)
                return cap.decide(self.caps.get(command.stream), command, None if guard is None else guard.caps, now)
            case SetPace() | AskShare():
                return pace.decide(self.paces.get(command.stream), command, self._partitions, now)
            case SetWebhook() | DeleteWebhook() | ReplayWebhook() | HoldWebhook():
                return webhook.decide(self.webhooks.get(command.stream), command, now)
            case _:
                return campaign.decide(self.campaigns.get(command.stream), command)  # type: ignore[arg-type]

    def _guard(self, stream: str) -> Guard:
        """What this partition knows of a customer's list; ``stream`` names the customer, then the partition."""
        guard = self._guards.get(stream)
        if guard is None:
            guard = self._guards[stream] = self._watching(stream.partition("/")[0])
        return guard

    def _watching(self, customer_id: str) -> Guard:
        return self._guard_of.setdefault(customer_id, Guard(customer_id))

    def _decide_outdial(self, command: Command, now: int) -> Decision:
        """What comes most often stands first: looking at a case that does not fit costs as much as a rule."""
        outdial = self.outdials.get(command.stream)
        match command:
            case DialResult() if outdial is not None:
                return Decision(attempts.result(outdial, command, now))
            case RequestDial() if outdial is not None:
                return Decision(attempts.request(outdial, command, self._fingerprint, now))
            case AddTarget() if outdial is not None and not outdial.deleted:
                return listing.add_one(outdial, command, self._fingerprint, self._key_id)
            case CreateOutdial():
                created = Decision([*listing.create(outdial, command)])
                started = running.start(Outdial(command.outdial_id), command)
                return Decision([*created.events, *started.events], warnings=started.warnings)
            case ClaimOutdial():
                return running.claim(outdial, command)
            case StartDialing() if outdial is None and command.campaign_id is not None:
                return running.refuse_start(command, Rejected("outdial_unknown", "there is no such outdial"))
            case _ if outdial is None:
                raise Rejected("outdial_unknown", "there is no such outdial")
            case AskWhy():
                return Decision(facts=why.asked(outdial, command, self._fingerprint, now))
            case SayAnswered():
                return Decision(attempts.answered(outdial, command, now))
            case ClaimDial():
                return Decision(attempts.claim(outdial, command, self._fingerprint, now))
            case LeaveGranted():
                return Decision(attempts.leave_granted(outdial, command.target_id, command.attempt_id, command.at, self._fingerprint, now))
            case LeaveRefused():
                return Decision(attempts.leave_refused(outdial, command.target_id, command.attempt_id, command.until))
            case GiveShare():
                return pace.take(outdial, command, now)
            case ReviewShare():
                return Decision(pace.review(outdial, command, now))
            case RecheckSuppressed():
                return Decision(suppression.recheck(outdial, self._fingerprint, now))
            case ExpireTarget():
                return Decision(attempts.expire(outdial, command, now))
            case EndLease():
                return Decision(attempts.end_lease(outdial, command, now))
            case DeleteDial():
                return Decision(attempts.delete_dial(outdial, command))
            case StopDialing():
                return running.stop(outdial, command)
            case DeleteOutdial():
                return running.delete(outdial)
            case ApplyPlan():
                return running.apply_plan(outdial, command)
            case RefusePlan():
                return running.refuse_plan(outdial, command)
            case LimitRinging():
                return running.limit_ringing(outdial, command)
            case SetEndHandle():
                return running.set_end_handle(outdial, command)
            case ReleaseOutdial():
                return running.release(outdial, command)
            case FinishDialing():
                return running.finish(outdial, command)
            case ReviveTargets():
                return running.revive(outdial, command)
            case StartDialing() if command.campaign_id is not None:
                return running.start(outdial, command)
            case DeleteTarget():
                return listing.delete(outdial, command)
            case _ if outdial.deleted:
                raise Rejected("outdial_deleted", "the outdial was deleted")
            case AskPreflight():
                return preflight.asked(outdial, command, self._fingerprint, now)
            case AddTargets():
                return listing.add_many(outdial, command, self._fingerprint, self._key_id)
            case ReopenTargets():
                return listing.reopen_many(outdial, command)
            case ReopenTarget():
                return Decision(listing.reopen(outdial, command))
            case StartDialing():
                return running.start(outdial, command)
            case PauseDialing():
                return running.pause(outdial, command)
            case ResumeDialing():
                return running.resume(outdial, command)
            case DrainDialing():
                return running.drain(outdial, command)
            case UpdateOutdial():
                return Decision(listing.update(outdial, command))
            case SetOutdialData():
                return Decision(listing.set_data(outdial, command))
            case SetOutdialCampaign():
                return Decision(listing.set_campaign(outdial, command))
            case _:
                raise AssertionError(command)

    def _check_sender(self, command: Command) -> None:
        """Another customer's stream is as unknown as one that is not there; only its id is taken."""
        word: str = command.type  # type: ignore[attr-defined]
        if command.from_ledger_only:
            raise Rejected("internal_command", f"{word} is the ledger's own; it is not taken from outside")
        creates = type(command) in CREATING
        if creates and command.stream == ZERO_ID:
            raise Rejected("field_invalid", f"the zero id stands for no {command.kind} at all; choose another")
        stream = self._streams[command.kind].get(command.stream)
        if stream is None or command.customer_id in (None, stream.customer_id):
            return
        if creates:
            raise Rejected("already_exists", f"this id is taken; choose another for the {command.kind}")
        raise Rejected(f"{command.kind}_unknown", f"there is no such {command.kind}")

    def _check_version(self, command: Command, wanted: int) -> None:
        """Whether the stream is as the sender saw it. One that is not there is refused by its own rule."""
        stream = self._stream(command.kind, command.stream)
        if stream is not None and stream.version != wanted:
            raise Rejected("version_differs", f"the {command.kind} is at version {stream.version}, not {wanted}; read it again")

    def _repeated(self, command: Command, command_id: str, content: str) -> bool:
        """Whether the command came before.

        Raises:
            Rejected: ``id_reused``, when another one came under its id.
        """
        before = self._ids.content_of(command_id)
        if before is None or isinstance(command, ClaimDial):
            return False
        if before != content:
            raise Rejected("id_reused", "another command was sent under this id before")
        return True

    def _again(self, command: Command, command_id: str, decision: Decision, now: int) -> Effects:
        """The same answer to the same command, and again what its stream still owes for it.

        ``decision``: what the command would come to now; its events are not wanted a second time.
        """
        result, reason = self._ids.result_of(command_id)
        if result == "rejected":
            refused = Rejected(reason, "this command was refused before; send it under a new id to try again")
            return Effects(command, command_id, Decision(refused=refused), result)
        found = self.campaigns.get(command.stream) if command.kind == "campaign" else None
        if found is not None and found.change is not None and self._ids.began(command.stream, CampaignResourcesAsked) == command_id:
            # Nobody knows yet what will come of it.
            refused = Rejected("campaign_changing", "what this command asks for is still under way; send it again in a moment")
            return Effects(command, command_id, Decision(refused=refused), "rejected")
        same = Decision(items=decision.items, open=decision.open, open_more=decision.open_more, warnings=decision.warnings)
        effects = Effects(command, command_id, same, result)
        gone_on = decision.events or decision.refused is not None
        for told in self._owed(command, decision, now) if gone_on else decision.follow_ups:
            self._tell(told, command, command_id, effects)
        return effects

    def _owed(self, command: Command, decision: Decision, now: int) -> Sequence[FollowUp]:
        """What a command that came again waits for when its stream has gone on since: what is still under way there from the first."""
        stream = self._stream(command.kind, command.stream)
        match stream:
            case Campaign():
                return campaign.owed(stream, command)
            case SuppressionList():
                return suppression.owed(stream, decision.follow_ups)
            case Pace():
                return pace.owed(stream, self._partitions, now)
            case _:
                return ()

    def _noted(self, command: Command, decision: Decision) -> list[EventData]:
        """The mark that spends the id of a command that changed nothing, where its stream exists."""
        if self._stream(command.kind, command.stream) is None:
            return []
        result: Literal["unchanged", "rejected"] = "unchanged" if decision.refused is None else "rejected"
        reason = None if decision.refused is None else decision.refused.reason
        word: str = command.type  # type: ignore[attr-defined]
        if command.kind == "campaign":
            return [CampaignCommandNoted(command=word, result=result, reason=reason)]
        return [CommandNoted(command=word, result=result, reason=reason)]

    # --- what follows ---------------------------------------------------------------------------------

    def _take(self, data: EventData, command: Command, command_id: str, content: str, now: int, effects: Effects) -> None:
        """Make an event of what was decided, fold it, and collect what it owes others."""
        stream = command.stream
        before = self._streams[data.kind].get(stream)
        told: Sequence[FollowUp] = ()
        if type(data) in running.TELLING and before is not None:
            outdial = self.outdials[stream]
            told = running.reactions(outdial, data)
            if outdial.guard.capped:
                told = [*told, *cap.reactions(outdial, data)]
        elif type(data) in pace.TELLING:
            told = pace.reactions(self.outdials[stream], cast("ShareEvent", data), now)
        trace = command.traceparent
        if trace is None and type(data) is DialRequested and self.outdials[stream].traces:
            trace = self.outdials[stream].traces.get(data.target_id)
        version = 1 if before is None else before.version + 1
        event = Event(stream, version, now, command_id, content, data, command.actor, trace)
        effects.events.append(event)
        self._evolve(event)
        if type(data) is DialRequested:
            effects.asked.append((self.outdials[stream], event))
        for one in told:
            self._tell(one, command, command_id, effects)

    def _tell(self, told: FollowUp, command: Command, command_id: str, effects: Effects) -> None:
        """Give a follow-up its id, its customer, its actor and its trace."""
        stream = self._stream(command.kind, command.stream)
        owner = command.customer_id if stream is None else stream.customer_id
        follow_id = derived(command_id, f"{command.kind}/{len(effects.follow_ups)}")
        given = {"id": follow_id, "customer_id": owner, "actor": command.actor, "traceparent": command.traceparent}
        named = told.command.model_copy(update=given)
        effects.follow_ups.append(FollowUp(named, told.awaited))

    def _stream(self, kind: Kind, stream: str) -> Stream | None:
        return self._streams[kind].get(stream)

    def _evolve(self, event: Event) -> None:
        data = event.data
        self.last_time = max(self.last_time, event.time)
        if event.causation_hash and event.causation_id != self._last_cause:
            self._last_cause = event.causation_id
            self._ids.remember(event.causation_id, event.causation_hash, event.time)
        if type(data) in TELLING:
            self._ids.note_result(event)
        if data.kind == "outdial":
            outdial = self.outdials.get(event.stream)
            if outdial is None:
                outdial = self.outdials[event.stream] = Outdial(event.stream)
            outdial.evolve(data, event.time)  # type: ignore[arg-type]
            if event.traceparent is not None:
                outdial.trace(data, event.traceparent)  # type: ignore[arg-type]
            if type(data) is OutdialCreated:
                outdial.guard = self._watching(outdial.customer_id)
                self._outdials_of.setdefault(outdial.customer_id, []).append(outdial)
        elif data.kind == "outplan":
            found = self.outplans.setdefault(event.stream, Outplan(event.stream))
            outplan.evolve(found, data)  # type: ignore[arg-type]
            if found.told_to is None:
                self._telling.pop(event.stream, None)
            else:
                self._telling[event.stream] = None
        elif data.kind == "account":
            account.evolve(self.accounts.setdefault(event.stream, Account(event.stream)), data, event.time)  # type: ignore[arg-type]
        elif data.kind == "webhook":
            webhook.evolve(self.webhooks.setdefault(event.stream, Webhook(event.stream)), data)  # type: ignore[arg-type]
        elif data.kind == "campaign":
            campaign.evolve(self.campaigns.setdefault(event.stream, Campaign(event.stream)), data)  # type: ignore[arg-type]
        elif data.kind == "cap":
            self.caps[event.stream] = cap.evolve(self.caps.get(event.stream), data, event.time)  # type: ignore[arg-type]
        elif data.kind == "pace":
            self.paces.setdefault(event.stream, Pace(event.stream)).evolve(data)  # type: ignore[arg-type]
        elif data.kind == "suppression":
            self.suppressions.setdefault(event.stream, SuppressionList(event.stream)).evolve(data)  # type: ignore[arg-type]
        elif type(data) is LeavesAnswered:
            guard = self._guard(event.stream)
            guard.evolve(data, event.time)
            cap.evolve_answered(self.caps, guard.customer_id, data, event.time)
        else:
            self._apply(event, cast("SuppressionApplied", data))

    def _apply(self, event: Event, data: SuppressionApplied) -> None:
        """From here on the customer's outdials in this partition obey the change."""
        guard = self._guard(event.stream)
        guard.evolve(data, event.time)
        for outdial in self._outdials_of.get(guard.customer_id, ()):
            if outdial.blocked.held:
                outdial.blocked.change(int(entry.fingerprint, 16) for entry in (*data.added, *data.removed))

    # --- the agenda of agendas ------------------------------------------------------------------------

    def _arm_touched(self, now: int) -> None:
        """Look once at each outdial that commands have changed since."""
        for outdial_id in self._touched:
            self._arm(self.outdials[outdial_id], now, now)
        self._touched.clear()

    def _arm(self, outdial: Outdial, now: int, not_before: int) -> None:
        """Note when an outdial has something due. Woken too early it finds nothing to do and is armed anew.

        What has been due for long is no reason to go before others again and again: nobody is armed in the past.
        """
        at = outdial.next_due(now)
        if at is None:
            return
        at = max(at, not_before)
        armed = self._wake_at.get(outdial.id)
        if armed is None or at < armed[0]:
            self._turns += 1
            self._wake_at[outdial.id] = (at, self._turns)
            heappush(self._wake, (at, self._turns, outdial.id))


def _owed_id(outdial: Outdial, command: Command) -> str:
    """The derived id of a due command: what it asks can only be asked once."""
    match command:
        case RequestDial():
            target = outdial.targets[command.target_id]
            # A target may be held back, or be refused leave, more than once before an attempt.
            again = f"/{outdial.version}" if outdial.guard.watches else ""
            name = f"request/{command.target_id}/{target.history.ordinal + 1}{again}"
        case EndLease():
            name = f"lease/{command.attempt_id}"
        case _:
            name = f"{command.type}/{outdial.version}"  # type: ignore[attr-defined]
    return derived(outdial.id, name)


def _request(outdial: Outdial, event: Event) -> tuple[str, bytes]:
    """The dial request of a DialRequested event, with the personal data of its target: the target's id, and JSON.

    It is laid out as :class:`outdial.requests.DialRequest` says (a test holds it against that) and not made by way of
    it: there is one for every call, and it is only ever written.
    """
    data = cast("DialRequested", event.data)
    personal = plain_from_json(outdial.targets[data.target_id].facts.personal)
    found = personal["destinations"][data.destination_index] or {}
    told = {
        "attempt_id": data.attempt_id,
        "outdial_id": outdial.id,
        "target_id": data.target_id,
        "campaign_id": data.campaign_id,
        "campaign_type": data.campaign_type,
        "customer_id": outdial.customer_id,
        "outplan_id": data.outplan_id,
        "plan_version": data.plan_version,
        "source": data.source,
        "destination": dialable(found.get("type", ""), found.get("target", "")) | {field: found.get(field, "") for field in NAMES},
        "destination_index": data.destination_index,
        "try_count": data.try_count,
        "dial_timeout": data.dial_timeout,
        "requested_at": format_instant(event.time),
        "not_after": format_instant(data.not_after),
        "expires_at": format_instant(data.expires_at),
        "name": personal.get("name", ""),
        "detail": personal.get("detail", ""),
        "data": personal.get("data", ""),
        "event_id": event.id,
    }
    if data.source is None:
        del told["source"]
    if event.traceparent is not None:
        told["traceparent"] = event.traceparent
    return data.target_id, plain_to_json(told)
