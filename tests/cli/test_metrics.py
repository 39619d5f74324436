"""What a server tells Prometheus: every metric that is promised of it, once what it counts has happened."""

import time
from pathlib import Path
from uuid import uuid4

import httpx

from cli.program import Call, Start, end
from outdial.metrics import BY_NAME, METRICS

KAFKA_ONLY = {"outdial_partitions_owned", "outdial_partition_opening_seconds", "outdial_clock_offset_seconds", "outdial_consumer_lag"}
PATIENCE_S = 60.0


def test_every_metric_of_a_server_is_told(begin: Start, outdial: Call, tmp_path: Path, runtime_kind: str) -> None:
    service = begin(tmp_path / "data")
    made = outdial("outdials", "create", "--name", "June", "--json", "--url", service.url).json["id"]
    assert outdial("targets", "create", made, "--to", "+12025550101", "--url", service.url).code == 0
    assert outdial("run", made, "--tries", "1", "--url", service.url).code == 0
    api = f"{service.url}/v1.0"
    [request] = httpx.get(f"{api}/dial_requests", params={"wait_ms": 30_000}, timeout=60).json()["result"]
    answered = {"attempt_id": request["attempt_id"], "outcome": "answered"}
    assert httpx.post(f"{api}/dial_results", json=answered, timeout=60).status_code == 200
    nobodys = {"type": "StopDialing", "outdial_id": str(uuid4())}
    assert httpx.post(f"{api}/commands", json=nobodys, timeout=60).status_code == 404

    wanted = {metric.name for metric in METRICS if {"api", "ledger"} & {*metric.roles}}
    wanted -= KAFKA_ONLY if runtime_kind == "embedded" else set()
    until = time.monotonic() + PATIENCE_S
    while missing := wanted - told(text := httpx.get(f"{service.url}/metrics").text):
        assert time.monotonic() < until, f"never told: {missing}"
        time.sleep(0.1)

    assert 'outdial_events_appended_total{type="DialRequested"} 1' in text
    assert 'outdial_dial_requests_total{rule="first_try"} 1' in text
    assert "outdial_schedule_lag_seconds_count 1" in text
    assert 'role="serve"} 1' in text
    assert "outdial_projection_lag_seconds 0" in text or runtime_kind != "embedded"


def test_a_server_that_starts_again_says_how_fast_it_read_its_log(begin: Start, outdial: Call, tmp_path: Path) -> None:
    service = begin(tmp_path / "data")
    assert outdial("outdials", "create", "--url", service.url).code == 0
    end(service)
    again = begin(tmp_path / "data")
    rates = [line for line in httpx.get(f"{again.url}/metrics").text.splitlines() if line.startswith("outdial_replay_events_per_second")]
    assert any(float(line.rpartition(" ")[2]) > 0 for line in rates)


def told(text: str) -> set[str]:
    """The metrics that have a value."""
    names = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    return {name for name in BY_NAME if name in names or f"{name}_count" in names}
