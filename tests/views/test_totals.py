"""Totals over all outdials: the same as those of each, added up."""

import sqlite3
from collections import Counter

from hypothesis import given, settings

from outdial.events import OutdialDeleted, PaceSet, ShareGiven, ShareWanted
from outdial.views import outdials, totals
from views.hand import CUSTOMER, STRANGER, Log, Views, look
from views.histories import STEPS, History


@given(STEPS)
@settings(max_examples=15)
def test_totals_are_those_of_each_outdial_added_up(steps: list[tuple[int, int]]) -> None:
    history = History(steps)
    gone = history.log.outdial()
    history.log.target(gone)
    history.log.add(gone, OutdialDeleted())
    now = history.log.clock

    def compare(reader: sqlite3.Connection) -> None:
        found = totals.targets(reader, now)
        status, blocked = Counter[str](), Counter[str]()
        for one in history.lists:
            stats = outdials.stats(reader, one.id, now)
            status.update(stats.status)
            blocked.update(stats.blocked)
        assert found == totals.Targets(dict(status), dict(blocked))

    look(history.log, compare)


async def test_the_pace_of_customers_with_a_limit_is_added_up(views: Views, log: Log) -> None:
    log.add(CUSTOMER, PaceSet(calls_per_second=5))
    for word, outdial_id in enumerate((log.outdial(), log.outdial()), 1):
        log.add(CUSTOMER, ShareWanted(outdial_id=outdial_id, word=1, heard=0, share=0, wanted=4))
        if word == 1:
            log.add(CUSTOMER, ShareGiven(outdial_id=outdial_id, word=word, share=3))
    log.add(STRANGER, PaceSet(calls_per_second=2))

    assert totals.paces(await views.show(log)) == totals.Paces(limit=7, given=3, wanted=8, waiting=1)
