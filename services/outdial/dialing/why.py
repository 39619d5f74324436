"""Why a target, or a whole outdial, is not being dialed. It only looks; nothing is changed by it.

The rules are looked at in the order of :data:`outdial.why.REASONS`, which is that of a decision: what has become
of the target itself, then the run and its plan, then what the plan leaves it, then whether it is due, then its turn
among those that are. A rule that holds says until when, if time alone lets go of it.

``next_at`` is the earliest time of the next request in a world that stands still: nobody sends a command, and no
call has a word said about it. It is exact unless others come back, fall due, or may no longer be called, before the
target has had its turn; then it may be later. It is never earlier, but when an address that leave was asked for may not
be called, or when a suppression list holds one of several destinations and lets go of it before. A rule that a slice of
the ledger adds has its check here, at its place.

What it costs does not grow with the list: for an outdial it is a look at each queue of the agenda, for a target
also at those that are due before it, :data:`AHEAD_AT_MOST` of them at most.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice

from outdial.commands import AskWhy
from outdial.dialing.addresses import Fingerprint
from outdial.dialing.decision import Rejected
from outdial.dialing.outdial import SILENT_ATTEMPTS, Outdial
from outdial.dialing.rules import AFTER_ATTEMPT, AT, NOW, why_none
from outdial.dialing.suppression import blocked
from outdial.dialing.target import Asking, Deleted, Done, Idle, Progressing, Target, due_of, evolve
from outdial.events import (
    DialEnded,
    DialingDraining,
    DialingFinished,
    DialingPaused,
    DialingStarted,
    DialingStopped,
    OutdialCreated,
    OutdialDeleted,
    PlanApplied,
    PlanAsked,
    RingingLimited,
    ShareAsked,
    ShareReturned,
    ShareTaken,
)
from outdial.plan import Plan
from outdial.scalars import MILLISECOND_US, SECOND_US, format_instant
from outdial.why import PACE, Check, Held, OutdialWhy, TargetWhy
from outdial.windows import Gate

AHEAD_AT_MOST = 10_000
"""Of those due before a target so many are counted; the answer is a lower bound beyond them."""


def asked(outdial: Outdial, command: AskWhy, fingerprint: Fingerprint, now: int) -> TargetWhy | OutdialWhy:
    """The answer to the question, about the target it names or about the outdial."""
    if command.target_id is None:
        return of_outdial(outdial, now)
    if command.target_id not in outdial.targets:
        raise Rejected("target_unknown", "this outdial has no such target")
    return of_target(outdial, command.target_id, fingerprint, now)


# --- one target ---------------------------------------------------------------------------------------


def of_target(outdial: Outdial, target_id: str, fingerprint: Fingerprint, now: int) -> TargetWhy:
    """Why one target is not being dialed."""
    checks, waits = _of_itself(outdial, target_id, now), None
    turn: int | None = now
    asking = target_id in outdial.asking
    if not _is_over(checks):
        checks += _of_the_run(outdial)
        waits = _as_waiting(outdial, target_id)
    if waits is not None and outdial.plan is not None and not _holds(checks, "plan_pending"):
        checks += _of_its_tries(outdial, outdial.plan, waits)
        due, window, turn = _of_its_time(outdial, outdial.plan, waits, now)
        checks += [due, window, _of_the_list(outdial, waits, fingerprint, now)]
        cap = _of_its_address(outdial, waits, now)
        if not asking and not cap.holds and not any(check.holds for check in checks):
            ahead = outdial.agenda.ahead_of(waits, now, AHEAD_AT_MOST)
            checks += _of_the_pace(outdial, outdial.plan, now, ahead)
            turn = _turn_of(outdial, outdial.plan, waits, now, ahead)
        checks += [cap, Check(rule="leave_asked", holds=asking)]
    first, next_at = _judged(checks, turn)
    if next_at is not None and waits is not None and (gate := _gate_of(outdial, waits)) is not None:
        next_at = gate.opens_at(next_at)
    over = (waits is None and not _is_over(checks)) or (waits is not None and next_at is not None and waits.facts.is_late(next_at))
    return TargetWhy(
        target_id=target_id,
        at=now,
        why=None if first is None else first.rule,
        since=None if first is None else first.since,
        until=None if first is None else first.until,
        next_at=None if over else next_at,
        rules=tuple(checks),
    )


def _of_itself(outdial: Outdial, target_id: str, now: int) -> list[Check]:
    """What has become of the target."""
    target = outdial.targets[target_id]
    gone = isinstance(target, Deleted) or (isinstance(target, Progressing) and target.deleted)
    checks = [
        Check(rule="deleted", holds=gone),
        Check(rule="outdial_deleted", holds=outdial.deleted, since=outdial.marks.get(OutdialDeleted)),
        Check(rule="reached", holds=isinstance(target, Done) and target.reached),
        Check(rule="expired", holds=_is_expired(target, now), since=target.facts.expires_at),
    ]
    match target:
        case Progressing():
            facts = {
                "attempt_id": target.attempt_id,
                "destination_index": target.index,
                "answered": target.answered,
                "claimed": target.worker is not None,
                "not_after": format_instant(target.not_after),
            }
            checks.append(Check(rule="attempt_open", holds=True, until=max(target.expires_at, now), facts=facts))
        case Done(reached=False, expired=False):
            spent = outdial.agenda.coming(target) is None
            checks.append(Check(rule="tries_spent", holds=spent, since=target.since, facts=_tries(target)))
        case _:
            pass
    return checks


def _is_expired(target: Target, now: int) -> bool:
    """Whether it is too late to dial a target: found out already, or in a moment."""
    return (isinstance(target, Done) and target.expired) or (isinstance(target, Idle) and target.facts.is_late(now))


def _as_waiting(outdial: Outdial, target_id: str) -> Idle | None:
    """The target as it waits, or will once its open attempt is given up as lost; None: it would not wait any more."""
    target = outdial.targets[target_id]
    match target:
        case Idle():
            return target
        case Asking() | Done(reached=False, expired=False):
            return Idle(target.facts, target.history, target.since, target.wait, target.before)
        case Progressing(answered=False, deleted=False):
            lost = DialEnded(
                attempt_id=target.attempt_id,
                target_id=target_id,
                ordinal=target.history.ordinal,
                destination_index=target.index,
                outcome="no_answer",
                lost=True,
            )
            after = evolve(target, lost, target.expires_at)
            return after if isinstance(after, Idle) and outdial.agenda.has_try(after) else None
        case _:
            return None


def _of_its_tries(outdial: Outdial, plan: Plan, waits: Idle) -> list[Check]:
    """What the plan leaves the target."""
    shape = outdial.agenda.shape_of(waits)
    left_out, none = outdial.agenda.left_out(shape), not outdial.agenda.has_try(waits)
    why = why_none(shape, plan, calls_only=outdial.agenda.calls_only) if none and not left_out else ""
    since = outdial.marks.get(PlanApplied)
    facts = _tries(waits) | {"caps": list(plan.caps), "retry_mode": plan.retry_mode.value, "max_attempts": plan.max_attempts}
    return [
        _held_back("draining", outdial.marks.get(DialingDraining), holds=left_out),
        Check(rule="type_not_dialable", holds=why == "type_not_dialable", since=since, facts={"types": list(waits.facts.types)}),
        Check(rule="zone_unknown", holds=why == "zone_unknown", since=since, facts={"types": list(waits.facts.types)}),
        Check(rule="no_tries_in_plan", holds=why == "no_tries_in_plan", since=since, facts=facts),
    ]


def _of_its_time(outdial: Outdial, plan: Plan, waits: Idle, now: int) -> tuple[Check, Check, int | None]:
    """Whether it is due, whether its window is open, and from when on both are so."""
    coming = outdial.agenda.coming(waits)
    due = due_of(waits, plan, plan.try_interval if coming is None else coming.interval)
    facts: dict[str, object] = {"due_at": format_instant(due)}
    if waits.before is not None:
        facts["wait"] = "try_interval"
        is_due = Check(rule="not_due", holds=due > max(waits.since, now), since=waits.before[0], until=due, facts=facts)
    elif waits.wait == AT:
        is_due = Check(rule="not_due", holds=due > now, until=due, facts=facts | {"wait": "call_back"})
    else:
        wait = "back_off" if waits.wait > AFTER_ATTEMPT else "none" if waits.wait == NOW else "try_interval"
        facts |= {"wait": wait, "wait_ms": (due - waits.since) // MILLISECOND_US}
        is_due = Check(rule="not_due", holds=due > now, since=waits.since, until=due, facts=facts)
    gate = None if coming is None else outdial.agenda.gate(coming)
    if coming is None or gate is None:
        return is_due, Check(rule="outside_window", holds=False), max(due, now)
    ready = gate.opens_at(max(due, now))
    closed = not gate.is_open(now)
    window = Check(rule="outside_window", holds=closed, until=ready if closed else None, facts={"zones": list(coming.zones or ())})
    return is_due, window, ready


def _gate_of(outdial: Outdial, waits: Idle) -> Gate | None:
    """The window its next try must go through; None: there is none."""
    coming = outdial.agenda.coming(waits)
    return None if coming is None else outdial.agenda.gate(coming)


def _of_its_address(outdial: Outdial, waits: Idle, now: int) -> Check:
    """Whether its address was called as often as the caps allow, as far as that was found out."""
    deferred = waits.before is not None and waits.since > now
    facts = {"caps": outdial.guard.caps is not None}
    return Check(rule="frequency_cap", holds=deferred, until=waits.since if deferred else None, facts=facts)


def _of_the_list(outdial: Outdial, waits: Idle, fingerprint: Fingerprint, now: int) -> Check:
    """Whether a suppression list holds every destination that has a try, be it found out only when its turn comes."""
    found = outdial.blocked.held.get(waits.facts.id)
    if outdial.guard.watches:
        found = blocked(outdial, waits.facts, fingerprint, now)
    if found is None or not outdial.agenda.has_try(waits):
        return Check(rule="suppressed", holds=False)
    holds = outdial.agenda.next_without(waits, bytes(found.destinations)) is None
    return Check(rule="suppressed", holds=holds, until=found.until if holds else None, facts={"destinations": list(found.destinations)})


def _tries(target: Idle | Done) -> dict[str, object]:
    return {"tries": list(target.history.tries), "try_count_max": target.facts.try_count_max}


# --- an outdial ---------------------------------------------------------------------------------------


def of_outdial(outdial: Outdial, now: int) -> OutdialWhy:
    """Why an outdial is not dialing, and which of its targets are kept out by a rule of their own."""
    checks = [Check(rule="outdial_deleted", holds=outdial.deleted, since=outdial.marks.get(OutdialDeleted)), *_of_the_run(outdial)]
    plan, agenda, due = outdial.plan, outdial.agenda, None
    turn: int | None = now
    if plan is not None and not _holds(checks, "plan_pending"):
        left = agenda.dialable or agenda.revivable(1) or outdial.asking
        due = agenda.next_due(now)
        lost = None if left else _when_given_up(outdial, plan)
        checks.append(Check(rule="nothing_left", holds=not left, until=lost, facts={"open": len(outdial.open)}))
        earliest = agenda.earliest
        checks.append(Check(rule="not_due", holds=earliest is not None and earliest > now, until=due))
        outside = earliest is not None and earliest <= now and due is not None and due > now
        checks.append(Check(rule="outside_window", holds=outside, until=due if outside else None))
        checks += _of_the_pace(outdial, plan, now, 0)
        turn = _turn(outdial, plan, now, 0)
        checks.append(Check(rule="leave_asked", holds=bool(outdial.asking) and due is None, facts={"asking": len(outdial.asking)}))
    first, next_at = _judged(checks, turn)
    return OutdialWhy(
        at=now,
        why=None if first is None else first.rule,
        since=None if first is None else first.since,
        until=None if first is None else first.until,
        next_at=next_at,
        rules=tuple(checks),
        open=len(outdial.open),
        waiting=agenda.dialable,
        next_due=due,
        held=tuple(_held(outdial)),
    )


def _when_given_up(outdial: Outdial, plan: Plan) -> int | None:
    """When the first of those who are being called is called again, if nobody says a word; None: none of them is.

    Of very many open attempts the first are looked at.
    """
    times = []
    for target_id in islice(outdial.open, AHEAD_AT_MOST):
        waits = _as_waiting(outdial, target_id)
        if waits is not None:
            ready = _of_its_time(outdial, plan, waits, waits.since)[2]
            if ready is not None and not waits.facts.is_late(ready):
                times.append(ready)
    return min(times, default=None)


def _held(outdial: Outdial) -> list[Held]:
    """How many targets each rule of their own keeps out. Those that look alike to the plan are counted by the first of them."""
    agenda, plan = outdial.agenda, outdial.plan
    counts = Counter({"attempt_open": len(outdial.open), "tries_spent": agenda.exhausted})
    for first, targets in agenda.without_destination():
        shape = agenda.shape_of(first)
        if agenda.left_out(shape):
            counts["draining"] += targets
        elif agenda.has_try(first):
            counts["suppressed"] += targets
        elif plan is not None:
            counts[why_none(shape, plan, calls_only=agenda.calls_only)] += targets
    lease = outdial.first_lease
    ends = {"attempt_open": None if lease is None else lease[0], "suppressed": outdial.blocked.first_end()}
    return [Held(why=why, targets=targets, next_at=ends.get(why)) for why, targets in counts.items() if targets]


# --- what holds all of them ---------------------------------------------------------------------------


def _of_the_run(outdial: Outdial) -> list[Check]:
    """Whether there is a run, and its plan."""
    run, marks = outdial.run, outdial.marks
    ended = max((marks[kind] for kind in (OutdialCreated, DialingStopped, DialingFinished) if kind in marks), default=None)
    asked_at = max((marks[kind] for kind in (DialingStarted, PlanAsked) if kind in marks), default=None)
    return [
        Check(rule="no_run", holds=run is None, since=ended if run is None else None, facts={"runs": outdial.runs}),
        Check(
            rule="plan_pending",
            holds=run is not None and not run.has_plan,
            since=asked_at if run is not None and not run.has_plan else None,
            facts={} if run is None else {"outplan_id": run.outplan_id},
        ),
        _held_back("paused", marks.get(DialingPaused), holds=run is not None and run.paused),
    ]


def _held_back(rule: str, since: int | None, *, holds: bool) -> Check:
    return Check(rule=rule, holds=holds, since=since if holds else None)


def _of_the_pace(outdial: Outdial, plan: Plan, now: int, ahead: int) -> list[Check]:
    """Whether the pace holds back whoever comes after so many others that are due."""
    opened, taken, rate = len(outdial.open) + len(outdial.asking), _taken(outdial), plan.calls_per_second
    probing = outdial.silent >= SILENT_ATTEMPTS
    probe = _free_at(_leases(outdial, plan, now), plan, now, ahead, 1) if probing else now
    free = _free_at(_leases(outdial, plan, now), plan, now, ahead, plan.max_concurrent)
    release = _behind(outdial, now, ahead, lambda times, at: _when_paced(rate, times, at))
    last = outdial.recent[-1] if outdial.recent else None
    return [
        _paced("no_worker", probe, now, None, {"silent": outdial.silent, "open": opened, "taken": taken, "ahead": ahead}),
        _paced("max_concurrent", free, now, last, {"open": opened, "taken": taken, "limit": plan.max_concurrent, "ahead": ahead}),
        _of_the_agents(outdial, plan, now, ahead),
        _paced("calls_per_second", release, now, last, {"limit": rate, "ahead": ahead}),
        _of_the_share(outdial, now, ahead),
    ]


def _taken(outdial: Outdial) -> int:
    """Open attempts of which somebody has said that he places the call, or that it was answered."""
    opened = (outdial.targets[target_id] for target_id in outdial.open)
    return sum(isinstance(target, Progressing) and (target.worker is not None or target.answered) for target in opened)


def _of_the_share(outdial: Outdial, now: int, ahead: int) -> Check:
    """Whether the outdial's share of its customer's calls per second is used up, or has yet to come."""
    pace, share = outdial.guard.pace, outdial.share
    facts: dict[str, object] = {"limit": pace, "share": share.told, "wanted": share.wanted, "ahead": ahead}
    if pace is None or outdial.agenda.first(now) is None:
        return Check(rule="customer_calls_per_second", holds=False, facts=facts)
    since = max((outdial.marks[kind] for kind in (ShareAsked, ShareTaken, ShareReturned) if kind in outdial.marks), default=None)
    if not share.told:
        return Check(rule="customer_calls_per_second", holds=True, since=since, facts=facts)
    release = _behind(outdial, now, ahead, lambda times, at: _when_shared(outdial, times, at))
    return _paced("customer_calls_per_second", release, now, since, facts)


def _when_paced(rate: int | None, times: Sequence[int], at: int) -> int:
    """When one more request keeps every second at no more than ``rate``."""
    return at if rate is None or len(times) < rate else max(at, times[-rate] + SECOND_US)


def _when_shared(outdial: Outdial, times: Sequence[int], at: int) -> int:
    """When one more request fits into what the outdial has of its customer's calls per second; one that has nothing has to ask first."""
    if outdial.guard.pace is not None and outdial.share.told:
        while (held := outdial.share.held_until(times, 0, at)) is not None:
            at = held
    return at


