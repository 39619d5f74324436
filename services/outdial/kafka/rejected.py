"""The newest commands that were refused, read from the end of their topic."""

import asyncio
from heapq import nlargest
from typing import Any, Final

from aiokafka.structs import TopicPartition

from outdial.commands import COMMANDS
from outdial.connection import Connection
from outdial.kafka.connecting import reader
from outdial.kafka.errors import FORBIDDEN, PASSING
from outdial.kafka.log import IDLE_MS
from outdial.requests import Rejected, Rejection, Unavailable
from outdial.topology import Topology
from outdial.wire import Malformed, from_json

LOOKED_AT: Final = 1_000
"""Offsets at the end of each partition that are read, and how many refusals are kept of them all."""
PATIENCE_S: Final = 4.0
MOST_RECORDS: Final = 200


async def newest(connection: Connection, topology: Topology) -> list[Rejected]:
    """The newest refusals of all partitions, newest first, without the bytes that were refused.

    Raises:
        Unavailable: ``kafka_unavailable``, ``kafka_forbidden``.
    """
    places = [TopicPartition(topology.rejections, number) for number in range(topology.partitions)]
    consumer = reader(connection)
    found: list[Rejected] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            await consumer.start()
            consumer.assign(places)
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            left = {place: ends[place] for place in places if ends[place] > begins[place]}
            for place, end in left.items():
                consumer.seek(place, max(begins[place], end - LOOKED_AT))
            while left:
                batches = await consumer.getmany(*left, timeout_ms=IDLE_MS, max_records=MOST_RECORDS)
                told = [_rejected(record) for records in batches.values() for record in records]
                found = nlargest(LOOKED_AT, [*found, *filter(None, told)], key=_age)
                for place in [place for place, end in left.items() if await consumer.position(place) >= end]:
                    del left[place]
                    consumer.pause(place)
    except FORBIDDEN as error:
        message = "this user may not read the rejections; docs/kafka.md lists the rights of each role"
        raise Unavailable("kafka_forbidden", message) from error
    except PASSING as error:
        raise Unavailable("kafka_unavailable", "Kafka does not answer") from error
    finally:
        await consumer.stop()
    return found


def _rejected(record: Any) -> Rejected | None:
    """A record of the topic; None: somebody else wrote it."""
    try:
        told = Rejection.model_validate_json(record.value or b"")
    except ValueError:
        return None
    stream, named, is_readable = _about(told.original)
    return Rejected(stream, named, is_readable, told.model_copy(update={"original": ""}))


def _about(original: str) -> tuple[str, str | None, bool]:
    """What a command is about, the customer it names, if it names one, and whether it could be read at all."""
    try:
        fields = from_json(original)
    except Malformed:
        return "", None, False
    if not isinstance(fields, dict):
        return "", None, False
    model, named = COMMANDS.get(str(fields.get("type"))), fields.get("customer_id")
    stream = "" if model is None else str(fields.get(model.stream_field, "")).lower()
    return stream, None if named is None else str(named).lower(), True


def _age(one: Rejected) -> tuple[int, int, int]:
    told = one.told
    return told.at, told.offset or 0, told.partition or 0
