"""What can be asked of the HTTP door. Every function says it as a value, with what its answer is; a client sends it.

What is served is in the shapes of the contract: field names, units (durations in milliseconds) and ids as they stand there.
"""

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import quote

from outdial.client.shapes import Page, Since
from outdial.commands import Command, Outcome
from outdial.ids import derived
from outdial.plan import PLAN_FIELDS, Plan
from outdial.requests import Answer
from outdial.resources import (
    Accesskey,
    Activity,
    Bulk,
    Calendar,
    Campaign,
    Campaigncall,
    Claim,
    Customer,
    DialingOfOutdial,
    ImportReport,
    Message,
    MostCalled,
    OpenAttempts,
    Outdial,
    Outplan,
    Pace,
    Past,
    PlacedEvent,
    PlacedRequest,
    PreflightOfOutdial,
    Rejections,
    Said,
    Session,
    Stats,
    Suppressing,
    Suppression,
    SuppressionReport,
    Target,
    Targetcall,
    TargetPast,
    User,
    Views,
    Webhook,
    WhyOutdial,
    WhyTarget,
    Yield,
)
from outdial.scalars import ZERO_ID, format_instant, parse_instant
from outdial.suppression import FrequencyCaps
from outdial.wire import encode, to_json

M = TypeVar("M", bound=Message)
T_co = TypeVar("T_co", covariant=True)
Fields = Mapping[str, Any]
PlanLike = Plan | Fields
When = int | str | datetime
"""An instant: microseconds since 1970 UTC, RFC 3339, or a datetime with a zone."""
Content = bytes | Path | Iterable[bytes] | AsyncIterable[bytes]
"""A body: as it stands, in a file, or in pieces, which can be sent once only."""
VERSION: Final = "/v1.0"
CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
_MEDIA: Final = {".csv": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON}
_IMPORT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Route(Generic[T_co]):
    """One request, and how its answer reads."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    """From the root of the service, percent-encoded."""
    read: Callable[[Any], T_co]
    """What a JSON value of the answer stands for; ValueError when it is none."""
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Any = None
    """A JSON value, when there is one."""
    content: Content | None = None
    """A body that is not JSON, with its media type in ``media``."""
    media: str = ""
    idempotency_key: str | None = None
    if_version: int | None = None
    wait_s: float = 0.0
    """How long the service may take on purpose (long polls)."""
    repeatable: bool = True
    """Whether asking again after an answer was lost comes to the same."""


@dataclass(frozen=True, slots=True)
class Collection(Generic[M]):
    """The five verbs every kind of resource has."""

    path: str
    model: type[M]
    parts: Fields = field(default_factory=dict)
    """Field -> the sub-resource it is changed at; others are changed at the resource itself."""

    def one(self, resource_id: str) -> str:
        """The path of one of them."""
        return f"{self.path}/{quote(resource_id, safe='')}"

    def page(self, page_size: int | None = None, page_token: str | None = None, *, deleted: bool = False, **more: Any) -> Route[Page[M]]:
        """One page, newest first."""

        def read(value: Any) -> Page[M]:
            return Page([self.model.model_validate(row) for row in value["result"]], value["next_page_token"])

        return Route("GET", self.path, read, _present(page_size=page_size, page_token=page_token, deleted=deleted, **more))

    def get(self, resource_id: str) -> Route[M]:
        """One, also when it is deleted."""
        return Route("GET", self.one(resource_id), self.model.model_validate)

    def create(self, fields: Fields, *, repeatable: bool = True) -> Route[M]:
        """Make one. With an idempotency key, asking twice makes one."""
        return Route("POST", self.path, self.model.model_validate, body=_body(fields), repeatable=repeatable)

    def update(self, resource_id: str, fields: Fields | Message, part: str = "") -> Route[M]:
        """Change the fields given; ``part`` is a sub-resource such as ``data`` or ``dial_info``."""
        return Route("PUT", self.one(resource_id) + (f"/{part}" if part else ""), self.model.model_validate, body=_body(fields))

    def changes(self, resource_id: str, fields: Fields) -> list[Route[M]]:
        """Change the fields given, each at the sub-resource it belongs to."""
        parts: dict[str, dict[str, Any]] = {}
        for name, value in fields.items():
            parts.setdefault(self.parts.get(name, ""), {})[name] = value
        return [self.update(resource_id, changed, part) for part, changed in sorted(parts.items())]

    def delete(self, resource_id: str) -> Route[M]:
        """Delete one softly."""
        return Route("DELETE", self.one(resource_id), self.model.model_validate)


OUTDIALS: Final = Collection(f"{VERSION}/outdials", Outdial, {"data": "data", "campaign_id": "campaign_id"})
OUTPLANS: Final = Collection(f"{VERSION}/outplans", Outplan, dict.fromkeys(PLAN_FIELDS, "dial_info"))
CAMPAIGNS: Final = Collection(
    f"{VERSION}/campaigns",
    Campaign,
    {"actions": "actions", **dict.fromkeys(("outplan_id", "outdial_id", "queue_id", "next_campaign_id"), "resource_info")},
)
CALLS: Final = Collection(f"{VERSION}/campaigncalls", Campaigncall)
SUPPRESSIONS: Final = Collection(f"{VERSION}/suppressions", Suppression)
ACCESSKEYS: Final = Collection(f"{VERSION}/accesskeys", Accesskey)
CUSTOMERS: Final = Collection(f"{VERSION}/customers", Customer)

COLLECTIONS: Final[Mapping[str, Collection[Any]]] = {
    collection.path.rpartition("/")[2]: collection for collection in (OUTDIALS, OUTPLANS, CAMPAIGNS, SUPPRESSIONS, ACCESSKEYS, CUSTOMERS)
}
"""Those that stand on their own, by name."""


def _present(**fields: str | int | bool | None) -> dict[str, str | int]:
    """Query parameters that are there; flags as ``true``."""
    return {name: "true" if value is True else value for name, value in fields.items() if value is not None and value is not False}


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given: those that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def fields_of(plan: PlanLike | None) -> Fields:
    """The fields of a plan that were set."""
    return {} if plan is None else plan.model_dump(mode="json", exclude_unset=True) if isinstance(plan, Plan) else plan


def _body(value: Any) -> Any:
    """A JSON value: of a message, the fields that were set."""
    match value:
        case Message():
            return value.model_dump(mode="json", exclude_unset=True)
        case Mapping():
            return {name: _body(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_body(inner) for inner in value]
        case _:
            return value


# --- targets ------------------------------------------------------------------------------------


def targets(outdial_id: str) -> Collection[Target]:
    """The targets of an outdial."""
    return Collection(f"{OUTDIALS.one(outdial_id)}/targets", Target)


def calls_of_target(outdial_id: str, target_id: str) -> Collection[Targetcall]:
    """The attempts on a target."""
    return Collection(f"{targets(outdial_id).one(target_id)}/calls", Targetcall)


def calls_of_campaign(campaign_id: str) -> Collection[Campaigncall]:
    """The attempts of a campaign."""
    return Collection(f"{CAMPAIGNS.one(campaign_id)}/campaigncalls", Campaigncall)


def add_targets(
    outdial_id: str, items: Iterable[Fields | Message], *, on_duplicate: str | None = None, dry_run: bool = False
) -> Route[Bulk]:
    """Add up to 10,000 targets at once."""
    body = given(targets=[_body(item) for item in items], on_duplicate=on_duplicate, dry_run=dry_run or None)
    return Route("POST", targets(outdial_id).path, Bulk.model_validate, body=body)


def import_id(outdial_id: str, digest: str) -> str | None:
    """The id the service itself gives the import of a file whose SHA-256 (hexadecimal) this is; None where the outdial has no id.

    Told beforehand, the service need not lay the file down to find it.
    """
    try:
        return derived(outdial_id.lower(), digest)
    except ValueError:
        return None


def import_targets(
    outdial_id: str,
    content: Content,
    *,
    media: str | None = None,
    import_id: str | None = None,
    on_duplicate: str | None = None,
    dry_run: bool = False,
) -> Route[ImportReport]:
    """Import a CSV (``text/csv``) or NDJSON (``application/x-ndjson``) stream; without ``media`` the service looks which it is.

    The same ``import_id`` again adds nothing twice; without one it follows from the file and the outdial.
    """
    query = _present(import_id=import_id, on_duplicate=on_duplicate, dry_run=dry_run)
    path = f"{OUTDIALS.one(outdial_id)}/import"
    return Route("POST", path, ImportReport.model_validate, query, content=content, media=_media(content, media), wait_s=_IMPORT_S)


def _media(content: Content, media: str | None) -> str:
    """The media type of a body: as it was said, else by the name of its file."""
    return media if media is not None else _MEDIA.get(content.suffix.lower(), "") if isinstance(content, Path) else ""


def reopen_target(outdial_id: str, target_id: str) -> Route[Answer]:
    """Set the try counts of a target to 0 and make it dialable again."""
    return command({"type": "ReopenTarget", "outdial_id": outdial_id, "target_id": target_id})


def history(outdial_id: str, target_id: str, after: str = "0", *, limit: int | None = None) -> Route[Since[PlacedEvent]]:
    """The events of a target, oldest first."""
    return Route("GET", f"{targets(outdial_id).one(target_id)}/history", _since(PlacedEvent), _present(after=after, limit=limit))


def _since(model: type[M]) -> Callable[[Any], Since[M]]:
    return lambda value: Since([model.model_validate(row) for row in value["result"]], value["next_after"])


# --- dialing ------------------------------------------------------------------------------------


def _at(outdial_id: str, what: str) -> str:
    return f"{OUTDIALS.one(outdial_id)}/{what}"


def why(outdial_id: str) -> Route[WhyOutdial]:
    """Why an outdial is not dialing: the rule, since when, until when, what it follows from, and how many targets each rule holds."""
    return Route("GET", _at(outdial_id, "why"), WhyOutdial.model_validate)


def why_target(outdial_id: str, target_id: str) -> Route[WhyTarget]:
    """Why a target is not being dialed."""
    return Route("GET", f"{targets(outdial_id).one(target_id)}/why", WhyTarget.model_validate)


def preflight(
    outdial_id: str, *, plan: PlanLike | None = None, outplan_id: str | None = None, campaign_id: str | None = None
) -> Route[PreflightOfOutdial]:
    """What a run would come to if it began now, by a plan, an outplan, a campaign's outplan, or the plan it ran by last."""
    body = given(plan=_body(plan), outplan_id=outplan_id, campaign_id=campaign_id)
    return Route("POST", _at(outdial_id, "preflight"), PreflightOfOutdial.model_validate, body=body)


