"""What the parts are put together with."""

import asyncio
import socket
from pathlib import Path

from outdial.compose import _bound


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
