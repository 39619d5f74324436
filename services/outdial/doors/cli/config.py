"""``config``: which settings are in force, and where each comes from."""

import os
from typing import Annotated, Any

import typer

from outdial.doors.cli.names import ALL, NESTED, config_file, origin
from outdial.doors.cli.session import Session, say
from outdial.doors.cli.verbs import group, verb

MASK = "********"

Origin = Annotated[bool, typer.Option("--origin", help="Where each comes from, too.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verbs = group("config", "Config: the settings in force.", "outdial config show --origin\noutdial config show --json")
    verb(verbs, "show", "outdial config show --origin\noutdial config show --json", local=True)(show)
    app.add_typer(verbs)


def show(session: Session, origin: Origin = False) -> None:
    """Show each setting and its value; secrets are masked.

    A flag goes before the environment, the environment before the file, the file before the default.
    """
    from outdial.doors.cli.output import print_rows

    rows = _rows(session)
    if session.as_data:
        session.print(rows)
        return
    print_rows(rows, ("setting", "value", "origin") if origin else ("setting", "value"))
    say(f"the file of settings: {config_file(os.environ)}")


def _rows(session: Session) -> list[dict[str, Any]]:
    from pydantic import SecretStr

    from outdial.doors.cli.settings import load

    settings = load(session.environment, {})
    rows = []
    for name in ALL:
        outer, _, inner = name.partition(NESTED)
        value = getattr(getattr(settings, outer), inner) if inner else getattr(settings, name)
        where = origin(name, os.environ)
        if name == "data":
            value, where = session.folder, "--data" if session.data is not None else where
        if isinstance(value, SecretStr):
            value = MASK if value.get_secret_value() else ""
        shown = value if value is None or isinstance(value, bool | int | float) else _without_password(str(value))
        rows.append({"setting": name.replace(NESTED, "."), "value": shown, "origin": where})
    return rows


def _without_password(text: str) -> str:
    """A value as it is; of an URL with a password in it, without that."""
    scheme, mark, rest = text.partition("://")
    place, at, host = rest.partition("@")
    return f"{scheme}{mark}{MASK}@{host}" if at and "/" not in place else text
