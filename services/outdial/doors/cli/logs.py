"""What the program and its libraries log: one short line each, on stderr, with nobody's number and nobody's token in it.

At a terminal a line is for people; elsewhere it is JSON, for what collects logs.

Nothing of a library is logged below ``warning``: what SQLite and HTTP clients say there holds values.
"""

import logging
import re
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from outdial.doors.cli.actions import LogForm
from outdial.trace import current_trace, trace_id_of

if TYPE_CHECKING:
    from structlog.typing import EventDict

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


def configure(level: str = "warning", form: LogForm = "auto") -> None:
    """Log from ``level`` (debug, info, warning, error) on. Called again, the last call counts."""
    logging.raiseExceptions = False
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = _Stderr(form)
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


def _facts(_logger: Any, _method: str, found: "EventDict") -> "EventDict":
    """What is told of a record. An error is its type and place: its text may hold somebody's number."""
    record: logging.LogRecord = found["_record"]
    error = (found.get("exc_info") or (None, None, None))[1]
    trace = current_trace.get()
    return {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": cleaned(found["event"]),
        **({} if error is None else {"error": type(error).__name__, "place": place(error)}),
        **({} if trace is None else {"trace_id": trace_id_of(trace)}),
    }


def _line(_logger: Any, _method: str, told: "EventDict") -> str:
    """The same for people: time (UTC), level, logger, what."""
    why = f": {told['error']} at {told['place']}" if "error" in told else ""
    where = f" trace_id={told['trace_id']}" if "trace_id" in told else ""
    return f"{told['timestamp']} {told['level']} {told['logger']}: {told['event']}{why}{where}"


@cache
def _formatter(*, as_json: bool) -> logging.Formatter:
    """Made when there is something to log: most calls of the program log nothing, and loading the library takes longer than they do."""
    from structlog.processors import JSONRenderer
    from structlog.stdlib import ProcessorFormatter

    return ProcessorFormatter(processors=[_facts, JSONRenderer() if as_json else _line], keep_exc_info=False)


class _Stderr(logging.Handler):
    """Stderr as it is at that moment. One that nobody reads any more ends nothing."""

    def __init__(self, form: LogForm) -> None:
        super().__init__()
        self._form = form

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):
            as_json = self._form == "json" or (self._form == "auto" and not sys.stderr.isatty())
            print(_formatter(as_json=as_json).format(record), file=sys.stderr, flush=True)
