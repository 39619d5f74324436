"""What the contestants of the benchmarks on Kafka are given, and what they are measured by."""

from benchmarks.kafka_latency import percentile
from benchmarks.kafka_load import Load, load
from benchmarks.peers.raw_loop import sample

from outdial.dialing.ledger import Effects, Ledger
from outdial.requests import DialRequest
from outdial.topology import partition_of
from outdial.wire import decode_command

NOW = 1_790_000_000_000_000
PARTITIONS = 3


def decided(made: Load, partition: int) -> list[Effects]:
    """What a ledger makes of the commands of one partition."""
    ledger = Ledger(lambda text: text.encode().hex().zfill(32)[-32:], "key")
    found = []
    for _, line in [*made.creates[partition], *made.commands[partition]]:
        found.append(ledger.decide(decode_command(line), NOW))
        found.extend(ledger.tick(NOW, NOW, 10))
    return found


def test_every_command_of_the_load_is_carried_out_and_every_target_requested_once() -> None:
    made = load(120, PARTITIONS, apart=5)
    found = [effects for partition in range(PARTITIONS) for effects in decided(made, partition)]
    assert [effects.answer.reason for effects in found if effects.result != "events"] == []
    attempts = [DialRequest.model_validate_json(text).attempt_id for effects in found for _, text in effects.requests]
    assert len(attempts) == len(set(attempts)) == made.adds == 60


def test_half_of_the_load_adds_and_half_tells_how_attempts_ended() -> None:
    made = load(120, PARTITIONS, apart=5)
    types = [decode_command(line).__class__.__name__ for lines in made.commands for _, line in lines]
    assert (types.count("AddTarget"), types.count("DialResult"), len(types)) == (60, 60, made.total)


def test_commands_of_the_load_stand_on_the_partition_of_their_key() -> None:
    made = load(120, PARTITIONS)
    for partition, lines in enumerate(made.commands):
        assert {partition_of(key.decode(), PARTITIONS) for key, _ in lines} == {partition}


def test_the_raw_loop_writes_what_the_ledger_writes_for_each_command() -> None:
    assert {name: [asked for asked, _ in written] for name, written in sample().items()} == {
        "CreateOutdial": [False, False, False],
        "AddTarget": [False, False, True],
        "DialResult": [False, False],
    }


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
