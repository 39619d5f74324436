"""Time zones, from one source: the ``tzdata`` package, so that what is recorded as its version is what was used.

The machine's own zone files are never read. All instants and offsets are microseconds.
"""

from bisect import bisect_right
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from outdial.scalars import DAY_MS, MILLISECOND_US, SECOND_US

DAY_US = DAY_MS * MILLISECOND_US
STRETCH_US = 64 * DAY_US
"""Offsets are looked up for so long at a time."""
LAST = 250_000_000_000_000_000
"""Up to here (the year 9892) instants have a local time everywhere."""


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every name of the IANA data base, old ones included."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("utf-8").split())


@lru_cache(maxsize=1)
def tzdata_version() -> str:
    """IANA's name of the data in use, such as ``2026f``."""
    with resources.files("tzdata").joinpath("zoneinfo", "tzdata.zi").open(encoding="utf-8") as data:
        return data.readline().split()[-1]


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo:
    file = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with file.open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def offset_at(name: str, at: int) -> tuple[int, int, int]:
    """The offset of a zone from UTC at an instant, and a stretch of time around it with that same offset: (offset, from, until).

    The stretch need not be the longest. Local time is ``at + offset``.
    """
    number = at // STRETCH_US
    begins, offsets = _stretch(name, number)
    place = bisect_right(begins, at) - 1
    until = begins[place + 1] if place + 1 < len(begins) else (number + 1) * STRETCH_US
    return offsets[place], begins[place], until


@lru_cache(maxsize=32_768)
def _stretch(name: str, number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Offsets within a stretch, and since when each: looked at once a day, and where they changed, to the second."""
    zone = _zone(name)
    first, last = number * STRETCH_US // SECOND_US, (number + 1) * STRETCH_US // SECOND_US
    step = DAY_US // SECOND_US
    begins, offsets = [first], [_offset_s(zone, first)]
    for day in range(first, last, step):
        low, high = day, min(day + step, last - 1)
        while _offset_s(zone, high) != offsets[-1]:
            early, late = low, high
            while late - early > 1:
                middle = (early + late) // 2
                if _offset_s(zone, middle) == offsets[-1]:
                    early = middle
                else:
                    late = middle
            begins.append(late)
            offsets.append(_offset_s(zone, late))
            low = late
    return tuple(begin * SECOND_US for begin in begins), tuple(offset * SECOND_US for offset in offsets)


def _offset_s(zone: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else offset.days * 86_400 + offset.seconds
