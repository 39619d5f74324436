"""The agenda of one outdial: which of its targets is next, at a cost that does not grow with the list.

Targets wait in queues. A queue holds those that are alike in all that the plan looks at: the same kind
of wait, the same priority, the same :class:`~outdial.dialing.rules.Shape`, and so the same calling window. Within
a queue the order is fixed (since when they wait, then creation), whatever the plan says; so a new plan is a new look at each
queue, not at each target. Every queue with a dialable target has one token: asleep, in the order in
which their first target falls due and their window is open, or awake, in dialing order (priority, due, creation, id). A token may
name a target that has left; whoever meets it makes it anew.

What is out of tries is kept by shape too, so that a plan that allows more finds whom to bring back.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from itertools import islice

from outdial.dialing.rules import LOOKS_AT_NOTHING, LOOKS_AT_ZONES, Looks, Next, Shape, looks_of, next_try, wait_us
from outdial.dialing.target import Done, Facts, Idle, Target, shape_of, types_without
from outdial.plan import Plan
from outdial.windows import Gate, Opening

Key = tuple[int, int, Shape]
Waits = tuple[int, Facts]
"""Since when a target waits, and who it is."""
Sleeper = tuple[int, int, "Queue"]
"""(when, token, queue), earliest first."""
Waker = tuple[int, int, int, str, int, "Queue"]
"""(-priority, due, number, target id, token, queue), in dialing order."""
VOID = 0
"""The token of a queue that has none."""
MOST_SHAPES = 4_096
"""Shapes whose next try is remembered."""
SLACK = 64
"""What has left stays in a heap until it comes up, or until it is more than half of the heap and of this."""


class Queue:
    """Targets alike in everything the plan looks at, in the order in which they began to wait."""

    __slots__ = ("coming", "entries", "gate", "live", "priority", "shape", "token", "wait", "wait_us")

    def __init__(self, wait: int, priority: int, shape: Shape) -> None:
        self.wait = wait
        self.priority = priority
        self.shape = shape
        self.entries: list[tuple[int, int, str]] = []
        """(since, number, target id); those no longer waiting here are dropped when they come up."""
        self.live = 0
        """Targets that do wait here."""
        self.token = VOID
        """Number of the one token that is valid; older ones are void."""
        self.coming: Next | None = None
        """What the plan in force does next on all of them; None when it leaves them no try."""
        self.wait_us = 0
        self.gate: Gate | None = None
        """Their window; None when they may be dialed at any time."""


class Agenda:
    """What waits in one outdial. ``targets`` is the outdial's own mapping; the agenda never changes it."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = targets
        self._queues: dict[Key, Queue] = {}
        self._asleep: list[Sleeper] = []
        self._awake: list[Waker] = []
        self._exhausted: dict[Shape, dict[str, None]] = {}
        self._plan: Plan | None = None
        self.calls_only = False
        """Whether the plan in force was applied to a run that dials nothing but telephones."""
        self._looks = LOOKS_AT_NOTHING
        self._draining = False
        """Whether who was never tried is left out."""
        self._dialable = 0
        self.expired = 0
        """Targets that are too late to dial."""
        self._tokens = 0
        self._revivable: list[Shape] = []
        self._coming: dict[Shape, Next | None] = {}
        """What the plan in force does next, by shape: the same few are asked for again and again."""
        self._gates: dict[tuple[str, ...], Gate] = {}
        """The windows of the plan in force, by the zones they must be open in."""

    # --- what changes -----------------------------------------------------------------------------

    def move(self, before: Target | None, after: Target) -> None:
        """Take note that a target went from one state to another."""
        match before:
            case Idle():
                self._leave(before)
            case Done(expired=True):
                self.expired -= 1
            case Done(reached=False, expired=False):
                members = self._exhausted[shape_of(before, self._looks)]
                members.pop(before.facts.id, None)
            case _:
                pass
        match after:
            case Idle():
                self._enter(after)
            case Done(expired=True):
                self.expired += 1
            case Done(reached=False, expired=False):
                shape = shape_of(after, self._looks)
                self._exhausted.setdefault(shape, {})[after.facts.id] = None
            case _:
                pass

    def set_plan(self, plan: Plan, *, calls_only: bool) -> None:
        """Look at every queue under the plan now in force."""
        looks = looks_of(plan)
        self._plan = plan
        self._coming.clear()
        self._gates.clear()
        self.calls_only = calls_only
        if looks != self._looks:
            self._looks = looks
            self._sort_anew()
        self._exhausted = {shape: members for shape, members in self._exhausted.items() if members}
        self._judge_all()
        self._revivable = [shape for shape in self._exhausted if next_try(shape, plan, calls_only=calls_only) is not None]

    def set_draining(self, *, draining: bool) -> None:
        """Leave out, or not, who was never tried."""
        if draining != self._draining:
            self._draining = draining
            self._coming.clear()
            self._judge_all()

    def _judge_all(self) -> None:
        """Look at every queue anew."""
        self._queues = {key: queue for key, queue in self._queues.items() if queue.live}
        self._dialable = 0
        self._awake.clear()
        self._asleep.clear()
        for queue in self._queues.values():
            self._judge(queue)
            if queue.coming is not None:
                self._dialable += queue.live
                self._give_token(queue)

    # --- what is asked ----------------------------------------------------------------------------

    def first(self, now: int) -> tuple[Idle, int] | None:
        """The target to dial first among those due, with the index of its destination."""
        while self._asleep and self._asleep[0][0] <= now:
            _, token, queue = heappop(self._asleep)
            if token == queue.token:
                self._give_token(queue, now)
        while self._awake:
            _, due, number, target_id, token, queue = self._awake[0]
            if token == queue.token:
                found = self._top(queue)
                if (
                    found is not None
                    and due <= now
                    and found.facts.number == number
                    and found.facts.id == target_id
                    and (queue.gate is None or queue.gate.is_open(now))
                ):
                    return found, queue.coming.destination  # type: ignore[union-attr]
                heappop(self._awake)
                self._give_token(queue, now)
            else:
                heappop(self._awake)
        return None

    def next_due(self, now: int) -> int | None:
        """When the earliest target that waits falls due and may be dialed; the past when one is due already."""
        if self.first(now) is not None:
            return self._awake[0][1]
        while self._asleep:
            at, token, queue = self._asleep[0]
            found = self._top(queue) if token == queue.token else None
            if found is not None and self._ready_at(queue, found, now) == at:
                return at
            heappop(self._asleep)
            if found is not None:
                self._give_token(queue, now)
            if self._awake:
                return self._awake[0][1]
        return None

    @property
    def dialable(self) -> int:
        """Targets that wait and have a try under the plan."""
        return self._dialable

    def coming(self, target: Target) -> Next | None:
        """What the plan in force does next on a target; None when it leaves it no try."""
        return self._next(shape_of(target, self._looks))

    def gate(self, coming: Next) -> Gate | None:
        """The window in which that may happen; None: at any time."""
        if coming.zones is None or self._plan is None or self._plan.windows is None:
            return None
        found = self._gates.get(coming.zones)
        if found is None:
            found = self._gates[coming.zones] = Gate(self._plan.windows, coming.zones)
        return found

    def has_try(self, target: Target) -> bool:
        """Whether the plan in force leaves a target a try, be it to a destination that is suppressed at the moment."""
        return self._next(shape_of(target, self._looks, suppressed=True)) is not None

    def without_tries(self, plan: Plan, *, calls_only: bool) -> int:
        """Targets that wait but would have no try under a plan."""
        looks = looks_of(plan)
        shapes: Counter[Shape] = Counter()
        if looks & ~self._looks:
            shapes.update(shape_of(target, looks) for target in self._targets.values() if isinstance(target, Idle))
        else:
            for queue in self._queues.values():
                shapes[queue.shape] += queue.live
        return sum(n for shape, n in shapes.items() if next_try(shape, plan, calls_only=calls_only) is None)

    def without_destination(self) -> Iterator[tuple[Idle, int]]:
        """Of the targets that wait but are not dialed under the plan in force, the first of each that look alike, and how many do."""
        if self._plan is not None:
            for queue in self._queues.values():
                if queue.coming is None and (first := self._top(queue)) is not None:
                    yield first, queue.live

    def waiting(self, looks: Looks) -> Iterator[tuple[Shape, int, list[Waits]]]:
        """All that wait, those alike together: what they look like, what they wait for, and since when each does.

        ``looks``: what the plan looks at under which they are looked at, whether or not the one in force does.
        """
        for queue in self._queues.values():
            found: Iterable[tuple[int, int, str]] = queue.entries
            if len(queue.entries) != queue.live:
                found = [entry for entry in set(queue.entries) if self._waits(entry, queue) is not None]
            if looks == self._looks or not (any(queue.shape.tries) or (looks | self._looks) & LOOKS_AT_ZONES):
                yield queue.shape, queue.wait, [(since, self._targets[target_id].facts) for since, _, target_id in found]
                continue
            alike: defaultdict[Shape, list[Waits]] = defaultdict(list)
            for since, _, target_id in found:
                target = self._targets[target_id]
                alike[shape_of(target, looks)].append((since, target.facts))
            for shape, times in alike.items():
                yield shape, queue.wait, times

    def out_of_tries(self, looks: Looks) -> Iterator[tuple[Shape, int, list[Waits]]]:
        """All that are out of tries, those alike together, as they would wait."""
        alike: defaultdict[tuple[Shape, int], list[Waits]] = defaultdict(list)
        for members in self._exhausted.values():
            for target_id in members:
                target = self._targets[target_id]
                if isinstance(target, Done):
                    alike[shape_of(target, looks), target.wait].append((target.since, target.facts))
        for (shape, wait), times in alike.items():
            yield shape, wait, times

    def left_out(self, shape: Shape) -> bool:
        """Whether the run begins with nobody new, and who looks like this was never tried."""
        return self._draining and not any(shape.tries)

    @property
    def earliest(self) -> int | None:
        """When the first of those that have a try fell or falls due, whether its window is open or not."""
        tops = ((queue, self._top(queue)) for queue in self._queues.values() if queue.coming is not None)
        return min((top.since + queue.wait_us for queue, top in tops if top is not None), default=None)

    @property
    def exhausted(self) -> int:
        """Targets out of tries."""
        return sum(map(len, self._exhausted.values()))

    def shape_of(self, target: Target) -> Shape:
        """What decides the next destination of a target, as far as the plan in force looks at it, were nothing suppressed."""
        return shape_of(target, self._looks, suppressed=True)

    def next_without(self, target: Target, blocked: bytes) -> Next | None:
        """What the plan in force does next on a target, were these destinations suppressed; None when nothing is left."""
        shape = self.shape_of(target)
        return self._next(shape._replace(types=types_without(shape.types, blocked)))

    def ahead_of(self, target: Idle, now: int, limit: int, until: int | None = None) -> int:
        """How many of those due by now come before a target that waits, counted up to a limit.

        ``until``: those alone that can be called until then, or as long as the target.
        """
        found: set[str] = set()
        facts, coming = target.facts, self.coming(target)
        mine = None if coming is None else self.gate(coming)
        queue_of_it = self._queues.get(self._key(target))
        due = target.since + (0 if queue_of_it is None else queue_of_it.wait_us)
        for queue in self._queues.values():
            if queue.coming is None or queue.priority < facts.priority or not (queue.gate is None or queue.gate.is_open(now)):
                continue
            if until is not None and queue.gate is not mine and not (_stays_open(queue.gate, now, until) and _stays_open(mine, now, until)):
                continue
            same = queue.priority == facts.priority
            bound = (due - queue.wait_us, facts.number, facts.id) if same else (now - queue.wait_us + 1, 0, "")
            self._note_before(queue, bound, found, limit, now if until is None else until)
        return len(found)

    def _note_before(self, queue: Queue, bound: tuple[int, int, str], found: set[str], limit: int, until: int) -> None:
        """Note who waits in a queue, comes before a bound and is not late by then. In a heap nobody comes before whoever stands above."""
        entries, places = queue.entries, [0]
        while places and len(found) < limit:
            place = places.pop()
            if place < len(entries) and entries[place] < bound:
                waiting = self._waits(entries[place], queue)
                if waiting is not None and not waiting.facts.is_late(until):
                    found.add(entries[place][2])
                places += (2 * place + 1, 2 * place + 2)

    def revivable(self, limit: int) -> list[str]:
        """At most ``limit`` of the targets out of tries to which the plan in force gives one."""
        while self._revivable:
            members = self._exhausted.get(self._revivable[-1])
            if members:
                return list(islice(members, limit))
            self._revivable.pop()
        return []

    # --- how --------------------------------------------------------------------------------------

    def _key(self, target: Idle) -> Key:
        return (target.wait, target.facts.priority, shape_of(target, self._looks))

    def _enter(self, target: Idle) -> None:
        key = self._key(target)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = Queue(*key)
            self._judge(queue)
        queue.live += 1
        entry = (target.since, target.facts.number, target.facts.id)
        heappush(queue.entries, entry)
        if queue.coming is not None:
            self._dialable += 1
            if queue.entries[0] is entry:
                self._give_token(queue)

    def _leave(self, target: Idle) -> None:
        key = self._key(target)
        queue = self._queues[key]
        queue.live -= 1
        if queue.coming is not None:
            self._dialable -= 1
        if not queue.live:
            queue.token = VOID
            del self._queues[key]
        elif queue.entries[0][2] == target.facts.id:
            heappop(queue.entries)
        elif len(queue.entries) > 2 * queue.live + SLACK:
            queue.entries = sorted({entry for entry in queue.entries if self._waits(entry, queue) is not None})

    def _judge(self, queue: Queue) -> None:
        """What the plan in force says of a queue."""
        if self._plan is None:
            return
        queue.coming = coming = self._next(queue.shape)
        queue.wait_us = 0 if coming is None else wait_us(queue.wait, self._plan, coming.interval)
        queue.gate = None if coming is None else self.gate(coming)

    def _next(self, shape: Shape) -> Next | None:
        if self._plan is None:
            return None
        if shape not in self._coming:
            if len(self._coming) >= MOST_SHAPES:
                self._coming.clear()
            self._coming[shape] = None if self.left_out(shape) else next_try(shape, self._plan, calls_only=self.calls_only)
        return self._coming[shape]

    def _ready_at(self, queue: Queue, first: Idle, now: int) -> int:
        """When the first target of a queue is due and its window open, from now on; when it fell due, if it may go now."""
        due = first.since + queue.wait_us
        if queue.gate is None:
            return due
        opens = queue.gate.next_open(max(due, now))
        return due if opens <= now else opens

    def _top(self, queue: Queue) -> Idle | None:
        """The first target that does wait in a queue."""
        entries = queue.entries
        while entries:
            found = self._waits(entries[0], queue)
            if found is not None:
                return found
            heappop(entries)
        return None

    def _waits(self, entry: tuple[int, int, str], queue: Queue) -> Idle | None:
        """The target of an entry, unless it has moved on since it entered the queue."""
        target = self._targets.get(entry[2])
        if not isinstance(target, Idle) or target.since != entry[0] or target.wait != queue.wait:
            return None
        history, shape = target.history, queue.shape
        if self._looks:
            return target if shape_of(target, self._looks) == shape else None
        types = types_without(target.facts.types, history.blocked) if history.blocked else target.facts.types
        return target if history.tries == shape.tries and types == shape.types else None

    def _give_token(self, queue: Queue, now: int | None = None) -> None:
        """Make a queue's one valid token anew, for the target now first in it: awake when that may be dialed ``now``."""
        top = self._top(queue)
        if top is None:
            return
        self._tokens += 1
        queue.token = self._tokens
        at = top.since + queue.wait_us if now is None else self._ready_at(queue, top, now)
        if now is not None and at <= now:
            heappush(self._awake, (-queue.priority, at, top.facts.number, top.facts.id, queue.token, queue))
            if len(self._awake) > 2 * len(self._queues) + SLACK:
                self._awake = [waker for waker in self._awake if waker[-2] == waker[-1].token]
                heapify(self._awake)
        else:
            heappush(self._asleep, (at, queue.token, queue))
            if len(self._asleep) > 2 * len(self._queues) + SLACK:
                self._asleep = [sleeper for sleeper in self._asleep if sleeper[-2] == sleeper[-1].token]
                heapify(self._asleep)

    def _sort_anew(self) -> None:
        """Build the queues again: the plan now looks at other things than before."""
        self._queues.clear()
        self._exhausted.clear()
        for target in self._targets.values():
            if isinstance(target, Idle):
                key = self._key(target)
                queue = self._queues.setdefault(key, Queue(*key))
                queue.live += 1
                queue.entries.append((target.since, target.facts.number, target.facts.id))
            elif isinstance(target, Done) and not target.reached and not target.expired:
                self._exhausted.setdefault(shape_of(target, self._looks), {})[target.facts.id] = None
        for queue in self._queues.values():
            heapify(queue.entries)


def _stays_open(gate: Gate | None, now: int, until: int) -> bool:
    """Whether a window is open at an instant, and until another."""
    opening = Opening(None, None) if gate is None else gate.opening(now)
    return opening is not None and (opening.closes is None or opening.closes > until)
