"""Rows of the views as the contract's resources. Source: contract 2, C3 to C5, C9, C12, C13."""

from typing import Any

from outdial.address import SLOTS, Address
from outdial.doors.api.deps import is_id
from outdial.doors.api.paging import Times
from outdial.plan import CAP_FIELDS, Plan, RetryMode
from outdial.position import Position
from outdial.scalars import ZERO_ID
from outdial.views.accounts import AccessKey, Customer, User
from outdial.views.calls import Call
from outdial.views.campaigns import Campaign
from outdial.views.counts import Stats
from outdial.views.outdials import Held, Outdial
from outdial.views.outplans import Outplan
from outdial.views.suppressions import Suppression
from outdial.views.targets import Target

_UNKNOWN = (None,) * SLOTS
_NONE_LEFT = (0,) * SLOTS


def outdial(row: Outdial, times: Times) -> dict[str, Any]:
    """Contract 2.2."""
    return {
        "id": row.id,
        "customer_id": row.customer_id,
        "campaign_id": row.campaign_id,
        "name": row.name,
        "detail": row.detail,
        "data": row.data,
        "tm_create": times(row.tm_create),
        "tm_update": times(row.tm_update),
        "tm_delete": times(row.tm_delete),
    }


def target(row: Target, plan: Plan | None, times: Times) -> dict[str, Any]:
    """Contract 2.3 with C3 to C5: ``plan`` is the one in force, for the tries that are left."""
    destinations, tries = row.destinations, row.try_counts
    left = _tries_left(row, plan)
    return {
        "id": row.id,
        "outdial_id": row.outdial_id,
        "name": row.name,
        "detail": row.detail,
        "data": row.data,
        "status": row.status,
        "lifecycle": row.lifecycle,
        "destination_0": destinations[0],
        "destination_1": destinations[1],
        "destination_2": destinations[2],
        "destination_3": destinations[3],
        "destination_4": destinations[4],
        "try_count_0": tries[0],
        "try_count_1": tries[1],
        "try_count_2": tries[2],
        "try_count_3": tries[3],
        "try_count_4": tries[4],
        "try_count_max": row.try_count_max,
        "try_count_current": sum(tries),
        "try_count_remaining_0": left[0],
        "try_count_remaining_1": left[1],
        "try_count_remaining_2": left[2],
        "try_count_remaining_3": left[3],
        "try_count_remaining_4": left[4],
        "priority": row.priority,
        "time_zone": row.time_zone,
        "zones": row.zones,
        "expires_at": None if row.expires_at is None else times(row.expires_at),
        "call_back_at": times(row.waits_until) if row.waits_until is not None and row.status == "idle" else None,
        "tm_create": times(row.tm_create),
        "tm_update": times(row.tm_update),
        "tm_delete": times(row.tm_delete),
    }


def _tries_left(row: Target, plan: Plan | None) -> tuple[int | None, ...]:
    """Tries each destination has under the plan; unknown without one, and where it counts by outcome."""
    if plan is None or plan.retry_mode is RetryMode.RESULT:
        return _UNKNOWN
    spent = sum(row.try_counts)
    in_all = min((cap - spent for cap in (row.try_count_max, plan.max_attempts) if cap is not None), default=None)
    if in_all is not None and in_all <= 0:
        return _NONE_LEFT
    return tuple(
        max(0, cap - tried if in_all is None else min(cap - tried, in_all)) if destination else 0
        for cap, tried, destination in zip(plan.caps, row.try_counts, row.destinations, strict=True)
    )


def plan_fields(plan: Plan) -> dict[str, Any]:
    """The fields of a plan, its source with all five keys."""
    caps = dict(zip(CAP_FIELDS, plan.caps, strict=True))
    return {
        "source": _address(plan.source),
        "dial_timeout": plan.dial_timeout,
        "try_interval": plan.try_interval,
        **caps,
        "retry_mode": plan.retry_mode.value,
        "max_attempts": plan.max_attempts,
        "max_concurrent": plan.max_concurrent,
        "calls_per_second": plan.calls_per_second,
        "pickup_timeout": plan.pickup_timeout,
        "result_grace": plan.result_grace,
        "max_call_duration": plan.max_call_duration,
        "windows": None if plan.windows is None else plan.windows.model_dump(mode="json"),
        "time_zone": plan.time_zone,
        "result_policy": None if plan.result_policy is None else plan.result_policy.model_dump(mode="json", exclude_none=True),
    }


