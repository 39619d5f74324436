"""What falls due, over HTTP: all of it, and by time zone."""

import pytest

from api.door import Api
from outdial.doors.api import live

NUMBERS = ("+12025550101", "+12025550102", "+493012345678", "+81312345678")


@pytest.mark.only("embedded", why="the views are those of both runtimes")
async def test_the_zones_of_a_calendar_add_up_and_small_ones_are_one_row(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    outdial = await api.outdial()
    await api.run(outdial)
    await api.ok("PUT", f"/outdials/{outdial}/dialing", {"status": "pause"})
    for number in NUMBERS:
        await api.target(outdial, number)

    async def zones() -> dict[str, int]:
        found = await api.ok("GET", f"/outdials/{outdial}/calendar")
        assert sum(row["overdue"] for row in found["zones"]) == found["overdue"]
        assert [sum(step) for step in zip(*(row["due"] for row in found["zones"]), strict=True)] == found["due"]
        return {str(row["zones"]): row["overdue"] for row in found["zones"]}

    every = await zones()
    monkeypatch.setattr(live, "SHOWN_ZONES", 1)
    folded = await zones()

    assert list(every) == ["['America/New_York']", "['Asia/Tokyo']", "['Europe/Berlin']"]
    largest, others = folded
    assert (largest, others) == ("['America/New_York']", "None")
    assert sum(every.values()) == sum(folded.values())
