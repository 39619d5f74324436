"""What the program and its libraries log: one short line each, on stderr, with nobody's number and nobody's token in it.

Nothing of a library is logged below ``warning``: what SQLite and HTTP clients say there holds values.
"""

import logging
import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from outdial.trace import current_trace, trace_id_of

LONGEST: Final = 300
OWN: Final = ("outdial", "uvicorn")
"""What ``--log-level`` is about: the program itself, and its HTTP server."""
QUIET: Final = ("aiokafka",)
"""It tries again by itself, hundreds of times a second while no broker is there, and says so each time; what comes of it is said here."""
_WITH_HANDLERS: Final = ("uvicorn.error", "uvicorn.access")
"""Loggers a library gives handlers of its own when it is left to configure itself; here there is one handler for all."""
_PRIVATE: Final = (
    (re.compile(r"(?i)\b(token|accesskey)=[^&\s\"']+"), r"\1=..."),
    (re.compile(r"\b(vb|vs)_[A-Za-z0-9]{8,}"), r"\1_..."),
    (re.compile(r"(?i)\bbearer\s+[^\s\"']+"), "Bearer ..."),
    (re.compile(r"[^\s\"'<>:@]+@[^\s\"'<>@]+"), "(address)"),
    (re.compile(r"(?i)(?<![\w-])(?:\+|%2B)?\d{7,}(?![\w-])"), "(number)"),
)


def configure(level: str = "warning") -> None:
    """Log from ``level`` (debug, info, warning, error) on. Called again, the last call counts."""
    logging.raiseExceptions = False
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = _Stderr()
    handler.setFormatter(_Line())
    root = logging.getLogger()
    for former in [one for one in root.handlers if isinstance(one, _Stderr)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(max(threshold, logging.WARNING))
    for name in OWN:
        logging.getLogger(name).setLevel(threshold)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING if threshold <= logging.DEBUG else logging.CRITICAL)
    for name in (*OWN, *_WITH_HANDLERS):
        logger = logging.getLogger(name)
        logger.propagate, logger.disabled = True, False
        logger.handlers.clear()


def place(error: BaseException) -> str:
    """The innermost line of the program's own code that an error came through."""
    trace, found = error.__traceback__, "an unknown place"
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if "outdial" in path.parts:
            inside = path.parts[len(path.parts) - 1 - path.parts[::-1].index("outdial") :]
            found = f"{'/'.join(inside)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def cleaned(text: str) -> str:
    """The first line of a text, without numbers, addresses and tokens."""
    line = next(iter(text.strip().splitlines()), "")
    for pattern, instead in _PRIVATE:
        line = pattern.sub(instead, line)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


class _Line(logging.Formatter):
    """Time (UTC), level, logger, what. An error is its type and place: its text may hold somebody's number."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        error = record.exc_info[1] if record.exc_info else None
        why = "" if error is None else f": {type(error).__name__} at {place(error)}"
        trace = current_trace.get()
        where = "" if trace is None else f" trace_id={trace_id_of(trace)}"
        return f"{at} {record.levelname.lower()} {record.name}: {cleaned(record.getMessage())}{why}{where}"


class _Stderr(logging.Handler):
    """Stderr as it is at that moment. One that nobody reads any more ends nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):
            print(self.format(record), file=sys.stderr, flush=True)
