"""What every route works with: the ledger, the views, who is asking, and the way a command is sent."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from re import compile as pattern
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from outdial.commands import AddTarget, Command, CreateCampaign, CreateOutdial, CreateOutplan
from outdial.doors.api.errors import BAD_ID, PARAMETER, TIMEOUT, Refused, by_form, by_rule, unavailable
from outdial.doors.api.limits import Limiter, Rate
from outdial.doors.api.secrets import Passwords
from outdial.ids import derived, item_id
from outdial.metrics import Meters
from outdial.position import Position
from outdial.requests import Answer, Rejected, Unavailable
from outdial.scalars import FROM_OUTSIDE
from outdial.views import history
from outdial.views.promises import Days
from outdial.wire import explained, to_json

DEFAULT_CUSTOMER: Final = "7f1b1c5e-0000-4000-8000-000000000001"
"""The customer of a server that needs no token."""
CALLER: Final = "outdial.caller"
"""Where in an ASGI scope it stands who asks."""
LONGEST_WAIT_S: Final = 5.0
"""How long ``min_position`` is waited for."""
LONGEST_KEY: Final = 255
LOGINS: Final = Rate(0.1, 10)
"""How often one address may try one user name: guessing a password takes longer than anybody has."""
_CONDITIONAL: Final = frozenset({"PUT", "DELETE"})
_TAG: Final = pattern(r'(?:^|,)\s*"(\d{1,18})"\s*(?=,|$)')
"""A strong entity tag of this door, in a list of them."""
_VARY: Final = "Outdial-Time, Authorization, Cookie"
"""What the same address answers differently by."""


class Ledger(Protocol):
    """What the door needs of a runtime."""

    @property
    def position(self) -> Position:
        """The position the views stand at; the beginning when nothing was committed yet."""

    def now(self) -> int:
        """The runtime's clock: microseconds since 1970-01-01 UTC."""

    async def submit(self, commands: Sequence[Command], patience_s: float | None = None) -> list[Answer]:
        """The answers, in order, once they are durable and the views show them.

        ``patience_s``: how long they may take where others decide; None: as long as a request may take.

        Raises:
            outdial.requests.Unavailable: nothing was done, or not answered in time.
        """

    async def wait_beyond(self, position: Position, timeout: float) -> Position:  # noqa: ASYNC109  the runtime's own word
        """The newest position, as soon as it is beyond ``position`` or ``timeout`` seconds have passed."""

    async def caught_up(self) -> None:
        """Return when the views show everything that was committed, here or elsewhere, when this was asked.

        Raises:
            outdial.requests.Unavailable: that takes too long.
        """


class Stored(Protocol):
    """What the data folder holds, in bytes."""

    @property
    def database(self) -> int:
        """The database with its journal."""

    @property
    def other(self) -> int:
        """Everything else."""

    @property
    def free(self) -> int:
        """What is free on its disk."""

    @property
    def disk(self) -> int:
        """How large that disk is."""


class Checked(Protocol):
    """A comparison of the views with views that were built anew from the log."""

    @property
    def at(self) -> int:
        """When: microseconds since 1970-01-01 UTC."""

    @property
    def position(self) -> str:
        """Where both stood."""

    @property
    def equal(self) -> bool:
        """Whether they were equal."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the door is told by whoever starts it."""

    tokens: Mapping[str, str] = field(default_factory=dict)
    """Customer id by SHA-256 of the token, hexadecimal. Empty: open, everybody is ``customer_id``."""
    admins: frozenset[str] = frozenset()
    """Which of them may make customers and users. Of an open server: everybody."""
    customer_id: str = DEFAULT_CUSTOMER
    tokens_in_urls: bool = True
    """Whether a token may also come as query parameter or cookie, as the contract's examples have it."""
    not_ready: Callable[[], str | None] = lambda: None
    """Why the server cannot take work now; None: it can."""
    meters: Meters = field(default_factory=Meters)
    """The counts of the process."""
    allowed_origins: frozenset[str] = frozenset()
    """Sites whose pages may ask here with a token, as browsers name them. Empty: their browsers are told nothing."""
    private_webhooks: bool = False
    """Whether events may be sent into private networks, and to this machine."""
    host_is_loopback: bool = True
    """Whether only this machine reaches the port. Open and on loopback, other host names are refused."""
    rate_of_address: Rate | None = None
    """How often one address may ask; None: as often as it likes."""
    rate_of_customer: Rate | None = None
    """How often one customer may ask."""
    rejected: Callable[[], Awaitable[list[Rejected]]] | None = None
    """The newest commands that were refused, newest first; raises ``Unavailable``. None: they are not kept, whoever sent one was told."""
    checked: Callable[[], Checked | None] = lambda: None
    """What came of the last comparison of the views with the log; None: there was none."""
    stored: Callable[[], Stored | None] = lambda: None
    """How large what the process keeps is; None: it keeps nothing."""
    clock: Callable[[], float] = monotonic
    """Seconds that never go back."""

    @property
    def customers(self) -> frozenset[str]:
        """The customers who are known without having been made."""
        return frozenset((self.customer_id, *self.tokens.values()))


