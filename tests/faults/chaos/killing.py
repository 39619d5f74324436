"""G1 to G3: ledgers are killed at any moment, while their number goes from one to three and back."""

import signal
from typing import Final

from faults.chaos.world import World

JAVA_ENDED: Final = 128 + signal.SIGTERM
AGAIN: Final = 0.25
"""The part of the kills that does not wait for the one before to be recovered from."""
LONGEST_LIFE_S: Final = 1.5


def kill_at_random(world: World, kills: int, sizes: tuple[int, ...] = (1, 2, 3, 2)) -> None:
    """So many kills, spread over group sizes; each killed process is started again."""
    processes, chance = world.processes, world.chance
    for number in range(kills):
        size = sizes[number * len(sizes) // kills]
        while len(processes.running) > size:
            name = chance.choice(sorted(processes.running))
            code = processes.stop(name)
            # One that has not begun to listen to signals is ended by this one; Java tells its parent so.
            if code not in (0, -signal.SIGTERM, JAVA_ENDED):
                processes.fell(name, code)
        while len(processes.running) < size:
            processes.add()
        if not number:
            world.begun()
        name = chance.choice(sorted(processes.running))
        world.live(chance.uniform(0, LONGEST_LIFE_S))
        processes.tend()
        fault = processes.kill(name)
        processes.add(name)
        if number + 1 < kills and chance.random() < AGAIN:
            world.live(chance.uniform(0, 4))
            world.unfinished.append(fault)
        else:
            world.recovered(fault)
