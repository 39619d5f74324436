"""Who may ask: logging in, access keys, and for whoever runs the service the customers and their users. Source: contract 1.2."""

from typing import Any, Final
from uuid import uuid4

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import AccountCommands, CreateAccessKey, CreateCustomer, CreateUser, DeleteAccessKey, DeleteUser, SetPassword
from outdial.doors.api import secrets, shapes
from outdial.doors.api.bodies import needed, picked, read_object
from outdial.doors.api.deps import Door, caller_of, command_id, customer_of, door_of, flag, made, path_id, reply, submit
from outdial.doors.api.errors import BAD_CREDENTIALS, DENIED, EXISTS, NO_ACCESSKEY, NO_CUSTOMER, NO_USER, Refused, by_rule
from outdial.doors.api.paging import asked, page, times_of
from outdial.ids import item_id
from outdial.requests import Answer
from outdial.scalars import SECOND_US, format_instant
from outdial.views import accounts
from outdial.zones import DAY_US

router = APIRouter(tags=["accounts"])
login = APIRouter(tags=["accounts"])
"""What stands outside the versions, as VoIPBIN has it."""
SESSION_DAYS: Final = 7
SESSION_US: Final = SESSION_DAYS * DAY_US
LONGEST_EXPIRE_S: Final = 10 * 366 * 86_400
SHORTEST_PASSWORD: Final = 8
LONGEST_PASSWORD: Final = 1_024
_NO_STORE: Final = {"Cache-Control": "no-store"}

# --- logging in -----------------------------------------------------------------------------------------


