"""When garbage is looked for: not while ledgers are being read.

What is read stays, and there is more of it than of anything else. To look through all of it again and again, as it grows, takes a
quarter of the time to read a snapshot and an eighth of that to replay a log.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


class Garbage:
    """The collector of the interpreter, as the partitions of one process use it."""

    def __init__(self) -> None:
        self._reading = 0

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """No collection within the block, nor within that of another partition which reads at the same time."""
        self._reading += 1
        gc.disable()
        try:
            yield
        finally:
            self._reading -= 1
            if not self._reading:
                gc.enable()
