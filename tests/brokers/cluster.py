"""Real Kafka brokers on this machine, one or three, to be killed, paused and started again at will.

Every call that waits blocks its thread: from a coroutine call it by `asyncio.to_thread`.
"""

import contextlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self, TypeVar

from brokers import wire
from brokers.libs import VERSION, jars, java

HOST: Final = "127.0.0.1"
PORTS: Final = range(20_000, 32_000)
"""Below those the system hands out by itself: the port of a killed broker must be free when it comes back."""
CLUSTER_ID: Final = "b3V0ZGlhbC10ZXN0cy0wMQ"
READY_SECONDS: Final = 60.0
LOGGED: Final = {
    "defaultLogLevel": "warn",
    "showDateTime": "true",
    "dateTimeFormat": "yyyy-MM-dd'T'HH:mm:ss.SSS",
    "log.kafka.server.KafkaRaftServer": "info",
    "log.kafka.coordinator.transaction": "info",
    "log.org.apache.kafka.coordinator.group": "info",
}
PAUSE: Final = re.compile(r"Pause .* \d{4,}\.\d+ms$")
"""A line about a collection of garbage that took a second or more."""
TOLD: Final = 40
"""Lines of each kind that are shown of one node."""
RUNNING: "Final[list[Cluster]]" = []
"""The clusters of this process that were started and not closed."""
TAKEN: Final = "Address already in use"
ROOT_CAUSE: Final = ("ERROR", "Exception in thread", "Error: ", "Error occurred")

Answer = TypeVar("Answer")


class NotReady(Exception):
    """The brokers were not there within the time given; the text says what they logged."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one node listens, each on the loopback address."""

    client: int
    controller: int
    behind: int
    """For connections that come through a proxy."""
    proxied: int
    """Where the proxy of this node listens: what the node tells those who came through it."""


def free(port: int) -> bool:
    """Whether nobody listens at a port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """So many different ports that nobody listens at."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if len(found) == count:
            return found
        if free(port):
            found.append(port)
    raise NotReady(f"no {count} free ports from {PORTS.start} to {PORTS.stop - 1}")


def _ports(size: int) -> list[Ports]:
    """Free ones for so many nodes."""
    found = free_ports(4 * size)
    return [Ports(*found[4 * at : 4 * at + 4]) for at in range(size)]


def _stands_still(process: "subprocess.Popen[bytes] | None") -> bool:
    """Whether every thread of a process that was told to stop has stopped: on a busy machine some go on for a moment."""
    threads = [] if process is None else Path(f"/proc/{process.pid}/task").glob("*/stat")
    try:
        return all(thread.read_text().rpartition(")")[2].split()[0] in "TtZX" for thread in threads)
    except OSError:  # one has ended meanwhile
        return False


def settings(size: int) -> dict[str, str]:
    """What every broker of the tests is told, wherever it runs: small, quick, and nothing made by itself."""
    copies, needed = ("3", "2") if size >= 3 else ("1", "1")
    return {
        "auto.create.topics.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": needed,
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": needed,
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "group.initial.rebalance.delay.ms": "0",
        "message.max.bytes": str(4 * 1024 * 1024),
        "replica.fetch.max.bytes": str(4 * 1024 * 1024),
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "4000",
    }


