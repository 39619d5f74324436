"""The process that writes the database for another one."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import time_ns

import aiosqlite
import pytest
from benchmarks.measure import processes_of

from cli.program import environment
from outdial.embedded.apart import connect
from outdial.embedded.errors import ENDED
from outdial.embedded.log import LOCK_FILE, Lock
from outdial.embedded.runtime import Embedded
from outdial.requests import Unavailable
from outdial.views.rows import LogBroken, run
from runtimes.contract import PATIENCE_S, log_of, people, person
from runtimes.script import named

INSERT = "INSERT INTO numbers VALUES (?)"


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
