"""The client's words for whom not to call, how often anybody, who may ask, and where events are sent to."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Unpack

from outdial.client import routes
from outdial.client.asking import reading
from outdial.client.lists import Listing
from outdial.client.routes import Content, Fields, given
from outdial.client.shapes import Making, Reading
from outdial.resources import (
    Accesskey,
    Customer,
    Pace,
    Rejections,
    Session,
    Suppressing,
    Suppression,
    SuppressionReport,
    User,
    Views,
    Webhook,
)
from outdial.suppression import FrequencyCaps, NewSuppression, SuppressionRef


class Access(Listing):
    """Suppressions, caps, accounts, the webhook."""

    # --- whom not to call -----------------------------------------------------------------------

    def suppressions(self, *, limit: int | None = None, **how: Unpack[Reading]) -> AsyncIterator[Suppression]:
        """The entries of the list, newest first."""
        return self.all(routes.SUPPRESSIONS, limit=limit, how=how)

    async def suppress(self, *entries: NewSuppression | Fields, **how: Unpack[Making]) -> Suppressing:
        """Call nobody there. When this returns no call is requested any more; ``open`` names the first that are out already."""
        return await self.send(replace(routes.suppress(entries), **how))

    async def unsuppress(self, *entries: SuppressionRef | Fields) -> Suppressing:
        """Take entries off the list."""
        return await self.send(routes.unsuppress(entries))

    async def import_suppressions(self, source: Content, *, media: str | None = None) -> SuppressionReport:
        """Add all that a CSV or NDJSON file names."""
        return await self.send(routes.import_suppressions(source, media=media))

    async def frequency_caps(self, **how: Unpack[Reading]) -> FrequencyCaps:
        """How often one address may be called."""
        return await self.send(reading(routes.frequency_caps(), how))

    async def set_frequency_caps(self, caps: FrequencyCaps | Fields) -> FrequencyCaps:
        """Change it; what is absent stays. No rules are ``[]``, no gap is 0."""
        return await self.send(routes.set_frequency_caps(caps))

    async def pace(self, **how: Unpack[Reading]) -> Pace:
        """How many calls a second all outdials may request together, and who has how much of it."""
        return await self.send(reading(routes.pace(), how))

    async def set_pace(self, calls_per_second: int | None) -> Pace:
        """Set it; None: no limit."""
        return await self.send(routes.set_pace(calls_per_second))

    async def rejections(self, most: int = 100, **how: Unpack[Reading]) -> Rejections:
        """The newest commands that were refused."""
        return await self.send(reading(routes.rejections(most), how))

    async def views(self, **how: Unpack[Reading]) -> Views:
        """Where the views stand, and whether they were compared with the log."""
        return await self.send(reading(routes.views(), how))

    # --- who may ask ----------------------------------------------------------------------------

    async def log_in(self, username: str, password: str) -> Session:
        """Ask as this user from now on, for seven days at most."""
        session = await self.send(routes.log_in(username, password))
        self._let_in_by(session.token)
        return session

    async def log_out(self, session: Session) -> None:
        """End a session; its token lets nobody in any more."""
        await self.delete_accesskey(session.id)
        self._let_in_by(None)

    def accesskeys(
        self, *, limit: int | None = None, deleted: bool = False, sessions: bool = False, **how: Unpack[Reading]
    ) -> AsyncIterator[Accesskey]:
        """The access keys, newest first; with ``sessions`` what logins gave too."""
        return self.all(routes.ACCESSKEYS, limit=limit, deleted=deleted, how=how, sessions=sessions)

    async def accesskey(self, accesskey_id: str, **how: Unpack[Reading]) -> Accesskey:
        """One access key, also when it is deleted."""
        return await self.send(reading(routes.ACCESSKEYS.get(accesskey_id), how))

    async def create_accesskey(
        self, name: str = "", *, detail: str | None = None, expire_s: int | None = None, customer_id: str | None = None
    ) -> Accesskey:
        """Make an access key. Its ``token`` is in this answer and never again. For another customer with the administrator's token."""
        return await self.send(routes.create_accesskey(given(name=name, detail=detail, expire=expire_s), customer_id))

    async def delete_accesskey(self, accesskey_id: str) -> Accesskey:
        """Let nobody in by this key any more."""
        return await self.send(routes.ACCESSKEYS.delete(accesskey_id))

    # --- for whoever runs the service -----------------------------------------------------------

    def customers(self, *, limit: int | None = None, **how: Unpack[Reading]) -> AsyncIterator[Customer]:
        """The customers who have an account, newest first."""
        return self.all(routes.CUSTOMERS, limit=limit, how=how)

    async def customer(self, customer_id: str, **how: Unpack[Reading]) -> Customer:
        """One customer."""
        return await self.send(reading(routes.CUSTOMERS.get(customer_id), how))

    async def create_customer(self, name: str = "", *, detail: str | None = None, **how: Unpack[Making]) -> Customer:
        """Make a customer: somebody with outdials, plans and campaigns that nobody else sees."""
        return await self.send(replace(routes.CUSTOMERS.create(given(name=name, detail=detail)), **how))

    def users(self, customer_id: str, *, limit: int | None = None, deleted: bool = False, **how: Unpack[Reading]) -> AsyncIterator[User]:
        """The users of a customer, newest first."""
        return self.all(routes.users(customer_id), limit=limit, deleted=deleted, how=how)

    async def create_user(self, customer_id: str, username: str, password: str) -> User:
        """Let somebody log in for a customer."""
        return await self.send(routes.create_user(customer_id, username, password))

    async def set_password(self, customer_id: str, user_id: str, password: str) -> User:
        """Give a user another password; whoever is logged in as that user is so no longer."""
        return await self.send(routes.set_password(customer_id, user_id, password))

    async def delete_user(self, customer_id: str, user_id: str) -> User:
        """Let a user log in no more."""
        return await self.send(routes.users(customer_id).delete(user_id))

    # --- the webhook ----------------------------------------------------------------------------

    async def webhook(self, **how: Unpack[Reading]) -> Webhook:
        """Where events are sent to, how far that is, and what went wrong last."""
        return await self.send(reading(routes.webhook(), how))

    async def set_webhook(self, uri: str, *, method: str | None = None, secret: str | None = None, after: str | None = None) -> Webhook:
        """Send events to an address. Without a secret the first time, this answer has the one that was made."""
        return await self.send(routes.set_webhook(uri, method=method, secret=secret, after=after))

    async def delete_webhook(self) -> Webhook:
        """Send nothing any more."""
        return await self.send(routes.delete_webhook())

    async def replay_webhook(self, after: str = "0", **how: Unpack[Making]) -> Webhook:
        """Send again what happened after a position."""
        return await self.send(replace(routes.replay_webhook(after), **how))
