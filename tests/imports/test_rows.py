"""Rows of a file: what they spell, what is wrong with them, and that it does not matter how the bytes arrive."""

import codecs
import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outdial.doors.api.lines import MAX_ROW
from outdial.doors.api.rows import COLUMNS, Flaw, Form, Row, RowReader, Unreadable

HEADER = "name,destination_0\n"


def read(pieces: str | bytes | Iterable[bytes], form: Form | None = "csv") -> list[Row | Flaw]:
    """All rows of a file."""
    if isinstance(pieces, str):
        pieces = pieces.encode()
    reader = RowReader(form)
    found = [row for piece in ([pieces] if isinstance(pieces, bytes) else pieces) for rows in reader.feed(piece) for row in rows]
    return found + reader.close()


def told(rows: Sequence[Row | Flaw]) -> list[tuple[int, int, str]]:
    """Line, row and the name or the reason."""
    return [(row.line, row.row, row.reason if isinstance(row, Flaw) else row.fields.get("name", "")) for row in rows]


def fields(text: str, form: Form | None = "csv") -> dict[str, Any]:
    """The fields of the only row."""
    [row] = read(text, form)
    assert isinstance(row, Row), row
    return row.fields


def flaw(text: str, form: Form | None = "csv") -> Flaw:
    """What is wrong with the only row."""
    [row] = read(text, form)
    assert isinstance(row, Flaw), row
    return row


# --- how the bytes arrive -----------------------------------------------------------------------

AWKWARD = (
    'name,destination_0,detail\r\nÄnne,+15551230001,"a ""b"", c\r\nd"\r\n\r\nbroken\r"x"y,+1,\r'
    '민준,sip:a@b.c,\n"open,+15551230002,x\nlast,+15551230003,\0\n\U0001f600,a@b.c,end'
)
ENCODED = {
    "utf-8": AWKWARD.encode() + b"\xff\nmore,+15551230004,\xc3",
    "bom": codecs.BOM_UTF8 + AWKWARD.encode() + b"\xff\nmore,+15551230004,\xc3",
    "utf-16-le": codecs.BOM_UTF16_LE + AWKWARD.encode("utf-16-le") + b"\x00\xd8\n\x00m\x00,\x00+\x001\x00,\x00\xc3",
    "utf-16-be": codecs.BOM_UTF16_BE + AWKWARD.encode("utf-16-be") + b"\xd8\x00\x00\n\x00m\x00,\x00+\x001\x00,\xc3",
}


@pytest.mark.parametrize("content", ENCODED.values(), ids=ENCODED)
def test_a_file_cut_at_any_byte_is_the_same_file(content: bytes) -> None:
    whole = read(content)

    assert all(read((content[:at], content[at:])) == whole for at in range(len(content)))
    assert read(content[at : at + 1] for at in range(len(content))) == whole


@pytest.mark.parametrize("content", ENCODED.values(), ids=ENCODED)
def test_an_encoding_changes_neither_rows_nor_lines(content: bytes) -> None:
    assert told(read(content)) == [
        (2, 1, "Änne"),
        (5, 2, "cells_too_few"),
        (6, 3, "quote_invalid"),
        (7, 4, "민준"),
        (8, 5, "quote_open"),
        (9, 6, "nul_byte"),
        (10, 7, "undecodable"),
        (11, 8, "undecodable"),
    ]


fragments = st.lists(
    st.sampled_from(['"', '""', ",", ";", "\n", "\r", "\r\n", "a", "+15551230001", "é", "\U0001f600", "\0", " ", "x" * 300])
)


@given(
    fragments.map("".join),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
    st.lists(st.integers(0, 3_000), max_size=6),
    st.binary(max_size=3),
)
def test_the_rows_do_not_depend_on_how_the_bytes_are_cut(text: str, encoding: str, cuts: list[int], tail: bytes) -> None:
    marks = {"utf-8": b"", "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    content = marks[encoding] + (HEADER + text).encode(encoding) + tail
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]

    assert read(content[begin:end] for begin, end in pairwise(places)) == read(content)


