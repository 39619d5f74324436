"""When people may be called, worked out a second time and in the plainest way: by looking at the clock on their wall.

Written from the rules as `docs/rules.md` tells them, and sharing nothing with the program. Windows are plain JSON here.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Json = Mapping[str, Any]


@cache
def zone(name: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath(f"zoneinfo/{name}").open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def every_zone() -> tuple[str, ...]:
    return tuple(resources.files("tzdata").joinpath("zones").read_text("utf-8").split())


def wall(name: str, at: int) -> datetime:
    """What the clock on the wall shows, date included. ``at``: microseconds since 1970-01-01 UTC."""
    return (EPOCH + timedelta(microseconds=at)).astimezone(zone(name)).replace(tzinfo=None)


def hours_of(windows: Json, day: date) -> tuple[Sequence[Json], bool]:
    """The spans that start on a day, and whether it is a special one."""
    for wanted in (day.isoformat(), day.isoformat()[5:]):
        for special in windows.get("dates", ()):
            if special["date"] == wanted:
                return special.get("hours", ()), True
    return [span for span in windows.get("hours", ()) if DAYS[day.weekday()] in span["days"]], False


def open_on_the_wall(windows: Json, now: datetime) -> bool:
    """Whether one may call when the wall clock shows this."""
    time = f"{now:%H:%M}"
    today, special = hours_of(windows, now.date())
    for span in today:
        overnight = span["end"] < span["start"]
        if span["start"] <= time and (overnight or time < span["end"]):
            return True
    if special:
        return False
    yesterday, _ = hours_of(windows, now.date() - timedelta(days=1))
    return any(span["end"] < span["start"] and time < span["end"] for span in yesterday)


def allowed(windows: Json, zones: Iterable[str], at: int) -> bool:
    """Whether one may call somebody who may be in any of these zones. Of whom no zone is known, nobody may."""
    names = tuple(zones)
    return bool(names) and all(open_on_the_wall(windows, wall(name, at)) for name in names)