def _of_the_agents(outdial: Outdial, plan: Plan, now: int, ahead: int) -> Check:
    """Whether as many calls ring as the free agents of a campaign's queue allow."""
    limit = _ringing_limit(outdial)
    facts: dict[str, object] = {"ringing": outdial.ringing, "limit": limit, "ahead": ahead}
    since = max((outdial.marks[kind] for kind in (DialingStarted, RingingLimited) if kind in outdial.marks), default=None)
    if limit == 0:
        return Check(rule="service_level", holds=True, since=since, facts=facts)
    return _paced("service_level", _free_at(_leases(outdial, plan, now, ringing=True), plan, now, ahead, limit or 0), now, since, facts)


def _ringing_limit(outdial: Outdial) -> int | None:
    return None if outdial.run is None else outdial.run.ringing_limit


def _paced(rule: str, until: int, now: int, since: int | None, facts: dict[str, object]) -> Check:
    holds = until > now
    return Check(rule=rule, holds=holds, since=since if holds else None, until=until if holds else None, facts=facts)


def _turn_of(outdial: Outdial, plan: Plan, target: Idle, now: int, ahead: int) -> int | None:
    """When a target that is due has its turn after so many others, whom it need not wait for if they cannot be called by then."""
    gate = _gate_of(outdial, target)
    turn = _turn(outdial, plan, now, ahead, gate)
    if turn is None or turn <= now:
        return turn
    return _turn(outdial, plan, now, outdial.agenda.ahead_of(target, now, AHEAD_AT_MOST, turn), gate)


