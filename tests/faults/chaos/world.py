"""Ledgers, their users, and what is left when all is over: one run, from the first command to the verdict."""

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from brokers.cluster import create_topics, delete_topics, metadata
from faults.chaos.checker import faults_of
from faults.chaos.crowd import Crowd
from faults.chaos.processes import Fault, Place, Processes, Start, ours
from faults.chaos.reading import NAMES, RecordPlace, Topics, read
from outdial.topology import TOPICS, Topology, config

PROGRESS_S: Final = 60.0
"""Within this time every partition goes on after a fault."""
END_S: Final = 180.0
"""Within this time all come to their end, when no more are added; of those whose faults are only counted, at least one more."""
LAST_S: Final = 600.0
"""Within this time all of those do."""
LEFT_OPEN_S: Final = 90.0
"""What processes left open when they were stopped is over within this time: the longest timeout of a transaction, and a little."""
TALLIED: Final = (
    "requested twice",
    "dial requests",
    "from no event",
    "sequence",
    "placed",
    "two calls",
    "came to no end",
    "is still open",
    "no effect",
    "transaction is open",
    "stuck",
)
"""Words of the checker by which what is wrong is counted."""
FIRST_S: Final = 60.0
VARIES: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|-?\d+(\.\d+)?")
"""Ids and numbers in what is wrong, left out where sorts of it are counted."""


