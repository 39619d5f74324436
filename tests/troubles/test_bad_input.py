"""Whatever stands on the commands topic is answered, refused with its bytes, or put where it belongs; the next is read."""

import json
from hashlib import sha256
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import KafkaException, Producer

from outdial.scalars import DAY_MS
from outdial.topology import partition_of
from troubles.stage import Stage, add, attempt, new_id, result

SOME_ID = "5f0e0000-0000-4000-8000-000000000001"


def spelled(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


BAD = {
    "nothing": (None, "json_invalid"),
    "no bytes": (b"", "json_invalid"),
    "no text": (b"\xff\xfe\x00\x01\x80" * 40, "json_invalid"),
    "half of it": (b'{"type":"CreateOutdial","outdial_id":"', "json_invalid"),
    "too deep": (b"[" * 100_000, "json_invalid"),
    "another thing": (b"[1,2]", "field_invalid"),
    "a number": (b"1e999999", "field_invalid"),
    "no type": (spelled(outdial_id=SOME_ID), "type_unknown"),
    "an unknown type": (spelled(type="CallEverybody", outdial_id=SOME_ID), "type_unknown"),
    "an event": (spelled(specversion="1.0", type="OutdialCreated", data={}), "type_unknown"),
    "a field of a later version": (spelled(type="CreateOutdial", outdial_id=SOME_ID, mood="good"), "unknown_field"),
    "a value of a later version": (
        spelled(type="DialResult", outdial_id=SOME_ID, target_id=SOME_ID, attempt_id=SOME_ID, outcome="fax"),
        "field_invalid",
    ),
    "a missing field": (spelled(type="DialResult", outdial_id=SOME_ID), "field_missing"),
    "no id": (spelled(type="DeleteOutdial", outdial_id="mine"), "field_invalid"),
    "half a character": (b'{"type":"CreateOutdial","outdial_id":"%s","name":"\\ud800"}' % SOME_ID.encode(), "json_invalid"),
    "a ledger's own": (spelled(type="EndLease", outdial_id=SOME_ID, target_id=SOME_ID, attempt_id=SOME_ID), "internal_command"),
}


async def test_what_is_no_command_is_rejected_with_its_bytes_and_the_partition_goes_on(stage: Stage) -> None:
    async with stage.ledgers():
        for what, (value, reason) in BAD.items():
            written = await stage.put(value, key=b"\xff\x00" * 40)
            told = await stage.rejected(written)
            original = value or b""
            assert (what, told.reason) == (what, reason)
            assert (told.original_length, told.original_sha256) == (len(original), sha256(original).hexdigest())
            assert told.original == original[: 64 * 1024].decode("utf-8", "backslashreplace")
            await stage.goes_on()


async def test_who_waits_for_the_answer_to_something_unreadable_is_answered(stage: Stage) -> None:
    async with stage.ledgers():
        root = new_id()
        await stage.put(b"{", headers=[("answer", root.encode())])
        await stage.goes_on()
        [told] = stage.answers[root]
        assert (told.result, told.reason, told.type) == ("rejected", "json_invalid", None)


@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"no id", b"/" * 3000, SOME_ID.encode() + b"/" + b"x" * 100_000])
async def test_headers_may_say_anything(stage: Stage, value: bytes | None) -> None:
    async with stage.ledgers():
        command = spelled(type="CreateOutdial", outdial_id=stage.stream())
        await stage.put(command, headers=[(name, value) for name in ("answer", "seal", "input", "content-type", "", "x" * 9_000)])
        await stage.goes_on()
        assert len(await stage.events("OutdialCreated")) == 2


