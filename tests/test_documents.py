"""The requests of VoIPBIN's own pages, typed as they stand there, in real curl over TLS.

Scheme, host, method, path, headers and bodies are the pages'; only the token and the ids of what was made are put in. curl is told
where that host is (a `.curlrc`), and trusts the server's certificate.
"""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect

from both import MakeSettings
from cli.program import Service, end, start
from outdial.doors.api.deps import DEFAULT_CUSTOMER

HOST = "api.voipbin.net"
ANNS = "a-token-of-the-test"
NOT_YET = "9999-01-01 00:00:00.000000"
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ZERO = "00000000-0000-0000-0000-000000000000"
DEADLINE_S = 30

OUTDIAL = {"id", "customer_id", "campaign_id", "name", "detail", "data", "tm_create", "tm_update", "tm_delete"}
COUNTS = {f"try_count_{slot}" for slot in range(5)}
DESTINATIONS = {f"destination_{slot}" for slot in range(5)}
TARGET = {"id", "outdial_id", "name", "detail", "data", "status", "tm_create", "tm_update", "tm_delete"} | COUNTS | DESTINATIONS
CAPS = {f"max_try_count_{slot}" for slot in range(5)}
OUTPLAN = {"id", "name", "detail", "source", "dial_timeout", "try_interval", "tm_create", "tm_update", "tm_delete"} | CAPS
ADDRESS = {"type": "tel", "target": "+15559876543", "target_name": "", "name": "", "detail": ""}

MAKE_LEADS = """
curl -X POST 'https://api.voipbin.net/v1.0/outdials?token=<token>' \\
    --header 'Content-Type: application/json' \\
    --data '{
        "name": "January Leads",
        "detail": "Sales leads for Q1 campaign"
    }'
"""
ADD_LEADS = """
curl -X POST 'https://api.voipbin.net/v1.0/outdials/<outdial-id>/targets?token=<token>' \\
    --header 'Content-Type: application/json' \\
    --data '{
        "targets": [
            {
                "destination": {
                    "type": "tel",
                    "target": "+15551234567"
                },
                "try_count_max": 3
            },
            {
                "destination": {
                    "type": "tel",
                    "target": "+15559876543"
                },
                "try_count_max": 3
            }
        ]
    }'
"""
LIST_LEADS = "curl -X GET 'https://api.voipbin.net/v1.0/outdials/<outdial-id>/targets?token=<token>'"

LIST_OUTDIALS = "curl --location --request GET 'https://api.voipbin.net/v1.0/outdials?token=<YOUR_AUTH_TOKEN>'"
GET_OUTDIAL = "curl --location --request GET 'https://api.voipbin.net/v1.0/outdials/<outdial-id>?token=<YOUR_AUTH_TOKEN>'"
LIST_TARGETS = "curl --location --request GET 'https://api.voipbin.net/v1.0/outdials/<outdial-id>/targets?token=<YOUR_AUTH_TOKEN>'"
COOKIE = "    --header 'Cookie: token=<YOUR_AUTH_TOKEN>' \\\n"
MAKE_OUTDIAL = """
curl --location --request POST 'https://api.voipbin.net/v1.0/outdials?token=<YOUR_AUTH_TOKEN>' \\
    --header 'Content-Type: application/json' \\
{cookie}    --data-raw '{{
        "name": "test outdial",
        "detail": "outdial for test use.",
        "data": "test data"
    }}'
"""
ADD_TARGET = """
curl --location --request POST 'https://api.voipbin.net/v1.0/outdials/<outdial-id>/targets?token=<YOUR_AUTH_TOKEN>' \\
    --header 'Content-Type: application/json' \\
{cookie}    --data-raw '{{
        "name": "test destination 0",
        "detail": "test detatination 0 detail",
        "data": "test data",
        "destination_0": {{
            "type": "tel",
            "target": "+15559876543"
        }}
    }}'
"""

