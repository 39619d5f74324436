"""Import of a list of any length into an outdial: CSV or NDJSON, row by row. Source: design section 7, contract C2, C5, C19, C20.

The rows go to the ledger in commands of at most 500, several of them on their way at once. Ids make it
repeatable: a command's comes from the import's id and its ordinal, a target's from the import's id and its
row. So an import that was cut short is finished by sending the same file again, and one that was finished
changes nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from time import monotonic
from typing import Any, Final, Literal, cast, get_args
from uuid import uuid4

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from outdial.address import Address, normalized
from outdial.commands import AddTargets, OnDuplicate
from outdial.doors.api.bodies import LINES_TYPES
from outdial.doors.api.deps import Door, caller_of, customer_of, door_of, flag, is_id, path_id, submit
from outdial.doors.api.errors import ARGUMENT, MEDIA_TYPE, PARAMETER, UNAVAILABLE, Refused, by_rule, envelope
from outdial.doors.api.rows import DESTINATIONS, Flaw, Form, Row, RowReader, Unreadable, field_flaw
from outdial.ids import derived
from outdial.requests import Answer, Item, Unavailable
from outdial.wire import MAX_COMMAND_BYTES, encode, to_json

router = APIRouter(tags=["targets"])

AT_ONCE: Final = 500
"""Targets of one command."""
ON_THEIR_WAY: Final = 8
"""Commands sent before the first of them is answered: they share commits."""
NAMED: Final = 10_000
"""Rows of a kind the report names; the rest is only counted."""
_ROOM: Final = 100_000
"""Characters of the rows of one command: six bytes each and 600 for the names of its fields make no command too large."""
_IN_MEMORY: Final = 1_048_576
_PIECE: Final = 65_536
_PROGRESS_S: Final = 0.2
_PROGRESS_LINES: Final = 200

_CSV_TYPES: Final = frozenset({"text/csv", "application/csv", "text/tab-separated-values"})
_ANY_TYPES: Final = frozenset({"", "application/octet-stream", "text/plain", "application/vnd.ms-excel"})
_CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii", "utf-16", "utf16"})


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
    position: int = 0

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
            "position": str(self.position),
        }


def _row_of(entry: dict[str, Any]) -> int:
    row: int = entry["row"]
    return row


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the request asks for."""

    outdial_id: str
    customer_id: str
    import_id: str | None
    """None: it follows from the file."""
    dry_run: bool
    on_duplicate: OnDuplicate
    form: Form | None
    """None: the file shows which it is."""


@router.post("/outdials/{id}/import")
async def import_targets(request: Request) -> Response:
    """Add the targets of a CSV or NDJSON file; the answer names every row that was skipped or refused.

    Query: ``import_id``, ``dry_run``, ``on_duplicate`` (``skip``, ``accept``, ``reject``). With
    ``Accept: application/x-ndjson`` lines that say how far it is come before the report.
    """
    wishes = _wishes(request)
    await _check_outdial(request, wishes)
    if request.headers.get("accept", "").partition(";")[0].strip().lower() in LINES_TYPES:
        return _Lines(request, wishes)
    report = await _imported(request, wishes)
    return Response(to_json(report.fields()), media_type="application/json", headers={"Outdial-Position": str(report.position)})


def _wishes(request: Request) -> Wishes:
    import_id = request.query_params.get("import_id", "").lower() or None
    if import_id is not None and not is_id(import_id):
        raise Refused(PARAMETER, "field_invalid", "import_id must be a UUID; without one it follows from the file")
    on_duplicate = request.query_params.get("on_duplicate", "skip")
    if on_duplicate not in get_args(OnDuplicate):
        raise Refused(PARAMETER, "field_invalid", f"on_duplicate must be one of {', '.join(get_args(OnDuplicate))}")
    return Wishes(
        outdial_id=path_id(request),
        customer_id=customer_of(request),
        import_id=import_id,
        dry_run=flag(request, "dry_run"),
        on_duplicate=cast(OnDuplicate, on_duplicate),
        form=_form(request),
    )


