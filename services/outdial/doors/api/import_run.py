"""One run of an import: the rows of a file on their way to the ledger, and the report of what became of them.

Ids make it repeatable: a command's comes from the import's id and its ordinal, a target's from the import's id
and its row.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, Literal

from pydantic import ValidationError

from outdial.address import Address, normalized
from outdial.commands import AddTargets, OnDuplicate
from outdial.doors.api.deps import Door
from outdial.doors.api.errors import Refused, by_rule
from outdial.doors.api.rows import DESTINATIONS, Flaw, Form, Row, RowReader, field_flaw
from outdial.ids import derived
from outdial.position import Position
from outdial.requests import Answer, Item
from outdial.views import targets
from outdial.wire import MAX_COMMAND_BYTES, encode, to_json

AT_ONCE: Final = 500
"""Targets of one command."""
ON_THEIR_WAY: Final = 8
"""Commands sent before the first of them is answered: they share commits."""
PATIENCE_S: Final = 60.0
"""For the answer to one: a ledger that starts anew, or moves to another process, does not end the import."""
NAMED: Final = 10_000
"""Rows of a kind the report names; the rest is only counted."""
_ROOM: Final = 100_000
"""Characters of the rows of one command: six bytes each and 600 for the names of its fields make no command too large."""
_PROGRESS_S: Final = 0.2
_PROGRESS_LINES: Final = 200


@dataclass(slots=True)
class Report:
    """What became of the rows of a file."""

    import_id: str
    dry_run: bool
    rows: int = 0
    added: int = 0
    """In a dry run: would have been."""
    existing: int = 0
    """Targets that an earlier run of the same import added."""
    skipped_count: int = 0
    error_count: int = 0
    skipped: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    position: Position | None = None
    """At which the answers hold; None: nothing was answered yet."""

    def refuse(self, line: int, row: int, reason: str, message: str, existing_id: str | None = None) -> None:
        """Note a row that was not taken."""
        self.error_count += 1
        if len(self.errors) < NAMED:
            why = {"line": line, "row": row, "reason": reason, "message": message}
            self.errors.append(why if existing_id is None else {**why, "existing_id": existing_id})

    def skip(self, line: int, row: int, existing_id: str | None) -> None:
        """Note a row whose first destination another target has."""
        self.skipped_count += 1
        if len(self.skipped) < NAMED:
            self.skipped.append({"line": line, "row": row, "existing_id": existing_id, "reason": "duplicate"})

    def fields(self) -> dict[str, Any]:
        """The report as it is sent; rows in the order of the file."""
        return {
            "import_id": self.import_id,
            "dry_run": self.dry_run,
            "rows": self.rows,
            "added": self.added,
            "existing": self.existing,
            "skipped_count": self.skipped_count,
            "error_count": self.error_count,
            "skipped": sorted(self.skipped, key=_row_of),
            "errors": sorted(self.errors, key=_row_of),
            "truncated": self.skipped_count > len(self.skipped) or self.error_count > len(self.errors),
            "position": str(self.position or 0),
        }


def _row_of(entry: dict[str, Any]) -> int:
    row: int = entry["row"]
    return row


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the request asks for."""

    outdial_id: str
    customer_id: str
    actor: str | None
    """Who asks, where that is known."""
    import_id: str | None
    """None: it follows from the file."""
    dry_run: bool
    on_duplicate: OnDuplicate
    form: Form | None
    """None: the file shows which it is."""


class Progress:
    """Lines that say how far an import is come, at most one in 0.2 s.

    They become rarer as it goes on: a client that sends its whole file before it reads must never have so many
    unread lines that nobody can write on.
    """

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._begin = self._last = monotonic()

    async def show(self, report: Report, size: int) -> None:
        """Write ``{"rows", "added", "existing", "skipped_count", "error_count", "bytes"}`` when it is time to."""
        now = monotonic()
        if now - self._last >= max(_PROGRESS_S, (now - self._begin) / _PROGRESS_LINES):
            self._last = now
            counts = ("rows", "added", "existing", "skipped_count", "error_count")
            await self._write(to_json({**{name: getattr(report, name) for name in counts}, "bytes": size}) + b"\n")


