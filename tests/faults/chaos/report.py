"""What all runs together say: ``docs/reliability.md`` from ``docs/results/chaos.jsonl``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[3]
RESULTS: Final = ROOT / "docs" / "results" / "chaos.jsonl"
PAGE: Final = ROOT / "docs" / "reliability.md"
NIGHT: Final = {"G1": 300, "G1-aimed": 100, "G4": 100, "G5": 100, "G6": 1_200, "G8": 20}
"""Faults to be reached by adding up the runs of ``make chaos``."""
WORDS: Final = {
    "G1": "`kill -9` of a ledger at a random instant, 1 to 3 processes",
    "G1-aimed": "`kill -9` between the requests of a transaction",
    "G4": "SIGSTOP of an owner beyond its session, then SIGCONT",
    "G5": "`kill -9` of brokers by their role: leader, coordinators, controller, two of three, all",
    "G6": "EndTxn, TxnOffsetCommit and Produce held into a later transaction, or never answered",
    "G8": "restarts from zero across 10,000 due times each",
}
HEAD: Final = """# Reliability

What was done to ledgers on a real Kafka, and what an independent checker found afterwards. `make faults` runs a small size of everything on
every change; `make chaos` runs on until the sizes below are reached and may be stopped at any time; `make reliability` writes this page from
`results/chaos.jsonl`, where every run stands with its seed, its faults and the processes they hit.

The checker imports nothing of the program. It reads every topic with another client and derives from the records alone: no attempt twice, attempts
numbered from 1 without a gap, no request while an attempt is open, before it is due, above a cap or after a stop; every request made from one
event and every event made into one request; every command the broker took carried out, refused or answered as often as it was sent; no call
placed twice and no two calls to one target at once; how far the commands were read never goes back; no transaction open; nobody left over;
what an earlier reader was shown is what is there. From the brokers' disks: nothing was written under an epoch after the next had begun. That each
of these is found when it is planted is itself tested, as is each rule of the Kafka runtime with a switch of the test that breaks it.

A run with fewer faults than planned does not count. With no failure in N independent faults, the rule of three bounds the probability of a
failure below 3/N at 95 %.

"""
TAIL: Final = """
The longest recovery is from a fault to the first new event on every partition, by a reader of committed records; the promise is 60 s. A killed
process that is no named member of its group (`--instance`) is missed only when its session of 10 s is over: most of a recovery is that wait.
A `G8` request is late by the time from when it was due, or from when its partition was open again, to the broker's stamp on it.

All of it was run on a machine of two cores that was shared with other work, brokers, ledgers and users together: recoveries and lateness are
upper bounds, and would not be compared with those of another machine.
"""


def runs() -> list[dict[str, Any]]:
    """Every run that was written down."""
    return [json.loads(text) for text in RESULTS.read_text(encoding="utf-8").splitlines()] if RESULTS.exists() else []


def recorded(goal: str, peer: str) -> int:
    """Faults of a goal that were written down; runs with fewer than planned do not count."""
    return sum(run["faults"] for run in runs() if (run["run"], run["peer"]) == (goal, peer) and run["verdict"] != "short")


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(runs()), encoding="utf-8")


def page(found: Sequence[dict[str, Any]]) -> str:
    """The page."""
    counted = [run for run in found if run["verdict"] != "short"]
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
            f"Of {timers:,} due times across a restart none was early; p99 {median:.2f} s late (median of the runs), at most {latest:.2f} s.",
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
    return HEAD + "\n".join(lines) + "\n" + TAIL


def _row(goal: str, of: Sequence[dict[str, Any]]) -> str:
    faults, wrong = sum(run["faults"] for run in of), sum(run["verdict"] != "right" for run in of)
    recoveries = [run["recovery_max_s"] for run in of if run["recovery_max_s"] is not None]
    bound = f"< {3 / faults:.2%}" if faults and not wrong else ""
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
        "The same kills, users and checker on the ledger's work as `benchmarks/peers` does it elsewhere. Counted is what the log itself shows.",
        "",
        "| ledger | kills | targets | wrong, all in all | attempts requested twice | requests without their event, or the reverse | partitions stuck beyond 60 s |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in ["ours", *names]:
        of = [run for run in found if run["peer"] == name]
        tally = {
            kind: sum(run.get("tally", {}).get(kind, 0) for run in of)
            for kind in ("requested twice", "dial requests", "from no event", "stuck")
        }
        lines.append(
            f"| {name} | {sum(run['faults'] for run in of)} | {sum(run['targets'] for run in of):,} | {sum(run['wrong'] for run in of):,} "
            f"| {tally['requested twice']:,} | {tally['dial requests'] + tally['from no event']:,} | {tally['stuck']} |"
        )
    return lines
