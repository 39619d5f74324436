"""P5: commands a second through the embedded runtime, durable before the answer, 64 clients with batches of 100."""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.measure import CUSTOMER, Figure, median_ratio
from benchmarks.recording import recorded, replayed, schema_of
from outdial.commands import CreateOutdial
from outdial.compose import tune
from outdial.embedded.runtime import Embedded
from outdial.ids import attempt_id, derived
from outdial.plan import Plan
from outdial.wire import decode_command

CLIENTS = 64
BATCH = 100
ROUNDS = 8


def batches(outdial_id: str, client: int) -> list[list[bytes]]:
    """What a client sends: half AddTarget, half DialResult for what it added in the batch before."""
    made = []
    before: list[str] = []
    for round_ in range(ROUNDS):
        ids = [derived(outdial_id, f"{client}/{round_}/{index}") for index in range(BATCH // 2)]
        lines = []
        for index, target_id in enumerate(ids):
            number = 2_000_000 + (client * ROUNDS + round_) * BATCH + index
            lines.append(
                f'{{"type":"AddTarget","id":"{derived(target_id, "add")}","customer_id":"{CUSTOMER}","outdial_id":"{outdial_id}",'
                f'"target_id":"{target_id}","name":"John Smith","destination_0":{{"type":"tel","target":"+1202{number:07d}"}}}}'.encode()
            )
        lines += [
            f'{{"type":"DialResult","id":"{derived(target_id, "result")}","customer_id":"{CUSTOMER}","outdial_id":"{outdial_id}",'
            f'"target_id":"{target_id}","attempt_id":"{attempt_id(outdial_id, target_id, 1)}","outcome":"answered"}}'.encode()
            for target_id in before
        ]
        made.append(lines)
        before = ids
    return made


async def ours(folder: Path) -> tuple[float, int]:
    """Seconds, and commands."""
    runtime = await Embedded.open(folder, lambda: time.time_ns() // 1_000)
    outdial_id = derived(CUSTOMER, "bench")
    plan = Plan(max_try_count_0=3, max_concurrent=0)
    await runtime.submit([CreateOutdial(id=derived(outdial_id, "create"), customer_id=CUSTOMER, outdial_id=outdial_id, plan=plan)])
    work = [batches(outdial_id, client) for client in range(CLIENTS)]

    async def client(own: list[list[bytes]]) -> int:
        sent = 0
        for lines in own:
            answers = await runtime.submit([decode_command(line) for line in lines])
            assert all(answer.result == "events" for answer in answers)
            sent += len(lines)
        return sent

    try:
        began = time.perf_counter()
        sent = sum(await asyncio.gather(*(client(own) for own in work)))
        took = time.perf_counter() - began
    finally:
        await runtime.close()
    return took, sent


def run(repeat: int) -> list[Figure]:
    """Measure, and the peer with it."""
    tune()
    rates, peers, shared = [], [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            # First, while nothing is recorded: the garbage collector would look through the millions of values of the peer's rows as well.
            took, commands = asyncio.run(ours(folder / "ours"))
            rates.append(commands / took)
            with recorded() as writes:
                asyncio.run(ours(folder / "recorded"))
            schema = schema_of(folder / "recorded" / "outdial.db")
            peers.append(commands / replayed(folder / "peer.db", schema, writes, transactions=commands // BATCH))
            shared.append(commands / replayed(folder / "shared.db", schema, writes))
            writes.clear()
            shutil.rmtree(folder / "ours")
    ratio = median_ratio(rates, peers)
    return [
        Figure(
            "P5", "embedded, durable: half AddTarget, half DialResult", rates, "commands/s", ">= 0.5 x", ratio >= 0.5,
            peers, "the same rows, plain sqlite3, batches of 100", ratio, {"plain sqlite3 with our larger transactions": shared},
        )
    ]  # fmt: skip
