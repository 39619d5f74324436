"""G4, the other half: dial workers are stopped beyond their session, and killed, while ledgers and users go on."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from faults.chaos.crowd import PLAN
from faults.chaos.pausing import ZOMBIE_S
from faults.chaos.processes import HERE, ROOT, Place, Processes
from faults.chaos.world import FIRST_S, PROGRESS_S, World
from faults.checker import Placed

PROGRAM: Final = HERE / "dialer.py"
MS_PER_CALL: Final = 50
HABITS: Final[dict[str, Any]] = {"dials": False, "loses": 0.0, "plan": PLAN | {"pickup_timeout": 15_000}, "rate": 40.0}


def worker(place: Place, name: str) -> "subprocess.Popen[bytes]":
    """A dial worker with a carrier that notes its calls, and asks nobody's leave: the offsets alone must see to it."""
    paths = os.pathsep.join(str(ROOT / portion) for portion in ("services", "schemas", "projections"))
    told = [place.bootstrap, place.prefix, str(place.partitions), str(_calls(place)), str(MS_PER_CALL)]
    with (place.folder / f"{name}.log").open("ab") as said:
        return subprocess.Popen(  # noqa: S603  this Python
            [sys.executable, str(PROGRAM), *told],
            env=os.environ | {"PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )


def trouble_dialers(world: World, faults: int) -> None:
    """So many times stop or kill one of two workers, and see that calls are placed again."""
    crowd, chance = world.crowd, world.chance
    world.processes.add()
    with Processes(world.processes.place, worker) as workers:
        for name in ("worker-1", "worker-2"):
            workers.add(name)
        crowd.wait(lambda: _count(world) > 0, FIRST_S, "a first call is placed")
        for number in range(faults):
            world.live(chance.uniform(0, 2))
            name = chance.choice(sorted(workers.running))
            if number % 2:
                fault = workers.kill(name, "kill -9 of a dial worker")
                workers.add(name)
            else:
                fault = workers.pause(name, "SIGSTOP of a dial worker")
                world.live(chance.uniform(12, 15))
                workers.resume(name)
                world.live(ZOMBIE_S)
            at, before = time.time(), _count(world)
            crowd.wait(lambda before=before: _count(world) > before, PROGRESS_S, "calls are placed again")  # type: ignore[misc]
            fault.recovered = time.time() - at
            world.processes.faults.append(fault)
        world.notes["quiesced_s"] = round(crowd.wait(crowd.end(), 180, "every target has come to its end"), 1)
        gone = workers.ended()
        assert not gone, gone
    crowd.memory.placed = placed(world.place.folder / "calls")


def placed(path: Path) -> list[Placed]:
    """The calls that workers noted. Who was killed noted no end: then it is the beginning."""
    found: dict[tuple[str, int], Placed] = {}
    again: list[Placed] = []
    for text in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if not text.endswith("\n"):
            continue
        line = json.loads(text)
        key = line["attempt_id"], line["pid"]
        if line["what"] == "placed":
            call = Placed(line["attempt_id"], line["target_id"], str(line["pid"]), line["at"], line["at"])
            if key in found:
                again.append(call)
            found.setdefault(key, call)
        elif key in found:
            found[key].end = line["at"]
    return [*found.values(), *again]


def _calls(place: Place) -> Path:
    return place.folder / "calls"


def _count(world: World) -> int:
    path = _calls(world.place)
    return path.read_bytes().count(b'"placed"') if path.exists() else 0