MOST_DAYS: Final = 32
"""Outdials whose calls are remembered by day."""


@dataclass(slots=True)
class Door:
    """One HTTP door; ``request.app.state.door``."""

    ledger: Ledger
    reader: sqlite3.Connection
    """Read-only, used on the event loop's own thread."""
    settings: Settings
    plan_changes: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from reading a plan to changing it, so that two changes of different fields both hold."""
    replays: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a past is folded: it is much work, and one is enough."""
    closing: bool = False
    """Set when the server is about to stop: streams and long polls end at the next opportunity."""
    sockets: Counter[str] = field(default_factory=Counter)
    """Websockets that are open, by customer."""
    responses: Counter[int] = field(default_factory=Counter)
    """Answers given, by HTTP status."""
    commands: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Commands sent, by type and result."""
    passwords: Passwords = field(default_factory=Passwords)
    days: dict[str, Days] = field(default_factory=dict)
    """What was read of the calls of the outdials that were asked about last, by outdial, the last at the end."""
    logins: Limiter = field(init=False)
    """Tries to log in, by address and user name."""

    def __post_init__(self) -> None:
        self.logins = Limiter(LOGINS, "ip", self.settings.clock)

    def days_of(self, outdial_id: str) -> Days:
        """The calls of an outdial by day, as far as they were read."""
        found = self.days[outdial_id] = self.days.pop(outdial_id) if outdial_id in self.days else Days()
        if len(self.days) > MOST_DAYS:
            del self.days[next(iter(self.days))]
        return found

    async def send(self, commands: Sequence[Command], patience_s: float | None = None) -> list[Answer]:
        """The answers to commands, refusals among them.

        Raises:
            Refused: REQUEST_TIMEOUT, with the id of the first command and of what it makes; it may still be carried out.
            outdial.requests.Unavailable: nothing was done.
        """
        began = self.settings.clock()
        try:
            answers = await self.ledger.submit(commands, patience_s)
        except Unavailable as why:
            if why.late:
                raise unavailable(why, **_named(commands[0])) from why
            raise
        self.settings.meters.observe("outdial_command_duration_seconds", self.settings.clock() - began)
        for answer in answers:
            self.commands[answer.type, answer.result] += 1
        return answers


def _named(command: Command) -> dict[str, str]:
    """A command, and the new thing it makes: what somebody needs who was not told how it went."""
    facts = {"command_id": command.id or "", "type": command.type}  # type: ignore[attr-defined]
    match command:
        case CreateOutdial() | CreateOutplan() | CreateCampaign():
            facts["id"] = command.stream
        case AddTarget():
            facts |= {"outdial_id": command.outdial_id, "id": command.target_id or item_id(command.id or "", 0)}
        case _:
            facts[command.stream_field] = command.stream
    return facts


class Caller(NamedTuple):
    """Who asks, and by what name the request is known."""

    customer_id: str
    request_id: str
    admin: bool = False
    """Whether it is who runs the service."""
    token_hash: str | None = None
    """Of the access key or session that let them in; None: the settings did."""
    name: str | None = None
    """Of the user or the access key; None: the settings let them in, and do not say who it is."""
    traceparent: str | None = None
    """The trace the request belongs to, if it says so."""


def door_of(request: HTTPConnection) -> Door:
    """The door a request came through."""
    door: Door = request.app.state.door
    return door


def caller_of(request: HTTPConnection) -> Caller:
    """Who asks."""
    caller: Caller = request.scope[CALLER]
    return caller


def customer_of(request: HTTPConnection) -> str:
    """The customer who asks."""
    return caller_of(request).customer_id


def command_id(request: Request) -> str:
    """The id of the request's command: by Idempotency-Key on a POST, random otherwise."""
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    if key is None:
        return str(uuid4())
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise Refused(PARAMETER, "field_invalid", f"Idempotency-Key must be 1 to {LONGEST_KEY} printable characters")
    return derived(customer_of(request), f"{request.method} {request.url.path.lower()}\n{key}")


