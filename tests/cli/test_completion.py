"""Tab completes verbs and options, in each of the four shells."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.program import Call, environment

ASKED = {
    "bash": {"COMP_WORDS": "outdial outdials lis", "COMP_CWORD": "2"},
    "zsh": {"_TYPER_COMPLETE_ARGS": "outdial outdials lis"},
    "fish": {"_TYPER_COMPLETE_ARGS": "outdial outdials lis", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    "powershell": {"_TYPER_COMPLETE_ARGS": "outdial outdials lis", "_TYPER_COMPLETE_WORD_TO_COMPLETE": "lis"},
}
"""What the script of a shell tells the program when Tab is pressed."""


def test_bash_completes_a_verb_with_the_script_that_is_printed(outdial: Call, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "outdial"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m outdial.compose "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(outdial("completion", "bash").out)
    press = f"""
        source "{script}"
        COMP_WORDS=(outdial wat) COMP_CWORD=1
        $(complete -p outdial | grep -oP '(?<=-F )\\S+') outdial
        echo "${{COMPREPLY[@]}}"
    """
    variables = environment()
    variables["PATH"] = f"{program.parent}:{variables['PATH']}"
    done = subprocess.run(["bash", "--norc", "-c", press], capture_output=True, text=True, env=variables, check=False)  # noqa: S603, S607  the shell in question
    assert (done.stdout.split(), done.stderr) == (["watch"], "")


@pytest.mark.parametrize("shell", ASKED)
def test_the_script_of_a_shell_asks_in_words_the_program_answers(outdial: Call, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    script = outdial("completion", shell).out
    for name in ("_OUTDIAL_COMPLETE", f"complete_{shell}", *ASKED[shell]):
        assert name in script
    monkeypatch.setenv("_OUTDIAL_COMPLETE", f"complete_{shell}")
    for name, value in ASKED[shell].items():
        monkeypatch.setenv(name, value)
    said = outdial()
    assert (said.code, said.err) == (0, "")
    assert "list" in said.out


def test_an_unknown_shell_is_refused_and_the_four_are_named(outdial: Call) -> None:
    said = outdial("completion", "tcsh")
    assert said.code == 2
    assert all(shell in said.err for shell in ASKED)
