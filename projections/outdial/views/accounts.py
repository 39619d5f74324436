"""Accounts: who is let in, as whom, and until when? Source: contract 1.2.

Events of accounts are few, so each of them is its own statements: nothing is loaded, and nothing is folded in memory.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from outdial.commands import KeyPurpose
from outdial.envelope import Event
from outdial.events import AccessKeyCreated, AccessKeyDeleted, CustomerCreated, UserCreated, UserDeleted, UserPasswordSet
from outdial.views.rows import Before, Write, cursor_of

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS customer (
        position INTEGER PRIMARY KEY,   -- of CustomerCreated
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        detail TEXT NOT NULL,
        tm_create INTEGER NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS customer_page ON customer (tm_create)",
    """
    CREATE TABLE IF NOT EXISTS user (
        position INTEGER PRIMARY KEY,   -- of UserCreated
        id TEXT NOT NULL,
        customer_id TEXT NOT NULL,
        username TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        tm_create INTEGER NOT NULL,
        tm_update INTEGER,
        tm_delete INTEGER,
        UNIQUE (customer_id, id)
    )
    """,
    "CREATE INDEX IF NOT EXISTS user_page ON user (customer_id, tm_create)",
    "CREATE INDEX IF NOT EXISTS user_name ON user (username, tm_create)",
    """
    CREATE TABLE IF NOT EXISTS access_key (
        position INTEGER PRIMARY KEY,   -- of AccessKeyCreated
        id TEXT NOT NULL,
        customer_id TEXT NOT NULL,
        purpose TEXT NOT NULL,
        user_id TEXT,
        name TEXT NOT NULL,
        detail TEXT NOT NULL,
        token_hash TEXT NOT NULL,
        token_prefix TEXT NOT NULL,
        expires_at INTEGER,
        tm_create INTEGER NOT NULL,
        tm_update INTEGER,
        tm_delete INTEGER,
        UNIQUE (customer_id, id)
    )
    """,
    "CREATE INDEX IF NOT EXISTS access_key_page ON access_key (customer_id, tm_create)",
    "CREATE INDEX IF NOT EXISTS access_key_token ON access_key (token_hash)",
    "CREATE INDEX IF NOT EXISTS access_key_session ON access_key (customer_id, user_id) WHERE user_id IS NOT NULL",
)
TABLES: Final = ("customer", "user", "access_key")
_CUSTOMER: Final = "position, id, name, detail, tm_create"
_USER: Final = "position, id, customer_id, username, password_hash, tm_create, tm_update, tm_delete"
_KEY: Final = (
    "position, id, customer_id, purpose, user_id, name, detail, token_hash, token_prefix, expires_at, tm_create, tm_update, tm_delete"
)
DIGESTS: Final = tuple(
    f"""
    SELECT json_group_array(json_array({columns})), max(position)
    FROM (SELECT * FROM {table} WHERE position > ? ORDER BY position LIMIT 500)
    """
    for table, columns in (("customer", _CUSTOMER), ("user", _USER), ("access_key", _KEY))
)

# --- from events to rows --------------------------------------------------------------------------------

_ADD_CUSTOMER: Final = f"INSERT INTO customer ({_CUSTOMER}) VALUES (?, ?, ?, ?, ?)"
_ADD_USER: Final = f"INSERT INTO user ({_USER}) VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)"
_SET_PASSWORD: Final = "UPDATE user SET password_hash = ?, tm_update = ? WHERE customer_id = ? AND id = ?"  # noqa: S105  a statement
_DELETE_USER: Final = "UPDATE user SET tm_update = ?, tm_delete = ? WHERE customer_id = ? AND id = ?"
_ADD_KEY: Final = f"INSERT INTO access_key ({_KEY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)"
_DELETE_KEY: Final = "UPDATE access_key SET tm_update = ?, tm_delete = ? WHERE customer_id = ? AND id = ?"
_END_SESSIONS: Final = "DELETE FROM access_key WHERE customer_id = ? AND user_id = ? AND purpose = 'session'"
_FORGET_EXPIRED: Final = f"{_END_SESSIONS} AND expires_at <= ?"


def writes_of(position: int, event: Event) -> Iterator[Write]:
    """What one event of an account writes."""
    customer_id, at, data = event.stream, event.time, event.data
    match data:
        case CustomerCreated():
            yield _ADD_CUSTOMER, (position, customer_id, data.name, data.detail, at)
        case UserCreated():
            yield _ADD_USER, (position, data.user_id, customer_id, data.username, data.password_hash, at)
        case UserPasswordSet():
            yield _SET_PASSWORD, (data.password_hash, at, customer_id, data.user_id)
            yield _END_SESSIONS, (customer_id, data.user_id)
        case UserDeleted():
            yield _DELETE_USER, (at, at, customer_id, data.user_id)
            yield _END_SESSIONS, (customer_id, data.user_id)
        case AccessKeyCreated():
            if data.purpose == "session":
                yield _FORGET_EXPIRED, (customer_id, data.user_id, at)
            labels = (data.purpose, data.user_id, data.name, data.detail, data.token_hash, data.token_prefix)
            yield _ADD_KEY, (position, data.accesskey_id, customer_id, *labels, data.expires_at, at)
        case AccessKeyDeleted():
            yield _DELETE_KEY, (at, at, customer_id, data.accesskey_id)
        case _:
            pass


# --- questions ------------------------------------------------------------------------------------------

_LET_IN: Final = """
    SELECT key.customer_id, key.expires_at, coalesce(user.username, nullif(key.name, ''), key.id)
    FROM access_key AS key LEFT JOIN user ON user.customer_id = key.customer_id AND user.id = key.user_id
    WHERE key.token_hash = ? AND key.tm_delete IS NULL ORDER BY key.position LIMIT 1
