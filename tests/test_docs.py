"""What is made from the code is as the code is now, and what the documents name is there."""

import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from messages import ROOT
from outdial.compose import Composed
from outdial.doors.cli.main import application
from outdial.doors.cli.names import unknown_names
from outdial.metrics import METRICS
from outdial.wire import from_json

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_REASONS = ("contract.md", "reasons.md", "why.md", "webhooks.md", "http.md")
"""Pages in which `outdial_` begins other words too."""
FORMATS = ROOT / "schemas/json"
SCRIPTS = sorted((ROOT / "services/outdial/doors/page/assets").glob("*.js"))
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PUNCTUATION = frozenset("();<>|&")


@pytest.fixture
def _docs_importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    yield
    for name in ("generate", "pictures", "reasons", "whywords"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("_docs_importable")
def test_every_generated_file_is_as_the_code_would_write_it_now() -> None:
    from generate import generated  # noqa: PLC0415  the folder is on the path only here

    stale = [path.relative_to(ROOT).as_posix() for path, text in generated().items() if not path.exists() or path.read_bytes() != text]

    assert stale == [], "run `make docs`"


def test_the_program_exports_every_file_of_the_published_formats() -> None:
    published = {path.relative_to(FORMATS).as_posix(): path.read_bytes() for path in FORMATS.rglob("*.json")}

    assert Composed().schemas() == published


# --- what the documents name --------------------------------------------------------------------


def test_every_command_line_of_the_documents_and_the_page_is_one() -> None:
    typed = [(page.name, line) for page in PAGES for line in _typed(page.read_text(encoding="utf-8"))]
    typed += [
        (script.name, re.sub(r"\$\{.*?\}", "ID", line))
        for script in SCRIPTS
        for line in re.findall(r"[`\"](outdial [a-z][^`\"]*)[`\"]", script.read_text(encoding="utf-8"))
    ]

    wrong = [f"{name}: {line}: {why}" for name, line in typed for why in _mistakes(line)]

    assert len(typed) > 100
    assert wrong == []


@pytest.mark.parametrize(
    ("line", "mistakes"),
    [
        ("outdial targets get ID", 1),
        ("outdial run OUTDIAL --outplan", 1),
        ("outdial wacth OUTDIAL", 1),
        ("x=$(outdial outdials create --nam June | field id)", 1),
        ("outdial pause OUTDIAL --reason 'a | b' | cat; outdial resume", 1),
        ("outdial serve --data june & outdial why OUTDIAL > why.txt", 0),
    ],
)
def test_a_command_line_that_is_none_is_seen(line: str, mistakes: int) -> None:
    assert len([*_mistakes(line)]) == mistakes


def test_every_route_of_the_documents_is_there() -> None:
    paths = from_json((FORMATS / "openapi.json").read_bytes())["paths"]
    offered = {(method.upper(), _route(path)) for path, methods in paths.items() for method in methods}

    missing = [
        f"{page.name}: {method} {path}"
        for page in PAGES
        for method, path in re.findall(r"\b(GET|POST|PUT|DELETE) (/[\w/.{}<>]+)", page.read_text(encoding="utf-8"))
        if (method, _route(path)) not in offered
    ]

    assert missing == []


def test_every_setting_and_metric_of_the_documents_is_there() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES if page.name not in OF_REASONS)

    settings = {name for name in re.findall(r"\bOUTDIAL_\w*[A-Z]\b", text) if not name.endswith("_NOT_FOUND")}
    metrics = {*re.findall(r"`(outdial_[a-z_]+)[`{]", text)} - {"outdial_id"}

    assert len(settings) > 10
    assert unknown_names(dict.fromkeys(settings, "")) == {}
    assert len(metrics) > 10
    assert metrics - {metric.name for metric in METRICS} == set()


def _typed(page: str) -> Iterator[str]:
    """The lines of a page that call the program: those of its blocks, and those within a sentence that say more than a verb."""
    for block in FENCED.findall(page):
        for line in block.replace("\\\n", " ").splitlines():
            if re.search(r"(^|[$(;&|] ?)(\S+=\S+ )?outdial [a-z]", line.strip()):
                yield re.split(r" {3,}", line.strip())[0]
    yield from re.findall(r"`(outdial [a-z][^`]* [^`]+)`", FENCED.sub("", page).replace("\n", " "))


def _mistakes(line: str) -> Iterator[str]:
    """Why the calls of the program in a line of a shell would not be understood."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    call: list[str] | None = None
    for word in [*words, ";"]:
        if not PUNCTUATION.isdisjoint(word) and PUNCTUATION.issuperset(word):
            if call is not None:
                yield from _mistake(call)
            call = None
        elif call is not None:
            call.append(word)
        elif word == "outdial":
            call = []


def _mistake(words: list[str]) -> Iterator[str]:
    """Why a call would not be understood, options and arguments included; nothing is carried out."""
    command: Any = _application()
    above: Any = None
    try:
        while isinstance(command, TyperGroup) and words:
            above = typer.Context(command, parent=above, info_name=command.name)
            _, command, words = command.resolve_command(above, words)
        if not isinstance(command, TyperGroup):
            command.make_context(command.name, [*words], parent=above)
    except typer.Exit:
        return
    except Exception as error:  # noqa: BLE001  typer's errors have no public base
        yield str(error) or repr(error)


@cache
def _application() -> Any:
    return typer.main.get_command(application())


def _route(path: str) -> str:
    return re.sub(r"\{\w+\}|<\w+>", "{}", path.removeprefix("/v1.0").rstrip("."))
