"""The embedded runtime: it owns the waiting, the ledger owns the rules.

One task turns in a loop: take what arrived, decide it, decide what is due, commit all of it at once, answer.
What arrives while a commit is under way is the next batch, so the cost of a disk flush is shared by
everybody who waited for it. A commit that fails is not repaired: the ledger is thrown away and read from
the log again, and whoever waited is told that nothing was done.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from outdial.commands import Command
from outdial.dialing.ledger import Effects, Ledger
from outdial.embedded.log import Log, explained, fingerprint_of, key_id_of, open_reader
from outdial.requests import Answer, Unavailable
from outdial.views import history
from outdial.wire import decode_event

RECORDS_AT_ONCE = 4_000
"""Events of one commit, about."""
DUE_AT_ONCE = 1_000
READ_AT_ONCE = 2_000
LONGEST_WAIT_S = 60.0
PASSING_ERRORS = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_BUSY")
"""Errors of the disk, which end when somebody frees space or gives back a right. Others are the program's: it stops."""
RETRY_S = 0.5
LONGEST_RETRY_S = 10.0


@dataclass(slots=True)
class Waiting:
    """Commands that arrived together, and who waits for their answers."""

    commands: Sequence[Command]
    weight: int
    arrived: int
    """The ledger's time then."""
    answered: asyncio.Future[list[Answer]]


