"""The guard: what one partition knows of a customer's list of suppressions, its frequency caps and its pace. Its outdials obey.

Leaves for calls to the addresses that are counted in this partition are answered in its name, too.

It is told by the list (:mod:`~outdial.dialing.suppression`) and by the pace (:mod:`~outdial.dialing.pace`). It is one per customer,
not per outdial, so an outdial that is new in a partition obeys at once.
"""

from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from outdial.events import GuardEvents, LeavesAnswered
from outdial.suppression import FrequencyCaps, SuppressionEntry

NO_END: Final = 1 << 62


def until_of(entry: SuppressionEntry) -> int:
    """Until when an entry holds, microseconds; NO_END: for good."""
    return NO_END if entry.expires_at is None else entry.expires_at


@dataclass(slots=True)
class Guard:
    """What one partition knows of a customer; only :meth:`evolve` changes it."""

    customer_id: str
    version: int = 0
    entries: dict[str | None, dict[int, int]] = field(default_factory=dict)
    """By the outdial they are for (None: all), by fingerprint: when they end."""
    lengths: Counter[int] = field(default_factory=Counter)
    """Lengths of prefixes in use, with how many have each."""
    caps: FrequencyCaps | None = None
    capped: bool = False
    """Whether leave was ever asked for: it may have to be given back."""
    pace: int | None = None
    """Requests within a second that all outdials of the customer may make together: each needs a share of them. None: no limit."""
    watches: bool = False
    """Whether there is anything to obey: looked at before every request."""
    _ends: list[tuple[int, str, int, int]] = field(default_factory=list)
    """(when, outdial or nothing, fingerprint, prefix length or 0) of the entries that have an end, earliest first; some are stale."""

    def evolve(self, event: GuardEvents, time: int) -> None:
        """Fold one event. Which calls count is kept by address (:mod:`~outdial.dialing.cap`), not here."""
        self.version += 1
        if isinstance(event, LeavesAnswered):
            return
        self._forget_ended(time)
        for entry in event.removed:
            self._remove(entry.outdial_id, int(entry.fingerprint, 16), entry.prefix_length or 0)
        for entry in event.added:
            self._add(entry)
        if event.caps is not None:
            self.caps = event.caps if event.caps.all_rules else None
            self.capped = self.capped or self.caps is not None
        if event.calls_per_second is not None:
            self.pace = event.calls_per_second or None
        self.watches = bool(self.entries) or self.caps is not None

    def _add(self, entry: SuppressionEntry) -> None:
        held = self.entries.setdefault(entry.outdial_id, {})
        found, length = int(entry.fingerprint, 16), entry.prefix_length or 0
        if length and found not in held:
            self.lengths[length] += 1
        held[found] = until_of(entry)
        if entry.expires_at is not None:
            heappush(self._ends, (entry.expires_at, entry.outdial_id or "", found, length))

    def _remove(self, outdial_id: str | None, found: int, length: int) -> None:
        held = self.entries.get(outdial_id, {})
        if held.pop(found, None) is None:
            return
        if not held:
            del self.entries[outdial_id]
        if length:
            self.lengths[length] -= 1
            if not self.lengths[length]:
                del self.lengths[length]

    def _forget_ended(self, time: int) -> None:
        """Drop entries that have ended: nobody asks for them any more."""
        while self._ends and self._ends[0][0] <= time:
            at, outdial_id, found, length = heappop(self._ends)
            if self.entries.get(outdial_id or None, {}).get(found) == at:
                self._remove(outdial_id or None, found, length)
