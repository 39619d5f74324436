"""Attempts: which calls were asked for, and what became of them? Source: contract 2.6, 3.5; design section 4.

The position of an attempt is that of its DialRequested, so reading dial requests in order of the log is
reading this table in order of its key, partition by partition.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

from outdial.address import dialable
from outdial.codec import encode_compact
from outdial.envelope import Event
from outdial.events import DialAnswered, DialClaimed, DialDeleted, DialEnded, DialRequested, TargetFinished
from outdial.ids import event_id
from outdial.position import Position, Reading
from outdial.scalars import SECOND_US, ZERO_ID, format_instant
from outdial.views import campaigns, history, targets
from outdial.views.counts import Tally
from outdial.views.outdials import Row as OutdialRow
from outdial.views.places import key_of
from outdial.views.rows import Before, Write, cursor_of, merged, writes
from outdial.wire import from_json, to_json

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS call (
        position INTEGER PRIMARY KEY,   -- of DialRequested
        id TEXT NOT NULL,
        outdial INTEGER NOT NULL,       -- outdial.position
        target INTEGER NOT NULL,        -- target.position
        previous INTEGER,               -- call.position of the attempt on this target before it
        sequence INTEGER NOT NULL,      -- of DialRequested in its stream
        customer_id TEXT NOT NULL,
        campaign_id TEXT NOT NULL,
        campaign_type TEXT NOT NULL,
        outplan_id TEXT NOT NULL,
        plan_version INTEGER NOT NULL,
        run INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        rule TEXT NOT NULL,
        due_at INTEGER NOT NULL,
        source TEXT,                    -- JSON
        destination_index INTEGER NOT NULL,
        try_count INTEGER NOT NULL,
        dial_timeout INTEGER NOT NULL,
        not_after INTEGER NOT NULL,
        tm_create INTEGER NOT NULL,
        requested_expires_at INTEGER NOT NULL,  -- the lease the request was sent with
        expires_at INTEGER NOT NULL,            -- the lease now
        worker TEXT,
        answered_at INTEGER,
        tm_end INTEGER,
        outcome TEXT,
        lost INTEGER NOT NULL,
        given_back INTEGER NOT NULL,
        late INTEGER NOT NULL,          -- 1: answered after all, said after it was given up as lost
        started_at INTEGER,
        ended_at INTEGER,
        call_id TEXT,
        tm_update INTEGER,
        tm_delete INTEGER
    )
    """,
    "CREATE INDEX IF NOT EXISTS call_page ON call (customer_id, tm_create)",
    "CREATE INDEX IF NOT EXISTS call_open ON call (outdial, tm_create) WHERE outcome IS NULL",
    f"CREATE INDEX IF NOT EXISTS call_page_of_campaign ON call (campaign_id, tm_create) WHERE campaign_id <> '{ZERO_ID}'",
)
TABLES: Final = ("call",)
PACE_FROM: Final = 20_000
"""Attempts that are looked at to tell the pace of an outdial."""
MINUTE_US: Final = 60 * SECOND_US
_FIXED: Final = """position, id, outdial, target, previous, sequence, customer_id, campaign_id, campaign_type, outplan_id, plan_version,
    run, ordinal, rule, due_at, source, destination_index, try_count, dial_timeout, not_after, tm_create, requested_expires_at"""
