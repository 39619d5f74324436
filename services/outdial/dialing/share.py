"""The share: what one outdial may use of the calls per second of its customer.

It is told by the customer's pace (:mod:`~outdial.dialing.pace`), which sees to it that all shares together are never more than the
customer has. A share is used like the ``calls_per_second`` of a plan: no second holds more requests. What is taken from one
outdial and given to another may have been used within the second before; so an increase is used a second after it was
taken note of, and a decrease at once. Then no second at all holds more requests of the customer than it may.

What is not used goes back: all but the most that was used within a second, once the share was not used up for ten seconds. While
others wait for a turn, after one request, or after two seconds without. A leave that was asked for is waited for until the ten
seconds are over, however many wait; when it comes to nothing after the two, the turn is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from outdial.events import ShareAsked, ShareEvent, ShareReturned, ShareTaken
from outdial.scalars import SECOND_US

NEVER: Final = 1 << 62
"""A release that only an event can bring nearer."""
AT_ONCE: Final = 0
IDLE_US: Final = 10 * SECOND_US
WAITED_FOR_US: Final = 2 * SECOND_US


@dataclass(slots=True)
class Share:
    """What one outdial has; events alone change it."""

    word: int = 0
    """Ordinal of what the outdial said last of it."""
    heard: int = 0
    """The last word of the customer's pace that it took."""
    told: int = 0
    """Requests within any one second."""
    wanted: int = 0
    """As many it said it could use; 0: it does not ask."""
    turn: bool = False
    """Others wait for it."""
    used: bool = False
    """Whether a request was made since it was taken, or the time to make one went by with a leave that came to nothing."""
    full_at: int = 0
    """When all of it was used, or when it last became more."""
    most: int = 0
    """The most used within a second since then: always less than it is, unless it is nothing."""
    raised: list[tuple[int, int]] = field(default_factory=list)
    """(until when, how much may be used until then), for what was given within the last second."""

    # --- evolve -------------------------------------------------------------------------------------

    def evolve(self, event: ShareEvent, time: int) -> None:
        """Fold one event."""
        before, self.told = self.told, event.share
        self.word, self.heard, self.wanted = event.word, event.heard, event.wanted
        if self.told > before:
            self.raised = [*((until, less) for until, less in self.raised if until > time), (time + SECOND_US, before)]
        match event:
            case ShareTaken():
                self.turn, self.used = event.turn, False
            case ShareReturned():
                self.turn = self.turn and self.told > 0
            case ShareAsked():
                pass
        if self.told > before or self.most >= self.told or isinstance(event, ShareReturned):
            self.full_at, self.most = time, 0

    def requested(self, time: int, within_a_second: int) -> None:
        """A request was made, one of so many within the second before."""
        self.used = True
        if within_a_second >= self.told:
            self.full_at, self.most = time, 0
        else:
            self.most = max(self.most, within_a_second)

    def leave_unused(self, time: int) -> None:
        """A leave to make a request came to nothing."""
        self.used = self.used or time >= self.full_at + WAITED_FOR_US

    # --- questions ----------------------------------------------------------------------------------

    def held_until(self, recent: Sequence[int], asking: int, now: int) -> int | None:
        """Until when it holds a request back: None: it does not; NEVER: until a word comes.

        ``recent``: when the last requests were made, oldest first; ``asking``: how many more have their place already.
        """
        raises = [(until, less) for until, less in self.raised if until > now]
        release = released_at(recent, asking, min([self.told, *(less for _, less in raises)]), now)
        return None if release is None else min([release, *(until for until, _ in raises)])

    def back_at(self, *, asking: bool) -> int:
        """When an outdial that dials gives back what it has not used: AT_ONCE when its turn is over; NEVER: not before a word comes.

        ``asking``: whether leave for a request is on its way.
        """
        if not self.told:
            return NEVER
        if self.turn and self.used:
            return AT_ONCE
        return self.full_at + (WAITED_FOR_US if self.turn and not asking else IDLE_US)


def released_at(recent: Sequence[int], asking: int, rate: int, now: int) -> int | None:
    """When one more request keeps every second at no more than ``rate``; None: now; NEVER: not before some that ask have been answered."""
    if len(recent) + asking < rate:
        return None
    if asking >= rate:
        return NEVER
    release = recent[asking - rate] + SECOND_US
    return release if release > now else None
