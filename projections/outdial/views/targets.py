"""Targets: who is on the list, and how far is each? Source: contract 2.3 and C3 to C6."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from outdial.address import CALLABLE_TYPES, SLOTS, Address
from outdial.calling import calling_code
from outdial.envelope import Event
from outdial.events import (
    DialAnswered,
    DialEnded,
    DialRequested,
    TargetAdded,
    TargetBlocked,
    TargetDeferred,
    TargetDeleted,
    TargetExhausted,
    TargetExpired,
    TargetFinished,
    TargetReopened,
    TargetRevived,
    TargetUnblocked,
)
from outdial.views import outdials
from outdial.views.counts import AT, AT_ONCE, CAPPED, EXPIRED, NEVER, SLICE_US, STATES, STATUS_OF, Tally, Waiting
from outdial.views.places import key_of
from outdial.views.rows import NEWEST, Before, Write, one_moment, writes
from outdial.wire import from_json, to_json

WAITING_LIFECYCLES: Final = frozenset(lifecycle for lifecycle, status in STATUS_OF.items() if status == "idle")

_CLOCK: Final = """coalesce('"' || time_zone || '"', zones, '')"""
"""What :func:`_clock` says, of a row."""
DDL: Final = (
    f"""
    CREATE TABLE IF NOT EXISTS target (
        position INTEGER PRIMARY KEY,   -- of TargetAdded
        outdial INTEGER NOT NULL,       -- outdial.position
        id TEXT NOT NULL,
        personal TEXT NOT NULL,         -- JSON of TargetAdded.personal, without what is empty
        slots INTEGER NOT NULL,         -- bit N: destination N is set
        dialable INTEGER NOT NULL,      -- bit N: and a call can reach it
        try_count_max INTEGER,
        priority INTEGER NOT NULL,
        time_zone TEXT,
        late_at INTEGER,                -- TargetAdded.expires_at
        zones TEXT,                     -- JSON of TargetAdded.zones
        codes TEXT NOT NULL,            -- calling code of each destination, 0 = is no number
        tm_create INTEGER NOT NULL,
        lifecycle TEXT NOT NULL DEFAULT 'idle',     -- failed by being too late: expired
        try_count_0 INTEGER NOT NULL DEFAULT 0,
        try_count_1 INTEGER NOT NULL DEFAULT 0,
        try_count_2 INTEGER NOT NULL DEFAULT 0,
        try_count_3 INTEGER NOT NULL DEFAULT 0,
        try_count_4 INTEGER NOT NULL DEFAULT 0,
        since INTEGER,                  -- end of the last attempt; NULL = never tried, or reopened
        streak INTEGER NOT NULL DEFAULT 0,      -- not_dialed in a row; -1 = waits for the instant since, -2 less those = as a cap says
        blocked INTEGER NOT NULL DEFAULT 0,     -- bit N: destination N is suppressed, as far as it was found out
        last_outcome TEXT,
        ordinal INTEGER NOT NULL DEFAULT 0,     -- attempts ever requested
        last_call INTEGER,              -- call.position of the last attempt
        tm_update INTEGER NOT NULL,
        tm_delete INTEGER,
        profile TEXT GENERATED ALWAYS AS (
            slots || ',' || dialable || ',' || try_count_0 || ',' || try_count_1 || ',' || try_count_2 || ',' || try_count_3
            || ',' || try_count_4 || ',' || coalesce(try_count_max, -1) || ',' || streak || ',' || blocked
            || ',' || {_CLOCK}
        ) VIRTUAL
    )
    """,
    "CREATE INDEX IF NOT EXISTS target_page ON target (outdial, tm_create)",
    """
    CREATE INDEX IF NOT EXISTS target_waiting ON target (outdial, since)
    WHERE since IS NOT NULL AND lifecycle IN ('idle', 'busy', 'no_answer') AND tm_delete IS NULL
    """,
)
TABLES: Final = ("target",)
_ADDED: Final = """
    position, outdial, id, personal, slots, dialable, try_count_max, priority, time_zone, late_at, zones, tm_create, tm_update, codes
"""
LOAD: Final = f"""
    SELECT json_group_array(json_array(
        outdial.id, target.position, target.outdial, target.id, slots, dialable, try_count_max,
        lifecycle, try_count_0, try_count_1, try_count_2, try_count_3, try_count_4, since, streak, last_outcome, ordinal,
        last_call, target.tm_update, target.tm_delete, blocked, {_CLOCK}, codes
    ))
    FROM json_each(:targets) AS wanted
    CROSS JOIN target ON target.id = json_extract(wanted.value, '$[2]') AND target.position IN (
        SELECT position FROM place WHERE key = json_extract(wanted.value, '$[0]')
        UNION ALL SELECT position FROM place_new WHERE key = json_extract(wanted.value, '$[0]')
    )
    CROSS JOIN outdial ON outdial.position = target.outdial AND outdial.id = json_extract(wanted.value, '$[1]')
