"""How requests are sent: with a key, again where that is safe, and every failure as one of ``errors``.

Asking again is safe because a change is carried out once however often it is asked: a POST has an idempotency key, what PUT and
DELETE ask for is the same the second time. What is not so (a change of one version, a body that can be sent only once, a secret
that is made anew each time) is asked again only when it is certain that nothing was done.
"""

import asyncio
import random
from asyncio import to_thread
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from outdial import wire
from outdial.client.errors import ClientError, Failed, RateLimited, TimedOut, Unavailable, Unreachable, answered, answered_late
from outdial.client.routes import VERSION, Route
from outdial.client.shapes import Reading
from outdial.position import Position
from outdial.resources import Resource

T = TypeVar("T")
CONNECT_S: Final = 5.0
ANSWER_S: Final = 30.0
PATIENCE_S: Final = 30.0
RECONNECT_S: Final = 10.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
SILENCE_S: Final = 60.0
"""A stream that says nothing, not even a heartbeat, for so long is dead."""
PIECE: Final = 256 * 1024
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)
"""The request never left."""
_HTTPX: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)


def is_token(text: str) -> bool:
    """Whether a header of HTTP can end with it. Of one that cannot, httpx would say the whole in its error."""
    return text.isascii() and text.isprintable() and not text.endswith(" ")


