"""Processes of this machine."""

import os


def lives(pid: int) -> bool:
    """Whether a process of that id is there. One that was killed leaves its id behind in files."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
