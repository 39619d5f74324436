"""What the command line asks of the rest of the program. ``compose.py`` implements it and hands it in.

The command line never imports the ledger or a runtime; this file is all it knows of them, and it
imports nothing heavy, so that ``outdial --help`` stays quick.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from outdial.connection import Connection
from outdial.position import Position
from outdial.topology import Topology

if TYPE_CHECKING:
    from outdial.commands import Command
    from outdial.requests import Answer

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_PORTS = {"ledger": 8090, "worker": 8095}
"""Of what serves nothing but its health: not where a service is looked for."""

CarrierName = Literal["none", "simulated"]
Role = Literal["serve", "ledger", "api"]
"""What a process does: all of it, only decide, or only serve."""
LogLevel = Literal["debug", "info", "warning", "error"]
LogForm = Literal["auto", "json", "lines"]
"""How log lines look: auto is lines at a terminal, JSON elsewhere."""
USAGE = 2
"""The exit code where the program was called, or is set up, in a way that cannot be meant."""
UNREACHABLE = 69
"""The exit code where nobody is there to ask."""


class Refused(Exception):
    """Something could not be done, for a reason a person can act on.

    ``reason`` is a stable word (``data_in_use``, ``data_read_only``, ``data_missing``, ``database_corrupt``,
    ``port_in_use``, ``token_missing``, ...), ``message`` says what was wrong and where, ``fix`` what to do about it,
    ``code`` is the exit code of the process.
    """

    def __init__(self, reason: str, message: str, fix: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.fix = fix
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A token and the customer it belongs to (None: the default customer)."""

    token: str
    customer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Kafka cluster and the topics of one installation on it."""

    connection: Connection
    topology: Topology
    instance: str | None = None
    """The identity of this process among the ledgers; None: a new one at every start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to run a server. Every value is checked and final: flags, environment and defaults are folded already."""

    role: Role = "serve"
    cluster: Cluster | None = None
    """None: the log is in the data folder."""
    data: Path
    """The data folder; made when absent."""
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    """0: any free port."""
    next_port: bool = False
    """True: when the port is taken, use the next free one (``Serving.url`` tells which) in place of a refusal."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tokens: tuple[Credential, ...] = ()
    """Nobody else may in. Empty: open on loopback, refused elsewhere (``token_missing``)."""
    query_tokens: bool = True
    """Whether ``?token=`` and the cookie of the contract are accepted beside the Authorization header."""
    rate_limit_ip: str | None = None
    """How often one address may ask, ``200/400``: so many a second, so many at once. None: as often as it likes."""
    rate_limit_customer: str | None = None
    """How often one customer may ask, likewise."""
    allowed_origins: tuple[str, ...] = ()
    """Sites whose pages may ask here with a token. Empty: no list is kept."""
    private_webhooks: bool = False
    """Whether events may be sent into private networks, and to this machine."""
    customer_id: str | None = None
    """The default customer; None: the program's own default."""
    fingerprint_key: str | None = None
    """Key of the address fingerprints; None: the one in the data folder, made when absent."""
    carrier: CarrierName = "none"
    """``simulated``: place the calls of every dial request with the simulated carrier."""
    seed: int = 1
    """Seed of the simulated carrier."""
    speed: float = 1.0
    """How many seconds of the ledger's clock pass in one second."""
    log_level: LogLevel = "warning"
    log_form: LogForm = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How to run a dial worker. Every value is checked and final."""

    cluster: Cluster
    carrier: str
    """``simulated``, ``webhook``, or ``package.module:name`` of a class or function without parameters that makes one."""
    max_calls: int
    claim: bool
    seed: int
    speed: float
    calls_file: Path | None = None
    """Where every call of the simulated carrier is noted, a line each."""
    webhook_url: str | None = None
    webhook_secret: str | None = None
    webhook_private: bool = False
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    next_port: bool = False
    log_level: LogLevel = "warning"
    log_form: LogForm = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic as it is, and what is not as it must be."""

    name: str
    partitions: int
    """0: it is not there."""
    replicas: int
    faults: tuple[str, ...]
    fix: str
    refuses: bool
    """Whether no process may start on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A server that takes requests."""

    role: str = "serve"

    url: str
    """Base without the version: ``http://127.0.0.1:8080``."""
    data: Path
    position: Position | None
    """Log position at start; None for a process without views."""
    open: bool
    """True: no token is asked for."""
    port_wanted: int
    """The port asked for; ``url`` has another one when it was taken."""


