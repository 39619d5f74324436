"""An outdial as it was: folded anew from its events, it says what the views said then."""

import asyncio
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from outdial.views import activity, history, outdials
from outdial.views.past import Past
from views.hand import MINUTE, Log, Views, views_in
from views.histories import STEPS, History


@given(STEPS, st.floats(0, 1))
@settings(max_examples=25)
def test_the_past_is_what_the_views_showed_then(steps: list[tuple[int, int]], part: float) -> None:
    told = History(steps)
    events = told.log.events
    cut = max(1, round(part * len(events)))
    at = events[cut - 1][1].time

    async def compare() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with views_in(Path(folder)) as views:
                reader = views.reader
                await views.apply(events[:cut], logged=True)
                there = [found.id for found in told.lists if history.version(reader, found.id)]
                then = {one: (outdials.stats(reader, one, at), activity.yields(reader, one, "try")) for one in there}
                versions = {one: history.version(reader, one) for one in there}
                await views.apply(events[cut:], logged=True)
                for one in there:
                    with closing(Past(reader, one, versions[one], 3)) as past:
                        assert [*past.fold()][-1] == versions[one]
                        assert (outdials.stats(past.reader, one, at), activity.yields(past.reader, one, "try")) == then[one]

    asyncio.run(compare())


async def test_an_instant_stands_for_the_events_up_to_it(views: Views, log: Log) -> None:
    outdial = log.outdial()
    made = log.clock
    log.after(MINUTE).target(outdial)
    log.outdial()
    log.target(outdial)
    await views.apply(log.events, logged=True)

    asked = (made - 1, made, log.clock - 1, log.clock, log.clock + MINUTE)
    assert [history.version_at(views.reader, outdial, at) for at in asked] == [0, 1, 1, 3, 3]
    with closing(Past(views.reader, outdial, 2, 1)) as past:
        assert [*past.fold()] == [2]
        assert past.time == made + MINUTE
        [(place, _)] = past.newest
        assert place == past.place
