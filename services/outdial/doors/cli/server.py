"""Verbs that run the program itself: ``demo``, ``serve``, ``views``, ``doctor``, ``schemas``."""

import os
from collections.abc import Mapping
from pathlib import Path
from time import time_ns
from typing import Annotated, Literal, cast

import typer

from outdial.doors.cli.actions import CarrierName, Role, ServeOptions, Serving
from outdial.doors.cli.folders import LastCheck, keep_check
from outdial.doors.cli.session import Session, say
from outdial.doors.cli.verbs import group, verb

DIFFERENT = 1

Host = Annotated[str | None, typer.Option("--host", help="Default: $OUTDIAL_HOST, else 127.0.0.1.")]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=0, max=65_535, help="Default: $OUTDIAL_PORT, else 8080 (ledger 8090, worker 8095) or the next free one. 0: any."
    ),
]
Cert = Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate chain, PEM.")]
Key = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key, PEM.")]
Tokens = Annotated[
    list[str] | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        help="Let in who has it: TOKEN or CUSTOMER=TOKEN; may be repeated. Better: $OUTDIAL_TOKENS or $OUTDIAL_TOKENS_FILE.",
    ),
]
RateOfAddress = Annotated[
    str | None,
    typer.Option("--rate-limit-ip", metavar="RATE", help="Requests of one address: 200/400 is 200 a second, 400 at once. Default: any."),
]
RateOfCustomer = Annotated[
    str | None, typer.Option("--rate-limit-customer", metavar="RATE", help="Requests of one customer, likewise. Default: any.")
]
AllowedOrigins = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-origin",
        metavar="ORIGIN",
        help="A site whose pages may ask here, with a token: https://app.example; may be repeated. $OUTDIAL_ALLOWED_ORIGINS.",
    ),
]
Carrier = Annotated[
    Literal["none", "simulated"] | None, typer.Option("--carrier", help="simulated: place every call with the simulated carrier.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the simulated carrier.")]
