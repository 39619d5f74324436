"""The topics on a cluster: made, shown, and held against what this program expects."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ssl import SSLError
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.structs import TopicPartition

from outdial.connection import Connection
from outdial.ending import begun
from outdial.kafka.connecting import reader
from outdial.kafka.errors import PASSING, ClusterError, explained, unreachable
from outdial.scalars import MILLISECOND_US
from outdial.topology import TOPICS, Topic, Topology, config, replication

SETTINGS_CHECKED: Final = ("cleanup.policy", "retention.ms", "message.timestamp.type", "max.message.bytes")
UNLIMITED: Final = "-1"
KNOWN_S: Final = 15.0
"""How long new topics may take to be known."""
KNOWN_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is on the cluster."""

    name: str
    partitions: int
    """0: it is not there."""
    replicas: int
    settings: dict[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """A topic that is not as it must be."""

    name: str
    what: str
    fix: str
    refuses: bool
    """Whether no process may start with it; otherwise it is a warning."""


@asynccontextmanager
async def admin(connection: Connection) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client of the cluster's administration.

    Raises:
        ClusterError: ``kafka_unreachable``, ``kafka_login_refused``, ``kafka_forbidden``.
    """
    client = AIOKafkaAdminClient(**connection.arguments())
    try:
        await begun(client.start())
        yield client
    except KafkaError as error:
        refused = await _explained(error, connection)
        if refused is None:
            raise
        raise refused from error
    finally:
        await client.close()


async def _explained(error: KafkaError, connection: Connection) -> ClusterError | None:
    """Why the cluster could not be asked; None: nobody knows."""
    refused = explained(error, connection.bootstrap)
    if refused is None and isinstance(error, KafkaConnectionError):
        return await _turned_away(connection) or unreachable(connection.bootstrap)
    return refused


async def _turned_away(connection: Connection) -> ClusterError | None:
    """Why a broker that is there does not let us in: a client that begins says only that it found none."""
    arguments = connection.arguments()
    del arguments["bootstrap_servers"]
    for host, port, _ in collect_hosts(connection.bootstrap):
        try:
            (await create_conn(host, port, **arguments)).close()
        except SSLError as error:
            return ClusterError(
                "kafka_login_refused",
                f"the Kafka broker at {host}:{port} shows a certificate that is not trusted here, or speaks no TLS: {error.reason}",
                "set OUTDIAL_KAFKA__SSL_CAFILE to the certificate of who signed the broker's, and OUTDIAL_KAFKA__SECURITY_PROTOCOL",
            )
        except PASSING as error:
            refusal = explained(error, connection.bootstrap) if isinstance(error, KafkaError) else None
            if refusal is not None:
                return refusal
    return None


async def checked(connection: Connection, topology: Topology) -> str:
    """The id a cluster gave itself when it was made, once its topics are found to be as they must be.

    Raises:
        ClusterError: as :func:`admin`, or ``topics_wrong``.
    """
    async with admin(connection) as client:
        wrong = refusal(_all_faults(await _found(client, topology), topology))
        if wrong is not None:
            raise wrong
        return str((await client.describe_cluster())["cluster_id"])


async def show(connection: Connection, topology: Topology) -> list[Found]:
    """The topics as they are; raises as :func:`admin`."""
    async with admin(connection) as client:
        return await _found(client, topology)


async def create(connection: Connection, topology: Topology) -> list[str]:
    """Make the topics that are not there; returns their names. Those that are there are left as they are.

    Raises:
        ClusterError: as :func:`admin`, or ``topics_wrong`` when a topic cannot be made.
    """
    async with admin(connection) as client:
        there = {found.name for found in await _found(client, topology) if found.partitions}
        brokers = len((await client.describe_cluster())["brokers"])
        missing = [topic for topic in TOPICS if topology.topic(topic.name) not in there]
        new = [
            NewTopic(topology.topic(topic.name), topology.partitions, replication(brokers), topic_configs=config(topic, brokers))
            for topic in missing
        ]
        if new:
            answer = await client.create_topics(new)
            for name, code, *_ in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    refusal = explained(error(), connection.bootstrap)
                    raise refusal or ClusterError("topics_wrong", f"the topic {name} cannot be made: {error.__name__}", "make it by hand")
            # Made is not yet known to every broker, and known is not yet served. A partition that refuses a producer's first batch and
            # takes its second takes the first for a repetition when it comes again: acknowledged, and lost.
            with suppress(TimeoutError, *PASSING):
                async with asyncio.timeout(KNOWN_S):
                    while not all(found.partitions for found in await _found(client, topology)):  # noqa: ASYNC110  nothing tells when
                        await asyncio.sleep(KNOWN_EVERY_S)
                    await _served(connection, topology)
        return [topic.name for topic in new]


async def _served(connection: Connection, topology: Topology) -> None:
    """Return when the leader of each partition answers for it."""
    consumer = reader(connection)
    try:
        await consumer.start()
        places = [TopicPartition(topology.topic(topic.name), number) for topic in TOPICS for number in range(topology.partitions)]
        await consumer.end_offsets(places)
    finally:
        await consumer.stop()


async def examine(connection: Connection, topology: Topology) -> tuple[list[Found], list[Fault]]:
    """The topics as they are, and what is not as it must be; raises as :func:`admin`."""
    found = await show(connection, topology)
    return found, _all_faults(found, topology)


async def has_records_after(connection: Connection, topology: Topology, instant: int) -> bool:
    """Whether a command or event was appended after an instant, microseconds, by the brokers' clock; raises as :func:`admin`."""
    consumer = reader(connection)
    places = [TopicPartition(topic, number) for topic in (topology.commands, topology.events) for number in range(topology.partitions)]
    try:
        await consumer.start()
        found = await consumer.offsets_for_times(dict.fromkeys(places, instant // MILLISECOND_US))
    except KafkaError as error:
        refused = await _explained(error, connection)
        if refused is None:
            raise
        raise refused from error
    finally:
        await consumer.stop()
    return any(place is not None for place in found.values())


def refusal(faults: Sequence[Fault]) -> ClusterError | None:
    """Why no process may start on these topics, or None."""
    grave = [fault for fault in faults if fault.refuses]
    if not grave:
        return None
    return ClusterError("topics_wrong", "; ".join(f"{fault.name} {fault.what}" for fault in grave), grave[0].fix)


def changed(topic: str, partitions: int) -> ClusterError:
    """What is said when the number of partitions is not the one it always was."""
    return ClusterError(
        "topics_wrong",
        f"{topic} was written with another number of partitions than {partitions}, or has been given more",
        "the number can never change: set OUTDIAL_PARTITIONS to what it was at first; if topics were given more partitions since, "
        "make topics under a new OUTDIAL_TOPIC_PREFIX",
    )


async def _found(client: AIOKafkaAdminClient, topology: Topology) -> list[Found]:
    names = [topology.topic(topic.name) for topic in TOPICS]
    described = {topic["topic"]: topic for topic in await client.describe_topics(names)}
    there = [name for name in names if not described[name]["error_code"]]
    settings = {name: await _settings(client, name) for name in there}
    return [
        Found(name, len(described[name]["partitions"]), _replicas(described[name]), settings[name])
        if name in settings
        else Found(name, 0, 0, {})
        for name in names
    ]


def _replicas(described: dict[str, Any]) -> int:
    return min((len(partition["replicas"]) for partition in described["partitions"]), default=0)


async def _settings(client: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    [answer] = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {entry[0]: entry[1] for resource in answer.resources for entry in resource[4]}


def _all_faults(found: Sequence[Found], topology: Topology) -> list[Fault]:
    return [fault for topic, one in zip(TOPICS, found, strict=True) for fault in _faults(topic, one, topology)]


def _faults(topic: Topic, found: Found, topology: Topology) -> list[Fault]:
    """What is wrong with one topic."""
    if not found.partitions:
        return [Fault(found.name, "is not there", "make the topics: outdial topics create", refuses=True)]
    faults = []
    if found.partitions != topology.partitions and topic.as_commands:
        fix = (
            f"start with OUTDIAL_PARTITIONS={found.partitions}; the number of partitions can never change, "
            "for a stream would be looked for on another partition than where its history stands"
        )
        faults.append(Fault(found.name, f"has {found.partitions} partitions, not {topology.partitions}", fix, refuses=True))
    wanted = config(topic, 1)
    for name in SETTINGS_CHECKED:
        have, want = found.settings.get(name), wanted[name]
        if have is None or have == want:
            continue
        fix = f"set it: kafka-configs.sh --alter --topic {found.name} --add-config {name}={want}"
        grave = topic.name in ("commands", "events") and _grave(name, have, want)
        faults.append(Fault(found.name, f"has {name}={have}, not {want}", fix, refuses=grave))
    return faults


def _grave(name: str, have: str, want: str) -> bool:
    """Whether a setting that is not as wanted costs the log something, rather than only being unusual."""
    match name:
        case "retention.ms":
            return want == UNLIMITED
        case "max.message.bytes":
            return int(have) < int(want)
        case _:
            return True
