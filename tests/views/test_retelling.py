"""What happened in VoIPBIN's words: the resource as it was right after each event, wherever the telling begins."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from outdial.commands import Resources
from outdial.envelope import Event
from outdial.events import (
    CampaignDeleted,
    CampaignResourcesSet,
    CampaignStarted,
    CampaignStopped,
    CampaignStopping,
    CampaignUpdated,
    CommandNoted,
    OutdialDeleted,
    OutdialUpdated,
    OutplanDeleted,
    OutplanDialInfoSet,
    OutplanFollowed,
    OutplanUpdated,
)
from outdial.plan import Plan
from outdial.scalars import ZERO_ID
from outdial.views import calls, campaigns, outdials, outplans, retelling, targets
from outdial.views.retelling import NAMES, Notice, Retelling
from views.hand import CUSTOMER, Log, Views, views_in
from views.histories import STEPS, History

Told = list[tuple[int, list[Notice]]]


def told(views: Views, events: list[tuple[int, Event]]) -> Told:
    """What a telling that begins with the first of these events says."""
    found = Retelling(views.reader)
    try:
        return [(place, found.told(place, event)) for place, event in events]
    finally:
        found.close()


def as_it_is(views: Views, event: Event) -> list[Notice]:
    """What has to be told of an event, from views that have read up to it and no further."""
    data: Any = event.data
    names = [*NAMES.get(type(data), ()), *(["campaigncall_updated"] if getattr(data, "late", False) else [])]
    db = views.reader
    notices = []
    for name in names:
        row: Any
        plan = None
        match name.partition("_")[0]:
            case "campaigncall":
                row = calls.get(db, CUSTOMER, data.attempt_id)
            case "outdialtarget":
                outdial = outdials.get(db, CUSTOMER, event.stream)
                assert outdial is not None
                row, plan = targets.get(db, event.stream, data.target_id), outdial.plan
            case "outdial":
                row = outdials.get(db, CUSTOMER, event.stream)
            case "outplan":
                row = outplans.get(db, CUSTOMER, event.stream)
            case _:
                row = campaigns.get(db, CUSTOMER, event.stream)
        notices.append(Notice(name, row, plan))
    return notices


async def compared(log: Log, starts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with views_in(Path(folder)) as views:
            wanted: Told = []
            for place, event in log.events:
                await views.apply([(place, event)], logged=True)
                wanted.append((place, as_it_is(views, event)))
            for start in {min(start, len(log.events)) for start in (0, *starts)}:
                assert told(views, log.events[start:]) == wanted[start:]


@given(STEPS, st.lists(st.integers(0, 150), max_size=3))
@settings(max_examples=40)
def test_every_event_is_told_with_its_resource_as_it_was_then_wherever_one_begins(steps: list[tuple[int, int]], starts: list[int]) -> None:
    asyncio.run(compared(History(steps).log, starts))


async def test_what_is_kept_in_memory_is_begun_anew_and_nobody_notices(monkeypatch: Any) -> None:
    monkeypatch.setattr(retelling, "KEPT", 3)
    await compared(History([(kind % 20, kind * 7919) for kind in range(150)]).log, [40])


async def test_each_kind_of_resource_has_its_words(log: Log) -> None:
    outdial = log.outdial(name="a")
    log.after(1).add(outdial, OutdialUpdated(name="b"))
    log.add(outdial, CommandNoted(command="StartDialing", result="unchanged"))
    log.after(1).add(outdial, OutdialDeleted())
    outplan = log.after(1).outplan(name="p")
    log.add(outplan, OutplanFollowed(outdial_id=outdial, ask=1))
    log.after(1).add(outplan, OutplanUpdated(name="q"))
    log.after(1).add(outplan, OutplanDialInfoSet(version=2, plan=Plan(max_try_count_0=2)))
    log.after(1).add(outplan, OutplanDeleted())
    campaign = log.after(1).campaign(name="c")
    log.after(1).add(campaign, CampaignResourcesSet(change=1, resources=Resources(outplan_id=outplan, outdial_id=outdial)))
    log.after(1).add(campaign, CampaignUpdated(name="d"))
    log.after(1).add(campaign, CampaignStarted(run=1, outdial_id=outdial, outplan_id=outplan))
    log.after(1).add(campaign, CampaignStopping(run=1))
    log.after(1).add(campaign, CampaignStopped(run=1, how="stopped"))
    log.after(1).add(campaign, CampaignDeleted())

    await compared(log, [*range(len(log.events))])
    with tempfile.TemporaryDirectory() as folder:
        async with views_in(Path(folder)) as views:
            await views.apply(log.events, logged=True)
            notices = [notice for _, found in told(views, log.events) for notice in found]

    assert [notice.type for notice in notices] == [
        "outdial_created", "outdial_updated", "outdial_deleted",
        "outplan_created", "outplan_updated", "outplan_updated", "outplan_deleted",
        "campaign_created", "campaign_updated", "campaign_updated",
        "campaign_status_run", "campaign_status_stopping", "campaign_status_stop", "campaign_deleted",
    ]  # fmt: skip
    names = [getattr(notice.row, "name", "") for notice in notices]
    assert names == ["a", "b", "b", "p", "q", "q", "q", "c", "c", "d", "d", "d", "d", "d"]
    outdial_ids = [notice.row.outdial_id for notice in notices if isinstance(notice.row, campaigns.Campaign)]
    assert outdial_ids == [ZERO_ID, *[outdial] * 6]
