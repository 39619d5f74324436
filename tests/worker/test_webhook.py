"""The webhook carrier against a real server of this machine."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from api.receiver import silent
from both import PATIENCE_S
from outdial.requests import DialRequest
from outdial.worker.carrier import NotDialed
from outdial.worker.carriers.webhook import HEADER, Unsure, WebhookCarrier, sign, verify
from worker.standin import request

SECRET = b"0123456789abcdef"


class _Call:
    attempt_id = ""

    def answered(self) -> None:
        raise AssertionError("a webhook never says that a call was answered")


@dataclass
class Server:
    """Answers every request in one way, and keeps what came."""

    answer: bytes | None = b"HTTP/1.1 204 No Content\r\n\r\n"
    """None: no answer at all."""
    cut: bool = False
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/calls?line=1"

    talking: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.talking.add(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
                self.came.append((headers | {"line": head[0]}, await reader.readexactly(int(headers["content-length"]))))
                if self.cut:
                    break
                if self.answer is not None:
                    writer.write(self.answer)
                    await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def served(server: Server) -> AsyncIterator[Server]:
    listening = await asyncio.start_server(server.begin, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()
        await asyncio.gather(*server.talking)


async def place(url: str, one: DialRequest | None = None, *, timeout_s: float = 5.0, allow_private: bool = True) -> None:
    carrier = WebhookCarrier(url, SECRET, allow_private=allow_private, timeout_s=timeout_s)
    try:
        await carrier.place(one or request(), _Call())
    finally:
        await carrier.close()


async def test_a_request_is_posted_whole_and_signed() -> None:
    one = request()
    async with served(Server()) as server:
        await place(server.url, one)
    [(headers, body)] = server.came
    assert headers["line"] == "POST /calls?line=1 HTTP/1.1"
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["content-type"] == "application/json"
    assert DialRequest.model_validate_json(body) == one
    assert verify(SECRET, headers[HEADER.lower()], body, round(time.time()))


async def test_a_request_that_belongs_to_a_trace_says_so_in_the_header() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with served(Server()) as server:
        await place(server.url, request().model_copy(update={"traceparent": trace}))
        await place(server.url)
    assert [headers.get("traceparent") for headers, _ in server.came] == [trace, None]


async def test_a_connection_that_is_cut_short_while_it_is_made_safe_is_closed() -> None:
    async with silent() as receiver:
        carrier = WebhookCarrier(receiver.uri, SECRET, allow_private=True, timeout_s=PATIENCE_S)
        try:
            await receiver.sees_closed(carrier.place(request(), _Call()))
        finally:
            await carrier.close()


def test_a_signature_is_what_the_documentation_says() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
    mac = "e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e"
    assert sign(SECRET, 1_700_000_000, b"{}") == f"t=1700000000,v1={mac}"


@pytest.mark.parametrize(
    ("header", "body", "now"),
    [
        (sign(SECRET, 1_000, b"{}"), b"{ }", 1_000),
        (sign(b"another secret..", 1_000, b"{}"), b"{}", 1_000),
        (sign(SECRET, 1_000, b"{}"), b"{}", 1_301),
        (sign(SECRET, 1_000, b"{}"), b"{}", 699),
        (sign(SECRET, 1_000, b"{}").replace("t=1000", "t=1001"), b"{}", 1_000),
        ("t=1000", b"{}", 1_000),
        ("v1=00", b"{}", 1_000),
        (sign(SECRET, 1_000, b"{}") + ",t=1000", b"{}", 1_000),
        ("", b"{}", 1_000),
        ("t=\N{SUPERSCRIPT TWO},v1=\N{SUPERSCRIPT TWO}", b"{}", 1_000),
    ],
)
def test_a_signature_of_something_else_is_refused(header: str, body: bytes, now: int) -> None:
    assert not verify(SECRET, header, body, now)


def test_a_signature_holds_for_five_minutes_and_beside_others() -> None:
    assert verify(SECRET, "v1=00," + sign(SECRET, 1_000, b"{}") + ",v2=x", b"{}", 1_300)


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "429 Too Many Requests", "302 Found\r\nLocation: /elsewhere"])
async def test_what_the_receiver_does_not_take_was_not_dialed(status: str) -> None:
    async with served(Server(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())) as server:
        with pytest.raises(NotDialed):
            await place(server.url)
    assert len(server.came) == 1


async def test_a_name_is_looked_up_and_said_to_the_receiver() -> None:
    async with served(Server()) as server:
        await place(f"http://localhost:{server.port}/")
    assert server.came[0][0]["host"] == f"localhost:{server.port}"


async def test_no_connection_means_not_dialed() -> None:
    async with served(Server()) as server:
        pass
    with pytest.raises(NotDialed, match="webhook_unreachable"):
        await place(server.url)


@pytest.mark.parametrize(
    "server", [Server(None), Server(cut=True), Server(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), Server(b"hello\r\n\r\n")]
)
async def test_after_sending_nothing_is_known_without_a_clear_answer(server: Server) -> None:
    async with served(server):
        with pytest.raises(Unsure):
            await place(server.url, timeout_s=0.5)
    assert len(server.came) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"]
)
async def test_an_address_in_a_private_network_is_refused_unless_allowed(host: str) -> None:
    with pytest.raises(NotDialed, match="webhook_private_address"):
        await place(f"http://{host}:9/", allow_private=False)


@pytest.mark.parametrize("url", ["ftp://example.com/", "https://user:word@example.com/", "https:///path", "example.com", "http://[::1"])
def test_an_unusable_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="the address of the webhook"):
        WebhookCarrier(url, SECRET)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        WebhookCarrier("https://example.com/", b"short")


async def test_what_is_answered_is_neither_kept_nor_followed() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with served(Server(answer)) as server:
        carrier = WebhookCarrier(server.url, SECRET, allow_private=True)
        try:
            for _ in range(2):
                with pytest.raises(NotDialed, match="webhook_302"):
                    await carrier.place(request(), _Call())
        finally:
            await carrier.close()
    assert all("cookie" not in headers for headers, _ in server.came)
    assert len(server.came) == 2
