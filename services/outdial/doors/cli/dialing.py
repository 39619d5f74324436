"""``run``, ``stop`` and ``watch``."""

import time
from typing import Annotated, Any

import typer

from outdial.doors.cli.nouns import Concurrent, Interval, OutdialId, Rate, Ring, Set, Source, Tries, plan_options, show
from outdial.doors.cli.session import Session, say
from outdial.doors.cli.verbs import verb

Outplan = Annotated[str | None, typer.Option("--outplan", metavar="ID", help="Dial by this outplan.")]
Once = Annotated[bool, typer.Option("--once", help="Show the numbers once and leave.")]
UntilDone = Annotated[bool, typer.Option("--until-done", help="Leave when no target waits and no call is open.")]
Pause = Annotated[float, typer.Option("--interval", min=0.1, metavar="SECONDS", help="Between two looks.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(
        app,
        "run",
        "outdial run OUTDIAL --outplan ID\noutdial run OUTDIAL --tries 3,2 --every 2h\noutdial run OUTDIAL            (as it ran last)",
    )(run)
    verb(app, "stop", "outdial stop OUTDIAL")(stop)
    verb(app, "watch", "outdial watch OUTDIAL\noutdial watch OUTDIAL --until-done\noutdial watch OUTDIAL --json | jq .lifecycle")(watch)


def run(
    session: Session,
    outdial: OutdialId,
    outplan: Outplan = None,
    ring: Ring = None,
    every: Interval = None,
    tries: Tries = None,
    caller: Source = None,
    concurrent: Concurrent = None,
    rate: Rate = None,
    fields: Set = None,
) -> None:
    """Start dialing an outdial.

    By an outplan, by the plan the options spell, or by the one it ran by last.
    """
    from outdial.client.routes import run_outdial
    from outdial.doors.cli.fields import gathered

    plan = gathered(plan_options(ring, every, tries, caller, concurrent, rate), fields, None)
    if plan and outplan is not None:
        message = "give --outplan or a plan of your own, not both"
        raise typer.BadParameter(message)
    with session.client() as client:
        answer = client.send(run_outdial(outdial, plan=plan or None, outplan_id=outplan))
    for warning in answer.pop("warnings", None) or ():
        say(f"warning: {warning}")
    _tell(session, answer)


def stop(session: Session, outdial: OutdialId) -> None:
    """Request no further call for an outdial.

    Open calls live on; their results are still taken.
    """
    from outdial.client.routes import stop_outdial

    with session.client() as client:
        answer = client.send(stop_outdial(outdial))
    _tell(session, answer)


def _tell(session: Session, answer: dict[str, Any]) -> None:
    if session.as_json:
        show(session, answer)
    else:
        print(f"{answer['outdial_id']}  {answer['status']}  {answer['open']} calls open")


def watch(session: Session, outdial: OutdialId, once: Once = False, until_done: UntilDone = False, interval: Pause = 1.0) -> None:
    """Show the numbers of an outdial as they move.

    A live table on a terminal, a line a second elsewhere. Ctrl-C leaves.
    """
    from outdial.client.routes import OUTDIALS, stats
    from outdial.doors.cli.output import print_json
    from outdial.doors.cli.panel import Screen, is_over

    with session.client(reads=once) as client:
        name = client.send(OUTDIALS.get(outdial))["name"] or outdial
        if session.as_json:
            while True:
                numbers = client.send(stats(outdial))
                print_json(numbers)
                if once or (until_done and is_over(numbers)):
                    return
                time.sleep(interval)
        with Screen(name) as screen:
            while True:
                numbers = client.send(stats(outdial))
                screen.show(numbers)
                if once or (until_done and is_over(numbers)):
                    return
                time.sleep(interval)
