"""A carrier that hands each dial request to a web address, signed. Whoever is there places the call.

The request is POSTed as the JSON it has on the topic. The receiver answers 2xx at once when it takes the call, and posts
``{"attempt_id", "outcome"}`` to ``/v1.0/dial_results`` of this program's API when the call is over (and to
``/v1.0/dial_answers`` when it is answered). It must not start the call after the request's ``not_after``.

What an answer means:

- 2xx: taken. 3xx and 4xx: not taken, nobody places the call, the target gets its try back. Redirects are not followed.
- No connection: nothing was sent, so likewise not taken.
- 5xx, no answer in time, or a connection that is cut: nobody knows. Nothing is said, and the lease of the attempt ends it.

The signature stands in the header ``Outdial-Signature: t=<seconds>,v1=<hex>``: ``t`` is the time of sending in seconds
since 1970-01-01 UTC, ``v1`` the HMAC-SHA256, keyed with the shared secret, of the decimal digits of ``t``, one full stop,
and the bytes of the body. A receiver recomputes it over the body as it came, compares in constant time, and refuses a
``t`` more than five minutes from its clock. Further parts may stand beside the two; the same attempt is never sent twice.
"""

import asyncio
import hmac
from hashlib import sha256
from typing import Final

import httpx

from outdial.hosts import NoAddress, PrivateAddress, address_of
from outdial.opened import Opened
from outdial.requests import DialRequest
from outdial.scalars import SECOND_US
from outdial.trace import HEADER_TRACE
from outdial.wire import encode
from outdial.worker.carrier import Call, NotDialed
from outdial.worker.clock import now_us

HEADER: Final = "Outdial-Signature"
TOLERANCE_S: Final = 300
SECRET_BYTES: Final = 16
"""Fewest bytes of a secret."""
TIMEOUT_S: Final = 10.0
CONNECTIONS: Final = 100
SERVER_ERROR: Final = 500


class Unsure(Exception):
    """Nobody knows whether the receiver took the call."""


def sign(secret: bytes, at: int, body: bytes) -> str:
    """The value of the signature header. ``at``: seconds since 1970-01-01 UTC."""
    return f"t={at},v1={hmac.new(secret, str(at).encode() + b'.' + body, sha256).hexdigest()}"


def verify(secret: bytes, header: str, body: bytes, now: int) -> bool:
    """Whether a signature header belongs to a body and is of these five minutes: for receivers. ``now`` in seconds, as in :func:`sign`."""
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()) or len(times[0]) > 12:  # noqa: PLR2004  more than that is no time
        return False
    expected = hmac.new(secret, times[0].encode() + b"." + body, sha256).hexdigest().encode()
    fits = [hmac.compare_digest(expected, value.encode()) for name, _, value in parts if name == "v1"]
    return any(fits) and abs(now - int(times[0])) <= TOLERANCE_S


class WebhookCarrier:
    """Hands requests to one address.

    Args:
        url: ``https://...`` (or ``http://...``).
        secret: shared with the receiver, at least 16 bytes.
        allow_private: whether the address may lead into a private network, or to this machine.
        timeout_s: how long the receiver may take to answer.

    Raises:
        ValueError: the address or the secret is not usable.
    """

    def __init__(self, url: str, secret: bytes, *, allow_private: bool = False, timeout_s: float = TIMEOUT_S) -> None:
        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL:
            raise ValueError("the address of the webhook is no URL; write https://host/path") from None
        if self._url.scheme not in ("https", "http") or not self._url.host or self._url.userinfo:
            raise ValueError("the address of the webhook must be https://host/path, without a name and password in it")
        if len(secret) < SECRET_BYTES:
            raise ValueError(f"the secret of the webhook must have at least {SECRET_BYTES} bytes")
        self._secret = secret
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        # Not a client: that keeps cookies, and looks where a redirect leads before it leaves it alone.
        self._transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)

    async def place(self, request: DialRequest, call: Call) -> None:  # noqa: ARG002  the receiver says when it is answered
        """Hand one request over; the result comes from the receiver.

        Raises:
            NotDialed: it was not taken.
            Unsure: nobody knows.
        """
        address = await self._address()
        body = encode(request)
        headers = {
            "Host": self._url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            HEADER: sign(self._secret, now_us() // SECOND_US, body),
        }
        if request.traceparent is not None:
            headers[HEADER_TRACE] = request.traceparent
        opened = Opened()
        timeout = httpx.Timeout(self._timeout_s).as_dict()
        extensions = {"sni_hostname": self._url.host, "trace": opened, "timeout": timeout}
        post = httpx.Request("POST", self._url.copy_with(host=address), content=body, headers=headers, extensions=extensions)
        try:
            async with asyncio.timeout(self._timeout_s), opened:
                response = await self._transport.handle_async_request(post)
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise NotDialed("webhook_unreachable") from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unsure(f"the webhook did not answer: {type(error).__name__}") from None
        if response.status_code >= SERVER_ERROR:
            raise Unsure(f"the webhook answered {response.status_code}")
        if not response.is_success:
            raise NotDialed(f"webhook_{response.status_code}")

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _address(self) -> str:
        """The address to connect to."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await address_of(self._url.host, self._url.port, allow_private=self._allow_private)
        except (NoAddress, TimeoutError):
            raise NotDialed("webhook_unreachable") from None
        except PrivateAddress:
            raise NotDialed("webhook_private_address") from None