@settings(max_examples=25)
@given(fragments.map("".join), st.lists(st.integers(1, 90_000), min_size=1, max_size=4))
def test_neither_do_those_of_a_file_longer_than_what_is_read_at_once(text: str, steps: list[int]) -> None:
    content = (HEADER + "".join(f'p{nth},"+1555123{nth:04}"\n' for nth in range(6_000)) + text + "\nq,+15551230002\n" * 1_000).encode()
    pieces: list[bytes] = []
    at = 0
    while at < len(content):
        step = steps[len(pieces) % len(steps)] + 1_000
        pieces.append(content[at : at + step])
        at += step

    assert read(pieces) == read(content)


# --- lines --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_gives_the_same_rows_and_lines(end: str) -> None:
    text = f'name,destination_0,detail{end}A,+1,{end}B,+2,"x{end}y"{end}{end}C,+3,'

    rows = read(text)

    assert told(rows) == [(2, 1, "A"), (3, 2, "B"), (6, 3, "C")]
    assert isinstance(rows[1], Row)
    assert rows[1].fields["detail"] == f"x{end}y"


def test_separators_of_text_other_than_line_ends_stay_within_a_cell() -> None:
    assert fields(HEADER + "a\x0b\x0c\x1c\x85\u2028b,+1\n")["name"] == "a\x0b\x0c\x1c\x85\u2028b"


def test_empty_lines_and_rows_of_empty_cells_are_no_rows() -> None:
    assert told(read("\n \n" + HEADER + "\n,\nA,+1\n,\n\n")) == [(6, 1, "A")]


# --- the header ---------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found_in_the_header(separator: str) -> None:
    text = separator.join(("name", "destination_0", "detail")) + "\n" + separator.join(("A", "+1", '"x,y;z\tw"'))

    assert fields(text) == {"name": "A", "destination_0": {"type": "tel", "target": "+1"}, "detail": "x,y;z\tw"}


def test_columns_come_in_any_order_and_case_and_in_quotes() -> None:
    assert fields('Priority,"DESTINATION_0", Name \n7,+1,A\n') == {
        "priority": 7,
        "destination_0": {"type": "tel", "target": "+1"},
        "name": "A",
    }


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("", "file_empty", ", ".join(COLUMNS)),
        ("\n\n", "file_empty", "name columns"),
        ("name,phone\nA,+1\n", "column_unknown", 'column "phone" is not known; columns are: id, name,'),
        ("name,,destination_0\n", "column_unknown", "column number 2"),
        ("name,destination_0,name\n", "column_twice", '"name"'),
        ("name,detail\nA,B\n", "column_missing", "destination_0, destination_1"),
        ("Ada,+15551230001\n", "header_invalid", "the first line must name columns"),
        ('"name,destination_0\nA,+1\n', "header_invalid", "the first line must name columns"),
    ],
)
def test_a_wrong_header_refuses_the_file_and_says_which_column(text: str, reason: str, words: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(text)

    assert caught.value.reason == reason
    assert words in caught.value.message


def test_a_header_that_is_a_person_is_not_repeated_in_the_message() -> None:
    with pytest.raises(Unreadable) as caught:
        read("name,+15551230001,destination_0\n")

    assert "+1555" not in caught.value.message
    assert "number 2" in caught.value.message


@pytest.mark.parametrize("content", [b"PK\x03\x04rest", "name,destination_0".encode("utf-16-le"), b"name,\xff,destination_0\n"])
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        read(content)

    assert caught.value.reason == "file_not_text"


@pytest.mark.parametrize("text", [HEADER, HEADER.strip(), HEADER + "\n\n"])
def test_a_header_alone_is_a_file_without_rows(text: str) -> None:
    assert read(text) == []


# --- cells --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("+1 (555) 123-0001", "tel"),
        ("+", "tel"),
        ("sip:ada@example.com", "sip"),
        ("SIPS:ada@example.com", "sip"),
        ("ada@example.com", "email"),
    ],
)
def test_the_kind_of_an_address_is_seen_by_its_looks(cell: str, kind: str) -> None:
    assert fields(f"destination_3\n  {cell} \n") == {"destination_3": {"type": kind, "target": cell}}


