"""What can go wrong between a client and the service."""

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """Anything that kept a request from its answer. ``str()`` of it is a sentence for people."""


class Unreachable(ClientError):
    """Nobody answered at the URL, or the connection broke before the answer was whole."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"no answer from {url}: {why}")
        self.url = url


class Answered(ClientError):
    """The service answered with an error.

    ``http`` is the HTTP status, ``status`` and ``reason`` the contract's words, ``rule`` the ledger's own word
    (``already_exists``, ``plan_missing``, ...) or the empty text, ``details`` what else it said.
    """

    def __init__(
        self, http: int, status: str, reason: str, message: str, *, request_id: str = "", details: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(message or reason)
        self.http = http
        self.status = status
        self.reason = reason
        self.message = message
        self.request_id = request_id
        self.details = details

    @property
    def rule(self) -> str:
        """The ledger's stable word for the rule that was broken."""
        return next((str(detail["rule"]) for detail in self.details if detail.get("rule")), "")


class NotFound(Answered):
    """HTTP 404: there is no such thing, or it is another customer's."""


class Conflict(Answered):
    """HTTP 409, 412 or 422: the thing is not in a state for this, exists already, or the id was used for something else."""


class Unavailable(Answered):
    """HTTP 502, 503 or 504: the service cannot take this now; asking again with the same id is safe."""


def answered(http: int, body: Any, fallback: str) -> Answered:
    """The error an answer stands for; ``fallback`` is said when the body is not the contract's envelope."""
    error = body.get("error") if isinstance(body, dict) else None
    facts: dict[str, Any] = error if isinstance(error, dict) else {}
    kind = {404: NotFound, 409: Conflict, 412: Conflict, 422: Conflict, 502: Unavailable, 503: Unavailable, 504: Unavailable}.get(
        http, Answered
    )
    details = facts.get("details")
    return kind(
        http,
        str(facts.get("status", "")),
        str(facts.get("reason", "")),
        str(facts.get("message") or fallback),
        request_id=str(facts.get("request_id", "")),
        details=[detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else (),
    )
