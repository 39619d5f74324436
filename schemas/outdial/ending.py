"""Letting something end that may cancel itself while it does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

STOP_S: Final = 5.0
"""How long a client may take to disconnect."""
MOMENT_S: Final = 1.0
"""How long one that is not wanted any more may take to connect."""


async def ended(closing: Coroutine[Any, Any, None]) -> bool:
    """Let something of a client end, in a task of its own and for some seconds; whether it did.

    aiokafka cancels tasks of its own when it closes, and may let their cancellation out: to us it would look like one of ours.

    Raises:
        Exception: what it ended by, if not by that.
    """
    task = asyncio.ensure_future(closing)
    await asyncio.wait({task}, timeout=STOP_S)
    if not task.done() or task.cancelled():
        task.cancel()
        return False
    task.result()
    return True


async def begun(starting: Coroutine[Any, Any, None]) -> None:
    """Start a client of aiokafka; who is cancelled meanwhile waits for a moment, and may then stop it.

    Cancelled itself, aiokafka would forget the connection it had just made, which nobody closes then.

    Raises:
        Exception: it did not start.
    """
    task = asyncio.ensure_future(starting)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait({task}, timeout=MOMENT_S)
        finally:
            # Also when whoever waits here is cancelled once more.
            task.cancel()
            task.add_done_callback(lambda one: one.cancelled() or one.exception())
        raise


async def disconnected(stop: Coroutine[Any, Any, None], close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Stop a consumer or producer of aiokafka. ``close``: of its client, which its own stop leaves open when anything goes wrong before.

    Raises:
        Exception: what the stop ended by; nothing is connected any more.
    """
    stopped = False
    try:
        stopped = await ended(stop)
    finally:
        if not stopped:
            await ended(close())