class Node:
    """One broker, which is a controller too."""

    def __init__(self, number: int, folder: Path, ports: Ports) -> None:
        self.number = number
        self.folder = folder
        self.ports = ports
        self.process: subprocess.Popen[bytes] | None = None
        self.paused = False

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return f"{HOST}:{self.ports.client}"

    @property
    def alive(self) -> bool:
        """Whether its process runs, paused or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        """All it has logged since the cluster was made, over its restarts. `kafka.coordinator.transaction` tells of producer epochs."""
        path = self.folder / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


class Cluster:
    """One broker or three, numbered from 1.

    Args:
        size: 1, or 3 with every topic on three brokers and writes acknowledged by two of them.
        folder: where data and logs go; what is left there from a cluster of the same ports is kept.
        version: of Kafka.
        port: where the first node listens for clients; None is any free one.
        more: settings of the broker on top of, or instead of, those of `settings`.
        kept: where the jars are kept; None is the user's cache.
        lasting: it works for long, or is measured: worth the processor time of Java's second compiler, which is half of all in short tests.
    """

    def __init__(
        self,
        size: int,
        folder: Path,
        *,
        version: str = VERSION,
        port: int | None = None,
        more: Mapping[str, str] | None = None,
        kept: Path | None = None,
        lasting: bool = False,
    ) -> None:
        ports = _ports(size)
        if port is not None:
            ports[0] = replace(ports[0], client=port)
        self._port = port
        self.size = size
        self.folder = folder
        self.version = version
        self.more = dict(more or {})
        self.kept = kept
        self.lasting = lasting
        self.nodes = tuple(Node(at + 1, folder / f"node-{at + 1}", ports[at]) for at in range(size))
        self._guard: subprocess.Popen[str] | None = None
        self._java = ""
        self._libs = Path()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bootstrap(self) -> str:
        """The brokers, as a client is told of them."""
        return ",".join(node.address for node in self.nodes)

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        return [node.process.pid for node in self.nodes if node.process is not None and node.alive]

    def node(self, number: int) -> Node:
        """A node by its number, 1 and up."""
        return self.nodes[number - 1]

    def start(self) -> None:
        """Start every node and wait until they serve. Unavailable: no Java, no jars. NotReady: they did not come up."""
        self._java = java()
        self._libs = jars(self.version, self.kept)
        RUNNING.append(self)
        for left in (2, 1, 0):
            for node in self.nodes:
                self._format(node)
            self.launch(*range(1, self.size + 1))
            try:
                self.wait_ready()
            except NotReady:
                if not left or not self._move():
                    raise
            else:
                return

    def _move(self) -> bool:
        """Give the nodes other ports, if somebody was quicker to listen at theirs. False: nobody was, or those ports were asked for."""
        if self._port is not None or not any(TAKEN in node.log for node in self.nodes):
            return False
        self.kill(*range(1, self.size + 1))
        for node, ports in zip(self.nodes, _ports(self.size), strict=True):
            (node.folder / "log").unlink(missing_ok=True)
            node.ports = ports
        return True

    def launch(self, *numbers: int) -> None:
        """Start the processes of nodes that do not run; `wait_ready` waits for them."""
        for node in map(self.node, numbers):
            if node.alive:
                continue
            logged = [f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in LOGGED.items()]
            heap = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", f"-Xlog:gc:file={node.folder}/gc:utctime"]
            heap += [] if self.lasting else ["-XX:TieredStopAtLevel=1"]
            with (node.folder / "log").open("ab") as log:
                node.process = subprocess.Popen(  # noqa: S603  found in PATH
                    [self._java, *heap, *logged, "-cp", f"{self._libs}/*", "kafka.Kafka", str(node.folder / "server.properties")],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            node.paused = False
            self._tell(f"+{node.process.pid}")

    def kill(self, *numbers: int) -> None:
        """End nodes at once, as a lost machine does."""
        for node in map(self.node, numbers):
            if node.process is not None and node.alive:
                node.process.kill()
        for node in map(self.node, numbers):
            self._ended(node)

    def stop(self, *numbers: int, seconds: float = 30.0) -> None:
        """End nodes as an operator does: they hand over what they lead first. All of them when none is named."""
        chosen = [self.node(number) for number in numbers] or list(self.nodes)
        for node in chosen:
            self.resume(node.number)
            if node.process is not None and node.alive:
                node.process.terminate()
        deadline = time.monotonic() + seconds
        for node in chosen:
            if node.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    node.process.wait(max(0.0, deadline - time.monotonic()))
                node.process.kill()
            self._ended(node)

    def restart(self, *numbers: int) -> None:
        """Kill nodes that run, and start them again."""
        self.kill(*numbers)
        self.launch(*numbers)

    def pause(self, *numbers: int) -> None:
        """Stop nodes where they are; their connections stay open and say nothing."""
        for node in map(self.node, numbers):
            if node.process is not None and node.alive:
                node.process.send_signal(signal.SIGSTOP)
                node.paused = True
        for node in map(self.node, numbers):
            while node.paused and node.alive and not _stands_still(node.process):
                time.sleep(0.005)

    def resume(self, *numbers: int) -> None:
        """Let paused nodes go on."""
        for node in map(self.node, numbers):
            if node.process is not None and node.paused and node.alive:
                node.process.send_signal(signal.SIGCONT)
            node.paused = False

    def heal(self) -> None:
        """Bring back every node that is paused or dead, and wait until they serve."""
        everyone = range(1, self.size + 1)
        self.resume(*everyone)
        self.launch(*everyone)
        self.wait_ready()

    def close(self) -> None:
        """End every process at once. The folder stays."""
        if self in RUNNING:
            RUNNING.remove(self)
        self.kill(*range(1, self.size + 1))
        if self._guard is not None:
            self._guard.communicate(timeout=10)
            self._guard = None

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until all nodes serve and every partition has all its copies. NotReady: not within this time."""
        deadline = time.monotonic() + seconds
        while True:
            why = self._unready()
            if why is None:
                return
            dead = [node for node in self.nodes if not node.alive]
            if dead:
                raise NotReady(f"broker {dead[0].number} ended\n{self.complaints()}")
            if time.monotonic() > deadline:
                waited = f"after {seconds:g} s, and a busy machine may need longer: start it again when less runs beside it"
                raise NotReady(f"{why} ({waited})\n{self.complaints()}")
            time.sleep(0.05)

    def complaints(self) -> str:
        """What the nodes logged as errors, for people."""
        lines = [
            f"broker {node.number}: {line}"
            for node in self.nodes
            for line in node.log.splitlines()
            if any(map(line.__contains__, ROOT_CAUSE))
        ]
        return "\n".join(lines[-20:])

    def said(self) -> str:
        """What the nodes warned of last, and when each stood still to collect garbage, for people."""
        told = []
        for node in self.nodes:
            collected = node.folder / "gc"
            pauses = collected.read_text().splitlines() if collected.exists() else []
            told += [f"broker {node.number}: {line}" for line in node.log.splitlines() if " INFO " not in line][-TOLD:]
            told += [f"broker {node.number} stood still: {line}" for line in pauses if PAUSE.search(line)][-TOLD:]
            told += [f"broker {node.number}, garbage: {line}" for line in pauses[-3:]]
        return "\n".join(told)

    def leader(self, topic: str, partition: int) -> int:
        """The node that leads a partition; 0 while none does. LookupError: no such partition."""
        for found, leader, _, _ in self._partitions([topic]):
            if found == partition:
                return max(0, leader)
        raise LookupError(f"no partition {partition} of {topic}")

    def transaction_coordinator(self, transactional_id: str, seconds: float = 20.0) -> int:
        """The node that coordinates the transactions of an id."""
        return self._coordinator(transactional_id, 1, seconds)

    def group_coordinator(self, group: str, seconds: float = 20.0) -> int:
        """The node that coordinates a consumer group."""
        return self._coordinator(group, 0, seconds)

    def producer_epochs(self, transactional_id: str) -> list[tuple[int, int]]:
        """Each producer id and epoch that an id was given, as the brokers logged it, in the order they were given."""
        shape = re.compile(
            rf"(\S+) \[.*Initialized transactionalId {re.escape(transactional_id)} with producerId (\d+) and producer epoch (\d+) "
        )
        found = sorted(told.groups() for node in self.nodes for told in shape.finditer(node.log))
        return [(int(producer), int(epoch)) for _, producer, epoch in found]

    def controller(self) -> int:
        """The node whose controller is the active one; 0 while there is none."""
        topic = b"\x13__cluster_metadata"
        body = b"\x02" + topic + b"\x02" + struct.pack(">i", 0) + b"\x00" * 3

        def read(address: str) -> int:
            answer = wire.ask(address, wire.DESCRIBE_QUORUM, 0, body, flexible=True)
            error = answer.number("h")
            if error:
                raise OSError(f"the quorum was not told: error {error}")
            answer.varint()
            answer.text(compact=True)
            answer.varint()
            answer.number("i")
            answer.number("h")
            return max(0, answer.number("i"))

        return self._any(read)

    def speaking(self) -> str:
        """The address of a node that answers. Silent: none does."""
        return self._any(lambda address: (metadata(address, []), address)[1])

    def create_topic(self, topic: str, partitions: int, config: Mapping[str, str] | None = None) -> None:
        """Make a topic on as many brokers as there are, and wait for its leaders. OSError: refused."""
        create_topics(self.speaking(), {topic: config or {}}, partitions)

    def delete_topics(self, topics: Sequence[str]) -> None:
        """Remove topics; those that are not there are passed over."""
        delete_topics(self.speaking(), topics)

    def _format(self, node: Node) -> None:
        """Give a node its settings, and storage if it has none."""
        node.folder.mkdir(parents=True, exist_ok=True)
        ports = node.ports
        listeners = {"PLAINTEXT": ports.client, "PROXIED": ports.behind}
        properties = settings(self.size) | {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": ",".join(f"{other.number}@{HOST}:{other.ports.controller}" for other in self.nodes),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in (listeners | {"CONTROLLER": ports.controller}).items()),
            "advertised.listeners": f"PLAINTEXT://{HOST}:{ports.client},PROXIED://{HOST}:{ports.proxied}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(node.folder / "data"),
        }
        path = node.folder / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in (properties | self.more).items()), encoding="utf-8")
        if (node.folder / "data" / "meta.properties").exists():
            return
        formatted = subprocess.run(  # noqa: S603  found in PATH
            [
                *(self._java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"),
                *("-cp", f"{self._libs}/*", "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(path)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if formatted.returncode:
            raise NotReady(f"the storage of broker {node.number} could not be made: {(formatted.stdout + formatted.stderr).strip()}")

    def _tell(self, line: str) -> None:
        """Tell the guard of a process."""
        if self._guard is None:
            guard = Path(__file__).with_name("guard.py")
            self._guard = subprocess.Popen(  # noqa: S603  this Python
                [sys.executable, "-I", str(guard)], stdin=subprocess.PIPE, text=True, start_new_session=True
            )
        assert self._guard.stdin is not None
        self._guard.stdin.write(line + "\n")
        self._guard.stdin.flush()

    def _ended(self, node: Node) -> None:
        if node.process is not None:
            node.process.wait()
            self._tell(f"-{node.process.pid}")
            node.process = None
        node.paused = False

    def _any(self, ask: Callable[[str], Answer]) -> Answer:
        """What the first node that answers says."""
        failed: Exception = wire.Silent("no broker runs")
        for node in self.nodes:
            if node.alive and not node.paused:
                try:
                    return ask(node.address)
                except OSError as error:
                    failed = error
        raise wire.Silent("no broker gave an answer") from failed

    def _coordinator(self, key: str, kind: int, seconds: float) -> int:
        body = wire.text(key) + bytes([kind])

        def read(address: str) -> int:
            answer = wire.ask(address, wire.FIND_COORDINATOR, 1, body)
            answer.number("i")
            error = answer.number("h")
            answer.text()
            return 0 if error else answer.number("i")

        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(wire.Silent):
                found = self._any(read)
                if found:
                    return found
            if time.monotonic() > deadline:
                raise NotReady(f"nobody coordinates {key}")
            time.sleep(0.05)

    def _partitions(self, topics: Sequence[str] | None) -> list[tuple[int, int, int, int]]:
        return self._any(lambda address: metadata(address, topics)[1])

    def _unready(self) -> str | None:
        """Why a node does not serve yet."""
        for node in self.nodes:
            try:
                brokers, partitions = metadata(node.address, None)
            except OSError as error:
                return f"broker {node.number} does not answer: {error}"
            if brokers < self.size:
                return f"broker {node.number} knows of {brokers} of {self.size} brokers"
            lacking = sum(1 for _, leader, copies, in_sync in partitions if leader < 0 or in_sync < copies)
            if lacking:
                return f"{lacking} partitions lack a leader or a copy"
        return None


def metadata(address: str, topics: Sequence[str] | None, seconds: float = wire.SECONDS) -> tuple[int, list[tuple[int, int, int, int]]]:
    """How many brokers a broker knows of; and of topics (None: all) every partition: number, leader (-1: none), copies, copies in sync."""
    wanted = struct.pack(">i", -1) if topics is None else wire.array([wire.text(topic) for topic in topics])
    answer = wire.ask(address, wire.METADATA, 1, wanted, seconds=seconds)
    brokers = answer.number("i")
    for _ in range(brokers):
        answer.number("i")
        answer.text()
        answer.number("i")
        answer.text()
    answer.number("i")
    found: list[tuple[int, int, int, int]] = []
    for _ in range(answer.number("i")):
        answer.number("h")
        answer.text()
        answer.number("b")
        for _ in range(answer.number("i")):
            answer.number("h")
            number, leader = answer.number("i"), answer.number("i")
            copies = [answer.number("i") for _ in range(answer.number("i"))]
            in_sync = [answer.number("i") for _ in range(answer.number("i"))]
            found.append((number, leader, len(copies), len(in_sync)))
    return brokers, found


def create_topics(address: str, topics: Mapping[str, Mapping[str, str]], partitions: int, seconds: float = 30.0) -> None:
    """Make topics with their settings, on three brokers where there are three, and wait until every partition has a leader.

    OSError: refused, or not within this time.
    """
    brokers, _ = metadata(address, [])
    wanted = [
        wire.text(topic)
        + struct.pack(">ih", partitions, min(3, brokers))
        + wire.array([])
        + wire.array([wire.text(name) + wire.text(value) for name, value in config.items()])
        for topic, config in topics.items()
    ]
    answer = wire.ask(address, wire.CREATE_TOPICS, 2, wire.array(wanted) + struct.pack(">ib", 20_000, 0), seconds=seconds)
    answer.number("i")
    for _ in range(answer.number("i")):
        topic, error, said = answer.text(), answer.number("h"), answer.text()
        if error:
            raise OSError(f"topic {topic} was refused: error {error} {said or ''}")
    deadline = time.monotonic() + seconds
    while True:
        _, found = metadata(address, list(topics))
        if len(found) == partitions * len(topics) and all(leader >= 0 for _, leader, _, _ in found):
            return
        if time.monotonic() > deadline:
            raise OSError(f"topics have no leaders after {seconds} s: {', '.join(topics)}")
        time.sleep(0.02)


def delete_topics(address: str, topics: Sequence[str]) -> None:
    """Remove topics; those that are not there are passed over. OSError: refused."""
    answer = wire.ask(
        address, wire.DELETE_TOPICS, 1, wire.array([wire.text(topic) for topic in topics]) + struct.pack(">i", 20_000), seconds=30.0
    )
    answer.number("i")
    for _ in range(answer.number("i")):
        topic, error = answer.text(), answer.number("h")
        if error not in {wire.NONE, wire.UNKNOWN_TOPIC}:
            raise OSError(f"topic {topic} was not deleted: error {error}")
