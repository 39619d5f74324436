"""Every block of the README and of the tour runs, and links lead somewhere; and the runner of blocks is right."""

import re
import select
from pathlib import Path

import pytest

from messages import ROOT
from pages import DEADLINE_S, Shell, blocks, on_kafka, taken_by_git


def test_every_block_of_the_readme_runs_and_leaves_nothing_that_git_would_take(shell: Shell, tmp_path: Path) -> None:
    """Without its section on Kafka, which needs a broker and has a test of its own."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    shell.run_all("README.md", page.replace(on_kafka(page), ""))

    assert taken_by_git(tmp_path / "reader") == []


def test_every_block_of_the_tour_and_of_the_guides_runs(shell: Shell, tmp_path: Path) -> None:
    """The auditor looks at what the tour took with it; the integrator places a call of the list that still runs."""
    (tmp_path / "reader" / "examples").symlink_to(ROOT / "examples")
    for page in ("tour.md", "auditors.md", "integrators.md"):
        shell.run_all(page, (ROOT / "docs" / page).read_text(encoding="utf-8"))

    assert taken_by_git(tmp_path / "reader") == []


def test_the_readme_begins_with_the_two_commands() -> None:
    first = blocks((ROOT / "README.md").read_text(encoding="utf-8"))[0]

    assert [line.split("#")[0].split() for line in first.text.splitlines()] == [["make", "run"], ["make", "test"]]


def test_every_link_of_the_documents_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}#{anchor}"
        for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists() or (anchor and anchor not in _headings(page.parent / target if target else page))
    ]

    assert broken == []


def _headings(page: Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- the runner itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nfalse\n```\n",
        "```sh\nfalse | true\n```\n",
        "```sh\necho $unheard\n```\n",
        "```python\nassert False\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ echo one\n```\n",
        "```sh\nno_such_command\n```\n",
    ],
)
def test_a_block_that_fails_is_seen(shell: Shell, text: str) -> None:
    [block] = blocks(text)

    with pytest.raises(AssertionError):
        shell.run(block)


def test_blocks_share_a_folder_their_variables_and_their_functions(shell: Shell) -> None:
    page = (
        '```sh\nname=\'a "b"\nc\'; say() { echo "<$1>"; }\n```\n'
        '```sh\nsay "$name" > said\n```\n'
        "```python\nassert open('said').read() == '<a \"b\"\\nc>\\n'\n```\n"
        "```console\n$ say one\n<one>\n$ say 'one two three'\n<one ... three>\n```\n"
    )

    for block in blocks(page):
        shell.run(block)


def test_a_server_lives_from_block_to_block_and_ends_with_the_test(shell: Shell, tmp_path: Path) -> None:
    page = "```sh\nmkfifo alive\nsleep 1000 > alive &\necho $! > pid\n```\n```sh\nkill -0 $(cat pid)\n```\n"
    for block in blocks(page):
        shell.run(block)

    with (tmp_path / "reader" / "alive").open("rb") as alive:
        shell.close()
        ended, _, _ = select.select([alive], [], [], DEADLINE_S)

    assert ended == [alive], "what a block left running still runs"


def test_a_block_that_is_not_run_has_a_reason() -> None:
    assert [block.reason for block in blocks("```sh\nmake run\n```\n<!-- not run: slow -->\n```sh\nls\n```\n")] == ["slow", None]
