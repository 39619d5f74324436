"""Events made by hand, in a log of their own, and a file of views that reads them."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiosqlite

from outdial.address import Address
from outdial.envelope import Event
from outdial.events import (
    CampaignCreated,
    DialAnswered,
    DialEnded,
    DialRequested,
    EventData,
    OutdialCreated,
    OutplanCreated,
    Personal,
    PlanApplied,
    TargetAdded,
)
from outdial.ids import attempt_id, derived
from outdial.plan import Plan
from outdial.views import history, projector
from outdial.wire import encode_event

CUSTOMER = "c0000000-0000-4000-8000-000000000001"
STRANGER = "c0000000-0000-4000-8000-000000000002"
START = 1_800_000_000_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
PHONE = Address(type="tel", target="+15551230001")
MAIL = Address(type="email", target="ann@example.com")


class Log:
    """A log in memory. ``clock`` is the time of the next event, microseconds; it moves when a test moves it."""

    def __init__(self) -> None:
        self.events: list[tuple[int, Event]] = []
        self.clock = START
        self._sequences: dict[str, int] = {}

    def add(self, stream: str, data: EventData) -> int:
        """Append an event; returns its position."""
        sequence = self._sequences[stream] = self._sequences.get(stream, 0) + 1
        position = len(self.events) + 1
        self.events.append((position, Event(stream, sequence, self.clock, CUSTOMER, "", data)))
        return position

    def after(self, microseconds: int) -> Self:
        """Let time pass."""
        self.clock += microseconds
        return self

    def new_id(self) -> str:
        return derived(CUSTOMER, str(len(self.events)))

    def outdial(self, customer_id: str = CUSTOMER, **fields: Any) -> str:
        outdial = self.new_id()
        self.add(outdial, OutdialCreated(customer_id=customer_id, **fields))
        return outdial

    def outplan(self, customer_id: str = CUSTOMER, plan: Plan | None = None, **fields: Any) -> str:
        outplan = self.new_id()
        self.add(outplan, OutplanCreated(customer_id=customer_id, plan=plan or Plan(), **fields))
        return outplan

    def campaign(self, customer_id: str = CUSTOMER, **fields: Any) -> str:
        campaign = self.new_id()
        self.add(campaign, CampaignCreated(customer_id=customer_id, campaign_type="call", **fields))
        return campaign

    def target(self, outdial: str, *destinations: Address | None, target_id: str | None = None, **fields: Any) -> str:
        target = target_id or self.new_id()
        reached = destinations or (PHONE,)
        names = {name: fields.pop(name) for name in ("name", "detail", "data") if name in fields}
        self.add(
            outdial,
            TargetAdded(
                target_id=target,
                types=tuple(None if address is None else address.type for address in reached),
                fingerprints=tuple(None if address is None else "0" * 32 for address in reached),
                key_id="k",
                personal=Personal(destinations=reached, **names),
                **fields,
            ),
        )
        return target

    def plan(self, outdial: str, version: int = 1, **fields: Any) -> Plan:
        plan = Plan(**fields)
        self.add(outdial, PlanApplied(version=version, plan=plan))
        return plan

    def requested(self, outdial: str, target: str, ordinal: int = 1, **fields: Any) -> str:
        attempt = attempt_id(outdial, target, ordinal)
        values: dict[str, Any] = {
            "destination_index": 0,
            "try_count": ordinal,
            "rule": "first_try",
            "due_at": self.clock,
            "run": 1,
            "plan_version": 1,
            "dial_timeout": 30_000,
            "not_after": self.clock + MINUTE,
            "expires_at": self.clock + 10 * MINUTE,
        }
        self.add(outdial, DialRequested(attempt_id=attempt, target_id=target, ordinal=ordinal, **{**values, **fields}))
        return attempt

    def answered(self, outdial: str, target: str, ordinal: int = 1) -> None:
        attempt = attempt_id(outdial, target, ordinal)
        self.add(outdial, DialAnswered(attempt_id=attempt, target_id=target, expires_at=self.clock + 240 * MINUTE))

    def ended(self, outdial: str, target: str, outcome: str, ordinal: int = 1, **fields: Any) -> str:
        attempt = attempt_id(outdial, target, ordinal)
        values: dict[str, Any] = {"destination_index": 0, "given_back": outcome == "not_dialed"}
        self.add(
            outdial,
            DialEnded(attempt_id=attempt, target_id=target, ordinal=ordinal, outcome=outcome, **{**values, **fields}),  # type: ignore[arg-type]
        )
        return attempt

    def tried(self, outdial: str, target: str, outcome: str, ordinal: int = 1, **fields: Any) -> str:
        """A whole attempt."""
        self.requested(outdial, target, ordinal, **fields)
        return self.ended(outdial, target, outcome, ordinal)


def bodies_of(events: Sequence[tuple[int, Event]]) -> list[str]:
    """Events as they are on the wire."""
    return [encode_event(event).decode() for _, event in events]


class Views:
    """Views in a file: written as the runtime writes them, read as the doors read them."""

    def __init__(self, writer: aiosqlite.Connection, reader: sqlite3.Connection) -> None:
        self.writer = writer
        self.reader = reader

    async def apply(self, events: Sequence[tuple[int, Event]], batch: int = 1_000, *, logged: bool = False) -> None:
        """Fold events in batches, a transaction each; ``logged``: and copy them into the log beside the views."""
        for start in range(0, len(events), batch):
            await self.writer.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in (
                    history.inserts(events[start : start + batch], bodies_of(events[start : start + batch])) if logged else ()
                ):
                    await self.writer.execute(statement, values)
                await projector.Projector().apply(self.writer, events[start : start + batch])
            except BaseException:
                await self.writer.execute("ROLLBACK")
                raise
            await self.writer.execute("COMMIT")

    async def show(self, log: Log, batch: int = 1_000) -> sqlite3.Connection:
        """Bring the views up to the end of a log; returns where to read them."""
        await self.apply(log.events, batch)
        return self.reader

    async def digest(self) -> str:
        return await projector.digest(self.writer)


@asynccontextmanager
async def views_in(folder: Path, partitions: int = 1) -> AsyncIterator[Views]:
    """Empty views in a folder, of a log with so many partitions, and the log beside them."""
    path = folder / "views.db"
    async with aiosqlite.connect(path, isolation_level=None) as writer:
        await writer.execute("PRAGMA journal_mode=WAL")
        await writer.execute("PRAGMA synchronous=OFF")
        for statement in history.DDL:
            await writer.execute(statement)
        await projector.create_all(writer, partitions)
        reader = sqlite3.connect(path, isolation_level=None)
        try:
            yield Views(writer, reader)
        finally:
            reader.close()


def look(log: Log, at: Callable[[sqlite3.Connection], None], batch: int = 1_000) -> None:
    """Show a log to views of its own and look at them: for a test that is tried with many logs."""

    async def shown() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with views_in(Path(folder)) as views:
                at(await views.show(log, batch))

    asyncio.run(shown())
