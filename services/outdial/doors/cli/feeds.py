"""``import``, ``send`` and ``events``: what comes in and goes out by the line."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from outdial.doors.cli.nouns import OutdialId
from outdial.doors.cli.session import Session, say
from outdial.doors.cli.verbs import verb

if TYPE_CHECKING:
    from outdial.doors.cli.progress import Progress

PARTIAL = 5
CHUNK = 256 * 1024
LINES_AT_ONCE = 500
BYTES_AT_ONCE = 8 * 1024 * 1024
RETRY_S = 2.0
SHOWN_ERRORS = 20

File = Annotated[str, typer.Argument(metavar="FILE", help="A CSV or NDJSON file; - is stdin.")]
OptionalFile = Annotated[str, typer.Argument(metavar="FILE", help="Commands, one JSON object per line; - is stdin.")]
ImportId = Annotated[
    str | None,
    typer.Option(
        "--import-id", metavar="UUID", help="Default: derived from the file and the outdial, so that a repeat adds nothing twice."
    ),
]
OnDuplicate = Annotated[
    Literal["skip", "accept", "reject"] | None,
    typer.Option("--on-duplicate", help="What to do with an address the outdial has already. Default: skip."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check every row, add nothing.")]
Kind = Annotated[Literal["csv", "ndjson"] | None, typer.Option("--format", help="Default: the file itself shows which.")]
Errors = Annotated[str | None, typer.Option("--errors", metavar="FILE", help="Write the refused rows there, to be mended and sent again.")]
OfOutdial = Annotated[str | None, typer.Option("--outdial", metavar="ID", help="Of this outdial only.")]
After = Annotated[str, typer.Option("--from", metavar="POSITION", help="After this log position; 0 is the beginning.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on as events come. Ctrl-C leaves.")]
Most = Annotated[int | None, typer.Option("--limit", min=1, help="Events at most.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    examples = """
        outdial import OUTDIAL june.csv
        cat leads.ndjson | outdial import OUTDIAL -
        outdial import OUTDIAL june.csv --dry-run --errors refused.csv
    """
    verb(app, "import", examples)(import_)
    verb(app, "send", 'outdial send commands.ndjson\necho \'{"type":"StopDialing","outdial_id":"..."}\' | outdial send -')(send)
    verb(app, "events", "outdial events --outdial ID\noutdial events --from 1200 --follow --json | jq .type")(events)


# --- import -------------------------------------------------------------------------------------


def import_(
    session: Session,
    outdial: OutdialId,
    file: File,
    named: ImportId = None,
    on_duplicate: OnDuplicate = None,
    dry_run: DryRun = False,
    kind: Kind = None,
    errors: Errors = None,
) -> None:
    """Add the rows of a file to an outdial.

    Refused rows are told with line and reason; the others are added. Exit code 5 when any was refused.
    """
    from outdial.client.routes import CSV, NDJSON, import_id, import_targets
    from outdial.doors.cli.progress import Progress

    with (
        Progress("reading", None, "lines") as progress,
        _whole(file, progress) as (source, digest, size, lines),
        session.client() as client,
    ):
        route = import_targets(
            outdial,
            _pieces(source, size, progress),
            media={"csv": CSV, "ndjson": NDJSON, None: ""}[kind],
            import_id=named or import_id(outdial, digest),
            on_duplicate=on_duplicate,
            dry_run=dry_run,
        )
        report = client.send_watched(route, lambda told: progress.at(read_so_far(told, size, lines), count=told["rows"]))
        progress.at(size, count=report["rows"])
        if errors is not None:
            _write_refused(errors, source, report, kind)
    if session.as_data:
        session.print(report)
    else:
        _tell_import(report, dry_run=dry_run, listed=errors is None)
    if report["error_count"]:
        raise typer.Exit(PARTIAL)


@contextmanager
def _whole(file: str, progress: "Progress") -> Iterator[tuple[IO[bytes], str, int, int]]:
    """The file, its SHA-256, its size and its lines. Stdin is laid down first: all this is needed before the first row is sent."""
    digest, lines = sha256(), 0
    with tempfile.TemporaryFile() if file == "-" else Path(file).open("rb") as source:
        while piece := cast("BufferedReader", sys.stdin.buffer).read1(CHUNK) if file == "-" else source.read(CHUNK):
            digest.update(piece)
            if file == "-":
                source.write(piece)
            lines += piece.count(b"\n")
            progress.at(lines)
        size = source.tell()
        source.seek(0)
        yield source, digest.hexdigest(), size, lines


def read_so_far(told: dict[str, int], size: int, lines: int) -> int:
    """About how many bytes of the file the service has dealt with.

    It tells those it has taken, piece by piece, and the rows it has read of them. Rows are the better measure where each is a line.
    """
    return min(told["bytes"], max(told["bytes"] - 2 * CHUNK, size * told["rows"] // max(1, lines)))


def _pieces(source: IO[bytes], size: int, progress: "Progress") -> Iterator[bytes]:
    """The file in pieces. What is sent the service need not have read: how far it is itself is told after the last piece."""
    progress.phase("sending", size, "lines")
    sent = lines = 0
    while piece := source.read(CHUNK):
        yield piece
        sent += len(piece)
        lines += piece.count(b"\n")
        progress.at(sent, count=lines)
    progress.phase("import", size, "rows", anew=False)


def _write_refused(file: str, source: IO[bytes], report: dict[str, Any], kind: str | None) -> None:
    """Write the refused rows as they were, each with what is wrong with it, so that they can be mended and sent again."""
    from outdial.doors.cli.refusals import refused_rows

    content = refused_rows(source, report["errors"], ndjson=None if kind is None else kind == "ndjson")
    if file == "-":
        sys.stdout.buffer.write(content)
    else:
        Path(file).write_bytes(content)
    if (more := report["error_count"] - len(report["errors"])) > 0:
        say(f"{more:,} more rows were refused than the service names; send the file again for those when these are mended")


def _tell_import(report: dict[str, Any], *, dry_run: bool, listed: bool) -> None:
    words = (
        ("rows", "rows"),
        ("added", "would be added" if dry_run else "added"),
        ("existing", "there already"),
        ("skipped_count", "duplicates"),
        ("error_count", "refused"),
    )
    print(f"{', '.join(f'{report[name]:,} {word}' for name, word in words)}   (import id {report['import_id']})")
    if listed:
        for row in report["errors"][:SHOWN_ERRORS]:
            say(f"  line {row['line']}: {row['reason']}: {row['message']}")
        if report["error_count"] > SHOWN_ERRORS:
            say(f"  and {report['error_count'] - SHOWN_ERRORS:,} more; --errors FILE writes them")


# --- send ---------------------------------------------------------------------------------------


def send(session: Session, file: OptionalFile = "-") -> None:
    """Send commands in their wire form.

    Prints an answer per line; exit code 1 when one was rejected.
    """
    from outdial import wire
    from outdial.client.routes import commands

    rejected = sent = 0
    with _opened(file) as source, session.client() as client:
        for first, lines in _batches(source):
            for answer in client.send(commands(lines)):
                answer["line"] += first
                sent += 1
                rejected += answer["result"] == "rejected"
                sys.stdout.write(wire.to_json(answer).decode() + "\n")
            sys.stdout.flush()
    if not session.as_data:
        say(f"{sent:,} commands, {rejected:,} rejected")
    if rejected:
        raise typer.Exit(1)


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as source:
        yield source


def _batches(source: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that go together, and how many came before them."""
    lines: list[bytes] = []
    size = first = 0
    for line in source:
        lines.append(line if line.endswith(b"\n") else line + b"\n")
        size += len(line)
        if len(lines) == LINES_AT_ONCE or size >= BYTES_AT_ONCE:
            yield first, b"".join(lines)
            first, size, lines = first + len(lines), 0, []
    if any(line.strip() for line in lines):
        yield first, b"".join(lines)


# --- events -------------------------------------------------------------------------------------


def events(session: Session, outdial: OfOutdial = None, after: After = "0", follow: Follow = False, limit: Most = None) -> None:
    """Print the history, oldest first.

    With --json, one object per line.
    """
    from outdial.client.errors import Unreachable

    left = limit
    with session.client(reads=not follow) as client:
        while True:
            try:
                for event in client.events(after, outdial, follow=follow):
                    _print(session, event)
                    after = event["position"]
                    left = None if left is None else left - 1
                    if left == 0:
                        return
            except Unreachable as error:
                if not follow:
                    raise
                say(f"{error}; asking again")
            if not follow:
                return
            time.sleep(RETRY_S)


def _print(session: Session, event: dict[str, Any]) -> None:
    from outdial.doors.cli.output import print_event

    if session.as_data:
        session.print(event)
    else:
        print_event(event)
