"""The process that writes the database for another one."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from time import time_ns
from typing import cast

import aiosqlite
import pytest
from benchmarks.measure import processes_of

from cli.program import environment
from outdial.commands import UpdateOutdial
from outdial.embedded import apart, log, runtime
from outdial.embedded.apart import Apart, connect
from outdial.embedded.errors import ENDED, StoreError
from outdial.embedded.log import DATABASE, LOCK_FILE, Lock
from outdial.embedded.rebuild import Comparison, verify
from outdial.embedded.runtime import Embedded
from outdial.envelope import Event
from outdial.requests import Unavailable
from outdial.views.projector import Projector
from outdial.views.rows import LogBroken, run
from outdial.wire import encode_event
from runtimes.contract import PATIENCE_S, PEOPLE, log_of, new, people, person
from runtimes.script import named

INSERT = "INSERT INTO numbers VALUES (?)"
OTHERS = count(10_000)
"""People nobody asks about."""


def writers_of(pid: int) -> list[int]:
    """The processes that write for another one."""
    return [child for child in processes_of(pid)[1:] if b"writer.py" in Path(f"/proc/{child}/cmdline").read_bytes()]


def runs(pid: int) -> bool:
    """Whether a process is there and no corpse."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


async def until(found: Callable[[], bool]) -> None:
    """Wait for something that nobody tells."""
    async with asyncio.timeout(PATIENCE_S):
        while not found():  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[aiosqlite.Connection]:
    """A database with one table."""
    async with connect(tmp_path / "some.db", "PRAGMA synchronous=FULL") as found:
        await found.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
        yield found


async def numbers(db: aiosqlite.Connection) -> list[int]:
    """What is in the table."""
    return [row[0] for row in await db.execute_fetchall("SELECT n FROM numbers ORDER BY n")]


async def test_what_it_is_told_is_written_and_what_it_finds_is_told(db: aiosqlite.Connection, tmp_path: Path) -> None:
    await run(db, [("BEGIN", ()), (INSERT, (1,)), (INSERT, (2,)), ("COMMIT", ())])

    assert await numbers(db) == [1, 2]
    assert sqlite3.connect(tmp_path / "some.db").execute("SELECT count(*) FROM numbers").fetchone() == (2,)
    assert await run(db, [("SELECT n + :more FROM numbers", {"more": 1})]) == [(2,), (3,)]


