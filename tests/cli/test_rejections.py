"""``outdial rejections`` against a real service."""

from time import monotonic, sleep

from cli.program import Call, Said
from outdial.doors.cli.rejections import COLUMNS


def test_refused_commands_are_listed_or_it_says_why_none_are(there: Call) -> None:
    assert there("outdials", "update", "0c000000-0000-4000-8000-000000000003", "--name", "nobody's").code == 3

    listed = told(there)

    if "none are kept" not in listed.err:  # on Kafka
        rows = there("rejections", "list", "--json").json
        assert listed.out.splitlines()[0].split("\t") == [*COLUMNS]
        assert rows[0]["reason"] == "outdial_unknown"
        assert f"-p {rows[0]['partition']} -o {rows[0]['offset']}" in listed.err


def told(there: Call) -> Said:
    """What the list says as soon as it says something: a topic may be behind the answer of its transaction for a moment."""
    until = monotonic() + 30
    while not (listed := there("rejections", "list")).err:
        assert listed.code == 0
        assert monotonic() < until, "nothing is listed"
        sleep(0.1)
    return listed
