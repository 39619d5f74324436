"""Commands between ledgers, as records: where each goes, and what says so."""

from outdial.commands import ApplySuppression, AskLeaves, Command, GiveLeaves
from outdial.ids import derived
from outdial.kafka.records import Seal, follow_up, place_of
from outdial.scalars import ZERO_ID
from outdial.suppression import Leave
from outdial.topology import HEADER_PARTITION_WIDE, HEADER_SEAL, partition_of

PARTITIONS = 12
CUSTOMER, OUTDIAL = derived(ZERO_ID, "customer"), derived(ZERO_ID, "outdial")
LEAVE = Leave(cap_id=derived(ZERO_ID, "cap"), target_id=derived(ZERO_ID, "target"), attempt_id=derived(ZERO_ID, "attempt"))
BY_NUMBER: tuple[Command, ...] = tuple(
    command
    for number in range(PARTITIONS)
    for command in (
        ApplySuppression(customer_id=CUSTOMER, partition=number, version=1),
        AskLeaves(customer_id=CUSTOMER, partition=number, outdial_id=OUTDIAL, leaves=(LEAVE,), at=1),
    )
)


def test_what_a_ledger_sends_to_a_partition_by_number_goes_there() -> None:
    for command in BY_NUMBER:
        key, _, headers = follow_up(command, None, Seal(b"k" * 32))
        number = int(dict(headers)[HEADER_PARTITION_WIDE])

        assert place_of(command, PARTITIONS, internal=True) == number
        assert key == f"{CUSTOMER}/{number}".encode()


def test_from_anybody_else_it_goes_by_its_key_as_every_command_does() -> None:
    for command in BY_NUMBER:
        assert place_of(command, PARTITIONS, internal=False) == partition_of(command.stream, PARTITIONS)


def test_an_answer_goes_where_its_outdial_is() -> None:
    command = GiveLeaves(outdial_id=OUTDIAL, leaves=(LEAVE,), at=1)

    assert [name for name, _ in follow_up(command, None, Seal(b"k" * 32))[2]] == [HEADER_SEAL]
    assert place_of(command, PARTITIONS, internal=True) == partition_of(OUTDIAL, PARTITIONS)