def _address(address: Address | None) -> dict[str, str] | None:
    return None if address is None else address.model_dump()


def outplan(row: Outplan, times: Times) -> dict[str, Any]:
    """Contract 2.4."""
    return {
        "id": row.id,
        "customer_id": row.customer_id,
        "name": row.name,
        "detail": row.detail,
        **plan_fields(row.plan),
        "tm_create": times(row.tm_create),
        "tm_update": times(row.tm_update),
        "tm_delete": times(row.tm_delete),
    }


def campaign(row: Campaign, times: Times) -> dict[str, Any]:
    """Contract 2.5. ``ended_how`` and ``ended_reason`` say why the last run ended; null while one goes on."""
    return {
        "id": row.id,
        "customer_id": row.customer_id,
        "type": row.campaign_type,
        "name": row.name,
        "detail": row.detail,
        "status": row.status,
        "service_level": row.service_level,
        "agents": row.agents,
        "end_handle": row.end_handle,
        "actions": row.actions,
        "outplan_id": row.outplan_id,
        "outdial_id": row.outdial_id,
        "queue_id": row.queue_id,
        "next_campaign_id": row.next_campaign_id,
        "ended_how": row.ended_how,
        "ended_reason": row.ended_reason,
        "tm_create": times(row.tm_create),
        "tm_update": times(row.tm_update),
        "tm_delete": times(row.tm_delete),
    }


def campaigncall(row: Call, times: Times) -> dict[str, Any]:
    """Contract 2.6, and what the ledger knows besides."""
    kind, reference = _reference(row)
    return {
        "id": row.id,
        "customer_id": row.customer_id,
        "campaign_id": row.campaign_id,
        "outplan_id": row.outplan_id,
        "outdial_id": row.outdial_id,
        "outdial_target_id": row.target_id,
        "queue_id": row.queue_id,
        "activeflow_id": ZERO_ID,
        "flow_id": ZERO_ID,
        "reference_type": kind,
        "reference_id": reference,
        "status": row.status,
        "result": row.result,
        "source": row.source,
        "destination": row.destination,
        "destination_index": row.destination_index,
        "try_count": row.try_count,
        "outcome": row.outcome,
        "lost": row.lost,
        "call_id": row.call_id,
        "worker": row.worker,
        "tm_create": times(row.tm_create),
        "tm_update": times(row.tm_update),
        "tm_delete": times(row.tm_delete),
    }


def targetcall(row: Call, times: Times) -> dict[str, Any]:
    """Contract 2.7: the same attempt, as its target sees it."""
    kind, reference = _reference(row)
    return {
        "id": row.id,
        "customer_id": row.customer_id,
        "campaign_id": row.campaign_id,
        "outdial_id": row.outdial_id,
        "outdial_target_id": row.target_id,
        "activeflow_id": ZERO_ID,
        "reference_type": "call" if kind == "call" else "none",
        "reference_id": reference,
        "status": "done" if row.status == "done" else "progressing",
        "destination": row.destination,
        "destination_index": row.destination_index,
        "try_count": row.try_count,
        "outcome": row.outcome,
        "lost": row.lost,
        "tm_create": times(row.tm_create),
        "tm_update": times(row.tm_update),
        "tm_delete": times(row.tm_delete),
    }


def open_attempt(row: Call, times: Times) -> dict[str, Any]:
    """An attempt that is not over, for who watches: how long may it ring, how long is its result waited for."""
    return {
        "attempt_id": row.id,
        "target_id": row.target_id,
        "status": row.status,
        "destination": row.destination,
        "destination_index": row.destination_index,
        "try_count": row.try_count,
        "ordinal": row.ordinal,
        "rule": row.rule,
        "worker": row.worker,
        "dial_timeout": row.dial_timeout,
        "requested_at": times(row.tm_create),
        "answered_at": times(row.answered_at),
        "not_after": times(row.not_after),
        "expires_at": times(row.expires_at),
    }


