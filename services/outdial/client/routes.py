"""What can be asked of the HTTP door. Every function says it as a value; a client sends it.

Rows are plain JSON objects, in the shapes of the contract: field names, units (durations in milliseconds) and ids as
served. Times come as RFC 3339 UTC with six digits, "not yet" as null.
"""

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypedDict, TypeVar, cast
from urllib.parse import quote

T_co = TypeVar("T_co", covariant=True)
Row = dict[str, Any]
"""One resource as served."""
Content = bytes | Iterable[bytes] | AsyncIterable[bytes]


class Page(TypedDict):
    """One page of a list, newest first; the next one follows ``next_page_token``, "" is the end."""

    result: list[Row]
    next_page_token: str


class RequestPage(TypedDict):
    """Dial requests, oldest first; ask again with ``after=next_after``."""

    result: list[Row]
    next_after: str


class Bulk(TypedDict, total=False):
    """What became of many targets: those added in request order, those refused, those skipped as duplicates."""

    result: list[Row]
    errors: list[Row]
    skipped: list[Row]


@dataclass(frozen=True, slots=True)
class Route(Generic[T_co]):
    """One request, and how its answer reads."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    """Below ``/v1.0``, percent-encoded."""
    read: Callable[[Any], T_co]
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Any = None
    """A JSON value, when there is one."""
    content: Content | None = None
    """A body that is not JSON, with its media type in ``media``."""
    media: str = ""
    idempotency_key: str | None = None
    wait_s: float = 0.0
    """How long the service may take on purpose (long polls)."""


def _row(value: Any) -> Row:
    return cast(Row, value)


def _page(value: Any) -> Page:
    return cast(Page, value)


def _rows(value: Any) -> list[Row]:
    return cast(list[Row], value["result"] if isinstance(value, dict) else value)


def _present(**fields: str | int | bool | None) -> dict[str, str | int]:
    """Query parameters that are there; flags as ``true``."""
    return {name: "true" if value is True else value for name, value in fields.items() if value is not None and value is not False}


@dataclass(frozen=True, slots=True)
class Collection:
    """The five verbs every kind of resource has. ``path`` is below ``/v1.0``."""

    path: str

    def one(self, resource_id: str) -> str:
        """The path of one of them."""
        return f"{self.path}/{quote(resource_id, safe='')}"

    def page(self, page_size: int | None = None, page_token: str | None = None, *, deleted: bool = False) -> Route[Page]:
        """One page, newest first."""
        return Route("GET", self.path, _page, _present(page_size=page_size, page_token=page_token, deleted=deleted))

    def get(self, resource_id: str) -> Route[Row]:
        """One, also when it is deleted."""
        return Route("GET", self.one(resource_id), _row)

    def create(self, fields: Mapping[str, Any], *, idempotency_key: str | None = None) -> Route[Row]:
        """Make one. With a key, asking twice makes one."""
        return Route("POST", self.path, _row, body=dict(fields), idempotency_key=idempotency_key)

    def update(self, resource_id: str, fields: Mapping[str, Any], part: str = "") -> Route[Row]:
        """Change the fields given; ``part`` is a sub-resource such as ``data`` or ``dial_info``."""
        return Route("PUT", self.one(resource_id) + (f"/{part}" if part else ""), _row, body=dict(fields))

    def delete(self, resource_id: str) -> Route[Row]:
        """Delete one softly."""
        return Route("DELETE", self.one(resource_id), _row)


OUTDIALS = Collection("/outdials")
OUTPLANS = Collection("/outplans")
CAMPAIGNS = Collection("/campaigns")
CALLS = Collection("/campaigncalls")


def targets(outdial_id: str) -> Collection:
    """The targets of an outdial."""
    return Collection(f"{OUTDIALS.one(outdial_id)}/targets")


def add_targets(outdial_id: str, items: Iterable[Mapping[str, Any]], on_duplicate: str | None = None) -> Route[Bulk]:
    """Add up to 10,000 targets at once."""
    body: Row = {"targets": [dict(item) for item in items]}
    if on_duplicate is not None:
        body["on_duplicate"] = on_duplicate
    return Route("POST", targets(outdial_id).path, lambda value: cast(Bulk, value), body=body)


def about_target(outdial_id: str, target_id: str, what: Literal["calls", "history"]) -> Route[Row]:
    """Attempts on a target, newest first, or its events, oldest first."""
    return Route("GET", f"{targets(outdial_id).one(target_id)}/{what}", _row)


def why(outdial_id: str, target_id: str | None = None) -> Route[Row]:
    """Why an outdial, or one target of it, is not being dialed: the rule, since when, until when, and what it follows from."""
    path = OUTDIALS.one(outdial_id) if target_id is None else targets(outdial_id).one(target_id)
    return Route("GET", f"{path}/why", _row)


def preflight(
    outdial_id: str, *, plan: Mapping[str, Any] | None = None, outplan_id: str | None = None, campaign_id: str | None = None
) -> Route[Row]:
    """What a run would come to if it began now, by a plan, an outplan, a campaign's outplan, or the plan it ran by last."""
    body = {"plan": None if plan is None else dict(plan), "outplan_id": outplan_id, "campaign_id": campaign_id}
    return Route("POST", f"{OUTDIALS.one(outdial_id)}/preflight", _row, body={name: value for name, value in body.items() if value})


