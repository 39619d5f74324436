"""Outdials: which lists are there, is one dialing, by which plan, and why did its last run end? Source: contract 2.2."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import Any, Final

from outdial.envelope import Event
from outdial.events import (
    DialingDraining,
    DialingFinished,
    DialingPaused,
    DialingResumed,
    DialingStarted,
    DialingStopped,
    OutdialCreated,
    OutdialDeleted,
    OutdialUpdated,
    PlanApplied,
)
from outdial.plan import Plan
from outdial.scalars import ZERO_ID
from outdial.views import counts
from outdial.views.counts import GONE, Began, Calendar, InForce, Stats
from outdial.views.rows import Before, Write, cursor_of, one_moment, writes
from outdial.wire import encode, from_json, to_json

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS outdial (
        position INTEGER PRIMARY KEY,   -- of OutdialCreated; what other tables call the outdial by
        id TEXT NOT NULL UNIQUE,
        customer_id TEXT,
        campaign_id TEXT,
        name TEXT,
        detail TEXT,
        data TEXT,
        dialing TEXT,                   -- run, stop, stopping (which is stop once no attempt is open)
        run INTEGER,                    -- ordinal of the last run, 0 = never ran
        run_campaign_id TEXT,
        campaign_type TEXT,
        end_handle TEXT,
        outplan_id TEXT,                -- of the last run
        plan TEXT,                      -- in force, JSON; '' = none yet
        plan_version INTEGER,
        ended_how TEXT,                 -- of the last run; '' while it runs
        ended_reason TEXT,
        run_requests INTEGER,
        paused TEXT,                    -- since when, by whom and why the run is paused, JSON; '' = it is not
        draining TEXT,                  -- the same of a run that begins with nobody new
        tm_create INTEGER,
        tm_update INTEGER,
        tm_delete INTEGER
    )
    """,
    "CREATE INDEX IF NOT EXISTS outdial_page ON outdial (customer_id, tm_create)",
)
TABLES: Final = ("outdial",)
LOAD: Final = """
    SELECT json_group_array(json_array(outdial.position, outdial.id, outdial.customer_id, outdial.plan))
    FROM json_each(:outdials) AS wanted CROSS JOIN outdial ON outdial.id = wanted.value
"""
_COLUMNS: Final = """position, id, customer_id, campaign_id, name, detail, data, dialing, run, run_campaign_id, campaign_type, end_handle,
    outplan_id, plan, plan_version, ended_how, ended_reason, run_requests, paused, draining, tm_create, tm_update, tm_delete"""
DIGEST: Final = f"""
    SELECT json_group_array(json_array({_COLUMNS})), max(position)
    FROM (SELECT * FROM outdial WHERE position > ? ORDER BY position LIMIT 500)
"""
_SAVE: Final = f"""
    INSERT INTO outdial ({_COLUMNS})
    SELECT * FROM {{rows}} WHERE column1 IS NOT NULL
    ON CONFLICT (position) DO UPDATE SET
        campaign_id = coalesce(excluded.campaign_id, campaign_id),
        name = coalesce(excluded.name, name),
        detail = coalesce(excluded.detail, detail),
        data = coalesce(excluded.data, data),
        dialing = coalesce(excluded.dialing, dialing),
        run = coalesce(excluded.run, run),
        run_campaign_id = coalesce(excluded.run_campaign_id, run_campaign_id),
        campaign_type = coalesce(excluded.campaign_type, campaign_type),
        end_handle = coalesce(excluded.end_handle, end_handle),
        outplan_id = coalesce(excluded.outplan_id, outplan_id),
        plan = coalesce(excluded.plan, plan),
        plan_version = coalesce(excluded.plan_version, plan_version),
        ended_how = coalesce(excluded.ended_how, ended_how),
        ended_reason = coalesce(excluded.ended_reason, ended_reason),
        run_requests = coalesce(excluded.run_requests, run_requests),
        paused = coalesce(excluded.paused, paused),
        draining = coalesce(excluded.draining, draining),
        tm_update = coalesce(excluded.tm_update, tm_update),
        tm_delete = coalesce(excluded.tm_delete, tm_delete)
"""
_SELECT: Final = f"""
    SELECT {_COLUMNS},
        coalesce((SELECT n FROM tally WHERE outdial = position AND subject = 'attempt' AND state = 'open' AND outcome = ''), 0)
    FROM outdial
"""
_GET: Final = f"{_SELECT} WHERE id = ? AND customer_id = ?"
_PAGE: Final = f"""
    {_SELECT}
    WHERE customer_id = :customer
        AND (tm_create, position) < (:time, coalesce((SELECT position FROM outdial WHERE id = :last), 0))
        AND (:deleted OR tm_delete IS NULL)
    ORDER BY tm_create DESC, position DESC LIMIT :limit
"""
_IN_FORCE: Final = "SELECT position, plan, campaign_type, dialing, paused, draining, tm_delete FROM outdial WHERE id = ?"

