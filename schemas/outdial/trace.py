"""Where a message belongs in somebody's trace: a W3C ``traceparent``, carried and never needed.

Source: https://www.w3.org/TR/trace-context/. One that is malformed is as good as none.
"""

from contextvars import ContextVar
from re import compile as pattern
from typing import Final

HEADER_TRACE: Final = "traceparent"
"""Over HTTP, and on a command and a dial request on Kafka."""
_FORM: Final = pattern(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LONGEST: Final = 512
_SAMPLED: Final = 1

current_trace: ContextVar[str | None] = ContextVar("current_trace", default=None)
"""The traceparent of what is being done, for the logs."""


def traceparent_of(value: object) -> str | None:
    """The traceparent a header or field holds, as version 00; None where it is none.

    Of a version to come what version 00 knows is kept: that its trace is recorded or not, and nothing after the flags.
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    found = _FORM.fullmatch(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    if found is None:
        return None
    version, trace, parent, flags, more = found.groups()
    if version == "00":
        return None if more else found.group()
    return f"00-{trace}-{parent}-{int(flags, 16) & _SAMPLED:02x}"


def trace_id_of(traceparent: str) -> str:
    """The id of the trace: 32 hexadecimal digits."""
    return traceparent[3:35]
