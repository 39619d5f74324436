"""Counts of an outdial: how far is it, and what is due? Kept as rows, never counted by scanning.

``tally`` counts targets by lifecycle and last outcome, and attempts by what became of them.
``waiting`` counts the idle targets by **profile** (all that decides whether a plan gives them another
try, and how long they wait) and by the two seconds in which their waiting began. So a plan can change
at any time and nothing is counted anew; only the one slice the present cuts through is looked at row by row.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from outdial.address import SLOTS
from outdial.commands import OUTCOMES
from outdial.plan import Plan, RetryMode
from outdial.scalars import MILLISECOND_US, SECOND_US
from outdial.views.rows import Write, writes
from outdial.windows import RECIPIENT, Gate

SLICE_US: Final = 2 * SECOND_US
AT_ONCE: Final = -1
"""The slice of targets that wait for nothing: never tried, or reopened."""
AT: Final = -1
"""In place of ``not_dialed`` in a row: the target waits for an instant of its own, which stands in place of the end of the attempt."""
FIRST_BACKOFF_MS: Final = 1_000
LONGEST_BACKOFF_MS: Final = 900_000
NEVER: Final = "never"
"""The last outcome of a target that was never tried."""
STATUS_OF: Final = {
    "idle": "idle",
    "busy": "idle",
    "no_answer": "idle",
    "dialing": "progressing",
    "answered": "progressing",
    "finished": "done",
    "failed": "done",
}
"""Status of a target by its lifecycle (contract C3)."""

DDL: Final = (
    """
    CREATE TABLE IF NOT EXISTS tally (
        outdial INTEGER,
        subject TEXT,       -- target, attempt
        state TEXT,         -- target: lifecycle, or deleted; attempt: requested, claimed, answered, open, ended, lost, given_back
        outcome TEXT,       -- target: the last one; attempt: of those that ended
        n INTEGER NOT NULL,
        PRIMARY KEY (outdial, subject, state, outcome)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS waiting (
        outdial INTEGER,
        profile TEXT,       -- as in target.profile
        slice INTEGER,      -- target.since in two seconds, -1 = waits for nothing
        n INTEGER NOT NULL,
        PRIMARY KEY (outdial, profile, slice)
    ) WITHOUT ROWID
    """,
    # A count that has come down to 0 is no row: a rebuild, whose batches are others, may never have had it.
    """
    CREATE TRIGGER IF NOT EXISTS tally_empty AFTER UPDATE ON tally WHEN new.n = 0
    BEGIN DELETE FROM tally WHERE outdial = new.outdial AND subject = new.subject AND state = new.state AND outcome = new.outcome; END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS waiting_empty AFTER UPDATE ON waiting WHEN new.n = 0
    BEGIN DELETE FROM waiting WHERE outdial = new.outdial AND profile = new.profile AND slice = new.slice; END
    """,
)
TABLES: Final = ("tally", "waiting")
DIGEST: Final = """
    SELECT json_group_array(json_array(outdial, subject, state, outcome, n)), max(outdial)
    FROM (SELECT * FROM tally WHERE outdial = (SELECT min(outdial) FROM tally WHERE outdial > ?) ORDER BY subject, state, outcome)
"""
DIGEST_WAITING: Final = """
    SELECT json_group_array(json_array(outdial, profile, slice, n)), max(outdial)
    FROM (SELECT * FROM waiting WHERE outdial = (SELECT min(outdial) FROM waiting WHERE outdial > ?) ORDER BY profile, slice)
"""
_ADD_TALLY: Final = """
    INSERT INTO tally (outdial, subject, state, outcome, n) SELECT * FROM {rows} WHERE column1 IS NOT NULL
    ON CONFLICT (outdial, subject, state, outcome) DO UPDATE SET n = n + excluded.n
"""
_ADD_WAITING: Final = """
    INSERT INTO waiting (outdial, profile, slice, n) SELECT * FROM {rows} WHERE column1 IS NOT NULL
    ON CONFLICT (outdial, profile, slice) DO UPDATE SET n = n + excluded.n
"""
_TALLY: Final = "SELECT subject, state, outcome, n FROM tally WHERE outdial = ?"
_PROFILES: Final = "SELECT profile, sum(n) FROM waiting WHERE outdial = ? GROUP BY profile"
_DUE_BEFORE: Final = "SELECT coalesce(sum(n), 0) FROM waiting WHERE outdial = ? AND profile = ? AND slice < ?"
_NEXT_SLICE: Final = "SELECT min(slice) FROM waiting WHERE outdial = ? AND profile = ? AND slice > ?"
_DUE_BY: Final = """
    SELECT max(0, (slice * :slice_us + :wait - :origin) / :step), sum(n) FROM waiting
    WHERE outdial = :outdial AND profile = :profile AND slice * :slice_us + :wait < :end GROUP BY 1
"""
_IN_SLICE: Final = """
    SELECT profile, count(*) FILTER (WHERE since <= :edge), min(since) FILTER (WHERE since > :edge)
    FROM target INDEXED BY target_waiting
    WHERE outdial = :outdial AND since >= :start AND since < :end
        AND lifecycle IN ('idle', 'busy', 'no_answer') AND tm_delete IS NULL
    GROUP BY profile
"""

# --- from rows to counts --------------------------------------------------------------------------------

Tally = Counter[tuple[int, str, str, str]]
"""(outdial, subject, state, outcome) -> how many more."""
Waiting = Counter[tuple[int, str, int]]
"""(outdial, profile, slice) -> how many more."""


def save(tally: Tally, waiting: Waiting) -> Iterator[Write]:
    """What adds what a batch changed."""
    yield from writes(_ADD_TALLY, 5, _changed(tally))
    yield from writes(_ADD_WAITING, 4, _changed(waiting))


def _changed(counts: Mapping[tuple[Any, ...], int]) -> list[tuple[Any, ...]]:
    return [(*key, more) for key, more in counts.items() if more]


# --- questions ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Stats:
    """The numbers of an outdial. Every key of every dict is there, 0 when there is none."""

    total: int
    """Targets that are not deleted; ``status``, ``lifecycle`` and ``outcome`` (the last one) each add up to it."""
    deleted: int
    status: dict[str, int]
    lifecycle: dict[str, int]
    outcome: dict[str, int]
    open_attempts: int
    requested: int
    claimed: int
    answered: int
    lost: int
    given_back: int
    ended: dict[str, int]
    """Attempts that are over, by outcome."""
    waiting: int
    """Idle targets with a try left under the plan in force."""
    no_tries: int
    """Idle targets without one."""
    due_now: int
    """Those whose wait is over, while the hours of the plan are open. The hours of each person's own clock are not looked at."""
    due_outside: int
    """Those whose wait is over, while the hours of the plan are not open."""
    next_due: int | None
    """The first instant after now at which one more becomes due, hours included as far as for ``due_now``."""


@dataclass(frozen=True, slots=True)
class _Due:
    waiting: int = 0
    no_tries: int = 0
    now: int = 0
    outside: int = 0
    next: int | None = None


def stats(db: sqlite3.Connection, outdial: int, plan: Plan | None, now: int, *, calls_only: bool) -> Stats:
    """The numbers of the outdial whose creating event stands at position ``outdial``."""
    targets: Counter[tuple[str, str]] = Counter()
    attempts: Counter[tuple[str, str]] = Counter()
    for subject, state, outcome, n in db.execute(_TALLY, (outdial,)).fetchall():
        (targets if subject == "target" else attempts)[state, outcome] = n
    due = _due(db, outdial, plan, now, calls_only=calls_only)
    alive = {key: n for key, n in targets.items() if key[0] != "deleted"}
    return Stats(
        total=sum(alive.values()),
        deleted=sum(n for (state, _), n in targets.items() if state == "deleted"),
        status=_by(("idle", "progressing", "done"), ((STATUS_OF[state], n) for (state, _), n in alive.items())),
        lifecycle=_by(STATUS_OF, ((state, n) for (state, _), n in alive.items())),
        outcome=_by((NEVER, *OUTCOMES), ((outcome, n) for (_, outcome), n in alive.items())),
        open_attempts=attempts["open", ""],
        requested=attempts["requested", ""],
        claimed=attempts["claimed", ""],
        answered=attempts["answered", ""],
        lost=attempts["lost", ""],
        given_back=attempts["given_back", ""],
        ended=_by(OUTCOMES, ((outcome, n) for (state, outcome), n in attempts.items() if state == "ended")),
        waiting=due.waiting,
        no_tries=due.no_tries,
        due_now=due.now,
        due_outside=due.outside,
        next_due=due.next,
    )


@dataclass(slots=True)
class Calendar:
    """When the targets of an outdial fall due, to two seconds."""

    overdue: int
    """Due already."""
    steps: list[int]
    """How many fall due in each step from now on."""
    later: int
    """After the last step."""


def calendar(db: sqlite3.Connection, outdial: int, plan: Plan | None, now: int, step: int, steps: int, *, calls_only: bool) -> Calendar:
    """What the next steps of ``step`` microseconds bring, if nothing changes until then."""
    found = Calendar(0, [0] * steps, 0)
    if plan is None:
        return found
    for profile, waiting in db.execute(_PROFILES, (outdial,)).fetchall():
        if not has_try(profile, plan, calls_only=calls_only):
            continue
        asked = {"slice_us": SLICE_US, "wait": wait_us(profile, plan), "origin": now - step, "step": step, "end": now + steps * step}
        found.later += waiting
        for number, n in db.execute(_DUE_BY, {**asked, "outdial": outdial, "profile": profile}).fetchall():
            found.later -= n
            if number:
                found.steps[number - 1] += n
            else:
                found.overdue += n
    return found


def _by(words: Iterable[str], counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    found = dict.fromkeys(words, 0)
    for word, n in counts:
        found[word] += n
    return found


def _due(db: sqlite3.Connection, outdial: int, plan: Plan | None, now: int, *, calls_only: bool) -> _Due:
    """What waits, what is due and what comes next."""
    profiles: dict[str, int] = dict(db.execute(_PROFILES, (outdial,)).fetchall())
    dialable = {profile: n for profile, n in profiles.items() if plan is not None and has_try(profile, plan, calls_only=calls_only)}
    waiting, no_tries = sum(dialable.values()), sum(profiles.values()) - sum(dialable.values())
    if plan is None:
        return _Due(waiting, no_tries)
    due, upcoming = 0, []
    slices: dict[tuple[int, int], dict[str, tuple[int, int | None]]] = {}
    for profile in dialable:
        wait = wait_us(profile, plan)
        edge = now - wait
        cut = edge // SLICE_US
        due += db.execute(_DUE_BEFORE, (outdial, profile, cut)).fetchone()[0]
        nothing: tuple[int, int | None] = (0, None)
        ready, first = _slice(db, slices, outdial, cut, edge).get(profile, nothing)
        due += ready
        if first is None and (later := db.execute(_NEXT_SLICE, (outdial, profile, cut)).fetchone()[0]) is not None:
            first = _slice(db, slices, outdial, later, edge).get(profile, nothing)[1]
        if first is not None:
            upcoming.append(first + wait)
    return _within_hours(_Due(waiting, no_tries, due, next=min(upcoming, default=None)), plan, now)


def _within_hours(due: _Due, plan: Plan, now: int) -> _Due:
    """The same by the hours of a plan that has one clock for all."""
    if plan.windows is None or plan.windows.time_zone == RECIPIENT:
        return due
    gate = Gate(plan.windows, (plan.windows.time_zone,))
    if gate.is_open(now):
        return replace(due, next=None if due.next is None else gate.opens_at(due.next))
    first = now if due.now else due.next
    return replace(due, now=0, outside=due.now, next=None if first is None else gate.opens_at(first))


def _slice(
    db: sqlite3.Connection, known: dict[tuple[int, int], dict[str, tuple[int, int | None]]], outdial: int, number: int, edge: int
) -> dict[str, tuple[int, int | None]]:
    """Of one slice, by profile: how many began to wait up to the edge, and when the first after it did."""
    found = known.get((number, edge))
    if found is None:
        rows = db.execute(
            _IN_SLICE, {"outdial": outdial, "start": number * SLICE_US, "end": (number + 1) * SLICE_US, "edge": edge}
        ).fetchall()
        found = known[number, edge] = {profile: (ready, first) for profile, ready, first in rows}
    return found


# --- profiles -------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _parsed(profile: str) -> tuple[int, int, tuple[int, ...], int, int]:
    """(set destinations, callable destinations, tries of each, cap of the target or -1, not_dialed in a row or AT)."""
    slots, dialable, *tries, most, streak = map(int, profile.split(","))
    return slots, dialable, tuple(tries), most, streak


def has_try(profile: str, plan: Plan, *, calls_only: bool) -> bool:
    """Whether the plan gives targets of this profile another try.

    In ``retry_mode`` result the answer is yes while the caps on a whole target allow it: a target whose
    budget is spent was recorded as exhausted when its last attempt ended.
    """
    slots, dialable, tries, most, _ = _parsed(profile)
    spent = sum(tries)
    if 0 <= most <= spent or (plan.max_attempts is not None and spent >= plan.max_attempts):
        return False
    usable = dialable if calls_only else slots
    if plan.retry_mode is RetryMode.RESULT:
        return usable != 0
    caps = plan.caps
    return any(usable >> slot & 1 and tries[slot] < caps[slot] for slot in range(SLOTS))


def wait_us(profile: str, plan: Plan) -> int:
    """How long targets of this profile wait from ``since`` on, microseconds."""
    streak = _parsed(profile)[4]
    if streak == AT:
        return 0
    backoff = min(FIRST_BACKOFF_MS << min(streak - 1, 10), LONGEST_BACKOFF_MS) if streak else 0
    return max(plan.try_interval, backoff) * MILLISECOND_US