"""
_WHO: Final = f"SELECT {_USER} FROM user WHERE username = ? AND tm_delete IS NULL ORDER BY tm_create, position LIMIT 1"
_GET_CUSTOMER: Final = f"SELECT {_CUSTOMER} FROM customer WHERE id = ?"
_GET_USER: Final = f"SELECT {_USER} FROM user WHERE customer_id = ? AND id = ?"
_GET_KEY: Final = f"SELECT {_KEY} FROM access_key WHERE customer_id = ? AND id = ?"
_PAGE: Final = """
    SELECT {columns} FROM {table}
    WHERE {whose} (tm_create, position) < (:time, coalesce((SELECT position FROM {table} WHERE {own} id = :last), 0)) {which}
    ORDER BY tm_create DESC, position DESC LIMIT :limit
"""
_OWN: Final = "customer_id = :customer AND"
_LIVE: Final = "AND (:deleted OR tm_delete IS NULL)"
_PAGE_CUSTOMERS: Final = _PAGE.format(columns=_CUSTOMER, table="customer", whose="", own="", which="")
_PAGE_USERS: Final = _PAGE.format(columns=_USER, table="user", whose=_OWN, own=_OWN, which=_LIVE)
_PAGE_KEYS: Final = _PAGE.format(
    columns=_KEY, table="access_key", whose=_OWN, own=_OWN, which=f"{_LIVE} AND (:sessions OR purpose = 'access')"
)


@dataclass(slots=True)
class Customer:
    """A customer; instants in microseconds."""

    position: int
    id: str
    name: str
    detail: str
    tm_create: int


@dataclass(slots=True)
class User:
    """Somebody who may log in; instants in microseconds, None = not yet."""

    position: int
    id: str
    customer_id: str
    username: str
    password_hash: str
    tm_create: int
    tm_update: int | None
    tm_delete: int | None


@dataclass(slots=True)
class AccessKey:
    """A token that lets in, known by its hash; instants in microseconds, None = not yet, or never."""

    position: int
    id: str
    customer_id: str
    purpose: KeyPurpose
    user_id: str | None
    name: str
    detail: str
    token_hash: str
    token_prefix: str
    expires_at: int | None
    tm_create: int
    tm_update: int | None
    tm_delete: int | None


class Bearer(NamedTuple):
    """Who comes with a token."""

    customer_id: str
    name: str
    """The user's, or the access key's, or the id of one that has none."""


def let_in(db: sqlite3.Connection, token_hash: str, now: int) -> Bearer | None:
    """Whom a token lets in; None when it lets nobody in: unknown, deleted, or over."""
    found = db.execute(_LET_IN, (token_hash,)).fetchone()
    if found is None or (found[1] is not None and found[1] <= now):
        return None
    customer_id, _, name = found
    return Bearer(customer_id, name)


def who(db: sqlite3.Connection, username: str) -> User | None:
    """The user of a name, the oldest where there are several; None when there is none."""
    found = db.execute(_WHO, (username,)).fetchone()
    return None if found is None else User(*found)


def get_customer(db: sqlite3.Connection, customer_id: str) -> Customer | None:
    """One customer."""
    found = db.execute(_GET_CUSTOMER, (customer_id,)).fetchone()
    return None if found is None else Customer(*found)


def get_user(db: sqlite3.Connection, customer_id: str, user_id: str) -> User | None:
    """One user, deleted or not; None when this customer has no such user."""
    found = db.execute(_GET_USER, (customer_id, user_id)).fetchone()
    return None if found is None else User(*found)


def get_key(db: sqlite3.Connection, customer_id: str, key_id: str) -> AccessKey | None:
    """One access key or session, deleted or not; None when this customer has no such key."""
    found = db.execute(_GET_KEY, (customer_id, key_id)).fetchone()
    return None if found is None else AccessKey(*found)


def page_of_customers(db: sqlite3.Connection, before: Before, limit: int) -> list[Customer]:
    """All customers, newest first."""
    return [Customer(*row) for row in db.execute(_PAGE_CUSTOMERS, cursor_of(before, limit, deleted=False)).fetchall()]


def page_of_users(db: sqlite3.Connection, customer_id: str, before: Before, limit: int, *, deleted: bool = False) -> list[User]:
    """A customer's users, newest first."""
    return [User(*row) for row in db.execute(_PAGE_USERS, _asked(customer_id, before, limit, deleted=deleted)).fetchall()]


def page_of_keys(
    db: sqlite3.Connection, customer_id: str, before: Before, limit: int, *, deleted: bool = False, sessions: bool = False
) -> list[AccessKey]:
    """A customer's access keys, newest first; with ``sessions`` also what logins gave."""
    asked = {**_asked(customer_id, before, limit, deleted=deleted), "sessions": sessions}
    return [AccessKey(*row) for row in db.execute(_PAGE_KEYS, asked).fetchall()]


def _asked(customer_id: str, before: Before, limit: int, *, deleted: bool) -> dict[str, Any]:
    return {"customer": customer_id, **cursor_of(before, limit, deleted=deleted)}
