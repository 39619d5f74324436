"""The example files are what the script writes, and hold what they promise."""

import pytest

from imports import june
from outdial.doors.api.rows import Flaw, Row, RowReader


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    return dict(june.written())


@pytest.mark.parametrize("name", [*june.FILES, "june-campaign.expected.json", "demo-500.csv"])
def test_the_script_writes_the_committed_files_byte_for_byte(name: str, written: dict[str, bytes]) -> None:
    assert written[name] == june.body(name)


def test_every_list_among_the_examples_is_written_by_the_script(written: dict[str, bytes]) -> None:
    assert {path.name for path in june.EXAMPLES.glob("*.csv")} == {name for name in written if name.endswith(".csv")}


def test_the_june_campaign_has_9830_good_rows_50_broken_ones_and_120_duplicates() -> None:
    counts = {name: june.EXPECTED[name] for name in ("rows", "added", "error_count", "skipped_count")}

    assert counts == {"rows": 10_000, "added": 9_830, "error_count": 50, "skipped_count": 120}
    assert len({error["line"] for error in june.EXPECTED["errors"]}) == 50
    assert len({found["line"] for found in june.EXPECTED["skipped"]}) == 120


def test_the_june_campaign_is_broken_in_many_ways() -> None:
    reasons = {error["reason"] for error in june.EXPECTED["errors"]}

    assert reasons == {
        "address_invalid", "cells_too_few", "cells_too_many", "destination_missing", "field_invalid", "nul_byte", "quote_invalid",
        "time_zone_unknown", "undecodable",
    }  # fmt: skip


def test_the_june_campaign_is_like_real_lists() -> None:
    reader = RowReader()
    rows = [row for rows in reader.feed(june.body()) for row in rows if isinstance(row, Row)]
    firsts = [row.fields["destination_0"] for row in rows if row.fields.get("destination_0")]
    notes = "".join(row.fields.get("detail", "") for row in rows)

    countries = ("+1", "+44", "+49", "+33", "+61", "+353", "+46", "+82")
    assert {code for code in countries for first in firsts if first["target"].startswith(code)} == set(countries)
    assert {first["type"] for first in firsts} == {"tel", "sip", "email"}
    assert sum("destination_2" in row.fields for row in rows) > 300
    assert len({row.fields.get("time_zone") for row in rows}) > 12
    assert all(mark in notes for mark in (",", '"', "\n", ";", "\t", "日", "Г", "ع", "회"))


def test_the_demo_has_500_good_rows_over_several_time_zones() -> None:
    reader = RowReader()
    rows = [row for found in (*reader.feed(june.body("demo-500.csv")), reader.close()) for row in found]

    assert len(rows) == 500
    assert not [row for row in rows if isinstance(row, Flaw)]
    assert len({row.fields.get("time_zone") for row in rows if isinstance(row, Row)}) > 8
