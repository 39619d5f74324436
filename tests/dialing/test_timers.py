"""What has become due is decided like any command: early, late, twice or out of place, it changes nothing."""

import pytest

from given import given
from outdial.commands import Command, DeleteOutdial, EndLease, FinishDialing, RequestDial, ReviveTargets
from outdial.envelope import Event
from outdial.plan import Plan
from saying import OUTDIAL, PLAN, add, attempt, create, delete, ends, outplan, picked_up, start, stop, target_id
from sim import HOUR, MINUTE, SECOND, Sim, an_id

REQUEST = RequestDial(id=an_id("timer"), outdial_id=OUTDIAL, target_id=target_id())
LEASE = EndLease(id=an_id("timer"), outdial_id=OUTDIAL, target_id=target_id(), attempt_id=attempt())
FINISH = FinishDialing(id=an_id("timer"), outdial_id=OUTDIAL)
REVIVE = ReviveTargets(id=an_id("timer"), outdial_id=OUTDIAL)
ENDING = start(PLAN, end_handle="stop")


def fired(sim: Sim, timer: Command, after: int = 0) -> list[Event]:
    return sim.ledger.decide(timer, sim.now + after, internal=True).events


@pytest.mark.parametrize(
    ("steps", "timer", "after"),
    [
        ((create(PLAN), add(), 0, ends("busy")), REQUEST, MINUTE - 1),
        ((create(PLAN), add(), 0), REQUEST, HOUR),
        ((create(PLAN), add(), 0, ends("answered")), REQUEST, HOUR),
        ((create(Plan(max_try_count_0=1)), add(), 0, ends("busy")), REQUEST, HOUR),
        ((create(PLAN), add(), delete()), REQUEST, 0),
        ((create(PLAN), add(), stop()), REQUEST, 0),
        ((create(PLAN), add(), DeleteOutdial(outdial_id=OUTDIAL)), REQUEST, 0),
        ((create(), add()), REQUEST, 0),
        ((create(Plan()), add()), REQUEST, 0),
        ((create(PLAN),), REQUEST, 0),
        ((create(Plan(max_try_count_0=1, max_concurrent=1)), add(2), 0, add()), REQUEST, 0),
        ((create(Plan(max_try_count_0=1, calls_per_second=1)), add(2), 0, add()), REQUEST, SECOND - 1),
        ((create(PLAN), add(), 0), LEASE, 690 * SECOND - 1),
        ((create(PLAN), add(), 0, picked_up()), LEASE, 690 * SECOND),
        ((create(PLAN), add(), 0, ends("busy"), MINUTE), LEASE, HOUR),
        ((create(PLAN), add()), LEASE, HOUR),
        ((create(PLAN),), FINISH, 0),
        ((create(),), FINISH, 0),
        ((create(), add(), ENDING), FINISH, 0),
        ((create(), add(), ENDING, 0), FINISH, 0),
        ((create(), add(), ENDING, 0, ends("busy")), FINISH, 0),
        ((create(), add(), ENDING, 0, delete()), FINISH, 0),
        ((create(Plan(max_try_count_0=1)), add(), 0, ends("busy"), stop(), ENDING), FINISH, 0),
        ((create(PLAN), add()), REVIVE, 0),
        ((create(Plan(max_try_count_0=1)), add(), 0, ends("busy")), REVIVE, 0),
        ((create(Plan(max_try_count_0=1)), add(), 0, ends("busy"), start(PLAN), stop()), REVIVE, 0),
    ],
)
def test_a_timer_that_does_not_fit_what_is_changes_nothing(steps: tuple[Command | int, ...], timer: Command, after: int) -> None:
    assert fired(given(*steps).sim, timer, after) == []


def test_a_run_that_waits_for_its_plan_requests_and_finishes_nothing() -> None:
    sim = given(create(PLAN), add(), stop()).sim
    sim.ledger.decide(start(outplan_id=outplan().outplan_id, id=an_id("s"), end_handle="stop"), sim.now)
    assert fired(sim, REQUEST) == []
    assert fired(sim, FINISH) == []


@pytest.mark.parametrize(
    ("steps", "timer", "after", "made"),
    [
        ((create(PLAN), add(), 0, ends("busy")), REQUEST, MINUTE, ["DialRequested"]),
        ((create(PLAN), add(), 0), LEASE, 690 * SECOND, ["DialEnded"]),
        ((create(), ENDING), FINISH, 0, ["DialingFinished"]),
        ((create(Plan(max_try_count_0=1)), add(), 0, ends("busy"), start(PLAN)), REVIVE, 0, ["TargetRevived"]),
    ],
)
def test_a_timer_that_fires_in_time_does_its_work_once(
    steps: tuple[Command | int, ...], timer: Command, after: int, made: list[str]
) -> None:
    sim = given(*steps).sim
    assert [event.type for event in fired(sim, timer, after)] == made
    assert fired(sim, timer, after) == []
