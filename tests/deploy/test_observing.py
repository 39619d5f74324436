"""What Prometheus reads and alerts on and what Grafana draws: only what the service says."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.files import ALERTS, DASHBOARD, DEPLOY, OURS, PROMETHEUS, SERVICES, command, image_environment
from outdial.metrics import BY_NAME, METRICS

BY_PROMETHEUS = {"up"}
WORD = re.compile(r"[a-zA-Z_:][\w:]*")
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
FUNCTIONS = {
    *("abs", "and", "by", "count", "histogram_quantile", "le", "max", "or", "rate", "sum", "unless", "vector", "without"),
    *("instance", "job"),
}
LABELS = {label for metric in METRICS for label in metric.labels}
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Every query by what asks it."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def words(expression: str) -> set[str]:
    """The names in a query: metrics, functions and labels, without what stands in texts and ranges."""
    plain = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    return set(WORD.findall(plain))


def base(name: str) -> str:
    """The metric of a sample of it."""
    for ending in ("_bucket", "_sum", "_count"):
        found = BY_NAME.get(name.removesuffix(ending))
        if name.endswith(ending) and found is not None and found.type == "histogram":
            return found.name
    return name


QUERIES = list(expressions())


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_a_query_asks_for_what_the_service_says(title: str, expression: str) -> None:
    named = {base(word) for word in words(expression)} - FUNCTIONS - LABELS

    assert named, title
    assert named <= BY_NAME.keys() | BY_PROMETHEUS


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_a_query_chooses_by_labels_the_metric_has(title: str, expression: str) -> None:
    for name, matchers in SELECTOR.findall(expression):
        if name not in BY_PROMETHEUS:
            assert set(re.findall(r"(\w+)\s*[=!]~?", matchers)) <= {*BY_NAME[base(name)].labels, "instance"}, title


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_a_counter_is_asked_how_fast_it_grows(title: str, expression: str) -> None:
    for name in words(expression):
        metric = BY_NAME.get(base(name))
        if metric is not None and metric.type != "gauge":
            assert re.search(rf"rate\({name}[{{\[]", expression), title


def test_every_metric_is_drawn_or_alerted_on() -> None:
    used = {base(word) for _, expression in QUERIES for word in words(expression)}

    assert BY_NAME.keys() - used == set()


def test_every_alert_says_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert {"summary", "description"} == rule["annotations"].keys()
        assert rule["for"]


def test_every_process_of_ours_is_read_where_it_listens() -> None:
    (job,) = [job for job in PROMETHEUS["scrape_configs"] if job["job_name"] == "outdial"]
    port = image_environment()["OUTDIAL_PORT"]

    read = {(target, entry["labels"]["role"]) for entry in job["static_configs"] for target in entry["targets"]}
    assert read == {(f"{name}:{port}", command(name)[0]) for name in OURS if name != "topics"}
    assert job.get("metrics_path", "/metrics") == "/metrics"


def test_prometheus_and_grafana_find_their_files_where_they_are_mounted() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text("utf-8"))["datasources"]
    (provider,) = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "dashboards" / "outdial.yml").read_text("utf-8"))["providers"]
    folder = provider["options"]["path"]

    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in panels()} == {source["uid"]}
    assert f"./deploy/grafana/dashboards:{folder}:ro" in SERVICES["grafana"]["volumes"]
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{folder}/outdial.json"
    assert PROMETHEUS["rule_files"] == ["alerts.yml"]
    assert "./deploy/prometheus:/etc/prometheus:ro" in SERVICES["prometheus"]["volumes"]


def test_no_two_panels_share_an_id_or_a_place() -> None:
    found = DASHBOARD["panels"]
    cells = [
        (x, y)
        for panel in found
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in found}) == len(found)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
