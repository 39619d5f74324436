"""A trace comes in by the header of a command and goes out by the header of its dial request."""

import asyncio
import json

from troubles.stage import PATIENCE_S, Stage, add, new_id

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_the_header_of_a_command_is_the_header_of_its_dial_request(stage: Stage) -> None:
    async with stage.ledgers():
        outdial_id = await stage.outdial()
        targets = [new_id() for _ in range(3)]
        headers: tuple[list[tuple[str, bytes]], ...] = ([("traceparent", TRACE.encode())], [("traceparent", b"\xff nonsense")], [])
        for target_id, sent in zip(targets, headers, strict=True):
            await stage.put(json.dumps(add(outdial_id, target_id)).encode(), key=outdial_id.encode(), headers=sent)
        await stage.goes_on()

        records = []
        async with asyncio.timeout(PATIENCE_S):
            while len(records := await stage.read("dial-requests")) < len(targets):
                pass

    known = {json.loads(record.value)["target_id"]: record for record in records}
    assert [list(known[target_id].headers) for target_id in targets] == [[("traceparent", TRACE.encode())], [], []]
    assert [json.loads(known[target_id].value).get("traceparent") for target_id in targets] == [TRACE, None, None]
