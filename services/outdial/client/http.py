"""Two clients of one protocol: :class:`Client` blocks, :class:`AsyncClient` awaits. Both send the values of ``routes``."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from outdial import wire
from outdial.client.errors import Answered, Unavailable, Unreachable, answered
from outdial.client.routes import Collection, Route, Row

T = TypeVar("T")
VERSION: Final = "/v1.0"
CONNECT_S: Final = 5.0
ANSWER_S: Final = 30.0
PATIENCE_S: Final = 30.0
"""How long a service that is late is asked again."""
AGAIN_S: Final = 0.2
SILENCE_S: Final = 60.0
"""A stream that says nothing, not even a heartbeat, for so long is dead."""


class StreamedEvent(NamedTuple):
    """One event of the stream: its log position, and the CloudEvents object."""

    position: str
    event: Row


class _Wire:
    """What both clients do alike: everything but the waiting."""

    def __init__(self, url: str, token: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            message = f"a URL looks like http://127.0.0.1:8080, not {url!r}"
            raise ValueError(message)
        self.url = url.rstrip("/").removesuffix(VERSION)
        self._token = token

    def _settings(self) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Outdial-Time": "iso"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        direct = dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]"))  # a proxy cannot reach this machine's own loopback
        return {"base_url": self.url + VERSION, "headers": headers, "timeout": httpx.Timeout(ANSWER_S, connect=CONNECT_S), "mounts": direct}

    def _parts(self, route: Route[Any]) -> dict[str, Any]:
        headers = {}
        content = route.content
        if route.body is not None:
            content, headers["Content-Type"] = wire.to_json(route.body), "application/json"
        elif route.media:
            headers["Content-Type"] = route.media
        if route.idempotency_key is not None:
            headers["Idempotency-Key"] = route.idempotency_key
        return {
            "method": route.method,
            "url": route.path,
            "params": route.query or None,
            "content": content,
            "headers": headers,
            "timeout": httpx.Timeout(ANSWER_S + route.wait_s, connect=CONNECT_S),
        }

    def _value(self, response: httpx.Response) -> Any:
        """The JSON value of an answer (of NDJSON, a list).

        Raises:
            Answered: it is an error.
        """
        media = response.headers.get("content-type", "")
        try:
            if "ndjson" in media:
                body: Any = [wire.from_json(line) for line in response.content.splitlines() if line.strip()]
            else:
                body = wire.from_json(response.content) if response.content else None
        except wire.Malformed:
            body = None
            if response.is_success:
                raise Answered(response.status_code, "", "", f"{self.url} does not answer as Outdial does") from None
        if not response.is_success:
            raise answered(response.status_code, body, f"{self.url} answered {response.status_code} {response.reason_phrase}")
        return body

    def _repeatable(self, route: Route[T]) -> Route[T]:
        """The same request, carried out once however often it is asked. Only a POST needs a key for that."""
        return replace(route, idempotency_key=str(uuid4())) if route.method == "POST" and route.idempotency_key is None else route

    def _give_up(self, route: Route[Any], late: Unavailable, until: float) -> bool:
        """Whether asking again does not help: it is something else than late, there is no time left, or the body has been read."""
        once = route.content is not None and not isinstance(route.content, bytes)
        return late.reason != "REQUEST_TIMEOUT" or once or time.monotonic() > until

    def _lost(self, error: httpx.HTTPError) -> Unreachable:
        why = str(error) or type(error).__name__
        return Unreachable(self.url, why.lower() if isinstance(error, httpx.TimeoutException) else why)


class _Frames:
    """Server-sent events, line by line."""

    def __init__(self) -> None:
        self._id = ""
        self._data: list[str] = []

    def line(self, text: str) -> StreamedEvent | None:
        """The event this line completes, if it does."""
        if text.startswith("id:"):
            self._id = text[3:].strip()
        elif text.startswith("data:"):
            self._data.append(text[5:].removeprefix(" "))
        elif not text and self._data:
            data, self._data = "\n".join(self._data), []
            return StreamedEvent(self._id, wire.from_json(data))
        return None


class Client(_Wire):
    """A blocking client. Use it as a context manager.

    Args:
        url: where the service is, ``http://127.0.0.1:8080``.
        token: sent as Bearer token.
        transport: in place of the network, for tests and for reading without a server.
    """

    def __init__(self, url: str, token: str | None = None, transport: httpx.BaseTransport | None = None) -> None:
        super().__init__(url, token)
        self._http = httpx.Client(transport=transport, **self._settings())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, route: Route[T]) -> T:
        """The answer to a request. A service that is late is asked again, and carries the request out once.

        Raises:
            Unreachable: nobody answered.
            Answered: the answer is an error.
        """
        route, until = self._repeatable(route), time.monotonic() + PATIENCE_S
        while True:
            try:
                return route.read(self._value(self._http.request(**self._parts(route))))
            except httpx.HTTPError as error:
                raise self._lost(error) from None
            except Unavailable as late:
                if self._give_up(route, late, until):
                    raise
            time.sleep(AGAIN_S)

    def all(self, collection: Collection, *, limit: int | None = None, deleted: bool = False) -> Iterator[Row]:
        """Every row of a list, newest first, page by page; at most ``limit``."""
        token, left = None, limit
        while left is None or left > 0:
            page = self.send(collection.page(None if left is None else min(left, 100), token, deleted=deleted))
            yield from page["result"]
            left = None if left is None else left - len(page["result"])
            token = page["next_page_token"]
            if not token:
                return

    def follow(self, route: Route[None]) -> Iterator[StreamedEvent]:
        """The events of a stream as they come, until the service closes it.

        Raises:
            Unreachable: the connection broke; ask again after the last position.
        """
        frames = _Frames()
        parts = self._parts(route) | {"timeout": httpx.Timeout(SILENCE_S, connect=CONNECT_S)}
        try:
            with self._http.stream(**parts) as response:
                if not response.is_success:
                    response.read()
                    self._value(response)
                for line in response.iter_lines():
                    if event := frames.line(line):
                        yield event
        except httpx.HTTPError as error:
            raise self._lost(error) from None


class AsyncClient(_Wire):
    """The same for asyncio. Use it as an async context manager."""

    def __init__(self, url: str, token: str | None = None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(url, token)
        self._http = httpx.AsyncClient(transport=transport, **self._settings())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, route: Route[T]) -> T:
        """The answer to a request; raises as :meth:`Client.send`."""
        route, until = self._repeatable(route), time.monotonic() + PATIENCE_S
        while True:
            try:
                return route.read(self._value(await self._http.request(**self._parts(route))))
            except httpx.HTTPError as error:
                raise self._lost(error) from None
            except Unavailable as late:
                if self._give_up(route, late, until):
                    raise
            await asyncio.sleep(AGAIN_S)

    async def all(self, collection: Collection, *, limit: int | None = None, deleted: bool = False) -> AsyncIterator[Row]:
        """Every row of a list, newest first, page by page; at most ``limit``."""
        token, left = None, limit
        while left is None or left > 0:
            page = await self.send(collection.page(None if left is None else min(left, 100), token, deleted=deleted))
            for row in page["result"]:
                yield row
            left = None if left is None else left - len(page["result"])
            token = page["next_page_token"]
            if not token:
                return

    async def follow(self, route: Route[None]) -> AsyncIterator[StreamedEvent]:
        """The events of a stream as they come; raises as :meth:`Client.follow`."""
        frames = _Frames()
        parts = self._parts(route) | {"timeout": httpx.Timeout(SILENCE_S, connect=CONNECT_S)}
        try:
            async with self._http.stream(**parts) as response:
                if not response.is_success:
                    await response.aread()
                    self._value(response)
                async for line in response.aiter_lines():
                    if event := frames.line(line):
                        yield event
        except httpx.HTTPError as error:
            raise self._lost(error) from None
