"""The clock of the worker."""

from time import time_ns


def now_us() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time_ns() // 1_000
