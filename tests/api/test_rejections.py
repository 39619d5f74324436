"""Commands that were refused, as those may see them who sent them."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from api.door import ALICE, ALICES, BOB, BOBS, TOKENS, Api, Opened, hashed
from api.test_sockets import by
from both import KafkaStage
from outdial.doors.api.deps import Settings
from outdial.kafka.service import Doors

ROOTS = "the-token-of-who-runs-it"
CLOSED = Settings(tokens={**TOKENS, hashed(ROOTS): ALICE}, admins=frozenset({hashed(ROOTS)}))
NUMBER = "+12025550123"
TOKEN = "vb_a3Bf9xKmSecret"  # noqa: S105  the token of a test


async def seen(api: Api, token: str, holds: Callable[[list[dict[str, Any]]], bool] = lambda _: True) -> list[dict[str, Any]]:
    """What somebody is shown, once it is so."""
    async with asyncio.timeout(30):
        while not holds(found := [*(await api.ok("GET", "/rejections?limit=1000", headers=by(token)))["result"]]):  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.05)
    return found


@pytest.mark.only("embedded", why="there they are not kept")
async def test_with_the_log_in_a_folder_none_are_kept(api: Api) -> None:
    await api.refused(404, "OUTDIAL_NOT_FOUND", "PUT", f"/outdials/{uuid4()}", {"name": "nobody's"})

    assert await api.ok("GET", "/rejections") == {"kept": False, "result": []}


@pytest.mark.only("kafka", why="there they are kept")
async def test_each_customer_sees_its_own_and_who_runs_the_service_sees_all_without_a_number_or_token(opened: Opened) -> None:
    api = await opened(CLOSED, ALICES)
    assert isinstance(api.runtime, Doors)
    api.app.state.door.settings = replace(CLOSED, rejected=api.runtime.rejected)
    hers = await api.outdial(name="hers")
    nobodys = str(uuid4())
    sent: list[tuple[str, bytes]] = [
        ("hers by name", command(nobodys, customer_id=ALICE)),
        ("hers by what it is about", command(hers, if_version=99)),
        ("his by name, about hers", command(hers, customer_id=BOB, if_version=99)),
        ("nobody's", command(nobodys)),
        ("a type that is none", json.dumps({"type": NUMBER, "outdial_id": hers}).encode()),
        ("not readable", f'{{"customer_id": "{ALICE}", "{NUMBER}'.encode()),
        ("a field that is a number", command(hers, **{NUMBER: 1})),
        ("a field that is a token", command(hers, plan={"windows": {TOKEN: NUMBER}})),
        ("no object", json.dumps([NUMBER, ALICE]).encode()),
    ]
    places = await put(api, hers, sent)

    everything = await seen(api, ROOTS, lambda found: len(places.keys() & map(place, found)) == len(sent))
    told = {name: {places[place(one)] for one in await seen(api, token) if place(one) in places} for name, token in SEERS.items()}

    assert told["alice"] == {"hers by name", "hers by what it is about", "a field that is a number", "a field that is a token"}
    assert told["bob"] == {"his by name, about hers"}
    assert told["root"] == {name for name, _ in sent}
    assert NUMBER[1:] not in json.dumps(everything)
    assert TOKEN not in json.dumps(everything)
    times = [one["tm_reject"] for one in everything]
    assert times == sorted(times, reverse=True)
    newest = await api.ok("GET", "/rejections?limit=2", headers=by(ROOTS))
    assert len(newest["result"]) == 2


SEERS = {"alice": ALICES, "bob": BOBS, "root": ROOTS}


def command(outdial_id: str, **fields: Any) -> bytes:
    """A command that is refused: it is about nothing, or at another version, or has a field that is none."""
    return json.dumps({"type": "UpdateOutdial", "outdial_id": outdial_id, "name": "June", **fields}).encode()


def place(one: dict[str, Any]) -> tuple[int, int]:
    """Where a command stands."""
    return one["partition"], one["offset"]


async def put(api: Api, key: str, sent: list[tuple[str, bytes]]) -> dict[tuple[int, int], str]:
    """Write commands as any producer may; what each is, by where it stands."""
    stage = api.stage
    assert isinstance(stage, KafkaStage)
    producer = AIOKafkaProducer(bootstrap_servers=stage.connection.bootstrap)
    await producer.start()
    try:
        written = [await producer.send_and_wait(stage.topology.commands, value, key.encode()) for _, value in sent]
    finally:
        await producer.stop()
    return {(one.partition, one.offset): name for one, (name, _) in zip(written, sent, strict=True)}
