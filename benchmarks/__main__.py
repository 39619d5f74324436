"""``python -m benchmarks [P5 P8 ...] [--repeat N]``: measure, print a table, keep the results in docs/results.

The figures on Kafka use the broker named by OUTDIAL_BENCH_KAFKA, else one they start themselves; OUTDIAL_BENCH_SCALE=0.1 makes them a
tenth of their size.
"""

import argparse
import logging
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.measure import write

FIGURES = {
    "P1": "kafka_rates", "P2": "kafka_faust", "P3": "kafka_rates", "P4": "kafka_rates",
    "P5": "figures.p05", "P6": "kafka_latency", "P7": "kafka_million", "P8": "figures.p08", "P9": "figures.p08", "P10": "kafka_million",
    "P11": "figures.p11", "P12": "figures.p12", "P13": "figures.p11", "P14": "figures.p14", "P15": "figures.p15", "year": "figures.year",
    "P1-rules": "kafka_rules",
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
    sys.path.append(str(Path(__file__).parent.parent / "tests"))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    modules = dict.fromkeys(FIGURES[name] for name in asked.figures or FIGURES)
    for module in modules:
        found = import_module(f"benchmarks.{module}").run(asked.repeat)
        write(found)
        for figure in found:
            print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