def _reference(row: Call) -> tuple[str, str]:
    """What placed the call: a call of that id, a flow, or nothing known."""
    if row.campaign_type == "flow":
        return "flow", ZERO_ID
    call_id = (row.call_id or "").lower()
    return ("call", call_id if is_id(call_id) else ZERO_ID) if call_id else ("none", ZERO_ID)


def dialing(row: Outdial, times: Times) -> dict[str, Any]:
    """The run of an outdial: whether it dials, by which plan, and how the last run ended."""
    return {
        "outdial_id": row.id,
        "status": row.dialing,
        "run": row.run,
        "campaign_id": row.run_campaign_id,
        "outplan_id": row.outplan_id,
        "plan": None if row.plan is None else plan_fields(row.plan),
        "plan_version": row.plan_version,
        "end_handle": row.end_handle,
        "open": row.open_attempts,
        "paused": _held(row.paused, times),
        "draining": _held(row.draining, times),
        "ended_how": row.ended_how,
        "ended_reason": row.ended_reason,
        "tm_update": times(row.tm_update),
    }


def _held(held: Held | None, times: Times) -> dict[str, Any] | None:
    return None if held is None else {"since": times(held.since), "by": held.by, "reason": held.reason}


def stats(row: Outdial, counts: Stats, position: Position, times: Times) -> dict[str, Any]:
    """Counts of an outdial. ``lifecycle``, ``status`` and ``outcome`` count its live targets, ``ended`` attempts."""
    return {
        "outdial_id": row.id,
        "dialing": row.dialing,
        "paused": row.paused is not None,
        "draining": row.draining is not None,
        "position": str(position),
        "total": counts.total,
        "deleted": counts.deleted,
        "duplicates_skipped": counts.skipped,
        "status": counts.status,
        "lifecycle": counts.lifecycle,
        "outcome": counts.outcome,
        "open_attempts": counts.open_attempts,
        "requested": counts.requested,
        "requested_outside": counts.outside,
        "claimed": counts.claimed,
        "answered": counts.answered,
        "lost": counts.lost,
        "given_back": counts.given_back,
        "ended": counts.ended,
        "waiting": counts.waiting,
        "due_now": counts.due_now,
        "due_outside": counts.due_outside,
        "next_due": times(counts.next_due),
        "opens_at": times(None if counts.opens is None else counts.opens.at),
        "opens_zones": [] if counts.opens is None else [*counts.opens.zones],
        "blocked": counts.blocked,
        "no_tries": counts.no_tries,
    }


def suppression(row: Suppression, times: Times) -> dict[str, Any]:
    """An entry of the suppression list."""
    address = None if row.is_prefix else {"type": row.type, "target": row.target}
    return {
        "id": row.id,
        "address": address,
        "prefix": row.target if row.is_prefix else None,
        "outdial_id": row.outdial_id or ZERO_ID,
        "reason": row.reason,
        "tm_expire": times(row.expires_at),
        "tm_create": times(row.tm_create),
        "tm_update": times(row.tm_update),
    }


def accesskey(row: AccessKey, times: Times) -> dict[str, Any]:
    """An access key as VoIPBIN has it, without the token."""
    return {
        "id": row.id,
        "customer_id": row.customer_id,
        "name": row.name,
        "detail": row.detail,
        "token_prefix": row.token_prefix,
        "purpose": row.purpose,
        "user_id": row.user_id or ZERO_ID,
        "tm_expire": times(row.expires_at),
        "tm_create": times(row.tm_create),
        "tm_update": times(row.tm_update),
        "tm_delete": times(row.tm_delete),
    }


def customer(row: Customer, times: Times) -> dict[str, Any]:
    """A customer."""
    return {"id": row.id, "name": row.name, "detail": row.detail, "tm_create": times(row.tm_create)}


def user(row: User, times: Times) -> dict[str, Any]:
    """Somebody who may log in."""
    return {
        "id": row.id,
        "customer_id": row.customer_id,
        "username": row.username,
        "tm_create": times(row.tm_create),
        "tm_update": times(row.tm_update),
        "tm_delete": times(row.tm_delete),
    }