_HEX: Final = frozenset("0123456789abcdef")
_UUID_SHAPE: Final = (8, 4, 4, 4, 12)


def is_id(text: str) -> bool:
    """Whether a lower-case text is a UUID."""
    parts = text.split("-")
    return tuple(map(len, parts)) == _UUID_SHAPE and _HEX.issuperset("".join(parts))


def path_id(request: Request, name: str = "id") -> str:
    """The UUID in the path, lower case.

    Raises:
        Refused: INVALID_ID.
    """
    text: str = request.path_params[name].lower()
    if not is_id(text):
        raise Refused(BAD_ID, "id_invalid", f"{name} in the path must be a UUID such as 40bea034-1d17-474d-a5de-da00d0861c69")
    return text


def whole_number(request: HTTPConnection, name: str, default: int, lowest: int, highest: int) -> int:
    """An integer query parameter, between two limits.

    Raises:
        Refused: INVALID_REQUEST_PARAMETER.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if len(text) <= 20 and text.isascii() and text.isdigit() and lowest <= int(text) <= highest:  # noqa: PLR2004  digits of 2**64
        return int(text)
    raise Refused(PARAMETER, "field_invalid", f"{name} must be a whole number from {lowest} to {highest}")


def one_of(request: HTTPConnection, name: str, words: Sequence[str]) -> str | None:
    """A query parameter that is one of some words; None: it is not there.

    Raises:
        Refused: INVALID_REQUEST_PARAMETER.
    """
    text = request.query_params.get(name)
    if text is None or text in words:
        return text
    raise Refused(PARAMETER, "field_invalid", f"{name} must be one of {', '.join(words)}")


def position_in(door: Door, text: str, name: str) -> Position:
    """A position somebody sends, under a name of theirs.

    Raises:
        Refused: INVALID_REQUEST_PARAMETER.
    """
    try:
        return Position.parse(text, door.ledger.position.partitions)
    except ValueError as why:
        raise Refused(PARAMETER, "field_invalid", f"{name} must be a position as answers carry it in Outdial-Position: {why}") from None


async def catch_up(door: Door) -> None:
    """Wait until the views show all that was committed when this was asked.

    Raises:
        Refused: REQUEST_TIMEOUT or SERVICE_UNAVAILABLE.
    """
    try:
        await door.ledger.caught_up()
    except Unavailable as why:
        raise unavailable(why) from None


async def position_reached(door: Door, text: str, name: str) -> Position:
    """A position of the log to begin after. Behind one that it has yet to come to, what happens until then would be left out in silence.

    Raises:
        Refused: INVALID_REQUEST_PARAMETER; as :func:`catch_up`, where nobody can say how far the log is.
    """
    position = position_in(door, text, name)
    if position.beyond(door.ledger.position):
        # Another process may have told it.
        await catch_up(door)
        if position.beyond(door.ledger.position):
            raise Refused(
                PARAMETER,
                "position_unknown",
                f"{name} is beyond the end of the log, which is {door.ledger.position}; begin after that, or earlier. "
                "A log that was put back from a backup ends earlier than it did",
            )
    return position


async def position_after(request: HTTPConnection) -> Position:
    """The query parameter ``after``; without it, the beginning. Raises as :func:`position_reached`."""
    return await position_reached(door_of(request), request.query_params.get("after", "0"), "after")


FLAGS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}
"""What somebody may write for yes and for no. Anything else is refused: whoever wrote ``yes`` did not mean no."""


def flag(request: HTTPConnection, name: str, *, default: bool = False) -> bool:
    """A query parameter that says yes or no.

    Raises:
        Refused: INVALID_REQUEST_PARAMETER.
    """
    text = request.query_params.get(name)
    return default if text is None else yes_or_no(text, name)


def yes_or_no(text: str, name: str) -> bool:
    """What the text of a query parameter says; raises as :func:`flag`."""
    said = FLAGS.get(text.lower())
    if said is None:
        raise Refused(PARAMETER, "field_invalid", f"{name} must be true or false")
    return said


C = TypeVar("C", bound=BaseModel)


_IN_BODIES: Final = {"/campaign_type": "/type"}
"""Fields that have another name in bodies than in commands; a command's ``resources`` are fields of the body itself."""


