"""The same people on several lists in several partitions, and words between streams that take their time.

What must hold whatever overtakes what (goal: caps, do-not-call and stop): once a suppression, a stop or a delete is
acknowledged no request follows it; what was out already was listed; and no address is called more often than its caps say.
Nothing of the rules here is shared with the ledger: they are written a second time, from the events alone.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from invariants import Invariants
from outdial.address import Address
from outdial.commands import (
    AddSuppressions,
    AddTarget,
    ClaimDial,
    Command,
    CreateOutdial,
    DeleteOutdial,
    DeleteTarget,
    DialResult,
    PartitionCommand,
    RemoveSuppressions,
    ReopenTarget,
    SetFrequencyCaps,
    StartDialing,
    StopDialing,
)
from outdial.dialing.ledger import Effects
from outdial.dialing.target import Asking, Progressing
from outdial.envelope import Event
from outdial.events import DialEnded, DialRequested, OutdialEvent, TargetAdded
from outdial.plan import Plan
from outdial.suppression import FrequencyCap, FrequencyCaps, NewSuppression, SuppressionRef
from partitions import PARTITIONS, Partitions
from sim import MINUTE, SECOND, an_id

CUSTOMER: Final = an_id("customer")
LISTS: Final = tuple(an_id(name) for name in "abcd")
NUMBERS: Final = ("+15550000001", "+15550000002", "+15560000003")
ON_EACH_LIST: Final = (*NUMBERS[:2], NUMBERS[0])
"""One of them twice, so that a list asks leave for it twice at once."""
PREFIXES: Final = ("+1555", "+1556", "+15550000001"[:11])
PLANS: Final = (
    Plan(max_try_count_0=50, max_try_count_1=50, try_interval=1_000, pickup_timeout=1_000, dial_timeout=1_000, result_grace=0),
    Plan(max_try_count_0=50, try_interval=0, max_concurrent=1),
    Plan(max_try_count_0=3, max_try_count_1=2, try_interval=60_000, max_concurrent=2, calls_per_second=1),
    Plan(max_try_count_0=50, try_interval=7_200_000),
)
CAPS: Final = (
    FrequencyCaps(rules=(FrequencyCap(count=1, per_ms=600_000),)),
    FrequencyCaps(rules=(FrequencyCap(count=3, per_ms=3_600_000), FrequencyCap(count=2, per_ms=120_000))),
    FrequencyCaps(rules=(FrequencyCap(count=4, per_ms=3_600_000),), min_gap_ms=30_000),
)
KINDS: Final = "ddddddddddddddddddddddTTTTTTTTTTTTrrrrrrrrAAARRPPsSSXDOc!"


@dataclass
class Press:
    """A suppression that was asked for, and what of its chain has been heard."""

    numbers: set[tuple[str, str]]
    """(outdial, number) it is about."""
    awaited: set[str]
    listed: set[str] = field(default_factory=set)
    void: set[tuple[str, str]] = field(default_factory=set)
    """Of which some were taken off again meanwhile."""


class World(Partitions):
    """Partitions, each with its ledger, its clock and its log."""

    skew = (0, 1_700_000, -900_000)

    def __init__(self, caps: int) -> None:
        super().__init__()
        self.invariants = [Invariants() for _ in range(PARTITIONS)]
        self.channels: dict[tuple[int, int], deque[Command]] = {}
        self.presses: dict[str, Press] = {}
        """By the id of their root."""
        self.root_of: dict[str, str] = {}
        self.forbidden: set[tuple[str, str]] = set()
        """(outdial, number) that must not be requested: acknowledged."""
        self.stopped: set[str] = set()
        self.numbers: dict[tuple[str, str], tuple[str, ...]] = {}
        self.requested: dict[str, list[tuple[int, str]]] = {number: [] for number in NUMBERS}
        self.returned: set[str] = set()
        self.open: dict[str, tuple[str, str]] = {}
        """Attempt to (outdial, number)."""
        self.sent = 0
        self.caps = CAPS[caps % len(CAPS)]
        self.send(SetFrequencyCaps(customer_id=CUSTOMER, caps=self.caps))
        self.arrive()
        for outdial_id, plan in zip(LISTS, (*PLANS[:3], PLANS[0]), strict=True):
            self.send(CreateOutdial(outdial_id=outdial_id, customer_id=CUSTOMER, plan=plan))
            for number in ON_EACH_LIST:
                other = Address(type="tel", target=NUMBERS[2]) if number == NUMBERS[0] else None
                self.send(AddTarget(outdial_id=outdial_id, destination_0=Address(type="tel", target=number), destination_1=other))

    # --- one step -------------------------------------------------------------------------------------

    def step(self, kind: str, one: int, two: int) -> None:
        match kind:
            case "d" if self.channels:
                self.deliver(sorted(self.channels)[one % len(self.channels)])
            case "T":
                self.now += (0, SECOND, SECOND, MINUTE, 7 * MINUTE)[one % 5]
                self.tick(two % PARTITIONS)
            case "!":
                self.restart(one % PARTITIONS)
            case _:
                command = self.command(kind, one, two)
                if command is not None:
                    self.send(command)

    def command(self, kind: str, one: int, two: int) -> Command | None:
        outdial_id, number = LISTS[one % len(LISTS)], NUMBERS[two % len(NUMBERS)]
        scope = outdial_id if two % 5 == 0 else None
        address = Address(type="tel", target=number)
        match kind:
            case "A":
                until = self.now + 5 * MINUTE if one % 4 == 0 else None
                return AddSuppressions(customer_id=CUSTOMER, entries=(NewSuppression(address=address, outdial_id=scope, expires_at=until),))
            case "P":
                return AddSuppressions(customer_id=CUSTOMER, entries=(NewSuppression(prefix=PREFIXES[two % 3], outdial_id=scope),))
            case "R":
                given: dict[str, Any] = {"prefix": PREFIXES[two % 3]} if one % 2 else {"address": address}
                return RemoveSuppressions(customer_id=CUSTOMER, entries=(SuppressionRef(**given, outdial_id=scope),))
            case "S":
                return StartDialing(outdial_id=outdial_id, plan=PLANS[two % len(PLANS)])
            case "s":
                return StopDialing(outdial_id=outdial_id)
            case "X" if one % 8 == 0:
                return DeleteOutdial(outdial_id=outdial_id)
            case "D" | "O":
                known = sorted(target for where, target in self.numbers if where == outdial_id)
                target_id = known[two % len(known)]
                named = {"outdial_id": outdial_id, "target_id": target_id}
                return DeleteTarget(**named) if kind == "D" and one % 8 == 0 else ReopenTarget(**named)  # type: ignore[arg-type]
            case "r" | "c" if self.open:
                return self._word(kind, sorted(self.open)[one % len(self.open)], two)
            case _:
                return None

    def _word(self, kind: str, attempt: str, two: int) -> Command:
        ledger = self.ledgers[self.place(self.open[attempt][0])]
        outdial = ledger.outdials[self.open[attempt][0]]
        target_id = next(target for target, opened in outdial.open.items() if opened == attempt)
        if kind == "c":
            return ClaimDial(outdial_id=outdial.id, target_id=target_id, attempt_id=attempt, worker="w")
        outcome = ("busy", "not_dialed", "busy", "no_answer")[two % 4]
        return DialResult(outdial_id=outdial.id, target_id=target_id, attempt_id=attempt, outcome=outcome)  # type: ignore[arg-type]

    # --- between partitions ---------------------------------------------------------------------------

    def send(self, command: Command) -> None:
        self.sent += 1
        command = command.model_copy(update={"id": f"00000000-0000-4000-9000-{self.sent:012x}", "customer_id": CUSTOMER})
        if isinstance(command, AddSuppressions):
            [entry] = command.entries
            self.presses[command.id or ""] = Press(self._covered(entry), {command.id or ""})
            self.root_of[command.id or ""] = command.id or ""
            if entry.expires_at is not None:
                # The same entry may have been there without an end.
                self._freed(self._covered(entry))
        elif isinstance(command, RemoveSuppressions):
            [taken] = command.entries
            self._freed(self._covered(taken))
        elif isinstance(command, StartDialing):
            self.stopped.discard(command.outdial_id)
        self.decide(self.place(command.stream), command, internal=False)

    def _freed(self, gone: set[tuple[str, str]]) -> None:
        """Nothing is promised about these any more."""
        self.forbidden -= gone
        for press in self.presses.values():
            press.void |= gone

    def _covered(self, entry: NewSuppression | SuppressionRef) -> set[tuple[str, str]]:
        """What an entry is about."""
        lists = LISTS if entry.outdial_id is None else (entry.outdial_id,)
        numbers = [entry.address.target] if entry.address is not None else [one for one in NUMBERS if one.startswith(entry.prefix or "-")]
        return {(outdial_id, number) for outdial_id in lists for number in numbers}

    def decide(self, number: int, command: Command, *, internal: bool) -> None:
        effects = self.ledgers[number].decide(command, self.clock(number), internal=internal)
        if isinstance(command, StopDialing | DeleteOutdial) and effects.decision.refused is None:
            self.stopped.add(command.outdial_id)
        if isinstance(command, ClaimDial) and effects.decision.refused is None:
            assert self.open[command.attempt_id] not in self.forbidden, "a claim granted after the acknowledgement"
        root = self.root_of.get(command.id or "")
        press = None if root is None else self.presses.get(root)
        if root is not None and press is not None:
            awaited = {told.command.id or "" for told in effects.follow_ups if told.awaited}
            press.awaited |= awaited
            self.root_of |= dict.fromkeys(awaited, root)
        self.take(number, effects)
        if root is not None and root in self.presses:
            self._heard(root, command, effects)

    def _heard(self, root: str, command: Command, effects: Effects) -> None:
        press = self.presses[root]
        press.awaited.discard(command.id or "")
        press.listed |= set(effects.decision.open)
        if not press.awaited:
            out = {attempt for attempt, about in self.open.items() if about in press.numbers - press.void}
            assert out <= press.listed, "an attempt that was out was not listed"
            self.forbidden |= press.numbers - press.void
            del self.presses[root]

    def take(self, number: int, effects: Effects) -> None:
        self.note(number, effects)
        self.tell(number, effects)

    def note(self, number: int, effects: Effects) -> None:
        for event in effects.events:
            self.logs[number].append(event)
            self.invariants[number].see(event)
            if isinstance(event.data, OutdialEvent):
                self._see(event)

    def tell(self, number: int, effects: Effects) -> None:
        for told in effects.follow_ups:
            command = told.command
            there = command.partition if isinstance(command, PartitionCommand) else self.place(command.stream)
            if there == number:
                self.decide(number, command, internal=True)
            else:
                self.channels.setdefault((number, there), deque()).append(command)

    def deliver(self, channel: tuple[int, int]) -> None:
        command = self.channels[channel].popleft()
        if not self.channels[channel]:
            del self.channels[channel]
        self.decide(channel[1], command, internal=True)

    def tick(self, number: int) -> None:
        for done in self.due(number):
            for effects in done:
                self.note(number, effects)
            for effects in done:
                self.tell(number, effects)

    def arrive(self) -> None:
        while self.channels:
            self.deliver(min(self.channels))

    # --- what must hold -------------------------------------------------------------------------------

    def _see(self, event: Event) -> None:
        match event.data:
            case TargetAdded():
                addresses = [found.target if found is not None else "" for found in event.data.personal.destinations]
                self.numbers[event.stream, event.data.target_id] = tuple(addresses)
            case DialRequested():
                number = self.numbers[event.stream, event.data.target_id][event.data.destination_index]
                assert (event.stream, number) not in self.forbidden, "requested after the acknowledgement"
                assert event.stream not in self.stopped, "requested after the stop"
                self.open[event.data.attempt_id] = (event.stream, number)
                self.requested[number].append((event.time, event.data.attempt_id))
            case DialEnded():
                del self.open[event.data.attempt_id]
                if event.data.given_back:
                    self.returned.add(event.data.attempt_id)
            case _:
                pass

    def caps_hold(self) -> None:
        """No window has more requests than a rule says, of those that were calls."""
        for number, requests in self.requested.items():
            times = sorted(time for time, attempt in requests if attempt not in self.returned)
            for count, per_ms in self.caps.all_rules:
                gaps = [later - earlier for earlier, later in zip(times, times[count:], strict=False)]
                assert not gaps or min(gaps) >= per_ms * 1_000, f"{number} was called {count + 1} times within {min(gaps) / 1e6} s"

    def rests(self) -> None:
        """Once every word has arrived nobody is left asking, and who is free to be dialed is."""
        self.arrive()
        for number, ledger in enumerate(self.ledgers):
            self.tick(number)
            self.arrive()
            for outdial in ledger.outdials.values():
                assert not outdial.asking, "leave that was never answered"
                assert not any(isinstance(target, Asking) for target in outdial.targets.values())
                opened = {target_id for target_id, target in outdial.targets.items() if isinstance(target, Progressing)}
                assert opened == set(outdial.open)

    def everybody_is_dialed_again(self) -> None:
        """With the list empty and time enough, a running list dials whoever has a try."""
        entries = [
            SuppressionRef(suppression_id=str_of(key))
            for ledger in self.ledgers
            for kept in ledger.suppressions.values()
            for key in kept.entries
        ]
        if entries:
            self.sent += 1
            removed = RemoveSuppressions(id=f"00000000-0000-4000-9000-{self.sent:012x}", customer_id=CUSTOMER, entries=tuple(entries))
            self.forbidden.clear()
            self.decide(self.place(CUSTOMER), removed, internal=False)
        for _ in range(200):
            self.now += MINUTE
            # Who is refused leave makes room for the next on the list.
            for _ in ON_EACH_LIST:
                for number in range(PARTITIONS):
                    self.tick(number)
                self.arrive()
        for ledger in self.ledgers:
            for outdial in ledger.outdials.values():
                if outdial.run is not None and not outdial.deleted:
                    held = outdial.held_until(ledger.last_time)
                    due = outdial.agenda.next_due(self.now)
                    assert held is not None or due is None or due > self.now - MINUTE - 2 * SECOND, "somebody is due and not dialed"
                assert not outdial.blocked.held, "held by nothing"


def str_of(key: int) -> str:
    """An id from its compact form."""
    text = f"{key:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def live(history: bytes) -> World:
    """A history: three bytes a step."""
    world = World(history[0])
    for place in range(1, len(history) - 2, 3):
        world.step(KINDS[history[place] % len(KINDS)], history[place + 1], history[place + 2])
    world.rests()
    world.everybody_is_dialed_again()
    world.caps_hold()
    return world
