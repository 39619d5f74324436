"""Where things are: the data folder, and the address of the server that works in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from outdial.processes import lives

LOCAL = Path(".outdial")
ADDRESS = "address.json"
VERIFIED = "verified.json"
DATABASE = "outdial.db"
"""The log with its views, of a folder that holds them itself."""
VIEWS = "views.db"
"""The views of a log that is on Kafka."""


def data_folder(flag: Path | None, environment: Mapping[str, str]) -> Path:
    """The data folder: the flag, ``OUTDIAL_DATA``, ``./.outdial`` when it is there, else the XDG data folder."""
    if flag is not None:
        return flag.expanduser()
    if named := environment.get("OUTDIAL_DATA"):
        return Path(named).expanduser()
    if LOCAL.is_dir():
        return LOCAL
    return xdg_folder(environment)


def xdg_folder(environment: Mapping[str, str]) -> Path:
    """``$XDG_DATA_HOME/outdial``, by default ``~/.local/share/outdial``."""
    base = environment.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "outdial"


def demo_folder(environment: Mapping[str, str]) -> Path:
    """The data folder of the demo, which is its own: its carrier would answer for real people too."""
    return data_folder(None, environment) / "demo"


def database_of(folder: Path) -> Path | None:
    """The database of a folder; None when there is none."""
    return next((path for path in (folder / DATABASE, folder / VIEWS) if path.is_file()), None)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server of a data folder is."""

    url: str
    pid: int


def address_of(folder: Path) -> Address | None:
    """The address of the server that works in the folder; None when none does."""
    try:
        found = json.loads((folder / ADDRESS).read_text("utf-8"))
        address = Address(str(found["url"]), int(found["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return address if lives(address.pid) else None


@dataclass(frozen=True, slots=True)
class LastCheck:
    """When the views of a folder were compared with the log last, and what came of it."""

    at: int
    """Microseconds since 1970-01-01 UTC."""
    position: str
    equal: bool


def keep_check(folder: Path, found: LastCheck | None) -> None:
    """Note what came of a comparison, beside the database and not in it, for that is the server's. None: forget it.

    Raises:
        OSError: the folder cannot be written.
    """
    if found is None:
        (folder / VERIFIED).unlink(missing_ok=True)
        return
    aside = folder / f"{VERIFIED}.new"
    aside.write_text(json.dumps({"at": found.at, "position": found.position, "equal": found.equal}))
    aside.rename(folder / VERIFIED)


def last_check(folder: Path) -> LastCheck | None:
    """What came of the last comparison; None when there was none, or nothing that can be read."""
    try:
        found = json.loads((folder / VERIFIED).read_text("utf-8"))
        return LastCheck(int(found["at"]), str(found["position"]), found["equal"] is True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Stored:
    """What a data folder holds, in bytes."""

    database: int
    other: int
    free: int
    """On its disk, for whoever asks."""
    disk: int


def stored_in(folder: Path) -> Stored:
    """What a data folder holds, and what room is left on its disk. A file that goes away meanwhile counts nothing."""
    from shutil import disk_usage

    database = other = 0
    for file in folder.rglob("*"):
        try:
            found = file.lstat()
        except FileNotFoundError:
            continue
        if not S_ISREG(found.st_mode):
            continue
        if file.name.startswith((DATABASE, VIEWS)):
            database += found.st_size
        else:
            other += found.st_size
    disk = disk_usage(folder)
    return Stored(database, other, disk.free, disk.total)
