"""Records are made once and never changed."""

import gc
import pickle

import pytest

from outdial.dialing.target import NEW, Idle
from outdial.record import replace

WAITING = Idle(NEW, NEW, 1, 2)  # type: ignore[arg-type]  # whatever it holds


def test_nobody_changes_a_record() -> None:
    with pytest.raises(AttributeError):
        WAITING.since = 3  # type: ignore[misc]  # what is tried
    assert replace(WAITING, since=3) == Idle(NEW, NEW, 3, 2)  # type: ignore[arg-type]  # as above
    assert WAITING.since == 1


def test_equal_records_are_one_key() -> None:
    assert len({WAITING, replace(WAITING), replace(WAITING, since=3)}) == 2


def test_the_garbage_collector_does_not_look_at_records() -> None:
    assert not gc.is_tracked(WAITING)


def test_what_two_records_share_they_share_when_they_are_read_again() -> None:
    first, second = pickle.loads(pickle.dumps((WAITING, replace(WAITING, since=3))))  # noqa: S301  written in this line
    assert first == WAITING
    assert first.history is second.history
