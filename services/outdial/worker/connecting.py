"""How the clients of the worker are made: one place for what all of them need to reach a cluster."""

from pathlib import Path
from typing import Any, Final

from aiokafka.helpers import create_ssl_context

from outdial.connection import Connection

REQUEST_TIMEOUT_MS: Final = 10_000


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


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
