"""Outermost layer of the door, plain ASGI: request ids, who is asking, and which browsers may.

A token in the query string is taken out of the scope before anything else sees it, so no log and no error
page can hold it. Source: contract 1.2, design section 7.
"""

import asyncio
import ipaddress
import logging
import traceback
from collections.abc import Iterable
from functools import lru_cache
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from os import urandom
from pathlib import PurePath
from re import compile as pattern
from typing import Final
from urllib.parse import unquote_plus, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outdial.doors.api.deps import CALLER, Caller, Door, catch_up, reach, yes_or_no
from outdial.doors.api.errors import BAD_CREDENTIALS, DENIED, NOT_AUTHENTICATED, UNAVAILABLE, Refused, told
from outdial.doors.api.limits import Limiter
from outdial.doors.api.origins import ORIGIN, PREFLIGHT, Headers, Origins, answer_preflight, is_own, is_preflight
from outdial.doors.api.secrets import is_ours, token_hash
from outdial.trace import HEADER_TRACE, current_trace, traceparent_of
from outdial.views import accounts

_LOG: Final = logging.getLogger("outdial.http")
_BASE32: Final = bytes(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[byte & 31] for byte in range(256))
"""A random byte as a base32 character."""
_REQUEST_ID: Final = pattern(rb"[A-Za-z0-9_-]{1,64}")
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SECRETS: Final = ("token", "accesskey")
_VERSIONED: Final = "/v1.0/"
_TRACE: Final = HEADER_TRACE.encode()
_STARTS: Final = frozenset({"http.response.start", "websocket.http.response.start"})
SWITCHED: Final = 101
"""The status a websocket begins with."""
_ASKED: Final = (_VERSIONED, "/auth/")
"""Where somebody asks for something, and is let in or not."""
_POSITION: Final = b"outdial-position"
"""An answer that does not say at which position it holds says that it shows at least what this one has."""
FRAMES: Final = 6
"""As many as tell where it was."""
_STOPPED: Final = Refused(
    UNAVAILABLE, "stopping", "the service is stopping and did not finish this request; send it again", headers={"Connection": "close"}
)
_WANTED: Final = frozenset({b"accept", b"authorization", b"cookie", b"host", ORIGIN, PREFLIGHT, b"traceparent", b"x-request-id"})


