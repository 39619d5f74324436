"""``outdial pace`` against a real service."""

from cli.program import Call


def test_a_pace_is_set_shown_and_taken_away(there: Call) -> None:
    wanted = {"calls_per_second": 50, "sharing": 0, "shares": []}

    assert there("pace", "set", "50", "--json").json == wanted
    assert there("pace", "get", "--json").json == wanted
    assert there("pace", "set", "--json").json == {**wanted, "calls_per_second": None}
    assert there("pace", "set", "0").code == 2
