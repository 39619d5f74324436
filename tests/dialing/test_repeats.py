"""Repeats: the same id is the same answer, another content under it is refused, and what comes twice happens once."""

import pickle
from typing import Any

import pytest

from given import Given, a, given
from outdial.commands import COMMANDS, AddTargets, Command, DeleteCampaign, DeleteOutdial, NewTarget, SetOutdialData, UpdateOutdial
from outdial.dialing.ledger import CommandIds
from outdial.events import CampaignCommandNoted, CommandNoted, OutdialUpdated, TargetReopened
from outdial.plan import Plan
from outdial.suppression import Leave
from saying import (
    OUTDIAL,
    OUTPLAN,
    PLAN,
    THEM,
    US,
    add,
    attempt,
    campaign,
    campaign_id,
    create,
    delete,
    ends,
    halt,
    outplan,
    picked_up,
    reopen,
    run,
    start,
    stop,
    target_id,
    tel,
)
from sim import DAY, HOUR, SECOND, Sim, an_id

ID = an_id("a command")


def answered(there: Given) -> tuple[str, str | None]:
    assert there.answer is not None
    return there.answer.result, there.answer.reason


def with_id(command: Command) -> Command:
    return command.model_copy(update={"id": ID})


CHANGING: list[tuple[tuple[Command | int, ...], Command]] = [
    ((), create(PLAN)),
    ((create(),), UpdateOutdial(outdial_id=OUTDIAL, name="x")),
    ((create(),), SetOutdialData(outdial_id=OUTDIAL, data="x")),
    ((create(),), DeleteOutdial(outdial_id=OUTDIAL)),
    ((create(),), add(target_id=None)),
    ((create(),), AddTargets(outdial_id=OUTDIAL, targets=(NewTarget(destination_0=tel(1)), NewTarget(destination_0=tel(2))))),
    ((create(), add()), delete()),
    ((create(PLAN), add(), 0, ends("busy")), reopen()),
    ((create(), add()), start(PLAN)),
    ((create(PLAN), add(), 0), stop()),
    ((create(PLAN), add(), 0), picked_up()),
    ((create(PLAN), add(), 0), ends("busy")),
    ((create(PLAN), add(), 0), ends("answered")),
    ((create(PLAN), add(), 0, ends("busy")), ends("failed")),
    ((), outplan()),
    ((create(), outplan()), campaign()),
    ((create(), outplan(), campaign()), run()),
    ((create(), outplan(), add(), campaign(), run(), 0), halt()),
    ((create(), outplan(), campaign()), DeleteCampaign(campaign_id=campaign_id())),
]


@pytest.mark.parametrize(("steps", "command"), CHANGING, ids=lambda found: getattr(found, "type", ""))
@pytest.mark.parametrize("restart", [False, True])
def test_the_same_id_again_is_the_same_answer_and_writes_nothing(steps: tuple[Command | int, ...], command: Command, restart: bool) -> None:  # noqa: FBT001
    there = given(*steps).when(with_id(command))
    first = there.answer
    if restart:
        there.sim.restart()
    there.when(with_id(command)).then_nothing()
    assert first is not None
    assert there.answer is not None
    assert first.result == "events"
    assert there.answer.model_copy(update={"items": (), "warnings": ()}) == first.model_copy(update={"items": (), "warnings": ()})


def test_another_command_under_a_used_id_is_refused() -> None:
    there = given(create(id=ID)).when(create(id=ID, name="other")).then_nothing().then_rejects("id_reused")
    there.when(add(id=ID)).then_nothing().then_rejects("id_reused")
    there.sim.restart()
    there.when(add(id=ID)).then_nothing().then_rejects("id_reused")


def test_who_sent_it_and_when_is_not_what_it_asks() -> None:
    given(create(id=ID, actor="a", time=1)).when(create(id=ID, actor="b", time=2)).then_nothing()


def test_another_customer_learns_nothing_from_a_used_id() -> None:
    given(create(), add(id=ID)).when(add(id=ID, customer_id=THEM)).then_nothing().then_rejects("outdial_unknown")
    given(create(id=ID)).when(create(id=ID, customer_id=THEM)).then_nothing().then_rejects("already_exists")


def test_refused_and_unchanged_commands_are_decided_anew() -> None:
    there = given().when(add(id=ID)).then_rejects("outdial_unknown")
    there.when(create(), add(id=ID))
    assert answered(there) == ("events", None)
    change = UpdateOutdial(id=an_id("u"), outdial_id=OUTDIAL, name="x")
    there = (
        given(create(name="x")).when(change).then_nothing().when(UpdateOutdial(outdial_id=OUTDIAL, name="y"), change).then(OutdialUpdated)
    )


