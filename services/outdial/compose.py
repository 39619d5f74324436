"""The one file that knows every room: it puts a runtime, the doors and a carrier together.

Everything is imported where it is used, so that ``outdial --help`` imports none of it.
"""

import sys
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    import asyncio
    import socket
    import sqlite3
    from collections.abc import Awaitable, Callable, Coroutine

    from starlette.types import ASGIApp
    from uvicorn import Server

    from outdial.doors.api.deps import Door, Settings
    from outdial.doors.cli.actions import Ask, Beside, Cluster, Progress, ServeOptions, Serving, TopicState, Verified, WorkerOptions
    from outdial.embedded.runtime import Embedded
    from outdial.kafka.options import Options
    from outdial.kafka.service import Doors
    from outdial.metrics import Meters
    from outdial.position import Position
    from outdial.topology import Topology
    from outdial.worker.carrier import Carrier
    from outdial.worker.service import Worker

T = TypeVar("T")
SWITCH_INTERVAL_S = 0.001
"""How long one thread may keep the others from running. The writer's thread asks for its turn once a statement."""
PORTS_TRIED = 50
GRACE_S = 5
KEEP_ALIVE_S = 75
"""How long an idle connection stays: longer than clients keep theirs, or a request is sent into one that is just being closed."""
KEY_FILE = "fingerprint.key"
CLOCK_TOLERANCE_US = 5_000_000
"""How far a ledger's clock may be from the broker's."""
LOG_AHEAD_US = 60_000_000
"""How far the log may be ahead of this machine's clock before that has to be somebody's decision."""


def main() -> None:
    """The console command ``outdial``."""
    from outdial.doors.cli.main import run

    run(Composed())


