"""The dial worker on a real broker: what it places, what it gives back, what it leaves alone."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from brokers.fixtures import MakeTopology
from outdial.commands import ClaimDial, DialResult
from outdial.connection import Connection
from outdial.ids import derived
from outdial.requests import DialRequest
from outdial.topology import Topology
from outdial.wire import encode
from outdial.worker import claims
from outdial.worker.carrier import Call, Outcome, Result
from outdial.worker.faust_app import take_for_good
from outdial.worker.outbox import Outbox
from outdial.worker.service import Worker, WorkerOptions, WorkerRefused
from worker.conftest import MakeWorker
from worker.processes import command, process
from worker.standin import Ledger, request, until


@dataclass
class Phones:
    """A carrier that remembers what it was asked to place."""

    outcome: Outcome = "busy"
    hold: asyncio.Event | None = None
    """Calls go on until it is set."""
    lasts: float = 0.0
    """Seconds."""
    asked: list[str] = field(default_factory=list)
    most: int = 0
    now: int = 0

    async def place(self, request: DialRequest, call: Call) -> Outcome | Result | None:
        self.asked.append(request.attempt_id)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.outcome == "answered":
                call.answered()
            await asyncio.sleep(self.lasts)
            if self.hold is not None:
                await self.hold.wait()
        except asyncio.CancelledError:
            return "canceled"
        finally:
            self.now -= 1
        return self.outcome


async def test_every_request_is_claimed_then_placed_and_its_result_is_said(ledger: Ledger, working: MakeWorker) -> None:
    requests = [request() for _ in range(50)]
    phones = Phones("answered")
    async with working(phones) as worker:
        await ledger.ask(*requests)
        await until(lambda: len(ledger.results) == 50, "every result is said")
        assert worker.status().placed == 50
        assert worker.status().open_calls == 0
        await until(lambda: worker.lag() == dict.fromkeys(range(4), 0), "nothing is left to read")
    assert Counter(phones.asked) == Counter(one.attempt_id for one in requests)
    assert {tuple(ledger.words(one.attempt_id)) for one in requests} == {("claim", "answered", "result")}


async def test_requests_that_the_next_owner_has_taken_meanwhile_are_left_to_it(kafka_bootstrap: str, topology: Topology) -> None:
    place = TopicPartition(topology.dial_requests, 0)
    consumer = AIOKafkaConsumer(
        topology.dial_requests, bootstrap_servers=kafka_bootstrap, group_id=f"{topology.prefix}.taking", enable_auto_commit=False
    )
    async with consumer:
        await until(lambda: place in consumer.assignment(), "the partition is assigned")
        generation = consumer._coordinator.generation  # noqa: SLF001  as the worker has it
        await consumer.commit({place: 5})

        assert await take_for_good(consumer, {place: 5}, generation) == {}
        assert await take_for_good(consumer, {place: 3}, generation) == {}
        assert await take_for_good(consumer, {place: 7}, generation - 1) == {}
        assert await consumer.committed(place) == 5
        assert await take_for_good(consumer, {place: 7}, generation) == {place: range(5, 7)}


async def test_what_a_killed_ledger_did_not_commit_is_never_placed_and_does_not_stop_what_follows(
    ledger: Ledger, working: MakeWorker, topology: Topology, kafka_bootstrap: str, tmp_path: Path
) -> None:
    first, last = request(), request()
    aborted = [request() for _ in range(12)]
    phones = Phones()
    async with working(phones, claim=False):
        await ledger.ask(first, partition=0)
        await until(lambda: phones.asked == [first.attempt_id], "the first is placed")
        with process(command("unfinished.py", kafka_bootstrap, topology.prefix, "0"), tmp_path / "log") as killed:
            assert killed.stdin is not None
            assert killed.stdout is not None
            killed.stdin.write(b"\n".join(encode(one) for one in aborted))
            killed.stdin.close()
            assert await asyncio.to_thread(killed.stdout.readline) == b"written\n"
        fencing = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=f"{topology.prefix}.unfinished")
        await fencing.start()
        await fencing.stop()
        await ledger.ask(last, partition=0)
        await until(lambda: last.attempt_id in phones.asked, "what was committed after it is placed")
    assert phones.asked == [first.attempt_id, last.attempt_id]


@pytest.mark.parametrize("claim", [True, False])
async def test_after_not_after_a_request_is_given_back_and_never_placed(ledger: Ledger, working: MakeWorker, *, claim: bool) -> None:
    late, over, fresh = request(pickup=-1), request(pickup=-2, grace=1), request()
    phones = Phones()
    async with working(phones, claim=claim) as worker:
        await ledger.ask(over, late, fresh)
        await until(lambda: set(ledger.results) == {late.attempt_id, fresh.attempt_id}, "both have a result")
        assert worker.status().not_dialed == 1
    assert ledger.results[late.attempt_id] == "not_dialed"
    assert phones.asked == [fresh.attempt_id]
    assert ledger.words(over.attempt_id) == []


async def test_a_record_that_is_no_request_is_passed_over(ledger: Ledger, working: MakeWorker) -> None:
    phones, good = Phones(), request()
    poison: list[bytes | None] = [None, b"", b"\xff\x00", b"{}", b"[" * 100_000, encode(good)[:-1]]
    async with working(phones) as worker:
        for value in poison:
            await ledger.write(value, 0)
        await ledger.ask(good, partition=0)
        await until(lambda: good.attempt_id in ledger.results, "what stands behind it is placed")
        assert worker.status().malformed == len(poison)


async def test_no_more_calls_are_open_than_allowed_and_what_cannot_begin_in_time_is_given_back(ledger: Ledger, working: MakeWorker) -> None:
    hold = asyncio.Event()
    phones = Phones(hold=hold)
    long, short = [request() for _ in range(3)], [request(pickup=4) for _ in range(20)]
    async with working(phones, max_calls=3) as worker:
        await ledger.ask(*long)
        await until(lambda: phones.now == 3, "three calls are open")
        await ledger.ask(*short)
        await until(lambda: len(ledger.results) == 20, "what could not begin is given back")
        assert worker.status().open_calls == 3
        hold.set()
        await until(lambda: len(ledger.results) == 23, "the open calls end")
    assert phones.most == 3
    assert set(phones.asked) == {one.attempt_id for one in long}
    assert {ledger.results[one.attempt_id] for one in short} == {"not_dialed"}


async def test_a_call_that_ends_makes_room_for_the_next(ledger: Ledger, working: MakeWorker) -> None:
    phones = Phones(lasts=0.02)
    async with working(phones, max_calls=2, claim=False):
        await ledger.ask(*(request() for _ in range(40)))
        await until(lambda: len(ledger.results) == 40, "all are placed")
    assert phones.most == 2
    assert set(ledger.results.values()) == {"busy"}


async def test_a_worker_that_is_stopped_lets_its_calls_end_and_says_how(ledger: Ledger, working: MakeWorker) -> None:
    hold = asyncio.Event()
    phones, requests = Phones(hold=hold), [request() for _ in range(5)]
    async with working(phones, drain_s=20):
        await ledger.ask(*requests)
        await until(lambda: phones.now == 5, "the calls are open")
        asyncio.get_running_loop().call_later(1.0, hold.set)
    await until(lambda: len(ledger.results) == 5, "every result is said")
    assert set(ledger.results.values()) == {"busy"}


async def test_calls_that_outlast_the_drain_are_hung_up_and_said_so(ledger: Ledger, working: MakeWorker) -> None:
    phones, requests = Phones(hold=asyncio.Event()), [request() for _ in range(5)]
    async with working(phones, drain_s=0.2):
        await ledger.ask(*requests)
        await until(lambda: phones.now == 5, "the calls are open")
    await until(lambda: len(ledger.results) == 5, "every result is said")
    assert set(ledger.results.values()) == {"canceled"}


async def test_what_was_taken_but_not_placed_when_the_worker_stops_is_given_back(ledger: Ledger, working: MakeWorker) -> None:
    ledger.delay = 2.0
    phones, one = Phones(), request()
    async with working(phones):
        await ledger.ask(one)
        await until(lambda: ledger.words(one.attempt_id) == ["claim"], "it is claimed")
    await until(lambda: ledger.results == {one.attempt_id: "not_dialed"}, "it is given back")
    assert phones.asked == []


@pytest.mark.parametrize(
    "reason", ["dialing_stopped", "dialing_paused", "outdial_deleted", "target_deleted", "suppressed", "dial_too_late"]
)
async def test_what_is_no_longer_wanted_is_given_back(ledger: Ledger, working: MakeWorker, reason: str) -> None:
    phones, one = Phones(), request()
    ledger.refuse[one.attempt_id] = reason
    async with working(phones):
        await ledger.ask(one)
        await until(lambda: one.attempt_id in ledger.results, "it has a result")
    assert ledger.results[one.attempt_id] == "not_dialed"
    assert phones.asked == []


async def test_of_what_is_anothers_or_over_or_unheard_of_nothing_is_said(ledger: Ledger, working: MakeWorker) -> None:
    reasons = ["dial_claimed", "attempt_closed", "attempt_unknown", "outdial_unknown", "target_unknown", "a_word_of_tomorrow"]
    phones, requests = Phones(), [request() for _ in reasons]
    for one, reason in zip(requests, reasons, strict=True):
        ledger.refuse[one.attempt_id] = reason
    async with working(phones) as worker:
        await ledger.ask(*requests)
        await until(lambda: worker.status().refused == len(reasons), "every claim is refused")
    assert phones.asked == []
    assert {tuple(ledger.words(one.attempt_id)) for one in requests} == {("claim",)}


async def test_without_an_answer_a_call_is_not_placed_and_the_claim_is_repeated(
    ledger: Ledger, working: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "GRANT_S", 0.5)
    ledger.silent = True
    phones, one = Phones(), request()
    async with working(phones):
        await ledger.ask(one)
        await until(lambda: ledger.words(one.attempt_id) == ["claim"] * 3, "it is claimed again")
        assert phones.asked == []
        ledger.silent = False
        await until(lambda: one.attempt_id in ledger.results, "with an answer it is placed")
    asked = [told for _, told in ledger.told if isinstance(told, ClaimDial)]
    assert len({claim.id for claim in asked}) == len(asked)
    assert len({claim.worker for claim in asked}) == 1


async def test_a_grant_that_comes_late_is_not_used(ledger: Ledger, working: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "GRANT_S", 0.5)
    ledger.delay = 0.8
    phones, one = Phones(), request(pickup=3, grace=1)
    async with working(phones) as worker:
        await ledger.ask(one)
        await until(lambda: worker.status().refused == 1, "its lease is over")
    assert phones.asked == []
    assert set(ledger.words(one.attempt_id)) == {"claim"}


async def test_the_same_request_twice_is_placed_once(ledger: Ledger, working: MakeWorker) -> None:
    phones, one, other = Phones(hold=asyncio.Event()), request(), request()
    async with working(phones, claim=False, drain_s=0) as worker:
        await ledger.ask(one, one, other, one, partition=0)
        await until(lambda: worker.status().repeated == 2, "the repeats have come")
    assert phones.asked == [one.attempt_id, other.attempt_id]


async def test_two_workers_share_the_requests(ledger: Ledger, working: MakeWorker) -> None:
    phones = [Phones(), Phones()]
    requests = [request() for _ in range(100)]
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(working(one)) for one in phones]
        await until(lambda: [worker.status().partitions for worker in workers] == [2, 2], "the partitions are shared")
        await ledger.ask(*requests)
        await until(lambda: len(ledger.results) == 100, "every result is said")
    assert Counter(phones[0].asked + phones[1].asked) == Counter(one.attempt_id for one in requests)
    assert phones[0].asked
    assert phones[1].asked


async def test_more_workers_than_partitions_wait_in_readiness(make_topology: MakeTopology, kafka_bootstrap: str) -> None:
    topology, stop = make_topology(partitions=1), asyncio.Event()
    phones, one = Phones(), request()
    workers = [Worker(WorkerOptions(Connection(kafka_bootstrap), phones, topology)) for _ in range(2)]
    async with Ledger(kafka_bootstrap, topology).running() as ledger, asyncio.TaskGroup() as running:
        for worker in workers:
            running.create_task(worker.run(stop))
        await until(lambda: sorted(worker.status().partitions for worker in workers) == [0, 1], "one has nothing to do")
        await until(lambda: all(worker.ready() for worker in workers), "both are ready")
        await ledger.ask(one)
        await until(lambda: one.attempt_id in ledger.results, "it is placed")
        stop.set()


async def test_a_word_is_said_again_until_the_broker_has_taken_it(ledger: Ledger, kafka_bootstrap: str, topology: Topology) -> None:
    outbox, requests = Outbox(Connection(kafka_bootstrap), topology), [request(), request()]
    await outbox.start()
    try:
        for one in requests:
            await outbox.say(
                DialResult(
                    id=derived(one.attempt_id, "result"),
                    outdial_id=one.outdial_id,
                    target_id=one.target_id,
                    attempt_id=one.attempt_id,
                    outcome="busy",
                )
            )
            assert outbox._producer is not None  # noqa: SLF001  it is taken away, as an error of the broker does
            await outbox._producer.stop()  # noqa: SLF001  as above
        await until(lambda: set(ledger.results) == {one.attempt_id for one in requests}, "both have arrived")
        assert outbox.unsaid == 0
    finally:
        await outbox.stop()


async def test_a_missing_topic_is_a_refusal_that_says_what_to_do(kafka_bootstrap: str) -> None:
    worker = Worker(WorkerOptions(Connection(kafka_bootstrap), Phones(), Topology("test-nowhere")))
    with pytest.raises(WorkerRefused, match=r"test-nowhere\.dial-requests") as refused:
        await worker.run(asyncio.Event())
    assert refused.value.reason == "topic_missing"
    assert "outdial topics create" in refused.value.fix


async def test_a_worker_waits_for_a_cluster_that_is_not_there_and_says_so(topology: Topology, unused_tcp_port: int) -> None:
    where = f"127.0.0.1:{unused_tcp_port}"
    worker, stop = Worker(WorkerOptions(Connection(where), Phones(), topology)), asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    await until(lambda: where in worker.status().why, "it says what it waits for")
    assert not worker.ready()
    stop.set()
    await asyncio.wait_for(task, 10)
