"""What can be wrong with the store, told to people."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from outdial.wire import Malformed

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)
"""What decoding or folding raises for an event that is none, or that does not fit those before it."""
ENDED = "WRITER_ENDED"
"""In place of SQLite's name of an error: the process that writes is gone, and nobody knows what became of what it was told last."""
RESTORE = "put a backup back, or move the file away to begin anew"


class StoreError(Exception):
    """The store cannot be used. ``reason`` is stable; ``message`` says what was wrong, ``fix`` what to do."""

    def __init__(self, reason: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.fix = fix


def explained(error: sqlite3.Error, path: Path) -> StoreError:
    """What is wrong with the database."""
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_FULL":
            return _full(path)
        case "SQLITE_READONLY" | "SQLITE_CANTOPEN" | "SQLITE_PERM" | "SQLITE_READONLY_DIRECTORY" | "SQLITE_READONLY_DBMOVED":
            return StoreError(
                "data_read_only", f"cannot write {path}", "choose another folder with --data, or give yourself the right to write there"
            )
        case name if name == ENDED:
            return StoreError("writer_ended", f"the process that writes {path} has ended", "look for what ends it; another one is started")
        case "SQLITE_BUSY" | "SQLITE_LOCKED":
            return StoreError("data_in_use", f"{path} is locked by another program", "close that program")
        case name if name.startswith("SQLITE_IOERR"):
            return (
                _full(path)
                if _has_no_room(path)
                else StoreError("disk_error", f"the disk refused to read or write {path}", "check the disk")
            )
        case _:
            return StoreError("database_corrupt", f"{path} is not a database this program can read", RESTORE)


def unreadable(error: Exception, position: int) -> StoreError:
    """What is wrong with the event at a position of the log."""
    if isinstance(error, Malformed) and error.reason == "event_unknown":
        return StoreError(
            "database_newer", f"position {position} of the log: {error.message}", "use the version of the program that wrote it"
        )
    return StoreError("database_corrupt", f"the log is damaged: position {position} does not hold what was written there", RESTORE)


def _full(path: Path) -> StoreError:
    return StoreError("disk_full", f"no space left for {path}", "free some space")


def _has_no_room(path: Path) -> bool:
    """Whether an error of reading and writing is one of space: memory that SQLite shares between processes says it so."""
    with suppress(OSError):
        return os.statvfs(path if path.is_dir() else path.parent).f_bavail == 0
    return False
