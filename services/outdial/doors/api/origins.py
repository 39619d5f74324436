"""Pages of other sites: which may ask here, and what their browsers are told of it (CORS). Source: the Fetch standard, 3.2.

A list of sites is kept or it is not. Where it is, a page that stands on it may use a token of its own in an address or a header;
no page of another site may use a cookie, and a page of a site that is not on the list may not ask at all.
"""

from typing import Final

from starlette.types import Scope, Send

from outdial.doors.api.errors import DENIED, Refused

Headers = list[tuple[bytes, bytes]]
ORIGIN: Final = b"origin"
PREFLIGHT: Final = b"access-control-request-method"
KEPT_S: Final = 600
"""How long a browser may go by what it was told."""
_VARY: Final = (b"vary", b"Origin")
_METHODS: Final = b"GET, POST, PUT, DELETE"
_TAKEN: Final = b"Authorization, Content-Type, Accept, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id, traceparent"
_SHOWN: Final = b"Outdial-Position, ETag, Retry-After, X-Request-Id"


class Origins:
    """The sites whose pages may ask."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = frozenset(one.encode() for one in allowed)

    def let_in(self, headers: dict[bytes, bytes]) -> None:
        """Let a request pass that is no page's, a page's of this server, or of a site on the list.

        Raises:
            Refused: ``origin_denied``.
        """
        if ORIGIN in headers and not is_own(headers) and headers[ORIGIN] not in self._allowed:
            raise Refused(DENIED, "origin_denied", "pages of this site may not ask here; --allowed-origin names those that may")

    def told(self, headers: dict[bytes, bytes]) -> Headers:
        """What an answer says beside its own headers. Nothing of it lets a cookie be used."""
        origin = headers.get(ORIGIN)
        if origin not in self._allowed:
            return [_VARY]
        return [_VARY, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", _SHOWN)]


def is_own(headers: dict[bytes, bytes]) -> bool:
    """Whether the page that asks is of this server."""
    _, _, site = headers[ORIGIN].lower().partition(b"://")
    return site != b"" and site == headers.get(b"host", b"").lower()


def is_preflight(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether a browser asks what it may send, before it sends it."""
    return scope.get("method") == "OPTIONS" and ORIGIN in headers and PREFLIGHT in headers


async def answer_preflight(send: Send) -> None:
    """Say what may be sent. Whoever asks has no token yet, and needs none."""
    headers = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", _TAKEN),
        (b"access-control-max-age", str(KEPT_S).encode()),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
