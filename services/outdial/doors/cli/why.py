"""``why``: what keeps an outdial, or one target, from being dialed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from outdial.doors.cli.session import Session, say
from outdial.doors.cli.verbs import verb

if TYPE_CHECKING:
    from outdial.doors.cli.blocking import Blocking

Which = Annotated[str, typer.Argument(metavar="ID", help="Id of an outdial, or of a target.")]
In = Annotated[str | None, typer.Option("--outdial", metavar="ID", help="The outdial of the target. Without it all are looked at.")]
REASON_COLUMNS = ("why", "targets", "next_at", "says")
RULE_COLUMNS = ("rule", "holds", "since", "until", "facts")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(app, "why", "outdial why OUTDIAL\noutdial why TARGET --outdial OUTDIAL\noutdial why TARGET --json | jq .next_at")(why)


def why(session: Session, which: Which, outdial: In = None) -> None:
    """Say why an outdial is not dialing, or a target is not being dialed.

    The rule that holds, since when, until when, and the event it follows from; of an outdial the counts by reason.
    """
    with session.client(reads=True) as client:
        found = _found(client, which.lower(), outdial)
    if session.as_data:
        session.print(found)
    else:
        _print(found)


def _found(client: "Blocking", which: str, outdial: str | None) -> Any:
    """What is said of the target, or else of the outdial, that has this id.

    Raises:
        NotFound: neither is there.
    """
    from outdial.client.errors import NotFound
    from outdial.client.routes import OUTDIALS, targets, why_target
    from outdial.client.routes import why as ask

    if outdial is not None:
        return client.send(why_target(outdial, which))
    try:
        return client.send(ask(which))
    except NotFound as error:
        nobody = error
    for row in client.all(OUTDIALS, deleted=True):
        try:
            client.send(targets(row["id"]).get(which))
        except NotFound:
            continue
        return client.send(why_target(row["id"], which))
    raise NotFound(nobody.http, nobody.status, nobody.reason, "there is no outdial and no target with this id")


def _print(found: dict[str, Any]) -> None:
    """The verdict and the event it follows from; then the counts of an outdial, or the rules that were looked at."""
    from outdial.doors.cli.output import print_rows

    print(found["verdict"])
    if found["event"] is not None:
        print(f"It follows from {found['event']['type']} {found['event']['id']} at position {found['event']['position']}.")
    print()
    if "reasons" in found:
        print_rows(found["reasons"], REASON_COLUMNS)
        if not found["reasons"]:
            say("no target is held by anything")
    else:
        print_rows(found["rules"], RULE_COLUMNS)
