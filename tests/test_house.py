"""The house: what is locked, what is shipped, what is written for users."""

import re
import tomllib
from importlib.metadata import version
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from messages import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("requirements.lock", "requirements-dev.lock")}
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return {canonicalize_name(name): pinned for name, pinned in PINNED.findall(LOCKS[lock])}


def group(name: str) -> list[str]:
    """The requirements of a dependency group, those of the groups it includes among them."""
    found: list[str] = []
    for entry in PROJECT["dependency-groups"][name]:
        found += [entry] if isinstance(entry, str) else group(entry["include-group"])
    return found


def unmet(requirements: list[str], lock: str) -> list[str]:
    """Requirements that a lock does not pin, or pins to a version they do not allow."""
    pinned = pins(lock)
    parsed = [Requirement(text) for text in requirements]
    return [str(wanted) for wanted in parsed if not wanted.specifier.contains(pinned.get(canonicalize_name(wanted.name), ""))]


def test_the_locks_pin_everything_the_project_asks_for() -> None:
    wanted = PROJECT["project"]["dependencies"]

    assert unmet([*wanted, *group("build")], "requirements.lock") == [], "run `make lock`"
    assert unmet([*wanted, *group("dev")], "requirements-dev.lock") == [], "run `make lock`"


def test_a_requirement_that_no_lock_meets_is_seen() -> None:
    assert unmet(["nowhere-to-be-found>=1", "pydantic>=99", "pydantic>=2"], "requirements.lock") == [
        "nowhere-to-be-found>=1",
        "pydantic>=99",
    ]


def test_what_runs_is_what_is_tested() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_every_pin_has_hashes_and_no_lock_names_a_place() -> None:
    for text in LOCKS.values():
        assert "://" not in text
        assert not re.search(r"^-", text, re.MULTILINE)
        entries = re.split(r"\n(?=\S)", text.strip())
        assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_changelog_tells_of_the_version_that_is_shipped() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert headings[0] == "Unreleased"
    assert PROJECT["project"]["version"] == version("outdial")
    assert PROJECT["project"]["version"] in headings or len(headings) == 1


def test_every_exception_to_a_lint_rule_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = text[text.index("[tool.ruff.lint]") :]
    codes = [line for line in lint.splitlines() if re.match(r'    "[A-Z]+[0-9]*",', line)]

    assert codes
    assert [line for line in codes if not re.search(r"# \S", line)] == []


def test_the_verbs_of_the_readme_are_verbs_of_make() -> None:
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text(encoding="utf-8")))

    assert {"run", "test", "check", "bench", "docs"} <= verbs
    assert named <= verbs
    assert {"run", "test"} <= named