class Composed:
    """What the command line can ask for (:class:`outdial.doors.cli.actions.Actions`)."""

    def serve(self, options: "ServeOptions", beside: "Beside") -> None:
        """Serve until a signal, or until ``beside`` ends."""
        from outdial.doors.cli.actions import Refused
        from outdial.doors.cli.logs import configure

        configure(options.log_level, options.log_form)
        tune()
        if options.role != "ledger" and not options.tokens and not _is_loopback(options.host):
            raise Refused(
                "token_missing",
                f"without a token everybody who reaches {options.host} could place calls",
                "set OUTDIAL_TOKEN or --token, or bind to 127.0.0.1",
            )
        if options.role != "ledger" and options.allowed_origins and not options.tokens:
            raise Refused(
                "token_missing",
                "pages of other sites are let in by a token of their own, and this server asks for none",
                "set OUTDIAL_TOKEN or --token, or leave out the allowed origins",
            )
        _check_tls(options)
        role = _ledger_role if options.role == "ledger" else _serve
        with _bound(options.host, options.port, next_port=options.next_port) as sock:
            interrupted = _run(role(options, sock, beside))
        if interrupted:
            raise KeyboardInterrupt

    def work(self, options: "WorkerOptions", beside: "Beside") -> None:
        """Run a dial worker until a signal, or until ``beside`` ends."""
        from outdial.doors.cli.actions import Refused
        from outdial.doors.cli.logs import configure

        configure(options.log_level, options.log_form)
        if find_spec("faust") is None:
            raise Refused("worker_missing", "the dial worker is not installed", 'install it with: pip install "outdial[worker]"')
        with _bound(options.host, options.port, next_port=options.next_port) as sock:
            interrupted = _run(_work(options, sock, beside))
        if interrupted:
            raise KeyboardInterrupt

    def topics_create(self, cluster: "Cluster") -> list[str]:
        """Make the topics that are not there."""
        from outdial.kafka import topics

        return _run(_asked(topics.create(cluster.connection, cluster.topology)))

    def topics_show(self, cluster: "Cluster") -> "list[TopicState]":
        """The topics as they are."""
        from outdial.doors.cli.actions import TopicState
        from outdial.kafka import topics

        found, faults = _run(_asked(topics.examine(cluster.connection, cluster.topology)))
        return [
            TopicState(
                name=topic.name,
                partitions=topic.partitions,
                replicas=topic.replicas,
                faults=tuple(fault.what for fault in faults if fault.name == topic.name),
                fix=next((fault.fix for fault in faults if fault.name == topic.name), ""),
                refuses=any(fault.refuses for fault in faults if fault.name == topic.name),
            )
            for topic in found
        ]

    def clock_is_behind(self, cluster: "Cluster") -> bool:
        """Whether the brokers have stamped records with times that are more than 5 s ahead of this machine's clock."""
        from outdial.kafka import topics

        return _run(_asked(topics.has_records_after(cluster.connection, cluster.topology, _clock(1, 0)() + CLOCK_TOLERANCE_US)))

    def views_rebuild(self, data: Path, cluster: "Cluster | None", progress: "Progress") -> "Position":
        """Build all views again from position 0."""
        if _is_on_kafka(data):
            from outdial.kafka.rebuild import rebuild as rebuild_from_kafka
            from outdial.kafka.rebuild import topology_of

            async def built() -> "Position":
                return await rebuild_from_kafka(_reading_options(_named(cluster), topology_of(data)), data, progress)

            return _run(_asked(built()))
        from outdial.embedded.errors import StoreError
        from outdial.embedded.rebuild import rebuild

        tune()
        try:
            return _run(rebuild(data, progress))
        except StoreError as error:
            raise _refused(error) from None

    def views_verify(self, data: Path, cluster: "Cluster | None", progress: "Progress") -> "Verified":
        """Rebuild the views aside and compare."""
        from outdial.doors.cli.actions import Verified

        if _is_on_kafka(data):
            from outdial.kafka.rebuild import topology_of
            from outdial.kafka.rebuild import verify as verify_by_kafka

            async def compared() -> "Verified":
                found = await verify_by_kafka(_named(cluster).connection, topology_of(data), data, progress)
                return Verified(position=found.position, live=found.live, rebuilt=found.rebuilt)

            return _run(_asked(compared()))
        from outdial.embedded.errors import StoreError
        from outdial.embedded.rebuild import verify

        tune()
        try:
            found = _run(verify(data, progress))
        except StoreError as error:
            raise _refused(error) from None
        return Verified(position=found.position, live=found.live, rebuilt=found.rebuilt)

    def open_reader(self, data: Path) -> "sqlite3.Connection":
        """A read-only connection to the database of the data folder."""
        if _is_on_kafka(data):
            from outdial.kafka.errors import ClusterError
            from outdial.kafka.rebuild import open_reader as open_views

            try:
                return open_views(data)
            except ClusterError as error:
                raise _refused(error) from None
        from outdial.embedded.errors import StoreError
        from outdial.embedded.log import open_reader

        try:
            return open_reader(data)
        except StoreError as error:
            raise _refused(error) from None

    def check_key(self, data: Path, configured: str | None) -> None:
        """Hold the fingerprint key against the log of the data folder."""
        from outdial.embedded.errors import StoreError
        from outdial.embedded.log import check_key

        try:
            check_key(data, configured)
        except StoreError as error:
            raise _refused(error) from None

    def asker(self, reader: "sqlite3.Connection") -> "Ask":
        """Who answers questions from the log of a database as it stands."""
        from outdial.embedded.asking import Asked

        return Asked(reader)

    def schemas(self) -> dict[str, bytes]:
        """The published documents."""
        from outdial.asyncapi import asyncapi_document
        from outdial.doors.api import openapi
        from outdial.doors.api.app import routes_alone
        from outdial.export import documents

        return {**documents(), "asyncapi.json": asyncapi_document(), "openapi.json": openapi.text(routes_alone())}


def tune() -> None:
    """Settings of the interpreter for a process that holds millions of small objects and writes in a thread."""
    import gc

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(400_000, 20, 100)


def _refused(error: Any) -> Exception:
    """An error that has a reason, a message and a fix, for people."""
    from outdial.doors.cli.actions import Refused

    return Refused(error.reason, error.message, error.fix)


