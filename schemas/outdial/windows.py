"""Calling windows: the hours in which a person may be called, by the clock on that person's wall.

A window is read off the wall: an instant lies within it when the local date and time do. So nothing needs to be
said of clocks that are set forward or back: an hour that does not happen is not dialed in, and one that happens
twice lies within the window both times or neither time. Where a number may belong to several zones, the window
must hold in all of them. Source: contract C18.
"""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from outdial.scalars import DATE_PATTERN, END_PATTERN, TIME_PATTERN, Name
from outdial.zones import DAY_US, LAST, offset_at, zone_names

MINUTE_US = 60_000_000
DAY_MIN = 1_440
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
RECIPIENT = "recipient"
LEAP_YEAR = "2000"
AHEAD_US = 366 * DAY_US
"""How far ahead an opening is looked for."""
KNOWN_US = 15 * DAY_US
"""How far ahead an open window is followed."""
WEEK_US = 7 * DAY_US
"""A bound that lies further away than this is not told."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)


def _real_date(text: str) -> str:
    try:
        date.fromisoformat(text if len(text) > len("MM-DD") else f"{LEAP_YEAR}-{text}")
    except ValueError:
        message = "no day of the calendar: write 2026-12-25, or 12-25 for every year"
        raise ValueError(message) from None
    return text


Start = Annotated[str, StringConstraints(pattern=TIME_PATTERN)]
"""A time of day, ``00:00`` to ``23:59``."""
End = Annotated[str, StringConstraints(pattern=END_PATTERN)]
"""A time of day, ``00:01`` to ``24:00``."""
CalendarDate = Annotated[str, StringConstraints(pattern=DATE_PATTERN), AfterValidator(_real_date)]
"""``2026-12-25``, or ``12-25`` for that day of every year."""


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


class Span(BaseModel):
    """From ``start`` up to, and not including, ``end``. An end that is not after the start is on the next day."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    start: Start
    """Local time, such as `09:00`."""
    end: End
    """Local time, such as `20:00`; `24:00` is the end of the day."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.start == self.end:
            message = "start and end are the same; for the whole day write 00:00 to 24:00"
            raise ValueError(message)
        return self

    @property
    def minutes(self) -> tuple[int, int]:
        """Start and end in minutes since the midnight before the start."""
        start, end = _minutes(self.start), _minutes(self.end)
        return start, end if end > start else end + DAY_MIN


class Hours(Span):
    """A span of the week."""

    days: Annotated[tuple[Day, ...], Field(strict=False, min_length=1, max_length=7)]
    """The days on which the span starts: `mon` to `sun`."""


class SpecialDate(BaseModel):
    """A day that has hours of its own, or none."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    date: CalendarDate
    """`2026-12-25`, or `12-25` for every year; a full date goes before one of every year."""
    hours: Annotated[tuple[Span, ...], Field(strict=False, max_length=24)] = ()
    """In place of the week's; none: closed all day. What began the evening before ends at midnight."""


