"""G8: what falls due while nobody is there, or soon after, is done once, not too early, and soon."""

import shutil
import time
from functools import partial
from typing import Any, Final

from faults.chaos.checker import rows_of
from faults.chaos.crowd import PLAN, Crowd
from faults.chaos.world import FIRST_S, World
from faults.checker import SECOND, micros

WAITS_MS: Final = (20_000, 20_000, 20_000, 26_000)
"""Most fall due while nobody is there, some when somebody is again."""
DOWN_S: Final = 24.0
"""From the first attempt's end to the start."""
ALL_S: Final = 120.0
LATE_US: Final = 2 * SECOND
HABITS: Final[dict[str, Any]] = {
    "plan": PLAN | {"max_try_count_0": 100, "max_try_count_1": 0, "max_concurrent": 0, "pickup_timeout": 60_000, "result_grace": 600_000},
    "intervals": WAITS_MS,
    "rate": 0.0,
    "whole": False,
    "loses": 0.0,
    "reaches": 0.0,
}


def wake(world: World, timers: int, restarts: int) -> None:
    """So many targets wait; so many times the ledger is killed before they are due, and another reads the log from zero."""
    crowd, processes = world.crowd, world.processes
    opened: list[dict[int, float]] = []
    name = processes.add()
    crowd.wait(lambda: crowd.went_on(0.001) and len(crowd.lists) >= 2 * world.place.partitions, FIRST_S, "the ledger begins")
    crowd.ask(lambda: [crowd.add(crowd.lists[number % len(crowd.lists)]) for number in range(timers)])
    for turn in range(1, restarts + 1):
        crowd.wait(partial(_seen, crowd, "DialEnded", (turn - 1) * timers + 1), ALL_S, "a first attempt ends")
        first = time.time()
        crowd.wait(partial(_seen, crowd, "DialEnded", turn * timers), ALL_S, "every attempt ends")
        fault = processes.kill(name, "down across due times")
        assert time.time() - first < WAITS_MS[0] / 1_000, "the first was due before the last attempt had ended"
        world.live(max(0.0, first + DOWN_S - time.time()))
        shutil.rmtree(processes.place.folder / name)
        name = processes.add()
        crowd.wait(partial(_seen, crowd, "DialRequested", (turn + 1) * timers), ALL_S, "everybody is requested")
        world.outage(fault)
        opened.append(processes.opened())
    world.notes["opened"] = opened


def _seen(crowd: Crowd, kind: str, count: int) -> bool:
    return crowd.kinds[kind] >= count


def lateness(world: World) -> list[str]:
    """Requests that came more than two seconds after they were due and every partition was open, and how late they were, seconds."""
    opened: list[dict[int, float]] = world.notes.pop("opened")
    assert world.topics is not None
    late: list[int] = []
    slept = 0
    starts = [(round(min(found.values()) * SECOND), round(max(found.values()) * SECOND)) for found in opened]
    for records in world.topics.records["events"]:
        stamps = [record.timestamp * 1_000 for record in records if record.key is not None]
        for row, stamp in zip(rows_of(records), stamps, strict=True):
            if row.type == "DialRequested" and row.event["data"]["ordinal"] > 1:
                due = micros(row.event["data"]["due_at"])
                begun = max([due, *(all_open for first_open, all_open in starts if first_open <= stamp)])
                slept += due < begun
                late.append(max(0, stamp - begun))
    late.sort()
    told = {"p50_s": late[len(late) // 2] / SECOND, "p99_s": late[len(late) * 99 // 100] / SECOND, "max_s": late[-1] / SECOND}
    world.notes |= {"late_" + name: round(value, 3) for name, value in told.items()} | {"timers": len(late), "due_while_down": slept}
    return [f"{sum(one > LATE_US for one in late)} requests came up to {late[-1] / SECOND:.1f} s late"] * (late[-1] > LATE_US)
