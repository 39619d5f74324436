"""One broker for all processes of a test run: a broker for each of them would take a quarter of the machine."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


def _mine(file: TextIO) -> bool:
    """Lock a file, unless another process has."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def shared(folder: Path, start: Callable[[], str]) -> Iterator[str]:
    """The address of the broker that whoever asks first has started; who started it waits at the end until nobody uses it.

    Args:
        folder: known to all who share.
        start: start a broker, which lives until the process that started it closes it.
    """
    address, users = folder / "address", folder / "using"
    # A lock goes with the process that holds it, however that ends: of a broker whose process has died nobody is told.
    with (folder / "asking").open("w") as asking, (folder / "owning").open("w") as owning:
        fcntl.flock(asking, fcntl.LOCK_EX)
        owned = _mine(owning)
        if owned:
            address.write_text(start(), encoding="utf-8")
            # Who uses the one before keeps its file.
            users.unlink(missing_ok=True)
        with users.open("a") as using:
            fcntl.flock(using, fcntl.LOCK_SH)
            found = address.read_text(encoding="utf-8")
            fcntl.flock(asking, fcntl.LOCK_UN)
            yield found
            if owned:
                # Whoever asks from now on starts another.
                fcntl.flock(owning, fcntl.LOCK_UN)
                fcntl.flock(using, fcntl.LOCK_EX)
