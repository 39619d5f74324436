"""The races themselves: processes, people who press, phones that ring, and all that is remembered of it."""

import asyncio
import json
import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from brokers.cluster import create_topics, delete_topics, metadata
from faults.chaos.processes import Place, Processes, ours
from faults.chaos.reading import NAMES, Rec, Topics, consumer, places, read, record_of
from outdial.commands import Command, CreateCampaign, CreateOutdial, CreateOutplan, DialResult
from outdial.requests import Unavailable
from outdial.topology import TOPICS, Topology, config
from races.door import Door, OverHttp, Pressed, Within
from races.kinds import KINDS, Race

PARTITIONS: Final = 12
AT_ONCE: Final = 10
"""Races that go on side by side."""
LONGEST_RING_S: Final = 0.3
QUIET_S: Final = 1.0
"""After so long without a word nothing is under way: no retry waits longer."""
PATIENCE_S: Final = 60.0
SPREADS: Final = (0.0, 0.0, 0.01, 0.05, 0.2)
"""Within how long the presses of a race come, seconds."""
CREATES: Final[dict[type[Command], str]] = {CreateOutdial: "outdials", CreateOutplan: "outplans", CreateCampaign: "campaigns"}


@dataclass
class Remembered:
    """What everybody remembers when all is over, and what stands in the topics."""

    topics: Topics
    pressed: list[Pressed]
    seen: list[Rec]
    """Dial requests as the phones were shown them."""
    unread: list[str]
    """What was made and was not found at the other process."""
    digests: list[str]
    """Of the views of each process."""
    ended: list[str] = field(default_factory=list)
    """Processes that ended by themselves."""


class Phones:
    """An independent reader of the dial requests: what rings is answered a little later."""

    def __init__(self, bootstrap: str, topology: Topology, ring: Callable[[Rec], None]) -> None:
        self.seen: list[Rec] = []
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._reader = consumer(bootstrap)
        self._reader.assign(places(topology.prefix, ("dial-requests",), topology.partitions))
        self._prefix = topology.prefix
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="phones")
        self._thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            for message in self._reader.consume(500, 0.05):
                if message.error() is None:
                    self._loop.call_soon_threadsafe(self._rings, record_of(message, self._prefix))
        self._reader.close()

    def _rings(self, record: Rec) -> None:
        self.seen.append(record)
        self._ring(record)

    async def close(self) -> None:
        """Hear no more."""
        self._over.set()
        await asyncio.to_thread(self._thread.join)


