"""Kills brokers whose test run is gone: it lives as long as its stdin is open, which the kernel closes however the run ends."""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Read `+PID` and `-PID`, a line each; at the end of the input kill who is left."""
    watched: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+"):
            watched.add(pid)
        else:
            watched.discard(pid)
    for pid in watched:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