def _turn(outdial: Outdial, plan: Plan, now: int, ahead: int, gate: Gate | None = None) -> int | None:
    """When the request after so many others is made, if no call has a word said about it, and none of those called comes back.

    ``gate``: the window that all of them must be called in. None: never.
    """
    limit = 1 if outdial.silent >= SILENT_ATTEMPTS else plan.max_concurrent
    ring, times, at = _ringing_limit(outdial), _made(outdial, now), now
    ends, rings = _leases(outdial, plan, now), _leases(outdial, plan, now, ringing=True)
    for turn in range(ahead + 1):
        while ring and len(rings) >= ring:
            at = max(at, heappop(rings))
        while limit and len(ends) >= limit:
            at = max(at, heappop(ends))
        at = _when_shared(outdial, times, _when_paced(plan.calls_per_second, times, at))
        if gate is not None:
            opens = gate.opens_at(at)
            if opens is None:
                return None
            at = opens
        if turn < ahead:
            times.append(at)
            lease = _lease_end(plan, at, gate)
            heappush(ends, lease)
            heappush(rings, lease)
    return at


def _free_at(ends: list[int], plan: Plan, now: int, ahead: int, limit: int) -> int:
    """When a call may be opened beside at most ``limit`` others (0: any number); ``ends`` is when those there are end."""
    if not limit or len(ends) + ahead < limit:
        return now
    at = now
    for _ in range(ahead + 1):
        while len(ends) >= limit:
            at = max(at, heappop(ends))
        heappush(ends, at + _lease_us(plan))
    return at


