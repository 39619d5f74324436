"""How SQLite answers each question: by a key or an index, never by reading a whole table."""

import sqlite3
from collections.abc import Callable

import pytest

from outdial.position import Position
from outdial.views import accounts, activity, calls, campaigns, history, outdials, outplans, promises, targets
from views.hand import CUSTOMER, Log, Views

BEFORE = (2**62, "some id")
SORTED = ("calls.page_of_target", "history.page_of_target")
"""What is found row by row, and is little."""
QUESTIONS: dict[str, Callable[[sqlite3.Connection, str, str, str], object]] = {
    "outdials.get": lambda db, outdial, target, attempt: outdials.get(db, CUSTOMER, outdial),
    "outdials.page": lambda db, outdial, target, attempt: outdials.page(db, CUSTOMER, BEFORE, 10),
    "outdials.stats": lambda db, outdial, target, attempt: outdials.stats(db, outdial, 0),
    "outplans.get": lambda db, outdial, target, attempt: outplans.get(db, CUSTOMER, outdial),
    "outplans.page": lambda db, outdial, target, attempt: outplans.page(db, CUSTOMER, BEFORE, 10),
    "campaigns.get": lambda db, outdial, target, attempt: campaigns.get(db, CUSTOMER, outdial),
    "campaigns.page": lambda db, outdial, target, attempt: campaigns.page(db, CUSTOMER, BEFORE, 10),
    "targets.get": lambda db, outdial, target, attempt: targets.get(db, outdial, target),
    "targets.many": lambda db, outdial, target, attempt: targets.many(db, outdial, [target, "x"]),
    "targets.page": lambda db, outdial, target, attempt: targets.page(db, outdial, (2**62, target), 10),
    "targets.page_of, idle": lambda db, outdial, target, attempt: [*targets.page_of(db, outdial, "due_now", 2**60, (2**62, target), 10)],
    "targets.page_of, not idle": lambda db, outdial, target, attempt: [*targets.page_of(db, outdial, "reached", 0, (2**62, target), 10)],
    "calls.get": lambda db, outdial, target, attempt: calls.get(db, CUSTOMER, attempt),
    "calls.page": lambda db, outdial, target, attempt: calls.page(db, CUSTOMER, BEFORE, 10),
    "calls.page_of_campaign": lambda db, outdial, target, attempt: calls.page_of_campaign(db, CUSTOMER, outdial, (2**62, attempt), 10),
    "calls.open_of_outdial": lambda db, outdial, target, attempt: calls.open_of_outdial(db, outdial, 10),
    "activity.pace": lambda db, outdial, target, attempt: activity.pace(db, outdial, 0, 60, 5),
    "activity.yields": lambda db, outdial, target, attempt: activity.yields(db, outdial, "try"),
    "activity.controls": lambda db, outdial, target, attempt: activity.controls(db, outdial, 10),
    "outdials.calendar": lambda db, outdial, target, attempt: outdials.calendar(db, outdial, 0, 60_000_000, 4),
    "promises.most_called": lambda db, outdial, target, attempt: [*(days := promises.Days()).read(db, outdial), days.most(db)],
    "calls.page_of_target": lambda db, outdial, target, attempt: calls.page_of_target(db, outdial, target, BEFORE, 10),
    "calls.locate": lambda db, outdial, target, attempt: calls.locate(db, CUSTOMER, [attempt, "x"]),
    "calls.requests_after": lambda db, outdial, target, attempt: calls.requests_after(db, None, Position((1,)), 10),
    "calls.requests_after, one customer": lambda db, outdial, target, attempt: calls.requests_after(db, CUSTOMER, Position((1,)), 10),
    "calls.requests_after, several partitions": lambda db, outdial, target, attempt: calls.requests_after(db, None, Position((1, 0)), 10),
    "calls.requests_after, several partitions, one customer": lambda db, outdial, target, attempt: calls.requests_after(
        db, CUSTOMER, Position((1, 0)), 10
    ),
    "accounts.let_in": lambda db, outdial, target, attempt: accounts.let_in(db, "5e" * 32, 0),
    "accounts.who": lambda db, outdial, target, attempt: accounts.who(db, "ann"),
    "accounts.get_customer": lambda db, outdial, target, attempt: accounts.get_customer(db, CUSTOMER),
    "accounts.get_user": lambda db, outdial, target, attempt: accounts.get_user(db, CUSTOMER, target),
    "accounts.get_key": lambda db, outdial, target, attempt: accounts.get_key(db, CUSTOMER, target),
    "accounts.page_of_customers": lambda db, outdial, target, attempt: accounts.page_of_customers(db, BEFORE, 10),
    "accounts.page_of_users": lambda db, outdial, target, attempt: accounts.page_of_users(db, CUSTOMER, BEFORE, 10),
    "accounts.page_of_keys": lambda db, outdial, target, attempt: accounts.page_of_keys(db, CUSTOMER, BEFORE, 10),
    "history.page": lambda db, outdial, target, attempt: history.page(db, Position((1,)), 10),
    "history.page, of a stream": lambda db, outdial, target, attempt: history.page(db, Position((1,)), 10, stream=outdial),
    "history.page, several partitions": lambda db, outdial, target, attempt: history.page(db, Position((1, 0)), 10),
    "history.page, of a stream, several partitions": lambda db, outdial, target, attempt: history.page(
        db, Position((1, 0)), 10, stream=outdial
    ),
    "history.newest": lambda db, outdial, target, attempt: history.newest(db, outdial, Position((1,)), 10),
    "history.page_of_target": lambda db, outdial, target, attempt: history.page_of_target(db, outdial, target, 3, Position((1, 0)), 10),
    "history.own": lambda db, outdial, target, attempt: history.own(db, outdial, 10),
    "history.page_of_own": lambda db, outdial, target, attempt: history.page_of_own(db, outdial, Position((1, 0)), 10),
    "history.version": lambda db, outdial, target, attempt: history.version(db, outdial),
    "history.version_at": lambda db, outdial, target, attempt: history.version_at(db, outdial, 2**60),
    "history.last_position": lambda db, outdial, target, attempt: history.last_position(db, 2),
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_no_question_reads_a_whole_table(views: Views, log: Log, question: str) -> None:
    outdial = log.outdial()
    log.plan(outdial, max_try_count_0=2)
    target = log.target(outdial)
    attempt = log.tried(outdial, target, "busy")
    db = await views.show(log)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    asked: list[str] = []

    db.set_trace_callback(asked.append)
    QUESTIONS[question](db, outdial, target, attempt)
    db.set_trace_callback(None)

    steps = [row[3] for statement in asked for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert asked
    assert [step for step in steps if step.startswith("SCAN ") and step.split()[1] in tables] == []
    sorted_whole = [step for step in steps if step == "USE TEMP B-TREE FOR ORDER BY"]
    assert not sorted_whole or question in SORTED
