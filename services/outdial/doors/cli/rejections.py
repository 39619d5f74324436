"""``rejections``: commands on Kafka that were refused."""

from typing import Annotated

import typer

from outdial.doors.cli.session import Session, say
from outdial.doors.cli.verbs import group, verb

COLUMNS = ("tm_reject", "reason", "type", "partition", "offset", "message")

Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="Rows at most.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verbs = group(
        "rejections",
        "Rejections: commands on Kafka that were refused, and why.",
        "outdial rejections list\noutdial rejections list --limit 10 --json",
    )
    verb(verbs, "list", "outdial rejections list\noutdial rejections list --limit 10 --json")(list_)
    app.add_typer(verbs)


def list_(session: Session, limit: Limit = 100) -> None:
    """List the newest. The bytes that came stand at partition and offset, and are not shown: they hold numbers."""
    from outdial.client.routes import rejections
    from outdial.doors.cli.output import print_rows

    with session.client(reads=True) as client:
        found = client.send(rejections(limit))
    rows = found["result"]
    if session.as_data:
        session.print(rows)
        return
    if not found["kept"]:
        say("with the log in a folder none are kept: whoever sends a command that is refused is told so")
        return
    print_rows(rows, COLUMNS)
    if rows:
        say(f"the bytes of the first: kcat -C -b BROKER -t {rows[0]['topic']} -p {rows[0]['partition']} -o {rows[0]['offset']} -c 1 -e -q")
