"""Ledgers on Kafka are killed and paused at random instants, and nobody is dialed twice, lost or stuck."""

import os
from pathlib import Path

from faults.chaos.killing import kill_at_random
from faults.chaos.world import line, world
from faults.conftest import Tell

KILLS = int(os.environ.get("OUTDIAL_TEST_KAFKA_KILLS", "3"))


def test_ledgers_killed_at_random_instants_dial_nobody_twice_and_lose_nobody(kafka_bootstrap: str, tmp_path: Path, tell: Tell) -> None:
    seed = int(os.environ.get("OUTDIAL_TEST_SEED") or int.from_bytes(os.urandom(4), "big"))
    with world(kafka_bootstrap, tmp_path, seed, partitions=4) as run:
        kill_at_random(run, KILLS)
        wrong = run.verdict()
        tell(line(run.record("G1", wrong)))
    assert wrong == []
