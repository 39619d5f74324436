"""The raw loop: ``python -m benchmarks.peers.raw_loop PREFIX PARTITIONS BOOTSTRAP``.

aiokafka alone. Each command is read, and as many records of as many bytes as our ledger would write for it are
written, in transactions of the same size and with the input position in them. Nothing is parsed, kept or decided.
One transactional producer per partition, as in ours; batches by the batch builder.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from outdial.commands import AddTarget, CreateOutdial, DialResult
from outdial.dialing.ledger import Effects, Ledger
from outdial.envelope import CONTENT_TYPE
from outdial.ids import attempt_id, derived
from outdial.plan import Plan
from outdial.scalars import ZERO_ID
from outdial.topology import HEADER_CONTENT_TYPE, HEADER_INPUT, MAX_RECORD_BYTES, Topology
from outdial.wire import command_from, encode_event

RECORDS_AT_ONCE = 4_000
BATCH_BYTES = 512 * 1024
KEY = b"7f1b1c5e-0000-4000-8000-000000000002"

Written = list[tuple[bool, bytes]]
"""Values of records, and whether it is a dial request."""


def sample() -> dict[str, Written]:
    """What our ledger writes for a command of each type."""
    outdial_id, target_id = derived(ZERO_ID, "outdial"), derived(ZERO_ID, "target")
    ledger = Ledger(lambda text: blake2b(text.encode(), digest_size=16).hexdigest(), "0123456789abcdef")
    now = 1_790_000_000_000_000
    create = CreateOutdial(id=outdial_id, outdial_id=outdial_id, plan=Plan(max_try_count_0=3, max_concurrent=0))
    add = command_from(
        {
            "type": "AddTarget",
            "id": target_id,
            "outdial_id": outdial_id,
            "target_id": target_id,
            "name": "John Smith",
            "destination_0": {"type": "tel", "target": "+12025550123"},
        }
    )
    attempt = attempt_id(outdial_id, target_id, 1)
    said = DialResult(id=attempt, outdial_id=outdial_id, target_id=target_id, attempt_id=attempt, outcome="answered")
    assert isinstance(add, AddTarget)
    return {
        "CreateOutdial": _written([ledger.decide(create, now)]),
        "AddTarget": _written([ledger.decide(add, now), *ledger.tick(now, now, 10)]),
        "DialResult": _written([ledger.decide(said, now)]),
    }


def _written(found: list[Effects]) -> Written:
    events = [(False, encode_event(event)) for effects in found for event in effects.events]
    return events + [(True, request) for effects in found for _, request in effects.requests]


class Loop:
    """One partition."""

    def __init__(self, topology: Topology, number: int, bootstrap: str, consumer: AIOKafkaConsumer, samples: dict[bytes, Written]) -> None:
        self._topology = topology
        self._place = TopicPartition(topology.commands, number)
        self._consumer = consumer
        self._samples = samples
        self._events = TopicPartition(topology.events, number)
        self._requests = [TopicPartition(topology.dial_requests, one) for one in range(topology.partitions)]
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id=topology.transactional_id(number),
            transaction_timeout_ms=10_000,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_RECORD_BYTES,
        )

    async def run(self) -> None:
        """Read and write for ever."""
        await self._producer.start()
        try:
            at_once = RECORDS_AT_ONCE * 2 // 5
            while True:
                found = await self._consumer.getmany(self._place, timeout_ms=1_000, max_records=at_once)
                for records in found.values():
                    await self._turn(records)
        finally:
            await self._producer.stop()

    async def _turn(self, records: Sequence[Any]) -> None:
        producer, topology = self._producer, self._topology
        batches: dict[TopicPartition, list[Any]] = {}
        for number, record in enumerate(records):
            headers = [(HEADER_CONTENT_TYPE, CONTENT_TYPE.encode()), (HEADER_INPUT, b"%d" % (record.offset + 1))]
            for asked, text in self._samples[record.value[9:12]]:
                # Requests are keyed by target, and so go to any partition; what they are about is not looked at here.
                place = self._requests[number % topology.partitions] if asked else self._events
                found = batches.setdefault(place, [])
                if not found or found[-1].append(key=KEY, value=text, timestamp=None, headers=[] if asked else headers) is None:
                    found.append(producer.create_batch())
                    found[-1].append(key=KEY, value=text, timestamp=None, headers=[] if asked else headers)
        await producer.begin_transaction()
        sent = []
        for place, found in batches.items():
            for batch in found:
                batch.close()
                sent.append(await producer.send_batch(batch, place.topic, partition=place.partition))
        position = OffsetAndMetadata(records[-1].offset + 1, "")
        await producer.send_offsets_to_transaction({self._place: position}, topology.ledger_group)
        await asyncio.gather(*sent)
        await producer.commit_transaction()


async def main(prefix: str, partitions: int, bootstrap: str) -> None:
    """Run until SIGTERM."""
    topology = Topology(prefix, partitions)
    samples = {name[:3].encode(): written for name, written in sample().items()}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=topology.ledger_group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=250,
    )
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await consumer.start()
    consumer.assign([TopicPartition(topology.commands, number) for number in range(partitions)])
    loops = [asyncio.create_task(Loop(topology, number, bootstrap, consumer, samples).run()) for number in range(partitions)]
    ending = asyncio.create_task(stopped.wait())
    try:
        done, _ = await asyncio.wait([ending, *loops], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (*loops, ending):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*loops, ending, return_exceptions=True)
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
