"""Customers, users and access keys by command line; no password and no token is ever an argument."""

import io
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cli.program import Call, Service
from outdial.doors.cli.accounts import LONGEST_PASSWORD

PASSWORD = "correct horse battery"  # noqa: S105  the password of a test


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def give(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return give


def login(service: Service, username: str, password: str) -> httpx.Response:
    return httpx.post(f"{service.url}/auth/login", json={"username": username, "password": password})


def test_a_customer_a_user_and_a_login(there: Call, service: Service, typed: Callable[[str], None]) -> None:
    customer = there("customers", "create", "--name", "Ann's shop", "--json").json
    assert customer["name"] == "Ann's shop"
    assert customer["id"] in [row["id"] for row in there("customers", "list", "--json").json]
    assert there("customers", "get", customer["id"], "--json").json == customer
    typed(f"{PASSWORD}\n")
    user = there("users", "create", customer["id"], "ann@example.com", "--json").json
    assert user["username"] == "ann@example.com"
    assert login(service, "ann@example.com", PASSWORD).json()["customer_id"] == customer["id"]
    typed("another password\n")
    there("users", "passwd", customer["id"], user["id"])
    assert login(service, "ann@example.com", PASSWORD).status_code == 401
    assert login(service, "ann@example.com", "another password").status_code == 200
    assert [row["id"] for row in there("users", "list", customer["id"], "--json").json] == [user["id"]]
    there("users", "delete", customer["id"], user["id"], "--yes")
    assert there("users", "list", customer["id"], "--json").json == []
    assert login(service, "ann@example.com", "another password").status_code == 401


def test_an_access_key_is_shown_once(there: Call) -> None:
    customer = there("customers", "create", "--json").json
    said = there("accesskeys", "create", "--customer", customer["id"], "--name", "import", "--expire", "90d", "--json")
    made: dict[str, Any] = said.json
    assert made["token"].startswith("vb_")
    assert "not shown again" in said.err
    mine = there("accesskeys", "create", "--name", "mine", "--token", made["token"], "--json").json
    assert mine["customer_id"] == customer["id"]
    listed = there("accesskeys", "list", "--token", made["token"])
    assert "mine" in listed.out
    assert mine["token"] not in listed.out
    assert there("accesskeys", "get", mine["id"], "--token", made["token"], "--json").json["token_prefix"] == mine["token"][:11]
    there("accesskeys", "delete", mine["id"], "--yes", "--token", made["token"])
    assert there("outdials", "list", "--token", mine["token"]).code == 1


@pytest.mark.parametrize("given", ["", "\n"])
def test_without_a_password_nothing_is_asked(there: Call, typed: Callable[[str], None], given: str) -> None:
    typed(given)
    said = there("users", "create", "7f1b1c5e-0000-4000-8000-000000000001", "ann")
    assert said.code == 2
    assert "password" in said.err


def test_a_password_that_is_too_long_is_not_cut(there: Call, typed: Callable[[str], None]) -> None:
    typed("x" * (2 * LONGEST_PASSWORD))
    said = there("users", "create", "7f1b1c5e-0000-4000-8000-000000000001", "ann")
    assert said.code == 1
    assert "field_invalid" in said.err
