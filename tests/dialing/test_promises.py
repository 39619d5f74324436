"""Nobody is requested after a suppression, a stop or a delete was acknowledged, nor more often than caps say, whatever overtakes what."""

from os import environ
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outdial.events import LeavesAnswered
from promises import live

EXAMPLES: Final = int(environ.get("PROMISES", "60"))
STEPS: Final = int(environ.get("STEPS", "50"))


@settings(deadline=None, database=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=3 * STEPS + 1, max_size=3 * STEPS + 1))
def test_what_was_promised_is_kept_whatever_overtakes_what(history: bytes) -> None:
    live(history)


def test_the_histories_do_call_people_hold_them_and_defer_them() -> None:
    """A walk through everything, so that the promises above are about something."""
    seen: set[str] = set()
    answers: set[frozenset[bool]] = set()
    for seed in range(12):
        world = live(bytes((seed * 37 + place * place * 11 + place * seed) % 256 for place in range(451)))
        events = [event for log in world.logs for event in log]
        seen |= {event.type for event in events}
        answers |= {
            frozenset(leave.until is None for leave in event.data.leaves) for event in events if isinstance(event.data, LeavesAnswered)
        }

    assert {"DialRequested", "TargetBlocked", "TargetUnblocked", "TargetDeferred", "LeaveReturned", "LeaveUnused", "DialingStopped"} <= seen
    assert frozenset({True, False}) in answers, "nobody was granted leave together with somebody who was refused it"
