"""What the parts are put together with."""

import asyncio
import socket
from pathlib import Path

import pytest

from outdial.compose import PartEnded, _bound, _host, _server, _serving
from outdial.doors.api.health import make_health_app
from outdial.doors.cli.actions import Serving
from outdial.metrics import Meters


async def test_answers_are_not_held_back_by_nagles_algorithm(tmp_path: Path) -> None:
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    class Seen(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            sock = transport.get_extra_info("socket")
            accepted.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    with _bound("127.0.0.1", 0, next_port=False) as sock:
        server = await asyncio.get_running_loop().create_server(Seen, sock=sock)
        async with server:
            _, writer = await asyncio.open_connection(*sock.getsockname())
            assert await asyncio.wait_for(accepted, 10) == 1
            writer.close()
            await writer.wait_closed()


class Part:
    """What stands behind a server, and ends as it likes."""

    def __init__(self, error: BaseException | None) -> None:
        self._error = error
        self.closed = False

    async def wait_failed(self) -> None:
        if self._error is not None:
            raise self._error

    async def close(self) -> None:
        self.closed = True


async def for_ever(_: Serving) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("error", [None, asyncio.CancelledError()])
async def test_a_part_that_ends_without_a_word_is_no_end_that_was_asked_for(tmp_path: Path, error: BaseException | None) -> None:
    part = Part(error)
    with _bound("127.0.0.1", 0, next_port=False) as sock:
        serving = _serving("ledger", sock, tls=False, data=tmp_path, wanted=0)
        with pytest.raises(PartEnded):
            await _host(_server(make_health_app(lambda: None, Meters()), "info"), sock, serving, for_ever, part)
    assert part.closed
