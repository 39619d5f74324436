"""A broker in the foreground, or three: `python -m brokers --port 9092`."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from brokers.cluster import HOST, Cluster, NotReady, free
from brokers.libs import VERSION, Unavailable, place


def say(text: str, to: TextIO = sys.stdout) -> None:
    """Tell the person who started it."""
    print(text, file=to, flush=True)


def main() -> int:
    """Start it, say where it is, and end it with Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make broker", description="A Kafka broker on this machine. Its data is gone when it ends.")
    parser.add_argument("--port", type=int, default=9092, help="where clients connect to the first broker (default 9092)")
    parser.add_argument("--size", type=int, choices=(1, 3), default=1, help="how many brokers (default 1)")
    parser.add_argument("--version", default=VERSION, help=f"of Kafka (default {VERSION})")
    parser.add_argument("--data", type=Path, help="keep the data in this folder (one broker only)")
    chosen = parser.parse_args()
    if not free(chosen.port):
        say(f"Port {chosen.port} of {HOST} is taken. Name another one: make broker PORT={chosen.port + 1}", sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="outdial-broker-") as folder:
        cluster = Cluster(chosen.size, chosen.data or Path(folder), version=chosen.version, port=chosen.port, lasting=True)
        kept = place(chosen.version)
        if not kept.is_dir():
            say(f"The first start fetches Kafka {chosen.version} by Maven into {kept}: some 50 MB, which may take minutes")
        say(f"Starting Kafka {chosen.version}")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with cluster:
                say(f"Kafka {chosen.version} listens on {cluster.bootstrap} (Ctrl-C ends it)")
                while all(node.alive for node in cluster.nodes):
                    signal.sigtimedwait([], 0.5)
                say(f"A broker ended.\n{cluster.complaints()}", sys.stderr)
                return 1
        except KeyboardInterrupt:
            say("Ended.")
            return 0
        except (Unavailable, NotReady) as error:
            say(str(error), sys.stderr)
            return 1


if __name__ == "__main__":
    raise SystemExit(main())
