"""Decisions about an outdial as a list: the outdial itself, and who is on it. Source: contract 3.1, 3.2, C2, C5, C19."""

from itertools import islice
from typing import Literal

from outdial.commands import (
    AddTarget,
    AddTargets,
    CreateOutdial,
    DeleteTarget,
    NewTarget,
    OnDuplicate,
    ReopenTarget,
    ReopenTargets,
    SetOutdialCampaign,
    SetOutdialData,
    UpdateOutdial,
)
from outdial.dialing.addresses import Fingerprint, check_zone, checked, destinations_of, zones_of
from outdial.dialing.decision import Decision, FollowUp, Rejected
from outdial.dialing.outdial import Outdial
from outdial.dialing.rules import NOW
from outdial.dialing.target import OUTCOME, Asking, Deleted, Done, Idle, Progressing, Target, code_of
from outdial.events import (
    DuplicatesSkipped,
    OutdialCreated,
    OutdialEvent,
    OutdialUpdated,
    Personal,
    TargetAdded,
    TargetDeleted,
    TargetReopened,
)
from outdial.ids import item_id
from outdial.requests import Item
from outdial.scalars import ZERO_ID

REOPENED_AT_ONCE = 1_000
"""Targets reopened by one command; the rest follow with the next."""


def create(outdial: Outdial | None, command: CreateOutdial) -> list[OutdialEvent]:
    """A new outdial; the same one again is nothing."""
    if outdial is None:
        return [
            OutdialCreated(
                customer_id=command.customer_id or ZERO_ID,
                campaign_id=command.campaign_id,
                name=command.name,
                detail=command.detail,
                data=command.data,
            )
        ]
    raise Rejected("already_exists", "there is an outdial with this id already")


def update(outdial: Outdial, command: UpdateOutdial) -> list[OutdialEvent]:
    """Change name or detail, as far as they differ."""
    name = command.name if command.name != outdial.name else None
    detail = command.detail if command.detail != outdial.detail else None
    return [] if name is detail is None else [OutdialUpdated(name=name, detail=detail)]


def set_data(outdial: Outdial, command: SetOutdialData) -> list[OutdialEvent]:
    """Change the opaque data."""
    return [] if command.data == outdial.data else [OutdialUpdated(data=command.data)]


def set_campaign(outdial: Outdial, command: SetOutdialCampaign) -> list[OutdialEvent]:
    """Attach to a campaign or detach; not while a campaign runs it."""
    if command.campaign_id == outdial.campaign_id:
        return []
    if outdial.run is not None and outdial.run.campaign_id != ZERO_ID:
        raise Rejected("outdial_running", "a campaign runs this outdial; stop it first")
    return [OutdialUpdated(campaign_id=command.campaign_id)]


def add_one(outdial: Outdial, command: AddTarget, fingerprint: Fingerprint, key_id: str) -> Decision:
    """Add one target; what is wrong with it is the command's own refusal."""
    target_id = command.target_id or item_id(command.id or ZERO_ID, 0)
    event, item = _add(outdial, command, 0, target_id, command.on_duplicate, fingerprint, key_id, {})
    if event is not None:
        return Decision([event])
    if item is not None and item.result == "rejected":
        raise Rejected(item.reason or "", item.message or "")
    return Decision(items=[] if item is None or item.result == "exists" else [item])


def add_many(outdial: Outdial, command: AddTargets, fingerprint: Fingerprint, key_id: str) -> Decision:
    """Add targets; each item stands or falls by itself. The log tells how many were left out as duplicates."""
    events: list[TargetAdded] = []
    items: list[Item] = []
    new: dict[int, str] = {}
    ids: set[str] = set()
    for index, target in enumerate(command.targets):
        target_id = target.target_id or item_id(command.id or ZERO_ID, index)
        if target_id in ids:
            item: Item | None = _refused(index, target_id, "already_exists", "an earlier item of this command has the same target_id")
        else:
            event, item = _add(outdial, target, index, target_id, command.on_duplicate, fingerprint, key_id, new)
            if event is not None:
                ids.add(target_id)
                first = next(filter(None, event.fingerprints))
                new.setdefault(int(first, 16), target_id)
                if not command.dry_run:
                    events.append(event)
        if item is not None:
            items.append(item)
    skipped = 0 if command.dry_run else sum(item.result == "skipped" for item in items)
    left_out = [DuplicatesSkipped(skipped=skipped)] if skipped else []
    return Decision([*events, *left_out], items=items)


