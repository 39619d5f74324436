"""P8: memory per pending target at a million. P9: replay of the log into a ledger."""

import gc
import json
import os
import subprocess
import sys
import time
from hashlib import blake2b

from benchmarks.measure import CUSTOMER, Figure, median_ratio, memory
from outdial.commands import CreateOutdial
from outdial.dialing.ledger import Ledger
from outdial.ids import derived
from outdial.plan import Plan
from outdial.wire import decode_command, decode_event, encode_event

TARGETS = 1_000_000
REPLAYED = 200_000
NOW = 1_790_000_000_000_000


def _ledger() -> tuple[Ledger, str]:
    ledger = Ledger(lambda text: blake2b(text.encode(), digest_size=16).hexdigest(), "bench")
    outdial_id = derived(CUSTOMER, "bench")
    ledger.decide(CreateOutdial(id=derived(CUSTOMER, "create"), outdial_id=outdial_id, plan=Plan(max_try_count_0=3)), NOW)
    return ledger, outdial_id


def _add(outdial_id: str, index: int) -> bytes:
    return (
        f'{{"type":"AddTarget","id":"{derived(outdial_id, f"c{index}")}","outdial_id":"{outdial_id}",'
        f'"target_id":"{derived(outdial_id, f"t{index}")}",'
        f'"name":"John Smith","destination_0":{{"type":"tel","target":"+1{2_000_000_000 + index}"}}}}'
    ).encode()


def fill() -> None:
    """A process of its own: bytes a target in a ledger of a million, each added by a command of its own."""
    ledger, outdial_id = _ledger()
    gc.collect()
    before = memory(os.getpid())
    for index in range(TARGETS):
        ledger.decide(decode_command(_add(outdial_id, index)), NOW + index)
    gc.collect()
    print(json.dumps({"bytes": (memory(os.getpid()) - before) / TARGETS}))


def replay_rates() -> tuple[float, float]:
    """Events a second: ours, and json.loads of the same bytes."""
    ledger, outdial_id = _ledger()
    lines = [encode_event(ledger.decide(decode_command(_add(outdial_id, index)), NOW + index).events[0]) for index in range(REPLAYED)]
    ledger, _ = _ledger()
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    for line in lines:
        json.loads(line)
    loads = time.perf_counter() - began
    began = time.perf_counter()
    for line in lines:
        ledger.replay(decode_event(line))
    took = time.perf_counter() - began
    gc.unfreeze()
    return REPLAYED / took, REPLAYED / loads


def run(repeat: int) -> list[Figure]:
    """Both figures."""
    sizes = [json.loads(subprocess.check_output([sys.executable, "-c", "from benchmarks.figures.p08 import fill; fill()"]))["bytes"]]
    pairs = [replay_rates() for _ in range(repeat)]
    ours, peer = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ratio = median_ratio(ours, peer)
    return [
        Figure("P8", "memory per pending target at 1,000,000", sizes, "bytes", "<= 1,000", max(sizes) <= 1_000),
        Figure(
            "P9",
            "replay of the log into a ledger",
            ours,
            "events/s",
            ">= 0.25 x",
            ratio >= 0.25,
            peer,
            "json.loads of the same bytes",
            ratio,
        ),
    ]
