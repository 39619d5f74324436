"""Who checks the checker: it finds nothing wrong with a right log, and something with every damaged one."""

import asyncio
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from faults.checker import Memory, Placed, Row, faults_of_log, faults_of_memory, rows_of
from faults.sparing import faults_of_sparing
from outdial.commands import AddTarget, CreateOutdial, DialResult
from outdial.embedded.runtime import Embedded
from outdial.plan import Plan
from runtimes.script import HOUR, SECOND, Clock, Step, Writer, attempt, named, play, script, target

Damage = Callable[[list[Row]], list[Row]]
UNENDED = 6
"""Targets of the script that come to no end: their lists were stopped."""


async def _written(folder: Path, steps: list[Step]) -> list[Row]:
    clock = Clock()
    runtime = await Embedded.open(folder, clock)
    await play(runtime, clock, steps)
    await runtime.close()
    return rows_of(folder / "outdial.db")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """A right log of every event there is."""
    return asyncio.run(_written(tmp_path_factory.mktemp("log"), script()))


def renumbered(rows: list[Row]) -> list[Row]:
    """The same with positions, sequences and times as if it had been written so: only its meaning is wrong."""
    last: dict[str, int] = {}
    time, text = 0, ""
    for position, row in enumerate(rows, 1):
        stream = row.event["id"].rpartition("/")[0]
        last[stream] = last.get(stream, 0) + 1
        row.position, row.sequence = position, last[stream]
        row.event |= {"sequence": last[stream], "id": f"{stream}/{last[stream]}"}
        if row.time < time:
            row.time, row.event["time"] = time, text
        time, text = row.time, row.event["time"]
    return rows


def at(rows: list[Row], kind: str, nth: int = 0) -> int:
    """Where the nth event of a type stands."""
    return [place for place, row in enumerate(rows) if row.type == kind][nth]


def test_a_right_log_has_no_fault(log: list[Row]) -> None:
    assert faults_of_log(log, all_must_end=False) == []
    assert len(faults_of_log(log, all_must_end=True)) == UNENDED


async def test_a_lost_attempt_answered_late_is_no_fault_also_when_another_has_ended_since(tmp_path: Path) -> None:
    told = Writer()
    people = named("people")
    told.after(0, CreateOutdial(outdial_id=people, plan=Plan(max_try_count_0=9)), AddTarget(outdial_id=people, **dict(target(1))))
    told.after(HOUR)
    told.after(0, DialResult(**attempt("people", 1, 2), outcome="busy"))
    told.after(SECOND, DialResult(**attempt("people", 1), outcome="answered"))
    rows = await _written(tmp_path, told.steps)
    assert [row.type for row in rows[-3:]] == ["DialRequested", "DialEnded", "TargetFinished"]
    assert faults_of_log(rows, all_must_end=True) == []
    rows[-1].event["data"]["attempt_id"] = attempt("people", 1, 2)["attempt_id"]
    assert faults_of_log(rows, all_must_end=True)


def _without(kind: str, nth: int = 0) -> Damage:
    def damage(rows: list[Row]) -> list[Row]:
        del rows[at(rows, kind, nth)]
        return renumbered(rows)

    return damage


def _twice(kind: str, nth: int = 0) -> Damage:
    def damage(rows: list[Row]) -> list[Row]:
        place = at(rows, kind, nth)
        return renumbered([*rows[: place + 1], deepcopy(rows[place]), *rows[place + 1 :]])

    return damage


def _earlier(kind: str, nth: int, before: str, nth_before: int) -> Damage:
    def damage(rows: list[Row]) -> list[Row]:
        row = rows.pop(at(rows, kind, nth))
        rows.insert(at(rows, before, nth_before), row)
        row.time, row.event["time"] = rows[at(rows, before, nth_before)].time, rows[at(rows, before, nth_before)].event["time"]
        return renumbered(rows)

    return damage


def _later(kind: str, nth: int) -> Damage:
    """An event as if it had been only just before the next request."""

    def damage(rows: list[Row]) -> list[Row]:
        place = at(rows, kind, nth)
        request = next(row for row in rows[place:] if row.type == "DialRequested" and row.stream == rows[place].stream)
        rows[place].time, rows[place].event["time"] = request.time, request.event["time"]
        return rows

    return damage


def _with(kind: str, nth: int, **data: object) -> Damage:
    def damage(rows: list[Row]) -> list[Row]:
        rows[at(rows, kind, nth)].event["data"] |= data
        return rows

    return damage


def _plan(nth: int, **fields: object) -> Damage:
    def damage(rows: list[Row]) -> list[Row]:
        rows[at(rows, "PlanApplied", nth)].event["data"]["plan"] |= fields
        return rows

    return damage


def _reaching(nth: int, number: str) -> Damage:
    """The nth of those whose list and caps spare some, as if that had been their number."""

    def damage(rows: list[Row]) -> list[Row]:
        [outdial_id] = {row.stream for row in rows if row.type == "LeaveAsked"}
        added = [row for row in rows if row.type == "TargetAdded" and row.stream == outdial_id]
        added[nth].event["data"]["personal"]["destinations"][0]["target"] = number
        return rows

    return damage