def _add(
    outdial: Outdial,
    target: NewTarget,
    index: int,
    target_id: str,
    on_duplicate: OnDuplicate,
    fingerprint: Fingerprint,
    key_id: str,
    new: dict[int, str],
) -> tuple[TargetAdded | None, Item | None]:
    """The event that adds a target, or what stands against it. ``new``: fingerprints of the same command."""
    destinations = destinations_of(target)
    try:
        check_zone(target.time_zone)
        prints = tuple([None if found is None else fingerprint(checked(slot, found)) for slot, found in enumerate(destinations)])
        if not destinations:
            raise Rejected("destination_missing", "a target needs at least one of destination_0 to destination_4")
    except Rejected as why:
        return None, _refused(index, target_id, why.reason, why.message)
    personal = Personal(name=target.name, detail=target.detail, data=target.data, destinations=destinations)
    known = outdial.targets.get(target_id)
    if known is not None:
        if _same(known, target, personal):
            return None, Item(index=index, result="exists", target_id=target_id)
        return None, _refused(index, target_id, "already_exists", "there is another target with this id")
    if on_duplicate != "accept":
        first = int(next(filter(None, prints)), 16)
        existing = outdial.by_fingerprint.get(first) or new.get(first)
        if existing is not None:
            message = "a target of this outdial has the same first destination"
            verdict: Literal["skipped", "rejected"] = "skipped" if on_duplicate == "skip" else "rejected"
            return None, Item(index=index, result=verdict, target_id=target_id, existing_id=existing, reason="duplicate", message=message)
    event = TargetAdded(
        target_id=target_id,
        types=tuple([None if found is None else found.type for found in destinations]),
        fingerprints=prints,
        key_id=key_id,
        personal=personal,
        try_count_max=target.try_count_max,
        priority=target.priority,
        time_zone=target.time_zone,
        expires_at=target.expires_at,
        zones=zones_of(destinations) if target.time_zone is None else None,
    )
    return event, None


def _refused(index: int, target_id: str, reason: str, message: str) -> Item:
    return Item(index=index, result="rejected", target_id=target_id, reason=reason, message=message)


def _same(known: Target, target: NewTarget, personal: Personal) -> bool:
    facts = known.facts
    return (
        facts.try_count_max == target.try_count_max
        and facts.priority == target.priority
        and facts.time_zone == target.time_zone
        and facts.expires_at == target.expires_at
        and facts.personal == personal.compact
    )


def delete(outdial: Outdial, command: DeleteTarget) -> Decision:
    """Delete a target; an open attempt of it is named in the answer."""
    match outdial.targets.get(command.target_id):
        case None:
            raise Rejected("target_unknown", "this outdial has no such target")
        case Deleted():
            return Decision()
        case Progressing() as target:
            events: list[OutdialEvent] = [] if target.deleted else [TargetDeleted(target_id=command.target_id)]
            return Decision(events, open=(target.attempt_id,))
        case _:
            return Decision([TargetDeleted(target_id=command.target_id)])


def reopen(outdial: Outdial, command: ReopenTarget) -> list[OutdialEvent]:
    """Give a target all its tries again."""
    match outdial.targets.get(command.target_id):
        case None:
            raise Rejected("target_unknown", "this outdial has no such target")
        case Progressing():
            raise Rejected("attempt_open", "an attempt on this target is open; reopen it once that has ended")
        case Deleted():
            raise Rejected("target_deleted", "the target was deleted")
        case Done(expired=True):
            raise Rejected("target_expired", "it is too late to dial this target: its expires_at has passed")
        case Idle(wait=wait) if wait == NOW:
            return []
        case Idle() | Asking() | Done():
            return [TargetReopened(target_id=command.target_id)]


def reopen_many(outdial: Outdial, command: ReopenTargets) -> Decision:
    """Give all their tries again to those whose last attempt ended so, the rest by a command of its own."""
    begin = command.cursor or 0
    wanted = frozenset(code_of(outcome) for outcome in command.outcomes)
    events: list[OutdialEvent] = []
    for looked_at, target in enumerate(islice(outdial.targets.values(), begin, None), begin):
        if len(events) == REOPENED_AT_ONCE:
            rest = ReopenTargets(outdial_id=outdial.id, outcomes=command.outcomes, cursor=looked_at)
            return Decision(events, [FollowUp(rest, awaited=False)])
        if _ended_so(target, wanted):
            events.append(TargetReopened(target_id=target.facts.id))
    return Decision(events)


def _ended_so(target: Target, wanted: frozenset[int]) -> bool:
    """Whether a target has tries to get back, and its last attempt ended in one of these ways."""
    match target:
        case Idle(wait=wait) if wait != NOW:
            pass
        case Done(expired=False):
            pass
        case _:
            return False
    ends = target.history.ends
    return bool(ends) and ends[-1] & OUTCOME in wanted
