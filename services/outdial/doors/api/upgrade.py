"""How the server speaks websocket: uvicorn's protocol, with three habits of ours.

A socket is closed over whatever its reader has not taken yet, and is gone a moment later; one that is open when the server stops
is told so (1001); and no frame and no header stands in a log, whatever its level: they hold tokens and numbers.
"""

from typing import Any, Final

from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

LARGEST: Final = 64 * 1024
"""Bytes of a message from a client."""
LEAVE_S: Final = 5.0
"""How long a reader may take to answer that it is closed."""
GOING_AWAY: Final = 1001


class Upgraded(WebSocketsSansIOProtocol):
    """A connection that has become a websocket."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self.conn.debug = False

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the application says; that it closes is not held up by what came before."""
        kind = message["type"]
        if kind == "websocket.close":
            self.writable.set()
        await super().send(message)
        if kind == "websocket.close" and self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(LEAVE_S, self.transport.abort)
        elif kind == "websocket.http.response.body":
            self.handshake_complete = True  # It is over, and no error: uvicorn would log one.

    def shutdown(self) -> None:
        """Say that the server goes away."""
        if not self.handshake_complete or self.conn.close_sent is not None:
            super().shutdown()
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY, "reason": "stopping"})
        self.conn.send_close(GOING_AWAY, "stopping")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()


WEBSOCKETS: Final[dict[str, Any]] = {"ws": Upgraded, "ws_max_size": LARGEST, "ws_per_message_deflate": False}
"""What uvicorn is told. Its pings, every 20 seconds, are as it comes."""
