"""What is logged: one short line each, without a traceback, a number or a token; `--log-level` says how much."""

import asyncio
import json
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from cli.program import Start
from outdial.doors.cli.logs import LONGEST, OWN, cleaned, configure
from outdial.trace import current_trace

NUMBER = "+14155550101"
ANNS = "a-token-of-somebody"


@pytest.fixture
def _configured() -> Iterator[None]:
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, OWN)]
    before, handlers, raising = [logger.level for logger in loggers], list(root.handlers), logging.raiseExceptions
    configure(form="lines")
    yield
    root.handlers = handlers
    logging.raiseExceptions = raising
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.mark.usefixtures("_configured")
def test_an_error_is_one_line_with_its_type_and_not_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError(f"{NUMBER} is not right")

    try:
        fail()
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n%s", NUMBER)

    out, err = capsys.readouterr()
    assert out == ""
    assert "Z error uvicorn.error: Exception in ASGI application: ValueError at " in err
    assert err.count("\n") == 1
    assert NUMBER not in err
    assert "Traceback" not in err


@pytest.mark.usefixtures("_configured")
def test_what_belongs_to_a_trace_is_logged_with_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    def say(traceparent: str | None) -> None:
        current_trace.set(traceparent)
        logging.getLogger("outdial").warning("done")

    for trace in (None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        copy_context().run(say, trace)

    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(" warning outdial: done")
    assert second.endswith(" warning outdial: done trace_id=0af7651916cd43dd8448eb211c80319c")


@pytest.mark.usefixtures("_configured")
async def test_a_task_that_failed_unseen_is_one_line_without_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    error = ValueError(NUMBER)
    asyncio.get_running_loop().call_exception_handler({"message": "Task exception was never retrieved", "exception": error, "to": NUMBER})

    err = capsys.readouterr().err
    assert "asyncio: Task exception was never retrieved: ValueError at " in err
    assert err.count("\n") == 1
    assert NUMBER not in err


@pytest.mark.parametrize(
    "text",
    [
        f"GET /v1.0/outdials?token={ANNS}",
        f"GET /v1.0/outdials?page_size=1&AccessKey={ANNS}&deleted=true",
        f"header authorization: Bearer {ANNS}",
        f"target {NUMBER} is odd",
        "target 4155550101 is odd",
        "GET /x?to=%2B14155550101",
        "target ann.4155550101@example.com is odd",
        "target sip:4155550101@example.com;transport=tls is odd",
    ],
)
def test_no_number_no_address_and_no_token_is_logged(text: str) -> None:
    line = cleaned(text)

    assert not any(word in line for word in (ANNS, "4155550101", "example.com"))
    assert line.split()[0] == text.split(maxsplit=1)[0]


def test_ids_ports_times_and_positions_are_logged_as_they_are() -> None:
    text = "request req_ABC of 5cd42521-67e3-594c-b0df-ce34feb0fb44 at 127.0.0.1:58080, position 801, 2026-11-21T07:43:43.866030Z"

    assert cleaned(text) == text


def test_a_line_is_short() -> None:
    assert len(cleaned("word " * 1_000)) == LONGEST + len("...")
    assert cleaned("\nfirst\nsecond") == "first"
    assert cleaned("") == ""


@pytest.mark.usefixtures("_configured")
def test_libraries_that_log_values_are_not_heard_at_any_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug", "lines")

    logging.getLogger("aiosqlite").debug("executing INSERT with ('ann',)")
    logging.getLogger("httpx").info("GET http://x/")
    logging.getLogger("outdial.http").debug("told")

    assert [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()] == ["debug outdial.http: told"]


@pytest.mark.usefixtures("_configured")
def test_elsewhere_than_at_a_terminal_a_line_is_json_without_numbers_and_tokens(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    current = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def fail() -> None:
        current_trace.set(current)
        try:
            raise ValueError(f"{NUMBER} is not right")
        except ValueError:
            logging.getLogger("outdial").exception("calling %s with token=%s", NUMBER, ANNS)

    copy_context().run(fail)
    err = capsys.readouterr().err
    told = json.loads(err)
    assert told.pop("timestamp").endswith("Z")
    assert told.pop("place")
    assert told == {
        "level": "error", "logger": "outdial", "event": "calling (number) with token=...", "error": "ValueError",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }  # fmt: skip
    assert NUMBER not in err
    assert ANNS not in err

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    logging.getLogger("outdial").warning("done")
    assert capsys.readouterr().err.endswith(" warning outdial: done\n")
    configure(form="json")
    logging.getLogger("outdial").warning("done")
    assert json.loads(capsys.readouterr().err)["event"] == "done"


@pytest.mark.parametrize("level", ["warning", "debug"])
def test_log_level_says_how_much_a_server_tells(begin: Start, tmp_path: Path, level: str) -> None:
    service = begin(tmp_path / "data", "--log-level", level, "--token", ANNS)
    answer = httpx.get(f"{service.url}/v1.0/outdials", params={"token": ANNS, "to": NUMBER})
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port)) as broken:
        broken.sendall(b"no http at all\r\n\r\n")
        assert b"400" in broken.recv(100)
    service.process.send_signal(signal.SIGTERM)
    service.process.communicate(timeout=60)
    err = service.said()

    assert answer.status_code == 200
    assert service.process.returncode == 0
    assert "Invalid HTTP request received." in err
    assert any(line.startswith('{"timestamp"') and json.loads(line)["logger"] == "uvicorn.error" for line in err.splitlines())
    assert ("GET /v1.0/outdials" in err) is (level == "debug")
    assert ANNS not in err
    assert NUMBER[1:] not in err
    assert "Traceback" not in err
