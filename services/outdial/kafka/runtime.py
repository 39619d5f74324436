"""The ledger process: a member of the group that shares the partitions, with a ledger for each one it is given.

Whoever loses a partition is not asked whether it noticed: the next owner's producer shuts the last one's out. So a
process keeps its ledgers through a rebalance that gives the same partitions back, and only ends the transaction
under way before the group deals anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.structs import TopicPartition

from outdial.kafka import topics
from outdial.kafka.connecting import RETRY_MS, Ends, Reader, own_cancellations
from outdial.kafka.errors import PASSING, SILENT_S, ClusterError, explained, unreachable
from outdial.kafka.garbage import Garbage
from outdial.kafka.intake import take_in
from outdial.kafka.member import watch_name
from outdial.kafka.options import Options
from outdial.kafka.partition import Partition
from outdial.kafka.records import Seal
from outdial.kafka.replayers import Replayers
from outdial.kafka.snapshots import Snapshots
from outdial.metrics import Meters
from outdial.scalars import SECOND_US

SESSION_MS: Final = 10_000
HEARTBEAT_MS: Final = 1_000
POLL_MS: Final = 24 * 60 * 60 * 1_000
"""The group's own watch over slow readers is not wanted: opening a long log takes its time, and heartbeats go on."""
REST_S: Final = 5.0
RETRY_S: Final = 1.0
OFFSETS_EVERY_S: Final = 1.0
LEAVE_S: Final = 2.0
"""How long a process that ends waits for its group to know, before it keeps its ledgers."""
FETCH_MAX_WAIT_MS: Final = 250

log = logging.getLogger("outdial.kafka")


