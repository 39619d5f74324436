"""The connection of a request that is cut short is closed, also where the HTTP library forgets it."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self

CONNECTED: Final = "connection.connect_tcp.complete"
EXCHANGE: Final = "http11."


class _Stream(Protocol):
    async def aclose(self) -> None: ...


class Opened:
    """Around one request of httpx, and handed to it as its extension ``trace``.

    httpcore 1.0 closes a connection whose request is cancelled, but not one that is cancelled while TLS is being agreed on.
    """

    def __init__(self) -> None:
        self._stream: _Stream | None = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Hear how far the request is."""
        if event == CONNECTED:
            self._stream = info["return_value"]
        elif event.startswith(EXCHANGE):
            self._stream = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and self._stream is not None:
            await self._stream.aclose()