"""
DIGEST: Final = f"""
    SELECT json_group_array(json_array(
        {_ADDED}, lifecycle, try_count_0, try_count_1, try_count_2, try_count_3, try_count_4, since, streak, last_outcome, ordinal,
        last_call, tm_delete, blocked
    )), max(position)
    FROM (SELECT * FROM target WHERE position > ? ORDER BY position LIMIT 2000)
"""
_INSERT: Final = f"INSERT INTO target ({_ADDED}) SELECT * FROM {{rows}} WHERE column1 IS NOT NULL"
_UPDATE: Final = """
    UPDATE target SET
        lifecycle = new.column2,
        try_count_0 = new.column3,
        try_count_1 = new.column4,
        try_count_2 = new.column5,
        try_count_3 = new.column6,
        try_count_4 = new.column7,
        since = new.column8,
        streak = new.column9,
        last_outcome = new.column10,
        ordinal = new.column11,
        last_call = new.column12,
        tm_update = new.column13,
        tm_delete = new.column14,
        blocked = new.column15
    FROM {rows} AS new WHERE position = new.column1
"""
_SELECT: Final = """
    SELECT target.position, outdial.id, target.id, personal, lifecycle, try_count_0, try_count_1, try_count_2, try_count_3, try_count_4,
        try_count_max, priority, time_zone, late_at, zones, since, streak, last_outcome, ordinal,
        target.tm_create, target.tm_update, target.tm_delete
    FROM target CROSS JOIN outdial ON outdial.position = target.outdial
"""
_MANY: Final = f"""
    {_SELECT}
    WHERE target.position IN (
        SELECT position FROM place WHERE key IN (SELECT value FROM json_each(:keys))
        UNION ALL SELECT position FROM place_new WHERE key IN (SELECT value FROM json_each(:keys))
    ) AND outdial.id = :outdial
"""
_OLDER: Final = """
    target.outdial = (SELECT position FROM outdial WHERE id = :outdial) AND (target.tm_create, target.position) < (:time, :last)
"""
_NEWEST_FIRST: Final = "ORDER BY target.tm_create DESC, target.position DESC LIMIT :limit"
_PAGE: Final = f"{_SELECT} WHERE {_OLDER} AND (:deleted OR target.tm_delete IS NULL) {_NEWEST_FIRST}"
LOOKED_THROUGH: Final = 5_000
"""Targets that are looked through at once for those that stand in one way: some milliseconds."""
_STRETCH: Final = f"SELECT tm_create, position FROM target WHERE {_OLDER} ORDER BY tm_create DESC, position DESC LIMIT 1 OFFSET :others"
_IN_STRETCH: Final = f"{_OLDER} AND (target.tm_create, target.position) >= (:first_time, :first) AND target.tm_delete IS NULL"
_STATE_IN_STRETCH: Final = f"""
    {_SELECT} WHERE {_IN_STRETCH} AND lifecycle IN (SELECT value FROM json_each(:states)) {_NEWEST_FIRST}
"""
_IDLE_IN_STRETCH: Final = f"""
    WITH meant (profile, after, up_to) AS MATERIALIZED (
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(:meant)
    )
    {_SELECT} CROSS JOIN meant ON meant.profile = target.profile
    WHERE {_IN_STRETCH} AND lifecycle IN ('idle', 'busy', 'no_answer') AND coalesce(since, {AT_ONCE}) > :least
        AND coalesce(since, {AT_ONCE}) > after AND coalesce(since, {AT_ONCE}) <= up_to
    {_NEWEST_FIRST}