MAKE_STANDARD_OUTPLAN = """
curl -X POST 'https://api.voipbin.net/v1.0/outplans?token=<token>' \\
    --header 'Content-Type: application/json' \\
    --data '{
        "name": "Sales Standard",
        "detail": "Standard sales campaign strategy",
        "dial_timeout": 30000,
        "try_interval": 7200000,
        "max_try_count_0": 3,
        "max_try_count_1": 2,
        "max_try_count_2": 1,
        "max_try_count_3": 0,
        "max_try_count_4": 0
    }'
"""
LIST_OUTPLANS = "curl -k --location --request GET 'https://api.voipbin.net/v1.0/outplans?token=<YOUR_AUTH_TOKEN>'"
GET_OUTPLAN = "curl -k --location --request GET 'https://api.voipbin.net/v1.0/outplans/<outplan-id>?token=<YOUR_AUTH_TOKEN>'"
MAKE_OUTPLAN = """
curl --location --request POST 'https://api.voipbin.net/v1.0/outplans?token=<YOUR_AUTH_TOKEN>' \\
    --header 'Content-Type: application/json' \\
    --data-raw '{
        "name": "test outplan",
        "detail": "outplan for test use.",
        "source": {
            "type": "tel",
            "target": "+15559876543"
        },
        "dial_timeout": 30000,
        "try_interval": 600000,
        "max_try_count_0": 5,
        "max_try_count_1": 5,
        "max_try_count_2": 5,
        "max_try_count_3": 5,
        "max_try_count_4": 5
    }'
"""
SET_DIAL_INFO = """
curl --location --request PUT 'https://api.voipbin.net/v1.0/outplans/<outplan-id>/dial_info?token=<YOUR_AUTH_TOKEN>' \\
    --header 'Content-Type: application/json' \\
    --data-raw '{
        "source": {
            "type": "tel",
            "target": "+15559876543"
        },
        "dial_timeout": 30000,
        "try_interval": 60000,
        "max_try_count_0": 5,
        "max_try_count_1": 5,
        "max_try_count_2": 5,
        "max_try_count_3": 5,
        "max_try_count_4": 5
    }'
"""
SET_OUTPLAN = """
curl --location --request PUT 'https://api.voipbin.net/v1.0/outplans/<outplan-id>?token=<YOUR_AUTH_TOKEN>' \\
    --header 'Content-Type: application/json' \\
    --data-raw '{
        "name": "test outplan",
        "detail": "outplan for test use"
    }'
"""
DELETE_OUTPLAN = "curl --location --request DELETE 'https://api.voipbin.net/v1.0/outplans/<outplan-id>?token=<YOUR_AUTH_TOKEN>'"


