"""A long log is replayed by processes of its own, to the same ledgers; whatever becomes of them, the partition opens."""

import asyncio
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from outdial.kafka import replayers
from outdial.kafka.connecting import Ends
from outdial.kafka.replaying import Log, Replayed, replay
from outdial.kafka.runtime import Ledgers
from outdial.kafka.snapshots import Snapshots
from outdial.kafka.topics import checked
from troubles.stage import KEY, Stage, add, new_id, until

TARGETS = 40


async def a_log(stage: Stage, folder: Path) -> list[dict[str, Any]]:
    """Write a log of both partitions; returns the commands."""
    commands = []
    async with stage.ledgers(folder=folder):
        for number in range(4):
            outdial_id = await stage.outdial(number % stage.topology.partitions)
            commands += [add(outdial_id, new_id()) for _ in range(TARGETS // 4)]
        await asyncio.gather(*(stage.ask(dict(command)) for command in commands))
    return commands


def forget(folder: Path) -> None:
    """Leave no snapshot."""
    for path in folder.glob("*.snapshot"):
        path.unlink()


async def ends(stage: Stage) -> list[int]:
    """Where the log ends, by partition."""
    asking = Ends(stage.connection)
    await asking.start()
    try:
        return [(await asking.span(stage.topology.events, number))[1] for number in range(stage.topology.partitions)]
    finally:
        await asking.stop()


async def kept_in(stage: Stage, folder: Path) -> Snapshots:
    """The snapshots of a folder."""
    topology = stage.topology
    return Snapshots(folder, KEY, f"{await checked(stage.connection, topology)}/{topology.events}/{topology.partitions}")


def held(found: Replayed) -> object:
    """What a ledger holds, to be compared."""
    outdials = found.ledger.outdials
    return found.at, found.ledger.last_time, {name: (one.version, one.targets, one.plan_version) for name, one in outdials.items()}


class Started:
    """The processes that were started to replay, and how."""

    def __init__(self, start: Callable[..., Awaitable[Process]]) -> None:
        self.processes: list[Process] = []
        self.instead: tuple[str, ...] = ()
        """A program in place of the right one."""
        self.signal: int = 0
        """What each is sent at once."""
        self._start = start

    async def __call__(self, *line: str, **more: Any) -> Process:
        """Start one."""
        process = await self._start(*(self.instead or line), **more)
        self.processes.append(process)
        process.send_signal(self.signal)
        return process

    async def have_ended(self) -> None:
        """Wait until none is left."""
        await until(lambda: all(process.returncode is not None for process in self.processes), "no process is left behind")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """What is started."""
    found = Started(asyncio.create_subprocess_exec)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", found)
    return found


async def test_a_process_of_its_own_replays_to_the_same_ledger(stage: Stage, tmp_path: Path, started: Started) -> None:
    await a_log(stage, tmp_path)
    forget(tmp_path)
    kept = await kept_in(stage, tmp_path)
    apart = replayers.Replayers(stage.options(worth_apart=1), kept)
    found = await ends(stage)
    await asyncio.gather(*(apart.replay(number, 0, end) for number, end in enumerate(found)))
    await started.have_ended()
    for number, end in enumerate(found):
        log = Log(stage.connection, stage.topology, number, KEY)
        there, here = await replay(log, kept, end), await replay(log, None, end)
        assert there.records == 0
        assert here.records >= TARGETS // 4
        assert held(there) == held(here)
    await apart.close()


async def test_a_start_on_a_long_log_goes_on_from_what_the_processes_left(stage: Stage, tmp_path: Path, started: Started) -> None:
    commands = await a_log(stage, tmp_path)
    forget(tmp_path)
    async with stage.ledgers(folder=tmp_path, worth_apart=1):
        assert len(started.processes) == stage.topology.partitions
        for command in commands[::7]:
            assert (await stage.ask(dict(command))).result == "events", "the same answer as before"
        fresh = add(commands[0]["outdial_id"], new_id())
        assert (await stage.ask(dict(fresh))).result == "events"
    await started.have_ended()


async def test_a_short_rest_of_a_log_is_replayed_without_another_process(stage: Stage, tmp_path: Path, started: Started) -> None:
    commands = await a_log(stage, tmp_path)
    async with stage.ledgers(folder=tmp_path, worth_apart=TARGETS):
        assert (await stage.ask(dict(commands[0]))).result == "events"
    async with stage.ledgers(folder=tmp_path, worth_apart=TARGETS // 4):
        assert (await stage.ask(dict(commands[0]))).result == "events"
    assert not started.processes


@pytest.mark.parametrize("trouble", ["killed", "stopped", "no such program", "says nonsense"])
async def test_a_partition_opens_whatever_becomes_of_the_processes(
    stage: Stage, tmp_path: Path, trouble: str, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = await a_log(stage, tmp_path)
    forget(tmp_path)
    started.signal = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}.get(trouble, 0)
    started.instead = {"no such program": ("/nowhere/python",), "says nonsense": (sys.executable, "-c", "print('no JSON')")}.get(
        trouble, ()
    )
    monkeypatch.setattr(replayers, "SILENT_S", 0.5)
    async with stage.ledgers(folder=tmp_path, worth_apart=1):
        assert (await stage.ask(dict(commands[0]))).result == "events"
    assert len(started.processes) == (0 if trouble == "no such program" else stage.topology.partitions)
    await started.have_ended()


@pytest.mark.parametrize("head", [b"[]", b"{}", b"7", b"nothing", b""])
async def test_a_snapshot_whose_head_is_damaged_counts_for_none(stage: Stage, tmp_path: Path, head: bytes) -> None:
    (tmp_path / "ledger-0.snapshot").write_bytes(bytes(32) + len(head).to_bytes(4, "big") + head)
    assert (await kept_in(stage, tmp_path)).next_event(0) == 0


async def test_what_is_wrong_with_a_log_is_said_as_ever(stage: Stage, tmp_path: Path, started: Started) -> None:
    await a_log(stage, tmp_path)
    forget(tmp_path)
    async with stage.failing(folder=tmp_path, worth_apart=1, key=b"another key") as found:
        error: Any = await asyncio.wait_for(found, 30)
    assert error.reason == "key_changed"
    await started.have_ended()


async def test_ledgers_that_are_closed_meanwhile_leave_no_process(stage: Stage, tmp_path: Path, started: Started) -> None:
    await a_log(stage, tmp_path)
    forget(tmp_path)
    started.signal = signal.SIGSTOP
    ledgers = await Ledgers.open(stage.options(folder=tmp_path, worth_apart=1))
    try:
        await until(lambda: bool(started.processes), "processes replay")
    finally:
        await ledgers.close()
    await started.have_ended()


def test_a_process_ends_when_nobody_is_there_who_could_ask_it() -> None:
    process = subprocess.Popen([sys.executable, "-m", "outdial.kafka.replayer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    told = b'{"connection":{"bootstrap":"127.0.0.1:1","security_protocol":"PLAINTEXT","sasl_mechanism":"PLAIN","sasl_username":null,'
    told += b'"sasl_password":null,"ssl_cafile":null,"ssl_certfile":null,"ssl_keyfile":null},'
    told += b'"topology":{"prefix":"t","partitions":1},"key":"00","folder":"/nowhere","facts":""}\n{"number":0,"end":9}\n'
    process.stdin.write(told)
    process.stdin.flush()
    assert process.stdout is not None
    assert b"failed" in process.stdout.readline(), "no broker is there"
    process.send_signal(signal.SIGINT)
    assert process.poll() is None, "Ctrl-C is for the one who asks"
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    process.stdout.close()
