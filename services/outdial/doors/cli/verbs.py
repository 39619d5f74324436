"""How a verb is declared: its examples, and the options that all verbs of its sort share.

A verb is a function of a :class:`Session` and its own arguments. The options for where to go and how to
print are added to its signature here, so that no verb repeats them.
"""

import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from outdial.doors.cli.names import effective
from outdial.doors.cli.session import Session

Work = TypeVar("Work", bound=Callable[..., None])

DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Data folder. Default: $OUTDIAL_DATA, ./.outdial when present, else the XDG data folder."),
]
UrlOption = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="The server. Default: $OUTDIAL_URL, else the one of the data folder.")
]
TokenOption = Annotated[str | None, typer.Option("--token", metavar="TOKEN", help="Default: $OUTDIAL_TOKEN.")]
OutputOption = Annotated[Literal["table", "json", "yaml", "csv"] | None, typer.Option("-o", "--output", help="Default: table.")]
JsonOption = Annotated[bool, typer.Option("--json", help="The same as -o json.")]


_ONE_OF = re.compile(r"('.*') is not one of (.*?)\.?", re.DOTALL)
_SHOULD = re.compile(r"Input should be ([^,]*).*", re.DOTALL)
_NUMBERS = {"a valid integer": "a whole number", "a valid number": "a number"}

_HOW: dict[str, tuple[Any, Any]] = {"output": (OutputOption, None), "as_json": (JsonOption, False)}
_LOCAL: dict[str, tuple[Any, Any]] = {"data": (DataOption, None), **_HOW}
_REMOTE: dict[str, tuple[Any, Any]] = {"url": (UrlOption, None), "token": (TokenOption, None), **_LOCAL}


class Verb(TyperCommand):
    """A command whose help begins with examples (kept in ``epilog``)."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What was typed; what is wrong with it is said in the words of people."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = _said(error.message)
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Examples, usage, what it does, options."""
        _write_examples(self.epilog, formatter)
        super().format_help(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Nothing: the examples stand first."""


class Group(TyperGroup):
    """A group whose help begins with examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Examples, usage, what it is, options, commands."""
        _write_examples(self.epilog, formatter)
        super().format_help(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Nothing: the examples stand first."""


def _said(message: str) -> str:
    """What typer says of a value, in plain words: ``'xml' is not one of: table, json``."""
    text = message.removeprefix("Value error, ")
    if (found := _ONE_OF.fullmatch(text)) is not None:
        known = found[2].replace("'", "")
        return f"{found[1]} is not one of: {known}"
    if (found := _SHOULD.fullmatch(text)) is not None:
        return f"must be {_NUMBERS.get(found[1], found[1])}"
    return text


def _write_examples(examples: str | None, formatter: Any) -> None:
    if examples:
        formatter.write("Examples:\n")
        formatter.write("".join(f"  {line.strip()}\n" for line in examples.strip().splitlines()))
        formatter.write("\n")


def group(name: str, about: str, examples: str) -> typer.Typer:
    """A named group of verbs."""
    return typer.Typer(
        name=name,
        help=about,
        epilog=examples,
        cls=Group,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )


def verb(app: typer.Typer, name: str, examples: str, *, local: bool = False, lenient: bool = False) -> Callable[[Work], Work]:
    """Make a function a verb of ``app``. A ``local`` one needs no server, so it has no ``--url`` and ``--token``.

    A ``lenient`` one begins whatever is set, known or not: it says itself what is wrong with that.
    """
    shared = _LOCAL if local else _REMOTE

    def register(work: Work) -> Work:
        own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]
        added = [
            inspect.Parameter(word, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for word, (kind, default) in shared.items()
        ]
        context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]

        def command(**values: Any) -> None:
            actions = values.pop("context").obj
            form, as_json = values.pop("output"), values.pop("as_json")
            where = {word: values.pop(word) for word in shared if word in values}
            environment = os.environ if lenient else effective(os.environ)
            work(Session(actions=actions, environment=environment, form=form or ("json" if as_json else "table"), **where), **values)

        command.__doc__ = work.__doc__
        command.__signature__ = inspect.Signature([context, *keyword_only, *added])  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *keyword_only, *added)}
        app.command(name, cls=Verb, epilog=examples)(command)
        return work

    return register