def import_targets(
    outdial_id: str,
    content: Content,
    *,
    media: str = "",
    import_id: str | None = None,
    on_duplicate: str | None = None,
    dry_run: bool = False,
) -> Route[Row]:
    """Import a CSV (``text/csv``) or NDJSON (``application/x-ndjson``) stream; without ``media`` the service looks which it is.

    The same ``import_id`` again adds nothing twice; without one it follows from the file and the outdial.
    """
    query = _present(import_id=import_id, on_duplicate=on_duplicate, dry_run=dry_run)
    return Route("POST", f"{OUTDIALS.one(outdial_id)}/import", _row, query, content=content, media=media, wait_s=600.0)


def run_outdial(outdial_id: str, *, plan: Mapping[str, Any] | None = None, outplan_id: str | None = None) -> Route[Row]:
    """Start dialing an outdial by a plan, an outplan, or the plan it ran by last."""
    body: Row = {"status": "run"}
    if plan is not None:
        body["plan"] = dict(plan)
    if outplan_id is not None:
        body["outplan_id"] = outplan_id
    return Route("PUT", f"{OUTDIALS.one(outdial_id)}/dialing", _row, body=body)


def dialing(outdial_id: str) -> Route[Row]:
    """Whether an outdial dials, by which plan, and how its last run ended."""
    return Route("GET", f"{OUTDIALS.one(outdial_id)}/dialing", _row)


def stop_outdial(outdial_id: str) -> Route[Row]:
    """Request no further call; the answer says which are still open."""
    return Route("PUT", f"{OUTDIALS.one(outdial_id)}/dialing", _row, body={"status": "stop"})


def hold_outdial(outdial_id: str, status: Literal["pause", "resume", "drain"], reason: str | None = None) -> Route[Row]:
    """Request no call until it is resumed; go on; or begin with nobody new and end when nobody is left to try again."""
    return Route("PUT", f"{OUTDIALS.one(outdial_id)}/dialing", _row, body={"status": status, **_present(reason=reason)})


def reopen_targets(outdial_id: str, outcomes: Sequence[str]) -> Route[Row]:
    """Give all their tries again to the targets whose last attempt ended in one of these ways."""
    return Route("POST", f"{OUTDIALS.one(outdial_id)}/reopen", _row, body={"outcomes": list(outcomes)})


def set_campaign_agents(campaign_id: str, agents: int) -> Route[Row]:
    """Say how many agents of a campaign's queue are free."""
    return CAMPAIGNS.update(campaign_id, {"agents": agents}, "agents")


def set_campaign_status(campaign_id: str, status: Literal["run", "stop"]) -> Route[Row]:
    """Start or stop a campaign."""
    return CAMPAIGNS.update(campaign_id, {"status": status}, "status")


