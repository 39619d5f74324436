"""A member of the group that has a name, and hears when another process has taken it.

aiokafka's heartbeats and offset commits do not say the name. The broker then answers as if the member were merely
forgotten, the member joins anew under its name, and throws out who has it now: two processes that were given one name
would do so to each other for ever. With the name in its heartbeat the broker tells the older one that it has lost it.
"""

from collections.abc import Callable
from typing import Any, Final

from aiokafka.errors import KafkaError, UnknownMemberIdError
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v1
from aiokafka.protocol.types import Int32, Schema, String

FENCED_INSTANCE_ID: Final = 82
"""The broker's word for: another member has this name."""


class InstanceTaken(KafkaError):
    """Another process has joined the group under the name of this one."""


class _Response(HeartbeatResponse_v1):
    API_VERSION = 3


class _Struct(RequestStruct):
    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        ("group", String("utf-8")), ("generation_id", Int32), ("member_id", String("utf-8")), ("group_instance_id", String("utf-8"))
    )


class _Heartbeat(Request[_Struct]):
    """A heartbeat that says the member's name."""

    API_KEY = 12

    def __init__(self, *fields: Any) -> None:
        self._fields = fields

    def build(self, request_struct_class: type[_Struct]) -> _Struct:
        """As it goes out."""
        return request_struct_class(*self._fields)


def watch_name(client: Any, instance: str, taken: Callable[[], None]) -> None:
    """Let a client of the group say the name of its member, and tell when it is another's. ``taken`` may be called again and again."""
    send = client.send

    async def named(node_id: int, request: Any, **place: Any) -> Any:
        if isinstance(request, HeartbeatRequest):
            request = _Heartbeat(*_member(request), instance)
        response = await send(node_id, request, **place)
        lost = getattr(response, "error_code", 0) == FENCED_INSTANCE_ID
        if isinstance(request, OffsetCommitRequest) and _forgotten(response):
            told = await send(node_id, _Heartbeat(*_member(request), instance), **place)
            lost = told.error_code == FENCED_INSTANCE_ID
        if lost:
            taken()
            raise InstanceTaken(f"another process runs as the instance {instance}")
        return response

    client.send = named


def _member(request: Any) -> tuple[Any, Any, Any]:
    """Group, generation and member that a request speaks for."""
    if isinstance(request, OffsetCommitRequest):
        return request._consumer_group, request._consumer_group_generation_id, request._consumer_id  # noqa: SLF001  aiokafka tells no other way
    return request._group, request._generation_id, request._member_id  # noqa: SLF001  as above


def _forgotten(response: Any) -> bool:
    return any(error == UnknownMemberIdError.errno for _, partitions in response.topics for _, error in partitions)
