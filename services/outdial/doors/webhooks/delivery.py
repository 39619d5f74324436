"""Which notices are sent, in what order, and by whom.

Every process that serves HTTP could send; for each customer one does. It asks the ledger for that (HoldWebhook, a lease of half a
minute) and notes with the same command how far it has come, so that another goes on from there when it dies. A receiver that is
away holds back its own customer's notices only: each webhook is a task of its own.

What happened in one stream is sent in order; streams are sent side by side. A notice that is not taken is sent again, later and later.
One that the receiver refuses (4xx) counts as refused and is passed over.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Final, NamedTuple, Self

from outdial.commands import HoldWebhook
from outdial.doors.api import notices
from outdial.doors.api.deps import Door
from outdial.doors.api.errors import Refused
from outdial.doors.api.events import Scope
from outdial.doors.api.paging import seeds_time
from outdial.doors.webhooks.posting import Posted, Poster
from outdial.ids import derived
from outdial.position import Position
from outdial.requests import Unavailable
from outdial.views import webhooks
from outdial.views.retelling import Retelling
from outdial.views.webhooks import Webhook
from outdial.wire import to_json

_LOG: Final = logging.getLogger("outdial.webhooks")
BATCH: Final = 50
"""Events that are told at once; those of different streams are sent side by side."""
AT_ONCE: Final = 8
NOTE_S: Final = 2.0
"""How often it is noted how far it is: so much may be sent twice after a crash."""
TRUST_S: Final = 10.0
"""How long a granted lease is not asked for again; a third of it."""
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 300.0
PATIENCE_S: Final = 3.0
"""How long a process leaves it to the one that sent last."""
LOOK_S: Final = 5.0
RELEASE_S: Final = 2.0
"""How long one that ends tries to say so; without that another waits for the end of its lease."""
FAR: Final = 50_000
"""Events of others after which it is noted that there was nothing to send."""
FAULT_S: Final = 30.0


class Sending(NamedTuple):
    """A notice on its way."""

    stream: str
    body: bytes
    headers: dict[str, str]


class Deliveries:
    """Sends for every customer who has a webhook set. ``holder``: a name no other process has."""

    def __init__(self, door: Door, holder: str, *, allow_private: bool = False) -> None:
        self._door = door
        self._holder = holder
        self._allow_private = allow_private
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send until it is cancelled."""
        ledger = self._door.ledger
        try:
            while True:
                position = ledger.position
                live = set(webhooks.live(self._door.reader).items())
                for gone in [key for key, task in self._running.items() if key not in live or task.done()]:
                    self._end(gone)
                for found in live - self._running.keys():
                    self._running[found] = asyncio.create_task(self._deliver(*found), name=f"webhook of {found[0]}")
                await ledger.wait_beyond(position, LOOK_S)
                await asyncio.sleep(0.1)
        finally:
            for left in [*self._running]:
                self._end(left)
            if self._ending:
                await asyncio.wait(self._ending)

    def _end(self, key: tuple[str, int]) -> None:
        """Cancel what sends, once: cancelled again while it lets go, it would leave its connections open."""
        task = self._running.pop(key)
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _deliver(self, customer_id: str, generation: int) -> None:
        """Send for one customer until the webhook is set anew; whatever goes wrong there is begun anew a little later."""
        while True:
            hook = webhooks.get(self._door.reader, customer_id)
            if hook is None or hook.generation != generation:
                return
            try:
                async with Delivery(self._door, hook, self._holder, allow_private=self._allow_private) as delivery:
                    await delivery.run()
            except (Unavailable, Refused):
                await asyncio.sleep(FIRST_WAIT_S)
            except Exception as error:  # noqa: BLE001  a fault of one customer's webhook must not end the others', nor the service
                _LOG.error("the webhook of customer %s stands still: %s", customer_id, type(error).__name__)
                await asyncio.sleep(FAULT_S)


