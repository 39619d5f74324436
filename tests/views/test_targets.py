from typing import Any

import pytest

from outdial.address import Address
from outdial.events import TargetDeleted, TargetExhausted, TargetFinished, TargetReopened, TargetRevived
from outdial.views import targets
from outdial.views.targets import Target
from views.hand import MAIL, PHONE, Log, Views


async def seen(views: Views, log: Log, outdial: str, target: str) -> Target:
    found = targets.get(await views.show(log), outdial, target)
    assert found is not None
    return found


async def test_a_new_target_is_idle_with_five_places_and_no_tries(views: Views, log: Log) -> None:
    outdial = log.outdial()
    named = Address(type="sip", target="sip:ann@example.com", target_name="Ann", name="n", detail="d")
    more: dict[str, Any] = {"priority": 5, "time_zone": "Asia/Seoul", "expires_at": 7, "zones": (("Asia/Seoul",), None)}
    target = log.target(outdial, PHONE, None, named, name="Ann", detail="é\n", data="{}", **more)

    found = await seen(views, log, outdial, target)

    empty = {"target_name": "", "name": "", "detail": ""}
    assert found.destinations == [{"type": "tel", "target": "+15551230001", **empty}, None, named.model_dump(), None, None]
    assert (found.name, found.detail, found.data, found.priority, found.time_zone) == ("Ann", "é\n", "{}", 5, "Asia/Seoul")
    assert (found.expires_at, found.zones) == (7, [["Asia/Seoul"], None])
    assert (found.status, found.lifecycle, found.try_counts, found.try_count_max) == ("idle", "idle", (0, 0, 0, 0, 0), None)
    assert (found.since, found.last_outcome, found.ordinal, found.not_dialed_streak) == (None, None, 0, 0)
    assert (found.tm_create, found.tm_update, found.tm_delete) == (log.clock, log.clock, None)
    assert (found.id, found.outdial_id, found.position) == (target, outdial, 2)


async def test_a_request_counts_the_try_of_its_destination(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial, PHONE, MAIL)
    log.after(5).requested(outdial, target, destination_index=1, try_count=1)

    found = await seen(views, log, outdial, target)

    assert (found.status, found.lifecycle, found.try_counts, found.ordinal) == ("progressing", "dialing", (0, 1, 0, 0, 0), 1)
    assert found.tm_update == found.tm_create + 5


