"""The pace: how many calls a second all outdials of a customer may request together.

There is one stream for each customer. It divides the calls per second between the outdials that ask, as shares. An outdial that has
something due and too small a share says so; it is told its share, and says again when it gives of it back, because it does
not need it, or was paused, stopped or deleted. Each side numbers what it says, and says all that it knows: of what arrives late,
twice or out of order, the newest counts.

What is given away is counted at once. What is taken away counts until the outdial has said that it took note, and only then
goes to another: so all shares together are never more than the customer has, whatever is under way. That no second holds
more requests than that follows (:mod:`~outdial.dialing.share`), for a word carries its instant, and who takes it is never earlier.

With more outdials than calls per second they take turns: who waited longest is given the share of who had it longest, once
that has used it. Source: design sections 2 and 5.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from outdial import record
from outdial.commands import ApplySuppression, AskShare, GiveShare, PaceCommands, ReviewShare, SetPace
from outdial.dialing.decision import Decision, FollowUp
from outdial.dialing.outdial import Outdial
from outdial.dialing.share import AT_ONCE
from outdial.events import OutdialEvent, PaceEvent, PaceSet, ShareAsked, ShareEvent, ShareGiven, ShareReturned, ShareTaken, ShareWanted
from outdial.record import Record

# --- state and evolve ---------------------------------------------------------------------------------


class Member(Record, frozen=True):
    """An outdial that has a share, or wants one."""

    word: int = 0
    """Ordinal of the last it said."""
    wanted: int = 0
    given: int = 0
    """Ordinal of the last it was told."""
    told: int = 0
    """The share it was told last."""
    most: int = 0
    """The most it may have: what it was told before counts until it has taken note."""
    turn: bool = False
    """Whether it was told that others wait."""
    rank: int = 0
    """Ordinal of the word that gave it what it has; of who has nothing, of the last word before it began to wait."""


@dataclass(slots=True)
class Pace:
    """The calls per second of one customer; only :meth:`evolve` changes them."""

    id: str
    version: int = 0
    calls_per_second: int = 0
    """0: no limit."""
    words: int = 0
    """Said to outdials, ever."""
    members: dict[str, Member] = field(default_factory=dict)
    """By outdial."""

    @property
    def customer_id(self) -> str:
        """Whose it is."""
        return self.id

    @property
    def in_turn(self) -> list[tuple[str, Member]]:
        """Those that have a share, who has had it longest first, then those that have none, who waits longest first.

        Of those that began to wait after the same word, who was given nothing yet goes first.
        """
        return sorted(self.members.items(), key=lambda item: (not item[1].told, item[1].rank, item[1].given > 0))

    def evolve(self, event: PaceEvent) -> None:
        """Fold one event."""
        self.version += 1
        match event:
            case PaceSet():
                self.calls_per_second = event.calls_per_second
            case ShareWanted():
                self._wanted(event)
            case ShareGiven():
                before = self.members[event.outdial_id]
                rank = before.rank if before.told else event.word
                most = max(before.most, event.share)
                self.words = event.word
                self.members[event.outdial_id] = Member(before.word, before.wanted, event.word, event.share, most, event.turn, rank)
            case _:
                pass

    def _wanted(self, event: ShareWanted) -> None:
        before = self.members.get(event.outdial_id, Member(rank=self.words))
        after = record.replace(before, word=event.word, wanted=event.wanted)
        if event.heard == before.given:
            rank = self.words if before.told and not event.share else before.rank
            after = record.replace(after, told=event.share, most=event.share, turn=before.turn and event.share > 0, rank=rank)
        self.members[event.outdial_id] = after
        if not (after.wanted or after.told or after.most):
            del self.members[event.outdial_id]


# --- decide -------------------------------------------------------------------------------------------


def decide(found: Pace | None, command: PaceCommands, partitions: int, now: int) -> Decision:
    """What a command to a customer's pace comes to."""
    known = found or Pace(command.stream)
    match command:
        case SetPace():
            return _set(known, command, partitions, now)
        case AskShare():
            return _asked(known, command, now)


def _set(known: Pace, command: SetPace, partitions: int, now: int) -> Decision:
    """Every partition is told, and whoever has too much; a repeated command waits again for those that have not taken note yet."""
    changed = command.calls_per_second != known.calls_per_second
    events: list[PaceEvent] = [PaceSet(calls_per_second=command.calls_per_second)] if changed else []
    words = [*_words(_after(known, events))]
    said = {event.outdial_id for event, _ in words}
    awaited = _awaited(known, said, command.calls_per_second, known.version + changed, partitions, now)
    return Decision([*events, *(word.event for word in words)], [*awaited, *(_told(word, now) for word in words)])


def owed(known: Pace, partitions: int, now: int) -> list[FollowUp]:
    """What a command that came again waits for when the pace has gone on since: that everybody obeys it as it is now."""
    return _awaited(known, (), known.calls_per_second, known.version, partitions, now)


def _awaited(known: Pace, said: Container[str], calls_per_second: int, version: int, partitions: int, now: int) -> list[FollowUp]:
    """Word of the pace to every partition, and again to outdials, but for these, that have not taken note of having less."""
    told = [
        ApplySuppression(customer_id=known.id, partition=number, version=version, calls_per_second=calls_per_second)
        for number in range(partitions)
    ]
    again = [
        GiveShare(outdial_id=outdial_id, word=member.given, share=member.told, turn=member.turn, answer=True, at=now)
        for outdial_id, member in known.members.items()
        if member.most > member.told and outdial_id not in said
    ]
    return [FollowUp(one, awaited=True) for one in (*told, *again)]


