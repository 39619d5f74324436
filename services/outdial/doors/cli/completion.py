"""``completion``: what a shell has to read so that Tab completes verbs and options."""

from typing import Annotated, Literal

import typer

from outdial.doors.cli.verbs import Verb

EXAMPLES = """
outdial completion bash >> ~/.bash_completion
outdial completion zsh > ~/.zfunc/_outdial             (a folder of $fpath, before compinit)
outdial completion fish > ~/.config/fish/completions/outdial.fish
outdial completion powershell >> $PROFILE
"""
Shell = Annotated[Literal["bash", "zsh", "fish", "powershell"], typer.Argument(help="Which shell.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("completion", cls=Verb, epilog=EXAMPLES)(completion)


def completion(shell: Shell) -> None:
    """Print what makes Tab complete verbs and options.

    For one session: source <(outdial completion bash)
    """
    from typer._completion_shared import get_completion_script

    print(get_completion_script(prog_name="outdial", complete_var="_OUTDIAL_COMPLETE", shell=shell))