@dataclass(frozen=True, slots=True)
class _Sent:
    """A command on its way."""

    rows: Sequence[Row]
    command: AddTargets
    answers: asyncio.Task[list[Answer]]


class Import:
    """One run over a file."""

    def __init__(self, door: Door, wishes: Wishes, import_id: str, progress: Progress | None) -> None:
        self._door = door
        self._wishes = wishes
        self._report = Report(import_id, wishes.dry_run)
        self._progress = progress
        self._batch: list[Row] = []
        self._size = 0
        self._commands = 0
        self._sent: deque[_Sent] = deque()
        self._would_add: dict[int, str] = {}
        """In a dry run: target id by first destination, for the ledger does not know the rows before."""

    async def run(self, pieces: AsyncIterator[bytes]) -> Report:
        """Import a file that comes in pieces.

        Raises:
            Unreadable: the file is none we know.
            Refused: the ledger refuses the import as a whole.
            Unavailable: the ledger cannot take commands now.
        """
        reader = RowReader(self._wishes.form)
        size = 0
        try:
            async for piece in pieces:
                size += len(piece)
                for found in reader.feed(piece):
                    await self._take(found)
                    if self._progress is not None:
                        await self._progress.show(self._report, size)
            await self._take(reader.close())
            await self._send()
            while self._sent:
                await self._note()
            if self._report.position is None:
                self._report.position = self._door.ledger.position
        finally:
            await asyncio.gather(*(sent.answers for sent in self._sent), return_exceptions=True)
        return self._report

    async def _take(self, found: Sequence[Row | Flaw]) -> None:
        """Put rows into commands, and send those that are full."""
        self._report.rows += len(found)
        for row in found:
            if isinstance(row, Flaw):
                self._report.refuse(*row)
                continue
            if len(self._batch) == AT_ONCE or (self._batch and self._size + row.size > _ROOM):
                await self._send()
            if row.fields.get("target_id") is None:
                row.fields["target_id"] = derived(self._report.import_id, str(row.row))
            self._batch.append(row)
            self._size += row.size
        await asyncio.sleep(0)

    async def _send(self) -> None:
        """Send the rows at hand as one command; wait for an earlier one when many are on their way."""
        batch, self._batch, self._size = self._batch, [], 0
        number, self._commands = self._commands, self._commands + 1
        made = self._command(batch, f"dry run/{number}" if self._wishes.dry_run else f"batch/{number}")
        if made is not None:
            rows, command = made
            # Tasks begin in the order they are made, so the rows reach the ledger in the order of the file.
            self._sent.append(_Sent(rows, command, asyncio.create_task(self._door.send([command], PATIENCE_S))))
        if len(self._sent) >= ON_THEIR_WAY:
            await self._note()

    def _command(self, rows: Sequence[Row], name: str) -> tuple[Sequence[Row], AddTargets] | None:
        """A command that adds these rows, and the rows it holds: those that are no targets are noted and left out."""
        while rows:
            try:
                command = AddTargets(
                    id=derived(self._report.import_id, name),
                    customer_id=self._wishes.customer_id,
                    actor=self._wishes.actor,
                    outdial_id=self._wishes.outdial_id,
                    targets=[row.fields for row in rows],  # type: ignore[arg-type]
                    on_duplicate=self._wishes.on_duplicate,
                    dry_run=self._wishes.dry_run,
                )
            except ValidationError as error:
                rows = self._without_flaws(rows, error)
                continue
            if len(rows) == 1 and rows[0].size > _ROOM and len(encode(command)) > MAX_COMMAND_BYTES:
                self._report.refuse(rows[0].line, rows[0].row, "too_large", f"a target may have {MAX_COMMAND_BYTES} bytes in all")
                return None
            return rows, command
        return None

    def _without_flaws(self, rows: Sequence[Row], error: ValidationError) -> Sequence[Row]:
        """The rows a validation error does not name; the others are noted, each for its first fault."""
        flaws: dict[int, tuple[str, str]] = {}
        for found in error.errors(include_url=False, include_input=False):
            _, index, *path = found["loc"]
            flaws.setdefault(int(index), field_flaw(path, found))
        for index, (reason, message) in flaws.items():
            self._report.refuse(rows[index].line, rows[index].row, reason, message)
        return [row for index, row in enumerate(rows) if index not in flaws]

    async def _note(self) -> None:
        """Wait for the earliest command that is on its way, and note what became of its rows."""
        sent = self._sent.popleft()
        [answer] = await sent.answers
        if answer.result == "rejected":
            raise self._refusal(answer, sent.rows)
        report = self._report
        at = Position.parse(answer.position, self._door.ledger.position.partitions)
        report.position = at if report.position is None else report.position.merged(at)
        items = {item.index: item for item in answer.items}
        if not self._wishes.dry_run and any(item.result == "exists" for item in answer.items):
            items |= self._left_out(sent, items)
        for index, row in enumerate(sent.rows):
            item = items.get(index)
            if self._wishes.dry_run and (item is None or item.reason == "duplicate"):
                item = self._repeated(index, sent.command, item)
            if item is None:
                report.added += 1
            elif item.result == "exists":
                report.existing += 1
            elif item.result == "skipped":
                report.skip(row.line, row.row, item.existing_id)
            else:
                report.refuse(row.line, row.row, item.reason or "rejected", item.message or "", item.existing_id)

    def _left_out(self, sent: _Sent, items: Mapping[int, Item]) -> dict[int, Item]:
        """Rows that are not there though nothing stands against them, where an earlier run may have sent the same command.

        A command is carried out once. What stood against the row then (a duplicate that was deleted since) is gone now.
        """
        ids = {index: row.fields["target_id"].lower() for index, row in enumerate(sent.rows) if index not in items}
        there = {row.id for row in targets.many(self._door.reader, self._wishes.outdial_id, list(ids.values()))}
        message = "an earlier run of this import left this row out, for a reason that is gone; send it in an import of its own"
        return {
            index: Item(index=index, result="rejected", reason="left_out_before", message=message)
            for index, target_id in ids.items()
            if target_id not in there
        }

    def _repeated(self, index: int, command: AddTargets, item: Item | None) -> Item | None:
        """What stands against a target in a dry run: the ledger's word, or an earlier row with the same first destination."""
        target = command.targets[index]
        first = _key(next(found for found in (getattr(target, name) for name in DESTINATIONS) if found is not None))
        if item is not None:
            return item.model_copy(update={"existing_id": self._would_add.get(first, item.existing_id)})
        existing = self._would_add.setdefault(first, target.target_id or "")
        if existing == target.target_id or command.on_duplicate == "accept":
            return None
        verdict: Literal["skipped", "rejected"] = "skipped" if command.on_duplicate == "skip" else "rejected"
        message = "an earlier row has the same first destination"
        return Item(index=index, result=verdict, existing_id=existing, reason="duplicate", message=message)

    def _refusal(self, answer: Answer, rows: Sequence[Row]) -> Refused:
        """The ledger refused a command: the whole import ends, and says what was done."""
        message = answer.message
        if answer.reason == "id_reused":
            message = "this import_id stands for another file, or for other options; leave it out, or take a new one"
        facts = {"import_id": self._report.import_id, "from_row": rows[0].row, "added": self._report.added}
        return by_rule(answer.reason, message, **facts)


def _key(address: Address) -> int:
    """What equal endpoints have in common."""
    return hash((address.type, normalized(address.type, address.target)))
