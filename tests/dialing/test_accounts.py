"""Accounts: customers, users, access keys and sessions, by hashes alone."""

from typing import Any

import pytest

from given import Given, a, given
from outdial.commands import CreateAccessKey, CreateCustomer, CreateUser, DeleteAccessKey, DeleteUser, SetPassword
from outdial.dialing import account
from outdial.events import AccessKeyCreated, AccessKeyDeleted, CustomerCreated, UserCreated, UserDeleted, UserPasswordSet
from outdial.scalars import ZERO_ID
from saying import THEM, US
from sim import HOUR, an_id

ANN, KEY, SESSION = an_id("ann"), an_id("key"), an_id("session")
HASH = "5e" * 32
PASSWORD, ANOTHER = f"scrypt$14${'0f' * 16}${HASH}", f"scrypt$14${'1f' * 16}${HASH}"


def customer(**more: Any) -> CreateCustomer:
    return CreateCustomer(**{"customer_id": US, "name": "Ann's shop", **more})


def user(user_id: str = ANN, username: str = "ann", **more: Any) -> CreateUser:
    return CreateUser(**{"customer_id": US, "user_id": user_id, "username": username, "password_hash": PASSWORD, **more})


def key(key_id: str = KEY, **more: Any) -> CreateAccessKey:
    return CreateAccessKey(**{"customer_id": US, "accesskey_id": key_id, "token_hash": HASH, **more})


def session(key_id: str = SESSION, expires_at: int | None = None, **more: Any) -> CreateAccessKey:
    return key(key_id, purpose="session", user_id=ANN, expires_at=expires_at, **more)


def drop(key_id: str = KEY) -> DeleteAccessKey:
    return DeleteAccessKey(customer_id=US, accesskey_id=key_id)


def sign_out() -> DeleteUser:
    return DeleteUser(customer_id=US, user_id=ANN)


def sessions_of(there: Given) -> set[str]:
    return {key_id for found in there.sim.ledger.accounts.values() for key_id in found.sessions}


def test_a_customer_is_made_once() -> None:
    given().when(customer()).then(a(CustomerCreated, name="Ann's shop"))
    given(customer()).when(customer(name="other")).then_nothing().then_rejects("already_exists")
    given().when(customer(customer_id=ZERO_ID)).then_nothing().then_rejects("field_invalid")


@pytest.mark.parametrize("command", [user(), key(), drop(), sign_out(), SetPassword(customer_id=US, user_id=ANN, password_hash=PASSWORD)])
def test_nothing_belongs_to_a_customer_who_is_not_there(command: Any) -> None:
    given(customer(customer_id=THEM)).when(command).then_nothing().then_rejects("customer_unknown")


def test_a_user_name_is_one_users_at_a_time() -> None:
    there = given(customer()).when(user()).then(a(UserCreated, user_id=ANN, username="ann", password_hash=PASSWORD))
    there.when(user(an_id("bob"))).then_nothing().then_rejects("username_taken")
    there.when(user(username="other")).then_nothing().then_rejects("already_exists")
    there.when(sign_out()).then(UserDeleted)
    there.when(sign_out()).then_nothing()
    there.when(user(an_id("bob"))).then(a(UserCreated, username="ann"))
    there.when(DeleteUser(customer_id=US, user_id=an_id("nobody"))).then_rejects("user_unknown")


def test_user_names_are_folded_to_lower_case() -> None:
    given(customer(), user(username="ANN@Example.COM")).when(user(an_id("bob"), "ann@example.com")).then_rejects("username_taken")


def test_a_new_password_ends_the_sessions_of_its_user_and_no_others() -> None:
    there = given(customer(), user(), user(an_id("bob"), "bob"), session(), key(an_id("bobs"), purpose="session", user_id=an_id("bob")))
    there.when(SetPassword(customer_id=US, user_id=ANN, password_hash=ANOTHER)).then(a(UserPasswordSet, password_hash=ANOTHER))
    assert sessions_of(there) == {an_id("bobs")}
    there.when(drop(SESSION)).then_rejects("accesskey_unknown")
    there.when(SetPassword(customer_id=US, user_id=an_id("nobody"), password_hash=ANOTHER)).then_rejects("user_unknown")


def test_whoever_may_not_log_in_has_no_session() -> None:
    there = given(customer(), user(), session())
    there.when(sign_out()).then(UserDeleted)
    assert sessions_of(there) == set()
    there.when(session(an_id("late"))).then_nothing().then_rejects("user_unknown")
    there.when(SetPassword(customer_id=US, user_id=ANN, password_hash=ANOTHER)).then_rejects("user_unknown")


def test_an_access_key_is_deleted_once_and_its_id_is_spent() -> None:
    there = given(customer()).when(key(name="import")).then(a(AccessKeyCreated, accesskey_id=KEY, name="import", purpose="access"))
    there.when(key(name="other")).then_nothing().then_rejects("already_exists")
    there.when(drop()).then(a(AccessKeyDeleted, accesskey_id=KEY))
    there.when(drop()).then_nothing()
    there.when(key(name="third")).then_rejects("already_exists")
    there.when(drop(an_id("nobody's"))).then_rejects("accesskey_unknown")


def test_sessions_that_are_over_are_forgotten_with_the_next_login() -> None:
    there = given(customer(), user())
    for number in range(5):
        there.when(session(an_id(f"session {number}"), there.sim.now + 2 * HOUR), HOUR)
    there.when(session(an_id("last"), there.sim.now + 2 * HOUR))
    assert sessions_of(there) == {an_id("session 4"), an_id("last")}


def test_a_customer_has_no_more_users_and_keys_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "MOST_USERS", 1)
    monkeypatch.setattr(account, "MOST_KEYS", 1)
    there = given(customer(), user(), key())
    there.when(user(an_id("bob"), "bob")).then_nothing().then_rejects("too_many_users")
    there.when(key(an_id("another"))).then_nothing().then_rejects("too_many_accesskeys")
    there.when(session()).then(AccessKeyCreated)
    there.when(drop(), key(an_id("another"))).then(AccessKeyCreated)