class Ledgers(ConsumerRebalanceListener):
    """The running ledger process."""

    def __init__(self, options: Options, meters: Meters) -> None:
        self.failure: BaseException | None = None
        """Why the process ended by itself; None while it runs."""
        self.partitions: dict[int, Partition] = {}
        self._options = options
        self._meters = meters
        self._meter()
        self._topic = options.topology.commands
        self._seal = Seal(options.key)
        self._ends = Ends(options.connection)
        self._consumer = self._member()
        self._kept: Snapshots | None = None
        self._replayers: Replayers | None = None
        self._garbage = Garbage()
        self._joined = False
        self._heard = asyncio.get_running_loop().time()
        """When a broker gave an answer last."""
        self._stopping = False
        self._failed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._told: dict[int, int] = {}
        """By partition: the offset the group knows."""
        self._closing: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, options: Options, meters: Meters | None = None) -> Self:
        """Join the group, and begin. ``meters``: where it counts what it does.

        Raises:
            ClusterError: the cluster or its topics cannot be used; its ``fix`` says what to do.
        """
        ledgers = cls(options, meters or Meters())
        try:
            await ledgers._start()
        except KafkaConnectionError as error:
            await ledgers.close()
            raise unreachable(options.connection.bootstrap) from error
        except KafkaError as error:
            await ledgers.close()
            raise explained(error, options.connection.bootstrap) or error from error
        except BaseException:
            await ledgers.close()
            raise
        return ledgers

    async def _start(self) -> None:
        cluster = await topics.checked(self._options.connection, self._options.topology)
        if self._options.folder is not None:
            topology = self._options.topology
            self._kept = Snapshots(self._options.folder, self._options.key, f"{cluster}/{topology.events}/{topology.partitions}")
            self._kept.sweep()
            self._replayers = Replayers(self._options, self._kept)
        await self._ends.start()
        self._consumer.subscribe([self._topic], listener=self)
        await self._consumer.start()
        self._tasks = [
            asyncio.create_task(self._guarded(self._take_in), name="commands"),
            asyncio.create_task(self._guarded(self._watch_ends), name="ends of the commands"),
            asyncio.create_task(self._guarded(self._watch_group), name="group"),
            asyncio.create_task(self._guarded(self._tell_offsets), name="offsets"),
        ]

    # --- what the process is asked --------------------------------------------------------------------

    @property
    def not_ready(self) -> str | None:
        """Why this process does not decide all it should at the moment; None: it does."""
        if self.failure is not None:
            return "failed"
        if not self._joined:
            return "joining"
        if asyncio.get_running_loop().time() - self._heard > SILENT_S:
            return "kafka_unavailable"
        return next((why for partition in self.partitions.values() if (why := partition.not_ready) is not None), None)

    async def wait_failed(self) -> None:
        """Return when the process has ended; raise what ended it, if it was not :meth:`close`."""
        await self._failed.wait()
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        """End the transactions under way, leave the group, close every connection. Once more does nothing."""
        if self._stopping:
            return
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        closed = tuple(self.partitions.values())
        await asyncio.gather(*(partition.close() for partition in closed))
        if self._joined:
            await self._commit_offsets()
        # The others have our partitions as soon as the group knows, and to keep ledgers of a million targets takes seconds.
        leaving = asyncio.create_task(self._leave(), name="leaving the group")
        await asyncio.wait({leaving}, timeout=LEAVE_S)
        for partition in closed:
            await partition.keep_closed()
        if self._closing:
            await asyncio.wait(self._closing)
        self.partitions.clear()
        if self._replayers is not None:
            await self._replayers.close()
        await leaving
        self._failed.set()

    async def _leave(self) -> None:
        with suppress(*PASSING):
            await self._consumer.stop()
        with suppress(*PASSING):
            await self._ends.stop()

    # --- the group ------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002  all of them, always
        """The group deals anew: end the transactions under way, begin no others. Called by the consumer."""
        self._joined = False
        if self.partitions:
            with suppress(TimeoutError):
                async with asyncio.timeout(REST_S):
                    await asyncio.gather(*(partition.rest() for partition in self.partitions.values()))

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """These are ours from now on. Called by the consumer, which waits for it, and keeps to itself what it raises."""
        try:
            self._assign({place.partition for place in assigned})
        except Exception as error:  # noqa: BLE001  whatever it is, it ends the process
            self._fail(error)

    def _assign(self, ours: set[int]) -> None:
        """Note what is ours; each partition is opened by a task of its own."""
        if self._stopping:
            return
        if any(number >= self._options.topology.partitions for number in ours):
            self._fail(topics.changed(self._topic, self._options.topology.partitions))
            return
        for number in [number for number in self.partitions if number not in ours]:
            self._give_up(self.partitions.pop(number))
        for number in sorted(ours):
            if number in self.partitions:
                self.partitions[number].go_on()
            else:
                partition = Partition(
                    number,
                    self._options,
                    self._consumer,
                    self._ends,
                    self._seal,
                    self._kept,
                    self._meters,
                    self._garbage,
                    self._replayers,
                )
                self.partitions[number] = partition
                partition.start(self._ended)
        self._joined = True
        log.info("partitions %s", ", ".join(map(str, sorted(ours))) or "none: there are more processes than partitions")

    def _give_up(self, partition: Partition) -> None:
        task = asyncio.create_task(_closed(partition), name=f"closing partition {partition.number}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _member(self) -> Reader:
        member = Reader(
            **self._options.connection.arguments(),
            group_id=self._options.topology.ledger_group,
            group_instance_id=self._options.instance,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=POLL_MS,
            rebalance_timeout_ms=SESSION_MS,
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            retry_backoff_ms=RETRY_MS,
        )
        if self._options.instance is not None:
            watch_name(member._client, self._options.instance, self._taken)  # noqa: SLF001  it asks the group in nobody's name otherwise
        return member

    def _taken(self) -> None:
        self._fail(
            ClusterError(
                "instance_taken",
                f"another process has joined the group as the instance {self._options.instance}",
                "give every ledger an OUTDIAL_INSTANCE of its own, or none",
            )
        )

    def _meter(self) -> None:
        """Let the meters of the process tell what the partitions know."""
        meters = self._meters
        meters.read("outdial_ready", lambda: {(): float(self.not_ready is None)})
        meters.read("outdial_partitions_owned", lambda: {(): float(len(self.partitions))})
        meters.read(
            "outdial_replay_events_per_second",
            lambda: {(str(number),): partition.replay_rate for number, partition in self.partitions.items()},
        )
        meters.read(
            "outdial_consumer_lag",
            lambda: {(self._topic, str(number)): float(partition.lag) for number, partition in self.partitions.items()},
        )
        meters.read(
            "outdial_clock_offset_seconds",
            lambda: {(): max((partition.clock_offset_us for partition in self.partitions.values()), key=abs, default=0) / SECOND_US},
        )

    async def _take_in(self) -> None:
        """Take commands for all partitions as they come."""
        await take_in(self._consumer, lambda: (partition.intake for partition in self.partitions.values()))

    # --- watching -------------------------------------------------------------------------------------

    async def _watch_ends(self) -> None:
        """Ask again and again where the commands end: a lease may end only when what came before it was read."""
        while True:
            partitions = dict(self.partitions)
            asked = {number: partition.now() for number, partition in partitions.items()}
            try:
                # Who has no partition asks all the same, to know whether a broker is there.
                for number, end in (await self._ends.ends(self._topic, list(partitions) or [0])).items():
                    if number in partitions:
                        partitions[number].note_end(asked[number], end)
                self._heard = asyncio.get_running_loop().time()
            except PASSING as error:
                log.warning("where the commands end is not known: %s: %s", type(error).__name__, error)
            await asyncio.sleep(self._options.ends_every_s)

    async def _tell_offsets(self) -> None:
        """Tell the group again and again how far the commands were read.

        The log says so itself, in every transaction, and a partition opens by that; this is for those who watch the
        group. In the transactions it would be two more requests of five.
        """
        while True:
            await asyncio.sleep(OFFSETS_EVERY_S)
            await self._commit_offsets()

    async def _commit_offsets(self) -> None:
        """Tell the group how far the commands were read, where that has changed.

        Not while the group deals anew: it would refuse us, and aiokafka would make us join once more, for ever.
        """
        if not self._joined:
            return
        moved = {
            TopicPartition(self._topic, number): partition.next_offset
            for number, partition in self.partitions.items()
            if partition.not_ready is None and self._told.get(number) != partition.next_offset
        }
        if not moved:
            return
        try:
            async with asyncio.timeout(REST_S):
                await self._consumer.commit(moved)
        except (*PASSING, ValueError) as error:
            log.debug("the group was not told how far the commands were read: %s", type(error).__name__)
        else:
            self._told.update((place.partition, offset) for place, offset in moved.items())

    async def _watch_group(self) -> None:
        """Hear of refusals of the group also while no partition of ours asks for records."""
        nobodys = TopicPartition(self._topic, -1)
        while True:
            try:
                await self._consumer.getmany(nobodys, timeout_ms=0)
            except PASSING as error:
                refusal = explained(error, self._options.connection.bootstrap)
                if refusal is not None:
                    raise refusal from error
                if _is_out_of_group(self._consumer):
                    raise
                log.warning("the group: %s: %s", type(error).__name__, error)
            await asyncio.sleep(RETRY_S)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            with own_cancellations():
                await work()
        except Exception as error:  # noqa: BLE001  whatever it is, it ends the process
            self._fail(error)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A partition has ended: when nobody asked it to, the process ends too."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self.failure is None and not self._stopping:
            self.failure = error
        self._failed.set()


async def _closed(partition: Partition) -> None:
    await partition.close()
    await partition.keep_closed()


def _is_out_of_group(member: AIOKafkaConsumer) -> bool:
    """Whether a member no longer speaks with its group, nor ever will: others get its partitions, and nothing tells it."""
    coordinator = member._coordinator  # noqa: SLF001  it tells no other way
    return coordinator._coordination_task.done() or _has_failed(coordinator._heartbeat_task)  # noqa: SLF001  as above


def _has_failed(task: "asyncio.Task[None] | None") -> bool:
    return task is not None and task.done() and not task.cancelled() and task.exception() is not None