"""

# --- from events to rows --------------------------------------------------------------------------------

NOT_WAITING: Final = -2


@dataclass(slots=True)
class Row:
    """What decides about a target, as the batch leaves it."""

    position: int
    outdial: int
    id: str
    slots: int
    dialable: int
    try_count_max: int | None
    lifecycle: str
    tries: list[int]
    since: int | None
    streak: int
    last_outcome: str | None
    ordinal: int
    last_call: int | None
    tm_update: int
    tm_delete: int | None
    blocked: int
    clock: str
    """The zones of its destinations, JSON; '' = none are known."""
    codes: str
    """The calling code of each destination, with commas between."""
    counted: tuple[str, str, str, int] = ("", "", "", NOT_WAITING)
    """As it stands in the counts: (state, outcome, profile, slice or NOT_WAITING)."""
    changed: bool = False


Key = tuple[int, str, str]
"""(place key, outdial id, target id): what LOAD finds a target by."""
Id = tuple[str, str]
"""(outdial id, target id)."""
Rows = dict[Id, Row]
Added = tuple[Any, ...]
"""The row of a new target."""


def wanted(target: Id) -> Key:
    """What LOAD finds a target by."""
    return key_of(*target), *target


def loaded(found: list[list[Any]]) -> Rows:
    """The rows LOAD found."""
    rows: Rows = {}
    for outdial_id, *values in found:
        row = Row(*[*values[:7], values[7:12], *values[12:]])
        row.counted = _standing(row)
        rows[outdial_id, row.id] = row
    return rows


def added(outdial: int, position: int, event: Event, data: TargetAdded) -> Added:
    """The row of a new target; the columns it leaves out have their defaults."""
    personal = data.personal.compact.decode()
    return (
        position, outdial, data.target_id, personal, *_masks(data.types), data.try_count_max, data.priority, data.time_zone,
        data.expires_at, None if data.zones is None else _listed(data.zones), event.time, event.time, _codes(data.personal.destinations),
    )  # fmt: skip


def known(kept: Rows, before: Rows, added: Mapping[Id, Added], wanted: Iterable[Id]) -> Rows:
    """Rows taken from those that are kept, and those the batch before changed or added, as the next finds them."""
    rows = {}
    for key in wanted:
        if (row := kept.pop(key, None) or before.get(key)) is not None:
            row.changed = False
            rows[key] = row
        elif (new := added.get(key)) is not None:
            rows[key] = row_of(new)
    return rows


def row_of(new: Added) -> Row:
    """The same as a row that later events of the batch change."""
    position, outdial, target_id, _, slots, dialable, most, _, zone, _, zones, time, _, codes = new
    clock = _clock(zone, zones)
    row = Row(position, outdial, target_id, slots, dialable, most, "idle", [0] * SLOTS, None, 0, None, 0, None, time, None, 0, clock, codes)
    row.counted = _standing(row)
    return row


def _codes(destinations: tuple[Address | None, ...]) -> str:
    return ",".join([str(calling_code(address)) for address in destinations])


@lru_cache(maxsize=4096)
def code_at(codes: str, index: int) -> int:
    """Of such a text, the calling code of one destination; 0: it is no number."""
    return int(codes.split(",")[index])


@lru_cache(maxsize=1024)
def _listed(zones: tuple[tuple[str, ...] | None, ...]) -> str:
    """Zones as JSON; a list has the same few again and again."""
    return to_json(zones).decode()


@lru_cache(maxsize=1024)
def _clock(time_zone: str | None, zones: str | None) -> str:
    """The same text as in the profile: its own zone goes before those of its numbers."""
    return (zones or "") if time_zone is None else f'"{time_zone}"'


@lru_cache(maxsize=1024)
def _masks(types: tuple[str | None, ...]) -> tuple[int, int]:
    """The bits of the destinations that are set, and of those a call can reach."""
    slots = sum(1 << slot for slot, kind in enumerate(types) if kind is not None)
    return slots, sum(1 << slot for slot, kind in enumerate(types) if kind in CALLABLE_TYPES)


def apply(row: Row, position: int, event: Event) -> None:
    """Fold one later event of a target."""
    data = event.data
    match data:
        case DialRequested():
            row.lifecycle, row.ordinal, row.last_call = "dialing", data.ordinal, position
            row.tries[data.destination_index] = data.try_count
        case DialEnded():
            row.lifecycle = data.outcome if data.outcome in WAITING_LIFECYCLES else "idle"
            row.tries[data.destination_index] -= data.given_back
            row.streak = _in_a_row(row.streak) + 1 if data.given_back else 0
            row.since, row.last_outcome = event.time, data.outcome
            if data.call_back_at is not None:
                row.since, row.streak = data.call_back_at, AT
        case TargetFinished():
            row.lifecycle, row.last_outcome = "finished", "answered"
        case DialAnswered():
            row.lifecycle = "answered"
        case TargetExhausted():
            row.lifecycle = "failed"
        case TargetExpired():
            row.lifecycle = EXPIRED
        case TargetRevived():
            row.lifecycle = "idle"
        case TargetReopened():
            row.lifecycle, row.tries, row.since, row.streak = "idle", [0] * SLOTS, None, 0
        case TargetDeleted():
            row.tm_delete = event.time
        case TargetBlocked() | TargetUnblocked() | TargetDeferred():
            _hold(row, data)
            return
        case _:
            return
    row.tm_update, row.changed = event.time, True


def _hold(row: Row, data: TargetBlocked | TargetUnblocked | TargetDeferred) -> None:
    """Fold what holds a target back. It is as it was: ``tm_update`` does not move."""
    match data:
        case TargetBlocked():
            row.blocked = sum(1 << slot for slot in data.destinations)
        case TargetUnblocked():
            row.blocked = 0
        case TargetDeferred(reason="try_interval"):
            row.since, row.streak = data.since, _in_a_row(row.streak)
        case TargetDeferred():
            row.since, row.streak = data.until, CAPPED - _in_a_row(row.streak)
    row.changed = True


def _in_a_row(streak: int) -> int:
    """``not_dialed`` in a row, whatever the target waits for."""
    return CAPPED - streak if streak <= CAPPED else max(streak, 0)


def _standing(row: Row) -> tuple[str, str, str, int]:
    """How a target stands in the counts."""
    outcome = row.last_outcome or NEVER
    if row.tm_delete is not None:
        return "deleted", outcome, "", NOT_WAITING
    if row.lifecycle not in WAITING_LIFECYCLES:
        return row.lifecycle, outcome, "", NOT_WAITING
    started = AT_ONCE if row.since is None else row.since // SLICE_US
    profile = _profile(row.slots, row.dialable, tuple(row.tries), row.try_count_max, row.streak, row.blocked, row.clock)
    return row.lifecycle, outcome, profile, started


@lru_cache(maxsize=65_536)
def _profile(slots: int, dialable: int, tries: tuple[int, ...], most: int | None, streak: int, blocked: int, clock: str) -> str:
    """The same text as the column."""
    return ",".join(map(str, (slots, dialable, *tries, -1 if most is None else most, streak, blocked, clock)))


def count(rows: Rows, new: Sequence[Added], tally: Tally, waiting: Waiting) -> None:
    """Add to the counts what the batch changed about them."""
    for (outdial, slots, dialable, most, zone, zones), n in Counter(map(_SHAPE, new)).items():
        tally[outdial, "target", "idle", NEVER] += n
        waiting[outdial, _profile(slots, dialable, (0,) * SLOTS, most, 0, 0, _clock(zone, zones)), AT_ONCE] += n
    moves = []
    for row in rows.values():
        before, row.counted = row.counted, _standing(row)
        moves.append((row.outdial, before, row.counted))
    for (outdial, before, after), n in Counter(moves).items():
        _move(outdial, before, -n, tally, waiting)
        _move(outdial, after, n, tally, waiting)


_SHAPE: Final = itemgetter(1, 4, 5, 6, 8, 10)
"""What decides the profile of a new target."""


def _move(outdial: int, standing: tuple[str, str, str, int], n: int, tally: Tally, waiting: Waiting) -> None:
    state, outcome, profile, started = standing
    tally[outdial, "target", state, outcome] += n
    if started != NOT_WAITING:
        waiting[outdial, profile, started] += n


def save(rows: Rows, new: Sequence[Added]) -> Iterator[Write]:
    """What writes what a batch added and changed."""
    yield from writes(_INSERT, 14, new)
    values = [
        (r.position, r.lifecycle, *r.tries, r.since, r.streak, r.last_outcome, r.ordinal, r.last_call, r.tm_update, r.tm_delete, r.blocked)
        for r in rows.values()
        if r.changed
    ]
    yield from writes(_UPDATE, 15, values, each=True)


# --- questions ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Target:
    """A target; instants in microseconds, None = not yet."""

    position: int
    outdial_id: str
    id: str
    name: str
    detail: str
    data: str
    destinations: list[dict[str, str] | None]
    """Five of them, each with the five fields of an address, or None."""
    status: str
    lifecycle: str
    try_counts: tuple[int, ...]
    try_count_max: int | None
    priority: int
    time_zone: str | None
    expires_at: int | None
    """From then on it is not dialed any more; None = never too late."""
    zones: list[list[str] | None] | None
    """The time zones each destination may be in, by index; None = ``time_zone`` is given, or none is known."""
    since: int | None
    """End of the last attempt, ``waits_until``, or until when a cap holds it; None = never tried, or reopened."""
    waits_until: int | None
    """The instant at which it asked to be called back; None = it did not."""
    not_dialed_streak: int
    last_outcome: str | None
    ordinal: int
    """Attempts ever requested."""
    tm_create: int
    tm_update: int
    tm_delete: int | None


def get(db: sqlite3.Connection, outdial_id: str, target_id: str) -> Target | None:
    """One target, deleted or not; None when this outdial has no such target."""
    found = many(db, outdial_id, (target_id,))
    return found[0] if found else None


def many(db: sqlite3.Connection, outdial_id: str, target_ids: Sequence[str]) -> list[Target]:
    """Targets of an outdial, deleted or not, in the order asked for; those it does not have are left out."""
    keys = to_json([key_of(outdial_id, target_id) for target_id in target_ids]).decode()
    found = {row[2]: row for row in db.execute(_MANY, {"keys": keys, "outdial": outdial_id}).fetchall()}
    return [_target(found[target_id]) for target_id in target_ids if target_id in found]


def page(db: sqlite3.Connection, outdial_id: str, before: Before, limit: int, deleted: bool = False) -> list[Target]:  # noqa: FBT001, FBT002  reads as the query it comes from
    """Targets of an outdial, newest first."""
    asked = _asked(db, outdial_id, before)
    return [_target(row) for row in db.execute(_PAGE, {**asked, "limit": limit, "deleted": deleted}).fetchall()]


def page_of(db: sqlite3.Connection, outdial_id: str, standing: str, now: int, before: Before, limit: int) -> Iterator[list[Target]]:
    """Those that stand in one of :data:`outdial.standing.STANDINGS` at an instant, newest first; none of them is deleted.

    They are looked for from the newest on. What is found in a stretch of the list is handed over at once: whoever has more to do
    than this does it between two of them.
    """
    asked = _asked(db, outdial_id, before)
    while limit > 0:
        with one_moment(db):
            first = db.execute(_STRETCH, {**asked, "others": LOOKED_THROUGH - 1}).fetchone()
            stretch = {**asked, "limit": limit, **dict(zip(("first_time", "first"), first or (0, 0), strict=True))}
            found = _standing_so(db, outdial_id, standing, now, stretch)
        if found is None:
            return
        yield found
        limit -= len(found)
        if first is None:
            return
        asked |= {"time": first[0], "last": first[1]}


def _asked(db: sqlite3.Connection, outdial_id: str, before: Before) -> dict[str, Any]:
    """The parameters of whatever begins where a page does."""
    time, before_id = before or NEWEST
    last = None if before_id is None else get(db, outdial_id, before_id)
    return {"outdial": outdial_id, "time": time, "last": 0 if last is None else last.position}


def _standing_so(db: sqlite3.Connection, outdial_id: str, standing: str, now: int, stretch: dict[str, Any]) -> list[Target] | None:
    """Those in a stretch of the list; None: there are none in all of it."""
    if standing in STATES:
        rows = db.execute(_STATE_IN_STRETCH, {**stretch, "states": to_json(STATES[standing]).decode()}).fetchall()
    elif meant := outdials.idle(db, outdial_id, now, standing):
        least = min([began.after for began in meant])
        rows = db.execute(_IDLE_IN_STRETCH, {**stretch, "meant": to_json(meant).decode(), "least": least}).fetchall()
    else:
        return None
    return [_target(row) for row in rows]


def full_address(address: dict[str, str] | None) -> dict[str, str] | None:
    """An address with all its five fields (contract C13)."""
    if address is None:
        return None
    return {
        "type": address.get("type", ""),
        "target": address.get("target", ""),
        "target_name": address.get("target_name", ""),
        "name": address.get("name", ""),
        "detail": address.get("detail", ""),
    }


def _target(found: tuple[Any, ...]) -> Target:
    position, outdial_id, target_id, personal_text, state = found[:5]
    lifecycle = "failed" if state == EXPIRED else state
    zones, since, streak = found[14:17]
    personal = from_json(personal_text)
    destinations = [full_address(address) for address in personal["destinations"]]
    return Target(
        position,
        outdial_id,
        target_id,
        personal.get("name", ""),
        personal.get("detail", ""),
        personal.get("data", ""),
        destinations + [None] * (SLOTS - len(destinations)),
        STATUS_OF[lifecycle],
        lifecycle,
        found[5:10],
        *found[10:14],
        None if zones is None else from_json(zones),
        since,
        since if streak == AT else None,
        _in_a_row(streak),
        *found[17:],
    )