class Windows(BaseModel):
    """When people may be called. What lies in no span is closed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    hours: Annotated[tuple[Hours, ...], Field(strict=False, max_length=168)] = ()
    """The week; several spans a day are fine."""
    dates: Annotated[tuple[SpecialDate, ...], Field(strict=False, max_length=2_000)] = ()
    """Holidays and other days with hours of their own."""
    time_zone: Name = RECIPIENT
    """Whose clock: `recipient` (of the called party: the target's `time_zone`, else the zones of the number, else the plan's
    `time_zone`), or an IANA name for one clock for all."""

    @model_validator(mode="after")
    def _opens_sometimes(self) -> Self:
        if not self.hours and not any(special.hours for special in self.dates):
            message = "there are no hours in it, so nobody would ever be called; leave windows out to call at any time"
            raise ValueError(message)
        if len({special.date for special in self.dates}) < len(self.dates):
            message = "a date stands in dates twice"
            raise ValueError(message)
        return self


# --- the hours of a day -------------------------------------------------------------------------

Open = tuple[int, int]
"""From and until, in minutes or in microseconds, since a midnight."""


class Calendar:
    """The open spans of each local day."""

    def __init__(self, windows: Windows) -> None:
        self._weekly = tuple(tuple(hours.minutes for hours in windows.hours if day in hours.days) for day in DAYS)
        self._special = {special.date: tuple(span.minutes for span in special.hours) for special in windows.dates}
        self._days: dict[int, tuple[Open, ...]] = {}

    def spans(self, day: int) -> tuple[Open, ...]:
        """The open spans of a day (counted from 1970-01-01) in order and apart from each other, microseconds since its midnight."""
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= MOST_DAYS:
                self._days.clear()
            found = self._days[day] = self._made(day)
        return found

    def _made(self, day: int) -> tuple[Open, ...]:
        special = self._special_of(day)
        own = self._weekly[_weekday(day)] if special is None else special
        before = self._special_of(day - 1)
        evening = self._weekly[_weekday(day - 1)] if before is None else before
        tails = [(0, end - DAY_MIN) for _, end in evening if end > DAY_MIN] if special is None else []
        return tuple(_merged([*tails, *((start, min(end, DAY_MIN)) for start, end in own)]))

    def _special_of(self, day: int) -> tuple[Open, ...] | None:
        if not self._special:
            return None
        text = date.fromordinal(EPOCH_ORDINAL + day).isoformat()
        found = self._special.get(text)
        return self._special.get(text[5:]) if found is None else found


MOST_DAYS = 1_024


def _weekday(day: int) -> int:
    """0 is a Monday; 1970-01-01 was a Thursday."""
    return (day + 3) % 7


def _merged(spans: Iterable[Open]) -> Iterable[Open]:
    """Minutes as microseconds, with what overlaps or touches made one."""
    merged: list[Open] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return [(start * MINUTE_US, end * MINUTE_US) for start, end in merged]


@lru_cache(maxsize=256)
def calendar_of(windows: Windows) -> Calendar:
    """The calendar of windows."""
    return Calendar(windows)


# --- one zone -----------------------------------------------------------------------------------


def _closes(calendar: Calendar, zone: str, at: int, limit: int) -> int:
    """The first instant from ``at`` on at which the window is closed; ``limit`` when that is earlier."""
    while at < limit:
        offset, _, until = offset_at(zone, at)
        day, time = divmod(at + offset, DAY_US)
        end = next((end for start, end in calendar.spans(day) if start <= time < end), None)
        if end is None:
            return at
        at = min(day * DAY_US + end - offset, until)
    return limit


def _opens(calendar: Calendar, zone: str, at: int, limit: int) -> int:
    """The first instant from ``at`` on at which the window is open; ``limit`` when that is earlier."""
    while at < limit:
        offset, _, until = offset_at(zone, at)
        day, time = divmod(at + offset, DAY_US)
        following = next((max(start, time) for start, end in calendar.spans(day) if time < end), DAY_US)
        if following == time:
            return at
        at = min(day * DAY_US + following - offset, until)
    return limit


def _opened(calendar: Calendar, zone: str, at: int, limit: int) -> int:
    """Since when a window that is open at ``at`` has been; ``limit`` when that is later."""
    while at > limit:
        offset, since, _ = offset_at(zone, at)
        day, time = divmod(at + offset, DAY_US)
        start = next((start for start, end in calendar.spans(day) if start <= time < end), None)
        if start is None:
            return at + 1
        at = max(day * DAY_US + start - offset, since) - 1
    return limit


# --- a set of zones -----------------------------------------------------------------------------


class Opening(NamedTuple):
    """Since when and until when a window is open; None: for more than a week."""

    opens: int | None
    closes: int | None


class Gate:
    """A window over a set of zones: open when it is open in each of them. Of no zone, or one that is unknown, it never is.

    What it remembers is what it would find out again: its answers depend on the instant alone.
    """

    __slots__ = ("_calendar", "_closed", "_open", "_zones")

    def __init__(self, windows: Windows, zones: tuple[str, ...]) -> None:
        self._calendar = calendar_of(windows)
        self._zones = zones if zone_names().issuperset(zones) else ()
        self._open = (0, 0, 0, 0)
        """The last open stretch: asked at, good for what is asked until, opens, closes."""
        self._closed = (0, 0)
        """The last closed one: from, until."""

    def is_open(self, at: int) -> bool:
        """Whether the window is open at an instant."""
        asked, good, _, _ = self._open
        if asked <= at < good:
            return True
        return self.next_open(at) == at

    def next_open(self, at: int) -> int:
        """The first instant from ``at`` on at which the window is open; when none is near, one before which it is not: look again then."""
        if self._open[0] <= at < self._open[1]:
            return at
        if self._closed[0] <= at < self._closed[1]:
            return self._closed[1]
        if not self._zones or at > LAST:
            return at + AHEAD_US
        limit, opens = at + AHEAD_US, at
        while opens < limit:
            later = max(_opens(self._calendar, zone, opens, limit) for zone in self._zones)
            if later == opens:
                break
            opens = later
        if opens > at:
            self._closed = (at, opens)
        else:
            self._follow(at)
        return opens

    def opens_at(self, at: int) -> int | None:
        """The same for people: the first instant from ``at`` on at which the window is open; None when there is none within a year."""
        found = at
        while found < at + AHEAD_US:
            found = self.next_open(found)
            if self.is_open(found):
                return found if found < at + AHEAD_US else None
        return None

    def opening(self, at: int) -> Opening | None:
        """The stretch in which the window is open around an instant; None when it is closed then."""
        if not self.is_open(at):
            return None
        _, _, opens, closes = self._open
        return Opening(opens if at - opens <= WEEK_US else None, closes if closes - at <= WEEK_US else None)

    def _follow(self, at: int) -> None:
        """Find out since when and until when it is open."""
        closes = min(_closes(self._calendar, zone, at, at + KNOWN_US) for zone in self._zones)
        opens = max(_opened(self._calendar, zone, at, at - WEEK_US - 1) for zone in self._zones)
        self._open = (at, min(closes, at + KNOWN_US - WEEK_US), opens, closes)
