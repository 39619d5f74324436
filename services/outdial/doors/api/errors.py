"""Refusals as HTTP knows them: one envelope, and one table from the ledger's words to it. Source: contract 1.3."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from outdial.requests import Unavailable
from outdial.wire import Malformed, to_json


class Kind(NamedTuple):
    """What a refusal is to an HTTP client."""

    http: int
    status: str
    """The contract's status word."""
    reason: str
    """The contract's reason."""


ARGUMENT: Final = Kind(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
JSON_BODY: Final = Kind(400, "INVALID_ARGUMENT", "INVALID_JSON_BODY")
BAD_ID: Final = Kind(400, "INVALID_ARGUMENT", "INVALID_ID")
PARAMETER: Final = Kind(400, "INVALID_ARGUMENT", "INVALID_REQUEST_PARAMETER")
NOT_AUTHENTICATED: Final = Kind(401, "UNAUTHENTICATED", "AUTHENTICATION_REQUIRED")
BAD_CREDENTIALS: Final = Kind(401, "UNAUTHENTICATED", "INVALID_CREDENTIALS")
DENIED: Final = Kind(403, "PERMISSION_DENIED", "PERMISSION_DENIED")
NO_OUTDIAL: Final = Kind(404, "NOT_FOUND", "OUTDIAL_NOT_FOUND")
NO_TARGET: Final = Kind(404, "NOT_FOUND", "OUTDIAL_TARGET_NOT_FOUND")
NO_OUTPLAN: Final = Kind(404, "NOT_FOUND", "OUTPLAN_NOT_FOUND")
NO_CAMPAIGN: Final = Kind(404, "NOT_FOUND", "CAMPAIGN_NOT_FOUND")
NO_CALL: Final = Kind(404, "NOT_FOUND", "CAMPAIGNCALL_NOT_FOUND")
NO_CUSTOMER: Final = Kind(404, "NOT_FOUND", "CUSTOMER_NOT_FOUND")
NO_USER: Final = Kind(404, "NOT_FOUND", "USER_NOT_FOUND")
NO_ACCESSKEY: Final = Kind(404, "NOT_FOUND", "ACCESSKEY_NOT_FOUND")
NO_SUPPRESSION: Final = Kind(404, "NOT_FOUND", "SUPPRESSION_NOT_FOUND")
NO_WEBHOOK: Final = Kind(404, "NOT_FOUND", "WEBHOOK_NOT_FOUND")
NO_ROUTE: Final = Kind(404, "NOT_FOUND", "ROUTE_NOT_FOUND")
BAD_METHOD: Final = Kind(405, "METHOD_NOT_ALLOWED", "METHOD_NOT_ALLOWED")
EXISTS: Final = Kind(409, "ALREADY_EXISTS", "ALREADY_EXISTS")
STATE: Final = Kind(409, "FAILED_PRECONDITION", "STATE_INVALID")
PRECONDITION: Final = Kind(412, "FAILED_PRECONDITION", "VERSION_DIFFERS")
TOO_LARGE: Final = Kind(413, "INVALID_ARGUMENT", "BODY_TOO_LARGE")
MEDIA_TYPE: Final = Kind(415, "INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE")
ID_REUSED: Final = Kind(422, "INVALID_ARGUMENT", "ID_REUSED")
NOT_UPGRADED: Final = Kind(426, "FAILED_PRECONDITION", "UPGRADE_REQUIRED")
TOO_MANY: Final = Kind(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")
INTERNAL: Final = Kind(500, "INTERNAL", "INTERNAL")
UNAVAILABLE: Final = Kind(503, "UNAVAILABLE", "SERVICE_UNAVAILABLE")
TIMEOUT: Final = Kind(503, "UNAVAILABLE", "REQUEST_TIMEOUT")

RULES: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("outdial_unknown", "outdial_deleted"), NO_OUTDIAL),
    **dict.fromkeys(("target_unknown", "target_deleted"), NO_TARGET),
    "target_expired": STATE,
    **dict.fromkeys(("outplan_unknown", "outplan_deleted"), NO_OUTPLAN),
    **dict.fromkeys(("campaign_unknown", "campaign_deleted"), NO_CAMPAIGN),
    "attempt_unknown": NO_CALL,
    "customer_unknown": NO_CUSTOMER,
    "user_unknown": NO_USER,
    "accesskey_unknown": NO_ACCESSKEY,
    **dict.fromkeys(("already_exists", "username_taken"), EXISTS),
    "webhook_unknown": NO_WEBHOOK,
    "id_reused": ID_REUSED,
    **dict.fromkeys(
        (
            "attempt_closed", "attempt_open", "campaign_changing", "campaign_not_stopped", "campaign_running", "dial_claimed",
            "dial_too_late", "dialing_not_running", "dialing_paused", "dialing_stopped", "suppressed", "outdial_claimed", "outdial_running",
            "too_many_accesskeys", "too_many_users",
        ),
        STATE,
    ),
    **dict.fromkeys(
        (
            "address_invalid", "address_type_unknown", "destination_missing", "duplicate", "field_invalid",
            "field_missing", "internal_command", "plan_ambiguous", "plan_missing", "resources_missing", "secret_missing",
            "time_zone_unknown", "too_many_items", "too_many_targets", "type_unknown", "unknown_field",
        ),
        ARGUMENT,
    ),
    "json_invalid": JSON_BODY,
    **dict.fromkeys(("account_denied", "customer_denied"), DENIED),
    "too_large": TOO_LARGE,
    "version_differs": PRECONDITION,
}  # fmt: skip
"""The ledger's words for a refusal, and the door's own, as HTTP."""

