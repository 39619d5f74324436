"""The peers: programs of other make, or of none, that do the ledger's work on the same topics. And ours, started in the same way."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from outdial.topology import Topology

HERE: Final = Path(__file__).parent
STREAMS: Final = HERE / "streams"
MEMORY: Final = "memory://"
ROCKSDB: Final = "rocksdb://"
KEY: Final = "bench"
"""Of the address fingerprints of everybody."""

Start = Callable[[Topology, str, Path, str], "subprocess.Popen[bytes]"]
"""Topics, bootstrap, a folder for state and logs, a name for this process within its group. The group is ``topology.ledger_group``.

A process ends at SIGTERM; killed, it can be started again with the same arguments. What it says stands in ``<folder>/<name>.log``.
"""


def ours(topology: Topology, bootstrap: str, folder: Path, name: str) -> "subprocess.Popen[bytes]":
    """Our ledger process."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    return _process(
        [sys.executable, "-m", "outdial.compose", "ledger", "--kafka", bootstrap, "--data", str(folder / name), "--port", "0"],
        folder,
        name,
        {
            "OUTDIAL_TOPIC_PREFIX": topology.prefix,
            "OUTDIAL_PARTITIONS": str(topology.partitions),
            "OUTDIAL_FINGERPRINT_KEY": KEY,
        },
    )


def streams(topology: Topology, bootstrap: str, folder: Path, name: str) -> "subprocess.Popen[bytes]":
    """Kafka Streams 4.1, exactly_once_v2, RocksDB, one thread."""
    return streams_with(1)(topology, bootstrap, folder, name)


def streams_with(threads: int) -> Start:
    """The same with so many threads."""

    def start(topology: Topology, bootstrap: str, folder: Path, name: str) -> "subprocess.Popen[bytes]":
        jars = built_streams()
        java = shutil.which("java") or "java"
        arguments = {
            "prefix": topology.prefix, "bootstrap": bootstrap, "state": str(folder / name), "threads": str(threads),
            "application-id": topology.ledger_group, "session-timeout-ms": "10000",
        }  # fmt: skip
        told = [part for key, value in arguments.items() for part in (f"--{key}", value)]
        command = [java, "-Xmx2g", "-XX:+UseParallelGC", "-cp", os.pathsep.join(map(str, jars)), "outdial.peer.Main", *told]
        return _process(command, folder, name, {"OUTDIAL_FINGERPRINT_KEY": KEY})

    return start


def faust(topology: Topology, bootstrap: str, folder: Path, name: str) -> "subprocess.Popen[bytes]":
    """faust-streaming, exactly_once, tables in memory."""
    return _faust("exactly_once", MEMORY, topology, bootstrap, folder, name)


def faust_at_least_once(topology: Topology, bootstrap: str, folder: Path, name: str) -> "subprocess.Popen[bytes]":
    """faust-streaming, at_least_once, tables in memory."""
    return _faust("at_least_once", MEMORY, topology, bootstrap, folder, name)


def faust_rocksdb(topology: Topology, bootstrap: str, folder: Path, name: str) -> "subprocess.Popen[bytes]":
    """faust-streaming, exactly_once, tables in RocksDB as its documentation has it in production. Needs the package ``rocksdict``."""
    return _faust("exactly_once", ROCKSDB, topology, bootstrap, folder, name)


def faust_rocksdb_at_least_once(topology: Topology, bootstrap: str, folder: Path, name: str) -> "subprocess.Popen[bytes]":
    """faust-streaming, at_least_once, tables in RocksDB. Needs the package ``rocksdict``."""
    return _faust("at_least_once", ROCKSDB, topology, bootstrap, folder, name)


def raw(topology: Topology, bootstrap: str, folder: Path, name: str) -> "subprocess.Popen[bytes]":
    """Nothing but aiokafka: as many bytes in and out, exactly once, and no decision."""
    return _process(
        [sys.executable, "-m", "benchmarks.peers.raw_loop", topology.prefix, str(topology.partitions), bootstrap], folder, name, {}
    )


PEERS: Final[Mapping[str, Start]] = {
    "ours": ours,
    "kafka-streams": streams,
    "faust": faust,
    "faust-at-least-once": faust_at_least_once,
    "faust-rocksdb": faust_rocksdb,
    "faust-rocksdb-at-least-once": faust_rocksdb_at_least_once,
    "raw": raw,
}


SETTINGS: Final[Mapping[str, str]] = {
    "kafka-streams": "Kafka Streams 4.1.1, `exactly_once_v2`, RocksDB, one thread, commits every 100 ms, session 10 s, transactions 10 s",
    "faust": "faust-streaming 0.15.3, `exactly_once`, tables in memory, session 10 s, transactions 60 s",
    "faust-at-least-once": "faust-streaming 0.15.3, `at_least_once`, tables in memory, session 10 s",
    "faust-rocksdb": "faust-streaming 0.15.3, `exactly_once`, tables in RocksDB (rocksdict 0.3), session 10 s, transactions 60 s",
    "faust-rocksdb-at-least-once": "faust-streaming 0.15.3, `at_least_once`, tables in RocksDB (rocksdict 0.3), session 10 s",
}
"""Versions and settings, for people. What is not named is the default."""


def built_streams() -> Sequence[Path]:
    """The jars of the Kafka Streams peer, built by Maven when they are older than its source.

    Raises:
        RuntimeError: Maven is not here, or could not build it.
    """
    jar = STREAMS / "target" / "streams-peer-1.jar"
    libs = STREAMS / "target" / "dependency"
    sources = [STREAMS / "pom.xml", *STREAMS.glob("src/**/*.java")]
    if not jar.exists() or not libs.is_dir() or jar.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        maven = shutil.which("mvn")
        if maven is None:
            raise RuntimeError("the Kafka Streams peer needs Maven (mvn) and Java 17")
        said = subprocess.run(
            [maven, "-q", "-B", "clean", "package", "dependency:copy-dependencies", "-DincludeScope=runtime"],
            cwd=STREAMS,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        if said.returncode:
            raise RuntimeError("the Kafka Streams peer could not be built: " + "\n".join((said.stdout + said.stderr).splitlines()[:20]))
    return [jar, *sorted(libs.glob("*.jar"))]


def _faust(guarantee: str, store: str, topology: Topology, bootstrap: str, folder: Path, name: str) -> "subprocess.Popen[bytes]":
    arguments = [topology.prefix, str(topology.partitions), bootstrap, guarantee, store, str(folder / name)]
    return _process([sys.executable, "-m", "benchmarks.peers.faust_ledger", *arguments], folder, name, {"OUTDIAL_FINGERPRINT_KEY": KEY})


def _process(command: Sequence[str], folder: Path, name: str, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=HERE.parent.parent,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