def _form(request: Request) -> Form | None:
    """What the media type says the body is.

    Raises:
        Refused: 415.
    """
    kind, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    kind = kind.strip()
    if parameters.partition("charset=")[2].partition(";")[0].strip().strip('"') not in _CHARSETS:
        raise Refused(MEDIA_TYPE, "charset_unknown", "send the file in UTF-8, or in UTF-16 with a byte order mark")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(MEDIA_TYPE, "encoding_unknown", "send the file without Content-Encoding")
    if kind in _CSV_TYPES:
        return "csv"
    if kind in LINES_TYPES:
        return "ndjson"
    if kind in _ANY_TYPES:
        return None
    raise Refused(MEDIA_TYPE, "media_type_unknown", "send the file as Content-Type: text/csv or application/x-ndjson")


async def _check_outdial(request: Request, wishes: Wishes) -> None:
    """Ask the ledger whether it takes targets for this outdial, before a long file is read.

    Raises:
        Refused: it does not.
    """
    nothing = AddTargets(id=str(uuid4()), customer_id=wishes.customer_id, outdial_id=wishes.outdial_id, targets=(), dry_run=True)
    await submit(request, nothing)


# --- the file -----------------------------------------------------------------------------------


async def _imported(request: Request, wishes: Wishes, progress: "Progress | None" = None) -> Report:
    """Read the body and import it.

    Raises:
        Refused: the file cannot be read at all, was cut, or the import's id stands for another file.
    """
    try:
        if wishes.import_id is not None:
            return await _Import(door_of(request), wishes, wishes.import_id, progress).run(request.stream())
        async with _spooled(request.stream()) as (digest, pieces):
            import_id = derived(wishes.outdial_id, digest)
            return await _Import(door_of(request), wishes, import_id, progress).run(pieces)
    except ClientDisconnect:
        message = "the connection ended before the file did; rows that were added stay: send the file again with the same import_id"
        raise Refused(ARGUMENT, "body_cut", message) from None
    except Unreadable as why:
        raise Refused(ARGUMENT, why.reason, why.message) from None


@asynccontextmanager
async def _spooled(body: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
    """The SHA-256 of a whole body, and its pieces once more: a long one lies in a temporary file meanwhile."""
    digest = sha256()
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        async for piece in body:
            digest.update(piece)
            try:
                file.write(piece)
            except OSError:
                message = "there is no room for the file in the temporary folder; give an import_id, then it needs none"
                raise Unavailable("disk_full", message) from None
        file.seek(0)

        async def again() -> AsyncIterator[bytes]:
            while piece := file.read(_PIECE):
                yield piece

        yield digest.hexdigest(), again()


# --- the import ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sent:
    """A command on its way."""

    rows: Sequence[Row]
    command: AddTargets
    answers: asyncio.Task[list[Answer]]


class _Import:
    """One run over a file."""

    def __init__(self, door: Door, wishes: Wishes, import_id: str, progress: "Progress | None") -> None:
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
            self._sent.append(_Sent(rows, command, asyncio.create_task(self._door.send([command]))))
        if len(self._sent) >= ON_THEIR_WAY:
            await self._note()

    def _command(self, rows: Sequence[Row], name: str) -> tuple[Sequence[Row], AddTargets] | None:
        """A command that adds these rows, and the rows it holds: those that are no targets are noted and left out."""
        while rows:
            try:
                command = AddTargets(
                    id=derived(self._report.import_id, name),
                    customer_id=self._wishes.customer_id,
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
        report.position = max(report.position, int(answer.position))
        items = {item.index: item for item in answer.items}
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


# --- progress -----------------------------------------------------------------------------------


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


class _Lines(Response):
    """Imports while it answers: lines of progress, then the report, or ``{"error": ...}`` if it ends before.

    An import that is refused before the first line is answered like any other request.
    """

    media_type = "application/x-ndjson"

    def __init__(self, request: Request, wishes: Wishes) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._request = request
        self._wishes = wishes
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  the request reads the body
        """Answer."""

        async def write(line: bytes) -> None:
            if not self._begun:
                self._begun = True
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": line, "more_body": True})

        try:
            report = await _imported(self._request, self._wishes, Progress(write))
            last = to_json(report.fields()) + b"\n"
        except (Refused, Unavailable) as why:
            if not self._begun:
                raise
            refused = why if isinstance(why, Refused) else Refused(UNAVAILABLE, why.reason, why.message)
            last = envelope(refused, caller_of(self._request).request_id) + b"\n"
        await write(last)
        await send({"type": "http.response.body", "body": b""})
