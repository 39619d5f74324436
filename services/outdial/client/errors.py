"""What can go wrong between a client and the service. One family for what a caller can do about it.

::

    ClientError             anything
      Unreachable           nobody answered, or the connection broke: of a change it is not known whether it was made
        TimedOut            nobody answered in time
      Answered              the service answered with an error
        Invalid             400, 405, 413, 415: the request is wrong, and stays so
        Unauthenticated     401: no token, or one that does not let in
        Forbidden           403: not for this token
        NotFound            404: there is no such thing, or it is another customer's
        Conflict            409: the thing is not in a state for this, or exists already
          VersionDiffers    412: it is not at the version of ``if_version``
          IdReused          422: the idempotency key was used for something else
        RateLimited         429: too much at once
        Failed              500: a fault of the service
        Unavailable         502, 503, 504: not now
      Rejected              a command that was sent over Kafka was refused
      Unanswered            a command that was sent over Kafka was not answered in time, and may still be carried out
      LoginRefused          the Kafka cluster does not take our name and password, or we not its certificate
      NotAllowed            the Kafka cluster does not give us the right
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final


class ClientError(Exception):
    """Anything that kept a request from its answer. ``str()`` of it is a sentence for people."""


class Unreachable(ClientError):
    """Nobody answered, or the connection broke before the answer was whole."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"no answer from {url}: {why}")
        self.url = url


class TimedOut(Unreachable):
    """Nobody answered in time."""


class Answered(ClientError):
    """The service answered with an error.

    ``http`` is the HTTP status, ``status`` and ``reason`` the contract's words, ``rule`` the ledger's own word
    (``already_exists``, ``plan_missing``, ...) or the empty text, ``details`` what else it said. ``request_id`` finds the
    request in the service's log.
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


class Invalid(Answered):
    """HTTP 400, 405, 413 or 415: the request is wrong, and stays so."""


class Unauthenticated(Answered):
    """HTTP 401: there is no token, or it does not let in any more."""


class Forbidden(Answered):
    """HTTP 403: this is not for who has this token."""


class NotFound(Answered):
    """HTTP 404: there is no such thing, or it is another customer's."""


class Conflict(Answered):
    """HTTP 409: the thing is not in a state for this, or exists already."""


class VersionDiffers(Conflict):
    """HTTP 412: the thing is not at the version that was asked for."""


class IdReused(Conflict):
    """HTTP 422: the idempotency key was used before, for something else."""


class RateLimited(Answered):
    """HTTP 429: too much at once. ``retry_after_s``: in how many seconds there is room."""

    retry_after_s: float = 1.0


class Failed(Answered):
    """HTTP 500: a fault of the service, or an answer that is none of its."""


class Unavailable(Answered):
    """HTTP 502, 503 or 504: the service cannot take this now; asking again with the same key is safe."""

    @property
    def late(self) -> bool:
        """Whether the service is there and only took too long: what was asked may still be carried out."""
        return self.reason == "REQUEST_TIMEOUT"


class Rejected(ClientError):
    """A command that was sent over Kafka was refused; nothing was changed by it. ``reason`` is a stable word."""

    def __init__(self, command_id: str, reason: str, message: str) -> None:
        super().__init__(message or reason)
        self.command_id = command_id
        self.reason = reason
        self.message = message


class Unanswered(ClientError):
    """Commands that were sent over Kafka were not answered in time. They stay valid: sent again, they are still carried out once."""

    def __init__(self, command_ids: Sequence[str], seconds: float) -> None:
        many = "" if len(command_ids) == 1 else f" and {len(command_ids) - 1} others"
        why = "it stays valid and may still be carried out: send the same again to ask"
        super().__init__(f"command {command_ids[0]}{many} was not answered within {seconds:g} s; {why}")
        self.command_ids = tuple(command_ids)


class LoginRefused(ClientError):
    """The Kafka cluster does not take our user name, password or mechanism, or shows a certificate that is not trusted here."""


class NotAllowed(ClientError):
    """The Kafka cluster does not give us the right to this."""


_FAMILIES: Final[Mapping[int, type[Answered]]] = {
    **dict.fromkeys((400, 405, 413, 415), Invalid),
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: VersionDiffers,
    422: IdReused,
    429: RateLimited,
    **dict.fromkeys((502, 503, 504), Unavailable),
}
_OTHERS: Final = ((500, Failed), (400, Invalid))


def answered(http: int, body: Any, fallback: str, retry_after: str | None = None) -> Answered:
    """The error an answer stands for; ``fallback`` is said when the body is not the contract's envelope."""
    error = body.get("error") if isinstance(body, dict) else None
    facts: dict[str, Any] = error if isinstance(error, dict) else {}
    family = _FAMILIES.get(http) or next((kind for least, kind in _OTHERS if http >= least), Failed)
    details = facts.get("details")
    made = family(
        http,
        str(facts.get("status", "")),
        str(facts.get("reason", "")),
        str(facts.get("message") or fallback),
        request_id=str(facts.get("request_id", "")),
        details=[detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else (),
    )
    if isinstance(made, RateLimited) and retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        made.retry_after_s = float(retry_after)
    return made


_OF_STATUS: Final[Mapping[str, int]] = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "FAILED_PRECONDITION": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}


def answered_late(body: Mapping[str, Any], fallback: str) -> Answered:
    """The same of an error that came after the answer had begun, when its HTTP status was long said."""
    error = body["error"] if isinstance(body["error"], dict) else {}
    http = 422 if error.get("reason") == "ID_REUSED" else _OF_STATUS.get(str(error.get("status")), 500)
    return answered(http, body, fallback)
