"""While a partition reads its log no garbage is looked for; afterwards it is, however the reading ended."""

import gc

import pytest

from outdial.kafka.garbage import Garbage


def test_nothing_is_collected_until_the_last_who_reads_has_read() -> None:
    garbage = Garbage()
    with garbage.put_off():
        with garbage.put_off():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_reading_that_fails_lets_the_collector_go_on() -> None:
    with pytest.raises(OSError, match="gone"), Garbage().put_off():
        raise OSError("gone")
    assert gc.isenabled()
