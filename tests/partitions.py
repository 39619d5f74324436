"""Ledgers of several partitions, each with its clock and its log, between which a test carries the words itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from outdial.dialing.ledger import Effects, Ledger
from outdial.envelope import Event
from outdial.topology import partition_of
from outdial.wire import decode_event, encode_event
from sim import START, fingerprint

PARTITIONS = 3


@dataclass
class Partitions:
    """What a partition did is in its log; it can be built anew from that."""

    skew: ClassVar[Sequence[int]] = (0,) * PARTITIONS
    """How far the clock of each partition is off, microseconds."""

    now: int = START
    ledgers: list[Ledger] = field(default_factory=lambda: [Ledger(fingerprint, "test", PARTITIONS) for _ in range(PARTITIONS)])
    logs: list[list[Event]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])

    def place(self, stream: str) -> int:
        return partition_of(stream, PARTITIONS)

    def clock(self, number: int) -> int:
        return self.now + self.skew[number]

    def due(self, number: int) -> Iterator[list[Effects]]:
        """What is due in a partition, a share after another, until nothing is."""
        for _ in range(1_000):
            done = self.ledgers[number].tick(self.clock(number), self.clock(number), 100)
            if not done:
                return
            yield done
        raise AssertionError("it never comes to rest")

    def restart(self, number: int) -> None:
        """The ledger of a partition is built anew from its log."""
        ledger = Ledger(fingerprint, "test", PARTITIONS)
        for event in self.logs[number]:
            ledger.replay(decode_event(encode_event(event)))
        ledger.arm(self.clock(number))
        self.ledgers[number] = ledger