_CHANGING: Final = (
    "expires_at, worker, answered_at, tm_end, outcome, lost, given_back, late, started_at, ended_at, call_id, tm_update, tm_delete"
)
LOAD: Final = f"""
    SELECT json_group_array(json_array(position, call.id, outdial, {_CHANGING}))
    FROM json_each(:calls) AS wanted
    CROSS JOIN call ON call.id = json_extract(wanted.value, '$[1]') AND position IN (
        SELECT position FROM place WHERE key = json_extract(wanted.value, '$[0]')
        UNION ALL SELECT position FROM place_new WHERE key = json_extract(wanted.value, '$[0]')
    )
"""
DIGEST: Final = f"""
    SELECT json_group_array(json_array({_FIXED}, {_CHANGING})), max(position)
    FROM (SELECT * FROM call WHERE position > ? ORDER BY position LIMIT 2000)
"""
_INSERT: Final = f"INSERT INTO call ({_FIXED}, {_CHANGING}) SELECT * FROM {{rows}} WHERE column1 IS NOT NULL"
_UPDATE: Final = """
    UPDATE call SET
        expires_at = new.column2,
        worker = new.column3,
        answered_at = new.column4,
        tm_end = new.column5,
        outcome = new.column6,
        lost = new.column7,
        given_back = new.column8,
        late = new.column9,
        started_at = new.column10,
        ended_at = new.column11,
        call_id = new.column12,
        tm_update = new.column13,
        tm_delete = new.column14
    FROM {rows} AS new WHERE position = new.column1
"""
_JOINED: Final = "JOIN outdial ON outdial.position = call.outdial JOIN target ON target.position = call.target"
_SELECT: Final = """
    SELECT call.position, call.id, call.customer_id, outdial.id, target.id, call.campaign_id, call.campaign_type, call.outplan_id,
        call.plan_version, call.run, call.ordinal, rule, due_at, source,
        json_extract(personal, '$.destinations[' || destination_index || ']'), destination_index, try_count, dial_timeout, not_after,
        expires_at, worker, answered_at, tm_end, outcome, lost, given_back, late, started_at, ended_at, call_id,
        call.tm_create, call.tm_update, call.tm_delete
"""
_PLACES: Final = """
    SELECT position FROM place WHERE key IN (SELECT value FROM json_each(:keys))
    UNION ALL SELECT position FROM place_new WHERE key IN (SELECT value FROM json_each(:keys))
"""
_OLDER: Final = "(call.tm_create, call.position) < (:time, :last) AND (:deleted OR call.tm_delete IS NULL)"
_NEWEST_FIRST: Final = "ORDER BY call.tm_create DESC, call.position DESC LIMIT :limit"
_GET: Final = f"{_SELECT} FROM call {_JOINED} WHERE call.position IN ({_PLACES}) AND call.id = :id AND +call.customer_id = :customer"
_PAGE: Final = f"{_SELECT} FROM call {_JOINED} WHERE call.customer_id = :customer AND {_OLDER} {_NEWEST_FIRST}"
_PAGE_OF_CAMPAIGN: Final = f"""
    {_SELECT} FROM call {_JOINED}
    WHERE call.campaign_id = :campaign AND call.campaign_id <> '{ZERO_ID}' AND call.customer_id = :customer AND {_OLDER} {_NEWEST_FIRST}
"""
_OPEN: Final = f"""
    {_SELECT} FROM call INDEXED BY call_open {_JOINED}
    WHERE call.outdial = (SELECT position FROM outdial WHERE id = :outdial) AND outcome IS NULL
    ORDER BY call.tm_create LIMIT :limit
"""
_PAGE_OF_TARGET: Final = f"""
    WITH RECURSIVE chain (position) AS (
        SELECT :newest
        UNION ALL SELECT call.previous FROM chain JOIN call ON call.position = chain.position WHERE call.previous IS NOT NULL
    )
    {_SELECT} FROM chain JOIN call ON call.position = chain.position {_JOINED} WHERE {_OLDER} {_NEWEST_FIRST}
"""
_LAST_OF_TARGET: Final = "SELECT last_call FROM target WHERE position = ?"
_LOCATE: Final = f"""
    SELECT call.id, outdial.id, target.id FROM call {_JOINED} WHERE call.position IN ({_PLACES}) AND +call.customer_id = :customer
"""
_POSITION: Final = f"SELECT call.position FROM call WHERE call.position IN ({_PLACES}) AND call.id = :id"
_RECENT: Final = """
    SELECT count(*) FILTER (WHERE outdial = :outdial), count(*), min(tm_create)
    FROM (SELECT outdial, tm_create FROM call WHERE position >= :low AND position <= :high ORDER BY position DESC LIMIT :most)
"""
_REQUEST: Final = f"""
    SELECT call.position, call.id, outdial.id, target.id, call.campaign_id, call.campaign_type, call.customer_id, call.outplan_id,
        call.plan_version, source, personal, destination_index, try_count, dial_timeout, call.tm_create, not_after,
        requested_expires_at, sequence, (SELECT body ->> '$.traceparent' FROM log WHERE log.position = call.position)
    FROM call {_JOINED}
"""
_REQUESTS: Final = f"{_REQUEST} WHERE call.position > :after ORDER BY call.position LIMIT :limit"
_REQUESTS_OF_CUSTOMER: Final = f"""
    {_REQUEST}
    WHERE call.customer_id = :customer AND (call.tm_create, call.position) > (
        coalesce((SELECT tm_create FROM call WHERE position <= :after ORDER BY position DESC LIMIT 1), 0), :after
    )
    ORDER BY call.tm_create, call.position LIMIT :limit
"""
_PART_AFTER: Final = "SELECT tm_create, position, customer_id FROM call WHERE position > ? AND position <= {high} ORDER BY position"
_REQUESTS_AT: Final = f"{_REQUEST} WHERE call.position IN (SELECT value FROM json_each(?))"
LOOKED_AT: Final = 4_000
"""Requests of one page that are looked at for those of one customer, where the log has several partitions: some milliseconds."""

