"""Races by hand: ``python -m races --races 1000``; the last fifth over HTTP, with API processes of their own."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from brokers.cluster import Cluster
from brokers.libs import cache
from races.checker import faults_of_races
from races.kinds import KINDS
from races.running import race, summary

SHOWN = 20
A_RUN = 250
"""Races on topics of their own."""


def main() -> int:
    """Run them; 1 when something came out wrong."""
    parser = argparse.ArgumentParser(prog="python -m races", description="Race commands over two API processes, and check.")
    parser.add_argument("--races", type=int, default=1_000)
    parser.add_argument("--http", type=int, help="how many of them over HTTP (default: a fifth)")
    parser.add_argument("--kind", choices=tuple(KINDS), action="append", help="only these (default: all, in turn)")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("OUTDIAL_TEST_SEED") or int.from_bytes(os.urandom(4), "big")))
    parser.add_argument("--kafka", default=os.environ.get("OUTDIAL_TEST_KAFKA"), help="bootstrap address (default: a broker of its own)")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed} (again: --seed {chosen.seed} --races {chosen.races})", flush=True)  # noqa: T201  it reports to people
    over_http = chosen.races // 5 if chosen.http is None else chosen.http
    cuts = [*range(0, chosen.races - over_http, A_RUN), *range(chosen.races - over_http, chosen.races, A_RUN)]
    memories, wrong, began = [], [], time.monotonic()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outdial-races-")))
        bootstrap = chosen.kafka
        if bootstrap is None:
            cluster = Cluster(1, root / "kafka", kept=cache(), lasting=True)
            stack.callback(cluster.close)
            cluster.start()
            bootstrap = cluster.bootstrap
        for first, end in zip(cuts, [*cuts[1:], chosen.races], strict=True):
            folder = root / str(first)
            folder.mkdir()
            http = first >= chosen.races - over_http
            memory = asyncio.run(race(bootstrap, folder, chosen.seed, range(first, end), kinds=chosen.kind or tuple(KINDS), http=http))
            faults = faults_of_races(memory)
            wrong += faults
            memories.append(memory)
            for fault in faults[:SHOWN]:
                print(fault)  # noqa: T201  as above
            print(f"{end} races{' (over HTTP)' if http else ''}: {len(faults)} faults", flush=True)  # noqa: T201  as above
    figures = summary(chosen.seed, memories, chosen.races, time.monotonic() - began)
    print(json.dumps(figures | {"http": over_http, "faults": len(wrong)}))  # noqa: T201  as above
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