def _run(task: "Coroutine[Any, Any, T]") -> "T":
    """On an event loop of its own, whose library takes a third of what ``outdial --help`` would."""
    import asyncio

    return asyncio.run(task)


async def _asked(question: "Coroutine[Any, Any, T]") -> "T":
    """What a cluster answers; what it refuses is for people."""
    from outdial.kafka.errors import ClusterError

    try:
        return await question
    except ClusterError as error:
        raise _refused(error) from None


def _is_on_kafka(data: Path) -> bool:
    """Whether a folder has views of a log that is on Kafka."""
    from outdial.doors.cli.folders import VIEWS, database_of

    found = database_of(data)
    return found is not None and found.name == VIEWS


def _named(cluster: "Cluster | None") -> "Cluster":
    """The cluster that was named.

    Raises:
        Refused: ``kafka_missing``.
    """
    from outdial.doors.cli.actions import Refused

    if cluster is None:
        raise Refused("kafka_missing", "no Kafka cluster is named", "name one with --kafka HOST:PORT")
    return cluster


def _reading_options(cluster: "Cluster", topology: "Topology") -> "Options":
    """What the Kafka runtime is told by whoever only reads the log."""
    from outdial.doors.api.deps import DEFAULT_CUSTOMER
    from outdial.kafka.options import Options

    return Options(cluster.connection, _clock(1, 0), b"", DEFAULT_CUSTOMER, topology)


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_tls(options: "ServeOptions") -> None:
    """Whether certificate and key can be used; the server itself would find out only when it is put together."""
    import ssl

    from outdial.doors.cli.actions import Refused

    if options.tls_cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.tls_cert, options.tls_key)
    except OSError as error:
        why = "they are not a certificate and its key" if isinstance(error, ssl.SSLError) else error.strerror
        raise Refused(
            "tls_unusable",
            f"{options.tls_cert} and {options.tls_key} cannot be used: {why}",
            "give a certificate chain and its private key, both PEM",
        ) from None


def _bound(host: str, wanted: int, *, next_port: bool) -> "socket.socket":
    """A listening socket on the port asked for, or on the next free one when that is allowed."""
    import errno
    import socket

    from outdial.doors.cli.actions import Refused

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    tries = PORTS_TRIED if next_port and wanted else 1
    for port in range(wanted, wanted + tries):
        # With the protocol named, asyncio sees TCP and turns Nagle's algorithm off: answers go out at once, not 40 ms later.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            sock.listen(1024)
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                continue
            raise Refused(
                "address_unusable", f"cannot listen on {host} port {port}: {error.strerror}", "choose another --host or --port"
            ) from None
        sock.setblocking(False)  # noqa: FBT003  the signature is the standard library's
        return sock
    raise Refused("port_in_use", f"port {wanted} on {host} is in use", "stop the program that has it, or choose another with --port")


