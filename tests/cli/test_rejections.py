"""``outdial rejections`` against a real service."""

from cli.program import Call
from outdial.doors.cli.rejections import COLUMNS


def test_refused_commands_are_listed_or_it_says_why_none_are(there: Call) -> None:
    assert there("outdials", "update", "0c000000-0000-4000-8000-000000000003", "--name", "nobody's").code == 3

    listed, rows = there("rejections", "list"), there("rejections", "list", "--json").json

    assert listed.code == 0
    if rows:  # on Kafka
        assert listed.out.splitlines()[0].split("\t") == [*COLUMNS]
        assert rows[0]["reason"] == "outdial_unknown"
        assert f"-p {rows[0]['partition']} -o {rows[0]['offset']}" in listed.err
    else:
        assert "none are kept" in listed.err