# --- from events to rows --------------------------------------------------------------------------------


@dataclass(slots=True)
class Row:
    """What decides about an attempt, as the batch leaves it."""

    position: int
    id: str
    outdial: int
    expires_at: int
    worker: str | None = None
    answered_at: int | None = None
    tm_end: int | None = None
    outcome: str | None = None
    lost: int = 0
    given_back: int = 0
    late: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    call_id: str | None = None
    tm_update: int | None = None
    tm_delete: int | None = None
    fixed: tuple[Any, ...] = ()
    """The columns of a new row that never change."""
    counted: tuple[tuple[str, str], ...] = ()
    """The (state, outcome) pairs it is counted under."""
    changed: bool = False


Rows = dict[str, Row]
"""By attempt id."""


def wanted(attempt_id: str) -> tuple[int, str]:
    """What LOAD finds an attempt by."""
    return key_of(attempt_id), attempt_id


def loaded(found: list[list[Any]]) -> Rows:
    """The rows LOAD found."""
    rows = {values[1]: Row(*values) for values in found}
    for row in rows.values():
        row.counted = _standing(row)
    return rows


def known(kept: Rows, before: Rows, wanted: Iterable[str]) -> Rows:
    """Rows taken from those that are kept, and those of the batch before, as the next finds them."""
    rows = {key: row for key in wanted if (row := kept.pop(key, None) or before.get(key)) is not None}
    for row in rows.values():
        row.fixed, row.changed = (), False
    return rows


def request(rows: Rows, outdial: OutdialRow, target: targets.Row, position: int, event: Event, data: DialRequested) -> None:
    """Fold DialRequested; ``target`` is as it was before."""
    source = None if data.source is None else encode_compact(data.source).decode()
    row = Row(position, data.attempt_id, outdial.position, data.expires_at)
    row.fixed = (
        position, data.attempt_id, outdial.position, target.position, target.last_call, event.sequence, outdial.customer_id,
        data.campaign_id, data.campaign_type, data.outplan_id, data.plan_version, data.run, data.ordinal, data.rule, data.due_at,
        source, data.destination_index, data.try_count, data.dial_timeout, data.not_after, event.time, data.expires_at,
    )  # fmt: skip
    rows[data.attempt_id] = row


