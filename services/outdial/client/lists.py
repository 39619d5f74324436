"""The client's words for lists and who is on them: outdials and targets."""

import hashlib
from asyncio import to_thread
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, Unpack

from outdial.address import Address, by_look
from outdial.client import routes
from outdial.client.asking import Asking, reading
from outdial.client.routes import Collection, Content, Fields, given
from outdial.client.shapes import Changing, Making, Reading, Row
from outdial.commands import NewTarget, OnDuplicate
from outdial.resources import Bulk, ImportReport, Message, Outdial, PlacedEvent, Resource, Target, Targetcall
from outdial.standing import Standing

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Resource)
Destination = str | Address | Fields
"""``+12025550123``, ``sip:ann@host``, ``ann@host``, ``TYPE:TARGET``; or an address."""
MOST_ROWS = 100
MOST_EVENTS = 1_000


class Listing(Asking):
    """What all lists have."""

    async def all(
        self,
        collection: Collection[M],
        *,
        limit: int | None = None,
        deleted: bool = False,
        how: Reading | None = None,
        **more: Any,
    ) -> AsyncGenerator[M]:
        """Every one of a kind, newest first, page by page; at most ``limit``."""
        async for row in self.rows(collection, limit=limit, deleted=deleted, how=how, **more):
            yield collection.model.model_validate(row)

    async def rows(
        self,
        collection: Collection[Any],
        *,
        limit: int | None = None,
        deleted: bool = False,
        how: Reading | None = None,
        **more: Any,
    ) -> AsyncGenerator[Row]:
        """The same as they are served."""
        token, left = None, limit
        while left is None or left > 0:
            size = None if left is None else min(left, MOST_ROWS)
            page = await self.row(reading(collection.page(size, token, deleted=deleted, **more), how or {}))
            for row in page["result"]:
                yield row
            left = None if left is None else left - len(page["result"])
            token = page["next_page_token"]
            if not token:
                return

    async def changed(self, collection: Collection[R], resource_id: str, fields: Fields, how: Changing) -> R:
        """Change fields, each where it belongs. A version holds for the first of the requests that takes, and what it made for the next."""
        asked = collection.changes(resource_id, fields)
        if not asked:
            message = "name at least one field to change"
            raise ValueError(message)
        version, found = how.get("if_version"), None
        for route in asked:
            found = await self.send(replace(route, if_version=version))
            version = None if version is None else found.version
        assert found is not None  # noqa: S101  there is a route at least
        return found