class Races:
    """Races over two doors."""

    def __init__(self, bootstrap: str, topology: Topology, doors: Sequence[Door], seed: int, kinds: Sequence[str]) -> None:
        self.pressed: list[Pressed] = []
        self.unread: list[str] = []
        self._bootstrap = bootstrap
        self._topology = topology
        self._doors = doors
        self._seed = seed
        self._kinds = kinds
        self._known = (0,) * topology.partitions
        self._chance = Random(f"{seed}/phones")  # noqa: S311  chance that repeats
        self._ringing: set[asyncio.Task[None]] = set()
        self._phones = Phones(bootstrap, topology, self._rings)

    async def race(self, numbers: range) -> None:
        """Run races, a few at a time."""
        left = iter(numbers)

        async def one_after_another() -> None:
            for number in left:
                await self._race(Race(self._seed, number, self._topology.partitions, self._kinds))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one_after_another())

    async def _race(self, race: Race) -> None:
        before, presses = KINDS[race.kind](race)
        for command in before:
            await self._press(race, command, race.chance.choice(self._doors))
        first = race.chance.randrange(2)
        if race.chance.random() < 0.4:
            # It runs already when the race begins.
            await self._press(race, presses[0], self._doors[first])
        spread = race.chance.choice(SPREADS)
        waits = [
            (command, self._doors[(first + index) % 2] if index < 2 else race.chance.choice(self._doors), race.chance.uniform(0, spread))
            for index, command in enumerate(presses)
        ]
        async with asyncio.TaskGroup() as group:
            for command, door, seconds in waits:
                group.create_task(self._press(race, command, door, seconds))
        if race.chance.random() < 0.5:
            await self._press(race, race.chance.choice(presses), race.chance.choice(self._doors))

    async def _press(self, race: Race, command: Command, door: Door, seconds: float = 0.0) -> None:
        """Send a command, and look for what it made at the other door as soon as it is answered."""
        sent = race.named(command)
        if seconds:
            await asyncio.sleep(seconds)
        told = await self._send(race.number, race.kind, door, sent)
        kind = CREATES.get(type(command))
        if kind is not None and told.answer is not None and told.answer.result == "events":
            [other] = [one for one in self._doors if one is not door]
            try:
                found = await other.shows(kind, command.stream)
            except Unavailable as why:
                self.unread.append(f"race {race.number}: {other.name} did not answer a read: {why}")
            else:
                if not found:
                    self.unread.append(f"race {race.number}: {kind}/{command.stream}, made at {door.name}, was not found at {other.name}")

    async def _send(self, number: int, kind: str, door: Door, command: Command) -> Pressed:
        pressed = Pressed(number, kind, door.name, command, self._known)
        self.pressed.append(pressed)
        began = time.perf_counter()
        try:
            pressed.answer = await door.send(command)
        except Unavailable as why:
            pressed.failure = f"{why.reason}: {why.message}"
        pressed.seconds = time.perf_counter() - began
        if pressed.answer is not None:
            pressed.shown = tuple(int(mark) for mark in pressed.answer.position.split("-"))
            self._known = tuple(map(max, self._known, pressed.shown))
        return pressed

    # --- phones ---------------------------------------------------------------------------------------

    def _rings(self, record: Rec) -> None:
        task = asyncio.create_task(self._pick_up(json.loads(record.value)))
        self._ringing.add(task)
        task.add_done_callback(self._ringing.discard)

    async def _pick_up(self, request: dict[str, Any]) -> None:
        chance = self._chance
        await asyncio.sleep(chance.uniform(0, LONGEST_RING_S))
        said = DialResult(
            id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            customer_id=request["customer_id"],
            outdial_id=request["outdial_id"],
            target_id=request["target_id"],
            attempt_id=request["attempt_id"],
            outcome=chance.choice(("answered", "busy", "no_answer", "canceled")),
        )
        await self._send(-1, "phones", chance.choice(self._doors), said)

    # --- the end --------------------------------------------------------------------------------------

    async def quiet(self) -> Topics:
        """Everything that stands in the topics, once nothing happens any more.

        Raises:
            AssertionError: something goes on for ever.
        """
        until = time.monotonic() + PATIENCE_S
        asker = consumer(self._bootstrap)
        try:
            before, since = await asyncio.to_thread(self._ends, asker), time.monotonic()
            while time.monotonic() < until:
                await asyncio.sleep(QUIET_S / 5)
                ends = await asyncio.to_thread(self._ends, asker)
                if self._ringing or ends != before:
                    before, since = ends, time.monotonic()
                elif time.monotonic() - since >= QUIET_S:
                    topics = await asyncio.to_thread(read, self._bootstrap, self._topology.prefix, self._topology.partitions, NAMES)
                    if not self._ringing and await asyncio.to_thread(self._ends, asker) == ends:
                        return topics
        finally:
            asker.close()
        raise AssertionError("it never becomes quiet: something goes on, or phones ring that nobody hears")

    def _ends(self, asker: Any) -> list[int]:
        return [
            asker.get_watermark_offsets(place, timeout=PATIENCE_S)[1]
            for place in places(self._topology.prefix, NAMES, self._topology.partitions)
        ]

    @property
    def seen(self) -> list[Rec]:
        """Dial requests as they were shown."""
        return self._phones.seen

    async def close(self) -> None:
        """Let the phones be."""
        await self._phones.close()
        for task in self._ringing:
            task.cancel()
        await asyncio.gather(*self._ringing, return_exceptions=True)


