"""``outdials``, ``targets``, ``outplans``, ``campaigns``: list, get, create, update, delete. One table says how they differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from outdial.doors.cli.fields import address, caps, gathered, milliseconds
from outdial.doors.cli.session import Session, confirmed, say
from outdial.doors.cli.verbs import group, verb
from outdial.standing import STANDINGS, Standing

if TYPE_CHECKING:
    from outdial.client.routes import Collection
    from outdial.client.shapes import Row

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any field of the resource; JSON where it is JSON. May be repeated."),
]
From = Annotated[str | None, typer.Option("--from", metavar="FILE", help="Fields as a JSON object; - is stdin.")]
Name = Annotated[str | None, typer.Option("--name")]
Detail = Annotated[str | None, typer.Option("--detail")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Rows at most.")]
Every = Annotated[bool, typer.Option("--all", help="All rows, however many.")]
Deleted = Annotated[bool, typer.Option("--deleted", help="Deleted ones too.")]
Ring = Annotated[str | None, typer.Option("--ring", metavar="DURATION", help="How long to ring: 30s (dial_timeout).")]
Interval = Annotated[str | None, typer.Option("--every", metavar="DURATION", help="Between tries on one target: 2h (try_interval).")]
Tries = Annotated[str | None, typer.Option("--tries", metavar="N,N,..", help="Attempts per destination: 3,2 (max_try_count_0..4).")]
Source = Annotated[str | None, typer.Option("--source", metavar="ADDRESS", help="Caller id.")]
Concurrent = Annotated[int | None, typer.Option("--concurrent", min=0, help="Open calls at once, 0 = no limit (max_concurrent).")]
Rate = Annotated[int | None, typer.Option("--rate", min=1, help="Requests per second (calls_per_second).")]
OutdialId = Annotated[str, typer.Argument(metavar="OUTDIAL", help="Id of the outdial.")]
ResourceId = Annotated[str, typer.Argument(metavar="ID")]
Agents = Annotated[int, typer.Argument(min=0, max=1_000_000, metavar="AGENTS", help="How many are free.")]
InOutdial = Annotated[str | None, typer.Option("--outdial", metavar="ID")]
ByOutplan = Annotated[str | None, typer.Option("--outplan", metavar="ID")]
Following = Annotated[str | None, typer.Option("--next", metavar="ID", help="The campaign that starts when this one has finished.")]
CampaignKind = Annotated[str | None, typer.Option("--type", metavar="call|flow")]
EndHandle = Annotated[str | None, typer.Option("--end-handle", metavar="stop|continue", help="What to do when no target is left.")]
To = Annotated[list[str] | None, typer.Option("--to", metavar="ADDRESS", help="Where to reach them, in order; up to five.")]
Most = Annotated[int | None, typer.Option("--try-count-max", min=0, help="Attempts in all.")]
Priority = Annotated[int | None, typer.Option("--priority", help="Higher is dialed first.")]
Zone = Annotated[str | None, typer.Option("--time-zone", metavar="ZONE", help="Europe/Berlin")]
Stands = Annotated[
    Standing | None,
    typer.Option("--standing", metavar="WORD", help=f"Only those that the numbers of the outdial count so: {', '.join(STANDINGS)}."),
]
Reopen = Annotated[bool, typer.Option("--reopen", help="Set the try counts to 0 and dial again.")]


@dataclass(frozen=True, slots=True)
class Noun:
    """What is particular about a kind of resource."""

    name: str
    columns: tuple[str, ...]

    def collection(self) -> "Collection[Any]":
        """Where they are."""
        from outdial.client.routes import COLLECTIONS

        return COLLECTIONS[self.name]


NOT_SHOWN = frozenset({"destination", "metadata", "on_duplicate", "targets"})
"""What a body may have and an answer has not: other names of fields, and wishes."""
OUTDIALS = Noun("outdials", ("id", "name", "campaign_id", "tm_create"))
OUTPLANS = Noun("outplans", ("id", "name", "dial_timeout", "try_interval", "tries", "tm_create"))
CAMPAIGNS = Noun("campaigns", ("id", "name", "type", "status", "end_handle", "outdial_id", "outplan_id"))
CALL_COLUMNS = ("id", "status", "outcome", "destination", "destination_index", "try_count", "tm_create", "tm_update")
TARGETS = Noun("targets", ("id", "name", "status", "lifecycle", "destination_0", "try_count_current", "tm_update"))


def register(app: typer.Typer) -> None:
    """Add the four groups."""
    for noun, about in (
        (OUTDIALS, "Outdials: lists of targets."),
        (OUTPLANS, "Outplans: how to dial."),
        (CAMPAIGNS, "Campaigns: an outdial run by an outplan."),
    ):
        verbs = group(
            noun.name, about, f"outdial {noun.name} list\noutdial {noun.name} get ID --json\noutdial {noun.name} create --name June"
        )
        _add_common(verbs, noun)
        {"outdials": _outdials, "outplans": _outplans, "campaigns": _campaigns}[noun.name](verbs)
        app.add_typer(verbs)
    app.add_typer(_targets())


def plan_options(
    ring: str | None, every: str | None, tries: str | None, source: str | None, concurrent: int | None, rate: int | None
) -> dict[str, Any]:
    """The plan fields the named options stand for; absent ones are not there."""
    given = {
        "source": None if source is None else address(source),
        "dial_timeout": None if ring is None else milliseconds(ring),
        "try_interval": None if every is None else milliseconds(every),
        "max_concurrent": concurrent,
        "calls_per_second": rate,
        **(caps(tries) if tries is not None else {}),
    }
    return {name: value for name, value in given.items() if value is not None}


def show(session: Session, row: "Row") -> None:
    """Print one resource."""
    from outdial.doors.cli.output import print_fields

    if session.as_data:
        session.print(row)
    else:
        print_fields(row)


def show_list(
    session: Session, noun: Noun, collection: "Collection[Any]", limit: int, *, every: bool, deleted: bool, standing: str | None = None
) -> None:
    """Print the newest of them, or all."""
    from outdial.doors.cli.output import print_rows

    with session.client(reads=True) as client:
        rows = client.all(collection, limit=None if every else limit + 1, deleted=deleted, standing=standing)
        found = [row for row, _ in zip(rows, range(limit + 1), strict=False)] if not every else list(rows)
    shown = found if every else found[:limit]
    if session.as_data:
        session.print(shown)
        return
    for row in shown:
        if "max_try_count_0" in row:
            row["tries"] = ",".join(str(row.get(f"max_try_count_{slot}", 0)) for slot in range(5))
    print_rows(shown, noun.columns)
    if len(found) > len(shown):
        say(f"the newest {limit}; --all shows every one")


def _add_common(app: typer.Typer, noun: Noun) -> None:
    """list, get, delete: the same for every kind that stands on its own."""
    word = noun.name

    @verb(app, "list", f"outdial {word} list\noutdial {word} list --all --json")
    def list_(session: Session, limit: Limit = 100, every: Every = False, deleted: Deleted = False) -> None:
        """List them, newest first."""
        show_list(session, noun, noun.collection(), limit, every=every, deleted=deleted)

    @verb(app, "get", f"outdial {word} get ID\noutdial {word} get ID --json")
    def get(session: Session, resource_id: ResourceId) -> None:
        """Show one, also when it is deleted."""
        with session.client(reads=True) as client:
            show(session, client.send(noun.collection().get(resource_id)))

    @verb(app, "delete", f"outdial {word} delete ID\noutdial {word} delete ID --yes")
    def delete(session: Session, resource_id: ResourceId, yes: Yes = False) -> None:
        """Delete one. It stays readable by its id."""
        delete_resource(session, noun.collection(), word.removesuffix("s"), resource_id, yes=yes)


def create_resource(session: Session, collection: "Collection[Any]", fields: dict[str, Any]) -> None:
    """Make one and print it."""
    with session.client() as client:
        row = client.send(collection.create(fields))
    for warning in row.pop("warnings", None) or ():
        say(f"warning: {warning}")
    _tell_ignored(fields, row)
    show(session, row)


def delete_resource(session: Session, collection: "Collection[Any]", word: str, resource_id: str, *, yes: bool) -> None:
    """Delete one, if the person wants it, and print what is left of it."""
    if not confirmed(f"Delete {word} {resource_id}?", yes=yes):
        say("nothing was deleted")
        raise typer.Exit(1)
    with session.client() as client:
        show(session, client.send(collection.delete(resource_id)))


def _tell_ignored(fields: dict[str, Any], row: dict[str, Any]) -> None:
    """Name what was sent and is not there: the service leaves out what it does not know, as VoIPBIN does."""
    for name in sorted(fields.keys() - row.keys() - NOT_SHOWN):
        say(f"warning: {name} is no field here; it was left out")


def _update(session: Session, noun: Noun, resource_id: str, fields: dict[str, Any]) -> None:
    """Change fields, each at the sub-resource it belongs to."""
    if not fields:
        message = "name at least one field to change"
        raise typer.BadParameter(message)
    with session.client() as client:
        for route in noun.collection().changes(resource_id, fields):
            row = client.send(route)
            for warning in row.pop("warnings", None) or ():
                say(f"warning: {warning}")
    _tell_ignored(fields, row)
    show(session, row)


def _outdials(app: typer.Typer) -> None:
    @verb(app, "create", 'outdial outdials create --name "June"\noutdial outdials create --name June --set data=\'{"owner":"ann"}\'')
    def create(session: Session, name: Name = None, detail: Detail = None, fields: Set = None, source: From = None) -> None:
        """Make an outdial."""
        create_resource(session, OUTDIALS.collection(), gathered({"name": name, "detail": detail}, fields, source))

    @verb(app, "update", "outdial outdials update ID --name July\noutdial outdials update ID --set data=anything")
    def update(
        session: Session, resource_id: ResourceId, name: Name = None, detail: Detail = None, fields: Set = None, source: From = None
    ) -> None:
        """Change name, detail, data or campaign_id."""
        _update(session, OUTDIALS, resource_id, gathered({"name": name, "detail": detail}, fields, source))


def _outplans(app: typer.Typer) -> None:
    @verb(app, "create", "outdial outplans create --name evening --tries 3,2 --every 2h --ring 30s")
    def create(
        session: Session,
        name: Name = None,
        detail: Detail = None,
        ring: Ring = None,
        every: Interval = None,
        tries: Tries = None,
        caller: Source = None,
        concurrent: Concurrent = None,
        rate: Rate = None,
        fields: Set = None,
        source: From = None,
    ) -> None:
        """Make an outplan."""
        given = {"name": name, "detail": detail, **plan_options(ring, every, tries, caller, concurrent, rate)}
        create_resource(session, OUTPLANS.collection(), gathered(given, fields, source))

    @verb(app, "update", "outdial outplans update ID --every 30m\noutdial outplans update ID --set max_attempts=5")
    def update(
        session: Session,
        resource_id: ResourceId,
        name: Name = None,
        detail: Detail = None,
        ring: Ring = None,
        every: Interval = None,
        tries: Tries = None,
        caller: Source = None,
        concurrent: Concurrent = None,
        rate: Rate = None,
        fields: Set = None,
        source: From = None,
    ) -> None:
        """Change an outplan; every outdial that runs by it takes the change."""
        given = {"name": name, "detail": detail, **plan_options(ring, every, tries, caller, concurrent, rate)}
        _update(session, OUTPLANS, resource_id, gathered(given, fields, source))


def _campaigns(app: typer.Typer) -> None:
    def given(
        name: str | None, detail: str | None, kind: str | None, handle: str | None, ids: tuple[str | None, str | None, str | None]
    ) -> dict[str, Any]:
        return {
            "name": name, "detail": detail, "type": kind, "end_handle": handle,
            "outdial_id": ids[0], "outplan_id": ids[1], "next_campaign_id": ids[2],
        }  # fmt: skip

    def create(
        session: Session, name: Name = None, detail: Detail = None, type_: CampaignKind = None, end: EndHandle = None,
        outdial_id: InOutdial = None, outplan_id: ByOutplan = None, next_id: Following = None, fields: Set = None, source: From = None,
    ) -> None:  # fmt: skip
        """Make a campaign, stopped."""
        create_resource(
            session, CAMPAIGNS.collection(), gathered(given(name, detail, type_, end, (outdial_id, outplan_id, next_id)), fields, source)
        )

    def update(
        session: Session, resource_id: ResourceId, name: Name = None, detail: Detail = None, type_: CampaignKind = None,
        end: EndHandle = None, outdial_id: InOutdial = None, outplan_id: ByOutplan = None, next_id: Following = None,
        fields: Set = None, source: From = None,
    ) -> None:  # fmt: skip
        """Change a campaign."""
        _update(
            session, CAMPAIGNS, resource_id, gathered(given(name, detail, type_, end, (outdial_id, outplan_id, next_id)), fields, source)
        )

    def status(wanted: Literal["run", "stop"]) -> Callable[[Session, str], None]:
        def change(session: Session, resource_id: ResourceId) -> None:
            from outdial.client.routes import set_campaign_status

            with session.client() as client:
                show(session, client.send(set_campaign_status(resource_id, wanted)))

        change.__doc__ = {"run": "Start a campaign.", "stop": "Stop a campaign; open calls live on."}[wanted]
        return change

    verb(app, "create", "outdial campaigns create --name June --outdial ID --outplan ID")(create)
    verb(app, "update", "outdial campaigns update ID --end-handle continue")(update)

    @verb(app, "agents", "outdial campaigns agents ID 12")
    def agents(session: Session, resource_id: ResourceId, free: Agents) -> None:
        """Say how many agents of a campaign's queue are free: it rings for as many as its service level allows."""
        from outdial.client.routes import set_campaign_agents

        with session.client() as client:
            show(session, client.send(set_campaign_agents(resource_id, free)))

    verb(app, "run", "outdial campaigns run ID")(status("run"))
    verb(app, "stop", "outdial campaigns stop ID")(status("stop"))


