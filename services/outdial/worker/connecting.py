"""How the clients of the worker are made: one place for what all of them need to reach a cluster."""

from typing import Any, Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
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


async def login_refused(connection: Connection) -> bool:
    """Whether a broker is there and does not take our name, password or mechanism: a client says only that it found none."""
    arguments = client_arguments(connection)
    del arguments["bootstrap_servers"]
    for host, port, _ in collect_hosts(connection.bootstrap):
        try:
            (await create_conn(host, port, **arguments)).close()
        except (SaslAuthenticationFailed, UnsupportedSaslMechanismError):
            return True
        except (KafkaError, OSError, TimeoutError):
            continue
    return False
