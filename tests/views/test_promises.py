"""How often the number was called that was called most often within a day."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outdial.address import Address
from outdial.views import promises
from outdial.views.promises import Days, MostCalled
from views.hand import Log, Views, views_in

HOUR = 3_600_000_000
NUMBERS = [Address(type="tel", target=f"+1555123000{number}") for number in range(3)]
SPACED = Address(type="tel", target="+1 555 123-0000")


def looked(views: Views, days: Days, outdial: str) -> MostCalled | None:
    for _ in days.read(views.reader, outdial):
        pass
    return days.most(views.reader)


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "AT_ONCE", 3)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 13), st.sampled_from(["busy", "not_dialed", "no_answer", ""])), max_size=24))
@settings(max_examples=60)
def test_the_most_calls_of_a_day_are_what_counting_them_one_by_one_gives(calls: list[tuple[int, int, str]]) -> None:
    """Each call: to whom, how many hours after the one before, and how it ends; "" leaves it open until the next call to them."""

    async def compare() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with views_in(Path(folder)) as views:
                log, days, counted = Log(), Days(), Counter[tuple[int, str]]()
                stranger, outdial = log.outdial(), log.outdial()
                people = [log.target(outdial, address) for address in (*NUMBERS, SPACED)]
                log.requested(stranger, log.target(stranger))
                opened: dict[int, int] = {}
                for ordinal, (who, hours, outcome) in enumerate(calls, start=1):
                    log.after(hours * HOUR)
                    if who in opened:
                        log.ended(outdial, people[who], "busy", opened.pop(who))
                    day = (log.clock // (24 * HOUR), NUMBERS[who % 3].target)
                    log.requested(outdial, people[who], ordinal)
                    counted[day] += outcome != "not_dialed"
                    if outcome:
                        log.ended(outdial, people[who], outcome, ordinal)
                    else:
                        opened[who] = ordinal
                    await views.show(log)
                    found = looked(views, days, outdial)
                    most = max(counted.values())
                    assert (0 if found is None else found.calls) == most
                    assert found == looked(views, Days(), outdial)
                    if found is not None:
                        assert found.day == min(day for (day, _), n in counted.items() if n == most)

    asyncio.run(compare())


async def test_of_a_list_nobody_was_called_of_there_is_none(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.target(outdial)
    await views.show(log)

    assert looked(views, Days(), outdial) is None
    assert looked(views, Days(), "unknown") is None
