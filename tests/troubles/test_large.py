"""Effects larger than a transaction are carried out in parts, and whoever else is on the partition has its turn between them."""

import asyncio
from collections import Counter
from itertools import pairwise
from time import monotonic
from typing import Any

from outdial.dialing.fingerprints import fingerprint_of, key_id_of
from outdial.dialing.ledger import Effects, Ledger
from outdial.dialing.running import REVIVED_AT_ONCE
from outdial.kafka.partition import BYTES_AT_ONCE, RECORDS_AT_ONCE
from outdial.wire import command_from, encode_event
from troubles.stage import CUSTOMER, KEY, Stage, add, new_id, wall

EXHAUSTED = 5_000
LEAST_S = 10.0


class Past:
    """What a partition's ledger did before anybody looked: decided here, and written to its log as it would have written it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ledger = Ledger(fingerprint_of(KEY), key_id_of(KEY))
        self._events: list[tuple[bytes, bytes]] = []
        self.now = wall() - 3_600_000_000
        self.open: list[tuple[str, str]] = []

    def decide(self, **command: Any) -> None:
        """Carry out a command."""
        self._keep(self._ledger.decide(command_from({"id": new_id(), **command}).model_copy(update={"customer_id": CUSTOMER}), self.now))

    def tick(self) -> None:
        """Carry out what is due."""
        while due := self._ledger.tick(self.now, 0, 1_000):
            for effects in due:
                self._keep(effects)

    def targets(self, outdial_id: str, count: int) -> None:
        """Give an outdial targets."""
        for first in range(0, count, 500):
            targets = [
                {"target_id": new_id(), "destination_0": {"type": "tel", "target": f"+1555{number:07}"}}
                for number in range(first, min(first + 500, count))
            ]
            self.decide(type="AddTargets", outdial_id=outdial_id, targets=targets)

    def _keep(self, effects: Effects) -> None:
        assert effects.result == "events"
        for event in effects.events:
            self._events.append((event.stream.encode(), encode_event(event)))
        self.open += [(event.data.target_id, event.data.attempt_id) for _, event in effects.asked]  # type: ignore[attr-defined]

    async def write(self, partition: int = 0) -> None:
        """Put it into the log."""
        producer = await self._stage.producer()
        batch, futures = producer.create_batch(), []
        headers = [("input", b"0")]
        for key, value in self._events:
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                futures.append(await producer.send_batch(batch, self._stage.topology.events, partition=partition))
                batch = producer.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=headers)
        futures.append(await producer.send_batch(batch, self._stage.topology.events, partition=partition))
        await asyncio.gather(*futures)


async def transactions(stage: Stage, first: int, partition: int = 0) -> list[list[Any]]:
    """The events of a partition from an offset on, by transaction: after the last of each stands the mark of its end."""
    records = [record for record in await stage.read("events", first) if record.partition == partition]
    found = [[records[0]]]
    for before, record in pairwise(records):
        if record.offset > before.offset + 1:
            found.append([])
        found[-1].append(record)
    return found


async def exhausted(stage: Stage, count: int) -> tuple[str, int]:
    """An outdial of which everybody was called once, in vain; and where the log ends."""
    past, outdial_id = Past(stage), stage.stream()
    plan = {"max_try_count_0": 1, "try_interval": 1, "max_concurrent": 0}
    past.decide(type="CreateOutdial", outdial_id=outdial_id, plan=plan)
    past.targets(outdial_id, count)
    past.tick()
    for target_id, attempt_id in past.open:
        past.decide(type="DialResult", outdial_id=outdial_id, target_id=target_id, attempt_id=attempt_id, outcome="busy")
    await past.write()
    return outdial_id, len(past._events)  # noqa: SLF001  its own


async def test_a_plan_that_brings_back_many_targets_does_so_in_parts_and_others_have_their_turn(stage: Stage) -> None:
    await brought_back(stage, EXHAUSTED)


async def brought_back(stage: Stage, count: int) -> float:
    """How long the slowest command of others took while a plan brought back so many targets, seconds."""
    outdial_id, end = await exhausted(stage, count)
    slowest = 0.0
    async with stage.ledgers() as ledgers:
        other = await stage.outdial()
        plan = {"max_try_count_0": 2, "try_interval": 1, "max_concurrent": 0}
        await stage.send({"type": "StartDialing", "id": new_id(), "outdial_id": outdial_id, "plan": plan})
        while len(ledgers.partitions[0]._ledger.outdials[outdial_id].open) < count:  # noqa: SLF001  it is the partition's own
            began = monotonic()
            target_id = new_id()
            await stage.ask(add(other, target_id))
            slowest = max(slowest, monotonic() - began)
            assert ledgers.failure is None
    told = await transactions(stage, end)
    kinds = Counter(b"TargetRevived" in record.value for one in told for record in one)
    assert kinds[True] == count
    assert max(map(len, told)) <= RECORDS_AT_ONCE + REVIVED_AT_ONCE
    assert max(sum(len(record.value) for record in one) for one in told) <= BYTES_AT_ONCE
    requests = [record for record in await stage.read("dial-requests") if outdial_id.encode() in record.value]
    assert len(requests) == count
    assert slowest < LEAST_S
    return slowest


async def test_large_commands_do_not_add_up_to_more_than_a_transaction(stage: Stage) -> None:
    outdial_id = stage.stream()
    async with stage.ledgers():
        await stage.ask({"type": "CreateOutdial", "outdial_id": outdial_id})
        end = max(record.offset for record in await stage.read("events") if record.partition == 0) + 1
    for share in range(12):
        targets = [
            {"target_id": new_id(), "destination_0": {"type": "tel", "target": f"+1555{number:07}"}, "data": "d" * 1_500}
            for number in range(share * 500, share * 500 + 500)
        ]
        await stage.send({"type": "AddTargets", "id": new_id(), "outdial_id": outdial_id, "targets": targets})
    async with stage.ledgers():
        await stage.goes_on()
    told = await transactions(stage, end)
    assert len(told) > 2
    most = BYTES_AT_ONCE + 2 * 900 * 1024
    assert max(sum(len(record.value) for record in one) for one in told) <= most
    assert sum(b'"TargetAdded"' in record.value for one in told for record in one) == 12 * 500