def _asked(known: Pace, command: AskShare, now: int) -> Decision:
    """An outdial says what it has and could use: others may get what it gave back, or give back what it needs."""
    member = known.members.get(command.outdial_id)
    if member is not None and command.word <= member.word:
        return Decision()
    wanted = ShareWanted(outdial_id=command.outdial_id, word=command.word, heard=command.heard, share=command.share, wanted=command.wanted)
    words = [*_words(_after(known, [wanted]))]
    return Decision([wanted, *(word.event for word in words)], [_told(word, now) for word in words])


def _after(known: Pace, events: list[PaceEvent]) -> Pace:
    """The pace as it will be once these have happened."""
    after = replace(known, members=dict(known.members))
    for event in events:
        after.evolve(event)
    return after


class Word(NamedTuple):
    """A share to be told, and whether it is waited for that the outdial takes note."""

    event: ShareGiven
    answer: bool


def _told(word: Word, now: int) -> FollowUp:
    given = word.event
    told = GiveShare(outdial_id=given.outdial_id, word=given.word, share=given.share, turn=given.turn, answer=word.answer, at=now)
    return FollowUp(told, awaited=word.answer)


def _words(pace: Pace) -> Iterator[Word]:
    """What outdials are to be told: less at once, more as far as there is something free."""
    members = pace.in_turn
    allotted = allot(pace.calls_per_second, {outdial_id: member.wanted for outdial_id, member in members})
    free = pace.calls_per_second - sum([member.most for _, member in members])
    waiting = sum([member.wanted > 0 and not allotted[outdial_id] for outdial_id, member in members])
    waiting -= sum([member.turn for _, member in members])
    number = pace.words
    for outdial_id, member in members:
        share, turn = member.told, member.turn
        if allotted[outdial_id] < share:
            share = allotted[outdial_id]
        elif member.most == share and free > 0:
            more = min(allotted[outdial_id] - share, free)
            share, free = share + more, free - more
        if share and not turn and waiting > 0:
            turn, waiting = True, waiting - 1
        if (share, turn) != (member.told, member.turn):
            number += 1
            yield Word(ShareGiven(outdial_id=outdial_id, word=number, share=share, turn=turn and share > 0), member.most > share)


def allot(rate: int, wanted: dict[str, int]) -> dict[str, int]:
    """Divide so many between those that want some: nobody more than it wants, and nobody less than another unless it wants no more.

    What cannot be divided evenly goes to the first.
    """
    level, left = 0, rate
    asking = sorted(one for one in wanted.values() if one)
    for place, one in enumerate(asking):
        step = min(one - level, left // (len(asking) - place))
        level, left = level + step, left - step * (len(asking) - place)
        if level < one:
            break
    shares = {}
    for outdial_id, one in wanted.items():
        extra = one > level and left > 0
        shares[outdial_id] = min(one, level) + extra
        left -= extra
    return shares


# --- what an outdial does -----------------------------------------------------------------------------


def take(outdial: Outdial, command: GiveShare, now: int) -> Decision:
    """Take note of a share. One that was taken note of is answered once more."""
    share = outdial.share
    if command.word > share.heard:
        word = share.word + command.answer
        return Decision([ShareTaken(word=word, heard=command.word, share=command.share, wanted=share.wanted, turn=command.turn)])
    if not command.answer:
        return Decision()
    return Decision(follow_ups=[_said(outdial.id, share.word, share.heard, share.told, share.wanted, now)])


def review(outdial: Outdial, _command: ReviewShare, now: int) -> list[OutdialEvent]:
    """Give back what is not needed, or ask for more."""
    share, back_at = outdial.share, outdial.share_back_at
    word, heard = share.word + 1, share.heard
    if not outdial.may_use_share:
        return [ShareReturned(word=word, heard=heard, share=0, wanted=0)] if share.told or share.wanted else []
    due = outdial.agenda.first(now) is not None
    if back_at == AT_ONCE:
        return [ShareReturned(word=word, heard=heard, share=0, wanted=outdial.share_at_most if due else 0)]
    held = outdial.held_until(now) is not None
    if due and held and outdial.lacks_share(now):
        return [ShareAsked(word=word, heard=heard, share=share.told, wanted=outdial.share_at_most)]
    if back_at <= now and (held or not due):
        return [ShareReturned(word=word, heard=heard, share=share.most, wanted=share.most)]
    return []


TELLING = frozenset({ShareAsked, ShareTaken, ShareReturned})
"""Events the customer's pace is told of."""


def reactions(outdial: Outdial, event: ShareEvent, now: int) -> list[FollowUp]:
    """What the customer's pace is told of an event. The outdial is as it was before."""
    if event.word == outdial.share.word:
        return []
    return [_said(outdial.id, event.word, event.heard, event.share, event.wanted, now)]


def _said(outdial_id: str, word: int, heard: int, share: int, wanted: int, now: int) -> FollowUp:
    said = AskShare(outdial_id=outdial_id, word=word, heard=heard, share=share, wanted=wanted, at=now)
    return FollowUp(said, awaited=True)
