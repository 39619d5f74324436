"""Run until so many requests were generated: ``make fuzz``."""

import argparse
import sys
import tempfile
from pathlib import Path

from fuzz.running import fuzz, served


def main() -> int:
    """Run, and say how many cases there were and what was wrong; the exit code."""
    parser = argparse.ArgumentParser(description="Generated requests to every route.")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--examples", type=int, default=60, help="of a route, in one round")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    cases, wrong = 0, 0
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "data") as url:
        while cases < chosen.cases:
            found = fuzz(url, Path(folder), chosen.seed, chosen.examples)
            cases += found.cases
            if found.code or not found.cases:
                wrong += 1
                sys.stdout.write(found.said)
            sys.stdout.write(f"seed {chosen.seed}: {found.cases} cases, {cases} in all{', something is wrong' if found.code else ''}\n")
            sys.stdout.flush()
            if not found.cases:
                break
            chosen.seed += 1
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
