"""Tests as sentences: ``given(what was).when(what is asked).then(what happened)``. A number is time that passes, microseconds."""

from typing import Any, Self

from outdial.commands import Command
from outdial.events import EventData
from outdial.requests import Answer, DialRequest
from sim import Sim

Step = Command | int
Expected = type[EventData] | tuple[type[EventData], dict[str, Any]]


def a(kind: type[EventData], **fields: Any) -> Expected:
    """An event of that class with these fields; others do not matter."""
    return kind, fields


class Given:
    def __init__(self, *steps: Step, sim: Sim | None = None) -> None:
        self.sim = sim or Sim()
        self.events: list[EventData] = []
        self.answer: Answer | None = None
        self.requests: list[DialRequest] = []
        self.when(*steps)

    def when(self, *steps: Step) -> Self:
        """Do this; what the last step came to is judged."""
        for step in steps:
            log, requests = len(self.sim.log), len(self.sim.requests)
            self.answer = self.sim.send(step) if isinstance(step, Command) else None
            if isinstance(step, int):
                self.sim.run(step)
            self.events = [event.data for event in self.sim.log[log:]]
            self.requests = self.sim.requests[requests:]
        return self

    def then(self, *expected: Expected) -> Self:
        wanted = [one if isinstance(one, tuple) else (one, {}) for one in expected]
        kinds = [type(event).__name__ for event in self.events]
        assert kinds == [kind.__name__ for kind, _ in wanted], kinds
        for event, (_, fields) in zip(self.events, wanted, strict=True):
            found = {name: getattr(event, name) for name in fields}
            assert found == fields, found
        return self

    def then_nothing(self) -> Self:
        assert self.events == [], self.events
        return self

    def then_rejects(self, reason: str) -> Self:
        assert self.answer is not None
        assert (self.answer.result, self.answer.reason) == ("rejected", reason), self.answer
        return self


given = Given
