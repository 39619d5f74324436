"""Totals over all outdials of all customers: what whoever runs the service looks at. Nothing of its own is kept for them.

What is asked costs as much as there are outdials, and a look at each that dials; never as much as there are targets.
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Final

from outdial.views import counts, outdials
from outdial.views.counts import EXPIRED, RULES, STATUS_OF
from outdial.views.rows import one_moment

_STATES: Final = """
    SELECT state, dialing, plan = '', paused <> '', sum(n)
    FROM outdial CROSS JOIN tally ON tally.outdial = outdial.position
    WHERE outdial.tm_delete IS NULL AND tally.subject = 'target' AND tally.state <> 'deleted' GROUP BY 1, 2, 3, 4
"""
_DIALING: Final = """
    SELECT position, plan, campaign_type, dialing, paused, draining, tm_delete
    FROM outdial WHERE dialing = 'run' AND plan <> '' AND paused = '' AND tm_delete IS NULL
"""
_PACES: Final = "SELECT coalesce(sum(calls_per_second), 0) FROM pace"
_SHARES: Final = """
    SELECT coalesce(sum(share), 0), coalesce(sum(wanted), 0), count(*) FILTER (WHERE wanted > 0 AND share = 0)
    FROM pace CROSS JOIN pace_share ON pace_share.customer_id = pace.customer_id WHERE calls_per_second > 0
"""


@dataclass(frozen=True, slots=True)
class Targets:
    """Targets that are not deleted, of outdials that are not."""

    status: dict[str, int]
    blocked: dict[str, int]
    """How many each of :data:`outdial.views.counts.RULES` holds, as in the stats of each outdial."""


def targets(db: sqlite3.Connection, now: int) -> Targets:
    """How many targets there are at an instant, and what holds them."""
    with one_moment(db):
        return _targets(db, now)


def _targets(db: sqlite3.Connection, now: int) -> Targets:
    status, blocked = dict.fromkeys(("idle", "progressing", "done"), 0), Counter[str]()
    for state, dialing, unplanned, paused, n in db.execute(_STATES).fetchall():
        status[STATUS_OF.get(state, "done")] += n
        if state in (EXPIRED, "failed"):
            blocked[EXPIRED if state == EXPIRED else "tries_spent"] += n
        elif STATUS_OF[state] == "idle" and (held := outdials.held_by(dialing, unplanned=unplanned, paused=paused)):
            blocked[held] += n
    for position, *facts in db.execute(_DIALING).fetchall():
        blocked.update(counts.blocked(db, position, outdials.in_force(*facts), now))
    return Targets(status, {rule: blocked[rule] for rule in RULES})


@dataclass(frozen=True, slots=True)
class Paces:
    """The calls per second of all customers that have a limit."""

    limit: int
    given: int
    """What outdials have of it, as shares."""
    wanted: int
    """What those that ask for a share could use."""
    waiting: int
    """Outdials that ask and have none."""


def paces(db: sqlite3.Connection) -> Paces:
    """How the calls per second of customers are used."""
    with one_moment(db):
        return Paces(db.execute(_PACES).fetchone()[0], *db.execute(_SHARES).fetchone())
