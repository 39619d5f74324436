"""A proxy before every broker of a cluster that sees each request and each answer, and lets a test decide what becomes of them.

Clients are led through it: each broker has a listener that is advertised at the proxy's port. It runs on a thread of its own, so
its waits may be used from a test's thread; from a coroutine there is `Rule.catch`, and for the others `asyncio.to_thread`.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from brokers.cluster import HOST, Cluster, Node
from brokers.wire import LENGTH, Reply, Request, read_reply, read_request

Do = Literal["hold", "drop", "cut", "hold answer", "drop answer", "cut answer"]
"""What becomes of a caught request:

- `hold`: the broker gets it, and what its connection sends after it, when the rule is released or its time is over, whether or not the
  client has gone by then.
- `drop`: the broker never gets it nor what follows on its connection, which stays open and says nothing more to the broker.
- `cut`: the broker never gets it, and the connection is closed.
- `hold answer`: the broker does what it asks; the answer, and those after it, wait until the release.
- `drop answer`: the broker does what it asks; the client hears nothing more on this connection.
- `cut answer`: the broker does what it asks; then the connection is closed without the answer.
"""

SECONDS: Final = 20.0
LINGER_SECONDS: Final = 15.0
"""How long an answer is awaited whose client has gone."""


@dataclass(slots=True, eq=False)
class Seen:
    """One request. Instants are of `time.monotonic`, in seconds; None is not yet, or never."""

    node: int
    connection: int
    """Counts the connections of the proxy, 1 and up."""
    request: Request
    received: float
    forwarded: float | None = None
    """When the broker was sent it."""
    answered: float | None = None
    """When the broker's answer came."""
    delivered: float | None = None
    """When the client was sent the answer."""
    reply: Reply | None = None
    """What the answer says, for the requests `wire` looks into."""
    left: float | None = None
    """When the client closed the connection it had sent this on."""


class Rule:
    """What becomes of some requests; made by `Proxy.rule`."""

    def __init__(self, proxy: "Proxy", do: Do, matches: Callable[[Seen], bool], nth: int, times: int | None, seconds: float | None) -> None:
        self.do = do
        self.caught: list[Seen] = []
        self._proxy = proxy
        self._matches = matches
        self._skip = nth - 1
        self._times = times
        self._cancelled = False
        self._seconds = seconds
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let go what is held, and catch nothing more."""
        self.cancel()
        self._proxy.call(self._released.set)

    def cancel(self) -> None:
        """Catch nothing more; what is held stays held."""
        self._cancelled = True

    def wait(self, count: int = 1, seconds: float = SECONDS) -> Seen:
        """Wait until so many were caught; the last of them. TimeoutError: not within this time."""
        self._proxy.wait(lambda: len(self.caught) >= count, seconds, f"{self.do}: {len(self.caught)} of {count} were caught")
        return self.caught[count - 1]

    async def catch(self, count: int = 1, seconds: float = SECONDS) -> Seen:
        """As `wait`, for coroutines."""
        return await asyncio.to_thread(self.wait, count, seconds)

    def takes(self, seen: Seen) -> bool:
        """Whether this request is caught; it is noted as such."""
        if self._cancelled or self._times == 0 or not self._matches(seen):
            return False
        if self._skip > 0:
            self._skip -= 1
            return False
        if self._times is not None:
            self._times -= 1
        self.caught.append(seen)
        return True

    async def released(self) -> None:
        """Return when what was caught may go on."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._released.wait(), self._seconds)