@login.post("/auth/login")
async def log_in(request: Request) -> Response:
    """A token for a user name and a password. It is valid for 7 days, until it is deleted, or until the password changes."""
    body, door = await read_object(request), door_of(request)
    username, password = _text(body, "username").lower(), _text(body, "password")
    where = request.client.host if request.client else ""
    door.logins.take(f"{where}\n{username}")
    await door.ledger.caught_up()
    user = accounts.who(door.reader, username)
    if not await door.passwords.matches(password, None if user is None else user.password_hash) or user is None:
        raise _LOGIN_REFUSED
    token, key_id, expires = secrets.new_token(secrets.SESSION), str(uuid4()), door.ledger.now() + SESSION_US
    command = CreateAccessKey(
        id=str(uuid4()),
        customer_id=user.customer_id,
        actor=user.username,
        accesskey_id=key_id,
        purpose="session",
        user_id=user.id,
        token_hash=secrets.token_hash(token),
        token_prefix=token[: secrets.SHOWN],
        expires_at=expires,
    )
    answer = await submit(request, command, lambda rule, message: _LOGIN_REFUSED if rule == "user_unknown" else by_rule(rule, message))
    now = accounts.get_user(door.reader, user.customer_id, user.id)
    if now is None or now.password_hash != user.password_hash:
        # The password was changed between the look at it and the session, which nobody has the token of.
        raise _LOGIN_REFUSED
    shown = {"username": username, "token": token, "id": key_id, "customer_id": user.customer_id, "tm_expire": times_of(request)(expires)}
    response = reply(shown, answer)
    response.headers.update(_NO_STORE)
    if door.settings.tokens_in_urls:
        secure = request.url.scheme == "https"
        response.set_cookie("token", token, SESSION_US // SECOND_US, secure=secure, httponly=True, samesite="strict")
    return response


_LOGIN_REFUSED: Final = Refused(BAD_CREDENTIALS, "login_refused", "user name or password is wrong")


def _text(body: dict[str, Any], name: str, longest: int = LONGEST_PASSWORD) -> str:
    value = needed(body, name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise by_rule("field_invalid", f"{name} must be a text of 1 to {longest} characters", pointer=f"/{name}")
    return value


# --- access keys ----------------------------------------------------------------------------------------


@router.get("/accesskeys")
async def list_accesskeys(request: Request) -> Response:
    """The access keys, newest first; with ``sessions=true`` also what logins gave."""
    wanted, times = asked(request), times_of(request)
    rows = accounts.page_of_keys(
        door_of(request).reader,
        customer_of(request),
        wanted.before,
        wanted.limit,
        deleted=wanted.deleted,
        sessions=flag(request, "sessions"),
    )
    return reply(page(rows, wanted, times, lambda row: shapes.accesskey(row, times)))


@router.post("/accesskeys")
async def create_accesskey(request: Request) -> Response:
    """Make an access key. Its ``token`` is in this answer and never again; ``expire`` is in how many seconds it ends."""
    return await _new_key(request, customer_of(request))


@router.get("/accesskeys/{id}")
async def get_accesskey(request: Request) -> Response:
    """One access key or session, also when it is deleted."""
    return _shown_key(request, path_id(request))


@router.delete("/accesskeys/{id}")
async def delete_accesskey(request: Request) -> Response:
    """Let nobody in by this key any more. Deleting a session logs it out."""
    key_id = path_id(request)
    command = DeleteAccessKey(id=command_id(request), customer_id=customer_of(request), accesskey_id=key_id)
    return _shown_key(request, key_id, await submit(request, command, _by_key))


def _by_key(rule: str | None, message: str | None) -> Refused:
    """Of a customer without an account there is no key either."""
    return _NO_KEY if rule == "customer_unknown" else by_rule(rule, message)


_NO_KEY: Final = Refused(NO_ACCESSKEY, "accesskey_unknown", "there is no such access key")


def _shown_key(request: Request, key_id: str, answer: Answer | None = None) -> Response:
    row = accounts.get_key(door_of(request).reader, customer_of(request), key_id)
    if row is None:
        raise _NO_KEY
    return reply(shapes.accesskey(row, times_of(request)), answer)


async def _new_key(request: Request, customer_id: str) -> Response:
    body, door = await read_object(request), door_of(request)
    command = command_id(request)
    key_id, token = item_id(command, 0), secrets.new_token(secrets.ACCESS)
    fields = {
        **picked(body, ("name", "detail")),
        "id": command,
        "customer_id": customer_id,
        "accesskey_id": key_id,
        "token_hash": secrets.token_hash(token),
        "token_prefix": token[: secrets.SHOWN],
        "expires_at": _expiry(body, door.ledger.now()),
    }
    answer = await _begun(request, made(CreateAccessKey, fields))
    row = accounts.get_key(door.reader, customer_id, key_id)
    shown = shapes.accesskey(row, times_of(request)) if row is not None else {"id": key_id}
    response = reply({**shown, "token": token}, answer)
    response.headers.update(_NO_STORE)
    return response


def _expiry(body: dict[str, Any], now: int) -> str | None:
    seconds = body.get("expire")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= LONGEST_EXPIRE_S:
        raise by_rule("field_invalid", f"expire must be a whole number of seconds from 1 to {LONGEST_EXPIRE_S}", pointer="/expire")
    return format_instant(now + seconds * SECOND_US)


async def _begun(request: Request, command: AccountCommands) -> Answer:
    """The answer to a command; a customer who is known by the settings has an account as soon as one is needed."""
    door = door_of(request)
    try:
        return await submit(request, command)
    except Refused as why:
        if why.rule != "customer_unknown" or command.customer_id not in door.settings.customers:
            raise
    await door.send([CreateCustomer(id=str(uuid4()), customer_id=command.customer_id)])
    return await submit(request, command)


# --- for whoever runs the service -----------------------------------------------------------------------


def _administered(request: Request) -> Door:
    """The door, for whoever runs the service.

    Raises:
        Refused: PERMISSION_DENIED.
    """
    if not caller_of(request).admin:
        raise Refused(DENIED, "admin_needed", "customers and users are made by whoever runs the service, with the token of its settings")
    return door_of(request)


def _customer(request: Request) -> str:
    """The customer in the path, who may have nothing yet.

    Raises:
        Refused: INVALID_ID, CUSTOMER_NOT_FOUND.
    """
    door, customer_id = _administered(request), path_id(request)
    if customer_id not in door.settings.customers and accounts.get_customer(door.reader, customer_id) is None:
        raise Refused(NO_CUSTOMER, "customer_unknown", "there is no such customer")
    return customer_id


@router.get("/customers")
async def list_customers(request: Request) -> Response:
    """The customers who have an account, newest first."""
    door, wanted, times = _administered(request), asked(request), times_of(request)
    rows = accounts.page_of_customers(door.reader, wanted.before, wanted.limit)
    return reply(page(rows, wanted, times, lambda row: shapes.customer(row, times)))


@router.post("/customers")
async def create_customer(request: Request) -> Response:
    """Make a customer: somebody with outdials, plans and campaigns that nobody else sees."""
    door = _administered(request)
    body, command = await read_object(request), command_id(request)
    fields = {**picked(body, ("name", "detail")), "id": command, "customer_id": item_id(command, 0)}
    answer = await submit(request, made(CreateCustomer, fields))
    row = accounts.get_customer(door.reader, answer.stream)
    return reply({"id": answer.stream} if row is None else shapes.customer(row, times_of(request)), answer)


@router.get("/customers/{id}")
async def get_customer(request: Request) -> Response:
    """One customer."""
    row = accounts.get_customer(_administered(request).reader, path_id(request))
    if row is None:
        raise Refused(NO_CUSTOMER, "customer_unknown", "there is no such customer")
    return reply(shapes.customer(row, times_of(request)))


@router.post("/customers/{id}/accesskeys")
async def create_accesskey_of_customer(request: Request) -> Response:
    """Make an access key for a customer."""
    _administered(request)
    return await _new_key(request, path_id(request))


@router.get("/customers/{id}/users")
async def list_users(request: Request) -> Response:
    """The users of a customer, newest first."""
    customer_id, wanted, times = _customer(request), asked(request), times_of(request)
    rows = accounts.page_of_users(door_of(request).reader, customer_id, wanted.before, wanted.limit, deleted=wanted.deleted)
    return reply(page(rows, wanted, times, lambda row: shapes.user(row, times)))


@router.post("/customers/{id}/users")
async def create_user(request: Request) -> Response:
    """Let somebody log in for a customer. A user name is somebody's once in all the service."""
    door, customer_id = _administered(request), path_id(request)
    body, command = await read_object(request), command_id(request)
    username = _text(body, "username", 255).lower()
    await door.ledger.caught_up()
    taken = accounts.who(door.reader, username)
    user_id = item_id(command, 0)
    if taken is not None and taken.id != user_id:
        raise Refused(EXISTS, "username_taken", "another user has this name; choose another")
    fields = {
        "id": command,
        "customer_id": customer_id,
        "user_id": user_id,
        "username": username,
        "password_hash": await door.passwords.hashed(_password(body)),
    }
    answer = await _begun(request, made(CreateUser, fields))
    return _shown_user(request, customer_id, user_id, answer)


@router.get("/customers/{id}/users/{user_id}")
async def get_user(request: Request) -> Response:
    """One user, also when it is deleted."""
    return _shown_user(request, _customer(request), path_id(request, "user_id"))


@router.put("/customers/{id}/users/{user_id}/password")
async def set_password(request: Request) -> Response:
    """Give a user another password. Whoever is logged in as that user is so no longer."""
    door, customer_id, user_id = _administered(request), path_id(request), path_id(request, "user_id")
    password_hash = await door.passwords.hashed(_password(await read_object(request)))
    command = SetPassword(id=command_id(request), customer_id=customer_id, user_id=user_id, password_hash=password_hash)
    return _shown_user(request, customer_id, user_id, await submit(request, command))


@router.delete("/customers/{id}/users/{user_id}")
async def delete_user(request: Request) -> Response:
    """Let a user log in no more. Whoever is logged in as that user is so no longer; access keys are the customer's and stay."""
    _administered(request)
    customer_id, user_id = path_id(request), path_id(request, "user_id")
    command = DeleteUser(id=command_id(request), customer_id=customer_id, user_id=user_id)
    return _shown_user(request, customer_id, user_id, await submit(request, command))


def _password(body: dict[str, Any]) -> str:
    password = _text(body, "password")
    if len(password) < SHORTEST_PASSWORD:
        raise by_rule("field_invalid", f"password must have at least {SHORTEST_PASSWORD} characters", pointer="/password")
    return password


def _shown_user(request: Request, customer_id: str, user_id: str, answer: Answer | None = None) -> Response:
    row = accounts.get_user(door_of(request).reader, customer_id, user_id)
    if row is None:
        raise Refused(NO_USER, "user_unknown", "there is no such user")
    return reply(shapes.user(row, times_of(request)), answer)