class Raw(str):
    """A header's name that is no text."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


async def test_a_header_whose_name_is_no_text_costs_no_more_than_the_rest_of_its_batch(stage: Stage) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stage.connection.bootstrap, transactional_id=stage.stream()) as regretting:
        await regretting.begin_transaction()
        await regretting.send_and_wait(stage.topology.commands, b"never mind", partition=0)
        await regretting.abort_transaction()
    async with stage.ledgers():
        for bad in (0, 2, 4):
            producer = await stage.producer()
            batch = producer.create_batch()
            batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 1 << 20)  # noqa: SLF001  C's would not write it
            for number in range(5):
                value = spelled(type="CreateOutdial", outdial_id=stage.stream())
                batch.append(timestamp=1, key=None, value=value, headers=[(Raw("x") if number == bad else "x", b"1")])
            batch.close()
            first = (await (await producer.send_batch(batch, stage.topology.commands, partition=0))).offset
            before = len(stage.rejections)
            await stage.goes_on()
            assert [(one.reason, one.offset) for one in stage.rejections[before:]] == [
                ("json_invalid", first + one) for one in range(bad, 5)
            ]
        assert len(await stage.events("OutdialCreated")) == 3 + 0 + 2 + 4


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_commands_may_be_compressed_in_any_way_kafka_knows(stage: Stage, codec: str) -> None:
    async with stage.ledgers():
        producer = Producer({"bootstrap.servers": stage.connection.bootstrap, "compression.type": codec})
        for _ in range(10):
            producer.produce(stage.topology.commands, spelled(type="CreateOutdial", outdial_id=stage.stream(), name="n" * 200), partition=0)
        producer.flush(10)
        await stage.goes_on()
        assert len(await stage.events("OutdialCreated")) == 11


async def test_a_key_that_is_not_the_streams_changes_nothing(stage: Stage) -> None:
    async with stage.ledgers():
        outdial_id, target_id = await stage.outdial(), new_id()
        for key in (None, b"", b"another", stage.stream(1).encode()):
            await stage.put(spelled(**add(outdial_id, target_id)), key=key)
        await stage.goes_on()
        assert [event["subject"] for event in await stage.events("TargetAdded")] == [outdial_id]
        assert {record.key for record in await stage.read("events") if record.key} >= {outdial_id.encode()}


async def test_a_producer_with_another_partitioner_is_served(stage: Stage) -> None:
    """Librdkafka's default puts half of the commands on the wrong of two partitions."""
    async with stage.ledgers():
        streams = [new_id() for _ in range(40)]
        producer = Producer({"bootstrap.servers": stage.connection.bootstrap})
        placed: list[tuple[str, int | None]] = []
        for stream in streams:
            for command in (
                spelled(type="CreateOutdial", outdial_id=stream),
                spelled(type="UpdateOutdial", outdial_id=stream, name="June"),
            ):
                producer.produce(
                    stage.topology.commands,
                    command,
                    key=stream,
                    on_delivery=lambda _, message: placed.append((str(message.key() or b"", "utf-8"), message.partition())),
                )
        producer.flush(10)
        wrong = [stream for stream, partition in placed if partition != partition_of(stream, 2)]
        assert 0 < len(wrong) < len(placed)
        await stage.goes_on(0)
        await stage.goes_on(1)
        await stage.goes_on(0)
        records = [record for record in await stage.read("events") if record.key is not None]
        assert all(record.partition == partition_of(record.key.decode(), 2) for record in records)
        assert len(await stage.events("OutdialCreated")) == len(await stage.events("OutdialUpdated")) + 3 == 43
        assert stage.rejections == []


async def test_a_forwarded_command_keeps_the_id_it_had_where_it_stood(stage: Stage) -> None:
    """Told apart by place alone, it would be another command wherever it is copied to."""
    async with stage.ledgers():
        outdial_id = await stage.outdial()
        command = add(outdial_id, new_id())
        del command["id"]
        written = await stage.put(spelled(**command), partition=1)
        await stage.goes_on(1)
        await stage.goes_on(0)
        copies = sorted((one for one in await stage.read("commands") if b"AddTarget" in one.value), key=lambda one: one.partition)
        assert [record.partition for record in copies] == [0, 1]
        fixed = json.loads(copies[0].value)["id"]
        [added] = await stage.events("TargetAdded")
        assert added["causationid"] == fixed
        assert "id" not in json.loads(copies[1].value)
        assert written.partition == 1


@pytest.mark.parametrize("headers", [[], [("answer", SOME_ID.encode())]])
async def test_a_command_of_900_kib_is_carried_out_and_a_larger_one_that_the_topic_takes_is_rejected(
    stage: Stage, headers: list[tuple[str, bytes]]
) -> None:
    async with stage.ledgers():
        outdial_id = await stage.outdial(1)
        largest = many(outdial_id, 900 * 1024)
        await stage.put(largest, key=outdial_id.encode(), partition=1, headers=headers)
        larger = largest + b" "
        told = await stage.rejected(await stage.put(larger, key=outdial_id.encode(), partition=1, headers=headers))
        assert told.reason == "too_large"
        assert (told.original_length, told.original_sha256) == (len(larger), sha256(larger).hexdigest())
        assert told.original == larger[: 64 * 1024].decode()
        await stage.goes_on(1)
        assert len(await stage.events("TargetAdded")) == 500


def many(outdial_id: str, size: int) -> bytes:
    """An AddTargets of 500 targets and so many bytes."""
    targets = [
        {"target_id": new_id(), "destination_0": {"type": "tel", "target": f"+1555{number:07}"}, "data": ""} for number in range(500)
    ]
    command = {"type": "AddTargets", "outdial_id": outdial_id, "targets": targets}
    share, rest = divmod(size - len(spelled(**command)), 500)
    for number, target in enumerate(targets):
        target["data"] = "d" * (share + (number < rest))
    return spelled(**command)