async def test_an_error_has_the_name_sqlite_gives_it_and_ends_what_was_asked_with_it(db: aiosqlite.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE") as told:
        await run(db, [(INSERT, (1,)), (INSERT, (1,)), (INSERT, (2,))])

    assert told.value.sqlite_errorname == "SQLITE_CONSTRAINT_PRIMARYKEY"
    assert await numbers(db) == [1]


async def test_an_update_of_what_is_not_there_is_told(db: aiosqlite.Connection) -> None:
    with pytest.raises(LogBroken):
        await run(db, [("UPDATE numbers SET n = 2 WHERE n = 1", (), 1)])


async def test_a_value_it_cannot_write_is_told_and_it_goes_on(db: aiosqlite.Connection) -> None:
    with pytest.raises(RuntimeError, match="too large"):
        await db.execute(INSERT, (2**63,))

    await db.execute(INSERT, (1,))
    assert await numbers(db) == [1]


async def test_a_value_it_cannot_be_told_is_not_told_and_it_goes_on(db: aiosqlite.Connection) -> None:
    with pytest.raises(ValueError, match="unmarshallable"):
        await run(db, [("SELECT ?", (object(),))])

    await run(db, [(INSERT, (1,)), ("DELETE FROM numbers WHERE n = ?", (2,))])
    assert await numbers(db) == [1]


async def test_a_database_that_cannot_be_opened_is_refused_as_by_sqlite(tmp_path: Path) -> None:
    async with connect(tmp_path / "nowhere" / "some.db") as nowhere:
        with pytest.raises(sqlite3.OperationalError) as told:
            await nowhere.execute("SELECT 1")
        (tmp_path / "nowhere").mkdir()
        await nowhere.execute("SELECT 1")
    assert told.value.sqlite_errorname == "SQLITE_CANTOPEN"


async def test_one_that_cannot_be_started_is_an_error_like_one_that_ended(
    db: aiosqlite.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    [writer] = writers_of(os.getpid())
    os.kill(writer, signal.SIGKILL)
    with pytest.raises(sqlite3.OperationalError):
        await numbers(db)
    with monkeypatch.context() as changed:
        changed.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(sqlite3.OperationalError, match="cannot be started") as told:
            await numbers(db)
    assert told.value.sqlite_errorname == ENDED
    assert await numbers(db) == []


async def test_killed_it_has_committed_nothing_by_halves_and_another_one_goes_on(db: aiosqlite.Connection) -> None:
    await run(db, [("BEGIN", ()), (INSERT, (1,))])
    [writer] = writers_of(os.getpid())
    os.kill(writer, signal.SIGKILL)

    with pytest.raises(sqlite3.OperationalError) as told:
        await run(db, [(INSERT, (2,)), ("COMMIT", ())])
    assert told.value.sqlite_errorname == ENDED
    assert await numbers(db) == []
    [(synchronous,)] = await db.execute_fetchall("PRAGMA synchronous")
    assert synchronous == 2


async def test_no_ctrl_c_and_no_stop_of_a_supervisor_ends_it_before_the_one_it_writes_for(db: aiosqlite.Connection) -> None:
    [writer] = writers_of(os.getpid())
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(writer, number)
        await db.execute(INSERT, (int(number),))

    assert writers_of(os.getpid()) == [writer]
    assert os.getpgid(writer) != os.getpgid(os.getpid())


async def test_a_runtime_whose_writer_is_killed_says_so_and_goes_on_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    running = await Embedded.open(tmp_path, lambda: time_ns() // 1_000, key="k")
    await running.submit([people()])
    acknowledged = set()
    for kill in range(5):
        [writer] = writers_of(os.getpid())
        asked = {number: asyncio.create_task(running.submit([person(number)])) for number in range(20 * kill, 20 * kill + 20)}
        await asyncio.sleep(0)
        os.kill(writer, signal.SIGKILL)
        await asyncio.wait(asked.values())
        acknowledged |= {number for number, answer in asked.items() if answer.exception() is None}
        refusals = [answer.exception() for answer in asked.values() if answer.exception() is not None]
        assert {refusal.reason for refusal in refusals if isinstance(refusal, Unavailable)} <= {"writer_ended"}
        assert all(isinstance(refusal, Unavailable) for refusal in refusals)
        await until(lambda: running.not_ready is None)
        number = 1_000 + kill
        await running.submit([person(number)])
        acknowledged.add(number)
    added = Counter(event["data"]["target_id"] for event in log_of(running) if event["type"] == "TargetAdded")
    await running.close()

    assert set(added.values()) == {1}
    assert added.keys() >= {named(f"target {number}") for number in acknowledged}


@pytest.fixture
async def eager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Embedded]:
    """A runtime whose writer learns to append with the first event."""
    monkeypatch.setattr(log, "LEARN_AFTER", 1)
    running = await Embedded.open(tmp_path, lambda: time_ns() // 1_000, key="k")
    yield running
    await running.close()


@pytest.fixture
async def learned(eager: Embedded) -> Embedded:
    """One whose writer has."""
    await eager.submit([people()])
    await learning(eager)
    return eager


def apart_of(running: Embedded) -> Apart:
    """What stands for its database."""
    return cast("Apart", running._log._db._conn)  # noqa: SLF001  nobody else asks for it


async def learning(running: Embedded) -> None:
    """Send commands until the writer of a runtime appends by itself."""
    async with asyncio.timeout(PATIENCE_S):
        while not apart_of(running).appends:
            await running.submit([person(next(OTHERS))])
            await asyncio.sleep(0.01)


def log_of_folder(folder: Path) -> list[tuple[str]]:
    """The events of a runtime that was closed."""
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        return db.execute("SELECT body FROM log").fetchall()


async def digests(folder: Path) -> Comparison:
    """The views as they are, and built anew from the log."""
    return await verify(folder, lambda _done, _total: None)


async def test_a_writer_that_has_learned_folds_the_views_by_itself_as_others_do(
    learned: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Projector, "load", None)
    folded = await asyncio.gather(*(learned.submit([person(number)]) for number in range(200)))
    for number in range(20):
        folded.append(await learned.submit([person(200 + number)]))
    monkeypatch.undo()

    assert {answer.result for [answer] in folded} == {"events"}
    shown = await digests(tmp_path)
    assert shown.live == shown.rebuilt
    assert shown.position == learned.position
    assert shown.position.total > 220


async def test_what_it_says_of_an_event_that_does_not_fit_is_that_the_views_are_damaged(learned: Embedded, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE)) as db, db:
        db.execute("DELETE FROM outdial")
    with pytest.raises(Unavailable):
        await learned.submit([new(UpdateOutdial(outdial_id=PEOPLE, name="x"), "rename")])
    with pytest.raises(StoreError) as told:
        await learned.wait_failed()

    assert told.value.reason == "views_damaged"
    events = len(log_of(learned))
    assert events == learned.position.total


async def test_a_disk_that_fails_is_told_with_its_name_and_nothing_is_written(learned: Embedded, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE)) as db, db:
        db.execute("CREATE TRIGGER fails BEFORE INSERT ON log BEGIN SELECT raise(ABORT, 'no'); END")
    before = learned.position
    with pytest.raises(Unavailable):
        await learned.submit([person(1)])
    with pytest.raises(sqlite3.IntegrityError) as told:
        await learned.wait_failed()

    assert told.value.sqlite_errorname == "SQLITE_CONSTRAINT_TRIGGER"
    assert len(log_of(learned)) == before.total


async def test_killed_while_it_appends_it_has_written_nothing_by_halves_and_the_next_one_learns_again(
    learned: Embedded, tmp_path: Path
) -> None:
    acknowledged = set()
    for kill in range(5):
        [writer] = writers_of(os.getpid())
        asked = {number: asyncio.create_task(learned.submit([person(number)])) for number in range(400 * kill, 400 * kill + 400)}
        await asyncio.sleep(0.005 * kill)
        os.kill(writer, signal.SIGKILL)
        await asyncio.wait(asked.values())
        acknowledged |= {number for number, answer in asked.items() if answer.exception() is None}
        assert all(isinstance(answer.exception(), Unavailable | None) for answer in asked.values())
        await until(lambda: learned.not_ready is None)
        assert not apart_of(learned).appends
        await learning(learned)

    added = Counter(event["data"]["target_id"] for event in log_of(learned) if event["type"] == "TargetAdded")
    assert set(added.values()) == {1}
    assert added.keys() >= {named(f"target {number}") for number in acknowledged}
    shown = await digests(tmp_path)
    assert shown.live == shown.rebuilt


async def add_five(running: Embedded) -> None:
    """Send five commands one after another, and see all that was sent in the log."""
    for number in range(5):
        await running.submit([person(number)])
    assert len(log_of(running)) == 6


async def test_one_that_ends_while_it_learns_is_followed_by_one_that_is_not_told_to(eager: Embedded) -> None:
    await eager.submit([people()])
    assert (apart_of(eager).learns, apart_of(eager).appends) == (True, False)
    [writer] = writers_of(os.getpid())
    os.kill(writer, signal.SIGKILL)
    with pytest.raises(Unavailable):
        await eager.submit([person(1)])
    await until(lambda: eager.not_ready is None)
    await add_five(eager)

    assert apart_of(eager).is_unfit
    assert not apart_of(eager).learns


@pytest.mark.parametrize(("module", "name", "found"), [(sys, "path", ["/nowhere"]), (apart, "layout", lambda: "another version's")])
async def test_where_it_cannot_learn_or_learns_another_version_it_goes_on_with_statements(
    eager: Embedded, monkeypatch: pytest.MonkeyPatch, module: object, name: str, found: object
) -> None:
    with monkeypatch.context() as other:
        other.setattr(module, name, found)
        await eager.submit([people()])
    [writer] = writers_of(os.getpid())
    await until(lambda: len([*Path(f"/proc/{writer}/task").iterdir()]) == 1)
    await add_five(eager)

    assert apart_of(eager).learns
    assert not apart_of(eager).appends


async def test_a_program_error_between_two_batches_ends_the_runtime_and_leaves_nobody_waiting(
    learned: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_once(event: Event) -> bytes:
        if getattr(event.data, "target_id", None) == named("target 500"):
            raise OverflowError
        return encode_event(event)

    monkeypatch.setattr(runtime, "encode_event", fails_once)
    async with asyncio.timeout(PATIENCE_S):
        told = await asyncio.gather(*(learned.submit([person(number)]) for number in range(6_000)), return_exceptions=True)
        with pytest.raises(OverflowError):
            await learned.wait_failed()
        await learned.close()

    refused = [answer for answer in told if isinstance(answer, BaseException)]
    assert {type(answer) for answer in refused} == {Unavailable}
    assert len(log_of_folder(learned.folder)) == learned.position.total >= 6_000 - len(refused)


async def test_a_folder_is_taken_again_as_soon_as_the_writer_of_a_killed_process_has_ended(tmp_path: Path) -> None:
    holding = f"""
import subprocess, sys
from pathlib import Path
from outdial.embedded.log import Lock
lock = Lock(Path({str(tmp_path)!r}))
left = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=0, pass_fds=(lock.fileno,))
print(left.pid, flush=True)
sys.stdin.read()
"""
    held, hold = os.pipe()
    process = subprocess.Popen(  # noqa: ASYNC220, S603  its own program
        [sys.executable, "-c", holding], stdin=held, stdout=subprocess.PIPE, env=environment()
    )
    os.close(held)
    assert process.stdout is not None
    left = int(process.stdout.readline())
    process.kill()
    process.wait()
    assert (tmp_path / LOCK_FILE).read_text() == str(process.pid)

    taking = asyncio.create_task(asyncio.to_thread(Lock, tmp_path))
    done, _ = await asyncio.wait([taking], timeout=0.2)
    assert not done
    os.close(hold)
    (await taking).release()
    await until(lambda: not runs(left))
    process.stdout.close()


async def test_nothing_is_left_of_a_runtime_that_was_closed(tmp_path: Path) -> None:
    running = await Embedded.open(tmp_path, lambda: time_ns() // 1_000, key="k")
    [writer] = writers_of(os.getpid())
    await running.close()

    assert not runs(writer)
    assert writers_of(os.getpid()) == []
