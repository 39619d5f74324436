"""Whom a customer must not call, and how often anybody may be called. Source: design sections 2 and 7."""

import csv
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import AddSuppressions, Command
from outdial.doors.api import shapes
from outdial.doors.api.bodies import CSV_TYPES, LARGE, LINES_TYPES, media_type_of, picked, read_bytes, read_object
from outdial.doors.api.deps import asked_by, command_id, customer_of, door_of, path_id, reply, submit
from outdial.doors.api.errors import NO_SUPPRESSION, UNAVAILABLE, Refused, by_form, by_rule
from outdial.doors.api.lines import UNDECODED, Lines
from outdial.doors.api.paging import asked, page, times_of
from outdial.ids import derived
from outdial.requests import Answer, Item
from outdial.suppression import MOST_ENTRIES, FrequencyCaps
from outdial.views import outdials, suppressions
from outdial.views.suppressions import Suppression
from outdial.wire import Malformed, command_from, from_json

router = APIRouter(tags=["suppressions"])
COLUMNS: Final = ("type", "target", "prefix", "outdial_id", "expires_at", "reason")
"""Columns a CSV file may have, in any order."""
MOST_ERRORS: Final = 100
AT_ONCE: Final = 10
"""Commands of an import that are on their way together."""
_MISSING: Final = {"outdial_unknown": "there is no such outdial", "outdial_deleted": "the outdial is deleted"}
CAPS: Final = ("rules", "min_gap_ms")
CHANGES_TRIED: Final = 20
"""How often a change of one of the caps is laid over the others anew, when the list has changed meanwhile."""

# --- the list -------------------------------------------------------------------------------------------


@router.get("/suppressions")
async def list_suppressions(request: Request) -> Response:
    """The list, newest first; entries that have ended among them."""
    wanted, times = asked(request), times_of(request)
    rows = suppressions.page(door_of(request).reader, customer_of(request), wanted.before, wanted.limit)
    return reply(page(rows, wanted, times, lambda row: shapes.suppression(row, times)))


@router.get("/suppressions/{id}")
async def get_suppression(request: Request) -> Response:
    """One entry."""
    return reply(shapes.suppression(_found(request, path_id(request)), times_of(request)))


@router.post("/suppressions")
async def add_suppressions(request: Request) -> Response:
    """Call nobody at an address, at numbers that begin so, or at up to 500 of them (``entries``).

    Answered when every process obeys: from then on no call is requested. ``open`` names the first hundred attempts that
    are out already, ``open_count`` how many there are. An ``outdial_id`` must be one of yours that is not deleted.
    """
    body = await read_object(request)
    command = cast(AddSuppressions, _command("AddSuppressions", request, _entries(body)))
    for index, why in enumerate(await _outdials_missing(request, [entry.outdial_id for entry in command.entries])):
        if why is not None:
            at = f"entries/{index}/outdial_id" if "entries" in body else "outdial_id"
            raise by_rule(why, f"{at.replace('/', '.')}: {_MISSING[why]}", pointer=f"/{at}")
    answer = await submit(request, command)
    return reply({"errors": [*map(_error, answer.items)], **_open([answer])}, answer)


@router.delete("/suppressions")
async def remove_suppressions(request: Request) -> Response:
    """Take entries off the list, named by what they say. What is not on it is nothing."""
    answer = await submit(request, _command("RemoveSuppressions", request, _entries(await read_object(request))))
    return reply({"errors": [*map(_error, answer.items)]}, answer)


@router.delete("/suppressions/{id}")
async def remove_suppression(request: Request) -> Response:
    """Take one entry off the list; the answer shows it as it was."""
    row = _found(request, path_id(request))
    answer = await submit(request, _command("RemoveSuppressions", request, [{"suppression_id": row.id}]))
    return reply(shapes.suppression(row, times_of(request)), answer)


def _found(request: Request, suppression_id: str) -> Suppression:
    row = suppressions.get(door_of(request).reader, customer_of(request), suppression_id)
    if row is None:
        raise Refused(NO_SUPPRESSION, "suppression_unknown", "there is no such entry on the list")
    return row


