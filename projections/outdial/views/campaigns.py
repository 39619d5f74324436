"""Campaigns: what do they run, and how did their last run end? Source: contract 2.5."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final

from outdial.envelope import Event
from outdial.events import (
    CampaignCreated,
    CampaignDeleted,
    CampaignResourcesSet,
    CampaignSlotsGranted,
    CampaignStarted,
    CampaignStopped,
    CampaignStopping,
    CampaignUpdated,
)
from outdial.scalars import ZERO_ID
from outdial.views.places import key_of
from outdial.views.rows import Before, Write, cursor_of, writes
from outdial.wire import from_json, to_json

CREATING: Final = 1
"""The first change of a campaign's resources belongs to its creation."""

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS campaign (
        position INTEGER PRIMARY KEY,   -- of CampaignCreated
        id TEXT NOT NULL UNIQUE,
        customer_id TEXT,
        campaign_type TEXT,
        name TEXT,
        detail TEXT,
        status TEXT,                    -- stop, run, stopping
        service_level INTEGER,
        agents INTEGER,                 -- free, as was said last
        end_handle TEXT,
        actions TEXT,                   -- JSON
        outplan_id TEXT,
        outdial_id TEXT,
        queue_id TEXT,
        next_campaign_id TEXT,
        run INTEGER,                    -- ordinal of the last run, 0 = never ran
        chain TEXT,                     -- JSON: campaigns that ran before it since the last dial request
        ended_how TEXT,                 -- of the last run; '' while it runs
        ended_reason TEXT,
        ended_requests INTEGER,
        tm_create INTEGER,
        tm_update INTEGER,
        tm_delete INTEGER,
        refused INTEGER                 -- 1: its creation was refused, so nobody ever sees it
    )
    """,
    "CREATE INDEX IF NOT EXISTS campaign_page ON campaign (customer_id, tm_create)",
)
TABLES: Final = ("campaign",)
LOAD: Final = """
    SELECT json_group_array(json_array(campaign.position, campaign.id))
    FROM json_each(:campaigns) AS wanted CROSS JOIN campaign ON campaign.id = wanted.value
"""
_COLUMNS: Final = """position, id, customer_id, campaign_type, name, detail, status, service_level, agents, end_handle, actions, outplan_id,
    outdial_id, queue_id, next_campaign_id, run, chain, ended_how, ended_reason, ended_requests, tm_create, tm_update, tm_delete"""
DIGEST: Final = f"""
    SELECT json_group_array(json_array({_COLUMNS}, refused)), max(position)
    FROM (SELECT * FROM campaign WHERE position > ? ORDER BY position LIMIT 500)
"""
_SAVE: Final = f"""
    INSERT INTO campaign ({_COLUMNS}, refused)
    SELECT * FROM {{rows}} WHERE column1 IS NOT NULL
    ON CONFLICT (position) DO UPDATE SET
        campaign_type = coalesce(excluded.campaign_type, campaign_type),
        name = coalesce(excluded.name, name),
        detail = coalesce(excluded.detail, detail),
        status = coalesce(excluded.status, status),
        service_level = coalesce(excluded.service_level, service_level),
        agents = coalesce(excluded.agents, agents),
        end_handle = coalesce(excluded.end_handle, end_handle),
        actions = coalesce(excluded.actions, actions),
        outplan_id = coalesce(excluded.outplan_id, outplan_id),
        outdial_id = coalesce(excluded.outdial_id, outdial_id),
        queue_id = coalesce(excluded.queue_id, queue_id),
        next_campaign_id = coalesce(excluded.next_campaign_id, next_campaign_id),
        run = coalesce(excluded.run, run),
        chain = coalesce(excluded.chain, chain),
        ended_how = coalesce(excluded.ended_how, ended_how),
        ended_reason = coalesce(excluded.ended_reason, ended_reason),
        ended_requests = coalesce(excluded.ended_requests, ended_requests),
        tm_update = coalesce(excluded.tm_update, tm_update),
        tm_delete = coalesce(excluded.tm_delete, tm_delete),
        refused = coalesce(excluded.refused, refused)
"""
_GET: Final = f"SELECT {_COLUMNS} FROM campaign WHERE id = ? AND customer_id = ? AND NOT refused"
_PAGE: Final = f"""
    SELECT {_COLUMNS} FROM campaign
    WHERE customer_id = :customer
        AND (tm_create, position) < (:time, coalesce((SELECT position FROM campaign WHERE id = :last), 0))
        AND (:deleted OR tm_delete IS NULL) AND NOT refused
    ORDER BY tm_create DESC, position DESC LIMIT :limit
"""

_QUEUES: Final = """
    SELECT time, body ->> '$.data.resources.queue_id' FROM log
    WHERE stream_key = ? AND stream = ? AND type = 'CampaignResourcesSet' ORDER BY position