class Terminal:
    """Where the pages' lines are typed."""

    def __init__(self, home: Path, service: Service, certificate: Path) -> None:
        port = urlsplit(service.url).port
        curlrc = f'connect-to = "{HOST}:443:127.0.0.1:{port}"\ncacert = "{certificate}"\nsilent\nshow-error\nfail-with-body\n'
        (home / ".curlrc").write_text(curlrc)
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self._environment = kept | {"CURL_HOME": str(home)}
        self._port = port
        self._trusted = ssl.create_default_context(cafile=certificate)

    def listen(self, url: str) -> ClientConnection:
        """The websocket of an address that a page names."""
        sock = socket.create_connection(("127.0.0.1", self._port))
        return connect(url.replace("<YOUR_AUTH_TOKEN>", ANNS), sock=sock, ssl=self._trusted, proxy=None)

    def type(self, line: str, **ids: str) -> Any:
        """What a line answers; AssertionError when curl says that it failed."""
        for word in ("<token>", "<YOUR_AUTH_TOKEN>"):
            line = line.replace(word, ANNS)
        for name, value in ids.items():
            line = line.replace(f"<{name}-id>", value)
        done = subprocess.run(  # noqa: S603  the lines stand above
            ["/bin/bash", "-c", line], env=self._environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory, make_settings: MakeSettings) -> Iterator[Terminal]:
    for program in ("curl", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("documents")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subprocess.run(  # noqa: S603  made for this test
        [*make.split(), "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
        timeout=DEADLINE_S,
    )
    service = start(folder / "data", "--tls-cert", str(certificate), "--tls-key", str(key), "--token", ANNS, settings=make_settings())
    yield Terminal(folder, service, certificate)
    end(service)


def times(row: dict[str, Any]) -> None:
    assert all(TIME.fullmatch(row[name]) for name in ("tm_create", "tm_update", "tm_delete"))


def test_the_overview_makes_a_list_fills_it_in_bulk_and_reads_it(terminal: Terminal) -> None:
    outdial = terminal.type(MAKE_LEADS)
    added = terminal.type(ADD_LEADS, outdial=outdial["id"])
    listed = terminal.type(LIST_LEADS, outdial=outdial["id"])

    assert set(outdial) >= OUTDIAL
    assert (outdial["name"], outdial["detail"], outdial["data"]) == ("January Leads", "Sales leads for Q1 campaign", "")
    assert [target["destination_0"]["target"] for target in added["result"]] == ["+15551234567", "+15559876543"]
    assert [(target["try_count_max"], target["try_count_current"]) for target in added["result"]] == [(3, 0), (3, 0)]
    assert {target["id"] for target in listed["result"]} == {target["id"] for target in added["result"]}
    for target in listed["result"]:
        assert set(target) >= TARGET
        assert (target["status"], target["lifecycle"]) == ("idle", "idle")


@pytest.mark.parametrize("cookie", [COOKIE, ""], ids=["with the cookie", "without"])
def test_the_tutorial_of_outdials(terminal: Terminal, cookie: str) -> None:
    made = terminal.type(MAKE_OUTDIAL.format(cookie=cookie))
    listed = terminal.type(LIST_OUTDIALS)
    got = terminal.type(GET_OUTDIAL, outdial=made["id"])
    target = terminal.type(ADD_TARGET.format(cookie=cookie), outdial=made["id"])
    targets = terminal.type(LIST_TARGETS, outdial=made["id"])

    assert set(made) >= OUTDIAL
    times(made)
    assert ID.fullmatch(made["id"])
    assert (made["name"], made["detail"], made["data"]) == ("test outdial", "outdial for test use.", "test data")
    assert (made["campaign_id"], made["tm_update"], made["tm_delete"]) == (ZERO, NOT_YET, NOT_YET)
    assert got == made
    assert listed["result"][0] == made
    assert listed["next_page_token"] == listed["result"][-1]["tm_create"]
    assert set(target) >= TARGET
    times(target)
    assert (target["outdial_id"], target["status"]) == (made["id"], "idle")
    assert (target["name"], target["detail"], target["data"]) == ("test destination 0", "test detatination 0 detail", "test data")
    assert target["destination_0"] == ADDRESS
    assert [target[f"destination_{slot}"] for slot in range(1, 5)] == [None] * 4
    assert {target[name] for name in COUNTS} == {0}
    assert (target["tm_update"], target["tm_delete"]) == (target["tm_create"], NOT_YET)
    assert targets == {"result": [target], "next_page_token": target["tm_create"]}


def test_the_overview_of_outplans_makes_one_without_a_source(terminal: Terminal) -> None:
    made = terminal.type(MAKE_STANDARD_OUTPLAN)

    assert set(made) >= OUTPLAN
    assert (made["name"], made["source"], made["dial_timeout"], made["try_interval"]) == ("Sales Standard", None, 30_000, 7_200_000)
    assert [made[f"max_try_count_{slot}"] for slot in range(5)] == [3, 2, 1, 0, 0]


def test_the_tutorial_of_outplans(terminal: Terminal) -> None:
    made = terminal.type(MAKE_OUTPLAN)
    listed = terminal.type(LIST_OUTPLANS)
    got = terminal.type(GET_OUTPLAN, outplan=made["id"])
    dialing = terminal.type(SET_DIAL_INFO, outplan=made["id"])
    named = terminal.type(SET_OUTPLAN, outplan=made["id"])
    deleted = terminal.type(DELETE_OUTPLAN, outplan=made["id"])

    assert set(made) >= OUTPLAN
    times(made)
    assert made["source"] == ADDRESS
    assert (made["dial_timeout"], made["try_interval"]) == (30_000, 600_000)
    assert {made[name] for name in CAPS} == {5}
    assert got == made
    assert listed["result"][0] == made
    assert listed["next_page_token"] == listed["result"][-1]["tm_create"]
    assert (dialing["try_interval"], dialing["source"]) == (60_000, ADDRESS)
    assert (named["name"], named["detail"], named["try_interval"]) == ("test outplan", "outplan for test use", 60_000)
    assert made["tm_update"] == NOT_YET > named["tm_update"] > dialing["tm_update"]
    assert deleted["id"] == made["id"]
    assert deleted["tm_delete"] < NOT_YET == named["tm_delete"]


def test_the_lines_need_the_token_and_the_certificate(terminal: Terminal) -> None:
    with pytest.raises(AssertionError, match="INVALID_CREDENTIALS"):
        terminal.type(LIST_OUTPLANS.replace("<YOUR_AUTH_TOKEN>", "another"))
    with pytest.raises(AssertionError, match="AUTHENTICATION_REQUIRED"):
        terminal.type(LIST_OUTPLANS.replace("?token=<YOUR_AUTH_TOKEN>", ""))
    with pytest.raises(AssertionError, match="certificate"):
        terminal.type(LIST_OUTDIALS.replace("curl ", "curl --capath / --cacert /dev/null "))


def test_the_tutorial_of_websockets(terminal: Terminal) -> None:
    with terminal.listen("wss://api.voipbin.net/v1.0/ws?token=<YOUR_AUTH_TOKEN>") as ws:
        # VoIPBIN answers no subscription; the id asks for an answer, for what follows must not overtake it.
        ws.send(json.dumps({"type": "subscribe", "topics": [f"customer_id:{DEFAULT_CUSTOMER}:outdial:*"], "id": "1"}))
        assert json.loads(ws.recv(DEADLINE_S))["type"] == "subscribed"
        made = terminal.type(MAKE_LEADS)
        told = json.loads(ws.recv(DEADLINE_S))

    assert (told["type"], told["data"]) == ("outdial_created", made)