def _entries(body: dict[str, Any]) -> Any:
    """The entries of a body, which may be one itself."""
    return body["entries"] if "entries" in body else [{name: body[name] for name in ("address", "prefix", *COLUMNS[3:]) if name in body}]


async def _outdials_missing(request: Request, outdial_ids: Sequence[str | None]) -> list[str | None]:
    """Of each outdial why nobody can be called in it; None: it is there, or none is named. An entry for it would protect nobody."""
    rows: dict[str | None, str | None] = {None: None}
    if any(outdial_ids):
        await door_of(request).ledger.caught_up()
        for outdial_id in filter(None, {*outdial_ids}):
            row = outdials.get(door_of(request).reader, customer_of(request), outdial_id)
            rows[outdial_id] = "outdial_unknown" if row is None else None if row.tm_delete is None else "outdial_deleted"
    return [rows[outdial_id] for outdial_id in outdial_ids]


def _command(word: str, request: Request, entries: Any, name: str | None = None) -> Command:
    """A command about entries.

    Raises:
        Refused: INVALID_ARGUMENT, naming the field.
    """
    given = {"type": word, "id": name or command_id(request), "customer_id": customer_of(request), "entries": entries}
    try:
        return command_from(given)
    except Malformed as why:
        raise by_form(why) from None


def _error(item: Item) -> dict[str, Any]:
    return {"index": item.index, "reason": item.reason, "message": item.message}


def _open(answers: Sequence[Answer]) -> dict[str, Any]:
    """Attempts that were out already."""
    attempts = [attempt for answer in answers for attempt in answer.open]
    return {"open": attempts[:MOST_ERRORS], "open_count": len(attempts) + sum(answer.open_more for answer in answers)}


# --- import ---------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A row of a file: an entry, or what is wrong with it."""

    row: int
    """Ordinal among the rows, from 1."""
    entry: Any
    why: Malformed | None = None
    outdial_id: str | None = None
    """In which alone it holds."""


@router.post("/suppressions/import")
async def import_suppressions(request: Request) -> Response:
    """Add the entries of a CSV file (columns type, target or prefix; outdial_id, expires_at, reason) or of NDJSON.

    The same file again changes nothing. ``errors`` names the first hundred rows that could not be read or were refused.
    """
    lines = media_type_of(request, CSV_TYPES | LINES_TYPES) in LINES_TYPES
    text = Lines().feed(bytes(await read_bytes(request, LARGE, CSV_TYPES | LINES_TYPES)), final=True)
    rows = [*(_json_rows(text) if lines else _csv_rows(text))]
    errors = [_refused(row, row.why.reason, row.why.message) for row in rows if row.why is not None]
    read = [row for row in rows if row.why is None]
    missing = await _outdials_missing(request, [row.outdial_id for row in read])
    errors += [_refused(row, why, _MISSING[why]) for row, why in zip(read, missing, strict=True) if why is not None]
    good = [row for row, why in zip(read, missing, strict=True) if why is None]
    parts = [good[first : first + MOST_ENTRIES] for first in range(0, len(good), MOST_ENTRIES)]
    answers: list[Answer] = []
    root = command_id(request)
    for first in range(0, len(parts), AT_ONCE):
        sent = parts[first : first + AT_ONCE]
        commands = [
            asked_by(request, _command("AddSuppressions", request, [row.entry for row in part], derived(root, str(first + number))))
            for number, part in enumerate(sent)
        ]
        for part, answer in zip(sent, await door_of(request).send(commands), strict=True):
            answers.append(answer)
            errors += [_refused(part[item.index], item.reason, item.message) for item in answer.items]
            if answer.result == "rejected":
                errors += [_refused(row, answer.reason, answer.message) for row in part]
    refused = len(errors)
    report = {"rows": len(rows), "taken": len(rows) - refused, "refused": refused, "errors": errors[:MOST_ERRORS], **_open(answers)}
    return reply(report, answers[-1] if answers else None)


def _refused(row: Row, reason: str | None, message: str | None) -> dict[str, Any]:
    return {"row": row.row, "reason": reason, "message": message}


