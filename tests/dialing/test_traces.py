"""A call is made in the trace of who wanted it, where that said one; and nothing that is decided depends on it."""

from typing import Any

from outdial.commands import Command, StartDialing
from outdial.wire import encode_event
from saying import OUTDIAL, PLAN, add, create, delete, ends, outplan, picked_up, reopen, start
from sim import MINUTE, Sim, an_id

ONE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TWO = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def traced(command: Command, trace: str) -> Command:
    return command.model_copy(update={"traceparent": trace})


def played(*commands: Command | int) -> Sim:
    """Commands, and time that passes, microseconds."""
    sim = Sim()
    for one in commands:
        if isinstance(one, int):
            sim.run(one)
        else:
            sim.send(one)
    return sim


def traces(sim: Sim) -> list[tuple[str, str | None]]:
    return [(event.type, event.traceparent) for event in sim.log]


def test_each_request_to_a_target_is_in_the_trace_of_who_added_it() -> None:
    sim = played(create(PLAN), traced(add(1), ONE), traced(add(2), TWO), add(3), 1)

    requested = [event for event in sim.log if event.type == "DialRequested"]
    assert [event.traceparent for event in requested] == [ONE, TWO, None]
    assert [request.traceparent for request in sim.requests] == [ONE, TWO, None]
    assert [b"traceparent" in encode_event(event) for event in requested] == [True, True, False]


def test_the_next_try_is_too_also_after_a_restart() -> None:
    sim = played(create(PLAN), traced(add(), ONE), 1, ends("busy"))
    sim.restart()
    sim.run(2 * MINUTE)

    assert [request.traceparent for request in sim.requests] == [ONE, ONE]


def test_what_is_said_of_a_call_is_in_the_trace_of_who_says_it() -> None:
    sim = played(create(PLAN), add(), 1, traced(picked_up(), TWO), traced(ends("answered"), TWO))

    assert traces(sim)[-3:] == [("DialAnswered", TWO), ("DialEnded", TWO), ("TargetFinished", TWO)]


def test_who_opens_a_target_again_has_its_next_calls_in_their_trace() -> None:
    sim = played(create(PLAN), traced(add(), ONE), 1, ends("answered"), traced(reopen(), TWO), 2 * MINUTE)

    assert [request.traceparent for request in sim.requests] == [ONE, TWO]


def test_what_follows_in_another_stream_is_in_the_same_trace() -> None:
    sim = played(create(), outplan(), add(), traced(StartDialing(outdial_id=OUTDIAL, outplan_id=outplan().outplan_id), ONE), 1)

    assert {name for name, trace in traces(sim) if trace == ONE} >= {"DialingStarted", "OutplanFollowed", "PlanApplied"}
    assert [request.traceparent for request in sim.requests] == [None]


def test_a_deleted_target_leaves_no_trace_behind() -> None:
    sim = played(create(), traced(add(), ONE), delete())

    assert sim.ledger.outdials[OUTDIAL].traces == {}


def test_a_repeat_in_another_trace_is_the_same_command() -> None:
    said: dict[str, Any] = {"id": an_id("the same")}
    sim = played(create(), traced(add(**said), ONE))
    before = len(sim.log)

    assert sim.send(traced(add(**said), TWO)).result == "events"
    assert sim.send(add(**said)).result == "events"
    assert len(sim.log) == before


def test_with_or_without_traces_the_same_is_decided() -> None:
    commands: list[Command | int] = [create(), add(1), add(2), start(PLAN), 1, ends("busy"), ends("answered", 1, 2), 2 * MINUTE]
    plain = played(*commands)
    with_traces = played(*(one if isinstance(one, int) else traced(one, ONE) for one in commands))

    def bare(sim: Sim) -> list[tuple[Any, ...]]:
        return [(event.id, event.time, event.causation_id, event.causation_hash, event.data) for event in sim.log]

    assert bare(plain) == bare(with_traces)
