"""How the clients of the worker are made: one place for what all of them need to reach a cluster."""

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from outdial.connection import Connection
from outdial.ending import begun, disconnected


class Consumer(AIOKafkaConsumer):
    """A consumer that disconnects when it is stopped, whatever its tasks were about, and says when it has ceased to fetch."""

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None) -> dict[TopicPartition, Any]:
        """What has come, as aiokafka's.

        Raises:
            KafkaError: nothing will come any more, of which aiokafka tells nobody; or whatever it does tell.
        """
        found: dict[TopicPartition, Any] = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        if not found:
            self.check_fetches()
        return found

    def check_fetches(self) -> None:
        """Raise KafkaError when it has ceased to fetch."""
        if self._fetcher.error_future.done():
            raise KafkaError("nothing is fetched any more")

    async def start(self) -> None:
        """Connect, as aiokafka's; who is cancelled meanwhile leaves nothing open once it is stopped."""
        await begun(super().start())

    async def stop(self) -> None:
        """Disconnect. Once more does nothing."""
        await disconnected(super().stop(), self._client.close)


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
