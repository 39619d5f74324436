"""``pace``: how many calls a second all outdials may request together."""

from typing import Annotated

import typer

from outdial.doors.cli.nouns import show
from outdial.doors.cli.session import Session
from outdial.doors.cli.verbs import group, verb

Rate = Annotated[int | None, typer.Argument(metavar="[RATE]", min=1, help="Requests within any one second. Default: no limit.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verbs = group("pace", "Pace: how many calls a second all outdials may request together.", "outdial pace set 50\noutdial pace get")
    verb(verbs, "get", "outdial pace get\noutdial pace get --json")(get)
    verb(verbs, "set", "outdial pace set 50\noutdial pace set")(put)
    app.add_typer(verbs)


def get(session: Session) -> None:
    """Show it, and which outdials have how much of it."""
    from outdial.client.routes import pace

    with session.client(reads=True) as client:
        show(session, client.send(pace()))


def put(session: Session, rate: Rate = None) -> None:
    """Set it. When this returns, no second holds more calls; without a rate, there is no limit."""
    from outdial.client.routes import set_pace

    with session.client() as client:
        show(session, client.send(set_pace(rate)))