class Lists(Listing):
    """Outdials and their targets."""

    # --- outdials -------------------------------------------------------------------------------

    def outdials(self, *, limit: int | None = None, deleted: bool = False, **how: Unpack[Reading]) -> AsyncIterator[Outdial]:
        """The outdials, newest first."""
        return self.all(routes.OUTDIALS, limit=limit, deleted=deleted, how=how)

    async def outdial(self, outdial_id: str, **how: Unpack[Reading]) -> Outdial:
        """One outdial, also when it is deleted."""
        return await self.send(reading(routes.OUTDIALS.get(outdial_id), how))

    async def create_outdial(
        self,
        name: str = "",
        *,
        detail: str | None = None,
        data: str | None = None,
        campaign_id: str | None = None,
        plan: routes.PlanLike | None = None,
        outplan_id: str | None = None,
        **how: Unpack[Making],
    ) -> Outdial:
        """Make an outdial. With ``plan`` or ``outplan_id`` it dials at once."""
        fields = given(name=name, detail=detail, data=data, campaign_id=campaign_id, plan=plan, outplan_id=outplan_id)
        return await self.send(replace(routes.OUTDIALS.create(fields), **how))

    async def update_outdial(
        self,
        outdial_id: str,
        *,
        name: str | None = None,
        detail: str | None = None,
        data: str | None = None,
        campaign_id: str | None = None,
        **how: Unpack[Changing],
    ) -> Outdial:
        """Change what is given."""
        return await self.changed(routes.OUTDIALS, outdial_id, given(name=name, detail=detail, data=data, campaign_id=campaign_id), how)

    async def delete_outdial(self, outdial_id: str, **how: Unpack[Changing]) -> Outdial:
        """Delete one softly; a running one is stopped."""
        return await self.send(replace(routes.OUTDIALS.delete(outdial_id), **how))

    # --- targets --------------------------------------------------------------------------------

    def targets(
        self,
        outdial_id: str,
        *,
        standing: Standing | None = None,
        limit: int | None = None,
        deleted: bool = False,
        **how: Unpack[Reading],
    ) -> AsyncIterator[Target]:
        """The targets of an outdial, newest first; with ``standing`` those that its stats count so when they are asked for."""
        return self.all(routes.targets(outdial_id), limit=limit, deleted=deleted, how=how, standing=standing)

    async def target(self, outdial_id: str, target_id: str, **how: Unpack[Reading]) -> Target:
        """One target, also when it is deleted."""
        return await self.send(reading(routes.targets(outdial_id).get(target_id), how))

    async def add_target(
        self,
        outdial_id: str,
        *destinations: Destination,
        name: str | None = None,
        detail: str | None = None,
        data: str | None = None,
        try_count_max: int | None = None,
        priority: int | None = None,
        time_zone: str | None = None,
        expires_at: routes.When | None = None,
        on_duplicate: OnDuplicate | None = None,
        idempotency_key: str | None = None,
    ) -> Target:
        """Add one target, with up to five destinations in the order they are dialed in."""
        fields = given(
            name=name,
            detail=detail,
            data=data,
            try_count_max=try_count_max,
            priority=priority,
            time_zone=time_zone,
            expires_at=routes.instant(expires_at),
            on_duplicate=on_duplicate,
            **{f"destination_{slot}": _address(one) for slot, one in enumerate(destinations)},
        )
        return await self.send(replace(routes.targets(outdial_id).create(fields), idempotency_key=idempotency_key))

    async def add_targets(
        self,
        outdial_id: str,
        targets: Iterable[NewTarget | Fields],
        *,
        on_duplicate: OnDuplicate | None = None,
        dry_run: bool = False,
        **how: Unpack[Making],
    ) -> Bulk:
        """Add up to 10,000 targets at once. What could not be added stands in the answer, by its index."""
        return await self.send(replace(routes.add_targets(outdial_id, targets, on_duplicate=on_duplicate, dry_run=dry_run), **how))

    async def import_targets(
        self,
        outdial_id: str,
        source: Content,
        *,
        media: str | None = None,
        import_id: str | None = None,
        on_duplicate: OnDuplicate | None = None,
        dry_run: bool = False,
    ) -> ImportReport:
        """Add the rows of a CSV or NDJSON file, however long: a path, bytes, or the pieces as they come.

        The same import again adds nothing twice. Which one it is follows from the file and the outdial unless ``import_id`` says it.
        """
        known = import_id
        if known is None and isinstance(source, bytes | Path):
            known = routes.import_id(outdial_id, await to_thread(_digest, source))
        route = routes.import_targets(outdial_id, source, media=media, import_id=known, on_duplicate=on_duplicate, dry_run=dry_run)
        return await self.send(route)

    async def delete_target(self, outdial_id: str, target_id: str, **how: Unpack[Changing]) -> Target:
        """Delete one softly: it is not requested again, an open attempt still ends."""
        return await self.send(replace(routes.targets(outdial_id).delete(target_id), **how))

    async def reopen_target(self, outdial_id: str, target_id: str, **how: Unpack[Making]) -> Target:
        """Set the try counts of a target to 0 and make it dialable again."""
        await self.send(replace(routes.reopen_target(outdial_id, target_id), **how))
        return await self.target(outdial_id, target_id)

    def calls_of_target(
        self, outdial_id: str, target_id: str, *, limit: int | None = None, **how: Unpack[Reading]
    ) -> AsyncIterator[Targetcall]:
        """The attempts on a target, newest first."""
        return self.all(routes.calls_of_target(outdial_id, target_id), limit=limit, how=how)

    async def history(self, outdial_id: str, target_id: str, after: str = "0", **how: Unpack[Reading]) -> AsyncIterator[PlacedEvent]:
        """What happened to a target, oldest first."""
        while True:
            page = await self.send(reading(routes.history(outdial_id, target_id, after, limit=MOST_EVENTS), how))
            for event in page.result:
                yield event
            if len(page.result) < MOST_EVENTS:
                return
            after = page.next_after


def _address(destination: Destination) -> Any:
    """An address as it is sent.

    Raises:
        ValueError: a text that looks like none.
    """
    if not isinstance(destination, str):
        return destination
    found = by_look(destination)
    if found is None:
        message = "an address looks like +12025550123, sip:user@host, user@host, or TYPE:TARGET"
        raise ValueError(message)
    return found


def _digest(source: bytes | Path) -> str:
    """The SHA-256 of a file."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
