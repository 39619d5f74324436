from outdial.views import calls, places, targets
from views.hand import CUSTOMER, Log, Views

ALIKE = ("ce2bb5b2-5fbb-4f14-a6d9-4db3d8ca7a0a", "9c4d4e1e-16a9-4b6a-8a5d-f8a5f8d1ac4a")


def test_the_hash_takes_four_bytes_and_knows_the_order_of_the_path() -> None:
    keys = {places.key_of("a", "b"), places.key_of("b", "a"), places.key_of("ab"), places.key_of("a")}

    assert len(keys) == 4
    assert all(-(2**31) <= key < 2**31 for key in keys)


async def test_ids_with_the_same_hash_are_told_apart(views: Views, log: Log) -> None:
    outdial = log.outdial()
    first, second = (log.target(outdial, target_id=target_id, name=target_id[:4]) for target_id in ALIKE)
    same = places.key_of(outdial, first)
    log.tried(outdial, second, "busy")
    await views.show(log)
    for table in ("place", "place_new"):
        await views.writer.execute_fetchall(f"UPDATE OR IGNORE {table} SET key = ? WHERE position = 3", (same,))  # noqa: S608  names of this test
    log.after(1)

    found = targets.get(views.reader, outdial, first)

    assert found is not None
    assert (found.name, found.lifecycle) == (first[:4], "idle")


async def test_one_target_id_may_stand_in_two_outdials(views: Views, log: Log) -> None:
    one, other = log.outdial(), log.outdial()
    target = log.target(one, name="in one")
    log.target(other, target_id=target, name="in the other")
    attempt = log.tried(other, target, "busy")
    reader = await views.show(log)

    in_one, in_other = targets.get(reader, one, target), targets.get(reader, other, target)

    assert in_one is not None
    assert in_other is not None
    assert (in_one.name, in_one.lifecycle) == ("in one", "idle")
    assert (in_other.name, in_other.lifecycle) == ("in the other", "busy")
    assert calls.locate(reader, CUSTOMER, [attempt]) == {attempt: (other, target)}
