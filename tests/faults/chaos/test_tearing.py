"""A transaction that the brokers broke is told from one that a ledger got wrong."""

import json
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from faults.chaos.checker import SAME
from faults.chaos.segments import CONTROL, Ending
from faults.chaos.tearing import torn

PREFIX: Final = "torn"
ATTRIBUTES_AT: Final = 21
SAID: Final[dict[str, Any]] = dict.fromkeys(SAME, "said")
OLDER, NEWER = 2, 3


def batch(offset: int, key: bytes, value: bytes, epoch: int, *, control: bool = False) -> bytes:
    """One record, as a disk has it."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=1, producer_id=7, producer_epoch=epoch, base_sequence=0, batch_size=1_000_000
    )
    builder.append(0, timestamp=1, key=key, value=value, headers=[])
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, offset)
    if control:
        struct.pack_into(">h", data, ATTRIBUTES_AT, struct.unpack_from(">h", data, ATTRIBUTES_AT)[0] | CONTROL)
    return bytes(data)


def written(folder: Path, topic: str, value: dict[str, Any], ended: Ending, epoch: int = 4) -> None:
    """A partition with one transaction of one record in it."""
    place = folder / "data" / f"{PREFIX}.{topic}-0"
    place.mkdir(parents=True)
    end = batch(1, struct.pack(">hh", 0, ended.committed), struct.pack(">hi", 0, ended.coordinator), epoch, control=True)
    (place / "0.log").write_bytes(batch(0, b"key", json.dumps(value).encode(), epoch) + end)


def on(folder: Path) -> Any:
    """A cluster of one broker with its disk here."""
    return SimpleNamespace(nodes=[SimpleNamespace(folder=folder)])


def event(**more: Any) -> dict[str, Any]:
    return {"id": "e", "type": "DialRequested", "data": SAID | more}


COMMITTED, ABORTED = Ending(committed=True, coordinator=OLDER), Ending(committed=False, coordinator=NEWER)


def test_a_request_whose_event_a_newer_coordinator_aborted_was_torn_off(tmp_path: Path) -> None:
    written(tmp_path, "dial-requests", SAID | {"event_id": "e"}, COMMITTED)
    written(tmp_path, "events", event(), ABORTED)
    assert torn(on(tmp_path), PREFIX, 1) == {("dial-requests", 0, 0)}


def test_an_event_whose_request_a_newer_coordinator_aborted_was_torn_off(tmp_path: Path) -> None:
    written(tmp_path, "dial-requests", SAID | {"event_id": "e"}, ABORTED)
    written(tmp_path, "events", event(), COMMITTED)
    assert torn(on(tmp_path), PREFIX, 1) == {("events", 0, 0)}


@pytest.mark.parametrize(
    ("aborted", "said", "epoch"),
    [
        pytest.param(Ending(committed=False, coordinator=OLDER), {}, 4, id="the same coordinator ended both"),
        pytest.param(Ending(committed=False, coordinator=OLDER - 1), {}, 4, id="an older one aborted"),
        pytest.param(ABORTED, {"not_after": "later"}, 4, id="they say different things"),
        pytest.param(ABORTED, {}, 5, id="another owner wrote it"),
    ],
)
def test_what_a_ledger_itself_wrote_apart_is_not_excused(tmp_path: Path, aborted: Ending, said: dict[str, Any], epoch: int) -> None:
    written(tmp_path, "dial-requests", SAID | {"event_id": "e"}, COMMITTED)
    written(tmp_path, "events", event(**said), aborted, epoch)
    assert torn(on(tmp_path), PREFIX, 1) == set()


def test_what_was_committed_as_a_whole_is_not_torn(tmp_path: Path) -> None:
    written(tmp_path, "dial-requests", SAID | {"event_id": "e"}, COMMITTED)
    written(tmp_path, "events", event(), COMMITTED)
    assert torn(on(tmp_path), PREFIX, 1) == set()