async def test_an_answered_call_keeps_the_target_progressing(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    log.requested(outdial, target)
    log.answered(outdial, target)

    found = await seen(views, log, outdial, target)

    assert (found.status, found.lifecycle) == ("progressing", "answered")


@pytest.mark.parametrize(
    ("outcome", "lifecycle"), [("busy", "busy"), ("no_answer", "no_answer"), ("machine", "idle"), ("failed", "idle"), ("other", "idle")]
)
async def test_the_end_of_an_attempt_leaves_its_outcome(views: Views, log: Log, outcome: str, lifecycle: str) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    log.after(5).tried(outdial, target, outcome)

    found = await seen(views, log, outdial, target)

    assert (found.status, found.lifecycle, found.last_outcome, found.since) == ("idle", lifecycle, outcome, log.clock)
    assert found.try_counts == (1, 0, 0, 0, 0)


async def test_a_try_given_back_is_not_counted_and_the_row_of_them_ends_with_any_other(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    log.tried(outdial, target, "not_dialed", 1, try_count=1)
    log.tried(outdial, target, "not_dialed", 2, try_count=1)
    found = await seen(views, log, outdial, target)
    assert (found.try_counts, found.not_dialed_streak, found.ordinal) == ((0, 0, 0, 0, 0), 2, 2)

    log.tried(outdial, target, "busy", 3, try_count=1)

    found = await seen(views, log, outdial, target)
    assert (found.try_counts, found.not_dialed_streak, found.ordinal) == ((1, 0, 0, 0, 0), 0, 3)


async def test_a_target_is_done_when_reached_or_out_of_tries_and_can_come_back(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    attempt = log.tried(outdial, target, "busy")
    seen_as = []
    for event in (
        TargetExhausted(target_id=target, plan_version=1),
        TargetRevived(target_id=target),
        TargetFinished(target_id=target, attempt_id=attempt, late=True),
        TargetReopened(target_id=target),
    ):
        log.after(1).add(outdial, event)
        found = await seen(views, log, outdial, target)
        assert found.tm_update == log.clock
        seen_as.append((found.status, found.lifecycle, found.try_counts[0], found.since is None))

    assert seen_as == [("done", "failed", 1, False), ("idle", "idle", 1, False), ("done", "finished", 1, False), ("idle", "idle", 0, True)]


async def test_a_deleted_target_is_read_by_id_and_left_out_of_pages(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target, other = log.target(outdial), log.target(outdial)
    log.after(1).add(outdial, TargetDeleted(target_id=target))

    found = await seen(views, log, outdial, target)

    assert (found.tm_delete, found.tm_update) == (log.clock, log.clock)
    assert [row.id for row in targets.page(views.reader, outdial, None, 10)] == [other]
    assert [row.id for row in targets.page(views.reader, outdial, None, 10, deleted=True)] == [other, target]


async def test_an_attempt_that_was_open_at_the_delete_still_ends(views: Views, log: Log) -> None:
    outdial = log.outdial()
    target = log.target(outdial)
    log.requested(outdial, target)
    log.add(outdial, TargetDeleted(target_id=target))
    log.ended(outdial, target, "not_dialed")

    found = await seen(views, log, outdial, target)

    assert (found.try_counts, found.last_outcome, found.tm_delete) == ((0, 0, 0, 0, 0), "not_dialed", log.clock)


async def test_unknown_targets_are_nobody(views: Views, log: Log) -> None:
    outdial, other = log.outdial(), log.outdial()
    target = log.target(outdial)
    reader = await views.show(log)

    assert targets.get(reader, other, target) is None
    assert targets.get(reader, outdial, other) is None
    assert targets.many(reader, "unknown", [target]) == []
    assert targets.page(reader, "unknown", None, 10) == []


async def test_many_come_in_the_order_asked_for(views: Views, log: Log) -> None:
    outdial = log.outdial()
    ids = [log.target(outdial) for _ in range(5)]
    reader = await views.show(log)

    assert [found.id for found in targets.many(reader, outdial, [ids[3], "unknown", ids[0], ids[3]])] == [ids[3], ids[0], ids[3]]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
async def test_paging_loses_no_row_when_many_share_a_microsecond(views: Views, log: Log, size: int) -> None:
    one, other = log.outdial(), log.outdial()
    for together in (1, 7, 1, 1, 12, 3):
        for _ in range(together):
            log.target(one)
            log.target(other)
        log.after(1)
    reader = await views.show(log)
    read: list[str] = []
    before: tuple[int, str | None] | None = None
    while rows := targets.page(reader, one, before, size + 1):
        shown = rows[:size]
        read += [row.id for row in shown]
        shares = len(rows) > size and rows[size].tm_create == shown[-1].tm_create
        before = shown[-1].tm_create, shown[-1].id if shares else None

    added = [event.data.target_id for _, event in log.events if event.type == "TargetAdded" and event.stream == one]  # type: ignore[attr-defined]
    assert read == added[::-1]


async def test_a_bare_instant_asks_for_what_is_strictly_older(views: Views, log: Log) -> None:
    outdial = log.outdial()
    older = log.target(outdial)
    log.after(1).target(outdial)
    now = log.clock
    reader = await views.show(log)

    assert [row.id for row in targets.page(reader, outdial, (now, None), 10)] == [older]
    assert [row.id for row in targets.page(reader, outdial, (now, "no such id"), 10)] == [older]
    assert len(targets.page(reader, outdial, (now + 1, None), 10)) == 2


async def test_the_profile_of_a_row_is_the_text_it_is_counted_under(views: Views, log: Log) -> None:
    outdial = log.outdial()
    log.tried(outdial, log.target(outdial, None, MAIL, PHONE, try_count_max=4), "busy", destination_index=2)
    log.tried(outdial, log.target(outdial), "not_dialed", try_count=1)
    reader = await views.show(log)

    rows = set(reader.execute("SELECT profile FROM target").fetchall())

    assert rows == set(reader.execute("SELECT profile FROM waiting").fetchall())
