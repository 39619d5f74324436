"""Every block of docs/client.md runs, in order, against a service of its own."""

from messages import ROOT
from pages import Shell


def test_every_block_of_the_page_runs(shell: Shell) -> None:
    shell.run_all("docs/client.md", (ROOT / "docs" / "client.md").read_text(encoding="utf-8"))