def test_an_unchanged_start_spends_its_id() -> None:
    there = given(create(PLAN)).when(start(PLAN, id=ID)).then(a(CommandNoted, command="StartDialing", result="unchanged"))
    there.when(stop(), start(PLAN, id=ID)).then_nothing()
    assert answered(there) == ("unchanged", None)


def test_a_refused_start_spends_its_id_and_stays_refused() -> None:
    there = given(create()).when(start(id=ID)).then(a(CommandNoted, result="rejected", reason="plan_missing"))
    there.sim.restart()
    there.when(start(PLAN), stop(), start(id=ID)).then_nothing().then_rejects("plan_missing")


def test_an_unchanged_and_a_refused_reopening_spend_their_ids() -> None:
    there = given(create(PLAN), add()).when(reopen(id=ID)).then(a(CommandNoted, command="ReopenTarget", result="unchanged"))
    there.when(0, ends("busy"), reopen(id=ID)).then_nothing()
    there.when(reopen()).then(TargetReopened)
    there.when(reopen(7, id=an_id("r"))).then(a(CommandNoted, result="rejected", reason="target_unknown"))
    there.when(add(7), reopen(7, id=an_id("r"))).then_nothing().then_rejects("target_unknown")


def test_an_unchanged_and_a_refused_run_spend_their_ids() -> None:
    there = (
        given(create(), outplan(), campaign(), run())
        .when(run(id=ID))
        .then(a(CampaignCommandNoted, command="RunCampaign", result="unchanged"))
    )
    there.when(halt(), run(id=ID)).then_nothing()
    there = given(create(), campaign(outdial_id=an_id("none"), resources={}), outplan()).when(run(id=ID)).then_rejects("resources_missing")
    there.when(run(id=ID)).then_nothing().then_rejects("resources_missing")


@pytest.mark.parametrize(
    ("steps", "command", "reason"),
    [
        ((outplan(),), campaign(), "outdial_unknown"),
        ((outplan(), create(), campaign(), start(PLAN)), run(), "outdial_running"),
        ((create(),), start(outplan_id=OUTPLAN), "outplan_unknown"),
        ((), create(outplan_id=OUTPLAN), "outplan_unknown"),
    ],
)
def test_what_another_stream_refused_stays_refused_under_its_id(steps: tuple[Command, ...], command: Command, reason: str) -> None:
    there = given(*steps).when(with_id(command)).then_rejects(reason)
    there.when(with_id(command)).then_nothing()
    assert answered(there)[0] == "rejected"
    there.sim.restart()
    there.when(with_id(command)).then_nothing()
    assert answered(there)[0] == "rejected"


def test_a_mark_of_a_spent_id_is_never_left_in_anothers_or_in_no_stream() -> None:
    given().when(start(PLAN)).then_nothing().then_rejects("outdial_unknown")
    given().when(run()).then_nothing().then_rejects("campaign_unknown")
    given(create()).when(start(PLAN, customer_id=THEM)).then_nothing().then_rejects("outdial_unknown")


def test_an_id_is_remembered_for_thirty_one_days_of_log_time() -> None:
    sim = Sim()
    there = given(create(), add(id=ID), sim=sim)
    for day in range(31):
        sim.now += DAY
        there.when(add(100 + day))
    there.when(add(2, id=ID)).then_nothing().then_rejects("id_reused")
    sim.now += DAY
    there.when(add(200), add(2, id=ID))
    assert answered(there) == ("events", None)


@pytest.mark.parametrize("gaps", [[1] * 70, [3, 0, 0, 29, 2, 0, 1, 31, 32, 1, 1, 0, 30]])
def test_of_many_ids_those_of_the_last_thirty_one_days_are_remembered(gaps: list[int]) -> None:
    ids, days, today = CommandIds(), dict[str, int](), 0
    for number, gap in enumerate(gaps):
        today += gap
        for one in (an_id(f"{number}/first"), an_id(f"{number}/second")):
            ids.remember(one, f"{number:016x}", today * DAY + number)
            days[one] = today
        ids = pickle.loads(pickle.dumps(ids))  # noqa: S301  made a line before
        assert {one for one in days if ids.content_of(one) is not None} == {one for one, day in days.items() if today - day <= 31}


def test_with_an_id_its_refusal_is_forgotten() -> None:
    sim = Sim()
    there = given(create(), start(id=ID), sim=sim)
    sim.now += 32 * DAY
    there.when(add(), start(PLAN, id=ID), start(PLAN, id=ID)).then_nothing()
    assert answered(there) == ("events", None)