def stats(outdial_id: str) -> Route[Row]:
    """Counts of an outdial by state and outcome, what is due, what is open."""
    return Route("GET", f"{OUTDIALS.one(outdial_id)}/stats", _row)


def dial_requests(
    after: str = "0", *, limit: int | None = None, wait_ms: int | None = None, share: str | None = None
) -> Route[RequestPage]:
    """Dial requests after a position; waits up to ``wait_ms`` for the first."""
    query = _present(after=after, limit=limit, wait_ms=wait_ms, share=share)
    return Route("GET", "/dial_requests", lambda value: cast(RequestPage, value), query, wait_s=(wait_ms or 0) / 1_000)


def claim_dial(attempt_id: str, worker: str) -> Route[Row]:
    """Ask, before placing a call, whether it is still wanted; ``Conflict`` means: do not."""
    return Route("POST", "/dial_claims", _row, body={"attempt_id": attempt_id, "worker": worker})


def dial_answers(items: Iterable[Mapping[str, Any]]) -> Route[Row]:
    """Say that calls were answered."""
    return Route("POST", "/dial_answers", _row, body=[dict(item) for item in items])


def dial_results(items: Iterable[Mapping[str, Any]]) -> Route[Row]:
    """Say how attempts ended: ``attempt_id`` and ``outcome`` of each."""
    return Route("POST", "/dial_results", _row, body=[dict(item) for item in items])


def suppress(body: Mapping[str, Any]) -> Route[Row]:
    """Call nobody at the ``entries`` of the body; the answer names the attempts that are out already."""
    return Route("POST", "/suppressions", _row, body=dict(body))


def unsuppress(body: Mapping[str, Any]) -> Route[Row]:
    """Take the ``entries`` of the body off the list."""
    return Route("DELETE", "/suppressions", _row, body=dict(body))


def suppressions_import(content: Content, *, ndjson: bool = False) -> Route[Row]:
    """Add all that a CSV or NDJSON file names."""
    return Route("POST", "/suppressions/import", _row, content=content, media="application/x-ndjson" if ndjson else "text/csv")


def frequency_caps() -> Route[Row]:
    """How often one address may be called."""
    return Route("GET", "/frequency_caps", _row)


def set_frequency_caps(caps: Mapping[str, Any]) -> Route[Row]:
    """Change it: ``rules`` of ``count`` within ``per_ms``, and ``min_gap_ms``."""
    return Route("PUT", "/frequency_caps", _row, body=dict(caps))


def commands(lines: bytes) -> Route[Any]:
    """Send commands in their wire form, one per line; the answer has one line for each."""
    return Route("POST", "/commands", lambda value: value, content=lines, media="application/x-ndjson")


def events(after: str = "0", *, outdial_id: str | None = None, limit: int | None = None) -> Route[Row]:
    """One page of the history, oldest first, at most 1,000; ask again with ``after=next_after``. An event carries its ``position``."""
    return Route("GET", "/events", _row, _present(after=after, outdial_id=outdial_id, limit=limit))


def event_stream(after: str | None = None, outdial_id: str | None = None) -> Route[None]:
    """The history as server-sent events; read it with ``Client.follow``."""
    return Route("GET", "/events/stream", lambda _: None, _present(after=after, outdial_id=outdial_id))


WEBHOOK: Final = "/webhook"


def webhook() -> Route[Row]:
    """Where events are sent to, how far that is, and what went wrong last."""
    return Route("GET", WEBHOOK, _row)


def set_webhook(uri: str, *, method: str | None = None, secret: str | None = None, after: str | None = None) -> Route[Row]:
    """Send events to an address. Without a secret the first time, the answer has the one that was made."""
    given = {"uri": uri, "method": method, "secret": secret, "after": after}
    return Route("PUT", WEBHOOK, _row, body={name: value for name, value in given.items() if value is not None})


def delete_webhook() -> Route[Row]:
    """Send nothing any more."""
    return Route("DELETE", WEBHOOK, _row)


def replay_webhook(after: str) -> Route[Row]:
    """Send again what happened after a position."""
    return Route("POST", f"{WEBHOOK}/replay", _row, body={"after": after})
