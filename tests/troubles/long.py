"""The same troubles at their full size: minutes each, so they are named to be run: ``pytest tests/troubles/long.py``."""

import os
from pathlib import Path

from brokers.cluster import Cluster
from telling import Tell
from troubles.stage import Stage
from troubles.test_large import brought_back
from troubles.test_outages import from_nothing_through_an_outage

OUTAGE_S = 120.0
EXHAUSTED = int(os.environ.get("OUTDIAL_TEST_EXHAUSTED", "200000"))


async def test_a_broker_that_is_away_for_two_minutes_is_waited_for(own_cluster: Cluster, tmp_path: Path) -> None:
    await from_nothing_through_an_outage(own_cluster, tmp_path, OUTAGE_S)


async def test_a_plan_that_brings_back_very_many_targets_blocks_nobody(stage: Stage, tell: Tell) -> None:
    slowest = await brought_back(stage, EXHAUSTED)
    tell(f"{EXHAUSTED} targets were brought back; the slowest command of others took {slowest:.2f} s")