def made(model: type[C], fields: Mapping[str, Any], at: str = "") -> C:
    """A message from fields of a body; ``at``: the JSON pointer of the object they were in.

    Raises:
        Refused: INVALID_ARGUMENT, naming the field.
    """
    try:
        return model.model_validate(fields, context=FROM_OUTSIDE)
    except ValidationError as error:
        why = explained(error)
        if why.pointer is not None:
            why.pointer = at + _IN_BODIES.get(why.pointer, why.pointer.removeprefix("/resources"))
        raise by_form(why) from None


async def submit(request: Request, command: Command, refusal: Callable[[str | None, str | None], Refused] = by_rule) -> Answer:
    """The answer to one command. The If-Match of a PUT or DELETE goes with it, for the ledger to decide.

    Raises:
        Refused: the ledger rejected it; ``refusal`` says what its word means here.
    """
    wanted = request.headers.get("if-match") if request.method in _CONDITIONAL else None
    if wanted is not None and wanted.strip() != "*":
        command = command.model_copy(update={"if_version": _version_wanted(request, command.stream, wanted)})
    [answer] = await door_of(request).send([asked_by(request, command)])
    if answer.result == "rejected":
        raise refusal(answer.reason, answer.message)
    return answer


A = TypeVar("A", bound=Command)


def asked_by(request: Request, command: A) -> A:
    """The command with the name of who asks, where that is known: nobody speaks for another. And with the trace of the request."""
    caller = caller_of(request)
    given = {} if caller.name is None else {"actor": caller.name}
    if caller.traceparent is not None and command.traceparent is None:
        given["traceparent"] = caller.traceparent
    return command.model_copy(update=given) if given else command


def _version_wanted(request: Request, stream: str, tags: str) -> int:
    """The version an If-Match asks for; of several the one its stream stands at, if that is among them.

    Raises:
        Refused: VERSION_DIFFERS, when none is a tag of this door (RFC 9110: a weak one never matches).
    """
    known = {int(found) for found in _TAG.findall(tags)}
    if not known:
        raise by_rule("version_differs", "If-Match names no version as ETag gives it")
    at = history.version(door_of(request).reader, stream)
    return at if at in known else min(known)


def version_of(request: Request, stream: str) -> int:
    """The version a stream stands at. Read it before the rows it is a version of: a tag may be older than what it marks, never newer."""
    return history.version(door_of(request).reader, stream)


def single(request: Request, body: Any, version: int, answer: Answer | None = None) -> Response:
    """One resource and its tag, the version of its stream; 304 where the client has it already."""
    tag = f'"{version}"'
    known = request.headers.get("if-none-match", "") if request.method == "GET" else ""
    if tag in known or known.strip() == "*":
        return Response(status_code=304, headers={"ETag": tag, "Vary": _VARY})
    response = reply(body, answer)
    response.headers["ETag"] = tag
    response.headers["Vary"] = _VARY
    return response


def reply(body: Any, answer: Answer | None = None) -> Response:
    """A JSON answer; with ``answer`` it carries the log position it holds at, and the ledger's warnings."""
    headers = None
    if answer is not None:
        headers = {"Outdial-Position": answer.position}
        if answer.warnings:
            body = {**body, "warnings": list(answer.warnings)}
    return Response(to_json(body), media_type="application/json", headers=headers)


async def reach(door: Door, wanted: str) -> None:
    """Wait until the views have reached a position (``min_position``).

    Raises:
        Refused: REQUEST_TIMEOUT.
    """
    least, newest = position_in(door, wanted, "min_position"), door.ledger.position
    if not newest.covers(least):
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST_WAIT_S
        while not newest.covers(least) and (left := until - loop.time()) > 0 and not door.closing:
            newest = await door.ledger.wait_beyond(newest, left)
        if not newest.covers(least):
            raise Refused(
                TIMEOUT, "position_not_reached", f"min_position was not reached within {LONGEST_WAIT_S:g} s; it stands at {newest}"
            )
