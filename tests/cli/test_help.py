"""Help begins with examples, and a typo is met with a suggestion."""

from importlib.metadata import version

import pytest

from cli.program import Call

GROUPS = {
    "": (
        "demo",
        "serve",
        "doctor",
        "import",
        "send",
        "events",
        "run",
        "stop",
        "watch",
        "why",
        "preflight",
        "reopen",
        "views",
        "schemas",
        "outdials",
        "targets",
        "outplans",
        "campaigns",
        "completion",
    ),
    "outdials": ("list", "get", "create", "update", "delete"),
    "targets": ("list", "get", "create", "update", "delete", "calls", "history"),
    "outplans": ("list", "get", "create", "update", "delete"),
    "campaigns": ("list", "get", "create", "update", "delete", "run", "stop"),
    "rejections": ("list",),
    "views": ("rebuild", "verify"),
    "schemas": ("export",),
}
EVERY = [[*([group] if group else []), verb] for group, verbs in GROUPS.items() for verb in verbs]


@pytest.mark.parametrize("words", [[], *EVERY], ids=" ".join)
def test_every_help_begins_with_examples(outdial: Call, words: list[str]) -> None:
    said = outdial(*words, "--help")
    assert said.code == 0
    assert said.out.startswith("Examples:\n  ")
    assert f"outdial {' '.join(words)}".strip() in said.out
    assert "Usage: outdial" in said.out


def test_the_first_help_names_the_exit_codes(outdial: Call) -> None:
    said = outdial("--help")
    for code in ("0 ok", "2 usage", "3 not found", "4 conflict", "69 service unreachable", "130 Ctrl-C"):
        assert code in " ".join(said.out.split())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(["outdails", "list"], "outdials"), (["outdials", "lsit"], "list"), (["wacth"], "watch"), (["serve", "--prot", "1"], "--port")],
)
def test_a_typo_is_met_with_a_suggestion(outdial: Call, typed: list[str], meant: str) -> None:
    said = outdial(*typed)
    assert said.code == 2
    assert "Did you mean" in said.err or "Possible options" in said.err
    assert meant in said.err
    assert not said.out


def test_the_version_is_the_installed_one(outdial: Call) -> None:
    assert outdial("--version").out.strip() == f"outdial {version('outdial')}"
