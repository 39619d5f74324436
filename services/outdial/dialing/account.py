"""An account: who may ask for what is a customer's. Source: contract 1.2.

It knows who there is, and nobody's secret: commands and events carry hashes, and the views compare them.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from outdial.commands import (
    AccountCommands,
    CreateAccessKey,
    CreateCustomer,
    CreateUser,
    DeleteAccessKey,
    DeleteUser,
    SetPassword,
)
from outdial.dialing.decision import Decision, Rejected
from outdial.events import AccessKeyCreated, AccessKeyDeleted, AccountEvent, CustomerCreated, UserCreated, UserDeleted, UserPasswordSet

MOST_USERS = 10_000
MOST_KEYS = 10_000
"""Users and access keys an account may have at once; sessions end by themselves."""

# --- state --------------------------------------------------------------------------------------------


class Session(NamedTuple):
    """What a login gave."""

    user_id: str | None
    expires_at: int | None


@dataclass(slots=True)
class Account:
    """The state of one account; only :func:`evolve` changes it."""

    id: str
    version: int = 0
    users: dict[str, str | None] = field(default_factory=dict)
    """User name by id; None: deleted."""
    user_ids: dict[str, str] = field(default_factory=dict)
    """Id of the user who has a name now."""
    keys: dict[str, bool] = field(default_factory=dict)
    """Whether it is live, by id of the access key."""
    live_keys: int = 0
    sessions: dict[str, Session] = field(default_factory=dict)
    """Those that are not known to be over, oldest first."""

    @property
    def customer_id(self) -> str:
        """Whose account it is: its id says."""
        return self.id


# --- evolve -------------------------------------------------------------------------------------------


def evolve(account: Account, event: AccountEvent, at: int) -> None:
    """Fold one event of an instant."""
    account.version += 1
    match event:
        case UserCreated():
            account.users[event.user_id] = event.username
            account.user_ids[event.username] = event.user_id
        case UserPasswordSet():
            _end_sessions(account, event.user_id)
        case UserDeleted():
            name = account.users[event.user_id]
            account.users[event.user_id] = None
            if name is not None:
                del account.user_ids[name]
            _end_sessions(account, event.user_id)
        case AccessKeyCreated(purpose="session"):
            _forget_expired(account, at)
            account.sessions[event.accesskey_id] = Session(event.user_id, event.expires_at)
        case AccessKeyCreated():
            account.keys[event.accesskey_id] = True
            account.live_keys += 1
        case AccessKeyDeleted():
            if account.sessions.pop(event.accesskey_id, None) is None:
                account.keys[event.accesskey_id] = False
                account.live_keys -= 1
        case _:
            pass


def _end_sessions(account: Account, user_id: str) -> None:
    for key_id in [key_id for key_id, session in account.sessions.items() if session.user_id == user_id]:
        del account.sessions[key_id]


def _forget_expired(account: Account, at: int) -> None:
    """Sessions last equally long, so those that are over are the oldest: nobody looks at the others."""
    while account.sessions:
        key_id, session = next(iter(account.sessions.items()))
        if session.expires_at is None or session.expires_at > at:
            return
        del account.sessions[key_id]


# --- decide -------------------------------------------------------------------------------------------


def decide(account: Account | None, command: AccountCommands) -> Decision:
    """What a command to an account comes to.

    Raises:
        Rejected: ``customer_unknown``, ``user_unknown``, ``accesskey_unknown``, ``already_exists``, ``username_taken``,
            ``too_many_users``, ``too_many_accesskeys``.
    """
    if isinstance(command, CreateCustomer):
        if account is not None:
            raise Rejected("already_exists", "there is a customer with this id already")
        return Decision([CustomerCreated(name=command.name, detail=command.detail)])
    if account is None:
        raise Rejected("customer_unknown", "there is no such customer")
    match command:
        case CreateUser():
            return _create_user(account, command)
        case SetPassword():
            if account.users.get(command.user_id) is None:
                raise Rejected("user_unknown", "there is no such user")
            return Decision([UserPasswordSet(user_id=command.user_id, password_hash=command.password_hash)])
        case DeleteUser():
            if command.user_id not in account.users:
                raise Rejected("user_unknown", "there is no such user")
            return Decision([] if account.users[command.user_id] is None else [UserDeleted(user_id=command.user_id)])
        case CreateAccessKey():
            return _create_key(account, command)
        case DeleteAccessKey():
            live = account.keys.get(command.accesskey_id, True if command.accesskey_id in account.sessions else None)
            if live is None:
                raise Rejected("accesskey_unknown", "there is no such access key")
            return Decision([AccessKeyDeleted(accesskey_id=command.accesskey_id)] if live else [])


def _create_user(account: Account, command: CreateUser) -> Decision:
    if command.user_id in account.users:
        raise Rejected("already_exists", "there is a user with this id already")
    if command.username in account.user_ids:
        raise Rejected("username_taken", "another user has this name; choose another")
    if len(account.user_ids) >= MOST_USERS:
        raise Rejected("too_many_users", f"a customer may have {MOST_USERS} users; delete one first")
    return Decision([UserCreated(user_id=command.user_id, username=command.username, password_hash=command.password_hash)])


def _create_key(account: Account, command: CreateAccessKey) -> Decision:
    if command.accesskey_id in account.keys or command.accesskey_id in account.sessions:
        raise Rejected("already_exists", "there is an access key with this id already")
    if command.user_id is not None and account.users.get(command.user_id) is None:
        raise Rejected("user_unknown", "there is no such user")
    if command.purpose == "access" and account.live_keys >= MOST_KEYS:
        raise Rejected("too_many_accesskeys", f"a customer may have {MOST_KEYS} access keys; delete one first")
    created = AccessKeyCreated(
        accesskey_id=command.accesskey_id,
        purpose=command.purpose,
        user_id=command.user_id,
        name=command.name,
        detail=command.detail,
        token_hash=command.token_hash,
        token_prefix=command.token_prefix,
        expires_at=command.expires_at,
    )
    return Decision([created])
