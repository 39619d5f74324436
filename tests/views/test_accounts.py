"""Who is let in, as the views see it."""

import pytest

from outdial.commands import KeyPurpose
from outdial.events import AccessKeyCreated, AccessKeyDeleted, CustomerCreated, UserCreated, UserDeleted, UserPasswordSet
from outdial.views import accounts
from outdial.views.accounts import Bearer
from views.hand import CUSTOMER, SECOND, STRANGER, Log, Views

HASH, OTHER = "5e" * 32, "6f" * 32
FIRST, SECONDS = "first password", "second password"


def with_user(log: Log, customer: str = CUSTOMER, username: str = "ann") -> str:
    user = log.new_id()
    log.add(customer, UserCreated(user_id=user, username=username, password_hash=FIRST))
    return user


def with_key(log: Log, token_hash: str = HASH, customer: str = CUSTOMER, user: str | None = None, expires_at: int | None = None) -> str:
    key = log.new_id()
    purpose: KeyPurpose = "access" if user is None else "session"
    data = AccessKeyCreated(accesskey_id=key, purpose=purpose, user_id=user, token_hash=token_hash, expires_at=expires_at)
    log.add(customer, data)
    return key


async def test_a_key_lets_in_until_it_is_deleted(views: Views, log: Log) -> None:
    key = with_key(log)
    reader = await views.show(log)
    assert accounts.let_in(reader, HASH, log.clock) == Bearer(CUSTOMER, key)
    assert accounts.let_in(reader, OTHER, log.clock) is None

    log.after(1).add(CUSTOMER, AccessKeyDeleted(accesskey_id=key))

    assert accounts.let_in(await views.show(log), HASH, log.clock) is None
    found = accounts.get_key(reader, CUSTOMER, key)
    assert found is not None
    assert (found.tm_update, found.tm_delete) == (log.clock, log.clock)


async def test_a_key_lets_in_before_the_moment_it_ends_and_not_at_it(views: Views, log: Log) -> None:
    key = with_key(log, expires_at=log.clock + SECOND)
    reader = await views.show(log)

    assert accounts.let_in(reader, HASH, log.clock + SECOND - 1) == Bearer(CUSTOMER, key)
    assert accounts.let_in(reader, HASH, log.clock + SECOND) is None


@pytest.mark.parametrize("end", ["password", "user"])
async def test_the_sessions_of_a_user_end_with_the_password_and_with_the_user(views: Views, log: Log, end: str) -> None:
    ann, bob = with_user(log), with_user(log, username="bob")
    with_key(log, HASH, user=ann)
    with_key(log, OTHER, user=bob)

    log.after(1).add(CUSTOMER, UserDeleted(user_id=ann) if end == "user" else UserPasswordSet(user_id=ann, password_hash=SECONDS))

    reader = await views.show(log)
    assert accounts.let_in(reader, HASH, log.clock) is None
    assert accounts.let_in(reader, OTHER, log.clock) == Bearer(CUSTOMER, "bob")
    found = accounts.who(reader, "ann")
    assert found is None if end == "user" else (found is not None and found.password_hash == SECONDS)


async def test_of_two_users_of_one_name_the_oldest_is_meant(views: Views, log: Log) -> None:
    first = with_user(log)
    log.after(1)
    second = with_user(log, STRANGER)
    reader = await views.show(log)

    found = accounts.who(reader, "ann")
    assert found is not None
    assert (found.id, found.customer_id) == (first, CUSTOMER)
    assert accounts.get_user(reader, CUSTOMER, second) is None


async def test_sessions_that_are_over_are_gone_with_the_next_login_of_their_user(views: Views, log: Log) -> None:
    ann, bob = with_user(log), with_user(log, username="bob")
    over, others = with_key(log, user=ann, expires_at=log.clock + 1), with_key(log, user=bob, expires_at=log.clock + 1)
    log.after(SECOND)
    live = with_key(log, OTHER, user=ann, expires_at=log.clock + 1)
    reader = await views.show(log)

    assert accounts.get_key(reader, CUSTOMER, over) is None
    assert [row.id for row in accounts.page_of_keys(reader, CUSTOMER, None, 10, sessions=True)] == [live, others]


async def test_pages_are_newest_first_and_only_of_the_customer(views: Views, log: Log) -> None:
    for customer in (CUSTOMER, STRANGER):
        log.add(customer, CustomerCreated(name=customer))
    users = [with_user(log, username=f"ann{number}") for number in range(3)]
    keys = [with_key(log, f"{number:064}") for number in range(3)]
    with_key(log, OTHER, user=users[0])
    with_user(log, STRANGER)
    with_key(log, "7a" * 32, STRANGER)
    log.add(CUSTOMER, AccessKeyDeleted(accesskey_id=keys[1]))
    reader = await views.show(log)

    assert [row.id for row in accounts.page_of_customers(reader, None, 10)] == [STRANGER, CUSTOMER]
    assert [row.id for row in accounts.page_of_users(reader, CUSTOMER, None, 10)] == users[::-1]
    last = accounts.page_of_users(reader, CUSTOMER, None, 1)[-1]
    assert [row.id for row in accounts.page_of_users(reader, CUSTOMER, (last.tm_create, last.id), 10)] == users[1::-1]
    assert [row.id for row in accounts.page_of_keys(reader, CUSTOMER, None, 10)] == [keys[2], keys[0]]
    assert [row.id for row in accounts.page_of_keys(reader, CUSTOMER, None, 10, deleted=True)] == keys[::-1]


@pytest.mark.parametrize("batch", [1, 3, 100])
async def test_the_digest_is_the_same_however_events_are_batched(views: Views, log: Log, batch: int) -> None:
    empty = await views.digest()
    ann = with_user(log)
    for number in range(4):
        log.after(SECOND)
        with_key(log, f"{number:064}", user=ann, expires_at=log.clock + SECOND)
    await views.show(log, batch)

    found = await views.digest()
    assert found != empty
    assert [row.token_hash for row in accounts.page_of_keys(views.reader, CUSTOMER, None, 10, sessions=True)] == [f"{3:064}"]