def dialing(outdial_id: str) -> Route[DialingOfOutdial]:
    """Whether an outdial dials, by which plan, and how its last run ended."""
    return Route("GET", _at(outdial_id, "dialing"), DialingOfOutdial.model_validate)


def run_outdial(
    outdial_id: str, *, plan: PlanLike | None = None, outplan_id: str | None = None, end_handle: str | None = None
) -> Route[DialingOfOutdial]:
    """Start dialing an outdial by a plan, an outplan, or the plan it ran by last."""
    return _set_dialing(outdial_id, status="run", plan=_body(plan), outplan_id=outplan_id, end_handle=end_handle)


def stop_outdial(outdial_id: str, reason: str | None = None) -> Route[DialingOfOutdial]:
    """Request no further call; the answer says which are still open."""
    return _set_dialing(outdial_id, status="stop", reason=reason)


def hold_outdial(outdial_id: str, status: Literal["pause", "resume", "drain"], reason: str | None = None) -> Route[DialingOfOutdial]:
    """Request no call until it is resumed; go on; or begin with nobody new and end when nobody is left to try again."""
    return _set_dialing(outdial_id, status=status, reason=reason)


def _set_dialing(outdial_id: str, **fields: Any) -> Route[DialingOfOutdial]:
    return Route("PUT", _at(outdial_id, "dialing"), DialingOfOutdial.model_validate, body=given(**fields))


