"""Every block of docs/kafka.md runs, in order, against a real broker: the service, the recipes, and a producer of another library."""

import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from messages import ROOT
from outdial.topology import TOPICS, Topology
from test_readme import Shell, blocks

PAGE = (ROOT / "docs" / "kafka.md").read_text(encoding="utf-8")
BROKER = "localhost:9092"
NAMES = "|".join(topic.name for topic in TOPICS)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    folder = tmp_path / "reader"
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = Shell(folder, port)
    yield found
    found.close()


def test_every_block_of_the_page_runs(shell: Shell, kafka_bootstrap: str, make_topology: Callable[..., Topology]) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed")
    topology = make_topology(partitions=12)
    page = f"```sh\nexport OUTDIAL_TOPIC_PREFIX={topology.prefix}\n```\n" + re.sub(
        rf"\boutdial\.({NAMES})\b", rf"{topology.prefix}.\1", PAGE
    )
    for block in blocks(page.replace(BROKER, kafka_bootstrap)):
        if block.reason is None:
            try:
                shell.run(block)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                pytest.fail(f"docs/kafka.md, the block that begins {block.text[:60]!r}: {error}")


def test_the_page_names_every_topic() -> None:
    assert {topic.name for topic in TOPICS} == set(re.findall(r"^\| `outdial\.([a-z-]+)` \|", PAGE, re.MULTILINE))