@pytest.mark.parametrize("cell", ["5551230001", "tel:+15551230001", "n/a", "ada.example.com", "00441234567"])
def test_a_cell_that_looks_like_no_address_is_an_error_of_its_row(cell: str) -> None:
    found = flaw(f"name,destination_1\nA,{cell}\n")

    assert (found.line, found.row, found.reason) == (2, 1, "address_invalid")
    assert found.message.startswith("destination_1 ")
    assert cell not in found.message


def test_numbers_zones_and_ids_are_read_and_empty_ones_left_out() -> None:
    header = "id,destination_0,destination_1,try_count_max,priority,time_zone\n"

    assert fields(header + " 0A,+1,  , 3 ,-7, Asia/Seoul \n") == {
        "target_id": "0A",
        "destination_0": {"type": "tel", "target": "+1"},
        "destination_1": None,
        "try_count_max": 3,
        "priority": -7,
        "time_zone": "Asia/Seoul",
    }
    assert fields(header + ",+1,,,,\n") == {"destination_0": {"type": "tel", "target": "+1"}}


@pytest.mark.parametrize("cell", ["1.0", "1_000", "٣", "0x1", "1e3", "9" * 30])
def test_what_is_no_plain_whole_number_stays_a_text_for_the_model_to_refuse(cell: str) -> None:
    assert fields(f"destination_0,priority\n+1,{cell}\n")["priority"] == cell


@pytest.mark.parametrize(("row", "reason"), [("A", "cells_too_few"), ("A,+1,", "cells_too_many"), ("A,+1,x,y", "cells_too_many")])
def test_a_row_has_as_many_cells_as_the_header(row: str, reason: str) -> None:
    assert told(read(f"{HEADER}{row}\nB,+2\n")) == [(2, 1, reason), (3, 2, "B")]


def test_bytes_that_are_no_text_and_nul_characters_are_errors_of_their_row() -> None:
    content = HEADER.encode() + b"A,+1\nB\xff,+2\nC\0,+3\n\xed\xa0\x80,+4\nD,+5\n"

    assert told(read(content)) == [(2, 1, "A"), (3, 2, "undecodable"), (4, 3, "nul_byte"), (5, 4, "undecodable"), (6, 5, "D")]


# --- quotes and length --------------------------------------------------------------------------


def test_a_quote_that_is_never_closed_costs_one_row() -> None:
    text = HEADER + 'A,+1\n"B,+2\nC,+3\n"D, d",+4\nE,+5\n'

    assert told(read(text)) == [(2, 1, "A"), (3, 2, "quote_invalid"), (4, 3, "C"), (5, 4, "D, d"), (6, 5, "E")]
    assert told(read(HEADER + '"B,+2\nC,+3\n')) == [(2, 1, "quote_open"), (3, 2, "C")]


def test_a_quote_that_is_not_closed_within_a_row_s_length_costs_one_row() -> None:
    many = 50_000
    text = HEADER + '"B,+2\n' + "C,+3\n" * many + '"D",+4\n'

    rows = read(text)

    assert told(rows[:2]) == [(2, 1, "quote_open"), (3, 2, "C")]
    assert told(rows[-1:]) == [(many + 3, many + 2, "D")]
    assert len(rows) == many + 2


def test_quotes_that_open_on_every_line_do_not_make_a_file_slow() -> None:
    lines = 300_000
    reader = RowReader("csv")
    rows = [row for found in reader.feed((HEADER + 'a","b\n' * lines).encode()) for row in found] + reader.close()

    assert {row.reason for row in rows if isinstance(row, Flaw)} == {"quote_open"}
    assert [row for row in rows if isinstance(row, Row)] == []


def test_a_row_of_two_mebibytes_is_refused_and_the_next_is_read() -> None:
    text = HEADER + "A,+1\n" + "x" * 2 * MAX_ROW + ",+2\nC,+3\n"

    assert told(read(text)) == [(2, 1, "A"), (3, 2, "row_too_long"), (4, 3, "C")]
    assert told(read(text.replace("x" * 100, 'x"' * 50))) == [(2, 1, "A"), (3, 2, "row_too_long"), (4, 3, "C")]


