"""The log as VoIPBIN tells it: what happened to which resource, and that resource as it was right after. Source: contract 6.

The tables say how things are now, and the log may be far ahead of who reads it. So what an event is about is folded from its own
history up to there, by the same code as the tables, into a small database in memory. Whoever reads on in order pays for that once.
"""

import sqlite3
from contextlib import closing
from typing import Final, NamedTuple

from outdial.envelope import Event
from outdial.events import (
    CampaignCreated,
    CampaignDeleted,
    CampaignResourcesSet,
    CampaignStarted,
    CampaignStopped,
    CampaignStopping,
    CampaignUpdated,
    DialAnswered,
    DialClaimed,
    DialDeleted,
    DialEnded,
    DialRequested,
    EventData,
    OutdialCreated,
    OutdialDeleted,
    OutdialUpdated,
    OutplanCreated,
    OutplanDeleted,
    OutplanDialInfoSet,
    OutplanUpdated,
    TargetAdded,
    TargetDeleted,
    TargetExhausted,
    TargetExpired,
    TargetFinished,
    TargetReopened,
    TargetRevived,
)
from outdial.plan import Plan
from outdial.position import Position
from outdial.views import calls, campaigns, history, outdials, outplans, targets
from outdial.views.projector import Scratch
from outdial.wire import decode_event

NAMES: Final[dict[type[EventData], tuple[str, ...]]] = {
    OutdialCreated: ("outdial_created",),
    OutdialUpdated: ("outdial_updated",),
    OutdialDeleted: ("outdial_deleted",),
    TargetAdded: ("outdialtarget_created",),
    TargetFinished: ("outdialtarget_updated",),
    TargetExhausted: ("outdialtarget_updated",),
    TargetExpired: ("outdialtarget_updated",),
    TargetRevived: ("outdialtarget_updated",),
    TargetReopened: ("outdialtarget_updated",),
    TargetDeleted: ("outdialtarget_deleted",),
    DialRequested: ("outdialtarget_updated", "campaigncall_created"),
    DialClaimed: ("campaigncall_updated",),
    DialAnswered: ("outdialtarget_updated", "campaigncall_updated"),
    DialEnded: ("outdialtarget_updated", "campaigncall_updated"),
    DialDeleted: ("campaigncall_deleted",),
    OutplanCreated: ("outplan_created",),
    OutplanUpdated: ("outplan_updated",),
    OutplanDialInfoSet: ("outplan_updated",),
    OutplanDeleted: ("outplan_deleted",),
    CampaignCreated: ("campaign_created",),
    CampaignUpdated: ("campaign_updated",),
    CampaignResourcesSet: ("campaign_updated",),
    CampaignStarted: ("campaign_status_run",),
    CampaignStopping: ("campaign_status_stopping",),
    CampaignStopped: ("campaign_status_stop",),
    CampaignDeleted: ("campaign_deleted",),
}
"""What VoIPBIN calls an event; what is not here it has no word for."""
_KINDS: Final = frozenset({"outdial", "outplan", "campaign"})
KEPT: Final = 2_000
"""Streams and targets that are kept before it is all begun anew: some megabytes."""
MOST_EVENTS: Final = 1_000_000
"""Of one target."""


class Notice(NamedTuple):
    """Something that happened to a resource."""

    type: str
    """VoIPBIN's word."""
    row: outdials.Outdial | targets.Target | outplans.Outplan | campaigns.Campaign | calls.Call
    """The resource right after it."""
    plan: Plan | None = None
    """Of a target: the plan in force."""


class Retelling:
    """Tells the events of some streams in the order of their log. What it begins with, it has to be told on: nothing may be left out."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader
        self._scratch = Scratch()
        self._streams: set[str] = set()
        self._targets: set[tuple[str, str]] = set()

    def close(self) -> None:
        """Let go of the memory."""
        self._scratch.close()

    def told(self, place: int, event: Event) -> list[Notice]:
        """What an event comes to in VoIPBIN's words; nothing, where there is no word for it."""
        data = event.data
        names = NAMES.get(type(data), ())
        if data.kind not in _KINDS or not (names or event.stream in self._streams):
            return []
        if len(self._streams) + len(self._targets) > KEPT:
            self._begin_anew()
        self._load(place, event)
        self._scratch.apply([(place, event)])
        notices = [self._notice(name, event) for name in names]
        if isinstance(data, TargetFinished) and data.late:
            notices.append(self._notice("campaigncall_updated", event))
        return notices

    def _begin_anew(self) -> None:
        self._scratch.close()
        self._scratch = Scratch()
        self._streams.clear()
        self._targets.clear()

    def _load(self, place: int, event: Event) -> None:
        """Fold what the event stands on, up to it."""
        earlier: list[history.Row] = []
        if event.stream not in self._streams:
            self._streams.add(event.stream)
            earlier += history.own(self._reader, event.stream, place)
        target = (event.stream, getattr(event.data, "target_id", ""))
        if target[1] and target not in self._targets:
            self._targets.add(target)
            row = None if isinstance(event.data, TargetAdded) else targets.get(self._reader, *target)
            if row is not None:
                start = Position.parse("0", 1)
                rows = history.page_of_target(self._reader, *target, row.position, start, MOST_EVENTS)
                earlier += [found for found in rows if found[0] < place]
        if earlier:
            self._scratch.apply([(at, decode_event(body.encode())) for at, body in sorted(earlier)])

    def _notice(self, name: str, event: Event) -> Notice:
        """A notice about the resource as it is folded so far."""
        db, data = self._scratch.db, event.data
        row: outdials.Outdial | targets.Target | outplans.Outplan | campaigns.Campaign | calls.Call | None
        plan = None
        if name.startswith("campaigncall"):
            row = calls.get(db, self._owner(event), data.attempt_id)  # type: ignore[attr-defined]
            if row is not None:
                calls.queued(self._reader, [row])
        elif name.startswith("outdialtarget"):
            row = targets.get(db, event.stream, data.target_id)  # type: ignore[attr-defined]
            outdial = outdials.get(db, self._owner(event), event.stream)
            plan = None if outdial is None else outdial.plan
        elif data.kind == "outdial":
            row = outdials.get(db, self._owner(event), event.stream)
        elif data.kind == "outplan":
            row = outplans.get(db, self._owner(event), event.stream)
        else:
            row = campaigns.get(db, self._owner(event), event.stream)
        if row is None:
            message = f"{event.id} is about something that its own history does not have"
            raise LookupError(message)
        return Notice(name, row, plan)

    def _owner(self, event: Event) -> str:
        """Whose stream it is, as it was created."""
        with closing(self._scratch.db.execute(f"SELECT customer_id FROM {event.kind} WHERE id = ?", (event.stream,))) as found:
            owner: str = found.fetchone()[0]
        return owner
