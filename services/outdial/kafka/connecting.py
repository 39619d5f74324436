"""How the clients of this runtime are made: one place for what all of them need to reach a cluster."""

from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.helpers import create_ssl_context

from outdial.connection import Connection
from outdial.topology import MAX_RECORD_BYTES

REQUEST_TIMEOUT_MS: Final = 10_000
RETRY_MS: Final = 20
"""How soon a reader asks again for what a broker does not know yet: a new topic, who leads a partition, who coordinates a group."""


def client_arguments(connection: Connection) -> dict[str, Any]:
    """Arguments of every client of a cluster.

    Raises:
        OSError: a certificate or key cannot be read.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": connection.bootstrap,
        "security_protocol": connection.security_protocol,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
    }
    if connection.security_protocol in ("SSL", "SASL_SSL"):
        arguments["ssl_context"] = create_ssl_context(
            cafile=_text(connection.ssl_cafile), certfile=_text(connection.ssl_certfile), keyfile=_text(connection.ssl_keyfile)
        )
    if connection.security_protocol.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": connection.sasl_mechanism,
            "sasl_plain_username": connection.sasl_username,
            "sasl_plain_password": connection.sasl_password,
        }
    return arguments


def reader(connection: Connection, *, uncommitted: bool = False) -> AIOKafkaConsumer:
    """A consumer without a group, for partitions that are assigned by hand.

    ``uncommitted``: for asking offsets only; it sees transactions that are still open.
    """
    return AIOKafkaConsumer(
        **client_arguments(connection),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_uncommitted" if uncommitted else "read_committed",
        max_partition_fetch_bytes=MAX_RECORD_BYTES,
        retry_backoff_ms=RETRY_MS,
    )


def _text(path: object) -> str | None:
    return None if path is None else str(path)
