"""Targets: one, or many in one body on the same route. Source: contract 3.2, C2, C5, C11, C19, C20."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import AddTarget, AddTargets, DeleteTarget, NewTarget
from outdial.doors.api import shapes
from outdial.doors.api.bodies import LARGE, MANY, metadata_text, picked, read_object
from outdial.doors.api.deps import asked_by, command_id, customer_of, door_of, made, one_of, path_id, reply, single, submit, version_of
from outdial.doors.api.errors import ARGUMENT, NO_TARGET, Refused, by_form, by_rule
from outdial.doors.api.outdials import found as found_outdial
from outdial.doors.api.paging import Asked, asked, page, times_of
from outdial.ids import item_id
from outdial.position import Position
from outdial.requests import Answer, Item
from outdial.standing import STANDINGS
from outdial.views import calls, targets
from outdial.views.targets import Target
from outdial.wire import MAX_COMMAND_BYTES, Malformed, encode, to_json

router = APIRouter(tags=["targets"])
AT_ONCE: Final = 500
"""Targets of one command."""
ROOM: Final = MAX_COMMAND_BYTES - 4_096
"""Bytes the targets of one command may have; the rest is for the command itself."""
_FIELDS: Final = tuple(name for name in NewTarget.model_fields if name != "target_id")


def found(request: Request, outdial_id: str, target_id: str) -> Target:
    """A target, deleted ones included. Its outdial must have been found for the customer before.

    Raises:
        Refused: OUTDIAL_TARGET_NOT_FOUND, also when it belongs to another outdial.
    """
    row = targets.get(door_of(request).reader, outdial_id, target_id)
    if row is None:
        raise Refused(NO_TARGET, "target_unknown", "this outdial has no such target")
    return row


def _shown(request: Request, outdial_id: str, target_id: str, answer: Answer | None = None, **more: Any) -> Response:
    """A target; its version is that of its outdial, whose plan says how many tries are left."""
    version = version_of(request, outdial_id)
    outdial = found_outdial(request, outdial_id)
    shown = shapes.target(found(request, outdial_id, target_id), outdial.plan, times_of(request))
    return single(request, {**shown, **more}, version, answer)


@router.get("/outdials/{id}/targets/{target_id}")
async def get_target(request: Request) -> Response:
    """One target, also when it is deleted."""
    target_id = path_id(request, "target_id")
    return _shown(request, path_id(request), target_id)


@router.get("/outdials/{id}/targets")
async def list_targets(request: Request) -> Response:
    """The targets of an outdial, newest first; with ``standing`` those that its stats count so at this moment."""
    outdial = found_outdial(request, path_id(request))
    wanted, times = asked(request), times_of(request)
    standing = one_of(request, "standing", STANDINGS)
    rows = await _standing_so(request, outdial.id, standing, wanted) if standing is not None else _any(request, outdial.id, wanted)
    return reply(page(rows, wanted, times, lambda row: shapes.target(row, outdial.plan, times)))


def _any(request: Request, outdial_id: str, wanted: Asked) -> list[Target]:
    return targets.page(door_of(request).reader, outdial_id, wanted.before, wanted.limit, wanted.deleted)


async def _standing_so(request: Request, outdial_id: str, standing: str, wanted: Asked) -> list[Target]:
    """A long list is looked through stretch by stretch, and whoever else asks is served between two of them."""
    door, rows = door_of(request), list[Target]()
    for found in targets.page_of(door.reader, outdial_id, standing, door.ledger.now(), wanted.before, wanted.limit):
        rows += found
        await asyncio.sleep(0)
    return rows


@router.delete("/outdials/{id}/targets/{target_id}")
async def delete_target(request: Request) -> Response:
    """Delete a target softly: no request after the answer; an open attempt still ends."""
    target_id, outdial_id = path_id(request, "target_id"), path_id(request)
    command = DeleteTarget(id=command_id(request), customer_id=customer_of(request), outdial_id=outdial_id, target_id=target_id)
    answer = await submit(request, command)
    return _shown(request, outdial_id, target_id, answer)


@router.get("/outdials/{id}/targets/{target_id}/calls")
async def list_target_calls(request: Request) -> Response:
    """The attempts on a target, newest first."""
    target_id = path_id(request, "target_id")
    outdial = found_outdial(request, path_id(request))
    found(request, outdial.id, target_id)
    wanted, times = asked(request), times_of(request)
    rows = calls.page_of_target(door_of(request).reader, outdial.id, target_id, wanted.before, wanted.limit, wanted.deleted)
    return reply(page(rows, wanted, times, lambda row: shapes.targetcall(row, times)))


@router.post("/outdials/{id}/targets")
async def add_targets(request: Request) -> Response:
    """Add one target, or many under ``targets``. Many skip duplicates unless ``on_duplicate`` says otherwise."""
    outdial_id = path_id(request)
    body = await read_object(request, LARGE)
    wishes = picked({**request.query_params, **body}, ("on_duplicate",))
    if body.get("targets") is not None:
        return await _add_many(request, outdial_id, body, wishes)
    return await _add_one(request, outdial_id, body, wishes)


async def _add_one(request: Request, outdial_id: str, body: dict[str, Any], wishes: dict[str, Any]) -> Response:
    command = made(
        AddTarget, {**_fields(body), **wishes, "id": command_id(request), "customer_id": customer_of(request), "outdial_id": outdial_id}
    )
    if len(encode(command)) > MAX_COMMAND_BYTES:
        raise by_rule("too_large", f"a target may have {MAX_COMMAND_BYTES} bytes in all")
    answer = await submit(request, command)
    skipped = next((item for item in answer.items if item.result == "skipped"), None)
    target_id = item_id(command.id or "", 0) if skipped is None else skipped.existing_id or ""
    more = {} if skipped is None else {"duplicate_of": target_id}
    return _shown(request, outdial_id, target_id, answer, **more)


def _fields(body: Any) -> dict[str, Any]:
    """The fields of a target, with the aliases ``destination`` and ``metadata`` put in their place."""
    if not isinstance(body, dict):
        raise Refused(ARGUMENT, "field_invalid", "a target must be an object")
    fields = picked(body, _FIELDS)
    if _is_there(body.get("destination")):
        if _is_there(fields.get("destination_0")):
            raise Refused(ARGUMENT, "destination_ambiguous", "destination is another name of destination_0: give one of the two")
        fields["destination_0"] = body["destination"]
    metadata = body.get("metadata")
    if metadata is not None:
        if fields.get("data"):
            raise Refused(ARGUMENT, "data_ambiguous", "metadata is kept in data: give one of the two")
        try:
            fields["data"] = metadata_text(metadata)
        except Malformed as why:
            raise by_form(why) from None
    return fields


def _is_there(address: Any) -> bool:
    """Whether an address is given at all (contract C11)."""
    return bool(address.get("type") or address.get("target")) if isinstance(address, dict) else address is not None


# --- many ---------------------------------------------------------------------------------------


class Numbered(NamedTuple):
    """A target of a body and its place there."""

    number: int
    target: NewTarget


@dataclass(slots=True)
class Outcome:
    """What became of the items of a body."""

    added: list[bytes] = field(default_factory=list)
    """JSON of the targets, in the order of the body."""
    would_add: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    position: Position | None = None
    """At which the answers hold; None: nothing was answered yet."""

    def refuse(self, index: int, reason: str | None, message: str | None, existing_id: str | None = None) -> None:
        """Note an item that was not taken."""
        why = {"index": index, "reason": reason, "message": message}
        self.errors.append(why if existing_id is None else {**why, "existing_id": existing_id})

    def response(self, *, dry_run: bool) -> Response:
        """The answer to the whole body."""
        self.errors.sort(key=lambda error: error["index"])
        tail = {"errors": self.errors, "skipped": self.skipped, **({"would_add": self.would_add} if dry_run else {})}
        body = b'{"result":[' + b",".join(self.added) + b"]," + to_json(tail)[1:]
        return Response(body, media_type="application/json", headers={"Outdial-Position": str(self.position or 0)})


async def _add_many(request: Request, outdial_id: str, body: dict[str, Any], wishes: dict[str, Any]) -> Response:
    items = body["targets"]
    if not isinstance(items, list):
        raise Refused(ARGUMENT, "field_invalid", "targets must be a list")
    if len(items) > MANY:
        raise by_rule("too_many_targets", f"a body may have {MANY} targets, this one has {len(items)}; use import for longer lists")
    wishes |= picked(body, ("dry_run",))
    outcome = Outcome()
    base = command_id(request)
    for number, part in enumerate(_parts(items, outcome)):
        fixed = {"id": item_id(base, number), "customer_id": customer_of(request), "outdial_id": outdial_id}
        command = made(AddTargets, {**wishes, **fixed, "targets": [item.target for item in part]})
        [answer] = await door_of(request).send([asked_by(request, command)])
        if answer.result == "rejected":
            if not number or answer.reason == "id_reused":
                raise by_rule(answer.reason, answer.message)
            for item in part:
                outcome.refuse(item.number, answer.reason, answer.message)
        else:
            _note(request, command, answer, part, outcome)
            await asyncio.sleep(0)
    return outcome.response(dry_run=bool(wishes.get("dry_run")))


def _parts(items: Sequence[Any], outcome: Outcome) -> Iterator[list[Numbered]]:
    """The valid items in parts that fit a command, at least one (empty) part; the others are noted as errors."""
    part: list[Numbered] = []
    size, first = 0, True
    for index, value in enumerate(items):
        try:
            target = made(NewTarget, _fields(value))
        except Refused as why:
            outcome.refuse(index, why.rule, why.message)
            continue
        length = len(encode(target)) + 1
        if length > ROOM:
            outcome.refuse(index, "too_large", f"a target may have {ROOM} bytes in all")
            continue
        if len(part) == AT_ONCE or size + length > ROOM:
            yield part
            part, size, first = [], 0, False
        part.append(Numbered(index, target))
        size += length
    if part or first:
        yield part


def _note(request: Request, command: AddTargets, answer: Answer, part: list[Numbered], outcome: Outcome) -> None:
    """Note what became of the targets of one command."""
    door, outdial = door_of(request), found_outdial(request, command.outdial_id)
    notes = {item.index: item for item in answer.items}
    ids = [_id_of(command, place, notes.get(place)) for place in range(len(part))]
    rows = {row.id: row for row in targets.many(door.reader, outdial.id, [target_id for target_id in ids if target_id is not None])}
    times = times_of(request)
    for place, item in enumerate(part):
        note, row = notes.get(place), rows.get(ids[place] or "")
        if note is not None and note.result == "skipped":
            outcome.skipped.append({"index": item.number, "existing_id": note.existing_id, "reason": note.reason or "duplicate"})
        elif note is not None and note.result == "rejected":
            outcome.refuse(item.number, note.reason, note.message, note.existing_id)
        elif command.dry_run:
            outcome.would_add += note is None
        elif row is not None:
            outcome.added.append(to_json(shapes.target(row, outdial.plan, times)))
        else:
            outcome.refuse(item.number, "not_added", "the first answer to this request said why; send it under another Idempotency-Key")
    at = Position.parse(answer.position, door.ledger.position.partitions)
    outcome.position = at if outcome.position is None else outcome.position.merged(at)


def _id_of(command: AddTargets, place: int, note: Item | None) -> str | None:
    """The id of the target at a place of a command; None when it did not become one."""
    if note is None:
        return item_id(command.id or "", place)
    return note.target_id if note.result == "exists" else None
