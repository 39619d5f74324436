import pytest

from outdial.events import DialClaimed, DialDeleted, ResultIgnored, TargetDeleted, TargetFinished
from outdial.ids import attempt_id
from outdial.position import Position
from outdial.requests import DialRequest
from outdial.scalars import ZERO_ID
from outdial.views import calls
from outdial.views.calls import Call
from outdial.views.rows import Before
from outdial.wire import from_json, to_json
from views.hand import CUSTOMER, MAIL, MINUTE, PHONE, STRANGER, Log, Views

CAMPAIGN = "ca000000-0000-4000-8000-000000000001"
ADDRESS = {"type": "tel", "target": "+15551230001", "target_name": "", "name": "", "detail": ""}


async def seen(views: Views, log: Log, attempt: str) -> Call:
    found = calls.get(await views.show(log), CUSTOMER, attempt)
    assert found is not None
    return found


async def test_a_request_is_an_attempt_that_is_dialing(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial, MAIL, PHONE)
    attempt = log.requested(outdial, target, source=PHONE, destination_index=1, campaign_id=CAMPAIGN, campaign_type="call")

    found = await seen(views, log, attempt)

    assert found == Call(
        position=3,
        id=attempt,
        customer_id=CUSTOMER,
        outdial_id=outdial,
        target_id=target,
        campaign_id=CAMPAIGN,
        campaign_type="call",
        outplan_id=ZERO_ID,
        plan_version=1,
        run=1,
        ordinal=1,
        rule="first_try",
        due_at=log.clock,
        source=ADDRESS,
        destination=ADDRESS,
        destination_index=1,
        try_count=1,
        dial_timeout=30_000,
        not_after=log.clock + MINUTE,
        expires_at=log.clock + 10 * MINUTE,
        worker=None,
        answered_at=None,
        tm_end=None,
        outcome=None,
        lost=False,
        given_back=False,
        late=False,
        started_at=None,
        ended_at=None,
        call_id=None,
        tm_create=log.clock,
        tm_update=None,
        tm_delete=None,
    )
    assert (found.status, found.result) == ("dialing", "")


