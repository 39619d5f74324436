"""``run``, ``preflight``, ``stop``, ``pause``, ``resume``, ``drain``, ``reopen`` and ``watch``."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from outdial.doors.cli.nouns import Concurrent, Interval, OutdialId, Rate, Ring, Set, Source, Tries, plan_options, show
from outdial.doors.cli.session import Session, say
from outdial.doors.cli.verbs import verb

if TYPE_CHECKING:
    from outdial.doors.cli.blocking import Blocking
    from outdial.doors.cli.panel import Look

Outplan = Annotated[str | None, typer.Option("--outplan", metavar="ID", help="Dial by this outplan.")]
Campaign = Annotated[str | None, typer.Option("--campaign", metavar="ID", help="As this campaign would run it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Start nothing, say what it would come to.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, for whoever looks at it later.")]
Outcomes = Annotated[list[str], typer.Option("--outcome", metavar="WORD", help="How the last attempt ended; may be given again.")]
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
    verb(
        app,
        "preflight",
        "outdial preflight OUTDIAL --tries 3,2 --every 2h\noutdial preflight OUTDIAL --outplan ID\noutdial preflight OUTDIAL --campaign ID",
    )(preflight)
    verb(app, "stop", 'outdial stop OUTDIAL\noutdial stop OUTDIAL --reason "the list was wrong"')(stop)
    verb(app, "pause", 'outdial pause OUTDIAL --reason "the switchboard is down"')(_hold("pause"))
    verb(app, "resume", "outdial resume OUTDIAL")(_hold("resume"))
    verb(app, "drain", "outdial drain OUTDIAL")(_hold("drain"))
    verb(app, "reopen", "outdial reopen OUTDIAL --outcome busy --outcome no_answer")(reopen)
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
    dry_run: DryRun = False,
) -> None:
    """Start dialing an outdial.

    By an outplan, by the plan the options spell, or by the one it ran by last.
    """
    from outdial.client.routes import run_outdial

    plan = _plan(plan_options(ring, every, tries, caller, concurrent, rate), fields, outplan)
    if dry_run:
        _look_ahead(session, outdial, plan=plan or None, outplan_id=outplan)
        return
    with session.client() as client:
        answer = client.send(run_outdial(outdial, plan=plan or None, outplan_id=outplan))
    for warning in answer.pop("warnings", None) or ():
        say(f"warning: {warning}")
    _tell(session, answer)


def preflight(
    session: Session,
    outdial: OutdialId,
    outplan: Outplan = None,
    campaign: Campaign = None,
    ring: Ring = None,
    every: Interval = None,
    tries: Tries = None,
    caller: Source = None,
    concurrent: Concurrent = None,
    rate: Rate = None,
    fields: Set = None,
) -> None:
    """Say what a run would come to if it began now: who would be dialed, who not, and when.

    By an outplan, by that of a campaign, by the plan the options spell, or by the one it ran by last. Changes nothing.
    """
    plan = _plan(plan_options(ring, every, tries, caller, concurrent, rate), fields, outplan)
    _look_ahead(session, outdial, plan=plan or None, outplan_id=outplan, campaign_id=campaign)


def _plan(given: dict[str, Any], fields: list[str] | None, outplan: str | None) -> dict[str, Any]:
    """The plan the options spell; empty when they spell none."""
    from outdial.doors.cli.fields import gathered

    plan = gathered(given, fields, None)
    if plan and outplan is not None:
        message = "give --outplan or a plan of your own, not both"
        raise typer.BadParameter(message)
    return plan


def _look_ahead(session: Session, outdial: str, **wishes: Any) -> None:
    """Print what a run would come to."""
    from outdial.client.routes import preflight as ask
    from outdial.doors.cli.output import cell, print_fields, print_rows

    with session.client(reads=True) as client:
        found = client.send(ask(outdial, **wishes))
    if session.as_data:
        session.print(found)
        return
    for warning in found["warnings"]:
        say(f"warning: {warning}")
    estimate = found["estimate"]
    print_fields(
        {
            "dialable now": f"{found['dialable_now']:,}",
            "due later": f"{found['due_later']:,}"
            + (f" (from {cell(found['next_at'])} to {cell(found['last_at'])})" if found["due_later"] else ""),
            "of these brought back": f"{found['brought_back']:,}",
            "by destination 0 to 4": " ".join(f"{targets:,}" for targets in found["by_destination"]),
            "attempts at most": "-" if found["attempts_at_most"] is None else f"{found['attempts_at_most']:,}",
            "first calls take": _at_most(estimate["first_calls_ms"]),
            "all calls take": _at_most(estimate["all_calls_ms"]),
        }
    )
    if estimate["per_second"] is not None:
        print(f"at {estimate['per_second']:g} calls a second, if {estimate['assumes']}")
    if found["skipped"]:
        print("\nnot dialed:")
        print_rows(found["skipped"], ("why", "targets", "says"))


def _at_most(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "-"
    minutes, seconds = divmod(-(-milliseconds // 1_000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"at most {hours} h {minutes} min {seconds} s"


def stop(session: Session, outdial: OutdialId, reason: Reason = None) -> None:
    """Request no further call for an outdial.

    Open calls live on; their results are still taken.
    """
    from outdial.client.routes import stop_outdial

    with session.client() as client:
        answer = client.send(stop_outdial(outdial, reason))
    _tell(session, answer)


HOLDS: Final = {
    "pause": """Request no call for an outdial until it is resumed.

    Open calls live on, the run and its plan stay.
    """,
    "resume": """Go on with an outdial that was paused.""",
    "drain": """Call nobody new, and end the run when nobody is left to try again.""",
}


def reopen(session: Session, outdial: OutdialId, outcome: Outcomes) -> None:
    """Give all their tries again to the targets whose last attempt ended so."""
    from outdial.client.routes import reopen_targets

    with session.client() as client:
        _tell(session, client.send(reopen_targets(outdial, outcome)))


def _hold(status: Literal["pause", "resume", "drain"]) -> Callable[[Session, str, str | None], None]:
    def change(session: Session, outdial: OutdialId, reason: Reason = None) -> None:
        from outdial.client.routes import hold_outdial

        with session.client() as client:
            answer = client.send(hold_outdial(outdial, status, reason))
        _tell(session, answer)
        if status == "resume" and answer["draining"]:
            say("it goes on draining: nobody new is called; to call them too, stop it and run it again")

    change.__doc__ = HOLDS[status]
    return change


def _tell(session: Session, answer: dict[str, Any]) -> None:
    if session.as_data:
        show(session, answer)
    else:
        from outdial.doors.cli.output import calls_open

        held = "".join(f", {word}" for word in ("paused", "draining") if answer[word])
        print(f"{answer['outdial_id']}  {answer['status']}{held}  {calls_open(answer['open'])}")


def watch(session: Session, outdial: OutdialId, once: Once = False, until_done: UntilDone = False, interval: Pause = 1.0) -> None:
    """Show how an outdial goes, as it goes: what the page shows.

    A live view on a terminal; elsewhere a line whenever something changed. Ctrl-C leaves.
    """
    from outdial.client.routes import OUTDIALS, stats
    from outdial.doors.cli.panel import Screen, is_over

    with session.client(reads=once) as client:
        name = client.send(OUTDIALS.get(outdial))["name"] or outdial
        if session.as_data:
            while True:
                numbers = client.send(stats(outdial))
                session.print(numbers)
                if once or (until_done and is_over(numbers)):
                    return
                time.sleep(interval)
        with Screen(name) as screen:
            while True:
                look = _look(client, outdial)
                screen.show(look)
                if once or (until_done and is_over(look.stats)):
                    return
                time.sleep(interval)


def _look(client: "Blocking", outdial: str) -> "Look":
    """What there is to see; why it does or does not dial only the ledger knows, which may be away while the rest is served."""
    from outdial.client.errors import Unavailable
    from outdial.doors.cli.panel import Look, questions

    numbers, why, calls = questions(outdial)
    try:
        told = client.send(why)
    except Unavailable:
        told = None
    return Look(client.send(numbers), told, client.send(calls))
