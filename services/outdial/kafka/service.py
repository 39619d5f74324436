"""What one process runs of the Kafka runtime: ledgers, what doors need, or both."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from outdial.commands import Command
from outdial.kafka.log import Mirror
from outdial.kafka.options import Options
from outdial.kafka.rejected import newest
from outdial.kafka.runtime import Ledgers
from outdial.kafka.sending import Sending
from outdial.metrics import Meters
from outdial.position import Position
from outdial.requests import Answer, Rejected, Unavailable
from outdial.scalars import SECOND_US

READY_EVERY_S: Final = 0.02

log = logging.getLogger("outdial.kafka")


class Doors:
    """The ledger as doors use it, over Kafka: commands out, answers back, reading by views of this process's own.

    With ``ledgers`` the same process also decides.
    """

    def __init__(self, options: Options, mirror: Mirror, sending: Sending, ledgers: Ledgers | None) -> None:
        self.mirror = mirror
        self.ledgers = ledgers
        self.reader = mirror.reader
        """Read-only, for the event loop's own thread."""
        self._options = options
        self._sending = sending
        self._looking = asyncio.Lock()
        """Held while refusals are read: however many ask, one of them reads."""

    @classmethod
    async def open(cls, options: Options, folder: Path, *, deciding: bool, meters: Meters | None = None) -> Self:
        """Open the views in a folder and connect; with ``deciding``, join the ledgers too.

        Raises:
            ClusterError: the folder, the cluster or its topics cannot be used; its ``fix`` says what to do.
        """
        mirror = await Mirror.open(options, folder)
        try:
            sending = await Sending.open(options, mirror)
        except BaseException:
            await mirror.close()
            raise
        try:
            ledgers = await Ledgers.open(options, meters) if deciding else None
        except BaseException:
            await sending.close()
            await mirror.close()
            raise
        if meters is not None:
            meters.read("outdial_projection_lag_events", lambda: {(): float(mirror.lag)})
            meters.read("outdial_projection_lag_seconds", lambda: {(): mirror.lag_s})
        return cls(options, mirror, sending, ledgers)

    @property
    def position(self) -> Position:
        """How far the views have been brought."""
        return self.mirror.position

    @property
    def not_ready(self) -> str | None:
        """Why work cannot be taken now; None: it can."""
        return self._sending.not_ready or self.mirror.not_ready or (self.ledgers.not_ready if self.ledgers is not None else None)

    def now(self) -> int:
        """The ledger's time, microseconds: its clock, and never before the last event that can be seen here."""
        return max(self._options.clock(), self.mirror.last_time)

    async def submit(self, commands: Sequence[Command], patience_s: float | None = None) -> list[Answer]:
        """Send commands in order; decided, durable, and in the views of this process, when it returns.

        ``patience_s``: how long the answers may take; None: as long as a request may take.

        Raises:
            Unavailable: not answered in time.
        """
        try:
            return await self._sending.submit(commands, patience_s)
        except Unavailable as error:
            if not error.late:
                raise
            lag = {} if self.ledgers is None else {number: partition.lag for number, partition in self.ledgers.partitions.items()}
            log.warning("%s; in the way here: %s; views at %s; commands left by partition: %s", error, self.not_ready, self.position, lag)
            raise

    async def wait_beyond(self, position: Position, timeout: float) -> Position:  # noqa: ASYNC109  the caller's own limit, in seconds
        """The newest position, as soon as it is beyond ``position``, or after ``timeout`` seconds."""
        return await self.mirror.wait_beyond(position, timeout)

    async def caught_up(self) -> None:
        """Return when the views show everything that was committed when this was asked; raises ``Unavailable``."""
        await self.mirror.caught_up()

    async def rejected(self) -> list[Rejected]:
        """The newest commands that were refused, newest first; raises ``Unavailable``."""
        async with self._looking:
            return await newest(self._options.connection, self._options.topology)

    async def sleep_until(self, instant: int) -> None:
        """Return when the ledger's time has reached an instant, microseconds."""
        while (left := instant - self.now()) > 0:  # noqa: ASYNC110  a clock is waited for, not an event
            await asyncio.sleep(left / SECOND_US / self._options.speed)

    async def release_readers(self) -> None:
        """Let everybody go who waits for events: the service is about to stop."""
        await self.mirror.release_readers()

    async def ready(self, seconds: float) -> None:
        """Return when work can be taken.

        Raises:
            ClusterError: a part has failed.
            Unavailable: not in time; its reason says why.
        """
        until = asyncio.get_running_loop().time() + seconds
        while (why := self.not_ready) is not None:
            failure = self.failure
            if failure is not None:
                raise failure
            if asyncio.get_running_loop().time() > until:
                raise Unavailable(why, f"not ready within {seconds:g} s: {why}")
            await asyncio.sleep(READY_EVERY_S)

    @property
    def failure(self) -> BaseException | None:
        """Why a part ended by itself; None while all run."""
        parts = (self.mirror, self._sending, self.ledgers)
        return next((part.failure for part in parts if part is not None and part.failure is not None), None)

    async def wait_failed(self) -> None:
        """Return when a part has ended; raise what ended it, if it was not :meth:`close`."""
        parts = [self.mirror.wait_failed(), self._sending.wait_failed()]
        if self.ledgers is not None:
            parts.append(self.ledgers.wait_failed())
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        for task in done:
            task.result()

    async def close(self) -> None:
        """Stop in order: who asks, who reads, who decides. Once more does nothing."""
        await self._sending.close()
        await self.mirror.close()
        if self.ledgers is not None:
            await self.ledgers.close()
