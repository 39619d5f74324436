"""A traceparent is taken as W3C Trace Context has it, and one that is none is as good as absent."""

import pytest

from outdial.commands import DeleteOutdial
from outdial.trace import trace_id_of, traceparent_of
from outdial.wire import content_hash, decode_command, encode

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OUTDIAL = "7b1c2d3e-4f50-4a61-9b72-8c83d94ea5f6"


@pytest.mark.parametrize(
    ("came", "kept"),
    [
        (TRACE, TRACE),
        (TRACE.encode(), TRACE),
        (TRACE.replace("-01", "-00"), TRACE.replace("-01", "-00")),
        ("cc" + TRACE[2:], TRACE),
        ("cc" + TRACE[2:-2] + "fb-what-comes-later", TRACE),
        ("ff" + TRACE[2:], None),
        (TRACE + "-more", None),
        ("cc" + TRACE[2:] + "more", None),
        (TRACE.upper(), None),
        (f" {TRACE}", None),
        (TRACE + "\n", None),
        (TRACE[:-1], None),
        (TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), None),
        (TRACE.replace("b7ad6b7169203331", "0" * 16), None),
        (b"\xff\xfe", None),
        ("cc" + TRACE[2:] + "-" + "x" * 1_000, None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_what_is_a_traceparent_is_kept_as_version_00_and_nothing_else(came: object, kept: str | None) -> None:
    assert traceparent_of(came) == kept


def test_a_command_has_the_trace_that_was_said_and_none_where_that_is_malformed() -> None:
    for came, kept in ((f'"{TRACE}"', TRACE), ('"nonsense"', None), ("7", None), ("null", None), ('["x"]', None)):
        text = f'{{"type":"DeleteOutdial","outdial_id":"{OUTDIAL}","traceparent":{came}}}'
        assert decode_command(text.encode()).traceparent == kept
    assert trace_id_of(TRACE) == "0af7651916cd43dd8448eb211c80319c"


def test_a_trace_is_no_content_and_one_that_is_absent_takes_no_room() -> None:
    plain = DeleteOutdial(outdial_id=OUTDIAL)

    assert content_hash(plain.model_copy(update={"traceparent": TRACE})) == content_hash(plain)
    assert b"traceparent" not in encode(plain)
