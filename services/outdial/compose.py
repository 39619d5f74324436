"""The one file that knows every room: it puts a runtime, the doors and a carrier together.

Everything is imported where it is used, so that ``outdial --help`` imports none of it.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    import sqlite3
    from collections.abc import Callable

    from fastapi import FastAPI
    from uvicorn import Config, Server

    from outdial.doors.api.deps import Settings
    from outdial.doors.cli.actions import Beside, Progress, ServeOptions, Verified
    from outdial.embedded.errors import StoreError
    from outdial.embedded.runtime import Embedded
    from outdial.position import Position

SWITCH_INTERVAL_S = 0.001
"""How long one thread may keep the others from running. The writer's thread asks for its turn once a statement."""
PORTS_TRIED = 50
GRACE_S = 5
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

        configure(options.log_level)
        tune()
        loopback = _is_loopback(options.host)
        if not options.tokens and not loopback:
            raise Refused(
                "token_missing",
                f"without a token everybody who reaches {options.host} could place calls",
                "set OUTDIAL_TOKEN or --token, or bind to 127.0.0.1",
            )
        _check_tls(options)
        with _bound(options) as sock:
            interrupted = asyncio.run(_serve(options, sock, beside))
        if interrupted:
            raise KeyboardInterrupt

    def views_rebuild(self, data: Path, progress: "Progress") -> "Position":
        """Build all views again from position 0."""
        from outdial.embedded.errors import StoreError
        from outdial.embedded.rebuild import rebuild

        tune()
        try:
            return asyncio.run(rebuild(data, progress))
        except StoreError as error:
            raise _refused(error) from None

    def views_verify(self, data: Path, progress: "Progress") -> "Verified":
        """Rebuild the views aside and compare."""
        from outdial.doors.cli.actions import Verified
        from outdial.embedded.errors import StoreError
        from outdial.embedded.rebuild import verify

        tune()
        try:
            found = asyncio.run(verify(data, progress))
        except StoreError as error:
            raise _refused(error) from None
        return Verified(position=found.position, live=found.live, rebuilt=found.rebuilt)

    def open_reader(self, data: Path) -> "sqlite3.Connection":
        """A read-only connection to the database of the data folder."""
        from outdial.embedded.errors import StoreError
        from outdial.embedded.log import open_reader

        try:
            return open_reader(data)
        except StoreError as error:
            raise _refused(error) from None

    def schemas(self) -> dict[str, bytes]:
        """The published documents."""
        from outdial.export import documents

        return documents()


def tune() -> None:
    """Settings of the interpreter for a process that holds millions of small objects and writes in a thread."""
    import gc

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(400_000, 20, 100)


def _refused(error: "StoreError") -> Exception:
    from outdial.doors.cli.actions import Refused

    return Refused(error.reason, error.message, error.fix)


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


def _bound(options: "ServeOptions") -> "socket.socket":
    """A listening socket on the port asked for, or on the next free one when that is allowed."""
    import errno
    import socket

    from outdial.doors.cli.actions import Refused

    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    tries = PORTS_TRIED if options.next_port and options.port else 1
    for port in range(options.port, options.port + tries):
        # With the protocol named, asyncio sees TCP and turns Nagle's algorithm off: answers go out at once, not 40 ms later.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((options.host, port))
            sock.listen(1024)
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                continue
            raise Refused(
                "address_unusable", f"cannot listen on {options.host} port {port}: {error.strerror}", "choose another --host or --port"
            ) from None
        sock.setblocking(False)  # noqa: FBT003  the signature is the standard library's
        return sock
    raise Refused(
        "port_in_use", f"port {options.port} on {options.host} is in use", "stop the program that has it, or choose another with --port"
    )


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


async def _open(options: "ServeOptions") -> "Embedded":
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
        return await Embedded.open(options.data, _clock(options.speed, last), speed=options.speed, key=options.fingerprint_key)
    except sqlite3.Error as error:
        raise _refused(explained(error, options.data / DATABASE)) from None
    except StoreError as error:
        raise _refused(error) from None


