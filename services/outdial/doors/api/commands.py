"""Commands in their own words: one, or one a line. Source: design sections 4 and 7."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import Command, CreateCampaign, UpdateCampaign
from outdial.doors.api.bodies import JSON_TYPES, LARGE, LINES_TYPES, MANY, check_actions, media_type_of, read_bytes
from outdial.doors.api.deps import Door, asked_by, command_id, customer_of, door_of, reply, submit
from outdial.doors.api.errors import Refused, by_form, by_rule
from outdial.ids import item_id
from outdial.requests import Answer
from outdial.wire import Malformed, decode_command, to_json

router = APIRouter(tags=["commands"])
AT_ONCE: Final = 500
"""Commands that are submitted together."""


@router.post("/commands")
async def send_commands(request: Request) -> Response:
    """One command (``application/json``), or one a line (``application/x-ndjson``, 10,000 at most), answered in kind."""
    types = JSON_TYPES | LINES_TYPES
    if media_type_of(request, types) in LINES_TYPES:
        body = await read_bytes(request, LARGE, types)
        return await _many(request, bytes(body))
    command = _decoded(bytes(await read_bytes(request, LARGE)), customer_of(request), command_id(request))
    answer = await submit(request, command)
    return reply(_told(answer), answer)


def _decoded(text: bytes, customer_id: str, command_id: str) -> Command:
    """The command a text spells, as the caller's own.

    Raises:
        Refused: malformed, another customer's, or one that only the ledger writes.
    """
    try:
        command = decode_command(text)
    except Malformed as why:
        raise by_form(why) from None
    if command.from_ledger_only:
        raise by_rule("internal_command", "this command, or this form of it, is the ledger's own; it is not taken from outside")
    if command.kind == "account":
        raise by_rule("account_denied", "customers, users and access keys have routes of their own: /customers and /accesskeys")
    if command.customer_id not in (None, customer_id):
        raise by_rule("customer_denied", "customer_id is not the one your token belongs to; leave it out")
    if isinstance(command, CreateCampaign | UpdateCampaign):
        check_actions(command.actions)
    return command.model_copy(update={"customer_id": customer_id, "id": command.id or command_id})


async def _many(request: Request, body: bytes) -> Response:
    """A line of answer for each line of input that is not blank."""
    if body.count(b"\n") + (not body.endswith(b"\n")) > MANY:
        raise by_rule("too_many_items", f"a body may have {MANY} lines; send more in further requests")
    door, base = door_of(request), command_id(request)
    answered: list[bytes] = []
    waiting: list[tuple[int, Command | Refused]] = []
    for number, line in _lines(body):
        try:
            waiting.append((number, asked_by(request, _decoded(line, customer_of(request), item_id(base, number)))))
        except Refused as why:
            waiting.append((number, why))
        if len(waiting) == AT_ONCE:
            answered += await _answered(door, waiting)
            waiting = []
            # Lines that are all refused send nothing, and so wait for nothing.
            await asyncio.sleep(0)
    answered += await _answered(door, waiting)
    return Response(b"".join(answered), media_type="application/x-ndjson", headers={"Outdial-Position": str(door.ledger.position)})


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines with their number from 1, without the blank ones."""
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.strip():
            yield number, line


async def _answered(door: Door, waiting: list[tuple[int, Command | Refused]]) -> list[bytes]:
    commands = [command for _, command in waiting if isinstance(command, Command)]
    answers = iter(await door.send(commands) if commands else [])
    return [_line(number, next(answers) if isinstance(found, Command) else found) for number, found in waiting]


def _line(number: int, found: Answer | Refused) -> bytes:
    told = _told(found) if isinstance(found, Answer) else {"result": "rejected", "reason": found.rule, "message": found.message}
    return to_json({"line": number, **told}) + b"\n"


def _told(answer: Answer) -> dict[str, Any]:
    """An answer without what it does not say."""
    return answer.model_dump(exclude_none=True, exclude_defaults=True) | {"position": answer.position}
