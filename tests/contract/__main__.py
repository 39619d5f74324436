"""Run the tests of the contract and write ``docs/contract.md``: ``make contract``."""

import sys
from pathlib import Path
from typing import Final

import pytest

from contract.rows import PARTS, Row

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "contract.md"
HEAD: Final = """# The contract, row by row

Made by `make contract`, which runs the tests it names and writes what came of them. The contract is VoIPBIN's, with its conflicts settled
(C1 to C29); a row passes when every test that shows it does.
"""


class Seen:
    """What came of each test, all its parameters together."""

    def __init__(self) -> None:
        self.passed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a step of a test."""
        name = report.nodeid.partition("[")[0]
        good = report.passed or report.when != "call"
        self.passed[name] = self.passed.get(name, True) and good and not report.failed


def verdict(row: Row, passed: dict[str, bool]) -> str:
    """What a row comes to, in a word."""
    if row.waits:
        return f"waits for {row.waits}"
    return "pass" if row.tests and all(passed.get(test, False) for test in row.tests) else "FAIL"


def page(passed: dict[str, bool]) -> str:
    """The table."""
    lines = [HEAD]
    for part in PARTS:
        lines += [f"\n## {part.title}\n", "| row | what it says | shown by | |", "|---|---|---|---|"]
        for row in part.rows:
            shown = "<br>".join(f"`{test.removeprefix('tests/').replace('::', ' ')}`" for test in row.tests)
            lines.append(f"| {row.name} | {row.says} | {shown} | {verdict(row, passed)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run, write, and say what does not hold; the exit code."""
    tests = sorted({test for part in PARTS for row in part.rows for test in row.tests})
    seen = Seen()
    ended = pytest.main(["--quiet", "-k", "not kafka", *tests], plugins=[seen])
    PAGE.write_text(page(seen.passed), "utf-8")
    rows = [(row, verdict(row, seen.passed)) for part in PARTS for row in part.rows]
    told = [f"{row.name}: {word}" for row, word in rows if word != "pass"]
    told.append(f"{len(rows)} rows, {sum(word == 'pass' for _, word in rows)} pass")
    sys.stdout.writelines(f"{line}\n" for line in told)
    return int(ended != pytest.ExitCode.OK or any(word == "FAIL" for _, word in rows))


if __name__ == "__main__":
    sys.exit(main())