class Proxy:
    """The proxy of a cluster, from `with` to its end."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._changed = threading.Condition()
        self._seen: list[Seen] = []
        self._rules: list[Rule] = []
        self._refusing: set[int] = set()
        self.refused = 0
        """How many connections were refused."""
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], int] = {}
        self._count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._run(self._listen())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bootstrap(self) -> str:
        """The brokers, as a client is told of them that shall go through the proxy."""
        return ",".join(f"{HOST}:{node.ports.proxied}" for node in self.cluster.nodes)

    @property
    def seen(self) -> list[Seen]:
        """Every request so far, in the order they came."""
        with self._changed:
            return list(self._seen)

    def of(self, api: int, transactional_id: str | None = None) -> list[Seen]:
        """The requests of one kind so far, those of one transactional id where it is given."""
        return [seen for seen in self.seen if seen.request.api == api and transactional_id in {None, seen.request.transactional_id}]

    def rule(
        self,
        do: Do,
        api: int,
        *,
        transactional_id: str | None = None,
        client_id: str | None = None,
        when: Callable[[Seen], bool] | None = None,
        nth: int = 1,
        times: int | None = 1,
        seconds: float | None = None,
    ) -> Rule:
        """Have something done to requests of one kind from now on; the first rule that catches a request has it.

        Args:
            do: what.
            api: the kind, a constant of `wire`.
            transactional_id: only requests of this id.
            client_id: only requests of this client.
            when: only those it says True to; called on the proxy's thread.
            nth: the first of them to catch, 1 and up.
            times: how many to catch; None is all.
            seconds: how long a request or an answer is held at most; None is until the release.
        """

        def matches(seen: Seen) -> bool:
            request = seen.request
            return (
                request.api == api
                and transactional_id in {None, request.transactional_id}
                and client_id in {None, request.client_id}
                and (when is None or when(seen))
            )

        rule = Rule(self, do, matches, nth, times, seconds)
        with self._changed:
            self._rules.append(rule)
        return rule

    def wait(self, condition: Callable[[], bool], seconds: float = SECONDS, otherwise: str = "it did not happen") -> None:
        """Wait until a condition on what was seen holds. TimeoutError: not within this time."""
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                raise TimeoutError(f"{otherwise} within {seconds} s")

    def cut(self, *nodes: int) -> None:
        """Close the connections of some nodes, or of all; what they hold is lost."""
        self._run(self._cut(nodes))

    def refuse(self, *nodes: int) -> None:
        """Cut nodes off: their connections are closed, and new ones too, until `accept`."""
        self.call(self._refusing.update, nodes or tuple(node.number for node in self.cluster.nodes))
        self.cut(*nodes)

    def accept(self) -> None:
        """Undo every `refuse`."""
        self.call(self._refusing.clear)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call something on the proxy's thread, soon."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def close(self) -> None:
        """Close every connection and end the thread."""
        if self._loop.is_closed():
            return
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SECONDS)

    async def _listen(self) -> None:
        for node in self.cluster.nodes:
            self._servers.append(await asyncio.start_server(self._accepting(node), HOST, node.ports.proxied))

    def _accepting(self, node: Node) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if node.number in self._refusing:
                writer.transport.abort()
                with self._changed:
                    self.refused += 1
                    self._changed.notify_all()
                return
            self._count += 1
            connection = Connection(self, node, self._count, reader, writer)
            task = asyncio.get_running_loop().create_task(connection.run())
            self._connections[task] = node.number
            task.add_done_callback(self._connections.pop)

        return accept

    async def _cut(self, nodes: tuple[int, ...]) -> None:
        await self._cancel([task for task, node in self._connections.items() if not nodes or node in nodes])

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        await self._cancel(list(self._connections))
        for server in self._servers:
            await server.wait_closed()

    @staticmethod
    async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def arrived(self, seen: Seen) -> Rule | None:
        """Note a request; the rule that catches it."""
        with self._changed:
            self._seen.append(seen)
            rule = next((rule for rule in self._rules if rule.takes(seen)), None)
            self._changed.notify_all()
        return rule

    def note(self, seen: Seen, **happened: object) -> None:
        """Note what happened to a request."""
        with self._changed:
            for name, value in happened.items():
                setattr(seen, name, value)
            self._changed.notify_all()


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """One frame, without its length; None when the other side has closed."""
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def write_frame(writer: asyncio.StreamWriter, frame: bytes) -> bool:
    """Send one frame; whether the other side was still there."""
    if writer.transport.is_closing():
        return False
    writer.write(LENGTH.pack(len(frame)) + frame)
    try:
        await writer.drain()
    except ConnectionError:
        return False
    return True


class Connection:
    """One connection of a client, and the one to the broker behind it."""

    def __init__(self, proxy: Proxy, node: Node, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.proxy = proxy
        self.node = node
        self.number = number
        self.reader = reader
        self.writer = writer
        self.arrived: asyncio.Queue[tuple[bytes, Seen, Rule | None] | None] = asyncio.Queue()
        self.unanswered: deque[tuple[Seen, Rule | None]] = deque()
        self.gone = False
        """Whether the client has closed."""
        self.idle = asyncio.Event()
        """Set when no caught request waits for its answer."""
        self.idle.set()

    async def run(self) -> None:
        """Carry frames until a side closes, or the task is cancelled."""
        try:
            behind, ahead = await asyncio.open_connection(HOST, self.node.ports.behind)
        except OSError:
            self.writer.transport.abort()
            return
        tasks = [asyncio.create_task(work) for work in (self._arrivals(), self._requests(ahead), self._answers(behind))]
        try:
            await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks[1:]:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            self.writer.transport.abort()
            ahead.transport.abort()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _arrivals(self) -> None:
        """Take what the client sends, as it comes."""
        mine: list[Seen] = []
        while (frame := await read_frame(self.reader)) is not None:
            seen = Seen(self.node.number, self.number, read_request(frame), time.monotonic())
            mine.append(seen)
            self.arrived.put_nowait((frame, seen, self.proxy.arrived(seen)))
        self.gone, left = True, time.monotonic()
        for seen in mine:
            self.proxy.note(seen, left=left)
        self.arrived.put_nowait(None)

    async def _requests(self, ahead: asyncio.StreamWriter) -> None:
        """Send on what arrived; ends when this connection shall be closed."""
        silent = False
        while (item := await self.arrived.get()) is not None:
            frame, seen, rule = item
            do = None if rule is None else rule.do
            if do == "cut":
                return
            silent = silent or do == "drop"
            if silent:
                continue
            if rule is not None and do == "hold":
                await rule.released()
            if seen.request.answered:
                self.unanswered.append((seen, rule))
                if rule is not None:
                    self.idle.clear()
            self.proxy.note(seen, forwarded=time.monotonic())
            if not await write_frame(ahead, frame):
                return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.idle.wait(), LINGER_SECONDS)

    async def _answers(self, behind: asyncio.StreamReader) -> None:
        """Give back what the broker answers; ends when this connection shall be closed."""
        deaf = False
        while (frame := await read_frame(behind)) is not None:
            seen, rule = self.unanswered.popleft()
            self.proxy.note(seen, answered=time.monotonic(), reply=read_reply(seen.request, frame))
            if not any(rule for _, rule in self.unanswered):
                self.idle.set()
            do = None if rule is None else rule.do
            if do == "cut answer":
                return
            if rule is not None and do == "hold answer":
                await rule.released()
            deaf = deaf or do == "drop answer"
            if deaf or self.gone:
                continue
            self.proxy.note(seen, delivered=time.monotonic())
            if not await write_frame(self.writer, frame):
                self.proxy.note(seen, delivered=None)
