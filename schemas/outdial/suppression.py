"""Who must not be called, and how often anybody may be: what lists and frequency caps are made of. Source: design sections 2 and 7."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from outdial.address import Endpoint, OptionalAddress
from outdial.scalars import DAY_MS, Id, Instant, InstantIfAny, Name

MOST_ENTRIES = 500
"""Entries of one command."""
MOST_LEAVES = 500
"""Leaves asked for by one command."""
MOST_RULES = 8
MOST_COUNTED = 100
LONGEST_WINDOW_MS = 31 * DAY_MS
LEAVE_MS = 60_000
"""How long a leave may be used, and how much longer than its window it counts."""


class Suppressed(BaseModel):
    """Where nobody is to be called: one address, or every telephone number that begins so."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    address: OptionalAddress = None
    """Its type and target; what else an address has is not kept."""
    prefix: Endpoint | None = None
    """``+`` and the first 1 to 14 digits of telephone numbers. This or ``address``."""
    outdial_id: Id | None = None
    """In this outdial only; absent: in all of the customer's."""


class NewSuppression(Suppressed):
    """An entry to add to a customer's list; what is there already takes the new expiry."""

    expires_at: InstantIfAny = None
    """From then on it holds no more; absent: it has no end."""
    reason: Name = ""
    """Why, for people."""


class SuppressionRef(Suppressed):
    """An entry to take off: by its id, or by what it says."""

    suppression_id: Id | None = None


class SuppressionEntry(BaseModel):
    """An entry as the ledger keeps it: no address, only fingerprints."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    suppression_id: str
    fingerprint: str
    """Keyed hash of the address, or of the digits a number begins with (32 hexadecimal digits)."""
    prefix_length: int | None = None
    """How many characters the beginning has, ``+`` counted; absent: it is a whole address."""
    outdial_id: str | None = None
    expires_at: Instant | None = None


class Leave(BaseModel):
    """Leave for one attempt on a target: asked for, granted or refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    cap_id: str
    """The stream that counts the calls to its address."""
    target_id: str
    attempt_id: str
    until: Instant | None = None
    """Refused: not before then. Absent: it is asked for, or granted."""


class SuppressedAddress(BaseModel):
    """What a person would read of an entry."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    target: str
    """The endpoint in normal form, or the beginning of it."""
    reason: str = ""


class SuppressionsPersonal(BaseModel):
    """The addresses of entries, everything about persons in one place."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    addresses: tuple[SuppressedAddress, ...]
    """By the index of the entry."""


class FrequencyCap(BaseModel):
    """At most ``count`` attempts within any ``per_ms``."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    count: Annotated[int, Field(ge=1, le=MOST_COUNTED)]
    per_ms: Annotated[int, Field(ge=1_000, le=LONGEST_WINDOW_MS)]
    """Length of the window, milliseconds."""


class FrequencyCaps(BaseModel):
    """How often one address may be called, in all outdials of a customer together. Nothing at all: as often as plans say."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    rules: Annotated[tuple[FrequencyCap, ...], Field(strict=False, max_length=MOST_RULES)] = ()
    """Each of them holds."""
    min_gap_ms: Annotated[int, Field(ge=0, le=LONGEST_WINDOW_MS)] = 0
    """From one request to the next, milliseconds."""

    @property
    def all_rules(self) -> tuple[tuple[int, int], ...]:
        """(count, milliseconds) of every rule; a gap is one attempt within it."""
        gap = ((1, self.min_gap_ms),) if self.min_gap_ms else ()
        return (*((rule.count, rule.per_ms) for rule in self.rules), *gap)