def _behind(outdial: Outdial, now: int, ahead: int, release: Callable[[Sequence[int], int], int]) -> int:
    """When the request after so many others is made, if nothing but ``release`` holds them: when one more is, after those at such times."""
    times, at = _made(outdial, now), now
    for _ in range(ahead + 1):
        at = release(times, at)
        times.append(at)
    return at


def _made(outdial: Outdial, now: int) -> list[int]:
    """When the last requests were made; a leave that is asked for counts as if it were used now."""
    return [*outdial.recent, *(now for _ in outdial.asking)]


def _leases(outdial: Outdial, plan: Plan, now: int, *, ringing: bool = False) -> list[int]:
    """When the leases of the open attempts end, as a heap; of those alone that were not answered yet, if asked so.

    A leave that is asked for counts as if it were used now.
    """
    opened = (outdial.targets[target_id] for target_id in outdial.open)
    found = [target.expires_at for target in opened if isinstance(target, Progressing) and not (ringing and target.answered)]
    found += [now + _lease_us(plan)] * len(outdial.asking)
    heapify(found)
    return found


def _lease_us(plan: Plan) -> int:
    """From a request to the end of its lease, when nobody says a word."""
    return (plan.pickup_timeout + plan.ring + plan.result_grace) * MILLISECOND_US


