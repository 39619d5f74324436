"""``python -m benchmarks [P5 P8 ...] [--repeat N]``: measure, print a table, keep the results in docs/results."""

import argparse
from importlib import import_module

from benchmarks.measure import write

FIGURES = {
    "P5": "p05", "P8": "p08", "P9": "p08", "P11": "p11", "P12": "p12", "P13": "p11", "P14": "p14", "P15": "p15", "year": "year",
}  # fmt: skip


def main() -> None:
    """Run the figures named, or all."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"any of {', '.join(FIGURES)}; none: all")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of what is quick (default 3)")
    asked = parser.parse_args()
    unknown = [name for name in asked.figures if name not in FIGURES]
    if unknown:
        parser.error(f"no such figure: {', '.join(unknown)}")
    modules = dict.fromkeys(FIGURES[name] for name in asked.figures or FIGURES)
    for module in modules:
        found = import_module(f"benchmarks.figures.{module}").run(asked.repeat)
        write(found)
        for figure in found:
            print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
