"""The client's words for who places calls: requests to read, claims, answers and results."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from typing import Any, Unpack

from outdial.client import routes
from outdial.client.asking import Asking
from outdial.client.routes import Fields, When, given
from outdial.client.shapes import Making
from outdial.commands import Outcome
from outdial.requests import DialRequest
from outdial.resources import Claim, PlacedRequest, Said

Attempt = str | DialRequest
"""An attempt by its id, or by its request: then the service need not look up where it belongs."""
LONG_POLL_MS = 25_000


class Calling(Asking):
    """Who places calls."""

    async def dial_requests(self, after: str = "0", *, share: str | None = None, limit: int = 100) -> AsyncGenerator[PlacedRequest]:
        """Requests to place a call, oldest first, for ever: those after a position, then each as it comes.

        A log, not a queue: every reader sees every request of its share, and again if it begins again. Claim before dialing.

        Args:
            after: go on from the ``position`` of the last request that was dealt with.
            share: ``i/n``: only the i-th of n parts of all targets, from 0.
            limit: of one request to the service.
        """
        while True:
            route = routes.dial_requests(after, limit=limit, wait_ms=LONG_POLL_MS, share=share)
            page = await self.send(route)
            for request in page.result:
                yield request
            after = page.next_after

    async def claim_dial(self, attempt: Attempt, worker: str, **how: Unpack[Making]) -> Claim:
        """Ask, before placing a call, whether it is still wanted. ``worker``: one name for each start of a process.

        Raises:
            Conflict: do not place it. Say ``not_dialed``, unless ``rule`` is ``dial_claimed`` or ``attempt_closed``: then say nothing.
        """
        attempt_id, place = _place(attempt)
        return await self.send(replace(routes.claim_dial(attempt_id, worker, **place), **how))

    async def dial_answered(self, attempt: Attempt, **how: Unpack[Making]) -> Said:
        """The call of an attempt was answered and goes on."""
        attempt_id, place = _place(attempt)
        return await self.send(replace(routes.dial_answered(attempt_id, **place), **how))

    async def dial_result(
        self,
        attempt: Attempt,
        outcome: Outcome,
        *,
        answered: bool | None = None,
        started_at: When | None = None,
        ended_at: When | None = None,
        call_id: str | None = None,
        call_back_at: When | None = None,
        idempotency_key: str | None = None,
    ) -> Said:
        """How an attempt ended. ``not_dialed``: the call was never started, and the target gets its try back."""
        attempt_id, place = _place(attempt)
        fields = given(
            answered=answered,
            started_at=routes.instant(started_at),
            ended_at=routes.instant(ended_at),
            call_id=call_id,
            call_back_at=routes.instant(call_back_at),
            **place,
        )
        return await self.send(replace(routes.dial_result(attempt_id, outcome, **fields), idempotency_key=idempotency_key))

    async def dial_answers(self, items: Iterable[Fields], **how: Unpack[Making]) -> list[Said]:
        """Many calls were answered: objects with ``attempt_id``. What was refused stands in the answer."""
        return await self.send(replace(routes.dial_answers(items), **how))

    async def dial_results(self, items: Iterable[Fields], **how: Unpack[Making]) -> list[Said]:
        """How many attempts ended: objects with ``attempt_id`` and ``outcome``. What was refused stands in the answer."""
        return await self.send(replace(routes.dial_results(items), **how))


def _place(attempt: Attempt) -> tuple[str, dict[str, Any]]:
    """The id of an attempt, and where it belongs as far as that is known."""
    if isinstance(attempt, str):
        return attempt, {}
    return attempt.attempt_id, {"outdial_id": attempt.outdial_id, "target_id": attempt.target_id}
