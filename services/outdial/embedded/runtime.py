"""The embedded runtime: it owns the waiting, the ledger owns the rules.

One task turns in a loop: take what arrived, decide it, decide what is due, commit all of it at once, answer.
What arrives while a commit is under way is the next batch, so the cost of a disk flush is shared by
everybody who waited for it. Under pressure that next batch is decided while the disk is still at work: it is
committed after the one before, or not at all. A commit that fails is not repaired: the ledger is thrown away and read from
the log again, and whoever waited is told that nothing was done.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from outdial.commands import AddTargets, Command
from outdial.dialing.fingerprints import fingerprint_of, key_id_of
from outdial.dialing.ledger import Effects, Ledger
from outdial.embedded.errors import ENDED, UNREADABLE, explained, unreadable
from outdial.embedded.leases import LeaseTime
from outdial.embedded.log import DATABASE, Log, open_reader
from outdial.envelope import Event
from outdial.metrics import Meters, per_second
from outdial.position import Position
from outdial.requests import Answer, Unavailable
from outdial.tally import Tally
from outdial.views import history
from outdial.wire import decode_event, encode_event

RECORDS_AT_ONCE = 2_000
"""Events of one commit, about."""
DUE_AT_ONCE = 4_000
DECIDED_AT_ONCE = 50
"""Commands decided before others on the event loop have their turn: some milliseconds."""
PRESSING_RECORDS = 1_000
READ_AT_ONCE = 2_000
LONGEST_WAIT_S = 60.0
LOOK_AGAIN_S = 0.25
"""How soon what is due and was held back is looked at again: a lease whose time has passed by a clock that was set forward."""
PASSING_ERRORS = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_BUSY", ENDED)
"""Errors of the disk, which end when somebody frees space or gives back a right. Others are the program's: it stops."""
DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
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


