"""How far a log has been read, and where in it an event stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outdial.position import HIGHEST_MARK, Position, Reading, mark_at, partition_at, place_of, told

MARKS = st.integers(0, 10**18 - 1)
POSITIONS = st.lists(MARKS, min_size=1, max_size=5).map(lambda marks: Position(tuple(marks)))
OFFSETS = st.integers(0, HIGHEST_MARK - 1)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Position, Position]:
    """Two positions of one log, near each other."""
    partitions = draw(st.integers(1, 4))
    marks = st.lists(st.integers(0, 3), min_size=partitions, max_size=partitions)
    return Position(tuple(draw(marks))), Position(tuple(draw(marks)))


@given(POSITIONS)
def test_a_position_is_read_back_from_its_text(position: Position) -> None:
    assert Position.parse(str(position), position.partitions) == position


def test_the_text_of_one_partition_is_its_number_and_of_several_has_dashes() -> None:
    assert str(Position((7,))) == "7"
    assert str(Position((0, 12, 3))) == "0-12-3"


@pytest.mark.parametrize("partitions", [1, 2, 50])
def test_0_is_the_beginning_of_every_log(partitions: int) -> None:
    assert Position.parse("0", partitions) == Position.beginning(partitions) == Position((0,) * partitions)


@pytest.mark.parametrize(
    ("text", "partitions"),
    [
        ("", 1), ("-", 2), ("-1", 1), ("-1", 2), ("1-", 2), ("1--2", 3), ("+1", 1), (" 1", 1), ("1 ", 1), ("1.0", 1), ("1e3", 1),
        ("1_0", 1), ("soon", 1), ("\u0661", 1), ("\u00b2", 1), ("1" * 19, 1), ("1", 2), ("1-2", 1), ("1-2-3", 2), ("00", 2), ("0-0", 1),
        ("1-" * 100_000, 3), ("9" * 100_000, 1), ("1\n", 1), ("1-2\n", 2),
    ],
)  # fmt: skip
def test_what_is_no_position_of_the_log_is_refused(text: str, partitions: int) -> None:
    with pytest.raises(ValueError, match=r"^a position (is a number|of this log has)"):
        Position.parse(text, partitions)


@given(pairs())
def test_one_is_beyond_another_when_it_is_not_covered_by_it(pair: tuple[Position, Position]) -> None:
    one, other = pair
    assert one.beyond(other) is not other.covers(one)
    assert one.covers(one)
    assert not one.beyond(one)
    assert (one.covers(other) and other.covers(one)) is (one == other)


@given(pairs())
def test_the_merged_position_is_the_least_that_covers_both(pair: tuple[Position, Position]) -> None:
    one, other = pair
    both = one.merged(other)
    assert both == other.merged(one)
    assert both.covers(one)
    assert both.covers(other)
    assert all(mark in marks for mark, marks in zip(both.marks, zip(one.marks, other.marks, strict=True), strict=True))


def test_positions_of_different_logs_are_not_compared() -> None:
    for compare in (Position.covers, Position.beyond, Position.merged):
        with pytest.raises(ValueError, match="longer"):
            compare(Position((1,)), Position((1, 2)))


@given(st.integers(0, 1_000), OFFSETS, st.integers(0, 1_000), OFFSETS)
def test_a_place_names_one_record_and_is_ordered_as_the_records_of_a_partition(partition: int, offset: int, other: int, later: int) -> None:
    place = place_of(partition, offset)
    assert (partition_at(place), mark_at(place)) == (partition, offset + 1)
    assert 0 < place < 2**63
    assert (place == place_of(other, later)) is ((partition, offset) == (other, later))
    assert (place < place_of(partition, later)) is (offset < later)


@given(st.lists(OFFSETS, min_size=1, max_size=4), st.data())
def test_a_record_is_after_a_position_exactly_when_it_is_in_one_of_its_ranges(marks: list[int], data: st.DataObject) -> None:
    position = Position(tuple(marks))
    partition = data.draw(st.integers(0, len(marks) - 1))
    offset = data.draw(st.one_of(OFFSETS, st.sampled_from([max(marks[partition] - 1, 0), marks[partition]])))
    place = place_of(partition, offset)
    assert [low < place <= high for low, high in position.ranges()].count(True) == (offset >= marks[partition])


def test_nothing_is_after_a_mark_that_no_place_can_have() -> None:
    assert Position((10**18 - 1, 5)).ranges() == [(HIGHEST_MARK, HIGHEST_MARK), (place_of(1, 4), place_of(1, HIGHEST_MARK - 1))]


def test_the_places_of_one_partition_are_its_marks() -> None:
    assert [place_of(0, offset) for offset in range(3)] == [1, 2, 3]
    assert Position((2,)).after(3) == Position((3,))


@given(pairs(), st.lists(st.integers(0, 9), max_size=20))
def test_reading_moves_a_position_place_by_place(pair: tuple[Position, Position], offsets: list[int]) -> None:
    position, _ = pair
    reading, moved = Reading(position), position
    for number, offset in enumerate(offsets):
        place = place_of(number % position.partitions, offset)
        reading.passed(place)
        moved = moved.after(place)
        assert (reading.position, str(reading)) == (moved, str(moved))


def test_a_place_is_told_to_people_with_its_partition_when_that_is_not_the_first() -> None:
    assert told(place_of(0, 6)) == "position 7"
    assert told(place_of(3, 6)) == "position 7 of partition 3"
