"""Commands of the tests, short: one outdial, its targets by number, one outplan, campaigns by number."""

from typing import Any

from outdial.address import Address
from outdial.commands import (
    AddSuppressions,
    AddTarget,
    AskWhy,
    ClaimDial,
    CreateCampaign,
    CreateOutdial,
    CreateOutplan,
    DeleteTarget,
    DialAnswered,
    DialResult,
    RemoveSuppressions,
    ReopenTarget,
    Resources,
    RunCampaign,
    SetDialInfo,
    SetFrequencyCaps,
    StartDialing,
    StopCampaign,
    StopDialing,
)
from outdial.ids import attempt_id
from outdial.plan import Plan
from outdial.suppression import FrequencyCap, FrequencyCaps, NewSuppression, SuppressionRef
from sim import an_id

OUTDIAL, OUTPLAN = an_id("outdial"), an_id("outplan")
US, THEM = an_id("customer"), an_id("another customer")
PLAN = Plan(max_try_count_0=3, try_interval=60_000)


def campaign_id(number: int = 1) -> str:
    return an_id(f"campaign {number}")


def target_id(number: int = 1) -> str:
    return an_id(f"target {number}")


def attempt(ordinal: int = 1, number: int = 1) -> str:
    """The id of an attempt on a target."""
    return attempt_id(OUTDIAL, target_id(number), ordinal)


def tel(number: int = 1) -> Address:
    return Address(type="tel", target=f"+1555{number:07}")


def create(plan: Plan | None = None, **more: Any) -> CreateOutdial:
    return CreateOutdial(**{"outdial_id": OUTDIAL, "plan": plan, "customer_id": US, **more})


def add(number: int = 1, **more: Any) -> AddTarget:
    return AddTarget(**{"outdial_id": OUTDIAL, "target_id": target_id(number), "destination_0": tel(number), **more})


def delete(number: int = 1) -> DeleteTarget:
    return DeleteTarget(outdial_id=OUTDIAL, target_id=target_id(number))


def reopen(number: int = 1, **more: Any) -> ReopenTarget:
    return ReopenTarget(outdial_id=OUTDIAL, target_id=target_id(number), **more)


def start(plan: Plan | None = None, **more: Any) -> StartDialing:
    return StartDialing(outdial_id=OUTDIAL, plan=plan, **more)


def stop(**more: Any) -> StopDialing:
    return StopDialing(outdial_id=OUTDIAL, **more)


def ends(outcome: str, ordinal: int = 1, number: int = 1, **more: Any) -> DialResult:
    wanted = {"outdial_id": OUTDIAL, "target_id": target_id(number), "attempt_id": attempt(ordinal, number), "outcome": outcome}
    return DialResult(**{**wanted, **more})


def picked_up(ordinal: int = 1, number: int = 1) -> DialAnswered:
    return DialAnswered(outdial_id=OUTDIAL, target_id=target_id(number), attempt_id=attempt(ordinal, number))


def claim(worker: str = "w1", ordinal: int = 1, number: int = 1, **more: Any) -> ClaimDial:
    return ClaimDial(outdial_id=OUTDIAL, target_id=target_id(number), attempt_id=attempt(ordinal, number), worker=worker, **more)


def ask(number: int | None = None, **more: Any) -> AskWhy:
    """Why a target, or with no number the outdial, is not being dialed."""
    return AskWhy(**{"outdial_id": OUTDIAL, "target_id": None if number is None else target_id(number), **more})


def outplan(plan: Plan = PLAN, **more: Any) -> CreateOutplan:
    return CreateOutplan(**{"outplan_id": OUTPLAN, "plan": plan, "customer_id": US, **more})


def dial_info(plan: Plan, outplan_id: str = OUTPLAN) -> SetDialInfo:
    return SetDialInfo(outplan_id=outplan_id, plan=plan)


def campaign(number: int = 1, *, outdial_id: str = OUTDIAL, next_campaign: int | None = None, **more: Any) -> CreateCampaign:
    following = {} if next_campaign is None else {"next_campaign_id": campaign_id(next_campaign)}
    resources = Resources(outplan_id=OUTPLAN, outdial_id=outdial_id, **following)
    return CreateCampaign(**{"campaign_id": campaign_id(number), "customer_id": US, "resources": resources, **more})


def run(number: int = 1, **more: Any) -> RunCampaign:
    return RunCampaign(campaign_id=campaign_id(number), **more)


def halt(number: int = 1, **more: Any) -> StopCampaign:
    return StopCampaign(campaign_id=campaign_id(number), **more)


def number(which: int = 1) -> dict[str, Any]:
    """An entry: the number of a target."""
    return {"address": tel(which)}


def suppress(*entries: dict[str, Any], **more: Any) -> AddSuppressions:
    return AddSuppressions(**{"customer_id": US, "entries": tuple(NewSuppression(**entry) for entry in entries), **more})


def allow(*entries: dict[str, Any], **more: Any) -> RemoveSuppressions:
    return RemoveSuppressions(**{"customer_id": US, "entries": tuple(SuppressionRef(**entry) for entry in entries), **more})


def caps(*rules: tuple[int, int], gap: int = 0, **more: Any) -> SetFrequencyCaps:
    """Rules are (count, microseconds); the gap is microseconds."""
    made = tuple(FrequencyCap(count=count, per_ms=per // 1_000) for count, per in rules)
    return SetFrequencyCaps(**{"customer_id": US, "caps": FrequencyCaps(rules=made, min_gap_ms=gap // 1_000), **more})