# --- from events to rows --------------------------------------------------------------------------------


@dataclass(slots=True)
class Row:
    """What a batch makes of an outdial, in the order of the columns; None = as it is in the table."""

    position: int
    id: str
    customer_id: str
    campaign_id: str | None = None
    name: str | None = None
    detail: str | None = None
    data: str | None = None
    dialing: str | None = None
    run: int | None = None
    run_campaign_id: str | None = None
    campaign_type: str | None = None
    end_handle: str | None = None
    outplan_id: str | None = None
    plan: str | None = None
    plan_version: int | None = None
    ended_how: str | None = None
    ended_reason: str | None = None
    run_requests: int | None = None
    paused: str | None = None
    draining: str | None = None
    tm_create: int | None = None
    tm_update: int | None = None
    tm_delete: int | None = None
    changed: bool = False
    in_force: str = ""
    """The plan as it is now, changed by the batch or not."""


def loaded(found: list[list[Any]]) -> dict[str, Row]:
    """The rows LOAD found, by id."""
    return {outdial_id: Row(position, outdial_id, customer_id, in_force=plan) for position, outdial_id, customer_id, plan in found}


def known(before: dict[str, Row], wanted: Iterable[str]) -> dict[str, Row]:
    """Rows of the batch before, as the next finds them."""
    return {
        key: Row(row.position, row.id, row.customer_id, in_force=row.in_force) for key in wanted if (row := before.get(key)) is not None
    }


def apply(rows: dict[str, Row], position: int, event: Event) -> None:
    """Fold one event of an outdial. ``tm_update`` moves with what the outdial is, not with its dialing."""
    data = event.data
    if isinstance(data, OutdialCreated):
        rows[event.stream] = _created(position, event, data)
        return
    row = rows[event.stream]
    match data:
        case OutdialUpdated():
            for name, value in data.given:
                setattr(row, name, value)
            row.tm_update = event.time
        case OutdialDeleted():
            row.tm_update = row.tm_delete = event.time
        case DialingStarted():
            row.dialing, row.run, row.run_campaign_id, row.campaign_type = "run", data.run, data.campaign_id, data.campaign_type
            row.end_handle, row.outplan_id = data.end_handle, data.outplan_id
            row.ended_how, row.ended_reason, row.run_requests = "", "", 0
            row.paused = row.draining = ""
        case DialingPaused():
            row.paused = _held(event, data.reason)
        case DialingResumed():
            row.paused = ""
        case DialingDraining():
            row.draining = _held(event, data.reason)
        case PlanApplied():
            row.plan, row.plan_version, row.outplan_id = encode(data.plan).decode(), data.version, data.outplan_id
            row.in_force = row.plan
        case DialingStopped():
            row.dialing, row.ended_how, row.ended_reason, row.run_requests = "stopping", data.how, data.reason or "", data.requests
            row.paused = row.draining = ""
        case DialingFinished():
            row.dialing, row.ended_how, row.ended_reason, row.run_requests = "stopping", "finished", "", data.requests
            row.paused = row.draining = ""
        case _:
            return
    row.changed = True


def _held(event: Event, reason: str | None) -> str:
    return to_json({"since": event.time, "by": event.actor, "reason": reason}).decode()


def _created(position: int, event: Event, data: OutdialCreated) -> Row:
    return Row(
        position,
        event.stream,
        data.customer_id,
        data.campaign_id,
        data.name,
        data.detail,
        data.data,
        dialing="stop",
        run=0,
        run_campaign_id=ZERO_ID,
        campaign_type="",
        end_handle="continue",
        outplan_id=ZERO_ID,
        plan="",
        plan_version=0,
        ended_how="",
        ended_reason="",
        run_requests=0,
        paused="",
        draining="",
        tm_create=event.time,
        changed=True,
    )


def save(rows: dict[str, Row]) -> Iterator[Write]:
    """What writes what a batch changed."""
    return writes(_SAVE, 23, [astuple(row)[:-2] for row in rows.values() if row.changed])


