"""How the clients of the worker are made: one place for what all of them need to reach a cluster."""

from typing import Any, Final

from aiokafka.helpers import create_ssl_context

from outdial.connection import Connection

REQUEST_TIMEOUT_MS: Final = 10_000


def client_arguments(connection: Connection) -> dict[str, Any]:
    """Arguments of every client of a cluster.

    Raises:
        OSError: a certificate or key cannot be read.
    """
    arguments = connection.arguments() | {"request_timeout_ms": REQUEST_TIMEOUT_MS}
    if connection.encrypted:
        arguments["ssl_context"] = create_ssl_context(**connection.certificates())
    return arguments
