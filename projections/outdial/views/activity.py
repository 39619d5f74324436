"""What went on, and when: requests and ends of attempts over time, by try, destination, hour and country; and who steered. Kept as rows.

``activity`` counts under five measures. ``pace``: by slices of five seconds. ``try``, ``destination``, ``hour`` and ``prefix``: ends
of attempts by the ordinal of the attempt on its target, the index of the destination, the hour of the day (UTC), and the calling code of
the number.
``control`` has a row for each event that changed how an outdial dials, so that a chart can say why its lines bend.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from outdial.commands import OUTCOMES
from outdial.envelope import Event
from outdial.events import DialEnded
from outdial.scalars import SECOND_US
from outdial.views.rows import Write, writes

SLICE_S: Final = 5
REQUESTED: Final = "requested"
PACE: Final = "pace"
PREFIX: Final = "prefix"
MEASURES: Final = ("try", "destination", "hour", PREFIX)
"""What the yield of attempts is told by."""
CONTROLS: Final = frozenset(
    {
        "DialingStarted", "DialingStopped", "DialingFinished", "DialingPaused", "DialingResumed", "DialingDraining",
        "PlanApplied", "OutdialDeleted",
    }
)  # fmt: skip
"""Types of events that change how an outdial dials."""
_SLICE_US: Final = SLICE_S * SECOND_US
_HOUR_S: Final = 3_600
_DAY_HOURS: Final = 24

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS activity (
        outdial INTEGER,
        measure TEXT,       -- pace, try, destination, hour, prefix
        at INTEGER,         -- pace: five seconds since 1970; else the ordinal, the index, the hour, the calling code
        what TEXT,          -- requested, or the outcome of attempts that ended
        n INTEGER NOT NULL,
        PRIMARY KEY (outdial, measure, at, what)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS control (
        outdial INTEGER,
        position INTEGER,
        time INTEGER NOT NULL,
        type TEXT NOT NULL,
        actor TEXT NOT NULL,
        PRIMARY KEY (outdial, position)
    ) WITHOUT ROWID
    """,
)
TABLES: Final = ("activity", "control")
DIGEST: Final = """
    SELECT json_group_array(json_array(outdial, measure, at, what, n)), max(outdial)
    FROM (SELECT * FROM activity WHERE outdial = (SELECT min(outdial) FROM activity WHERE outdial > ?) ORDER BY measure, at, what)
"""
DIGEST_CONTROL: Final = """
    SELECT json_group_array(json_array(outdial, position, time, type, actor)), max(outdial)
    FROM (SELECT * FROM control WHERE outdial = (SELECT min(outdial) FROM control WHERE outdial > ?) ORDER BY position)
"""
_ADD: Final = """
    INSERT INTO activity (outdial, measure, at, what, n) SELECT * FROM {rows} WHERE column1 IS NOT NULL
    ON CONFLICT (outdial, measure, at, what) DO UPDATE SET n = n + excluded.n
"""
_NOTE: Final = "INSERT OR REPLACE INTO control (outdial, position, time, type, actor) SELECT * FROM {rows} WHERE column1 IS NOT NULL"
_PACE: Final = """
    SELECT at, what, n FROM activity
    WHERE outdial = (SELECT position FROM outdial WHERE id = ?) AND measure = 'pace' AND at >= ? AND at < ?
"""
_YIELD: Final = """
    SELECT at, what, n FROM activity
    WHERE outdial = (SELECT position FROM outdial WHERE id = ?) AND measure = ? ORDER BY at
"""
_CONTROLS: Final = """
    SELECT position, time, type, actor FROM control
    WHERE outdial = (SELECT position FROM outdial WHERE id = ?) ORDER BY position DESC LIMIT ?
"""

# --- from events to rows --------------------------------------------------------------------------------

Tally = Counter[tuple[int, int, str, int, int, int]]
"""(outdial, five seconds since 1970, what, ordinal, index of the destination, calling code) -> how many more; of requests the last
three are 0."""
Control = tuple[int, int, int, str, str]
"""A row of ``control``."""


def requested(tally: Tally, outdial: int, event: Event) -> None:
    """Count a DialRequested."""
    tally[outdial, event.time // _SLICE_US, REQUESTED, 0, 0, 0] += 1


def ended(tally: Tally, outdial: int, event: Event, data: DialEnded, code: int) -> None:
    """Count a DialEnded; ``code``: the calling code of the number."""
    tally[outdial, event.time // _SLICE_US, data.outcome, data.ordinal, data.destination_index, code] += 1


def save(tally: Tally, controls: list[Control]) -> Iterator[Write]:
    """What adds what a batch changed."""
    more: Counter[tuple[int, str, int, str]] = Counter()
    for (outdial, at, what, ordinal, index, code), n in tally.items():
        more[outdial, PACE, at, what] += n
        if what != REQUESTED:
            more[outdial, "try", ordinal, what] += n
            more[outdial, "destination", index, what] += n
            more[outdial, "hour", at * SLICE_S // _HOUR_S % _DAY_HOURS, what] += n
            more[outdial, PREFIX, code, what] += n
    yield from writes(_ADD, 5, [(*key, n) for key, n in more.items()])
    yield from writes(_NOTE, 5, controls)


# --- questions ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Pace:
    """Requests and ends of attempts over time."""

    begins: int
    """Seconds since 1970: where the first step begins."""
    step: int
    """Seconds of a step."""
    counts: dict[str, list[int]]
    """By what (``requested``, then every outcome): how many in each step."""


def pace(db: sqlite3.Connection, outdial_id: str, until: int, span: int, step: int) -> Pace:
    """Requests and ends in the ``span`` seconds before an instant (microseconds), by steps of ``step`` seconds."""
    last = until // (step * SECOND_US) + 1
    steps = span // step
    begins = (last - steps) * step
    counts = {what: [0] * steps for what in (REQUESTED, *OUTCOMES)}
    for at, what, n in db.execute(_PACE, (outdial_id, begins // SLICE_S, last * step // SLICE_S)).fetchall():
        counts[what][(at * SLICE_S - begins) // step] += n
    return Pace(begins, step, counts)


def yields(db: sqlite3.Connection, outdial_id: str, measure: str) -> list[dict[str, Any]]:
    """Attempts that ended, by what a measure tells them apart by: ``key``, ``ended``, ``outcome`` -> how many."""
    found: dict[int, dict[str, int]] = {}
    for at, what, n in db.execute(_YIELD, (outdial_id, measure)).fetchall():
        found.setdefault(at, {})[what] = n
    return [{"key": key, "ended": sum(counts.values()), "outcome": counts} for key, counts in found.items()]


def controls(db: sqlite3.Connection, outdial_id: str, limit: int) -> list[tuple[int, int, str, str]]:
    """The newest events that changed how an outdial dials: (place, time in microseconds, type, actor)."""
    return db.execute(_CONTROLS, (outdial_id, limit)).fetchall()
