"""Every route of the door with a request that is right for it, and what others are told. A route that is missing here fails a test."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import httpx

from api.door import ALICES

OUTDIAL, TARGET, OUTPLAN, CAMPAIGN = "OUTDIAL_NOT_FOUND", "OUTDIAL_TARGET_NOT_FOUND", "OUTPLAN_NOT_FOUND", "CAMPAIGN_NOT_FOUND"
CALL, KEY, WEBHOOK = "CAMPAIGNCALL_NOT_FOUND", "ACCESSKEY_NOT_FOUND", "WEBHOOK_NOT_FOUND"
PHONE: Final = {"type": "tel", "target": "+12025550123"}
PASSWORD: Final = "correct horse battery"  # noqa: S105  the password of a test


class To(NamedTuple):
    """What a route is to somebody whose thing it is not."""

    status: int = 404
    reason: str = ""


OWN: Final = To(200)
"""It shows or makes what is their own."""
DENIED: Final = To(403, "PERMISSION_DENIED")


@dataclass(frozen=True)
class Asked:
    """A request to a route. In texts ``{outdial}`` and the like stand for ids of Alice's things."""

    other: To
    body: Any = None
    content: str | None = None
    media: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    def sent(self, ids: Mapping[str, str]) -> dict[str, Any]:
        """What goes beside method and path."""
        found: dict[str, Any] = {"params": dict(self.query)}
        if self.body is not None:
            found["json"] = filled(self.body, ids)
        if self.content is not None:
            found |= {"content": self.content, "headers": {"Content-Type": self.media}}
        return found


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """A body with the ids in it."""
    match value:
        case str():
            return value.format_map(ids) if value.startswith("{") and value.endswith("}") else value
        case dict():
            return {name: filled(inner, ids) for name, inner in value.items()}
        case list():
            return [filled(inner, ids) for inner in value]
        case _:
            return value


def _about(reason: str, *names: str, **bodies: Any) -> dict[str, Asked]:
    return {name: Asked(To(404, reason)) for name in names} | {name: Asked(To(404, reason), body) for name, body in bodies.items()}


_ATTEMPT: Final = {"attempt_id": "{campaigncall}"}
ROUTES: Final[dict[str, Asked]] = {
    **_about(
        OUTDIAL,
        "get_target", "delete_target", "list_targets", "list_target_calls", "list_target_history",
        "get_outdial", "delete_outdial", "get_dialing", "get_stats", "why_target", "why_outdial",
        "get_activity", "get_yield", "get_most_called", "get_calendar", "get_past", "get_target_past", "list_open_attempts",
        "stream_outdial",
        add_targets={"destination_0": PHONE},
        update_outdial={"name": "another"},
        set_outdial_campaign={"campaign_id": ""},
        set_outdial_data={"data": "another"},
        set_dialing={"status": "stop"},
        reopen_targets={"outcomes": ["busy"]},
        preflight={"plan": {"max_try_count_0": 1}},
    ),
    "import_targets": Asked(To(404, OUTDIAL), content="destination_0\n+12025550124\n", media="text/csv"),
    **_about(OUTPLAN, "get_outplan", "delete_outplan", update_outplan={"name": "another"}, set_dial_info={"dial_timeout": 20_000}),
    **_about(
        CAMPAIGN,
        "get_campaign", "delete_campaign", "list_calls_of_campaign",
        update_campaign={"name": "another"},
        set_service_level={"service_level": 7},
        set_agents={"agents": 3},
        set_actions={"actions": []},
        set_status={"status": "stop"},
        set_resource_info={"queue_id": "00000000-0000-0000-0000-000000000000"},
        set_next_campaign={"next_campaign_id": ""},
    ),
    **_about(
        CALL,
        "get_campaigncall", "delete_campaigncall",
        claim_dial={**_ATTEMPT, "worker": "w"},
        say_answered=_ATTEMPT,
        say_result={**_ATTEMPT, "outcome": "busy"},
    ),
    **_about(KEY, "get_accesskey", "delete_accesskey"),
    **_about("SUPPRESSION_NOT_FOUND", "get_suppression", "remove_suppression"),
    "add_suppressions": Asked(OWN, {"prefix": "+999"}),
    "remove_suppressions": Asked(OWN, {"prefix": "+999"}),
    "import_suppressions": Asked(OWN, content="target\n+12025550125\n", media="text/csv"),
    "set_frequency_caps": Asked(OWN, {"min_gap_ms": 0}),
    "set_pace": Asked(OWN, {"calls_per_second": None}),
    **_about(WEBHOOK, "get_webhook", "delete_webhook", replay_webhook={"after": "0"}),
    "set_webhook": Asked(To(400, "INVALID_ARGUMENT"), {"uri": "http://127.0.0.1/"}),
    "create_outdial": Asked(OWN, {"name": "mine"}),
    "create_outplan": Asked(OWN, {"name": "mine"}),
    "create_campaign": Asked(To(400, "INVALID_ARGUMENT"), {"outdial_id": "{outdial}"}),
    "create_accesskey": Asked(OWN, {"name": "mine"}),
    "send_commands": Asked(To(404, OUTDIAL), {"type": "DeleteOutdial", "outdial_id": "{outdial}"}),
    **dict.fromkeys(
        ("list_outdials", "list_outplans", "list_campaigns", "list_campaigncalls", "list_dial_requests", "list_events", "list_accesskeys",
         "list_suppressions", "get_frequency_caps", "get_pace", "list_rejections", "get_views"),
        Asked(OWN),
    ),
    "stream_events": Asked(OWN),
    "stream_overview": Asked(OWN),
    "listen": Asked(OWN),
    **dict.fromkeys(("list_customers", "get_customer", "list_users", "get_user", "delete_user"), Asked(DENIED)),
    "create_customer": Asked(DENIED, {"name": "another"}),
    "create_accesskey_of_customer": Asked(DENIED, {}),
    "create_user": Asked(DENIED, {"username": "bob", "password": PASSWORD}),
    "set_password": Asked(DENIED, {"password": PASSWORD}),
}  # fmt: skip
"""What needs a token, by the name of its operation."""
PUBLIC: Final = frozenset({"is_alive", "is_ready", "metrics", "describe", "read_docs", "describe_topics", "read_messages", "log_in"})
"""What needs none."""
STREAMS: Final = frozenset({"stream_events", "stream_overview", "stream_outdial", "listen"})
"""What goes on answering until its reader leaves."""


