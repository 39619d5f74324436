"""Verbs of an installation on Kafka: ``ledger``, ``api``, ``worker``, ``topics``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from outdial.doors.cli.actions import USAGE, Beside, Cluster, Refused, Serving, WorkerOptions
from outdial.doors.cli.server import (
    AllowedOrigins,
    Bootstrap,
    Cert,
    Host,
    Key,
    LogLevel,
    Port,
    RateOfAddress,
    RateOfCustomer,
    Seed,
    Speed,
    Tokens,
    announce,
    serve_options,
    warn_about_port,
)
from outdial.doors.cli.session import Session, say
from outdial.doors.cli.verbs import group, verb

WRONG = 1

Prefix = Annotated[
    str | None, typer.Option("--prefix", help="What the names of the topics begin with. Default: $OUTDIAL_TOPIC_PREFIX, else outdial.")
]
Partitions = Annotated[
    int | None, typer.Option("--partitions", min=1, max=4_096, help="Default: $OUTDIAL_PARTITIONS, else 12. It can never change.")
]
Instance = Annotated[
    str | None,
    typer.Option(
        "--instance",
        help="A name of this process among the ledgers: it may restart within 10 s and keep its partitions. $OUTDIAL_INSTANCE.",
    ),
]
CarrierOf = Annotated[
    str | None,
    typer.Option("--carrier", metavar="NAME", help="simulated, webhook, or package.module:name of one of your own. $OUTDIAL_CARRIER."),
]
MaxCalls = Annotated[int | None, typer.Option("--max-calls", min=1, help="Calls open at once. Default: $OUTDIAL_MAX_CALLS, else 100.")]
Claim = Annotated[bool | None, typer.Option("--claim/--no-claim", help="Ask the ledger before each call. Default: yes.")]
WebhookUrl = Annotated[
    str | None, typer.Option("--webhook-url", metavar="URL", help="$OUTDIAL_WEBHOOK_URL. The secret: $OUTDIAL_WEBHOOK_SECRET.")
]
CallsFile = Annotated[Path | None, typer.Option("--calls-file", metavar="FILE", help="Note every simulated call there, a line each.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(app, "ledger", "outdial ledger --kafka localhost:9092\noutdial ledger --instance ledger-1", local=True)(ledger)
    verb(app, "api", "outdial api --kafka localhost:9092\noutdial api --host 0.0.0.0 --port 8080 --data ./api-1", local=True)(api)
    verb(
        app,
        "worker",
        "outdial worker --kafka localhost:9092 --carrier simulated\noutdial worker --carrier our.phones:OurPhones\n"
        "outdial worker --carrier webhook --webhook-url https://pbx.example/calls",
        local=True,
    )(worker)
    topics = group("topics", "The topics of an installation.", "outdial topics create --kafka localhost:9092\noutdial topics check")
    verb(topics, "create", "outdial topics create --kafka localhost:9092 --partitions 12", local=True)(create)
    verb(topics, "show", "outdial topics show", local=True)(show)
    verb(topics, "check", "outdial topics check", local=True)(check)
    app.add_typer(topics)


def ledger(
    session: Session,
    kafka: Bootstrap = None,
    prefix: Prefix = None,
    partitions: Partitions = None,
    instance: Instance = None,
    host: Host = None,
    port: Port = None,
    log_level: LogLevel = None,
) -> None:
    """Decide commands: one of the processes that share the partitions.

    The data folder (--data) keeps snapshots, so that a start is quick; it may be lost. Every ledger needs the same
    OUTDIAL_FINGERPRINT_KEY. Its port answers /healthz, /readyz and /metrics.
    """
    flags = _cluster_flags(kafka, prefix, partitions) | {"instance": instance, "host": host, "port": port, "log_level": log_level}
    options = serve_options(session.folder, flags, role="ledger")
    _named(options.cluster)
    session.actions.serve(options, _beside(session))


def api(
    session: Session,
    kafka: Bootstrap = None,
    prefix: Prefix = None,
    partitions: Partitions = None,
    host: Host = None,
    port: Port = None,
    tls_cert: Cert = None,
    tls_key: Key = None,
    token: Tokens = None,
    rate_limit_ip: RateOfAddress = None,
    rate_limit_customer: RateOfCustomer = None,
    allowed_origin: AllowedOrigins = None,
    log_level: LogLevel = None,
) -> None:
    """Serve HTTP over Kafka; any number of these behave as one.

    The data folder (--data) keeps this process's own views; it may be lost, and is built again from the log.
    """
    flags = _cluster_flags(kafka, prefix, partitions) | {
        "host": host,
        "port": port,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "rate_limit_ip": rate_limit_ip,
        "rate_limit_customer": rate_limit_customer,
        "allowed_origins": None if allowed_origin is None else " ".join(allowed_origin),
        "log_level": log_level,
    }
    options = serve_options(session.folder, flags, token, role="api")
    _named(options.cluster)

    async def beside(serving: Serving) -> None:
        announce(session, serving, options)
        await _for_ever()

    session.actions.serve(options, beside)


def worker(
    session: Session,
    kafka: Bootstrap = None,
    prefix: Prefix = None,
    carrier: CarrierOf = None,
    max_calls: MaxCalls = None,
    claim: Claim = None,
    seed: Seed = None,
    speed: Speed = None,
    calls_file: CallsFile = None,
    webhook_url: WebhookUrl = None,
    host: Host = None,
    port: Port = None,
    log_level: LogLevel = None,
) -> None:
    """Place calls: one of the processes that share the dial requests.

    Needs the extra: pip install "outdial[worker]". Its port answers /healthz, /readyz and /metrics.
    """
    from outdial.doors.cli.actions import DEFAULT_PORTS
    from outdial.doors.cli.settings import load

    flags = _cluster_flags(kafka, prefix, None) | {
        "carrier": carrier,
        "max_calls": max_calls,
        "claim": claim,
        "seed": seed,
        "speed": speed,
        "webhook_url": webhook_url,
        "host": host,
        "port": port,
        "log_level": log_level,
    }
    settings = load(session.environment, flags)
    if settings.carrier == "none":
        raise Refused(
            "carrier_missing",
            "nothing says how calls are placed",
            "name a carrier: --carrier simulated, webhook, or package.module:name",
            USAGE,
        )
    secret = settings.webhook_secret
    options = WorkerOptions(
        cluster=_named(settings.cluster),
        carrier=settings.carrier,
        max_calls=settings.max_calls,
        claim=settings.claim,
        seed=settings.seed,
        speed=settings.speed,
        calls_file=calls_file,
        webhook_url=settings.webhook_url,
        webhook_secret=None if secret is None else secret.get_secret_value(),
        webhook_private=settings.webhook_private,
        host=settings.host,
        port=DEFAULT_PORTS["worker"] if settings.port is None else settings.port,
        next_port=settings.port is None,
        log_level=settings.log_level,
        log_form=settings.log_form,
    )
    session.actions.work(options, _beside(session))


def create(session: Session, kafka: Bootstrap = None, prefix: Prefix = None, partitions: Partitions = None) -> None:
    """Make the topics that are not there. Those that are there are left as they are."""
    made = session.actions.topics_create(_cluster(session, kafka, prefix, partitions))
    if session.as_data:
        session.print(made)
    else:
        print("\n".join(f"made {name}" for name in made) or "all topics are there")


def show(session: Session, kafka: Bootstrap = None, prefix: Prefix = None, partitions: Partitions = None) -> None:
    """Show the topics as they are."""
    _told(session, _cluster(session, kafka, prefix, partitions))


def check(session: Session, kafka: Bootstrap = None, prefix: Prefix = None, partitions: Partitions = None) -> None:
    """Look whether the topics are as they must be. Exit code 1 when a process would refuse to start on them."""
    if _told(session, _cluster(session, kafka, prefix, partitions)):
        raise typer.Exit(WRONG)


def _told(session: Session, cluster: Cluster) -> bool:
    """Print the topics; whether no process may start on them."""
    found = session.actions.topics_show(cluster)
    if session.as_data:
        session.print(
            [
                {
                    "topic": topic.name,
                    "partitions": topic.partitions,
                    "replicas": topic.replicas,
                    "ok": not topic.faults,
                    "faults": topic.faults,
                    "fix": topic.fix,
                }
                for topic in found
            ]
        )
    else:
        for topic in found:
            state = f"{topic.partitions} partitions, {topic.replicas} replicas" if topic.partitions else "not there"
            print(f"{'FAIL' if topic.refuses else 'warn' if topic.faults else 'ok  '}  {topic.name:<28} {state}")
            for fault in topic.faults:
                print(f"      {fault}")
            if topic.faults:
                print(f"      FIX: {topic.fix}")
    return any(topic.refuses for topic in found)


def _cluster_flags(kafka: str | None, prefix: str | None, partitions: int | None) -> dict[str, object]:
    return {"kafka__bootstrap_servers": kafka, "topic_prefix": prefix, "partitions": partitions}


def _cluster(session: Session, kafka: str | None, prefix: str | None, partitions: int | None) -> Cluster:
    from outdial.doors.cli.settings import load

    return _named(load(session.environment, _cluster_flags(kafka, prefix, partitions)).cluster)


def _named(cluster: Cluster | None) -> Cluster:
    """The cluster that was named.

    Raises:
        Refused: none was (exit code 2).
    """
    if cluster is None:
        raise Refused(
            "kafka_missing", "no Kafka cluster is named", "name one with --kafka HOST:PORT or OUTDIAL_KAFKA__BOOTSTRAP_SERVERS", USAGE
        )
    return cluster


def _beside(session: Session) -> Beside:
    async def beside(serving: Serving) -> None:
        if session.as_data:
            session.print({"role": serving.role, "url": serving.url, "pid": os.getpid()})
        warn_about_port(serving)
        say(f"outdial {serving.role} runs; {serving.url}/readyz says whether it works")
        await _for_ever()

    return beside


async def _for_ever() -> None:
    import asyncio

    await asyncio.Event().wait()
