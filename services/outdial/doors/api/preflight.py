"""Before a run: what it would come to, and nothing is changed by asking. Source: design section 7."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import AskPreflight
from outdial.doors.api import shapes
from outdial.doors.api.bodies import picked, plan_from, read_object
from outdial.doors.api.campaigns import found as found_campaign
from outdial.doors.api.deps import command_id, customer_of, door_of, is_id, made, path_id, reply, submit
from outdial.doors.api.errors import Refused, by_reference, by_rule
from outdial.doors.api.outdials import found as found_outdial
from outdial.doors.api.outplans import usable
from outdial.doors.api.paging import times_of
from outdial.preflight import Preflight
from outdial.scalars import ZERO_ID
from outdial.views import outdials
from outdial.why import REASONS

router = APIRouter(tags=["why"])
ASSUMES: Final = (
    "every call rings for the whole dial_timeout, nobody answers, "
    "and neither the waits between tries nor the hours in which nobody may be called count"
)


@router.post("/outdials/{id}/preflight")
async def preflight(request: Request) -> Response:
    """What a run would come to if it began now: by ``plan``, ``outplan_id``, the outplan of ``campaign_id``, or else the last plan."""
    body = await read_object(request)
    await door_of(request).ledger.caught_up()
    outdial = found_outdial(request, path_id(request))
    wishes = _wishes(request, body)
    command = made(AskPreflight, {**wishes, "id": command_id(request), "customer_id": customer_of(request), "outdial_id": outdial.id})
    answer, times = await submit(request, command), times_of(request)
    found, plan = answer.facts, command.plan or outdial.plan
    assert isinstance(found, Preflight)  # noqa: S101  the question was this one
    reached = outdials.stats(door_of(request).reader, outdial.id, found.at).lifecycle["finished"]
    skipped = {"reached": reached, "attempt_open": found.open, **{held.why: held.targets for held in found.skipped}}
    told = {
        "outdial_id": outdial.id,
        "at": times(found.at),
        "position": answer.position,
        "plan": None if plan is None else shapes.plan_fields(plan),
        "dialable_now": found.dialable_now,
        "due_later": found.due_later,
        "next_at": times(found.next_at),
        "last_at": times(found.last_at),
        "brought_back": found.brought_back,
        "by_destination": found.by_destination,
        "attempts_at_most": found.attempts_at_most,
        "skipped": [{"why": why, "says": reason.says, "targets": skipped[why]} for why, reason in REASONS.items() if skipped.get(why)],
        "estimate": {**found.estimate.model_dump(), "assumes": ASSUMES},
        "warnings": [],
    }
    return reply(told, answer)


def _wishes(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """The plan and the kind of campaign the body asks about.

    Raises:
        Refused: they are ambiguous, or name what is not there.
    """
    named = picked(body, ("outplan_id", "campaign_id"))
    for name, value in named.items():
        if not isinstance(value, str) or not is_id(value.lower()):
            raise by_rule("field_invalid", f"{name} must be a UUID")
    plan = None if body.get("plan") is None else plan_from(body["plan"], at="/plan")
    outplan_id, wishes = named.get("outplan_id"), dict[str, Any]()
    try:
        if "campaign_id" in named:
            campaign = found_campaign(request, named["campaign_id"].lower())
            wishes["campaign_type"] = campaign.campaign_type
            if plan is None and outplan_id is None and campaign.outplan_id != ZERO_ID:
                outplan_id = campaign.outplan_id
        if plan is not None and outplan_id is not None:
            raise by_rule("plan_ambiguous", "name a plan or an outplan_id, not both")
        if outplan_id is not None:
            plan = usable(request, outplan_id.lower()).plan
    except Refused as why:
        raise by_reference(why.rule, why.message) from None
    return wishes if plan is None else {**wishes, "plan": plan}
