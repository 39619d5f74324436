"""The fault runs by the goal they serve, each with as many faults as it is asked for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from brokers.cluster import Cluster
from brokers.libs import VERSION
from brokers.proxy import Proxy
from faults.chaos.aiming import kill_between
from faults.chaos.asking import HABITS as SPARING
from faults.chaos.asking import Asking
from faults.chaos.bouncing import ROLES, bounce
from faults.chaos.dialers import HABITS as DIALERS
from faults.chaos.dialers import trouble_dialers
from faults.chaos.killing import kill_at_random
from faults.chaos.misleading import CASES, mislead
from faults.chaos.pausing import pause_owners
from faults.chaos.processes import Start, ours, ours_static
from faults.chaos.segments import faults_of_fences
from faults.chaos.tearing import torn
from faults.chaos.waking import HABITS, lateness, wake
from faults.chaos.world import World, world

PARTITIONS: Final = 12
Run = Callable[["Lab", int, int], dict[str, Any]]
"""A goal's run: where, the seed, how many faults."""


class Lab:
    """The brokers all runs of one process share, started when first wanted."""

    def __init__(self, folder: Path, *, peer: str = "ours", start: Start | None = None, version: str = VERSION) -> None:
        self.folder = folder
        self.peer = peer
        self.start = start
        self.version = version
        self._open = ExitStack()
        self._clusters: dict[int, Cluster] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def cluster(self, size: int = 1) -> Cluster:
        """One broker, or three."""
        if size not in self._clusters:
            self._clusters[size] = self._open.enter_context(
                Cluster(size, self.folder / f"brokers-{size}", version=self.version, lasting=True)
            )
        return self._clusters[size]

    def forget(self, size: int) -> None:
        """End brokers that are not wanted any more."""
        if size in self._clusters:
            self._clusters.pop(size).close()


@contextmanager
def _run(lab: Lab, goal: str, seed: int, planned: int, record: dict[str, Any], cluster: Cluster, **more: Any) -> Iterator[World]:
    """A run whose record is filled whatever becomes of it."""
    ends: dict[str, bool] = more.pop("ends", {})
    wrong: list[str] = []
    given: dict[str, Any] = {"partitions": PARTITIONS, "start": lab.start or ours, **more}
    with world(cluster.bootstrap, lab.folder, seed, **given) as run:
        peer = lab.peer != "ours"
        run.tolerant = run.processes.supervised = peer
        run.crowd.memory.positions = not peer
        try:
            yield run
            wrong = run.notes.pop("found", []) + run.verdict(**ends)
            if lab.peer == "ours":
                wrong += faults_of_fences(cluster, run.place.prefix, run.place.partitions)
            if goal == "G8":
                wrong += lateness(run)
        except (AssertionError, TimeoutError) as stuck:
            wrong = [*run.processes.ended(), f"stuck: {stuck}"]
        record |= run.record(goal, wrong, peer=lab.peer)
    if record["faults"] < planned:
        record["verdict"] = "short" if record["verdict"] == "right" else record["verdict"]


def g1(lab: Lab, seed: int, faults: int) -> dict[str, Any]:
    """Kills at random instants, while the processes go from one to three and back to two."""
    record: dict[str, Any] = {}
    rate = TARGETS_EACH * faults / max(faults * 10, 1)
    with _run(lab, "G1", seed, faults, record, lab.cluster(), rate=rate, **_habits(lab)) as run:
        kill_at_random(run, faults)
        missing = TARGETS_EACH * faults - run.crowd.added
        run.crowd.rate = 1_000.0
        run.crowd.wait(lambda: run.crowd.added >= TARGETS_EACH * faults, 60, f"the other {missing} targets are added")
    return record


TARGETS_EACH: Final = 334
"""Targets for each kill: 100,000 at 300 kills."""


def g1_aimed(lab: Lab, seed: int, faults: int) -> dict[str, Any]:
    """Kills between the requests of a transaction."""
    record: dict[str, Any] = {}
    with lab_proxy(lab) as proxy:
        through = {"through": proxy.bootstrap, "start": ours_static if seed % 2 else ours}
        with _run(lab, "G1", seed, faults, record, lab.cluster(), rate=60.0, **through) as run:
            kill_between(run, proxy, faults)
    return record