@dataclass(slots=True, eq=False)
class Turn:
    """One batch on its way from decided to committed."""

    waiting: list[tuple[Waiting, list[list[Effects]]]] = field(default_factory=list)
    """Who waits, and for each of their commands its effects and those of its follow-ups."""
    effects: list[Effects] = field(default_factory=list)
    """All of it in the order decided, what was due at the end."""
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is committed, or will not be."""
    committed: bool = False


class Embedded:
    """The running ledger of one data folder."""

    def __init__(
        self,
        folder: Path,
        log: Log,
        reader: sqlite3.Connection,
        clock: Callable[[], int],
        speed: float,
        steady: Callable[[], int] | None,
        meters: Meters | None,
    ) -> None:
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
        self._lease_time = LeaseTime(steady)
        self._meters = meters
        self._idle_at = 0
        """When it was last seen that nothing comes of what is due; 0 once something did."""
        self._ledger = self._new_ledger()
        self._queue: deque[Waiting] = deque()
        self._turns: list[Turn] = []
        """Decided and not yet answered: two of them at most are not committed."""
        self._weight = 0
        """Of the queue."""
        self._arrived = asyncio.Event()
        self._pressing = asyncio.Event()
        """Set while so much has arrived that the next batch is decided while the disk is at work on this one.

        Otherwise what arrives meanwhile waits, to share one commit.
        """
        self._committed = asyncio.Condition()
        self._stopping = False
        self._released = False
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        folder: Path,
        clock: Callable[[], int],
        *,
        speed: float = 1.0,
        key: str | None = None,
        steady: Callable[[], int] | None = None,
        meters: Meters | None = None,
    ) -> Self:
        """Open a data folder, read its log, and start.

        ``clock`` gives microseconds since 1970 UTC; ``speed`` how many of its seconds pass in one of ours. ``steady`` gives
        microseconds that pass evenly, where the clock may be set while this runs. ``meters``: where it counts what it does.

        Raises:
            StoreError: the folder cannot be used; its ``fix`` says what to do.
        """
        async with AsyncExitStack() as opened:
            log = await Log.open(folder, key)
            opened.push_async_callback(log.close)
            reader = opened.enter_context(closing(open_reader(folder)))
            if meters is not None:
                # Log and views are one transaction here.
                meters.read("outdial_projection_lag_events", lambda: {(): 0.0})
                meters.read("outdial_projection_lag_seconds", lambda: {(): 0.0})
            runtime = cls(folder, log, reader, clock, speed, steady, meters)
            began = asyncio.get_running_loop().time()
            await runtime._replay()
            if meters is not None:
                rate = per_second(runtime._log.position, asyncio.get_running_loop().time() - began)
                meters.read("outdial_replay_events_per_second", lambda: {(): rate})
            opened.pop_all()
        runtime._task = asyncio.create_task(runtime._run(), name="ledger")
        return runtime

    # --- what doors use -------------------------------------------------------------------------------

    @property
    def position(self) -> Position:
        """Position after the last committed event."""
        return Position((self._log.position,))

    def now(self) -> int:
        """The ledger's time, microseconds: its clock, and never before the last event."""
        return max(self._clock(), self._ledger.last_time)

    async def submit(self, commands: Sequence[Command], patience_s: float | None = None) -> list[Answer]:  # noqa: ARG002  it decides by itself
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
        self._weigh(weight)
        self._arrived.set()
        return await waiting.answered

    async def wait_beyond(self, position: Position, timeout: float) -> Position:  # noqa: ASYNC109  the caller's own limit, in seconds
        """The newest position, as soon as it is beyond ``position``, or after ``timeout`` seconds."""
        [mark] = position.marks
        if self._released:
            # Who calls in a loop must not keep the event loop from those who stop the service.
            await asyncio.sleep(0)
        elif self._log.position <= mark:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout), self._committed:
                    await self._committed.wait_for(lambda: self._log.position > mark or self._released)
        return self.position

    async def caught_up(self) -> None:
        """Return when the views show everything that was committed by now: they always do."""

    async def sleep_until(self, instant: int) -> None:
        """Return when the ledger's time has reached an instant, microseconds."""
        while (left := instant - self.now()) > 0:  # noqa: ASYNC110  a clock is waited for, not an event
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
        """Commit what has arrived, end the loop, close the files. Once more does nothing."""
        if self._stopping:
            return
        self._stopping = True
        self._arrived.set()
        await self.release_readers()
        if self._task is not None:
            await asyncio.wait([self._task])
        self._fail_waiting(Unavailable("stopping", "the service is stopping; try again in a moment"), self._turns)
        self.reader.close()
        await self._log.close()

    # --- the loop -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        committing: asyncio.Task[None] | None = None
        last: Turn | None = None
        try:
            while not (self._stopping and not self._queue):
                await self._wait()
                turn = await self._decided()
                before, committing = committing, asyncio.create_task(self._commit(turn, last), name="commit")
                last = turn
                if before is not None:
                    await before
                await self._pressed(committing)
                if self.not_ready is not None:
                    await committing
                    last = None
                    await self._start_again()
        except BaseException as error:
            self.failure = error
            if not isinstance(error, Exception):
                raise
        finally:
            if committing is not None:
                await asyncio.wait([committing])
            if self.failure is not None:
                self._fail_waiting(Unavailable("failed", "the service failed and has to be started again"), self._turns)
            await self.release_readers()

    async def _pressed(self, committing: "asyncio.Task[None]") -> None:
        """Return once the batch is committed, or enough has arrived for another.

        Raises:
            StoreError: as :meth:`_commit`.
        """
        if not self._pressing.is_set():
            pressing = asyncio.create_task(self._pressing.wait())
            await asyncio.wait([committing, pressing], return_when=asyncio.FIRST_COMPLETED)
            pressing.cancel()
        if committing.done():
            await committing

    def _weigh(self, more: int) -> None:
        """Note that the queue has become heavier, or lighter."""
        self._weight += more
        if self._weight >= PRESSING_RECORDS:
            self._pressing.set()
        else:
            self._pressing.clear()

    async def _wait(self) -> None:
        """Until something arrives or falls due."""
        if self._queue or self._stopping:
            return
        due = self._ledger.next_due()
        wait = LONGEST_WAIT_S if due is None else min((due - self.now()) / 1e6 / self._speed, LONGEST_WAIT_S)
        if due is not None and due <= self._idle_at:
            wait = LOOK_AGAIN_S
        self._arrived.clear()
        if wait > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._arrived.wait()

    async def _decided(self) -> Turn:
        """One batch, decided: what arrived, then what is due."""
        turn = Turn([(waiting, []) for waiting in self._take()])
        self._turns.append(turn)
        now = self.now()
        for waiting, chains in turn.waiting:
            for command in waiting.commands:
                chains.append(self._decide(command, now))
                turn.effects += chains[-1]
                if len(turn.effects) % DECIDED_AT_ONCE == 0:
                    await asyncio.sleep(0)
        if not self._stopping:
            read_up_to = self._queue[0].arrived - 1 if self._queue else now
            due = self._due(now, min(read_up_to, self._lease_time.at(now)))
            self._idle_at = 0 if due else now
            turn.effects += due
        return turn

    async def _commit(self, turn: Turn, before: Turn | None) -> None:
        """Commit a batch as a whole, after the one before it or not at all, then answer.

        Raises:
            StoreError, sqlite3.Error: it failed, and waiting would not help.
        """
        try:
            events = [event for effects in turn.effects for event in effects.events]
            bodies = [encode_event(event).decode() for event in events]
            if before is not None:
                await before.tried.wait()
            if before is not None and not before.committed:
                return
            began = time.perf_counter()
            if events:
                await self._log.append(events, bodies)
            turn.committed = True
        except sqlite3.Error as error:
            if self._meters is not None:
                self._meters.count("outdial_transactions_total", "aborted")
            self._failed(error)
            return
        finally:
            turn.tried.set()
        took, position = time.perf_counter() - began, str(self._log.position)
        # The next one is on its way before this one is answered.
        await asyncio.sleep(0)
        if self._meters is not None:
            self._count(turn, events, took, self._meters)
        for waiting, chains in turn.waiting:
            if not waiting.answered.done():
                waiting.answered.set_result([_settled(chain, position) for chain in chains])
        self._turns.remove(turn)
        if events:
            async with self._committed:
                self._committed.notify_all()

    def _count(self, turn: Turn, events: Sequence[Event], seconds: float, meters: Meters) -> None:
        """Count what was committed, and what was refused beside it."""
        tally = Tally()
        for _, chains in turn.waiting:
            for first, *_ in chains:
                tally.decided(first.command.type, first.result)  # type: ignore[attr-defined]
                if first.decision.refused is not None:
                    tally.refused(first.decision.refused.reason)
        tally.appended(events)
        if events:
            tally.committed(meters, seconds)
        else:
            tally.tell(meters)

    def _take(self) -> list[Waiting]:
        """What arrived, up to the size of one commit."""
        batch: list[Waiting] = []
        weight = 0
        while self._queue and (not batch or weight + self._queue[0].weight <= RECORDS_AT_ONCE):
            waiting = self._queue.popleft()
            weight += waiting.weight
            batch.append(waiting)
        self._weigh(-weight)
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

    def _failed(self, error: sqlite3.Error) -> None:
        """A commit failed: nothing decided since the last one counts.

        Raises:
            StoreError: the database is damaged.
            sqlite3.Error: the error is none of the disk's but of the program: waiting would not help.
        """
        name, why = getattr(error, "sqlite_errorname", ""), explained(error, self.folder / DATABASE)
        if name.startswith(DAMAGE):
            raise why from None
        if not name.startswith(PASSING_ERRORS):
            raise error
        self.not_ready = why.reason
        undone = [turn for turn in self._turns if not turn.committed]
        self._fail_waiting(Unavailable(why.reason, f"{why.message}; nothing was done. {why.fix.capitalize()}."), undone)

    async def _start_again(self) -> None:
        """Throw the ledger away, wait until the disk takes writes, read the log again."""
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
        if not self._stopping:
            await self._replay()
            self.not_ready = None

    def _fail_waiting(self, refusal: Unavailable, turns: Sequence[Turn]) -> None:
        """Refuse everybody who waits for one of these batches, or to be decided."""
        waiters = [waiting for turn in turns for waiting, _ in turn.waiting] + [*self._queue]
        self._turns = [turn for turn in self._turns if turn not in turns]
        self._queue.clear()
        self._weigh(-self._weight)
        for waiting in waiters:
            if not waiting.answered.done():
                waiting.answered.set_exception(refusal)

    async def _replay(self) -> None:
        """Build the ledger from the log.

        Raises:
            StoreError: the log is damaged, or written by a newer program.
        """
        ledger = self._new_ledger()
        position = 0
        try:
            while rows := history.page(self.reader, Position((position,)), READ_AT_ONCE):
                for place, body in rows:
                    position += 1
                    if place != position:
                        raise LookupError(position)
                    ledger.replay(decode_event(body.encode()))
                await asyncio.sleep(0)
        except sqlite3.Error as error:
            raise explained(error, self.folder / DATABASE) from None
        except UNREADABLE as error:
            raise unreadable(error, position) from error
        self._ledger = ledger
        self._log.position = position
        ledger.arm(self.now())

    def _new_ledger(self) -> Ledger:
        return Ledger(fingerprint_of(self._log.key), key_id_of(self._log.key))


def _weight(command: Command) -> int:
    """About how many events a command makes."""
    return max(1, len(command.targets)) if isinstance(command, AddTargets) else 1


def _settled(chain: list[Effects], position: str) -> Answer:
    """The answer to a command: that of its whole awaited chain."""
    if len(chain) == 1:
        return chain[0].answer_at(position)
    first = chain[0].answer_at(position)
    awaited = {first.command_id}
    answers = []
    for effects in chain:
        if effects.command_id in awaited:
            answers.append(effects.answer)
            awaited.update(told.command.id or "" for told in effects.follow_ups if told.awaited)
    refused = next((answer for answer in answers if answer.result == "rejected"), None)
    told: dict[str, object] = {
        "open": tuple(attempt for answer in answers for attempt in answer.open),
        "open_more": sum(answer.open_more for answer in answers),
        "warnings": tuple(warning for answer in answers for warning in answer.warnings),
    }
    if refused is not None:
        told |= {"result": "rejected", "reason": refused.reason, "message": refused.message}
    elif any(answer.result == "events" for answer in answers):
        told |= {"result": "events"}
    return first.model_copy(update=told)