def _targets() -> typer.Typer:
    app = group(
        "targets",
        "Targets: who to reach, in an outdial.",
        "outdial targets list OUTDIAL\noutdial targets calls OUTDIAL ID\noutdial targets create OUTDIAL --to +12025550123",
    )

    @verb(
        app,
        "list",
        "outdial targets list OUTDIAL --standing due_now\noutdial targets list OUTDIAL --all --json",
    )
    def list_(
        session: Session, outdial: OutdialId, limit: Limit = 100, every: Every = False, deleted: Deleted = False, standing: Stands = None
    ) -> None:
        """List the targets of an outdial, newest first."""
        show_list(session, TARGETS, _of(outdial), limit, every=every, deleted=deleted, standing=standing)

    @verb(app, "get", "outdial targets get OUTDIAL ID")
    def get(session: Session, outdial: OutdialId, resource_id: ResourceId) -> None:
        """Show one target."""
        with session.client(reads=True) as client:
            show(session, client.send(_of(outdial).get(resource_id)))

    def create(
        session: Session, outdial: OutdialId, to: To = None, name: Name = None, detail: Detail = None, try_count_max: Most = None,
        priority: Priority = None, time_zone: Zone = None, fields: Set = None, source: From = None,
    ) -> None:  # fmt: skip
        """Add a target."""
        given = {"name": name, "detail": detail, "try_count_max": try_count_max, "priority": priority, "time_zone": time_zone}
        destinations = {f"destination_{slot}": address(text) for slot, text in enumerate(to or ())}
        create_resource(session, _of(outdial), gathered({**given, **destinations}, fields, source))

    verb(app, "create", 'outdial targets create OUTDIAL --to +12025550123 --to sip:ann@example.org --name "Ann"')(create)

    def update(session: Session, outdial: OutdialId, resource_id: ResourceId, reopen: Reopen = False) -> None:
        """Reopen a target. Its name and addresses never change: delete it and add another."""
        if not reopen:
            message = "the one change a target knows is --reopen"
            raise typer.BadParameter(message)
        from outdial.client.routes import reopen_target

        with session.client() as client:
            client.send(reopen_target(outdial, resource_id))
            show(session, client.send(_of(outdial).get(resource_id)))

    verb(app, "update", "outdial targets update OUTDIAL ID --reopen")(update)

    @verb(app, "delete", "outdial targets delete OUTDIAL ID --yes")
    def delete(session: Session, outdial: OutdialId, resource_id: ResourceId, yes: Yes = False) -> None:
        """Delete a target. It is not dialed again; an open call still ends."""
        delete_resource(session, _of(outdial), "target", resource_id, yes=yes)

    _add_about(app, "calls", "List the attempts on a target.")
    _add_about(app, "history", "List what happened to a target.")
    return app


def _add_about(app: typer.Typer, what: Literal["calls", "history"], about: str) -> None:
    def tell(session: Session, outdial: OutdialId, resource_id: ResourceId) -> None:
        from outdial.client.routes import calls_of_target, history
        from outdial.doors.cli.output import print_event, print_rows

        about = history(outdial, resource_id) if what == "history" else calls_of_target(outdial, resource_id).page()
        with session.client(reads=True) as client:
            rows = client.send(about)["result"]
        if session.as_data:
            session.print(rows)
        elif what == "history":
            for event in rows:
                print_event(event)
        else:
            print_rows(rows, CALL_COLUMNS)

    tell.__doc__ = about
    verb(app, what, f"outdial targets {what} OUTDIAL ID\noutdial targets {what} OUTDIAL ID --json")(tell)


def _of(outdial_id: str) -> "Collection[Any]":
    from outdial.client.routes import targets

    return targets(outdial_id)
