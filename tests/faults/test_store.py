"""What can be wrong with a data folder, and what becomes of it: a clear refusal, or nothing at all."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from time import time_ns

import httpx
import pytest

from faults.served import Server, call, serving
from outdial.commands import Command, CreateOutdial, StartDialing, UpdateOutdial
from outdial.embedded.errors import StoreError
from outdial.embedded.log import DATABASE, KEY_FILE
from outdial.embedded.rebuild import rebuild, verify
from outdial.embedded.runtime import Embedded
from outdial.plan import Plan
from outdial.position import Position
from outdial.requests import Unavailable
from outdial.views import history, outdials, targets
from runtimes.contract import PATIENCE_S, PEOPLE, crowd, new, people, person, types_of
from runtimes.script import CUSTOMER, Clock, Step, named, play, script

KEY = "the key of these tests"
BEGINNING = Position((0,))


@asynccontextmanager
async def opened(folder: Path, key: str = KEY) -> AsyncIterator[Embedded]:
    """A runtime over a folder."""
    runtime = await Embedded.open(folder, lambda: time_ns() // 1_000, key=key)
    try:
        yield runtime
    finally:
        await runtime.close()


async def refused(folder: Path, key: str = KEY) -> StoreError:
    """Why a folder cannot be opened."""
    with pytest.raises(StoreError) as why:
        await Embedded.open(folder, lambda: time_ns() // 1_000, key=key)
    return why.value


def changed(folder: Path, statement: str, *values: object) -> None:
    """Write into the database past the program."""
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as db:
        db.execute(statement, values)


def _same(_done: int, _total: int) -> None:
    """Progress nobody looks at."""


async def _play(folder: Path, steps: Sequence[Step]) -> None:
    clock = Clock()
    runtime = await Embedded.open(folder, clock, key=KEY)
    await play(runtime, clock, steps)
    await runtime.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which much has happened, closed."""
    folder = tmp_path_factory.mktemp("played") / "data"
    asyncio.run(_play(folder, script()))
    return folder


@pytest.fixture
def played(original: Path, tmp_path: Path) -> Path:
    """A copy of a folder in which much has happened."""
    return Path(shutil.copytree(original, tmp_path / "data"))


# --- whose folder it is -------------------------------------------------------------------------------


async def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with serving(data) as server:
        why = await refused(data)
        said = await call("serve", "--data", str(data), "--port", "0")
    assert why.reason == "data_in_use"
    assert f"process {server.process.pid}" in why.message
    assert said.code == 1
    assert f"in use by the process {server.process.pid}" in said.err
    assert "Traceback" not in said.err


