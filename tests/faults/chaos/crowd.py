"""Everybody who uses the ledgers, in one thread: who adds targets and meddles, and who dials.

They speak to Kafka by another client than the ledgers do, and remember all they did. Whatever dies meanwhile, the crowd
lives on: it is the one who saw everything.
"""

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any, Final
from uuid import UUID, uuid5

from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message, Producer, TopicPartition

from faults.chaos.checker import Remembered, murmur2
from faults.chaos.reading import consumer, places, record_of
from faults.checker import Placed, micros

PLAN: Final[dict[str, Any]] = {
    "dial_timeout": 1_000,
    "try_interval": 300,
    "max_try_count_0": 2,
    "max_try_count_1": 1,
    "max_concurrent": 100,
    "pickup_timeout": 4_000,
    "result_grace": 3_000,
    "max_call_duration": 2_000,
}
POLL_S: Final = 0.01
SHORTEST_S, LONGEST_S = 0.01, 0.3
SPACE: Final = UUID("5f3c2f0e-0000-4000-8000-00000000c0de")
ENDED: Final = {"TargetFinished", "TargetExhausted", "TargetDeleted"}
BACK: Final = {"TargetReopened", "TargetRevived"}


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


class Crowd(threading.Thread):
    """The users of one prefix.

    Args:
        bootstrap: where they connect.
        prefix: of the topics.
        partitions: of the commands.
        seed: decides who does what.
        rate: targets added in a second, while there is trouble.
        lists: outdials on each partition.
        plan: of every outdial.
        whole: whether they use all there is: stops, deletes, repeats, wrong partitions. Peers know only to add and to dial.
        dials: whether they place the calls; else somebody else does.
        loses: the part of the calls nobody says the end of.
        reaches: the part of the calls that are answered.
        intervals: the ``try_interval`` of the outdials, in turn; none is the plan's.
    """

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        partitions: int,
        seed: int,
        *,
        rate: float = 100.0,
        lists: int = 2,
        plan: Mapping[str, Any] = PLAN,
        whole: bool = True,
        dials: bool = True,
        loses: float = 0.05,
        reaches: float = 0.4,
        intervals: Sequence[int] = (),
    ) -> None:
        super().__init__(name="crowd", daemon=True)
        self.memory = Remembered(answered=whole)
        self.failure: BaseException | None = None
        self.rate = rate
        self.trouble = True
        """As long as it is true, there is meddling, and words are lost."""
        self.appended = [0] * partitions
        """When the broker took the last event of each partition, milliseconds."""
        self.kinds: Counter[str] = Counter()
        """Events shown, by type."""
        self.added = 0
        self.lists: list[str] = []
        self.sent = 0
        self._chance = Random(seed)  # noqa: S311  a seed that can be given again
        self._seed, self._prefix, self._partitions, self._whole, self._dials, self._loses = seed, prefix, partitions, whole, dials, loses
        self._plan, self._each, self._reaches, self._intervals = dict(plan), lists, reaches, intervals
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                # A partition made a moment ago may refuse one batch and take the next; the first is a repetition to it from then on.
                "max.in.flight": 1,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "message.timeout.ms": 300_000,
                "reconnect.backoff.max.ms": 500,
                "topic.metadata.refresh.interval.ms": 1_000,
                "log_level": 0,
            }
        )
        self._reader = consumer(bootstrap)
        self._reader.assign(places(prefix, ("events", "dial-requests", "answers"), partitions))
        self._numbers = count()
        self._later: list[tuple[int, int, Callable[[], object]]] = []
        self._asked: deque[Callable[[], object]] = deque()
        self._gone = threading.Event()
        self._left: set[str] = set()
        """Targets that are sent and have come to no end."""
        self._open: set[str] = set()
        self._targets: list[tuple[str, str]] = []
        self._unanswered: Counter[str] = Counter()
        self._undelivered = 0
        self._next: dict[tuple[str, int], int] = {}
        """Where it reads on, by topic and partition."""
        self._trouble_reading: Counter[str] = Counter()
        self._adding_since = 0.0
        self._due = 0.0

    # --- what the tests ask ---------------------------------------------------------------------------

    @property
    def left(self) -> int:
        """What has not come to its end: targets, attempts, commands without their answer."""
        return len(self._left) + len(self._open) + len(self._unanswered) + self._undelivered

    @property
    def waiting(self) -> str:
        """The same, for people."""
        counts = f"{len(self._left)} targets, {len(self._open)} attempts, {len(self._unanswered)} answers, {self._undelivered} deliveries"
        return f"{counts}; reading: {dict(self._trouble_reading)}"

    def went_on(self, since: float) -> bool:
        """Whether an event was appended to every partition after an instant, seconds since 1970."""
        return all(at >= since * 1_000 for at in self.appended)

    def wait(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait until something holds; how long it took, seconds. AssertionError: not in time, or the crowd has failed."""
        begin = time.monotonic()
        while not condition():
            if self.failure is not None:
                raise AssertionError("the crowd has failed") from self.failure
            took = time.monotonic() - begin
            assert took < seconds, f"not within {seconds:g} s: {what} ({self.waiting})"
            time.sleep(0.02)
        return time.monotonic() - begin

    def end(self) -> Callable[[], bool]:
        """Make no more trouble; tells whether every target came to its end."""
        self.rate = 0
        self.trouble = False
        self.ask(self._run_all)
        return lambda: not self.left and not self._later and not self._asked

    def rest(self) -> Callable[[], bool]:
        """Stop every list; tells whether no attempt is open."""
        self.rate = 0
        self.trouble = False
        stopped = self.kinds["DialingStopped"] + len(self.lists)
        self.ask(lambda: [self.send({"type": "StopDialing", "outdial_id": outdial_id}) for outdial_id in self.lists])
        return lambda: self.kinds["DialingStopped"] >= stopped and not (self._open or self._later or self._unanswered or self._undelivered)

    def ask(self, what: Callable[[], object]) -> None:
        """Have something done by the crowd's own thread, soon."""
        self._asked.append(what)

    def close(self) -> None:
        """Go home."""
        self._gone.set()
        self.join(30)

    # --- the thread -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Live until told to go."""
        try:
            self._create()
            while not self._gone.is_set():
                for message in self._reader.consume(1_000, POLL_S):
                    self._read(message)
                self._producer.poll(0)
                while self._asked:
                    self._asked[0]()
                    self._asked.popleft()
                now = now_us()
                while self._later and self._later[0][0] <= now:
                    heappop(self._later)[2]()
                self._add()
        except BaseException as error:  # noqa: BLE001  told by wait
            self.failure = error
        finally:
            self._reader.close()

    def _after(self, seconds: float, what: Callable[[], object]) -> None:
        heappush(self._later, (now_us() + round(seconds * 1_000_000), next(self._numbers), what))

    def _id(self) -> str:
        return str(uuid5(SPACE, f"{self._seed}/{self._prefix}/{next(self._numbers)}"))

    # --- speaking -------------------------------------------------------------------------------------

    def send(self, command: dict[str, Any], times: int = 1, *, astray: bool = False, mark: str = "") -> str:
        """Send a command; its id. ``mark``: what its answers are to carry."""
        command_id = command.setdefault("id", self._id())
        value, key = json.dumps(command).encode(), (command.get("outdial_id") or command["customer_id"]).encode()
        more: dict[str, Any] = {"partition": self._chance.randrange(self._partitions)} if astray else {}
        if self._whole:
            more["headers"] = [("answer", f"{command_id}/{mark}".rstrip("/").encode())]
            self._unanswered[command_id] += times
        for _ in range(times):
            self._undelivered += 1
            self.sent += 1
            self._producer.produce(f"{self._prefix}.commands", value, key, on_delivery=self._delivered(command_id), **more)
        return str(command_id)

    def _delivered(self, command_id: str) -> Callable[[KafkaError | None, Message], None]:
        def told(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                raise AssertionError(f"a command was not delivered: {error}")
            self._undelivered -= 1
            self.memory.delivered[command_id] += 1

        return told

    def _create(self) -> None:
        """Lists on every partition, running."""
        each = [0] * self._partitions
        while min(each) < self._each:
            outdial_id = self._id()
            number = murmur2(outdial_id.encode()) % self._partitions
            if each[number] < self._each:
                each[number] += 1
                self.lists.append(outdial_id)
                plan = self._plan
                if self._intervals:
                    plan = plan | {"try_interval": self._intervals[len(self.lists) % len(self._intervals)]}
                self.send({"type": "CreateOutdial", "outdial_id": outdial_id, "plan": plan})

    def _run_all(self) -> None:
        if self._whole:
            for outdial_id in self.lists:
                self.send({"type": "StartDialing", "outdial_id": outdial_id, "plan": self._plan})

    # --- who adds and meddles -------------------------------------------------------------------------

    def _add(self) -> None:
        now = time.monotonic()
        self._due = min(self._due + self.rate * (now - (self._adding_since or now)), max(1.0, self.rate))
        self._adding_since = now
        while self._due >= 1 and self.rate:
            self._due -= 1
            self.add(self.lists[self.added % len(self.lists)])
        if self._whole and self.trouble and self.rate and self._chance.random() < 0.01:
            self._meddle()

    def add(self, outdial_id: str, **more: Any) -> str:
        """Add a target; its id."""
        target_id, number = self._id(), self.added
        numbers = {f"destination_{slot}": {"type": "tel", "target": self._number(slot)} for slot in range(self._chance.choice((1, 2)))}
        self.added += 1
        self._left.add(target_id)
        self._targets.append((outdial_id, target_id))
        odd = self._chance.random() if self._whole and self.trouble else 0.5
        self.send(
            {"type": "AddTarget", "outdial_id": outdial_id, "target_id": target_id, "name": f"Person {number}", **numbers, **more},
            2 if odd < 0.02 else 1,
            astray=odd > 0.97,
        )
        return target_id

    def _number(self, slot: int) -> str:
        """A number of the next target: nobody else has it."""
        return f"+1555{slot}{self.added:06}"

    def _meddle(self) -> None:
        outdial_id, target_id = self._chance.choice(self._targets) if self._targets else (self.lists[0], "")
        match self._chance.randrange(4 if target_id else 1):
            case 0:
                self.send({"type": "StopDialing", "outdial_id": outdial_id})
                plan = self._plan | {"try_interval": self._chance.choice((100, 300, 600))}
                again = {"type": "StartDialing", "outdial_id": outdial_id, "plan": plan}
                self._after(self._chance.uniform(0, 1), lambda: self.send(again))
            case 1:
                self.send({"type": "DeleteTarget", "outdial_id": outdial_id, "target_id": target_id})
            case 2:
                self.send({"type": "ReopenTarget", "outdial_id": outdial_id, "target_id": target_id})
            case _:
                attempt_id = self._id()
                self.send(
                    {"type": "DialResult", "outdial_id": outdial_id, "target_id": target_id, "attempt_id": attempt_id, "outcome": "busy"}
                )

    # --- who reads and dials --------------------------------------------------------------------------

    def _read(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            self._not_read(message, error)
            return
        record = record_of(message, self._prefix)
        self._next[record.topic, record.partition] = record.offset + 1
        if record.topic == "answers":
            self._heard(json.loads(record.value))
            return
        self.memory.seen[record.topic, record.partition, record.offset] = hash(record.value)
        if record.topic == "events":
            self.appended[record.partition] = record.timestamp
            if record.key is not None:
                self._told(json.loads(record.value))
        elif self._dials:
            request = json.loads(record.value)
            self._after(0, lambda: self._call(request))

    def _not_read(self, message: Message, error: KafkaError) -> None:
        """Go on after an error; one that says the reader cannot be where it is ends its reading there, so it is put there again."""
        if error.fatal():
            raise AssertionError(f"the crowd cannot read: {error}")
        topic, partition = message.topic(), message.partition()
        if error.code() == KafkaError._AUTO_OFFSET_RESET and topic is not None and partition is not None:  # noqa: SLF001  its public name
            at = self._next.get((topic.removeprefix(f"{self._prefix}."), partition), OFFSET_BEGINNING)
            self._reader.seek(TopicPartition(topic, partition, at))
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  its public name
            self._trouble_reading[error.name()] += 1

    def _heard(self, answer: dict[str, Any]) -> None:
        """One answer of a chain. Here who sends a command waits for its own only."""
        if answer["command_id"] == answer["root_id"]:
            self._answered(answer["root_id"])

    def _answered(self, command_id: str) -> None:
        self._unanswered[command_id] -= 1
        if not self._unanswered[command_id]:
            del self._unanswered[command_id]

    def _told(self, event: dict[str, Any]) -> None:
        kind, data = event["type"], event["data"]
        self.kinds[kind] += 1
        if kind in ENDED:
            self._left.discard(data["target_id"])
        elif kind in BACK:
            self._left.add(data["target_id"])
        elif kind == "DialRequested":
            self._open.add(data["attempt_id"])
        elif kind == "DialEnded":
            self._open.discard(data["attempt_id"])

    def _call(self, request: dict[str, Any]) -> None:
        """Place a call, and say how it went."""
        attempt_id = request["attempt_id"]
        word = {"outdial_id": request["outdial_id"], "target_id": request["target_id"], "attempt_id": attempt_id}
        habits = Random(f"{self._seed}/{attempt_id}")  # noqa: S311  a seed that can be given again
        begin = now_us()
        if begin > micros(request["not_after"]):
            self.send({"type": "DialResult", **word, "outcome": "not_dialed"})
            return
        lasts = habits.uniform(SHORTEST_S, LONGEST_S)
        placed = Placed(attempt_id, request["target_id"], "crowd", begin, begin)
        self.memory.placed.append(placed)
        answered = habits.random() < self._reaches
        if answered and self._whole and habits.random() < 0.5:
            self.send({"type": "DialAnswered", **word})
        outcome = "answered" if answered else habits.choice(("busy", "no_answer", "failed", "machine", "canceled"))
        odd = habits.random()

        def end() -> None:
            placed.end = now_us()
            if self.trouble and odd < self._loses:
                return  # nobody will ever say how it ended
            self.send({"type": "DialResult", **word, "outcome": outcome}, 2 if self._whole and odd > 0.97 else 1)
            if self._whole and odd > 0.94:
                self.send({"type": "DialResult", **word, "outcome": outcome})

        self._after(lasts, end)