async def test_an_attempt_goes_from_dialing_over_progressing_to_done(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    attempt = log.requested(outdial, target)
    log.add(outdial, DialClaimed(attempt_id=attempt, target_id=target, worker="w:1"))
    found = await seen(views, log, attempt)
    assert (found.status, found.worker, found.tm_update) == ("dialing", "w:1", None)

    log.after(5).answered(outdial, target)
    found = await seen(views, log, attempt)
    assert (found.status, found.result, found.answered_at, found.tm_update) == ("progressing", "", log.clock, log.clock)
    assert found.expires_at == log.clock + 240 * MINUTE

    log.after(5).ended(outdial, target, "answered", started_at=7, ended_at=9, call_id="c-1")
    found = await seen(views, log, attempt)
    assert (found.status, found.result, found.outcome, found.tm_end) == ("done", "success", "answered", log.clock)
    assert (found.started_at, found.ended_at, found.call_id, found.worker, found.tm_update) == (7, 9, "c-1", "w:1", log.clock)


@pytest.mark.parametrize("outcome", ["busy", "no_answer", "machine", "failed", "canceled", "not_dialed", "other"])
async def test_every_outcome_but_answered_is_a_fail(views: Views, log: Log, outcome: str) -> None:
    outdial = log.outdial()
    attempt = log.tried(outdial, log.target(outdial), outcome)

    found = await seen(views, log, attempt)

    assert (found.status, found.result, found.outcome, found.given_back) == ("done", "fail", outcome, outcome == "not_dialed")


async def test_an_answer_after_a_lost_end_makes_it_a_success(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    log.requested(outdial, target)
    attempt = log.ended(outdial, target, "no_answer", lost=True)
    found = await seen(views, log, attempt)
    assert (found.result, found.lost, found.late) == ("fail", True, False)

    log.add(outdial, TargetFinished(target_id=target, attempt_id=attempt, late=True))

    found = await seen(views, log, attempt)
    assert (found.result, found.lost, found.late, found.outcome) == ("success", True, True, "no_answer")


async def test_an_ignored_word_changes_nothing(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    attempt = log.tried(outdial, target, "busy")
    before = await seen(views, log, attempt)
    log.after(1).add(outdial, ResultIgnored(attempt_id=attempt, target_id=target, outcome="answered", reason="closed"))

    assert await seen(views, log, attempt) == before


async def test_a_deleted_attempt_is_read_by_id_and_left_out_of_pages(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    attempt = log.tried(outdial, target, "busy", campaign_id=CAMPAIGN)
    log.after(1).add(outdial, DialDeleted(attempt_id=attempt, target_id=target))

    found = await seen(views, log, attempt)

    db = views.reader
    assert (found.tm_delete, found.tm_update) == (log.clock, log.clock)
    assert calls.page(db, CUSTOMER, None, 9) == calls.page_of_target(db, outdial, target, None, 9) == []
    assert calls.page_of_campaign(db, CUSTOMER, CAMPAIGN, None, 9) == []
    assert calls.page(db, CUSTOMER, None, 9, deleted=True) == [found]
    assert calls.page_of_target(db, outdial, target, None, 9, deleted=True) == [found]
    assert calls.page_of_campaign(db, CUSTOMER, CAMPAIGN, None, 9, deleted=True) == [found]


async def test_attempts_are_of_their_customer_campaign_and_target(views: Views, log: Log) -> None:
    outdial, foreign = log.outdial(), log.outdial(STRANGER)
    one, other, hidden = log.target(outdial), log.target(outdial), log.target(foreign)
    first = log.tried(outdial, one, "busy", 1, campaign_id=CAMPAIGN)
    second = log.tried(outdial, other, "busy", 1)
    third = log.tried(outdial, one, "busy", 2, campaign_id=CAMPAIGN)
    secret = log.tried(foreign, hidden, "busy", 1, campaign_id=CAMPAIGN)
    db = await views.show(log)

    def ids(rows: list[Call]) -> list[str]:
        return [row.id for row in rows]

    assert ids(calls.page(db, CUSTOMER, None, 9)) == [third, second, first]
    assert ids(calls.page_of_campaign(db, CUSTOMER, CAMPAIGN, None, 9)) == [third, first]
    assert ids(calls.page_of_campaign(db, CUSTOMER, ZERO_ID, None, 9)) == []
    assert ids(calls.page_of_target(db, outdial, one, None, 9)) == [third, first]
    assert calls.page_of_target(db, outdial, hidden, None, 9) == []
    assert calls.page_of_target(db, outdial, log.target(outdial), None, 9) == []
    assert calls.get(db, CUSTOMER, secret) is None
    assert calls.locate(db, CUSTOMER, [secret, second, "unknown", first]) == {second: (outdial, other), first: (outdial, one)}


@pytest.mark.parametrize("size", [1, 2, 3, 50])
async def test_paging_loses_no_row_when_many_share_a_microsecond(views: Views, log: Log, size: int) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    made = []
    for ordinal in range(1, 12):
        made.append(log.tried(outdial, target, "busy", ordinal, campaign_id=CAMPAIGN))
        log.after(ordinal % 4 == 0)
    db = await views.show(log, 5)

    def of_customer(before: Before) -> list[Call]:
        return calls.page(db, CUSTOMER, before, size)

    def of_campaign(before: Before) -> list[Call]:
        return calls.page_of_campaign(db, CUSTOMER, CAMPAIGN, before, size)

    def of_target(before: Before) -> list[Call]:
        return calls.page_of_target(db, outdial, target, before, size)

    for page in (of_customer, of_campaign, of_target):
        read: list[str] = []
        before: Before = None
        while rows := page(before):
            read += [row.id for row in rows]
            before = rows[-1].tm_create, rows[-1].id
        assert read == made[::-1]


async def test_a_dial_request_is_read_back_in_full_in_its_wire_form(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial, None, PHONE, name="Ann", detail="d", data='{"a": 1}')
    attempt = log.requested(outdial, target, destination_index=1, source=MAIL, campaign_id=CAMPAIGN, campaign_type="flow")
    log.after(1).answered(outdial, target)
    db = await views.show(log)

    [found] = calls.requests_after(db, None, Position((0,)), 10).rows

    assert found.pop("position") == "3"
    request = DialRequest.model_validate_json(to_json(found))
    assert request == DialRequest(
        attempt_id=attempt,
        outdial_id=outdial,
        target_id=target,
        campaign_id=CAMPAIGN,
        campaign_type="flow",
        customer_id=CUSTOMER,
        plan_version=1,
        source=MAIL,
        destination=PHONE,
        destination_index=1,
        try_count=1,
        dial_timeout=30_000,
        requested_at=log.clock - 1,
        not_after=log.clock - 1 + MINUTE,
        expires_at=log.clock - 1 + 10 * MINUTE,
        name="Ann",
        detail="d",
        data='{"a": 1}',
        event_id=f"outdial/{outdial}/3",
    )
    assert from_json(to_json(request)) == found | {"traceparent": None}


async def test_dial_requests_are_read_on_from_any_position_each_once(views: Views, log: Log) -> None:
    mine, foreign = log.outdial(), log.outdial(STRANGER)
    expected: dict[str | None, list[int]] = {CUSTOMER: [], STRANGER: [], None: []}
    for turn in range(30):
        outdial = foreign if turn % 3 == 0 else mine
        target = log.target(outdial)
        log.requested(outdial, target)
        expected[STRANGER if turn % 3 == 0 else CUSTOMER].append(len(log.events))
        expected[None].append(len(log.events))
        if turn % 7 == 0:
            log.after(1).add(outdial, TargetDeleted(target_id=target))
    db = await views.show(log)

    for customer, positions in expected.items():
        for limit in (1, 4, 100):
            read: list[int] = []
            page = calls.requests_after(db, customer, Position((0,)), limit)
            while page.rows:
                assert len(page.rows) <= limit
                assert str(page.reached) == page.rows[-1]["position"]
                read += [int(row["position"]) for row in page.rows]
                page = calls.requests_after(db, customer, page.reached, limit)
            assert read == positions
    assert calls.requests_after(db, CUSTOMER, Position((len(log.events),)), 10).rows == []


async def test_an_attempt_is_found_whatever_its_ordinal(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    for ordinal in range(1, 40):
        log.tried(outdial, target, "busy", ordinal)
    db = await views.show(log, 9)

    assert [call.ordinal for call in calls.page_of_target(db, outdial, target, None, 100)] == list(range(39, 0, -1))
    found = calls.get(db, CUSTOMER, attempt_id(outdial, target, 17))
    assert found is not None
    assert found.ordinal == 17