class Embedded:
    """The running ledger of one data folder."""

    def __init__(self, folder: Path, log: Log, reader: sqlite3.Connection, clock: Callable[[], int], speed: float) -> None:
        self.folder = folder
        self.reader = reader
        """Read-only, for the event loop's thread."""
        self.failure: BaseException | None = None
        """Why the runtime ended by itself; None while it runs."""
        self.not_ready: str | None = None
        """Why no command is taken at the moment."""
        self._log = log
        self._clock = clock
        self._speed = speed
        self._ledger = self._new_ledger()
        self._queue: deque[Waiting] = deque()
        self._turning: list[Waiting] = []
        """What the turn under way took from the queue."""
        self._arrived = asyncio.Event()
        self._committed = asyncio.Condition()
        self._stopping = False
        self._released = False
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, folder: Path, clock: Callable[[], int], *, speed: float = 1.0, key: str | None = None) -> Self:
        """Open a data folder, read its log, and start.

        ``clock`` gives microseconds since 1970 UTC; ``speed`` how many of its seconds pass in one of ours.

        Raises:
            StoreError: the folder cannot be used; its ``fix`` says what to do.
        """
        log = await Log.open(folder, key)
        try:
            runtime = cls(folder, log, open_reader(folder), clock, speed)
        except BaseException:
            await log.close()
            raise
        await runtime._replay()
        runtime._task = asyncio.create_task(runtime._run(), name="ledger")
        return runtime

    # --- what doors use -------------------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Position of the last committed event."""
        return self._log.position

    def now(self) -> int:
        """The ledger's time, microseconds: its clock, and never before the last event."""
        return max(self._clock(), self._ledger.last_time)

    async def submit(self, commands: Sequence[Command]) -> list[Answer]:
        """Decide commands in order; durable, and in the views, when it returns.

        Raises:
            Unavailable: the store cannot write; nothing was done.
        """
        if self._stopping or self.failure is not None:
            raise Unavailable("stopping", "the service is stopping; try again in a moment")
        if self.not_ready is not None:
            raise Unavailable(self.not_ready, "the store takes no writes at the moment; nothing was done, try again")
        weight = sum(_weight(command) for command in commands)
        waiting = Waiting(commands, weight, self.now(), asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._arrived.set()
        return await waiting.answered

    async def wait_beyond(self, position: int, timeout: float) -> int:  # noqa: ASYNC109  the caller's own limit, in seconds
        """The newest position, as soon as it is beyond ``position``, or after ``timeout`` seconds."""
        if self.position <= position and not self._released:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout), self._committed:
                    await self._committed.wait_for(lambda: self.position > position or self._released)
        return self.position

    async def sleep_until(self, instant: int) -> None:
        """Return when the ledger's time has reached an instant, microseconds."""
        while (left := instant - self.now()) > 0:
            await asyncio.sleep(left / 1e6 / self._speed)

    async def release_readers(self) -> None:
        """Let everybody go who waits for a commit, now and from here on: the service is about to stop."""
        self._released = True
        async with self._committed:
            self._committed.notify_all()

    async def wait_failed(self) -> None:
        """Return when the runtime has ended; raise what ended it, if it was not :meth:`close`."""
        if self._task is not None:
            await asyncio.wait([self._task])
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        """Commit what has arrived, end the loop, close the files."""
        self._stopping = True
        self._arrived.set()
        await self.release_readers()
        if self._task is not None:
            await asyncio.wait([self._task])
        self._fail_waiting(Unavailable("stopping", "the service is stopping; try again in a moment"))
        self.reader.close()
        await self._log.close()

    # --- the loop -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while not (self._stopping and not self._queue):
                await self._wait()
                await self._turn()
        except BaseException as error:
            self.failure = error
            self._fail_waiting(Unavailable("failed", "the service failed and has to be started again"))
            raise
        finally:
            await self.release_readers()

    async def _wait(self) -> None:
        """Until something arrives or falls due."""
        if self._queue or self._stopping:
            return
        due = self._ledger.next_due()
        wait = LONGEST_WAIT_S if due is None else min((due - self.now()) / 1e6 / self._speed, LONGEST_WAIT_S)
        self._arrived.clear()
        if wait > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._arrived.wait()

    async def _turn(self) -> None:
        """One batch: decide, commit, answer."""
        batch = self._turning = self._take()
        now = self.now()
        read_up_to = self._queue[0].arrived - 1 if self._queue else now
        done = [(waiting, [self._decide(command, now) for command in waiting.commands]) for waiting in batch]
        effects = [one for _, answers in done for chain in answers for one in chain]
        if not self._stopping:
            effects += self._due(now, read_up_to)
        events = [event for one in effects for event in one.events]
        if events:
            try:
                await self._log.append(events)
            except sqlite3.Error as error:
                await self._start_again(error)
                return
        position = str(self.position)
        for waiting, answers in done:
            if not waiting.answered.done():
                waiting.answered.set_result([_settled(chain, position) for chain in answers])
        if events:
            async with self._committed:
                self._committed.notify_all()

    def _take(self) -> list[Waiting]:
        """What arrived, up to the size of one commit."""
        batch: list[Waiting] = []
        weight = 0
        while self._queue and (not batch or weight + self._queue[0].weight <= RECORDS_AT_ONCE):
            waiting = self._queue.popleft()
            weight += waiting.weight
            batch.append(waiting)
        return batch

    def _decide(self, command: Command, now: int, *, internal: bool = False) -> list[Effects]:
        """A command and everything it brings about in other streams: the command's own effects come first."""
        chain = [self._ledger.decide(command, now, internal=internal)]
        for effects in chain:
            chain.extend(self._ledger.decide(told.command, now, internal=True) for told in effects.follow_ups)
        return chain

    def _due(self, now: int, read_up_to: int) -> list[Effects]:
        """What has become due, then what that brings about in other streams: each stream's events stay in order."""
        due = self._ledger.tick(now, read_up_to, DUE_AT_ONCE)
        told = [told for effects in due for told in effects.follow_ups]
        return due + [effects for one in told for effects in self._decide(one.command, now, internal=True)]

    # --- after a failure ------------------------------------------------------------------------------

    async def _start_again(self, error: sqlite3.Error) -> None:
        """A commit failed: throw the ledger away, wait until the disk takes writes, read the log again.

        Raises:
            sqlite3.Error: the error is none of the disk's but of the program: waiting would not help.
        """
        if not getattr(error, "sqlite_errorname", "").startswith(PASSING_ERRORS):
            raise error
        why = explained(error, self.folder)
        self.not_ready = why.reason
        refusal = Unavailable(why.reason, f"{why.message}; nothing was done. {why.fix.capitalize()}.")
        self._fail_waiting(refusal)
        delay = RETRY_S
        while not self._stopping:
            try:
                await self._log.probe()
                break
            except sqlite3.Error:
                self._arrived.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._arrived.wait()
                delay = min(delay * 2, LONGEST_RETRY_S)
        await self._replay()
        self.not_ready = None

    def _fail_waiting(self, refusal: Unavailable) -> None:
        waiters, self._turning = [*self._turning, *self._queue], []
        self._queue.clear()
        for waiting in waiters:
            if not waiting.answered.done():
                waiting.answered.set_exception(refusal)

    async def _replay(self) -> None:
        """Build the ledger from the log."""
        ledger = self._new_ledger()
        position = 0
        while rows := history.page(self.reader, position, READ_AT_ONCE):
            for position, body in rows:  # noqa: B007  the last one is where the next page begins
                ledger.replay(decode_event(body.encode()))
            await asyncio.sleep(0)
        self._ledger = ledger
        ledger.arm(self.now())

    def _new_ledger(self) -> Ledger:
        return Ledger(fingerprint_of(self._log.key), key_id_of(self._log.key))


def _weight(command: Command) -> int:
    """About how many events a command makes."""
    return max(1, len(getattr(command, "targets", ())))


def _settled(chain: list[Effects], position: str) -> Answer:
    """The answer to a command: that of its whole awaited chain."""
    first = chain[0].answer
    awaited = {first.command_id}
    answers = []
    for effects in chain:
        if effects.answer.command_id in awaited:
            answers.append(effects.answer)
            awaited.update(told.command.id or "" for told in effects.follow_ups if told.awaited)
    refused = next((answer for answer in answers if answer.result == "rejected"), None)
    told = {
        "position": position,
        "open": tuple(attempt for answer in answers for attempt in answer.open),
        "warnings": tuple(warning for answer in answers for warning in answer.warnings),
    }
    if refused is not None:
        told |= {"result": "rejected", "reason": refused.reason, "message": refused.message}
    elif any(answer.result == "events" for answer in answers):
        told |= {"result": "events"}
    return first.model_copy(update=told)