async def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = await Server.start(data)
    await server.kill()
    async with serving(data):
        pass
    assert not (data / "address.json").exists()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    why = await refused(tmp_path / "file" / "data")
    assert why.reason == "data_read_only"
    assert str(tmp_path / "file" / "data") in why.message
    said = await call("serve", "--data", str(tmp_path / "file" / "data"), "--port", "0")
    assert (said.code, "Traceback" in said.err) == (1, False)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own. Needs the right to mount one."""
    where = tmp_path / "mounted"
    where.mkdir()
    try:
        done = subprocess.run(  # noqa: S603  a fixed command
            ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(where)],  # noqa: S607  wherever it is
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"this process may not mount a file system: {done.stderr.decode().strip()}")
    yield where
    subprocess.run(["umount", str(where)], check=True)  # noqa: S603, S607  as above


def _remount_read_only(where: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True)  # noqa: S603, S607  as above


async def test_a_read_only_folder_is_refused_and_left_as_it_is(mounted: Path, played: Path) -> None:
    data = Path(shutil.copytree(played, mounted / "data"))
    _remount_read_only(mounted)
    why = await refused(data)
    assert why.reason == "data_read_only"
    assert str(data) in why.message
    said = await call("serve", "--data", str(data), "--port", "0")
    assert (said.code, "Traceback" in said.err) == (1, False)
    assert str(data) in said.err


# --- what it was written with -------------------------------------------------------------------------


async def test_another_fingerprint_key_is_refused(played: Path) -> None:
    why = await refused(played, key="another key")
    assert why.reason == "key_changed"
    said = await call("serve", "--data", str(played), "--port", "0", OUTDIAL_FINGERPRINT_KEY="another key")
    assert said.code == 1
    assert "another key" not in said.err
    async with opened(played):
        pass


@pytest.mark.parametrize("found", [None, b"another"])
async def test_a_backup_without_its_fingerprint_key_is_refused_and_no_key_is_made(tmp_path: Path, found: bytes | None) -> None:
    async def started(folder: Path) -> None:
        await (await Embedded.open(folder, lambda: time_ns() // 1_000)).close()

    await started(tmp_path / "data")
    backup = tmp_path / "backup"
    backup.mkdir()
    shutil.copy(tmp_path / "data" / DATABASE, backup)
    if found is not None:
        (backup / KEY_FILE).write_bytes(found)

    with pytest.raises(StoreError) as why:
        await started(backup)

    assert (why.value.reason, "put the old fingerprint.key back" in why.value.fix) == ("key_changed", True)
    assert ((backup / KEY_FILE).read_bytes() if (backup / KEY_FILE).exists() else None) == found
    assert not (backup / f"{KEY_FILE}.new").exists()
    shutil.copy(tmp_path / "data" / KEY_FILE, backup)
    await started(backup)


async def test_a_newer_database_is_refused(played: Path) -> None:
    changed(played, "UPDATE meta SET value = '2' WHERE name = 'schema'")
    assert (await refused(played)).reason == "database_newer"


async def test_views_of_another_version_are_built_anew_from_the_log(played: Path) -> None:
    for statement in ("UPDATE meta SET value = 'another' WHERE name = 'views'", "DROP TABLE tally", "CREATE TABLE tally (other TEXT)"):
        changed(played, statement)
    async with opened(played):
        pass
    found = await verify(played, _same)
    assert found.live == found.rebuilt


async def test_an_event_of_a_newer_program_is_refused_by_position(played: Path) -> None:
    changed(played, "UPDATE log SET body = replace(body, '/TargetAdded/1', '/TargetAdded/2') WHERE position = 9")
    why = await refused(played)
    assert why.reason == "database_newer"
    assert "position 9" in why.message


# --- damage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"no database at all", os.urandom(20_000)], ids=["empty", "text", "noise"])
async def test_a_file_that_is_no_database_is_refused_or_begun_anew(tmp_path: Path, content: bytes) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / DATABASE).write_bytes(content)
    if not content:
        async with opened(data) as runtime:
            assert runtime.position == BEGINNING
        return
    why = await refused(data)
    assert why.reason == "database_corrupt"
    assert DATABASE in why.message
    assert (data / DATABASE).read_bytes() == content
    said = await call("serve", "--data", str(data), "--port", "0")
    assert (said.code, "Traceback" in said.err) == (1, False)


async def test_a_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE)) as db:
        db.execute("CREATE TABLE shopping (item TEXT)")
    content = (tmp_path / DATABASE).read_bytes()
    assert (await refused(tmp_path)).reason == "database_foreign"
    with pytest.raises(StoreError):
        await rebuild(tmp_path, _same)
    assert (tmp_path / DATABASE).read_bytes() == content


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
async def test_a_truncated_database_is_refused(played: Path, part: float) -> None:
    content = (played / DATABASE).read_bytes()
    (played / DATABASE).write_bytes(content[: int(len(content) * part)])
    assert (await refused(played)).reason == "database_corrupt"


async def test_wherever_a_page_is_zeroed_no_event_is_lost_in_silence(played: Path, tmp_path: Path) -> None:
    content = (played / DATABASE).read_bytes()
    with closing(sqlite3.connect(f"file:{played / DATABASE}?mode=ro", uri=True)) as db:
        log = history.page(db, BEGINNING, 1_000_000)
        [page_size] = db.execute("PRAGMA page_size").fetchone()
    fates = Counter[str]()
    for start in range(0, len(content), page_size * 3):
        data = tmp_path / f"damaged at {start}"
        shutil.copytree(played, data)
        (data / DATABASE).write_bytes(content[:start] + bytes(page_size) + content[start + page_size :])
        try:
            runtime = await Embedded.open(data, Clock(), key=KEY)
        except StoreError as why:
            fates[why.reason] += 1
        else:
            fates["whole"] += history.page(runtime.reader, BEGINNING, 1_000_000) == log
            fates["other"] += history.page(runtime.reader, BEGINNING, 1_000_000) != log
            await runtime.close()
        shutil.rmtree(data)
    assert fates.keys() - {"other"} == {"database_corrupt", "whole"}
    assert fates["other"] == 0


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE log SET body = '' WHERE position = 50",
        "UPDATE log SET body = '[1, 2' WHERE position = 50",
        "UPDATE log SET body = 'null' WHERE position = 50",
        "UPDATE log SET body = '{}' WHERE position = 50",
        "UPDATE log SET body = x'ff00' WHERE position = 50",
        "UPDATE log SET body = replace(body, 'attempt_id', 'nothing') WHERE body LIKE '%attempt_id%'",
        "DELETE FROM log WHERE position = 50",
        "DELETE FROM log WHERE position = 4",
    ],
)
async def test_a_damaged_log_is_refused_and_nothing_keeps_running(played: Path, damage: str) -> None:
    changed(played, damage)
    why = await refused(played)
    assert why.reason == "database_corrupt"
    assert "position" in why.message
    said = await call("serve", "--data", str(played), "--port", "0")
    assert (said.code, "Traceback" in said.err) == (1, False)


# --- views beside the log -----------------------------------------------------------------------------


async def _digests(folder: Path) -> tuple[str, str]:
    found = await verify(folder, _same)
    return found.live, found.rebuilt


async def test_views_behind_the_log_catch_up_at_the_start(played: Path, tmp_path: Path) -> None:
    behind = tmp_path / "behind"
    await _play(behind, script()[:6])
    with closing(sqlite3.connect(behind / DATABASE, isolation_level=None)) as db:
        db.execute(f"ATTACH '{played / DATABASE}' AS whole")
        db.execute("INSERT OR IGNORE INTO main.log SELECT * FROM whole.log")
    async with opened(behind) as runtime:
        assert outdials.get(runtime.reader, CUSTOMER, named("third list")) is not None
        live, rebuilt = await _digests(behind)
    assert live == rebuilt == (await _digests(played))[0]


async def test_views_ahead_of_the_log_are_built_anew(played: Path) -> None:
    changed(played, "DELETE FROM log WHERE position > 100")
    async with opened(played) as runtime:
        assert runtime.position == Position((100,))
        answer, *_ = await runtime.submit([new(CreateOutdial(outdial_id=named("after the loss")), "after the loss")])
        assert answer.position != "100"
    live, rebuilt = await _digests(played)
    assert live == rebuilt


async def test_a_rebuild_that_was_killed_is_finished_by_the_next_start(played: Path) -> None:
    before = await _digests(played)
    with pytest.raises(KeyboardInterrupt):
        await rebuild(played, _killed)
    async with opened(played):
        pass
    assert await _digests(played) == before


def _killed(_done: int, _total: int) -> None:
    raise KeyboardInterrupt


async def test_views_that_lost_a_row_stop_the_service_and_a_rebuild_mends_them(tmp_path: Path) -> None:
    async with opened(tmp_path) as runtime:
        await runtime.submit([people(), person(1)])
        changed(tmp_path, "DELETE FROM outdial")
        sent = [new(UpdateOutdial(outdial_id=PEOPLE, name="x"), "rename"), person(2), person(3)]
        async with asyncio.timeout(PATIENCE_S):
            told = await asyncio.gather(*(runtime.submit([command]) for command in sent), return_exceptions=True)
            with pytest.raises(StoreError) as why:
                await runtime.wait_failed()
        assert [type(error) for error in told] == [Unavailable] * 3
        with pytest.raises(Unavailable):
            await runtime.submit([person(4)])
        assert why.value.reason == "views_damaged"
        assert "outdial views rebuild" in why.value.fix
    await rebuild(tmp_path, _same)
    async with opened(tmp_path) as runtime:
        assert [answer.result for answer in await runtime.submit([person(2)])] == ["events"]


async def test_a_served_program_whose_views_are_damaged_ends_with_a_sentence(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with opened(data) as runtime:
        await runtime.submit(
            [people(), person(1), new(StartDialing(outdial_id=PEOPLE, plan=Plan(max_try_count_0=1, try_interval=0)), "start")]
        )
    server = await Server.start(data, OUTDIAL_FINGERPRINT_KEY=KEY, OUTDIAL_CUSTOMER_ID=CUSTOMER)
    changed(data, "DELETE FROM outdial")
    (tmp_path / "commands").write_text(json.dumps({"type": "UpdateOutdial", "outdial_id": PEOPLE, "name": "x"}))
    said = await call("send", str(tmp_path / "commands"), "--url", server.url)
    assert said.code != 0
    assert "Traceback" not in said.err
    assert await server.ended() == 1
    assert "outdial views rebuild" in server.said.read_text()
    assert "Traceback" not in server.said.read_text()


# --- a full disk --------------------------------------------------------------------------------------


def _fill(where: Path) -> Path:
    """Take all space that is left."""
    filler = where / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    return filler


async def _until_refused(runtime: Embedded, commands: Iterator[Command]) -> tuple[list[str], Unavailable]:
    """Ids of the commands that were acknowledged until one was refused."""
    acknowledged: list[str] = []
    for command in commands:
        try:
            [answer] = await runtime.submit([command])
        except Unavailable as why:
            return acknowledged, why
        acknowledged.append(answer.command_id)
    raise AssertionError("the disk never became full")


async def _until_ready(runtime: Embedded) -> None:
    """Return when a runtime takes commands again."""
    async with asyncio.timeout(PATIENCE_S):
        while runtime.not_ready is not None:  # noqa: ASYNC110  nothing tells: it is as a service's own probe sees it
            await asyncio.sleep(0.01)


def _crowds(start: int) -> Iterator[Command]:
    for number in range(start, start + 1_000):
        yield crowd(number, 20)


async def test_a_full_disk_refuses_writes_reads_on_and_takes_writes_again_by_itself(mounted: Path) -> None:
    data = mounted / "data"
    async with opened(data) as runtime:
        await runtime.submit([people(), person(1)])
        filler = _fill(mounted)
        acknowledged, why = await _until_refused(runtime, _crowds(0))
        assert why.reason == "disk_full"
        assert runtime.not_ready == "disk_full"
        assert "nothing was done" in why.message
        found = targets.get(runtime.reader, PEOPLE, named("target 1"))
        assert found is not None
        assert found.name == "Person 1"
        position = runtime.position
        with pytest.raises(Unavailable):
            await runtime.submit([person(2)])

        filler.unlink()
        await _until_ready(runtime)
        assert runtime.position == position
        refused_before = crowd(len(acknowledged), 20)
        answers = await runtime.submit([refused_before, person(2)])
        assert [answer.result for answer in answers] == ["events", "events"]
        assert types_of(runtime).count("TargetAdded") == 20 * len(acknowledged) + 22
        live, rebuilt = await _digests(data)
    assert live == rebuilt
    async with opened(data) as runtime:
        causes = {
            event for _, body in history.page(runtime.reader, BEGINNING, 1_000_000) for event in [body.partition('"causationid":"')[2][:36]]
        }
        assert causes >= {*acknowledged, refused_before.id, person(2).id}


async def test_a_disk_that_is_full_under_many_who_write_at_once_loses_nothing(mounted: Path) -> None:
    data = mounted / "data"
    async with opened(data) as runtime:
        await runtime.submit([people()])
        for turn in range(3):
            filler = _fill(mounted)
            sent = [crowd(number, 1) for number in range(turn * 9_000, (turn + 1) * 9_000)]
            async with asyncio.timeout(PATIENCE_S):
                told = await asyncio.gather(*(runtime.submit([command]) for command in sent), return_exceptions=True)
            assert all(isinstance(answer, list | Unavailable) for answer in told)
            if all(isinstance(answer, list) for answer in told):
                await _until_refused(runtime, _crowds(100_000 + turn * 10_000))
            filler.unlink()
            await _until_ready(runtime)
            taken = {command.id for command, answer in zip(sent, told, strict=True) if isinstance(answer, list)}
            written = {body.partition('"causationid":"')[2][:36] for _, body in history.page(runtime.reader, BEGINNING, 1_000_000)}
            assert taken <= written
            assert not {command.id for command in sent} - taken & written
    live, rebuilt = await _digests(data)
    assert live == rebuilt


async def test_a_service_on_a_full_disk_says_so_and_recovers(mounted: Path) -> None:
    data = mounted / "data"
    async with serving(data) as server, httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        outdial_id = (await client.post("/v1.0/outdials", json={"name": "June"})).json()["id"]
        filler = _fill(mounted)
        body = {
            "targets": [{"destination_0": {"type": "tel", "target": f"+1555123{number:04}"}} for number in range(200)],
            "on_duplicate": "accept",
        }
        statuses = []
        for _ in range(100):
            answer = await client.post(f"/v1.0/outdials/{outdial_id}/targets", json=body)
            statuses.append(answer.status_code)
            if answer.status_code != 200:
                break
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert answer.json()["error"]["reason"] == "SERVICE_UNAVAILABLE"
        assert (await client.get("/readyz")).json()["reason"] == "disk_full"
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get(f"/v1.0/outdials/{outdial_id}")).json()["name"] == "June"
        filler.unlink()
        async with asyncio.timeout(PATIENCE_S):
            while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110  as whoever probes a service does
                await asyncio.sleep(0.05)
        assert (await client.post(f"/v1.0/outdials/{outdial_id}/targets", json={"targets": body["targets"][:1]})).status_code == 200
