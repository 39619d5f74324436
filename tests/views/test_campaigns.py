from outdial.commands import Resources
from outdial.events import (
    CampaignCommandNoted,
    CampaignDeleted,
    CampaignResourceAnswered,
    CampaignResourcesAsked,
    CampaignResourcesRefused,
    CampaignResourcesSet,
    CampaignStarted,
    CampaignStopped,
    CampaignStopping,
    CampaignUpdated,
)
from outdial.scalars import ZERO_ID
from outdial.views import campaigns
from outdial.views.campaigns import Campaign
from views.hand import CUSTOMER, STRANGER, Log, Views

OUTDIAL = "0d000000-0000-4000-8000-000000000001"
OUTPLAN = "0a000000-0000-4000-8000-000000000001"
RESOURCES = Resources(outdial_id=OUTDIAL, outplan_id=OUTPLAN)


async def seen(views: Views, log: Log, campaign: str) -> Campaign:
    found = campaigns.get(await views.show(log), CUSTOMER, campaign)
    assert found is not None
    return found


async def test_a_new_campaign_is_stopped_and_refers_to_nothing(views: Views, log: Log) -> None:
    actions = ({"id": "a", "type": "talk", "option": {"text": "é"}},)
    campaign = log.campaign(name="n", detail="d", service_level=80, end_handle="continue", actions=actions)

    found = await seen(views, log, campaign)

    assert found == Campaign(
        position=1,
        id=campaign,
        customer_id=CUSTOMER,
        campaign_type="call",
        name="n",
        detail="d",
        status="stop",
        agents=0,
        service_level=80,
        end_handle="continue",
        actions=list(actions),
        outplan_id=ZERO_ID,
        outdial_id=ZERO_ID,
        queue_id=ZERO_ID,
        next_campaign_id=ZERO_ID,
        run=0,
        chain=(),
        ended_how=None,
        ended_reason=None,
        ended_requests=0,
        tm_create=log.clock,
        tm_update=None,
        tm_delete=None,
    )


async def test_the_resources_of_the_creation_are_no_update(views: Views, log: Log) -> None:
    campaign = log.campaign()
    log.add(campaign, CampaignResourcesAsked(change=1, resources=RESOURCES, creating=True))
    log.add(campaign, CampaignResourceAnswered(change=1, resource="outdial", resource_id=OUTDIAL))
    log.add(campaign, CampaignResourcesSet(change=1, resources=RESOURCES))

    found = await seen(views, log, campaign)

    assert (found.outdial_id, found.outplan_id, found.queue_id, found.tm_update) == (OUTDIAL, OUTPLAN, ZERO_ID, None)


async def test_a_later_change_of_resources_is_an_update(views: Views, log: Log) -> None:
    campaign = log.campaign()
    log.add(campaign, CampaignResourcesSet(change=1, resources=RESOURCES))
    log.after(1).add(campaign, CampaignResourcesSet(change=2, resources=Resources()))

    found = await seen(views, log, campaign)

    assert (found.outdial_id, found.outplan_id, found.tm_update) == (ZERO_ID, ZERO_ID, log.clock)


async def test_a_refused_change_changes_nothing(views: Views, log: Log) -> None:
    campaign = log.campaign()
    log.add(campaign, CampaignResourcesSet(change=1, resources=RESOURCES))
    before = await seen(views, log, campaign)
    log.after(1).add(campaign, CampaignResourcesAsked(change=2, resources=Resources()))
    log.add(campaign, CampaignResourcesRefused(change=2, reason="outdial_unknown"))
    log.add(campaign, CampaignCommandNoted(command="RunCampaign", result="rejected", reason="plan_missing"))

    assert await seen(views, log, campaign) == before


async def test_a_campaign_whose_creation_was_refused_is_not_there(views: Views, log: Log) -> None:
    campaign = log.campaign()
    log.add(campaign, CampaignDeleted(reason="claim_refused"))
    reader = await views.show(log)

    assert campaigns.get(reader, CUSTOMER, campaign) is None
    assert campaigns.page(reader, CUSTOMER, None, 10, deleted=True) == []


async def test_a_deleted_campaign_is_read_by_id_and_left_out_of_pages(views: Views, log: Log) -> None:
    campaign = log.campaign()
    log.after(1).add(campaign, CampaignDeleted())

    found = await seen(views, log, campaign)

    assert (found.tm_delete, found.tm_update) == (log.clock, log.clock)
    assert campaigns.page(views.reader, CUSTOMER, None, 10) == []
    assert campaigns.page(views.reader, CUSTOMER, None, 10, deleted=True) == [found]


async def test_an_update_changes_what_it_names_and_nothing_else(views: Views, log: Log) -> None:
    campaign = log.campaign(name="n", service_level=5)
    log.after(1).add(campaign, CampaignUpdated(campaign_type="flow", detail="d", end_handle="stop", actions=({"type": "x"},)))
    log.add(campaign, CampaignUpdated(service_level=0))

    found = await seen(views, log, campaign)

    assert (found.name, found.detail, found.campaign_type, found.end_handle) == ("n", "d", "flow", "stop")
    assert (found.service_level, found.actions, found.tm_update) == (0, [{"type": "x"}], log.clock)


async def test_a_run_goes_from_run_over_stopping_to_stop_and_says_how_it_ended(views: Views, log: Log) -> None:
    campaign = log.campaign()
    seen_as = []
    for event in (
        CampaignStarted(run=3, outdial_id=OUTDIAL, outplan_id=OUTPLAN, chain=(OUTDIAL, OUTPLAN)),
        CampaignStopping(run=3),
        CampaignStopped(run=3, how="stopped", reason="by hand", requests=9),
        CampaignStarted(run=4, outdial_id=OUTDIAL, outplan_id=OUTPLAN),
    ):
        log.after(1).add(campaign, event)
        found = await seen(views, log, campaign)
        assert found.tm_update == log.clock
        seen_as.append((found.status, found.run, len(found.chain), found.ended_how, found.ended_reason, found.ended_requests))

    assert seen_as == [
        ("run", 3, 2, None, None, 0),
        ("stopping", 3, 2, None, None, 0),
        ("stop", 3, 2, "stopped", "by hand", 9),
        ("run", 4, 0, None, None, 0),
    ]


async def test_a_chain_that_found_nobody_says_so(views: Views, log: Log) -> None:
    campaign = log.campaign()
    log.add(campaign, CampaignStopped(run=1, how="chain_empty", reason="chain_empty"))

    found = await seen(views, log, campaign)

    assert (found.status, found.ended_how, found.ended_reason) == ("stop", "chain_empty", "chain_empty")


async def test_pages_are_newest_first_and_only_of_the_customer(views: Views, log: Log) -> None:
    made = [log.campaign() for _ in range(4)]
    foreign = log.campaign(STRANGER)
    reader = await views.show(log)

    first = campaigns.page(reader, CUSTOMER, None, 3)
    rest = campaigns.page(reader, CUSTOMER, (first[-1].tm_create, first[-1].id), 3)

    assert [row.id for row in first + rest] == made[::-1]
    assert campaigns.get(reader, CUSTOMER, foreign) is None