def apply(rows: Rows, event: Event) -> None:
    """Fold one later event of an attempt; of TargetFinished, a late one."""
    data = event.data
    match data:
        case DialEnded():
            row = rows[data.attempt_id]
            row.tm_end, row.outcome, row.lost, row.given_back = event.time, data.outcome, int(data.lost), int(data.given_back)
            row.started_at, row.ended_at, row.call_id = data.started_at, data.ended_at, data.call_id
        case DialClaimed():
            row = rows[data.attempt_id]
            row.worker, row.changed = data.worker, True
            return
        case DialAnswered():
            row = rows[data.attempt_id]
            row.answered_at, row.expires_at = event.time, data.expires_at
        case TargetFinished():
            row = rows[data.attempt_id]
            row.late = 1
        case DialDeleted():
            row = rows[data.attempt_id]
            row.tm_delete = event.time
        case _:
            return
    row.tm_update, row.changed = event.time, True


def _standing(row: Row) -> tuple[tuple[str, str], ...]:
    """How an attempt stands in the counts."""
    answered = row.answered_at is not None or row.outcome == "answered" or bool(row.late)
    return _states(row.outcome, row.worker is not None, answered, bool(row.lost), bool(row.given_back))


@lru_cache(maxsize=1024)
def _states(outcome: str | None, *marks: bool) -> tuple[tuple[str, str], ...]:
    """(state, outcome) pairs; ``marks``: claimed, answered, lost, given back."""
    marked = [(state, "") for state, mark in zip(("claimed", "answered", "lost", "given_back"), marks, strict=True) if mark]
    return (("requested", ""), ("open", "") if outcome is None else ("ended", outcome), *marked)


def count(rows: Rows, tally: Tally) -> None:
    """Add to the counts what the batch changed about them."""
    moves = []
    for row in rows.values():
        before, row.counted = row.counted, _standing(row)
        moves.append((row.outdial, before, row.counted))
    for (outdial, before, after), n in Counter(moves).items():
        for state, outcome in before:
            tally[outdial, "attempt", state, outcome] -= n
        for state, outcome in after:
            tally[outdial, "attempt", state, outcome] += n


def save(rows: Rows) -> Iterator[Write]:
    """What writes what a batch added and changed."""
    yield from writes(_INSERT, 35, [(*row.fixed, *_changing(row)) for row in rows.values() if row.fixed])
    changed = [(row.position, *_changing(row)) for row in rows.values() if row.changed and not row.fixed]
    yield from writes(_UPDATE, 14, changed, each=True)


def _changing(row: Row) -> tuple[Any, ...]:
    return (
        row.expires_at, row.worker, row.answered_at, row.tm_end, row.outcome, row.lost, row.given_back, row.late,
        row.started_at, row.ended_at, row.call_id, row.tm_update, row.tm_delete,
    )  # fmt: skip


# --- questions ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Call:
    """An attempt; instants in microseconds, None = not yet."""

    position: int
    id: str
    customer_id: str
    outdial_id: str
    target_id: str
    campaign_id: str
    campaign_type: str
    outplan_id: str
    plan_version: int
    run: int
    ordinal: int
    """Which attempt on the target, from 1."""
    rule: str
    """Why it was requested."""
    due_at: int
    source: dict[str, str] | None
    destination: dict[str, str]
    destination_index: int
    try_count: int
    """Which try of this destination, from 1."""
    dial_timeout: int
    """Milliseconds."""
    not_after: int
    expires_at: int
    """The lease in force: without a word until then the attempt counts as lost."""
    worker: str | None
    """Who claimed it."""
    answered_at: int | None
    tm_end: int | None
    """The end by the ledger's clock; ``started_at`` and ``ended_at`` are the sender's word."""
    outcome: str | None
    lost: bool
    given_back: bool
    late: bool
    """True when ``answered`` came after it had been given up as lost."""
    started_at: int | None
    ended_at: int | None
    call_id: str | None
    tm_create: int
    tm_update: int | None
    tm_delete: int | None
    queue_id: str = ZERO_ID
    """Of its campaign, when it was requested, once :func:`queued` has said so."""

    @property
    def status(self) -> str:
        """``dialing``, ``progressing`` (answered) or ``done``."""
        if self.outcome is not None:
            return "done"
        return "dialing" if self.answered_at is None else "progressing"

    @property
    def result(self) -> str:
        """``""`` while it is open, then ``success`` or ``fail``."""
        if self.outcome is None:
            return ""
        return "success" if self.outcome == "answered" or self.late else "fail"