def _json_rows(lines: Sequence[str]) -> Iterator[Row]:
    number = 0
    for line in lines:
        if not line.strip():
            continue
        number += 1
        try:
            yield _checked(number, from_json(line.encode("utf-8", "surrogatepass")))
        except Malformed as why:
            yield Row(number, None, why)


def _csv_rows(lines: Sequence[str]) -> Iterator[Row]:
    reader = csv.reader(lines)
    names = [name.strip().lower() for name in next(reader, [])]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise by_rule("column_unknown", f"columns may be {', '.join(COLUMNS)}; the first line has another")
    if "target" not in names and "prefix" not in names:
        raise by_rule("column_missing", "the first line must name the columns; one of them must be target or prefix")
    for number, cells in enumerate((cells for cells in reader if any(cells)), start=1):
        found = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
        entry: dict[str, Any] = {name: found[name] for name in ("prefix", *COLUMNS[3:]) if name in found}
        if "target" in found:
            entry["address"] = {"type": found.get("type", "tel"), "target": found["target"]}
        if any(UNDECODED.search(cell) for cell in cells):
            yield Row(number, None, Malformed("undecodable", "there are bytes in it that are no text; save the file as UTF-8"))
        else:
            yield _checked(number, entry)


def _checked(number: int, entry: Any) -> Row:
    """A row as an entry that a command takes."""
    try:
        command = cast(AddSuppressions, command_from({"type": "AddSuppressions", "entries": [entry]}))
    except Malformed as why:
        return Row(number, None, Malformed(why.reason, why.message.removeprefix("entries.0.")))
    return Row(number, entry, outdial_id=command.entries[0].outdial_id)


# --- frequency caps -------------------------------------------------------------------------------------


@router.get("/frequency_caps")
async def get_frequency_caps(request: Request) -> Response:
    """How often one address may be called, in all outdials together."""
    return reply(_caps_of(request).model_dump(mode="json"))


@router.put("/frequency_caps")
async def set_frequency_caps(request: Request) -> Response:
    """Change it: ``rules`` of ``count`` attempts within ``per_ms`` milliseconds, and ``min_gap_ms``; what is absent stays.

    An empty list of rules takes them away, 0 the gap. A body that names neither is refused.
    """
    changes = picked(await read_object(request), CAPS)
    if not changes:
        raise by_rule("field_missing", "name rules, min_gap_ms or both; without any caps is rules [] and min_gap_ms 0")
    answer = await (_set_caps(request, changes) if len(changes) == len(CAPS) else _change_caps(request, changes))
    return reply(_caps_of(request).model_dump(mode="json"), answer)


async def _change_caps(request: Request, changes: dict[str, Any]) -> Answer:
    """Lay one of the caps over the other as it is now. The ledger refuses it when that has changed meanwhile, then once more.

    Raises:
        Refused: as :func:`_set_caps`; SERVICE_UNAVAILABLE, when the list has changed each time.
    """
    door = door_of(request)
    for _ in range(CHANGES_TRIED):
        await door.ledger.caught_up()
        version = suppressions.version(door.reader, customer_of(request))
        try:
            return await _set_caps(request, _caps_of(request).model_dump(mode="json") | changes, version)
        except Refused as why:
            if why.rule != "version_differs" or "if-match" in request.headers:
                raise
    message = "the list of suppressions changes all the time; send rules and min_gap_ms both, or one of them later"
    raise Refused(UNAVAILABLE, "list_changing", message, headers={"Retry-After": "1"})


async def _set_caps(request: Request, caps: dict[str, Any], version: int | None = None) -> Answer:
    """Set both of the caps; with ``version`` only while the list stands there.

    Raises:
        Refused: a field has a bad value, or the ledger rejected it.
    """
    given = {"type": "SetFrequencyCaps", "id": command_id(request), "customer_id": customer_of(request), "caps": caps}
    try:
        command = command_from(given if version is None else {**given, "if_version": version})
    except Malformed as why:
        if why.pointer is not None:
            why.pointer = why.pointer.removeprefix("/caps")
        raise by_form(why) from None
    return await submit(request, command)


def _caps_of(request: Request) -> FrequencyCaps:
    return suppressions.caps(door_of(request).reader, customer_of(request))
