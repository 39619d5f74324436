"""Outdials: the lists, and their runs without a campaign. Source: contract 3.1, design section 7."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import (
    CreateOutdial,
    DeleteOutdial,
    DrainDialing,
    PauseDialing,
    ReopenTargets,
    ResumeDialing,
    SetOutdialCampaign,
    SetOutdialData,
    StartDialing,
    StopDialing,
    UpdateOutdial,
)
from outdial.doors.api import shapes
from outdial.doors.api.bodies import needed, picked, plan_from, read_object
from outdial.doors.api.deps import command_id, customer_of, door_of, is_id, made, path_id, reply, single, submit, version_of
from outdial.doors.api.errors import NO_OUTDIAL, Refused, by_rule
from outdial.doors.api.outplans import usable
from outdial.doors.api.paging import asked, page, times_of
from outdial.ids import item_id
from outdial.requests import Answer
from outdial.scalars import ZERO_ID
from outdial.views import outdials
from outdial.views.outdials import Outdial

router = APIRouter(tags=["outdials"])
SHOWN_OPEN: Final = 100
"""Open attempts that an answer lists."""
HOLDING: Final[dict[str, type[PauseDialing | ResumeDialing | DrainDialing]]] = {
    "pause": PauseDialing,
    "resume": ResumeDialing,
    "drain": DrainDialing,
}
"""What holds a run back or lets it go on, whoever started it."""


def found(request: Request, outdial_id: str) -> Outdial:
    """An outdial of the customer who asks, deleted ones included.

    Raises:
        Refused: OUTDIAL_NOT_FOUND.
    """
    row = outdials.get(door_of(request).reader, customer_of(request), outdial_id)
    if row is None:
        raise Refused(NO_OUTDIAL, "outdial_unknown", "there is no such outdial")
    return row


def _shown(request: Request, outdial_id: str, answer: Answer | None = None) -> Response:
    version = version_of(request, outdial_id)
    return single(request, shapes.outdial(found(request, outdial_id), times_of(request)), version, answer)


@router.get("/outdials/{id}")
async def get_outdial(request: Request) -> Response:
    """One outdial, also when it is deleted."""
    return _shown(request, path_id(request))


@router.get("/outdials")
async def list_outdials(request: Request) -> Response:
    """The outdials, newest first."""
    wanted, times = asked(request), times_of(request)
    rows = outdials.page(door_of(request).reader, customer_of(request), wanted.before, wanted.limit, wanted.deleted)
    return reply(page(rows, wanted, times, lambda row: shapes.outdial(row, times)))


@router.post("/outdials")
async def create_outdial(request: Request) -> Response:
    """Make an outdial. With ``plan`` or ``outplan_id`` it starts dialing at once."""
    body = await read_object(request)
    command = command_id(request)
    fields = picked(body, ("name", "detail", "data", "campaign_id", "outplan_id"))
    if fields.get("campaign_id") == "":
        del fields["campaign_id"]
    if body.get("plan") is not None:
        fields["plan"] = plan_from(body["plan"], at="/plan")
    outdial_id = item_id(command, 0)
    wanted = made(CreateOutdial, {**fields, "id": command, "customer_id": customer_of(request), "outdial_id": outdial_id})
    if wanted.outplan_id is not None:
        await _check_outplan(request, outdial_id, wanted.outplan_id)
    return _shown(request, outdial_id, await submit(request, wanted))


async def _check_outplan(request: Request, outdial_id: str, outplan_id: str) -> None:
    """Refuse what would make an outdial and then not run it: who is refused counts on nothing being there.

    What was made under the same key before is the ledger's to answer, whatever has become of the outplan since.
    """
    door = door_of(request)
    await door.ledger.caught_up()
    if outdials.get(door.reader, customer_of(request), outdial_id) is None:
        usable(request, outplan_id)


@router.put("/outdials/{id}")
async def update_outdial(request: Request) -> Response:
    """Change name or detail; what is absent stays."""
    outdial_id = path_id(request)
    fields = picked(await read_object(request), ("name", "detail"))
    made_of = {**fields, "id": command_id(request), "customer_id": customer_of(request), "outdial_id": outdial_id}
    return _shown(request, outdial_id, await submit(request, made(UpdateOutdial, made_of)))


@router.delete("/outdials/{id}")
async def delete_outdial(request: Request) -> Response:
    """Delete an outdial softly. A running one stops; open attempts still end."""
    outdial_id = path_id(request)
    command = DeleteOutdial(id=command_id(request), customer_id=customer_of(request), outdial_id=outdial_id)
    return _shown(request, outdial_id, await submit(request, command))


@router.put("/outdials/{id}/campaign_id")
async def set_outdial_campaign(request: Request) -> Response:
    """Attach to a campaign; the zero id, or a text that is no id, detaches."""
    outdial_id = path_id(request)
    campaign_id = needed(await read_object(request), "campaign_id")
    if not isinstance(campaign_id, str):
        raise by_rule("field_invalid", "campaign_id must be a text")
    fields = {"id": command_id(request), "customer_id": customer_of(request), "outdial_id": outdial_id}
    command = made(SetOutdialCampaign, {**fields, "campaign_id": campaign_id.lower() if is_id(campaign_id.lower()) else ZERO_ID})
    return _shown(request, outdial_id, await submit(request, command))


@router.put("/outdials/{id}/data")
async def set_outdial_data(request: Request) -> Response:
    """Change the opaque data."""
    outdial_id = path_id(request)
    fields = {"id": command_id(request), "customer_id": customer_of(request), "outdial_id": outdial_id}
    command = made(SetOutdialData, {**fields, "data": needed(await read_object(request), "data")})
    return _shown(request, outdial_id, await submit(request, command))


@router.get("/outdials/{id}/dialing")
async def get_dialing(request: Request) -> Response:
    """Whether an outdial dials, by which plan, and how its last run ended."""
    return reply(shapes.dialing(found(request, path_id(request)), times_of(request)))


@router.put("/outdials/{id}/dialing")
async def set_dialing(request: Request) -> Response:
    """Run or stop an outdial without a campaign; pause, resume or drain any run. A run takes ``plan`` or ``outplan_id``, else the last."""
    outdial_id = path_id(request)
    body = await read_object(request)
    fields = {"id": command_id(request), "customer_id": customer_of(request), "outdial_id": outdial_id}
    match needed(body, "status"):
        case "run":
            wishes = picked(body, ("outplan_id", "end_handle"))
            if body.get("plan") is not None:
                wishes["plan"] = plan_from(body["plan"], at="/plan")
            answer = await submit(request, made(StartDialing, {**fields, **wishes}))
        case "stop":
            answer = await submit(request, made(StopDialing, {**fields, **picked(body, ("reason",))}))
        case str() as status if status in HOLDING:
            answer = await submit(request, made(HOLDING[status], {**fields, **picked(body, ("reason",))}))
        case _:
            raise by_rule("field_invalid", "status must be run, stop, pause, resume or drain")
    shown = shapes.dialing(found(request, outdial_id), times_of(request))
    return reply({**shown, "open_attempts": answer.open[:SHOWN_OPEN], "open_count": len(answer.open) + answer.open_more}, answer)


@router.post("/outdials/{id}/reopen")
async def reopen_targets(request: Request) -> Response:
    """Give all their tries again to the targets whose last attempt ended in one of ``outcomes``. Many are reopened a thousand at a time."""
    outdial_id = path_id(request)
    outcomes = needed(await read_object(request), "outcomes")
    fields = {"id": command_id(request), "customer_id": customer_of(request), "outdial_id": outdial_id}
    answer = await submit(request, made(ReopenTargets, {**fields, "outcomes": outcomes}))
    return reply(shapes.dialing(found(request, outdial_id), times_of(request)), answer)


@router.get("/outdials/{id}/stats")
async def get_stats(request: Request) -> Response:
    """Counts by state and outcome, what is due now and next, open attempts."""
    door = door_of(request)
    row = found(request, path_id(request))
    position = door.ledger.position
    return reply(shapes.stats(row, outdials.stats(door.reader, row.id, door.ledger.now()), position, times_of(request)))
