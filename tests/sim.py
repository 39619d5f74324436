"""A ledger in virtual time: what a runtime does, without a disk and without waiting.

``Sim`` decides commands with all their follow-ups, lets time pass, and hands each dial request to a carrier:
a function from the request to what is said about it, and when.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from heapq import heappop, heappush
from typing import cast

from outdial.commands import Command, DialResult, Outcome
from outdial.dialing.ledger import Effects, Ledger
from outdial.envelope import Event
from outdial.ids import derived
from outdial.requests import Answer, DialRequest
from outdial.wire import decode_event, encode_event

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
START = 1_700_000_000 * SECOND
SPACE = "00000000-0000-4000-8000-000000000000"
AT_ONCE = 1_000
ENOUGH = 1_000

Word = tuple[int, Command]
"""Something said about a call: so many microseconds after its request."""
Carrier = Callable[[DialRequest], Iterable[Word]]


def an_id(name: str) -> str:
    """The same id for the same name."""
    return derived(SPACE, name)


def fingerprint(text: str) -> str:
    return blake2b(text.encode(), digest_size=16, key=b"test").hexdigest()


def new_ledger() -> Ledger:
    return Ledger(fingerprint, "test")


def result(request: DialRequest, outcome: str, *, answered: bool | None = None) -> DialResult:
    """What whoever placed the call says about it in the end."""
    return DialResult(
        outdial_id=request.outdial_id,
        target_id=request.target_id,
        attempt_id=request.attempt_id,
        outcome=cast("Outcome", outcome),
        answered=answered,
    )


def silent(_request: DialRequest) -> list[Word]:
    """A carrier that never says a word."""
    return []


def saying(*outcomes: str, after: int = 30 * SECOND) -> Carrier:
    """A carrier whose calls end so, one after another on each target; the last outcome goes on for ever."""
    said: dict[str, int] = {}

    def carrier(request: DialRequest) -> list[Word]:
        turn = said.get(request.target_id, 0)
        said[request.target_id] = turn + 1
        return [(after, result(request, outcomes[min(turn, len(outcomes) - 1)]))]

    return carrier


class Sim:
    """A ledger, its log, and the time."""

    def __init__(self, carrier: Carrier = silent, now: int = START) -> None:
        self.ledger = new_ledger()
        self.carrier = carrier
        self.now = now
        self.lag = 0
        """How far behind the reading of commands is, microseconds."""
        self.log: list[Event] = []
        self.requests: list[DialRequest] = []
        self._words: list[tuple[int, int, Command]] = []
        self._sent = 0
        self._said = 0

    def send(self, command: Command) -> Answer:
        """Decide a command and all that follows from it; the answer is that of the awaited chain."""
        self._sent += 1
        named = command if command.id is not None else command.model_copy(update={"id": an_id(f"command {self._sent}")})
        chain = self._chain(named, internal=False)
        awaited, answers = {named.id}, []
        for effects in chain:
            if effects.answer.command_id in awaited:
                answers.append(effects.answer)
                awaited |= {told.command.id for told in effects.follow_ups if told.awaited}
        refused = next((answer for answer in answers if answer.result == "rejected"), None)
        changed = any(answer.result == "events" for answer in answers)
        return refused or answers[0].model_copy(
            update={
                "result": "events" if changed else answers[0].result,
                "open": tuple(attempt for answer in answers for attempt in answer.open),
                "open_more": sum(answer.open_more for answer in answers),
                "warnings": tuple(warning for answer in answers for warning in answer.warnings),
            }
        )

    def later(self, delay: int, command: Command) -> None:
        """Send a command once so much time has passed."""
        self._said += 1
        heappush(self._words, (self.now + delay, self._said, command))

    def tick(self) -> None:
        """Decide everything that is due now."""
        turns = 0
        while done := self.ledger.tick(self.now, self.now - self.lag, AT_ONCE):
            turns += 1
            assert turns < ENOUGH, "it never comes to rest"
            self._commit(done)
            for effects in done:
                for told in effects.follow_ups:
                    self._chain(told.command, internal=True)

    def next(self) -> int | None:
        """When something happens next."""
        times = (self.ledger.next_due(), self._words[0][0] if self._words else None)
        return min((at for at in times if at is not None), default=None)

    def run(self, duration: int | None = None) -> "Sim":
        """Let so much time pass; without a limit, until nothing is left to wait for."""
        end = None if duration is None else self.now + duration
        while (at := self.next()) is not None and (end is None or at <= end):
            self.now = max(self.now, at)
            while self._words and self._words[0][0] <= self.now:
                self.send(heappop(self._words)[2])
            self.tick()
        self.now = self.now if end is None else end
        return self

    def restart(self) -> None:
        """Throw the ledger away and replay the log, as it is written."""
        self.ledger = new_ledger()
        for event in self.log:
            self.ledger.replay(decode_event(encode_event(event)))
        self.ledger.arm(self.now)

    def _chain(self, command: Command, *, internal: bool) -> list[Effects]:
        chain = [self.ledger.decide(command, self.now, internal=internal)]
        self._commit(chain)
        for effects in chain:
            for told in effects.follow_ups:
                chain.append(self.ledger.decide(told.command, self.now, internal=True))
                self._commit(chain[-1:])
        return chain

    def _commit(self, done: list[Effects]) -> None:
        for effects in done:
            self.log.extend(effects.events)
            for _, text in effects.requests:
                request = DialRequest.model_validate_json(text)
                self.requests.append(request)
                for delay, command in self.carrier(request):
                    self.later(delay, command)