def _clock(speed: float, last: int) -> "Callable[[], int]":
    """The clock the ledger goes by, microseconds since 1970 UTC.

    At speed 1 it is this machine's. Compressed time starts where the log ends, or now, and goes on by the
    monotonic clock.
    """
    import time

    if speed == 1:
        return lambda: time.time_ns() // 1_000
    base, began = max(time.time_ns() // 1_000, last), time.monotonic_ns()
    return lambda: base + int((time.monotonic_ns() - began) / 1_000 * speed)


def _steady() -> int:
    """Microseconds that pass evenly whatever the machine's clock is set to, and while it sleeps."""
    import time

    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000


def _kafka_options(options: "ServeOptions", cluster: "Cluster") -> "Options":
    """What the Kafka runtime is told.

    Raises:
        Refused: ``fingerprint_key_missing``: several processes decide, and each would have a key of its own.
    """
    import secrets
    import time

    from outdial.doors.api.deps import DEFAULT_CUSTOMER
    from outdial.doors.cli.actions import Refused
    from outdial.kafka.options import Options

    key = options.fingerprint_key
    if key is None and options.role == "serve":
        path = options.data / KEY_FILE
        if not path.exists():
            options.data.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)
            path.write_text(secrets.token_hex(32))
        key = path.read_text()
    if key is None and options.role == "ledger":
        raise Refused(
            "fingerprint_key_missing",
            "ledgers compare addresses by a keyed hash, and there is no key",
            "set OUTDIAL_FINGERPRINT_KEY to the same secret for every ledger, such as that of: openssl rand -hex 32",
        )
    return Options(
        cluster.connection,
        _clock(options.speed, time.time_ns() // 1_000) if options.speed != 1 else _clock(1, 0),
        (key or "").encode(),
        options.customer_id or DEFAULT_CUSTOMER,
        cluster.topology,
        speed=options.speed,
        clock_tolerance_us=None if options.speed != 1 else CLOCK_TOLERANCE_US,
        instance=cluster.instance,
        folder=options.data / "ledgers",
    )


async def _open(options: "ServeOptions", meters: "Meters") -> "Embedded | Doors":
    """The runtime the doors of this process stand on."""
    if options.cluster is None:
        return await _open_embedded(options, meters)
    from outdial.kafka import topics
    from outdial.kafka.service import Doors

    deciding = options.role == "serve"
    if deciding:
        await _asked(topics.create(options.cluster.connection, options.cluster.topology))
    return await _asked(Doors.open(_kafka_options(options, options.cluster), options.data, deciding=deciding, meters=meters))


async def _open_embedded(options: "ServeOptions", meters: "Meters") -> "Embedded":
    import sqlite3
    import time
    from contextlib import closing

    from outdial.doors.cli.actions import Refused
    from outdial.embedded.errors import StoreError, explained
    from outdial.embedded.log import DATABASE, open_reader
    from outdial.embedded.runtime import Embedded
    from outdial.views.history import last_time

    last = 0
    try:
        if (options.data / DATABASE).exists():
            with closing(open_reader(options.data)) as reader:
                last = last_time(reader, 1)
        if options.speed == 1 and last > time.time_ns() // 1_000 + LOG_AHEAD_US:
            ahead = (last - time.time_ns() // 1_000) // 60_000_000
            raise Refused(
                "clock_behind_log",
                f"the last event of the log is {ahead} minutes ahead of this machine's clock, so nothing would fall due until then",
                "set the clock right; the data of a demo with --speed goes on with: outdial demo",
            )
        return await Embedded.open(
            options.data,
            _clock(options.speed, last),
            speed=options.speed,
            key=options.fingerprint_key,
            steady=_steady if options.speed == 1 else None,
            meters=meters,
        )
    except sqlite3.Error as error:
        raise _refused(explained(error, options.data / DATABASE)) from None
    except StoreError as error:
        raise _refused(error) from None


def _meters(role: str) -> "Meters":
    """The counts of a process, which say what it is."""
    from importlib.metadata import version

    from outdial.metrics import Meters

    meters = Meters()
    meters.read("outdial_build_info", lambda: {(version("outdial"), role): 1.0})
    return meters


class PartEnded(Exception):
    """A part of the process has ended, nobody had asked for that, and it does not say why: a supervisor starts the process again."""


class _Part(Protocol):
    """What a process runs beside its HTTP server."""

    async def wait_failed(self) -> None:
        """Return when it has ended; raise what ended it."""

    async def close(self) -> None:
        """End it."""


async def _serve(options: "ServeOptions", sock: "socket.socket", beside: "Beside") -> bool:
    """Serve HTTP over a runtime until something ends it; True when that was SIGINT."""
    from outdial.doors.api.app import make_app
    from outdial.doors.page.files import make_router

    meters = _meters(options.role)
    runtime = await _open(options, meters)
    app = make_app(runtime, runtime.reader, _settings(options, runtime, meters), [make_router()])
    app.state.topology = None if options.cluster is None else options.cluster.topology

    async def let_go() -> None:
        app.state.door.closing = True
        await runtime.release_readers()

    serving = _serving(options.role, sock, tls=options.tls_cert is not None, data=options.data, wanted=options.port)
    serving = replace(serving, position=runtime.position, open=not options.tokens)
    server = _server(app, options.log_level, options.tls_cert, options.tls_key, sockets=True)
    return await _host(
        server,
        sock,
        serving,
        beside,
        runtime,
        let_go=let_go,
        also=lambda: _beside_serving(options, runtime, app.state.door),
        address=options.data,
    )


async def _beside_serving(options: "ServeOptions", runtime: "Embedded | Doors", door: "Door") -> None:
    """What a process that serves does besides: send events to webhooks, and place calls where it is told to."""
    import asyncio
    from uuid import uuid4

    from outdial.doors.webhooks.delivery import Deliveries

    # A data folder has one process at a time, so what one left the next goes on with at once.
    holder = "embedded" if options.cluster is None else f"{options.role}-{uuid4()}"
    parts = [Deliveries(door, holder, allow_private=options.private_webhooks).run()]
    if options.carrier == "simulated":
        parts.append(_carrier(options, runtime))
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _ledger_role(options: "ServeOptions", sock: "socket.socket", beside: "Beside") -> bool:
    """Decide commands until something ends it; True when that was SIGINT."""
    from outdial.doors.api.health import make_health_app
    from outdial.kafka.runtime import Ledgers

    meters = _meters("ledger")
    ledgers = await _asked(Ledgers.open(_kafka_options(options, _named(options.cluster)), meters))
    server = _server(make_health_app(lambda: ledgers.not_ready, meters), options.log_level)
    serving = _serving("ledger", sock, tls=False, data=options.data, wanted=options.port)
    return await _host(server, sock, serving, beside, ledgers)


async def _work(options: "WorkerOptions", sock: "socket.socket", beside: "Beside") -> bool:
    """Place calls until something ends it; True when that was SIGINT."""
    from outdial.doors.api.health import make_health_app
    from outdial.worker.service import Worker
    from outdial.worker.service import WorkerOptions as Told

    carrier, close_carrier = _carrier_of(options)
    cluster = options.cluster
    told = Told(cluster.connection, carrier, cluster.topology, max_calls=options.max_calls, claim=options.claim)
    working = _Working(Worker(told), cluster.topology.dial_requests, close_carrier)
    meters = _meters("worker")
    working.meter(meters)
    server = _server(make_health_app(lambda: working.not_ready, meters), options.log_level)
    serving = _serving("worker", sock, tls=False, data=Path(), wanted=options.port)
    return await _host(server, sock, serving, beside, working)


class _Working:
    """A dial worker as a part of a process."""

    def __init__(self, worker: "Worker", topic: str, close_carrier: "Callable[[], Awaitable[None]]") -> None:
        import asyncio

        self._worker = worker
        self._topic = topic
        self._stop = asyncio.Event()
        self._close_carrier = close_carrier
        self._task = asyncio.create_task(worker.run(self._stop), name="worker")

    @property
    def not_ready(self) -> str | None:
        """Why it takes no requests; None: it does."""
        status = self._worker.status()
        return None if status.ready else status.why

    def meter(self, meters: "Meters") -> None:
        """Let the meters of the process tell what it knows."""

        def calls() -> dict[tuple[str, ...], float]:
            status = self._worker.status()
            words = ("placed", "refused", "dropped", "malformed", "not_dialed", "unknown", "repeated")
            return {(word,): float(getattr(status, word)) for word in words}

        def lag() -> dict[tuple[str, ...], float]:
            return {(self._topic, str(number)): float(left) for number, left in self._worker.lag().items()}

        meters.read("outdial_calls_total", calls)
        meters.read("outdial_consumer_lag", lag)
        meters.read("outdial_calls_open", lambda: {(): float(self._worker.status().open_calls)})
        meters.read("outdial_ready", lambda: {(): float(self._worker.status().ready)})

    async def wait_failed(self) -> None:
        """Return when it has ended; raise what ended it."""
        import asyncio

        await asyncio.wait([self._task])
        self._task.result()

    async def close(self) -> None:
        """Take no more, let open calls end, say how they did."""
        import asyncio

        self._stop.set()
        await asyncio.wait([self._task])
        await self._close_carrier()


def _carrier_of(options: "WorkerOptions") -> "tuple[Carrier, Callable[[], Awaitable[None]]]":
    """The carrier of a worker, and how it is closed.

    Raises:
        Refused: ``carrier_unknown``, ``webhook_unusable``.
    """
    from importlib import import_module

    from outdial.doors.cli.actions import Refused

    async def nothing() -> None:
        """There is nothing to close."""

    if options.carrier == "simulated":
        from outdial.worker.carriers.scripted import ScriptedCarrier

        scripted = ScriptedCarrier(options.seed, pace=options.speed, calls=options.calls_file)

        async def close() -> None:
            scripted.close()

        return scripted, close
    if options.carrier == "webhook":
        from outdial.worker.carriers.webhook import WebhookCarrier

        try:
            secret = (options.webhook_secret or "").encode()
            webhook = WebhookCarrier(options.webhook_url or "", secret, allow_private=options.webhook_private)
        except ValueError as error:
            raise Refused("webhook_unusable", str(error), "set OUTDIAL_WEBHOOK_URL and OUTDIAL_WEBHOOK_SECRET") from None
        return webhook, webhook.close
    module, colon, name = options.carrier.partition(":")
    try:
        if not colon:
            raise ImportError(module)
        own: Carrier = getattr(import_module(module), name)()
    except (ImportError, AttributeError, ValueError):
        raise Refused(
            "carrier_unknown",
            f"there is no carrier {options.carrier}",
            "name simulated, webhook, or package.module:name of a class that can be imported here (see PYTHONPATH)",
        ) from None
    return own, nothing


def _serving(role: str, sock: "socket.socket", *, tls: bool, data: Path, wanted: int) -> "Serving":
    from outdial.doors.cli.actions import Serving

    host, port = sock.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    url = f"{'https' if tls else 'http'}://{name}:{port}"
    return Serving(role=role, url=url, data=data, position=None, open=False, port_wanted=wanted)


def _server(app: "ASGIApp", log_level: str, cert: Path | None = None, key: Path | None = None, *, sockets: bool = False) -> "Server":
    import uvicorn

    upgrades: dict[str, Any] = {"ws": "none"}
    if sockets:
        from outdial.doors.api.upgrade import WEBSOCKETS

        upgrades = WEBSOCKETS
    config = uvicorn.Config(
        app,
        http="httptools",
        **upgrades,
        lifespan="off",
        access_log=log_level == "debug",
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        ssl_certfile=cert,
        ssl_keyfile=key,
    )
    return uvicorn.Server(config)


async def _host(
    server: "Server",
    sock: "socket.socket",
    serving: "Serving",
    beside: "Beside",
    runtime: _Part,
    *,
    let_go: "Callable[[], Awaitable[None]] | None" = None,
    also: "Callable[[], Coroutine[Any, Any, None]] | None" = None,
    address: Path | None = None,
) -> bool:
    """Run a server and what stands behind it until something ends either; True when that was SIGINT.

    ``let_go`` tells whoever waits for news that the server stops; ``also`` is done as long as it serves; ``address`` is the
    folder where it is written down where it serves.
    """
    import asyncio
    import gc
    import signal

    gc.collect()
    gc.freeze()
    signals: list[int] = []
    stop = asyncio.Event()

    def note(number: int) -> None:
        signals.append(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, note, number)
    server.capture_signals = suppress  # type: ignore[method-assign, assignment]  # the loop's own handlers above stop everything in order
    listening = _listening(server)
    tasks: dict[str, asyncio.Task[Any]] = {
        "server": asyncio.create_task(server.serve(sockets=[sock])),
        "runtime": asyncio.create_task(runtime.wait_failed()),
        "stop": asyncio.create_task(stop.wait()),
    }
    tasks["server"].add_done_callback(lambda _: listening.set())
    try:
        await listening.wait()
        if address is not None:
            _write_address(address, serving.url)
        if also is not None:
            tasks["also"] = asyncio.create_task(also())
        tasks["beside"] = asyncio.ensure_future(beside(serving))
        await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        asked = any(tasks[name].done() for name in ("stop", "beside", "server"))
    finally:
        # In order: who asks, who answers, then what stands behind.
        for name in ("beside", "also", "stop"):
            if name in tasks:
                tasks[name].cancel()
        await asyncio.wait([tasks[name] for name in ("beside", "also") if name in tasks] or [tasks["stop"]])
        server.should_exit = True
        if let_go is not None:
            await let_go()
        await asyncio.wait([tasks["server"]])
        await runtime.close()
        await asyncio.wait([tasks["runtime"]])
        if address is not None:
            with suppress(OSError):
                (address / "address.json").unlink()
    for task in tasks.values():
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise _refused(error) if all(hasattr(error, name) for name in ("reason", "message", "fix")) else error
    if not asked:
        raise PartEnded
    return signal.SIGINT in signals


def _listening(server: "Server") -> "asyncio.Event":
    """Set once the server takes connections."""
    import asyncio

    begin, listening = server.startup, asyncio.Event()

    async def startup(sockets: "list[socket.socket] | None" = None) -> None:
        await begin(sockets)
        listening.set()

    server.startup = startup  # type: ignore[method-assign]
    return listening


def _settings(options: "ServeOptions", runtime: "Embedded | Doors", meters: "Meters") -> "Settings":
    from hashlib import sha256

    from outdial.doors.api.deps import DEFAULT_CUSTOMER, Settings
    from outdial.doors.api.limits import Rate
    from outdial.doors.cli.folders import last_check, stored_in

    customer = options.customer_id or DEFAULT_CUSTOMER
    return Settings(
        tokens={sha256(one.token.encode()).hexdigest(): one.customer_id or customer for one in options.tokens},
        admins=frozenset(sha256(one.token.encode()).hexdigest() for one in options.tokens if one.customer_id is None),
        customer_id=customer,
        tokens_in_urls=options.query_tokens,
        rate_of_address=None if options.rate_limit_ip is None else Rate.parse(options.rate_limit_ip),
        rate_of_customer=None if options.rate_limit_customer is None else Rate.parse(options.rate_limit_customer),
        allowed_origins=frozenset(options.allowed_origins),
        not_ready=lambda: runtime.not_ready,
        rejected=None if options.cluster is None else cast("Doors", runtime).rejected,
        checked=lambda: last_check(options.data),
        stored=lambda: stored_in(options.data),
        meters=meters,
        private_webhooks=options.private_webhooks,
        host_is_loopback=_is_loopback(options.host),
    )


def _write_address(data: Path, url: str) -> None:
    import json
    import os

    aside = data / "address.json.new"
    aside.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    aside.rename(data / "address.json")


async def _carrier(options: "ServeOptions", runtime: "Embedded | Doors") -> None:
    """Place every dial request with the simulated carrier."""
    from uuid import uuid4

    from outdial.position import Position
    from outdial.requests import DialRequest
    from outdial.views import calls
    from outdial.worker.carriers.simulated import SimulatedCarrier

    def requests(after: Position, limit: int) -> tuple[list[DialRequest], Position]:
        found = calls.requests_after(runtime.reader, None, after, limit)
        return [DialRequest.model_validate(row) for row in found.rows], found.reached

    carrier = SimulatedCarrier(
        requests=requests,
        wait_beyond=runtime.wait_beyond,
        submit=runtime.submit,
        clock=runtime,
        worker=f"simulated-{uuid4()}",
        after=Position.beginning(runtime.position.partitions),
        seed=options.seed,
    )
    await carrier.run()


if __name__ == "__main__":
    main()