"""

# --- from events to rows --------------------------------------------------------------------------------


@dataclass(slots=True)
class Row:
    """What a batch makes of a campaign, in the order of the columns; None = as it is in the table."""

    position: int
    id: str
    customer_id: str | None = None
    campaign_type: str | None = None
    name: str | None = None
    detail: str | None = None
    status: str | None = None
    service_level: int | None = None
    agents: int | None = None
    end_handle: str | None = None
    actions: str | None = None
    outplan_id: str | None = None
    outdial_id: str | None = None
    queue_id: str | None = None
    next_campaign_id: str | None = None
    run: int | None = None
    chain: str | None = None
    ended_how: str | None = None
    ended_reason: str | None = None
    ended_requests: int | None = None
    tm_create: int | None = None
    tm_update: int | None = None
    tm_delete: int | None = None
    refused: int | None = None
    changed: bool = False


def loaded(found: list[list[Any]]) -> dict[str, Row]:
    """The rows LOAD found, by id."""
    return {campaign_id: Row(position, campaign_id) for position, campaign_id in found}


def known(before: dict[str, Row], wanted: Iterable[str]) -> dict[str, Row]:
    """Rows of the batch before, as the next finds them."""
    return {key: Row(row.position, row.id) for key in wanted if (row := before.get(key)) is not None}


def apply(rows: dict[str, Row], position: int, event: Event) -> None:
    """Fold one event of a campaign."""
    data = event.data
    if isinstance(data, CampaignCreated):
        rows[event.stream] = _created(position, event, data)
        return
    row = rows[event.stream]
    match data:
        case CampaignUpdated():
            for name, value in data.given:
                setattr(row, name, to_json(value).decode() if name == "actions" else value)
        case CampaignResourcesSet():
            for name, value in data.resources:
                setattr(row, name, value)
            if data.change == CREATING:
                row.changed = True
                return
        case CampaignSlotsGranted():
            row.agents, row.changed = data.agents, True
            return
        case CampaignStarted():
            row.status, row.run, row.chain = "run", data.run, to_json(data.chain).decode()
            row.ended_how, row.ended_reason, row.ended_requests = "", "", 0
        case CampaignStopping():
            row.status = "stopping"
        case CampaignStopped():
            row.status, row.ended_how, row.ended_reason, row.ended_requests = "stop", data.how, data.reason or "", data.requests
        case CampaignDeleted():
            row.tm_delete, row.refused = event.time, int(data.reason is not None)
        case _:
            return
    row.tm_update, row.changed = event.time, True


def _created(position: int, event: Event, data: CampaignCreated) -> Row:
    return Row(
        position,
        event.stream,
        data.customer_id,
        data.campaign_type,
        data.name,
        data.detail,
        "stop",
        data.service_level,
        0,
        data.end_handle,
        to_json(data.actions).decode(),
        *(ZERO_ID,) * 4,
        run=0,
        chain="[]",
        ended_how="",
        ended_reason="",
        ended_requests=0,
        tm_create=event.time,
        refused=0,
        changed=True,
    )


def save(rows: dict[str, Row]) -> Iterator[Write]:
    """What writes what a batch changed."""
    return writes(_SAVE, 24, [astuple(row)[:-1] for row in rows.values() if row.changed])


# --- questions ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Campaign:
    """A campaign; instants in microseconds, None = not yet. ``ended_...`` tell of the last run, once it is over."""

    position: int
    id: str
    customer_id: str
    campaign_type: str
    name: str
    detail: str
    status: str
    service_level: int
    agents: int
    """Agents of its queue that are free, as was said last."""
    end_handle: str
    actions: list[dict[str, Any]]
    outplan_id: str
    outdial_id: str
    queue_id: str
    next_campaign_id: str
    run: int
    chain: tuple[str, ...]
    ended_how: str | None
    ended_reason: str | None
    ended_requests: int
    tm_create: int
    tm_update: int | None
    tm_delete: int | None


def get(db: sqlite3.Connection, customer_id: str, campaign_id: str) -> Campaign | None:
    """One campaign, deleted or not; None when this customer has no such campaign."""
    found = db.execute(_GET, (campaign_id, customer_id)).fetchone()
    return None if found is None else _campaign(found)


def page(db: sqlite3.Connection, customer_id: str, before: Before, limit: int, deleted: bool = False) -> list[Campaign]:  # noqa: FBT001, FBT002  reads as the query it comes from
    """A customer's campaigns, newest first."""
    found = db.execute(_PAGE, {"customer": customer_id, **cursor_of(before, limit, deleted=deleted)})
    return [_campaign(row) for row in found.fetchall()]


def queues(db: sqlite3.Connection, campaign_id: str) -> list[tuple[int, str]]:
    """Since when a campaign had which queue: (microseconds, id) of each change of its resources."""
    return db.execute(_QUEUES, (key_of(campaign_id), campaign_id)).fetchall()


def queue_at(changes: Sequence[tuple[int, str]], time: int) -> str:
    """The queue a campaign had at an instant; its first, where the instant is before that; the zero id, where it has none."""
    return next((queue_id for since, queue_id in reversed(changes) if since <= time), changes[0][1] if changes else ZERO_ID)


def _campaign(found: tuple[Any, ...]) -> Campaign:
    campaign = Campaign(*found)
    campaign.actions, campaign.chain = from_json(found[10]), tuple(from_json(found[16]))
    campaign.ended_how, campaign.ended_reason = found[17] or None, found[18] or None
    return campaign
