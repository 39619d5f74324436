"""Outdials of one customer in several partitions, and words about shares that come late, twice and in any order.

What must hold: no second holds more requests of the customer than was promised, and whoever is due is dialed in the end. The rules
are written here a second time, from the events alone.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from outdial.address import Address
from outdial.commands import (
    AddTargets,
    ApplySuppression,
    Command,
    CreateOutdial,
    DeleteOutdial,
    NewTarget,
    PauseDialing,
    ResumeDialing,
    SetPace,
    StartDialing,
    StopDialing,
)
from outdial.dialing.ledger import Effects
from outdial.envelope import Event
from outdial.events import DialRequested, ShareEvent
from outdial.plan import Plan
from partitions import PARTITIONS, Partitions
from sim import SECOND, an_id

CUSTOMER: Final = an_id("customer")
OUTDIALS: Final = tuple(an_id(f"outdial {name}") for name in "abcde")
RATES: Final = (3, 1, 2, 7, 12, None)
KINDS: Final = "dddddddddddddddddddddddddddttttttttttttttttttttttttttASSsPRRXn!"
STEPS_OF_TIME: Final = (1_000, 60_000, 110_000, 150_000, 250_000, 400_000, 999_999, SECOND, 11 * SECOND)
ENDLESS: Final = 1 << 62


@dataclass
class Promise:
    """A rate that may be in force: from when it was asked for until the next was acknowledged."""

    rate: int | None
    begins: int
    ends: int = ENDLESS


@dataclass
class World(Partitions):
    """Outdials whose words the test carries."""

    skew = (0, 700_000, -400_000)
    in_order: dict[tuple[int, int], deque[Command]] = field(default_factory=dict)
    """Words to guards, which keep their order."""
    loose: list[tuple[int, Command]] = field(default_factory=list)
    """Other words on their way, and where to."""
    promises: list[Promise] = field(default_factory=lambda: [Promise(None, 0)])
    awaited: list[tuple[int, set[str]]] = field(default_factory=list)
    """Of the changes of the rate that were not acknowledged: which promise they are about, and what is waited for."""
    sent: int = 0
    targets: int = 0

    def __post_init__(self) -> None:
        for outdial_id in OUTDIALS:
            plan = Plan(max_try_count_0=1, max_concurrent=0, calls_per_second=2 if outdial_id == OUTDIALS[1] else None)
            self.send(CreateOutdial(outdial_id=outdial_id, customer_id=CUSTOMER, plan=plan))
            self.add(outdial_id, 30)

    # --- one step -------------------------------------------------------------------------------------

    def step(self, kind: str, one: int, two: int) -> None:
        outdial_id = OUTDIALS[one % len(OUTDIALS)]
        match kind:
            case "d":
                self.deliver(one, twice=two % 8 == 0)
            case "t":
                self.now += STEPS_OF_TIME[one % len(STEPS_OF_TIME)]
                self.tick(two % PARTITIONS)
            case "!":
                self.restart(one % PARTITIONS)
            case "A":
                self.add(outdial_id, 1 + two % 40)
            case "S":
                self.send(StartDialing(outdial_id=outdial_id))
            case "s":
                self.send(StopDialing(outdial_id=outdial_id))
            case "P" | "R":
                self.send((PauseDialing if kind == "P" else ResumeDialing)(outdial_id=outdial_id))
            case "X" if two % 4 == 0:
                self.send(DeleteOutdial(outdial_id=outdial_id))
            case "n":
                self.set(RATES[two % len(RATES)])
            case _:
                pass

    def add(self, outdial_id: str, count: int) -> None:
        self.targets += count
        numbers = range(self.targets - count, self.targets)
        targets = tuple(NewTarget(destination_0=Address(type="tel", target=f"+1555{number:07}")) for number in numbers)
        self.send(AddTargets(outdial_id=outdial_id, targets=targets))

    def set(self, rate: int | None) -> None:
        """Ask for another rate, which may be in force at once."""
        self.promises.append(Promise(rate, min(ledger.last_time for ledger in self.ledgers)))
        self.awaited.append((len(self.promises) - 1, {self.name(self.sent + 1)}))
        self.send(SetPace(customer_id=CUSTOMER, calls_per_second=rate or 0))

    # --- between partitions ---------------------------------------------------------------------------

    @staticmethod
    def name(number: int) -> str:
        return f"00000000-0000-4000-9000-{number:012x}"

    def send(self, command: Command) -> None:
        self.sent += 1
        command = command.model_copy(update={"id": self.name(self.sent), "customer_id": CUSTOMER})
        self.decide(self.place(command.stream), command, internal=False)

    def decide(self, number: int, command: Command, *, internal: bool) -> None:
        effects = self.ledgers[number].decide(command, self.clock(number), internal=internal)
        self.logs[number] += effects.events
        told = {one.command.id or "" for one in effects.follow_ups if one.awaited}
        for _, waits in self.awaited:
            if command.id in waits:
                waits.update(told)
                waits.discard(command.id)
        self.tell(number, effects)
        self.acknowledge()

    def acknowledge(self) -> None:
        """A change whose chain has been answered holds from here on, and those before it no longer."""
        for place, waits in [*self.awaited]:
            if not waits:
                self.awaited.remove((place, waits))
                latest = max(max(ledger.last_time, self.clock(number)) for number, ledger in enumerate(self.ledgers))
                for promise in self.promises[:place]:
                    promise.ends = min(promise.ends, latest)

    def tell(self, number: int, effects: Effects) -> None:
        for told in effects.follow_ups:
            command = told.command
            if isinstance(command, ApplySuppression):
                self.in_order.setdefault((number, command.partition), deque()).append(command)
            else:
                self.loose.append((self.place(command.stream), command))

    def deliver(self, which: int, *, twice: bool = False) -> None:
        waiting = [*sorted(self.in_order), *range(len(self.loose))]
        if not waiting:
            return
        chosen = waiting[which % len(waiting)]
        if isinstance(chosen, tuple):
            command = self.in_order[chosen].popleft()
            if not self.in_order[chosen]:
                del self.in_order[chosen]
            self.decide(chosen[1], command, internal=True)
        else:
            there, command = self.loose[chosen] if twice else self.loose.pop(chosen)
            self.decide(there, command, internal=True)

    def arrive(self) -> None:
        while self.loose or self.in_order:
            self.deliver(0)

    def tick(self, number: int) -> None:
        for done in self.due(number):
            for effects in done:
                self.logs[number] += effects.events
                self.tell(number, effects)

    def pass_time(self, seconds: int, step: int = SECOND // 2) -> None:
        """Everything arrives, and everybody is on time."""
        end = self.now + seconds * SECOND
        while self.now < end:
            self.arrive()
            for number in range(PARTITIONS):
                self.tick(number)
            if not self.loose:
                self.now += step

    # --- what must hold -------------------------------------------------------------------------------

    @property
    def requests(self) -> list[tuple[int, str]]:
        """When, and of which outdial, earliest first."""
        return sorted((event.time, event.stream) for log in self.logs for event in log if isinstance(event.data, DialRequested))

    def the_pace_holds(self) -> None:
        """No second holds more requests than a rate that may have been in force in it."""
        times = [time for time, _ in self.requests]
        first = 0
        for last, time in enumerate(times):
            while times[first] <= time - SECOND:
                first += 1
            most = self.allowed(time - SECOND, time)
            assert last - first + 1 <= most, f"{last - first + 1} requests within a second, {most} were allowed"

    def the_shares_fit(self) -> None:
        """At no instant do all outdials together have more than a rate that may be in force, and nobody uses more than its share."""
        shares: Counter[str] = Counter()
        events = sorted((event for log in self.logs for event in log if _is_shared(event)), key=lambda event: event.time)
        used: dict[str, deque[int]] = {outdial_id: deque() for outdial_id in OUTDIALS}
        had: dict[str, deque[tuple[int, int]]] = {outdial_id: deque([(0, 0)]) for outdial_id in OUTDIALS}
        for number, event in enumerate(events):
            time = event.time
            if isinstance(event.data, ShareEvent):
                shares[event.stream] = event.data.share
                had[event.stream].append((time, event.data.share))
                at_once = number + 1 < len(events) and events[number + 1].time == time
                assert at_once or shares.total() <= self.allowed(time, time), f"{shares.total()} given, {self.allowed(time, time)} allowed"
            elif self.allowed(time - SECOND, time) < ENDLESS:
                requests, before = used[event.stream], had[event.stream]
                requests.append(time)
                while requests[0] <= time - SECOND:
                    requests.popleft()
                while len(before) > 1 and before[1][0] <= time - SECOND:
                    before.popleft()
                assert len(requests) <= min(share for _, share in before), "more than its share was used"

    def allowed(self, begin: int, end: int) -> int:
        """The most that may have been in force after ``begin`` and until ``end``."""
        rates = [one.rate for one in self.promises if one.begins <= end and one.ends > begin]
        return max(ENDLESS if rate is None else rate for rate in rates)

    def everybody_is_dialed(self) -> None:
        """Once every word arrives, whoever is due in a run that is not paused is dialed, and then nobody keeps a share."""
        self.set(7)
        waiting = sum(outdial.agenda.dialable for ledger in self.ledgers for outdial in ledger.outdials.values())
        # The slowest takes two a second, and gives up what it does not need in steps of ten seconds.
        for _ in range(6 + waiting // 20):
            self.pass_time(10)
            if not any(outdial.share.told or outdial.share.wanted for ledger in self.ledgers for outdial in ledger.outdials.values()):
                break
        for ledger in self.ledgers:
            for outdial in ledger.outdials.values():
                if outdial.run is not None and not outdial.run.paused:
                    assert not outdial.agenda.dialable, "somebody is due and not dialed"
                assert (outdial.share.told, outdial.share.wanted) == (0, 0), "a share that nobody uses"
        assert self.ledgers[self.place(CUSTOMER)].paces[CUSTOMER].members == {}

    def shares_of(self, since: int) -> Counter[str]:
        """How many requests of each outdial were made since."""
        return Counter(stream for time, stream in self.requests if time >= since)


def live(history: bytes) -> World:
    """A history: three bytes a step."""
    world = World()
    world.set(RATES[history[0] % len(RATES)])
    world.arrive()
    for place in range(1, len(history) - 2, 3):
        world.step(KINDS[history[place] % len(KINDS)], history[place + 1], history[place + 2])
    world.everybody_is_dialed()
    world.the_pace_holds()
    world.the_shares_fit()
    return world


def _is_shared(event: Event) -> bool:
    return isinstance(event.data, ShareEvent | DialRequested)
