"""``webhook``: where events are sent to."""

from typing import Annotated

import typer

from outdial.doors.cli.nouns import Yes, show
from outdial.doors.cli.session import Session, confirmed, say
from outdial.doors.cli.verbs import group, verb

Uri = Annotated[str, typer.Argument(metavar="URL", help="Where events are sent to.")]
Method = Annotated[str | None, typer.Option("--method", metavar="POST|PUT", help="The HTTP method. Default: POST.")]
SecretFile = Annotated[
    typer.FileText | None,
    typer.Option(
        "--secret-file", metavar="FILE", help="What they are signed with, 16 characters or more; - is stdin. Default: one is made."
    ),
]
After = Annotated[str | None, typer.Option("--after", metavar="POSITION", help="Send what happened after it. Default: from now on.")]
From = Annotated[str, typer.Option("--after", metavar="POSITION", help="0 is the beginning.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verbs = group(
        "webhook",
        "The webhook: where what happens is sent to, signed.",
        "outdial webhook set https://pbx.example/events\noutdial webhook get\noutdial webhook replay --after 0",
    )
    verb(verbs, "get", "outdial webhook get\noutdial webhook get --json")(get)
    verb(verbs, "set", "outdial webhook set https://pbx.example/events\noutdial webhook set URL --secret-file secret.txt --after 0")(put)
    verb(verbs, "delete", "outdial webhook delete --yes")(delete)
    verb(verbs, "replay", "outdial webhook replay --after 0")(replay)
    app.add_typer(verbs)


def get(session: Session) -> None:
    """Show where events are sent to, how far that is, and what went wrong last."""
    from outdial.client.routes import webhook

    with session.client(reads=True) as client:
        show(session, client.send(webhook()))


def put(session: Session, uri: Uri, method: Method = None, secret_file: SecretFile = None, after: After = None) -> None:
    """Send events to an address.

    Without a secret the first time one is made and shown, once.
    """
    from outdial.client.routes import set_webhook

    try:
        secret = None if secret_file is None else secret_file.read().strip()
    except UnicodeDecodeError:
        message = "the file of the secret is no text in UTF-8"
        raise typer.BadParameter(message) from None
    with session.client() as client:
        made = client.send(set_webhook(uri, method=method, secret=secret, after=after))
    if "secret" in made:
        say("keep the secret; it is not shown again")
    show(session, made)


def delete(session: Session, yes: Yes = False) -> None:
    """Send nothing any more, and forget the secret."""
    from outdial.client.routes import delete_webhook

    if not confirmed("Send no events any more?", yes=yes):
        say("nothing was changed")
        raise typer.Exit(1)
    with session.client() as client:
        show(session, client.send(delete_webhook()))


def replay(session: Session, after: From) -> None:
    """Send again what happened after a position, and go on from there."""
    from outdial.client.routes import replay_webhook

    with session.client() as client:
        show(session, client.send(replay_webhook(after)))
