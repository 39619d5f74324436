"""What ``doctor`` looks at. Every check says what it found, and what to do when that is bad."""

import errno
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from outdial.doors.cli.actions import DEFAULT_HOST, DEFAULT_PORT, Actions, Cluster, Refused
from outdial.doors.cli.folders import VIEWS, address_of, database_of

LEAST_FREE: Final = 200 * 1024 * 1024
LEAST_PYTHON: Final = (3, 11)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    note: bool = False
    """Worth knowing, and no fault: it runs nevertheless."""


def _good(name: str, detail: str) -> Check:
    return Check(name, ok=True, detail=detail)


def _bad(name: str, detail: str, fix: str) -> Check:
    return Check(name, ok=False, detail=detail, fix=fix)


def checks(
    actions: Actions, folder: Path, host: str | None, port: int | None, kafka: str | None, environment: Mapping[str, str]
) -> Iterator[Check]:
    """All checks, the cheap ones first; those of a cluster where one is named, by ``kafka`` or the environment."""
    yield _python()
    yield _zones()
    settings, cluster, key = _settings(environment, kafka)
    yield settings
    yield _folder(folder)
    yield _space(folder)
    yield from _database(actions, folder, key)
    yield _port(folder, host or environment.get("OUTDIAL_HOST") or DEFAULT_HOST, _number(environment) if port is None else port)
    if cluster is not None:
        yield from _cluster(actions, cluster)


def _number(environment: Mapping[str, str]) -> int | None:
    """The port that is set; None when none is, or what is set is no number (another check says so)."""
    text = environment.get("OUTDIAL_PORT", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _python() -> Check:
    text = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= LEAST_PYTHON, f"{text}, SQLite {sqlite3.sqlite_version}", "install Python 3.11 or newer")


def _zones() -> Check:
    try:
        return _good("tzdata", f"time zones of {version('tzdata')}")
    except PackageNotFoundError:
        return _bad("tzdata", "the package tzdata is missing", "pip install tzdata")


def _settings(environment: Mapping[str, str], kafka: str | None) -> tuple[Check, Cluster | None, str | None]:
    """Whether the settings can be read; the cluster and the fingerprint key they name."""
    from outdial.doors.cli.names import effective
    from outdial.doors.cli.settings import load

    try:
        settings = load(effective(environment), {"kafka__bootstrap_servers": kafka})
    except Refused as why:
        return _bad("settings", why.message, why.fix), None, None
    key = None if settings.fingerprint_key is None else settings.fingerprint_key.get_secret_value()
    return _good("settings", "neither the environment nor the file of settings holds an unknown one"), settings.cluster, key


def _folder(folder: Path) -> Check:
    place = _existing(folder)
    what = f"{folder}" if place == folder else f"{folder} (will be made in {place})"
    try:
        with tempfile.TemporaryFile(dir=place):
            return _good("data folder", f"{what} is writable")
    except OSError as error:
        fix = f"make it writable for this user (chmod u+rwx {place}), or name another with --data"
        return _bad("data folder", f"{what} is not writable: {error.strerror}", fix)


def _space(folder: Path) -> Check:
    free = shutil.disk_usage(_existing(folder)).free
    return Check(
        "disk space",
        free >= LEAST_FREE,
        f"{free / 1e9:,.1f} GB free",
        "free at least 0.2 GB on that disk, or name another folder with --data",
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    place = folder.absolute()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    return folder if place == folder.absolute() else place


def _database(actions: Actions, folder: Path, key: str | None) -> Iterator[Check]:
    file = database_of(folder)
    if file is None:
        yield _good("database", "none yet")
        return
    restore = f"move {file} away, restore it from a backup, and run outdial doctor again"
    if file.name == VIEWS:
        restore = f"remove {file}; the next start builds it anew from the log"
    try:
        with closing(actions.open_reader(folder)) as reader:
            found = reader.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                yield _bad("database", f"{file} is damaged: {found}", restore)
                return
            yield _good("database", f"{file} is sound, {file.stat().st_size / 1e6:,.1f} MB")
            yield _views(reader)
        if file.name != VIEWS:
            yield _key(actions, folder, key)
    except Refused as why:
        yield _bad("database", why.message, why.fix or restore)
    except sqlite3.Error as error:
        yield _bad("database", f"{file} cannot be read: {error}", restore)


def _key(actions: Actions, folder: Path, key: str | None) -> Check:
    try:
        actions.check_key(folder, key)
    except Refused as why:
        return _bad("fingerprint key", why.message, why.fix)
    return _good("fingerprint key", "the one the log was written with")


def _views(reader: sqlite3.Connection) -> Check:
    from outdial.views.history import last_position
    from outdial.views.projector import standing

    at = standing(reader)
    last = last_position(reader, at.partitions)
    return Check("views", last == at, f"at position {at}, the log at {last}", "stop the service, then outdial views rebuild")


def _port(folder: Path, host: str, port: int | None) -> Check:
    number = DEFAULT_PORT if port is None else port
    if (server := address_of(folder)) is not None:
        return _good("port", f"a server of this folder runs at {server.url} (process {server.pid})")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            found = f"{host}:{number}: {os.strerror(error.errno or 0)}"
            fix = "stop the program that has it, or choose another with --port"
            if port is None and error.errno == errno.EADDRINUSE:
                return Check("port", ok=True, detail=f"{found}; outdial serve takes the next free one", fix=fix, note=True)
            return _bad("port", found, fix)
    return _good("port", f"{host}:{number} is free")


def _cluster(actions: Actions, cluster: Cluster) -> Iterator[Check]:
    """Whether the brokers answer, the topics are right, and this machine's clock is not behind theirs."""
    where = cluster.connection.bootstrap
    try:
        topics = actions.topics_show(cluster)
        yield _good("kafka", f"brokers answer at {where}")
        wrong = [topic for topic in topics if topic.faults]
        told = "; ".join(f"{topic.name} {', '.join(topic.faults)}" for topic in wrong)
        right = f"{len(topics)} topics of {cluster.topology.partitions} partitions"
        if any(topic.refuses for topic in wrong):
            yield _bad("topics", told, next(topic.fix for topic in wrong if topic.refuses))
            return
        yield _good("topics", f"{right}; unusual: {told}" if wrong else right)
        if actions.clock_is_behind(cluster):
            yield _bad("clock", "this machine's clock is more than 5 s behind the brokers'", "set both right, for example by NTP")
        else:
            yield _good("clock", "not behind the brokers'")
    except Refused as why:
        yield _bad("kafka", why.message, why.fix)
