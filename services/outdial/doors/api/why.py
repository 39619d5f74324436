"""Why something is not being dialed: what the ledger says, the event it follows from, and a sentence. Source: design section 7."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from outdial.commands import AskWhy
from outdial.doors.api.deps import command_id, customer_of, door_of, path_id, reply, submit
from outdial.doors.api.outdials import found as found_outdial
from outdial.doors.api.paging import Times, times_of
from outdial.doors.api.targets import found as found_target
from outdial.position import Position
from outdial.requests import Answer
from outdial.scalars import SECOND_US, format_instant, parse_instant
from outdial.views import calls, history, outdials
from outdial.views.counts import Stats
from outdial.why import BEFORE_ANY_TARGET, PACE, REASONS, Held, OutdialWhy, TargetWhy, Verdict
from outdial.wire import from_json

router = APIRouter(tags=["why"])
_ORDER: Final = {word: place for place, word in enumerate(REASONS)}
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
"""Names of durations, and their seconds."""
_OF_OPEN_CALLS: Final = ("no_worker", "max_concurrent")
_DRAINING: Final = "Draining: nobody new is called"


class Followed(NamedTuple):
    """The event a verdict follows from."""

    id: str
    type: str
    position: str
    time: int


@router.get("/outdials/{id}/targets/{target_id}/why")
async def why_target(request: Request) -> Response:
    """Why a target is not being dialed: the rule that holds it, since when, until when, and the event it follows from."""
    target_id = path_id(request, "target_id")
    outdial = found_outdial(request, path_id(request))
    found_target(request, outdial.id, target_id)
    answer = await _ask(request, outdial.id, target_id)
    verdict = answer.facts
    assert isinstance(verdict, TargetWhy)  # noqa: S101  the question was about a target
    event = _event_of(request, outdial.id, verdict, target_id)
    told = {"outdial_id": outdial.id, "target_id": target_id, **_shape(verdict, event, answer, times_of(request))}
    return reply({**told, "verdict": _of_a_target(verdict, _since(verdict, event))}, answer)


@router.get("/outdials/{id}/why")
async def why_outdial(request: Request) -> Response:
    """Why an outdial is not dialing, and how many of its targets each rule holds, with the next release of each."""
    outdial = found_outdial(request, path_id(request))
    answer, times, reader = await _ask(request, outdial.id), times_of(request), door_of(request).reader
    verdict = answer.facts
    assert isinstance(verdict, OutdialWhy)  # noqa: S101  the question was about an outdial
    event = _event_of(request, outdial.id, verdict)
    stats = outdials.stats(reader, outdial.id, verdict.at)
    per_minute = calls.per_minute(reader, outdial.id, outdial.position, verdict.at)
    held = sorted((held for held in _counted(verdict, stats) if held.targets), key=lambda held: _ORDER[held.why])
    told = {
        "outdial_id": outdial.id,
        **_shape(verdict, event, answer, times),
        "verdict": _of_an_outdial(verdict, _since(verdict, event), stats.due_now, per_minute, drains=outdial.draining is not None),
        "open_attempts": verdict.open,
        "per_minute": per_minute,
        "waiting": verdict.waiting,
        "due_now": stats.due_now,
        "next_due": times(stats.next_due),
        "reasons": [{"why": one.why, "says": REASONS[one.why].says, "targets": one.targets, "next_at": times(one.next_at)} for one in held],
    }
    return reply(told, answer)


async def _ask(request: Request, outdial_id: str, target_id: str | None = None) -> Answer:
    question = AskWhy(id=command_id(request), customer_id=customer_of(request), outdial_id=outdial_id, target_id=target_id)
    return await submit(request, question)


def _event_of(request: Request, outdial_id: str, verdict: Verdict, target_id: str | None = None) -> Followed | None:
    """The event a verdict follows from; None where it follows from none, as when a target was never tried."""
    if verdict.why is None:
        return None
    door, reason = door_of(request), REASONS[verdict.why]
    found = None
    if reason.of == "target" and target_id is not None:
        found = history.last_of_target(door.reader, outdial_id, target_id, reason.events)
    elif verdict.since is not None:
        found = history.last_of_stream(door.reader, outdial_id, reason.events, verdict.since)
    if found is None:
        return None
    place, body = found
    event = from_json(body)
    position = Position.beginning(door.ledger.position.partitions).after(place)
    return Followed(event["id"], event["type"], str(position), parse_instant(event["time"]))  # type: ignore[arg-type]


def _since(verdict: Verdict, event: Followed | None) -> int | None:
    """Since when it holds: as the ledger says, else since the event."""
    return event.time if verdict.since is None and event is not None else verdict.since


def _shape(verdict: Verdict, event: Followed | None, answer: Answer, times: Times) -> dict[str, Any]:
    """What both answers have. What is not known is null, what is not yet as every time that is not yet."""
    since = _since(verdict, event)
    return {
        "at": times(verdict.at),
        "position": answer.position,
        "why": verdict.why,
        "since": None if since is None else times(since),
        "until": times(verdict.until),
        "next_at": times(verdict.next_at),
        "event": None if event is None else {**event._asdict(), "time": times(event.time)},
        "rules": [
            {
                "rule": check.rule,
                "holds": check.holds,
                "since": None if check.since is None else times(check.since),
                "until": times(check.until),
                "facts": check.facts,
            }
            for check in verdict.rules
        ],
    }


def _counted(verdict: OutdialWhy, stats: Stats) -> Iterator[Held]:
    """How many targets each rule holds: the ledger knows the rules, the views how many are due and how many are done."""
    own = {held.why: held for held in verdict.held}
    if verdict.why == "outdial_deleted":
        yield Held(why=verdict.why, targets=stats.total)
        return
    opened = own.pop("attempt_open", None)
    yield Held(why="reached", targets=stats.lifecycle["finished"])
    yield Held(why="expired", targets=stats.blocked["expired"])
    yield Held(why="attempt_open", targets=stats.status["progressing"], next_at=None if opened is None else opened.next_at)
    yield own.pop("tries_spent", Held(why="tries_spent", targets=0))
    if verdict.why in BEFORE_ANY_TARGET:
        yield Held(why=verdict.why, targets=stats.waiting + stats.no_tries)
        return
    yield from own.values()
    waiting = {rule: stats.blocked[rule] for rule in ("outside_window", "frequency_cap")}
    not_due = verdict.waiting - stats.due_now - sum(waiting.values())
    for rule, targets in ({"not_due": max(0, not_due)} | waiting).items():
        yield Held(why=rule, targets=targets, next_at=stats.lets_go.get(rule))
    if verdict.why in PACE:
        yield Held(why=verdict.why, targets=stats.due_now, next_at=verdict.until)


# --- for people ---------------------------------------------------------------------------------


def _of_a_target(verdict: TargetWhy, since: int | None) -> str:
    if verdict.why is None:
        return "Being dialed now."
    if verdict.why == "attempt_open":
        return f"Being called now: {_of_a_call(verdict, since)}."
    reason = REASONS[verdict.why]
    return f"Not dialed: {reason.says}{_stamped(since)}; {_later(verdict, 'next try')}."


def _of_a_call(verdict: TargetWhy, since: int | None) -> str:
    """How far the open call is, and when it is given up if nobody says a word."""
    facts = next((check.facts for check in verdict.rules if check.rule == "attempt_open"), {})
    how = "answered, talking" if facts.get("answered") else "taken by a worker" if facts.get("claimed") else "requested, not taken yet"
    given_up = (
        "" if verdict.until is None else f"; without a word it is given up at {_stamp(verdict.until)} ({_in(verdict.until - verdict.at)})"
    )
    return f"{how}{_stamped(since)}{given_up}"


def _of_an_outdial(verdict: OutdialWhy, since: int | None, due_now: int, per_minute: int, *, drains: bool) -> str:
    pace = f"Dialing {per_minute:,}/min; {due_now:,} due now"
    drains = drains and verdict.why not in BEFORE_ANY_TARGET and verdict.why != "outdial_deleted"
    begins = f"{_DRAINING}, and it ends when nobody who was tried has a try left. " if drains else ""
    if verdict.why is None:
        return f"{begins}{pace}."
    reason = REASONS[verdict.why]
    says = reason.says_of_all or reason.says
    if verdict.why in _OF_OPEN_CALLS and not per_minute and _untaken(verdict):
        calls = "call was requested" if verdict.open == 1 else "calls were requested"
        says = f"{verdict.open:,} {calls} and nobody took one; is a worker running?"
        return f"{begins}Not dialing: {says} {_later(verdict, 'next call').capitalize()}."
    if verdict.why in PACE:
        return f"{begins}{pace}, held back: {says}."
    if drains and verdict.why == "nothing_left":
        return f"{_DRAINING}, and nobody who was tried waits for a try: it ends with the last open call."
    return f"{begins}{'Nobody is called now' if drains else 'Not dialing'}: {says}{_stamped(since)}; {_later(verdict, 'next call')}."


def _untaken(verdict: OutdialWhy) -> bool:
    """Whether there are open calls, and of none has anybody said that he places it."""
    return verdict.open > 0 and any(check.rule == verdict.why and check.facts.get("taken") == 0 for check in verdict.rules)


def _stamped(since: int | None) -> str:
    return "" if since is None else f" (since {_stamp(since)})"


def _later(verdict: Verdict, what: str) -> str:
    """When it goes on, or what has to happen."""
    if verdict.next_at is not None:
        return f"{what} at {_stamp(verdict.next_at)} ({_in(verdict.next_at - verdict.at)})"
    ends = REASONS[verdict.why or ""].ends
    return f"only {ends} changes that" if ends else "nothing changes that"


def _stamp(at: int) -> str:
    text = format_instant(at)
    return f"{text[:10]} {text[11:19]} UTC"


def _in(microseconds: int) -> str:
    """How long until then, in the largest unit of which there are at least two."""
    seconds = max(0, -(-microseconds // SECOND_US))
    name, unit = next((one for one in _UNITS if seconds >= 2 * one[1]), _UNITS[-1])
    return f"in {seconds // unit} {name}"