# --- questions ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """What somebody did to hold a run back."""

    since: int
    """Microseconds."""
    by: str | None
    """The actor of the command."""
    reason: str | None


@dataclass(slots=True)
class Outdial:
    """An outdial; instants in microseconds, None = not yet."""

    position: int
    id: str
    customer_id: str
    campaign_id: str
    name: str
    detail: str
    data: str
    dialing: str
    """``run``, ``stopping`` (no request any more, attempts still open) or ``stop``."""
    run: int
    """Ordinal of the last run; 0 = never ran."""
    run_campaign_id: str
    campaign_type: str
    end_handle: str
    outplan_id: str
    """The outplan of the last run."""
    plan: Plan | None
    """The plan in force; it is kept after a stop."""
    plan_version: int
    ended_how: str | None
    """How the last run ended; None while it runs, or when there was none."""
    ended_reason: str | None
    run_requests: int
    """Requests of the last run, once it has ended."""
    paused: Held | None
    """None: no request is held back by a pause."""
    draining: Held | None
    """None: who was never tried is called too."""
    tm_create: int
    tm_update: int | None
    tm_delete: int | None
    open_attempts: int


def get(db: sqlite3.Connection, customer_id: str, outdial_id: str) -> Outdial | None:
    """One outdial, deleted or not; None when this customer has no such outdial."""
    found = db.execute(_GET, (outdial_id, customer_id)).fetchone()
    return None if found is None else _outdial(found)


def page(db: sqlite3.Connection, customer_id: str, before: Before, limit: int, deleted: bool = False) -> list[Outdial]:  # noqa: FBT001, FBT002  reads as the query it comes from
    """A customer's outdials, newest first."""
    found = db.execute(_PAGE, {"customer": customer_id, **cursor_of(before, limit, deleted=deleted)})
    return [_outdial(row) for row in found.fetchall()]


def stats(db: sqlite3.Connection, outdial_id: str, now: int) -> Stats:
    """The numbers of an outdial at an instant (microseconds); all 0 when there is no such outdial."""
    with one_moment(db):
        return counts.stats(db, *_in_force(db, outdial_id), now)


def calendar(db: sqlite3.Connection, outdial_id: str, now: int, step: int, steps: int) -> Calendar:
    """When the targets of an outdial fall due, by ``steps`` steps of ``step`` microseconds from an instant on."""
    with one_moment(db):
        return counts.calendar(db, *_in_force(db, outdial_id), now, step, steps)


def idle(db: sqlite3.Connection, outdial_id: str, now: int, standing: str) -> list[Began]:
    """Which of the idle targets of an outdial stand so at an instant; see :func:`outdial.views.counts.idle`."""
    with one_moment(db):
        return counts.idle(db, *_in_force(db, outdial_id), now, standing)


def _in_force(db: sqlite3.Connection, outdial_id: str) -> tuple[int, InForce]:
    """The position of an outdial, 0 when there is none, and what it goes by."""
    found = db.execute(_IN_FORCE, (outdial_id,)).fetchone()
    if found is None:
        return 0, InForce(None)
    position, *facts = found
    return position, in_force(*facts)


def in_force(plan: str, campaign_type: str, dialing: str, paused: str, draining: str, tm_delete: int | None) -> InForce:
    """What an outdial goes by, of the columns of its row."""
    held = GONE if tm_delete is not None else held_by(dialing, unplanned=not plan, paused=bool(paused))
    applied = Plan.model_validate_json(plan) if plan else None
    return InForce(applied, calls_only=campaign_type == "call", draining=bool(draining), held=held)


def held_by(dialing: str, *, unplanned: bool, paused: bool) -> str:
    """The rule that holds every target of an outdial that is not deleted; "": none does."""
    if dialing != "run":
        return "no_run"
    return "plan_pending" if unplanned else "paused" if paused else ""


def _outdial(found: tuple[Any, ...]) -> Outdial:
    outdial = Outdial(*found)
    outdial.plan = Plan.model_validate_json(found[13]) if found[13] else None
    outdial.ended_how, outdial.ended_reason = outdial.ended_how or None, outdial.ended_reason or None
    outdial.paused, outdial.draining = _hold(found[18]), _hold(found[19])
    if outdial.dialing == "stopping" and not outdial.open_attempts:
        outdial.dialing = "stop"
    return outdial


def _hold(text: str) -> Held | None:
    return Held(**from_json(text)) if text else None
