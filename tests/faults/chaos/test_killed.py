"""Ledgers on Kafka are killed and paused at random instants, and nobody is dialed twice, lost or stuck."""

from pathlib import Path

from brokers.cluster import Cluster
from brokers.proxy import Proxy
from faults.chaos.aiming import kill_between
from faults.chaos.killing import kill_at_random
from faults.chaos.pausing import pause_owners
from faults.chaos.processes import ours_static
from faults.chaos.segments import faults_of_fences
from faults.chaos.world import line, world
from telling import Tell

KILLS_AT_RANDOM = 1
KILLS_BETWEEN = 2


def test_ledgers_killed_at_random_instants_dial_nobody_twice_and_lose_nobody(
    kafka_bootstrap: str, tmp_path: Path, tell: Tell, seed: int
) -> None:
    with world(kafka_bootstrap, tmp_path, seed, partitions=4) as run:
        kill_at_random(run, KILLS_AT_RANDOM, (2,))
        wrong = run.verdict()
        tell(line(run.record("G1", wrong)))
    assert wrong == []


def test_a_ledger_killed_within_a_transaction_leaves_all_of_it_or_nothing(
    kafka_cluster: Cluster, proxy: Proxy, tmp_path: Path, tell: Tell, seed: int
) -> None:
    with world(kafka_cluster.bootstrap, tmp_path, seed, partitions=2, start=ours_static, through=proxy.bootstrap) as run:
        kill_between(run, proxy, KILLS_BETWEEN)
        wrong = run.verdict() + faults_of_fences(kafka_cluster, run.place.prefix, 2)
        tell(line(run.record("G1", wrong)))
    assert wrong == []


def test_an_owner_that_was_stopped_and_goes_on_writes_nothing_after_the_next_one(
    kafka_cluster: Cluster, tmp_path: Path, tell: Tell, seed: int
) -> None:
    with world(kafka_cluster.bootstrap, tmp_path, seed, partitions=2) as run:
        pause_owners(run, 1)
        wrong = run.verdict() + faults_of_fences(kafka_cluster, run.place.prefix, 2)
        tell(line(run.record("G4", wrong)))
    assert wrong == []
