import pytest

from outdial.events import (
    DialingDraining,
    DialingFinished,
    DialingPaused,
    DialingResumed,
    DialingStarted,
    DialingStopped,
    OutdialDeleted,
    OutdialUpdated,
    PlanApplied,
)
from outdial.plan import Plan
from outdial.scalars import ZERO_ID
from outdial.views import outdials
from outdial.views.outdials import Outdial
from views.hand import CUSTOMER, STRANGER, Log, Views

CAMPAIGN = "ca000000-0000-4000-8000-000000000001"
OUTPLAN = "0a000000-0000-4000-8000-000000000001"


async def seen(views: Views, log: Log, outdial: str) -> Outdial:
    found = outdials.get(await views.show(log), CUSTOMER, outdial)
    assert found is not None
    return found


async def test_a_new_outdial_never_ran_and_was_never_updated(views: Views, log: Log) -> None:
    outdial = log.outdial(name="June", detail="d", data="{}")

    found = await seen(views, log, outdial)

    assert found == Outdial(
        position=1,
        id=outdial,
        customer_id=CUSTOMER,
        campaign_id=ZERO_ID,
        name="June",
        detail="d",
        data="{}",
        dialing="stop",
        run=0,
        run_campaign_id=ZERO_ID,
        campaign_type="",
        end_handle="continue",
        outplan_id=ZERO_ID,
        plan=None,
        plan_version=0,
        ended_how=None,
        ended_reason=None,
        run_requests=0,
        paused=None,
        draining=None,
        tm_create=log.clock,
        tm_update=None,
        tm_delete=None,
        open_attempts=0,
    )


async def test_an_update_changes_what_it_names_and_nothing_else(views: Views, log: Log) -> None:
    outdial = log.outdial(name="June", detail="d", data="x")
    log.after(1).add(outdial, OutdialUpdated(detail=""))
    log.add(outdial, OutdialUpdated(campaign_id=CAMPAIGN))

    found = await seen(views, log, outdial)

    assert (found.name, found.detail, found.data, found.campaign_id) == ("June", "", "x", CAMPAIGN)
    assert (found.tm_update, found.tm_delete) == (log.clock, None)


async def test_a_deleted_outdial_is_read_by_id_and_left_out_of_pages(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.after(1).add(outdial, OutdialDeleted())

    found = await seen(views, log, outdial)

    assert (found.tm_delete, found.tm_update) == (log.clock, log.clock)
    assert outdials.page(views.reader, CUSTOMER, None, 10) == []
    assert outdials.page(views.reader, CUSTOMER, None, 10, deleted=True) == [found]


async def test_another_customers_outdial_is_not_there(views: Views, log: Log) -> None:
    outdial = log.outdial()
    reader = await views.show(log)

    assert outdials.get(reader, STRANGER, outdial) is None
    assert outdials.page(reader, STRANGER, None, 10) == []


async def test_a_run_shows_its_campaign_and_its_plan(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.add(
        outdial,
        DialingStarted(run=1, campaign_id=CAMPAIGN, campaign_type="call", end_handle="stop", outplan_id=OUTPLAN, ask=1),
    )
    assert (await seen(views, log, outdial)).plan is None
    plan = Plan(max_try_count_0=3, retry_mode="result")  # type: ignore[arg-type]
    log.add(outdial, PlanApplied(version=4, plan=plan, outplan_id=OUTPLAN, outplan_version=2, ask=1))

    found = await seen(views, log, outdial)

    assert (found.dialing, found.run, found.run_campaign_id, found.campaign_type, found.end_handle) == ("run", 1, CAMPAIGN, "call", "stop")
    assert (found.outplan_id, found.plan, found.plan_version) == (OUTPLAN, plan, 4)
    assert found.tm_update is None


async def test_a_stop_is_stopping_until_no_attempt_is_open(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    log.add(outdial, DialingStarted(run=1))
    attempt = log.requested(outdial, target)
    log.add(outdial, DialingStopped(run=1, how="stopped", reason="by hand", requests=1, open=(attempt,)))
    found = await seen(views, log, outdial)
    assert (found.dialing, found.open_attempts, found.ended_how, found.ended_reason, found.run_requests) == (
        "stopping", 1, "stopped", "by hand", 1,
    )  # fmt: skip

    log.ended(outdial, target, "busy")

    found = await seen(views, log, outdial)
    assert (found.dialing, found.open_attempts) == ("stop", 0)
    assert [row.dialing for row in outdials.page(views.reader, CUSTOMER, None, 10)] == ["stop"]


async def test_a_run_that_is_held_back_shows_since_when_by_whom_and_why(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.add(outdial, DialingStarted(run=1))
    log.after(1).add(outdial, DialingPaused(run=1, reason="lunch"))
    paused_at = log.clock
    log.after(1).add(outdial, DialingDraining(run=1))

    found = await seen(views, log, outdial)

    assert found.dialing == "run"
    assert found.paused is not None
    assert (found.paused.since, found.paused.reason) == (paused_at, "lunch")
    assert found.draining is not None
    assert (found.draining.since, found.draining.reason) == (log.clock, None)

    log.add(outdial, DialingResumed(run=1))
    found = await seen(views, log, outdial)
    assert (found.paused, found.draining is None) == (None, False)

    log.add(outdial, DialingPaused(run=1))
    log.add(outdial, DialingStopped(run=1, how="stopped", requests=0))
    found = await seen(views, log, outdial)
    assert (found.paused, found.draining) == (None, None)


async def test_why_the_last_run_ended_is_forgotten_when_the_next_begins(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.add(outdial, DialingStarted(run=1))
    log.plan(outdial, max_try_count_0=1)
    log.add(outdial, DialingFinished(run=1, requests=7))
    found = await seen(views, log, outdial)
    assert (found.dialing, found.ended_how, found.ended_reason, found.run_requests) == ("stop", "finished", None, 7)

    log.add(outdial, DialingStarted(run=2))

    found = await seen(views, log, outdial)
    assert (found.dialing, found.run, found.ended_how, found.run_requests) == ("run", 2, None, 0)
    assert found.plan is not None


@pytest.mark.parametrize("size", [1, 2, 5, 100])
async def test_paging_loses_no_row_when_many_share_a_microsecond(views: Views, log: Log, size: int) -> None:
    made = []
    for together in (3, 1, 4):
        for _ in range(together):
            made.append(log.outdial())
            log.outdial(STRANGER)
        log.after(1)
    reader = await views.show(log)
    read: list[str] = []
    before: tuple[int, str | None] | None = None
    while rows := outdials.page(reader, CUSTOMER, before, size):
        read += [row.id for row in rows]
        before = rows[-1].tm_create, rows[-1].id

    assert read == made[::-1]