def get(db: sqlite3.Connection, customer_id: str, attempt_id: str) -> Call | None:
    """One attempt, deleted or not, its queue left open; None when this customer has no such attempt."""
    found = db.execute(_GET, {"id": attempt_id, "keys": _keys(attempt_id), "customer": customer_id}).fetchone()
    return None if found is None else _call(found)


def page(db: sqlite3.Connection, customer_id: str, before: Before, limit: int, deleted: bool = False) -> list[Call]:  # noqa: FBT001, FBT002  reads as the query it comes from
    """A customer's attempts, newest first."""
    return queued(db, _page(db, _PAGE, before, limit, deleted, customer=customer_id))


def page_of_campaign(
    db: sqlite3.Connection,
    customer_id: str,
    campaign_id: str,
    before: Before,
    limit: int,
    deleted: bool = False,  # noqa: FBT001, FBT002  reads as the query it comes from
) -> list[Call]:
    """The attempts of a campaign, newest first."""
    return queued(db, _page(db, _PAGE_OF_CAMPAIGN, before, limit, deleted, customer=customer_id, campaign=campaign_id))


def queued(db: sqlite3.Connection, rows: list[Call]) -> list[Call]:
    """Attempts with the queue that their campaign had when they were requested."""
    changes = {campaign_id: campaigns.queues(db, campaign_id) for campaign_id in {row.campaign_id for row in rows} - {ZERO_ID}}
    for row in rows:
        row.queue_id = campaigns.queue_at(changes.get(row.campaign_id, ()), row.tm_create)
    return rows


def open_of_outdial(db: sqlite3.Connection, outdial_id: str, limit: int) -> list[Call]:
    """The attempts of an outdial that are not over, the longest open first."""
    return [_call(row) for row in db.execute(_OPEN, {"outdial": outdial_id, "limit": limit}).fetchall()]


def page_of_target(
    db: sqlite3.Connection,
    outdial_id: str,
    target_id: str,
    before: Before,
    limit: int,
    deleted: bool = False,  # noqa: FBT001, FBT002  reads as the query it comes from
) -> list[Call]:
    """The attempts on a target, newest first."""
    target = targets.get(db, outdial_id, target_id)
    if target is None:
        return []
    newest = db.execute(_LAST_OF_TARGET, (target.position,)).fetchone()[0]
    return _page(db, _PAGE_OF_TARGET, before, limit, deleted, newest=newest)