class Asking:
    """One service, and the connections to it. Use it as an async context manager.

    Args:
        url: where the service is, ``http://127.0.0.1:8080``.
        token: sent as Bearer token.
        timeout_s: how long one answer is waited for, beyond what the service takes on purpose; seconds.
        patience_s: how long a service that is late, or limits how often it may be asked, is asked again; seconds.
        reconnect_s: how long a service that cannot be reached, or takes nothing at the moment, is tried again; seconds. Streams
            and long polls begin to count anew whenever they have heard something.
        transport: in place of the network, for tests and for reading without a server.

    Raises:
        ValueError: the URL is none, or no header of HTTP can hold the token.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = ANSWER_S,
        patience_s: float = PATIENCE_S,
        reconnect_s: float = RECONNECT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            message = f"a URL looks like http://127.0.0.1:8080, not {url!r}"
            raise ValueError(message)
        if token is not None and not is_token(token):
            message = "the token has characters that no token has; see that it was copied whole, and without the end of a line"
            raise ValueError(message)
        self.url = url.rstrip("/").removesuffix(VERSION)
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._reconnect_s = reconnect_s
        self._position: Position | None = None
        direct = dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]"))  # a proxy cannot reach this machine's own loopback
        self._http = httpx.AsyncClient(
            base_url=self.url, headers={"Accept": "application/json", "Outdial-Time": "iso"}, mounts=direct, transport=transport
        )
        self._let_in_by(token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    @property
    def position(self) -> str | None:
        """The position of the log that every change made here so far is at or before; None: none was made.

        Hand it to whoever reads elsewhere, as ``min_position``.
        """
        return None if self._position is None else str(self._position)

    # --- one request ----------------------------------------------------------------------------

    async def send(self, route: Route[T]) -> T:
        """What a request is answered with.

        Raises:
            ClientError: it was not answered, or with an error.
        """
        response = await self._sent(route)
        value = self._json(response)
        try:
            read = route.read(value)
        except (ValueError, LookupError, TypeError):
            raise self._not_ours(response) from None
        if isinstance(read, Resource):
            version = response.headers.get("etag", "").strip('"')
            return read.read_at(int(version)) if version.isascii() and version.isdigit() else read
        return read

    async def row(self, route: Route[Any]) -> Any:
        """The same as it is served: a JSON value (of NDJSON, a list)."""
        return self._json(await self._sent(route))

    async def row_watched(self, route: Route[Any], told: Callable[[Any], None]) -> Any:
        """The same of a request that says line by line how far it is: ``told`` is called with each line, the last is the answer.

        Raises:
            ClientError: it was not answered, or with an error, perhaps after some lines. It is not sent again.
        """
        parts = self._parts(route)
        parts["headers"] |= {"Accept": "application/x-ndjson"}
        last: Any = None
        try:
            async with self._http.stream(**parts, content=_content(route)) as response:
                if not response.is_success:
                    await response.aread()
                self._good(response)
                async for line in response.aiter_lines():
                    if last is not None:
                        told(last)
                    last = wire.from_json(line)
        except _HTTPX as error:
            raise self._lost(error) from None
        except wire.Malformed:
            raise self._not_ours(response) from None
        if isinstance(last, dict) and "error" in last:
            raise answered_late(last, f"{self.url} ended with an error")
        if (position := last.get("position") if isinstance(last, dict) else None) is not None:
            self._note(str(position))
        return last

    async def _sent(self, route: Route[Any]) -> httpx.Response:
        """A good answer."""
        if route.method == "POST" and route.idempotency_key is None and route.repeatable:
            route = replace(route, idempotency_key=str(uuid4()))
        trying = Trying(self._patience_s, self._reconnect_s, repeatable=_repeatable(route), resendable=_resendable(route))
        while True:
            try:
                response = await self._http.request(**self._parts(route), content=_content(route))
                return self._good(response)
            except _HTTPX as error:
                await trying.after(self._lost(error), sent=not isinstance(error, _NOT_SENT))
            except (Unavailable, RateLimited) as error:
                await trying.after(error, sent=isinstance(error, Unavailable) and (error.late or error.http != 503))  # noqa: PLR2004  of a 503 nothing was done

    def _parts(self, route: Route[Any]) -> dict[str, Any]:
        headers = {}
        if route.body is not None:
            headers["Content-Type"] = "application/json"
        elif route.media:
            headers["Content-Type"] = route.media
        if route.idempotency_key is not None:
            headers["Idempotency-Key"] = route.idempotency_key
        if route.if_version is not None:
            headers["If-Match"] = f'"{route.if_version}"'
        timeout = httpx.Timeout(self._timeout_s + route.wait_s, connect=min(CONNECT_S, self._timeout_s))
        return {"method": route.method, "url": route.path, "params": route.query or None, "headers": headers, "timeout": timeout}

    def _good(self, response: httpx.Response) -> httpx.Response:
        """The answer itself, when it is no error.

        Raises:
            Answered: it is one.
        """
        if not response.is_success:
            body = None
            with suppress(wire.Malformed):
                body = wire.from_json(response.content)
            fallback = f"{self.url} answered {response.status_code} {response.reason_phrase}"
            raise answered(response.status_code, body, fallback, response.headers.get("retry-after"))
        if (position := response.headers.get("outdial-position")) is not None:
            self._note(position)
        return response

    def _json(self, response: httpx.Response) -> Any:
        try:
            if "ndjson" in response.headers.get("content-type", ""):
                return [wire.from_json(line) for line in response.content.splitlines() if line.strip()]
            return wire.from_json(response.content) if response.content else None
        except wire.Malformed:
            raise self._not_ours(response) from None

    def _not_ours(self, response: httpx.Response) -> Failed:
        return Failed(response.status_code, "", "", f"{self.url} does not answer as Outdial does")

    def _lost(self, error: Exception) -> Unreachable:
        why = str(error) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            return TimedOut(self.url, why.lower())
        return Unreachable(self.url, why)

    def _note(self, text: str) -> None:
        """The position of a change."""
        with suppress(ValueError):
            here = Position.parse(text, text.count("-") + 1)
            known = self._position
            self._position = here if known is None or known.partitions != here.partitions else known.merged(here)

    def _let_in_by(self, token: str | None) -> None:
        """Ask with this token from now on."""
        self._http.headers.pop("Authorization", None)
        if token:
            self._http.headers["Authorization"] = f"Bearer {token}"

    # --- a stream -------------------------------------------------------------------------------

    async def stream(self, make: Callable[[str], Route[Any]], after: str) -> AsyncGenerator[tuple[str, Any]]:
        """Server-sent events as they come: the position after each, and its JSON value. It goes on after the last one when cut.

        Args:
            make: the route that begins after a position.
            after: where to begin.

        Raises:
            ClientError: the service said no, or could not be reached again in time.
        """
        trying = Trying(self._patience_s, self._reconnect_s)
        while True:
            try:
                async with self._listening(make(after), after) as lines:
                    frames = Frames()
                    async for line in lines:
                        trying.alive()
                        for position, value in frames.line(line):
                            after = position or after
                            trying.heard()
                            yield position, value
                failure: ClientError = Unreachable(self.url, "the stream was closed")
            except _HTTPX as error:
                failure = self._lost(error)
            except (Unavailable, RateLimited) as error:
                failure = error
            except wire.Malformed:
                raise Failed(200, "", "", f"{self.url} does not answer as Outdial does") from None
            await trying.after(failure, sent=False)

    @asynccontextmanager
    async def _listening(self, route: Route[Any], after: str) -> AsyncIterator[AsyncIterator[str]]:
        parts = self._parts(route) | {"timeout": httpx.Timeout(SILENCE_S, connect=CONNECT_S)}
        parts["headers"] |= {"Accept": "text/event-stream", "Last-Event-ID": after}
        async with self._http.stream(**parts) as response:
            if not response.is_success:
                await response.aread()
            yield self._good(response).aiter_lines()


class Trying:
    """When a request is sent once more, and how long is waited before.

    Args:
        patience_s, reconnect_s: as of :class:`Asking`.
        repeatable: whether the request may have been carried out and is sent again nevertheless.
        resendable: whether it can be sent again at all.
    """

    def __init__(self, patience_s: float, reconnect_s: float, *, repeatable: bool = True, resendable: bool = True) -> None:
        self._patience_s, self._reconnect_s = patience_s, reconnect_s
        self._repeatable, self._resendable = repeatable, resendable
        self._clock = asyncio.get_running_loop().time
        self.heard()

    def alive(self) -> None:
        """Somebody is there."""
        self._began = self._clock()

    def heard(self) -> None:
        """Something came: all is well."""
        self.alive()
        self._pause = FIRST_PAUSE_S

    async def after(self, failure: ClientError, *, sent: bool) -> None:
        """Wait before the next try. ``sent``: it may have been carried out.

        Raises:
            ClientError: the failure, when there is to be no other try.
        """
        there = isinstance(failure, RateLimited) or (isinstance(failure, Unavailable) and failure.late)
        pause = failure.retry_after_s if isinstance(failure, RateLimited) else self._pause * random.uniform(0.5, 1.0)  # noqa: S311  so that not all come back at once
        until = self._began + (self._patience_s if there else self._reconnect_s)
        if not self._resendable or (sent and not self._repeatable) or self._clock() + pause > until:
            raise failure from None
        await asyncio.sleep(pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)


class Frames:
    """Server-sent events, line by line."""

    def __init__(self) -> None:
        self._id = ""
        self._data: list[str] = []

    def line(self, text: str) -> list[tuple[str, Any]]:
        """The event this line completes, if it does: its id and its JSON value."""
        if text.startswith("id:"):
            self._id = text[3:].strip()
        elif text.startswith("data:"):
            self._data.append(text[5:].removeprefix(" "))
        elif not text and self._data:
            data, self._data = "\n".join(self._data), []
            return [(self._id, wire.from_json(data))]
        return []


def reading(route: Route[T], how: Reading) -> Route[T]:
    """The same, read so."""
    more: dict[str, str | int] = {}
    if "min_position" in how:
        more["min_position"] = how["min_position"]
    if how.get("stale"):
        more["stale"] = "true"
    return replace(route, query={**route.query, **more}) if more else route


def _resendable(route: Route[Any]) -> bool:
    """Whether there is a second time: pieces that were read are gone."""
    return route.content is None or isinstance(route.content, bytes | Path)


def _repeatable(route: Route[Any]) -> bool:
    """Whether a second time comes to the same as the first."""
    return route.repeatable and route.if_version is None


def _content(route: Route[Any]) -> bytes | AsyncIterable[bytes] | None:
    match route.content:
        case None:
            return None if route.body is None else wire.to_json(route.body)
        case bytes():
            return route.content
        case Path():
            return _of_file(route.content)
        case AsyncIterable():
            return route.content
        case _:
            return _pieces(route.content)


async def _pieces(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def _of_file(path: Path) -> AsyncIterator[bytes]:
    with await to_thread(path.open, "rb") as file:
        while piece := await to_thread(file.read, PIECE):
            yield piece