REFERENCE_RULES: Final = frozenset(
    {
        "outdial_unknown", "outdial_deleted", "outdial_claimed", "outdial_running", "outplan_unknown", "outplan_deleted",
        "campaign_unknown", "campaign_deleted",
    }
)  # fmt: skip
"""Words that are about what a body refers to, where it refers to something: 400 there (contract 3.4)."""

CLAIM_RULES: Final = frozenset({"outdial_deleted", "target_deleted"})
"""Words that, to a worker about to place a call, mean "do not": 409 there (design section 7)."""


PROBLEM: Final = "application/problem+json"
_NOT_AT_ALL: Final = re.compile(r"q=0(\.0{0,3})?")


class Refused(Exception):
    """A request that is answered with an error.

    ``rule`` is the ledger's (or the door's) stable word, ``message`` a sentence for people.
    """

    def __init__(self, kind: Kind, rule: str, message: str, *, headers: Mapping[str, str] | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.rule = rule
        self.message = message
        self.headers = dict(headers or {})
        self.facts = facts


def by_rule(rule: str | None, message: str | None, **facts: Any) -> Refused:
    """The refusal a word of the ledger stands for; a word this table lacks is 400, and is shown in capitals."""
    word = rule or "rejected"
    kind = RULES.get(word)
    if kind is None:
        return Refused(ARGUMENT, word, message or word, reason=word.upper(), **facts)
    return Refused(kind, word, message or word, **facts)


def by_reference(rule: str | None, message: str | None) -> Refused:
    """As :func:`by_rule`, where the body of the request names other resources."""
    return Refused(ARGUMENT, rule or "", message or "") if rule in REFERENCE_RULES else by_rule(rule, message)


def by_claim(rule: str | None, message: str | None) -> Refused:
    """As :func:`by_rule`, for a worker that asks whether to place a call."""
    return Refused(STATE, rule or "", message or "") if rule in CLAIM_RULES else by_rule(rule, message)


def by_form(why: Malformed) -> Refused:
    """The refusal of input that is not of the right form; it names the place in the body where that is known."""
    return by_rule(why.reason, why.message, **({} if why.pointer is None else {"pointer": why.pointer}))


def unavailable(why: Unavailable, **facts: Any) -> Refused:
    """The refusal of what cannot be done at the moment, or was not answered in time."""
    return Refused(TIMEOUT if why.late else UNAVAILABLE, why.reason, why.message, headers={"Retry-After": "1"}, **facts)


class Told(NamedTuple):
    """A refusal as it is sent."""

    body: bytes
    media_type: str


def told(why: Refused, request_id: str, accept: str) -> Told:
    """A refusal as its client wants it: the contract's envelope, or a problem (RFC 9457) where ``accept`` names that."""
    if _takes_problems(accept):
        return Told(_problem(why, request_id), PROBLEM)
    return Told(envelope(why, request_id), "application/json")


def _takes_problems(accept: str) -> bool:
    """Whether an Accept header names problems; with ``q=0`` it says that it does not want them."""
    for part in accept.lower().split(","):
        kind, *parameters = (word.strip() for word in part.split(";"))
        if kind == PROBLEM:
            return not any(_NOT_AT_ALL.fullmatch(one) for one in parameters)
    return False


def _problem(why: Refused, request_id: str) -> bytes:
    """RFC 9457. Its type is ``about:blank``: what it is about stands in ``reason`` and ``rule``."""
    kind = why.kind
    facts = {name: value for name, value in why.facts.items() if name not in ("pointer", "reason")}
    pointer = why.facts.get("pointer")
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(kind.http).phrase,
        "status": kind.http,
        "detail": why.message,
        "reason": kind.reason,
        "rule": why.rule,
        "request_id": request_id,
        **({} if pointer is None else {"errors": [{"pointer": pointer, "detail": why.message}]}),
        **facts,
    }
    return to_json(problem)


def envelope(why: Refused, request_id: str) -> bytes:
    """The contract's error body."""
    kind = why.kind
    error = {
        "status": kind.status,
        "reason": kind.reason,
        "message": why.message,
        "request_id": request_id,
        "details": [{"rule": why.rule, **why.facts}],
    }
    return to_json({"error": error})