def locate(db: sqlite3.Connection, customer_id: str, attempt_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(outdial id, target id) of attempts, by attempt id; those this customer does not have are left out."""
    found = db.execute(_LOCATE, {"keys": _keys(*attempt_ids), "customer": customer_id}).fetchall()
    places = {attempt_id: (outdial_id, target_id) for attempt_id, outdial_id, target_id in found}
    return {attempt_id: places[attempt_id] for attempt_id in attempt_ids if attempt_id in places}


def per_minute(db: sqlite3.Connection, outdial_id: str, outdial: int, now: int) -> int:
    """Requests of the outdial whose creating event stands at ``outdial`` within the last minute.

    Where everybody's are too many to be looked at, as many as there were at the pace of the newest.
    """
    bounds = history.range_of(db, outdial_id)
    if bounds is None:
        return 0
    low = history.place_at(db, bounds, now - MINUTE_US)
    wanted = {"outdial": outdial, "low": low, "high": bounds[1], "most": PACE_FROM}
    own, all_of_them, first = db.execute(_RECENT, wanted).fetchone()
    if all_of_them < PACE_FROM or first >= now:
        return int(own)
    return int(own * MINUTE_US / (now - first))


class Requests(NamedTuple):
    """A page of dial requests."""

    rows: list[dict[str, Any]]
    """Oldest first, as they are on the wire (``outdial.requests.DialRequest``), each with ``position``, the one after it."""
    reached: Position
    """Nothing that was asked for is left out up to here."""
    more: bool
    """Whether there may be others beyond."""


def requests_after(db: sqlite3.Connection, customer_id: str | None, after: Position, limit: int) -> Requests:
    """Dial requests after a position. ``customer_id`` None: of every customer."""
    if after.partitions > 1:
        return _requests_of_partitions(db, customer_id, after, limit)
    statement = _REQUESTS if customer_id is None else _REQUESTS_OF_CUSTOMER
    found = db.execute(statement, {"customer": customer_id, "after": after.marks[0], "limit": limit}).fetchall()
    return Requests([_request(row, str(row[0])) for row in found], after.after(found[-1][0]) if found else after, len(found) == limit)


def _requests_of_partitions(db: sqlite3.Connection, customer_id: str | None, after: Position, limit: int) -> Requests:
    reading = Reading(after)
    wanted: dict[int, str] = {}
    looked_at = 0
    with merged(db, _PART_AFTER, after) as parts:
        for _, place, owner in islice(parts, max(limit, LOOKED_AT)):
            looked_at += 1
            reading.passed(place)
            if customer_id in (None, owner):
                wanted[place] = str(reading)
                if len(wanted) == limit:
                    break
        found = {row[0]: row for row in db.execute(_REQUESTS_AT, (to_json([*wanted]).decode(),)).fetchall()}
    rows = [_request(found[place], position) for place, position in wanted.items()]
    return Requests(rows, reading.position, len(rows) == limit or looked_at == max(limit, LOOKED_AT))


def _page(db: sqlite3.Connection, statement: str, before: Before, limit: int, deleted: bool, **of: Any) -> list[Call]:  # noqa: FBT001  as its callers
    parameters = cursor_of(before, limit, deleted=deleted)
    last = parameters["last"]
    found = None if last is None else db.execute(_POSITION, {"id": last, "keys": _keys(last)}).fetchone()
    parameters["last"] = 0 if found is None else found[0]
    return [_call(row) for row in db.execute(statement, {**parameters, **of}).fetchall()]


def _keys(*attempt_ids: str) -> str:
    return to_json([key_of(attempt_id) for attempt_id in attempt_ids]).decode()


def _call(found: tuple[Any, ...]) -> Call:
    call = Call(*found)
    call.source = targets.full_address(from_json(found[13])) if found[13] else None
    call.destination = targets.full_address(from_json(found[14])) or {}
    call.lost, call.given_back, call.late = bool(call.lost), bool(call.given_back), bool(call.late)
    return call


def _request(found: tuple[Any, ...], position: str) -> dict[str, Any]:
    (
        _, attempt_id, outdial_id, target_id, campaign_id, campaign_type, customer_id, outplan_id, plan_version, source,
        personal_text, destination_index, try_count, dial_timeout, requested_at, not_after, expires_at, sequence, trace,
    ) = found  # fmt: skip
    personal = from_json(personal_text)
    address = targets.full_address(personal["destinations"][destination_index]) or {}
    return {
        "position": position,
        "attempt_id": attempt_id,
        "outdial_id": outdial_id,
        "target_id": target_id,
        "campaign_id": campaign_id,
        "campaign_type": campaign_type,
        "customer_id": customer_id,
        "outplan_id": outplan_id,
        "plan_version": plan_version,
        "source": targets.full_address(from_json(source)) if source else None,
        "destination": address | dialable(address.get("type", ""), address.get("target", "")),
        "destination_index": destination_index,
        "try_count": try_count,
        "dial_timeout": dial_timeout,
        "requested_at": format_instant(requested_at),
        "not_after": format_instant(not_after),
        "expires_at": format_instant(expires_at),
        "name": personal.get("name", ""),
        "detail": personal.get("detail", ""),
        "data": personal.get("data", ""),
        "event_id": event_id("outdial", outdial_id, sequence),
        **({} if trace is None else {"traceparent": trace}),
    }