def _lease_end(plan: Plan, at: int, gate: Gate | None) -> int:
    """When the lease of a request ends that was made at an instant through a window: it must be picked up before that closes."""
    opening, end = None if gate is None else gate.opening(at), at + _lease_us(plan)
    if opening is None or opening.closes is None:
        return end
    return min(end, opening.closes - 1 + (plan.ring + plan.result_grace) * MILLISECOND_US)


# --- the verdict --------------------------------------------------------------------------------------


def _judged(checks: Sequence[Check], turn: int | None) -> tuple[Check | None, int | None]:
    """The first rule that holds, and when all of them have let go; None: something has to happen.

    ``turn``: what the pace comes to, whose rules each say when they let go at the latest.
    """
    holding = [check for check in checks if check.holds]
    first = next(iter(holding), None)
    if turn is None or any(check.until is None for check in holding):
        return first, None
    return first, max([turn, *(check.until for check in holding if check.until is not None and check.rule not in PACE)])


def _holds(checks: Sequence[Check], rule: str) -> bool:
    return any(check.holds and check.rule == rule for check in checks)


def _is_over(checks: Sequence[Check]) -> bool:
    """Whether a rule holds that nothing but a command lets go of, so that no other matters."""
    return any(check.holds and check.until is None for check in checks)
