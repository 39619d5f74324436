"""Every block of docs/kafka.md runs, in order, against a real broker: the service, the recipes, and a producer of another library."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from messages import ROOT
from outdial.topology import TOPICS, Topology
from pages import Shell, on_kafka, taken_by_git

PAGE = (ROOT / "docs" / "kafka.md").read_text(encoding="utf-8")
BROKER = "localhost:9092"
NAMES = "|".join(topic.name for topic in TOPICS)


def run_page(text: str, name: str, shell: Shell, bootstrap: str, topology: Topology) -> None:
    """Run the blocks of a page against topics of their own."""
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed")
    text = re.sub(r"--port 809\d", "--port 0", text)
    page = f"```sh\nexport OUTDIAL_TOPIC_PREFIX={topology.prefix}\n```\n" + re.sub(
        rf"(?<!from )\boutdial\.({NAMES})\b", rf"{topology.prefix}.\1", text
    )
    shell.run_all(name, page.replace(BROKER, bootstrap))


def test_every_block_of_the_page_runs_and_leaves_nothing_that_git_would_take(
    shell: Shell, kafka_bootstrap: str, make_topology: Callable[..., Topology], tmp_path: Path
) -> None:
    run_page(PAGE, "docs/kafka.md", shell, kafka_bootstrap, make_topology(partitions=12))

    assert taken_by_git(tmp_path / "reader") == []


def test_every_block_of_the_readme_on_kafka_runs_and_leaves_nothing_that_git_would_take(
    shell: Shell, kafka_bootstrap: str, make_topology: Callable[..., Topology], tmp_path: Path
) -> None:
    section = on_kafka((ROOT / "README.md").read_text(encoding="utf-8"))
    run_page(section, "README.md", shell, kafka_bootstrap, make_topology(partitions=12))

    assert taken_by_git(tmp_path / "reader") == []


def test_the_page_names_every_topic() -> None:
    assert {topic.name for topic in TOPICS} == set(re.findall(r"^\| `outdial\.([a-z-]+)` \|", PAGE, re.MULTILINE))