def test_a_row_may_have_many_line_breaks_up_to_its_length() -> None:
    lines = MAX_ROW // 8
    cells = ",".join(['"' + "\n" * 30_000 + '"'] * 4)

    assert told(read(f"name,destination_0,detail,data,destination_1,destination_2\nA,+1,{cells}\nB,+2,,,,\n"))[1:] == [(120_003, 2, "B")]
    assert told(read(f'{HEADER}"{"x" * 7}\n' + "y" * 7 + "\n" * lines + '",+1\n'))[0] == (2, 1, "quote_open")


def test_a_cell_far_too_long_is_refused() -> None:
    assert flaw(f"{HEADER}{'x' * 200_000},+1\n").reason == "cell_too_long"


@pytest.mark.parametrize(
    ("pattern", "times"),
    [(b"x" * 65_536, 500), (b'"' * 65_536, 500), (b"x" * 60_000 + b"\n", 500), (b'"open\n', 20)],
)
def test_memory_stays_bounded_whatever_comes(pattern: bytes, times: int) -> None:
    reader = RowReader("csv")
    piece = pattern * (65_536 // len(pattern))
    list(reader.feed(HEADER.encode() + b'"never closed\n'))
    tracemalloc.start()
    try:
        for _ in range(times):
            for _ in reader.feed(piece):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 64 * MAX_ROW


# --- NDJSON -------------------------------------------------------------------------------------


def test_a_line_of_ndjson_is_a_target_in_all_its_forms() -> None:
    text = (
        '{"name":"A","destination":{"type":"tel","target":"+1"},"metadata":{"crm":[1,"é"]},"detail":null}\n\n'
        '{"id":"0a","destination_0":"+1","destination_2":"a@b.c","data":"d","priority":-1,"try_count_max":2}\r\n'
        '{"target_id":"0b","destination_0":{"type":"whatsapp","target":"+1","name":"n"}}'
    )

    rows = read(text, "ndjson")

    assert [(row.line, row.row, row.fields) for row in rows if isinstance(row, Row)] == [
        (1, 1, {"name": "A", "destination_0": {"type": "tel", "target": "+1"}, "data": '{"crm":[1,"é"]}'}),
        (
            3,
            2,
            {
                "target_id": "0a",
                "destination_0": {"type": "tel", "target": "+1"},
                "destination_2": {"type": "email", "target": "a@b.c"},
                "data": "d",
                "priority": -1,
                "try_count_max": 2,
            },
        ),
        (4, 3, {"target_id": "0b", "destination_0": {"type": "whatsapp", "target": "+1", "name": "n"}}),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "json_invalid"),
        ("[]", "json_invalid"),
        ('"x"', "json_invalid"),
        ('{"a":1}{"b":2}', "json_invalid"),
        ('{"name":"\\ud800"}', "json_invalid"),
        ("[" * 100_000, "json_invalid"),
        ('{"phone":"+1"}', "unknown_field"),
        ('{"destination":"+1","destination_0":"+2"}', "destination_ambiguous"),
        ('{"metadata":{},"data":"x"}', "data_ambiguous"),
        ('{"metadata":"x"}', "field_invalid"),
        ('{"destination":"12"}', "address_invalid"),
        ('{"name":"a\0b"}', "nul_byte"),
        ('{"name":"' + "x" * MAX_ROW + '"}', "row_too_long"),
    ],
)
def test_a_line_that_is_no_target_is_an_error_of_that_line(line: str, reason: str) -> None:
    rows = read('{"name":"A"}\n' + line + '\n{"name":"B"}\n', "ndjson")

    assert told(rows) == [(1, 1, "A"), (2, 2, reason), (3, 3, "B")]


def test_what_a_message_repeats_of_a_field_s_name_is_a_word() -> None:
    assert flaw('{"phone number":1}', "ndjson").message == "phone number is not a field of a target"
    assert "+1555" not in flaw('{"+15551230001":1}', "ndjson").message


def test_without_a_form_the_first_line_shows_which_it_is() -> None:
    assert fields('\n {"name":"A"}\n', None) == {"name": "A"}
    assert fields(HEADER + "A,+1\n", None)["name"] == "A"


def test_an_empty_file_of_ndjson_has_no_rows() -> None:
    assert read("", "ndjson") == []
