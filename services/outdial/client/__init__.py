"""Clients of the service, for asyncio: ``Client`` over HTTP, ``KafkaClient`` over Kafka, and what can go wrong (``errors``).

Each is loaded when it is first used: who speaks HTTP needs no Kafka.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from outdial.client.errors import ClientError
    from outdial.client.http import Client
    from outdial.client.kafka import KafkaClient

__all__ = ["Client", "ClientError", "KafkaClient"]
_WHERE: Final = {"Client": "http", "ClientError": "errors", "KafkaClient": "kafka"}


def __getattr__(name: str) -> Any:
    """What is not loaded yet."""
    if name not in _WHERE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
