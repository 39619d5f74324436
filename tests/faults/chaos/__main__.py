"""Faults on purpose: ``python -m faults.chaos`` runs each goal once, ``--goal G1 --until 300`` until so many faults are written down."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from brokers.libs import VERSION
from faults.chaos.goals import A_RUN, GOALS, ON_EVERY_CHANGE, Lab
from faults.chaos.processes import Start
from faults.chaos.report import NIGHT, RESULTS, recorded, write
from faults.chaos.world import line


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  it reports to people


def _one(lab: Lab, goal: str, faults: int, seed: int) -> dict[str, Any]:
    record = {**GOALS[goal](lab, seed, faults), "run": goal, **_settings(lab.peer)}
    _say(line(record))
    return record


def _settings(peer: str) -> dict[str, str]:
    """Version and settings of a peer, to be told beside what it came to."""
    if peer == "ours":
        return {}
    from benchmarks.peers import SETTINGS  # noqa: PLC0415  a run of ours does without the peers

    return {"settings": SETTINGS[peer]}


def _start(peer: str) -> Start | None:
    """How a peer is started; None: ours."""
    if peer == "ours":
        return None
    from benchmarks.peers import PEERS  # noqa: PLC0415  a run of ours does without the peers

    from outdial.topology import Topology  # noqa: PLC0415  as above

    start = PEERS[peer]
    return lambda place, name: start(Topology(place.prefix, place.partitions), place.bootstrap, place.folder, name)


def main() -> int:
    """Run what was asked for; 1 when something was found wrong."""
    parser = argparse.ArgumentParser(prog="python -m faults.chaos", description="Kill, pause and mislead ledgers and brokers, and check.")
    parser.add_argument("--goal", choices=sorted(GOALS), action="append", help="only these (default: all)")
    parser.add_argument("--night", action="store_true", help="until the night's sizes are written down")
    parser.add_argument("--until", type=int, help="until so many faults of each goal are written down")
    parser.add_argument("--faults", type=int, help="faults in a run")
    parser.add_argument("--peer", default="ours", help="whose ledger: ours, or a name of benchmarks/peers (default ours)")
    parser.add_argument("--seed", type=int, help="of the first run")
    parser.add_argument("--kafka", default=VERSION, help=f"version of the brokers (default {VERSION})")
    parser.add_argument("--report", action="store_true", help="only write docs/reliability.md anew from what is written down")
    chosen = parser.parse_args()
    if chosen.report:
        write()
        return 0
    goals = chosen.goal or list(GOALS)
    adding_up = chosen.night or chosen.until is not None
    seed = chosen.seed if chosen.seed is not None else int.from_bytes(os.urandom(4), "big")
    # Nothing that was started outlives us, however we are asked to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="outdial-chaos-"))
    wrong = 0
    with Lab(folder, peer=chosen.peer, start=_start(chosen.peer), version=chosen.kafka) as lab:
        for goal in goals:
            faults = chosen.faults or (A_RUN if adding_up else ON_EVERY_CHANGE)[goal]
            until = (chosen.until or NIGHT[goal]) if adding_up else 0
            while True:
                left = until - recorded(goal, chosen.peer)
                if adding_up and left <= 0:
                    break
                record = _one(lab, goal, min(faults, left) if adding_up else faults, seed)
                seed += 1
                wrong += record["verdict"] != "right"
                if adding_up:
                    with RESULTS.open("a", encoding="utf-8") as file:
                        file.write(line(record) + "\n")
                if not adding_up or record["verdict"] != "right":
                    break
            if goal == "G5":
                lab.forget(3)
    if adding_up:
        write()
    if wrong:
        _say(f"what the processes said and what the brokers stored is in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