async def _serve(options: "ServeOptions", sock: "socket.socket", beside: "Beside") -> bool:
    """Serve until something ends it; True when that was SIGINT."""
    import gc
    import signal

    import uvicorn

    from outdial.doors.api.app import make_app
    from outdial.doors.cli.actions import Serving
    from outdial.embedded.errors import StoreError

    runtime = await _open(options)
    gc.collect()
    gc.freeze()
    signals: list[int] = []
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note(number: int) -> None:
        signals.append(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, note, number)
    app = make_app(runtime, runtime.reader, _settings(options, runtime))
    server = uvicorn.Server(_uvicorn_config(options, app))
    server.capture_signals = suppress  # type: ignore[method-assign, assignment]  # the loop's own handlers above stop everything in order
    host, port = sock.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    serving = Serving(
        url=f"{'https' if options.tls_cert else 'http'}://{name}:{port}",
        data=options.data,
        position=runtime.position,
        open=not options.tokens,
        port_wanted=options.port,
    )
    listening = _listening(server)
    tasks: dict[str, asyncio.Task[Any]] = {
        "server": asyncio.create_task(server.serve(sockets=[sock])),
        "runtime": asyncio.create_task(runtime.wait_failed()),
        "stop": asyncio.create_task(stop.wait()),
    }
    tasks["server"].add_done_callback(lambda _: listening.set())
    try:
        await listening.wait()
        _write_address(options.data, serving.url)
        if options.carrier == "simulated":
            tasks["carrier"] = asyncio.create_task(_carrier(options, runtime))
        tasks["beside"] = asyncio.ensure_future(beside(serving))
        await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(options, runtime, server, app, tasks)
    for task in tasks.values():
        error = None if task.cancelled() else task.exception()
        if isinstance(error, StoreError):
            raise _refused(error) from None
        if error is not None:
            raise error
    return signal.SIGINT in signals


def _listening(server: "Server") -> asyncio.Event:
    """Set once the server takes connections."""
    begin, listening = server.startup, asyncio.Event()

    async def startup(sockets: "list[socket.socket] | None" = None) -> None:
        await begin(sockets)
        listening.set()

    server.startup = startup  # type: ignore[method-assign]
    return listening


async def _end(options: "ServeOptions", runtime: "Embedded", server: "Server", app: "FastAPI", tasks: dict[str, asyncio.Task[Any]]) -> None:
    """Stop in order: who asks, who answers, then the ledger."""
    app.state.door.closing = True
    for name in ("beside", "carrier", "stop"):
        if name in tasks:
            tasks[name].cancel()
    await asyncio.wait([tasks[name] for name in ("beside", "carrier") if name in tasks] or [tasks["stop"]])
    server.should_exit = True
    await runtime.release_readers()
    await asyncio.wait([tasks["server"]])
    await runtime.close()
    await asyncio.wait([tasks["runtime"]])
    with suppress(OSError):
        (options.data / "address.json").unlink()


def _settings(options: "ServeOptions", runtime: "Embedded") -> "Settings":
    from hashlib import sha256

    from outdial.doors.api.deps import DEFAULT_CUSTOMER, Settings

    customer = options.customer_id or DEFAULT_CUSTOMER
    return Settings(
        tokens={sha256(one.token.encode()).hexdigest(): one.customer_id or customer for one in options.tokens},
        customer_id=customer,
        tokens_in_urls=options.query_tokens,
        not_ready=lambda: runtime.not_ready,
        host_is_loopback=_is_loopback(options.host),
    )


def _uvicorn_config(options: "ServeOptions", app: "FastAPI") -> "Config":
    import uvicorn

    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=options.log_level == "debug",
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )


def _write_address(data: Path, url: str) -> None:
    import json
    import os

    aside = data / "address.json.new"
    aside.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    aside.rename(data / "address.json")


async def _carrier(options: "ServeOptions", runtime: "Embedded") -> None:
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
