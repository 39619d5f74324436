"""What people write to place calls: one class with one method.

A carrier of ten lines, for a telephone system with a Python client of its own::

    from outdial.requests import DialRequest
    from outdial.worker.carrier import Call, NotDialed, Outcome, Result


    class OurPhones:
        async def place(self, request: DialRequest, call: Call) -> Outcome | Result | None:
            try:
                line = await phones.dial(request.destination.target, ring_for=request.dial_timeout / 1_000)
            except phones.NoFreeLine:
                raise NotDialed("no_line") from None
            if await line.answer():
                call.answered()
                await line.hung_up()
                return "answered"
            return "busy" if line.busy else "no_answer"

``place`` is asked once for an attempt, and never again, also not after a crash. Every call has a task of its own,
so it may take as long as the call does.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from outdial.commands import Outcome
from outdial.requests import DialRequest

__all__ = ["Call", "Carrier", "DialRequest", "NotDialed", "Outcome", "Result"]


class NotDialed(Exception):
    """The call was not started, and will not be: the target gets its try back.

    Raise it only when that is certain. Where it is not, let the error through: nothing is said then, and the
    lease of the attempt ends it.
    """

    def __init__(self, reason: str = "not_dialed") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Result:
    """How a call ended, with what else is known of it."""

    outcome: Outcome
    call_id: str | None = None
    """The call, as the telephone system names it, at most 255 characters. Information only."""
    started_at: int | None = None
    """Microseconds since 1970-01-01 UTC; None: when ``place`` was asked."""
    ended_at: int | None = None
    """Microseconds since 1970-01-01 UTC; None: when ``place`` returned."""
    call_back_at: int | None = None
    """When the person wants to be called again, microseconds since 1970-01-01 UTC; None: as the plan says."""


@runtime_checkable
class Call(Protocol):
    """The call that is being placed."""

    @property
    def attempt_id(self) -> str:
        """The attempt; the same as the request's."""
        ...

    def answered(self) -> None:
        """Say that the call was answered and goes on. At once, and once; more often is no error."""
        ...


@runtime_checkable
class Carrier(Protocol):
    """A way to place calls."""

    async def place(self, request: DialRequest, call: Call) -> Outcome | Result | None:
        """Place one call, and return when it is over.

        Returns:
            How it ended. None: the call is in other hands, and the result will come from there.

        Raises:
            NotDialed: the call was not started.
            Exception: nobody knows what became of it; nothing is said, and the lease of the attempt ends it.
            asyncio.CancelledError: the worker stops and cannot wait longer. Whoever hangs up then may return a result.
        """
        ...
