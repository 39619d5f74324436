"""Pictures made from the code: what the ledger was seen to do, not what somebody remembers of it."""

import random
from collections.abc import Callable
from uuid import UUID

from outdial.address import Address
from outdial.commands import (
    AddTarget,
    ClaimDial,
    Command,
    CreateOutdial,
    DeleteTarget,
    DialAnswered,
    DialResult,
    Outcome,
    ReopenTarget,
    StartDialing,
)
from outdial.dialing.ledger import Ledger
from outdial.dialing.target import Deleted, Done, Progressing, Target
from outdial.ids import attempt_id
from outdial.plan import Plan

WALKS, STEPS = 800, 14
SECOND_US = 1_000_000
OUTDIAL, TARGET = str(UUID(int=1)), str(UUID(int=2))
STATES = {
    "Idle": "Idle: waits for its next try",
    "Dialing": "Progressing: requested",
    "Answered": "Progressing: answered",
    "Leaving": "Progressing: deleted meanwhile",
    "Reached": "Done: reached",
    "OutOfTries": "Done: out of tries",
    "Deleted": "Deleted",
}


def target_picture() -> str:
    """The life of a target as a mermaid state diagram."""
    edges = sorted({edge for walk in range(WALKS) for edge in _walk(random.Random(walk))})
    reached = {state for _, _, state in edges}
    lines = [f"    {name}: {text}" for name, text in STATES.items() if name in reached]
    lines += [f"    {'[*]' if before == '' else before} --> {after}: {event}" for before, event, after in edges]
    return "\n".join(["stateDiagram-v2", *lines])


def _walk(chance: random.Random) -> set[tuple[str, str, str]]:
    """One life of one target, and the steps it went."""
    ledger, now = Ledger(lambda _: "0" * 32, "picture"), 0
    seen: set[tuple[str, str, str]] = set()
    number = iter(range(100, 10_000))

    def state() -> str:
        outdial = ledger.outdials.get(OUTDIAL)
        return _state(outdial.targets.get(TARGET)) if outdial else ""

    def note(before: str, events: list[str]) -> None:
        if events and state() != before:
            seen.add((before, " then ".join(events), state()))

    def say(command: Command) -> None:
        before = state()
        effects = ledger.decide(command.model_copy(update={"id": str(UUID(int=next(number)))}), now)
        note(before, [event.type for event in effects.events if getattr(event.data, "target_id", "") == TARGET])

    def wait() -> None:
        nonlocal now
        now = max(now + SECOND_US, ledger.next_due() or 0)
        while True:
            before = state()
            done = ledger.tick(now, now, 1)
            note(before, [event.type for one in done for event in one.events if getattr(event.data, "target_id", "") == TARGET])
            if not done:
                return

    say(CreateOutdial(outdial_id=OUTDIAL, plan=_plan(2)))
    say(AddTarget(outdial_id=OUTDIAL, target_id=TARGET, destination_0=Address(type="tel", target="+15551230001")))
    for _ in range(STEPS):
        outdial = ledger.outdials[OUTDIAL]
        chance.choice(_steps(outdial.targets.get(TARGET), say, wait))()
    return seen


def _plan(tries: int) -> Plan:
    return Plan(max_try_count_0=tries, result_grace=0)


def _steps(target: Target | None, say: Callable[[Command], None], wait: Callable[[], None]) -> list[Callable[[], None]]:
    """What the world may do next; the common things more often."""
    attempt = attempt_id(OUTDIAL, TARGET, target.history.ordinal if target else 0)

    def result(outcome: Outcome) -> Callable[[], None]:
        return lambda: say(DialResult(outdial_id=OUTDIAL, target_id=TARGET, attempt_id=attempt, outcome=outcome))

    return [
        *[wait] * 4,
        *[result("busy")] * 3,
        result("answered"),
        result("machine"),
        result("not_dialed"),
        lambda: say(ClaimDial(outdial_id=OUTDIAL, target_id=TARGET, attempt_id=attempt, worker="w")),
        lambda: say(DialAnswered(outdial_id=OUTDIAL, target_id=TARGET, attempt_id=attempt)),
        lambda: say(ReopenTarget(outdial_id=OUTDIAL, target_id=TARGET)),
        lambda: say(StartDialing(outdial_id=OUTDIAL, plan=_plan(9))),
        lambda: say(DeleteTarget(outdial_id=OUTDIAL, target_id=TARGET)),
    ]


def _state(target: Target | None) -> str:
    match target:
        case None:
            return ""
        case Progressing(deleted=True):
            return "Leaving"
        case Progressing(answered=answered):
            return "Answered" if answered else "Dialing"
        case Done(reached=reached):
            return "Reached" if reached else "OutOfTries"
        case Deleted():
            return "Deleted"
        case _:
            return "Idle"
