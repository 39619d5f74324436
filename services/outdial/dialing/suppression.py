"""Suppression: whom a customer must not call, in which outdial, until when.

Two kinds of stream. The **list** (one per customer) knows every entry and decides about changes. It tells every
partition of the commands by number, for a customer's outdials are in all of them; each partition's **guard** is what
that partition knows of the list, and what its outdials obey. Whoever changed the list is answered when every
guard has: from then on no request is emitted to an address on it.

Words from one stream to another keep their order, so what a guard was told last is what the list last said. A command
that finds nothing to change is told again all the same: its answer is then no earlier than the first one's.

Addresses are compared by fingerprint. A prefix is its length and the fingerprint of its digits; a number is looked
up by as many of its beginnings as there are lengths in use. Source: design sections 2 and 7.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from outdial.commands import AddSuppressions, ApplySuppression, RemoveSuppressions, SetFrequencyCaps, SuppressionCommands
from outdial.dialing.addresses import Fingerprint, checked, telephone
from outdial.dialing.decision import Decision, FollowUp, Rejected
from outdial.dialing.guard import NO_END, Guard, until_of
from outdial.dialing.outdial import Outdial
from outdial.dialing.target import Facts, Progressing
from outdial.events import (
    FrequencyCapsSet,
    OutdialEvent,
    SuppressionApplied,
    SuppressionEvent,
    SuppressionsAdded,
    SuppressionsRemoved,
    TargetBlocked,
    TargetUnblocked,
)
from outdial.ids import as_int, derived
from outdial.record import Record
from outdial.requests import Item
from outdial.suppression import FrequencyCaps, Suppressed, SuppressedAddress, SuppressionEntry, SuppressionsPersonal
from outdial.wire import from_json

OPEN_LISTED = 100
"""Open attempts that an answer names; of the others it has the number."""
RECHECKED_AT_ONCE = 1_000
LONGEST_PREFIX = 15
"""``+`` and 14 digits: of 15 it would be a whole number."""


class Kept(Record, frozen=True):
    """An entry, as the list remembers it."""

    fingerprint: str
    prefix_length: int | None
    outdial_id: str | None
    expires_at: int | None

    def told(self, suppression_id: str) -> SuppressionEntry:
        """As an event or a command has it."""
        return SuppressionEntry(
            suppression_id=suppression_id,
            fingerprint=self.fingerprint,
            prefix_length=self.prefix_length,
            outdial_id=self.outdial_id,
            expires_at=self.expires_at,
        )


# --- the list: state and evolve -----------------------------------------------------------------------


@dataclass(slots=True)
class SuppressionList:
    """The list of one customer; only :meth:`evolve` changes it."""

    id: str
    version: int = 0
    entries: dict[int, Kept] = field(default_factory=dict)
    """By the id of the entry."""
    caps: FrequencyCaps | None = None
    """None: they were never set."""

    @property
    def customer_id(self) -> str:
        """Whose list it is."""
        return self.id

    def evolve(self, event: SuppressionEvent) -> None:
        """Fold one event."""
        self.version += 1
        match event:
            case SuppressionsAdded():
                for entry in event.entries:
                    kept = Kept(entry.fingerprint, entry.prefix_length, entry.outdial_id, entry.expires_at)
                    self.entries[as_int(entry.suppression_id)] = kept
            case SuppressionsRemoved():
                for entry in event.entries:
                    self.entries.pop(as_int(entry.suppression_id), None)
            case FrequencyCapsSet():
                self.caps = event.caps
            case _:
                pass


# --- the list: decide ---------------------------------------------------------------------------------


class Named(NamedTuple):
    """An entry somebody wrote, as it is compared."""

    suppression_id: str
    fingerprint: str
    prefix_length: int | None
    address: SuppressedAddress


def decide(
    found: SuppressionList | None, command: SuppressionCommands, fingerprint: Fingerprint, key_id: str, partitions: int, now: int
) -> Decision:
    """What a command to a customer's list comes to.

    Raises:
        Rejected: as :func:`_named`, when it says so of every entry.
    """
    known = found or SuppressionList(command.stream)
    match command:
        case AddSuppressions():
            return _add(known, command, fingerprint, key_id, partitions, now)
        case RemoveSuppressions():
            return _remove(known, command, fingerprint, partitions)
        case SetFrequencyCaps():
            told = _told(known, partitions, known.version + (command.caps != known.caps), caps=command.caps)
            events = [] if command.caps == known.caps else [FrequencyCapsSet(version=known.version + 1, caps=command.caps)]
            return Decision(events, told)


def _add(known: SuppressionList, command: AddSuppressions, fingerprint: Fingerprint, key_id: str, partitions: int, now: int) -> Decision:
    wanted: dict[str, SuppressionEntry] = {}
    addresses: dict[str, SuppressedAddress] = {}
    items: list[Item] = []
    for index, entry in enumerate(command.entries):
        try:
            named = _named(known.id, index, entry, fingerprint)
            if entry.expires_at is not None and entry.expires_at <= now:
                raise Rejected("field_invalid", f"entries.{index}.expires_at has passed")
        except Rejected as why:
            items.append(Item(index=index, result="rejected", reason=why.reason, message=why.message))
            continue
        kept = Kept(named.fingerprint, named.prefix_length, entry.outdial_id, entry.expires_at).told(named.suppression_id)
        before = wanted.get(kept.suppression_id) or _kept(known, kept.suppression_id)
        # To list somebody once more never ends it sooner: who said no for good has not said yes since.
        wanted[kept.suppression_id] = kept if before is None or until_of(kept) > until_of(before) else before
        addresses[named.suppression_id] = named.address.model_copy(update={"reason": entry.reason})
    _some_left(items, wanted)
    new = [entry for name, entry in wanted.items() if _kept(known, name) != entry]
    told = _told(known, partitions, known.version + bool(new), added=tuple(wanted.values()))
    if not new:
        return Decision((), told, items=items)
    added = SuppressionsAdded(
        version=known.version + 1,
        key_id=key_id,
        entries=tuple(new),
        personal=SuppressionsPersonal(addresses=tuple([addresses[entry.suppression_id] for entry in new])),
    )
    return Decision([added], told, items=items)


def _remove(known: SuppressionList, command: RemoveSuppressions, fingerprint: Fingerprint, partitions: int) -> Decision:
    wanted: dict[str, None] = {}
    items: list[Item] = []
    for index, entry in enumerate(command.entries):
        try:
            wanted[entry.suppression_id or _named(known.id, index, entry, fingerprint).suppression_id] = None
        except Rejected as why:
            items.append(Item(index=index, result="rejected", reason=why.reason, message=why.message))
    _some_left(items, wanted)
    gone = tuple([kept for name in wanted if (kept := _kept(known, name)) is not None])
    told = _told(known, partitions, known.version + bool(gone), removed=gone)
    return Decision([SuppressionsRemoved(version=known.version + 1, entries=gone)] if gone else (), told, items=items)


def _some_left(items: Sequence[Item], wanted: Iterable[str]) -> None:
    """A command of which nothing can be done is refused as a whole, with the words about its first entry."""
    if items and not [*wanted]:
        raise Rejected(items[0].reason or "", items[0].message or "")


def _kept(known: SuppressionList, suppression_id: str) -> SuppressionEntry | None:
    kept = known.entries.get(as_int(suppression_id))
    return None if kept is None else kept.told(suppression_id)


def _named(customer_id: str, index: int, entry: Suppressed, fingerprint: Fingerprint) -> Named:
    """What an entry stands for.

    Raises:
        Rejected: ``field_invalid``, ``address_type_unknown``, ``address_invalid``. The message names the field, never the endpoint.
    """
    if (entry.address is None) == (entry.prefix is None):
        raise Rejected("field_invalid", f"entries.{index}: name an address or a prefix, one of the two")
    if entry.address is not None:
        text = checked(f"entries.{index}.address", entry.address)
        kind, _, target = text.partition(":")
        return _identified(customer_id, entry, text, None, SuppressedAddress(type=kind, target=target), fingerprint)
    digits = (entry.prefix or "").strip()
    if not (digits.startswith("+") and digits[1:].isascii() and digits[1:].isdigit() and len(digits) <= LONGEST_PREFIX):
        raise Rejected("address_invalid", f"entries.{index}.prefix is not the beginning of a telephone number: write + and 1 to 14 digits")
    address = SuppressedAddress(type="tel", target=digits)
    return _identified(customer_id, entry, _beginning(digits), len(digits), address, fingerprint)


def _identified(
    customer_id: str, entry: Suppressed, text: str, length: int | None, address: SuppressedAddress, fingerprint: Fingerprint
) -> Named:
    found = fingerprint(text)
    return Named(derived(customer_id, f"{found}/{entry.outdial_id or ''}"), found, length, address)


def _beginning(digits: str) -> str:
    """The text a prefix is fingerprinted as: never that of an address."""
    return f"tel-prefix:{digits}"


def _told(
    known: SuppressionList,
    partitions: int,
    version: int,
    *,
    added: tuple[SuppressionEntry, ...] = (),
    removed: tuple[SuppressionEntry, ...] = (),
    caps: FrequencyCaps | None = None,
) -> list[FollowUp]:
    """Word of a change to every partition."""
    return [
        FollowUp(
            ApplySuppression(customer_id=known.id, partition=number, version=version, added=added, removed=removed, caps=caps),
            awaited=True,
        )
        for number in range(partitions)
    ]


def owed(known: SuppressionList, told: Sequence[FollowUp]) -> list[FollowUp]:
    """What a command that came again tells every partition when its list has gone on since: its entries and the caps as they are now.

    ``told``: what it would tell if it came for the first time. Words keep their order: who waits for these waits for the first ones too.
    """
    if not told:
        return []
    word = cast("ApplySuppression", told[0].command)
    added = [kept for entry in word.added if (kept := _kept(known, entry.suppression_id)) is not None]
    return _told(known, len(told), known.version, added=tuple(added), caps=None if word.caps is None else known.caps)


# --- the guard ----------------------------------------------------------------------------------------


class Hit(NamedTuple):
    """An entry that an address falls under."""

    entry: int
    """Its fingerprint."""
    until: int
    """NO_END: it has none."""


def apply(guard: Guard, outdials: Iterable[Outdial], command: ApplySuppression, fingerprint: Fingerprint) -> Decision:
    """Obey from here on, and say which attempts of these outdials are out already."""
    open_attempts = [*_open_to(outdials, command.added, fingerprint)]
    listed, more = tuple(open_attempts[:OPEN_LISTED]), max(0, len(open_attempts) - OPEN_LISTED)
    added = tuple([entry for entry in command.added if _end_of(guard, entry) != until_of(entry)])
    removed = tuple([entry for entry in command.removed if _end_of(guard, entry) is not None])
    caps = command.caps if command.caps is not None and not _same_caps(guard, command.caps) else None
    pace = command.calls_per_second if command.calls_per_second not in (None, guard.pace or 0) else None
    if not (added or removed or caps is not None or pace is not None):
        return Decision(open=listed, open_more=more)
    applied = SuppressionApplied(
        version=command.version, added=added, removed=removed, caps=caps, calls_per_second=pace, open=listed, open_more=more
    )
    return Decision([applied], open=listed, open_more=more)


def _same_caps(guard: Guard, caps: FrequencyCaps) -> bool:
    return guard.caps == caps if caps.all_rules else guard.caps is None


def _end_of(guard: Guard, entry: SuppressionEntry) -> int | None:
    return guard.entries.get(entry.outdial_id, {}).get(int(entry.fingerprint, 16))


def _open_to(outdials: Iterable[Outdial], added: Sequence[SuppressionEntry], fingerprint: Fingerprint) -> Iterator[str]:
    """The open attempts to addresses that these entries hold back."""
    if not added:
        return
    held: dict[str | None, set[int]] = {}
    for entry in added:
        held.setdefault(entry.outdial_id, set()).add(int(entry.fingerprint, 16))
    lengths = {entry.prefix_length for entry in added if entry.prefix_length is not None}
    for outdial in outdials:
        wanted = held.get(None, set()) | held.get(outdial.id, set()) if outdial.open else None
        if not wanted:
            continue
        for target_id, attempt in outdial.open.items():
            target = outdial.targets[target_id]
            if isinstance(target, Progressing) and not wanted.isdisjoint(_prints(target.facts, target.index, lengths, fingerprint)):
                yield attempt


def _prints(facts: Facts, index: int, lengths: Iterable[int], fingerprint: Fingerprint) -> Iterator[int]:
    """What a destination may be on a list as: itself, and the beginnings of its number."""
    yield facts.print_of(index)
    if not lengths or facts.types[index] != "tel":
        return
    number = _number(facts, index)
    for length in lengths:
        if length < len(number):
            yield int(fingerprint(_beginning(number[:length])), 16)


def _number(facts: Facts, index: int) -> str:
    told = from_json(facts.personal)["destinations"][index]
    return telephone(told["target"]) or ""


def hit(outdial: Outdial, facts: Facts, index: int, fingerprint: Fingerprint, now: int) -> Hit | None:
    """The entry that holds a destination back longest; None: it may be dialed."""
    guard = outdial.guard
    longest: Hit | None = None
    if guard.entries:
        lists = [held for key in (None, outdial.id) if (held := guard.entries.get(key))]
        for found in _prints(facts, index, guard.lengths, fingerprint):
            for held in lists:
                until = held.get(found)
                if until is not None and until > now and (longest is None or until > longest.until):
                    longest = Hit(found, until)
    return longest


def blocked(outdial: Outdial, facts: Facts, fingerprint: Fingerprint, now: int) -> TargetBlocked | None:
    """What holds a target's destinations back; None: nothing does."""
    hits = {
        index: found
        for index, kind in enumerate(facts.types)
        if kind is not None and (found := hit(outdial, facts, index, fingerprint, now)) is not None
    }
    if not hits:
        return None
    until = min(found.until for found in hits.values())
    return TargetBlocked(
        target_id=facts.id,
        destinations=tuple(hits),
        entries=tuple([f"{found.entry:032x}" for found in hits.values()]),
        until=None if until == NO_END else until,
    )


def recheck(outdial: Outdial, fingerprint: Fingerprint, now: int) -> list[OutdialEvent]:
    """Look again at targets whose entries have changed or ended: a thousand at once."""
    return [
        blocked(outdial, outdial.targets[target_id].facts, fingerprint, now) or TargetUnblocked(target_id=target_id)
        for target_id in outdial.blocked.waiting(now, RECHECKED_AT_ONCE)
    ]