Beside = Callable[[Serving], Awaitable[None]]
Ask = Callable[[Sequence["Command"], int], list["Answer"]]
"""Answers to questions at an instant, microseconds."""
Progress = Callable[[int, int], None]
"""``(done, total)``; called a few times a second at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Views rebuilt aside and compared with the live ones."""

    position: Position
    """The log position both stand at."""
    live: str
    rebuilt: str
    """Digests over all rows of all views."""

    @property
    def equal(self) -> bool:
        """True when the live views are what the log says."""
        return self.live == self.rebuilt


class Actions(Protocol):
    """The things only ``compose.py`` can do. All of them are synchronous and run to their end."""

    def serve(self, options: ServeOptions, beside: Beside) -> None:
        """Serve until a signal, or until ``beside`` ends.

        ``beside`` runs as a task of the server's own event loop from the moment requests are taken. It is cancelled
        when the server stops; when it returns, the server stops; what it raises is raised here after a clean stop.
        The address file ``<data>/address.json`` (``{"url": ..., "pid": ...}``) exists exactly while the server serves.

        Raises:
            Refused: the server could not start, or had to stop.
            KeyboardInterrupt: SIGINT ended it, after a clean stop. SIGTERM is a normal return.
        """
        ...

    def work(self, options: WorkerOptions, beside: Beside) -> None:
        """Run a dial worker until a signal; raises as :meth:`serve`."""
        ...

    def topics_create(self, cluster: Cluster) -> list[str]:
        """Make the topics that are not there; returns their names.

        Raises:
            Refused: ``kafka_unreachable``, ``kafka_login_refused``, ``kafka_forbidden``, ``topics_wrong``.
        """
        ...

    def topics_show(self, cluster: Cluster) -> list[TopicState]:
        """The topics as they are; raises as :meth:`topics_create`."""
        ...

    def clock_is_behind(self, cluster: Cluster) -> bool:
        """Whether the brokers have stamped records with times that are more than 5 s ahead of this machine's clock.

        Raises:
            Refused: as :meth:`topics_create`.
        """
        ...

    def views_rebuild(self, data: Path, cluster: Cluster | None, progress: Progress) -> Position:
        """Build all views again from position 0; returns the position they stand at. Needs the data folder for itself.

        ``cluster``: where the log is of a folder that has only the views of it.

        Raises:
            Refused: ``data_missing``, ``data_in_use``, ``data_read_only``, ``database_corrupt``, ``kafka_missing``.
        """
        ...

    def views_verify(self, data: Path, cluster: Cluster | None, progress: Progress) -> Verified:
        """Rebuild the views aside and compare. Changes no view. ``cluster`` as for :meth:`views_rebuild`.

        Raises:
            Refused: ``data_missing``, ``database_corrupt``, ``kafka_missing``.
        """
        ...

    def open_reader(self, data: Path) -> sqlite3.Connection:
        """A read-only connection to the database of the data folder; the caller closes it.

        Raises:
            Refused: ``data_missing`` when there is no database, ``database_corrupt``.
        """
        ...

    def check_key(self, data: Path, configured: str | None) -> None:
        """Hold the fingerprint key, the configured one or that of the folder, against the log of the folder.

        Raises:
            Refused: ``key_changed``, ``database_corrupt``.
        """
        ...

    def asker(self, reader: sqlite3.Connection) -> Ask:
        """Who answers questions from the log of a database as it stands, without a server. It reads the log at the first of them."""
        ...

    def schemas(self) -> dict[str, bytes]:
        """The published documents: file name under ``schemas/json`` -> content."""
        ...
