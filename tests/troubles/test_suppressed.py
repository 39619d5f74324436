"""Whom a customer must not call is not requested once that was acknowledged, however fast requests are made meanwhile."""

import asyncio
import json
import os
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, Final

from outdial.connection import Connection
from outdial.kafka.connecting import Ends
from troubles.stage import CUSTOMER, PLAN, Stage, new_id, until

PARTITIONS: Final = 12
RATE: Final = int(os.environ.get("RATE", "240"))
"""Requests a second, all partitions together."""
SECONDS: Final = float(os.environ.get("SECONDS_OF_IT", "3"))
AT_ONCE: Final = 5
"""Numbers that are put on the list together."""


def number_of(index: int) -> str:
    """Everybody has a number."""
    return f"+1202{2_000_000 + index:07}"


async def test_nobody_is_requested_after_the_word_about_him_was_acknowledged(kafka_bootstrap: str, tmp_path: Path) -> None:
    chance = Random(1)  # noqa: S311  whom it names does not matter
    people = int(RATE * SECONDS * 2)
    async with Stage.on(Connection(kafka_bootstrap), tmp_path, PARTITIONS) as stage, stage.ledgers():
        lists = [stage.stream(partition) for partition in range(PARTITIONS)]
        await asyncio.gather(*(_filled(stage, outdial_id, range(place, people, PARTITIONS)) for place, outdial_id in enumerate(lists)))
        plan = PLAN | {"calls_per_second": max(1, RATE // PARTITIONS)}
        await asyncio.gather(*(stage.ask({"type": "StartDialing", "outdial_id": outdial_id, "plan": plan}) for outdial_id in lists))

        ends = Ends(stage.connection)
        await ends.start()
        listed: dict[str, dict[int, int]] = {}
        open_told: set[str] = set()
        until_s = monotonic() + SECONDS
        while monotonic() < until_s:
            numbers = [number_of(chance.randrange(people)) for _ in range(AT_ONCE)]
            open_told |= await _suppressed(stage, numbers)
            at_acknowledgement = await ends.ends(stage.topology.dial_requests, range(PARTITIONS))
            for number in numbers:
                listed.setdefault(number, at_acknowledgement)
        await ends.stop()

        requested: list[Any] = await stage.read("dial-requests")

    late: list[str] = []
    early: list[str] = []
    for record in requested:
        told = json.loads(record.value)
        number = told["destination"]["target"]
        if number in listed:
            (late if record.offset >= listed[number][record.partition] else early).append(told["attempt_id"])
    assert len(requested) > RATE * SECONDS / 2
    assert len(listed) > AT_ONCE
    assert late == []
    assert set(early) <= open_told, "what is out already is listed in the answer"


async def _filled(stage: Stage, outdial_id: str, indexes: range) -> None:
    """A list that does not run yet."""
    await stage.ask({"type": "CreateOutdial", "outdial_id": outdial_id})
    for first in range(0, len(indexes), 500):
        targets = [
            {"target_id": new_id(), "destination_0": {"type": "tel", "target": number_of(index)}} for index in indexes[first : first + 500]
        ]
        await stage.ask({"type": "AddTargets", "outdial_id": outdial_id, "targets": targets})


async def _suppressed(stage: Stage, numbers: list[str]) -> set[str]:
    """Put numbers on the list; once every partition has acknowledged it, the attempts that are out to them."""
    command = {
        "type": "AddSuppressions",
        "id": new_id(),
        "customer_id": CUSTOMER,
        "entries": [{"address": {"type": "tel", "target": number}} for number in numbers],
    }
    root = await stage.ask(command)
    assert len(root.awaits) == PARTITIONS
    answers = stage.answers[root.root_id]
    await until(lambda: set(root.awaits) <= {answer.command_id for answer in answers}, "every partition has answered")
    return {attempt_id for answer in answers for attempt_id in answer.open}
