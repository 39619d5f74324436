"""The table from the ledger's words to HTTP."""

import re
from pathlib import Path

import pytest

from outdial.doors.api.errors import ARGUMENT, CLAIM_RULES, NO_CALL, REFERENCE_RULES, RULES, STATE, by_claim, by_reference, by_rule

DIALING = Path(__file__).parents[2] / "services" / "outdial" / "dialing"


def words() -> set[str]:
    """Every word the ledger refuses with."""
    text = "".join(path.read_text() for path in DIALING.glob("*.py"))
    return set(re.findall(r'Rejected\(\s*"([a-z_]+)"', text))


def test_every_word_of_the_ledger_has_its_place_in_the_table() -> None:
    found = words()

    assert len(found) > 20
    assert found <= set(RULES)
    assert set(RULES) >= REFERENCE_RULES | CLAIM_RULES


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_word_of_the_table_keeps_its_name_in_the_details(rule: str) -> None:
    why = by_rule(rule, "message")

    assert (why.rule, why.kind, why.facts) == (rule, RULES[rule], {})


def test_a_word_that_is_not_in_the_table_is_400_and_shown_in_capitals() -> None:
    why = by_rule("moon_full", "the moon is full")

    assert (why.kind, why.rule, why.facts) == (ARGUMENT, "moon_full", {"reason": "MOON_FULL"})


def test_a_word_about_a_reference_is_400_and_about_a_claim_409() -> None:
    assert by_reference("outdial_claimed", "m").kind == by_reference("campaign_unknown", "m").kind == ARGUMENT
    assert by_reference("campaign_changing", "m").kind == STATE
    assert by_claim("target_deleted", "m").kind == by_claim("dial_claimed", "m").kind == STATE
    assert by_claim("attempt_unknown", "m").kind == NO_CALL


def test_the_words_and_statuses_are_of_the_contracts_spelling() -> None:
    for kind in RULES.values():
        assert re.fullmatch(r"[A-Z_]+", kind.status)
        assert re.fullmatch(r"[A-Z_]+", kind.reason)
        assert 400 <= kind.http < 600
