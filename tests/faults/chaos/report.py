"""What all runs together say: ``docs/reliability.md`` from ``docs/results/chaos.jsonl``."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[3]
RESULTS: Final = ROOT / "docs" / "results" / "chaos.jsonl"
PAGE: Final = ROOT / "docs" / "reliability.md"
NIGHT: Final = {"G1": 300, "G1-aimed": 100, "G4": 100, "G4-dialers": 100, "G5": 100, "G6": 1_200, "G8": 20, "G10": 100}
"""Faults to be reached by adding up the runs of ``make chaos``."""
COUNTED: Final = ("right", "wrong")
"""Verdicts of runs that count: not those with fewer faults than planned (``short``), or that ended by a fault of the ``harness``."""
WORDS: Final = {
    "G1": "`kill -9` of a ledger at a random instant, 1 to 3 processes",
    "G1-aimed": "`kill -9` between the requests of a transaction",
    "G4": "SIGSTOP of an owner beyond its session, then SIGCONT",
    "G4-dialers": "SIGSTOP and `kill -9` of dial workers",
    "G5": "`kill -9` of brokers by their role: leader, coordinators, controller, two of three, all",
    "G6": "EndTxn, AddPartitionsToTxn and Produce held into a later transaction, or never answered",
    "G8": "restarts from zero across 10,000 due times each",
    "G10": "`kill -9` of a ledger at a random instant, while people are put on lists and may be called so often only",
}
MOST: Final = 5
"""Sorts of findings that are told of a peer."""
TEMPLATE: Final = Path(__file__).with_name("reliability.md")
"""The page, with a place for the tables."""


def runs() -> list[dict[str, Any]]:
    """Every run that was written down."""
    return [json.loads(text) for text in RESULTS.read_text(encoding="utf-8").splitlines()] if RESULTS.exists() else []


def recorded(goal: str, peer: str) -> int:
    """Faults of a goal that were written down; runs with fewer than planned do not count."""
    return sum(run["faults"] for run in runs() if (run["run"], run["peer"]) == (goal, peer) and run["verdict"] in COUNTED)


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(runs()), encoding="utf-8")


def page(found: Sequence[dict[str, Any]]) -> str:
    """The page."""
    counted = [run for run in found if run["verdict"] in COUNTED]
    ours = [run for run in counted if run["peer"] == "ours"]
    lines = [
        "| goal | faults injected | of the size | runs | wrong | bound on failures | targets | records read | longest recovery |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(goal, [run for run in ours if run["run"] == goal]) for goal in NIGHT]
    late = [run for run in ours if run.get("late_max_s") is not None]
    if late:
        timers, latest = sum(run["timers"] for run in late), max(run["late_max_s"] for run in late)
        median = sorted(run["late_p99_s"] for run in late)[len(late) // 2]
        lines += [
            "",
            f"Of {timers:,} due times across a restart none was early; p99 {median:.2f} s late (median of runs), at most {latest:.2f} s.",
        ]
    lines += ["", f"{len(found) - len(counted)} of {len(found)} runs do not count: too few faults, or the harness itself failed."]
    if broken := [run["torn"] for run in ours if run.get("torn")]:
        lines += [
            "",
            f"In {len(broken)} of these runs the brokers committed a part of a transaction and aborted the rest, by their disks:",
            f"{sum(broken):,} dial requests without their event, or the other way round. No call came of them; `kafka.md` says why.",
        ]
    lines += ["", "## Kinds of faults", "", "| goal | kind | faults |", "|---|---|---|"]
    for goal in NIGHT:
        kinds: dict[str, int] = {}
        for run in ours:
            if run["run"] == goal:
                for kind, times in run["kinds"].items():
                    kinds[kind] = kinds.get(kind, 0) + times
        lines += [f"| {goal} | {kind} | {times} |" for kind, times in sorted(kinds.items())]
    lines += ["", *_peers(counted)]
    return TEMPLATE.read_text(encoding="utf-8").replace("<!-- tables -->", "\n".join(lines))


def _row(goal: str, of: Sequence[dict[str, Any]]) -> str:
    faults, wrong = sum(run["faults"] for run in of), sum(run["verdict"] != "right" for run in of)
    recoveries = [run["recovery_max_s"] for run in of if run["recovery_max_s"] is not None]
    bound = f"< {3 / faults:.2%}" if faults > 3 and not wrong else ""
    longest = f"{max(recoveries):.1f} s" if recoveries else ""
    targets, records = sum(run["targets"] for run in of), sum(run["records"] for run in of)
    return f"| {goal}: {WORDS[goal]} | {faults} | {NIGHT[goal]} | {len(of)} | {wrong} | {bound} | {targets:,} | {records:,} | {longest} |"


def _peers(counted: Sequence[dict[str, Any]]) -> list[str]:
    """The peers under the same harness, beside ours."""
    found = [run for run in counted if run["run"] == "G1"]
    names = sorted({run["peer"] for run in found} - {"ours"})
    if not names:
        return []
    lines = [
        "## The peers under the same harness",
        "",
        "The same kills, dialers, waits and checker on the ledger's work as `benchmarks/peers` does it on other runtimes. Its users",
        "only add targets and dial them; ours also stop, delete, repeat and send astray. Who is killed is started again at once, with",
        "its folder, and so is a peer's process that ends by itself. A run goes on when a partition stands still for 60 s, or no",
        "target comes to its end for 180 s at last, or not all within 600 s: each is a wait given up. One cause may be counted in",
        "several columns; findings are all the checker said, lateness on a busy machine included. Settings that are not named below are",
        "the defaults. `make chaos GOAL=G1 PEER=kafka-streams` adds to a row.",
        "",
        "| ledger | kills | targets | "
        + " | ".join(name for name, _ in COLUMNS)
        + " | longest recovery | ended by themselves | findings |",
        "|---" * (len(COLUMNS) + 6) + "|",
        *(_row_of_peer(name, [run for run in found if run["peer"] == name]) for name in ["ours", *names]),
        "",
    ]
    lines += [_words_of_peer(name, [run for run in found if run["peer"] == name]) for name in names]
    return lines


def _words_of_peer(name: str, of: Sequence[dict[str, Any]]) -> str:
    """Version and settings of a peer, and what was found most."""
    sorts: Counter[str] = Counter()
    for run in of:
        sorts.update(run["sorts"])
    most = "; ".join(f"{times:,} times “{what}”" for what, times in sorts.most_common(MOST))
    told = "; ".join(sorted({run["settings"] for run in of}))
    notes = "".join(f" {run['note']}." for run in of if "note" in run)
    return f"- `{name}`: {told}. " + (f"Found most: {most}." if most else "Nothing was wrong.") + notes


COLUMNS: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("attempts requested twice", ("requested twice",)),
    ("calls placed twice, or unasked", ("placed",)),
    ("requests and events that do not match", ("dial requests", "from no event")),
    ("gaps and repeats in the events of an outdial", ("sequence",)),
    ("targets without an end", ("came to no end", "is still open")),
    ("targets asked for and not there", ("no effect",)),
    ("waits given up", ("stuck",)),
)
"""Of the table of peers: its head, and the words by which that is counted."""


def _row_of_peer(name: str, of: Sequence[dict[str, Any]]) -> str:
    faults, targets, wrong = (sum(run[what] for run in of) for what in ("faults", "targets", "wrong"))
    counts = [sum(run.get("tally", {}).get(kind, 0) for run in of for kind in kinds) for _, kinds in COLUMNS]
    longest = max((run["recovery_max_s"] for run in of if run["recovery_max_s"] is not None), default=None)
    never = sum(run.get("never_recovered", 0) for run in of)
    recovery = ("" if longest is None else f"{longest:.1f} s") + (f", never after {never}" if never else "")
    told = " | ".join(f"{count:,}" for count in counts)
    return f"| {name} | {faults} | {targets:,} | {told} | {recovery} | {sum(run.get('died', 0) for run in of)} | {wrong:,} |"
