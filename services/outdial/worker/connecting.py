"""How the clients of the worker are made: one place for what all of them need to reach a cluster."""

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from outdial.connection import Connection


async def login_refused(connection: Connection) -> bool:
    """Whether a broker is there and does not take our name, password or mechanism: a client says only that it found none."""
    arguments = connection.arguments()
    del arguments["bootstrap_servers"]
    for host, port, _ in collect_hosts(connection.bootstrap):
        try:
            (await create_conn(host, port, **arguments)).close()
        except (SaslAuthenticationFailed, UnsupportedSaslMechanismError):
            return True
        except (KafkaError, OSError, TimeoutError):
            continue
    return False