class Delivery:
    """One webhook, as it was set; :meth:`run` returns when somebody else sends or it was set anew.

    Raises:
        ValueError: it is at a position of a log with another number of partitions.
    """

    def __init__(self, door: Door, hook: Webhook, holder: str, *, allow_private: bool) -> None:
        self._door = door
        self._hook = hook
        self._holder = holder
        self._poster = Poster(hook.uri, hook.method, hook.secret, allow_private=allow_private)
        self._retelling = Retelling(door.reader)
        self._random = Random(holder)  # noqa: S311  it spreads tries
        partitions = door.ledger.position.partitions
        self._done = self._sent = self._noted = Position.parse(hook.cursor, partitions)
        self._delivered = self._refused = 0
        self._error = self._noted_error = self._refusal = ""
        self._trusted_until = self._note_at = 0.0
        self._noting: asyncio.Task[bool] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Let go of connections and memory, and note how far it came."""
        self._retelling.close()
        try:
            with suppress(Unavailable, Refused, TimeoutError):
                async with asyncio.timeout(RELEASE_S):
                    if self._noting is not None:
                        await asyncio.wait([self._noting])
                    if self._trusted_until:
                        await self._hold(release=True)
        finally:
            if self._noting is not None:
                self._noting.cancel()
            await self._poster.close()

    async def run(self) -> None:
        """Send what comes.

        Raises:
            Unavailable: the ledger cannot be asked.
        """
        door, loop = self._door, asyncio.get_running_loop()
        scope = Scope(door, self._hook.customer_id)
        while True:
            rows, reached = scope.after(self._done, BATCH)
            sendings = [sending for row in rows for sending in self._told(row.place, row.position, row.body)]
            if sendings and not (self._is_current() and await self._is_mine() and await self._send(sendings)):
                return
            self._done = reached
            if sendings:
                self._sent = reached
            if self._owes_note and loop.time() >= self._note_at and not await self._hold():
                return
            if not rows:
                if self._done.total - self._noted.total > FAR and (not await self._is_mine() or not await self._hold()):
                    return
                pause = max(self._note_at - loop.time(), 0.0) if self._owes_note else LOOK_S
                if not door.ledger.position.beyond(self._done):
                    await door.ledger.wait_beyond(self._done, pause)
            await asyncio.sleep(0)

    @property
    def _owes_note(self) -> bool:
        """Whether something was sent that is not noted as done. What became of it may be counted already, by a note in between."""
        return not self._noted.covers(self._sent)

    def _told(self, place: int, position: str, body: str) -> list[Sending]:
        found = notices.told(self._retelling, place, body)
        return [
            Sending(
                one.event_id.rpartition("/")[0],
                to_json(notices.envelope(one, seeds_time)),
                {
                    "Outdial-Delivery-Id": derived(self._hook.customer_id, f"{one.event_id}/{one.notice.type}"),
                    "Outdial-Event-Id": one.event_id,
                    "Outdial-Event-Time": one.time,
                    "Outdial-Position": position,
                },
            )
            for one in found
        ]

    # --- who sends ------------------------------------------------------------------------------------

    def _is_current(self) -> bool:
        """Whether the webhook is still set as it was."""
        known = webhooks.get(self._door.reader, self._hook.customer_id)
        return known is not None and known.generation == self._hook.generation

    async def _is_mine(self) -> bool:
        """Whether this process is the one to send; it asks for it when nobody is, and leaves the first turn to who was last."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._trusted_until:
            return True
        known = webhooks.get(self._door.reader, self._hook.customer_id)
        if known is None or known.cursor != str(self._noted):
            return False
        if known.holder not in ("", self._holder):
            await asyncio.sleep(PATIENCE_S * (1 + self._random.random()))
            later = webhooks.get(self._door.reader, self._hook.customer_id)
            if later is None or later.held_until > self._door.ledger.now() or (later.cursor, later.holder) != (known.cursor, known.holder):
                return False
        return await self._hold()

    async def _hold(self, *, release: bool = False) -> bool:
        """Ask for the lease, or for more of it, and note how far it is; whether it was granted. ``release``: the last time."""
        # Who is cancelled while it asks would not know what was noted, and note it again.
        self._noting = asyncio.create_task(self._note(release=release))
        return await asyncio.shield(self._noting)

    async def _note(self, *, release: bool) -> bool:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        done, delivered, refused, error = self._done, self._delivered, self._refused, self._error or self._refusal
        command = HoldWebhook(
            id=derived(self._holder_id, f"{self._hook.customer_id}/{asked_at}"),
            customer_id=self._hook.customer_id,
            holder=self._holder,
            generation=self._hook.generation,
            cursor=str(done),
            delivered=delivered,
            refused=refused,
            error=error,
            release=release,
        )
        [answer] = await self._door.send([command])
        if answer.result != "events":
            self._trusted_until = 0.0
            return False
        self._noted, self._noted_error, self._refusal = done, error, ""
        self._delivered -= delivered
        self._refused -= refused
        self._trusted_until, self._note_at = asked_at + TRUST_S, asked_at + NOTE_S
        return True

    @property
    def _holder_id(self) -> str:
        return derived(self._hook.customer_id, self._holder)

    # --- sending --------------------------------------------------------------------------------------

    async def _send(self, sendings: Sequence[Sending]) -> bool:
        """Send them all, those of one stream in order; False: somebody else sends now, or may."""
        lanes: dict[str, list[Sending]] = {}
        for sending in sendings:
            lanes.setdefault(sending.stream, []).append(sending)
        turns = asyncio.Semaphore(AT_ONCE)
        tasks = [asyncio.create_task(self._lane(lane, turns)) for lane in lanes.values()]
        loop = asyncio.get_running_loop()
        try:
            waiting: set[asyncio.Task[None]] = set(tasks)
            while waiting:
                _, waiting = await asyncio.wait(waiting, timeout=NOTE_S / 2)
                due = loop.time() >= self._trusted_until or self._error != self._noted_error
                if waiting and due and not await self._hold():
                    return False
            for task in tasks:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self._error = ""
        return True

    async def _lane(self, sendings: Sequence[Sending], turns: asyncio.Semaphore) -> None:
        """Send the notices of one stream, each until it is taken or refused."""
        for sending in sendings:
            tries = 0
            while True:
                tries += 1
                async with turns:
                    posted = await self._poster.post(sending.body, {**sending.headers, "Outdial-Try": str(tries)})
                if posted.taken or not posted.again:
                    break
                self._error = posted.why
                await asyncio.sleep(self._wait_s(tries, posted))
            if posted.taken:
                self._delivered += 1
                self._error = ""
            else:
                self._refused += 1
                self._refusal = posted.why

    def _wait_s(self, tries: int, posted: Posted) -> float:
        """Longer after each try, not for everybody the same, and never less than the receiver wants."""
        wait = min(FIRST_WAIT_S * 2.0 ** min(tries - 1, 20), LONGEST_WAIT_S)
        return max(wait * (0.5 + self._random.random() / 2), posted.wait_s)