async def test_two_megabytes_are_refused_where_they_are_sent_and_where_they_come_in_small(stage: Stage) -> None:
    large = spelled(type="CreateOutdial", outdial_id=stage.stream(), name="n" * (2 << 20))
    careful = Producer({"bootstrap.servers": stage.connection.bootstrap})
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        careful.produce(stage.topology.commands, large, partition=0)
    said: list[str] = []
    bold = Producer({"bootstrap.servers": stage.connection.bootstrap, "message.max.bytes": 8 << 20})
    bold.produce(stage.topology.commands, large, partition=0, on_delivery=lambda error, _: said.append(str(error and error.name())))
    bold.flush(10)
    assert said == ["MSG_SIZE_TOO_LARGE"]
    async with stage.ledgers():
        squeezing = Producer({"bootstrap.servers": stage.connection.bootstrap, "message.max.bytes": 8 << 20, "compression.type": "gzip"})
        squeezing.produce(stage.topology.commands, large, partition=0)
        squeezing.flush(10)
        await stage.goes_on()
        [told] = stage.rejections
        assert (told.reason, told.original_length, told.original_sha256) == ("too_large", len(large), sha256(large).hexdigest())


async def test_what_a_rejection_shows_of_the_original_fits_whatever_it_was(stage: Stage) -> None:
    async with stage.ledgers():
        for value in (b"\x00" * 1_000_000, b"\xff" * 1_000_000, '"\\ \u2028\U0001f4de'.encode() * 60_000):
            told = await stage.rejected(await stage.put(value))
            assert (told.original_length, told.original_sha256) == (len(value), sha256(value).hexdigest())
        await stage.goes_on()


async def test_the_producers_clock_is_nobodys_clock(stage: Stage) -> None:
    async with stage.ledgers():
        outdial_id = await stage.outdial()
        now = stage.clock()
        for days in (-365, 365):
            written = [
                await stage.put(
                    spelled(**add(outdial_id, new_id(), days + 400), time="2036-01-01T00:00:00Z" if days > 0 else "1999-01-01T00:00:00Z"),
                    timestamp_ms=now // 1000 + days * DAY_MS,
                )
            ]
            assert all(abs(one.timestamp - now // 1000) < 60_000 for one in written)
        await stage.goes_on()
        assert len(await stage.requests()) == 2
        for event in await stage.events():
            assert event["time"] >= "2026"
            assert event["time"] < "2036"


async def test_a_word_about_an_attempt_that_is_unknown_old_or_superseded_changes_no_target(stage: Stage) -> None:
    async with stage.ledgers():
        outdial_id, target_id = await stage.outdial(try_interval=1), new_id()
        await stage.ask(add(outdial_id, target_id))

        async def told(command: dict[str, Any]) -> tuple[str, str | None]:
            answer = await stage.ask(command)
            return answer.result, answer.reason

        unknown = {"type": "DialResult", "outdial_id": outdial_id, "outcome": "busy"}
        assert await told(unknown | {"target_id": target_id, "attempt_id": new_id()}) == ("rejected", "attempt_unknown")
        assert await told(unknown | {"target_id": new_id(), "attempt_id": new_id()}) == ("rejected", "target_unknown")
        assert await told(unknown | {"outdial_id": stage.stream(1), "target_id": target_id, "attempt_id": new_id()}) == (
            "rejected",
            "outdial_unknown",
        )
        assert await told(result(outdial_id, target_id, 2)) == ("rejected", "attempt_unknown")
        assert await told(result(outdial_id, target_id, 1)) == ("events", None)
        assert await told(result(outdial_id, target_id, 1)) == ("unchanged", None)
        while len(await stage.requests()) < 2:
            await stage.goes_on()
        before = [event["type"] for event in await stage.events() if event["subject"] == outdial_id]
        assert await told(result(outdial_id, target_id, 1, "answered")) == ("events", None)
        after = [event["type"] for event in await stage.events() if event["subject"] == outdial_id]
        assert after == [*before, "ResultIgnored"]
        assert await told(result(outdial_id, target_id, 2)) == ("events", None)
        assert attempt(outdial_id, target_id, 2) in {event["data"].get("attempt_id") for event in await stage.events("DialEnded")}


async def test_a_command_id_is_spent_once_in_one_batch_in_two_transactions_and_after_a_restart(stage: Stage) -> None:
    async with stage.ledgers(folder=stage.folder):
        outdial_id, target_id = await stage.outdial(), new_id()
        command = add(outdial_id, target_id)
        other = command | {"target_id": new_id()}
        await stage.send(command, command, other, command)
        await stage.goes_on()
        await stage.ask(dict(command))
        assert (await stage.ask(dict(other))).reason == "id_reused"
    async with stage.ledgers(folder=stage.folder):
        await stage.ask(dict(command))
        assert (await stage.ask(dict(other))).reason == "id_reused"
    async with stage.ledgers():
        await stage.ask(dict(command))
        assert (await stage.ask(dict(other))).reason == "id_reused"
        await stage.goes_on()
    told = stage.answers[command["id"]]
    assert [one.result for one in told] == ["events", "events", "rejected", "events", "events", "rejected"] + ["events", "rejected"] * 2
    assert len(await stage.events("TargetAdded")) == len(await stage.requests()) == 1
    assert [one.reason for one in stage.rejections] == ["id_reused"] * 4
