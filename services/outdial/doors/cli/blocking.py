"""The client as verbs use it: each request waits for its answer, and what is answered is shown as it was served."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from types import TracebackType
from typing import Any, Final, Self

from outdial.client.http import Client
from outdial.client.routes import Collection, Route
from outdial.client.shapes import Row

_END: Final = Row()


class Blocking:
    """A client and the event loop it runs on; it closes both. Use it as a context manager."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.Runner()
        self._reading: list[AsyncGenerator[Row]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        try:
            self._loop.run(self._end())
        finally:
            self._loop.close()

    def send(self, route: Route[Any]) -> Any:
        """The JSON value a request is answered with; raises as :meth:`Client.send`."""
        return self._loop.run(self._client.row(route))

    def send_watched(self, route: Route[Any], told: Callable[[Row], None]) -> Any:
        """The same of a request that says how far it is: ``told`` is called with each word of that."""
        return self._loop.run(self._client.row_watched(route, told))

    def all(self, collection: Collection[Any], *, limit: int | None = None, deleted: bool = False, **more: Any) -> Iterator[Row]:
        """Every row of a list, newest first, page by page; at most ``limit``."""
        return self._each(self._client.rows(collection, limit=limit, deleted=deleted, **more))

    def events(self, after: str, outdial_id: str | None = None, *, follow: bool = False) -> Iterator[Row]:
        """What happened, oldest first; with ``follow`` also what happens, until the connection breaks."""
        return self._each(self._client.event_rows(after, outdial_id=outdial_id, follow=follow))

    def _each(self, rows: AsyncGenerator[Row]) -> Iterator[Row]:
        self._reading.append(rows)
        while (row := self._loop.run(_next(rows))) is not _END:
            yield row

    async def _end(self) -> None:
        for rows in self._reading:
            await rows.aclose()
        await self._client.close()


async def _next(rows: AsyncGenerator[Row]) -> Row:
    return await anext(rows, _END)
