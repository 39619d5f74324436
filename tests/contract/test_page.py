"""The page of the contract names what there is."""

import ast
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest

from contract.__main__ import PAGE, page
from contract.rows import PARTS, Row

ROOT = Path(__file__).parents[2]
ROWS = [row for part in PARTS for row in part.rows]


@lru_cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_names_tests_that_there_are(row: Row) -> None:
    assert bool(row.tests) is not bool(row.waits)
    for test in row.tests:
        file, _, name = test.partition("::")
        assert name in names_in(file), test


def test_every_row_stands_once_and_every_conflict_has_one() -> None:
    names = Counter(row.name for row in ROWS)

    assert set(names.values()) == {1}
    assert {f"C{number}" for number in range(1, 30)} <= names.keys()


def test_the_page_is_what_make_contract_wrote_when_all_passed() -> None:
    every = {test: True for row in ROWS for test in row.tests}

    assert PAGE.read_text("utf-8") == page(every), "run make contract"
