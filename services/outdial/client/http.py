"""The client of the HTTP door: one object, a word for each thing that can be asked."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from functools import partial
from typing import Unpack

from outdial.client import routes
from outdial.client.access import Access
from outdial.client.asking import reading
from outdial.client.calling import Calling
from outdial.client.lists import MOST_EVENTS, Lists
from outdial.client.routes import Fields
from outdial.client.running import Running
from outdial.client.shapes import Making, Reading, Row
from outdial.commands import Command
from outdial.requests import Answer
from outdial.resources import PlacedEvent


class Client(Lists, Running, Calling, Access):
    """A typed client: ``async with Client(url, token) as client``.

    What it gives back are the models of ``outdial.resources``; lists are async iterators that fetch page after page. A request that
    got no good answer is sent again where that is safe, and what it asks for is done once. Every failure is one of
    ``outdial.client.errors``.
    """

    async def events(
        self, after: str = "0", *, outdial_id: str | None = None, follow: bool = False, **how: Unpack[Reading]
    ) -> AsyncGenerator[PlacedEvent]:
        """What happened, oldest first: after a position up to now; with ``follow`` then each event as it comes, for ever.

        A stream that was cut goes on after the last event that came through. Keep an event's ``position`` to go on from it later.
        """
        async for event in self.event_rows(after, outdial_id=outdial_id, follow=follow, how=how):
            yield PlacedEvent.model_validate(event)

    async def event_rows(
        self, after: str = "0", *, outdial_id: str | None = None, follow: bool = False, how: Reading | None = None
    ) -> AsyncGenerator[Row]:
        """The same as they are served."""
        while True:
            page = await self.row(reading(routes.events(after, outdial_id=outdial_id, limit=MOST_EVENTS), how or {}))
            for event in page["result"]:
                yield event
            after = page["next_after"]
            if len(page["result"]) < MOST_EVENTS:
                break
        if follow:
            async for _, event in self.stream(partial(routes.event_stream, outdial_id=outdial_id), after):
                yield event

    async def command(self, command: Command | Fields, **how: Unpack[Making]) -> Answer:
        """Send a command in its wire form; a refusal is raised."""
        return await self.send(replace(routes.command(command), **how))

    async def commands(self, commands: bytes | Iterable[Command | Fields], **how: Unpack[Making]) -> list[Answer]:
        """Send up to 10,000 commands; the answers are in their order, refusals among them."""
        return await self.send(replace(routes.commands(commands), **how))
