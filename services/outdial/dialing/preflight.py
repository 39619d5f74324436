"""What a run would come to, under a plan that is not in force. It only looks; nothing is changed by it.

It looks at each queue of the agenda, and within those that were tried before at when each target falls due: a
fraction of a second for a million. Where the customer has a suppression list every address is looked up in it, and in
the prefixes on it those of :data:`LOOKED_UP_AT_MOST`. A person asks it, before a run.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from outdial.address import CALLABLE_TYPES, SLOTS
from outdial.commands import AskPreflight
from outdial.dialing.addresses import Fingerprint
from outdial.dialing.agenda import Waits
from outdial.dialing.decision import Decision, Rejected
from outdial.dialing.guard import NO_END
from outdial.dialing.outdial import Outdial
from outdial.dialing.rules import Next, Shape, looks_of, next_try, wait_us, why_none
from outdial.dialing.running import warnings
from outdial.dialing.suppression import hit
from outdial.dialing.target import types_without
from outdial.plan import Plan, RetryMode
from outdial.preflight import Estimate, Preflight
from outdial.why import Held
from outdial.windows import Gate

CAPS_NOT_SEEN = "frequency_caps: who was called lately may wait for longer; how often an address was called is not looked at here"
LOOKED_UP_AT_MOST = 100_000
"""Of so many targets the numbers are looked up in the prefixes of a suppression list: each takes some microseconds."""


@dataclass(slots=True)
class _Counts:
    """What was found so far."""

    looked_up: int = 0
    now: int = 0
    later: int = 0
    brought_back: int = 0
    next_at: int | None = None
    last_at: int | None = None
    by_destination: list[int] = field(default_factory=lambda: [0] * SLOTS)
    attempts: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    first_end: int = NO_END
    """When the first of the entries ends that hold destinations back."""

    def note_times(self, due: Iterable[int], now: int) -> None:
        """Take note of when targets are due."""
        times = list(due)
        later = [at for at in times if at > now]
        self.now += len(times) - len(later)
        self.later += len(later)
        if later:
            first, last = min(later), max(later)
            self.next_at = first if self.next_at is None else min(self.next_at, first)
            self.last_at = last if self.last_at is None else max(self.last_at, last)


def asked(outdial: Outdial, command: AskPreflight, fingerprint: Fingerprint, now: int) -> Decision:
    """The answer to the question; without a plan in it, under the one the outdial ran by last."""
    plan = outdial.plan if command.plan is None else command.plan
    if plan is None:
        raise Rejected("plan_missing", "name a plan or an outplan_id; this outdial never had one")
    calls_only = command.campaign_type == "call"
    counts = _counted(outdial, plan, fingerprint, now, calls_only=calls_only)
    knows_all = plan.retry_mode is RetryMode.DESTINATION and plan.result_policy is None
    facts = Preflight(
        at=now,
        dialable_now=counts.now,
        due_later=counts.later,
        next_at=counts.next_at,
        last_at=counts.last_at,
        brought_back=counts.brought_back,
        open=len(outdial.open),
        by_destination=tuple(counts.by_destination),
        attempts_at_most=counts.attempts if knows_all else None,
        skipped=tuple(_held(counts, why) for why in sorted(counts.skipped)),
        estimate=_estimate(plan, outdial.guard.pace, counts.now + counts.later, counts.attempts if knows_all else None),
    )
    capped = (CAPS_NOT_SEEN,) if outdial.guard.caps is not None and outdial.guard.caps.all_rules else ()
    return Decision(facts=facts, warnings=(*warnings(outdial, plan, calls_only=calls_only), *capped))


def _held(counts: _Counts, why: str) -> Held:
    ends = why == "suppressed" and counts.first_end != NO_END
    return Held(why=why, targets=counts.skipped[why], next_at=counts.first_end if ends else None)


def _counted(outdial: Outdial, plan: Plan, fingerprint: Fingerprint, now: int, *, calls_only: bool) -> _Counts:
    counts, looks = _Counts(), looks_of(plan)
    gates: dict[tuple[str, ...], Gate] = {}
    lists = [outdial.guard.entries.get(key, {}) for key in (None, outdial.id)]
    listed: dict[int, int] = {}
    for held in lists:
        for entry, until in held.items():
            if until > max(now, listed.get(entry, 0)):
                listed[entry] = until

    def count(shape: Shape, wait: int, members: list[Waits]) -> int:
        """How many would be dialed."""
        coming = next_try(shape, plan, calls_only=calls_only)
        if coming is None:
            return 0
        kept = _note_due(counts, _gate(gates, plan, coming), members, wait_us(wait, plan, coming.interval), now)
        _note_tries(counts, shape, plan, coming.destination, kept, calls_only=calls_only)
        return len(members)

    for found, wait, waiting in outdial.agenda.waiting(looks):
        for shape, members in _apart(counts, outdial, found, waiting, listed, fingerprint, now):
            if not count(shape, wait, members):
                for types, targets in Counter(facts.types for _, facts in members).items():
                    counts.skipped[_why_not(shape._replace(types=types), plan, calls_only=calls_only)] += targets
    for found, wait, waiting in outdial.agenda.out_of_tries(looks):
        for shape, members in _apart(counts, outdial, found, waiting, listed, fingerprint, now):
            if dialed := count(shape, wait, members):
                counts.brought_back += dialed
            else:
                whole = next_try(found, plan, calls_only=calls_only)
                counts.skipped["tries_spent" if whole is None else "suppressed"] += len(members)
    if outdial.agenda.expired:
        counts.skipped["expired"] += outdial.agenda.expired
    return counts


def _apart(
    counts: _Counts, outdial: Outdial, shape: Shape, members: list[Waits], listed: Mapping[int, int], fingerprint: Fingerprint, now: int
) -> Iterator[tuple[Shape, list[Waits]]]:
    """Targets that look alike, by what the suppression list leaves of their destinations. ``listed``: addresses on it, and until when."""
    if not (outdial.guard.entries or outdial.blocked.held):
        yield shape, members
        return
    alike: defaultdict[tuple[str | None, ...], list[Waits]] = defaultdict(list)
    for since, facts in members:
        counts.looked_up += 1
        if outdial.guard.lengths and counts.looked_up <= LOOKED_UP_AT_MOST:
            kinds = enumerate(facts.types)
            hits = ((index, hit(outdial, facts, index, fingerprint, now)) for index, kind in kinds if kind is not None)
            ends = {index: found.until for index, found in hits if found is not None}
        else:
            ends = {index: listed[found] for index, found in enumerate(facts.prints or (facts.fingerprint,)) if found in listed}
        held = bytes(ends)
        counts.first_end = min(counts.first_end, *ends.values()) if ends else counts.first_end
        alike[types_without(facts.types, held) if held else facts.types].append((since, facts))
    for types, found in alike.items():
        yield shape._replace(types=types), found


def _why_not(whole: Shape, plan: Plan, *, calls_only: bool) -> str:
    """The rule that keeps out targets that are not dialed; ``whole``: as they would look, were nothing suppressed."""
    if next_try(whole, plan, calls_only=calls_only) is not None:
        return "suppressed"
    return why_none(whole, plan, calls_only=calls_only)


def _gate(gates: dict[tuple[str, ...], Gate], plan: Plan, coming: Next) -> Gate | None:
    """The window a try must go through, one for all with the same zones."""
    if plan.windows is None or coming.zones is None:
        return None
    if coming.zones not in gates:
        gates[coming.zones] = Gate(plan.windows, coming.zones)
    return gates[coming.zones]


def _note_due(counts: _Counts, gate: Gate | None, waiting: list[Waits], wait: int, now: int) -> int:
    """Take note of when targets are due and their window is open; how many are dialed then.

    The others are so late that nobody dials them, or their window is not open within a year.
    """
    times: list[int] = []
    for since, facts in waiting:
        due = max(since + wait, now)
        at = due if gate is None else gate.opens_at(due)
        if facts.expires_at is not None and (at is None or facts.is_late(at)):
            counts.skipped["expired"] += 1
        elif at is None:
            counts.skipped["outside_window"] += 1
        else:
            times.append(at)
    counts.note_times(times, now)
    return len(times)


def _note_tries(counts: _Counts, shape: Shape, plan: Plan, index: int, targets: int, *, calls_only: bool) -> None:
    """Take note of where so many targets would be dialed, and how often at most."""
    counts.by_destination[index] += targets
    left = sum(
        max(0, cap - tried)
        for kind, cap, tried in zip(shape.types, plan.caps, shape.tries, strict=False)
        if kind is not None and (not calls_only or kind in CALLABLE_TYPES)
    )
    limits = [limit - sum(shape.tries) for limit in (shape.try_count_max, plan.max_attempts) if limit is not None]
    counts.attempts += targets * min([left, *limits])


def _estimate(plan: Plan, pace: int | None, targets: int, attempts: int | None) -> Estimate:
    """How long it takes when every call rings to the end, and no other outdial uses the customer's calls per second."""
    ring_s = plan.ring / 1_000
    rates = [float(one) for one in (plan.calls_per_second, pace) if one is not None]
    if plan.max_concurrent:
        rates.append(plan.max_concurrent / ring_s)
    if not rates:
        return Estimate()
    rate = min(rates)

    def lasts(calls: int | None) -> int | None:
        return None if calls is None else 0 if not calls else round((calls - 1) / rate * 1_000) + plan.ring

    return Estimate(per_second=round(rate, 3), first_calls_ms=lasts(targets), all_calls_ms=lasts(attempts))