def reopen_targets(outdial_id: str, outcomes: Sequence[str]) -> Route[DialingOfOutdial]:
    """Give all their tries again to the targets whose last attempt ended in one of these ways."""
    return Route("POST", _at(outdial_id, "reopen"), DialingOfOutdial.model_validate, body={"outcomes": list(outcomes)})


def stats(outdial_id: str) -> Route[Stats]:
    """Counts of an outdial by state and outcome, what is due, what is open."""
    return Route("GET", _at(outdial_id, "stats"), Stats.model_validate)


def most_called(outdial_id: str) -> Route[MostCalled]:
    """How often the number was called that was called most often within a day."""
    return Route("GET", _at(outdial_id, "most_called"), MostCalled.model_validate)


def activity(outdial_id: str, minutes: int | None = None) -> Route[Activity]:
    """Requests and ends of attempts over the last minutes."""
    return Route("GET", _at(outdial_id, "activity"), Activity.model_validate, _present(minutes=minutes))


def results_of(outdial_id: str) -> Route[Yield]:
    """How the attempts ended, by try, by destination, by hour."""
    return Route("GET", _at(outdial_id, "yield"), Yield.model_validate)


def calendar(outdial_id: str, hours: int | None = None) -> Route[Calendar]:
    """When targets fall due."""
    return Route("GET", _at(outdial_id, "calendar"), Calendar.model_validate, _present(hours=hours))


def past(outdial_id: str, at: str | int, minutes: int | None = None) -> Route[Past]:
    """An outdial as it was at a time, or after so many of its events."""
    return Route("GET", _at(outdial_id, "past"), Past.model_validate, _present(at=at, minutes=minutes))