def g4(lab: Lab, seed: int, faults: int) -> dict[str, Any]:
    """Owners stopped beyond their session."""
    record: dict[str, Any] = {}
    with _run(lab, "G4", seed, faults, record, lab.cluster(), rate=60.0, **_habits(lab)) as run:
        pause_owners(run, faults)
    return record


def g4_dialers(lab: Lab, seed: int, faults: int) -> dict[str, Any]:
    """Dial workers stopped beyond their session, and killed."""
    record: dict[str, Any] = {}
    with _run(lab, "G4", seed, faults, record, lab.cluster(), **DIALERS) as run:
        trouble_dialers(run, faults)
    return record


def g5(lab: Lab, seed: int, faults: int) -> dict[str, Any]:
    """Hard bounces of brokers by their role."""
    record: dict[str, Any] = {}
    cluster = lab.cluster(3)
    with _run(lab, "G5", seed, faults, record, cluster, rate=40.0, partitions=6, **_habits(lab)) as run:
        run.torn = partial(torn, cluster, run.place.prefix, run.place.partitions)
        bounce(run, cluster, [ROLES[(seed + number) % len(ROLES)] for number in range(faults)])
    return record


def g6(lab: Lab, seed: int, faults: int) -> dict[str, Any]:
    """Requests held beyond their timeout and answers that never come."""
    record: dict[str, Any] = {}
    with lab_proxy(lab) as proxy, _run(lab, "G6", seed, faults, record, lab.cluster(), through=proxy.bootstrap, rate=100.0) as run:
        cases = [CASES[(seed + number) % len(CASES)] for number in range(faults)]
        run.notes["found"] = mislead(run, lab.cluster(), proxy, cases)
    return record


def g8(lab: Lab, seed: int, faults: int) -> dict[str, Any]:
    """Due times across which nobody was there; a fault is a restart."""
    record: dict[str, Any] = {}
    with _run(lab, "G8", seed, faults, record, lab.cluster(), ends={"all_must_end": False}, **HABITS) as run:
        wake(run, TIMERS, faults)
    return record


TIMERS: Final = 10_000


def g10(lab: Lab, seed: int, faults: int) -> dict[str, Any]:
    """Kills at random instants, while people ask not to be called, and may be called so often only."""
    record: dict[str, Any] = {}
    given = {"users": Asking, "start": ours_static if seed % 2 else ours, "ends": {"or_held": True}}
    with _run(lab, "G10", seed, faults, record, lab.cluster(), **given, **SPARING) as run:
        kill_at_random(run, faults)
    kinds, spared = run.crowd.kinds, len(run.crowd.memory.spared)
    return record | {"spared": spared, "passed_over": kinds["TargetBlocked"], "deferred": kinds["TargetDeferred"]}


@contextmanager
def lab_proxy(lab: Lab) -> Iterator[Proxy]:
    """A proxy before the one broker, for one run."""
    with Proxy(lab.cluster()) as proxy:
        yield proxy


def _habits(lab: Lab) -> dict[str, Any]:
    return {} if lab.peer == "ours" else {"whole": False}


GOALS: Final[dict[str, Run]] = {
    "G1": g1,
    "G1-aimed": g1_aimed,
    "G4": g4,
    "G4-dialers": g4_dialers,
    "G5": g5,
    "G6": g6,
    "G8": g8,
    "G10": g10,
}
ON_EVERY_CHANGE: Final = {"G1": 20, "G1-aimed": 8, "G4": 5, "G4-dialers": 2, "G5": 6, "G6": 24, "G8": 2, "G10": 4}
"""Faults of each run of ``make faults``."""
A_RUN: Final = {"G1": 20, "G1-aimed": 20, "G4": 10, "G4-dialers": 10, "G5": 18, "G6": 48, "G8": 5, "G10": 20}
"""Faults of one run of ``make chaos``."""
