"""G4: an owner is stopped until another has taken over, and goes on as a zombie."""

from brokers.cluster import Cluster
from faults.chaos.segments import faults_of_fences
from faults.chaos.world import FIRST_S, World

ZOMBIE_S = 3.0
"""How long the zombie has to do harm."""


def pause_owners(world: World, pauses: int) -> None:
    """So many times stop one of two processes beyond its session, let the other take over, and let it go on."""
    processes, crowd, chance = world.processes, world.crowd, world.chance
    for _ in range(2):
        processes.add()
    crowd.wait(lambda: crowd.went_on(0.001), FIRST_S, "the ledgers begin")

    def owned(name: str) -> list[int]:
        return [number for number in range(world.place.partitions) if processes.owner(number) == name]

    for _ in range(pauses):
        crowd.wait(lambda: all(owned(name) for name in processes.running), FIRST_S, "both have partitions")
        world.live(chance.uniform(0, 1))
        name = chance.choice(sorted(processes.running))
        fault = processes.pause(name)
        world.recovered(fault)
        other = next(other for other in processes.running if other != name)
        assert len(owned(other)) == world.place.partitions, "a process went on that was stopped"
        processes.resume(name)
        world.live(ZOMBIE_S)
        if processes.running[name].poll() is not None:
            world.notes["zombies_that_ended"] = world.notes.get("zombies_that_ended", 0) + 1
            del processes.running[name]
            processes.add(name)


def zombie_faults(world: World, cluster: Cluster) -> list[str]:
    """What a zombie wrote after another had taken over."""
    return faults_of_fences(cluster, world.place.prefix, world.place.partitions)