def target_past(outdial_id: str, target_id: str, at: str | int) -> Route[TargetPast]:
    """A target as it was at a time, or after so many of its events."""
    return Route("GET", f"{targets(outdial_id).one(target_id)}/past", TargetPast.model_validate, _present(at=at))


def open_attempts(outdial_id: str, limit: int | None = None) -> Route[OpenAttempts]:
    """The attempts that are not over, the longest open first."""
    return Route("GET", _at(outdial_id, "open_attempts"), OpenAttempts.model_validate, _present(limit=limit))


def set_campaign_agents(campaign_id: str, agents: int) -> Route[Campaign]:
    """Say how many agents of a campaign's queue are free."""
    return CAMPAIGNS.update(campaign_id, {"agents": agents}, "agents")


def set_campaign_status(campaign_id: str, status: Literal["run", "stop"]) -> Route[Campaign]:
    """Start or stop a campaign."""
    return CAMPAIGNS.update(campaign_id, {"status": status}, "status")


# --- who places calls ---------------------------------------------------------------------------


def dial_requests(
    after: str = "0", *, limit: int | None = None, wait_ms: int | None = None, share: str | None = None
) -> Route[Since[PlacedRequest]]:
    """Dial requests after a position; waits up to ``wait_ms`` for the first."""
    query = _present(after=after, limit=limit, wait_ms=wait_ms, share=share)
    return Route("GET", f"{VERSION}/dial_requests", _since(PlacedRequest), query, wait_s=(wait_ms or 0) / 1_000)


def claim_dial(attempt_id: str, worker: str, **place: str) -> Route[Claim]:
    """Ask, before placing a call, whether it is still wanted; ``Conflict`` means: do not."""
    return Route("POST", f"{VERSION}/dial_claims", Claim.model_validate, body={"attempt_id": attempt_id, "worker": worker, **place})


def dial_answers(items: Iterable[Fields]) -> Route[list[Said]]:
    """Say that calls were answered."""
    return Route("POST", f"{VERSION}/dial_answers", _said, body=[dict(item) for item in items])


def dial_results(items: Iterable[Fields]) -> Route[list[Said]]:
    """Say how attempts ended: ``attempt_id`` and ``outcome`` of each."""
    return Route("POST", f"{VERSION}/dial_results", _said, body=[dict(item) for item in items])


def dial_answered(attempt_id: str, **place: str) -> Route[Said]:
    """Say that one call was answered."""
    return Route("POST", f"{VERSION}/dial_answers", Said.model_validate, body={"attempt_id": attempt_id, **place})


def dial_result(attempt_id: str, outcome: Outcome, **fields: Any) -> Route[Said]:
    """Say how one attempt ended."""
    return Route("POST", f"{VERSION}/dial_results", Said.model_validate, body={"attempt_id": attempt_id, "outcome": outcome, **fields})


def _said(value: Any) -> list[Said]:
    return [Said.model_validate(row) for row in value["result"]]


def instant(at: When | None) -> str | None:
    """An instant as it is sent."""
    found = parse_instant(at) if isinstance(at, datetime) else at
    return format_instant(found) if isinstance(found, int) else None if found is None else str(found)


# --- whom not to call ---------------------------------------------------------------------------


def suppress(entries: Sequence[Fields | Message]) -> Route[Suppressing]:
    """Call nobody there; the answer names the attempts that are out already."""
    return Route("POST", SUPPRESSIONS.path, Suppressing.model_validate, body={"entries": _body(list(entries))})


def unsuppress(entries: Sequence[Fields | Message]) -> Route[Suppressing]:
    """Take entries off the list."""
    return Route("DELETE", SUPPRESSIONS.path, Suppressing.model_validate, body={"entries": _body(list(entries))})


def import_suppressions(content: Content, *, media: str | None = None) -> Route[SuppressionReport]:
    """Add all that a CSV or NDJSON file names."""
    path = f"{SUPPRESSIONS.path}/import"
    kind = _media(content, media) or CSV
    return Route("POST", path, SuppressionReport.model_validate, content=content, media=kind, wait_s=_IMPORT_S)


def frequency_caps() -> Route[FrequencyCaps]:
    """How often one address may be called."""
    return Route("GET", f"{VERSION}/frequency_caps", FrequencyCaps.model_validate)


def set_frequency_caps(caps: FrequencyCaps | Fields) -> Route[FrequencyCaps]:
    """Change it: ``rules`` of ``count`` within ``per_ms``, and ``min_gap_ms``; what is absent stays."""
    return Route("PUT", f"{VERSION}/frequency_caps", FrequencyCaps.model_validate, body=_body(caps))