Speed = Annotated[float | None, typer.Option("--speed", min=0.01, max=100_000, help="Seconds of the ledger's clock in one second.")]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"] | None, typer.Option("--log-level")]
Bootstrap = Annotated[
    str | None,
    typer.Option("--kafka", metavar="HOST:PORT", help="Keep the log on this Kafka cluster. Default: $OUTDIAL_KAFKA__BOOTSTRAP_SERVERS."),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write them.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin another list, also when the last one is not done.")]
Leave = Annotated[bool, typer.Option("--exit", help="Leave when every target is done, in place of serving on.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(app, "demo", "outdial demo\noutdial demo --speed 60\noutdial demo --data ./demo --port 9000", local=True)(demo)
    verb(
        app,
        "serve",
        "outdial serve\noutdial serve --data ./data --port 9000\noutdial serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem",
        local=True,
    )(serve)
    views = group("views", "The views: what is read, built from the log.", "outdial views verify\noutdial views rebuild")
    verb(views, "rebuild", "outdial views rebuild\noutdial views rebuild --data ./api --kafka localhost:9092", local=True)(rebuild)
    verb(views, "verify", "outdial views verify\noutdial views verify --data ./api --kafka localhost:9092", local=True)(verify)
    app.add_typer(views)
    verb(
        app,
        "doctor",
        "outdial doctor\noutdial doctor --data ./data --json\noutdial doctor --kafka localhost:9092",
        local=True,
        lenient=True,
    )(doctor)
    schemas = group("schemas", "The published message formats.", "outdial schemas export --out ./schemas")
    verb(schemas, "export", "outdial schemas export --out ./schemas", local=True)(export)
    app.add_typer(schemas)


def serve(
    session: Session,
    host: Host = None,
    port: Port = None,
    tls_cert: Cert = None,
    tls_key: Key = None,
    token: Tokens = None,
    rate_limit_ip: RateOfAddress = None,
    rate_limit_customer: RateOfCustomer = None,
    allowed_origin: AllowedOrigins = None,
    carrier: Carrier = None,
    seed: Seed = None,
    speed: Speed = None,
    kafka: Bootstrap = None,
    log_level: LogLevel = None,
) -> None:
    """Run the service until Ctrl-C or SIGTERM: all of it, in this one process."""
    flags = {
        "kafka__bootstrap_servers": kafka,
        "host": host,
        "port": port,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "rate_limit_ip": rate_limit_ip,
        "rate_limit_customer": rate_limit_customer,
        "allowed_origins": None if allowed_origin is None else " ".join(allowed_origin),
        "carrier": carrier,
        "seed": seed,
        "speed": speed,
        "log_level": log_level,
    }
    import asyncio

    options = serve_options(session.folder, flags, token)

    async def beside(serving: Serving) -> None:
        announce(session, serving, options)
        await asyncio.Event().wait()

    session.actions.serve(options, beside)


def serve_options(folder: Path, flags: Mapping[str, object], tokens: list[str] | None = None, role: Role = "serve") -> ServeOptions:
    """Flags and environment as one, checked."""
    from outdial.doors.cli.actions import DEFAULT_PORT, DEFAULT_PORTS
    from outdial.doors.cli.names import effective
    from outdial.doors.cli.settings import credential, load

    settings = load(effective(os.environ), flags)
    if (settings.tls_cert is None) is not (settings.tls_key is None):
        message = "--tls-cert and --tls-key go together"
        raise typer.BadParameter(message)
    for file in (settings.tls_cert, settings.tls_key):
        if file is not None and not os.access(file, os.R_OK):
            message = f"{file} cannot be read"
            raise typer.BadParameter(message)
    if settings.carrier not in ("none", "simulated"):
        message = f"a server has the carriers none and simulated, not {settings.carrier}; outdial worker has others"
        raise typer.BadParameter(message)
    return ServeOptions(
        role=role,
        cluster=settings.cluster,
        data=folder,
        host=settings.host,
        port=DEFAULT_PORTS.get(role, DEFAULT_PORT) if settings.port is None else settings.port,
        next_port=settings.port is None,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
        tokens=tuple(map(credential, tokens)) if tokens else settings.credentials,
        query_tokens=settings.query_tokens,
        rate_limit_ip=settings.rate_limit_ip,
        rate_limit_customer=settings.rate_limit_customer,
        allowed_origins=settings.origins,
        private_webhooks=settings.webhook_private,
        customer_id=settings.customer_id,
        fingerprint_key=None if settings.fingerprint_key is None else settings.fingerprint_key.get_secret_value(),
        carrier=cast("CarrierName", settings.carrier),
        seed=settings.seed,
        speed=settings.speed,
        log_level=settings.log_level,
        log_form=settings.log_form,
    )


def announce(session: Session, serving: Serving, options: ServeOptions) -> None:
    """Say where the service is."""
    if session.as_data:
        session.print(
            {"url": serving.url, "data": str(serving.data), "position": str(serving.position), "pid": os.getpid(), "open": serving.open}
        )
    warn_about_port(serving)
    say(f"outdial serves {serving.url}/v1.0   data: {serving.data}   log position: {serving.position}")
    if serving.open:
        say("no token is asked for: only this machine can reach it. Set OUTDIAL_TOKEN to ask for one.")
    if options.carrier == "simulated":
        say(f"calls are simulated (seed {options.seed}, speed {options.speed:g})")
    if options.role != "ledger":
        say(f"the page: {serving.url}")


def warn_about_port(serving: Serving) -> None:
    """Say it when the port is another one than was expected."""
    port = int(serving.url.rsplit(":", 1)[1])
    if serving.port_wanted not in (0, port):
        say(f"port {serving.port_wanted} is in use; taking {port}")


def demo(
    session: Session,
    host: Host = None,
    port: Port = None,
    seed: Seed = None,
    speed: Speed = None,
    fresh: Fresh = False,
    leave: Leave = False,
) -> None:
    """See it work: 500 made-up targets, simulated calls.

    The data is kept, and the next demo goes on with it.
    """
    from outdial.doors.cli.demo import run_demo

    run_demo(session, {"host": host, "port": port, "seed": seed, "speed": speed}, fresh=fresh, leave=leave)


def rebuild(session: Session, kafka: Bootstrap = None) -> None:
    """Build all views again from the beginning of the log.

    Where the log is on Kafka, --kafka says where.
    """
    from outdial.doors.cli.progress import Progress
    from outdial.doors.cli.settings import load

    cluster = load(session.environment, {"kafka__bootstrap_servers": kafka}).cluster
    with Progress("rebuild", None, "events") as progress:
        position = session.actions.views_rebuild(session.folder, cluster, lambda done, total: progress.at(done, f"of {total:,}"))
    keep_check(session.folder, None)
    if session.as_data:
        session.print({"position": str(position)})
    else:
        print(f"the views are built up to position {position}")


def verify(session: Session, kafka: Bootstrap = None) -> None:
    """Build the views aside and compare them with the live ones. Exit code 1 when they differ.

    The page shows under System what came of it last. Where the log is on Kafka, --kafka says where.
    """
    from outdial.doors.cli.progress import Progress
    from outdial.doors.cli.settings import load

    cluster = load(session.environment, {"kafka__bootstrap_servers": kafka}).cluster
    with Progress("verify", None, "events") as progress:
        found = session.actions.views_verify(session.folder, cluster, lambda done, total: progress.at(done, f"of {total:,}"))
    try:
        keep_check(session.folder, LastCheck(time_ns() // 1_000, str(found.position), found.equal))
    except OSError as error:
        say(f"the page will not know of it: {session.folder} cannot be written ({error.strerror})")
    if session.as_data:
        session.print({"position": str(found.position), "equal": found.equal, "live": found.live, "rebuilt": found.rebuilt})
    else:
        print(f"{'equal' if found.equal else 'DIFFERENT'} at position {found.position}: {found.live} live, {found.rebuilt} rebuilt")
    if not found.equal:
        say("to fix: stop the service, then outdial views rebuild")
        raise typer.Exit(DIFFERENT)


def doctor(session: Session, host: Host = None, port: Port = None, kafka: Bootstrap = None) -> None:
    """Look for what would keep it from running well.

    Exit code 1 when a check fails.
    """
    from outdial.doors.cli.doctor import checks

    found = list(checks(session.actions, session.folder, host, port, kafka, os.environ))
    if session.as_data:
        session.print(
            [{"check": check.name, "ok": check.ok, "note": check.note, "detail": check.detail, "fix": check.fix} for check in found]
        )
    else:
        for check in found:
            print(f"{'note' if check.note else 'ok  ' if check.ok else 'FAIL'}  {check.name:<12} {check.detail}")
            if not check.ok:
                print(f"      FIX: {check.fix}")
    if not all(check.ok for check in found):
        raise typer.Exit(1)


def export(session: Session, out: Out = Path("schemas/json")) -> None:
    """Write JSON Schema of every message, AsyncAPI and OpenAPI."""
    documents = session.actions.schemas()
    for name, content in documents.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    if session.as_data:
        session.print(sorted(str(out / name) for name in documents))
    else:
        print(f"{len(documents)} documents in {out}")
