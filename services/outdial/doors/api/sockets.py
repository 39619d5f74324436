"""Notices in VoIPBIN's words over a websocket: ``/v1.0/ws``. Source: contract 6.

A client says which topics it wants, and is sent what happens from then on, or since a position it names. What it is sent is read
from the log as it takes it, so nothing piles up for one that is slow; one that takes nothing for a while is closed.
"""

import asyncio
import logging
from contextlib import closing, suppress
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from outdial.doors.api import notices
from outdial.doors.api.auth import still_let_in
from outdial.doors.api.deps import caller_of, door_of, made, position_after
from outdial.doors.api.errors import ARGUMENT, NOT_UPGRADED, TOO_MANY, Refused, by_form, envelope
from outdial.doors.api.events import AT_ONCE_TOLD, LONGEST_PAUSE_S, Scope
from outdial.doors.api.paging import times_of
from outdial.doors.api.topics import Topic, around, topic_of
from outdial.listening import Wish
from outdial.position import Position
from outdial.views.retelling import Retelling
from outdial.wire import Malformed, from_json, to_json

router = APIRouter(tags=["events"])
_LOG: Final = logging.getLogger("outdial.http")
MOST_TOPICS: Final = 100
"""Of one socket."""
MOST_SOCKETS: Final = 100
"""Of one customer, in one process."""
SLOW_S: Final = 30.0
"""How long a reader may take for one message."""
GOING_AWAY, POLICY, FAILED, AGAIN_LATER = 1001, 1008, 1011, 1013
"""Close codes (RFC 6455, 7.4)."""


class Ended(Exception):
    """The socket is closed, for a reason its reader is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@router.get("/ws")
async def listen(_request: Request) -> Response:
    """Listen to what happens, over a websocket. What is said on it stands in ``/asyncapi.json``.

    Raises:
        Refused: whoever asks wants no websocket: one is :func:`serve`'s.
    """
    raise Refused(NOT_UPGRADED, "upgrade_missing", "this is a websocket: ask for it with ws:// or wss://", headers={"Upgrade": "websocket"})


async def serve(socket: WebSocket) -> None:
    """Let somebody listen until either side has enough.

    Raises:
        Refused: before it is a websocket: ``after`` is no position, or the customer has too many.
    """
    listener = Listener(socket, await position_after(socket) if "after" in socket.query_params else None)
    sockets, customer_id = door_of(socket).sockets, caller_of(socket).customer_id
    if sockets[customer_id] >= MOST_SOCKETS:
        raise Refused(
            TOO_MANY,
            "too_many_sockets",
            f"a customer may have {MOST_SOCKETS} websockets open, and has; close one",
            headers={"Retry-After": "30"},
            limited_by="customer",
        )
    sockets[customer_id] += 1
    try:
        await socket.accept()
        await listener.run()
    finally:
        sockets[customer_id] -= 1


class Listener:
    """One client. What it wants is heard, and what happens is told, side by side."""

    def __init__(self, socket: WebSocket, since: Position | None) -> None:
        self._socket = socket
        self._door = door_of(socket)
        self._caller = caller_of(socket)
        self._times = times_of(socket)
        self._since = since
        """Where to begin once there are topics; None: where the log is then."""
        self._topics: dict[Topic, str] = {}
        """As they were spelled."""
        self._listens = asyncio.Event()

    async def run(self) -> None:
        """Hear and tell until one of it ends."""
        tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._tell())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        except Ended as why:
            with suppress(WebSocketDisconnect):
                await self._socket.close(why.code, why.reason)
        except WebSocketDisconnect:
            return
        except Exception as error:  # noqa: BLE001  one listener's trouble is its own; what happened is logged without values
            _LOG.error("the websocket of request %s failed: %s", self._caller.request_id, type(error).__name__)
            with suppress(WebSocketDisconnect):
                await self._socket.close(FAILED, "internal")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # --- what the client says -------------------------------------------------------------------------

    async def _hear(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                told = self._heard(message.get("text"))
            except Refused as why:
                told = {"type": "refused", **from_json(envelope(why, self._caller.request_id))}
            if told is not None:
                await self._send(to_json(told).decode())

    def _heard(self, text: str | None) -> dict[str, Any] | None:
        """Do what a message says; what to answer.

        Raises:
            Refused: it cannot be done, and none of it was.
        """
        if text is None:
            raise Refused(ARGUMENT, "field_invalid", "a message is a text, not bytes")
        try:
            fields = from_json(text)
        except Malformed as why:
            raise by_form(why) from None
        if not isinstance(fields, dict):
            raise Refused(ARGUMENT, "field_invalid", "a message is a JSON object")
        wish = made(Wish, fields)
        named = {topic_of(one, self._caller.customer_id, at): one for at, one in enumerate(wish.topics)}
        if wish.type == "subscribe":
            self._subscribe(named)
        else:
            self._topics = {topic: spelled for topic, spelled in self._topics.items() if topic not in named}
            if not self._topics:
                self._listens.clear()
                self._since = None
        if wish.id is None:
            return None
        return {
            "type": f"{wish.type}d",
            "id": wish.id,
            "topics": [*self._topics.values()],
            "silent": [spelled for topic, spelled in self._topics.items() if topic.is_silent],
            "position": str(self._door.ledger.position),
        }

    def _subscribe(self, named: dict[Topic, str]) -> None:
        wanted = self._topics | named
        if len(wanted) > MOST_TOPICS:
            raise Refused(
                ARGUMENT, "too_many_topics", f"a websocket may have {MOST_TOPICS} topics; customer_id:<uuid> alone is all of them"
            )
        self._topics = wanted
        if wanted and not self._listens.is_set():
            if self._since is None:
                self._since = self._door.ledger.position
            self._listens.set()

    # --- what it is told ------------------------------------------------------------------------------

    async def _tell(self) -> None:
        """Tell what happens, as long as there are topics.

        Raises:
            Ended: it may not go on.
        """
        while True:
            self._check()
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_PAUSE_S):
                    await self._listens.wait()
            if self._since is not None and self._listens.is_set():
                begin, self._since = self._since, None
                await self._tell_from(begin)

    async def _tell_from(self, after: Position) -> None:
        ledger, scope = self._door.ledger, Scope(self._door, self._caller.customer_id)
        with closing(Retelling(self._door.reader)) as retelling:
            while self._listens.is_set():
                self._check()
                before = str(after)
                rows, after = scope.after(after, AT_ONCE_TOLD)
                for row in rows:
                    told = [one for one in notices.told(retelling, row.place, row.body) if self._wants(one)]
                    for one in told:
                        # Whoever goes on after the first of two notices of an event is told both again, not neither.
                        await self._send(notices.placed(row.position if one is told[-1] else before, one, self._times))
                    before = row.position
                if ledger.position.beyond(after):
                    await asyncio.sleep(0)
                else:
                    await ledger.wait_beyond(after, LONGEST_PAUSE_S)

    def _wants(self, one: notices.Told) -> bool:
        about = around(one.notice.type.partition("_")[0], one.notice.row.id)
        return any(topic in self._topics for topic in about)

    def _check(self) -> None:
        """See that it may go on.

        Raises:
            Ended: it may not.
        """
        if self._door.closing:
            raise Ended(GOING_AWAY, "stopping")
        if not still_let_in(self._door, self._caller):
            raise Ended(POLICY, "token_over: the token is deleted, or its time is over")

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(SLOW_S):
                await self._socket.send_text(text)
        except TimeoutError:
            raise Ended(AGAIN_LATER, "reader_slow: connect again with after=<position of the last notice>") from None