def test_an_id_is_not_forgotten_while_nothing_happens() -> None:
    sim = Sim()
    there = given(create(), add(id=ID), sim=sim)
    sim.now += 365 * DAY
    there.when(add(2, id=ID)).then_nothing().then_rejects("id_reused")


def test_a_repeated_stop_names_the_attempts_open_now() -> None:
    there = given(create(PLAN), add(1), add(2), 0, stop(id=ID), ends("busy", 1, 1)).when(stop(id=ID)).then_nothing()
    assert there.answer is not None
    assert there.answer.open == (attempt(1, 2),)


def owed(command: Command, there: Given) -> list[str]:
    """The follow-ups of a command that is pressed once more, under its own id and under another."""
    ledger, now = there.sim.ledger, there.sim.now
    again, anew = ledger.decide(with_id(command), now), ledger.decide(command.model_copy(update={"id": an_id("another")}), now)
    found = [[type(one.command).__name__ for one in effects.follow_ups if one.awaited] for effects in (again, anew)]
    assert found[0] == found[1]
    return found[0]


def test_a_second_press_sends_again_what_is_owed_so_that_it_is_not_answered_early() -> None:
    base: tuple[Any, ...] = (create(), outplan(), campaign(), add())

    def half(*steps: Command | int, then: Command) -> Given:
        there = given(*steps)
        there.sim.ledger.decide(with_id(then), there.sim.now)
        return there

    assert owed(run(), half(*base, then=run())) == ["StartDialing"]
    assert owed(halt(), half(*base, run(), 0, then=halt())) == ["StopDialing"]
    assert owed(DeleteCampaign(campaign_id=campaign_id()), half(*base, then=DeleteCampaign(campaign_id=campaign_id()))) == [
        "ReleaseOutdial"
    ]
    direct = start(outplan_id=OUTPLAN)
    assert owed(direct, half(create(), outplan(), then=direct)) == ["FollowPlan"]


def test_a_run_sent_again_after_it_ended_starts_nothing() -> None:
    there = given(create(), outplan(), campaign(), run(id=ID), 0)
    effects = there.sim.ledger.decide(run(id=ID), there.sim.now)
    assert (effects.events, effects.follow_ups) == ([], [])


@pytest.mark.parametrize("name", sorted(name for name, model in COMMANDS.items() if model.internal))
def test_internal_commands_are_not_taken_from_outside(name: str) -> None:
    there = given(create(PLAN), outplan(), add(), 0)
    fields: dict[str, Any] = {
        "id": ID, "customer_id": US, "outdial_id": OUTDIAL, "outplan_id": OUTPLAN, "campaign_id": campaign_id(), "target_id": target_id(),
        "attempt_id": attempt(), "ask": 1, "change": 1, "run": 1, "version": 9, "plan": PLAN, "reason": "x", "resource": "outplan",
        "resource_id": OUTPLAN, "how": "stopped", "requests": 0, "open": 0, "partition": 0, "cap_id": ID, "at": 0, "until": 0,
        "word": 1, "heard": 0, "share": 1, "wanted": 1, "end_handle": "stop",
        "leaves": (Leave(cap_id=ID, target_id=target_id(), attempt_id=attempt()),),
    }  # fmt: skip
    model = COMMANDS[name]
    command = model(**{field: value for field, value in fields.items() if field in model.model_fields})
    there.when(command).then_nothing().then_rejects("internal_command")


@pytest.mark.parametrize(
    "command",
    [
        start(campaign_id=campaign_id(), run=1, outplan_id=OUTPLAN),
        start(campaign_type="call"),
        stop(campaign_id=campaign_id(), run=1),
        run(chain=()),
    ],
)
def test_the_internal_forms_of_public_commands_are_not_taken_from_outside(command: Command) -> None:
    given(create(PLAN), outplan(), add(), 0).when(command).then_nothing().then_rejects("internal_command")


def test_an_internal_command_spends_no_id() -> None:
    there = given(create(PLAN), outplan(), campaign(), stop(), run())
    there.sim.ledger.decide(stop(id=ID, campaign_id=campaign_id(), run=1), there.sim.now, internal=True)
    there.when(add(2, id=ID))
    assert answered(there) == ("events", None)


def test_a_timer_that_fires_twice_or_early_decides_nothing() -> None:
    there = given(create(Plan(max_try_count_0=2)), add())
    sim = there.sim
    sim.now += SECOND
    requested = [effects for effects in sim.ledger.tick(sim.now, sim.now, 10) if effects.requests]
    assert len(requested) == 1
    assert sim.ledger.tick(sim.now, sim.now, 10) == []
    assert sim.ledger.tick(sim.now - SECOND, sim.now - SECOND, 10) == []
    assert sim.ledger.tick(sim.now + HOUR // 60, sim.now, 10) == []
