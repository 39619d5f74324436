"""What the processes of the Kafka runtime are told by whoever starts them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from outdial.connection import Connection
from outdial.scalars import SECOND_US
from outdial.topology import Topology


@dataclass(frozen=True, slots=True)
class Options:
    """Where the log is, and by which clock and key it is written."""

    connection: Connection
    clock: Callable[[], int]
    """Microseconds since 1970 UTC."""
    key: bytes = field(repr=False)
    """Of the address fingerprints and of the seals; the same in every process of one installation."""
    customer_id: str
    """Whose new things are that name no customer."""
    topology: Topology = field(default_factory=Topology)
    speed: float = 1.0
    """How many seconds of the clock pass in one of ours."""
    clock_tolerance_us: int | None = 5 * SECOND_US
    """How far the clock may be from the broker's; None: it is another clock on purpose."""
    ends_every_s: float = 0.5
    """How often it is asked where the commands end. A lease that has run out ends at the next answer at the earliest."""
    instance: str | None = None
    """The identity of this process in its group: it may be away for a moment without losing its partitions."""
    folder: Path | None = None
    """Where snapshots are kept; None: nowhere."""
    worth_apart: int = 50_000
    """Events from which on a log is replayed by a process of its own: what starting one and its snapshot cost, it must save."""
