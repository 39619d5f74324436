"""What is said on the websocket ``/v1.0/ws``: a client's wishes, what they are answered with, and notices. Source: contract 6.

The door lays the answers and notices out itself; these models describe them.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from outdial.resources import Campaign, Campaigncall, Outdial, Outplan, Target

PATH: Final = "/v1.0/ws"


class Wish(BaseModel):
    """What a client wants to hear from now on, or no longer. What else is in it is passed over, as VoIPBIN does."""

    type: Literal["subscribe", "unsubscribe"]
    topics: list[str]
    """``customer_id:<uuid>``, or that and ``:<resource>``, or that and ``:<uuid>``; ``*`` is any. One socket has at most 100."""
    id: str | None = None
    """With it the client is told what came of it; without it nothing is answered."""


class Heard(BaseModel):
    """What came of a wish that had an ``id``."""

    model_config = ConfigDict(extra="allow")

    type: Literal["subscribed", "unsubscribed"]
    id: str
    """That of the wish."""
    topics: list[str]
    """All that are in force now."""
    silent: list[str]
    """Those of them of which nothing will ever be told, for there is no such resource here."""
    position: str
    """Where the log is."""


class Refusal(BaseModel):
    """Why something was refused, as in an answer over HTTP."""

    model_config = ConfigDict(extra="allow")

    status: str
    reason: str
    message: str
    """A sentence for people."""
    request_id: str
    details: list[dict[str, Any]]
    """``rule`` of the first is the exact word, ``pointer``, where it is known, the place in the wish."""


class WishRefused(BaseModel):
    """A wish that cannot be met, or a message that is none. None of it was done, and the socket stays."""

    model_config = ConfigDict(extra="allow")

    type: Literal["refused"]
    error: Refusal


class Notice(BaseModel):
    """Something that happened to a resource, with the resource as it was right after."""

    model_config = ConfigDict(extra="allow")

    position: str
    """The position of the log after it: ``/v1.0/ws?after=`` it goes on there."""
    id: str
    """The event it comes of. With ``type`` it is what to know a repeat by."""
    time: str
    """When it happened, RFC 3339."""
    type: str
    """What happened, in VoIPBIN's word."""
    data: Any
    """The resource right after it, as its route shows it."""


class OutdialNotice(Notice):
    """An outdial was made, changed or deleted."""

    type: Literal["outdial_created", "outdial_updated", "outdial_deleted"]
    data: Outdial


class OutdialtargetNotice(Notice):
    """A target was added; was called, answered, finished, exhausted, revived or reopened; was deleted."""

    type: Literal["outdialtarget_created", "outdialtarget_updated", "outdialtarget_deleted"]
    data: Target


class OutplanNotice(Notice):
    """An outplan was made, changed or deleted."""

    type: Literal["outplan_created", "outplan_updated", "outplan_deleted"]
    data: Outplan


class CampaignNotice(Notice):
    """A campaign was made, changed or deleted; runs, is asked to stop, or has stopped."""

    type: Literal[
        "campaign_created",
        "campaign_updated",
        "campaign_deleted",
        "campaign_status_run",
        "campaign_status_stopping",
        "campaign_status_stop",
    ]
    data: Campaign


class CampaigncallNotice(Notice):
    """A call was requested; was claimed, answered or is over; was taken out of the lists."""

    type: Literal["campaigncall_created", "campaigncall_updated", "campaigncall_deleted"]
    data: Campaigncall


SAID: Final[Mapping[str, type[BaseModel]]] = {model.__name__: model for model in (Wish,)}
"""What a client sends, by its name."""
TOLD: Final[Mapping[str, type[BaseModel]]] = {
    model.__name__: model
    for model in (Heard, WishRefused, OutdialNotice, OutdialtargetNotice, OutplanNotice, CampaignNotice, CampaigncallNotice)
}
"""What it is sent."""
