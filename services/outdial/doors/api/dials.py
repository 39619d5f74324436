"""The worker's side: dial requests as a log to read, and the words that answer them. Source: design section 7."""

import asyncio
from collections.abc import Sequence
from functools import reduce
from typing import Any, Final
from zlib import crc32

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import ClaimDial, Command, DialAnswered, DialResult
from outdial.doors.api.auth import still_let_in
from outdial.doors.api.bodies import LARGE, MANY, as_object, needed, picked, read_json, read_object
from outdial.doors.api.deps import (
    Door,
    asked_by,
    caller_of,
    command_id,
    customer_of,
    door_of,
    is_id,
    made,
    position_after,
    reply,
    submit,
    whole_number,
)
from outdial.doors.api.errors import NO_CALL, PARAMETER, Refused, by_claim, by_rule
from outdial.ids import item_id
from outdial.position import Position
from outdial.requests import Answer
from outdial.views import calls
from outdial.wire import to_json

router = APIRouter(tags=["dials"])
USUAL: Final = 100
MOST: Final = 1_000
LONGEST_WAIT_MS: Final = 30_000
MOST_SHARES: Final = 1_024
RESULT_FIELDS: Final = ("attempt_id", "outcome", "answered", "started_at", "ended_at", "call_id", "call_back_at")
PAGES_AT_ONCE: Final = 16
"""Pages read for one answer; a share of few targets may find nothing in many."""


class Share:
    """One of ``n`` parts of all targets; everything when there is one part."""

    def __init__(self, text: str | None) -> None:
        part, slash, parts = (text or "0/1").partition("/")
        numbers = part.isascii() and part.isdigit() and parts.isascii() and parts.isdigit() and len(text or "") <= 9  # noqa: PLR2004  two numbers of four digits
        if not (slash and numbers and int(part) < int(parts) <= MOST_SHARES):
            raise Refused(PARAMETER, "field_invalid", f"share must be i/n with 0 <= i < n <= {MOST_SHARES}, such as 0/4")
        self.part, self.parts = int(part), int(parts)

    def has(self, target_id: str) -> bool:
        """Whether a target is in this part."""
        return self.parts == 1 or crc32(target_id.encode()) % self.parts == self.part


@router.get("/dial_requests")
async def list_dial_requests(request: Request) -> Response:
    """Dial requests after a position, oldest first; waits for the next one up to ``wait_ms``.

    A log, not a queue: every reader sees every request of its share, again if it asks again.
    """
    door, customer_id = door_of(request), customer_of(request)
    after = await position_after(request)
    limit = whole_number(request, "limit", USUAL, 1, MOST)
    share = Share(request.query_params.get("share"))
    loop = asyncio.get_running_loop()
    until = loop.time() + whole_number(request, "wait_ms", 0, 0, LONGEST_WAIT_MS) / 1_000
    while True:
        let_in = still_let_in(door, caller_of(request))
        result, after = _requests(door, customer_id, after, limit, share) if let_in else ([], after)
        left = until - loop.time()
        if result or left <= 0 or door.closing or not let_in:
            return reply({"result": result, "next_after": str(after)})
        if door.ledger.position.beyond(after):
            await asyncio.sleep(0)
        else:
            await door.ledger.wait_beyond(after, min(left, 1.0))


def _requests(door: Door, customer_id: str, after: Position, limit: int, share: Share) -> tuple[list[dict[str, Any]], Position]:
    """Requests of a share, and the position up to which there are no others."""
    result: list[dict[str, Any]] = []
    for _ in range(PAGES_AT_ONCE):
        newest = door.ledger.position
        rows, after, more = calls.requests_after(door.reader, customer_id, after, limit)
        for row in rows:
            if share.has(row["target_id"]):
                result.append(row)
                if len(result) == limit:
                    return result, Position.parse(row["position"], after.partitions)
        if not more:
            return result, after.merged(newest)
    return result, after


@router.post("/dial_claims")
async def claim_dial(request: Request) -> Response:
    """Ask, before placing a call, whether it is still wanted; 409 means: do not, and send ``not_dialed``.

    Unless the rule is ``dial_claimed`` or ``attempt_closed``: then say nothing, for the call is another's, or over.
    """
    body = await read_object(request)
    worker = needed(body, "worker")
    [place] = await _places(request, [body])
    command = made(ClaimDial, {**_fields(body, place, ("attempt_id",)), "id": command_id(request), "worker": worker})
    answer = await submit(request, command, by_claim)
    return reply({"attempt_id": command.attempt_id, "worker": command.worker, "position": answer.position}, answer)