def _torn(rows: list[Row]) -> list[Row]:
    del rows[50]
    return rows


def _gap(rows: list[Row]) -> list[Row]:
    del rows[50]
    for position, row in enumerate(rows, 1):
        row.position = position
    return rows


def _time_back(rows: list[Row]) -> list[Row]:
    rows[60].time -= 10**12
    return rows


DAMAGES: dict[str, Damage] = {
    "a row is missing": _torn,
    "a stream has a gap": _gap,
    "time goes back": _time_back,
    "an attempt is requested twice": _twice("DialRequested"),
    "a target is added twice": _twice("TargetAdded"),
    "a target is gone": _without("TargetAdded"),
    "an attempt never ends": _without("DialEnded"),
    "an attempt ends twice": _twice("DialEnded"),
    "an attempt skips a number": _with("DialRequested", 6, ordinal=9),
    "another destination is dialed": _with("DialRequested", 0, destination_index=1),
    "a request comes before it is due": _plan(0, try_interval=10_000_000),
    "a request comes above the cap": _plan(0, max_try_count_0=1),
    "too many attempts are open": _plan(0, max_concurrent=2),
    "too many requests come in a second": _plan(0, calls_per_second=1),
    "a request comes after a stop": _earlier("DialingStopped", 0, "DialRequested", 3),
    "a request comes after a delete": _earlier("TargetDeleted", 0, "DialRequested", 0),
    "a request comes without a run": _without("DialingStarted"),
    "a request has another lease": _with("DialRequested", 2, expires_at="2036-01-01T00:00:00.000000Z"),
    "a lease ends early": _with("DialEnded", 0, lost=True),
    "a reached target is called again": _with("DialEnded", 2, outcome="answered"),
    "a reached target is given up": _with("DialEnded", 3, outcome="answered"),
    "a try is given back although it rang": _with("DialEnded", 0, given_back=True),
    "a stop hides an open attempt": _with("DialingStopped", 3, open=[]),
    "two have one attempt": _twice("DialClaimed"),
    "a target is given up too early": _earlier("TargetExhausted", 0, "DialRequested", 0),
    "a target is finished out of nowhere": _earlier("TargetFinished", 0, "DialingStarted", 0),
    "an outdial uses more than its share": _with("ShareTaken", 0, share=0),
    "an outdial uses its share too soon": _later("ShareTaken", 0),
    "a plan is skipped": _without("PlanApplied", 1),
    "a request comes outside the hours": _plan(-1, windows={"hours": [{"days": ["mon"], "start": "03:00", "end": "03:01"}]}),
    "another wait than that of the outcome": _plan(-1, result_policy={"busy": {"interval_ms": [2_000]}}),
    "another number than that after the outcome": _plan(-1, result_policy={"busy": {"interval_ms": [2_000, 60_000]}}),
    "somebody on the list is called": _reaching(1, "+15550000041"),
    "somebody who stands for a beginning on the list is called": _reaching(1, "+447012345678"),
    "two call one number more often together than they may": _reaching(2, "+15550000042"),
    "a call back is forgotten": _without("DialEnded", -3),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_every_damage_is_found(log: list[Row], damage: Damage) -> None:
    before = faults_of_log(log, all_must_end=True)
    found = [fault for fault in faults_of_log(damage(deepcopy(log)), all_must_end=True) if fault not in before]
    assert found


def test_calls_to_one_address_are_counted_over_all_partitions(log: list[Row]) -> None:
    assert list(faults_of_sparing([log])) == []
    found = list(faults_of_sparing([log, log]))
    assert found
    assert all("one too many" in fault for fault in found)


def test_what_was_acknowledged_read_or_placed_must_be_in_the_log(log: list[Row]) -> None:
    requests = {row.position: row.event["data"]["attempt_id"] for row in log if row.type == "DialRequested"}
    claim = next(row.event["data"] for row in log if row.type == "DialClaimed")
    cause = {row.event["causationid"]: row.position for row in log}
    call = Placed(claim["attempt_id"], claim["target_id"], claim["worker"], 0, 10)
    right = Memory(acknowledged=cause, added={claim["target_id"]}, read=requests, placed=[call])
    right.acknowledged = {row.event["causationid"]: len(log) for row in log}
    assert faults_of_memory(log, right) == []

    wrong = [
        Memory(read=requests, acknowledged={"00000000-0000-4000-8000-000000000001": len(log)}),
        Memory(read=requests, acknowledged={log[-1].event["causationid"]: 1}),
        Memory(read=requests, listed={"+15550000042": 1}),
        Memory(read=requests, added={"00000000-0000-4000-8000-000000000001"}),
        Memory(read=dict(list(requests.items())[1:])),
        Memory(read={**requests, 1: "00000000-0000-4000-8000-000000000001"}),
        Memory(read=requests, placed=[call, call]),
        Memory(read=requests, placed=[Placed(call.attempt_id, call.target_id, "another", 0, 10)]),
    ]
    assert all(faults_of_memory(log, memory) for memory in wrong)
