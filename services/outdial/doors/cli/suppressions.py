"""``suppressions``: whom not to call. ``caps``: how often anybody may be called."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outdial.doors.cli.actions import USAGE, Refused
from outdial.doors.cli.fields import address, milliseconds
from outdial.doors.cli.nouns import Every, InOutdial, Limit, Noun, show, show_list
from outdial.doors.cli.session import Session, say
from outdial.doors.cli.verbs import group, verb

if TYPE_CHECKING:
    from outdial.client.routes import Route
    from outdial.resources import Suppressing

SUPPRESSIONS = Noun("suppressions", ("id", "prefix", "address", "outdial_id", "tm_expire", "reason"))
REFUSED_ROWS = 5
Whom = Annotated[list[str], typer.Argument(metavar="NUMBER...", help="+15551230001, sip:ann@host, name@domain; +1555*: all that begin so.")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="2027-01-01T00:00:00Z; default: for good.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for people.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="CSV (column target or prefix) or NDJSON; - is stdin.")]
AsLines = Annotated[bool, typer.Option("--ndjson", help="The file is NDJSON, whatever its name.")]
Rules = Annotated[
    list[str] | None,
    typer.Option("--at-most", metavar="N/DURATION", help="3/24h: three calls within any 24 hours. May be repeated. none: no rule."),
]
Gap = Annotated[str | None, typer.Option("--gap", metavar="DURATION", help="At least so long from one call to the next: 1h. 0: none.")]


def register(app: typer.Typer) -> None:
    """Add the two groups."""
    app.add_typer(_suppressions())
    app.add_typer(_caps())


def _suppressions() -> typer.Typer:
    app = group(
        "suppressions",
        "Suppressions: whom not to call.",
        "outdial suppressions add +15551230001 --reason 'asked us not to'\noutdial suppressions add '+4470*'\noutdial suppressions list",
    )

    @verb(app, "list", "outdial suppressions list\noutdial suppressions list --all --json")
    def list_(session: Session, limit: Limit = 100, every: Every = False) -> None:
        """List them, newest first."""
        show_list(session, SUPPRESSIONS, SUPPRESSIONS.collection(), limit, every=every, deleted=False)

    @verb(app, "add", "outdial suppressions add +15551230001 ann@example.com\noutdial suppressions add '+4470*' --outdial ID")
    def add(session: Session, whom: Whom, outdial: InOutdial = None, until: Until = None, reason: Why = "") -> None:
        """Call nobody there. When this returns, no call is requested any more; calls that are out already are named."""
        more = {"outdial_id": outdial, "expires_at": until, "reason": reason or None}
        entries = [{**_named(text), **{name: value for name, value in more.items() if value is not None}} for text in whom]
        from outdial.client.routes import suppress

        _tell(session, suppress(entries))

    @verb(app, "remove", "outdial suppressions remove +15551230001\noutdial suppressions remove '+4470*' --outdial ID")
    def remove(session: Session, whom: Whom, outdial: InOutdial = None) -> None:
        """Take them off the list."""
        scope = {} if outdial is None else {"outdial_id": outdial}
        from outdial.client.routes import unsuppress

        _tell(session, unsuppress([{**_named(text), **scope} for text in whom]))

    @verb(app, "import", "outdial suppressions import do-not-call.csv\ncat list.ndjson | outdial suppressions import - --ndjson")
    def import_(session: Session, file: File, ndjson: AsLines = False) -> None:
        """Add all that a file names. Exit code 5 when rows were refused."""
        from outdial.client.routes import CSV, NDJSON, import_suppressions

        media = NDJSON if ndjson or file.endswith((".ndjson", ".jsonl")) else CSV
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        with session.client() as client:
            report = client.send(import_suppressions(content, media=media))
        show(session, report)
        if report["refused"]:
            raise typer.Exit(REFUSED_ROWS)

    return app


def _caps() -> typer.Typer:
    app = group("caps", "Frequency caps: how often one address may be called.", "outdial caps set --at-most 3/24h --at-most 7/7d --gap 1h")

    @verb(app, "get", "outdial caps get")
    def get(session: Session) -> None:
        """Show them."""
        from outdial.client.routes import frequency_caps

        with session.client(reads=True) as client:
            show(session, client.send(frequency_caps()))

    @verb(app, "set", "outdial caps set --at-most 3/24h --gap 1h\noutdial caps set --at-most none --gap 0")
    def set_(session: Session, at_most: Rules = None, gap: Gap = None) -> None:
        """Change them: the rules named, in place of those before, the gap, or both; what is not named stays."""
        from outdial.client.routes import set_frequency_caps

        caps: dict[str, Any] = {}
        if at_most:
            caps["rules"] = [] if at_most == ["none"] else [_rule(text) for text in at_most]
        if gap is not None:
            caps["min_gap_ms"] = milliseconds(gap)
        if not caps:
            raise Refused("field_missing", "say --at-most, --gap or both; --at-most none --gap 0: no caps", code=USAGE)
        with session.client() as client:
            show(session, client.send(set_frequency_caps(caps)))

    return app


def _named(text: str) -> dict[str, Any]:
    """An entry of the list, as it is written on the command line."""
    if text.endswith("*"):
        return {"prefix": text.removesuffix("*")}
    found = address(text)
    return {"address": {"type": found["type"], "target": found["target"]}}


def _rule(text: str) -> dict[str, int]:
    count, slash, duration = text.partition("/")
    if not slash or not count.isdecimal():
        raise Refused("field_invalid", f"--at-most {text}: write a number of calls and a time, such as 3/24h", code=USAGE)
    return {"count": int(count), "per_ms": milliseconds(duration)}


def _tell(session: Session, change: "Route[Suppressing]") -> None:
    """Make a change, and say what became of its entries and which calls are out already."""
    with session.client() as client:
        told = client.send(change)
    for error in told["errors"]:
        say(f"entry {error['index'] + 1}: {error['message']} ({error['reason']})")
    if told.get("open_count"):
        say(f"requested before, and perhaps under way: {told['open_count']}")
    show(session, told)
    if told["errors"]:
        raise typer.Exit(REFUSED_ROWS)