@router.post("/dial_answers")
async def say_answered(request: Request) -> Response:
    """The call of an attempt was answered and goes on. One, or a list."""
    return await _say(request, DialAnswered, ("attempt_id",))


@router.post("/dial_results")
async def say_result(request: Request) -> Response:
    """How an attempt ended. One, or a list."""
    return await _say(request, DialResult, RESULT_FIELDS)


async def _say(request: Request, model: type[DialAnswered | DialResult], names: tuple[str, ...]) -> Response:
    body = await read_json(request, LARGE)
    base = command_id(request)
    if not isinstance(body, list):
        [place] = await _places(request, [as_object(body)])
        answer = await submit(request, made(model, {**_fields(body, place, names), "id": base}))
        return reply(_said(body["attempt_id"], answer), answer)
    if len(body) > MANY:
        raise by_rule("too_many_items", f"a body may have {MANY} items, this one has {len(body)}")
    items = [item if isinstance(item, dict) else {} for item in body]
    commands: dict[int, Command] = {}
    refused: dict[int, Refused] = {}
    for index, (item, place) in enumerate(zip(items, await _places(request, items), strict=True)):
        try:
            commands[index] = asked_by(request, made(model, {**_fields(item, place, names), "id": item_id(base, index)}))
        except Refused as why:
            refused[index] = why
    answers = await door_of(request).send(list(commands.values())) if commands else []
    given = dict(zip(commands, answers, strict=True))
    result = [
        _refused(item.get("attempt_id"), refused[index]) if index in refused else _said(item["attempt_id"], given[index])
        for index, item in enumerate(items)
    ]
    return Response(to_json({"result": result}), media_type="application/json", headers={"Outdial-Position": _position(request, answers)})


def _position(request: Request, answers: Sequence[Answer]) -> str:
    """The position at which many answers hold; without any, that of the views."""
    newest = door_of(request).ledger.position
    at = {answer.position for answer in answers}
    return str(reduce(Position.merged, (Position.parse(text, newest.partitions) for text in at)) if at else newest)


Place = dict[str, Any]
"""The customer, outdial and target of an attempt, as far as they are known."""


async def _places(request: Request, items: list[dict[str, Any]]) -> list[Place]:
    """The place of each item; it is looked up by the attempt where it is not said."""
    door, customer_id = door_of(request), customer_of(request)
    wanted = [item["attempt_id"].lower() for item in items if _is_unplaced(item)]
    known = calls.locate(door.reader, customer_id, wanted) if wanted else {}
    if len(known) < len({*wanted}):
        await door.ledger.caught_up()
        known = calls.locate(door.reader, customer_id, wanted)
    places: list[Place] = []
    for item in items:
        place: Place = {"customer_id": customer_id}
        if not _is_unplaced(item):
            place |= picked(item, ("outdial_id", "target_id"))
        else:
            place |= _agreed(item, known.get(item["attempt_id"].lower()))
        places.append(place)
    return places


def _agreed(item: dict[str, Any], found: tuple[str, str] | None) -> Place:
    """The place that was looked up, unless the item names another outdial or target: nobody knows such an attempt."""
    if found is None:
        return {}
    place = dict(zip(("outdial_id", "target_id"), found, strict=True))
    return place if all(str(item.get(name) or known).lower() == known for name, known in place.items()) else {}


def _is_unplaced(item: dict[str, Any]) -> bool:
    return isinstance(item.get("attempt_id"), str) and not (item.get("outdial_id") and item.get("target_id"))


def _fields(item: dict[str, Any], place: Place, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a command about an attempt.

    Raises:
        Refused: CAMPAIGNCALL_NOT_FOUND when nobody knows the attempt.
    """
    attempt_id = needed(item, "attempt_id")
    if not isinstance(attempt_id, str) or not is_id(attempt_id.lower()):
        raise by_rule("field_invalid", "attempt_id must be a UUID")
    if "outdial_id" not in place:
        raise Refused(NO_CALL, "attempt_unknown", "there is no such attempt")
    return {**picked(item, names), **place}


def _said(attempt_id: str, answer: Answer) -> dict[str, Any]:
    """What became of one word."""
    if answer.result == "rejected":
        return _refused(attempt_id, by_rule(answer.reason, answer.message))
    return {"attempt_id": attempt_id.lower(), "result": answer.result, "position": answer.position}


def _refused(attempt_id: Any, why: Refused) -> dict[str, Any]:
    return {
        "attempt_id": attempt_id if isinstance(attempt_id, str) else None,
        "result": "rejected",
        "reason": why.kind.reason,
        "rule": why.rule,
        "message": why.message,
    }