class Front:
    """Lets a request in, or answers it itself."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app = app
        self.door = door
        settings = door.settings
        rate = settings.rate_of_address
        self._by_address = None if rate is None else Limiter(rate, "ip", settings.clock)
        rate = settings.rate_of_customer
        self._by_customer = None if rate is None else Limiter(rate, "customer", settings.clock)
        self._origins = Origins(settings.allowed_origins) if settings.allowed_origins else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        secrets = _taken_secrets(scope) if scope["query_string"] else {}
        headers = {name: value for name, value in scope["headers"] if name in _WANTED}
        request_id = _request_id(headers)
        accept = headers.get(b"accept", b"").decode("latin-1")
        trace = traceparent_of(headers[_TRACE]) if _TRACE in headers else None
        current_trace.set(trace)
        origins = self._origins if self._origins is not None and scope["path"].startswith(_ASKED) else None
        beside: Headers = [] if origins is None else origins.told(headers)
        responses = self.door.responses
        begun, position = False, ""

        async def tagged(message: Message) -> None:
            nonlocal begun
            kind = message["type"]
            if kind == "websocket.accept":
                begun = True
                responses[SWITCHED] += 1
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            elif kind in _STARTS:
                begun = True
                responses[message["status"]] += 1
                sent = message.get("headers", ())
                message["headers"] = [*sent, *beside, (b"x-request-id", request_id.encode())]
                if all(name != _POSITION for name, _ in sent):
                    message["headers"].append((_POSITION, (position or str(self.door.ledger.position)).encode()))
            await send(message)

        try:
            if origins is not None:
                origins.let_in(headers)
                if is_preflight(scope, headers):
                    await answer_preflight(tagged)
                    return
            caller = await self._caller(scope, headers, secrets, request_id)
            scope[CALLER] = caller = caller if trace is None else caller._replace(traceparent=trace)
            if scope.get("method") == "GET":
                await self._bring_up(scope["path"], scope["query_string"], stands=caller.token_hash is not None)
                position = str(self.door.ledger.position)
        except Refused as why:
            await _answer(scope, tagged, why, request_id, accept)
            return
        try:
            await self.app(scope, receive, tagged)
        except asyncio.CancelledError:
            if begun or not self.door.closing:
                raise
            await _answer(scope, tagged, _STOPPED, request_id, accept)
        except Exception as error:  # noqa: BLE001  the last resort: the app has answered 500; what happened is logged without values
            _LOG.error("request %s failed: %s at %s", request_id, type(error).__name__, _where(error))

    async def _bring_up(self, path: str, query: bytes, *, stands: bool) -> None:
        """Wait until the views show what a read may expect: a position it names, else all that was committed when it came.

        ``stands``: they were waited for already.

        Raises:
            Refused: that takes too long, or the query does not say what it wants.
        """
        least, stale = _parameter(query, "min_position"), _parameter(query, "stale")
        may_be_old = stale is not None and yes_or_no(stale, "stale")
        if least is not None:
            await reach(self.door, least)
        elif not stands and not may_be_old and path.startswith(_VERSIONED):
            await catch_up(self.door)

    async def _caller(self, scope: Scope, headers: dict[bytes, bytes], secrets: dict[str, str], request_id: str) -> Caller:
        """Who asks.

        Raises:
            Refused: the credentials are missing, unknown or over, a foreign page sends this, or there were too many before.
        """
        limited = scope["path"].startswith(_ASKED)
        if limited and self._by_address is not None:
            self._by_address.take(scope["client"][0] if scope.get("client") else "")
        caller = await self._known(scope, headers, secrets, request_id)
        if limited and self._by_customer is not None:
            self._by_customer.take(caller.customer_id)
        return caller

    async def _known(self, scope: Scope, headers: dict[bytes, bytes], secrets: dict[str, str], request_id: str) -> Caller:
        settings = self.door.settings
        token, by_cookie = _credential(headers, secrets if settings.tokens_in_urls else {}, cookies=settings.tokens_in_urls)
        versioned = scope["path"].startswith(_VERSIONED)
        if not settings.tokens:
            if settings.host_is_loopback and not _is_loopback(headers.get(b"host", b"").decode("latin-1")):
                raise Refused(DENIED, "host_denied", "this server needs no token and so answers only as localhost; use http://localhost")
            _refuse_foreign(scope, headers)
            if token is None or not versioned or not is_ours(token):
                return Caller(settings.customer_id, request_id, admin=True)
        elif not versioned:
            return Caller(settings.customer_id, request_id)
        if token is None:
            raise Refused(
                NOT_AUTHENTICATED, "token_missing", "send a token: Authorization: Bearer <token>", headers={"WWW-Authenticate": "Bearer"}
            )
        caller = await self._let_in(token, request_id)
        if by_cookie:
            _refuse_foreign(scope, headers)
        return caller

    async def _let_in(self, token: str, request_id: str) -> Caller:
        """Whom a token belongs to: the settings are asked first, then the access keys as they are now, wherever they were changed.

        Raises:
            Refused: INVALID_CREDENTIALS.
        """
        settings, digest = self.door.settings, token_hash(token)
        customer_id = _customer_of(digest, settings.tokens.items())
        if customer_id is not None:
            return Caller(customer_id, request_id, admin=digest in settings.admins)
        if is_ours(token):
            await catch_up(self.door)
            bearer = accounts.let_in(self.door.reader, digest, self.door.ledger.now())
            if bearer is not None:
                return Caller(bearer.customer_id, request_id, token_hash=digest, name=bearer.name)
        raise Refused(
            BAD_CREDENTIALS,
            "token_unknown",
            "this token is not known here: it was mistyped, deleted or replaced, or its time is over",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )


def still_let_in(door: Door, caller: Caller) -> bool:
    """Whether somebody who was let in would be so now: what is read for long ends when the key does."""
    return caller.token_hash is None or accounts.let_in(door.reader, caller.token_hash, door.ledger.now()) is not None


def _taken_secrets(scope: Scope) -> dict[str, str]:
    """Tokens of the query string, which is left without them."""
    found: dict[str, str] = {}
    kept = []
    for part in scope["query_string"].split(b"&"):
        name, _, value = part.partition(b"=")
        word = unquote_plus(name.decode("latin-1")).lower()
        if word in _SECRETS:
            found.setdefault(word, unquote_plus(value.decode("latin-1")))
        else:
            kept.append(part)
    if found:
        scope["query_string"] = b"&".join(kept)
    return found


def _parameter(query: bytes, wanted: str) -> str | None:
    if wanted.encode() in query:
        for part in query.decode("latin-1").split("&"):
            name, _, value = part.partition("=")
            if name == wanted:
                return value
    return None


def _request_id(headers: dict[bytes, bytes]) -> str:
    """The client's own id of the request when it is harmless, else a new one."""
    sent = headers.get(b"x-request-id")
    if sent is not None and _REQUEST_ID.fullmatch(sent):
        return sent.decode()
    return f"req_{urandom(26).translate(_BASE32).decode()}"


def _credential(headers: dict[bytes, bytes], secrets: dict[str, str], *, cookies: bool) -> tuple[str | None, bool]:
    """The first credential found, in the contract's order, and whether a cookie brought it."""
    scheme, _, bearer = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return bearer.strip(), False
    jar = _cookies(headers.get(b"cookie")) if cookies else {}
    for word in _SECRETS:
        if word in secrets:
            return secrets[word], False
        if word in jar:
            return jar[word], True
    return None, False


def _cookies(header: bytes | None) -> dict[str, str]:
    if header is None:
        return {}
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header.decode("latin-1")).items()}
    except CookieError:
        return {}


def _customer_of(digest: str, known: Iterable[tuple[str, str]]) -> str | None:
    """The customer a token belongs to, by its hash. Every known hash is compared, each in constant time."""
    found = None
    for hashed, customer_id in known:
        if compare_digest(hashed.lower(), digest):
            found = customer_id
    return found


def _refuse_foreign(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Keep pages of other sites from changing anything through somebody's browser, or listening: any page may open a websocket."""
    if ORIGIN in headers and scope.get("method") not in _SAFE and not is_own(headers):
        raise Refused(DENIED, "origin_denied", "pages of another site may do nothing here without a token of their own")


@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    """Whether a Host header names this machine. Without one (HTTP/1.0) it is no browser."""
    if not host:
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _answer(scope: Scope, send: Send, why: Refused, request_id: str, accept: str) -> None:
    body, media_type = told(why, request_id, accept)
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in why.headers.items()]
    kind = "websocket.http" if scope["type"] == "websocket" else "http"
    await send({"type": f"{kind}.response.start", "status": why.kind.http, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})


def _where(error: BaseException) -> str:
    """The last frames of an error, innermost first, without its message: that may hold somebody's number."""
    frames = traceback.extract_tb(error.__traceback__)[: -FRAMES - 1 : -1]
    return ", in ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in frames)
