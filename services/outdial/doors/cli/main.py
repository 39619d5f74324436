"""The command line, whole. ``run`` is called by ``compose.main``; nothing heavy is imported before a verb needs it."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from outdial.doors.cli import (
    accounts,
    cluster,
    completion,
    config,
    dialing,
    feeds,
    nouns,
    pace,
    rejections,
    server,
    suppressions,
    webhook,
    why,
)
from outdial.doors.cli.actions import UNREACHABLE, USAGE, Actions, Refused
from outdial.doors.cli.logs import configure, place
from outdial.doors.cli.session import say
from outdial.doors.cli.verbs import Group

EXAMPLES = """
outdial demo                                   see it work: 500 targets, a simulated carrier
outdial serve                                  run the service
outdial outdials create --name "June"          make a list, note its id
outdial import OUTDIAL june.csv                fill it
outdial run OUTDIAL --tries 3,2 --every 2h     start dialing
outdial watch OUTDIAL                          see the numbers move
"""
NO_COLOR = "--no-color"
ABOUT = """Outbound dialing that requests every due target exactly once, through any crash.

Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 conflict, 5 import with refused rows, 69 service unreachable, 130 Ctrl-C.
"""
FIXES: Final = {
    "id_invalid": "take the id and not the name; outdial outdials list shows it (or targets, outplans, campaigns list)",
    "plan_missing": "name a plan by --outplan, or spell one: --tries 3 --every 2h",
}
"""What to do about a refusal whose text is for who speaks HTTP."""


def application() -> typer.Typer:
    """The verbs."""
    app = typer.Typer(
        name="outdial",
        help=ABOUT,
        epilog=EXAMPLES,
        cls=Group,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=True,
    )

    @app.callback()
    def root(
        no_color: Annotated[bool, typer.Option(NO_COLOR, help="No colours, as with $NO_COLOR; goes with every verb.")] = False,
        version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_version)] = False,
    ) -> None:
        """What goes before every verb."""
        del version, no_color  # They were heeded before.

    server.register(app)
    cluster.register(app)
    feeds.register(app)
    dialing.register(app)
    why.register(app)
    nouns.register(app)
    webhook.register(app)
    accounts.register(app)
    suppressions.register(app)
    pace.register(app)
    rejections.register(app)
    config.register(app)
    completion.register(app)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"outdial {version('outdial')}")
        raise typer.Exit


def run(actions: Actions) -> NoReturn:
    """Do what the process's arguments say, and end the process with the exit code."""
    configure()
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started this
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name the terminal has no letters for must not end a verb
    code = code_of(actions, sys.argv[1:])
    try:
        sys.stdout.flush()  # what is still held back may find the disk full, or its reader gone
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at its end
        if code == 0:
            code = 1 if isinstance(error, BrokenPipeError) else _failed(error)
    sys.exit(code)


def code_of(actions: Actions, arguments: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit code. No exception leaves this."""
    try:
        application()(_heeded(arguments), prog_name="outdial", obj=actions)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except Refused as why:
        return _refused(why)
    except Exception as error:  # noqa: BLE001  the last resort: a person gets a line, never a traceback
        if isinstance(error, ValueError) and not all(map(_is_text, arguments)):
            return _refused(Refused("argument_undecodable", "an argument is no text in UTF-8", "save or type it in UTF-8", USAGE))
        return _failed(error)
    return 0


def _is_text(argument: str) -> bool:
    """Whether it can be told to anybody; the name of a file need not be."""
    return not any("\udc80" <= character <= "\udcff" for character in argument)


def _heeded(arguments: Sequence[str]) -> list[str]:
    """The arguments without ``--no-color``, which may stand anywhere: an option of every verb would cost each start some time."""
    own = list(arguments)
    words = own[: own.index("--")] if "--" in own else own
    if NO_COLOR not in words:
        return own
    os.environ["NO_COLOR"] = "1"
    os.environ.pop("FORCE_COLOR", None)
    return [word for word in words if word != NO_COLOR] + own[len(words) :]


def _refused(why: Refused) -> int:
    say(f"outdial: {why.message}")
    if why.fix:
        say(f"  to fix: {why.fix}")
    return why.code


def _failed(error: Exception) -> int:
    """One line about an error, and its exit code. What is not expected is named by type and place: its text may hold somebody's number."""
    from outdial.client.errors import Answered, ClientError, Conflict, NotFound, Unavailable, Unreachable

    match error:
        case Unreachable():
            say(f"outdial: {error}")
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                say("  to fix: set SSL_CERT_FILE to the server's certificate, and name the server as the certificate does (--url)")
            else:
                say("  to fix: see that the server runs (outdial serve) and that --url, OUTDIAL_URL or --data names it")
            return UNREACHABLE
        case Answered():
            word = error.rule or error.reason
            message = "this outdial never had a plan" if word == "plan_missing" else error.message.replace(" in the path", "")
            say(f"outdial: {message}{f' ({word})' if word else ''}")
            if error.http in (401, 403):
                say("  to fix: give a token of this server with --token or OUTDIAL_TOKEN")
            elif fix := FIXES.get(word):
                say(f"  to fix: {fix}")
            return next(
                (code for family, code in ((NotFound, 3), (Conflict, 4), (Unavailable, UNREACHABLE)) if isinstance(error, family)), 1
            )
        case ClientError():
            say(f"outdial: {error}")
            return 1
        case OSError() if error.filename is not None:
            say(f"outdial: {error.filename}: {error.strerror}")
            return 1
        case OSError() if error.errno is not None:
            say(f"outdial: {os.strerror(error.errno)}")
            return 1
        case _:
            say(f"outdial: unexpected {type(error).__name__} at {place(error)}; this is a fault of the program, please report it")
            return 1