def pace() -> Route[Pace]:
    """How many calls a second all outdials may request together, and who has how much of it."""
    return Route("GET", f"{VERSION}/pace", Pace.model_validate)


def rejections(most: int = 100) -> Route[Rejections]:
    """The newest commands that were refused."""
    return Route("GET", f"{VERSION}/rejections", Rejections.model_validate, query={"limit": most})


def views() -> Route[Views]:
    """Where the views stand, and whether they were compared with the log."""
    return Route("GET", f"{VERSION}/views", Views.model_validate)


def set_pace(calls_per_second: int | None) -> Route[Pace]:
    """Change it; None: no limit."""
    return Route("PUT", f"{VERSION}/pace", Pace.model_validate, body={"calls_per_second": calls_per_second})


# --- who may ask --------------------------------------------------------------------------------


def log_in(username: str, password: str) -> Route[Session]:
    """A token for a user name and a password."""
    body = {"username": username, "password": password}
    return Route("POST", "/auth/login", Session.model_validate, body=body, repeatable=False)


def users(customer_id: str) -> Collection[User]:
    """The users of a customer."""
    return Collection(f"{CUSTOMERS.one(customer_id)}/users", User)


def create_user(customer_id: str, username: str, password: str) -> Route[User]:
    """Let somebody log in. The service salts the password anew each time, so a repeat would be something else."""
    return users(customer_id).create({"username": username, "password": password}, repeatable=False)


def set_password(customer_id: str, user_id: str, password: str) -> Route[User]:
    """Give a user another password."""
    return users(customer_id).update(user_id, {"password": password}, "password")


def create_accesskey(fields: Fields, customer_id: str | None = None) -> Route[Accesskey]:
    """Make an access key, for a customer if one is named. A repeat would have another token."""
    keys = ACCESSKEYS if customer_id is None else Collection(f"{CUSTOMERS.one(customer_id)}/accesskeys", Accesskey)
    return keys.create(fields, repeatable=False)


# --- the log ------------------------------------------------------------------------------------


def command(asked: Command | Fields) -> Route[Answer]:
    """Send a command in its wire form."""
    body = asked.model_dump(mode="json", exclude_none=True) if isinstance(asked, Command) else dict(asked)
    return Route("POST", f"{VERSION}/commands", _answer, body=body)


def commands(asked: bytes | Iterable[Command | Fields]) -> Route[list[Answer]]:
    """Send commands in their wire form, one per line; the answer has one line for each."""
    lines = asked if isinstance(asked, bytes) else b"".join(_line(one) for one in asked)
    return Route("POST", f"{VERSION}/commands", lambda value: [_answer(row) for row in value], content=lines, media=NDJSON)


def _line(asked: Command | Fields) -> bytes:
    return (encode(asked) if isinstance(asked, Command) else to_json(asked)) + b"\n"


def _answer(value: Any) -> Answer:
    """An answer; of what could not be read there is no command to name."""
    return Answer.model_validate({"command_id": ZERO_ID, "type": "", "stream": ZERO_ID, **value})


def events(after: str = "0", *, outdial_id: str | None = None, limit: int | None = None) -> Route[Since[PlacedEvent]]:
    """One page of the history, oldest first, at most 1,000."""
    return Route("GET", f"{VERSION}/events", _since(PlacedEvent), _present(after=after, outdial_id=outdial_id, limit=limit))


def event_stream(after: str = "0", outdial_id: str | None = None) -> Route[PlacedEvent]:
    """The history as server-sent events; read it with ``Client.stream``."""
    return Route("GET", f"{VERSION}/events/stream", PlacedEvent.model_validate, _present(after=after, outdial_id=outdial_id))


# --- the webhook --------------------------------------------------------------------------------

WEBHOOK: Final = f"{VERSION}/webhook"


def webhook() -> Route[Webhook]:
    """Where events are sent to, how far that is, and what went wrong last."""
    return Route("GET", WEBHOOK, Webhook.model_validate)


def set_webhook(uri: str, *, method: str | None = None, secret: str | None = None, after: str | None = None) -> Route[Webhook]:
    """Send events to an address. Without a secret the first time, the answer has the one that was made, and no other answer has it."""
    body = given(uri=uri, method=method, secret=secret, after=after)
    return Route("PUT", WEBHOOK, Webhook.model_validate, body=body, repeatable=secret is not None)


def delete_webhook() -> Route[Webhook]:
    """Send nothing any more."""
    return Route("DELETE", WEBHOOK, Webhook.model_validate)


def replay_webhook(after: str) -> Route[Webhook]:
    """Send again what happened after a position."""
    return Route("POST", f"{WEBHOOK}/replay", Webhook.model_validate, body={"after": after})