@dataclass
class World:
    """One run."""

    place: Place
    processes: Processes
    crowd: Crowd
    chance: Random
    seed: int
    begin: float = field(default_factory=time.time)
    notes: dict[str, Any] = field(default_factory=dict)
    """What else is to be told of the run."""
    topics: Topics | None = None
    torn: Callable[[], set[RecordPlace]] = set
    """What the brokers broke off from its transaction, where they may have."""
    tolerant: bool = False
    """Whether a ledger that does not go on, or ends by itself, is only noted: a peer's faults are counted to the end."""
    stuck: int = 0
    """Waits that were given up."""
    still: list[int] = field(default_factory=list)
    """Partitions that had not gone on, of each fault after which some had not."""
    unfinished: list[Fault] = field(default_factory=list)
    """Faults whose recovery nobody waited for: the next came before it was over."""
    missed: list[Fault] = field(default_factory=list)
    """Faults whose recovery is still waited for, beside what happens meanwhile."""

    def begun(self) -> None:
        """Wait until every partition has its first event."""
        self._come(lambda: self.crowd.went_on(0.001), FIRST_S, "the ledgers begin")

    def recovered(self, fault: Fault, seconds: float = PROGRESS_S) -> None:
        """Wait until every partition goes on after a fault, and note how long that took."""
        if self._come(lambda: self.crowd.went_on(fault.at), seconds, f"progress after {fault.what} of {fault.pid}"):
            fault.recovered = time.time() - fault.at
        else:
            self.missed.append(fault)
            self.still.append(sum(at < fault.at * 1_000 for at in self.crowd.appended))
        self.outage(next(iter(self.unfinished), fault))
        self.unfinished.clear()

    def _come(self, condition: Callable[[], bool], seconds: float, what: str) -> bool:
        """Whether something came to hold in time; AssertionError when not, unless that is only noted."""

        def tended() -> bool:
            self.processes.tend()
            for fault in [fault for fault in self.missed if self.crowd.went_on(fault.at)]:
                fault.recovered = time.time() - fault.at
                self.missed.remove(fault)
            return condition()

        try:
            self.crowd.wait(tended, seconds, what)
        except AssertionError:
            if not self.tolerant or self.crowd.failure is not None:
                raise
            self.stuck += 1
            return False
        return True

    def live(self, seconds: float) -> None:
        """Let time pass, unless the crowd finds a fault meanwhile."""
        until = time.monotonic() + seconds
        self._come(lambda: time.monotonic() >= until, seconds + 30, "time passes")

    def outage(self, fault: Fault) -> None:
        """Nobody may have been there to decide from a fault until now."""
        self.crowd.memory.outages.append((round(fault.at * 1e6), time.time_ns() // 1_000))

    def verdict(self, *, all_must_end: bool = True, or_held: bool = False) -> list[str]:
        """Let everybody come to an end, or at least to rest, and say what is wrong. ``or_held``: at rest once who is not held has ended."""
        self.processes.tend()
        wrong = self.processes.ended()
        if wrong:
            return wrong
        if or_held:
            self._ended(self.crowd.end(), "every target has come to its end, or is held")
            all_must_end = False
        came = self.crowd.end() if all_must_end else self.crowd.rest()
        begin = time.monotonic()
        if not self._ended(came, "every target has come to its end" if all_must_end else "every list is stopped"):
            # What is read twice must not change in between.
            for name in list(self.processes.running):
                self.processes.stop(name)
        self.notes["quiesced_s"] = round(time.monotonic() - begin, 1)
        self.topics = topics = self._read()
        self._come(lambda: self._all_shown(topics), 30, "the earlier reader has come to the end")
        topics.torn = self.torn()
        if topics.torn:
            self.notes["torn"] = len(topics.torn)
        return faults_of(topics, self.crowd.memory, all_must_end=all_must_end, at_rest=or_held)

    def _ended(self, came: Callable[[], bool], what: str) -> bool:
        """Wait until something holds, for as long as ever fewer are left; whether it came to hold."""
        least, until = self.crowd.left, time.monotonic() + (LAST_S if self.tolerant else END_S)

        def nearer() -> bool:
            return came() or self.crowd.left < least

        while self._come(nearer, min(END_S, until - time.monotonic()), what):
            if came():
                return True
            least = self.crowd.left
        return False

    def _read(self) -> Topics:
        """All there is, when no transaction is open any more, where that is waited for."""
        until = time.monotonic() + LEFT_OPEN_S
        while True:
            topics = read(self.place.bootstrap, self.place.prefix, self.place.partitions, NAMES)
            is_open = any(stable < high for stable, high in topics.ends.values())
            if not (self.tolerant and is_open and time.monotonic() < until):
                return topics
            time.sleep(1)

    def _all_shown(self, topics: Topics) -> bool:
        shown = sum(len(records) for name in ("events", "dial-requests") for records in topics.records[name])
        return len(self.crowd.memory.seen) >= shown

    def record(self, goal: str, wrong: list[str], *, peer: str = "ours") -> dict[str, Any]:
        """What is written down of this run."""
        recoveries = [fault.recovered for fault in self.processes.faults if fault.recovered is not None]
        topics = self.topics
        return {
            "goal": goal,
            "peer": peer,
            "seed": self.seed,
            "at": round(self.begin),
            "duration_s": round(time.time() - self.begin, 1),
            "faults": len(self.processes.faults),
            "kinds": _counted(fault.what for fault in self.processes.faults),
            "pids": sorted({fault.pid for fault in self.processes.faults}),
            "targets": self.crowd.added,
            "records": 0 if topics is None else sum(len(records) for found in topics.records.values() for records in found),
            "requests": self.crowd.kinds["DialRequested"],
            "calls": len(self.crowd.memory.placed),
            "recovery_max_s": round(max(recoveries), 1) if recoveries else None,
            "verdict": "right" if not wrong else "wrong",
            "wrong": len(wrong),
            "first_wrong": wrong[:3],
            "tally": {said: times for said in TALLIED if (times := self.stuck * (said == "stuck") + sum(said in fault for fault in wrong))},
            **(self._of_peer(wrong) if self.tolerant else {}),
            **self.notes,
        }

    def _of_peer(self, wrong: list[str]) -> dict[str, Any]:
        """What is told of a peer's run besides, for there what is wrong is counted."""
        return {
            "died": len(self.processes.died),
            "still": self.still,
            "never_recovered": len(self.missed),
            "sorts": dict(Counter(VARIES.sub("…", one) for one in wrong).most_common(12)),
        }


def _counted(words: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return found


@contextmanager
def world(
    bootstrap: str,
    folder: Path,
    seed: int,
    *,
    partitions: int = 12,
    start: Start = ours,
    through: str | None = None,
    users: type[Crowd] = Crowd,
    **habits: Any,
) -> Iterator[World]:
    """A run on topics of its own. ``through``: where the ledgers connect, when not where the crowd does. ``users``: what crowd that is."""
    topology = Topology(f"chaos-{uuid.uuid4().hex[:10]}", partitions)
    address = bootstrap.partition(",")[0]
    brokers, _ = metadata(address, [])
    create_topics(address, {topology.topic(topic.name): config(topic, brokers) for topic in TOPICS}, partitions)
    place = Place(bootstrap, topology.prefix, partitions, folder / topology.prefix)
    place.folder.mkdir(parents=True)
    crowd = users(bootstrap, topology.prefix, partitions, seed, **habits)
    ledgers = Place(through or bootstrap, place.prefix, partitions, place.folder)
    try:
        with Processes(ledgers, start) as processes:
            crowd.start()
            yield World(place, processes, crowd, Random(seed), seed)  # noqa: S311  a seed that can be given again
    finally:
        crowd.close()
        delete_topics(address, [topology.topic(topic.name) for topic in TOPICS])


def line(record: dict[str, Any]) -> str:
    """A record as it is written down."""
    return json.dumps(record, ensure_ascii=False)
