"""One notice to one address. Source: contract 6.

The address is looked up for each connection and checked then, so a name that leads elsewhere the next moment leads nobody into a
private network. Redirects are not followed, proxies of the environment not used, and what is answered, cookies too, is not kept.
"""

import asyncio
import hmac
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from typing import Final, NamedTuple

import httpx

from outdial.hosts import NoAddress, PrivateAddress, address_of
from outdial.opened import Opened

SIGNATURE: Final = "X-VoIPBIN-Signature"
TIMEOUT_S: Final = 10.0
"""For the whole of it, from the lookup to the answer."""
READ_AT_MOST: Final = 64 * 1024
"""Bytes of an answer that are read, so that the connection can be used again."""
AGAIN: Final = frozenset({408, 425, 429})
SERVER_ERROR: Final = 500
LONGEST_WISH_S: Final = 300.0


class Posted(NamedTuple):
    """What came of it."""

    taken: bool
    again: bool = False
    """Whether it is worth another try."""
    why: str = ""
    """Why it was not taken: an HTTP status, or a word."""
    wait_s: float = 0.0
    """How long the receiver wants to be left alone."""


def signature(secret: str, body: bytes) -> str:
    """The value of the signature header."""
    return f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}"


def url_of(uri: str) -> httpx.URL:
    """An address as it is taken apart to be sent to.

    Raises:
        ValueError: it is none.
    """
    try:
        url = httpx.URL(uri)
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from None
    if not url.host:  # decoded only now, so it may raise ValueError too
        raise ValueError("there is no host")
    return url


class Poster:
    """Posts to one address. Close it."""

    def __init__(self, uri: str, method: str, secret: str, *, allow_private: bool = False, timeout_s: float = TIMEOUT_S) -> None:
        self._uri = uri
        self._method = method
        self._secret = secret
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        # Not a client: that keeps cookies, and looks where a redirect leads before it leaves it alone.
        self._transport = httpx.AsyncHTTPTransport(trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Posted:
        """Send one body, signed."""
        try:
            url = url_of(self._uri)
        except ValueError:
            return Posted(taken=False, again=True, why="uri_invalid")
        try:
            async with asyncio.timeout(self._timeout_s), Opened() as opened:
                address = await address_of(url.host, url.port, allow_private=self._allow_private)
                return await self._sent(url, address, body, headers, opened)
        except NoAddress:
            return Posted(taken=False, again=True, why="host_unknown")
        except PrivateAddress:
            return Posted(taken=False, again=True, why="private_address")
        except (TimeoutError, httpx.TimeoutException):
            return Posted(taken=False, again=True, why="timeout")
        except httpx.HTTPError as error:
            return Posted(taken=False, again=True, why=_word(error))

    async def _sent(self, url: httpx.URL, address: str, body: bytes, headers: Mapping[str, str], opened: Opened) -> Posted:
        request = httpx.Request(
            self._method,
            url.copy_with(host=address),
            content=body,
            headers={
                **headers,
                "Host": url.netloc.decode("ascii"),
                "Content-Type": "application/json",
                "User-Agent": f"outdial/{version('outdial')}",
                SIGNATURE: signature(self._secret, body),
            },
            extensions={"sni_hostname": url.host, "trace": opened, "timeout": httpx.Timeout(self._timeout_s).as_dict()},
        )
        response = await self._transport.handle_async_request(request)
        try:
            size = 0
            async for part in response.aiter_raw():
                size += len(part)
                if size > READ_AT_MOST:
                    break
        finally:
            await response.aclose()
        status = response.status_code
        if response.is_success:
            return Posted(taken=True)
        again = status >= SERVER_ERROR or status in AGAIN
        return Posted(taken=False, again=again, why=str(status), wait_s=_wish(response.headers.get("retry-after", "")))


def _wish(text: str) -> float:
    """The seconds of a Retry-After."""
    return min(float(text), LONGEST_WISH_S) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0  # noqa: PLR2004  digits of a wait


def _word(error: httpx.HTTPError) -> str:
    """An error of the connection as a word; its text may hold anything."""
    match error:
        case httpx.ConnectError():
            return "not_connected"
        case httpx.ProtocolError():
            return "no_http"
        case _:
            return "connection_lost"