@asynccontextmanager
async def topics_of(bootstrap: str, partitions: int = PARTITIONS) -> AsyncIterator[Topology]:
    """Topics of nobody else, until the block ends."""
    topology = Topology(f"races-{uuid.uuid4().hex[:12]}", partitions)
    address = bootstrap.partition(",")[0]
    brokers, _ = await asyncio.to_thread(metadata, address, [])
    wanted = {topology.topic(topic.name): config(topic, brokers) for topic in TOPICS}
    await asyncio.to_thread(create_topics, address, wanted, partitions)
    try:
        yield topology
    finally:
        await asyncio.to_thread(delete_topics, address, list(wanted))


async def race(
    bootstrap: str, folder: Path, seed: int, numbers: range, *, kinds: Sequence[str] = tuple(KINDS), ledgers: int = 2, http: bool = False
) -> Remembered:
    """Run races over two API processes, and gather what is remembered of them. ``http``: the API is two processes of its own."""
    async with AsyncExitStack() as stack:
        topology = await stack.enter_async_context(topics_of(bootstrap))
        processes = stack.enter_context(Processes(Place(bootstrap, topology.prefix, topology.partitions, folder), ours))
        for _ in range(ledgers):
            processes.add()
        opened = [(OverHttp if http else Within).open(name, bootstrap, topology, folder / name) for name in ("A", "B")]
        doors: list[Door] = list(await asyncio.gather(*opened))
        for door in doors:
            stack.push_async_callback(door.close)
        await _settled(processes, topology.partitions)
        races = Races(bootstrap, topology, doors, seed, kinds)
        stack.push_async_callback(races.close)
        await races.race(numbers)
        topics = await races.quiet()
        ended = [*processes.ended(), *(why for door in doors if (why := door.ended()) is not None)]
        digests = await _digests(doors, bootstrap, topology, folder)
        return Remembered(topics, races.pressed, races.seen, races.unread, digests, ended)


async def _settled(processes: Processes, partitions: int) -> None:
    """Return when every partition is open, and the group has dealt them to all."""
    until = time.monotonic() + PATIENCE_S
    while True:
        owners = Counter(processes.owner(partition) for partition in range(partitions))
        if None not in owners and len(owners) == len(processes.running):
            return
        wrong = processes.ended()
        assert not wrong, wrong
        assert time.monotonic() < until, f"partitions are with {owners}"
        await asyncio.sleep(0.1)


async def _digests(doors: Sequence[Door], bootstrap: str, topology: Topology, folder: Path) -> list[str]:
    """Of the views of each process, as they are on its disk."""
    found = []
    for door in doors:
        if not isinstance(door, Within):
            await door.close()
        kept = door if isinstance(door, Within) else await Within.open(door.name, bootstrap, topology, folder / door.name)
        try:
            await kept.doors.caught_up()
            found.append(await kept.doors.mirror.digest())
        finally:
            if kept is not door:
                await kept.close()
    return found


def summary(seed: int, memories: Sequence[Remembered], races: int, seconds: float) -> dict[str, Any]:
    """The figures of races."""
    pressed = [one for memory in memories for one in memory.pressed]
    waits = sorted(one.seconds for one in pressed)
    return {
        "races": races,
        "seed": seed,
        "seconds": round(seconds, 1),
        "commands": len(pressed),
        "records": sum(len(records) for memory in memories for parts in memory.topics.records.values() for records in parts),
        "requests": sum(len(memory.seen) for memory in memories),
        "answer_p50_ms": round(_share(waits, 0.5) * 1000, 1),
        "answer_p99_ms": round(_share(waits, 0.99) * 1000, 1),
        "answer_max_ms": round(waits[-1] * 1000, 1),
        "rejected": sum(one.answer is not None and one.answer.result == "rejected" for one in pressed),
    }


def _share(waits: list[float], share: float) -> float:
    return waits[min(len(waits) - 1, math.ceil(len(waits) * share) - 1)]
