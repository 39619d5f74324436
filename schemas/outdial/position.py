"""How far a log has been read, and where in it an event stands.

A log has one partition (embedded) or many (Kafka). A **mark** is the place in one partition up to which it was read:
the offset of the last record read, plus 1. A :class:`Position` has a mark for each partition. A **place** is where one
event stands, as one integer: it is the same in every process, in whatever order the partitions were read.
"""

from dataclasses import dataclass
from typing import Final, Self

MARK_BITS: Final = 44
HIGHEST_MARK: Final = (1 << MARK_BITS) - 1
MOST_DIGITS: Final = 18
"""Of a mark in text."""


def place_of(partition: int, offset: int) -> int:
    """The place of the record at an offset of a partition."""
    return partition << MARK_BITS | (offset + 1)


def partition_at(place: int) -> int:
    """The partition a place is in."""
    return place >> MARK_BITS


def mark_at(place: int) -> int:
    """The mark of a partition that has been read up to this place, it included."""
    return place & HIGHEST_MARK


def told(place: int) -> str:
    """A place for people: ``position 7``, ``position 7 of partition 3``."""
    return f"position {mark_at(place)} of partition {partition_at(place)}" if place > HIGHEST_MARK else f"position {place}"


@dataclass(frozen=True, slots=True)
class Position:
    """How far each partition of a log has been read. As text: the marks in decimal, with ``-`` between them.

    Two positions need not be in any order: each may be beyond the other, in different partitions.
    """

    marks: tuple[int, ...]
    """By partition; 0 = nothing of it was read."""

    @classmethod
    def beginning(cls, partitions: int) -> Self:
        """Where nothing has been read."""
        return cls((0,) * partitions)

    @classmethod
    def parse(cls, text: str, partitions: int) -> Self:
        """A position from its text; ``0`` alone is the beginning, whatever the number of partitions.

        Raises:
            ValueError: it is none, or one of a log with another number of partitions; the message is for people.
        """
        if text == "0":
            return cls.beginning(partitions)
        marks = text.split("-", partitions)
        if not all(mark.isascii() and mark.isdigit() and len(mark) <= MOST_DIGITS for mark in marks[:partitions]):
            message = "a position is a number, or some of them with - between"
            raise ValueError(message)
        if len(marks) != partitions:
            message = f"a position of this log has {partitions} {'number' if partitions == 1 else 'numbers'} with - between"
            raise ValueError(message)
        return cls(tuple(map(int, marks)))

    def __str__(self) -> str:
        return "-".join(map(str, self.marks))

    @property
    def partitions(self) -> int:
        """How many partitions the log has."""
        return len(self.marks)

    @property
    def total(self) -> int:
        """The sum of the marks: it grows with everything that is read."""
        return sum(self.marks)

    def covers(self, other: Self) -> bool:
        """Whether everything that ``other`` has read is read here too."""
        return all(mine >= others for mine, others in zip(self.marks, other.marks, strict=True))

    def beyond(self, other: Self) -> bool:
        """Whether anything is read here that ``other`` has not read."""
        return any(mine > others for mine, others in zip(self.marks, other.marks, strict=True))

    def merged(self, other: Self) -> Self:
        """Where everything is read that either has read."""
        return type(self)(tuple(max(both) for both in zip(self.marks, other.marks, strict=True)))

    def after(self, place: int) -> Self:
        """This position, with the partition of a place read up to there."""
        marks = list(self.marks)
        marks[place >> MARK_BITS] = place & HIGHEST_MARK
        return type(self)(tuple(marks))

    def ranges(self) -> list[tuple[int, int]]:
        """By partition: the places of all that is not read yet are above the first number, and at most the second."""
        return [
            (partition << MARK_BITS | min(mark, HIGHEST_MARK), partition << MARK_BITS | HIGHEST_MARK)
            for partition, mark in enumerate(self.marks)
        ]


class Reading:
    """A position that moves along with what is read. As text: as a position."""

    __slots__ = ("_marks",)

    def __init__(self, begun: Position) -> None:
        self._marks = list(begun.marks)

    def passed(self, place: int) -> None:
        """The record at a place was read, and with it all of its partition before."""
        self._marks[place >> MARK_BITS] = place & HIGHEST_MARK

    def __str__(self) -> str:
        return "-".join(map(str, self._marks))

    @property
    def position(self) -> Position:
        """Where it stands."""
        return Position(tuple(self._marks))
