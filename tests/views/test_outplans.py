import pytest

from outdial.events import OutplanDeleted, OutplanDialInfoSet, OutplanFollowed, OutplanUpdated
from outdial.plan import Plan
from outdial.views import outplans
from outdial.views.outplans import Outplan
from views.hand import CUSTOMER, PHONE, STRANGER, Log, Views


async def seen(views: Views, log: Log, outplan: str) -> Outplan:
    found = outplans.get(await views.show(log), CUSTOMER, outplan)
    assert found is not None
    return found


async def test_a_new_outplan_holds_its_plan_as_it_came(views: Views, log: Log) -> None:
    plan = Plan(source=PHONE, dial_timeout=0, max_try_count_0=3, calls_per_second=5)
    outplan = log.outplan(plan=plan, name="n", detail="d")

    found = await seen(views, log, outplan)

    assert found == Outplan(1, outplan, CUSTOMER, "n", "d", plan, 1, log.clock, None, None)


async def test_dial_info_and_names_change_apart(views: Views, log: Log) -> None:
    outplan = log.outplan(name="n", detail="d")
    plan = Plan(max_try_count_4=1)
    log.after(1).add(outplan, OutplanDialInfoSet(version=2, plan=plan))
    found = await seen(views, log, outplan)
    assert (found.name, found.plan, found.version, found.tm_update) == ("n", plan, 2, log.clock)

    log.after(1).add(outplan, OutplanUpdated(name=""))

    found = await seen(views, log, outplan)
    assert (found.name, found.detail, found.plan, found.tm_update) == ("", "d", plan, log.clock)


async def test_being_followed_is_no_update(views: Views, log: Log) -> None:
    outplan = log.outplan()
    log.add(outplan, OutplanFollowed(outdial_id=outplan, ask=1))

    assert (await seen(views, log, outplan)).tm_update is None


async def test_a_deleted_outplan_is_read_by_id_and_left_out_of_pages(views: Views, log: Log) -> None:
    outplan = log.outplan()
    log.add(outplan, OutplanDeleted())

    found = await seen(views, log, outplan)

    assert found.tm_delete == log.clock
    assert outplans.page(views.reader, CUSTOMER, None, 10) == []
    assert outplans.page(views.reader, CUSTOMER, None, 10, deleted=True) == [found]


@pytest.mark.parametrize("size", [1, 2, 100])
async def test_pages_are_newest_first_and_only_of_the_customer(views: Views, log: Log, size: int) -> None:
    made = [log.outplan() for _ in range(5)]
    foreign = log.outplan(STRANGER)
    reader = await views.show(log)
    read: list[str] = []
    before: tuple[int, str | None] | None = None
    while rows := outplans.page(reader, CUSTOMER, before, size):
        read += [row.id for row in rows]
        before = rows[-1].tm_create, rows[-1].id

    assert read == made[::-1]
    assert outplans.get(reader, CUSTOMER, foreign) is None