class Operation(NamedTuple):
    """A route of the document."""

    name: str
    method: str
    path: str

    def at(self, ids: Mapping[str, str]) -> str:
        """Its path with the ids of Alice's things."""
        kind = self.path.split("/")[2].removesuffix("s") if self.path.startswith("/v1.0/") else ""
        return self.path.format_map({"id": ids.get(kind, ""), "target_id": ids.get("target", ""), "user_id": ids.get("user", "")})


async def operations(http: httpx.AsyncClient) -> list[Operation]:
    """Every route the document tells of."""
    paths = (await http.get("/openapi.json")).json()["paths"]
    return [
        Operation(operation["operationId"], method.upper(), path) for path, found in paths.items() for method, operation in found.items()
    ]


class Asking(Protocol):
    """A client of the door."""

    async def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The body of an answer that must be 200."""

    async def poke(self) -> None:
        """Let the ledger decide what is due."""


async def alices(api: Asking, customer_id: str, root: str, username: str = "alice") -> dict[str, str]:
    """One of everything that is Alice's, by the word of its path. The attempt is open."""
    by_alice, by_root = ({"headers": {"Authorization": f"Bearer {token}"}} for token in (ALICES, root))
    outplan = await api.ok("POST", "/outplans", {"name": "hers", "max_try_count_0": 3}, **by_alice)
    outdial = await api.ok("POST", "/outdials", {"name": "hers"}, **by_alice)
    target = await api.ok("POST", f"/outdials/{outdial['id']}/targets", {"name": "hers", "destination_0": PHONE}, **by_alice)
    campaign = await api.ok("POST", "/campaigns", {"name": "hers", "outdial_id": outdial["id"], "outplan_id": outplan["id"]}, **by_alice)
    await api.ok("PUT", f"/campaigns/{campaign['id']}/status", {"status": "run"}, **by_alice)
    attempts: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while not attempts:
            await api.poke()
            attempts = (await api.ok("GET", f"/campaigns/{campaign['id']}/campaigncalls", **by_alice))["result"]
    key = await api.ok("POST", "/accesskeys", {"name": "hers"}, **by_alice)
    await api.ok("POST", "/suppressions", {"prefix": "+998"}, **by_alice)
    suppression = (await api.ok("GET", "/suppressions", **by_alice))["result"][0]
    user = await api.ok("POST", f"/customers/{customer_id}/users", {"username": username, "password": PASSWORD}, **by_root)
    await api.ok("PUT", "/webhook", {"uri": "https://pbx.example/events"}, **by_alice)
    return {
        "customer": customer_id,
        "outplan": outplan["id"],
        "outdial": outdial["id"],
        "target": target["id"],
        "campaign": campaign["id"],
        "campaigncall": attempts[0]["id"],
        "accesskey": key["id"],
        "user": user["id"],
        "suppression": suppression["id"],
    }
